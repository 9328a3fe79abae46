import test from 'ava';
import * as fc from 'fast-check';
import { PyList, Regex, YaqlError } from '../../dsl/yaql/index.ts';
import { createMatcher } from '../../dsl/yaql/regex-matcher.ts';
import { toNative } from '../../dsl/yaql/regex-native.ts';
import { parseRegex } from '../../dsl/yaql/regex-parser.ts';
import { randomRuns } from '../helpers/random-runs.ts';

/** What Python's `re.finditer` gives: the whole match and the groups. */
const searches: readonly [pattern: string, text: string, matches: readonly (readonly (string | null)[])[]][] = [
  ['a*', 'baac', [[''], ['aa'], [''], ['']]],
  ['|a', 'a', [[''], ['a'], ['']]],
  [
    '(?:(a)|b)*',
    'ab',
    [
      ['ab', 'a'],
      ['', null],
    ],
  ],
  [
    '(a)?(?(1)b|c)',
    'ab c',
    [
      ['ab', 'a'],
      ['c', null],
    ],
  ],
  ['(?>a+)a', 'aaa', []],
  ['a++b', 'aab', [['aab']]],
  ['(?<=a|b)c', 'acbcc', [['c'], ['c']]],
  [
    '(?P<q>["\']).*?(?P=q)',
    `'a"b' "c"`,
    [
      [`'a"b'`, "'"],
      ['"c"', '"'],
    ],
  ],
  ['\\bfoo\\b', 'foo, éfoo foo', [['foo'], ['foo']]],
  ['a{,2}', 'aaa', [['aa'], ['a'], ['']]],
  ['a{2', 'aa{2', [['a{2']]],
  ['(?x) a b # text', 'ab', [['ab']]],
  ['(?i)É', 'é', [['é']]],
  ['.', '😀\n', [['😀']]],
  ['a$', 'a\n', [['a']]],
  ['(?m)^b$', 'a\nb\nc', [['b']]],
  ['[]a]+', 'a]b', [['a]']]],
  ['\\d+', '١٢ 3', [['١٢'], ['3']]],
];

for (const [pattern, text, matches] of searches) {
  test(`finds /${pattern}/ in ${JSON.stringify(text)} as Python does`, (t) => {
    const found = [...new Regex(pattern).matches(text)].map((match) => match.groups.map((group) => group.value));
    t.deepEqual(found, matches as (string | null)[][]);
  });
}

const errors = [
  '(',
  ')',
  '[',
  '*',
  'a**',
  '^*',
  '\\q',
  '\\8',
  '(?<=a*)b',
  '[z-a]',
  '[\\d-z]',
  'a(?i)b',
  '(?P<1>a)',
  '(?P<a>b)(?P<a>c)',
  '(?P=x)',
  '(?(2)a|b)(x)',
  'x{2,1}',
  '(?z)',
  '\\x4',
  '(?<n>a)',
];

for (const pattern of errors) {
  test(`refuses /${pattern}/`, (t) => {
    t.is(t.throws(() => new Regex(pattern), { instanceOf: YaqlError })?.className, 'error');
  });
}

test('positions count code points', (t) => {
  const match = new Regex('b(c)').search('😀abc');
  t.deepEqual(
    match?.groups.map(({ start, end }) => [start, end]),
    [
      [2, 4],
      [3, 4],
    ],
  );
});

test('split keeps groups, and splits on empty matches', (t) => {
  t.deepEqual(new Regex('(,)').split('a,b,c', 1), PyList.wrap(['a', ',', 'b,c']) as PyList);
  t.deepEqual(new Regex('').split('ab'), PyList.wrap(['', 'a', 'b', '']) as PyList);
});

test('replacement text knows groups by number and name, and refuses those that are not there', (t) => {
  const regex = new Regex('(?P<w>\\w)(\\d)?');
  t.is(regex.replace('a1b', regex.template('<\\2\\g<w>\\g<0>$1&>')), '<1aa1$1&><bb$1&>');
  t.is(t.throws(() => regex.template('\\3'), { instanceOf: YaqlError })?.className, 'error');
  t.is(t.throws(() => regex.template('\\g<x>'), { instanceOf: YaqlError })?.className, 'IndexError');
});

/** Patterns that would keep a backtracking engine busy for ages. */
const hostile: readonly [pattern: string, text: string][] = [
  ['(a+)+$', `${'a'.repeat(60)}b`],
  ['(a|aa)*$', `${'a'.repeat(80)}b`],
  ['(?:a?){40}a{40}', 'a'.repeat(39)],
  ['(?:a|b|ab)*c', 'ab'.repeat(60)],
  ['^(\\w+\\s?)*$', `${'word '.repeat(40)}!`],
  ['.*.*.*.*x', 'y'.repeat(5000)],
  [`${'(?:a|a)'.repeat(40)}b`, 'a'.repeat(60)],
];

for (const [pattern, text] of hostile) {
  test(`is stopped, or done, in bounded time with /${pattern.slice(0, 30)}/`, (t) => {
    const started = process.cpuUsage().user;
    try {
      t.false(new Regex(pattern).test(text));
    } catch (error) {
      t.is((error as YaqlError).className, 'LimitExceededException');
    }
    t.true(process.cpuUsage().user - started < 20_000_000);
  });
}

test("JavaScript's engine and the bounded matcher find the same", (t) => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '[ab]',
    '[^a]',
    '\\w',
    '\\d',
    '\\s',
    '\\b',
    '^',
    '$',
    '(a)',
    '(?:ab)',
    '(?=b)',
    '(?!a)',
    'é',
    '😀',
  );
  const piece = fc
    .tuple(atom, fc.constantFrom('', '', '', '?', '*', '+', '{2}', '*?', '??'))
    .map((parts) => parts.join(''));
  const pattern = fc.array(piece, { maxLength: 4 }).map((parts) => parts.join(''));
  const choice = fc.array(pattern, { minLength: 1, maxLength: 2 }).map((parts) => parts.join('|'));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '1', '\n', 'é', '😀'), maxLength: 8 });
  let compared = 0;
  fc.assert(
    fc.property(choice, text, fc.boolean(), (source, subject, ignoreCase) => {
      let tree: ReturnType<typeof parseRegex>;
      try {
        tree = parseRegex(source, { ignoreCase });
      } catch {
        return;
      }
      const native = toNative(tree)?.regex;
      if (!native) return;
      compared += 1;
      native.lastIndex = 0;
      const points = Array.from(subject);
      const slots = createMatcher(tree)(Uint32Array.from(points, (char) => char.codePointAt(0) ?? 0))(0, false);
      const slow =
        slots &&
        Array.from({ length: slots.length / 2 }, (_, i) => {
          const [start = -1, end = -1] = [slots[i * 2], slots[i * 2 + 1]];
          return end < 0 ? null : points.slice(start, end).join('');
        });
      const quick = native.exec(subject);
      t.deepEqual(
        slow,
        quick && Array.from(quick, (group) => group ?? null),
        `/${source}/ in ${JSON.stringify(subject)}`,
      );
    }),
    { numRuns: randomRuns(500) },
  );
  t.true(compared > randomRuns(80));
});
