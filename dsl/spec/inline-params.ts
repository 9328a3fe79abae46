import { TextCache } from '../expressions/cache.ts';
import { type Json, type JsonObject, parseJson, setKey } from '../json.ts';

/** A name with parameters behind it, in one text: `std.echo output=<% $.x %>` (spec/dsl.md §11). */
export interface InlineCall {
  readonly name: string;
  readonly params: JsonObject;
  readonly values: readonly InlineValue[];
  /** Pieces of the text that neither the name nor a parameter covers: they have no effect. */
  readonly lost: readonly LostText[];
}

export interface InlineValue {
  readonly name: string;
  readonly value: Json;
  /** Where the name starts in the text. */
  readonly nameOffset: number;
  /** Where the value starts in the text, behind its quote. */
  readonly offset: number;
}

export interface LostText {
  readonly text: string;
  readonly offset: number;
  /** The parameter whose value ends right before this text, without a blank: the text was meant to belong to it. */
  readonly behind: string | null;
}

/** null: there is no name at the start. A text without a blank is a name alone. */
export function parseInlineCall(text: string): InlineCall | null {
  if (!text.includes(' ')) return { name: text, params: {}, values: [], lost: [] };
  return calls.get(text, readInlineCall).call;
}

/** Each check and each step to the task that is built asks for the same call anew. */
const calls = new TextCache<{ readonly call: InlineCall | null }>(4_000, 1_000_000);

function readInlineCall(text: string): { readonly call: InlineCall | null } {
  return { call: inlineCallOf(text) };
}

function inlineCallOf(text: string): InlineCall | null {
  const name = NAME.exec(text)?.[0];
  if (name === undefined) return null;
  return { name, ...parseInlineParams(text, name.length) };
}

/** All `name=value` in the text, wherever they stand. The first `skip` units are not reported as lost. */
export function parseInlineParams(text: string, skip = 0): Omit<InlineCall, 'name'> {
  const params: Record<string, Json> = {};
  const values: InlineValue[] = [];
  const lost: LostText[] = [];
  const scanner = new ValueScanner(text);
  let matched = 0; // where the last match ends
  let covered = skip;
  for (let equals = text.indexOf('='); equals !== -1; equals = text.indexOf('=', Math.max(equals + 1, matched))) {
    const nameOffset = nameStart(text, equals, matched);
    const value = nameOffset === equals ? null : scanner.valueAt(equals + 1);
    if (value === null) continue;
    const name = text.slice(nameOffset, equals);
    addLost(lost, text, covered, nameOffset, values.at(-1)?.name);
    matched = value.end;
    covered = Math.max(covered, matched);
    setKey(params, name, value.value);
    values.push({ name, value: value.value, nameOffset, offset: value.start });
  }
  addLost(lost, text, covered, text.length, values.at(-1)?.name);
  return { params, values, lost };
}

interface ScannedValue {
  readonly value: Json;
  /** Behind the quote. */
  readonly start: number;
  readonly end: number;
}

/**
 * Finds the value that starts at a place; places must be asked for in rising order. The alternatives are those of
 * spec/dsl.md §11, step 3. Ends of lines and closing marks are remembered, so that a text takes linear time.
 */
class ValueScanner {
  private readonly text: string;
  private readonly next = new Map<string, number>();
  private bracket: { readonly lineEnd: number; readonly last: number } | null = null;

  constructor(text: string) {
    this.text = text;
  }

  valueAt(at: number): ScannedValue | null {
    const first = this.text[at];
    if (first === '"' || first === "'") return this.quoted(at, first);
    if (first === '[') return this.list(at);
    if (this.text.startsWith('{{', at)) return this.expression(at, '}}');
    if (this.text.startsWith('<%', at)) return this.expression(at, '%>');
    WORD_OR_DIGITS.lastIndex = at;
    const word = WORD_OR_DIGITS.exec(this.text)?.[0];
    return word === undefined ? null : { value: decode(word), start: at, end: at + word.length };
  }

  private quoted(at: number, quote: string): ScannedValue | null {
    const close = this.find(quote, at + 1);
    return close === -1
      ? null
      : { value: this.text.slice(at + 1, close), start: at + 1, end: this.skipSpace(close + 1) };
  }

  private expression(at: number, mark: string): ScannedValue | null {
    const close = this.find(mark, at + 2);
    if (close === -1 || close > this.lineEnd(at)) return null;
    return { value: decode(this.text.slice(at, close + 2)), start: at, end: close + 2 };
  }

  /** Reaches to the last bracket of the line, as greedy as the reference. */
  private list(at: number): ScannedValue | null {
    const lineEnd = this.lineEnd(at);
    if (this.bracket?.lineEnd !== lineEnd) {
      const last = this.text.slice(at, lineEnd).lastIndexOf(']');
      this.bracket = { lineEnd, last: last === -1 ? -1 : at + last };
    }
    const { last } = this.bracket;
    if (last <= at) return null;
    return { value: decode(this.text.slice(at, last + 1)), start: at, end: this.skipSpace(last + 1) };
  }

  private lineEnd(at: number): number {
    const end = this.find('\n', at);
    return end === -1 ? this.text.length : end;
  }

  private find(mark: string, from: number): number {
    const known = this.next.get(mark);
    if (known !== undefined && (known === -1 || known >= from)) return known;
    const found = this.text.indexOf(mark, from);
    this.next.set(mark, found);
    return found;
  }

  private skipSpace(at: number): number {
    let end = at;
    while (end < this.text.length && SPACE.test(this.text[end] ?? '')) end++;
    return end;
  }
}

/** Where the name before the `=` starts; the `=` itself if there is none. */
function nameStart(text: string, equals: number, after: number): number {
  let start = equals;
  while (start > after) {
    const isPair = start - 1 > after && /[\uDC00-\uDFFF]/.test(text[start - 1] ?? '');
    const length = isPair ? 2 : 1;
    if (!NAME_CHARACTER.test(text.slice(start - length, start))) break;
    start -= length;
  }
  return start;
}

function addLost(lost: LostText[], text: string, start: number, end: number, last: string | undefined): void {
  if (end <= start) return;
  const piece = text.slice(start, end);
  const trimmed = piece.trim();
  if (trimmed === '') return;
  const isAttached =
    last !== undefined && start > 0 && !SPACE.test(text[start - 1] ?? '') && !SPACE.test(piece[0] ?? '');
  lost.push({ text: trimmed, offset: start + piece.indexOf(trimmed), behind: isAttached ? last : null });
}

function decode(text: string): Json {
  // An expression is no JSON, and failing to read it takes longer than all the rest.
  if (!/^\s*["[{\-\dtfnNI]/.test(text)) return text;
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

/** `\w` of the reference takes letters and digits of every script. */
export const WORD = String.raw`[\p{L}\p{N}_]`;
const NAME = new RegExp(String.raw`^(?:(?:${WORD}|\.)+[^=(\s"]*|<%[^\n]*?%>|\{\{[^\n]*\}\}|\{%[^\n]*%\})`, 'u');
const NAME_CHARACTER = new RegExp(`^(?:${WORD}|-)$`, 'u');
const WORD_OR_DIGITS = /true|false|null|\d+/y;
const SPACE = /\s/;
