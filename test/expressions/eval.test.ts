import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { runCommandLine, type CommandOutcome } from '../helpers/command-line.ts';
import { tramontaneBin } from '../helpers/project.ts';

const DATA = `jobs:
  - {id: a, state: FAILED}
  - {id: b, state: OK}
half: 2.0
`;

test('eval prints the value of an expression as JSON.', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-eval-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'data.yaml');
  await writeFile(file, DATA);
  const value = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await cli(...args, '--data', file);
    t.is(code, 0, err);
    return out;
  };
  t.is(await value('$.jobs.where($.state = FAILED).select($.id)'), '[\n  "a"\n]\n');
  t.is(
    await value('{n => $.half,\n big => 2 * 9007199254740993, e => []}'),
    '{\n  "n": 2.0,\n  "big": 18014398509481986,\n  "e": []\n}\n',
  );
  t.is(await value('n is <% $.jobs.len() %>'), '"n is 2"\n');
  t.is(await value('--jinja', '_.jobs|map(attribute="id")|join("+")'), '"a+b"\n');
  t.is(await value('--jinja', '{% for j in _.jobs %}{{ j.id }}{% endfor %}'), '"ab"\n');
  t.is(
    await value('--explain', '$.jobs.len() > 1'),
    '>\n  method .len\n    .jobs\n      $\n  1\nvariables: jobs\nfunctions: len\n\ntrue\n',
  );
  t.is(
    await value('--explain', '--jinja', '_.jobs|length'),
    'print\n  filter length\n    .jobs\n      _\nvariables: jobs\nfunctions: length\n\n2\n',
  );
});

test('eval shows where an expression fails and what would be right.', async (t) => {
  t.deepEqual(await cli('1 + lenn($)'), {
    code: 1,
    out: '',
    err: `NoFunctionRegisteredException: Unknown function "lenn"\n  <% 1 + lenn($) %>\n         ^\ndid you mean 'len'?\n  len(string: string)\n  len(sequence: sequence)\n  len(dict: dict)\n  len(set: set)\n  …\n`,
  });
  const grammar = await cli('1 +');
  t.is(grammar.code, 2);
  t.regex(grammar.err, /unexpected end of statement/);
  const data = await cli('1', '--data', '/does/not/exist');
  t.is(data.code, 2);
  t.regex(data.err, /there is no such file/);
});

test('eval reads data from standard input.', (t) => {
  const { status, stdout } = spawnSync(process.execPath, [tramontaneBin, 'eval', '$.a + 1', '--data', '-'], {
    input: '{"a": 41}',
    encoding: 'utf8',
  });
  t.deepEqual([status, stdout], [0, '42\n']);
});

function cli(...args: string[]): Promise<CommandOutcome> {
  return runCommandLine('eval', ...args);
}
