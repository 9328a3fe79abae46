import { isJsonObject } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { labelsOf } from '../contract.ts';
import { ProviderError } from '../provider.ts';
import type { Made, Provider } from '../provider.ts';
import { wrong } from '../settings.ts';
import { readObject, send } from './http.ts';
import type { ProviderFactory } from './index.ts';
import { PoolReader } from './reading.ts';

/**
 * Clusters of a remote service that speaks Cello's API v2 (spec/cluster.md §1), leased from it one by one and lent on. Its ids are kept in the
 * handle. Each life applies under a user of its own, so that an apply whose answer was lost is answered with the same cluster.
 */
export const createCello: ProviderFactory = (pool) => {
  const read = new PoolReader(pool.name, pool.config);
  const url = read.text('url')?.replace(/\/+$/, '').replace(/\/v2$/, '') ?? null;
  if (url === null || !URL.canParse(url)) throw wrong(pool.name, 'url should be the address of the service');
  const wished: JsonObject = {
    ...(read.text('consensus_plugin') !== null && { consensus_plugin: read.text('consensus_plugin') }),
    ...(read.text('consensus_mode') !== null && { consensus_mode: read.text('consensus_mode') }),
  };
  const op = (action: string, body: JsonObject, signal: AbortSignal): Promise<JsonObject> =>
    ask(`${url}/v2/cluster_op?action=${action}`, body, signal);
  const find = async (id: string, signal: AbortSignal): Promise<JsonObject | null> => {
    const answer = await readObject(`${url}/v2/cluster/${encodeURIComponent(id)}`, signal);
    return answer?.['status'] === 'OK' && isJsonObject(answer['data'] ?? null) ? (answer['data'] as JsonObject) : null;
  };
  const operate = async (action: string, id: string, node: string | null, signal: AbortSignal): Promise<Made> => {
    await op(action, { cluster_id: id, ...(node !== null && { node_id: node }) }, signal);
    const found = await find(id, signal);
    if (found === null) throw new ProviderError(`the service knows no cluster ${id} any more`);
    return madeOf(found, {});
  };
  const provider: Provider = {
    isLocal: false,
    plan: () => ({ cores: 0, memoryMb: 0 }),
    create: async (spec, signal) => {
      const user = `tramontane-${spec.id}`;
      const size = pool.config['remote_size'] ?? null;
      const answer = await op('apply', { user_id: user, ...wished, ...(size !== null && { size }) }, signal);
      const { data = null } = answer;
      if (!isJsonObject(data) || typeof data['id'] !== 'string') throw new ProviderError('its answer has no cluster');
      return madeOf(data, { ...spec.handle, remote_id: data['id'], remote_user: user });
    },
    health: async (cluster, signal) => {
      const found = await find(remoteId(cluster.handle), signal);
      if (found === null) return { ok: false, why: 'the service does not know it' };
      const { status, health } = found;
      return {
        ok: status === 'running' && health !== 'FAIL',
        why: `the service says ${String(status)} ${String(health)}`,
      };
    },
    start: (cluster, node, signal) => keeping(cluster.handle, operate('start', remoteId(cluster.handle), node, signal)),
    stop: (cluster, node, signal) => keeping(cluster.handle, operate('stop', remoteId(cluster.handle), node, signal)),
    restart: (cluster, node, signal) =>
      keeping(cluster.handle, operate('restart', remoteId(cluster.handle), node, signal)),
    // The service recycles on release.
    reset: () => Promise.resolve(null),
    destroy: async (cluster, signal) => {
      const known = cluster.handle['remote_id'];
      const ids = typeof known === 'string' ? [known] : await heldBy(`tramontane-${cluster.id}`, url, signal);
      for (const id of ids) await op('release', { cluster_id: id }, signal);
    },
    adopt: async (cluster, signal) => {
      const found = await find(remoteId(cluster.handle), signal);
      return found === null ? null : madeOf(found, cluster.handle);
    },
    log: () => Promise.resolve(null),
  };
  return provider;
};

/** What an apply got whose answer was lost. */
async function heldBy(user: string, url: string, signal: AbortSignal): Promise<readonly string[]> {
  const { data = null } = await ask(`${url}/v2/clusters`, { user_id: user }, signal);
  const items: readonly Json[] = Array.isArray(data) ? data : [];
  return items.flatMap((item) => {
    const id = isJsonObject(item) ? item['id'] : item;
    return typeof id === 'string' ? [id] : [];
  });
}

/** @throws ProviderError with the service's own text. */
async function ask(url: string, body: JsonObject, signal: AbortSignal): Promise<JsonObject> {
  const { status, body: answer } = await send('POST', url, signal, body);
  if (!isJsonObject(answer)) throw new ProviderError(`${url} answers ${status} without JSON`);
  if (answer['status'] !== 'OK') throw new ProviderError(`${url}: ${String(answer['error'] ?? status)}`);
  return answer;
}

function madeOf(data: JsonObject, handle: JsonObject): Made {
  const service = labelsOf(data['service_url'] ?? {}) ?? {};
  const own = labelsOf(data['endpoints'] ?? {}) ?? {};
  const { api_url: api } = data;
  const main: Readonly<Record<string, string>> = typeof api === 'string' && api !== '' ? { rest: api } : {};
  return { endpoints: { ...main, ...service, ...own }, handle, nodes: [] };
}

function remoteId(handle: JsonObject): string {
  return typeof handle['remote_id'] === 'string' ? handle['remote_id'] : '';
}

async function keeping(handle: JsonObject, made: Promise<Made>): Promise<Made> {
  return { ...(await made), handle };
}
