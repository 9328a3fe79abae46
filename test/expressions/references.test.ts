import test from 'ava';
import { type References, references } from '../../dsl/expressions/index.ts';

const NOTHING: References = { variables: [], tasks: [], allTasks: false, functions: [], wholeContext: false };

const TABLE: readonly (readonly [text: string, named: Partial<References>])[] = [
  ['plain', {}],
  ['<% $.a.b + $.c %>', { variables: ['a', 'c'] }],
  ["<% $['a'] + $.get(b) %>", { variables: ['a', 'b'] }],
  ['<% $.list.where($.n > 1 and $ != null) %>', { variables: ['list'], functions: ['where'] }],
  ['<% $.list.select($.x + $extra) %>', { variables: ['list'], functions: ['select'] }],
  ['<% json_dump($) %>', { variables: ['*'], wholeContext: true, functions: ['json_dump'] }],
  ['<% $.keys() %>', { variables: ['*'], wholeContext: true, functions: ['keys'] }],
  ['<% task(load).result.x %>', { tasks: ['load'], functions: ['task'] }],
  ["<% task('load') %> <% task(taskName => b) %>", { tasks: ['load', 'b'], functions: ['task'] }],
  ['<% task().result %>', { functions: ['task'] }],
  ['<% task($.name) %>', { variables: ['name'], allTasks: true, functions: ['task'] }],
  ['<% tasks().len() %>', { allTasks: true, functions: ['tasks', 'len'] }],
  ['<% [1].select(task(load)) %>', { tasks: ['load'], functions: ['select', 'task'] }],
  ['{{ _.a.b ~ _["c"] ~ _.get("d") }}', { variables: ['a', 'c', 'd'] }],
  ['{{ _ }}', { variables: ['*'], wholeContext: true }],
  ['{{ _[_.k] }}', { variables: ['*', 'k'], wholeContext: true }],
  ['{{ _.keys()|list }}', { variables: ['*'], wholeContext: true, functions: ['list'] }],
  ["{{ task('load').result }} {{ _|task('b') }}", { tasks: ['load', 'b'], functions: ['task'] }],
  ['{{ task(_.x) }}', { variables: ['x'], allTasks: true, functions: ['task'] }],
  ["{{ ['a']|map('task')|list }}", { allTasks: true, functions: ['list', 'map', 'task'] }],
  ['{% set t = task %}{{ t("x") }}', { allTasks: true, functions: ['task', 't'] }],
  ['{% for j in _.jobs if j.ok %}{{ j.n + _.k }}{% endfor %}{{ 1 }}', { variables: ['jobs', 'k'] }],
  [
    '{% macro m(a=_.d) %}{{ tasks() }}{% endmacro %}{{ m() }}',
    { variables: ['d'], allTasks: true, functions: ['tasks', 'm'] },
  ],
  ['<% 1 + %> {{ not an expression', {}],
];

for (const [text, named] of TABLE) {
  test(`${text} names what it may read.`, (t) => {
    t.deepEqual(references({ deep: [text] }), { ...NOTHING, ...named });
  });
}

test('Expressions of a whole definition add up, without repetition.', (t) => {
  const found = references({ a: '<% $.x + task(t1).result %>', b: ['{{ _.x }}', { c: "{{ task('t2') }}" }], d: 5 });
  t.deepEqual(found, { ...NOTHING, variables: ['x'], tasks: ['t1', 't2'], functions: ['task'] });
});

test('A tree too deep to walk may name anything.', (t) => {
  const found = references(`{{ 1${'+1'.repeat(50_000)} }}`);
  t.true(found.allTasks);
  t.true(found.wholeContext);
});
