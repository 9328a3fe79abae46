import { roundNumber, toDouble } from '../../yaql/arithmetic.ts';
import { isInteger, type PyInteger, type PyNumber, toFloat } from '../../yaql/numbers.ts';
import { formatFloat } from '../../yaql/python-text.ts';

/** Digits of numbers as Python's `format` and `%` write them, without sign, padding or grouping. */

/** `f`: fixed point. */
export function fixedDigits(value: number, precision: number, alternate = false): string {
  const special = specialDigits(value);
  if (special !== null) return special;
  const size = Math.abs(value);
  const digits = size >= 1e21 ? `${BigInt(size)}${fraction(precision)}` : toFixed(size, precision);
  return alternate && precision === 0 ? `${digits}.` : digits;
}

/** `e`: one digit, a point, the rest, and an exponent of at least two digits. */
export function exponentDigits(value: number, precision: number, alternate = false): string {
  const special = specialDigits(value);
  if (special !== null) return special;
  const [digits = '', exponent = '0'] = toExponential(Math.abs(value), precision).split('e');
  return (alternate && precision === 0 ? `${digits}.` : digits) + exponentText(Number(exponent));
}

/** `g`: fixed point or exponent, whichever suits the size, with `precision` significant digits. */
export function generalDigits(value: number, precision: number, alternate = false): string {
  const special = specialDigits(value);
  if (special !== null) return special;
  const places = Math.max(1, precision);
  const exponent =
    value === 0
      ? 0
      : Number(
          Math.abs(value)
            .toExponential(Math.min(places - 1, 100))
            .split('e')[1],
        );
  const isFixed = exponent >= -4 && exponent < places;
  const digits = isFixed ? fixedDigits(value, places - 1 - exponent) : exponentDigits(value, places - 1);
  return alternate ? digits : trimZeros(digits);
}

/** What `format(x)` shows for a float: `repr`, or `g`-like with a `.0` when a precision is given. */
export function plainFloatDigits(value: number, precision: number | null): string {
  if (precision === null) return formatFloat(Math.abs(value));
  const special = specialDigits(value);
  if (special !== null) return special;
  const digits = generalDigits(value, precision);
  if (digits.includes('e') || digits.includes('.')) return digits;
  const exponent =
    value === 0
      ? 0
      : Number(
          Math.abs(value)
            .toExponential(Math.max(0, precision - 1))
            .split('e')[1],
        );
  const places = Math.max(1, precision);
  return exponent >= places - 1 ? trimZeros(exponentDigits(value, places - 1)) : `${digits}.0`;
}

export function integerDigits(value: PyInteger, radix: 2 | 8 | 10 | 16): string {
  return (value < 0 ? -BigInt(value) : BigInt(value)).toString(radix);
}

export function isNegative(value: PyNumber): boolean {
  if (isInteger(value)) return value < 0;
  const double = toDouble(value);
  return double < 0 || Object.is(double, -0);
}

function toFixed(size: number, precision: number): string {
  // `toFixed` rounds ties up; Python rounds the exact value half to even.
  const rounded = precision <= 22 ? toDouble(roundNumber(toFloat(size), precision)) : size;
  const shown = Math.min(precision, 100);
  return rounded.toFixed(shown) + '0'.repeat(precision - shown);
}

function toExponential(size: number, precision: number): string {
  const shown = Math.min(precision, 100);
  const exponent = Number(size.toExponential().split('e')[1]);
  // Ties, as in `toFixed`.
  const isExact = precision <= 15 && Math.abs(exponent) < 300;
  return (isExact ? toDouble(roundNumber(toFloat(size), precision - exponent)) : size).toExponential(shown);
}

function fraction(precision: number): string {
  return precision === 0 ? '' : `.${'0'.repeat(precision)}`;
}

function exponentText(exponent: number): string {
  return `e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

function trimZeros(digits: string): string {
  const [mantissa = '', exponent] = digits.split('e');
  const trimmed = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  return exponent === undefined ? trimmed : `${trimmed}e${exponent}`;
}

function specialDigits(value: number): string | null {
  if (Number.isNaN(value)) return 'nan';
  return Number.isFinite(value) ? null : 'inf';
}
