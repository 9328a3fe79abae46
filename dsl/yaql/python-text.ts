import { DateTime } from './date-time.ts';
import { dictEntries, isDict } from './dicts.ts';
import { Float, type PyNumber } from './numbers.ts';
import { Regex } from './regex.ts';
import { SetLike, ValuesView } from './sets.ts';
import { TimeSpan } from './time-span.ts';
import { PyList, PyTuple, YaqlValue } from './values.ts';

export interface TextOptions {
  /**
   * How plain arrays and sets print. `tuple` is the internal form, which YAQL's `str()` shows: `(1,)`, `frozenset({1})`.
   * `list` is that of converted values, which text around an expression and Jinja show: `[1]`, `{1}`.
   */
  readonly arrays?: 'tuple' | 'list';
}

/** Python's `str(value)` (spec/expressions.md §13). */
export function pyStr(value: unknown, options: TextOptions = {}): string {
  if (typeof value === 'string') return value;
  if (value instanceof DateTime || value instanceof TimeSpan) return value.toString();
  return pyRepr(value, options);
}

/** Python's `repr(value)`. */
export function pyRepr(value: unknown, options: TextOptions = {}): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
    case 'bigint':
      return formatNumber(value);
    case 'boolean':
      return value ? 'True' : 'False';
    case 'undefined':
      return 'None';
    case 'object':
      return value === null ? 'None' : reprObject(value, options);
    default:
      return '<object>';
  }
}

/** A number as Python prints it. */
export function formatNumber(value: PyNumber): string {
  if (value instanceof Float) return formatFloat(value.value);
  if (typeof value === 'bigint') return value.toString();
  return Number.isInteger(value) ? BigInt(value).toString() : formatFloat(value);
}

/** Shortest digits that read back, in Python's layout: `2.0`, `1e+16`, `1e-05`, `inf`. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e16) {
    const plain = size < 1e-6 ? value.toFixed(20) : String(value);
    return plain.includes('.') ? plain : `${plain}.0`;
  }
  const [digits = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

function reprObject(value: object, options: TextOptions): string {
  if (Array.isArray(value)) return reprList(value, options);
  if (value instanceof Float) return formatFloat(value.value);
  if (value instanceof SetLike) return reprSet(value, options);
  if (value instanceof ValuesView) return `ValuesView(${pyRepr(value.dict, options)})`;
  if (value instanceof DateTime) return reprDateTime(value);
  if (value instanceof TimeSpan) return reprTimeSpan(value);
  if (isDict(value)) {
    const entries = [...dictEntries(value)];
    return `{${entries.map(([key, item]) => `${pyRepr(key, options)}: ${pyRepr(item, options)}`).join(', ')}}`;
  }
  if (value instanceof Regex) return `re.compile(${pyRepr(value.pattern)})`;
  return value instanceof YaqlValue ? `<${value.yaqlKind}>` : '<object>';
}

function reprList(list: readonly unknown[], options: TextOptions): string {
  const items = list.map((item) => pyRepr(item, options)).join(', ');
  const asTuple = list instanceof PyTuple || (!(list instanceof PyList) && (options.arrays ?? 'tuple') === 'tuple');
  if (!asTuple) return `[${items}]`;
  return list.length === 1 ? `(${items},)` : `(${items})`;
}

function reprSet(set: SetLike, options: TextOptions): string {
  const items = [...set].map((item) => pyRepr(item, options)).join(', ');
  if (options.arrays === 'list') return items === '' ? 'set()' : `{${items}}`;
  return items === '' ? 'frozenset()' : `frozenset({${items}})`;
}

function reprDateTime(value: DateTime): string {
  const { year, month, day, hour, minute, second, microsecond } = value.fields();
  const parts = [year, month, day, hour, minute];
  if (second !== 0 || microsecond !== 0) parts.push(second);
  if (microsecond !== 0) parts.push(microsecond);
  const seconds = value.offset.microseconds / 1_000_000n;
  return `datetime.datetime(${parts.join(', ')}, tzinfo=${seconds === 0n ? 'tzutc()' : `tzoffset(None, ${seconds})`})`;
}

function reprTimeSpan(value: TimeSpan): string {
  const { days, seconds, microseconds } = value.parts();
  const parts: string[] = [];
  if (days !== 0n) parts.push(`days=${days}`);
  if (seconds !== 0) parts.push(`seconds=${seconds}`);
  if (microseconds !== 0) parts.push(`microseconds=${microseconds}`);
  return `datetime.timedelta(${parts.join(', ') || '0'})`;
}

const NEEDS_ESCAPE = /[\\'"]|[^\x20-\x7e]/;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Zs}]/u;

function quote(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return `'${text}'`;
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  let result = mark;
  for (const char of text) result += escapeChar(char, mark);
  return result + mark;
}

function escapeChar(char: string, mark: string): string {
  if (char === '\\' || char === mark) return `\\${char}`;
  if (char === '\n') return '\\n';
  if (char === '\r') return '\\r';
  if (char === '\t') return '\\t';
  if (char === ' ' || !UNPRINTABLE.test(char)) return char;
  const code = char.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
}
