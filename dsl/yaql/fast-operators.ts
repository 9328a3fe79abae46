import { add, compareNumbers, divide, modulo, multiply, subtract } from './arithmetic.ts';
import { isNumber } from './numbers.ts';
import { compareStrings, equals } from './values.ts';

/** Tells that the operator has to be looked up after all. */
export const SLOW: unique symbol = Symbol('slow');

/** The operators on the commonest kinds of operands, without the choice among overloads. */
export const FAST_BINARY: ReadonlyMap<string, (a: unknown, b: unknown) => unknown> = new Map([
  [
    '+',
    (a, b) =>
      typeof a === 'string' && typeof b === 'string' && a.length + b.length < 1000 ? a + b : arithmetic(add, a, b),
  ],
  ['-', (a, b) => arithmetic(subtract, a, b)],
  ['*', (a, b) => arithmetic(multiply, a, b)],
  ['/', (a, b) => arithmetic(divide, a, b)],
  ['mod', (a, b) => arithmetic(modulo, a, b)],
  ['<', (a, b) => ordering(a, b, (order) => order < 0)],
  ['>', (a, b) => ordering(a, b, (order) => order > 0)],
  ['<=', (a, b) => ordering(a, b, (order) => order <= 0)],
  ['>=', (a, b) => ordering(a, b, (order) => order >= 0)],
  ['=', equals],
  ['!=', (a, b) => !equals(a, b)],
]);

function arithmetic(operation: typeof add, a: unknown, b: unknown): unknown {
  return isNumber(a) && isNumber(b) ? operation(a, b) : SLOW;
}

function ordering(a: unknown, b: unknown, test: (order: number) => boolean): unknown {
  if (typeof a === 'string' && typeof b === 'string') return test(compareStrings(a, b));
  return isNumber(a) && isNumber(b) ? test(compareNumbers(a, b)) : SLOW;
}
