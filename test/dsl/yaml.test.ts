import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import * as fc from 'fast-check';
import { parseEvents } from 'js-yaml';
import { type Json, type JsonObject, jsonEquals, stringifyJson } from '../../dsl/json.ts';
import { type Place, Problems } from '../../dsl/problems.ts';
import { MAX_DOCUMENT_BYTES, readYaml, writeYaml } from '../../dsl/yaml.ts';
import { readPlainEvents } from '../../dsl/yaml-plain.ts';
import { Float } from '../../dsl/yaql/numbers.ts';
import { brief } from './texts.ts';
import { randomRuns } from '../helpers/random-runs.ts';

function read(text: string): { value: Json | undefined; said: string[]; hints: (string | null)[] } {
  const problems = new Problems();
  const { value, locate } = readYaml(text, problems);
  const sorted = problems.sorted(locate);
  return { value, said: brief(sorted), hints: sorted.map((problem) => problem.hint) };
}

function position(text: string, place: Place): string {
  const { line, column } = readYaml(text, new Problems()).locate(place);
  return `${line}:${column}`;
}

test('scalars are read as YAML 1.1, and dates stay text', (t) => {
  const text = [
    'yes: [yes, No, ON, off, true, y, n]'.replace('yes:', 'switches:'),
    'numbers: [012, 0x1F, 1_000, 1:30, 2.0, 1.5, -7, 9007199254740993]',
    'texts: [0o14, 1e3, 2001-01-01, "12", null_]',
    'nothing: [~, null, ]',
  ].join('\n');
  const { value, said } = read(text);
  t.deepEqual(said, []);
  t.deepEqual(value, {
    switches: [true, false, true, false, true, 'y', 'n'],
    numbers: [10, 31, 1000, 90, new Float(2), 1.5, -7, 9007199254740993n],
    texts: ['0o14', '1e3', '2001-01-01', '12', 'null_'],
    nothing: [null, null],
  });
});

test('what the reader of plain texts takes, it reads as the general parser does; the rest it leaves alone', (t) => {
  const value = fc.constantFrom(...PLAIN_VALUES).map((text) => text.split('\n'));
  const { block } = fc.letrec<{ block: readonly string[] }>((tie) => {
    const below = fc
      .tuple(fc.constantFrom('', '# c'), fc.constantFrom(1, 2, 2, 4, 0), tie('block'))
      .map(([first, indent, lines]) => [first, ...lines.map((line) => ' '.repeat(indent) + line)]);
    const beside = tie('block').map(([first = '', ...rest]) => [first, ...rest.map((line) => `  ${line}`)]);
    const entries = (leads: readonly string[], ...values: fc.Arbitrary<readonly string[]>[]) =>
      fc.array(fc.tuple(fc.constantFrom(...leads), fc.oneof({ depthSize: 'small' }, ...values)), {
        minLength: 1,
        maxLength: 3,
      });
    return {
      block: fc
        .oneof(
          entries(['k: ', 'k k : ', '"q": ', "'s':   ", 'a-b: '], value, below),
          entries(['- '], value, beside, below),
        )
        .map((all) => all.flatMap(([lead, [first = '', ...rest]]) => [lead + first, ...rest])),
    };
  });
  const noise = fc.array(fc.tuple(fc.nat(), fc.nat(3), fc.constantFrom(...PIECES)), { maxLength: 1 });
  let taken = 0;
  fc.assert(
    fc.property(block, noise, fc.constantFrom('', '---\n', '# c\n\n'), (lines, changes, start) => {
      let text = `${start}${lines.join('\n')}\n`;
      for (const [where, length, piece] of changes) {
        const at = where % text.length;
        text = text.slice(0, at) + piece + text.slice(at + length);
      }
      const events = readPlainEvents(text);
      if (events === null) return;
      taken++;
      if (!isDeepStrictEqual(events, parseEvents(text, { maxDepth: 100 })))
        throw new Error(`read differently: ${text}`);
    }),
    { numRuns: randomRuns(300), seed: 14, includeErrorInReport: true },
  );
  t.true(taken > randomRuns(30), `${taken}`);
  t.not(readPlainEvents(PLAIN_DEFINITION), null, 'definitions as they are usually written');
});

const PLAIN_VALUES = [
  'v',
  'v w',
  '"x"',
  "'it''s'",
  '"a\\n\\"b\\""',
  '[a, {b: "c: d"}]',
  '{a: b, c: [1]}',
  '{}',
  '-1',
  '<% $.x + 1 %> # c',
  '# c',
  '',
  '|\n  t\n   u\n\n  v',
  '>-\n    t',
  '|+\n\n  x\n',
  '|',
  'v\n  w',
  'a: b',
  '- n',
  '&x y',
  '*x',
  '!!str 5',
  '{a: b}: c',
  '"x" y',
];
const PIECES = [
  ' ',
  '  ',
  '\n',
  '\n  ',
  '- ',
  ':',
  ': ',
  '#',
  ' #',
  "'",
  '"',
  '|',
  '>',
  '\\',
  '\t',
  '\r\n',
  '---\n',
  '\n...\n',
  '?',
  ',',
  '[',
  '}',
  'é',
  '😀',
];
const PLAIN_DEFINITION = `---
# A comment.
version: "2.0"

flow:
  description: |
    Two lines,
      one deeper.

  input: [x, {y: 1}]
  tasks:
    first:
      action: std.echo output="<% $.x %>"   # the first
      publish: { v: <% task().result %> }
      on-success:
      - second: <% $.x > 0 %>
      - fail
    second:
      workflow: other
      input:
        text: >-
          folded
        'quoted key': 'it''s'
        none:
`;

test('known tags set the kind of a scalar, a plain scalar may start with @', (t) => {
  t.deepEqual(read('a: !!str 5\nb: !!int "7"\nc: !!float 3\nd: ! 8\ne: @home\nf: me@home').value, {
    a: '5',
    b: 7,
    c: new Float(3),
    d: '8',
    e: '@home',
    f: 'me@home',
  });
});

test('empty text and a lone document mark are null', (t) => {
  t.is(read('').value, null);
  t.is(read('---\n').value, null);
  t.deepEqual(read('\uFEFF--- \na: 1\n').value, { a: 1 });
});

test('anchors, aliases, merge keys and unknown tags are refused where they stand, all at once', (t) => {
  const { value, said } = read('a: &x 1\nb: *x\nc:\n  <<: {d: 1}\ne: !foo 1\nf: !!python/none x\n');
  t.is(value, undefined);
  t.deepEqual(said, [
    "1:4 Definition could not be parsed: the anchor '&x' is not supported",
    "2:4 Definition could not be parsed: the alias '*x' is not supported",
    "4:3 Definition could not be parsed: the merge key '<<' is not supported",
    "5:4 Definition could not be parsed: could not determine a constructor for the tag '!foo'",
    "6:4 Definition could not be parsed: could not determine a constructor for the tag '!!python/none'",
  ]);
  t.deepEqual(read('a: "&x"\nb: "*x"\n"<<": 1').value, { a: '&x', b: '*x', '<<': 1 });
});

test('of two equal keys the last one wins, with a warning', (t) => {
  const { value, said } = read('a: 1\nb:\n  c: 1\n  c: 2\na: 3\n');
  t.deepEqual(value, { a: 3, b: { c: 2 } });
  t.deepEqual(said, ["4:3 Duplicate key 'c': the last value is used", "5:1 Duplicate key 'a': the last value is used"]);
});

test('a boolean key is an error with its position, a number is one outside of data', (t) => {
  t.deepEqual(read('on: 1\n"on": 2\n').said, [
    "1:1 Invalid DSL: a key must be of type 'string', but 'on' is the boolean true in YAML",
  ]);
  t.deepEqual(read('a: {1: x}').said, ["1:5 Invalid DSL: a key must be of type 'string', but '1' is a number in YAML"]);
  t.deepEqual(read(': x').said, ["1:1 Invalid DSL: a key must be of type 'string', but the empty key is null in YAML"]);
  t.is(read(': x\n: y\n').said.length, 2, 'two empty keys are two errors, and no duplicate');
  t.deepEqual(read('input: {codes: {200: ok, 1.5: b, ~: c}}').value, {
    input: { codes: { 200: 'ok', '1.5': 'b', null: 'c' } },
  });
  t.deepEqual(read('input: {codes: {no: ok}}').said, [
    "1:17 Invalid DSL: a key must be of type 'string', but 'no' is the boolean false in YAML",
  ]);
});

test('a key called __proto__ is an ordinary key', (t) => {
  const { value } = read('a: {__proto__: {polluted: yes}}');
  t.is(stringifyJson(value ?? null), '{"a":{"__proto__":{"polluted":true}}}');
  t.is(({} as { polluted?: boolean }).polluted, undefined);
});

test('lines of braces, brackets and quotes may be indented less than their key, as in PyYAML', (t) => {
  const text = `version: '2.0'
wf:
  tasks:
    a:
      action: std.echo
      input: {
        "x": [1,
  2], it: isn't,
"y": "two
lines" # a } in a comment
}
      wait-before: @later
    "b c": 'it''s
 here'
    d:
      - [
      e]
      - k: |
          "not open
          {
        l: >-
          [
    f: "back\\
  slash"
`;
  t.deepEqual(read(text), {
    value: {
      version: '2.0',
      wf: {
        tasks: {
          a: {
            action: 'std.echo',
            input: { x: [1, 2], it: "isn't", y: 'two lines' },
            'wait-before': '@later',
          },
          'b c': "it's here",
          d: [['e'], { k: '"not open\n{\n', l: '[' }],
          f: 'backslash',
        },
      },
    },
    said: [],
    hints: [],
  });
  const at = (path: readonly (string | number)[], offset?: number): string =>
    position(text, offset === undefined ? { path } : { path, offset });
  t.is(at(['wf', 'tasks', 'a', 'input', 'y'], 4), '10:1');
  t.is(at(['wf', 'tasks', 'a', 'input', 'x', 1]), '8:3');
  t.is(at(['wf', 'tasks', 'a', 'wait-before']), '12:20');
  t.is(at(['wf', 'tasks', 'd', 1, 'l']), '21:12');
  for (const open of ['a: {b: 1\nc: 2', 'a: [\nb: 1\n---\n]', 'a: {\n}\nb: "c\nd: 1'])
    t.regex(read(open).said[0] ?? '', /could not be parsed/, open);
});

test('any JSON whose lines are moved about is read as it is', (t) => {
  const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
    tree: fc.oneof(
      fc.constantFrom<Json>('a', "it's", '{', ' # ', '"', ']: ', '', 1, null, true),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b c', "'", '}'), tie('tree'), { maxKeys: 3 }),
    ),
  }));
  fc.assert(
    fc.property(tree, fc.infiniteStream(fc.nat(6)), (value, chance) => {
      const lines = JSON.stringify(value, null, 1).split('\n');
      const moved = lines.map((line) => ' '.repeat(chance.next().value ?? 0) + line.trimStart()).join('\n');
      const { value: back, said } = read(`k:\n    m:${moved.startsWith(' ') ? '' : ' '}${moved}\n    n: 1\n`);
      t.deepEqual(said, []);
      return jsonEquals(back ?? null, { k: { m: value, n: 1 } });
    }),
    { numRuns: randomRuns(60), seed: 21 },
  );
});

const SYNTAX: readonly (readonly [text: string, said: RegExp, hint: RegExp])[] = [
  ['a: {{ _.x }}', /^1:5 Definition could not be parsed: a mapping cannot be a key/, /\{\{ must stand in quotes/],
  ['a: 1\nb: {{ _.x }} more', /^2:14 Definition could not be parsed: /, /\{\{ must stand in quotes/],
  ['a: {% if x %}', /^1:\d+ Definition could not be parsed: /, /\{% must stand in quotes/],
  ['a: <% dict(a: 1) %>', /^1:\d+ Definition could not be parsed: /, /expression that holds ': '/],
  ['a: text with: colon', /^1:13 Definition could not be parsed: /, /text that holds ': '/],
  ['a: `x`', /^1:4 Definition could not be parsed: /, /begins with ` must stand in quotes/],
  ['cron: * * * * *', /^1:\d+ Definition could not be parsed: /, /begins with \* must stand in quotes/],
  ['a:\n\tb: 1', /^2:1 Definition could not be parsed: tab/, /not with tabs/],
  ['a: {b: 1\nc: 2', /^2:1 Definition could not be parsed: /, /before this place is not closed/],
  ['a: "b\nc: 1', /^\d:\d+ Definition could not be parsed: /, /quote before this place is not closed/],
  ["a: 'b", /^1:\d+ Definition could not be parsed: /, /a quote is not closed/],
  ['a: 1\n---\nb: 1', /^2:1 Definition could not be parsed: expected a single document/, /a text of its own/],
  ['['.repeat(101), /^1:\d+ Definition could not be parsed: mappings and lists are nested more than 100 deep/, /./],
];

for (const [text, said, hint] of SYNTAX) {
  test(`the fault in ${JSON.stringify(text.slice(0, 30))} is named, with a hint`, (t) => {
    const result = read(text);
    t.is(result.value, undefined);
    t.is(result.said.length, 1);
    t.regex(result.said[0] ?? '', said);
    if (hint.source !== '.') t.regex(result.hints[0] ?? '', hint);
  });
}

test('a text beyond 16 MiB is refused before it is parsed', (t) => {
  const { value, said } = read(`a: ${'x'.repeat(MAX_DOCUMENT_BYTES)}`);
  t.is(value, undefined);
  t.regex(said[0] ?? '', /^1:1 Definition could not be parsed: the text has \d+ bytes, at most 16777216 \(16 MiB\)/);
  t.is(read(`a: ${'é'.repeat(MAX_DOCUMENT_BYTES / 2)}`).value, undefined, 'bytes count, not characters');
});

test('every node has a position: keys, values, items, quotes and block indicators', (t) => {
  const text = "a:\n  b: 'x'\n  c:\n    - d\n    - {e: 1}\n  f: |\n    text\n  g:\n";
  t.is(position(text, { path: ['a'], at: 'key' }), '1:1');
  t.is(position(text, { path: ['a'] }), '2:3');
  t.is(position(text, { path: ['a', 'b'] }), '2:6');
  t.is(position(text, { path: ['a', 'c', 0] }), '4:7');
  t.is(position(text, { path: ['a', 'c', 1, 'e'], at: 'key' }), '5:8');
  t.is(position(text, { path: ['a', 'c', 1, 'e'] }), '5:11');
  t.is(position(text, { path: ['a', 'f'] }), '6:6');
  t.is(position(text, { path: ['a', 'g'] }), '8:3', 'an empty value stands at its key');
  t.is(position(text, { path: ['a', 'no', 'way'] }), '1:1', 'where the way ends, the last node on it counts');
});

test('an offset inside a scalar is found in every style', (t) => {
  const find = (text: string, needle: string): string => {
    const value = (readYaml(text, new Problems()).value as { k: string }).k;
    return position(text, { path: ['k'], offset: value.indexOf(needle) });
  };
  t.is(find('k: ab X', 'X'), '1:7');
  t.is(find("k: 'it''s X'", 'X'), '1:11');
  t.is(find(String.raw`k: "a\tb\u0041\x41 \"X"`, 'X'), '1:22');
  t.is(find('k: |\n  one\n\n    two X\n', 'X'), '4:9');
  t.is(find('k: >-\n  one\n  two X\n', 'X'), '3:7');
  t.is(find('k: one\n   two\n\n   X', 'X'), '4:4');
  t.is(find('k: "one\n  two X"', 'X'), '2:7');
  t.is(find('k: "X"', 'X'), '1:5');
});

test('what is written is read back as the same value, keys in order', (t) => {
  const value: JsonObject = {
    z: [
      'yes',
      'on',
      '012',
      '1e3',
      '2.0',
      '2001-01-01',
      '&x',
      '*y',
      '<% $.a: 1 %>',
      '{{ _.x }}',
      '',
      ' x ',
      'a\nb\n',
      '@a',
    ],
    a: [2, new Float(2), 1.5, new Float(1e300), 9007199254740993n, true, null, {}, []],
    m: { 'a b': { deep: ['x', { y: 'z' }] } },
  };
  const text = writeYaml(value);
  t.deepEqual(read(text), { value, said: [], hints: [] });
  t.deepEqual(Object.keys(read(text).value as JsonObject), ['z', 'a', 'm']);
  t.false(text.includes('!!'));
});

test('any JSON data survive writing and reading', (t) => {
  const key = fc.string({ minLength: 1, maxLength: 6 });
  const leaf = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom(0.5, -1.25, 1e-7),
  );
  const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
    tree: fc.oneof(leaf, fc.array(tie('tree'), { maxLength: 4 }), fc.dictionary(key, tie('tree'), { maxKeys: 4 })),
  }));
  fc.assert(
    fc.property(fc.dictionary(key, tree, { minKeys: 1, maxKeys: 4 }), (value) => {
      const back = read(writeYaml(value));
      t.deepEqual(back.said, []);
      return jsonEquals(back.value ?? null, value);
    }),
    { numRuns: randomRuns(60), seed: 20 },
  );
});
