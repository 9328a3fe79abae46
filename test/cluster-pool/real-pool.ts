import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Cluster, PoolRecord } from '../../cluster-pool/contract.ts';
import { markedProcesses, signalGroup, waitForExit } from '../helpers/processes.ts';
import { startServer } from '../helpers/server-process.ts';
import { waitFor } from '../helpers/waiting.ts';

export interface RealPool {
  /** The name of the provider's pool in the configuration. */
  readonly name: string;
  /** YAML of its settings, indented by four. */
  readonly yaml: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly nodes: readonly string[];
  /** Runs a job on the cluster and checks its result; it leaves something behind that the next user must not see. */
  work(cluster: Cluster, folder: string): Promise<void>;
  /** What the last user left, as the next one would see it after a reset and in a cluster that is made anew. */
  leftovers(cluster: Cluster, recycle: 'reset' | 'recreate'): Promise<unknown>;
  /** Whether a reset of this version cleans what `work` has left; else it makes the cluster anew, and nobody works before the reset. */
  readonly canReset: boolean;
  /** A line that the first node's log holds. */
  readonly logged: RegExp;
}

// Starting an engine takes minutes on a crowded machine.
const PATIENCE_MS = 600_000;

/**
 * The life of a cluster of real processes (spec/cluster.md §5): made by the server, leased, used, cleaned for the next user, used again, kept over a
 * kill -9 of the server, made anew by the release, ended by the drain; nothing is left of it.
 */
export async function liveThrough(t: ExecutionContext, pool: RealPool): Promise<void> {
  t.timeout(2 * PATIENCE_MS);
  const folder = await mkdtemp(join(tmpdir(), `pool-${pool.name}-`));
  const mark = randomUUID();
  t.teardown(async () => {
    // Of a test that failed half way.
    for (const pid of await markedProcesses('POOL_TEST', mark)) process.kill(pid, 'SIGKILL');
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  const config = join(folder, 'config.yaml');
  const start = async (recycle: 'reset' | 'recreate') => {
    await writeFile(
      config,
      `pools:\n  ${pool.name}:\n${pool.yaml}    environment: {POOL_TEST: ${mark}}\n    recycle: ${recycle}\nclusters: {tick_seconds: 0.5}\n`,
    );
    return startServer({
      database: `sqlite:${join(folder, 'db.sqlite')}`,
      args: ['--config', config],
      env: { ...process.env, ...pool.environment },
      logFile: join(folder, 'server.log'),
      startTimeoutMs: PATIENCE_MS,
    });
  };
  let server = await start('reset');
  t.teardown(() => server.stop());
  const ask = async (query: string): Promise<unknown> => {
    const response = await fetch(`${server.url}/v2/${query}`, { method: 'GET' });
    const { status, data, error } = (await response.json()) as { status: string; data: unknown; error: string };
    if (status !== 'OK') throw new Error(`${query}: ${error}`);
    return data;
  };
  const clusters = () => ask('clusters') as Promise<Cluster[]>;
  const free = () =>
    waitFor(
      'a free cluster',
      async () => {
        const all = await clusters();
        const failed = all.find(({ status }) => status === 'failed');
        if (failed !== undefined) throw new Error(JSON.stringify(await ask(`cluster/${failed.id}/events`)));
        return all.find(({ user_id: user, health }) => user === '' && health === 'OK');
      },
      PATIENCE_MS,
    );
  await free();
  const first = (await ask('cluster_apply?user_id=eve')) as Cluster;
  if (pool.canReset) await pool.work(first, folder);
  await ask(`cluster_release?cluster_id=${first.id}`);
  const cleaned = await free();
  t.not(cleaned.id, first.id);
  t.deepEqual(cleaned.nodes, first.nodes, 'the same processes');
  t.deepEqual(await pool.leftovers(cleaned, 'reset'), []);

  const held = (await ask('cluster_apply?user_id=ann')) as Cluster;
  t.deepEqual(
    held.nodes.map(({ name, state }) => `${name} ${state}`),
    pool.nodes.map((name) => `${name} running`),
  );
  await pool.work(held, folder);
  t.regex(String(await ask(`cluster/${held.id}/log?tail=10000`)), pool.logged);

  const pids = held.nodes.map(({ pid }) => pid ?? 0);
  const alive = async () => (await markedProcesses('POOL_TEST', mark)).filter((pid) => pids.includes(pid));
  t.deepEqual((await alive()).toSorted(), pids.toSorted());
  const gone = waitForExit(server.child);
  signalGroup(server.child, 'SIGKILL');
  await gone;
  server = await start('recreate');
  const adopted = (await ask(`cluster/${held.id}`)) as Cluster;
  t.like(adopted, { user_id: 'ann', status: 'running', health: 'OK' });
  t.deepEqual(adopted.nodes, held.nodes);
  t.is((await clusters()).length, 1, 'the server has made a second one');
  t.deepEqual((await alive()).toSorted(), pids.toSorted());

  await ask(`cluster_release?cluster_id=${held.id}`);
  const next = await free();
  t.not(next.id, held.id);
  t.is(next.name, held.name);
  t.deepEqual(next.endpoints, held.endpoints);
  t.deepEqual(await alive(), [], 'processes of the last user');
  t.deepEqual(await pool.leftovers(next, 'recreate'), []);

  await ask(`cluster_op?action=drain&pool=${pool.name}`);
  await waitFor('the end of the cluster', async () => (await clusters()).length === 0, PATIENCE_MS);
  t.deepEqual(await markedProcesses('POOL_TEST', mark), [], 'processes that outlive their cluster');
  const [record] = (await ask('cluster_pools')) as PoolRecord[];
  t.like(record, { name: pool.name, total: 0, schedulable: false });
}
