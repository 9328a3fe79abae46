import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { runCommandLine } from './helpers/command-line.ts';
import { startNodeServer } from './helpers/node-server.ts';

/** What is wrong with a text, and the place and the words that everybody who checks it must give. */
interface BadText {
  readonly title: string;
  readonly text: string;
  readonly fault: RegExp;
}

const BAD_TEXTS: readonly BadText[] = [
  {
    title: 'a YAML syntax error',
    text: workflow('action: std.noop', 'publish: {a: [1, 2}'),
    fault: /^6:\d+: Definition could not be parsed: .*; .+/,
  },
  {
    title: 'an unknown task in on-success',
    text: `${workflow('action: std.noop', 'on-success: secnd')}    second:\n      action: std.noop\n`,
    fault: /^6:19: Task 'secnd' not found; did you mean 'second'\?$/,
  },
  {
    title: 'a wrong parameter name of spark.submit',
    text: workflow('action: spark.submit', 'input:', '  aplication: /srv/jobs/count.py', '  master: local[2]'),
    fault: /^7:9: Unknown parameter 'aplication'; did you mean 'application'\?$/,
  },
  {
    title: 'a wrong parameter name of flink.run_jar',
    text: workflow('action: flink.run_jar', 'input: {url: "http://flink:8081", jar: /srv/a.jar, paralelism: 2}'),
    fault: /^6:58: Unknown parameter 'paralelism'; did you mean 'parallelism'\?$/,
  },
  {
    title: 'a bad YAQL expression',
    text: workflow('action: std.noop', 'publish:', '  next: <% $.a + %>'),
    fault: /^7:24: Parse error: unexpected end of statement; .+/,
  },
  {
    title: 'a bad Jinja expression',
    text: workflow('action: std.noop', 'publish:', '  next: "{{ _.a | upper( }}"'),
    fault: /^7:\d+: .+; .+/,
  },
  {
    title: 'a wrong type in the language',
    text: workflow('action: std.noop', 'retry: {count: many, delay: 1}'),
    fault: /^6:22: Invalid DSL: 'many' .*; 'count' must be a whole number >= 0, .+/,
  },
  {
    title: 'a wrong type of a parameter',
    text: workflow('action: spark.submit', 'input: {application: /srv/a.py, files: 3}'),
    fault: /^6:39: Parameter 'files' is the number 3; it should be a list or null$/,
  },
  {
    title: 'an unknown task in a workbook',
    text: `version: '2.0'\nname: book\nworkflows:\n  one:\n    tasks:\n      a:\n        action: std.noop\n        on-error: nobody\n`,
    fault: /^8:19: Task 'nobody' not found; .+/,
  },
];

/** A workflow with one task, whose lines begin in line 5. */
function workflow(...lines: readonly string[]): string {
  return `version: '2.0'\nbad:\n  tasks:\n    first:\n${lines.map((line) => `      ${line}\n`).join('')}`;
}

const folder = await mkdtemp(join(tmpdir(), 'tramontane-bad-'));
const files = BAD_TEXTS.map((_, index) => join(folder, `bad-${index}.yaml`));
await Promise.all(BAD_TEXTS.map(({ text }, index) => writeFile(files[index] ?? '', text)));
const validated = runCommandLine('validate', ...files);
const ends: (() => Promise<void>)[] = [];
const server = await startNodeServer({ teardown: (end) => ends.push(end) });
test.after.always(async () => {
  for (const end of ends) await end();
  await rm(folder, { recursive: true, force: true });
});

test('validate fails and prints one line for each bad text', async (t) => {
  const { code, out } = await validated;
  t.is(code, 2);
  t.deepEqual(
    out.split('\n').map((line) => line.slice(0, line.indexOf(':'))),
    [...files, ''],
  );
});

BAD_TEXTS.forEach(({ title, text, fault }, index) => {
  test(`${title} is named with place and remedy by validate, and in the same words by the 400 of an upload`, async (t) => {
    const prefix = `${files[index]}:`;
    const line = (await validated).out.split('\n').find((one) => one.startsWith(prefix)) ?? '';
    t.regex(line.slice(prefix.length), fault);

    const response = await fetch(`${server.url}/v2/${/^name:/m.test(text) ? 'workbooks' : 'workflows'}`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: text,
    });
    t.is(response.status, 400);
    const { faultstring } = (await response.json()) as { faultstring: string };
    t.is(faultstring, line.slice(prefix.length));
  });
});

test('a wrong parameter of a std action is an error of validate, but an upload takes it, as recorded cases rely on', async (t) => {
  const text = workflow('action: std.echo', 'input: {outptu: 1}');
  const file = join(folder, 'std.yaml');
  await writeFile(file, text);
  const { code, out } = await runCommandLine('validate', file);
  t.deepEqual([code, out], [2, `${file}:6:15: Unknown parameter 'outptu'; did you mean 'output'?\n`]);
  const headers = { 'content-type': 'text/plain' };
  t.is((await fetch(`${server.url}/v2/workflows`, { method: 'POST', headers, body: text })).status, 201);
});

test('run refuses a bad text with the same line', async (t) => {
  const [file = ''] = files;
  const { code, err } = await runCommandLine('run', file);
  t.is(code, 2);
  t.true(err.includes((await validated).out.split('\n')[0] ?? '?'), err);
});
