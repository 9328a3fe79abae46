import test from 'ava';
import { ExpressionError } from '../../dsl/errors.ts';
import { type ExecutionsFilter, LookupNeeded, type TasksFilter } from '../../dsl/expressions/host.ts';
import {
  configureExpressions,
  containsExpression,
  evaluate,
  evaluateRecursively,
  evaluateRecursivelyUnlessEmpty,
  hasExpression,
  isExpression,
  isTruthy,
  validateExpression,
} from '../../dsl/expressions/index.ts';
import type { Json } from '../../dsl/json.ts';
import { MappingView } from '../../dsl/yaql/mapping-view.ts';
import { Float } from '../../dsl/yaql/numbers.ts';
import { scopeWith } from './scope.ts';

const DATA = { n: 3, f: 1.5, name: 'etl', list: [1, 'two', null], map: { items: 5, k: 'v' }, big: 2n ** 70n };
const scope = scopeWith(DATA);

const VALUES: readonly (readonly [text: string, value: Json])[] = [
  ['plain', 'plain'],
  ['<% $.n %>', 3],
  ['<% $.n %> ', '3 '],
  ['{{ _.n }}', 3],
  ['{{ _.n }} ', '3 '],
  ['<% $.big %>', 2n ** 70n],
  ['{{ _.big + 1 }}', 2n ** 70n + 1n],
  ['<% 2 * 1.0 %>', new Float(2)],
  ['{{ 6 / 2 }}', new Float(3)],
  ['<% [$.n, {a => $.f}] %>', [3, { a: 1.5 }]],
  ['{{ (1, [2]) }}', [1, [2]]],
  ["{{ {'a': 1, 2: (3,)} }}", { a: 1, 2: [3] }],
  ['{{ [1, 2]|map("string") }}', ['1', '2']],
  ["{{ '<'|e }}", '&lt;'],
  [
    '{{ _.map.items() | list }}',
    [
      ['items', 5],
      ['k', 'v'],
    ],
  ],
  ['{{ _.map.items }}', 5],
  ['{{ _.map.get("zz", 1) }}', 1],
  ["{{ _.map['items'] }}", 5],
  ['<% set(1, 2) %>', [1, 2]],
  ['<% $.map.keys() %>', ['items', 'k']],
  ['<% {1 => a, null => b, true => c} %>', { 1: 'c', null: 'b' }],
  ['<% datetime(2024, 3, 9) %>', '2024-03-09T00:00:00.000000'],
  ["{{ yaml_parse('{1: a, t: 2024-03-09 10:00:00}') }}", { 1: 'a', t: '2024-03-09T10:00:00.000000' }],
  ["{{ yaml_parse('2024-03-09 10:00:00').strftime('%d.%m.%y %H') }}", '09.03.24 10'],
  ["{{ yaml_parse('t: |\\n  a\\n  b') }}", { t: 'a\nb' }],
  ["{{ json_parse('[1.0, 1, 1e400]') }}", [new Float(1), 1, Number.POSITIVE_INFINITY]],
  ['{{ json_dump([1.0, none, "é"]) }}', '[\n    1.0,\n    null,\n    "\\u00e9"\n]'],
  ['a <% $.list %> b <% $.n %>', "a [1, 'two', None] b 3"],
  ['a {{ _.list }} b {{ _.f }}', "a [1, 'two', None] b 1.5"],
  ['<% $.n %> <% $.n + 1 %> <% $.n %>', '3 4 3'],
];

for (const [text, value] of VALUES) {
  test(`${JSON.stringify(text)} gives its value.`, (t) => {
    t.deepEqual(evaluate(text, scope), value);
  });
}

const ERRORS: readonly (readonly [text: string, errorClass: string, message: string])[] = [
  ['<% $.nope %>', 'KeyError', "Can not evaluate YAQL expression [expression=$.nope, error='nope']"],
  [
    'a {{ _.nope }}',
    'UndefinedError',
    "Can not evaluate Jinja expression [expression=a {{ _.nope }}, error='dict object' has no attribute 'nope']",
  ],
  [
    '{% if 1 %}{% endif %}',
    'IndexError',
    'Can not evaluate Jinja expression [expression={% if 1 %}{% endif %}, error=list index out of range]',
  ],
  [
    '{{ 1 if false }}',
    'UndefinedError',
    'Can not evaluate Jinja expression [expression={{ 1 if false }}, error=the inline if-expression on line 1 evaluated to false and no else section was defined.]',
  ],
  [
    '{{ range }}',
    'TypeError',
    'Can not evaluate Jinja expression [expression={{ range }}, error=Object of type builtin_function_or_method is not JSON serializable]',
  ],
];

for (const [text, errorClass, message] of ERRORS) {
  test(`${JSON.stringify(text)} fails with ${errorClass}.`, (t) => {
    const error = t.throws(() => evaluate(text, scope), { instanceOf: ExpressionError });
    t.is(error?.message, message);
    t.is(error?.errorClass, errorClass);
    t.is(error?.kind, 'evaluation');
  });
}

test('A result that cannot be stored is an error.', (t) => {
  t.throws(() => evaluate('<% timespan(hours => 2) %>', scope), { instanceOf: ExpressionError });
  t.is(evaluate('x<% timespan(hours => 2) %>', scope), 'x2:00:00');
});

test('Every text in a value is evaluated, keys never, and what holds no expression is shared.', (t) => {
  const plain = { a: ['b', { c: null }], d: 1.5 };
  const value = { x: '<% $.n %>', '{{ _.n }}': ['{{ _.name }}', plain], plain };
  const result = evaluateRecursively(value, scope);
  t.deepEqual(result, { x: 3, '{{ _.n }}': ['etl', plain], plain });
  t.is((result as { plain: unknown }).plain, plain);
  t.is(evaluateRecursively(plain, scope), plain);
});

test('Empty data switch evaluation off only where the rule of the reference is asked for.', (t) => {
  t.is(evaluateRecursively('<% 1 + 1 %>', scopeWith(null)), 2);
  t.is(evaluateRecursively('{{ _ }}', scopeWith(0)), 0);
  t.is(evaluateRecursivelyUnlessEmpty('<% 1 + 1 %>', scopeWith({})), '<% 1 + 1 %>');
  t.is(evaluateRecursivelyUnlessEmpty('<% 1 + 1 %>', scopeWith({ a: 1 })), 2);
});

class Layers extends MappingView {
  readonly asked: string[] = [];

  get(key: string): unknown {
    this.asked.push(key);
    return { a: 1, b: { c: [2] } }[key];
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  keys(): Iterable<string> {
    return ['a', 'b'];
  }
}

for (const text of ['<% $.b.c[0] %>', '{{ _.b.c[0] }}']) {
  test(`${text} over a view looks at nothing but what it names.`, (t) => {
    const view = new Layers();
    t.is(evaluate(text, scopeWith(view)), 2);
    t.deepEqual([...new Set(view.asked)], ['b']);
  });
}

test('A view as a result becomes data.', (t) => {
  for (const text of ['<% $ %>', '{{ _ }}']) {
    t.deepEqual(evaluate(text, scopeWith(new Layers())), { a: 1, b: { c: [2] } });
  }
});

test('Data are never changed by a template, while its own lists and dicts can be.', (t) => {
  const data = { list: [1], map: { a: 1 } };
  for (const call of ['list.append(2)', 'map.update(b=2)', 'map.pop("a")', 'list.sort()', 'list.clear()']) {
    t.throws(() => evaluate(`{{ _.${call} }}`, scopeWith(data)), { message: /cannot be changed/ });
  }
  t.deepEqual(data, { list: [1], map: { a: 1 } });
  const own = '{% set l = _.list|list %}{{ l.append(2) or l }}{% set d = dict(_.map) %}{{ d.update(b=2) or d }}';
  t.is(evaluate(own, scopeWith(data)), "[1, 2]{'a': 1, 'b': 2}");
  const parsed = "{% set d = yaml_parse('{b: [1], a: {}}') %}{{ d['b'].append(5) or d['a'].update(x=1) or d }}";
  t.is(evaluate(parsed, scopeWith(data)), "{'b': [1, 5], 'a': {'x': 1}}");
});

test('The functions of Mistral ask the host, with names and defaults as each language writes them.', (t) => {
  const calls: unknown[] = [];
  const asked = (name: string) => (given?: string | null | ExecutionsFilter | TasksFilter) => {
    calls.push([name, given]);
    return [];
  };
  const host = {
    env: () => ({ url: 'u' }),
    execution: () => ({ id: 'x' }),
    task: (name: string | null) => ({ name: name ?? 'current', result: { ok: true } }),
    executions: asked('executions'),
    tasks: asked('tasks'),
    global: (name: string) => `global ${name}`,
  };
  const table: readonly (readonly [string, Json])[] = [
    ['<% env().url %>', 'u'],
    ['{{ env().url }}{{ (_|env).url }}', 'uu'],
    ['<% execution().id %>', 'x'],
    ['<% task().name %>', 'current'],
    ['<% task(load).result.ok %>', true],
    ['<% task(taskName => load).name %>', 'load'],
    ["{{ task('load').name ~ (_|task('x')).name ~ task(task_name='y').name }}", 'loadxy'],
    ['<% global(v) %>', 'global v'],
    ["{{ global('v') }}", 'global v'],
    ['<% executions(state => ERROR, rootExecutionId => r) %>', []],
    ["{{ tasks('w', true, flat=true) }}", []],
  ];
  for (const [text, value] of table) t.deepEqual(evaluate(text, scopeWith({}, host)), value, text);
  t.deepEqual(calls, [
    ['executions', { id: null, rootExecutionId: 'r', state: 'ERROR', fromTime: null, toTime: null }],
    ['tasks', { workflowExecutionId: 'w', recursive: true, state: null, flat: true }],
  ]);
});

test('What a host throws to ask for rows leaves evaluation unchanged, from the middle of filters and loops too.', (t) => {
  const needed = new LookupNeeded('rows');
  const host = {
    task: () => {
      throw needed;
    },
  };
  const texts = [
    '<% task(a) %>',
    'x <% [1].select(task(a)) %>',
    "{{ task('a') }}",
    "{% for i in [1] %}{{ task('a') }}{% endfor %}",
    "{% macro m() %}{{ task('a') }}{% endmacro %}{{ m()|default('d') }}",
  ];
  for (const text of texts)
    t.is(
      t.throws(() => evaluate(text, scopeWith({}, host))),
      needed,
      text,
    );
});

test('A language that is switched off is refused at an upload and at run time.', (t) => {
  const message = "The 'jinja' expression language is disabled by the operator.";
  t.throws(() => evaluate('{{ 1 }}', { ...scope, allowedLanguages: ['yaql'] }), { message });
  t.is(evaluate('<% 1 %>', { ...scope, allowedLanguages: ['yaql'] }), 1);
  t.is(validateExpression('{{ 1 }}', ['yaql'])?.message, message);
  t.is(validateExpression('<% 1 %>', ['jinja'])?.errorClass, 'ExpressionGrammarException');
});

const FAULTS: readonly (readonly [text: string, marked: string | null])[] = [
  ['plain', null],
  ['<% $.a %> {{', null],
  ['x <% bad ↓bad %> y', 'YaqlGrammarException'],
  ['<% $.a %> é😀 <% 1 ↓# 2 %>', 'YaqlGrammarException'],
  ['<% 1 +↓%>', 'YaqlGrammarException'],
  ['{{ a ↓b }}', 'JinjaGrammarException'],
  ['😀{{ 1 }}{% ↓nosuch %}', 'JinjaGrammarException'],
  ['a\r\nb{{ 1 }}{{ ↓@ }}', 'JinjaGrammarException'],
  ['{{ a|nosuchfilter is nosuchtest }}', null],
  ['{{ 1 }} ↓<% 1 + %>', 'ExpressionGrammarException'],
];

for (const [marked, errorClass] of FAULTS) {
  test(`An upload checks ${JSON.stringify(marked)} and names the place of a fault.`, (t) => {
    const error = validateExpression(marked.replace('↓', ''));
    t.is(error?.errorClass ?? null, errorClass);
    if (errorClass !== null) t.is(error?.offset, marked.indexOf('↓'));
  });
}

test('Expressions are found on one line only, alone or in text.', (t) => {
  const table: readonly (readonly [text: string, found: boolean, alone: boolean])[] = [
    ['<% 1 %>', true, true],
    ['<% 1 %> \n', true, true],
    [' <% 1 %>', true, false],
    ['{{ 1 }}', true, true],
    ['{{ 1 }} x', true, false],
    ['{% if 1 %}', true, false],
    ['{# 1 #}', false, false],
    ['<% 1\n%>', false, false],
    ['{{ 1\n}}', false, false],
    ['<% 1 %> <% 2 %>', true, true],
    ['<% 1\u2028 %>', true, true],
  ];
  for (const [text, found, alone] of table) {
    t.is(hasExpression(text), found, text);
    t.is(isExpression(text), alone, text);
  }
  t.true(containsExpression({ a: [1, { b: 'x {{ 1 }}' }] }));
  t.false(containsExpression({ '<% 1 %>': ['x', null, 5] }));
});

test('Truth is that of Python.', (t) => {
  for (const value of [null, false, 0, 0n, new Float(0), '', [], {}]) t.false(isTruthy(value));
  for (const value of [true, 1, -1.5, Number.NaN, 'false', [null], { a: null }]) t.true(isTruthy(value));
});

test('languages and limits of expressions are set for the process, and a scope may say otherwise', (t) => {
  const scope = scopeWith({ a: [1, 2, 3] });
  t.deepEqual(evaluate('<% $.a.select($ + 1) %>', scope), [2, 3, 4]);
  // Nothing is awaited before they are as they were: other tests share the process.
  configureExpressions({ allowedLanguages: ['yaql'], yaql: { limitIterators: 2 } });
  try {
    t.regex(
      thrownBy(() => evaluate('<% $.a.select($ + 1) %>', scope)),
      /Collection length exceeds 2 elements/,
    );
    t.regex(
      thrownBy(() => evaluate('{{ _.a }}', scope)),
      /jinja/i,
    );
    t.regex(validateExpression('{{ _.a }}')?.message ?? '', /jinja/i);
    t.deepEqual(evaluate('{{ _.a }}', { ...scope, allowedLanguages: ['jinja'] }), [1, 2, 3]);
  } finally {
    configureExpressions({});
  }
  t.deepEqual(evaluate('<% $.a.select($ + 1) %>', scope), [2, 3, 4]);
});

function thrownBy(work: () => unknown): string {
  try {
    return `no error, but ${JSON.stringify(work())}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
