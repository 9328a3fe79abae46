import { connect } from 'node:net';
import { ProviderError } from '../provider.ts';
import type { HealthReport, Made, Provider } from '../provider.ts';
import { staticClusters, wrong } from '../settings.ts';
import { cleanFlink, cleanSpark } from './cleaning.ts';
import type { ProviderFactory } from './index.ts';
import { answersHttp } from './http.ts';
import { PoolReader } from './reading.ts';

/**
 * Clusters that run elsewhere and are registered by their addresses. Whether all of these answer is all that is known of them. With
 * `recycle: reset` what a user left running is ended over these addresses; a cluster on which something does not end is not offered.
 */
export const createStatic: ProviderFactory = (pool) => {
  const clusters = new Map(staticClusters(pool.name, pool.config).map(({ name, endpoints }) => [name, endpoints]));
  if (pool.config['recycle'] === 'reset') checkCleaning(pool, clusters);
  const resetSeconds = new PoolReader(pool.name, pool.config).count('reset_seconds', 30, 1, 3600);
  const find = (name: string): Readonly<Record<string, string>> => {
    const endpoints = clusters.get(name);
    if (endpoints === undefined) throw new ProviderError(`no cluster ${name} is registered`);
    return endpoints;
  };
  const refuse = (): Promise<never> => Promise.reject(new ProviderError('it is registered only, and runs elsewhere'));
  const look = async (name: string, signal: AbortSignal): Promise<Made> => {
    const endpoints = find(name);
    const { ok, why } = await reachable(endpoints, signal);
    if (!ok) throw new ProviderError(why);
    return { endpoints, handle: {}, nodes: [] };
  };
  const provider: Provider = {
    isLocal: false,
    plan: () => ({ cores: 0, memoryMb: 0 }),
    create: (spec, signal) => look(spec.name, signal),
    health: (cluster, signal) => reachable(clusters.get(cluster.name) ?? cluster.endpoints, signal),
    start: refuse,
    stop: refuse,
    restart: refuse,
    reset: async (cluster, signal) => {
      const clean = pool.type === 'flink' ? cleanFlink : cleanSpark;
      const cleaned = await clean(find(cluster.name), resetSeconds, signal);
      if (cleaned.kind === 'busy') throw new ProviderError(`it cannot be cleaned: ${cleaned.why}`);
      return look(cluster.name, signal);
    },
    destroy: () => Promise.resolve(),
    // What the configuration says now counts.
    adopt: (cluster, signal) => look(cluster.name, signal),
    log: () => Promise.resolve(null),
  };
  return provider;
};

/** Which addresses of a cluster cleaning goes over. */
const CLEANED_BY: Readonly<Record<string, string>> = { spark: 'ui', flink: 'rest' };

function checkCleaning(
  { name, type }: Parameters<ProviderFactory>[0],
  clusters: ReadonlyMap<string, Readonly<Record<string, string>>>,
): void {
  const needed = Object.hasOwn(CLEANED_BY, type) ? CLEANED_BY[type] : undefined;
  if (needed === undefined)
    throw wrong(name, `recycle is reset, and how to clean a cluster of type ${type} is not known; it should be none`);
  for (const [cluster, endpoints] of clusters)
    if (!/^https?:\/\//.test(endpoints[needed] ?? ''))
      throw wrong(name, `recycle is reset, so the endpoints of ${cluster} should have ${needed}, such as http://…`);
}

async function reachable(endpoints: Readonly<Record<string, string>>, signal: AbortSignal): Promise<HealthReport> {
  for (const [name, address] of Object.entries(endpoints)) {
    const ok = /^https?:/.test(address) ? await answersHttp(address, signal) : await accepts(address);
    if (!ok) return { ok: false, why: `${name} ${address} does not answer` };
  }
  return { ok: true, why: '' };
}

/** Whether somebody listens there. What has no port cannot be asked. */
function accepts(address: string): Promise<boolean> {
  const match = /^(?:[\w+.-]+:\/\/)?\[?([^\s/\]]+?)\]?:(\d{1,5})(?:\/|$)/.exec(address.split(',')[0] ?? '');
  const [, host = '', port = ''] = match ?? [];
  if (match === null || Number(port) > 65_535) return Promise.resolve(true);
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    const done = (ok: boolean) => {
      socket.destroy();
      resolve(ok);
    };
    socket.setTimeout(5000, () => done(false));
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
