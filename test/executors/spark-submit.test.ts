import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { silentLogger } from '../../engine/log.ts';
import { systemClock } from '../../engine/shell/clock.ts';
import { loadExternalJob } from '../../engine/store/external-jobs.ts';
import { checkInput } from '../../executors/check-call.ts';
import type { JobAction } from '../../executors/action.ts';
import { JobWatcher, type JobWatcherOptions } from '../../executors/job-watcher.ts';
import { rootCauseIn, readLogFacts } from '../../executors/spark/log-lines.ts';
import { readResult, rotateOutput } from '../../executors/spark/output.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import { sparkPack, type SparkOptions } from '../../executors/spark/pack.ts';
import { isAlive, parseStat } from '../../processes/process.ts';
import { layOut, readProcess } from '../../processes/run-directory.ts';
import { memoryStore } from '../helpers/store.ts';
import { waitFor } from '../helpers/waiting.ts';
import { fakeSparkHome } from './helpers/fake-spark.ts';
import { Reports, runAction } from './helpers/remote.ts';

interface World {
  readonly folder: string;
  readonly home: string;
  readonly db: Knex;
  readonly reports: Reports;
  readonly action: JobAction;
  starts(): Promise<string[]>;
  node(id: string, options?: Partial<JobWatcherOptions>): Promise<JobWatcher>;
  /** Writes a job (shell lines) and submits it; the inputs of a quick test are set. */
  submit(watcher: JobWatcher, id: string, lines: string, input?: JsonObject): Promise<void>;
  result(id: string): Promise<JsonObject>;
  kind(id: string): string | undefined;
}

const CLIENTS = { forUsers: createHttpClient(null), forConnections: createHttpClient(null) };

async function world(t: ExecutionContext, options: Partial<SparkOptions> = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-spark-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const store = await memoryStore(t);
  const spark = await fakeSparkHome(folder);
  const reports = new Reports();
  const runsFolder = join(folder, 'runs');
  const [action] = sparkPack(
    {
      runsFolder,
      sparkHome: spark.home,
      environment: { ...process.env, DATABASE_PASSWORD: 'x' },
      host: 'here',
      ...options,
    },
    CLIENTS,
  );
  if (action?.kind !== 'job') throw new Error('spark.submit is no job action');
  const nodes: JobWatcher[] = [];
  t.teardown(async () => {
    for (const node of nodes) await node.close(2000).catch(() => {});
  });
  const reported = (id: string) => reports.taken.find(({ actionExecutionId }) => actionExecutionId === id);
  return {
    folder,
    home: spark.home,
    db: store.writer,
    reports,
    action,
    starts: () => spark.starts(),
    async node(id, more = {}) {
      const watcher = new JobWatcher({
        db: store.writer,
        nodeId: id,
        engine: reports,
        backends: [action.backend],
        clock: systemClock,
        log: silentLogger,
        ...more,
      });
      nodes.push(watcher);
      await watcher.start();
      return watcher;
    },
    async submit(watcher, id, lines, input = {}) {
      const application = join(folder, `${id}.sh`);
      await writeFile(application, lines);
      await watcher.submit(
        runAction('spark.submit', id, { application, poll_interval: 0.1, ...input }),
        action.backend,
      );
    },
    async result(id) {
      const report = await waitFor(`the result of ${id}`, async () => reported(id));
      const { output } = report.result;
      if (!isJsonObject(output)) throw new Error(`the result is no mapping: ${JSON.stringify(output)}`);
      return output;
    },
    kind: (id) => reported(id)?.result.kind,
  };
}

test('a run gives the common result with the value of its last ::result line', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  const lines =
    'echo "Connected to Spark cluster with app ID app-20261122050001-0007" >&2\necho hello\necho \'::result {"rows": 1}\'\necho \'::result {"rows": 2.0, "big": 9007199254740993}\'\necho bye\n';
  await w.submit(watcher, 'a1', lines, {
    name: 'count',
    args: { day: '2026-11-22', n: 3, none: null },
    conf: { 'spark.ui.enabled': false },
    master: 'local[2]',
  });
  const output = await w.result('a1');
  t.is(w.kind('a1'), 'success');
  t.like(output, {
    backend: 'process',
    app_id: 'app-20261122050001-0007',
    name: 'count',
    state: 'success',
    ui_url: 'http://127.0.0.1:4040',
    history_url: null,
  });
  t.like(output.result, { big: 9007199254740993n });
  t.is(String(isJsonObject(output.result) ? output.result.rows : ''), '2.0');
  t.deepEqual(output.log_tail, [
    '26/11/22 05:00:00 INFO SparkContext: Running Spark version 3.5.9',
    "26/11/22 05:00:01 INFO Utils: Successfully started service 'SparkUI' on port 4040.",
    'Connected to Spark cluster with app ID app-20261122050001-0007',
    'hello',
    'bye',
  ]);
  t.regex(String(output.started_at), /^\d{4}-\d\d-\d\dT.*Z$/);
  t.is(
    (await w.starts())[0],
    `--master local[2] --name count --conf spark.ui.enabled=false --conf spark.tramontane.action_execution=a1 ${w.folder}/a1.sh --day 2026-11-22 --n 3`,
  );
});

test('arguments reach the program as they are, and its environment holds nothing of the server', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  const lines = 'printf "%s\\n" "$@"\necho "home=$SPARK_HOME own=$OWN secret=$DATABASE_PASSWORD run=$WF_RUN_DIR"\n';
  await w.submit(watcher, 'a1', lines, { args: ['a b', 'it\'s $(id) `id` "q"', ''], env: { OWN: 'yes' } });
  const output = await w.result('a1');
  const tail = (Array.isArray(output.log_tail) ? output.log_tail : []).slice(2);
  t.deepEqual(tail, ['a b', 'it\'s $(id) `id` "q"', '', `home=${w.home} own=yes secret= run=${w.folder}/runs/a1`]);
});

test('an inline application, a result file and the last line as result', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  const application = { inline: 'echo \'{"from": "file"}\' > "$WF_RUN_DIR/out.json"\n' };
  await w.submit(watcher, 'a1', '', { application, result: 'file:out.json' });
  await w.submit(watcher, 'a2', 'echo one\necho two\n', { result: 'last_line' });
  await w.submit(watcher, 'a3', "echo '::result 1'\n", { result: 'none' });
  t.like(await w.result('a1'), { result: { from: 'file' } });
  t.like(await w.result('a2'), { result: 'two' });
  t.like(await w.result('a3'), { result: null });
});

test('a failed run shows exit code and root cause', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(
    watcher,
    'a1',
    'echo "Traceback (most recent call last):"\necho "ValueError: no such column: x"\nexit 1\n',
  );
  await w.submit(
    watcher,
    'a2',
    'echo "26/11/22 05:00:02 ERROR Executor: bad" >&2\necho "Caused by: java.io.IOException: disk full" >&2\nexit 3\n',
  );
  await w.submit(watcher, 'a3', 'exit 4\n', { allowed_exit_codes: [0, 4] });
  t.like(await w.result('a1'), {
    code: 'SPARK_JOB_FAILED',
    exit_code: 1,
    root_cause: 'ValueError: no such column: x',
    state: 'failed',
    retryable: false,
  });
  t.like(await w.result('a2'), {
    exit_code: 3,
    message: 'java.io.IOException: disk full (spark-submit ended with exit code 3)',
  });
  t.like(await w.result('a3'), { state: 'success' });
  t.is(w.kind('a1'), 'error');
});

test('a result that is no JSON is an error that says so', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', "echo '::result {rows'\n");
  const output = await w.result('a1');
  t.is(output.code, 'SPARK_JOB_FAILED');
  t.regex(String(output.message), /holds no valid JSON/);
});

test('cancel sends SIGTERM to the whole group and keeps the log', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', 'echo started\nsleep 300\n');
  await waitFor('the run', async () =>
    (await readFile(join(w.folder, 'runs/a1/stdout'), 'utf8').catch(() => '')).includes('started'),
  );
  const identity = await readProcess(join(w.folder, 'runs/a1'));
  await watcher.stop('a1', 'cancelled');
  const output = await w.result('a1');
  t.is(w.kind('a1'), 'cancelled');
  t.like(output, { code: 'SPARK_CANCELLED', state: 'killed', exit_code: 143 });
  t.true(Array.isArray(output.log_tail) && output.log_tail.includes('started'));
  t.false(typeof identity === 'object' && (await isAlive(identity)));
});

test('a program that ignores SIGTERM is killed after the grace', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', "trap '' TERM\necho started\nwhile :; do sleep 0.1; done\n", {
    kill_grace: 0.3,
    timeout: 0.5,
  });
  const output = await w.result('a1');
  t.is(w.kind('a1'), 'error');
  t.like(output, { code: 'SPARK_TIMEOUT', message: 'Timeout after 0.5 seconds; the run was killed.', state: 'killed' });
  const identity = await readProcess(join(w.folder, 'runs/a1'));
  t.false(typeof identity === 'object' && (await isAlive(identity)));
});

test('a detached run goes on after its task is over', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  const gate = join(w.folder, 'gate');
  const job = `until [ -e '${gate}' ]; do sleep 0.1; done\necho done\n`;
  await w.submit(watcher, 'a1', job, { timeout: 0.2, on_timeout: 'detach' });
  await w.submit(watcher, 'a2', job, { wait_for: 'submitted' });
  t.like(await w.result('a1'), { code: 'SPARK_TIMEOUT', message: 'Timeout after 0.2 seconds; the job goes on.' });
  t.like(await w.result('a2'), { state: 'running', result: null });
  await writeFile(gate, '');
  for (const id of ['a1', 'a2']) {
    await waitFor(
      'the end of the run',
      async () => (await readFile(join(w.folder, 'runs', id, 'exit'), 'utf8').catch(() => '')) === '0\n',
    );
  }
});

test('another node finds the run again and uses its result; it is started once', async (t) => {
  const w = await world(t);
  const first = await w.node('n1');
  await w.submit(first, 'a1', 'sleep 1\necho \'::result {"n": 1}\'\n');
  await waitFor('the record', async () => (await loadExternalJob(w.db, 'a1'))?.phase === 'submitted');
  first.abandon();
  await w.node('n2', { alone: true });
  t.like(await w.result('a1'), { result: { n: 1 } });
  t.is((await w.starts()).length, 1);
});

for (const point of ['submitting', 'answered'] as const) {
  test(`a node that dies at '${point}' starts the run at most once`, async (t) => {
    const w = await world(t);
    const first: JobWatcher = await w.node('n1', {
      fault: (at) => {
        if (at !== point) return undefined;
        first.abandon();
        return new Promise<void>(() => {});
      },
    });
    await w.submit(first, 'a1', 'sleep 0.3\necho \'::result {"n": 1}\'\n');
    await waitFor('the record', async () => (await loadExternalJob(w.db, 'a1'))?.phase === 'submitting');
    if (point === 'answered') await waitFor('the start', async () => (await w.starts()).length === 1);
    await w.node('n2', { alone: true });
    t.like(await w.result('a1'), { result: { n: 1 } });
    t.is((await w.starts()).length, 1);
  });
}

test('kill -9 of the server process leaves the run alone, and the next process has its result', async (t) => {
  const w = await world(t);
  // The run directory alone tells: the first owner is another process, which dies hard.
  const script = join(w.folder, 'owner.mjs');
  const runDirectory = join(w.folder, 'runs/a1');
  const job = join(w.folder, 'job.sh');
  await writeFile(job, `while [ ! -e '${w.folder}/go' ]; do sleep 0.05; done\necho '::result {"n": 2}'\n`);
  const module = new URL('../../processes/run-directory.js', import.meta.url).href;
  await writeFile(
    script,
    `import { layOut, startDetached } from ${JSON.stringify(module)};
     await layOut(${JSON.stringify(runDirectory)}, {}, null);
     await startDetached(${JSON.stringify(runDirectory)}, { argv: [${JSON.stringify(join(w.home, 'bin/spark-submit'))}, ${JSON.stringify(job)}], env: process.env, cwd: '/' }, () => {});
     console.log('started');
     setInterval(() => {}, 1000);`,
  );
  const owner = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => owner.stdout.once('data', resolve));
  await waitFor('the process file', async () => typeof (await readProcess(runDirectory)) === 'object');
  owner.kill('SIGKILL');
  await new Promise((resolve) => owner.once('exit', resolve));
  const identity = await readProcess(runDirectory);
  t.true(typeof identity === 'object' && (await isAlive(identity)));
  await writeFile(join(w.folder, 'a1.sh'), 'echo second start\n');
  // What such a crash leaves: a record in `submitting`.
  const first = await w.node('n1', { fault: (at) => (at === 'submitting' ? new Promise<void>(() => {}) : undefined) });
  await first.submit(
    runAction('spark.submit', 'a1', { application: join(w.folder, 'a1.sh'), poll_interval: 0.1 }),
    w.action.backend,
  );
  await waitFor('the record', async () => (await loadExternalJob(w.db, 'a1'))?.phase === 'submitting');
  first.abandon();
  await w.node('n2', { alone: true });
  await writeFile(join(w.folder, 'go'), '');
  t.like(await w.result('a1'), { result: { n: 2 } });
  t.is((await w.starts()).length, 1);
});

test('a run that vanishes without an exit code is lost, and nothing of its group is left', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', 'echo started\nsleep 300 &\necho $! > "$WF_RUN_DIR/child"\nwait\n');
  const child = await waitFor(
    'the run',
    async () => Number(await readFile(join(w.folder, 'runs/a1/child'), 'utf8').catch(() => '')) || null,
  );
  const identity = await readProcess(join(w.folder, 'runs/a1'));
  if (typeof identity !== 'object') return t.fail();
  process.kill(identity.pid, 'SIGKILL');
  t.like(await w.result('a1'), { code: 'SPARK_JOB_LOST', state: 'unknown', retryable: true });
  await waitFor('the end of the child', async () => {
    const left = parseStat(await readFile(`/proc/${child}/stat`, 'utf8').catch(() => ''));
    return left === null || left.state === 'Z';
  });
});

test('a run whose directory is gone is lost, never started again', async (t) => {
  const w = await world(t);
  const first: JobWatcher = await w.node('n1', {
    fault: (at) => {
      if (at !== 'submitting') return undefined;
      first.abandon();
      return new Promise<void>(() => {});
    },
  });
  await w.submit(first, 'a1', 'true\n');
  await waitFor('the record', async () => (await loadExternalJob(w.db, 'a1'))?.phase === 'submitting');
  await rm(join(w.folder, 'runs/a1'), { recursive: true });
  await w.node('n2', { alone: true });
  t.like(await w.result('a1'), { code: 'SPARK_JOB_LOST' });
  t.deepEqual(await w.starts(), []);
});

test('a run on another host is lost, never started again', async (t) => {
  const w = await world(t);
  const first = await w.node('n1');
  await w.submit(first, 'a1', 'sleep 0.2\n');
  await waitFor('the record', async () => (await loadExternalJob(w.db, 'a1'))?.phase === 'submitted');
  first.abandon();
  const [other] = sparkPack(
    {
      runsFolder: join(w.folder, 'runs'),
      sparkHome: w.home,
      environment: {},
      host: 'elsewhere',
    },
    CLIENTS,
  );
  if (other?.kind !== 'job') return t.fail();
  await w.node('n2', { alone: true, backends: [other.backend] });
  const output = await w.result('a1');
  t.is(output.code, 'SPARK_JOB_LOST');
  t.regex(String(output.message), /belongs to host here/);
  t.is((await w.starts()).length, 1);
});

test('the run directory shows the command without its secrets', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', 'true\n', {
    conf: { 'spark.hadoop.fs.s3a.secret.key': 'hush' },
    env: { API_TOKEN: 'hush' },
    args: ['--password', 'hush', '--api-key=hush', '--day', 'monday'],
  });
  await w.result('a1');
  const text = await readFile(join(w.folder, 'runs/a1/command.json'), 'utf8');
  t.false(text.includes('hush'));
  t.true(text.includes('spark.hadoop.fs.s3a.secret.key=***'));
  t.true(text.includes('"--password","***","--api-key=***","--day","monday"'), text);
  t.is((await stat(join(w.folder, 'runs/a1'))).mode & 0o077, 0);
});

const REFUSALS: readonly (readonly [title: string, input: JsonObject, code: string, message: RegExp])[] = [
  ['cluster', { cluster: 'c1' }, 'SPARK_BAD_INPUT', /must be what cluster\.apply gave/],
  ['deploy_mode: cluster', { deploy_mode: 'cluster' }, 'SPARK_UNSUPPORTED', /or leave it out/],
  [
    'a conf key that Spark would drop',
    { conf: { 'hadoop.x': '1' } },
    'SPARK_BAD_INPUT',
    /does not begin with 'spark\.'/,
  ],
  [
    'a result file outside of the run',
    { result: 'file:../x' },
    'SPARK_BAD_INPUT',
    /none, last_line, marker and file:<name>/,
  ],
  ['an application that is an option', { application: '--kill' }, 'SPARK_BAD_INPUT', /begins with '-'/],
  [
    'a mapping that is no inline application',
    { application: { text: 'x' } },
    'SPARK_BAD_INPUT',
    /\{inline: "<python>"\}/,
  ],
  ['a variable of the executor', { env: { SPARK_HOME: '/x' } }, 'SPARK_BAD_INPUT', /set by the executor/],
  [
    'a Spark that is not there',
    { spark_home: '/nowhere' },
    'SPARK_UNSUPPORTED',
    /There is no \/nowhere\/bin\/spark-submit/,
  ],
  ['a missing working folder', { working_dir: '/nowhere' }, 'SPARK_BAD_INPUT', /does not exist/],
];

for (const [title, input, code, message] of REFUSALS) {
  test(`refuses ${title}`, async (t) => {
    const w = await world(t);
    const watcher = await w.node('n1');
    await w.submit(watcher, 'a1', 'true\n', input);
    const output = await w.result('a1');
    t.is(output.code, code);
    t.regex(String(output.message), message);
    t.deepEqual(await w.starts(), []);
  });
}

test('allow-lists bound installations, applications and variables', async (t) => {
  const w = await world(t, {
    allowedHomes: ['/opt/spark'],
    applicationRoots: ['/srv/jobs'],
    allowedEnvironment: ['DAY'],
  });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', '', { spark_home: '/tmp/spark' });
  await w.submit(watcher, 'a2', '', { application: '/srv/jobs/../../etc/x.py' });
  await w.submit(watcher, 'a3', '', { application: '/srv/jobs/x.py', env: { LD_PRELOAD: 'x' } });
  t.regex(String((await w.result('a1')).message), /spark_home \/tmp\/spark is not allowed here/);
  t.regex(String((await w.result('a2')).message), /\/etc\/x\.py lies outside/);
  t.regex(String((await w.result('a3')).message), /LD_PRELOAD is not allowed/);
});

test('without any Spark the error says what to set', async (t) => {
  const w = await world(t, { sparkHome: null });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', '');
  t.regex(String((await w.result('a1')).message), /set SPARK_HOME for the server, or the input spark_home/);
});

test('misspelt and wrongly typed inputs are found before a run', async (t) => {
  const w = await world(t);
  const problems = checkInput(w.action.parameters, {
    application: 'x.py',
    drivermemory: '1g',
    timeout: 'soon',
    result: '<% $.r %>',
    wait_for: 'finish',
  });
  t.deepEqual(
    problems.map(({ message, hint }) => `${message}; ${hint}`),
    [
      "Unknown parameter 'drivermemory'; did you mean 'driver_memory'?",
      "Parameter 'timeout' is the text 'soon'; it should be a number or null",
      "Parameter 'wait_for' is 'finish'; did you mean 'finished'?",
    ],
  );
});

test('the last result line is found wherever it stands, also over a chunk border', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-output-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  for (const after of [0, 10, 1024 * 1024 - 12, 1024 * 1024 - 5, 1024 * 1024, 2_500_000]) {
    await writeFile(
      join(folder, 'stdout'),
      `noise\n::result 1\nnot ::result 3\n::result {"n": 2}\n${'x'.repeat(after)}`,
    );
    t.deepEqual(await readResult(folder, 'marker'), { n: 2 }, `${after} bytes behind it`);
  }
  await writeFile(join(folder, 'stdout'), 'say ::result 1');
  t.is(await readResult(folder, 'marker'), null);
  await writeFile(join(folder, 'stdout'), `::result "${'x'.repeat(800 * 1024)}"\n`);
  await t.throwsAsync(readResult(folder, 'marker'), { message: /larger than 768 KiB/ });
});

test('a log over its limit is cut in the middle, and the result line survives', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-output-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'stdout'), `first line\n::result {"n": 5}\n${'x'.repeat(200)}\nlast line\n`);
  await mkdir(join(folder, 'other'));
  await rotateOutput(folder, 100);
  t.is((await stat(join(folder, 'stdout'))).size, 0);
  t.regex(await readFile(join(folder, 'stdout.head'), 'utf8'), /^first line/);
  t.regex(await readFile(join(folder, 'stdout.tail'), 'utf8'), /last line\n$/);
  t.deepEqual(await readResult(folder, 'marker'), { n: 5 });
});

test('what Spark logs is recognised', (t) => {
  t.is(
    readLogFacts('x Connected to Spark cluster with app ID app-20261121052614-0001 y').appId,
    'app-20261121052614-0001',
  );
  t.is(readLogFacts('Submitted application application_1700000000000_0001').appId, 'application_1700000000000_0001');
  const rolling = 'Logging events to file:/ev/eventlog_v2_local-1795372093276/events_1_local-1795372093276.zstd';
  t.is(readLogFacts(rolling).appId, 'local-1795372093276');
  t.is(readLogFacts('INFO SparkUI: Bound SparkUI to 0.0.0.0, and started at http://h:4041\n').uiUrl, 'http://h:4041');
  t.is(rootCauseIn(['Caused by: a.B: one', 'x', 'Caused by: a.C: two', '26/01/01 00:00:00 ERROR X: y']), 'a.C: two');
  t.is(
    rootCauseIn([
      'pyspark.errors.exceptions.captured.AnalysisException: [PATH_NOT_FOUND] no path',
      '26/01/01 00:00:00 INFO X: y',
    ]),
    'pyspark.errors.exceptions.captured.AnalysisException: [PATH_NOT_FOUND] no path',
  );
  t.is(
    rootCauseIn([
      'Caused by: org.apache.spark.api.python.PythonException: Traceback (most recent call last):',
      '  File "job.py", line 13, in fail',
      'RuntimeError: failed on request',
    ]),
    'RuntimeError: failed on request',
  );
  t.is(rootCauseIn(['Error: Failed to load class X.']), 'Error: Failed to load class X.');
  t.is(rootCauseIn(['all well']), null);
});

test('a run directory that cannot be made is an error at once', async (t) => {
  await t.throwsAsync(layOut('/proc/nowhere/run', {}, null), { code: 'ENOENT' });
});

test('the name in /proc may hold anything', (t) => {
  t.like(parseStat('12 (a) b) c) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2'), {
    state: 'S',
    group: 12,
    start: '98765',
  });
});
