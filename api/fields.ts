import { parseJson, stringifyJson } from '../dsl/json.ts';
import type { Json } from '../dsl/json.ts';
import { maskJsonText } from '../engine/secrets.ts';

/** How single columns look on the wire: spec/rest-api.md §2.3. */

export type WireRow = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Field {
  readonly name: string;
  /** How it looks to clients, for documents: `json` is JSON inside a string, `data` is JSON itself. */
  readonly kind: 'plain' | 'time' | 'json' | 'data' | 'list' | 'flag' | 'integer';
  /** Columns that it needs; empty for fields that a handler works out. */
  readonly columns: readonly string[];
  readonly show: (row: WireRow) => Json;
  /** `asked`: in lists only where `fields` or `include_output` ask for it. `single`: never in lists. */
  readonly inLists: 'always' | 'asked' | 'single';
}

interface Options {
  readonly column?: string;
  readonly inLists?: Field['inLists'];
}

export function plain(name: string, options: Options = {}): Field {
  return field('plain', name, options, (value) => value ?? null);
}

/** A whole number. */
export function integer(name: string, options: Options = {}): Field {
  return field('integer', name, options, (value) => value ?? null);
}

/** `YYYY-MM-DD HH:MM:SS` in UTC: clients parse exactly this. */
export function time(name: string, options: Options = {}): Field {
  return field('time', name, options, (value) => formatTime(typeof value === 'number' ? value : null));
}

/** JSON inside a string. */
export function jsonText(name: string, options: Options = {}): Field {
  return field('json', name, options, (value) => value ?? null);
}

/** JSON inside a string, with secrets masked: what actions are called with. */
export function maskedJsonText(name: string, options: Options = {}): Field {
  return field('json', name, options, (value) => (typeof value === 'string' ? maskJsonText(value) : null));
}

export function list(name: string, options: Options = {}): Field {
  return field('list', name, options, (value) => (typeof value === 'string' ? parseJson(value) : null));
}

export function flag(name: string, options: Options = {}): Field {
  return field('flag', name, options, (value) => (value === null || value === undefined ? null : Boolean(value)));
}

/** A field without a column of its own. The handlers of single items fill it in; lists leave it out. */
export function computed(name: string): Field {
  return { name, kind: 'json', columns: [], show: () => null, inLists: 'single' };
}

export function formatTime(milliseconds: number | null): string | null {
  if (milliseconds === null) return null;
  const seconds = Math.floor(milliseconds / 1000);
  const day = Math.floor(seconds / DAY_SECONDS);
  // Most times that are shown together are of one day, and a date takes much longer than the rest.
  if (day !== lastDay.number) lastDay = { number: day, text: dayText(day) };
  const rest = seconds - day * DAY_SECONDS;
  return `${lastDay.text} ${two(Math.floor(rest / 3600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
}

const DAY_SECONDS = 86_400;

/** @throws RangeError beyond the times that JavaScript has. */
function dayText(day: number): string {
  return new Date(day * DAY_SECONDS * 1000).toISOString().slice(0, -'T00:00:00.000Z'.length);
}

let lastDay = { number: 0, text: dayText(0) };

function two(number: number): string {
  return number < 10 ? `0${number}` : String(number);
}

/** JSON inside a string, for values that are in memory. */
export function jsonString(value: Json): string {
  return stringifyJson(value);
}

function field(kind: Field['kind'], name: string, options: Options, show: (value: WireRow[string]) => Json): Field {
  const column = options.column ?? name;
  return { name, kind, columns: [column], show: (row) => show(row[column]), inLists: options.inLists ?? 'always' };
}
