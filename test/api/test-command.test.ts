import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { examplesFolder } from '../helpers/examples.ts';
import { runCommandLine } from '../helpers/command-line.ts';

const WORKFLOW = `version: '2.0'
load:
  input: [day, limit: 10]
  output:
    rows: <% $.rows %>
    kind: <% env().kind %>
  tasks:
    ask:
      action: std.http url="http://h/<% $.day %>"
      retry: {count: 2, delay: 5}
      publish: {rows: <% task().result.rows %>}
      on-success: [check, log]
      on-error: [apologise]
    check:
      action: std.noop
      on-success:
        - each: <% $.rows < $.limit %>
        - fail(msg="too many rows"): <% $.rows >= $.limit %>
    log: {action: std.echo output=<% $.rows %>, wait-before: 7}
    each:
      with-items: i in <% range($.rows) %>
      action: std.ssh host="h" username="u" cmd="<% $.i %>"
      publish: {done: <% task().result %>, first: <% task(ask).result.rows %>}
    apologise: {action: std.noop}
`;

async function runTests(t: ExecutionContext, files: Record<string, string>, ...args: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-tests-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const { code, out, err } = await runCommandLine('test', ...args.map((name) => join(folder, name)));
  return { code, out: out.replaceAll(`${folder}/`, ''), err: err.replaceAll(`${folder}/`, '') };
}

const tests = (body: string): Record<string, string> => ({
  'workflow.yaml': WORKFLOW,
  'test.yaml': `tests:\n${body.replaceAll(/^/gm, '  ')}`,
});

test('the tests of all examples pass, and every example has some', async (t) => {
  const names = (await readdir(examplesFolder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const files = names.map(({ name }) => join(examplesFolder, name, 'test.yaml'));
  t.deepEqual(
    files.filter((file) => !existsSync(file)),
    [],
  );
  const { code, out, err } = await runCommandLine('test', ...files);
  t.is(code, 0, out + err);
  t.regex(err, /^\d+ passed/);
});

test('warnings about the files stand before the tests, on the channel of errors', async (t) => {
  const body = '- name: ends\n  expect: {state: SUCCESS}\n  mocks: {actions: {no.such: {result: 1}}}';
  const files = {
    ...tests(body),
    'workflow.yaml': "version: '2.0'\nwf:\n  input: [unused: 1]\n  tasks: {a: {action: no.such}}\n",
  };
  const { code, out, err } = await runTests(t, files, 'test.yaml');
  t.is(code, 0, out + err);
  t.regex(err, /^workflow\.yaml:3:11: warning: Input 'unused' is never used; [^\n]*\n1 passed in /);
});

test('mocks give results, errors, delays and sequences; path, published values, output and time are compared', async (t) => {
  const { code, out, err } = await runTests(
    t,
    tests(`- name: loads each row after two failures
  input: {day: mon}
  env: {kind: nightly}
  mocks:
    tasks: {ask: [{error: 500}, {error: 502, delay: 2}, {result: {rows: 3}}]}
    actions: {std.ssh: [{result: a, delay: 9}, {result: b}, {result: c}]}
  expect:
    state: SUCCESS
    path: [ask, check, log, {each: SUCCESS}]
    tasks:
      each: {published: {done: [a, b, c], first: 3}, runs: 1}
      log: {result: 3}
      apologise: {runs: 0}
    output: {rows: 3, kind: nightly}
    seconds: 21`),
    'workflow.yaml',
  );
  t.is(out, '✔ loads each row after two failures\n');
  t.regex(err, /^1 passed/);
  t.is(code, 0);
});

test('what differs is printed line by line, and the exit code is 1', async (t) => {
  const { code, out, err } = await runTests(
    t,
    tests(`- name: expects too much
  input: {day: mon}
  mocks: {actions: {std.http: {result: {rows: 12}}}}
  expect:
    state: SUCCESS
    path: [ask, [log, check], each]
    tasks:
      ask: {published: {rows: 13}, runs: 2}
      nobody: {state: SUCCESS}
    output: {rows: {$any: true}, more: 1}
    seconds: 1`),
    'test.yaml',
  );
  t.is(
    out,
    `✘ expects too much
    state: expected "SUCCESS", got "ERROR"
    output.more: expected 1, but it is missing
    output.result: got "too many rows", which nobody expected
    seconds: expected 1, got 0
    path: differs at 4
      expected  ask → {log, check} → each
      got       ask → check → log DELAYED
    tasks.ask.runs: expected 2, got 1
    tasks.ask.published.rows: expected 13, got 12
    tasks.nobody: it did not run; these did: ask, check, log
    the workflow ended in ERROR: too many rows
`,
  );
  t.regex(err, /^1 failed, 0 passed/);
  t.is(code, 1);
});

test('a run that the mocks do not cover says what is missing', async (t) => {
  const { code, out } = await runTests(
    t,
    tests(`- {name: no mock, input: {day: mon}, expect: {state: SUCCESS}}
- name: too few answers
  input: {day: mon}
  mocks: {tasks: {ask: [{error: 1}]}}
  expect: {state: ERROR}
- {name: no input, expect: {state: ERROR}}`),
    'test.yaml',
  );
  t.is(
    out,
    `✘ no mock
    task 'ask' calls std.http, which has no mock: add it to mocks, below tasks or actions
✘ too few answers
    task 'ask' ran 2 times, but there are only 1 answers for it
✘ no input
    cannot be started: Invalid input [name=load, class=DirectWorkflowSpec, missing=['day']]
`,
  );
  t.is(code, 1);
});

test('ad-hoc actions, pure actions, reverse workflows and definitions of other files', async (t) => {
  const files = {
    'flow.yaml': `version: '2.0'
build:
  type: reverse
  tasks:
    compile: {action: say word="c", publish: {c: <% task().result %>}}
    ship: {action: std.echo output="own", requires: compile, publish: {s: <% task().result %>}}
    never: {action: std.fail}
`,
    'actions.yaml': `version: '2.0'\nsay: {input: [word], base: std.echo output="<% $.word %>!", output: "<% $ %>?"}\n`,
    'flow.test.yaml': `uses: [actions.yaml]
tests:
  - {name: unmocked, task: ship, expect: {path: [compile, ship], tasks: {compile: {published: {c: 'c!?'}}}}}
  - name: the ad-hoc action as a whole
    task: ship
    mocks: {actions: {say: {result: mocked}}}
    expect: {tasks: {compile: {published: {c: mocked}}, ship: {published: {s: own}}}}
  - name: the system action underneath everywhere
    task: ship
    mocks: {actions: {std.echo: {result: low}}}
    expect: {tasks: {compile: {published: {c: low}}, ship: {published: {s: low}}}}
  - name: one task of a pure action
    task: ship
    mocks: {tasks: {ship: {error: broken}}}
    expect: {state: ERROR, tasks: {compile: {published: {c: 'c!?'}}, ship: {state: ERROR, result: broken}}}
`,
  };
  const { code, out } = await runTests(t, files, 'flow.yaml');
  t.is(code, 0, out);
});

test('faults of a test file are all named with their places', async (t) => {
  const { code, err } = await runTests(
    t,
    {
      'workflow.yaml': WORKFLOW,
      'test.yaml': `tests:
  - name: x
    expcet: {state: SUCCESS}
    mocks: {ask: {result: 1}}
  - name: y
    expect: {tasks: {ask: {stat: ERROR}}}
    mocks: {tasks: {ask: {result: 1, error: 2}}}
`,
    },
    'test.yaml',
  );
  t.is(code, 2);
  t.is(
    err,
    `test.yaml:2:5: 'expect' is a required property; 'expcet' looks like it
test.yaml:3:5: Additional properties are not allowed ('expcet' was unexpected); did you mean 'expect'?
test.yaml:4:13: Additional properties are not allowed ('ask' was unexpected); names stand below 'tasks' or 'actions'
test.yaml:6:28: Additional properties are not allowed ('stat' was unexpected); did you mean 'state'?
test.yaml:7:38: {'result': 1, 'error': 2} is not valid under any of the given schemas; 'result' and 'error' exclude each other
`,
  );
});

test('what a test file needs and is not there is said', async (t) => {
  const noTests = await runTests(t, { 'workflow.yaml': WORKFLOW }, 'workflow.yaml');
  t.like(noTests, { code: 2 });
  t.regex(noTests.err, /holds no tests, and beside it there is neither workflow\.test\.yaml nor test\.yaml/);
  const noWorkflow = await runTests(t, { 'test.yaml': 'tests: [{name: x, expect: {state: SUCCESS}}]' }, 'test.yaml');
  t.like(noWorkflow, { code: 2 });
  t.regex(noWorkflow.err, /name the workflow's file/);
  const faulty = await runTests(
    t,
    {
      'workflow.yaml': WORKFLOW.replace('on-error', 'on-eror'),
      'test.yaml': 'tests: [{name: x, expect: {state: SUCCESS}}]',
    },
    'test.yaml',
  );
  t.like(faulty, { code: 2 });
  t.regex(faulty.err, /^workflow\.yaml:13:7: .*did you mean 'on-error'/);
});
