import test from 'ava';
import * as fc from 'fast-check';
import type { Json } from '../../dsl/json.ts';
import { parseInlineCall, parseInlineParams } from '../../dsl/spec/inline-params.ts';
import { parseNext } from '../../dsl/spec/on-clause.ts';
import { warningsOf, taskText } from './texts.ts';
import { randomRuns } from '../helpers/random-runs.ts';

const CALLS: readonly (readonly [
  text: string,
  name: string | null,
  params: Record<string, Json>,
  lost?: readonly string[],
])[] = [
  ['std.noop', 'std.noop', {}],
  ['std.echo\noutput="a"', 'std.echo\noutput="a"', {}],
  ['std.echo output="a b"', 'std.echo', { output: 'a b' }],
  [`std.echo output='He said "hi"'`, 'std.echo', { output: 'He said "hi"' }],
  ['std.http url="http://h?q=<% $.q %>"', 'std.http', { url: 'http://h?q=<% $.q %>' }],
  ['std.echo output=<% $.x %> tail', 'std.echo', { output: '<% $.x %>' }, ['tail']],
  ['a x=1.5', 'a', { x: 1 }, ['.5']],
  ['a x=-3', 'a', {}, ['x=-3']],
  ['a x=1abc', 'a', { x: 1 }, ['abc']],
  ['a x=007', 'a', { x: '007' }],
  ['a x=9007199254740993', 'a', { x: 9007199254740993n }],
  ['a x=True', 'a', {}, ['x=True']],
  ['a x=falsey', 'a', { x: false }, ['y']],
  ['a x=nullable', 'a', { x: null }, ['able']],
  ['a x=abc', 'a', {}, ['x=abc']],
  ['a x={"k": 1}', 'a', {}, ['x={"k": 1}']],
  ['a x = "1"', 'a', {}, ['x = "1"']],
  ['a x= "1"', 'a', {}, ['x= "1"']],
  ['a x=[1,2] y=[3,4]', 'a', { x: '[1,2] y=[3,4]' }],
  ['a x=[1, 2.0, "b", null]', 'a', { x: [1, 2, 'b', null] }],
  ['a x=[<% $.x %>, 2] y=3', 'a', { x: '[<% $.x %>, 2]', y: 3 }],
  ['a x-y="1"', 'a', { 'x-y': '1' }],
  ['a x=1 x=2', 'a', { x: 2 }],
  ['a params=""', 'a', { params: '' }],
  ['a x="a\\"b"', 'a', { x: 'a\\' }, ['b"']],
  ['{{ _.act }} x=1', '{{ _.act }}', { x: 1 }],
  ['{{ _.act }} x={{ _.b }}', '{{ _.act }} x={{ _.b }}', { x: '{{ _.b }}' }],
  ['<% $.act %> x=1', '<% $.act %>', { x: 1 }],
  ['my-pack/act:v1$ x=1', 'my-pack/act:v1$', { x: 1 }],
  ['größe x=1', 'größe', { x: 1 }],
  [
    'person age=32 param1=null param2=false is_string="50" object_list=[1, null, "str"]',
    'person',
    { age: 32, param1: null, param2: false, is_string: '50', object_list: [1, null, 'str'] },
  ],
  ['"quoted" x=1', null, {}],
  ['(a) x=1', null, {}],
];

for (const [text, name, params, lost = []] of CALLS) {
  test(`the call ${JSON.stringify(text)} is read as the reference reads it`, (t) => {
    const call = parseInlineCall(text);
    t.is(call?.name ?? null, name);
    if (call === null) return;
    // 2.0 in a list keeps its kind; comparing by text is enough here.
    t.is(show(call.params), show(params));
    t.deepEqual(
      call.lost.map((piece) => piece.text),
      lost,
    );
    for (const piece of call.lost) t.true(text.slice(piece.offset).startsWith(piece.text));
  });
}

function show(params: unknown): string {
  return JSON.stringify(params, (_key, value: unknown) =>
    typeof value === 'bigint'
      ? `${value}n`
      : typeof value === 'object' && value !== null && 'value' in value
        ? value.value
        : value,
  );
}

test('values know where they stand in the text', (t) => {
  const text = `std.echo a="x" b='y' c=<% $.z %> d=[1]`;
  for (const { value, offset } of parseInlineCall(text)?.values ?? []) {
    t.true(text.slice(offset).startsWith(typeof value === 'string' ? value : JSON.stringify(value)));
  }
});

test('parameters are found where the pattern of the reference finds them', (t) => {
  const pattern =
    /([-_\p{L}\p{N}]+)=("[^"]*"\s*|'[^']*'\s*|\{\{[^\n]*?\}\}|<%[^\n]*?%>|\[[^\n]*\]\s*|true|false|null|\d+)/gu;
  const piece = fc.constantFrom(
    'a',
    'b-c',
    '=',
    ' ',
    '"',
    "'",
    '{{',
    '}}',
    '<%',
    '%>',
    '[',
    ']',
    'true',
    'null',
    '12',
    '\n',
    '𝒳',
    '.',
    'é',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
      const text = pieces.join('');
      const expected = [...text.matchAll(pattern)].map((match) => [match.index, match[1]]);
      const found = parseInlineParams(text).values.map(({ nameOffset, name }) => [nameOffset, name]);
      return JSON.stringify(found) === JSON.stringify(expected);
    }),
    { numRuns: randomRuns(600), seed: 5 },
  );
  t.pass();
});

const NEXTS: readonly (readonly [text: string, to: string | null, params: Record<string, Json>])[] = [
  ['task2', 'task2', {}],
  ['a+b.c', 'a+b.c', {}],
  ['fail msg="stop here"', 'fail', { msg: 'stop here' }],
  ['fail(msg=<% task().result %>)', 'fail', { msg: '<% task().result %>' }],
  ["fail(msg='x')", 'fail', { msg: 'x' }],
  ['fail(msg=1 code=2)', 'fail', { msg: 1, code: 2 }],
  ['fail()', 'fail()', {}],
  ['a b', null, {}],
  ['a-b x=1', null, {}],
  ['<% $.x %>', null, {}],
  ['', null, {}],
];

for (const [text, to, params] of NEXTS) {
  test(`the transition ${JSON.stringify(text)} leads to ${to ?? 'nothing'}`, (t) => {
    const next = parseNext(text);
    t.is(next?.to ?? null, to);
    if (next !== null) t.deepEqual(next.params, params);
  });
}

test('text that no parameter covers is warned of where it stands', (t) => {
  const [first, second] = warningsOf(taskText("action: std.echo output=1.5\non-success: 'fail msg=abc'"));
  t.is(first?.message, "'.5' has no effect");
  t.deepEqual([first?.line, first?.column], [5, 32]);
  t.is(second?.message, "'msg=abc' has no effect");
  t.deepEqual([second?.line, second?.column], [6, 25]);
  const [third] = warningsOf(taskText('action: std.echo output=<% 1 %>/<% 2 %>'));
  t.is(third?.message, "'/<% 2 %>' has no effect");
  t.regex(third?.hint ?? '', /^the value of 'output' ends before it: put a value of several parts in quotes/);
});
