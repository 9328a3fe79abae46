import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { isSystemUser, type ClusterPools } from '../../cluster-pool/contract.ts';
import { textOf } from '../spark/systems/client.ts';
import type { CelloClient } from './cello-client.ts';
import { ServiceRefusal } from './errors.ts';
import type { ClusterService, ServiceName, Wish } from './service.ts';

/**
 * A Cello-compatible service elsewhere. It has no tickets, no keys and no expiry: an apply is found again by its user id (spec/cluster.md
 * §2), and that a lease ends with its execution is written down here (`pools`; null: nothing is).
 */
export function remoteService(client: CelloClient, name: ServiceName, pools: ClusterPools | null): ClusterService {
  const connection = name.kind === 'connection' ? name.name : name.kind === 'url' ? name.url : '';
  const ended = async (clusterId: string) => pools?.remoteLeaseReleased(connection, clusterId, 'released');
  const release = async (clusterId: string, signal: AbortSignal) => {
    await client.release(clusterId, signal);
    await ended(clusterId);
  };
  return {
    name,
    async apply(wish, signal) {
      const cluster = await client.apply(parametersOf(wish), signal);
      if (cluster !== null) return { kind: 'granted', cluster: inOurWords(cluster) };
      if (wish.waitS > 0) return { kind: 'waiting', ticket: null };
      return { kind: 'none', why: `No available res for ${wish.userId}` };
    },
    async waiting(wish, _, signal) {
      // An apply whose answer was lost may have been obeyed; asking for another cluster then would take two.
      const [held] = await this.granted(wish, signal);
      return held === undefined ? this.apply(wish, signal) : { kind: 'granted', cluster: held };
    },
    watch: () => {},
    async granted(wish, signal) {
      const held = (await client.list({ user_id: wish.userId }, signal)).filter(
        ({ user_id: owner, release_ts: releasedAt }) => owner === wish.userId && !releasedAt,
      );
      const ours = wish.isOwnUser
        ? held
        : held.filter((one) => fits(one, wish) && !(wish.allowMultiple && wish.held.includes(String(one.id))));
      return ours.map(inOurWords).toSorted((a, b) => (String(a.apply_ts) < String(b.apply_ts) ? -1 : 1));
    },
    async keep(wish, cluster) {
      await pools?.recordRemoteLease({
        project: wish.project,
        user_id: wish.userId,
        connection,
        cluster_id: String(cluster.id),
        lease_key: wish.leaseKey,
        execution_id: wish.executionId,
        root_execution_id: wish.rootExecutionId,
        scope: wish.scope,
      });
    },
    async undo(wish, _, clusterId, signal) {
      // What a shared user held before was somebody else's apply.
      if (wish.isOwnUser) for (const one of await this.granted(wish, signal)) await release(String(one.id), signal);
      else if (clusterId !== null && !wish.held.includes(clusterId)) await release(clusterId, signal);
    },
    async get(_, id, signal) {
      const cluster = await client.get(id, signal);
      return cluster === null ? null : inOurWords(cluster);
    },
    list: async (_, filter, signal) =>
      (await client.list(filter, signal)).map(inOurWords).filter((one) => !isSystemUser(String(one.user_id))),
    async release({ clusterId, userId, executionId, rootExecutionId }, signal) {
      if (clusterId !== null) {
        const known = await client.get(clusterId, signal);
        await release(clusterId, signal);
        return known === null ? [] : [clusterId];
      }
      if (userId !== null) {
        const released = await client.releaseUser(userId, signal);
        for (const id of released) await ended(id);
        return released;
      }
      const leases = executionId === null ? [] : ((await pools?.remoteLeasesOf(executionId, rootExecutionId)) ?? []);
      const own = leases.filter((lease) => lease.connection === connection);
      for (const { cluster_id: id } of own) await release(id, signal);
      return own.map((lease) => lease.cluster_id);
    },
    async operate({ clusterId, op, node }, signal) {
      await client.operate(op, { cluster_id: clusterId, ...(node !== null && { node_id: node }) }, signal);
    },
    renew: () =>
      Promise.reject(new ServiceRefusal(400, 'Leases of a remote service do not expire: there is nothing to renew.')),
  };
}

/** In both spellings, so that Cello and our own service understand them; Cello ignores what it does not know. */
function parametersOf(wish: Wish): JsonObject {
  const { type, mode, size, sizeMin, labels, name } = wish;
  return {
    user_id: wish.userId,
    ...(type !== null && { consensus_plugin: type }),
    ...(mode !== null && { consensus_mode: mode }),
    ...(size !== null && { size }),
    ...(sizeMin !== null && { size_min: sizeMin }),
    ...Object.fromEntries(Object.entries(labels).map(([key, value]) => [`labels.${key}`, value])),
    ...(name !== null && { name }),
    allow_multiple: wish.allowMultiple,
  };
}

function fits(cluster: JsonObject, { type, mode, size }: Wish): boolean {
  return (
    (type === null || cluster.consensus_plugin === type) &&
    (mode === null || cluster.consensus_mode === mode) &&
    (size === null || Number(cluster.size) === size)
  );
}

/** With the keys that our own clusters have (spec/cluster.md §3.2). */
function inOurWords(cluster: JsonObject): JsonObject {
  const service = isJsonObject(cluster.service_url) ? cluster.service_url : {};
  const endpoints = isJsonObject(cluster.endpoints) ? cluster.endpoints : service;
  const main = textOf(cluster.api_url) ?? textOf(service.master) ?? textOf(service.rest) ?? '';
  return {
    ...cluster,
    type: cluster.type ?? cluster.consensus_plugin ?? '',
    mode: cluster.mode ?? cluster.consensus_mode ?? '',
    labels: isJsonObject(cluster.labels) ? cluster.labels : {},
    endpoints,
    api_url: main,
    release_ts: cluster.release_ts ?? '',
  };
}
