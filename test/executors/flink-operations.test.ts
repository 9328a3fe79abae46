import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { silentLogger } from '../../engine/log.ts';
import { deleteJobFile } from '../../engine/store/job-files.ts';
import type { Action } from '../../executors/action.ts';
import { readConnections } from '../../executors/connections/read.ts';
import { createEgressPolicy } from '../../executors/egress.ts';
import { startFakeFlink, type FakeFlink, type FakeFlinkSwitches, type FakeJob } from '../../executors/fakes/flink.ts';
import { flinkPack } from '../../executors/flink/pack.ts';
import { digest, jobIdOf } from '../../executors/flink/plan.ts';
import { kindOf } from '../../executors/flink/flows/sql.ts';
import { splitScript } from '../../executors/flink/flows/sql-script.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import { JobFiles, toFileReference } from '../../executors/files/job-files.ts';
import { withJobFiles } from '../../executors/files/with-job-files.ts';
import { createCatalogue, jobBackends } from '../../executors/index.ts';
import { catalogueOf } from '../../executors/catalogue.ts';
import { JobWatcher } from '../../executors/job-watcher.ts';
import { TestClock } from '../helpers/clock.ts';
import { memoryStore } from '../helpers/store.ts';
import { Reports, runAction, runContext } from './helpers/remote.ts';
import { PROJECT, uploadFile } from './helpers/upload.ts';

interface World {
  readonly folder: string;
  readonly flink: FakeFlink;
  /** The history server of the connection `archived`. */
  readonly history: FakeFlink;
  readonly reports: Reports;
  watcher: JobWatcher;
  /** Another node takes over, as after a crash. */
  crash(): Promise<void>;
  start(action: string, id: string, input?: JsonObject): Promise<void>;
  pass(seconds: number): Promise<void>;
  output(id: string): JsonObject;
  kind(id: string): string | undefined;
  /** What POST /v2/files does; answers how a workflow names the file. */
  upload(name: string, content: string): Promise<string>;
  forget(uri: string): Promise<void>;
  /** A plain action. */
  call(action: string, input?: JsonObject): Promise<{ readonly kind: string; readonly output: unknown }>;
}

async function world(t: ExecutionContext, switches: Partial<FakeFlinkSwitches> = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-flink-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  for (const name of ['one', 'two']) await writeFile(join(folder, `${name}.jar`), name);
  const store = await memoryStore(t);
  const flink = await startFakeFlink({ version: '2.3.0', ...switches });
  t.teardown(() => flink.close());
  const clock = new TestClock();
  const reports = new Reports();
  const http = {
    forUsers: createHttpClient(createEgressPolicy({ allowLoopback: true })),
    forConnections: createHttpClient(null),
  };
  t.teardown(() => Promise.all([http.forUsers.close(), http.forConnections.close()]));
  const history = await startFakeFlink({ version: '2.3.0' });
  t.teardown(() => history.close());
  const c = { type: 'flink', url: flink.url, sql_gateway_url: flink.url };
  const connections = readConnections({ c, archived: { ...c, history_url: history.url } }, {});
  const files = new JobFiles({ reader: store.reader, writer: store.writer, folder: join(folder, 'files'), url: null });
  const options = { jarsFolder: join(folder, 'jars'), connections, uploadedFile: files.bring.bind(files) };
  const pack: readonly Action[] = withJobFiles(flinkPack(options, http), files);
  const catalogue = catalogueOf(pack);
  const create = async (nodeId: string) => {
    const watcher = new JobWatcher({
      db: store.writer,
      nodeId,
      engine: reports,
      backends: jobBackends(catalogue),
      clock,
      log: silentLogger,
      random: () => 0.5,
      alone: true,
    });
    await watcher.start();
    return watcher;
  };
  let nodes = 1;
  const w: World = {
    folder,
    flink,
    history,
    reports,
    watcher: await create('n1'),
    async crash() {
      w.watcher.abandon();
      w.watcher = await create(`n${++nodes}`);
    },
    async start(name, id, input = {}) {
      const action = catalogue.find(name);
      if (action?.kind !== 'job') throw new Error(`${name} is no job action`);
      await w.watcher.submit(runAction(name, id, { cluster: 'c', ...input }), action.backend);
      await w.watcher.idle();
    },
    async pass(seconds) {
      for (let i = 0; i < seconds * 2; i++) {
        clock.advance(500);
        await w.watcher.idle();
      }
    },
    output(id) {
      const output = reports.taken.find(({ actionExecutionId }) => actionExecutionId === id)?.result.output ?? null;
      if (!isJsonObject(output)) throw new Error(`no result of ${id}, or no mapping: ${JSON.stringify(output)}`);
      return output;
    },
    upload: (name, content) => uploadFile(store, name, content),
    async forget(uri) {
      await deleteJobFile(store.writer, { projectId: PROJECT }, toFileReference(uri)?.sha256 ?? '');
      await rm(join(folder, 'files'), { recursive: true, force: true });
    },
    kind: (id) => reports.taken.find(({ actionExecutionId }) => actionExecutionId === id)?.result.kind,
    async call(name, input = {}) {
      const action = catalogue.find(name);
      if (action?.kind !== 'sync') throw new Error(`${name} is no plain action`);
      const signal = new AbortController().signal;
      const context = { signal, log: silentLogger, http: http.forUsers, run: runContext('a') };
      return action.run({ retry_for: 0, ...(input.url === undefined && { cluster: 'c' }), ...input }, context);
    },
  };
  t.teardown(async () => {
    w.watcher.abandon();
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  });
  return w;
}

const JOB = 'b'.repeat(32);

async function running(w: World, id = JOB): Promise<FakeJob> {
  w.flink.jars.set('x.jar', { name: 'x.jar', bytes: 1 });
  await w.call('flink.jars.run', { jar_id: 'x.jar', job_id: id });
  const job = w.flink.jobs.get(id);
  if (job === undefined) throw new Error('the fake has no such job');
  return job;
}

const count = (w: World, line: RegExp) => w.flink.requests.filter((one) => line.test(one)).length;

test('flink.wait watches a job of others to its end; fail_on says what is an error', async (t) => {
  const w = await world(t);
  const job = await running(w);
  await w.start('flink.wait', 'a1', { job_id: JOB });
  await w.start('flink.wait', 'a2', { job_id: JOB, fail_on: [] });
  await w.start('flink.wait', 'a3', { job_id: JOB, until: 'running' });
  await w.start('flink.wait', 'a4', { job_id: 'c'.repeat(32), not_found_grace: 5 });
  await w.pass(3);
  t.is(w.kind('a1'), undefined);
  t.like(w.output('a3'), { state: 'RUNNING', job_id: JOB });
  await w.crash();
  Object.assign(job, { state: 'FAILED', failure: ['a.Outer: out', 'b.Inner: the reason'] });
  await w.pass(15);
  t.is(w.kind('a1'), 'error');
  t.like(w.output('a1'), { code: 'FLINK_JOB_FAILED', root_cause: 'b.Inner: the reason' });
  t.is(w.kind('a2'), 'success');
  t.like(w.output('a2'), { state: 'FAILED' });
  t.like(w.output('a4'), { code: 'FLINK_JOB_LOST' });
});

test('flink.cancel waits for the end; what is over already is a success, what is not known an error', async (t) => {
  const w = await world(t);
  const job = await running(w);
  job.obeys = false;
  await w.start('flink.cancel', 'a1', { job_id: JOB });
  await w.pass(2);
  t.is(w.kind('a1'), undefined);
  job.state = 'CANCELED';
  await w.pass(3);
  t.like(w.output('a1'), { state: 'CANCELED', already: false });
  await w.start('flink.cancel', 'a2', { job_id: JOB });
  await w.start('flink.cancel', 'a3', { job_id: 'c'.repeat(32) });
  await w.pass(2);
  t.like(w.output('a2'), { state: 'CANCELED', already: true });
  t.like(w.output('a3'), { code: 'FLINK_JOB_NOT_FOUND' });
  await running(w, 'd'.repeat(32));
  await w.start('flink.cancel', 'a4', { job_id: 'd'.repeat(32), cancel_via: 'yarn-proxy' });
  await w.pass(3);
  t.like(w.output('a4'), { state: 'CANCELED' });
  t.is(count(w, /yarn-cancel/), 1);
});

for (const version of ['1.13.2', '1.20.5', '2.3.0']) {
  test(`flink.savepoint makes one savepoint on ${version}, also when the node dies in between`, async (t) => {
    const w = await world(t, { version, pendingPolls: 3 });
    const job = await running(w);
    await w.start('flink.savepoint', 'a1', { job_id: JOB, target_directory: 'file:/s' });
    await w.crash();
    await w.pass(10);
    t.like(w.output('a1'), { location: 'file:/s/savepoint-1', job_id: JOB });
    t.is(job.history.length, 1);
    t.is(job.state, 'RUNNING');
  });

  test(`flink.savepoint on ${version} takes the savepoint that a fail-over has forgotten for its own`, async (t) => {
    const w = await world(t, { version, pendingPolls: 5 });
    const job = await running(w);
    await w.start('flink.savepoint', 'a1', { job_id: JOB, target_directory: 'file:/s' });
    await w.pass(1);
    job.savepoints.clear();
    await w.pass(10);
    t.like(w.output('a1'), { location: 'file:/s/savepoint-1' });
    t.is(job.history.length, 1);
  });
}

test('a savepoint that fails says why and leaves the job; cancel_job ends it', async (t) => {
  const w = await world(t, { failSavepoints: 'a.CheckpointException: no.\nCaused by: java.io.IOException: disk full' });
  const job = await running(w);
  await w.start('flink.savepoint', 'a1', { job_id: JOB });
  await w.pass(4);
  t.like(w.output('a1'), { code: 'FLINK_SAVEPOINT_FAILED', root_cause: 'java.io.IOException: disk full' });
  t.is(job.state, 'RUNNING');
  w.flink.switches.failSavepoints = null;
  await w.start('flink.savepoint', 'a2', { job_id: JOB, cancel_job: true });
  await w.pass(4);
  t.like(w.output('a2'), { location: 'file:/default/savepoint-1', state: 'CANCELED' });
});

test('flink.stop gives the savepoint; a failure tells the state of the job, or falls back to cancel', async (t) => {
  const w = await world(t, { pendingPolls: 1 });
  const job = await running(w);
  await w.start('flink.stop', 'a1', { job_id: JOB, target_directory: 'file:/s', drain: true });
  await w.crash();
  await w.pass(5);
  t.like(w.output('a1'), { location: 'file:/s/savepoint-1', state: 'FINISHED' });
  t.is(job.history.length, 1);
  await w.start('flink.stop', 'a2', { job_id: JOB });
  await w.pass(5);
  t.like(w.output('a2'), { code: 'FLINK_JOB_ALREADY_TERMINATED', state: 'FINISHED' });
  const other = await running(w, 'c'.repeat(32));
  w.flink.switches.failSavepoints = 'java.io.IOException: disk full';
  await w.start('flink.stop', 'a3', { job_id: other.id });
  await w.pass(5);
  t.like(w.output('a3'), { code: 'FLINK_STOP_FAILED', state: 'RUNNING', root_cause: 'java.io.IOException: disk full' });
  t.is(other.state, 'RUNNING');
  await w.start('flink.stop', 'a4', { job_id: other.id, cancel_fallback: true });
  await w.pass(5);
  t.like(w.output('a4'), { location: null, state: 'CANCELED' });
});

test('flink.checkpoint and flink.dispose_savepoint wait for their operations', async (t) => {
  const w = await world(t, { pendingPolls: 2 });
  await running(w);
  await w.start('flink.checkpoint', 'a1', { job_id: JOB, type: 'FULL' });
  await w.start('flink.dispose_savepoint', 'a2', { path: 'file:/s/1' });
  await w.start('flink.dispose_savepoint', 'a3', { path: 'file:/nowhere/1' });
  await w.pass(6);
  t.like(w.output('a1'), { checkpoint_id: 1, external_path: `file:/checkpoints/${JOB}/chk-1` });
  t.like(w.output('a2'), { path: 'file:/s/1' });
  t.like(w.output('a3'), { code: 'FLINK_DISPOSAL_FAILED' });
  w.flink.switches.version = '1.16.0';
  const old = await world(t, { version: '1.16.0' });
  await running(old);
  await old.start('flink.checkpoint', 'b1', { job_id: JOB });
  await old.pass(2);
  t.like(old.output('b1'), { code: 'FLINK_UNSUPPORTED' });
});

test('flink.rescale changes the bounds where the scheduler can', async (t) => {
  const w = await world(t, { adaptive: true, slots: 3 });
  const job = await running(w);
  await w.start('flink.rescale', 'a1', { job_id: JOB, parallelism: 3 });
  await w.pass(10);
  t.deepEqual(w.output('a1'), { job_id: JOB, strategy: 'requirements', parallelism: { Source: 3, Sink: 3 } });
  t.is(job.state, 'RUNNING');
  await w.start('flink.rescale', 'a2', { job_id: JOB, parallelism: { Source: { min: 1, max: 2 }, Nothing: 2 } });
  await w.pass(2);
  t.regex(String(w.output('a2').message), /has no vertex 'Nothing'; it has: Source; Sink/);
  // Fewer slots than wanted: after a while it is what it is.
  await w.start('flink.rescale', 'a3', { job_id: JOB, parallelism: 9 });
  await w.pass(60);
  t.is(w.kind('a3'), undefined);
  await w.pass(120);
  t.like(w.output('a3'), { parallelism: { Source: 3, Sink: 3 } });
});

test('flink.rescale stops and runs again where the scheduler cannot, and says so without a jar', async (t) => {
  const w = await world(t);
  const job = await running(w);
  await w.start('flink.rescale', 'a1', { job_id: JOB, parallelism: 4 });
  await w.pass(2);
  t.like(w.output('a1'), { code: 'FLINK_RESCALING_UNSUPPORTED' });
  t.regex(String(w.output('a1').message), /give jar/);
  t.is(job.state, 'RUNNING');
  await w.start('flink.rescale', 'a2', { job_id: JOB, parallelism: 4, jar: join(w.folder, 'one.jar'), stable_for: 2 });
  await w.pass(12);
  t.like(w.output('a2'), {
    job_id: jobIdOf('a2'),
    strategy: 'redeploy',
    parallelism: 4,
    savepoint: 'file:/default/savepoint-1',
  });
  t.is(job.state, 'FINISHED');
  t.like(w.flink.runs.at(-1) ?? {}, {
    jobId: jobIdOf('a2'),
    parallelism: 4,
    savepointPath: 'file:/default/savepoint-1',
  });
});

test('flink.upgrade replaces a job, each step once, whenever the node dies', async (t) => {
  const w = await world(t);
  const job = await running(w);
  const input = {
    job_id: JOB,
    jar: join(w.folder, 'two.jar'),
    args: { a: 1 },
    target_directory: 'file:/s',
    stable_for: 3,
  };
  await w.start('flink.upgrade', 'a1', input);
  for (let i = 0; i < 8; i++) {
    await w.pass(1);
    await w.crash();
  }
  await w.pass(80);
  t.is(w.kind('a1'), 'success', JSON.stringify(w.output('a1')));
  t.like(w.output('a1'), {
    job_id: jobIdOf('a1'),
    old_job_id: JOB,
    savepoint: 'file:/s/savepoint-1',
    state: 'RUNNING',
  });
  t.is(job.state, 'FINISHED');
  t.is(job.history.length, 1);
  t.is(w.flink.jobs.size, 2);
});

test('uploaded jars go to the cluster, that of the way back as well; then the files are not needed any more', async (t) => {
  const w = await world(t);
  const job = await running(w);
  const [two, one] = [await w.upload('two.jar', 'two'), await w.upload('one.jar', 'one')];
  const base = { job_id: JOB, stable_for: 1, startup_timeout: 10 };
  const missing = `sha256:${'0'.repeat(64)}/none.jar`;
  for (const [id, more] of [
    ['r1', { jar: missing }],
    ['r2', { jar: two, rollback: { jar: missing } }],
    ['r3', { jar: 'sha256:12/two.jar' }],
  ] as const) {
    await w.start('flink.upgrade', id, { ...base, ...more });
    t.like(w.output(id), { code: 'FLINK_BAD_REQUEST' });
    t.regex(String(w.output(id).message), /has no file|names no file/);
  }
  t.is(job.state, 'RUNNING');
  Object.assign(w.flink.switches, { failInMain: 'java.lang.IllegalStateException: broken release', failRuns: 1 });
  await w.start('flink.upgrade', 'a1', { ...base, jar: two, rollback: { jar: one } });
  for (let i = 0; i < 40 && job.state !== 'FINISHED'; i++) await w.pass(0.5);
  await w.crash();
  await w.forget(two);
  await w.forget(one);
  await w.pass(20);
  t.like(w.output('a1'), { code: 'FLINK_ROLLED_BACK', state: 'RUNNING' });
  const again = await w.upload('two.jar', 'two');
  const rescale = { job_id: String(w.output('a1').job_id), parallelism: 4, jar: again, stable_for: 1 };
  await w.start('flink.rescale', 'a2', rescale);
  await w.pass(12);
  t.like(w.output('a2'), { strategy: 'redeploy', parallelism: 4, job_id: jobIdOf('a2') });
  await w.start('flink.run_jar', 'a3', { jar: again, wait_for: 'submitted' });
  await w.pass(5);
  t.like(w.output('a3'), { job_id: jobIdOf('a3') });
});

test('an upgrade that does not come up is rolled back; without a way back it names the savepoint', async (t) => {
  const w = await world(t);
  await running(w);
  const base = { jar: join(w.folder, 'two.jar'), stable_for: 1, startup_timeout: 10 };
  Object.assign(w.flink.switches, { failInMain: 'java.lang.IllegalStateException: broken release', failRuns: 1 });
  const rollback = { jar: join(w.folder, 'one.jar'), args: ['old'] };
  await w.start('flink.upgrade', 'a1', { ...base, job_id: JOB, rollback });
  await w.pass(20);
  t.is(w.kind('a1'), 'error');
  t.like(w.output('a1'), { code: 'FLINK_ROLLED_BACK', state: 'RUNNING', savepoint: 'file:/default/savepoint-1' });
  t.regex(String(w.output('a1').message), /broken release.*the old one runs again/);
  const second = String(w.output('a1').job_id);
  t.is(w.flink.jobs.get(second)?.state, 'RUNNING');
  t.like(w.flink.runs.at(-1) ?? {}, { programArgsList: ['old'], savepointPath: 'file:/default/savepoint-1' });

  // It starts and never runs: cancelled after its time, then back.
  w.flink.switches.initialState = 'CREATED';
  await w.start('flink.upgrade', 'a2', { ...base, job_id: second, rollback });
  await w.pass(9);
  w.flink.switches.initialState = 'RUNNING';
  await w.pass(25);
  t.like(w.output('a2'), { code: 'FLINK_ROLLED_BACK' });
  t.is(w.flink.jobs.get(jobIdOf('a2'))?.state, 'CANCELED');

  const third = String(w.output('a2').job_id);
  w.flink.switches.failInitialising = 'java.io.FileNotFoundException: no state';
  await w.start('flink.upgrade', 'a3', { ...base, job_id: third });
  await w.pass(10);
  t.like(w.output('a3'), { code: 'FLINK_UPGRADE_FAILED', job_id: null });
  t.regex(String(w.output('a3').message), /no state.*The savepoint is file:\/default\/savepoint-/);
});

test('an upgrade touches nothing when its jar is not there or the stop fails, and ends where a job runs when it is cancelled', async (t) => {
  const w = await world(t);
  const job = await running(w);
  await w.start('flink.upgrade', 'a1', { job_id: JOB, jar: '/nowhere/new.jar' });
  await w.pass(2);
  t.regex(String(w.output('a1').message), /There is no jar/);
  w.flink.switches.failSavepoints = 'java.io.IOException: disk full';
  await w.start('flink.upgrade', 'a2', { job_id: JOB, jar: join(w.folder, 'two.jar') });
  await w.pass(4);
  t.like(w.output('a2'), { code: 'FLINK_STOP_FAILED' });
  t.is(job.state, 'RUNNING');
  Object.assign(w.flink.switches, { failSavepoints: null, pendingPolls: 2 });
  await w.start('flink.upgrade', 'a3', { job_id: JOB, jar: join(w.folder, 'two.jar'), stable_for: 2 });
  await w.watcher.stop('a3', 'cancelled');
  await w.pass(20);
  t.is(w.kind('a3'), 'cancelled');
  const states = [...w.flink.jobs.values()].map(({ state }) => state);
  t.is(states.filter((state) => state === 'RUNNING').length, 1, states.join());
});

test('a job that an upgrade has started and the cluster does not know is waited for, then lost; never run twice unless told to', async (t) => {
  const w = await world(t);
  const lose = async (id: string, more: JsonObject = {}) => {
    const old = await running(w, digest(id));
    await w.start('flink.upgrade', id, { job_id: old.id, jar: join(w.folder, 'two.jar'), stable_for: 5, ...more });
    // Once before as well.
    w.flink.jars.clear();
    for (let i = 0; i < 40 && w.flink.jobs.get(jobIdOf(id)) === undefined; i++) await w.pass(0.5);
    await w.pass(1);
    const job = w.flink.jobs.get(jobIdOf(id));
    if (job === undefined) throw new Error(`no new job of ${id}`);
    // A JobManager that is started anew has no jars either.
    w.flink.jobs.delete(job.id);
    w.flink.jars.clear();
    await w.crash();
    return job;
  };
  const runs = (id: string) => w.flink.runs.filter(({ jobId }) => jobId === jobIdOf(id)).length;

  // A fail-over: it comes back.
  const back = await lose('a1');
  await w.pass(40);
  t.is(w.kind('a1'), undefined);
  w.flink.jobs.set(back.id, back);
  await w.pass(25);
  t.like(w.output('a1'), { job_id: back.id, state: 'RUNNING' });

  // Lost for good.
  await lose('a2');
  await w.pass(100);
  t.like(w.output('a2'), { code: 'FLINK_JOB_LOST', job_id: digest('a2'), new_job_id: jobIdOf('a2') });
  t.regex(String(w.output('a2').message), /The savepoint is file:\/default\/savepoint-1/);

  // Told to: the same id, from the savepoint.
  await lose('a3', { on_lost: 'resubmit', not_found_grace: 10 });
  await w.pass(40);
  t.like(w.output('a3'), { job_id: jobIdOf('a3'), state: 'RUNNING' });
  t.like(w.flink.runs.at(-1) ?? {}, { savepointPath: 'file:/default/savepoint-1' });
  t.deepEqual([runs('a1'), runs('a2'), runs('a3')], [1, 1, 2]);

  // A history server still knows how it ended.
  const ended = await lose('a4', { history_url: w.history.url, not_found_grace: 10 });
  w.history.jobs.set(ended.id, { ...ended, state: 'FINISHED' });
  await w.pass(40);
  t.like(w.output('a4'), { job_id: jobIdOf('a4'), state: 'FINISHED' });
});

test('an upgrade finds out before the stop what could not be started after it', async (t) => {
  const w = await world(t, { version: '1.16.3' });
  const job = await running(w);
  const jar = join(w.folder, 'two.jar');
  const wrong: readonly (readonly [JsonObject, RegExp])[] = [
    [{ rollback: { jar: '/nowhere/old.jar' } }, /^rollback: There is no jar/],
    [{ rollback: { jar: { jar_id: 'gone.jar' } } }, /^rollback: The cluster has no jar gone\.jar/],
    [{ rollback: { jar, config: { a: 'b' } } }, /^rollback: config needs Flink 1\.17; the cluster runs 1\.16\.3/],
    [{ rollback: { jar, entryClass: 'a.B' } }, /^rollback: there is no entryClass; what a start takes is jar, /],
    [{ rollback: { jar, parallelism: 0 } }, /^rollback: parallelism 0 is not/],
    [{ jar: { jar_id: 'gone.jar' } }, /^The cluster has no jar gone\.jar/],
    [{ job_name: 'a' }, /^job_name needs Flink 1\.17/],
    [{ new_job_id: 'my-job' }, /^new_job_id 'my-job' is not made of 32 hex digits/],
    [{ new_job_id: JOB.toUpperCase() }, /^new_job_id is the id of the job that is replaced/],
    [{ new_job_id: 'e'.repeat(32) }, /^The cluster has a job e+ already/],
  ];
  await running(w, 'e'.repeat(32));
  for (const [index, [input]] of wrong.entries())
    await w.start('flink.upgrade', `a${index}`, { job_id: JOB, jar, ...input });
  await w.pass(4);
  for (const [index, [, message]] of wrong.entries())
    t.regex(String(w.output(`a${index}`).message), message, String(index));
  t.is(job.state, 'RUNNING');
  t.is(count(w, /\/stop$/), 0);
});

test('a job that a fail-over hides after its stop may come back: nothing is started beside it', async (t) => {
  const w = await world(t);
  const hidden = async (action: string, id: string) => {
    const job = await running(w, digest(id));
    await w.start(action, id, {
      job_id: job.id,
      not_found_grace: 40,
      ...(action === 'flink.upgrade' && { jar: join(w.folder, 'two.jar'), stable_for: 1 }),
    });
    for (let i = 0; i < 40 && job.history.length === 0; i++) await w.pass(0.5);
    // The savepoint is made, the end is not yet written down.
    job.state = 'RUNNING';
    w.flink.switches.forgetful = true;
    await w.crash();
    await w.pass(25);
    t.is(w.kind(id), undefined);
    return job;
  };
  for (const [action, id] of [
    ['flink.upgrade', 'a1'],
    ['flink.stop', 'a2'],
  ] as const) {
    const job = await hidden(action, id);
    t.is(w.flink.jobs.get(jobIdOf(id)), undefined, id);
    w.flink.switches.forgetful = false;
    await w.pass(10);
    t.is(w.kind(id), undefined, id);
    t.is(w.flink.jobs.get(jobIdOf(id)), undefined, id);
    job.state = 'FINISHED';
    await w.pass(15);
    t.is(w.kind(id), 'success', id);
  }
  // It does not come back.
  const job = await hidden('flink.upgrade', 'a3');
  w.flink.jobs.delete(job.id);
  w.flink.switches.forgetful = false;
  await w.pass(40);
  t.like(w.output('a3'), { job_id: jobIdOf('a3'), savepoint: 'file:/default/savepoint-1' });
});

test('a jar that the cluster has lost since is brought there again before an upgrade stops anything', async (t) => {
  const w = await world(t);
  const job = await running(w);
  const jar = join(w.folder, 'one.jar');
  await w.call('flink.jars.upload', { jar });
  // The JobManager is started anew; we remember what it had.
  w.flink.jars.clear();
  const rollback = { jar };
  await w.start('flink.upgrade', 'a1', { job_id: JOB, jar: join(w.folder, 'two.jar'), rollback, startup_timeout: 5 });
  for (let i = 0; i < 40 && job.state !== 'FINISHED'; i++) await w.pass(0.5);
  await rm(jar);
  const next = () => w.flink.jobs.get(jobIdOf('a1'));
  for (let i = 0; i < 40 && next() === undefined; i++) await w.pass(0.5);
  Object.assign(next() ?? {}, { state: 'FAILED' });
  await w.pass(20);
  t.like(w.output('a1'), { code: 'FLINK_ROLLED_BACK', state: 'RUNNING' });
});

test('a way back that does not come up ends with an error that names the savepoint and all jobs, and is left as it is', async (t) => {
  const w = await world(t);
  const job = await running(w);
  const switches = {
    failInMain: 'java.lang.IllegalStateException: broken release',
    failRuns: 1,
    initialState: 'CREATED',
  };
  Object.assign(w.flink.switches, switches);
  const rollback = { jar: join(w.folder, 'one.jar') };
  const input = { job_id: JOB, jar: join(w.folder, 'two.jar'), rollback, startup_timeout: 10 };
  await w.start('flink.upgrade', 'a1', input);
  await w.pass(8);
  t.is(w.kind('a1'), undefined);
  await w.pass(10);
  const back = [...w.flink.jobs.values()].find(({ id }) => id !== JOB);
  t.is(back?.state, 'CREATED');
  t.is(job.state, 'FINISHED');
  const ids = { old_job_id: JOB, new_job_id: jobIdOf('a1'), rollback_job_id: back?.id };
  t.like(w.output('a1'), { code: 'FLINK_UPGRADE_FAILED', job_id: back?.id, ...ids });
  const message = String(w.output('a1').message);
  t.regex(
    message,
    /broken release.*is CREATED after 10 seconds and is left as it is.*The savepoint is file:.*savepoint-1/,
  );
  for (const id of Object.values(ids)) t.true(message.includes(String(id)), message);
});

test('an upgrade whose stop does not come to an end says so, and starts nothing', async (t) => {
  const w = await world(t, { pendingPolls: 1000 });
  await running(w);
  await w.start('flink.upgrade', 'a1', { job_id: JOB, jar: join(w.folder, 'two.jar'), stop_timeout: 10 });
  await w.pass(8);
  t.is(w.kind('a1'), undefined);
  await w.pass(15);
  t.like(w.output('a1'), { code: 'FLINK_STOP_FAILED', job_id: JOB, savepoint: null });
  t.regex(String(w.output('a1').message), /has not stopped within 10 seconds; it may still do so/);
  t.is(w.flink.runs.length, 1);
});

test('a new job that ends at the very moment at which an upgrade gives it up is rolled back as well', async (t) => {
  const w = await world(t, { initialState: 'CREATED' });
  const old = await running(w);
  old.state = 'RUNNING';
  const rollback = { jar: join(w.folder, 'one.jar') };
  const input = { job_id: JOB, jar: join(w.folder, 'two.jar'), rollback, startup_timeout: 5, stable_for: 1 };
  await w.start('flink.upgrade', 'a1', input);
  await w.pass(4);
  const next = w.flink.jobs.get(jobIdOf('a1'));
  if (next === undefined) return t.fail('no new job');
  // Details come from a cache: the cancel meets a job that has failed.
  Object.assign(next, { state: 'FAILED', cachedState: 'CREATED' });
  w.flink.switches.initialState = 'RUNNING';
  await w.pass(4);
  t.true(count(w, /^PATCH /) > 0);
  t.is(w.kind('a1'), undefined);
  next.cachedState = null;
  await w.pass(10);
  t.like(w.output('a1'), { code: 'FLINK_ROLLED_BACK', state: 'RUNNING' });
});

test('flink.sql runs statements in one session, reads rows, and waits for the jobs of INSERTs', async (t) => {
  const w = await world(t);
  await w.start('flink.sql', 'a1', {
    statements: ["SET 'x' = 'y';", 'INSERT INTO t SELECT 1', 'SELECT a, b FROM t'],
    wait_for: 'finished',
    properties: { 'execution.runtime-mode': 'batch' },
    job_name: 'fill',
  });
  await w.pass(5);
  t.is(w.kind('a1'), undefined);
  const job = [...w.flink.jobs.values()].find(({ name }) => name.startsWith('fill ['));
  if (job === undefined) return t.fail('the INSERT has no job');
  job.state = 'FINISHED';
  await w.pass(8);
  t.is(w.kind('a1'), 'success', JSON.stringify(w.reports.taken));
  const { results, rows, columns } = w.output('a1');
  t.deepEqual(rows, [
    { a: 1, b: 2 },
    { a: 2, b: 4 },
    { a: 3, b: 6 },
  ]);
  t.deepEqual(columns, [
    { name: 'a', type: 'INTEGER' },
    { name: 'b', type: 'INTEGER' },
  ]);
  t.like(results, [
    { kind: 'OTHER' },
    { kind: 'INSERT', job_id: job.id, state: 'FINISHED' },
    { kind: 'QUERY', truncated: false },
  ]);
  t.is(w.flink.sessions.size, 0, 'the session is closed');
});

test('flink.sql: an endless SELECT is cut and its job cancelled; a wrong statement is named', async (t) => {
  const w = await world(t);
  await w.start('flink.sql', 'a1', { script: 'SELECT a FROM endless; ', max_rows: 4 });
  await w.start('flink.sql', 'a2', { statements: ['SHOW TABLES', 'SELECT * FROM broken', 'SELECT 1'] });
  await w.pass(10);
  t.like(w.output('a1'), { rows: [{ a: 0 }, { a: 1 }, { a: 2 }, { a: 3 }] });
  t.true([...w.flink.jobs.values()].every(({ state }) => state === 'CANCELED'));
  t.like(w.output('a2'), { code: 'FLINK_SQL_ERROR', index: 1, statement: 'SELECT * FROM broken' });
  t.regex(String(w.output('a2').root_cause), /Object 'broken' not found/);
  t.is(w.flink.sessions.size, 0);
  await w.start('flink.sql', 'a3', { statements: ['A'], script: 'B' });
  await w.start('flink.sql', 'a4', {
    gateway_url: w.flink.url,
    cluster: null,
    statements: ['INSERT INTO a SELECT 1'],
    wait_for: 'finished',
  });
  t.regex(String(w.output('a3').message), /one of them/);
  t.regex(String(w.output('a4').message), /needs the JobManager/);
});

test('flink.sql goes on in a new session when the gateway has lost the old one, and sends no INSERT twice', async (t) => {
  const w = await world(t);
  await w.start('flink.sql', 'a1', {
    statements: ["SET 'x' = 'y'", 'INSERT INTO a SELECT 1', 'SHOW TABLES', 'INSERT INTO b SELECT 2', 'SELECT c'],
    wait_for: 'running',
  });
  for (let i = 0; i < 4; i++) {
    await w.pass(1);
    w.flink.sessions.clear();
    await w.crash();
  }
  w.flink.switches.loseAnswers = 1;
  await w.pass(20);
  t.is(w.kind('a1'), 'success', JSON.stringify(w.output('a1')));
  const inserts = w.flink.statements.filter((one) => one.startsWith('INSERT'));
  t.deepEqual(inserts, ['INSERT INTO a SELECT 1', 'INSERT INTO b SELECT 2']);
  t.is((w.output('a1').results as unknown[]).length, 5);
});

test('an INSERT under an id of ours is done once also where the list of jobs leaves it out and its answer is lost', async (t) => {
  const w = await world(t, { unlisted: true });
  w.flink.switches.loseAnswers = 1;
  const statements = ['INSERT INTO a SELECT 1', 'INSERT INTO b SELECT 2'];
  await w.start('flink.sql', 'a1', { statements, wait_for: 'running', fixed_job_ids: true });
  await w.pass(10);
  t.is(w.kind('a1'), 'success', JSON.stringify(w.output('a1')));
  t.deepEqual(w.flink.statements, statements);
  const ids = (w.output('a1').results as { job_id: string }[]).map(({ job_id: id }) => id);
  t.deepEqual([...w.flink.jobs.keys()], ids);

  // Forgotten for longer than it is looked for: it is sent again, and the cluster refuses it.
  w.flink.switches.loseAnswers = 1;
  w.flink.switches.forgetful = true;
  await w.start('flink.sql', 'a2', { statements: ['INSERT INTO c SELECT 3'], fixed_job_ids: true });
  await w.pass(90);
  t.is(w.kind('a2'), 'success', JSON.stringify(w.output('a2')));
  t.is(w.flink.statements.filter((one) => one.startsWith('INSERT INTO c')).length, 2);
  t.is(w.flink.jobs.size, 3);
  t.true(w.flink.jobs.has((w.output('a2').results as { job_id: string }[])[0]?.job_id ?? ''));
});

test('an INSERT without a JobManager to ask is sent once, and is ambiguous when its answer is lost', async (t) => {
  const w = await world(t);
  const input = { cluster: null, gateway_url: w.flink.url, statements: ['INSERT INTO a SELECT 1'] };
  await w.start('flink.sql', 'a1', input);
  await w.pass(4);
  t.like(w.output('a1').results, [{ kind: 'INSERT' }]);
  w.flink.switches.loseAnswers = 1;
  await w.start('flink.sql', 'a2', input);
  await w.pass(5);
  t.like(w.output('a2'), { code: 'FLINK_SQL_AMBIGUOUS', index: 0 });
  t.is(w.flink.statements.length, 2);
});

test('an INSERT that never arrived is sent again after a minute of looking', async (t) => {
  const w = await world(t);
  await w.start('flink.sql', 'a1', { statements: ["SET 'x' = 'y'", 'INSERT INTO a SELECT 1'] });
  for (let i = 0; i < 40 && w.flink.statements.length < 1; i++) await w.pass(0.5);
  w.flink.switches.page = { status: 500, text: 'a proxy that has lost its way' };
  await w.pass(3);
  w.flink.switches.page = null;
  await w.pass(30);
  await w.pass(50);
  t.is(w.kind('a1'), 'success', JSON.stringify(w.reports.taken));
  t.is(w.flink.statements.filter((one) => one.startsWith('INSERT')).length, 1);
});

test('a stop that meets a fail-over is triggered anew once the job is known again', async (t) => {
  const w = await world(t);
  const job = await running(w);
  let isOver = false;
  // From the stop on the job is unknown: the trigger is taken, and fails by that.
  Object.defineProperty(w.flink.switches, 'forgetful', { get: () => !isOver && count(w, /^POST .*\/stop$/) > 0 });
  await w.start('flink.stop', 'a1', { job_id: JOB, target_directory: 'file:/s' });
  await w.pass(8);
  t.is(count(w, /^POST .*\/stop$/), 1);
  t.is(w.kind('a1'), undefined);
  isOver = true;
  await w.pass(8);
  t.like(w.output('a1'), { location: 'file:/s/savepoint-1', state: 'FINISHED' });
  t.is(job.history.length, 1);
  t.is(count(w, /^POST .*\/stop$/), 2);
});

test('savepoint, stop and checkpoint of a job that is still being deployed are triggered anew once its tasks run', async (t) => {
  const w = await world(t, { deploying: true });
  await running(w);
  for (const [name, id] of [
    ['flink.savepoint', 'a1'],
    ['flink.checkpoint', 'a2'],
  ] as const)
    await w.start(name, id, { job_id: JOB });
  await w.pass(30);
  await w.crash();
  await w.pass(30);
  t.deepEqual([w.kind('a1'), w.kind('a2')], [undefined, undefined]);
  t.is(count(w, /^POST .*\/savepoints$/), 1, 'not asked again while tasks are deployed');
  w.flink.switches.deploying = false;
  await w.pass(10);
  t.regex(String(w.output('a1').location), /^file:\/default\/savepoint-\d$/);
  t.is(w.kind('a2'), 'success');
  t.is(count(w, /^POST .*\/savepoints$/), 2);
  t.is(count(w, /^POST .*\/checkpoints$/), 2);
  // All tasks run, and it fails all the same: that is an answer.
  w.flink.switches.failSavepoints = 'CheckpointException: Not all required tasks are currently running.';
  await w.start('flink.stop', 'a3', { job_id: JOB });
  await w.pass(40);
  t.like(w.output('a3'), { code: 'FLINK_STOP_FAILED', state: 'RUNNING' });
});

test('every Flink action takes a leased cluster', async (t) => {
  const w = await world(t);
  const cluster = { cluster_id: 'c1', lease: { id: 'l' }, endpoints: { rest: w.flink.url, sql_gateway: w.flink.url } };
  const actions = createCatalogue()
    .list()
    .filter(({ name }) => name.startsWith('flink.'));
  t.true(actions.length > 100);
  for (const { name, parameters } of actions) {
    const { cluster: declared } = parameters.properties as Readonly<Record<string, { readonly type: unknown }>>;
    t.deepEqual(declared?.type, ['string', 'object', 'null'], name);
  }
  const job = await running(w);
  t.is((await w.call('flink.jobs.get', { cluster, job_id: JOB })).kind, 'success');
  t.is((await w.call('flink.sql.info', { cluster })).kind, 'success');
  await w.start('flink.wait', 'a1', { cluster, job_id: JOB });
  await w.start('flink.savepoint', 'a2', { cluster, job_id: JOB });
  await w.start('flink.sql', 'a3', { cluster, statements: ['INSERT INTO a SELECT 1'], wait_for: 'finished' });
  await w.start('flink.upload_and_run', 'a4', { cluster, jar: join(w.folder, 'one.jar') });
  await w.pass(5);
  for (const one of w.flink.jobs.values()) one.state = 'FINISHED';
  await w.pass(10);
  for (const id of ['a1', 'a2', 'a3', 'a4']) t.is(w.kind(id), 'success', JSON.stringify(w.output(id)));
  t.is(job.history.length, 1);
  await w.start('flink.sql', 'a5', { cluster: { endpoints: { rest: w.flink.url } }, statements: ['SELECT 1'] });
  t.regex(String(w.output('a5').message), /no endpoints.sql_gateway; give gateway_url/);
});

test('a CREATE or DROP whose answer is lost is done once; what could be done twice is not sent again', async (t) => {
  const w = await world(t);
  const statements = ['CREATE TABLE t (a INT)', 'DROP TABLE t', 'CREATE TEMPORARY VIEW v AS SELECT 1', 'SELECT a'];
  // Each time the gateway has done it, and its answer is lost, with the node as well.
  for (const [id, dies] of [
    ['a1', false],
    ['a2', true],
  ] as const) {
    const sent = w.flink.statements.length;
    await w.start('flink.sql', id, { statements });
    for (let i = 0; i < 60 && w.kind(id) === undefined; i++) {
      if (w.flink.statements.length - sent < 5) w.flink.switches.loseAnswers = 1;
      await w.pass(0.5);
      if (dies && i % 3 === 0) await w.crash();
      if (w.flink.statements.length - sent >= 5) w.flink.switches.loseAnswers = 0;
      await w.pass(0.5);
    }
    t.is(w.kind(id), 'success', JSON.stringify(w.reports.taken));
    t.is((w.output(id).results as unknown[]).length, 4);
  }
  w.flink.switches.loseAnswers = 1;
  const sent = w.flink.statements.length;
  await w.start('flink.sql', 'b1', { statements: ["/* once */ CALL sys.compact('t')"] });
  await w.pass(5);
  t.like(w.output('b1'), { code: 'FLINK_SQL_AMBIGUOUS', index: 0 });
  t.is(w.flink.statements.length, sent + 1);
  // The first time is not forgiven.
  await w.start('flink.sql', 'b2', { statements: ['CREATE TABLE x (a INT)', 'CREATE TABLE x (a INT)'] });
  await w.start('flink.sql', 'b3', { statements: ['DROP TABLE x'] });
  await w.pass(8);
  t.like(w.output('b2'), { code: 'FLINK_SQL_ERROR', index: 1 });
  t.like(w.output('b3'), { code: 'FLINK_SQL_ERROR', index: 0 });
});

test('a session lost while the job of an INSERT is waited for: settings are repeated, the job is not', async (t) => {
  const w = await world(t);
  await w.start('flink.sql', 'a1', {
    statements: ['CREATE TABLE shared.t (a INT)', 'CREATE TABLE u (a INT)', 'INSERT INTO u SELECT 1', 'SELECT u'],
    wait_for: 'finished',
  });
  for (let i = 0; i < 40 && w.flink.jobs.size === 0; i++) await w.pass(0.5);
  await w.pass(2);
  w.flink.sessions.clear();
  // The next heartbeat notices it.
  await w.pass(200);
  for (const job of w.flink.jobs.values()) job.state = 'FINISHED';
  await w.pass(10);
  t.is(w.kind('a1'), 'success', JSON.stringify(w.output('a1')));
  const times = (text: string) => w.flink.statements.filter((one) => one.startsWith(text)).length;
  t.deepEqual([times('INSERT'), times('CREATE TABLE u'), times('SELECT')], [1, 2, 1]);
  t.like(w.output('a1').results, [
    { kind: 'OTHER' },
    { kind: 'OTHER' },
    { kind: 'INSERT', state: 'FINISHED' },
    { kind: 'QUERY' },
  ]);
});

test('kinds of statements, and sets of them as one', (t) => {
  const kinds: Readonly<Record<string, readonly string[]>> = {
    READ: [
      'SELECT 1',
      '-- a\n/* b */ with x as (select 1) select * from x',
      '(SELECT 1)',
      'SET a = b',
      'use catalog c',
    ],
    INSERT: [
      'INSERT INTO a SELECT 1',
      '/* x */ EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END',
      "EXECUTE PLAN '/a.json'",
      "COMPILE AND EXECUTE PLAN '/a.json' FOR INSERT INTO a SELECT 1",
      "CREATE TABLE a WITH ('x' = 'y') AS SELECT 1",
      'REPLACE TABLE a AS (SELECT 1)',
      'UPDATE a SET b = 1',
    ],
    ONCE: ['CALL sys.a()', "STOP JOB 'x'", 'ALTER TABLE a ADD b INT'],
    CHANGE: ['CREATE TABLE a (b INT)', 'DROP TABLE a', 'CREATE VIEW a AS SELECT 1', "ADD JAR '/a.jar'", 'SETTING'],
  };
  for (const [kind, statements] of Object.entries(kinds))
    for (const statement of statements) t.is<string, string>(kindOf(statement), kind, statement);
  t.deepEqual(
    splitScript('-- a\nBEGIN STATEMENT SET;\nINSERT INTO a SELECT 1;\nINSERT INTO b SELECT 2;\nEND;\nSELECT 1'),
    ['-- a\nEXECUTE STATEMENT SET BEGIN\nINSERT INTO a SELECT 1;\nINSERT INTO b SELECT 2;\nEND', 'SELECT 1'],
  );
});

test('an upgrade whose start breaks every answer goes back after three calls, and ends what came late', async (t) => {
  const w = await world(t);
  const job = await running(w);
  w.flink.switches.loseCalls = 3;
  await w.start('flink.upgrade', 'a1', {
    job_id: JOB,
    jar: join(w.folder, 'two.jar'),
    rollback: { jar: join(w.folder, 'one.jar') },
    stable_for: 1,
  });
  await w.pass(200);
  t.is(job.state, 'FINISHED');
  const next = jobIdOf('a1');
  const back = [...w.flink.jobs.values()].find(({ id }) => id !== JOB && id !== next);
  t.is(back?.state, 'RUNNING');
  t.like(w.output('a1'), { code: 'FLINK_ROLLED_BACK', job_id: back?.id });
  t.is(count(w, /\/run$/), 1 + 3 + 1);
});

test('the job of an INSERT that its cluster has forgotten is looked up in the history', async (t) => {
  const w = await world(t);
  const statements = ['INSERT INTO a SELECT 1', 'SELECT a'];
  const input = { cluster: 'archived', statements, wait_for: 'finished', not_found_grace: 5 };
  for (const [id, state] of [
    ['a1', 'FINISHED'],
    ['a2', 'FAILED'],
    ['a3', null],
  ] as const) {
    const known = new Set(w.flink.jobs.keys());
    const started = () => [...w.flink.jobs.values()].find((job) => !known.has(job.id));
    await w.start('flink.sql', id, input);
    for (let i = 0; i < 20 && started() === undefined; i++) await w.pass(0.5);
    await w.pass(2);
    const job = started();
    if (job === undefined) return t.fail('the INSERT has no job');
    w.flink.jobs.delete(job.id);
    if (state !== null) w.history.jobs.set(job.id, { ...job, state });
    await w.pass(30);
  }
  t.is(w.kind('a1'), 'success', JSON.stringify(w.output('a1')));
  t.like(w.output('a1').results, [{ kind: 'INSERT', state: 'FINISHED' }, { kind: 'QUERY' }]);
  t.like(w.output('a2'), { code: 'FLINK_JOB_FAILED', state: 'FAILED', index: 0 });
  t.like(w.output('a3'), { code: 'FLINK_JOB_LOST' });
});

test('cancelling flink.sql ends the job that it waits for', async (t) => {
  const w = await world(t);
  await w.start('flink.sql', 'a1', { statements: ['INSERT INTO a SELECT 1'], wait_for: 'finished' });
  await w.pass(4);
  await w.watcher.stop('a1', 'cancelled');
  await w.pass(5);
  t.is(w.kind('a1'), 'cancelled');
  t.deepEqual(
    [...w.flink.jobs.values()].map(({ state }) => state),
    ['CANCELED'],
  );
  t.is(w.flink.sessions.size, 0);
});

test('plain actions give the answers of the client, and errors with code and cause', async (t) => {
  const w = await world(t);
  await running(w);
  t.deepEqual((await w.call('flink.jobs.all')).output, [{ id: JOB, status: 'RUNNING' }]);
  t.deepEqual((await w.call('flink.jobs.get', { job_id: JOB, fields: ['state', 'name'] })).output, {
    state: 'RUNNING',
    name: 'job-bbbb',
  });
  t.is(
    ((await w.call('flink.jobmanager.get_log', { log_file: 'jobmanager.log', max_characters: 20 })).output as string)
      .length,
    20,
  );
  const unknown = await w.call('flink.jobs.get', { job_id: 'c'.repeat(32) });
  t.is(unknown.kind, 'error');
  t.like(unknown.output as object, { code: 'FLINK_JOB_NOT_FOUND', status: 404, job_id: 'c'.repeat(32) });
  t.like((await w.call('flink.taskmanagers.get', { taskmanager_id: 'nobody' })).output as object, {
    code: 'FLINK_TASKMANAGER_NOT_FOUND',
  });
  t.like((await w.call('flink.cluster.delete', { confirm: false })).output as object, { code: 'FLINK_BAD_REQUEST' });
  t.is((await w.call('flink.cluster.delete', { confirm: true })).kind, 'success');
  t.is((await w.call('flink.savepoints.dispose', { savepoint_path: 'file:/s' })).output, null);
  t.like((await w.call('flink.savepoints.dispose', { savepoint_path: 'file:/nowhere' })).output as object, {
    code: 'FLINK_OPERATION_FAILED',
  });
  t.regex(
    String((await w.call('flink.savepoints.dispose', { savepoint_path: 'file:/s', wait: false })).output),
    /^[0-9a-f]{32}$/,
  );
  const first = (await w.call('flink.jars.upload', { jar: join(w.folder, 'one.jar') })).output;
  t.is(
    (await w.call('flink.jars.upload', { jar: join(w.folder, 'one.jar') })).output,
    first,
    'the same content is uploaded once',
  );
  await w.call('flink.jobs.create_checkpoint', { job_id: JOB });
  t.like(
    (await w.call('flink.jobs.get_checkpoint_details', { job_id: JOB, checkpoint_id: 1, show_subtasks: true }))
      .output as object,
    { id: 1, subtasks: {} },
  );
  t.like((await w.call('flink.jobs.all', { url: 'http://127.0.0.1:1' })).output as object, {
    code: 'FLINK_UNREACHABLE',
  });
  t.like((await w.call('flink.jobs.all', { cluster: 'none' })).output as object, { code: 'FLINK_BAD_REQUEST' });
});

test('a connection bounds the jobs that run at once', async (t) => {
  const w = await world(t);
  const { flinkPack: pack } = await import('../../executors/flink/pack.ts');
  const connections = readConnections({ small: { type: 'flink', url: w.flink.url, limits: { jobs: 1 } } }, {});
  const http = { forUsers: createHttpClient(null), forConnections: createHttpClient(null) };
  t.teardown(() => Promise.all([http.forUsers.close(), http.forConnections.close()]));
  const [runJar] = pack({ jarsFolder: w.folder, connections }, http);
  if (runJar?.kind !== 'job') return t.fail();
  for (const id of ['a1', 'a2']) {
    const input = { cluster: 'small', jar: join(w.folder, 'one.jar'), wait_for: 'finished' };
    await w.watcher.submit(runAction('flink.run_jar', id, input), runJar.backend);
  }
  const prepared = runJar.backend.prepare({ cluster: 'small', jar: 'x.jar' }, runContext('a3'));
  t.is(prepared.kind === 'prepared' ? prepared.plan.slots : null, 1);
});
