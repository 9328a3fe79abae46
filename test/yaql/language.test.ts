import test from 'ava';
import * as fc from 'fast-check';
import { YaqlError, YaqlSyntaxError, parse, references, type Argument, type Ast } from '../../dsl/yaql/index.ts';
import { randomRuns } from '../helpers/random-runs.ts';

const trees: readonly [text: string, tree: string, because: string][] = [
  ['1 + 2 * 3', '(1 + (2 * 3))', 'multiplication binds tighter'],
  ['1 - 2 - 3', '((1 - 2) - 3)', 'subtraction associates to the left'],
  ['-1.abs()', '(-(1 . abs()))', 'a sign is looser than a dot'],
  ['-[3, 4][1]', '(-([3, 4][1]))', 'a sign is looser than an index'],
  ['$.a[0].b', '((($1 . a)[0]) . b)', 'an index applies to the whole path before it'],
  ['not a = b', '(not (a = b))', 'not is looser than comparison'],
  ['not a and b', '((not a) and b)', 'not is tighter than and'],
  ['a or b and c', '(a or (b and c))', 'and is tighter than or'],
  ['1 in [1] + [2]', '(1 in ([1] + [2]))', 'in is looser than +'],
  ['"a" + "b" =~ "ab"', '("a" + ("b" =~ "ab"))', 'matching is tighter than +'],
  ['a -> b -> c', '(a -> (b -> c))', 'the arrow associates to the right'],
  ['let(x => 1) -> $x + 1', '(let(x => 1) -> ($x + 1))', 'the arrow takes the whole sum'],
  ['2 * -3', '(2 * (-3))', 'a sign may stand as a right operand'],
  ['1 + not 2 = 3', '(1 + (not (2 = 3)))', 'a prefix extends as far as its own power allows'],
  ['f(1,,2)', 'f(1, _, 2)', 'a slot may be empty'],
  ['f(1,,a => 2)', 'f(1, _, a => 2)', 'one slot may be empty before the named part'],
  ['{a => 1, 2 => b}', '{a => 1, 2 => b}', 'any value may be a key'],
];

for (const [text, tree, because] of trees) {
  test(`reads ${text} as ${tree}: ${because}`, (t) => {
    t.is(show(parse(text).tree), tree);
  });
}

const errors: readonly [text: string, className: string, position: number | null][] = [
  ['', 'YaqlGrammarException', null],
  ['(1', 'YaqlGrammarException', null],
  ['1 # x', 'YaqlLexicalException', 2],
  ['<% 1 %>', 'YaqlGrammarException', 0],
  ['abs (1)', 'YaqlGrammarException', 4],
  ['f(1,)', 'YaqlGrammarException', 4],
  ['f(,a => 1)', 'YaqlGrammarException', 5],
  ['f(1,,,a => 1)', 'YaqlGrammarException', 8],
  ['f(a => 1, 2)', 'YaqlGrammarException', 11],
  ['$f(1)', 'YaqlGrammarException', 2],
  ['1e5', 'YaqlLexicalException', 0],
  ['__a', 'YaqlLexicalException', 0],
  ["'😀' ~", 'YaqlLexicalException', 4],
  ["'😀' 'b'", 'YaqlGrammarException', 4],
  ['"\\xzz"', 'UnicodeDecodeError', 0],
  ['"\\N{NO SUCH NAME}"', 'UnicodeDecodeError', 0],
];

for (const [text, className, position] of errors) {
  test(`refuses ${JSON.stringify(text)} with ${className} at ${position}`, (t) => {
    const error = t.throws(() => parse(text), { instanceOf: YaqlSyntaxError });
    t.is(error?.className, className);
    t.is(error?.position, position);
  });
}

test('nesting that would exhaust the stack is a RecursionError', (t) => {
  for (const text of [`${'('.repeat(100_000)}1`, `${'['.repeat(5000)}${']'.repeat(5000)}`, '-'.repeat(100_000)]) {
    t.is(t.throws(() => parse(text), { instanceOf: YaqlError })?.className, 'RecursionError');
  }
});

test('a chain of twenty thousand operators is evaluated or refused, but does not crash', (t) => {
  try {
    t.is(parse(Array.from({ length: 20_000 }, () => '1').join(' + ')).evaluate(null), 20_000);
  } catch (error) {
    t.is((error as YaqlError).className, 'RecursionError');
  }
});

test('a number with a hundred thousand digits is refused without delay', (t) => {
  t.throws(() => parse(`${'1'.repeat(100_000)}x`), { instanceOf: YaqlSyntaxError });
  t.is(t.throws(() => parse('1'.repeat(100_000)), { instanceOf: YaqlError })?.className, 'ValueError');
});

test('no text makes the parser fail with anything but a YaqlError', (t) => {
  const token = fc.constantFrom(
    '1',
    '2.5',
    '$',
    '$x',
    'a',
    'f(',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    ',',
    '=>',
    '.',
    '?.',
    '->',
    '+',
    '-',
    'not',
    'in',
    '"',
    "'",
    '\\',
    '😀',
    ' ',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(token, { maxLength: 30 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, (source) => {
      try {
        parse(source);
      } catch (error) {
        if (!(error instanceof YaqlError)) throw error;
      }
    }),
    { numRuns: randomRuns(500) },
  );
  t.pass();
});

test('a tree that is printed with all its brackets is read back as the same tree', (t) => {
  fc.assert(
    fc.property(treeArbitrary(), (text) => {
      t.is(show(parse(text).tree), text);
    }),
    { numRuns: randomRuns(200) },
  );
});

test('references name the paths read from variables and the functions with their constant arguments', (t) => {
  const found = references(
    parse('$.a.b[c].get(d) + $x.y.z[$.i] + task(t1, $q, last => 5).result + $.l.where($.m)').tree,
  );
  t.deepEqual(
    found.paths.map(({ variable, path, rebound }) => [rebound ? 'maybe' : 'data', variable, ...path].join(' ')),
    ['data $1 a b c d', 'data $x y z', 'data $1 i', 'maybe $q', 'data $1 l', 'maybe $1 m'],
  );
  t.deepEqual(
    found.calls.map(({ name, method, args, named }) => ({ name, method, args, named })),
    [
      { name: 'task', method: false, args: ['t1', undefined], named: { last: 5 } },
      { name: 'where', method: true, args: [undefined], named: {} },
    ],
  );
});

/** Text in which every operator has its brackets. The outer `group` nodes they make are not shown. */
function show(node: Ast): string {
  switch (node.kind) {
    case 'constant':
      return typeof node.value === 'string' ? JSON.stringify(node.value) : String(node.value);
    case 'keyword':
      return node.value;
    case 'variable':
      return node.name;
    case 'group':
      return show(node.inner);
    case 'list':
      return `[${showArguments(node.args)}]`;
    case 'map':
      return `{${showArguments(node.args)}}`;
    case 'call':
      return `${node.name}(${showArguments(node.args)})`;
    case 'index':
      return `(${show(node.target)}[${showArguments(node.args)}])`;
    case 'unary':
      // `not(` would be a call.
      return `(${node.operator}${node.operator === 'not' ? ' ' : ''}${show(node.operand)})`;
    case 'binary':
      return `(${show(node.left)} ${node.operator} ${show(node.right)})`;
  }
}

function showArguments(args: readonly Argument[]): string {
  return args
    .map((arg) => {
      if (arg.kind === 'empty') return '_';
      return arg.kind === 'mapping' ? `${show(arg.key)} => ${show(arg.value)}` : show(arg);
    })
    .join(', ');
}

function treeArbitrary(): fc.Arbitrary<string> {
  const leaf = fc.constantFrom('1', '25', '"s"', 'word', '$1', '$x', 'true', 'null');
  const binary = fc.constantFrom(
    '+',
    '-',
    '*',
    '/',
    'mod',
    'and',
    'or',
    '=',
    '!=',
    '<',
    '>=',
    'in',
    '=~',
    '->',
    '.',
    '?.',
  );
  return fc.letrec<{ tree: string; args: string }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.tuple(tie('tree'), binary, tie('tree')).map(([left, operator, right]) => `(${left} ${operator} ${right})`),
      fc.tuple(fc.constantFrom('not ', '-', '+'), tie('tree')).map(([operator, operand]) => `(${operator}${operand})`),
      tie('args').map((args) => `[${args}]`),
      tie('args').map((args) => `f(${args})`),
      fc.tuple(leaf, tie('args')).map(([target, args]) => `(${target}[${args}])`),
    ),
    args: fc
      .tuple(fc.array(tie('tree'), { maxLength: 3 }), fc.array(tie('tree'), { maxLength: 2 }))
      .map(([positional, named]) => [...positional, ...named.map((value) => `k => ${value}`)].join(', ')),
  })).tree;
}
