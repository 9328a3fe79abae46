import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { runCli } from '../../api/cli.ts';
import type { Terminal } from '../../api/terminal.ts';
import { silentLogger } from '../../engine/log.ts';
import { openStore } from '../../engine/store/connection.ts';
import { schemaVersions } from '../../engine/store/migrate.ts';
import { launchServer } from '../helpers/server-process.ts';
import { tramontaneBin } from '../helpers/project.ts';

const WORKFLOW = `version: '2.0'
greet:
  input:
    - who
    - times: 1
  output:
    said: <% $.said %>
    times: <% $.times %>
  tasks:
    say:
      action: std.echo output="hello <% $.who %>"
      publish:
        said: <% task().result %>
`;

const FAILING = `version: '2.0'
fail:
  output:
    got: 1
  tasks:
    first:
      action: std.noop
      on-success: second
    second:
      action: std.http url="http://127.0.0.1:1/nobody"
`;

test('run prints the output, and its exit code tells how it ended', async (t) => {
  const folder = await files(t, {
    'ok.yaml': WORKFLOW,
    'bad.yaml': FAILING,
    'input.json': '{"who": "you", "times": 2.0}',
  });
  const ok = await cli('run', join(folder, 'ok.yaml'), '--input', join(folder, 'input.json'), '--input', 'who=["me"]');
  t.is(ok.code, 0, ok.err);
  t.deepEqual(JSON.parse(ok.out), { said: "hello ['me']", times: 2 });
  t.regex(ok.err, /say/);
  t.regex(ok.err, /SUCCESS greet/);

  const bad = await cli('run', join(folder, 'bad.yaml'));
  t.is(bad.code, 1);
  t.regex(bad.err, /ERROR fail/);
  t.regex(bad.err, /second \(std\.http\): .*ECONNREFUSED/);
  t.false(bad.err.includes('\u001b['));
});

test('run --json prints one object and nothing else; warnings go elsewhere', async (t) => {
  const folder = await files(t, { 'bad.yaml': FAILING.replace('\n  tasks:', '\n  input: [unused: 1]\n  tasks:') });
  const { code, out, err } = await cli('run', join(folder, 'bad.yaml'), '--json');
  t.is(code, 1);
  t.is(
    err,
    `${join(folder, 'bad.yaml')}:5:11: warning: Input 'unused' is never used; read it as <% $.unused %>, or remove it\n`,
  );
  const result = JSON.parse(out);
  t.is(result.state, 'ERROR');
  t.regex(result.state_info, /second/);
  t.deepEqual(
    result.tasks.map((task: { name: string; state: string }) => [task.name, task.state]),
    [
      ['first', 'SUCCESS'],
      ['second', 'ERROR'],
    ],
  );
  t.is(result.tasks[1].errors[0].action, 'std.http');
  t.regex(JSON.stringify(result.tasks[1].errors[0].result), /ECONNREFUSED/);
});

test('run keeps its database where one is named, takes the same file again, and leaves no other files behind', async (t) => {
  const folder = await files(t, { 'ok.yaml': WORKFLOW });
  const run = () =>
    cli('run', join(folder, 'ok.yaml'), '--input', 'who=x', '--database', `sqlite:${join(folder, 'kept.sqlite')}`);
  t.is((await run()).code, 0);
  t.is((await run()).code, 0);
  t.true((await readdir(folder)).includes('kept.sqlite'));
  const scratch = await files(t, {});
  const args = ['run', join(folder, 'ok.yaml'), '--input', 'who=x'];
  t.is((await processOf(args, { ...process.env, TMPDIR: scratch })).code, 0);
  t.deepEqual(await readdir(scratch), []);
});

test('what is wrong with the command, the file or the input is exit code 2 and says what would be right', async (t) => {
  const book =
    "version: '2.0'\nname: book\nworkflows:\n  a:\n    tasks:\n      t:\n        action: std.noop\n  b:\n    tasks:\n      t:\n        action: std.noop\n";
  const folder = await files(t, {
    'ok.yaml': WORKFLOW,
    'book.yaml': book,
    'typo.yaml': WORKFLOW.replace('action: std.echo output="hello <% $.who %>"', 'action: std.echo ouptut=1'),
    'actions.yaml': "version: '2.0'\nmine:\n  base: std.noop\n",
    'list.json': '[1]',
    'settings.yaml': 'prot: 1\ndatabase:\n  driver: oracle\n',
  });
  const at = (name: string) => join(folder, name);
  for (const [args, words] of [
    [['run', at('nope.yaml')], /Cannot read .*nope\.yaml: there is no such file/],
    [['run', at('ok.yaml')], /Invalid input.*missing=\['who'\]/],
    [['run', at('ok.yaml'), '--input', 'who=x', '--input', 'zz=1'], /unexpected=\['zz'\]/],
    [['run', at('ok.yaml'), '--input', at('list.json')], /must hold a mapping/],
    [['run', at('book.yaml')], /several workflows; choose one with --workflow: a, b/],
    [['run', at('book.yaml'), '--workflow', 'c'], /no workflow 'c'; it holds: a, b/],
    [['run', at('actions.yaml')], /actions only/],
    [['run', at('typo.yaml')], /typo\.yaml:11:\d+: .*ouptut/],
    [['run', at('ok.yaml'), '--database', 'mysql://x'], /sqlite:PATH/],
    [['serve', '--port', 'x'], /'x' is no port/],
    [
      ['serve', '--config', at('settings.yaml')],
      /settings\.yaml:1:1: Unknown setting 'prot'; did you mean 'port'\?\n.*settings\.yaml:3:11: .*one of sqlite3, libsql/,
    ],
    [['serve', '--bogus'], /unknown option '--bogus'/],
    [['flY'], /unknown command/],
  ] as const) {
    const { code, out, err } = await cli(...args);
    t.is(code, 2, `${args.join(' ')}: ${out}${err}`);
    t.regex(err, words);
  }
  t.is((await cli('run', at('book.yaml'), '--workflow', 'book.b')).code, 0);
});

test('validate prints file, line, column, fault and remedy', async (t) => {
  const task = (lines: string) => `version: '2.0'\nwf:\n  tasks:\n    first:\n      action: std.noop\n${lines}`;
  const folder = await files(t, {
    'syntax.yaml': "version: '2.0'\nwf: [\n",
    'transition.yaml': task('      on-success: secnd\n    second:\n      action: std.noop\n'),
    'parameter.yaml': task('').replace('std.noop', 'std.echo ouptut=1'),
    'expression.yaml': task('      publish:\n        x: <% $.a. %>\n'),
    'type.yaml': task('').replace(
      'action: std.noop',
      'action: std.http\n      input:\n        url: http://x\n        headers: 5',
    ),
    'calls.yaml': task('').replace(
      'action: std.noop',
      'action: std.ehco output=1\n    own: {action: mine}\n    sub: {workflow: greet}',
    ),
    'workbook.yaml':
      "version: '2.0'\nname: b\nactions:\n  x: {base: std.ehco}\nworkflows:\n  w:\n    tasks: {t: {action: x}, u: {action: mine}}\n",
    'fine.yaml': WORKFLOW,
    'action.yaml': "version: '2.0'\nmine:\n  base: std.noop\n",
  });
  for (const [name, words] of [
    ['syntax.yaml', /^.*syntax\.yaml:\d+:\d+: Definition could not be parsed: .+/],
    ['transition.yaml', /transition\.yaml:6:\d+: .*secnd.*; did you mean 'second'\?/],
    ['parameter.yaml', /parameter\.yaml:5:\d+: .*ouptut.*; did you mean 'output'\?/],
    ['expression.yaml', /expression\.yaml:7:\d+: .+/],
    ['type.yaml', /type\.yaml:8:\d+: .*headers.*; it should be a mapping/],
  ] as const) {
    const { code, out } = await cli('validate', join(folder, name));
    t.is(code, 2, out);
    t.regex(out, words);
  }
  for (const name of ['calls.yaml', 'workbook.yaml']) {
    const { code, out } = await cli('validate', join(folder, name), join(folder, 'fine.yaml'));
    t.is(code, 0, 'the server may have an action that is not in these files');
    t.regex(out, /^[^\n]+\.yaml:\d+:\d+: warning: Unknown action 'std\.ehco'; did you mean 'std\.echo'\?\n.*mine'\n$/);
  }
  const together = await cli(
    'validate',
    ...['calls.yaml', 'action.yaml', 'fine.yaml'].map((name) => join(folder, name)),
  );
  t.regex(together.out, /^.*ehco.*\n$/);
  const alone = await cli('validate', join(folder, 'calls.yaml'));
  t.regex(alone.out, /Unknown workflow 'greet'/);
  t.is((await cli('validate', '--strict', join(folder, 'calls.yaml'))).code, 2);
  const both = ['transition.yaml', 'workbook.yaml', 'fine.yaml'].map((name) => join(folder, name));
  const data = await cli('validate', '--json', ...both);
  t.is(data.code, 2);
  const { out: lines } = await cli('validate', ...both);
  const found: { file: string; line: number; column: number; path: string; severity: string; hint: string | null }[] =
    JSON.parse(data.out);
  t.deepEqual(
    found.map(({ file, line, column }) => `${file}:${line}:${column}`),
    [...lines.matchAll(/^(.+:\d+:\d+): /gm)].map(([, place]) => place),
  );
  t.deepEqual(
    found.map(({ path, severity }) => `${severity} ${path}`),
    ['error wf.tasks.first.on-success', 'warning actions.x.base', 'warning workflows.w.tasks.u.action'],
  );
  t.is(found[0]?.hint, "did you mean 'second'?");
  t.deepEqual(Object.keys(found[0] ?? {}).sort(), ['column', 'file', 'hint', 'line', 'message', 'path', 'severity']);
  const fineOnly = await cli('validate', '--json', join(folder, 'fine.yaml'));
  t.deepEqual([fineOnly.code, JSON.parse(fineOnly.out)], [0, []]);
  t.is((await cli('validate', '--json', '--strict', join(folder, 'workbook.yaml'))).code, 2);
  const fine = await cli('validate', join(folder, 'fine.yaml'), join(folder, 'action.yaml'));
  t.deepEqual(fine, { code: 0, out: '', err: '' });
});

test('help shows examples', async (t) => {
  for (const command of [[], ['serve'], ['run'], ['validate'], ['migrate']]) {
    const { code, out } = await cli(...command, '--help');
    t.is(code, 0);
    t.regex(out, /Examples?:\n {2}tramontane /);
  }
  t.regex((await cli('--version')).out, /^\d+\.\d+\.\d+\n$/);
});

test('migrate makes the tables and says so', async (t) => {
  const folder = await files(t, {});
  const database = `sqlite:${join(folder, 'm.sqlite')}`;
  const check = () => cli('migrate', '--check', '--database', database);
  const before = await check();
  t.is(before.code, 1);
  t.regex(before.out, /does not exist yet/);
  t.regex((await cli('migrate', '--database', database)).out, /went from schema version 0 to \d+/);
  t.regex((await cli('migrate', '--database', database)).out, /up to date/);
  const after = await check();
  t.is(after.code, 0);
  t.regex(after.out, /up to date \(schema version \d+\)/);
  const store = await openStore({ url: database }, silentLogger);
  const { known } = await schemaVersions(store.reader);
  await store.writer('schema_versions').insert({ version: known + 1, name: 'of tomorrow', applied_at: 0 });
  await store.close();
  const newer = await check();
  t.is(newer.code, 1);
  t.regex(newer.out, /it needs the newer program/);
});

test('a second server on a database ends with 1 and names the first; killed, the first leaves no lock', async (t) => {
  const folder = await files(t, {});
  const database = `sqlite:${join(folder, 's.sqlite')}`;
  const first = launchServer({ database });
  t.teardown(() => first.stop());
  t.regex(await first.ready, /^http:\/\/127\.0\.0\.1:\d+$/);
  const second = await processOf(['serve', '--port', '0', '--database', database]);
  t.is(second.code, 1);
  t.regex(second.err, new RegExp(`in use by process ${first.child.pid} `));
  process.kill(first.child.pid ?? 0, 'SIGKILL');
  const third = launchServer({ database });
  t.teardown(() => third.stop());
  t.regex(await third.ready, /^http/);
});

test('a server stops on SIGTERM with 0', async (t) => {
  const folder = await files(t, {});
  const { child, ready } = launchServer({ database: `sqlite:${join(folder, 's.sqlite')}` });
  await ready;
  const code = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  t.is(await code, 0);
});

test('Ctrl-C cancels what runs and ends with 130', async (t) => {
  const folder = await files(t, {
    'long.yaml': "version: '2.0'\nlong:\n  tasks:\n    wait:\n      action: std.sleep seconds=600\n",
  });
  const database = join(folder, 'kept.sqlite');
  const args = [tramontaneBin, 'run', join(folder, 'long.yaml'), '--database', `sqlite:${database}`];
  const child = spawn(process.execPath, args, { stdio: 'pipe' });
  t.teardown(() => void child.kill('SIGKILL'));
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const code = new Promise((resolve) => child.once('exit', resolve));
  while (!existsSync(`${database}.owner`)) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGINT');
  t.is(await code, 130, err);
  t.regex(err, /cancelled/);
});

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** In this process, as a program whose output goes to a pipe. */
async function cli(...args: string[]): Promise<Ended> {
  let out = '';
  let err = '';
  const terminal: Terminal = {
    environment: {},
    isInteractive: false,
    columns: 80,
    out: (text) => (out += text),
    err: (text) => (err += text),
    stopped: new Promise(() => {}),
  };
  const code = await runCli(args, terminal, () => silentLogger);
  return { code, out, err };
}

async function processOf(args: readonly string[], env = process.env): Promise<Ended> {
  const child = spawn(process.execPath, [tramontaneBin, ...args], { stdio: 'pipe', env });
  const result = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (result.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (result.err += text));
  const code = await new Promise<number>((resolve) => child.once('close', (ended) => resolve(ended ?? -1)));
  return { code, ...result };
}

async function files(t: ExecutionContext, contents: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-cli-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(contents)) await writeFile(join(folder, name), text);
  return folder;
}
