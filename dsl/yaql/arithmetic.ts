import { overflowError, typeError, valueError, zeroDivisionError } from './errors.ts';
import { Float, isInteger, toFloat, toInteger, type PyInteger, type PyNumber } from './numbers.ts';

/** Integers longer than this are refused: an expression must not fill the memory with `pow(10, pow(10, 9))`. */
const MAX_INTEGER_BITS = 4_000_000;

export function add(a: PyNumber, b: PyNumber): PyNumber {
  if (isInteger(a) && isInteger(b)) {
    const sum = typeof a === 'number' && typeof b === 'number' ? a + b : Number.NaN;
    return Number.isSafeInteger(sum) ? sum : toInteger(BigInt(a) + BigInt(b));
  }
  return toFloat(toDouble(a) + toDouble(b));
}

export function subtract(a: PyNumber, b: PyNumber): PyNumber {
  if (isInteger(a) && isInteger(b)) {
    const difference = typeof a === 'number' && typeof b === 'number' ? a - b : Number.NaN;
    return Number.isSafeInteger(difference) ? difference : toInteger(BigInt(a) - BigInt(b));
  }
  return toFloat(toDouble(a) - toDouble(b));
}

export function multiply(a: PyNumber, b: PyNumber): PyNumber {
  if (isInteger(a) && isInteger(b)) {
    const product = typeof a === 'number' && typeof b === 'number' ? a * b : Number.NaN;
    if (Number.isSafeInteger(product)) return product === 0 ? 0 : product;
    checkBits(bitLength(a) + bitLength(b));
    return toInteger(BigInt(a) * BigInt(b));
  }
  return toFloat(toDouble(a) * toDouble(b));
}

/** Python's `/`: always a float. */
export function trueDivide(a: PyNumber, b: PyNumber): PyNumber {
  if (isZero(b)) throw zeroDivisionError(isInteger(a) && isInteger(b) ? 'division by zero' : 'float division by zero');
  return toFloat(toDouble(a) / toDouble(b));
}

/** Python's `//`: towards minus infinity, for integers exact. */
export function floorDivide(a: PyNumber, b: PyNumber): PyNumber {
  if (isInteger(a) && isInteger(b)) {
    if (b === 0) throw zeroDivisionError('integer division or modulo by zero');
    if (typeof a === 'number' && typeof b === 'number') {
      const multiple = a - floorRemainder(a, b);
      if (Number.isSafeInteger(multiple)) return multiple / b + 0;
    }
    return toInteger((BigInt(a) - bigRemainder(BigInt(a), BigInt(b))) / BigInt(b));
  }
  if (isZero(b)) throw zeroDivisionError('float floor division by zero');
  return toFloat(Math.floor(toDouble(a) / toDouble(b)));
}

/** Python's `%` on numbers: the result has the sign of the divisor. */
export function modulo(a: PyNumber, b: PyNumber): PyNumber {
  if (isInteger(a) && isInteger(b)) {
    if (b === 0) throw zeroDivisionError('integer division or modulo by zero');
    return typeof a === 'number' && typeof b === 'number'
      ? floorRemainder(a, b) + 0
      : toInteger(bigRemainder(BigInt(a), BigInt(b)));
  }
  const divisor = toDouble(b);
  if (divisor === 0) throw zeroDivisionError('float modulo');
  return toFloat(floorRemainder(toDouble(a), divisor));
}

/** YAQL's `/`: floor division of integers, true division otherwise. */
export function divide(a: PyNumber, b: PyNumber): PyNumber {
  return isInteger(a) && isInteger(b) ? floorDivide(a, b) : trueDivide(a, b);
}

export function negate(value: PyNumber): PyNumber {
  if (typeof value === 'bigint') return toInteger(-value);
  if (value instanceof Float) return new Float(-value.value);
  return value === 0 ? 0 : -value;
}

export function absolute(value: PyNumber): PyNumber {
  if (typeof value === 'bigint') return value < 0n ? -value : value;
  return value instanceof Float ? new Float(Math.abs(value.value)) : Math.abs(value);
}

/** Python's `pow(a, b)` and `pow(a, b, modulus)`. A complex result is a ValueError here. */
export function power(a: PyNumber, b: PyNumber, modulus: PyNumber | null = null): PyNumber {
  if (modulus !== null) {
    if (!isInteger(a) || !isInteger(b) || !isInteger(modulus)) {
      throw typeError('pow() 3rd argument not allowed unless all arguments are integers');
    }
    return modularPower(BigInt(a), BigInt(b), BigInt(modulus));
  }
  if (isInteger(a) && isInteger(b) && b >= 0) return integerPower(a, b);
  const base = toDouble(a);
  const exponent = toDouble(b);
  if (base === 0 && exponent < 0) throw zeroDivisionError('0.0 cannot be raised to a negative power');
  if (base < 0 && Number.isFinite(base) && Number.isFinite(exponent) && !Number.isInteger(exponent)) {
    throw valueError('negative number cannot be raised to a fractional power');
  }
  if (base === 1 || exponent === 0) return new Float(1);
  // JavaScript alone answers NaN for (-1) ** Infinity; C and Python answer 1.
  if (base === -1 && !Number.isNaN(exponent) && !Number.isFinite(exponent)) return new Float(1);
  const result = base ** exponent;
  if (!Number.isFinite(result) && Number.isFinite(base) && Number.isFinite(exponent)) {
    throw overflowError('Numerical result out of range');
  }
  return toFloat(result);
}

/** Negative, zero or positive as a is below, equal to or above b; NaN when one of them is NaN. Exact across integers and floats. */
export function compareNumbers(a: PyNumber, b: PyNumber): number {
  if (typeof a === 'number' && typeof b === 'number') return a === b ? 0 : a - b || (a < b ? -1 : Number.NaN);
  const left = a instanceof Float ? a.value : a;
  const right = b instanceof Float ? b.value : b;
  // JavaScript compares number with bigint by mathematical value.
  if (left < right) return -1;
  if (left > right) return 1;
  // eslint-disable-next-line eqeqeq
  return left == right ? 0 : Number.NaN;
}

/** Python's `round`: on the exact binary value, ties to even, type preserved. */
export function roundNumber(value: PyNumber, digits: PyInteger): PyNumber {
  const places = Number(digits);
  if (isInteger(value)) {
    if (places >= 0) return value;
    if (-places > 400_000) return 0;
    const unit = 10n ** BigInt(-places);
    return toInteger(divideHalfEven(BigInt(value), unit) * unit);
  }
  const double = toDouble(value);
  if (!Number.isFinite(double)) {
    return double;
  }
  if (double === 0 || places > 330) return value;
  if (places < -310) return new Float(double < 0 ? -0 : 0);
  const [mantissa, exponent] = decompose(Math.abs(double));
  const numerator = mantissa * 2n ** BigInt(Math.max(exponent, 0)) * 10n ** BigInt(Math.max(places, 0));
  const denominator = 2n ** BigInt(Math.max(-exponent, 0)) * 10n ** BigInt(Math.max(-places, 0));
  const rounded = Number(`${divideHalfEven(numerator, denominator)}e${-places}`);
  if (!Number.isFinite(rounded)) throw overflowError('rounded value too large to represent');
  return toFloat(double < 0 ? -rounded : rounded);
}

/** An integer or float as a double; OverflowError when an integer does not fit. */
export function toDouble(value: PyNumber): number {
  if (typeof value === 'number') return value;
  if (value instanceof Float) return value.value;
  const double = Number(value);
  if (!Number.isFinite(double)) throw overflowError('int too large to convert to float');
  return double;
}

/** Python's `int(x)` for a float: towards zero. */
export function truncate(value: number): PyInteger {
  if (Number.isNaN(value)) throw valueError('cannot convert float NaN to integer');
  if (!Number.isFinite(value)) throw overflowError('cannot convert float infinity to integer');
  const whole = Math.trunc(value) + 0;
  return Number.isSafeInteger(whole) ? whole : toInteger(BigInt(whole));
}

/** Python's `int(text)`: blanks, sign, decimal digits of any script with single `_` between them. */
export function parseInteger(text: string): PyInteger {
  const plain = asciiDigits(stripBlanks(text));
  if (!/^[+-]?\d+(_\d+)*$/.test(plain) || plain.length > 4301) {
    throw valueError(`invalid literal for int() with base 10: '${text}'`);
  }
  const digits = plain.replaceAll('_', '');
  const short = Number(digits);
  if (Number.isSafeInteger(short)) return short + 0;
  return toInteger(digits.startsWith('-') ? -BigInt(digits.slice(1)) : BigInt(digits.replace('+', '')));
}

/** Python's `float(text)`. */
export function parseFloatText(text: string): number | Float {
  const plain = asciiDigits(stripBlanks(text)).toLowerCase();
  const special = /^([+-]?)(inf|infinity|nan)$/.exec(plain);
  if (special) {
    if (special[2] === 'nan') return Number.NaN;
    return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  if (!/^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+(_\d+)*)?$/.test(plain)) {
    throw valueError(`could not convert string to float: '${text}'`);
  }
  return toFloat(Number(plain.replaceAll('_', '')));
}

/** Decimal digits of every script as ASCII digits; other characters stay. */
export function asciiDigits(text: string): string {
  return /[^\0-\x7f]/.test(text) ? text.replace(/\p{Nd}/gu, (digit) => String(digitValue(digit))) : text;
}

export function bitLength(value: PyInteger): number {
  if (typeof value === 'number') return value === 0 ? 0 : Math.floor(Math.log2(Math.abs(value))) + 1;
  return value.toString(16).length * 4;
}

/** Refuses integers too long to be meant. */
export function checkBits(bits: number): void {
  if (bits > MAX_INTEGER_BITS) throw overflowError('integer is too large');
}

function isZero(value: PyNumber): boolean {
  return value instanceof Float ? value.value === 0 : value === 0;
}

function floorRemainder(a: number, b: number): number {
  const remainder = a % b;
  if (remainder === 0) return b < 0 ? -0 : 0;
  return remainder < 0 === b < 0 ? remainder : remainder + b;
}

function bigRemainder(a: bigint, b: bigint): bigint {
  const remainder = a % b;
  return remainder !== 0n && remainder < 0n !== b < 0n ? remainder + b : remainder;
}

function integerPower(a: PyInteger, b: PyInteger): PyInteger {
  const quick = Number(a) ** Number(b);
  if (Number.isSafeInteger(quick)) return quick + 0;
  if (bitLength(a) > 1) checkBits(bitLength(a) * Number(b));
  return toInteger(BigInt(a) ** BigInt(b));
}

function modularPower(base: bigint, exponent: bigint, modulus: bigint): PyInteger {
  if (modulus === 0n) throw valueError('pow() 3rd argument cannot be 0');
  if (exponent < 0n) return modularPower(inverse(base, modulus), -exponent, modulus);
  checkBits(bitLength(exponent));
  let result = 1n;
  let factor = bigRemainder(base, modulus);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * factor) % modulus;
    factor = (factor * factor) % modulus;
  }
  return toInteger(bigRemainder(result, modulus));
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [oldR, r] = [bigRemainder(value, modulus), modulus];
  let [oldS, s] = [1n, 0n];
  while (r !== 0n) {
    const quotient = oldR / r;
    [oldR, r] = [r, oldR - quotient * r];
    [oldS, s] = [s, oldS - quotient * s];
  }
  if (oldR !== 1n && oldR !== -1n) throw valueError('base is not invertible for the given modulus');
  return oldR === 1n ? oldS : -oldS;
}

/** The nearest integer to a fraction with positive denominator, ties to even. */
export function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const remainder = bigRemainder(numerator, denominator);
  const floor = (numerator - remainder) / denominator;
  const twice = remainder * 2n;
  if (twice < denominator || (twice === denominator && floor % 2n === 0n)) return floor;
  return floor + 1n;
}

/** A positive finite double as mantissa and power of two. */
export function decompose(value: number): [bigint, number] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  return exponent === 0 ? [fraction, -1074] : [fraction | (1n << 52n), exponent - 1075];
}

const BLANKS = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+';
const OUTER_BLANKS = new RegExp(`^${BLANKS}|${BLANKS}$`, 'g');

function stripBlanks(text: string): string {
  return text.replace(OUTER_BLANKS, '');
}

/** Digits stand in runs of ten, from 0 to 9, in Unicode; so a digit's value is its distance from the start of its run. */
function digitValue(digit: string): number {
  const code = digit.codePointAt(0) ?? 0;
  let start = code;
  while (/^\p{Nd}$/u.test(String.fromCodePoint(start - 1))) start -= 1;
  return (code - start) % 10;
}
