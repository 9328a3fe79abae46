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
