import { DateTime } from '../yaql/date-time.ts';
import { dictEntries, isDict } from '../yaql/dicts.ts';
import { Float, isNumber } from '../yaql/numbers.ts';
import { formatFloat, pyRepr } from '../yaql/python-text.ts';
import { compareStrings, YaqlValue } from '../yaql/values.ts';

export interface JsonTextOptions {
  /** Blanks per level; null for one line with `, ` and `: `. */
  readonly indent: number | string | null;
  readonly sortKeys: boolean;
  /** Turns a value that JSON does not know into one that it knows; undefined when it cannot. */
  readonly convert: (value: unknown) => unknown;
}

/** Thrown for what JSON cannot hold; the adapters give it their own class. */
export class NotSerializable extends Error {
  override readonly name = 'NotSerializable';
}

/** JSON text as Python's `json.dumps` writes it: ASCII only, floats with their point, non-string keys as text. */
export function jsonText(value: unknown, options: JsonTextOptions): string {
  return new Writer(options).write(value, 0);
}

const MAX_DEPTH = 900;

class Writer {
  private readonly options: JsonTextOptions;
  private readonly unit: string | null;

  constructor(options: JsonTextOptions) {
    this.options = options;
    const { indent } = options;
    this.unit = typeof indent === 'number' ? ' '.repeat(Math.max(0, indent)) : indent;
  }

  write(value: unknown, depth: number): string {
    if (depth > MAX_DEPTH) throw new NotSerializable('value is nested too deeply');
    if (value === null || value === undefined) return 'null';
    if (typeof value === 'boolean') return String(value);
    if (typeof value === 'string') return quote(value);
    if (isNumber(value)) return numberText(value);
    if (Array.isArray(value)) return this.list(value, depth);
    if (isDict(value)) return this.dict([...dictEntries(value)], depth);
    const converted = this.options.convert(value);
    if (converted !== undefined) return this.write(converted, depth);
    throw new NotSerializable(`Object of type ${nameOf(value)} is not JSON serializable`);
  }

  private list(items: readonly unknown[], depth: number): string {
    return this.enclose(
      '[',
      items.map((item) => this.write(item, depth + 1)),
      ']',
      depth,
    );
  }

  private dict(entries: (readonly [unknown, unknown])[], depth: number): string {
    const sorted = this.options.sortKeys ? entries.sort(([a], [b]) => compareKeys(a, b)) : entries;
    const members = sorted.map(([key, value]) => `${quote(keyText(key))}: ${this.write(value, depth + 1)}`);
    return this.enclose('{', members, '}', depth);
  }

  private enclose(open: string, members: readonly string[], close: string, depth: number): string {
    if (members.length === 0) return open + close;
    if (this.unit === null) return open + members.join(', ') + close;
    const line = `\n${this.unit.repeat(depth)}`;
    return `${open}${line}${this.unit}${members.join(`,${line}${this.unit}`)}${line}${close}`;
  }
}

/** A dict's key as JSON has it. @throws NotSerializable */
export function keyText(key: unknown): string {
  if (typeof key === 'string') return key;
  if (key === null || typeof key === 'boolean') return String(key);
  if (isNumber(key)) return numberText(key);
  throw new NotSerializable(`keys must be str, int, float, bool or None, not ${nameOf(key)}`);
}

function compareKeys(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') return compareStrings(a, b);
  if (isNumber(a) && isNumber(b)) return Number(a.valueOf()) - Number(b.valueOf());
  throw new NotSerializable(`'<' not supported between instances of '${nameOf(b)}' and '${nameOf(a)}'`);
}

function numberText(value: number | bigint | Float): string {
  const float =
    value instanceof Float ? value.value : typeof value === 'number' && !Number.isInteger(value) ? value : null;
  if (float === null) return pyRepr(value);
  if (Number.isNaN(float)) return 'NaN';
  if (!Number.isFinite(float)) return float > 0 ? 'Infinity' : '-Infinity';
  return formatFloat(float);
}

function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function nameOf(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'typeName' in value) return String(value.typeName);
  if (value instanceof DateTime) return 'datetime';
  return value instanceof YaqlValue ? value.yaqlKind : Array.isArray(value) ? 'tuple' : typeof value;
}
