import test from 'ava';
import { ExpressionError } from '../../dsl/errors.ts';
import { describeError } from '../../dsl/expressions/describe.ts';
import { certainErrors, evaluate, validateExpression } from '../../dsl/expressions/index.ts';
import { scopeWith } from './scope.ts';

const DATA = { n: 1, name: 'x', rows: [1, 2] };

/** `at` is the text from the fault on; the message is the reference's and not repeated here. */
const FAILURES: readonly (readonly [text: string, at: string, hint: string | null, signature?: string])[] = [
  ['<% lenn($.rows) %>', 'lenn', "did you mean 'len'?", 'len(sequence: sequence)'],
  ['n: <% $.n %> <% 1 + $.rows.length() %>', 'length', "did you mean 'len'?", '<sequence: sequence>.len()'],
  ['<% $.rows.range() %>', 'range', "'range' is a function: write range(…)", 'range(stop: int)'],
  ['<% first($.rows) %>', 'first', "'first' is a method: write value.first(…)"],
  ['<% json_prse("1") %>', 'json_prse', "did you mean 'json_parse'?", 'json_parse(data: any)'],
  ['<% xyzzy() %>', 'xyzzy', 'there is no function of this or a similar name'],
  [
    '<% range($.name) %>',
    'range',
    "argument 'stop' is a string, expected int",
    'range(start: int, stop: int, step: int = 1)',
  ],
  [
    '<% $.n.limit(1) %>',
    'limit',
    'what stands before the dot is an integer, expected iterable',
    '<collection: iterable>.limit(count: int)',
  ],
  ['<% $.rows.limit() %>', 'limit', "argument 'count' is missing"],
  ['<% max(1, 2, 3) %>', 'max', 'takes 2 arguments, but 3 are given', 'max(a: any, b: any)'],
  ['<% $.rows.limit(cuont => 1) %>', 'limit', "did you mean 'count'?; argument 'count' is missing"],
  ['<% 1 + $.name %>', '+', 'given: integer, string', 'number + number'],
  ['<% $.rows[a] %>', '[a]', 'given: list, string', 'sequence[int]'],
  ['<% $.nam %>', 'nam', "did you mean 'name'?; a key that may be missing is read by .get(nam)"],
  ['<% $.rows.select(1 / ($ - 1)) %>', '/', null],
  ['<% let(1) -> $1 / 0 %>', '/ 0', null],
  ["é𝒳 <% '𝒳' + $.nam %>", 'nam', "did you mean 'name'?; a key that may be missing is read by .get(nam)"],
  ['{{ _.rows|lenght }}', 'lenght', "did you mean 'length'?", 'value|length'],
  ['{{ _.n is eveen }}', 'is', "did you mean 'even'?", 'value is even'],
  ['{{ tsk("a") }}', 'tsk', "did you mean 'task'?"],
  ['a {{ n }}', 'n }}', 'variables of the workflow are read as _.n'],
  ['{{ join(_.rows) }}', 'join', "'join' is a filter: write value|join"],
  ['{{ _.nam }}', '.nam', "did you mean 'name'?; a key that may be missing is read by .get('nam')"],
  ['{{ _.n|round(1, 2, 3) }}', 'round', '', "round(precision=0, method='common')"],
];

for (const [text, at, hint, signature] of FAILURES) {
  test(`The failure of ${text} tells where it was and what would be right.`, (t) => {
    const error = t.throws(() => evaluate(text, scopeWith(DATA)), { instanceOf: ExpressionError });
    t.is(text.slice(error.offset ?? text.length, (error.offset ?? 0) + at.length), at);
    t.is(error.explanation?.hint ?? null, hint);
    if (signature !== undefined) t.true(error.explanation?.signatures.includes(signature), signature);
  });
}

test('A failure is shown with its line, a mark and the signatures; long lines are cut.', (t) => {
  const text = `first\n${'x'.repeat(100)} <% lenn($) + 1 %> ${'y'.repeat(100)}`;
  const error = t.throws(() => evaluate(text, scopeWith(DATA)), { instanceOf: ExpressionError });
  t.is(
    describeError(error, text),
    [
      'NoFunctionRegisteredException: Unknown function "lenn"',
      `  …${'x'.repeat(56)} <% lenn($) + 1 %> ${'y'.repeat(25)}…`,
      `  ${' '.repeat(61)}^`,
      "did you mean 'len'?",
      '  len(string: string)',
      '  len(sequence: sequence)',
      '  len(dict: dict)',
      '  len(set: set)',
      '  …',
    ].join('\n'),
  );
});

test('What fails whatever the data is found without evaluating it.', (t) => {
  const found = (text: string): readonly (string | undefined)[] => {
    t.is(validateExpression(text), null);
    return certainErrors(text).map(({ offset, explanation }) => `${text.slice(offset ?? 0)}: ${explanation?.hint}`);
  };
  t.deepEqual(found('a <% switch($.x => lenn($)) + max(1) %> b <% foo.bar(1).trimm() %>'), [
    "lenn($)) + max(1) %> b <% foo.bar(1).trimm() %>: did you mean 'len'?",
    "max(1) %> b <% foo.bar(1).trimm() %>: argument 'b' is missing",
    'bar(1).trimm() %>: there is no method of this or a similar name',
    "trimm() %>: did you mean 'trim'?",
  ]);
  t.deepEqual(found("<% range('a') %>"), ["range('a') %>: argument 'stop' is a string, expected int"]);
  t.deepEqual(found('<% def(lenn, 1) -> lenn() %>'), []);
  t.deepEqual(found('<% task(a).result.where($.x > env().get(y)).select(str($)) %>'), []);
  t.deepEqual(
    found('{% macro f(x) %}{{ x() }}{% endmacro %}{{ f(_.a)|lenght }} {{ g() }} {% if _.a is od %}{% endif %}'),
    [
      "lenght }} {{ g() }} {% if _.a is od %}{% endif %}: did you mean 'length'?",
      'g() }} {% if _.a is od %}{% endif %}: undefined',
      'is od %}{% endif %}: there is no test of this or a similar name',
    ],
  );
});
