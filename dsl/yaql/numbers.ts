/**
 * A float whose value is integral (2.0, -0.0, 1e300) or that must be told from an integer.
 *
 * The reference is written in Python, where `2` and `2.0` are different values that print differently. In this code base an
 * integral JavaScript number is always an integer, a fractional one (and NaN, Infinity) always a float, and this class stands
 * for the floats in between. Integers beyond 2^53 - 1 are `bigint` (spec/expressions.md §4.5).
 */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  valueOf(): number {
    return this.value;
  }

  toString(): string {
    return Object.is(this.value, -0) ? '-0.0' : `${this.value}.0`;
  }
}

export type PyInteger = number | bigint;
export type PyNumber = PyInteger | Float;

/** The float with this value: a `Float` when it could be taken for an integer, else the number itself. */
export function toFloat(value: number): number | Float {
  return Number.isInteger(value) ? new Float(value) : value;
}

/** The integer with this value: a number when it is safe, else a bigint. */
export function toInteger(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** Integer, but not boolean. */
export function isInteger(value: unknown): value is PyInteger {
  return typeof value === 'number' ? Number.isInteger(value) : typeof value === 'bigint';
}

export function isFloat(value: unknown): value is number | Float {
  return typeof value === 'number' ? !Number.isInteger(value) : value instanceof Float;
}

/** Integer or float, but not boolean. */
export function isNumber(value: unknown): value is PyNumber {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Float;
}
