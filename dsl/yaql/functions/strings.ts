import type { Context } from '../context.ts';
import { define, optional, param, rest, type FunctionDefinition } from '../definitions.ts';
import { dictEntries } from '../dicts.ts';
import { attributeError, typeError } from '../errors.ts';
import { isInteger, type PyNumber } from '../numbers.ts';
import { pyStr } from '../python-text.ts';
import { nullable, types, type AnyIterable } from '../types.ts';
import { compareStrings } from '../values.ts';
import { sizeOf } from '../memory.ts';
import { namedFunction } from './delegate.ts';
import { Text, replace, sliceBound, split, splitRight, strip, toPosition } from './text.ts';

const { string, int, iterable } = types;
const two = [param('left', string), param('right', string)] as const;
const searched = [param('string', string), param('sub', string)] as const;
const trimmed = [param('string', string), optional('chars', nullable(string), null)] as const;
const splitting = [
  param('string', string),
  optional('separator', nullable(string), null),
  optional('maxSplits', int, -1),
] as const;
const toText = namedFunction('str', 1);

const DIGITS = '0123456789';
const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';
const WHITESPACE = ' \t\n\r\v\f';
/** By flag; null for those that Python 3 no longer has. */
const CHARACTER_SETS: readonly (readonly [string, string | null])[] = [
  ['digits', DIGITS],
  ['hexdigits', `${DIGITS}abcdefABCDEF`],
  ['asciiLowercase', LOWER],
  ['asciiUppercase', LOWER.toUpperCase()],
  ['asciiLetters', LOWER + LOWER.toUpperCase()],
  ['letters', null],
  ['octdigits', '01234567'],
  ['punctuation', PUNCTUATION],
  ['printable', DIGITS + LOWER + LOWER.toUpperCase() + PUNCTUATION + WHITESPACE],
  ['lowercase', null],
  ['uppercase', null],
  ['whitespace', WHITESPACE],
];

export const stringFunctions: readonly FunctionDefinition[] = [
  define('#operator_>', 'function', two, (_, left, right) => compareStrings(left, right) > 0),
  define('#operator_<', 'function', two, (_, left, right) => compareStrings(left, right) < 0),
  define('#operator_>=', 'function', two, (_, left, right) => compareStrings(left, right) >= 0),
  define('#operator_<=', 'function', two, (_, left, right) => compareStrings(left, right) <= 0),
  define('#operator_in', 'function', two, (_, left, right) => right.includes(left)),
  define('#operator_+', 'function', [rest(string)], concat),
  define('concat', 'function', [rest(string)], concat),
  define('#operator_*', 'function', [param('left', string), param('right', int)], (context, left, right) =>
    repeat(context, left, toPosition(right)),
  ),
  define('#operator_*', 'function', [param('left', int), param('right', string)], (context, left, right) =>
    repeat(context, right, toPosition(left)),
  ),
  define('toUpper', 'method', [param('string', string)], (context, text) => charged(context, text.toUpperCase())),
  define('toLower', 'method', [param('string', string)], (context, text) => charged(context, text.toLowerCase())),
  define('len', 'both', [param('string', string)], (_, text) => new Text(text).length),
  define('split', 'method', splitting, (_, text, separator, most) => split(text, separator, toPosition(most))),
  define('rightSplit', 'method', splitting, (_, text, separator, most) =>
    splitRight(text, separator, toPosition(most)),
  ),
  define('join', 'method', [param('sequence', iterable), param('separator', string)], join),
  define('join', 'method', [param('separator', string), param('sequence', iterable)], (context, separator, sequence) =>
    join(context, sequence, separator),
  ),
  define('str', 'function', [param('value', types.any)], (context, value) => charged(context, yaqlText(value))),
  define('trim', 'method', trimmed, (_, text, chars) => strip(text, chars, 'both')),
  define('trimLeft', 'method', trimmed, (_, text, chars) => strip(text, chars, 'left')),
  define('trimRight', 'method', trimmed, (_, text, chars) => strip(text, chars, 'right')),
  define(
    'norm',
    'both',
    [param('string', nullable(string)), optional('chars', nullable(string), null)],
    (_, text, chars) => (text === null ? null : strip(text, chars, 'both') || null),
  ),
  define(
    'isEmpty',
    'both',
    [
      param('string', nullable(string)),
      optional('trim', types.boolean, true),
      optional('chars', nullable(string), null),
    ],
    (_, text, trim, chars) => text === null || (trim ? strip(text, chars, 'both') : text) === '',
  ),
  define(
    'replace',
    'method',
    [param('string', string), param('old', string), param('new', string), optional('count', int, -1)],
    (context, text, old, replacement, count) => {
      checkReplace(context, text, old, replacement);
      return charged(context, replace(text, old, replacement, toPosition(count)));
    },
  ),
  define(
    'replace',
    'method',
    [param('string', string), param('replacements', types.dict), optional('count', int, -1)],
    (context, text, replacements, count) => {
      let result = text;
      for (const [key, value] of dictEntries(replacements)) {
        const [old, replacement] = [textOf(context, key), textOf(context, value)];
        checkReplace(context, result, old, replacement);
        result = charged(context, replace(result, old, replacement, toPosition(count)));
      }
      return result;
    },
  ),
  define(
    'substring',
    'method',
    [param('string', string), param('start', int), optional('length', int, -1)],
    (_, value, start, length) => {
      const text = new Text(value);
      const count = length < 0 ? text.length : toPosition(length);
      const from = toPosition(start) < 0 ? toPosition(start) + text.length : toPosition(start);
      return text.slice(sliceBound(from, text.length), sliceBound(from + count, text.length));
    },
  ),
  define('indexOf', 'method', [...searched, optional('start', int, 0)], (_, value, sub, start) => {
    const text = new Text(value);
    return text.find(sub, searchStart(toPosition(start), text.length), text.length);
  }),
  define(
    'indexOf',
    'method',
    [...searched, param('start', int), param('length', int)],
    (_, value, sub, start, length) => {
      const text = new Text(value);
      const [from, to] = searchRange(text, toPosition(start), toPosition(length));
      return text.find(sub, from, to);
    },
  ),
  define('lastIndexOf', 'method', [...searched, optional('start', int, 0)], (_, value, sub, start) => {
    const text = new Text(value);
    return text.findLast(sub, searchStart(toPosition(start), text.length), text.length);
  }),
  define(
    'lastIndexOf',
    'method',
    [...searched, param('start', int), param('length', int)],
    (_, value, sub, start, length) => {
      const text = new Text(value);
      const [from, to] = searchRange(text, toPosition(start), toPosition(length));
      return text.findLast(sub, from, to);
    },
  ),
  define('toCharArray', 'method', [param('string', string)], (context, text) => {
    context.run.charge(8 * text.length);
    return new Text(text).characters();
  }),
  define('characters', 'function', [...characterFlags()], (_, ...flags) => characters(flags)),
  define('isString', 'function', [param('arg', types.any)], (_, arg) => typeof arg === 'string'),
  define('startsWith', 'method', [param('string', string), rest(string)], (_, text, prefixes) =>
    prefixes.some((prefix) => text.startsWith(prefix)),
  ),
  define('endsWith', 'method', [param('string', string), rest(string)], (_, text, suffixes) =>
    suffixes.some((suffix) => text.endsWith(suffix)),
  ),
  define('hex', 'function', [param('num', nullable(types.number))], (_, num) => hex(num)),
];

/** YAQL's `str`: JSON's words for null, true and false at the top, Python's text for anything else. */
export function yaqlText(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  return typeof value === 'boolean' ? String(value) : pyStr(value);
}

function textOf(context: Context, value: unknown): string {
  if (typeof value === 'string' && toText.isStandard(context)) return value;
  const text = toText(context, value);
  if (typeof text !== 'string') throw typeError('expected str instance');
  return text;
}

function concat(context: Context, parts: readonly string[]): string {
  context.run.willBuild(parts.reduce((sum, part) => sum + part.length, 0));
  return parts.join('');
}

function repeat(context: Context, text: string, count: number): string {
  if (count <= 0) return '';
  context.run.checkMemory((count - 1) * -49 + count * sizeOf(text));
  context.run.willBuild(text.length * count);
  return text.repeat(count);
}

function join(context: Context, sequence: AnyIterable, separator: string): string {
  const parts: string[] = [];
  let length = 0;
  for (const item of sequence) {
    const part = textOf(context, item);
    length += part.length + separator.length;
    context.run.checkSize(length);
    parts.push(part);
  }
  context.run.charge(length);
  return parts.join(separator);
}

/** Counts a text that was built. */
function charged(context: Context, text: string): string {
  context.run.charge(text.length);
  return text;
}

/** An estimate from above of what the replacement can grow to. */
function checkReplace(context: Context, text: string, old: string, replacement: string): void {
  if (replacement.length <= old.length) return;
  const most = old === '' ? text.length + 1 : Math.floor(text.length / old.length);
  if (text.length + most * replacement.length <= context.run.maxSize) return;
  const found = old === '' ? most : text.split(old).length - 1;
  context.run.checkSize(text.length + found * (replacement.length - old.length));
}

function searchStart(start: number, length: number): number {
  return start < 0 ? Math.max(0, start + length) : start;
}

/** The place and the end for a start and a length, as the reference computes them before Python clamps them. */
function searchRange(text: Text, start: number, length: number): [number, number] {
  const from = start < 0 ? start + text.length : start;
  const count = length < 0 ? text.length - from : length;
  return [searchStart(from, text.length), sliceBound(from + count, text.length)];
}

function characterFlags() {
  return CHARACTER_SETS.map(([name]) => optional(name, nullable(types.boolean), false));
}

function characters(flags: readonly (boolean | null)[]): string[] {
  const found = new Set<string>();
  CHARACTER_SETS.forEach(([name, set], i) => {
    if (!flags[i]) return;
    if (set === null) throw attributeError(`module 'string' has no attribute '${name}'`);
    for (const char of set) found.add(char);
  });
  return [...found];
}

function hex(num: PyNumber | null): string {
  if (!isInteger(num)) throw typeError('object cannot be interpreted as an integer');
  return num < 0 ? `-0x${(-BigInt(num)).toString(16)}` : `0x${num.toString(16)}`;
}
