import test from 'ava';
import { parseWorkflows, taskSpecFrom, workflowSpecFrom } from '../../dsl/index.ts';
import type { JsonObject } from '../../dsl/json.ts';
import type { Transition } from '../../dsl/spec/types.ts';
import { brief, errorsOf, taskFrom, taskOf, taskText, warningsOf, workflowOf, workflowText } from './texts.ts';

type Case = readonly [body: string, firstError: RegExp | null];

/** null: the text is accepted. */
function check(name: string, wrap: (body: string) => string, cases: readonly Case[]): void {
  for (const [body, expected] of cases) {
    test(`${name}: ${JSON.stringify(body)} is ${expected === null ? 'accepted' : 'refused'}`, (t) => {
      const errors = errorsOf('workflow', wrap(body));
      if (expected === null) t.deepEqual(brief(errors), []);
      else t.regex(errors[0]?.message ?? '', expected);
    });
  }
}

const ANY = /^Invalid DSL: .* is not valid under any of the given schemas/;
const TYPE = (type: string): RegExp => new RegExp(`^Invalid DSL: .* is not of type '${type}'`);
const EMPTY_MAPPING = /^Invalid DSL: \{\} does not have enough properties/;
const SHORT = /^Invalid DSL: .* is too short/;
const TWICE = /^Invalid DSL: .* has non-unique elements/;
const UNEXPECTED = (key: string): RegExp =>
  new RegExp(`^Invalid DSL: Additional properties are not allowed \\('${key}' was unexpected\\)`);

// ---- The document -------------------------------------------------------------------------------------------------

const TASKS = 'tasks: {t: {action: std.noop}}';
check('version', (line) => `${line}\nwf:\n  ${TASKS}\n`, [
  ["version: '2.0'", null],
  ['version: 2.0', null],
  ['version: 2', null],
  ["version: '2'", null],
  ["version: '1.0'", /^Unsupported DSL version: 1\.0$/],
  ['version: 3.5', /^Unsupported DSL version: 3\.5$/],
  ['version: banana', /^Unsupported DSL version: banana$/],
  ["version: ''", /^Unsupported DSL version: $/],
  ['version: null', /^Unsupported DSL version: None$/],
  ['version: true', /^Unsupported DSL version: True$/],
  ['version: [2]', /^Unsupported DSL version: \[2\]$/],
  [`version: {${TASKS}}`, /^Invalid DSL: an entry can not be called 'version'/],
  ['', /^Invalid DSL: 'version' is a required property/],
]);

test('a list without entries is refused, empty text for its missing version', (t) => {
  t.deepEqual(brief(errorsOf('workflow', "version: '2.0'\n")), [
    "1:1 At least one item must be in the list [data={'version': '2.0'}].",
  ]);
  t.is(errorsOf('workflow', '')[0]?.message, "Invalid DSL: 'version' is a required property");
  t.regex(errorsOf('workflow', 'just text')[0]?.message ?? '', TYPE('object'));
});

check('a workflow called', (name) => `version: '2.0'\n${name}:\n  ${TASKS}\n`, [
  ['a.dotted.name', null],
  ['versionworkflow', null],
  ['version-workflow', null],
  ['12345678-1234-1234-1234-123456789abc', /^Workflow name cannot be in the format of UUID\.$/],
  ['12345678123412341234123456789abc', /^Workflow name cannot be in the format of UUID\.$/],
  ['a name', /^Name 'a name' must not contain spaces$/],
]);

// ---- The workflow -------------------------------------------------------------------------------------------------

check('a workflow with', (line) => workflowText(`${line}\n${TASKS}`), [
  ['type: direct', null],
  ['type: reverse', null],
  ['type: sideways', /^Invalid DSL: 'sideways' is not one of \['direct', 'reverse'\]/],
  ['type: null', TYPE('string')],
  ['description: [anything, {goes: 1}]', null],
  ['tags: [a, b]', null],
  ['tags: []', SHORT],
  ["tags: ['']", SHORT],
  ['tags: [a, a]', TWICE],
  ['tags: null', TYPE('array')],
  ['input: [p, {q: null}, {r: {deep: [1]}}]', null],
  ['input: [{p: 1}, {p: 2}]', null],
  ['input: [{p: 1}, {p: 1}]', TWICE],
  ['input: [{p: 1, q: 2}]', ANY],
  ['input: [{}]', ANY],
  ["input: ['']", ANY],
  ['input: [1]', ANY],
  ['input: []', SHORT],
  ['input: {p: 1}', TYPE('array')],
  ["input: [{p: '<% * %>'}]", null],
  ['output: {k: null}', null],
  ['output: {}', EMPTY_MAPPING],
  ['output: [a]', TYPE('object')],
  ["output: '<% $ %>'", TYPE('object')],
  ['output: null', TYPE('object')],
  ['vars: {}', EMPTY_MAPPING],
  ['vars: {a-b: 1}', null],
  ['output-on-error: {a: "<% * %>"}', null],
  ['output-on-error: {}', EMPTY_MAPPING],
  ['whatever: 1', null],
  ['name: other', null],
]);

check('the workflow', (body) => `version: '2.0'\nwf:${body}\n`, [
  ['', TYPE('object')],
  [' just words', TYPE('object')],
  [' [1, 2]', TYPE('object')],
  [' {}', EMPTY_MAPPING],
  [' {description: x}', /^Invalid DSL: 'tasks' is a required property/],
  [' {tasks: {}}', EMPTY_MAPPING],
  [' {tasks: [t]}', TYPE('object')],
  [' {tasks: {t: {}}}', EMPTY_MAPPING],
  [' {tasks: {t: null}}', TYPE('object')],
  [' {tasks: {t: std.noop}}', TYPE('object')],
  [
    ' {tasks: {version: {action: std.noop}, a: {action: std.noop}}}',
    /^Invalid DSL: a task can not be called 'version'/,
  ],
  [" {tasks: {'1': {action: std.noop}}}", null],
  [' {tasks: {1: {action: std.noop}}}', /^Invalid DSL: a key must be of type 'string'/],
]);

test('unknown workflow keys are accepted with a warning and the nearest name', (t) => {
  const [warning] = warningsOf(workflowText(`outputs: {a: 1}\n${TASKS}`));
  t.is(warning?.message, "Unknown key 'outputs' is ignored");
  t.is(warning?.hint, "did you mean 'output'?");
  t.deepEqual([warning?.line, warning?.column, warning?.path], [3, 3, 'wf.outputs']);
});

test('input declarations keep order and literal defaults, the last of two equal names counts', (t) => {
  const spec = workflowOf(`input: [a, b: '<% $.x %>', c: null, a: 5]\n${TASKS}`);
  t.deepEqual(spec.input, [
    { name: 'a', default: 5 },
    { name: 'b', default: '<% $.x %>' },
    { name: 'c', default: null },
  ]);
});

test('a workflow keeps everything that was written', (t) => {
  const spec = workflowOf(
    'description: {any: thing}\ntags: [x, y]\nvars: {v: 1}\noutput: {o: <% $.v %>}\noutput-on-error: {e: 1}\n' +
      'tasks:\n  z: {action: std.noop}\n  a: {workflow: sub}\n  m: {tags: [q]}',
  );
  t.is(spec.name, 'wf');
  t.is(spec.type, 'direct');
  t.deepEqual(spec.description, { any: 'thing' });
  t.deepEqual(spec.tags, ['x', 'y']);
  t.deepEqual(spec.vars, { v: 1 });
  t.deepEqual(spec.output, { o: '<% $.v %>' });
  t.deepEqual(spec.outputOnError, { e: 1 });
  t.deepEqual([...spec.tasks.keys()], ['z', 'a', 'm']);
  t.deepEqual(taskOf(spec, 'a').run, { type: 'workflow', name: 'sub' });
  t.deepEqual(taskOf(spec, 'm').run, { type: 'action', name: 'std.noop' });
  t.deepEqual(taskOf(spec, 'm').tags, ['q']);
});

// ---- The task -----------------------------------------------------------------------------------------------------

const NEEDS_NUMBER: readonly Case[] = ['wait-before', 'wait-after', 'timeout', 'concurrency'].flatMap((key): Case[] => [
  [`${key}: 0`, null],
  [`${key}: 5`, null],
  [`${key}: 2.0`, null],
  [`${key}: '<% 1 %>'`, null],
  [`${key}: '{{ 1 }}'`, null],
  [`${key}: '<% 1 %>  '`, null],
  [`${key}: '1'`, ANY],
  [`${key}: -1`, ANY],
  [`${key}: 1.1`, ANY],
  [`${key}: null`, ANY],
  [`${key}: true`, ANY],
  [`${key}: ''`, ANY],
  [`${key}: 'x <% 1 %>'`, ANY],
  [`${key}: '<% 1 %> s'`, ANY],
  [`${key}: '{% if x %}'`, ANY],
  [`${key}: '<% * %>'`, /./],
]);
check('a task with', taskText, NEEDS_NUMBER);

const NEEDS_SWITCH: readonly Case[] = ['pause-before', 'fail-on', 'keep-result', 'safe-rerun'].flatMap(
  (key): Case[] => [
    [`${key}: true`, null],
    [`${key}: no`, null],
    [`${key}: '<% False %>'`, null],
    [`${key}: 'False'`, ANY],
    [`${key}: ''`, ANY],
    [`${key}: []`, ANY],
    [`${key}: asd`, ANY],
    [`${key}: 12345`, ANY],
    [`${key}: 0`, ANY],
    [`${key}: null`, ANY],
    [`${key}: '<% * %>'`, /./],
  ],
);
check('a task with', taskText, NEEDS_SWITCH);

check('a task with', taskText, [
  ['action: std.noop', null],
  ["action: ''", SHORT],
  ['action: 5', TYPE('string')],
  ['action: null', TYPE('string')],
  ['workflow: [x]', TYPE('string')],
  ['action: <% $.x.y() %>', null],
  ['action: \'"quoted" x=1\'', /^Invalid action\/workflow task property: "quoted" x=1$/],
  ["action: '(a) x=1'", /^Invalid action\/workflow task property: \(a\) x=1$/],
  ['action: std.noop\nworkflow: other', ANY],
  ['tags: [x]', null],
  ["description: ''", SHORT],
  ['description: 5', TYPE('string')],
  ["target: ''", SHORT],
  ['target: 5', TYPE('string')],
  ['target: <% $.x %>', null],
  ['input: hello', null],
  ["input: ''", ANY],
  ['input: {}', ANY],
  ['input: null', ANY],
  ['input: {a: {b: "<% * %>"}}', null],
  ['input: {a: "<% * %>"}', /./],
  ["input: '<% * %>'", /./],
  ['publish: {a: null}', null],
  ['publish: {}', EMPTY_MAPPING],
  ['publish: x', TYPE('object')],
  ['publish: {a: ["<% * %>"]}', null],
  ['publish: {a: "<% * %>"}', /./],
  ["publish: {a: '{{ $ }}'}", /./],
  ['publish: {a: "<% %>"}', /./],
  ['publish: {a: "<% no_such_function() %>"}', null],
  [
    'publish: {a: "<% $.a %> {{ _.b }}"}',
    /^The line already contains an expression of type 'jinja'\. Mixing expression types in a single line is not allowed\./,
  ],
  ['publish-on-error: {a: "<% * %>"}', /./],
  ['publish-on-skip: {a: "<% * %>"}', /./],
  ['action: \'std.echo output="<% * %>"\'', /./],
  ['name: other\nversion: 7\ntype: reverse', null],
  ['requires: a', UNEXPECTED('requires')],
  ['actoin: std.noop', UNEXPECTED('actoin')],
  [
    'action: std.echo a=1\ninput: <% $.x %>',
    /^Invalid DSL: 'input' must be a dictionary when parameters are given inline \[task=t\]/,
  ],
  ['action: std.echo\ninput: <% $.x %>', null],
]);

check('join', (line) => workflowText(`tasks:\n  a: {on-success: j}\n  b: {on-success: j}\n  j: {${line}}`), [
  ['join: all', null],
  ['join: one', null],
  ['join: 0', null],
  ['join: 2', null],
  ['join: 2.0', null],
  ['join: 3', /^Not enough inbound tasks for task with 'join' \[task_name=j, join=3, inbound_tasks=2\]/],
  ["join: '3'", ANY],
  ["join: ''", ANY],
  ['join: null', ANY],
  ['join: -1', ANY],
  ['join: 1.5', ANY],
  ['join: true', ANY],
  ['join: some', ANY],
  ["join: '<% 1 %>'", ANY],
]);

test('join is all, a number, or nothing', (t) => {
  const join = (value: string): unknown =>
    taskOf(workflowOf(`tasks:\n  a: {on-success: j}\n  b: {on-success: j}\n  j: {join: ${value}}`), 'j').join;
  t.is(join('all'), 'all');
  t.is(join('one'), 1);
  t.is(join('2.0'), 2);
  t.is(join('0'), null);
});

test('inline parameters win over input, and the merge is what is stored', (t) => {
  const task = taskFrom('action: \'std.http url="u" deep=1\'\ninput: {url: other, body: {x: 1}, deep: {y: 2}}');
  const merged = { url: 'u', body: { x: 1 }, deep: 1 };
  t.deepEqual(task.input, merged);
  t.deepEqual(task.raw['input'], merged);
  t.is(task.raw['action'], 'std.http url="u" deep=1');
  t.is(task.run.name, 'std.http');
});

test('an input text stays one expression', (t) => {
  t.is(taskFrom('action: std.echo\ninput: <% $.all %>').input, '<% $.all %>');
});

test('only the literal false drops the result; an expression counts as true for safe-rerun', (t) => {
  t.false(taskFrom('keep-result: false').keepResult);
  t.true(taskFrom("keep-result: '<% false %>'").keepResult);
  t.true(taskFrom('tags: [x]').keepResult);
  t.true(taskFrom("safe-rerun: '<% false %>'").safeRerun);
  t.false(taskFrom('tags: [x]').safeRerun);
});

test('a stored task builds the same spec without its workflow', (t) => {
  const task = taskFrom(
    'action: std.echo output=1\nwith-items: i in [1, 2]\nretry: count=1 delay=2\nwait-before: 3\non-success: [a, {b: <% $.x %>}]\npublish: {p: 1}',
  );
  t.is(task.raw['type'], 'direct');
  t.is(task.raw['name'], 't');
  t.is(task.raw['version'], '2.0');
  t.deepEqual(taskSpecFrom(task.raw), task);
});

test('a stored workflow builds the same spec, task-defaults included', (t) => {
  const spec = workflowOf(
    'input: [a]\ntask-defaults: {on-error: z, retry: {count: 1, delay: 1}}\ntasks: {a: {on-success: z}, z: {tags: [x]}}',
  );
  t.deepEqual(workflowSpecFrom(spec.raw), spec);
  t.is(spec.raw['name'], 'wf');
  t.is(spec.raw['version'], '2.0');
});

test('task names: at most 255 characters, 208 with a join', (t) => {
  const start = (name: string): string => workflowText(`tasks:\n  ${name}: {action: std.noop}`);
  const joined = (name: string, join = 'all'): string =>
    workflowText(`tasks:\n  a: {on-success: ${name}}\n  ${name}: {action: std.noop, join: ${join}}`);
  t.deepEqual(errorsOf('workflow', start('n'.repeat(255))), []);
  t.is(
    errorsOf('workflow', start('n'.repeat(256)))[0]?.message,
    `The length of a '${'n'.repeat(256)}' task name must not exceed 255 symbols`,
  );
  t.deepEqual(errorsOf('workflow', joined('j'.repeat(208))), []);
  t.is(
    errorsOf('workflow', joined('j'.repeat(209)))[0]?.message,
    `The length of a '${'j'.repeat(209)}' join task name must not exceed 208 symbols`,
  );
  t.deepEqual(errorsOf('workflow', joined('j'.repeat(209), '0')), []);
});

test('task names may hold nearly anything', (t) => {
  const spec = workflowOf(
    "tasks:\n  a: {on-success: ['email%', 'x.y-z', 'a+b,c$^']}\n  email%: {tags: [x]}\n  x.y-z: {tags: [x]}\n  a+b,c$^: {tags: [x]}\n  with blank: {tags: [x]}\n  ümlaut: {tags: [x]}",
  );
  t.deepEqual([...spec.tasks.keys()], ['a', 'email%', 'x.y-z', 'a+b,c$^', 'with blank', 'ümlaut']);
});

// ---- with-items ---------------------------------------------------------------------------------------------------

const FORMAT =
  /^Wrong format of 'with-items' property\. Please use format 'var in \{\[some, list\] \| <% \$\.array %> \}: /;
check('a task with', taskText, [
  ['with-items: \'i in [1, 2, "a"]\'', null],
  ["with-items: ['i in [1, 2]', 'j in <% $.j %>', 'k in {{ _.k }}']", null],
  ["with-items: 'i in <% $.a %> junk'", null],
  ["with-items: 'i in<% $.a %>'", null],
  ["with-items: 'iin <% $.a %>'", null],
  ["with-items: 'my-i in <% $.a %>'", null],
  ['with-items: \'i in ["<% $.a %>", 2]\'', null],
  ["with-items: 'i in []'", FORMAT],
  ["with-items: 'x i in <% $.y %>'", FORMAT],
  ["with-items: '<% $.y %>'", FORMAT],
  ["with-items: 'i in y'", FORMAT],
  ["with-items: 'i in {% x %}'", FORMAT],
  ["with-items: 'i in [a, b]'", /^Invalid array in 'with-items' clause: \[a, b\], error: /],
  ["with-items: 'i in [1,,3]'", /^Invalid array in 'with-items' clause: \[1,,3\], error: /],
  ["with-items: 'i in [<% $.a %>]'", /^Invalid array in 'with-items' clause: /],
  ["with-items: 'i in <% * %>'", /./],
  ['with-items: 12345', ANY],
  ['with-items: [1]', TYPE('string')],
  ['with-items: []', ANY],
  ["with-items: ''", ANY],
  ["with-items: ['i in [1]', 'i in [1]']", TWICE],
  ['with-items: {i: [1]}', ANY],
  ['with-items: [{i: [1]}]', TYPE('string')],
]);

test('with-items gives variables and their sources; of two equal variables the last one counts', (t) => {
  t.deepEqual(taskFrom("with-items: 'iin <% $.a %>'").withItems, [{ variable: 'i', source: '<% $.a %>' }]);
  t.deepEqual(taskFrom("with-items: ['i in [1]', 'j in {{ _.j }} junk', 'i in [2, \"<% $.x %>\"]']").withItems, [
    { variable: 'i', source: [2, '<% $.x %>'] },
    { variable: 'j', source: '{{ _.j }}' },
  ]);
});

// ---- On-clauses ---------------------------------------------------------------------------------------------------

const CLAUSE_VALUES: readonly Case[] = [
  [' a', null],
  [' [a, b]', null],
  [' [a, {b: <% $.x %>}]', null],
  [' [{a: <% $.x %>}, {a: <% $.y %>}]', null],
  [' {a: <% $.x %>}', null],
  [' {next: a}', null],
  [' {next: [a, {b: "{{ _.x }}"}]}', null],
  [' {next: {a: <% $.x %>}}', null],
  [' {publish: {branch: {x: 1}}}', null],
  [' {publish: {branch: {x: 1}, global: {y: 1}, atomic: {z: 1}}, next: a}', null],
  [' fail', null],
  [' \'fail msg="stop here"\'', null],
  [' fail(msg=<% $.x %>)', null],
  [" fail(msg='x')", null],
  [' [\'fail(msg="a b")\', succeed]', null],
  [" {'fail(msg=1)': <% $.x %>}", null],
  [' null', ANY],
  [" ''", ANY],
  [' []', ANY],
  [' {}', ANY],
  [' 5', ANY],
  [' [a, a]', TWICE],
  [" ['']", ANY],
  [' [5]', ANY],
  [' [[a]]', ANY],
  [" 'a b'", ANY],
  [" '<% $.x %>'", ANY],
  [' {a: true}', ANY_TYPE()],
  [" {a: ''}", ANY],
  [" {a: 'x <% 1 %>'}", ANY],
  [' [{a: <% 1 %>, b: <% 2 %>}]', ANY],
  [' {next: a, then: b}', UNEXPECTED('then')],
  [' {next: []}', ANY],
  [' {publish: {x: 1}}', UNEXPECTED('x')],
  [' {publish: x}', TYPE('object')],
  [' {publish: {}}', /^Either 'branch', 'global' or 'atomic' must be specified: /],
  [' {publish: {branch: {}}}', EMPTY_MAPPING],
  [' {publish: {global: {x: "<% * %>"}}}', /./],
  [' {publish: {atomic: {x: "<% * %>"}}}', /./],
  [' {a: "<% * %>"}', /./],
  [' nowhere', /^Task 'nowhere' not found\.$/],
  [' [succeed, c]', /^Task 'c' not found\.$/],
  [' {next: {nowhere: <% $.x %>}}', /^Task 'nowhere' not found\.$/],
];

function ANY_TYPE(): RegExp {
  return /^Invalid DSL: True is not of type 'string'/;
}

for (const clause of ['on-success', 'on-error', 'on-complete', 'on-skip']) {
  check(`${clause} of a task`, (value) => taskText(`${clause}:${value}`), CLAUSE_VALUES);
  check(
    `${clause} of task-defaults`,
    (value) =>
      workflowText(
        `task-defaults:\n  ${clause}:${value}\ntasks: {s: {on-success: a}, a: {tags: [x]}, b: {tags: [x]}}`.replace(
          '{on-success: a}',
          '{on-success: a, on-error: a, on-complete: a, on-skip: a}',
        ),
      ),
    CLAUSE_VALUES.filter(([, expected]) => expected !== null),
  );
}

const plain = (to: string, extra: Partial<Transition> = {}): Transition => ({
  to,
  command: null,
  condition: null,
  params: {},
  ...extra,
});

test('every form of a clause gives transitions in order', (t) => {
  const onSuccess = (value: string): readonly Transition[] => taskFrom(`on-success: ${value}`).onSuccess;
  t.deepEqual(onSuccess('a'), [plain('a')]);
  t.deepEqual(onSuccess('[b, a]'), [plain('b'), plain('a')]);
  t.deepEqual(onSuccess('[{a: <% 1 %>}, {a: <% 2 %>}]'), [
    plain('a', { condition: '<% 1 %>' }),
    plain('a', { condition: '<% 2 %>' }),
  ]);
  t.deepEqual(onSuccess('{a: <% 1 %>}'), [plain('a', { condition: '<% 1 %>' })]);
  t.deepEqual(onSuccess('{next: {a: <% 1 %>}}'), [plain('a', { condition: '<% 1 %>' })]);
  t.deepEqual(onSuccess('{publish: {branch: {x: 1}}}'), []);
  t.deepEqual(onSuccess('fail(msg=<% $.x + 1 %>)'), [
    plain('fail', { command: 'fail', params: { msg: '<% $.x + 1 %>' } }),
  ]);
  t.deepEqual(onSuccess(`"succeed msg='all done'"`), [
    plain('succeed', { command: 'succeed', params: { msg: 'all done' } }),
  ]);
  t.deepEqual(onSuccess("fail(msg='x')"), [plain('fail', { command: 'fail', params: { msg: 'x' } })]);
  t.deepEqual(onSuccess('[noop, pause]'), [plain('noop', { command: 'noop' }), plain('pause', { command: 'pause' })]);
});

test('a transition to a task named like a command runs the command, with a warning', (t) => {
  const text = workflowText('tasks:\n  a: {on-success: fail}\n  fail: {action: std.noop}');
  t.is(parseWorkflows(text).specs[0]?.tasks.get('a')?.onSuccess[0]?.command, 'fail');
  t.deepEqual(brief(warningsOf(text)), [
    "5:5 Task 'fail' has the name of an engine command: a transition to 'fail' runs the command",
  ]);
});

test('publish: the specific clause goes over on-complete, that over the simple form, each scope for itself', (t) => {
  const publish = (body: string): unknown => {
    const { SUCCESS } = taskFrom(body).publish;
    return [SUCCESS.written, SUCCESS.branch, SUCCESS.global];
  };
  t.deepEqual(publish('tags: [x]'), [false, null, null]);
  t.deepEqual(publish('publish: {a: 1, b: 1}\non-success: {publish: {branch: {a: 3}}}'), [true, { a: 3, b: 1 }, null]);
  t.deepEqual(publish('publish: {a: 1}\non-success: {publish: {global: {a: 3}}}'), [true, { a: 1 }, { a: 3 }]);
  t.deepEqual(publish('publish: {a: 1, b: 1}\non-complete: {publish: {branch: {a: 3}}}'), [true, { a: 3, b: 1 }, null]);
  t.deepEqual(publish('publish: {a: 1}\non-complete: {publish: {global: {a: 3}}}'), [true, { a: 1 }, { a: 3 }]);
  t.deepEqual(publish('on-complete: {publish: {branch: {a: 2}}}\non-success: {publish: {branch: {a: 3}}}'), [
    true,
    { a: 3 },
    null,
  ]);
  t.deepEqual(publish('on-success: {publish: {atomic: {a: 3}}}'), [true, null, null]);
});

test('publish knows the three final states', (t) => {
  const { publish } = taskFrom(
    'publish: {s: 1}\npublish-on-error: {e: 1}\npublish-on-skip: {k: 1}\non-complete: {publish: {branch: {c: 1}}}\non-skip: {publish: {global: {g: 1}}}',
  );
  t.deepEqual(publish.SUCCESS, { written: true, branch: { s: 1, c: 1 }, global: null });
  t.deepEqual(publish.ERROR, { written: true, branch: { e: 1, c: 1 }, global: null });
  t.deepEqual(publish.SKIPPED, { written: true, branch: { k: 1, c: 1 }, global: { g: 1 } });
});

// ---- Policies and task-defaults -----------------------------------------------------------------------------------

const RETRIES: readonly Case[] = [
  ['retry: {count: 3, delay: 1}', null],
  ["retry: {count: '<% 3 %>', delay: '<% 1 %>', break-on: '<% $.x %>', continue-on: '{{ _.y }}'}", null],
  ["retry: 'count=3 delay=1'", null],
  ["retry: 'count=3 delay=1 break-on=<% $.x > 1 %>'", null],
  ["retry: 'coun=3 delay=1'", /^Invalid DSL: 'count' is a required property/],
  ["retry: 'count=3'", /^Invalid DSL: 'count' is a required property/],
  ["retry: 'count=3 delay=1 extra=2'", UNEXPECTED('extra')],
  ['retry: <% $.x %>', /^Invalid DSL: 'count' is a required property/],
  ['retry: 3', ANY],
  ['retry: null', ANY],
  ["retry: ''", ANY],
  ['retry: {}', /^Invalid DSL: 'count' is a required property/],
  ['retry: {count: 3}', /^Invalid DSL: 'delay' is a required property/],
  ['retry: {delay: 1}', /^Invalid DSL: 'count' is a required property/],
  ['retry: {count: -1, delay: 0}', ANY],
  ["retry: {count: '3', delay: 0}", ANY],
  ['retry: {count: 1.5, delay: 0}', ANY],
  ['retry: {count: 1, delay: 0.5}', ANY],
  ['retry: {count: 1, delay: 0, break-on: true}', /^Invalid DSL: True is not of type 'string'/],
  ['retry: {count: 1, delay: 0, pause: 1}', UNEXPECTED('pause')],
  ["retry: {count: 1, delay: 0, continue-on: '<% * %>'}", /./],
];
check('a task with', taskText, RETRIES);
check('task-defaults with', (body) => workflowText(`task-defaults:\n  ${body}\n${TASKS}`), [
  ...RETRIES,
  ...NEEDS_NUMBER,
  ...NEEDS_SWITCH.filter(([body]) => !body.startsWith('keep-result')),
  ['with-items: i in [1]', UNEXPECTED('with-items')],
  ['publish: {a: 1}', UNEXPECTED('publish')],
  ['keep-result: false', UNEXPECTED('keep-result')],
  ['target: x', UNEXPECTED('target')],
  ['join: all', UNEXPECTED('join')],
  ['requires: t', null],
]);
check('a workflow with', (line) => workflowText(`${line}\n${TASKS}`), [
  ['task-defaults: {}', EMPTY_MAPPING],
  ['task-defaults: null', TYPE('object')],
  ['task-defaults: [retry]', TYPE('object')],
]);

test('policies are literals or expressions; 0 and false switch them off', (t) => {
  const off = {
    pauseBefore: null,
    waitBefore: null,
    waitAfter: null,
    failOn: null,
    retry: null,
    timeout: null,
    concurrency: null,
  };
  t.deepEqual(taskFrom('wait-before: 0\npause-before: false\ntimeout: 0\nfail-on: no').policies, off);
  t.deepEqual(
    taskFrom(
      "wait-before: 2.0\nwait-after: <% $.w %>\ntimeout: 9\npause-before: yes\nfail-on: <% $.f %>\nconcurrency: 4\nretry: 'count=3 delay=<% $.d %>'",
    ).policies,
    {
      pauseBefore: true,
      waitBefore: 2,
      waitAfter: '<% $.w %>',
      failOn: '<% $.f %>',
      retry: { count: 3, delay: '<% $.d %>', breakOn: null, continueOn: null },
      timeout: 9,
      concurrency: 4,
    },
  );
});

test('task-defaults fill in what a task leaves open or switches off', (t) => {
  const spec = workflowOf(
    `task-defaults:
  wait-before: 5
  timeout: 60
  retry: {count: 1, delay: 1}
  safe-rerun: true
  on-error: [handler, fail]
  on-success: {publish: {branch: {never: 1}}, next: a}
tasks:
  a: {wait-before: 0, timeout: 7, retry: {count: 0, delay: 0}, safe-rerun: false, on-success: {publish: {branch: {x: 1}}}}
  b: {on-error: a, on-success: handler}
  handler: {tags: [x]}
  start: {on-complete: b}`,
  );
  const a = taskOf(spec, 'a');
  t.is(a.policies.waitBefore, 5);
  t.is(a.policies.timeout, 7);
  t.deepEqual(a.policies.retry, { count: 0, delay: 0, breakOn: null, continueOn: null });
  t.false(a.safeRerun);
  t.deepEqual(a.onError, [plain('handler'), plain('fail', { command: 'fail' })]);
  t.deepEqual(a.onSuccess, [], 'a default transition to the task itself is dropped');
  t.deepEqual(a.publish.SUCCESS.branch, { x: 1 });
  const b = taskOf(spec, 'b');
  t.true(b.safeRerun);
  t.deepEqual(b.onError, [plain('a')]);
  t.is(b.publish.SUCCESS.branch, null, 'publish of a default clause is never applied');
  t.deepEqual(taskOf(spec, 'handler').onError, [plain('fail', { command: 'fail' })]);
  t.deepEqual(taskOf(spec, 'handler').onSuccess, [plain('a')]);
});

// ---- Rules of the whole workflow ----------------------------------------------------------------------------------

check('direct tasks', (body) => workflowText(`tasks: ${body}`), [
  [
    '{a: {on-success: b}, b: {on-success: a}}',
    /^Failed to find start tasks in direct workflow\. There must be at least one task without inbound transition\.\[workflow_name=wf\]$/,
  ],
  ['{a: {on-error: a}}', /^Failed to find start tasks in direct workflow\./],
  ['{s: {on-success: a}, a: {on-success: b}, b: {on-error: a}}', null],
  ['{a: {join: all}, b: {tags: [x]}}', /^No inbound tasks for task with 'join: all' \[task_name=a\]$/],
  ['{a: {join: one}}', /^Not enough inbound tasks for task with 'join' \[task_name=a, join=1, inbound_tasks=0\]$/],
  [
    '{a: {on-success: j, on-error: j}, j: {join: 2}}',
    /^Not enough inbound tasks for task with 'join' \[task_name=j, join=2, inbound_tasks=1\]$/,
  ],
]);

test('default transitions count for start tasks, links and joins', (t) => {
  t.regex(
    errorsOf('workflow', workflowText('task-defaults: {on-success: a}\ntasks: {a: {on-success: b}, b: {tags: [x]}}'))[0]
      ?.message ?? '',
    /^Failed to find start tasks/,
  );
  t.deepEqual(
    brief(errorsOf('workflow', workflowText('task-defaults: {on-error: handler}\ntasks: {a: {tags: [x]}}'))),
    ["3:29 Task 'handler' not found."],
  );
  t.deepEqual(
    errorsOf(
      'workflow',
      workflowText('task-defaults: {on-success: j}\ntasks: {a: {tags: [x]}, b: {tags: [x]}, j: {join: 2}}'),
    ),
    [],
  );
});

check('reverse tasks', (body) => workflowText(`type: reverse\ntasks: ${body}`), [
  ['{a: {tags: [x]}, b: {requires: a}, c: {requires: [a, b]}}', null],
  ['{a: {requires: zz}}', /^Task 'zz' not found\.$/],
  ['{a: {requires: [fail]}}', /^Task 'fail' not found\.$/],
  ["{a: {requires: ''}}", ANY],
  ['{a: {requires: []}}', ANY],
  ['{a: {requires: [b, b]}, b: {tags: [x]}}', TWICE],
  ['{a: {requires: b}, b: {requires: a}}', /^Invalid DSL: dependency cycle: a requires b requires a$/],
  ['{a: {requires: a}}', /^Invalid DSL: dependency cycle: a requires a$/],
  [
    '{x: {requires: c}, a: {requires: b}, b: {requires: c}, c: {requires: a}}',
    /^Invalid DSL: dependency cycle: a requires b requires c requires a$/,
  ],
  ['{a: {on-success: b}, b: {tags: [x]}}', UNEXPECTED('on-success')],
  ['{a: {join: all}}', UNEXPECTED('join')],
]);

test('reverse tasks take over required tasks, all but themselves', (t) => {
  const spec = workflowOf(
    'type: reverse\ntask-defaults: {requires: [init], on-success: ignored}\ntasks: {init: {tags: [x]}, a: {tags: [x]}, b: {requires: [a, init]}, c: {requires: a}}',
  );
  t.deepEqual(taskOf(spec, 'init').requires, []);
  t.deepEqual(taskOf(spec, 'a').requires, ['init']);
  t.deepEqual(taskOf(spec, 'b').requires, ['a', 'init']);
  t.deepEqual(taskOf(spec, 'c').requires, ['a', 'init']);
  t.is(taskOf(spec, 'a').raw['type'], 'reverse');
  t.deepEqual(taskOf(spec, 'a').onSuccess, []);
});

test('the raw mapping of a workflow holds injected names and keeps what was written', (t) => {
  const { raw } = workflowOf(
    'custom: 1\nname: other\ntasks: {a: {action: std.echo output=1, name: other, type: reverse, version: 3}}',
  );
  t.deepEqual(raw, {
    custom: 1,
    name: 'wf',
    version: '2.0',
    tasks: { a: { action: 'std.echo output=1', name: 'a', type: 'direct', version: '2.0' } },
  } satisfies JsonObject);
});
