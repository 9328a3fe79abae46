import test from 'ava';
import * as fc from 'fast-check';
import { ExpressionError } from '../../dsl/errors.ts';
import { certainErrors, evaluate, hasExpression, references, validateExpression } from '../../dsl/expressions/index.ts';
import { parse } from '../../dsl/yaql/index.ts';
import { scopeWith } from './scope.ts';
import { randomRuns } from '../helpers/random-runs.ts';

/** Of this process, not of the clock: other work on the machine does not count. */
const milliseconds = (): number => process.cpuUsage().user / 1000;

const DATA = { a: { b: [1, 2.5, 'x', null, { c: true }] }, n: 3, s: 'text' };

/** Pieces that fit together often enough for deep evaluations. */
const YAQL =
  '$ . ?. a b n s len where select orderBy groupBy range let def str int ( ) [ ] { } , => -> + - * / = != < > =~ and or not in mod null true 1 0 2.5 9007199254740993 "x" \'(a+)+$\' `v` $1 $x __proto__ constructor toString task env json_dump'.split(
    ' ',
  );
const JINJA =
  '_ . a b n s | length join map select groupby default range loop ( ) [ ] { } , : = + - * / ** // % ~ == < and or not is in if else for endfor endif set true none 1 0 2.5 "x" __class__ constructor __proto__ task json_dump {% %} {{ }} {# #}'.split(
    ' ',
  );

const words = (pieces: readonly string[]): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...pieces), { maxLength: 24 }).map((list) => list.join(' '));
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  words(YAQL),
  words(JINJA),
  words([...YAQL, ...JINJA, '<%', '%>', '\n']),
);
const anyText = fc.oneof(
  text,
  text.map((inside) => `<% ${inside} %>`),
  text.map((inside) => `{{ ${inside} }}`),
  text.map((inside) => `a <% ${inside} %> {% ${inside} %}`),
);

test('Whatever the text is, an evaluation gives a value or an ExpressionError, in bounded time.', (t) => {
  fc.assert(
    fc.property(anyText, (given) => {
      const startedAt = milliseconds();
      const fault = validateExpression(given);
      if (fault === null) {
        certainErrors(given);
        references(given);
      }
      try {
        evaluate(given, scopeWith(DATA));
      } catch (error) {
        if (!(error instanceof ExpressionError)) throw error;
        const { offset, explanation } = error;
        if (offset !== null && (offset < 0 || offset > given.length))
          throw new Error(`offset ${offset}`, { cause: error });
        if (explanation !== null && typeof explanation.hint !== 'string') throw new Error('no hint', { cause: error });
      }
      return milliseconds() - startedAt < 15_000;
    }),
    { numRuns: randomRuns(400) },
  );
  t.pass();
});

const CATASTROPHIC: readonly string[] = [
  '(a+)+$',
  '(a|a)*$',
  '(a*)*b',
  '(.*a){20}$',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
  'a*a*a*a*a*a*b',
  '(a|aa)+$',
  '^(\\\\w+\\\\s?)*$',
  '(.*)*=(.*)*;',
  '(?=(a+))\\\\1*b',
];

test('Patterns known to explode end soon, with a result or an error.', (t) => {
  for (const pattern of CATASTROPHIC) {
    const startedAt = milliseconds();
    try {
      evaluate(`<% ('a' * 2000 + '!') =~ '${pattern}' %>`, scopeWith(DATA));
    } catch (error) {
      t.true(error instanceof ExpressionError, String(error));
    }
    t.true(milliseconds() - startedAt < 10_000, pattern);
  }
});

test('Steps that are each allowed but slow together end at the limit of time.', (t) => {
  const slow = parse("range(1000000).select(len(('ab' * 50000 + str($)).toUpper())).len()", { timeLimit: 50 });
  const startedAt = milliseconds();
  t.throws(() => slow.evaluate(null), { message: /more than 50 ms/ });
  t.true(milliseconds() - startedAt < 10_000);
});

test('Long and deep expressions are compiled once, not once more at each level.', (t) => {
  const chain = (operator: string, times: number) => Array.from({ length: times }, () => '1').join(operator);
  const nested = (open: string, close: string) => `${open.repeat(40)}1${close.repeat(40)}`;
  for (const text of [
    `<% ${chain(' + ', 1000)} %>`,
    `<% ${chain(' and ', 1000)} %>`,
    `<% ${chain(' = ', 1000)} %>`,
    `<% ${nested('[', ']')} %>`,
    `<% ${nested('{a => ', '}')} %>`,
    `<% ${nested('not (', ')')} %>`,
    `<% ${'$.l['.repeat(40)}0${']'.repeat(40)} %>`,
    `{{ ${chain(' + ', 200)} }}`,
    `{{ ${nested('[', ']')} }}`,
    `{{ ${nested("{'a': ", '}')} }}`,
    `{{ ${nested('not (', ')')} }}`,
  ]) {
    const startedAt = milliseconds();
    t.notThrows(() => evaluate(text, scopeWith({ l: [0] })), text.slice(0, 40));
    t.true(milliseconds() - startedAt < 5_000, text.slice(0, 40));
  }
});

test('An expression without lambdas ends at the limit of time, too.', (t) => {
  const matches = Array.from({ length: 2_000 }, (_, i) => `$.s =~ '^[ac]*b${i}$'`).join(' or ');
  const texts = Array.from({ length: 2_000 }, () => 'len($.s.toUpper())').join(' + ');
  for (const text of [matches, texts]) {
    const slow = parse(text, { timeLimit: 50, maxBuilt: Number.MAX_SAFE_INTEGER });
    const startedAt = milliseconds();
    t.regex(
      messageOf(() => slow.evaluate({ s: 'a'.repeat(200_000) })),
      /more than 50 ms/,
      text.slice(0, 40),
    );
    t.true(milliseconds() - startedAt < 10_000);
  }
});

/** Of the error alone: a report with the whole texts would take longer than the tests. */
function messageOf(work: () => unknown): string {
  try {
    work();
    return 'no error';
  } catch (error) {
    return error instanceof Error ? error.message.slice(0, 500) : String(error);
  }
}

test('Values that are each allowed but together fill the memory are an error before they do.', (t) => {
  const large = 'Xy'.repeat(500_000);
  for (const text of [
    "range(1000).select(('a' * 1000000 + str($)).toUpper())",
    'range(1000).select([1] * 1000000)',
    "range(1000).select(regex('xy').replace('x' * 1000000, 'y'))",
    'range(1000).select($x.toLower())',
    'range(1000).select(len($x.toCharArray()))',
  ]) {
    const query = parse(`let(x => $) -> ${text}`, { maxBuilt: 20_000_000 });
    t.regex(
      messageOf(() => query.evaluate(large)),
      /more than 20000000 characters in all/,
      text,
    );
  }
  t.is(
    parse('let(x => $) -> range(1000).select($x).len()', { maxBuilt: 1 }).evaluate(large),
    1000,
    'reading is not building',
  );
  for (const text of ["('a' * 1000000) ~ i", '_.s | upper', '_.s.lower()', "_.s + 'a'"]) {
    const template = `{{ 1 }}{% for i in range(1000) %}{% set x = ${text} %}{% endfor %}`;
    t.regex(
      messageOf(() => evaluate(template, scopeWith({ s: large }))),
      /more than 500000000 characters/,
      text,
    );
  }
});

test('Names of JavaScript are keys like any others.', (t) => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '__defineGetter__']) {
    for (const object of ['$', '$.a', '$.a.b', '$.s', '$.n']) {
      t.throws(() => evaluate(`<% ${object}.${name} %>`, scopeWith(DATA)), {
        instanceOf: ExpressionError,
      });
      t.throws(() => evaluate(`<% ${object}.${name}() %>`, scopeWith(DATA)), { instanceOf: ExpressionError });
    }
    t.is(evaluate(`<% $.get('${name}') %>`, scopeWith(DATA)), null);
    t.throws(() => evaluate(`<% $['${name}'] %>`, scopeWith(DATA)), { instanceOf: ExpressionError });
    for (const object of ['_', '_.a', '_.s', 'range', 'dict()']) {
      for (const read of [`${object}.${name}`, `${object}['${name}']`, `${object}|attr('${name}')`]) {
        t.throws(() => evaluate(`{{ ${read} }}`, scopeWith(DATA)), { instanceOf: ExpressionError }, read);
      }
    }
  }
  const made = evaluate("<% dict([['__proto__', dict(polluted => 1)]]) %>", scopeWith(DATA));
  t.deepEqual(Object.keys(made as object), ['__proto__']);
  t.is(({} as { polluted?: number }).polluted, undefined);
});

test('Delimiters that stand open cost time by the length of the text only.', (t) => {
  for (const unit of ['<% ', '{{ ', '{% ', '<% {{ {% ', '<%\n{{\n', '<% x\n%>', '{# ']) {
    const long = unit.repeat(100_000);
    const startedAt = milliseconds();
    for (const one of [long, `${long}%>`, `${long}\n}}`]) {
      hasExpression(one);
      validateExpression(one);
    }
    t.true(milliseconds() - startedAt < 10_000, unit);
  }
});
