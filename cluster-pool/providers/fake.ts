import { setTimeout as sleep } from 'node:timers/promises';
import { ProviderError } from '../provider.ts';
import type { ClusterSpec, LiveCluster, Made, Provider } from '../provider.ts';
import type { ProviderFactory } from './index.ts';
import { PoolReader } from './reading.ts';

/**
 * Clusters that exist in their rows only: for tests, and to try workflows without engines. `create_ms`, `destroy_ms`, `reset_ms` say how
 * long things take, `endpoints` what a cluster answers under, `fail_names` which ones cannot be made.
 */
export const createFake: ProviderFactory = (pool) => {
  const read = new PoolReader(pool.name, pool.config);
  const delays = {
    create: read.count('create_ms', 0),
    destroy: read.count('destroy_ms', 0),
    reset: read.count('reset_ms', 0),
  };
  const resources = { cores: read.count('worker_cores', 1), memoryMb: read.count('worker_memory_mb', 0) };
  const endpoints = read.texts('endpoints');
  const failing = (read.text('fail_names') ?? '').split(',');
  const made = (cluster: Pick<ClusterSpec, 'name' | 'size' | 'handle'>, state = 'running'): Made => ({
    endpoints: Object.keys(endpoints).length > 0 ? endpoints : { master: `fake://${cluster.name}` },
    handle: cluster.handle,
    nodes: ['master', ...Array.from({ length: cluster.size }, (_, i) => `w${i}`)].map((name) => ({
      name,
      pid: null,
      state,
    })),
  });
  const changed = (cluster: LiveCluster, node: string | null, state: string): Made => {
    if (node !== null && !cluster.nodes.some(({ name }) => name === node))
      throw new ProviderError(`there is no node ${node}`);
    const nodes = cluster.nodes.map((one) => (node === null || one.name === node ? { ...one, state } : one));
    return { ...cluster, nodes };
  };
  const provider: Provider = {
    isLocal: false,
    plan: (size) => ({ cores: resources.cores * size, memoryMb: resources.memoryMb * size }),
    create: async (spec, signal) => {
      await pause(delays.create, signal);
      if (failing.includes(spec.name)) throw new ProviderError(`${spec.name} is one of fail_names`);
      return made(spec);
    },
    health: async (cluster) => {
      const down = cluster.nodes.filter(({ state }) => state !== 'running').map(({ name }) => name);
      return { ok: down.length === 0, why: down.length === 0 ? '' : `${down.join(', ')} stopped` };
    },
    start: async (cluster, node) => changed(cluster, node, 'running'),
    stop: async (cluster, node) => changed(cluster, node, 'stopped'),
    restart: async (cluster, node) => changed(cluster, node, 'running'),
    reset: async (cluster, signal) => {
      await pause(delays.reset, signal);
      return made(cluster);
    },
    destroy: (_cluster, signal) => pause(delays.destroy, signal),
    adopt: async (cluster) => ({ endpoints: cluster.endpoints, handle: cluster.handle, nodes: cluster.nodes }),
    log: async (cluster, node) =>
      node === null || cluster.nodes.some(({ name }) => name === node) ? `${cluster.name} says nothing\n` : null,
  };
  return provider;
};

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (milliseconds > 0) await sleep(milliseconds, undefined, { signal });
}
