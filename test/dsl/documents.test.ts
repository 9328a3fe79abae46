import test from 'ava';
import { DslError } from '../../dsl/errors.ts';
import {
  actionSpecFrom,
  type DocumentKind,
  parseActions,
  parseWorkbook,
  parseWorkflows,
  workbookSpecFrom,
} from '../../dsl/index.ts';
import { brief, errorsOf } from './texts.ts';

type Case = readonly [body: string, firstError: RegExp | null];

function check(kind: DocumentKind, name: string, wrap: (body: string) => string, cases: readonly Case[]): void {
  for (const [body, expected] of cases) {
    test(`${name}: ${JSON.stringify(body)} is ${expected === null ? 'accepted' : 'refused'}`, (t) => {
      const errors = errorsOf(kind, wrap(body));
      if (expected === null) t.deepEqual(brief(errors), []);
      else t.regex(errors[0]?.message ?? '', expected);
    });
  }
}

const WORKFLOW = '{tasks: {t: {action: std.noop}}}';
const PATTERN = /^Invalid DSL: '.*' does not match any of the regexes: /;

check('workbook', 'a workbook with', (lines) => `version: '2.0'\nname: book\n${lines}\n`, [
  ['', null],
  ['description: text', null],
  ["description: ''", /is too short/],
  ['description: 5', /is not of type 'string'/],
  ['description: null', /^Invalid DSL: None is not of type 'string'/],
  ['tags: [a]', null],
  ['tags: []', /is too short/],
  ['extras: 1', /^Invalid DSL: Additional properties are not allowed \('extras' was unexpected\)/],
  ['actions: {}', /does not have enough properties/],
  ['workflows: {}', /does not have enough properties/],
  ['workflows: null', /is not of type 'object'/],
  ["actions: {version: '2.0'}", null],
  ['actions: {version: 2}', null],
  ["actions: {version: '1.0'}", /^Unsupported DSL version: 1\.0/],
  [`workflows: {version_one: ${WORKFLOW}, version-two: ${WORKFLOW}, versionthree: ${WORKFLOW}}`, null],
  [`workflows: {version: ${WORKFLOW}}`, /^Invalid DSL: an entry can not be called 'version'/],
  [`workflows: {has.dot: ${WORKFLOW}}`, PATTERN],
  [`workflows: {has blank: ${WORKFLOW}}`, PATTERN],
  [`workflows: {größe-1: ${WORKFLOW}}`, null],
  ['actions: {a: just words}', /^Invalid DSL: 'just words' is not of type 'object'/],
  ['workflows: {a: [1]}', /^Invalid DSL: \[1\] is not of type 'object'/],
  ['actions: {a: {base: std.noop}}', null],
  ['actions: {a: {input: [x]}}', /^Invalid DSL: 'base' is a required property/],
]);

check('workbook', 'a workbook', (lines) => lines, [
  ['name: b', /^Invalid DSL: 'version' is a required property/],
  ["version: '2.0'", /^Invalid DSL: 'name' is a required property/],
  ["version: '2.0'\nname: ''", /is too short/],
  ["version: '2.0'\nname: 5", /is not of type 'string'/],
  ["version: '2.0'\nname: a b", /^Name 'a b' must not contain spaces/],
  ['version: 3\nname: b', /^Unsupported DSL version: 3/],
  ["version: ''\nname: b", /^Unsupported DSL version: /],
  ['version: null\nname: b', /^Unsupported DSL version: None/],
  ['version: 2\nname: b', null],
  ['version: 2.0\nname: b', null],
]);

check('action', 'an ad-hoc action with', (lines) => `version: '2.0'\nmy.act:\n  ${lines.replaceAll('\n', '\n  ')}\n`, [
  ['base: std.echo', null],
  ['base: std.echo output=<% $.x %>', null],
  ['base: 123', /is not of type 'string'/],
  ["base: ''", /is too short/],
  ["base: '(x) a=1'", /^Invalid action\/workflow task property: /],
  ['input: [a]', /^Invalid DSL: 'base' is a required property/],
  [
    'base: std.echo\nbase-output: 1',
    /^Invalid DSL: Additional properties are not allowed \('base-output' was unexpected\)/,
  ],
  ['base: std.echo\nbase-input: {output: "<% $.a + %>"}', /./],
  ['base: std.echo\nbase-input: {}', /does not have enough properties/],
  ['base: std.echo\ninput: {a: 1}', /is not of type 'array'/],
  ['base: std.echo\ninput: [a, {b: [1, 2]}]', null],
  ['base: std.echo\noutput: null', null],
  ['base: std.echo\noutput: false', null],
  ['base: std.echo\noutput: 5', null],
  ['base: std.echo\noutput: [1]', null],
  ['base: std.echo\noutput: <% $.x %>', null],
  ["base: std.echo\noutput: '<% * %>'", /./],
  ['base: std.echo\noutput: {a: "<% * %>"}', null],
  ["base: std.echo\ndescription: ''", /is too short/],
]);

test('a workbook keeps short names; what is stored holds completed entries', (t) => {
  const { spec } = parseWorkbook(`version: '2.0'
name: book
description: about
tags: [x]
workflows:
  version: '2.0'
  second: ${WORKFLOW}
  first: {type: reverse, tasks: {t: {action: act a=1, input: {b: 2}}}}
actions:
  act: {base: std.echo output=1, base-input: {x: 1}}
`);
  t.is(spec.name, 'book');
  t.is(spec.description, 'about');
  t.deepEqual(spec.tags, ['x']);
  t.deepEqual(
    spec.workflows.map(({ name }) => name),
    ['second', 'first'],
  );
  t.deepEqual(
    spec.actions.map(({ name, base, baseInput }) => [name, base, baseInput]),
    [['act', 'std.echo', { x: 1, output: 1 }]],
  );
  t.deepEqual(spec.raw, {
    version: '2.0',
    name: 'book',
    description: 'about',
    tags: ['x'],
    workflows: {
      version: '2.0',
      second: {
        name: 'second',
        version: '2.0',
        tasks: { t: { action: 'std.noop', name: 't', type: 'direct', version: '2.0' } },
      },
      first: {
        type: 'reverse',
        name: 'first',
        version: '2.0',
        tasks: { t: { action: 'act a=1', input: { a: 1, b: 2 }, name: 't', type: 'reverse', version: '2.0' } },
      },
    },
    actions: { act: { base: 'std.echo output=1', 'base-input': { x: 1, output: 1 }, name: 'act', version: '2.0' } },
  });
  t.deepEqual(workbookSpecFrom(spec.raw), spec);
});

test('an ad-hoc action keeps everything; a missing output differs from null', (t) => {
  const { specs } = parseActions(`version: 2
a:
  description: about
  tags: [x]
  base: std.echo output=<% $.p %>
  base-input: {output: lost, delay: 1}
  input: [p, q: [1, 2]]
  output: null
b: {base: std.noop}
`);
  const [a, b] = specs;
  t.is(a?.description, 'about');
  t.deepEqual(a?.tags, ['x']);
  t.is(a?.base, 'std.echo');
  t.deepEqual(a?.baseInput, { output: '<% $.p %>', delay: 1 });
  t.deepEqual(a?.input, [
    { name: 'p', default: undefined },
    { name: 'q', default: [1, 2] },
  ]);
  t.is(a?.output, null);
  t.is(b?.output, undefined);
  t.deepEqual(
    specs.map(({ raw }) => actionSpecFrom(raw)),
    specs,
  );
});

test('a text with one workflow is stored as it is, comments included', (t) => {
  const text = `# about\nversion: '2.0'\n\nwf: ${WORKFLOW} # end\n`;
  t.deepEqual([...parseWorkflows(text).definitions], [['wf', text]]);
});

test('of several workflows each is stored as a text of its own that parses to the same spec', (t) => {
  const text = `version: '2.0'
zeta: # lost
  tasks:
    b: {action: std.echo output="<% $.x %>", on-success: a}
    a: {action: std.noop, timeout: 2.0}
  description: 'yes'
alpha: ${WORKFLOW}
`;
  const { specs, definitions } = parseWorkflows(text);
  t.deepEqual([...definitions.keys()], ['zeta', 'alpha']);
  for (const spec of specs) {
    const own = parseWorkflows(definitions.get(spec.name) ?? '');
    t.deepEqual(own.specs, [spec]);
  }
  t.is(
    definitions.get('zeta'),
    `version: '2.0'
zeta:
  tasks:
    b:
      action: std.echo output="<% $.x %>"
      on-success: a
    a:
      action: std.noop
      timeout: 2.0
  description: 'yes'
`,
  );
});

test('entries of a workbook are stored as texts of their own', (t) => {
  const { definitions } = parseWorkbook(
    `version: '2.0'\nname: b\nactions:\n  act: {base: std.noop}\nworkflows:\n  act: ${WORKFLOW}\n`,
  );
  t.is(definitions.actions.get('act'), "version: '2.0'\nact:\n  base: std.noop\n");
  t.is(parseWorkflows(definitions.workflows.get('act') ?? '').specs[0]?.name, 'act');
});

test('a refused text throws one error that holds every problem', (t) => {
  const error = t.throws(
    () => parseWorkflows("version: '2.0'\na: {tasks: {t: {timeout: x}}}\nb: {tasks: {t: {on-success: no-task}}}\n"),
    {
      instanceOf: DslError,
    },
  );
  t.is(error?.code, 'DSL_INVALID');
  t.is(error?.problems.length, 2);
  t.is(
    error?.message,
    "2:26: Invalid DSL: 'x' is not valid under any of the given schemas; 'timeout' must be a whole number >= 0, or one expression such as '<% $.x %>'\n" +
      "3:29: Task 'no-task' not found; tasks and commands are 't', 'noop', 'fail', 'succeed', 'pause'",
  );
});
