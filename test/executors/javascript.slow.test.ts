import test, { type ExecutionContext } from 'ava';
import type { Json } from '../../dsl/json.ts';
import { Float } from '../../dsl/yaql/numbers.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { silentLogger } from '../../engine/log.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import { DEFAULT_SCRIPT_LIMITS, ScriptRunner, type ScriptLimits } from '../../executors/javascript/script-runner.ts';
import { createJavaScriptActions } from '../../executors/std/javascript.ts';
import { waitFor } from '../helpers/waiting.ts';
import { runContext } from './helpers/remote.ts';

interface World {
  readonly runner: ScriptRunner;
  run(script: string, context?: Json, signal?: AbortSignal): Promise<ActionResult>;
}

function world(t: ExecutionContext, limits: Partial<ScriptLimits> = {}): World {
  t.timeout(300_000);
  const runner = new ScriptRunner({ ...DEFAULT_SCRIPT_LIMITS, ...limits });
  t.teardown(() => runner.close());
  const [action] = createJavaScriptActions(runner);
  if (action === undefined) throw new Error('there is no action');
  return {
    runner,
    run: (script, context, signal = new AbortController().signal) =>
      action.run(
        { script, ...(context === undefined ? {} : { context }) },
        { signal, log: silentLogger, http: createHttpClient(null), run: runContext('a1') },
      ),
  };
}

const ok = (output: Json): ActionResult => ({ kind: 'success', output });
const failed = (message: string): ActionResult => ({
  kind: 'error',
  output: `JavaScriptAction failed: ${message}`,
  retryable: false,
});

test.serial('a script is the body of a function, $ is its context, and what it returns becomes data', async (t) => {
  const { run, runner } = world(t);
  const cases: readonly (readonly [string, Json, Json])[] = [
    ['return $.a + $.b[1]', { a: 1, b: [0, 2] }, 3],
    ['return $', null, null],
    ['', null, null],
    ['return 2 / 1', null, 2],
    ['return 1 / 4', null, 0.25],
    ['return 1e300', null, new Float(1e300)],
    ['return 10n ** 20n', null, 100000000000000000000n],
    ['return NaN', null, null],
    [
      'return {d: new Date(0), u: undefined, f() {}, n: [undefined]}',
      null,
      { d: '1970-01-01T00:00:00.000Z', n: [null] },
    ],
    ['return $.f * 2', { f: new Float(2) }, 4],
    ['return $.big > 2 ** 60', { big: 12345678901234567890n }, true],
    ['return Promise.resolve([1]).then((list) => list.length)', null, 1],
    ['const x = 1 // no line break after this', null, null],
    ['return JSON.parse(\'{"__proto__": 1}\')', null, JSON.parse('{"__proto__": 1}') as Json],
  ];
  for (const [script, context, result] of cases) t.deepEqual(await run(script, context), ok(result), script);
  t.is(runner.processes.length, 1, 'one process served all of them');
});

test.serial('a script that fails says what and where', async (t) => {
  const { run } = world(t);
  const cases: readonly (readonly [string, string])[] = [
    ['const a = 1;\nthrow new Error("boom")', 'Error: boom (line 2)'],
    ['return missing', "ReferenceError: 'missing' is not defined (line 1)"],
    ['throw "a text"', 'a text'],
    ['throw {code: 1}', '{"code":1}'],
    ['return new Promise(() => {})', 'The script returned a promise that nothing settles.'],
    ['const a = {}; a.a = a; return a', 'TypeError: circular reference'],
    ['function deeper() { return deeper() } return deeper()', 'InternalError: stack overflow (line 1)'],
  ];
  for (const [script, message] of cases) t.deepEqual(await run(script), failed(message), script);
  t.regex(String((await run('retur 1')).output), /^JavaScriptAction failed: SyntaxError: .*line 1/);
});

test.serial('a script knows nothing of the machine, nor of the script before it', async (t) => {
  const { run } = world(t);
  const names = ['process', 'require', 'fetch', 'setTimeout', 'std', 'os', 'Deno', 'WebAssembly', 'XMLHttpRequest'];
  t.deepEqual(await run(`return [${names.map((name) => `typeof ${name}`)}]`), ok(names.map(() => 'undefined')));
  t.regex(String((await run('return import("fs")')).output), /could not load module/);
  t.deepEqual(await run('globalThis.left = 1; Array.prototype.left = 1; JSON.stringify = null; return 1'), ok(1));
  t.deepEqual(
    await run('return [typeof left, typeof [].left, typeof JSON.stringify]'),
    ok(['undefined', 'undefined', 'function']),
  );
});

test.serial('a script ends at its limits of time, memory and size, and the next one runs', async (t) => {
  const { run } = world(t, { timeoutMs: 1500, memoryBytes: 16 * 1024 * 1024, maxCharacters: 1000 });
  const late = failed('The script did not end within 1.5 seconds.');
  t.deepEqual(await run('for (;;);'), late);
  // Promises that wait for each other would fill the memory on a quick machine.
  t.deepEqual(await run('const loop = async () => { for (;;) await null; }; return loop()'), late);
  t.regex(String((await run('const l = []; for (;;) l.push([l])')).output), /out of memory/);
  t.deepEqual(await run('try { for (;;); } catch { return 1 } finally { for (;;); }'), late, 'no way around it');
  t.deepEqual(await run('return /^(a+)+$/.test("a".repeat(50) + "b")'), late);
  t.regex(String((await run('return "x".repeat(1e9)')).output), /out of memory|too long|invalid string length/i);
  t.deepEqual(await run('return "x".repeat(1000)'), failed('The result is larger than 1000 characters of JSON text.'));
  t.deepEqual(await run('return 1'), ok(1));
});

test.serial('a stopped script is killed, and its place taken by a new process', async (t) => {
  const { run, runner } = world(t, { processes: 1 });
  t.deepEqual(await run('return 1'), ok(1));
  const [first] = runner.processes;
  const stop = new AbortController();
  const running = run('for (;;);', null, stop.signal);
  const waits = new AbortController();
  const waiting = run('return 2', null, waits.signal);
  waits.abort(new Error('stopped while it waited for its turn'));
  await t.throwsAsync(waiting, { message: 'stopped while it waited for its turn' });
  stop.abort(new Error('stopped'));
  await t.throwsAsync(running, { message: 'stopped' });
  await waitFor('the end of the process', async () => first !== undefined && !isAlive(first));
  t.deepEqual(await run('return 3'), ok(3));
  t.not(runner.processes[0], first);
});

test.serial('a script whose process dies under it fails, and others do not', async (t) => {
  const { run, runner } = world(t, { processes: 2 });
  const running = run('for (;;);');
  const [pid] = await waitFor('the process', async () => (runner.processes.length > 0 ? runner.processes : null));
  if (pid === undefined) throw new Error('there is a process');
  const other = run('return 1');
  process.kill(pid, 'SIGKILL');
  t.deepEqual(await running, failed('Its process was ended by SIGKILL.'));
  t.deepEqual(await other, ok(1));
  const [idle] = runner.processes;
  if (idle !== undefined) process.kill(idle, 'SIGKILL');
  await waitFor('its end to be noticed', async () => runner.processes.length === 0);
  t.deepEqual(await run('return 2'), ok(2));
  runner.close();
  t.deepEqual(await run('return 3'), failed('The executor is shutting down.'));
});

test.serial('many scripts share a few processes', async (t) => {
  const { run, runner } = world(t, { processes: 2 });
  const results = await Promise.all(Array.from({ length: 40 }, (_, i) => run('return $ * 2', i)));
  t.deepEqual(
    results,
    Array.from({ length: 40 }, (_, i) => ok(i * 2)),
  );
  t.true(runner.processes.length <= 2);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
