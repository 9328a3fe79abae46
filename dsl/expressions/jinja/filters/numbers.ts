import {
  absolute,
  asciiDigits,
  parseFloatText,
  parseInteger,
  power,
  roundNumber,
  toDouble,
  trueDivide,
  truncate,
} from '../../../yaql/arithmetic.ts';
import { YaqlError } from '../../../yaql/errors.ts';
import { isInteger, toFloat, toInteger } from '../../../yaql/numbers.ts';
import type { Filter } from '../environment.ts';
import { filterArgumentError, JinjaError, typeError, valueError } from '../errors.ts';
import { Undefined } from '../objects.ts';
import { fixedDigits } from '../number-format.ts';
import { binary } from '../operators.ts';
import type { Runtime } from '../runtime.ts';
import { numberOf, repr, textOf, toIndex, toText, truth, typeName } from '../python.ts';
import { WHITE_SPACE } from '../text.ts';
import { filter } from './filter.ts';

export const numberFilters: readonly [string, Filter][] = [
  filter('abs', [], (value) => {
    const number = numberOf(value);
    if (number === null) throw typeError(`bad operand type for abs(): '${typeName(value)}'`);
    return absolute(number);
  }),
  filter(
    'int',
    [
      ['default', 0],
      ['base', 10],
    ],
    (value, [fallback, base]) => toInt(value, fallback, base),
  ),
  filter('float', [['default', toFloat(0)]], (value, [fallback]) => floatOf(value) ?? fallback),
  filter(
    'round',
    [
      ['precision', 0],
      ['method', 'common'],
    ],
    round,
  ),
  filter('filesizeformat', [['binary', false]], (value, [binary]) => fileSize(value, truth(binary))),
];

function toInt(value: unknown, fallback: unknown, base: unknown): unknown {
  if (value instanceof Undefined) value.fail();
  const text = textOf(value);
  const number = numberOf(value);
  if (text === null && number !== null) {
    if (isInteger(number)) return number;
    const double = toDouble(number);
    // An infinite value is no integer, and the reference does not catch that.
    return Number.isNaN(double) ? fallback : truncate(double);
  }
  if (text === null) return fallback;
  return attempt(() => integerText(text, toIndex(base))) ?? attempt(() => floatToInteger(text)) ?? fallback;
}

function floatToInteger(text: string): unknown {
  const double = toDouble(parseFloatText(text));
  return Number.isFinite(double) ? truncate(double) : null;
}

/** Python's `int(text, base)`. @throws ValueError */
function integerText(text: string, base: number): unknown {
  if (base === 10) return parseInteger(text);
  if (base !== 0 && (base < 2 || base > 36)) throw valueError('int() base must be >= 2 and <= 36, or 0');
  const plain = asciiDigits(text.replace(new RegExp(`^[${WHITE_SPACE}]+|[${WHITE_SPACE}]+$`, 'g'), '')).toLowerCase();
  const [, sign = '', body = ''] = /^([+-]?)([^]*)$/.exec(plain) ?? [];
  const prefixed = PREFIXES[body.slice(0, 2)];
  const hasPrefix = prefixed !== undefined && (base === 0 || base === prefixed);
  const digits = hasPrefix ? body.slice(2).replace(/^_/, '') : body;
  const radix = base === 0 ? (prefixed ?? 10) : base;
  const isLeadingZero = base === 0 && !hasPrefix && /^0[0_]*[1-9]/.test(digits);
  if (isLeadingZero || !/^[0-9a-z]+(_[0-9a-z]+)*$/.test(digits)) throw invalidInteger(text, base);
  let value = 0n;
  for (const digit of digits.replaceAll('_', '')) {
    const worth = Number.parseInt(digit, 36);
    if (worth >= radix) throw invalidInteger(text, base);
    value = value * BigInt(radix) + BigInt(worth);
  }
  return toInteger(sign === '-' ? -value : value);
}

const PREFIXES: Readonly<Record<string, number>> = { '0b': 2, '0o': 8, '0x': 16 };

function invalidInteger(text: string, base: number): Error {
  return valueError(`invalid literal for int() with base ${base}: ${repr(text)}`);
}

function floatOf(value: unknown): unknown {
  if (value instanceof Undefined) value.fail();
  const text = textOf(value);
  if (text !== null) return attempt(() => parseFloatText(text));
  const number = numberOf(value);
  return number === null ? null : toFloat(toDouble(number));
}

function attempt(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    const isValueError =
      (error instanceof YaqlError || error instanceof JinjaError) && error.className === 'ValueError';
    if (!isValueError) throw error;
    return null;
  }
}

function round(value: unknown, [precision, method]: readonly unknown[], runtime: Runtime): unknown {
  if (method !== 'common' && method !== 'ceil' && method !== 'floor') {
    throw filterArgumentError('method must be common, ceil or floor');
  }
  const number = numberOf(value);
  const digits = toIndex(precision);
  if (method === 'common') {
    if (number === null) throw typeError(`type ${typeName(value)} doesn't define __round__ method`);
    return roundNumber(number, digits);
  }
  const factor = power(10, digits);
  const product = binary('*', value, factor, runtime);
  const scaled = numberOf(product);
  if (scaled === null) throw typeError(`must be real number, not ${typeName(product)}`);
  const whole = isInteger(scaled) ? scaled : truncate(Math[method](toDouble(scaled)));
  return trueDivide(whole, factor);
}

const UNITS = ['kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
const BINARY_UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'];

function fileSize(value: unknown, binary: boolean): string {
  const number = floatOf(value);
  const size = numberOf(number);
  if (size === null) {
    throw textOf(value) === null
      ? typeError(`float() argument must be a string or a real number, not '${typeName(value)}'`)
      : valueError(`could not convert string to float: ${repr(toText(value))}`);
  }
  const bytes = toDouble(size);
  const base = binary ? 1024 : 1000;
  if (bytes === 1) return '1 Byte';
  if (bytes < base) return `${truncate(bytes)} Bytes`;
  const units = binary ? BINARY_UNITS : UNITS;
  let unit = 1;
  for (const name of units) {
    unit *= base;
    if (bytes < unit * base || name === units.at(-1)) return `${oneDecimal((base * bytes) / (unit * base))} ${name}`;
  }
  return '';
}

function oneDecimal(value: number): string {
  return (value < 0 ? '-' : '') + fixedDigits(value, 1);
}
