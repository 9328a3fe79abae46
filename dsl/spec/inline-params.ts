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
}

/** null: there is no name at the start. A text without a blank is a name alone. */
export function parseInlineCall(text: string): InlineCall | null {
  if (!text.includes(' ')) return { name: text, params: {}, values: [], lost: [] };
  const name = NAME.exec(text)?.[0];
  if (name === undefined) return null;
  return { name, ...parseInlineParams(text, name.length) };
}

/** All `name=value` in the text, wherever they stand. The first `skip` units are not reported as lost. */
export function parseInlineParams(text: string, skip = 0): Omit<InlineCall, 'name'> {
  const params: Record<string, Json> = {};
  const values: InlineValue[] = [];
  const lost: LostText[] = [];
  let end = skip;
  for (const match of text.matchAll(PARAMETER)) {
    const [all, name = '', written = ''] = match;
    addLost(lost, text, end, match.index);
    end = Math.max(end, match.index + all.length);
    const isQuoted = written.startsWith('"') || written.startsWith("'");
    const value = isQuoted ? written.trim().slice(1, -1) : decode(written.trim());
    setKey(params, name, value);
    values.push({ name, value, nameOffset: match.index, offset: match.index + name.length + (isQuoted ? 2 : 1) });
  }
  addLost(lost, text, end, text.length);
  return { params, values, lost };
}

function addLost(lost: LostText[], text: string, start: number, end: number): void {
  if (end <= start) return;
  const piece = text.slice(start, end);
  const trimmed = piece.trim();
  if (trimmed !== '') lost.push({ text: trimmed, offset: start + piece.indexOf(trimmed) });
}

function decode(text: string): Json {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

/** `\w` of the reference takes letters and digits of every script. */
export const WORD = String.raw`[\p{L}\p{N}_]`;
const NAME = new RegExp(String.raw`^(?:(?:${WORD}|\.)+[^=(\s"]*|<%[^\n]*?%>|\{\{[^\n]*\}\}|\{%[^\n]*%\})`, 'u');
const PARAMETER = new RegExp(
  String.raw`((?:${WORD}|-)+)=("[^"]*"\s*|'[^']*'\s*|\{\{[^\n]*?\}\}|<%[^\n]*?%>|\[[^\n]*\]\s*|true|false|null|\d+)`,
  'gu',
);
