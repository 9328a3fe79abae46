import { toDouble, truncate } from '../../yaql/arithmetic.ts';
import { dictGet, isDict } from '../../yaql/dicts.ts';
import { isInteger, type PyInteger, toInteger } from '../../yaql/numbers.ts';
import { PyTuple } from '../../yaql/values.ts';
import { JinjaError, typeError, valueError } from './errors.ts';
import { exponentDigits, fixedDigits, generalDigits, integerDigits, isNegative } from './number-format.ts';
import { Range, Undefined } from './objects.ts';
import { indexOf, numberOf, repr, textOf, toText, typeName } from './python.ts';
import type { Runtime } from './runtime.ts';
import { characters, textLength } from './text.ts';

/** Python's `format % values`. @throws TypeError, ValueError, KeyError (JinjaError) */
export function formatPercent(format: string, values: unknown, runtime: Runtime): string {
  return new PercentFormat(format, values, runtime).run();
}

const SPECIFIER = /%(?:\(((?:[^()]|\([^()]*\))*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?[hlL]?([^]?)/gu;

interface Specifier {
  readonly flags: string;
  readonly width: number;
  readonly precision: number | null;
  readonly type: string;
}

class PercentFormat {
  private readonly format: string;
  private readonly values: unknown;
  private readonly positional: readonly unknown[];
  private readonly runtime: Runtime;
  private next = 0;
  private usedMapping = false;

  constructor(format: string, values: unknown, runtime: Runtime) {
    this.format = format;
    this.values = values;
    this.positional = values instanceof PyTuple ? values : [values];
    this.runtime = runtime;
  }

  run(): string {
    const result = this.format.replace(SPECIFIER, (whole, key, flags, width, precision, type, offset) =>
      this.specifier({ whole, key, flags, width, precision, type, offset }),
    );
    this.runtime.checkSize(result.length);
    if (this.next < this.positional.length && !this.usedMapping && !looksLikeMapping(this.values)) {
      throw typeError('not all arguments converted during string formatting');
    }
    return result;
  }

  private specifier(match: {
    whole: string;
    key?: string;
    flags: string;
    width?: string;
    precision?: string;
    type: string;
    offset: number;
  }): string {
    if (match.type === '') throw valueError('incomplete format');
    const isKeyed = match.key !== undefined;
    const keyed = isKeyed ? this.mapped(match.key ?? '') : undefined;
    const width = this.size(match.width);
    const precision = match.whole.includes('.', match.whole.indexOf(')') + 1) ? this.size(match.precision) : null;
    const flags = width < 0 ? `${match.flags}-` : match.flags;
    if (match.type === '%') return pad('%', { flags, width: Math.abs(width), precision, type: '%' }, '');
    if (!'diouxXeEfFgGcrsa'.includes(match.type)) {
      const code = (match.type.codePointAt(0) ?? 0).toString(16);
      const index = textLength(this.format.slice(0, match.offset)) + textLength(match.whole) - 1;
      throw valueError(`unsupported format character '${match.type}' (0x${code}) at index ${index}`);
    }
    const value = isKeyed ? keyed : this.positionalValue();
    this.runtime.checkSize(Math.abs(width) + (precision ?? 0));
    return convert(value, { flags, width: Math.abs(width), precision, type: match.type });
  }

  private mapped(key: string): unknown {
    if (!isDict(this.values)) throw typeError('format requires a mapping');
    this.usedMapping = true;
    const value = dictGet(this.values, key);
    if (value === undefined) throw new JinjaError('KeyError', repr(key));
    return value;
  }

  private positionalValue(): unknown {
    if (this.next >= this.positional.length) throw typeError('not enough arguments for format string');
    return this.positional[this.next++];
  }

  /** A width or precision: digits, or `*` for the next value. */
  private size(text: string | undefined): number {
    if (text !== '*') return Number(text ?? 0);
    const value = this.positionalValue();
    if (!isInteger(value)) throw typeError('* wants int');
    return Number(value);
  }
}

/** Whatever takes an index but is no tuple or text counts as a mapping: it may stay unused. */
function looksLikeMapping(value: unknown): boolean {
  if (value instanceof Undefined || value instanceof Range) return true;
  return isDict(value) || (Array.isArray(value) && !(value instanceof PyTuple));
}

function convert(value: unknown, spec: Specifier): string {
  switch (spec.type) {
    case 's':
      return pad(cut(toText(value), spec), spec, '');
    case 'r':
      return pad(cut(repr(value), spec), spec, '');
    case 'a':
      return pad(cut(asciiRepr(value), spec), spec, '');
    case 'c':
      return pad(character(value), spec, '');
    case 'd':
    case 'i':
    case 'u':
      return number(integerDigits(wholeNumber(value, spec.type), 10), wholeNumber(value, spec.type) < 0, spec, '');
    case 'o':
    case 'x':
    case 'X':
      return radix(value, spec);
    default:
      return floating(value, spec);
  }
}

function cut(text: string, spec: Specifier): string {
  return spec.precision === null ? text : characters(text).slice(0, spec.precision).join('');
}

/** `repr` with non-ASCII characters escaped. */
export function asciiRepr(value: unknown): string {
  return repr(value).replace(/[^\x00-\x7f]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
    return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
  });
}

function character(value: unknown): string {
  const text = textOf(value);
  if (text !== null && textLength(text) === 1) return text;
  const code = indexOf(value);
  if (code === null) throw typeError('%c requires int or char');
  return characterOf(code);
}

/** @throws OverflowError for what is no code point. */
export function characterOf(value: number): string {
  if (value < 0 || value > 0x10ffff) throw new JinjaError('OverflowError', '%c arg not in range(0x110000)');
  return String.fromCodePoint(value);
}

function wholeNumber(value: unknown, type: string): PyInteger {
  const given = numberOf(value);
  if (given === null) throw typeError(`%${type} format: a real number is required, not ${typeName(value)}`);
  return isInteger(given) ? given : truncate(toDouble(given));
}

function radix(value: unknown, spec: Specifier): string {
  const given = numberOf(value);
  if (given === null || !isInteger(given)) {
    throw typeError(`%${spec.type} format: an integer is required, not ${typeName(value)}`);
  }
  const lower = integerDigits(toInteger(BigInt(given)), spec.type === 'o' ? 8 : 16);
  const digits = spec.type === 'X' ? lower.toUpperCase() : lower;
  const prefix = spec.flags.includes('#') ? `0${spec.type}` : '';
  return number(digits, given < 0, spec, prefix);
}

function floating(value: unknown, spec: Specifier): string {
  const given = numberOf(value);
  if (given === null) throw typeError(`must be real number, not ${typeName(value)}`);
  const double = toDouble(given);
  const precision = spec.precision ?? 6;
  const alternate = spec.flags.includes('#');
  const kind = spec.type.toLowerCase();
  const write = kind === 'f' ? fixedDigits : kind === 'e' ? exponentDigits : generalDigits;
  const digits = write(double, precision, alternate);
  const shown = spec.type === kind ? digits : digits.toUpperCase();
  return number(shown, isNegative(given), { ...spec, precision: null }, '');
}

function number(digits: string, negative: boolean, spec: Specifier, prefix: string): string {
  const filled = spec.precision === null ? digits : digits.padStart(spec.precision, '0');
  const sign = negative ? '-' : spec.flags.includes('+') ? '+' : spec.flags.includes(' ') ? ' ' : '';
  return pad(filled, spec, sign + prefix);
}

function pad(text: string, spec: Specifier, lead: string): string {
  const missing = Math.max(0, spec.width - textLength(text) - lead.length);
  if (spec.flags.includes('-')) return lead + text + ' '.repeat(missing);
  const isNumber = !'srac%'.includes(spec.type);
  return isNumber && spec.flags.includes('0') ? lead + '0'.repeat(missing) + text : ' '.repeat(missing) + lead + text;
}
