import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { JsonObject } from '../../dsl/json.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import type { JobWatcher } from '../../executors/job-watcher.ts';
import { sparkPack } from '../../executors/spark/pack.ts';
import { isAlive } from '../../processes/process.ts';
import { readProcess } from '../../processes/run-directory.ts';
import { waitFor } from '../helpers/waiting.ts';
import { fakePyspark } from './helpers/fake-pyspark.ts';
import { runAction } from './helpers/remote.ts';
import { sparkWorld, type SparkWorld } from './helpers/servers.ts';

/** Sessions that the server keeps on its own host: the real program under Python, on a PySpark that is played. */

const hasPython = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 8))']).status === 0;
const real = hasPython ? test : test.skip;
if (!hasPython) test.skip('sessions of this host: install Python 3.8 or later as python3', () => {});

real('code and SQL run one after the other in one namespace; values, tables, texts and errors come back', async (t) => {
  const { w, watcher, session } = await world(t);
  const run = runner(w, watcher, session);
  t.like(await run('x = 20'), { backend: 'process', state: 'available', result: null });
  t.is((await run('print("hello")\nx + 1')).result, 'hello\n21');
  t.is((await run('def f(n):\n    return n * 2\n\nf("ab")')).result, "'abab'");
  t.deepEqual((await run('rows = {"a": [1, 2.5, None]}\n%json rows')).result, { a: [1, 2.5, null] });
  const table = { schema: { type: 'struct', fields: [{ name: 'n', type: 'long' }] }, data: [[0], [1]] };
  t.deepEqual((await run('SELECT 2;', { kind: 'sql' })).result, table);
  const kinds = (await run('SELECT kinds', { kind: 'sql' })).result as JsonObject;
  t.deepEqual(kinds.data, [
    [1, 1.5, null, true, 3.25, '2026-11-22', 'YWI=', [1], { a: 2 }, { inner: 9 }, 'nan', 2n ** 60n],
  ]);
  t.like((await run('SELECT 5', { kind: 'sql' })).result, { data: [[0], [1], [2]], truncated: true });
  t.like((await run('class P:\n    def _repr_png_(self):\n        return b"png"\n\nP()')).result, {
    'image/png': 'cG5n',
  });
  const failed = await run('import sys\nprint("before", file=sys.stderr)\ny = 1\ny / 0');
  t.like(failed, {
    code: 'SPARK_STATEMENT_FAILED',
    message: 'ZeroDivisionError: division by zero',
    ename: 'ZeroDivisionError',
    log_tail: ['before'],
  });
  t.regex(String(failed.traceback), /^Traceback[\s\S]*<statement \d+>", line 4, in <module>\n {4}y \/ 0\n/);
  t.like(await run('SELECT'.toLowerCase(), { kind: 'sql' }), { ename: 'AnalysisException' });
  t.like(await run('x ='), { ename: 'SyntaxError' });
  t.like(await run('raise SystemExit(3)'), { ename: 'SystemExit' });
  t.like(await run('big = "x" * 900_000\n%json big'), { code: 'SPARK_STATEMENT_FAILED', retryable: false });
  const long = await run('for i in range(100_000): print("line", i)');
  t.true(String(long.result).endsWith('[more was printed than is kept]\n'), String(long.result).slice(-100));
  const forged = `import glob, os\nkey = os.path.basename(max(glob.glob("${w.folderOf(session)}/taken/*"), key=os.path.getmtime))\nopen("${w.folderOf(session)}/results/" + key, "w").write("{")\nimport time\ntime.sleep(60)`;
  t.like(await run(forged), { code: 'SPARK_STATEMENT_FAILED', ename: 'UnreadableResult' });
});

real('a session is opened once and a statement runs once, whenever the node dies', async (t) => {
  const w = await place(t);
  const open = await w.node('n1', stopAt('answered'));
  void w.submit(open, 'spark.session.open', 'open', { name: 'words', conf: { 'spark.x': 1 } }).catch(() => {});
  await waitFor('the process', async () => (await w.starts()).length === 1);
  open.abandon();
  const second = await w.node('n2', { alone: true });
  const { output } = await w.result('open');
  t.like(output, { state: 'idle', app_id: 'local-17', name: 'words', ui_url: 'http://127.0.0.1:4040' });
  const session = output.result as JsonObject;
  t.regex((await w.starts())[0] ?? '', /--name words .*--conf spark\.x=1/);
  second.abandon();
  for (const point of ['submitting', 'answered', 'submitted'] as const) {
    const dying = await w.node(`dies-${point}`, { ...stopAt(point), alone: true });
    const code = `open(${JSON.stringify(join(w.folder, point))}, "a").write("ran\\n")\n"${point}"`;
    void w.submit(dying, 'spark.session.execute', point, { session, code }).catch(() => {});
    await waitFor(
      `the record of ${point}`,
      async () => (await w.phaseOf(point)) === 'submitting' || (await w.phaseOf(point)) === 'submitted',
    );
    if (point !== 'submitting')
      await waitFor('the run', async () => (await readFile(join(w.folder, point), 'utf8').catch(() => '')) !== '');
    dying.abandon();
    const next = await w.node(`goes-on-${point}`, { alone: true });
    t.is((await w.result(point)).output.result, `'${point}'`);
    t.is(await readFile(join(w.folder, point), 'utf8'), 'ran\n');
    next.abandon();
  }
  t.is((await w.starts()).length, 1);
});

real('a cancel ends Python code, a call to Java and what only waits, and the session goes on', async (t) => {
  const { w, watcher, session } = await world(t);
  const busy = async (id: string, code: string) => {
    const mark = join(w.folder, id);
    await w.submit(watcher, 'spark.session.execute', id, {
      session,
      code: `open(${JSON.stringify(mark)}, "w").close()\n${code}`,
    });
    await waitFor('that it runs', async () => (await readFile(mark, 'utf8').catch(() => null)) !== null);
  };
  await busy('python', 'import time\ntime.sleep(60)');
  await w.submit(watcher, 'spark.session.execute', 'waits', { session, code: 'ran_anyway = 1' });
  await w.submitted('waits');
  await watcher.stop('waits', 'cancelled');
  t.like(await w.result('waits'), { kind: 'cancelled', output: { code: 'SPARK_CANCELLED' } });
  await watcher.stop('python', 'cancelled');
  t.like(await w.result('python'), { kind: 'cancelled', output: { code: 'SPARK_CANCELLED' } });
  await busy('java', 'spark.java(60)');
  await watcher.stop('java', 'cancelled');
  t.is((await w.result('java')).kind, 'cancelled');
  const run = runner(w, watcher, session);
  t.is((await run('"ran_anyway" in dir()')).result, 'False');
  t.like(await run('import time\ntime.sleep(60)', { timeout: 0.3 }), { code: 'SPARK_TIMEOUT' });
  t.is((await run('1 + 1')).result, '2');
});

real('code that does not stop is let go of, or goes with its session', async (t) => {
  const { w, watcher, session } = await world(t);
  const stubborn =
    'import time\nwhile True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass';
  const submit = (id: string, more: JsonObject) =>
    w.submit(watcher, 'spark.session.execute', id, { session, code: stubborn, kill_grace: 0.3, ...more });
  await submit('a1', {});
  await w.submitted('a1');
  await watcher.stop('a1', 'cancelled');
  t.like((await w.result('a1')).output, {
    code: 'SPARK_CANCELLED',
    log_tail: ['The code did not stop; the session goes on with it.'],
  });
  t.true(await w.lives(session));
  // It waits behind the first one, for ever: only the end of the session can help.
  await submit('a2', {});
  await submit('a3', { close_on_cancel: true });
  await w.submitted('a2');
  await w.submitted('a3');
  await watcher.stop('a3', 'cancelled');
  t.is((await w.result('a3')).kind, 'cancelled');
  t.true(await w.lives(session), 'what had not begun needs no end of the session');
  await watcher.stop('a2', 'cancelled');
  t.is((await w.result('a2')).kind, 'cancelled');
  await w.submit(watcher, 'spark.session.close', 'c1', { session });
  await waitFor(
    'the request to close',
    async () => (await readFile(join(w.folderOf(session), 'close'), 'utf8').catch(() => null)) !== null,
  );
});

real('a session ends when nobody uses it, when it is closed, and with its process', async (t) => {
  const w = await place(t);
  const watcher = await w.node('n1');
  const session = { via: 'process', id: 'unused', kind: 'pyspark', host: 'here' };
  // On a crowded machine it may end before anybody has seen it take code.
  await w.submit(watcher, 'spark.session.open', session.id, { idle_timeout: '0.5s' });
  const ended = () => readFile(join(w.folderOf(session), 'ended.json'), 'utf8').catch(() => null);
  await waitFor('the end', async () => (await ended()) !== null && !(await w.lives(session)));
  t.like(await runner(w, watcher, session)('1'), {
    code: 'SPARK_SESSION_DEAD',
    message: 'Session unused has ended: nobody used it for its idle_timeout.',
  });

  const closed = await open(w, watcher, 'closed');
  await w.submit(watcher, 'spark.session.execute', 'busy', { session: closed, code: 'import time\ntime.sleep(60)' });
  await w.submitted('busy');
  for (const id of ['c1', 'c2']) {
    await w.submit(watcher, 'spark.session.close', id, { session: closed });
    t.like(await w.report(id), { kind: 'success', output: null });
    t.false(await w.lives(closed));
  }
  t.like((await w.result('busy')).output, { code: 'SPARK_SESSION_DEAD' });
  t.like(await runner(w, watcher, closed)('1'), { code: 'SPARK_SESSION_DEAD', message: 'Session closed was closed.' });

  const killed = await open(w, watcher, 'killed');
  await w.submit(watcher, 'spark.session.execute', 'last', { session: killed, code: 'import time\ntime.sleep(60)' });
  await w.submitted('last');
  const identity = await readProcess(w.folderOf(killed));
  if (typeof identity !== 'object') return t.fail('no process');
  process.kill(-identity.pid, 'SIGKILL');
  t.like((await w.result('last')).output, {
    code: 'SPARK_SESSION_DEAD',
    message: 'The process of session killed is gone.',
  });
});

real(
  'what cannot be is refused before anything starts; other projects and other folders are out of reach',
  async (t) => {
    const { w, watcher, session } = await world(t);
    const refusals: readonly (readonly [string, JsonObject, string, RegExp])[] = [
      ['open', { kind: 'spark' }, 'SPARK_UNSUPPORTED', /pyspark and sql; for Scala/],
      ['open', { connection: 'yarn' }, 'SPARK_BAD_INPUT', /connection is for via: livy/],
      ['open', { ttl: '10h' }, 'SPARK_BAD_INPUT', /ttl is not for via: process/],
      ['open', { idle_timeout: 'soon' }, 'SPARK_BAD_INPUT', /idle_timeout 'soon' is no time/],
      ['open', { conf: { x: 1 } }, 'SPARK_BAD_INPUT', /does not begin with 'spark\.'/],
      ['execute', { session, code: ' ' }, 'SPARK_BAD_INPUT', /code must be the text/],
      ['execute', { session, code: '1', kind: 'sparkr' }, 'SPARK_UNSUPPORTED', /kind sparkr/],
      ['execute', { session: {}, code: '1' }, 'SPARK_BAD_INPUT', /result of spark\.session\.open/],
      [
        'execute',
        { session: { ...session, id: '../../../etc' }, code: '1' },
        'SPARK_SESSION_DEAD',
        /There is no session/,
      ],
      ['execute', { session: { ...session, id: 'never' }, code: '1' }, 'SPARK_SESSION_DEAD', /There is no session/],
      ['close', { session: {} }, 'SPARK_BAD_INPUT', /result of spark\.session\.open/],
    ];
    for (const [at, [action, input, code, message]] of refusals.entries()) {
      await w.submit(watcher, `spark.session.${action}`, `r${at}`, input);
      const { output } = await w.result(`r${at}`);
      t.is(output.code, code, JSON.stringify([action, input]));
      t.regex(String(output.message), message);
    }
    const execute = w.action('spark.session.execute');
    if (execute.kind !== 'job') return t.fail();
    const message = runAction('spark.session.execute', 'foreign', { session, code: '1' });
    await watcher.submit({ ...message, context: { ...message.context, projectId: 'another' } }, execute.backend);
    t.like((await w.result('foreign')).output, { code: 'SPARK_SESSION_DEAD' });
    const close = w.action('spark.session.close');
    if (close.kind !== 'job') return t.fail();
    const end = runAction('spark.session.close', 'foreign-end', { session });
    await watcher.submit({ ...end, context: { ...end.context, projectId: 'another' } }, close.backend);
    t.is((await w.report('foreign-end')).kind, 'success');
    t.true(await w.lives(session));
  },
);

real('a session that does not start tells why; a host takes only so many', async (t) => {
  const w = await place(t, { maxRuns: 1 });
  const watcher = await w.node('n1', { limits: { retryForMs: 1 } });
  await w.submit(watcher, 'spark.session.open', 'a1', { env: { FAIL: 'no memory' } });
  t.like((await w.result('a1')).output, {
    code: 'SPARK_SESSION_DEAD',
    root_cause: 'java.lang.IllegalStateException: no memory',
    exit_code: 1,
  });
  const together = ['b1', 'b2', 'b3'];
  await Promise.all(together.map((id) => w.submit(watcher, 'spark.session.open', id, {})));
  const results = await Promise.all(together.map((id) => w.result(id)));
  t.deepEqual(
    results.map(({ output }) => output.code ?? 'open').toSorted(),
    ['SPARK_REJECTED', 'SPARK_REJECTED', 'open'],
    JSON.stringify(results),
  );
  const session = results.find(({ kind }) => kind === 'success')?.output.result as JsonObject;
  await w.submit(watcher, 'spark.session.open', 'a3', {});
  t.like((await w.result('a3')).output, { code: 'SPARK_REJECTED', retryable: true });
  await w.submit(watcher, 'spark.session.close', 'a4', { session });
  t.is((await w.report('a4')).kind, 'success');
  await w.submit(watcher, 'spark.session.open', 'a5', {});
  await waitFor('the process', async () => (await w.starts()).length === 3);
  await watcher.stop('a5', 'cancelled');
  t.like(await w.result('a5'), { kind: 'cancelled', output: { code: 'SPARK_CANCELLED' } });
  t.false(await w.lives({ id: 'a5' }));
});

real('a statement that reaches another host than its session is handed to that one', async (t) => {
  const { w, watcher, session } = await world(t);
  watcher.abandon();
  const there = sparkPack(
    { runsFolder: join(w.folder, 'elsewhere', 'runs'), sparkHome: null, environment: {}, host: 'there' },
    { forUsers: createHttpClient(null), forConnections: createHttpClient(null) },
  );
  const backends = there.flatMap((one) => (one.kind === 'job' ? [one.backend, ...(one.others ?? [])] : []));
  const wrong = await w.node('there', { backends });
  const execute = there.find(({ name }) => name === 'spark.session.execute');
  if (execute?.kind !== 'job') return t.fail();
  await wrong.submit(runAction('spark.session.execute', 'a1', { session, code: '6 * 7' }), execute.backend);
  t.is(wrong.size, 0);
  await w.node('here', { limits: { adoptEveryMs: 50 } });
  t.like((await w.result('a1')).output, { state: 'available', result: '42' });
});

interface Place extends SparkWorld {
  readonly folder: string;
  starts(): Promise<string[]>;
  folderOf(session: JsonObject): string;
  lives(session: JsonObject): Promise<boolean>;
  phaseOf(id: string): Promise<string | undefined>;
}

async function place(t: ExecutionContext, more: { readonly maxRuns?: number } = {}): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-sessions-'));
  const { home, starts } = await fakePyspark(folder);
  const w = await sparkWorld(t, [], {
    runsFolder: join(folder, 'runs'),
    sparkHome: home,
    environment: process.env,
    ...more,
  });
  const folderOf = (session: JsonObject) => join(folder, 'sessions', String(session.id));
  t.teardown(async () => {
    for (const line of await w
      .db('external_jobs')
      .where({ backend: 'spark-session-process' })
      .select('action_execution_id')) {
      const identity = await readProcess(
        folderOf({ id: (line as { action_execution_id: string }).action_execution_id }),
      );
      if (typeof identity === 'object' && (await isAlive(identity))) process.kill(-identity.pid, 'SIGKILL');
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });
  return {
    ...w,
    folder,
    starts,
    folderOf,
    async lives(session) {
      const identity = await readProcess(folderOf(session));
      return typeof identity === 'object' && isAlive(identity);
    },
    async phaseOf(id) {
      const row = (await w.db('external_jobs').where({ action_execution_id: id }).first('phase')) as
        | { phase: string }
        | undefined;
      return row?.phase;
    },
  };
}

/** With an open session. */
async function world(
  t: ExecutionContext,
  input: JsonObject = {},
): Promise<{ readonly w: Place; readonly watcher: JobWatcher; readonly session: JsonObject }> {
  const w = await place(t);
  const watcher = await w.node('n1');
  return { w, watcher, session: await open(w, watcher, 'session', { max_rows: 3, ...input }) };
}

async function open(w: Place, watcher: JobWatcher, id: string, input: JsonObject = {}): Promise<JsonObject> {
  await w.submit(watcher, 'spark.session.open', id, input);
  const { kind, output } = await w.result(id);
  if (kind !== 'success') throw new Error(JSON.stringify(output));
  return output.result as JsonObject;
}

let statements = 0;

function runner(
  w: Place,
  watcher: JobWatcher,
  session: JsonObject,
): (code: string, more?: JsonObject) => Promise<JsonObject> {
  return async (code, more = {}) => {
    const id = `s${statements++}`;
    await w.submit(watcher, 'spark.session.execute', id, { session, code, ...more });
    return (await w.result(id)).output;
  };
}

/** A node that stops for ever at this point, as one that was killed does. */
function stopAt(wanted: string): Parameters<SparkWorld['node']>[1] {
  return { fault: (point) => (point === wanted ? new Promise(() => {}) : undefined) };
}
