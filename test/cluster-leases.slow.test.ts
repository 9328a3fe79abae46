import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Store } from '../engine/store/connection.ts';
import { startFakeCello } from '../executors/fakes/cello.ts';
import { startFakeFlink, type FakeFlink } from '../executors/fakes/flink.ts';
import { startNodeServer } from './helpers/node-server.ts';
import { RestClient } from './helpers/rest-client.ts';
import { waitFor, waitForEnd } from './helpers/waiting.ts';

// A whole server with pools of clusters that run elsewhere: what becomes of leases when executions end in all ways.

interface World {
  readonly client: RestClient;
  readonly url: string;
  readonly store: Store;
  readonly flink: FakeFlink;
  readonly jar: string;
}

let w: World;
/** Leases of earlier tests. */
let before = 0;

// One server for all: starting one costs more than what they do.
const endings: (() => Promise<void>)[] = [];
test.before(async () => {
  w = await open({ teardown: (end) => endings.unshift(end) });
});
test.after.always(async () => {
  for (const end of endings) await end();
});
test.beforeEach(async () => {
  before = (await w.store.reader('cluster_leases').select('id')).length;
});

async function open(t: { teardown(end: () => Promise<void>): void }): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-leases-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const jar = join(folder, 'job.jar');
  await writeFile(jar, 'a jar');
  const flink = await startFakeFlink();
  t.teardown(() => flink.close());
  const cello = await startFakeCello([{ plugin: 'flink', mode: 'session', serviceUrl: { rest: flink.url } }]);
  t.teardown(() => cello.close());
  const server = await startNodeServer(t, {
    dataFolder: folder,
    pools: {
      one: { provider: 'static', type: 'flink', mode: 'session', clusters: [{ endpoints: { rest: flink.url } }] },
    },
    clusters: { tick_seconds: 0.1, health_seconds: 0.2 },
    connections: { cello: { type: 'cluster', url: cello.url } },
  });
  const client = new RestClient(server.url);
  await client.createWorkflows(WORKFLOWS);
  await waitFor('a free cluster', async () => (await clusters(server.store)).some(({ user_id: user }) => user === ''));
  return { client, url: server.url, store: server.store, flink, jar };
}

const WORKFLOWS = `version: '2.0'
hold:
  input: [scope: execution, pool: builtin]
  tasks:
    lease:
      action: cluster.apply
      input: {type: flink, wait: 600, poll_interval: 0.2, scope: <% $.scope %>, pool: <% $.pool %>}
      publish: {cluster: <% task().result %>}
      on-success: work
    work: {action: std.async_noop}
run:
  input: [jar]
  tasks:
    lease:
      action: cluster.apply
      input: {type: flink, wait: 600, poll_interval: 0.2}
      publish: {cluster: <% task().result %>}
      on-success: job
    job: {action: flink.run_jar, input: {cluster: <% $.cluster %>, jar: <% $.jar %>, wait_for: finished, poll_interval: 0.1}}
at_once:
  input: [jar]
  output: {job: <% task(all).result %>}
  tasks:
    all:
      action: cluster.run
      input:
        apply: {type: flink, wait: 600, poll_interval: 0.2}
        action: flink.run_jar
        input: {jar: <% $.jar %>, wait_for: finished, poll_interval: 0.1}
look:
  tasks:
    all: {action: cluster.run, input: {apply: {type: flink, wait: 600, poll_interval: 0.2}, action: flink.jobs.all}}
give:
  input: [id]
  output: {given: <% task(back).result.released %>}
  tasks:
    back: {action: cluster.release, input: {cluster_id: <% $.id %>}}
wrong:
  tasks:
    all: {action: cluster.run, input: {apply: {type: flink}, action: std.echo, input: {output: 1}}}
inner:
  output: {cluster: <% $.cluster %>}
  tasks:
    lease:
      action: cluster.apply
      input: {type: flink, scope: root}
      publish: {cluster: <% task().result %>}
outer:
  tasks:
    sub: {workflow: inner, on-success: work}
    work: {action: std.async_noop}
`;

interface LogEvent {
  readonly type: string;
  readonly name: string;
  readonly state: string;
  readonly state_info: string | null;
}

interface Lease {
  readonly released_at: number | null;
  readonly release_reason: string | null;
  readonly cluster_id: string;
}

const clusters = (store: Store): Promise<{ user_id: string; status: string }[]> =>
  store.reader('clusters').whereNot('status', 'released').select('user_id', 'status');
/** Of this test. */
const leases = async (): Promise<Lease[]> => {
  const rows: Lease[] = await w.store
    .reader('cluster_leases')
    .orderBy('granted_at')
    .select('cluster_id', 'released_at', 'release_reason');
  return rows.slice(before);
};

const held = () => waitFor('an open lease', async () => (await leases()).some((lease) => lease.released_at === null));
async function allReleased(): Promise<readonly Lease[]> {
  return waitFor('the end of every lease', async () => {
    const rows = await leases();
    return rows.every((lease) => lease.released_at !== null) && rows;
  });
}
const task = (execution: string, name: string, state = 'RUNNING') =>
  waitFor(`task ${name} in ${state}`, async () =>
    (await w.client.tasks(execution)).find((one) => one.name === name && one.state === state),
  );
const liveJob = () =>
  waitFor('a running job', async () => [...w.flink.jobs.values()].find(({ state }) => state === 'RUNNING'));
const put = (path: string, body: object) =>
  fetch(`${w.url}/v2/${path}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

async function finishWork(execution: string, state: 'SUCCESS' | 'ERROR'): Promise<void> {
  const work = await task(execution, 'work');
  const [action] = await w.client.actions(work.id);
  await put(`action_executions/${action?.id}`, { state, output: '{}' });
}

test.serial(
  'a cluster goes back when its execution succeeds and when it fails, and the next in turn gets it',
  async (t) => {
    const first = await w.client.startExecution('hold', {});
    await task(first.id, 'work');
    const second = await w.client.startExecution('hold', {});
    await waitFor(
      'a ticket',
      async () => (await w.store.reader('cluster_waiters').where({ state: 'waiting' })).length === 1,
    );
    await finishWork(first.id, 'SUCCESS');
    t.is((await waitForEnd(w.client, first.id)).state, 'SUCCESS');
    await finishWork(second.id, 'ERROR');
    t.is((await waitForEnd(w.client, second.id)).state, 'ERROR');
    const over = await allReleased();
    t.deepEqual(
      over.map((lease) => lease.release_reason),
      ['execution SUCCESS', 'execution ERROR'],
    );
    t.is(new Set(over.map((lease) => lease.cluster_id)).size, 2, 'each release ends an id');
    const log = (await (await fetch(`${w.url}/v2/executions/${first.id}/events`)).json()) as { events: LogEvent[] };
    t.deepEqual(
      log.events.filter(({ type }) => type === 'cluster').map((one) => `${one.name} ${one.state} ${one.state_info}`),
      ['one-1 granted null', 'one-1 released execution SUCCESS'],
    );
    // What was over before is no stranger's cluster.
    const give = await w.client.startExecution('give', { id: over[0]?.cluster_id ?? '' });
    const { state, output } = await waitForEnd(w.client, give.id);
    t.deepEqual([state, JSON.parse(output ?? '{}')], ['SUCCESS', { given: [] }]);
  },
);

test.serial(
  'cancelled while waiting: the place is free; while the job runs: the job ends first, then the lease',
  async (t) => {
    const running = await w.client.startExecution('run', { jar: w.jar });
    await liveJob();
    const waiting = await w.client.startExecution('hold', {});
    await waitFor(
      'a ticket',
      async () => (await w.store.reader('cluster_waiters').where({ state: 'waiting' })).length === 1,
    );
    await w.client.cancel(waiting.id, 'not needed');
    t.is((await waitForEnd(w.client, waiting.id)).state, 'CANCELLED');
    await waitFor(
      'no ticket',
      async () => (await w.store.reader('cluster_waiters').where({ state: 'waiting' })).length === 0,
    );
    t.is((await leases()).length, 1);
    const jobsAtRelease: string[] = [];
    w.store.writer.on('query', ({ sql }: { sql: string }) => {
      if (/update .?cluster_leases/.test(sql))
        jobsAtRelease.push(...[...w.flink.jobs.values()].map(({ state }) => state));
    });
    await w.client.cancel(running.id, 'enough');
    await allReleased();
    t.is(jobsAtRelease[0], 'CANCELED');
  },
);

test.serial('a paused execution keeps its cluster; deleted while its job runs, it gives it back', async (t) => {
  const { id } = await w.client.startExecution('run', { jar: w.jar });
  await liveJob();
  await put(`executions/${id}`, { state: 'PAUSED' });
  await waitFor('the pause', async () => (await w.client.execution(id)).state === 'PAUSED');
  await held();
  await fetch(`${w.url}/v2/executions/${id}?force=true`, { method: 'DELETE' });
  const [lease] = await allReleased();
  t.regex(lease?.release_reason ?? '', /deleted$/);
  t.is([...w.flink.jobs.values()].at(-1)?.state, 'CANCELED');
});

test.serial('scope root: what a sub-workflow leases lasts until the outermost execution ends', async (t) => {
  const { id } = await w.client.startExecution('outer', {});
  await task(id, 'sub', 'SUCCESS');
  await task(id, 'work');
  await held();
  await finishWork(id, 'SUCCESS');
  t.is((await waitForEnd(w.client, id)).state, 'SUCCESS');
  await allReleased();
});

test.serial('scope none: the lease outlives its execution until somebody gives the cluster back', async (t) => {
  const { id } = await w.client.startExecution('hold', { scope: 'none' });
  await finishWork(id, 'SUCCESS');
  await waitForEnd(w.client, id);
  await waitFor('an empty outbox', async () => (await w.store.reader('outbox').select('id')).length === 0);
  const [lease] = await leases();
  t.is(lease?.released_at, null);
  const answer = await fetch(`${w.url}/v2/cluster_op?action=release&cluster_id=${lease?.cluster_id}`);
  t.is(answer.status, 200);
  await allReleased();
});

test.serial(
  'a job that is run again on a cluster that was given back says to lease another, and starts nothing',
  async (t) => {
    const { id } = await w.client.startExecution('run', { jar: w.jar });
    (await liveJob()).state = 'FAILED';
    const jobs = w.flink.jobs.size;
    t.is((await waitForEnd(w.client, id)).state, 'ERROR');
    await allReleased();
    const failed = await task(id, 'job', 'ERROR');
    await put(`tasks/${failed.id}`, { state: 'RUNNING', reset: true });
    await waitFor(
      'the second failure',
      async () => (await w.client.actions(failed.id)).filter(({ state }) => state === 'ERROR').length === 2,
    );
    const actions = await w.client.actions(failed.id);
    t.true(actions.some(({ output }) => output?.includes('CLUSTER_LEASE_OVER') === true));
    t.is(w.flink.jobs.size, jobs);
  },
);

test.serial(
  'cluster.run: a job’s output, its failure and its cancel, and a plain action; the cluster goes back each time',
  async (t) => {
    const fine = await w.client.startExecution('at_once', { jar: w.jar });
    (await liveJob()).state = 'FINISHED';
    const end = await waitForEnd(w.client, fine.id);
    t.is(end.state, 'SUCCESS');
    t.is((JSON.parse(end.output ?? '{}') as { job: { state: string } }).job.state, 'FINISHED');
    const failing = await w.client.startExecution('at_once', { jar: w.jar });
    (await liveJob()).state = 'FAILED';
    t.is((await waitForEnd(w.client, failing.id)).state, 'ERROR');
    const cancelled = await w.client.startExecution('at_once', { jar: w.jar });
    const job = await liveJob();
    await w.client.cancel(cancelled.id, 'enough');
    await waitFor('the end of the job', async () => job.state === 'CANCELED');
    t.is((await waitForEnd(w.client, (await w.client.startExecution('look', {})).id)).state, 'SUCCESS');
    t.is((await waitForEnd(w.client, (await w.client.startExecution('wrong', {})).id)).state, 'ERROR');
    t.is((await allReleased()).length, 4);
  },
);

test.serial('a cluster of another service goes back with its execution as well', async (t) => {
  const { id } = await w.client.startExecution('hold', { pool: 'cello' });
  await finishWork(id, 'ERROR');
  await waitForEnd(w.client, id);
  await allReleased();
  const again = await w.client.startExecution('hold', { pool: 'cello' });
  await finishWork(again.id, 'SUCCESS');
  t.is((await waitForEnd(w.client, again.id)).state, 'SUCCESS');
});
