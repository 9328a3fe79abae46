import type { JsonObject } from '../../dsl/json.ts';
import {
  isRefusal,
  type ApplyAnswer,
  type ApplyRequest,
  type Cluster,
  type ClusterPools,
} from '../../cluster-pool/contract.ts';
import { ServiceRefusal } from './errors.ts';
import type { Applied, ClusterService, Wish } from './service.ts';

/** The pools of this server's database. A lease key names one lease for ever, so an apply may be repeated at will. */
export function builtinService(pools: ClusterPools): ClusterService {
  const lostTicket = async (wish: Wish): Promise<string | null> => {
    if (wish.waitS === 0) return null;
    const answer = await pools.apply(requestOf(wish));
    return answer.kind === 'waiting' ? answer.ticket : null;
  };
  return {
    name: { kind: 'builtin' },
    apply: async (wish) => appliedOf(await pools.apply(requestOf(wish))),
    waiting: async (wish, ticket) =>
      appliedOf(ticket === null ? await pools.apply(requestOf(wish)) : await pools.ticket(ticket)),
    watch(ticket, signal, news) {
      pools.waitFor(ticket, LONGEST_WATCH_MS, signal).then(news, news);
    },
    async granted(wish) {
      const leases = await pools.leases(wish.project, { user_id: wish.userId });
      const own = leases.filter((lease) => lease.lease_key === wish.leaseKey && lease.remote === null);
      const clusters = await Promise.all(own.map((lease) => pools.get(wish.project, lease.cluster_id)));
      return clusters.flatMap((cluster) => (cluster === null ? [] : [toJson(cluster)]));
    },
    keep: async () => {},
    async undo(wish, ticket) {
      // A ticket whose number was lost in a crash is asked for by its key.
      const left = ticket ?? (await lostTicket(wish));
      if (left !== null) await pools.cancelTicket(left);
      for (const { id } of await this.granted(wish, NEVER)) {
        if (typeof id === 'string') unrefused(await pools.release({ project: wish.project, cluster_id: id }));
      }
    },
    async get(project, id) {
      const cluster = await pools.get(project, id);
      // A life that is over is nobody's any more, whoever had it last.
      return cluster === null || cluster.status === 'released' ? null : toJson(cluster);
    },
    list: async (project, filter) => (await pools.list(project, filter)).map(toJson),
    async release({ project, clusterId, userId, executionId }) {
      const answer = unrefused(
        await pools.release({
          project,
          ...(clusterId !== null && { cluster_id: clusterId }),
          ...(clusterId !== null && userId !== null && { by_user_id: userId }),
          ...(clusterId === null && userId !== null && { user_id: userId }),
          ...(clusterId === null && userId === null && executionId !== null && { execution_id: executionId }),
        }),
      );
      return answer.released;
    },
    async operate({ project, clusterId, op, node }) {
      unrefused(await pools.operate({ project, cluster_id: clusterId, op, ...(node !== null && { node }) }));
    },
    async renew({ project, clusterId, ttlS }) {
      const lease = unrefused(await pools.renew({ project, cluster_id: clusterId, ttl_s: ttlS }));
      return { id: lease.id, owner: lease.owner, expires_at: lease.expires_at, scope: lease.scope };
    },
  };
}

const LONGEST_WATCH_MS = 60_000;
const NEVER = new AbortController().signal;

function requestOf(wish: Wish): ApplyRequest {
  const { type, mode, size, sizeMin, name, labels } = wish;
  return {
    project: wish.project,
    user_id: wish.userId,
    filter: {
      ...(type !== null && { type }),
      ...(mode !== null && { mode }),
      ...(size !== null && { size }),
      ...(sizeMin !== null && { size_min: sizeMin }),
      ...(name !== null && { name }),
      ...(Object.keys(labels).length > 0 && { labels }),
    },
    allow_multiple: wish.allowMultiple,
    wait_s: wish.waitS,
    ttl_s: wish.ttlS,
    lease_key: wish.leaseKey,
    execution_id: wish.executionId,
    root_execution_id: wish.rootExecutionId,
    scope: wish.scope,
  };
}

function appliedOf(answer: ApplyAnswer): Applied {
  switch (answer.kind) {
    case 'granted':
      return { kind: 'granted', cluster: toJson(answer.cluster) };
    case 'waiting':
    case 'none':
      return answer;
    case 'refused':
      throw new ServiceRefusal(answer.code, answer.why);
  }
}

function unrefused<T extends object>(answer: T): Exclude<T, { readonly kind: 'refused' }> {
  if (isRefusal(answer)) throw new ServiceRefusal(answer.code, answer.why);
  return answer as Exclude<T, { readonly kind: 'refused' }>;
}

function toJson(cluster: Cluster): JsonObject {
  const { labels, endpoints, service_url, nodes, containers, mapped_ports, lease, ...plain } = cluster;
  return {
    ...plain,
    labels: { ...labels },
    endpoints: { ...endpoints },
    service_url: { ...service_url },
    nodes: nodes.map((node) => ({ ...node })),
    containers: [...containers],
    mapped_ports: { ...mapped_ports },
    ...(lease !== undefined && { lease: { ...lease } }),
  };
}
