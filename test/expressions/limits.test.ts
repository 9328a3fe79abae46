import test from 'ava';
import { ExpressionError } from '../../dsl/errors.ts';
import { TextCache } from '../../dsl/expressions/cache.ts';
import { evaluate, validateExpression } from '../../dsl/expressions/index.ts';
import type { Json } from '../../dsl/json.ts';
import { scopeWith } from './scope.ts';

const TOO_MUCH: readonly (readonly [what: string, text: string, message: RegExp])[] = [
  [
    'nested loops',
    "{% for i in range(90000) %}{% for j in range(90000) %}{{ '' }}{% endfor %}{% endfor %}",
    /more than 2000000 steps/,
  ],
  ['a repeated text', "{{ 'ab' * 10 ** 9 }}", /more than 16000000/],
  ['a repeated list', '{{ [1] * 10 ** 9 }}', /more than 16000000/],
  ['a width', "{{ '%1000000000d' % 1 }}", /more than 16000000/],
  ['a width in braces', "{{ '{:1000000000}'.format(1) }}", /more than 16000000/],
  ['many replacements', "{{ ('x' * 1000000).replace('', 'y' * 100) }}", /more than 16000000/],
  ['long texts joined', "{{ (['x' * 100000] * 1000)|join }}", /more than 16000000/],
  [
    'a text doubled',
    "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    /more than 16000000/,
  ],
  [
    'lists that hold each other twice',
    '{% set ns = namespace(x=[]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}',
    /members to print/,
  ],
  ['a list in itself', '{% set l = [] %}{{ l.append(l) or l }}', /recursion depth/],
  ['a macro in itself', '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}', /recursion depth/],
  ['a loop in itself', '{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}', /recursion depth/],
  ['nested brackets', `{{ ${'('.repeat(5000)}1${')'.repeat(5000)} }}`, /nest at most 200/],
  ['nested signs', `{{ ${'-'.repeat(5000)}1 }}`, /nest at most 200/],
  ['nested tags', `{{ 1 }}${'{% if 1 %}'.repeat(5000)}`, /nest at most 100/],
  ['a long sum', `{{ 1${'+1'.repeat(50_000)} }}`, /recursion depth/],
  ['a large range', '{{ range(100001)|length }}', /Range too big/],
];

for (const [what, text, message] of TOO_MUCH) {
  test(`An expression that builds ${what} beyond the limits is refused.`, (t) => {
    t.throws(() => evaluate(text, scopeWith({})), { instanceOf: ExpressionError, message });
  });
}

const LONG = 100_000;

/** A pattern that looks at such texts again and again would run into the time limit of the test run. */
const SLOW: readonly (readonly [what: string, text: string, value: Json])[] = [
  ['tags that do not close', `{{ ('<' * ${LONG})|striptags|length }}`, LONG],
  ['addresses', `{{ ('a@' * ${LONG})|urlize|length }}`, 2 * LONG],
  ['hyphens', `{{ ('a-' * ${LONG})|wordwrap(10)|replace('\\n', '')|length }}`, 2 * LONG],
  ['inner blanks', `{{ ('x' ~ ' ' * ${LONG} ~ 'y').rstrip()|length }}`, LONG + 2],
  ['blanks before a tag', `a${' '.repeat(LONG)}b{%- if 1 %}{% endif %}{{ 1 }}`, `a${' '.repeat(LONG)}b1`],
  ['line ends', `${'\r\n'.repeat(LONG)}${'{{ 1 }}'.repeat(1000)}`, '\n'.repeat(LONG) + '1'.repeat(1000)],
];

for (const [what, text, value] of SLOW) {
  test(`A text of ${what} is as quick as any.`, (t) => {
    t.is(validateExpression(text), null);
    t.is(evaluate(text, scopeWith({})), value);
  });
}

test('Delimiters inside of an expression are looked at once.', (t) => {
  t.throws(() => evaluate(`<% ${'%'.repeat(LONG)}x %>`, scopeWith({})), { instanceOf: ExpressionError });
});

test('The cache keeps what is used again, forgets by number and by characters, and never keeps a text as large as half of it.', (t) => {
  const made: string[] = [];
  const make = (text: string): string => {
    made.push(text);
    return text;
  };
  const cache = new TextCache<string>(4, 20);
  const huge = 'x'.repeat(10);
  for (const text of ['a', 'b', 'a', 'c', 'a', 'b', huge, huge, 'a']) t.is(cache.get(text, make), text);
  t.deepEqual(made, ['a', 'b', 'c', 'b', huge, huge]);
  for (const text of ['long-1', 'long-2', 'long-3', 'a']) cache.get(text, make);
  t.deepEqual(made.slice(6), ['long-1', 'long-2', 'long-3', 'a'], 'three long texts push out all others');
  t.throws(() =>
    cache.get('bad', () => {
      throw new Error('not kept');
    }),
  );
  t.is(cache.get('bad', make), 'bad');
});
