import type { Knex } from 'knex';
import { isJsonObject, jsonEquals, parseJson } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { EngineError } from '../errors.ts';
import { dialectOf } from './dialect.ts';

/** Filters of lists: spec/rest-api.md §2.5 and §2.7. */

export const OPERATORS = ['eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'has'] as const;
export type Operator = (typeof OPERATORS)[number];

export interface Column {
  /** As clients write it. */
  readonly name: string;
  readonly column: string;
  readonly type: 'text' | 'uuid' | 'integer' | 'time' | 'flag' | 'json' | 'tags';
  readonly nullable: boolean;
  /** Holds ids of executions, which clients may choose: with an operator in front, any text is taken for one. */
  readonly clientChosen?: boolean;
  /** Must look like a UUID but is compared as it is given: ids of projects come from elsewhere, mostly without dashes. */
  readonly verbatim?: boolean;
}

/** A condition on one column. Times are whole seconds since 1970: what clients see has no fraction. */
export type Filter = { readonly column: Column; readonly operator: Operator } & (
  | { readonly kind: 'text'; readonly values: readonly string[] }
  | { readonly kind: 'integer'; readonly values: readonly number[] }
  | { readonly kind: 'time'; readonly values: readonly number[] }
  | { readonly kind: 'flag'; readonly value: boolean }
  | { readonly kind: 'json'; readonly value: JsonObject }
  | { readonly kind: 'tags'; readonly values: readonly string[] }
);

/**
 * Reads `<value>` or `<operator>:<value>`. Only a known operator followed by a colon is one; anything else is part of the value.
 *
 * @throws EngineError INVALID_INPUT when the value does not fit the column.
 */
export function parseFilter(column: Column, text: string): Filter {
  // A filter on JSON has no operators: `{` cannot follow one anyway.
  if (column.type === 'json') return { column, operator: 'eq', kind: 'json', value: jsonObject(column, text) };
  const { operator, value } = splitOperator(text);
  switch (column.type) {
    case 'text':
      return textFilter(column, operator, value);
    case 'uuid':
      if (column.clientChosen === true && value !== text) return textFilter(column, operator, value);
      return {
        column,
        operator,
        kind: 'text',
        values: (isList(operator) ? value.split(',') : [value]).map((v) => uuid(column, v)),
      };
    case 'integer':
      if (operator === 'has') throw unsupported(column, operator);
      return {
        column,
        operator,
        kind: 'integer',
        values: (isList(operator) ? value.split(',') : [value]).map((v) => wholeNumber(column, v)),
      };
    case 'time':
      if (operator === 'has') throw unsupported(column, operator);
      return {
        column,
        operator,
        kind: 'time',
        values: (isList(operator) ? value.split(',') : [value]).map((v) => seconds(column, v)),
      };
    case 'flag':
      if (operator !== 'eq' && operator !== 'neq') throw unsupported(column, operator);
      return { column, operator, kind: 'flag', value: toFlag(value) };
    case 'tags':
      return { column, operator, kind: 'tags', values: listItems(value) };
  }
}

/** Comma-separated, trimmed, without empty items. */
export function listItems(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Words for false are false, any other text that is not empty is true (spec/rest-api.md §1 rule 10). */
export function toFlag(text: string): boolean {
  return !['', 'false', '0', 'no', 'off', 'f', 'n'].includes(text.trim().toLowerCase());
}

/** The usual form of a UUID that may lack its dashes; null for anything else. */
export function normalUuid(text: string): string | null {
  const hex = text.replaceAll('-', '').toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(hex)) return null;
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export function notUuid(name: string, value: string): EngineError {
  return new EngineError(
    'INVALID_INPUT',
    `Invalid input for field/attribute ${name}. Value: '${value}'. unable to convert to uuid. Error: Expected a uuid but received ${value}.`,
  );
}

/** Adds the condition. JSON has none in SQL, since equal values may be written differently: see {@link matchesJson}. */
export function applyFilter(query: Knex.QueryBuilder, filter: Filter): void {
  const { column } = filter.column;
  switch (filter.kind) {
    case 'json':
      return;
    case 'flag':
      query.where(column, filter.operator === 'eq' ? '=' : '<>', filter.value);
      return;
    case 'time':
      applyTime(query, column, filter.operator, filter.values);
      return;
    case 'tags':
      applyTags(query, column, filter.operator, filter.values);
      return;
    case 'text':
      applyText(query, column, filter.operator, filter.values);
      return;
    case 'integer':
      applyNumber(query, column, filter.operator, filter.values);
  }
}

/** The part of a filter that only a read row can answer. `text` is what the column holds. */
export function matchesJson(filter: Filter, text: string | null): boolean {
  return filter.kind !== 'json' || (text !== null && jsonEquals(parseJson(text), filter.value));
}

/** The same conditions on a value in memory: a string, a list of tags, a flag or a time in milliseconds. */
export function matches(filter: Filter, value: unknown): boolean {
  if (value === null || value === undefined) return false;
  switch (filter.kind) {
    case 'json':
      return jsonEquals(value as Json, filter.value);
    case 'flag':
      return (filter.operator === 'eq') === (value === filter.value);
    case 'time':
      return typeof value === 'number' && compares(filter.operator, Math.floor(value / 1000), filter.values);
    case 'integer':
      return typeof value === 'number' && compares(filter.operator, value, filter.values);
    case 'tags':
      return Array.isArray(value) && matchesTags(filter.operator, value, filter.values);
    case 'text':
      if (filter.operator === 'has') return asciiLower(String(value)).includes(asciiLower(filter.values[0] ?? ''));
      return compares(filter.operator, String(value), filter.values);
  }
}

function textFilter(column: Column, operator: Operator, value: string): Filter {
  return { column, operator, kind: 'text', values: isList(operator) ? value.split(',') : [value] };
}

function splitOperator(text: string): { operator: Operator; value: string } {
  const colon = text.indexOf(':');
  const word = colon === -1 ? '' : text.slice(0, colon);
  const operator = OPERATORS.find((known) => known === word);
  return operator === undefined ? { operator: 'eq', value: text } : { operator, value: text.slice(colon + 1) };
}

function isList(operator: Operator): boolean {
  return operator === 'in' || operator === 'nin';
}

function uuid(column: Column, text: string): string {
  const normal = normalUuid(text);
  if (normal === null) throw notUuid(column.name, text);
  return column.verbatim === true ? text : normal;
}

function wholeNumber(column: Column, text: string): number {
  if (/^\s*[+-]?\d{1,15}\s*$/.test(text)) return Number(text);
  throw new EngineError(
    'INVALID_INPUT',
    `Invalid input for field/attribute ${column.name}. Value: '${text}'. unable to convert to int.`,
  );
}

function seconds(column: Column, text: string): number {
  const match = TIME.exec(text.trim());
  const [, date, time = '00:00:00', zone = 'Z'] = match ?? [];
  const milliseconds = date === undefined ? Number.NaN : Date.parse(`${date}T${time}${zone}`);
  if (Number.isNaN(milliseconds)) {
    throw new EngineError(
      'INVALID_INPUT',
      `Invalid input for field/attribute ${column.name}. Value: '${text}'. Expected a time such as 2026-01-31 23:59:59 (UTC).`,
    );
  }
  return Math.floor(milliseconds / 1000);
}

// A plus sign of a zone arrives as a space when the client did not encode it.
const TIME = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?(Z|[+-]\d{2}:?\d{2})?$/;

function jsonObject(column: Column, text: string): JsonObject {
  let value: Json;
  try {
    value = parseJson(text);
  } catch {
    value = null;
  }
  if (isJsonObject(value)) return value;
  throw new EngineError(
    'INVALID_INPUT',
    `Invalid input for field/attribute ${column.name}. Value: '${text}'. Expected the text of a JSON object, such as {"key": "value"}.`,
  );
}

function unsupported(column: Column, operator: Operator): EngineError {
  return new EngineError('INVALID_INPUT', `The filter operator '${operator}:' cannot be used with ${column.name}.`);
}

const SQL_OPERATORS = { eq: '=', neq: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

function applyText(query: Knex.QueryBuilder, column: string, operator: Operator, values: readonly string[]): void {
  const [first = ''] = values;
  switch (operator) {
    case 'in':
      query.whereIn(column, [...values]);
      return;
    case 'nin':
      query.whereNotIn(column, [...values]);
      return;
    case 'has':
      query.whereRaw(`${contains(query)}(lower(??), ?) > 0`, [column, asciiLower(first)]);
      return;
    default:
      query.where(column, SQL_OPERATORS[operator], first);
  }
}

function applyNumber(query: Knex.QueryBuilder, column: string, operator: Operator, values: readonly number[]): void {
  if (operator === 'in') query.whereIn(column, [...values]);
  else if (operator === 'nin') query.whereNotIn(column, [...values]);
  else if (operator !== 'has') query.where(column, SQL_OPERATORS[operator], values[0] ?? 0);
}

// Each range is looked up in an index; of many, planning that takes longer than to look at the rows.
const MOST_RANGES = 50;

/** A second is the range of its milliseconds. */
function applyTime(query: Knex.QueryBuilder, column: string, operator: Operator, values: readonly number[]): void {
  const start = (values[0] ?? 0) * 1000;
  const end = start + 1000;
  switch (operator) {
    case 'gt':
      query.where(column, '>=', end);
      return;
    case 'gte':
      query.where(column, '>=', start);
      return;
    case 'lt':
      query.where(column, '<', start);
      return;
    case 'lte':
      query.where(column, '<', end);
      return;
    default: {
      const starts = [...new Set(values)].map((value) => value * 1000);
      const isLong = starts.length > MOST_RANGES;
      const inside = isLong
        ? `${column} - ${column} % 1000 in (${starts.map(() => '?').join(', ')})`
        : starts.map(() => `(${column} >= ? and ${column} < ?)`).join(' or ');
      const bindings = isLong ? starts : starts.flatMap((from) => [from, from + 1000]);
      if (operator === 'neq' || operator === 'nin') query.whereNotNull(column).whereRaw(`not (${inside})`, bindings);
      else query.whereRaw(`(${inside})`, bindings);
    }
  }
}

/**
 * Tags are a JSON array in a text column. A tag in quotes is found as a substring: inside a JSON string every quote is escaped,
 * and the tags of a filter hold no commas, so nothing but a whole tag can match.
 */
function applyTags(query: Knex.QueryBuilder, column: string, operator: Operator, values: readonly string[]): void {
  const negative = operator === 'neq' || operator === 'nin';
  const any = operator === 'in' || operator === 'nin';
  if (operator === 'gt' || operator === 'gte' || operator === 'lt' || operator === 'lte') {
    throw new EngineError('INVALID_INPUT', `The filter operator '${operator}:' cannot be used with tags.`);
  }
  if (values.length === 0) {
    if (any !== negative) query.whereRaw('1 = 0');
    return;
  }
  const tags = [...new Set(values)];
  const each = `${contains(query)}(${column}, ?) > 0`;
  const condition = joined(
    tags.map(() => each),
    any ? 'or' : 'and',
  );
  const bindings = tags.map((tag) => JSON.stringify(tag));
  query.whereNotNull(column).whereRaw(`${negative ? 'not ' : ''}(${condition})`, bindings);
}

/** Joined in halves: SQLite takes no chain of more than a thousand. */
function joined(conditions: readonly string[], word: 'and' | 'or'): string {
  if (conditions.length <= 100) return conditions.join(` ${word} `);
  const half = conditions.length >> 1;
  return `(${joined(conditions.slice(0, half), word)}) ${word} (${joined(conditions.slice(half), word)})`;
}

/** The function that gives the position of a text in another, counted from 1. */
function contains(query: Knex.QueryBuilder): string {
  return dialectOf(query) === 'postgres' ? 'strpos' : 'instr';
}

function matchesTags(operator: Operator, tags: readonly unknown[], values: readonly string[]): boolean {
  const any = operator === 'in' || operator === 'nin';
  const found = any ? values.some((tag) => tags.includes(tag)) : values.every((tag) => tags.includes(tag));
  return operator === 'neq' || operator === 'nin' ? !found : found;
}

function compares<T extends string | number>(operator: Operator, value: T, values: readonly T[]): boolean {
  const [first] = values;
  if (first === undefined) return false;
  switch (operator) {
    case 'eq':
      return value === first;
    case 'neq':
      return value !== first;
    case 'gt':
      return value > first;
    case 'gte':
      return value >= first;
    case 'lt':
      return value < first;
    case 'lte':
      return value <= first;
    case 'in':
      return values.includes(value);
    case 'nin':
      return !values.includes(value);
    case 'has':
      return false;
  }
}

function asciiLower(text: string): string {
  return text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
