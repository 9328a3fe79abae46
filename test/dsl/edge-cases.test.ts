import test from 'ava';
import { evaluate } from '../../dsl/expressions/index.ts';
import { type DocumentKind, parseActions, parseWorkflows, taskSpecFrom } from '../../dsl/index.ts';
import { parseInlineCall } from '../../dsl/spec/inline-params.ts';
import { CALLER, openTestEngine } from '../helpers/engine.ts';
import { brief, errorsOf, taskFrom, taskOf, taskText, warningsOf, workflowOf, workflowText } from './texts.ts';
import { scopeWith } from '../expressions/scope.ts';

// The edge cases of spec/dsl.md §18, by their numbers. 27, deleting a workflow that triggers refer to, is in test/engine/triggers.test.ts.

const TASKS = 'tasks: {t: {action: std.noop}}';
const book = (lines: string): string => `version: '2.0'\nname: book\n${lines}\n`;
const flow = (name: string): string => `version: '2.0'\n${name}:\n  ${TASKS}\n`;
const action = (lines: string): string => `version: '2.0'\na:\n  ${lines}\n`;

/** `null`: the text is accepted; else what the first error says. */
function judged(
  number: number,
  what: string,
  kind: DocumentKind,
  cases: readonly (readonly [string, RegExp | null])[],
) {
  test(`§18.${number}: ${what}`, (t) => {
    for (const [text, expected] of cases) {
      const errors = errorsOf(kind, text);
      if (expected === null) t.deepEqual(brief(errors), [], text);
      else t.regex(errors[0]?.message ?? 'accepted', expected, text);
    }
  });
}

const all = (texts: readonly string[], expected: RegExp | null) => texts.map((text) => [text, expected] as const);
const tasks = (bodies: readonly string[], expected: RegExp | null) => all(bodies.map(inTask), expected);

function inTask(body: string): string {
  return taskText(`action: std.noop\n${body}`);
}

const INVALID = /^Invalid DSL: /;

judged(1, 'three spellings of the version count, null and empty text do not', 'workflow', [
  ...all(
    ["'2.0'", '2.0', '2'].map((version) => `version: ${version}\nwf:\n  ${TASKS}\n`),
    null,
  ),
  ...all(
    ['null', "''"].map((version) => `version: ${version}\nwf:\n  ${TASKS}\n`),
    /^Unsupported DSL version/,
  ),
]);
judged(1, 'a workbook may have a number as its version', 'workbook', [
  ['version: 2.0\nname: book\n', null],
  ['version: 2\nname: book\n', null],
]);
judged(2, 'entries may have the word version in their names', 'workbook', [
  ...all(
    ['versionworkflow', 'version-workflow', 'version_workflow'].map((name) => book(`workflows: {${name}: {${TASKS}}}`)),
    null,
  ),
  [book(`workflows: {version: {${TASKS}}}`), /version/],
]);
judged(3, 'a section with nothing but a version is one, an empty one is not', 'workbook', [
  [book("actions: {version: '2.0'}"), null],
  [book('actions: {}'), /does not have enough properties/],
]);
judged(4, 'an entry that is a text is an error of the definition', 'workbook', [
  [book('workflows: {wf: text}'), INVALID],
  [book('actions: {a: text}'), INVALID],
]);
const CLAUSES = ['null', "['']", '[]', '[a, a]', '[1]'].map((value) => `on-success: ${value}`);
judged(5, 'clauses without a task, with one twice or with a number are errors', 'workflow', [
  ...tasks(CLAUSES, INVALID),
  ...all(
    CLAUSES.map((clause) => workflowText(`task-defaults: {${clause}}\ntasks: {t: {action: std.noop}, a: {join: 0}}`)),
    INVALID,
  ),
]);
judged(6, 'names may hold signs; a target that is not there is an error of the whole', 'workflow', [
  [workflowText('tasks: {"email%": {action: std.noop}, b: {on-success: "email%"}}'), null],
  [inTask('on-success: "email%"'), /^Task 'email%' not found\.$/],
]);
judged(7, 'join: 0 is none; more than there are tasks, texts, null and negative numbers are errors', 'workflow', [
  [inTask('join: 0'), null],
  [
    workflowText('tasks: {a: {on-success: c}, b: {on-success: c}, c: {join: 3}}'),
    /^Not enough inbound tasks .*join=3, inbound_tasks=2/,
  ],
  ...tasks(
    ["'3'", "''", 'null', '-1'].map((join) => `join: ${join}`),
    INVALID,
  ),
]);
judged(8, 'a join on a start task is an error that counts', 'workflow', [
  ...tasks(['join: one', 'join: 1'], /^Not enough inbound tasks .*join=1, inbound_tasks=0/),
]);
for (const policy of ['wait-before', 'wait-after', 'timeout', 'concurrency']) {
  judged(9, `${policy} is a whole number or an expression`, 'workflow', [
    ...tasks(
      ['1.1', "'1'", '-1'].map((value) => `${policy}: ${value}`),
      INVALID,
    ),
    ...tasks(
      ["'<% 1 %>'", "'{{ 1 }}'"].map((value) => `${policy}: ${value}`),
      null,
    ),
    [inTask(`${policy}: '<% * %>'`), /^Parse error: /],
  ]);
}
judged(10, 'pause-before is a boolean or an expression', 'workflow', [
  [inTask("pause-before: 'False'"), INVALID],
  [inTask("pause-before: '<% False %>'"), null],
]);
judged(11, 'a one-line retry needs its count', 'workflow', [[inTask("retry: 'coun=3 delay=1'"), INVALID]]);
test('§18.11: a one-line retry holds whole numbers', (t) => {
  t.like(taskFrom("action: std.noop\nretry: 'count=3 delay=1'").policies.retry, { count: 3, delay: 1 });
});
judged(12, 'keep-result is a boolean or an expression', 'workflow', [
  ...tasks(
    ["''", '[]', "'asd'", '12345', 'null'].map((value) => `keep-result: ${value}`),
    INVALID,
  ),
  [inTask("keep-result: '<% false %>'"), null],
]);
test('§18.12: an expression as keep-result has no effect', (t) => {
  t.true(taskFrom("action: std.noop\nkeep-result: '<% false %>'").keepResult);
});
judged(13, 'input may be a text, but not an empty one, nor nothing', 'workflow', [
  ...tasks(["input: ''", 'input: {}', 'input: null'], INVALID),
  [inTask('input: hello'), null],
]);
judged(14, 'publish in a clause names its scopes, and each of them is looked into', 'workflow', [
  [inTask('on-success: {publish: {x: 1}}'), INVALID],
  [inTask('on-success: {publish: {branch: {x: 1}, global: {y: 2}}}'), null],
  ...tasks(
    ['branch', 'global'].map((scope) => `on-success: {publish: {${scope}: {x: '<% * %>'}}}`),
    /^Parse error: /,
  ),
]);
judged(15, '$ is no part of Jinja', 'workflow', [[inTask("publish: {x: '{{ $ }}'}"), /^Syntax error /]]);
judged(16, 'output is a mapping that is not empty', 'workflow', [
  ...all(
    ['{}', '[]', '[a]', 'text', "''"].map((value) => workflowText(`output: ${value}\n${TASKS}`)),
    INVALID,
  ),
  [workflowText(`output: {k: null}\n${TASKS}`), null],
]);
judged(17, 'the output of an action may be anything, its base is a text', 'action', [
  ...all(
    ['null', 'false', '5', '[1, a]'].map((value) => action(`base: std.noop\n  output: ${value}`)),
    null,
  ),
  [action('base: 123'), INVALID],
]);
test('§18.17: an output of null or false is kept', (t) => {
  const outputs = ['null', 'false', '5', '[1, a]'].map(
    (value) => parseActions(action(`base: std.noop\n  output: ${value}`)).specs[0]?.output,
  );
  t.deepEqual(outputs, [null, false, 5, [1, 'a']]);
});
judged(18, 'with-items names a variable and a list, of values and expressions', 'workflow', [
  ...tasks(
    ['12345', 'x in y', "'<% $.y %>'"].map((value) => `with-items: ${value}`),
    /with-items|^Invalid DSL: /,
  ),
  [inTask("with-items: ['x in [1, \"<% $.y %>\"]', 'z in <% $.w %>']"), null],
]);
judged(19, 'a name in the form of a UUID is refused, dashes or not', 'workflow', [
  ...all(
    ['b8b2bc2e-7f2c-4a3b-8bb5-8a6c3d1f2e10', 'b8b2bc2e7f2c4a3b8bb58a6c3d1f2e10'].map((name) => flow(`"${name}"`)),
    /UUID/,
  ),
]);
judged(20, 'a name with blanks is refused, with a text of its own', 'workflow', [
  [flow('with blanks'), /^Name 'with blanks' must not contain spaces$/],
]);

test('§18.21: a task whose name has 208 characters works as a join, one of 209 is refused at upload', async (t) => {
  const e = await openTestEngine(t);
  const text = (name: string): string =>
    workflowText(`tasks:\n  a: {on-success: ${name}}\n  b: {on-success: ${name}}\n  ${name}: {join: all}`);
  const seen = await e.run(text('j'.repeat(208)));
  t.is(seen.execution.state, 'SUCCESS');
  t.is(seen.task('j'.repeat(208)).state, 'SUCCESS');
  await t.throwsAsync(e.run(text('j'.repeat(209)).replace('wf:', 'other:')), { message: /must not exceed 208/ });
});

test('§18.22: a stored task knows its type and needs no workflow', (t) => {
  for (const type of ['direct', 'reverse'] as const) {
    const task = taskOf(workflowOf(`type: ${type}\ntasks: {t: {action: std.noop, wait-before: 3}}`), 't');
    t.is(task.raw['type'], type);
    t.deepEqual(taskSpecFrom(task.raw), task);
  }
});

test('§18.23, §18.24: inline values keep their types, and empty text is not null', (t) => {
  const call = parseInlineCall(
    'a age=32 param1=null param2=false is_string="50" object_list=[1, null, "str"] params=""',
  );
  t.deepEqual(call?.params, {
    age: 32,
    param1: null,
    param2: false,
    is_string: '50',
    object_list: [1, null, 'str'],
    params: '',
  });
});

test('§18.25: an update leaves the spec of a running execution alone, also when nothing of it is remembered', async (t) => {
  const e = await openTestEngine(t, { forgetful: true });
  const text = (output: string): string =>
    workflowText(
      `output: {x: ${output}}\ntasks:\n  one: {action: std.async_noop, on-success: two}\n  two: {action: std.noop}`,
    );
  await e.upload(text('old'));
  const { id } = await e.start('wf');
  await e.definitions.updateWorkflows(CALLER, text('new').replace(', on-success: two', ''), {
    namespace: '',
    scope: 'private',
  });
  await e.finish('one');
  const seen = await e.see(id);
  t.deepEqual(seen.execution.output, { x: 'old' });
  t.is(seen.task('two').state, 'SUCCESS');
});

test('§18.26: one workflow is stored as it was written, several each for itself, keys in order', (t) => {
  const one = `# mine\n${flow('wf')}`;
  t.deepEqual([...parseWorkflows(one).definitions], [['wf', one]]);
  const two = parseWorkflows(`version: '2.0'\nz:\n  vars: {b: 1, a: 2}\n  ${TASKS}\na:\n  ${TASKS}\n`).definitions;
  t.deepEqual([...two.keys()], ['z', 'a']);
  t.regex(two.get('z') ?? '', /b: 1\n +a: 2/);
});

test('§18.28: a variable of with-items may have a dash, but is read by get only', (t) => {
  t.deepEqual(
    taskFrom('action: std.noop\nwith-items: my-i in <% $.list %>').withItems.map(({ variable }) => variable),
    ['my-i'],
  );
  const scope = scopeWith({ 'my-i': 5, my: 7 });
  t.is(evaluate("<% $.get('my-i') %>", scope), 5);
  t.throws(() => evaluate('<% $.my-i %>', scope));
});

test('§18.29: two expressions side by side are a text, and so a condition that always holds', async (t) => {
  const clause = "on-success: [{a: '<% false %> <% false %>'}]";
  t.deepEqual(brief(errorsOf('workflow', inTask(clause))), []);
  const e = await openTestEngine(t);
  const seen = await e.run(workflowText(`tasks:\n  t: {${clause}}\n  a: {action: std.noop}`));
  t.is(seen.task('a').state, 'SUCCESS');
});

test('§18.30: a transition to a task named fail runs the command', async (t) => {
  const text = workflowText('tasks:\n  t: {on-success: fail}\n  fail: {action: std.noop}');
  t.true(warningsOf(text).some(({ message }) => message.includes("'fail' has the name of an engine command")));
  const e = await openTestEngine(t);
  const seen = await e.run(text);
  t.is(seen.execution.state, 'ERROR');
});
