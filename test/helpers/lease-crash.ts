import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { silentLogger } from '../../engine/log.ts';
import { openStore } from '../../engine/store/connection.ts';
import { startFakeFlink } from '../../executors/fakes/flink.ts';
import { jobIdOf } from '../../executors/flink/plan.ts';
import { signalGroup, waitForExit } from './processes.ts';
import { buildFolder } from './project.ts';
import { RestClient } from './rest-client.ts';
import { startServer } from './server-process.ts';
import { waitFor, waitForEnd } from './waiting.ts';

/** Where a lease stands when the server is killed, and the cluster that the execution of this point asks for by name. */
export const LEASE_POINTS = {
  /** cluster.apply: granted, and the answer not recorded. */
  granted: { workflow: 'lease', cluster: 'p-1' },
  /** cluster.run: granted and recorded, the action not begun. */
  applied: { workflow: 'run', cluster: 'p-2' },
  /** cluster.run: the record says that the job is being submitted, and it is not yet. Looked for during a minute. */
  recorded: { workflow: 'run', cluster: 'p-3' },
  running: { workflow: 'run', cluster: 'p-4' },
  /** cluster.run: the job is over and nobody has written it down. */
  finished: { workflow: 'run', cluster: 'p-5' },
  /** cluster.run: given back, and the result not written down. */
  released: { workflow: 'run', cluster: 'p-6' },
  /** The execution is over, and its lease is not. Last: nothing else ends while this is held. */
  ended: { workflow: 'broken', cluster: 'p-7' },
} as const;

export type LeasePoint = keyof typeof LEASE_POINTS;

const CONFIG = (flink: string) => `
pools: {p: {provider: fake, capacity: 7, min_free: 7, type: flink, mode: session, endpoints: {rest: '${flink}'}}}
# So long the reaper leaves alone what the hook of the execution's end is to release.
clusters: {tick_seconds: 0.2, release_grace: 600}
cluster: {heartbeat_seconds: 1, lease_seconds: 6, janitor_seconds: 1, action_heartbeat_seconds: 1, action_silence_seconds: 6}
executor: {shutdown_seconds: 0}
`;

const WORKFLOWS = `version: '2.0'
lease:
  input: [name, jar]
  tasks:
    get: {action: cluster.apply, input: {type: flink, name: <% $.name %>, wait: 600}, on-success: work}
    work: {action: std.noop}
broken:
  input: [name, jar]
  tasks:
    get: {action: cluster.apply, input: {type: flink, name: <% $.name %>, wait: 600}, on-success: work}
    work: {action: std.fail}
run:
  input: [name, jar]
  tasks:
    all:
      action: cluster.run
      input:
        apply: {type: flink, name: <% $.name %>, wait: 600}
        action: flink.run_jar
        input: {jar: <% $.jar %>, wait_for: finished, poll_interval: 0.2}
`;

/**
 * A server that stands still at every point is killed with SIGKILL, and started again on the same database; `takesOver`: instead another node, that was
 * there before, goes on. Every execution must end as if nothing had happened, with one lease and one job, and all is given back.
 */
export async function surviveLeaseKills(
  t: ExecutionContext,
  database: string,
  points: readonly LeasePoint[],
  { takesOver = false } = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-lease-crash-'));
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const flink = await startFakeFlink();
  t.teardown(() => flink.close());
  const config = join(folder, 'config.yaml');
  const jar = join(folder, 'job.jar');
  await writeFile(config, CONFIG(flink.url));
  await writeFile(jar, 'a jar');
  const logFile = join(folder, 'first.log');
  const options = { database, args: ['--config', config], cwd: folder, startTimeoutMs: 300_000 };
  const texts = points.map((point) => [point, point === 'ended' ? '"ERROR"' : `"${LEASE_POINTS[point].cluster}"`]);
  const first = await startServer({
    ...options,
    logFile,
    env: {
      ...process.env,
      HOLD_AT: JSON.stringify(Object.fromEntries(texts)),
      NODE_OPTIONS: `--import ${join(buildFolder, 'test/helpers/plant-holds.js')}`,
    },
  });
  t.teardown(first.stop);
  const client = new RestClient(first.url);
  await client.createWorkflows(WORKFLOWS);
  const isHeld = async (point: LeasePoint) =>
    (await readFile(logFile, 'utf8').catch(() => '')).includes(`HELD ${point}\n`);
  const executions = new Map<LeasePoint, string>();
  const finishJobs = async (of: readonly LeasePoint[]) => {
    for (const point of of) {
      const job = flink.jobs.get(await jobOf(client, executions.get(point) ?? ''));
      if (job !== undefined) job.state = 'FINISHED';
    }
  };
  for (const point of points) {
    const { workflow, cluster } = LEASE_POINTS[point];
    executions.set(point, (await client.startExecution(workflow, { name: cluster, jar })).id);
    await waitFor(
      `the point '${point}'`,
      async () => {
        if (point === 'finished' || point === 'released') await finishJobs([point]);
        return isHeld(point);
      },
      300_000,
    );
  }
  const second = takesOver ? await startServer({ ...options, logFile: join(folder, 'second.log') }) : null;
  if (second !== null) t.teardown(second.stop);
  signalGroup(first.child, 'SIGKILL');
  await waitForExit(first.child);
  flink.switches.jobMs = 0;
  for (const job of flink.jobs.values()) job.state = 'FINISHED';
  const next = second ?? (await startServer({ ...options, logFile: join(folder, 'second.log') }));
  t.teardown(next.stop);

  const after = new RestClient(next.url);
  for (const [point, id] of executions) {
    const { state, state_info: info } = await waitForEnd(after, id, 300_000);
    t.is(state, point === 'ended' ? 'ERROR' : 'SUCCESS', `${point}: ${info ?? ''}`);
  }
  const store = await openStore({ url: database, exclusive: false }, silentLogger);
  t.teardown(() => store.close());
  await waitFor(
    'the end of all leases',
    async () => (await store.reader('cluster_leases').whereNull('released_at').select('id')).length === 0,
    120_000,
  );
  for (const [point, id] of executions) {
    const leases: readonly { release_reason: string }[] = await store
      .reader('cluster_leases')
      .where({ execution_id: id })
      .select('release_reason');
    t.is(leases.length, 1, `${point}: one lease`);
    if (point === 'ended' || point === 'granted')
      t.is(leases[0]?.release_reason, point === 'ended' ? 'execution ERROR' : 'execution SUCCESS');
  }
  const runs = points.filter((point) => LEASE_POINTS[point].workflow === 'run').length;
  t.deepEqual([flink.runs.length, flink.jobs.size], [runs, runs], 'one job each');
  const free = () => store.reader('clusters').where({ user_id: '', status: 'running', health: 'OK' }).select('id');
  await waitFor('all clusters to be free', async () => (await free()).length === 7, 120_000);
}

async function jobOf(client: RestClient, execution: string): Promise<string> {
  const [task] = await client.tasks(execution);
  const [action] = task === undefined ? [] : await client.actions(task.id);
  return jobIdOf(action?.id ?? '');
}
