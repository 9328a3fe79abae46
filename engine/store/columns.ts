import { parseJson, stringifyJson } from '../../dsl/json.ts';
import type { Json } from '../../dsl/json.ts';

/** How single values get into columns and back. */

export type ColumnValue = string | number | boolean | null;

/** For each field of a record: its column and how its value is written. */
export type Encoders<R> = {
  readonly [K in keyof R]-?: { readonly column: string; readonly encode: (value: R[K]) => ColumnValue };
};

/** The columns of the fields that a record or a patch has. Fields that are undefined are left out. */
export function encodeFields<R extends object>(encoders: Encoders<R>, fields: Partial<R>): Record<string, ColumnValue> {
  const row: Record<string, ColumnValue> = {};
  for (const key in fields) {
    const value = fields[key];
    if (value === undefined) continue;
    const { column, encode } = encoders[key];
    row[column] = encode(value);
  }
  return row;
}

export function plain<T extends ColumnValue>(column: string): { column: string; encode: (value: T) => ColumnValue } {
  return { column, encode: (value) => value };
}

/** Text that people or remote systems wrote: PostgreSQL stores no U+0000, and UTF-8 no lone surrogates. */
export function text<T extends string | null>(column: string): { column: string; encode: (value: T) => ColumnValue } {
  return { column, encode: (value) => (value === null ? null : storableText(value)) };
}

/** JSON as text; null stays SQL's null. */
export function json<T>(column: string): { column: string; encode: (value: T) => ColumnValue } {
  return { column, encode: (value) => (value === null ? null : stringifyJson(value as Json)) };
}

/** Values that were written through {@link json} have the type that was written. */
export function decodeJson<T>(value: string): T {
  return parseJson(value) as T;
}

export function decodeOptionalJson<T>(value: string | null): T | null {
  return value === null ? null : (parseJson(value) as T);
}

/** What cannot be stored is shown as its escape, such as `\u0000`. Inside JSON columns the escape is JSON's own and reads back. */
export function storableText(value: string): string {
  return UNSTORABLE.test(value) ? value.replace(UNSTORABLE_ALL, escapeUnit) : value;
}

/** Whether a database keeps it as it is. */
export function isStorableText(value: string): boolean {
  return !UNSTORABLE.test(value);
}

const UNSTORABLE = /\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const UNSTORABLE_ALL = new RegExp(UNSTORABLE.source, 'g');

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
