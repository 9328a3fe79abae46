import test, { type ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import type { RunContext } from '../../engine/contract.ts';
import { silentLogger } from '../../engine/log.ts';
import { systemClock } from '../../engine/shell/clock.ts';
import { loadExternalJob } from '../../engine/store/external-jobs.ts';
import type { Action } from '../../executors/action.ts';
import { clusterPack } from '../../executors/cluster/pack.ts';
import { connectionsOf } from '../../executors/connections/connection.ts';
import {
  startFakeCello,
  type FakeCello,
  type FakeCelloHost,
  type FakeCelloOptions,
} from '../../executors/fakes/cello.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import { withLeasedMaster } from '../../executors/spark/via.ts';
import { JobWatcher, type JobWatcherOptions } from '../../executors/job-watcher.ts';
import { MemoryPools } from '../helpers/memory-pools.ts';
import { memoryStore } from '../helpers/store.ts';
import { waitFor } from '../helpers/waiting.ts';
import { Remote, Reports, runAction } from './helpers/remote.ts';
import { connection } from './helpers/servers.ts';

class World {
  readonly pools = new MemoryPools();
  readonly reports = new Reports();
  readonly db: Knex;
  private readonly actions: readonly Action[];
  private readonly nodes: JobWatcher[] = [];

  private constructor(t: ExecutionContext, db: Knex, cello: FakeCello | null) {
    this.db = db;
    const http = createHttpClient(null);
    this.actions = clusterPack(
      {
        pools: this.pools.pools,
        connections: connectionsOf(cello === null ? [] : [connection('cello', 'cluster', cello.url)]),
        rootOf: async (execution) => (execution === 'execution-1' ? 'root-1' : execution),
      },
      { forUsers: http, forConnections: http },
    );
    t.teardown(async () => {
      for (const node of this.nodes) await node.close(2000).catch(() => {});
      await http.close();
    });
  }

  static async open(t: ExecutionContext, cello: FakeCello | null = null): Promise<World> {
    return new World(t, (await memoryStore(t)).writer, cello);
  }

  async node(id = 'n1', more: Partial<JobWatcherOptions> = {}): Promise<JobWatcher> {
    const node = new JobWatcher({
      db: this.db,
      nodeId: id,
      engine: this.reports,
      backends: this.actions.flatMap((one) => (one.kind === 'job' ? [one.backend, ...(one.others ?? [])] : [])),
      clock: systemClock,
      log: silentLogger,
      alone: true,
      ...more,
    });
    this.nodes.push(node);
    await node.start();
    return node;
  }

  async apply(node: JobWatcher, id: string, input: JsonObject = {}, run: Partial<RunContext> = {}): Promise<void> {
    const action = this.find('cluster.apply');
    if (action.kind !== 'job') throw new Error('cluster.apply is a job');
    const message = runAction('cluster.apply', id, { poll_interval: 0.1, ...input });
    const context = { ...message.context, ...run };
    await node.submit({ ...message, context }, action.choose?.(message.input) ?? action.backend);
  }

  async result(id: string): Promise<{ readonly kind: string; readonly output: JsonObject }> {
    const report = await waitFor(`the result of ${id}`, async () =>
      this.reports.taken.find((one) => one.actionExecutionId === id),
    );
    const { kind, output } = report.result;
    if (!isJsonObject(output)) throw new Error(`no mapping: ${JSON.stringify(output)}`);
    return { kind, output };
  }

  state(id: string, state: string): Promise<unknown> {
    return waitFor(`${id} in ${state}`, async () => (await loadExternalJob(this.db, id))?.lastState === state);
  }

  async call(
    name: string,
    input: JsonObject = {},
    run: Partial<RunContext> = {},
  ): Promise<{ kind: string; output: Json }> {
    const action = this.find(name);
    if (action.kind !== 'sync') throw new Error(`${name} is ${action.kind}`);
    const context = { ...runAction(name, 'a-call').context, ...run };
    const http = createHttpClient(null);
    const { kind, output } = await action.run(input, {
      signal: new AbortController().signal,
      log: silentLogger,
      http,
      run: context,
    });
    return { kind, output };
  }

  private find(name: string): Action {
    const found = this.actions.find((one) => one.name === name);
    if (found === undefined) throw new Error(`There is no action ${name}.`);
    return found;
  }
}

async function startCello(
  t: ExecutionContext,
  hosts?: readonly FakeCelloHost[],
  options?: Partial<FakeCelloOptions>,
): Promise<FakeCello> {
  const fake = await startFakeCello(hosts, options);
  t.teardown(() => fake.close());
  return fake;
}

const remote = { pool: 'cello', ready: false };
const ids = (result: { readonly output: Json }) => (Array.isArray(result.output) ? result.output : []);

test('built-in: a cluster is given with its lease, to the outermost execution by name', async (t) => {
  const w = await World.open(t);
  const { id } = w.pools.add({ type: 'flink' });
  const node = await w.node();
  await w.apply(node, 'a1', { type: 'flink', scope: 'root' });
  const { kind, output } = await w.result('a1');
  t.is(kind, 'success');
  t.like(output, {
    id,
    type: 'flink',
    service: 'builtin',
    user_id: 'wf-root-1/a1',
    lease: { owner: 'wf-root-1/a1', scope: 'root' },
  });
  await w.apply(node, 'a2', { type: 'flink' });
  const none = await w.result('a2');
  t.is(none.kind, 'error');
  t.is(none.output.code, 'CLUSTER_NONE_AVAILABLE');
  t.true(w.reports.taken.some(({ result }) => result.kind === 'error' && result.retryable));
});

test('built-in: who waits gets the next one in turn and occupies nothing; a cancel gives the place back', async (t) => {
  const w = await World.open(t);
  w.pools.add();
  const node = await w.node();
  await w.apply(node, 'a1');
  const first = await w.result('a1');
  for (const id of ['a2', 'a3', 'a4']) {
    await w.apply(node, id, { wait: 600, poll_interval: 60 });
    await w.state(id, 'waiting');
  }
  await node.stop('a3', 'cancelled');
  t.is((await w.result('a3')).kind, 'cancelled');
  await w.call('cluster.release', { cluster_id: first.output.id ?? null });
  const second = await w.result('a2');
  t.is(second.kind, 'success');
  t.not(second.output.id, first.output.id);
  t.is(second.output.name, first.output.name);
  await w.call('cluster.release', { cluster_id: second.output.id ?? null });
  t.is((await w.result('a4')).kind, 'success');
});

test('built-in: an answer that is lost, and a crash between grant and answer, lead to the same lease', async (t) => {
  const w = await World.open(t);
  w.pools.add();
  w.pools.add();
  let losses = 1;
  w.pools.lose = () => {
    if (losses-- > 0) throw new Error('the database closed the connection');
  };
  const node = await w.node();
  await w.apply(node, 'a1');
  t.is((await w.result('a1')).kind, 'success');
  t.is(w.pools.held().length, 1);
  let crash = true;
  const dying = await w.node('n2', {
    fault: (point, id) => {
      if (point !== 'answered' || id !== 'a2' || !crash) return Promise.resolve();
      crash = false;
      dying.abandon();
      return new Promise(() => {});
    },
  });
  await w.apply(dying, 'a2');
  await waitFor('the grant', async () => w.pools.held().length === 2);
  await w.node('n3');
  t.is((await w.result('a2')).kind, 'success');
  t.is(w.pools.leases.length, 2);
});

test('built-in: a cancel that meets a grant gives it back; a time limit does too', async (t) => {
  const w = await World.open(t);
  w.pools.add({ endpoints: { rest: 'http://127.0.0.1:9' } });
  const node = await w.node();
  await w.apply(node, 'a1');
  await w.state('a1', 'getting-ready');
  t.is(w.pools.held().length, 1);
  await node.stop('a1', 'cancelled');
  t.is((await w.result('a1')).kind, 'cancelled');
  t.is(w.pools.held().length, 0);
  await w.apply(node, 'a2', { ready_timeout: 0.2 });
  const late = await w.result('a2');
  t.is(late.output.code, 'CLUSTER_NOT_READY');
  t.is(w.pools.held().length, 0);
});

test('inputs that cannot be meant are refused before anything is asked for', async (t) => {
  const w = await World.open(t);
  const node = await w.node();
  const wrong: readonly (readonly [JsonObject, RegExp])[] = [
    [{ pool: 'nowhere' }, /no connection 'nowhere'/],
    [{ pool: 'x', url: 'http://h' }, /pool or url, not both/],
    [{ url: 'ftp://h' }, /no http or https address/],
    [{ type: 'spark', consensus_plugin: 'flink' }, /differ/],
    [{ labels: { zone: ['a'] } }, /labels must be/],
    [{ size: 99 }, /Invalid cluster_size/],
  ];
  for (const [index, [input, text]] of wrong.entries()) {
    await w.apply(node, `w${index}`, input);
    const { kind, output } = await w.result(`w${index}`);
    t.is(kind, 'error');
    t.is(output.code, 'CLUSTER_BAD_REQUEST');
    t.regex(String(output.message), text);
  }
});

for (const dialect of ['v0.6', 'v0.9'] as const) {
  test(`Cello ${dialect}: applied, listed, stopped, started and released, and its lease is on our books`, async (t) => {
    const cello = await startCello(t, undefined, { dialect });
    const w = await World.open(t, cello);
    const node = await w.node();
    await w.apply(node, 'a1', { ...remote, type: 'pbft', mode: 'batch', size: 4 });
    const { output } = await w.result('a1');
    t.like(output, { type: 'pbft', size: 4, service: 'cello', lease: { owner: 'wf-root-1/a1' } });
    t.like(w.pools.remote, [
      { connection: 'cello', cluster_id: output.id, execution_id: 'execution-1', isOver: false },
    ]);
    const id = output.id ?? null;
    t.is(ids(await w.call('cluster.list', { pool: 'cello', free: true })).length, 1);
    t.is(ids(await w.call('cluster.list', { pool: 'cello', size: 4, user_id: 'wf-root-1/a1' })).length, 1);
    t.like((await w.call('cluster.stop', { pool: 'cello', cluster_id: id })).output, { status: 'stopped', health: '' });
    t.like((await w.call('cluster.start', { pool: 'cello', cluster_id: id })).output, { status: 'running' });
    t.like((await w.call('cluster.restart', { pool: 'cello', cluster_id: id })).output, { status: 'running' });
    t.like((await w.call('cluster.get', { pool: 'cello', cluster_id: id })).output, { name: 'cluster-1' });
    t.deepEqual((await w.call('cluster.release', { pool: 'cello', cluster_id: id, wait: true })).output, {
      released: [id],
    });
    t.deepEqual((await w.call('cluster.release', { pool: 'cello', cluster_id: id })).output, { released: [] });
    t.like(await w.call('cluster.get', { pool: 'cello', cluster_id: id }), {
      kind: 'error',
      output: { code: 'CLUSTER_NOT_FOUND' },
    });
    t.like(await w.call('cluster.stop', { pool: 'cello', cluster_id: id }), {
      kind: 'error',
      output: { code: 'CLUSTER_BAD_REQUEST', message: 'cluster stop failed' },
    });
    t.true(w.pools.remote.every(({ isOver }) => isOver));
  });

  test(`Cello ${dialect}: a lost answer and a lost call take one cluster, not two`, async (t) => {
    const cello = await startCello(t, undefined, { dialect });
    const w = await World.open(t, cello);
    const node = await w.node();
    cello.switches.loseAnswers = 1;
    await w.apply(node, 'a1', remote);
    t.is((await w.result('a1')).kind, 'success');
    cello.switches.loseCalls = 1;
    await w.apply(node, 'a2', remote);
    t.is((await w.result('a2')).kind, 'success');
    t.deepEqual(
      cello.grants.map(({ userId }) => userId),
      ['wf-root-1/a1', 'wf-root-1/a2'],
    );
  });

  test(`Cello ${dialect}: who waits asks again until one is free, or until his time is over`, async (t) => {
    const cello = await startCello(t, [{}], { dialect });
    const w = await World.open(t, cello);
    const node = await w.node();
    await w.apply(node, 'a1', remote);
    const { output } = await w.result('a1');
    await w.apply(node, 'a2', { ...remote, wait: 600 });
    await w.apply(node, 'a3', { ...remote, wait: 0.3 });
    await w.apply(node, 'a4', remote);
    t.is((await w.result('a4')).output.code, 'CLUSTER_NONE_AVAILABLE');
    t.is((await w.result('a3')).output.code, 'CLUSTER_NONE_AVAILABLE');
    await w.call('cluster.release', { pool: 'cello', cluster_id: output.id ?? null });
    t.is((await w.result('a2')).kind, 'success');
  });
}

test('Cello v0.9: of two who were given one cluster, the one who lost it goes on looking', async (t) => {
  const cello = await startCello(t, [{ count: 2 }], { gapMs: 1500 });
  const w = await World.open(t, cello);
  const node = await w.node();
  await Promise.all([w.apply(node, 'a1', { ...remote, wait: 60 }), w.apply(node, 'a2', { ...remote, wait: 60 })]);
  const [one, other] = [await w.result('a1'), await w.result('a2')];
  t.deepEqual([one.kind, other.kind], ['success', 'success']);
  t.not(one.output.id, other.output.id);
  t.true(cello.grants.length > 2, 'the service has given one cluster twice');
});

test('Cello: a cancelled apply gives back what it got, and an unreachable service is an error that may pass', async (t) => {
  const cello = await startCello(t, [{ serviceUrl: { rest: 'http://127.0.0.1:9' } }]);
  const w = await World.open(t, cello);
  const node = await w.node();
  await w.apply(node, 'a1', { pool: 'cello' });
  await w.state('a1', 'getting-ready');
  await node.stop('a1', 'cancelled');
  t.is((await w.result('a1')).kind, 'cancelled');
  t.deepEqual(
    [...cello.clusters.values()].map(({ user_id: user }) => user),
    ['__SYSTEM__DELETING'],
  );
  const refusing = await w.call('cluster.list', { url: 'http://127.0.0.1:9' });
  t.like(refusing, { kind: 'error', output: { code: 'CLUSTER_UNREACHABLE' } });
});

test('Cello: a shared user keeps what another task has applied for, and gets its own when it says so', async (t) => {
  const cello = await startCello(t, [{ count: 3 }]);
  const w = await World.open(t, cello);
  const node = await w.node();
  const shared = { ...remote, user_id: 'team' };
  await w.apply(node, 'a1', shared);
  const first = (await w.result('a1')).output.id;
  await w.apply(node, 'a2', shared);
  t.is((await w.result('a2')).output.id, first);
  cello.switches.loseAnswers = 1;
  await w.apply(node, 'a3', { ...shared, allow_multiple: true });
  const second = (await w.result('a3')).output.id;
  t.not(second, first);
  t.is(cello.grants.length, 2);
  t.deepEqual((await w.call('cluster.release', { pool: 'cello', user_id: 'team' })).output, {
    released: [first, second] as Json,
  });
  t.true(cello.requests.some((line) => line.includes('action=release')));
});

test('release without inputs gives back all that the execution holds, here and elsewhere, and no stranger’s', async (t) => {
  const cello = await startCello(t);
  const w = await World.open(t, cello);
  w.pools.add();
  w.pools.add();
  const node = await w.node();
  await w.apply(node, 'a1');
  await w.apply(node, 'a2', remote);
  await w.apply(node, 'b1', {}, { workflowExecutionId: 'execution-2' });
  const [mine, far, other] = [await w.result('a1'), await w.result('a2'), await w.result('b1')];
  t.like(await w.call('cluster.release', { cluster_id: other.output.id ?? null }), {
    kind: 'error',
    output: { code: 'CLUSTER_NOT_OWNER' },
  });
  t.like(await w.call('cluster.release', { cluster_id: other.output.id ?? null, user_id: 'somebody' }), {
    kind: 'error',
    output: { code: 'CLUSTER_NOT_OWNER' },
  });
  t.deepEqual((await w.call('cluster.release')).output, { released: [mine.output.id, far.output.id] as Json });
  t.deepEqual(
    w.pools.held().map(({ user_id: user }) => user),
    ['wf-execution-2/b1'],
  );
  t.deepEqual((await w.call('cluster.release')).output, { released: [] });
  t.like(await w.call('cluster.release', {}, { workflowExecutionId: null }), { kind: 'error' });
});

test('renew, and get of nothing', async (t) => {
  const w = await World.open(t);
  w.pools.add();
  const node = await w.node();
  await w.apply(node, 'a1');
  const id = (await w.result('a1')).output.id ?? null;
  t.like((await w.call('cluster.renew', { cluster_id: id, ttl: 60 })).output, { expires_at: 60_000 });
  t.like(await w.call('cluster.renew', { cluster_id: 'x' }), { kind: 'error', output: { code: 'CLUSTER_NOT_FOUND' } });
  t.like(await w.call('cluster.get', { cluster_id: 'x' }), { kind: 'error', output: { code: 'CLUSTER_NOT_FOUND' } });
});

test('spark.submit on a leased cluster gets its master and all of its cores, and on loopback a driver that its workers can reach', async (t) => {
  const seen: JsonObject[] = [];
  const backend = withLeasedMaster({
    ...new Remote().backend(),
    prepare: (input) => {
      seen.push(input);
      return { kind: 'refused', result: { kind: 'error', output: null, retryable: false } };
    },
  });
  const { context } = runAction('spark.submit', 'a1');
  const on = (master: string, more: JsonObject = {}) =>
    backend.prepare({ application: 'a.py', cluster: { cores: 0, endpoints: { master } }, ...more }, context);
  const wide = { cores: 6, endpoints: { master: 'spark://big:7077' } };
  on('spark://127.0.0.1:7100');
  on('spark://big:7077', { conf: { 'spark.x': 1 } });
  on('spark://localhost:7100', { conf: { 'spark.driver.host': 'here' }, master: 'local[1]' });
  on('', { cluster: wide });
  on('', { cluster: wide, conf: { 'spark.cores.max': 2 } });
  on('', { cluster: wide, total_executor_cores: 1 });
  on('', { cluster: wide, master: 'local[1]' });
  t.deepEqual(seen, [
    { application: 'a.py', master: 'spark://127.0.0.1:7100', conf: { 'spark.driver.host': '127.0.0.1' } },
    { application: 'a.py', master: 'spark://big:7077', conf: { 'spark.x': 1 } },
    { application: 'a.py', master: 'local[1]', conf: { 'spark.driver.host': 'here' } },
    { application: 'a.py', master: 'spark://big:7077', conf: { 'spark.cores.max': 6 } },
    { application: 'a.py', master: 'spark://big:7077', conf: { 'spark.cores.max': 2 } },
    { application: 'a.py', master: 'spark://big:7077', total_executor_cores: 1, conf: {} },
    { application: 'a.py', master: 'local[1]', conf: {} },
  ]);
});
