import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { JsonObject } from '../../dsl/json.ts';
import { loadExternalJob } from '../../engine/store/external-jobs.ts';
import { checkInput } from '../../executors/check-call.ts';
import { startFakeLighter } from '../../executors/fakes/lighter.ts';
import { startFakeLivy } from '../../executors/fakes/livy.ts';
import { startFakeMist } from '../../executors/fakes/mist.ts';
import { startFakeSparkMaster } from '../../executors/fakes/spark-master.ts';
import { startFake, type FakeServer } from '../../executors/fakes/http-fake.ts';
import type { JobWatcher } from '../../executors/job-watcher.ts';
import { SYSTEMS } from '../../executors/spark/systems/endpoints.ts';
import { inputNames, parametersOf } from '../../executors/spark/systems/client.ts';
import { pathInputs } from '../../executors/spark/systems/endpoint.ts';
import { toSubmission } from '../../executors/spark/systems/standalone-runs.ts';
import { waitFor } from '../helpers/waiting.ts';
import { connection, sparkWorld, type SparkWorld } from './helpers/servers.ts';

/** Mist, Lighter, Livy and Spark's submission server, each played by its stand-in on a real socket. */

/** What all four have in common, said once: how a run is asked for, and how the stand-in is moved and counted. */
interface System {
  readonly name: string;
  readonly action: string;
  readonly input: JsonObject;
  readonly server: FakeServer;
  /** How many jobs were ever started. */
  count(): number;
  /** Moves the newest job. */
  move(word: 'running' | 'success' | 'failed' | 'killed'): void;
  readonly log: (lines: string) => void;
}

const WORDS = {
  mist: { running: 'started', success: 'finished', failed: 'failed', killed: 'cancelled' },
  lighter: { running: 'busy', success: 'success', failed: 'dead', killed: 'killed' },
  livy: { running: 'running', success: 'success', failed: 'dead', killed: 'killed' },
  standalone: { running: 'RUNNING', success: 'FINISHED', failed: 'FAILED', killed: 'KILLED' },
} as const;

const START: Readonly<
  Record<keyof typeof WORDS, (t: ExecutionContext) => Promise<System & { readonly masterUi?: string }>>
> = {
  async mist(t) {
    const server = await started(t, startFakeMist());
    server.functions.set('score', { name: 'score', defaultContext: 'default' });
    const newest = () => [...server.jobs.values()].at(-1);
    return {
      name: 'mist',
      action: 'mist.run',
      input: { endpoint: 'score', args: { day: 1 } },
      server,
      count: () => server.jobs.size,
      move: (word) => {
        const result =
          word === 'success'
            ? { rows: 7 }
            : word === 'failed'
              ? 'java.lang.RuntimeException: no input\n\tat x.Y'
              : null;
        Object.assign(newest() ?? {}, { status: WORDS.mist[word], result });
      },
      log: (lines) => Object.assign(newest() ?? {}, { log: lines }),
    };
  },
  async lighter(t) {
    const server = await started(t, startFakeLighter());
    const newest = () => [...server.applications.values()].at(-1);
    let most = 0;
    return {
      name: 'lighter',
      action: 'lighter.run',
      input: { file: 'local:///opt/score.py', args: ['x'], conf: { 'spark.x': true } },
      server,
      count: () => (most = Math.max(most, server.applications.size)),
      move: (word) => Object.assign(newest() ?? {}, { state: WORDS.lighter[word], appId: 'spark-1' }),
      log: (lines) => Object.assign(newest() ?? {}, { log: lines.trim().split('\n') }),
    };
  },
  async livy(t) {
    const server = await started(t, startFakeLivy({ csrf: true }));
    const newest = () => [...server.batches.values()].at(-1);
    let most = 0;
    return {
      name: 'livy',
      action: 'livy.run',
      input: { file: '/jobs/score.jar', class_name: 'Score', args: ['x', 2], name: 'score' },
      server,
      count: () => (most = Math.max(most, server.batches.size)),
      move: (word) => Object.assign(newest() ?? {}, { state: WORDS.livy[word], appId: 'application_1_1' }),
      log: (lines) => Object.assign(newest() ?? {}, { log: lines.trim().split('\n') }),
    };
  },
  async standalone(t) {
    const server = await started(t, startFakeSparkMaster());
    const newest = () => [...server.drivers.values()].at(-1);
    const nameOf = () =>
      (newest()?.request.sparkProperties as Record<string, string> | undefined)?.['spark.app.name'] ?? '';
    return {
      name: 'standalone',
      action: 'spark.submit',
      input: {
        via: 'rest',
        master: 'spark://m:7077',
        application: 'file:/jobs/score.jar',
        class: 'Score',
        name: 'score',
      },
      server,
      masterUi: server.url,
      count: () => server.drivers.size,
      move: (word) => {
        Object.assign(newest() ?? {}, { state: WORDS.standalone[word] });
        const state = word === 'running' ? 'RUNNING' : 'FINISHED';
        if (server.applications.length === 0) server.applications.push({ id: 'app-1', name: nameOf(), state });
      },
      log: (lines) => Object.assign(newest() ?? {}, { stdout: lines }),
    };
  },
};

const TYPES = { mist: 'mist', lighter: 'lighter', livy: 'livy', standalone: 'spark-standalone' } as const;

for (const name of ['mist', 'lighter', 'livy', 'standalone'] as const) {
  test(`${name}: a job runs to its end, and its result is the action's`, async (t) => {
    const { w, s, watcher } = await world(t, name);
    await run(w, watcher, s, 'a1');
    const id = await w.submitted('a1');
    s.move('running');
    s.log('one\n::result {"rows": 7}\nbye');
    s.move('success');
    const { kind, output } = await w.result('a1');
    t.is(kind, 'success', JSON.stringify(output));
    t.like(output, { backend: name, id, state: WORDS[name].success, result: { rows: 7 } });
    t.is(s.count(), 1);
  });

  test(`${name}: a failed job is an error with its cause and the end of its log`, async (t) => {
    const { w, s, watcher } = await world(t, name);
    await run(w, watcher, s, 'a1');
    await w.submitted('a1');
    s.log('java.lang.X\nCaused by: java.io.IOException: disk is full\nbye');
    s.move('failed');
    const { kind, output } = await w.result('a1');
    t.is(kind, 'error');
    t.like(output, {
      code: 'SPARK_JOB_FAILED',
      state: WORDS[name].failed,
      root_cause: 'java.io.IOException: disk is full',
    });
    t.true((output.log_tail as string[]).includes('bye'));
  });

  test(`${name}: killed by others is told from failed`, async (t) => {
    const { w, s, watcher } = await world(t, name);
    await run(w, watcher, s, 'a1');
    await w.submitted('a1');
    s.move('killed');
    t.like((await w.result('a1')).output, { code: 'SPARK_JOB_KILLED', retryable: false });
  });

  test(`${name}: an answer that is lost starts no second job`, async (t) => {
    const { w, s, watcher } = await world(t, name);
    s.server.switches.loseAnswers = 1;
    await run(w, watcher, s, 'a1');
    if (name === 'standalone') {
      await waitFor('the driver', async () => s.count() === 1);
      s.move('running');
    }
    await w.submitted('a1');
    s.move('success');
    t.is((await w.result('a1')).kind, 'success');
    t.is(s.count(), 1);
  });

  test(`${name}: a node that dies after the answer leaves the job to the next one`, async (t) => {
    const { w, s } = await world(t, name);
    const first = await w.node('n2', {
      fault: (point) => (point === 'answered' ? new Promise(() => {}) : undefined),
    });
    void run(w, first, s, 'a1').catch(() => {});
    await waitFor('the job', async () => s.count() === 1);
    s.move('running');
    first.abandon();
    await w.node('n3', { alone: true, isOwnerDead: async () => true });
    await w.submitted('a1');
    s.move('success');
    t.is((await w.result('a1')).kind, 'success');
    t.is(s.count(), 1);
  });

  test(`${name}: a cancel ends the job and keeps its log`, async (t) => {
    const { w, s, watcher } = await world(t, name);
    await run(w, watcher, s, 'a1');
    await w.submitted('a1');
    s.move('running');
    s.log('working\n');
    await watcher.stop('a1', 'cancelled');
    const { kind, output } = await w.result('a1');
    t.is(kind, 'cancelled');
    t.like(output, { code: 'SPARK_CANCELLED' });
    t.deepEqual(output.log_tail, ['working']);
  });

  test(`${name}: an address or a name that leads nowhere is refused with what would be right`, async (t) => {
    const { w, s, watcher } = await world(t, name);
    const refusals: readonly (readonly [JsonObject, RegExp])[] = [
      [{ connection: null }, /connection with the name of a configured server, url, or a leased cluster/],
      [{ connection: 'nowhere' }, /There is no connection 'nowhere'.*known: here/],
      [{ connection: 'other' }, /'other' leads to cluster/],
      [{ connection: null, url: 'ftp://x' }, /no http or https address/],
      [{ url: 'http://x' }, /only one of connection, url and cluster/],
      [{ cluster: 'here' }, /only one of connection, url and cluster/],
      [{ connection: null, cluster: 'nowhere' }, /There is no connection 'nowhere'/],
      [{ connection: null, cluster: { endpoints: { other: 'x' } } }, /has no endpoints\.\w+: it offers other\./],
    ];
    for (const [at, [more, message]] of refusals.entries()) {
      await w.submit(watcher, s.action, `r${at}`, { ...s.input, connection: 'here', ...more });
      const { output } = await w.result(`r${at}`);
      t.is(output.code, 'SPARK_BAD_INPUT');
      t.regex(String(output.message), message);
    }
    t.is(s.count(), 0);
  });
}

test('a server that is not there yet is waited for, and the job is submitted once', async (t) => {
  const { w, s, watcher } = await world(t, 'livy');
  s.server.switches.down = true;
  await run(w, watcher, s, 'a1');
  await waitFor('two tries', async () => s.server.requests.length >= 2);
  s.server.switches.down = false;
  await w.submitted('a1');
  s.move('success');
  t.is((await w.result('a1')).kind, 'success');
  t.is(s.count(), 1);
});

test('Livy: what it refuses for its content is final, and its ghost is removed', async (t) => {
  const { w, watcher } = await world(t, 'livy');
  const livy = await started(t, startFakeLivy());
  await w.submit(watcher, 'livy.run', 'a1', { url: livy.url, file: 'relative.jar' });
  t.like((await w.result('a1')).output, { code: 'SPARK_REJECTED', status: 400, retryable: false });
  await w.submit(watcher, 'livy.run', 'a2', { url: livy.url, file: '/x.jar', num_executors: 'many' });
  t.like((await w.result('a2')).output, { code: 'SPARK_REJECTED', status: 500 });
  t.is(livy.batches.size, 0);
});

test('Livy: after a restart a number is not taken for the job that had it', async (t) => {
  const livy = await started(t, startFakeLivy());
  const w = await sparkWorld(t);
  const watcher = await w.node('n1', { limits: {} });
  await w.submit(watcher, 'livy.run', 'a1', { url: livy.url, file: '/x.jar' });
  t.is(await w.submitted('a1'), '0');
  livy.restart();
  await w.submit(watcher, 'livy.run', 'a2', { url: livy.url, file: '/y.jar' });
  t.is(await w.submitted('a2'), '0');
  Object.assign([...livy.batches.values()][0] ?? {}, { state: 'success' });
  t.is((await w.result('a2')).kind, 'success');
  t.is((await loadExternalJob(w.db, 'a1'))?.phase, 'submitted');
});

test('Mist: a restart of its master is no failure of the job; a worker that keeps its job is stopped', async (t) => {
  const mist = await started(t, startFakeMist({ dialect: '0.13', obeys: false }));
  mist.functions.set('score', { name: 'score' });
  mist.contexts.set('own', { name: 'own', workerMode: 'exclusive' });
  const w = await sparkWorld(t);
  const watcher = await w.node('n1');
  const input = { url: mist.url, endpoint: 'score', kill_grace: 0.2 };
  await w.submit(watcher, 'mist.run', 'a1', input);
  await w.submitted('a1');
  mist.restart();
  t.like((await w.result('a1')).output, { code: 'SPARK_JOB_LOST', retryable: true });
  await w.submit(watcher, 'mist.run', 'a2', { ...input, context: 'own' });
  const id = await w.submitted('a2');
  Object.assign(mist.jobs.get(id) ?? {}, { status: 'started' });
  await watcher.stop('a2', 'cancelled');
  await waitFor('the worker', async () => mist.stopped.length > 0);
  t.deepEqual(mist.stopped, [`own-${id}`]);
});

test('standalone: a Python application runs by spark-submit on a worker; Java 17 gets its options', (t) => {
  const input = {
    master: 'spark://m:7077',
    application: '/jobs/a.py',
    args: { day: 3 },
    conf: { 'spark.x': 1 },
    env: { A: 1 },
  };
  const body = toSubmission(input, 'n [1]');
  t.deepEqual(body.app_args, [
    '--master',
    'spark://m:7077',
    '--conf',
    'spark.x=1',
    '--name',
    'n [1]',
    '/jobs/a.py',
    '--day',
    '3',
  ]);
  t.is(body.main_class, 'org.apache.spark.deploy.SparkSubmit');
  t.deepEqual(body.environment_variables, { A: '1' });
  const properties = body.spark_properties as Record<string, string>;
  t.regex(properties['spark.driver.extraJavaOptions'] ?? '', /--add-opens=java\.base\/sun\.nio\.ch=ALL-UNNAMED/);
  const own = toSubmission({ ...input, driver_java_options: '-Xss4m' }, 'n').spark_properties as Record<string, string>;
  t.is(own['spark.driver.extraJavaOptions'], '-Xss4m');
});

test('standalone: a standby is waited for; without the page of the master an unclear submit asks a person', async (t) => {
  const master = await started(t, startFakeSparkMaster());
  const w = await sparkWorld(t);
  const watcher = await w.node('n1');
  const input = {
    url: master.url,
    master: 'spark://m:7077',
    application: '/x.jar',
    class: 'X',
    deploy_mode: 'cluster',
  };
  master.options.standby = true;
  await w.submit(watcher, 'spark.submit', 'a1', input);
  await waitFor('a try', async () => master.requests.length > 0);
  master.options.standby = false;
  await w.submitted('a1');
  master.switches.loseAnswers = 1;
  await w.submit(watcher, 'spark.submit', 'a2', input);
  t.like((await w.result('a2')).output, { code: 'SPARK_AMBIGUOUS' });
});

test("standalone: after a lost answer the driver is told from others' of the same class by the command that its log begins with", async (t) => {
  const master = await started(t, startFakeSparkMaster());
  const w = await sparkWorld(t, [connection('here', 'spark-standalone', master.url, { masterUi: master.url })]);
  const watcher = await w.node('n1');
  const submit = (id: string, place: JsonObject) =>
    w.submit(watcher, 'spark.submit', id, {
      ...place,
      via: 'rest',
      master: 'spark://m:7077',
      application: '/jobs/a.py',
      name: 'same',
    });
  // What others have started, by the same master's memory; our own records do not know them.
  for (const name of ['same [11111111]', 'same [22222222]'])
    await w.call('spark.submissions.create', {
      url: master.url,
      app_resource: '',
      main_class: 'org.apache.spark.deploy.SparkSubmit',
      spark_properties: { 'spark.app.name': name },
    });
  for (const driver of master.drivers.values()) driver.state = 'RUNNING';
  master.switches.loseAnswers = 1;
  await submit('a1', { connection: 'here' });
  await waitFor('the driver', async () => master.drivers.size === 3);
  const ours = [...master.drivers.values()][2];
  if (ours === undefined) return t.fail('no driver');
  // As a worker starts it; its application is not there yet.
  ours.state = 'RUNNING';
  t.is(await w.submitted('a1'), ours.id);
  Object.assign(ours, { state: 'FINISHED', stdout: '::result 3\n' });
  t.like((await w.result('a1')).output, { id: ours.id, result: 3, log_tail: ['::result 3'] });
  t.is(master.drivers.size, 3);
});

for (const name of ['mist', 'lighter', 'livy', 'standalone'] as const) {
  test(`${name}: a leased cluster tells its server, over the end of a node too; single calls take it as well`, async (t) => {
    const s = await START[name](t);
    const w = await sparkWorld(t);
    const first = await w.node('n1', {
      fault: (point) => (point === 'answered' ? new Promise(() => {}) : undefined),
    });
    const endpoints = {
      [name === 'standalone' ? 'rest' : name]: s.server.url,
      ui: s.server.url,
      master: 'spark://m:7077',
    };
    const cluster = { id: 'c1', endpoints };
    const { master: _master, ...input } = s.input;
    void w.submit(first, s.action, 'a1', { ...input, cluster }).catch(() => {});
    await waitFor('the job', async () => s.count() === 1);
    s.move('running');
    first.abandon();
    await w.node('n2', { alone: true });
    const id = await w.submitted('a1');
    s.log('::result 4');
    s.move('success');
    t.like((await w.result('a1')).output, { backend: name, id, state: WORDS[name].success });
    t.is(s.count(), 1);
    const call = {
      mist: 'mist.jobs.get',
      lighter: 'lighter.batches.get',
      livy: 'livy.batches.get',
      standalone: 'spark.submissions.status',
    };
    t.is((await w.call(call[name], { cluster, id })).kind, 'success');
    if (name === 'standalone') {
      t.like((await w.call('spark.master.state', { cluster })).output, { status: 'ALIVE' });
      t.is((await w.call('spark.kill', { cluster, backend: name, id })).kind, 'success');
    }
    t.like((await w.call(call[name], { cluster: { id: 'c1', endpoints: {} }, id })).output, {
      code: 'SPARK_BAD_INPUT',
    });
  });
}

test('after a long absence a batch and a statement are found among many newer ones', async (t) => {
  const lighter = await started(t, startFakeLighter());
  lighter.options.knowsSearch = false;
  const w = await sparkWorld(t);
  const url = lighter.url;
  const first = await w.node('n1', {
    fault: (point) => (point === 'answered' ? new Promise(() => {}) : undefined),
  });
  void w.submit(first, 'lighter.run', 'a1', { url, file: '/x.py' }).catch(() => {});
  await waitFor('the batch', async () => lighter.applications.size === 1);
  const [ours] = [...lighter.applications.keys()];
  const { id: session } = (await w.call('lighter.sessions.create', { url })).output as JsonObject;
  void w.submit(first, 'lighter.execute', 'a2', { url, session_id: session ?? '', code: '1' }).catch(() => {});
  const statements = lighter.applications.get(String(session))?.statements ?? [];
  await waitFor('the statement', async () => statements.length === 1);
  first.abandon();
  for (let i = 0; i < 105; i++) {
    await w.call('lighter.batches.create', { url, file: '/y.py' });
    await w.call('lighter.statements.create', { url, session_id: session ?? '', code: '2' });
  }
  await w.node('n2', { alone: true });
  t.is(await w.submitted('a1'), ours ?? '');
  t.is(await w.submitted('a2'), statements[0]?.id ?? '');
  t.is([...lighter.applications.values()].length, 107);
  t.is(statements.length, 106);
});

test('a session is opened once, takes code, and is closed; a failing statement names the error', async (t) => {
  const livy = await started(t, startFakeLivy());
  const w = await sparkWorld(t, [connection('yarn', 'livy', livy.url)]);
  const watcher = await w.node('n1');
  livy.switches.loseAnswers = 1;
  await w.submit(watcher, 'spark.session.open', 'a1', { via: 'livy', connection: 'yarn', kind: 'pyspark' });
  await w.submitted('a1');
  const [session] = [...livy.sessions.values()];
  if (session === undefined) return t.fail('no session');
  session.state = 'idle';
  const opened = (await w.result('a1')).output;
  const handle = opened.result as JsonObject;
  t.like(handle, { via: 'livy', id: String(session.id), connection: 'yarn', kind: 'pyspark' });
  t.is(livy.sessions.size, 1);
  livy.switches.loseAnswers = 1;
  await w.submit(watcher, 'spark.session.execute', 'a2', { session: handle, code: '1 / 0' });
  await w.submitted('a2');
  t.is(session.statements.length, 1);
  t.regex(session.statements[0]?.code ?? '', /^# key [0-9a-f]{12}\n1 \/ 0$/);
  const output = {
    status: 'error',
    ename: 'ZeroDivisionError',
    evalue: 'division by zero',
    traceback: ['Traceback\n', 'x\n'],
  };
  Object.assign(session.statements[0] ?? {}, { state: 'available', output });
  t.like((await w.result('a2')).output, {
    code: 'SPARK_STATEMENT_FAILED',
    ename: 'ZeroDivisionError',
    traceback: 'Traceback\nx\n',
  });
  await w.submit(watcher, 'spark.session.execute', 'a3', { session: handle, kind: 'sql', code: 'select 1' });
  await w.submitted('a3');
  t.regex(session.statements[1]?.code ?? '', /^-- key/);
  Object.assign(session.statements[1] ?? {}, {
    state: 'available',
    output: { status: 'ok', data: { 'application/json': { data: [[1]] } } },
  });
  t.deepEqual((await w.result('a3')).output.result, { data: [[1]] });
  await w.submit(watcher, 'spark.session.execute', 'a4', { session: handle, code: 'x' });
  await w.submitted('a4');
  session.state = 'dead';
  t.like((await w.result('a4')).output, { code: 'SPARK_SESSION_DEAD' });
  for (const id of ['a5', 'a6']) {
    await w.submit(watcher, 'spark.session.close', id, { session: handle });
    t.is((await w.report(id)).kind, 'success');
  }
  t.is(livy.sessions.size, 0);
});

test('Lighter sessions go by the same actions, under an id of ours', async (t) => {
  const lighter = await started(t, startFakeLighter());
  const w = await sparkWorld(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'spark.session.open', 'a0', { via: 'lighter', url: lighter.url, master: 'local[2]' });
  t.like((await w.result('a0')).output, { code: 'SPARK_BAD_INPUT', message: 'master is not for via: lighter.' });
  lighter.switches.loseAnswers = 1;
  await w.submit(watcher, 'spark.session.open', 'a1', { via: 'lighter', url: lighter.url });
  const id = await w.submitted('a1');
  const session = lighter.applications.get(id);
  Object.assign(session ?? {}, { state: 'idle' });
  const handle = (await w.result('a1')).output.result as JsonObject;
  await w.submit(watcher, 'spark.session.execute', 'a2', { session: handle, code: '1 + 1' });
  await w.submitted('a2');
  Object.assign(session?.statements[0] ?? {}, {
    state: 'available',
    output: { status: 'ok', data: { 'text/plain': '2' } },
  });
  t.is((await w.result('a2')).output.result, '2');
  t.is(lighter.applications.size, 1);
});

test('submitted first, waited for later; a wait that is cancelled leaves the job alone', async (t) => {
  const { w, s, watcher } = await world(t, 'livy');
  await run(w, watcher, s, 'a1', { wait_for: 'submitted' });
  const { output } = await w.result('a1');
  t.like(output, { state: 'starting', result: null });
  const wait = { backend: 'livy', connection: 'here', id: String(output.id) };
  await w.submit(watcher, 'spark.wait', 'a2', wait);
  await w.submitted('a2');
  await watcher.stop('a2', 'cancelled');
  t.is((await w.result('a2')).kind, 'cancelled');
  await w.submit(watcher, 'spark.wait', 'a3', wait);
  await w.submitted('a3');
  s.log('::result [1]');
  s.move('success');
  const waited = await w.result('a3');
  t.deepEqual(waited.output.result, [1], JSON.stringify(waited));
  t.is((await w.call('spark.kill', wait)).kind, 'success');
  t.like((await w.call('spark.kill', wait)).output, { code: 'SPARK_REJECTED', status: 404 });
});

// What spec/spark.md §2.2, §3.1, §4.1 and §5 list, row by row. `:F` is endpoints or functions.
const ROWS: Readonly<Record<string, string>> = {
  mist: `GET /:F, GET /:F/:id, POST /:F, PUT /:F, DELETE /:F/:id, POST /:F/:id/jobs, GET /:F/:id/jobs, GET /jobs, GET /jobs/:id,
    GET /jobs/:id/logs, DELETE /jobs/:id, GET /workers, GET /workers/:id, GET /workers/:id/jobs, DELETE /workers/:id, GET /contexts,
    GET /contexts/:id, POST /contexts, PUT /contexts/:id, DELETE /contexts/:id, GET /status, GET /artifacts, POST /artifacts,
    GET /artifacts/:id, DELETE /artifacts/:id, GET /artifacts/:id/sha`,
  lighter: `GET /configuration, POST /batches, GET /batches, GET /batches/:id, GET /batches/:id/state, DELETE /batches/:id,
    GET /batches/:id/log, GET /sessions, POST /sessions, PUT /sessions/:id, GET /sessions/:id, GET /sessions/:id/state,
    DELETE /sessions/:id, GET /sessions/:id/log, POST /sessions/:id/statements, GET /sessions/:id/statements,
    GET /sessions/:id/statements/:id, POST /sessions/:id/statements/:id/cancel`,
  livy: `GET /batches, GET /sessions, POST /batches, GET /batches/:id, GET /batches/:id/state, GET /batches/:id/log, DELETE /batches/:id,
    POST /sessions, GET /sessions/:id, GET /sessions/:id/state, GET /sessions/:id/log, DELETE /sessions/:id,
    POST /sessions/:id/statements, GET /sessions/:id/statements, GET /sessions/:id/statements/:id,
    POST /sessions/:id/statements/:id/cancel, POST /sessions/:id/completion, POST /sessions/:id/connect, POST /sessions/:id/stop,
    POST /sessions/:id/interrupt, GET /version`,
  standalone: 'POST /create, GET /status/:id, POST /kill/:id, POST /killall, POST /clear, GET /readyz',
  master: 'GET /json/',
};

// Their parameters in query and body, as they are called on the wire. Left out: Mist's `force` of a call, which would wait within one request, and
// `paginate`, since pages are followed.
const BATCH =
  'name numExecutors executorCores executorMemory driverCores driverMemory pyFiles files jars archives conf';
const CONTEXT = 'name sparkConf downtime maxJobs workerMode precreated runOptions streamingDuration maxConnFailures';
const PARAMETERS: Readonly<Record<string, string>> = {
  'mist POST /:F': 'force name path className defaultContext',
  'mist PUT /:F': 'name path className defaultContext',
  'mist POST /:F/:id/jobs': 'context workerId externalId startTimeout performTimeout *args',
  'mist GET /:F/:id/jobs': 'limit offset status',
  'mist GET /jobs': 'limit offset status',
  'mist GET /workers/:id/jobs': 'limit offset status',
  'mist POST /contexts': CONTEXT,
  'mist PUT /contexts/:id': CONTEXT,
  'mist POST /artifacts': 'force',
  'lighter POST /batches': `file mainClass args ${BATCH}`,
  'lighter GET /batches': 'from size state search',
  'lighter GET /sessions': 'from size',
  'lighter POST /sessions': `permanent ${BATCH}`,
  'lighter PUT /sessions/:id': `permanent ${BATCH}`,
  'lighter POST /sessions/:id/statements': 'code',
  'lighter GET /sessions/:id/statements': 'from size',
  'livy GET /batches': 'from size',
  'livy GET /sessions': 'from size',
  'livy POST /batches': `file className args proxyUser queue ${BATCH}`,
  'livy GET /batches/:id/log': 'from size',
  'livy GET /sessions/:id/log': 'from size',
  'livy POST /sessions': `kind heartbeatTimeoutInSecond ttl idleTimeout proxyUser queue ${BATCH}`,
  'livy POST /sessions/:id/statements': 'code kind',
  'livy GET /sessions/:id/statements': 'from size order',
  'livy POST /sessions/:id/completion': 'code kind cursor',
  'standalone POST /create': 'appResource mainClass appArgs sparkProperties environmentVariables',
};

// The names of spec/spark.md §8.2.
const NAMES = `mist.endpoints: list get create update delete start_job jobs; mist.jobs: list get logs cancel; mist.workers: list get stop;
  mist.contexts: list get create update delete; mist.artifacts: list upload sha delete; mist: status run; lighter: configuration run execute;
  lighter.batches: create list get log delete; lighter.sessions: create put list get log delete; lighter.statements: create list get cancel;
  livy.batches: create list get state log delete; livy.sessions: create list get state log delete touch;
  livy.statements: create list get cancel; livy: complete version run execute;
  spark.submissions: create status kill kill_all clear ready; spark.master: state; spark: submit wait kill progress;
  spark.session: open execute close`;

const plain = (path: string) => path.replaceAll(/:[a-z_]+/g, ':id');

test('every row of the systems, with its parameters, and every name of the action table is there', async (t) => {
  for (const [system, table] of Object.entries(SYSTEMS)) {
    const wanted = (ROWS[system] ?? '').split(',').map((row) => row.trim());
    const there = table.endpoints.map(({ method, path }) => `${method} ${plain(path)}`);
    t.deepEqual(there.toSorted(), wanted.toSorted(), system);
    for (const endpoint of table.endpoints) {
      const row = `${system} ${endpoint.method} ${plain(endpoint.path)}`;
      const names = [...(endpoint.query ?? []), ...(endpoint.body ?? [])].map(({ wire }) => wire);
      const whole = endpoint.wholeBody === undefined ? [] : [`*${endpoint.wholeBody.name}`];
      t.deepEqual([...names, ...whole].toSorted(), (PARAMETERS[row] ?? '').split(' ').filter(Boolean).toSorted(), row);
    }
  }
  const w = await sparkWorld(t);
  const single = new Set(Object.values(SYSTEMS).flatMap((table) => table.endpoints.map(({ name }) => name)));
  const tests = await Promise.all(
    ['spark-servers', 'spark-sessions', 'spark-submit'].map((file) =>
      readFile(new URL(`${file}.test.js`, import.meta.url), 'utf8'),
    ),
  );
  const texts = tests.join('\n');
  for (const group of NAMES.split(';')) {
    const [prefix = '', names = ''] = group.trim().split(': ');
    for (const one of names.split(' ')) {
      const name = `${prefix}.${one}`;
      t.notThrows(() => w.action(name));
      // Single calls are made by the next test; of the others each must stand in a test as what it runs.
      if (!single.has(name))
        t.regex(texts, new RegExp(`["']${name.replaceAll('.', '\\.')}["']`), `${name} is run by no test`);
    }
  }
});

test('every endpoint has an action that calls it with all its parameters, a description, a checked example and the inputs of its table', async (t) => {
  const servers = {
    mist: await started(t, startFakeMist()),
    lighter: await started(t, startFakeLighter()),
    livy: await started(t, startFakeLivy()),
    standalone: await started(t, startFakeSparkMaster({ version: '4.1.4' })),
  };
  servers.mist.functions.set('f', { name: 'f' });
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-servers-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'a.py'), 'print(1)\n');
  const w = await sparkWorld(t);
  const valueOf = (name: string, schema: JsonObject): JsonObject[string] => {
    if (name === 'spark_properties') return { 'spark.app.name': 'x' };
    const types = [schema.type].flat();
    if (types.includes('object')) return { a: 'b' };
    if (types.includes('array')) return ['x'];
    if (types.includes('boolean')) return true;
    return types.includes('integer') || types.includes('number') ? 1 : 'X';
  };
  for (const [system, table] of Object.entries(SYSTEMS)) {
    const server = servers[system === 'master' ? 'standalone' : (system as keyof typeof servers)];
    for (const endpoint of table.endpoints) {
      const action = w.action(endpoint.name);
      t.true(action.description.length > 10 && action.examples.length > 0, endpoint.name);
      const parameters = parametersOf(endpoint);
      const input: JsonObject = {
        url: server.url,
        ...(endpoint.method === 'GET' && { retry_for: 0 }),
        ...Object.fromEntries(parameters.map(({ name, schema }) => [name, valueOf(name, schema)] as const)),
        ...Object.fromEntries(pathInputs(endpoint).map((name) => [name, name === 'session_id' ? '1' : 'f'] as const)),
        ...(endpoint.transfer === 'upload' && { file: join(folder, 'a.py') }),
        ...(endpoint.transfer === 'download' && { save_to: join(folder, 'out') }),
      };
      t.deepEqual(checkInput(action.parameters, input), [], endpoint.name);
      t.true(pathInputs(endpoint).every((name) => inputNames(endpoint).includes(name)));
      const before = server.requests.length;
      const { output } = await w.call(endpoint.name, input);
      const [asked] = server.requests
        .slice(before)
        .filter((line) => line !== 'GET /v2/api/functions' || endpoint.name === 'mist.endpoints.list');
      const pattern = endpoint.path.replace(/:[a-z_]+/g, '[^/?]+').replace(/:F/, '(?:functions|endpoints)');
      t.regex(
        asked ?? '',
        new RegExp(`^${endpoint.method} ${table.prefix}${pattern}(?:\\?.*)?$`),
        `${endpoint.name}: ${JSON.stringify(output)}`,
      );
      const sent = server.newest();
      for (const { name, wire } of endpoint.query ?? [])
        t.deepEqual(sent?.query.getAll(wire), [input[name]].flat().map(String), `${endpoint.name} ?${wire}`);
      if (endpoint.transfer === undefined && (endpoint.body ?? endpoint.wholeBody) !== undefined) {
        const body = JSON.parse(sent?.body.toString('utf8') ?? '') as JsonObject;
        if (endpoint.wholeBody !== undefined) t.deepEqual(body, input[endpoint.wholeBody.name]);
        for (const { name, wire } of endpoint.body ?? [])
          t.deepEqual(body[wire], input[name], `${endpoint.name} ${wire}`);
      }
    }
  }
  t.like((await w.call('livy.batches.delete', { url: servers.livy.url, id: '..' })).output, {
    code: 'SPARK_BAD_INPUT',
  });
});

test('code in a session that is there already: livy.execute, lighter.execute', async (t) => {
  const livy = await started(t, startFakeLivy());
  const lighter = await started(t, startFakeLighter());
  const w = await sparkWorld(t);
  const watcher = await w.node('n1');
  const { id: livyId } = (await w.call('livy.sessions.create', { url: livy.url, kind: 'pyspark' }))
    .output as JsonObject;
  const { id: lighterId } = (await w.call('lighter.sessions.create', { url: lighter.url })).output as JsonObject;
  for (const session of [...livy.sessions.values(), ...lighter.applications.values()]) session.state = 'idle';
  const output = { status: 'ok', data: { 'text/plain': '2' } };
  await w.submit(watcher, 'livy.execute', 'a1', {
    url: livy.url,
    session_id: livyId ?? 0,
    kind: 'sql',
    code: 'SELECT 2',
  });
  await w.submitted('a1');
  const statement = [...livy.sessions.values()][0]?.statements[0];
  t.regex(statement?.code ?? '', /^-- key [0-9a-f]{12}\nSELECT 2$/);
  Object.assign(statement ?? {}, { state: 'available', output });
  t.like((await w.result('a1')).output, { backend: 'livy', state: 'available', result: '2' });
  await w.submit(watcher, 'lighter.execute', 'a2', { url: lighter.url, session_id: lighterId ?? '', code: '1 + 1' });
  await w.submitted('a2');
  const [row] = [...lighter.applications.values()][0]?.statements ?? [];
  Object.assign(row ?? {}, { state: 'available', output });
  t.like((await w.result('a2')).output, { backend: 'lighter', state: 'available', result: '2' });
});

test('the figures of an application are read from its page: spark.progress', async (t) => {
  const server = await started(
    t,
    startFake({
      starts: () => false,
      handle: ({ path }) => {
        switch (path) {
          case '/api/v1/applications':
            return { status: 200, json: [{ id: 'app-1' }] };
          case '/api/v1/applications/app-1/jobs':
            return {
              status: 200,
              json: [
                { status: 'SUCCEEDED', numTasks: 4, numCompletedTasks: 4 },
                { status: 'RUNNING', numTasks: 6, numCompletedTasks: 1, numFailedTasks: 1, numActiveStages: 1 },
              ],
            };
          default:
            return { status: 404, text: 'no' };
        }
      },
    }),
  );
  const w = await sparkWorld(t);
  const figures = { app_id: 'app-1', jobs_total: 2, jobs_done: 1, tasks_total: 10, tasks_done: 5, tasks_failed: 1 };
  t.like((await w.call('spark.progress', { ui_url: server.url })).output, figures);
  t.like((await w.call('spark.progress', { ui_url: server.url, app_id: 'gone' })).output, { code: 'SPARK_REJECTED' });
});

test('lists follow pages, uploads and downloads go through files, texts of errors are told shortly', async (t) => {
  const mist = await started(t, startFakeMist());
  mist.functions.set('f', { name: 'f' });
  const w = await sparkWorld(t);
  const url = mist.url;
  for (let i = 0; i < 120; i++) await w.call('mist.endpoints.start_job', { url, id: 'f', args: { i } });
  t.is(((await w.call('mist.jobs.list', { url, limit: 110 })).output as unknown[]).length, 110);
  t.is(((await w.call('mist.jobs.list', { url })).output as unknown[]).length, 25);
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-artifacts-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'a.py'), 'print("ü")\n');
  t.is((await w.call('mist.artifacts.upload', { url, file: join(folder, 'a.py') })).output, 'a.py');
  t.like((await w.call('mist.artifacts.upload', { url, file: join(folder, 'a.py') })).output, {
    code: 'SPARK_REJECTED',
    message: 'Mist answered 409 to POST /artifacts: Filename must be unique: found a.py in repository',
  });
  await w.call('mist.artifacts.download', { url, name: 'a.py', save_to: join(folder, 'b.py') });
  t.is(Buffer.from(await readFile(join(folder, 'b.py'), 'utf8'), 'latin1').toString('utf8'), 'print("ü")\n');
  const job = [...mist.jobs.values()][0];
  Object.assign(job ?? {}, { log: 'a\nb\nc\n' });
  t.is((await w.call('mist.jobs.logs', { url, id: job?.jobId ?? '', tail: 2 })).output, 'b\nc');
});

async function world(
  t: ExecutionContext,
  name: keyof typeof START,
): Promise<{ readonly w: SparkWorld; readonly s: System; readonly watcher: JobWatcher }> {
  const s = await START[name](t);
  const w = await sparkWorld(t, [
    connection('here', TYPES[name], s.server.url, { masterUi: s.masterUi ?? null }),
    connection('other', 'cluster', s.server.url),
  ]);
  return { w, s, watcher: await w.node('n1') };
}

function run(w: SparkWorld, watcher: JobWatcher, s: System, id: string, more: JsonObject = {}): Promise<void> {
  return w.submit(watcher, s.action, id, { ...s.input, connection: 'here', ...more });
}

async function started<T extends FakeServer>(t: ExecutionContext, starting: Promise<T>): Promise<T> {
  const server = await starting;
  t.teardown(() => server.close());
  return server;
}
