import { stringifyJson, type Json } from '../dsl/json.ts';
import { Float } from '../dsl/yaql/numbers.ts';

/** The value as a JavaScript number, or null when it is no number. Integers beyond 2^53 lose digits. */
export function toNumber(value: Json): number | null {
  if (value instanceof Float) return value.value;
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : null;
}

/** Whole seconds of `std.sleep` and of the delay of `std.echo`: what is no number, or negative, counts as 0 (spec/engine.md §27). */
export function toWholeSeconds(value: Json): number {
  const seconds =
    typeof value === 'string' ? (/^\s*[+-]?\d+\s*$/.test(value) ? Number(value) : 0) : (toNumber(value) ?? 0);
  return Number.isFinite(seconds) ? Math.max(0, Math.trunc(seconds)) : 0;
}

/** Truth as the reference's language sees it: null, false, zero and everything empty are false. */
export function isTruthy(value: Json): boolean {
  if (value === null || value === false || value === '') return false;
  const number = toNumber(value);
  if (number !== null) return number !== 0;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

/** Text of a value inside messages, header values and argument lists: strings as they are, the rest as JSON. */
export function toText(value: Json): string {
  return typeof value === 'string' ? value : stringifyJson(value);
}
