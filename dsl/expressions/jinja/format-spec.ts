import { toDouble } from '../../yaql/arithmetic.ts';
import { DateTime } from '../../yaql/date-time.ts';
import { isInteger, type PyInteger, type PyNumber } from '../../yaql/numbers.ts';
import { typeError, valueError } from './errors.ts';
import {
  exponentDigits,
  fixedDigits,
  generalDigits,
  integerDigits,
  isNegative,
  plainFloatDigits,
} from './number-format.ts';
import { characterOf } from './percent-format.ts';
import { numberOf, textOf, toText, typeName } from './python.ts';
import type { Runtime } from './runtime.ts';
import { characters, textLength } from './text.ts';

/** Python's `format(value, spec)`. @throws ValueError, TypeError (JinjaError) */
export function formatValue(value: unknown, specText: string, runtime: Runtime): string {
  if (specText === '') return toText(value);
  const text = textOf(value);
  const spec = parseSpec(specText, typeName(value));
  runtime.checkSize(spec.width + (spec.precision ?? 0));
  if (text !== null) return formatText(text, spec);
  const number = typeof value === 'boolean' && spec.type === '' ? null : numberOf(value);
  if (number !== null) return formatNumber(number, spec);
  if (typeof value === 'boolean') return formatNumber(Number(value), spec);
  toText(value); // an undefined value has its own error
  if (value instanceof DateTime) throw valueError('dates take no format specification here');
  throw typeError(`unsupported format string passed to ${typeName(value)}.__format__`);
}

interface Spec {
  readonly fill: string;
  readonly align: '<' | '>' | '=' | '^' | '';
  readonly sign: '+' | '-' | ' ' | '';
  readonly alternate: boolean;
  readonly width: number;
  readonly grouping: ',' | '_' | '';
  readonly precision: number | null;
  readonly type: string;
}

const SPEC = /^(?:([^])?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([a-zA-Z%])?$/u;

function parseSpec(text: string, type: string): Spec {
  const match = SPEC.exec(text);
  if (match === null) throw valueError(`Invalid format specifier '${text}' for object of type '${type}'`);
  const [, fill, align, sign, alternate, zero, width, grouping, precision, kind] = match;
  return {
    fill: fill ?? (zero === undefined ? ' ' : '0'),
    align: isAlign(align) ? align : zero !== undefined && type !== 'str' ? '=' : '',
    sign: sign === '+' || sign === '-' || sign === ' ' ? sign : '',
    alternate: alternate !== undefined,
    width: Number(width ?? 0),
    grouping: grouping === ',' || grouping === '_' ? grouping : '',
    precision: precision === undefined ? null : Number(precision),
    type: kind ?? '',
  };
}

function isAlign(text: string | undefined): text is '<' | '>' | '=' | '^' {
  return text === '<' || text === '>' || text === '=' || text === '^';
}

function formatText(text: string, spec: Spec): string {
  if (spec.type !== '' && spec.type !== 's') throw unknownCode(spec, 'str');
  if (spec.sign !== '') throw valueError('Sign not allowed in string format specifier');
  if (spec.align === '=') throw valueError("'=' alignment not allowed in string format specifier");
  if (spec.grouping !== '') throw valueError(`Cannot specify '${spec.grouping}' with 's'.`);
  const shown = spec.precision === null ? text : characters(text).slice(0, spec.precision).join('');
  return align(shown, '', spec, '<');
}

function formatNumber(value: PyNumber, spec: Spec): string {
  if (isInteger(value) && 'bcdoxXn'.includes(spec.type)) return formatInteger(value, spec);
  if (!'eEfFgGn%'.includes(spec.type)) throw unknownCode(spec, isInteger(value) ? 'int' : 'float');
  const digits = floatDigits(toDouble(value), spec);
  const [whole = '', rest = ''] = splitNumber(digits);
  return signed(isNegative(value), group(whole, spec, 3) + rest, '', spec);
}

function formatInteger(value: PyInteger, spec: Spec): string {
  if (spec.precision !== null) throw valueError('Precision not allowed in integer format specifier');
  if (spec.type === 'c') {
    if (spec.sign !== '') throw valueError("Sign not allowed with integer format specifier 'c'");
    return align(characterOf(Number(value)), '', spec, '<');
  }
  const radix = RADIXES[spec.type] ?? 10;
  if (radix !== 10 && spec.grouping === ',') throw valueError(`Cannot specify ',' with '${spec.type}'.`);
  const lower = group(integerDigits(value, radix), spec, radix === 10 ? 3 : 4);
  const prefix = spec.alternate && radix !== 10 ? `0${spec.type}` : '';
  return signed(value < 0, spec.type === 'X' ? lower.toUpperCase() : lower, prefix, spec);
}

const RADIXES: Readonly<Record<string, 2 | 8 | 16>> = { b: 2, o: 8, x: 16, X: 16 };

function floatDigits(value: number, spec: Spec): string {
  const precision = spec.precision ?? 6;
  switch (spec.type) {
    case '':
      return plainFloatDigits(value, spec.precision);
    case 'e':
      return exponentDigits(value, precision, spec.alternate);
    case 'E':
      return exponentDigits(value, precision, spec.alternate).toUpperCase();
    case 'f':
      return fixedDigits(value, precision, spec.alternate);
    case 'F':
      return fixedDigits(value, precision, spec.alternate).toUpperCase();
    case 'G':
      return generalDigits(value, precision, spec.alternate).toUpperCase();
    case '%':
      return `${fixedDigits(value * 100, precision, spec.alternate)}%`;
    default:
      return generalDigits(value, precision, spec.alternate);
  }
}

/** Digits before the point, and everything from it on. */
function splitNumber(digits: string): [string, string] {
  const whole = /^\d*/.exec(digits)?.[0] ?? '';
  return [whole, digits.slice(whole.length)];
}

function group(digits: string, spec: Spec, size: 3 | 4): string {
  if (spec.grouping === '' || !/^[\da-f]+$/.test(digits)) return digits;
  return digits.replace(size === 3 ? /\B(?=(?:[\da-f]{3})+$)/g : /\B(?=(?:[\da-f]{4})+$)/g, spec.grouping);
}

function signed(negative: boolean, digits: string, prefix: string, spec: Spec): string {
  const sign = negative ? '-' : spec.sign === '-' ? '' : spec.sign;
  return align(digits, sign + prefix, spec, '>');
}

function align(text: string, lead: string, spec: Spec, standard: '<' | '>'): string {
  const missing = Math.max(0, spec.width - textLength(text) - lead.length);
  const side = spec.align === '' ? standard : spec.align;
  if (side === '=') return lead + spec.fill.repeat(missing) + text;
  if (side === '<') return lead + text + spec.fill.repeat(missing);
  if (side === '>') return spec.fill.repeat(missing) + lead + text;
  const before = Math.floor(missing / 2);
  return spec.fill.repeat(before) + lead + text + spec.fill.repeat(missing - before);
}

function unknownCode(spec: Spec, type: string): Error {
  return valueError(`Unknown format code '${spec.type}' for object of type '${type}'`);
}
