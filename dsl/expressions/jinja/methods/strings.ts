import { PyTuple } from '../../../yaql/values.ts';
import { callArguments } from '../calls.ts';
import { typeError, valueError } from '../errors.ts';
import { Markup, ownList, Undefined } from '../objects.ts';
import { escaped } from '../operators.ts';
import { indexOf, iterate, subscript, textOf, toIndex, truth, typeName } from '../python.ts';
import type { Runtime } from '../runtime.ts';
import {
  capitalize,
  characters,
  replaceText,
  splitLines,
  stripBlanks,
  textLength,
  titleCase,
  WHITE_SPACE,
} from '../text.ts';
import { type Method, method, namedMethod } from './method.ts';
import { textPredicates } from './text-predicates.ts';

export const stringMethods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ...textPredicates.map(([name, test]) => method<string>(name, [], (self) => test(self))),
  method<string>('upper', [], (self) => self.toUpperCase()),
  method<string>('lower', [], (self) => self.toLowerCase()),
  method<string>('casefold', [], (self) => self.toLowerCase().replaceAll('ß', 'ss')),
  method<string>('capitalize', [], (self) => capitalize(self)),
  method<string>('title', [], (self) => titleCase(self)),
  method<string>('swapcase', [], (self) =>
    characters(self)
      .map((c) => (c === c.toUpperCase() ? c.toLowerCase() : c.toUpperCase()))
      .join(''),
  ),
  method<string>('strip', [['chars', null]], (self, [chars]) => strip(self, chars, 'both')),
  method<string>('lstrip', [['chars', null]], (self, [chars]) => strip(self, chars, 'left')),
  method<string>('rstrip', [['chars', null]], (self, [chars]) => strip(self, chars, 'right')),
  method<string>('removeprefix', ['prefix'], (self, [prefix]) => {
    const text = requireText(prefix, 'removeprefix() argument');
    return text !== '' && self.startsWith(text) ? self.slice(text.length) : self;
  }),
  method<string>('removesuffix', ['suffix'], (self, [suffix]) => {
    const text = requireText(suffix, 'removesuffix() argument');
    return text !== '' && self.endsWith(text) ? self.slice(0, -text.length) : self;
  }),
  method<string>('startswith', ['prefix', ['start', null], ['end', null]], (self, [prefix, start, end]) =>
    affixes(prefix, 'startswith').some((text) => part(self, start, end)?.startsWith(text) ?? false),
  ),
  method<string>('endswith', ['suffix', ['start', null], ['end', null]], (self, [suffix, start, end]) =>
    affixes(suffix, 'endswith').some((text) => part(self, start, end)?.endsWith(text) ?? false),
  ),
  method<string>('replace', ['old', 'new', ['count', -1]], (self, [old, replacement, count], runtime) => {
    return replaceText(
      self,
      requireText(old, 'replace() argument 1'),
      requireText(replacement, 'replace() argument 2'),
      toIndex(count),
      (size) => runtime.checkSize(size),
    );
  }),
  namedMethod<string>(
    'split',
    [
      ['sep', null],
      ['maxsplit', -1],
    ],
    (self, [separator, limit]) => ownList(split(self, separator, toIndex(limit))),
  ),
  namedMethod<string>(
    'rsplit',
    [
      ['sep', null],
      ['maxsplit', -1],
    ],
    (self, [separator, limit]) => ownList(splitRight(self, separator, toIndex(limit))),
  ),
  namedMethod<string>('splitlines', [['keepends', false]], (self, [keep]) => ownList(splitLines(self, truth(keep)))),
  method<string>('partition', ['sep'], (self, [separator]) => partition(self, separator, false)),
  method<string>('rpartition', ['sep'], (self, [separator]) => partition(self, separator, true)),
  method<string>('join', ['iterable'], (self, [items], runtime) => join(self, items, runtime)),
  ...(['find', 'index', 'rfind', 'rindex'] as const).map((name) =>
    method<string>(name, ['sub', ['start', null], ['end', null]], (self, [sub, start, end]) =>
      find(self, requireText(sub, `${name}() argument 1`), start, end, name),
    ),
  ),
  method<string>('count', ['sub', ['start', null], ['end', null]], (self, [sub, start, end]) =>
    count(part(self, start, end) ?? '', requireText(sub, 'count() argument 1')),
  ),
  method<string>('center', ['width', ['fillchar', ' ']], (self, [width, fill], runtime) => {
    const missing = missingWidth(self, width, runtime);
    // Python puts the odd blank on the left when the width is odd.
    const left = Math.floor(missing / 2) + (missing & toIndex(width) & 1);
    return fillText(fill, left) + self + fillText(fill, missing - left);
  }),
  method<string>(
    'ljust',
    ['width', ['fillchar', ' ']],
    (self, [width, fill], runtime) => self + fillText(fill, missingWidth(self, width, runtime)),
  ),
  method<string>(
    'rjust',
    ['width', ['fillchar', ' ']],
    (self, [width, fill], runtime) => fillText(fill, missingWidth(self, width, runtime)) + self,
  ),
  method<string>('zfill', ['width'], (self, [width], runtime) => {
    const zeros = '0'.repeat(missingWidth(self, width, runtime));
    return /^[+-]/.test(self) ? self.charAt(0) + zeros + self.slice(1) : zeros + self;
  }),
  namedMethod<string>('expandtabs', [['tabsize', 8]], (self, [size], runtime) =>
    expandTabs(self, toIndex(size), runtime),
  ),
  method<string>('translate', ['table'], (self, [table]) => translate(self, table)),
]);

/** The method for markup: arguments that are text are escaped first, and text that comes out is markup again. */
export function markupMethod(name: string): Method | undefined {
  if (name === 'unescape' || name === 'striptags') {
    return (self) => (name === 'striptags' ? stripTags(textOf(self) ?? '') : unescapeHtml(textOf(self) ?? ''));
  }
  const plain = stringMethods.get(name);
  if (plain === undefined) return undefined;
  return (self, args, runtime) => {
    const safe = (value: unknown): unknown => (typeof value === 'string' ? escaped(value) : value);
    const keywords = new Map([...args.keywords].map(([key, value]) => [key, safe(value)] as const));
    const positional = args.positional.map((value) => (name === 'join' ? [...iterate(value)].map(safe) : safe(value)));
    return markUp(plain(textOf(self), callArguments(positional, keywords), runtime));
  };
}

export function stripTags(html: string): string {
  const text = withoutSpans(withoutSpans(html, '<!--', '-->'), '<', '>');
  return unescapeHtml(splitWords(text).join(' '));
}

/** Takes out what stands between two marks, with the marks; one that is not closed stays. */
function withoutSpans(text: string, open: string, close: string): string {
  let kept = '';
  let at = 0;
  while (true) {
    const start = text.indexOf(open, at);
    const end = start < 0 ? -1 : text.indexOf(close, start);
    if (end < 0) return kept + text.slice(at);
    kept += text.slice(at, start);
    at = end + close.length;
  }
}

function unescapeHtml(text: string): string {
  return text.replace(/&(?:#(\d+)|#[xX]([0-9a-fA-F]+)|(amp|lt|gt|quot|apos|nbsp));/g, (_, decimal, hex, name) => {
    if (name !== undefined) return NAMED_ENTITIES[name] ?? '';
    return String.fromCodePoint(Math.min(0x10ffff, Number.parseInt(decimal ?? hex, decimal === undefined ? 16 : 10)));
  });
}

const NAMED_ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
};

function markUp(value: unknown): unknown {
  if (typeof value === 'string') return new Markup(value);
  if (value instanceof PyTuple) return PyTuple.wrap(value.map(markUp));
  return Array.isArray(value) ? ownList(value.map(markUp)) : value;
}

function requireText(value: unknown, what: string): string {
  if (value instanceof Undefined) value.fail();
  const text = textOf(value);
  if (text === null) throw typeError(`${what} must be str, not ${typeName(value)}`);
  return text;
}

export function strip(text: string, chars: unknown, side: 'left' | 'right' | 'both'): string {
  if (chars === null) {
    return stripBlanks(text, side);
  }
  const set = new Set(characters(requireText(chars, 'strip arg')));
  const units = characters(text);
  let start = 0;
  let end = units.length;
  if (side !== 'right') while (start < end && set.has(units[start] ?? '')) start++;
  if (side !== 'left') while (end > start && set.has(units[end - 1] ?? '')) end--;
  return units.slice(start, end).join('');
}

function affixes(value: unknown, name: string): readonly string[] {
  const texts = value instanceof PyTuple ? value : [value];
  return texts.map((text) => {
    if (text instanceof Undefined) text.fail();
    if (textOf(text) === null) {
      throw typeError(`${name} first arg must be str or a tuple of str, not ${typeName(text)}`);
    }
    return textOf(text) ?? '';
  });
}

/** The part between code-point offsets; null when it begins behind the end. */
function part(text: string, start: unknown, end: unknown): string | null {
  if (start === null && end === null) return text;
  const units = characters(text);
  const bounds = range(units.length, start, end);
  return bounds.from > units.length ? null : units.slice(bounds.from, bounds.to).join('');
}

function range(length: number, start: unknown, end: unknown): { from: number; to: number } {
  const from = start === null ? 0 : toIndex(start);
  const to = end === null ? length : toIndex(end);
  return { from: from < 0 ? Math.max(0, from + length) : from, to: to < 0 ? Math.max(0, to + length) : to };
}

function splitWords(text: string): string[] {
  return text.split(new RegExp(`[${WHITE_SPACE}]+`)).filter((word) => word !== '');
}

function split(text: string, separator: unknown, limit: number): string[] {
  if (separator === null) return limit < 0 ? splitWords(text) : splitWordsAtMost(text, limit);
  const mark = separatorText(separator);
  const parts = text.split(mark);
  if (limit < 0 || parts.length <= limit + 1) return parts;
  return [...parts.slice(0, limit), parts.slice(limit).join(mark)];
}

function splitWordsAtMost(text: string, limit: number): string[] {
  const words: string[] = [];
  let rest = stripBlanks(text, 'left');
  while (rest !== '' && words.length < limit) {
    const word = new RegExp(`^[^${WHITE_SPACE}]+`).exec(rest)?.[0] ?? '';
    words.push(word);
    rest = stripBlanks(rest.slice(word.length), 'left');
  }
  return rest === '' ? words : [...words, rest];
}

function splitRight(text: string, separator: unknown, limit: number): string[] {
  if (limit < 0) return split(text, separator, -1);
  if (separator === null) {
    const turn = (word: string): string => characters(word).reverse().join('');
    return splitWordsAtMost(turn(text), limit).map(turn).reverse();
  }
  const mark = separatorText(separator);
  const parts = text.split(mark);
  if (parts.length <= limit + 1) return parts;
  const head = parts.length - limit;
  return [parts.slice(0, head).join(mark), ...parts.slice(head)];
}

function separatorText(separator: unknown): string {
  const mark = requireText(separator, 'separator');
  if (mark === '') throw valueError('empty separator');
  return mark;
}

function partition(text: string, separator: unknown, fromRight: boolean): unknown[] {
  const mark = separatorText(separator);
  const at = fromRight ? text.lastIndexOf(mark) : text.indexOf(mark);
  if (at < 0) return PyTuple.wrap(fromRight ? ['', '', text] : [text, '', '']);
  return PyTuple.wrap([text.slice(0, at), mark, text.slice(at + mark.length)]);
}

function join(separator: string, items: unknown, runtime: Runtime): string {
  const texts: string[] = [];
  let size = 0;
  for (const item of iterate(items)) {
    const text = textOf(item);
    if (item instanceof Undefined) item.fail();
    if (text === null) {
      throw typeError(`sequence item ${texts.length}: expected str instance, ${typeName(item)} found`);
    }
    texts.push(text);
    size += text.length + separator.length;
    runtime.checkSize(size);
  }
  runtime.spend(texts.length);
  return texts.join(separator);
}

function find(text: string, sub: string, start: unknown, end: unknown, name: string): number {
  const units = characters(text);
  const { from, to } = range(units.length, start, end);
  const window = units.slice(from, to).join('');
  const unit = from > units.length ? -1 : name.startsWith('r') ? window.lastIndexOf(sub) : window.indexOf(sub);
  if (unit >= 0) return from + textLength(window.slice(0, unit));
  if (name.endsWith('index')) throw valueError('substring not found');
  return -1;
}

function count(text: string, sub: string): number {
  return sub === '' ? textLength(text) + 1 : text.split(sub).length - 1;
}

function missingWidth(text: string, width: unknown, runtime: Runtime): number {
  const wanted = toIndex(width);
  runtime.checkSize(wanted);
  return Math.max(0, wanted - textLength(text));
}

function fillText(fill: unknown, times: number): string {
  const text = requireText(fill, 'The fill character');
  if (textLength(text) !== 1) throw typeError('The fill character must be exactly one character long');
  return text.repeat(times);
}

function expandTabs(text: string, size: number, runtime: Runtime): string {
  let column = 0;
  let result = '';
  for (const c of text) {
    const shown = c === '\t' ? ' '.repeat(size <= 0 ? 0 : size - (column % size)) : c;
    column = c === '\n' || c === '\r' ? 0 : column + shown.length;
    result += shown;
    runtime.checkSize(result.length);
  }
  return result;
}

/** A table from code points to text, code points or null. */
function translate(text: string, table: unknown): string {
  return characters(text)
    .map((c) => {
      const found = subscript(table, c.codePointAt(0) ?? 0);
      if (found === undefined) return c;
      if (found === null) return '';
      const code = indexOf(found);
      return code === null ? requireText(found, 'character mapping') : String.fromCodePoint(code);
    })
    .join('');
}
