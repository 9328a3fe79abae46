import { valueError } from '../errors.ts';
import type { PyInteger } from '../numbers.ts';
import { PyList } from '../values.ts';

const HAS_SURROGATE = /[\ud800-\udfff]/;

/** A string by code points: positions, lengths and slices as Python counts them. ASCII texts are used as they are. */
export class Text {
  readonly length: number;
  readonly #plain: string;
  readonly #points: readonly string[] | null;

  constructor(value: string) {
    this.#plain = value;
    this.#points = HAS_SURROGATE.test(value) ? Array.from(value) : null;
    this.length = this.#points?.length ?? value.length;
  }

  /** From `start` up to `end`, both within 0…length. */
  slice(start: number, end: number): string {
    return this.#points ? this.#points.slice(start, end).join('') : this.#plain.slice(start, end);
  }

  characters(): string[] {
    return this.#points ? [...this.#points] : this.#plain.split('');
  }

  /** The first place at or after `start` where `part` stands and ends by `end`, else -1. */
  find(part: string, start: number, end: number): number {
    if (start > this.length) return -1;
    const at = this.slice(start, Math.max(start, end)).indexOf(part);
    return start > end ? -1 : this.#toPoints(at, start);
  }

  findLast(part: string, start: number, end: number): number {
    if (start > this.length || start > end) return -1;
    return this.#toPoints(this.slice(start, end).lastIndexOf(part), start);
  }

  #toPoints(unit: number, start: number): number {
    if (unit < 0) return -1;
    return start + (this.#points ? Array.from(this.slice(start, this.length).slice(0, unit)).length : unit);
  }
}

/** An integer as a position; beyond all lengths when it is a bigint. */
export function toPosition(value: PyInteger): number {
  if (typeof value === 'number') return value;
  return value < 0n ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
}

/** A slice bound as Python reads it: negative ones count from the end, all are clamped to 0…length. */
export function sliceBound(value: number, length: number): number {
  return value < 0 ? Math.max(0, value + length) : Math.min(value, length);
}

const BLANK = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const BLANKS = new RegExp(`[${BLANK}]+`);
const LEADING = new RegExp(`^[${BLANK}]+`);

/** Python's `strip`, `lstrip`, `rstrip`: white space, or any of the characters. */
export function strip(text: string, chars: string | null, sides: 'both' | 'left' | 'right'): string {
  const set = chars === null ? null : new Set(chars);
  const drop = (char: string) => (set ? set.has(char) : BLANKS.test(char));
  const points = HAS_SURROGATE.test(text) ? Array.from(text) : text;
  let start = 0;
  let end = points.length;
  if (sides !== 'right') while (start < end && drop(points[start] as string)) start += 1;
  if (sides !== 'left') while (end > start && drop(points[end - 1] as string)) end -= 1;
  const kept = points.slice(start, end);
  return typeof kept === 'string' ? kept : kept.join('');
}

/** Python's `split`; `most` below zero is no limit. */
export function split(text: string, separator: string | null, most: number): PyList<string> {
  if (separator === null) return splitBlanks(text, most);
  if (separator === '') throw valueError('empty separator');
  const pieces = text.split(separator);
  if (most < 0 || pieces.length <= most + 1) return PyList.wrap(pieces);
  return PyList.wrap([...pieces.slice(0, most), pieces.slice(most).join(separator)]);
}

/** Python's `rsplit`: as `split`, counting from the right. */
export function splitRight(text: string, separator: string | null, most: number): PyList<string> {
  if (most < 0) return split(text, separator, most);
  if (separator === null) {
    const pieces = splitBlanks(reversed(text), most);
    return PyList.wrap(Array.from(pieces, reversed).reverse());
  }
  if (separator === '') throw valueError('empty separator');
  const pieces: string[] = [];
  let end = text.length;
  while (pieces.length < most) {
    const at = end < separator.length ? -1 : text.lastIndexOf(separator, end - separator.length);
    if (at < 0) break;
    pieces.unshift(text.slice(at + separator.length, end));
    end = at;
  }
  return PyList.wrap([text.slice(0, end), ...pieces]);
}

/** Python's `replace`; `most` below zero is no limit, an empty `old` stands between all characters. */
export function replace(text: string, old: string, replacement: string, most: number): string {
  if (most === 0) return text;
  if (old === '') return replaceBetween(text, replacement, most);
  if (most < 0) return text.split(old).join(replacement);
  const pieces = text.split(old);
  const count = Math.min(most, pieces.length - 1);
  return (
    pieces.slice(0, count + 1).join(replacement) +
    pieces
      .slice(count + 1)
      .map((piece) => old + piece)
      .join('')
  );
}

function replaceBetween(text: string, replacement: string, most: number): string {
  const characters = Array.from(text);
  const places = most < 0 ? characters.length + 1 : Math.min(most, characters.length + 1);
  const parts = characters.map((char, i) => (i < places ? replacement + char : char));
  return parts.join('') + (places > characters.length ? replacement : '');
}

function splitBlanks(text: string, most: number): PyList<string> {
  const pieces = new PyList<string>();
  let left = text.replace(LEADING, '');
  while (left !== '') {
    const gap = most >= 0 && pieces.length >= most ? null : BLANKS.exec(left);
    if (!gap) {
      pieces.push(left);
      break;
    }
    pieces.push(left.slice(0, gap.index));
    left = left.slice(gap.index + gap[0].length);
  }
  return pieces;
}

function reversed(text: string): string {
  return Array.from(text).reverse().join('');
}
