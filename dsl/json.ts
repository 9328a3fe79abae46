import { Float, toFloat, toInteger } from './yaql/numbers.ts';

/** A JSON value that keeps the reference's kinds of numbers: see dsl/yaql/numbers.ts. */
export type Json = null | boolean | number | bigint | Float | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/**
 * Reads JSON text. `2.0` becomes a {@link Float}, integers beyond 2^53 - 1 become bigints; Python's bare `NaN`, `Infinity` and
 * `-Infinity` are read as well. Texts without such numbers take the built-in parser.
 *
 * @throws SyntaxError naming the offset.
 */
export function parseJson(text: string): Json {
  if (!SPECIAL_NUMBER.test(text)) return JSON.parse(text) as Json;
  return new Reader(text).document();
}

/** Writes compact JSON text that {@link parseJson} reads back to an equal value of equal kind. */
export function stringifyJson(value: Json): string {
  return isPlain(value) ? JSON.stringify(value) : write(value);
}

export function isJsonObject(value: unknown): value is JsonObject {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Float) &&
    (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)
  );
}

/** Deep equality by value; numbers compare by value across integer and float, keys without order. */
export function jsonEquals(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (isNumber(a) && isNumber(b)) return sameNumber(numericValue(a), numericValue(b));
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item: Json, i) => jsonEquals(item, b[i] ?? null));
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && jsonEquals(a[key] ?? null, b[key] ?? null))
  );
}

/** Right over left: mappings merge key by key at every level, anything else is replaced. */
export function deepMerge(left: JsonObject, right: JsonObject): JsonObject {
  const merged = copyObject(left);
  for (const [key, value] of Object.entries(right)) {
    const old = Object.hasOwn(left, key) ? left[key] : undefined;
    setKey(merged, key, isJsonObject(old) && isJsonObject(value) ? deepMerge(old, value) : value);
  }
  return merged;
}

export function copyObject(source: JsonObject): Record<string, Json> {
  const copy: Record<string, Json> = {};
  for (const key of Object.keys(source)) setKey(copy, key, source[key] as Json);
  return copy;
}

/** Assignment that takes `__proto__` for the ordinary key that it is in data. */
export function setKey(target: Record<string, Json>, key: string, value: Json): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
}

// A number that the built-in parser would change: an integral float, an exponent, many digits, or a bare word. Text inside
// strings may match as well, which only costs the slower path.
const SPECIAL_NUMBER = /\d\.0*(?!\d)|\d[eE][+-]?\d|\d{16,}|NaN|Infinity/;

function isNumber(value: Json): value is number | bigint | Float {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Float;
}

function sameNumber(a: number | bigint, b: number | bigint): boolean {
  if (typeof a === typeof b) return a === b;
  const [whole, other] = typeof a === 'bigint' ? [a, b] : [b, a];
  return typeof other === 'number' && Number.isInteger(other) && BigInt(other) === whole;
}

function numericValue(value: number | bigint | Float): number | bigint {
  return value instanceof Float ? value.value : value;
}

function isPlain(value: Json): boolean {
  switch (typeof value) {
    case 'bigint':
      return false;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0);
    case 'object':
      if (value === null) return true;
      if (value instanceof Float) return false;
      if (Array.isArray(value)) return value.every(isPlain);
      for (const key in value) if (!isPlain((value as JsonObject)[key] ?? null)) return false;
      return true;
    default:
      return true;
  }
}

function write(value: Json): string {
  if (value instanceof Float) return writeFloat(value.value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? JSON.stringify(value) : writeFloat(value);
  if (Array.isArray(value)) return `[${value.map((item: Json) => write(item)).join(',')}]`;
  if (isJsonObject(value)) {
    const entries = Object.keys(value).map((key) => `${JSON.stringify(key)}:${write(value[key] ?? null)}`);
    return `{${entries.join(',')}}`;
  }
  return JSON.stringify(value);
}

function writeFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  const text = Object.is(value, -0) ? '-0' : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

class Reader {
  private at = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  document(): Json {
    const value = this.value();
    this.space();
    if (this.at < this.text.length) this.fail();
    return value;
  }

  private value(): Json {
    this.space();
    const c = this.text[this.at];
    if (c === '{') return this.object();
    if (c === '[') return this.array();
    if (c === '"') return this.string();
    for (const [word, value] of WORDS) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return this.number();
  }

  private object(): JsonObject {
    const result: Record<string, Json> = {};
    this.at++;
    this.space();
    if (this.take('}')) return result;
    do {
      this.space();
      if (this.text[this.at] !== '"') this.fail();
      const key = this.string();
      this.space();
      this.expect(':');
      setKey(result, key, this.value());
      this.space();
    } while (this.take(','));
    this.expect('}');
    return result;
  }

  private array(): Json {
    const result: Json[] = [];
    this.at++;
    this.space();
    if (this.take(']')) return result;
    do {
      result.push(this.value());
      this.space();
    } while (this.take(','));
    this.expect(']');
    return result;
  }

  private string(): string {
    STRING.lastIndex = this.at;
    const match = STRING.exec(this.text);
    if (match === null) return this.fail();
    this.at = STRING.lastIndex;
    return JSON.parse(match[0]) as string;
  }

  private number(): Json {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (match === null) return this.fail();
    this.at = NUMBER.lastIndex;
    const text = match[0];
    if (/[.eE]/.test(text)) return toFloat(Number(text));
    const value = Number(text);
    if (Object.is(value, -0)) return 0;
    return Number.isSafeInteger(value) ? value : toInteger(BigInt(text));
  }

  private space(): void {
    while (' \t\n\r'.includes(this.text[this.at] ?? 'x')) this.at++;
  }

  private take(c: string): boolean {
    if (this.text[this.at] !== c) return false;
    this.at++;
    return true;
  }

  private expect(c: string): void {
    if (!this.take(c)) this.fail();
  }

  private fail(): never {
    throw new SyntaxError(
      this.at >= this.text.length
        ? 'Unexpected end of JSON input'
        : `Unexpected character '${this.text[this.at]}' in JSON at position ${this.at}`,
    );
  }
}

const STRING = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORDS: readonly (readonly [string, Json])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
];
