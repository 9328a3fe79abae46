import {
  absolute,
  add,
  bitLength,
  checkBits,
  compareNumbers,
  divide,
  modulo,
  multiply,
  negate,
  parseFloatText,
  parseInteger,
  power,
  roundNumber,
  subtract,
  toDouble,
  truncate,
} from '../arithmetic.ts';
import { define, optional, param, type FunctionDefinition } from '../definitions.ts';
import { typeError, valueError } from '../errors.ts';
import { Float, isInteger, isNumber, toFloat, toInteger, type PyInteger } from '../numbers.ts';
import { nullable, types } from '../types.ts';
import { isTruthy } from '../values.ts';
import { binaryOperator } from './delegate.ts';

const { number, int, any } = types;
const two = [param('left', number), param('right', number)] as const;
const twoInts = [param('left', int), param('right', int)] as const;
const greater = binaryOperator('>');

export const mathFunctions: readonly FunctionDefinition[] = [
  define('#operator_+', 'function', two, (_, left, right) => add(left, right)),
  define('#operator_-', 'function', two, (_, left, right) => subtract(left, right)),
  define('#operator_*', 'function', two, (_, left, right) => multiply(left, right)),
  define('#operator_/', 'function', two, (_, left, right) => divide(left, right)),
  define('#operator_mod', 'function', two, (_, left, right) => modulo(left, right)),
  define('#unary_operator_+', 'function', [param('op', number)], (_, op) => op),
  define('#unary_operator_-', 'function', [param('op', number)], (_, op) => negate(op)),
  define('#operator_>', 'function', two, (_, left, right) => compareNumbers(left, right) > 0),
  define('#operator_>=', 'function', two, (_, left, right) => compareNumbers(left, right) >= 0),
  define('#operator_<', 'function', two, (_, left, right) => compareNumbers(left, right) < 0),
  define('#operator_<=', 'function', two, (_, left, right) => compareNumbers(left, right) <= 0),
  define('abs', 'function', [param('op', number)], (_, op) => absolute(op)),
  define('int', 'function', [param('value', any)], (_, value) => toInt(value)),
  define('float', 'function', [param('value', any)], (_, value) => toFloatValue(value)),
  define('random', 'function', [], () => toFloat(Math.random())),
  define('random', 'function', [param('from', any), param('to', any)], (_, from, to) => randomBetween(from, to)),
  define('bitwiseAnd', 'function', twoInts, (_, left, right) => toInteger(BigInt(left) & BigInt(right))),
  define('bitwiseOr', 'function', twoInts, (_, left, right) => toInteger(BigInt(left) | BigInt(right))),
  define('bitwiseXor', 'function', twoInts, (_, left, right) => toInteger(BigInt(left) ^ BigInt(right))),
  define('bitwiseNot', 'function', [param('arg', int)], (_, arg) => toInteger(~BigInt(arg))),
  define('shiftBitsRight', 'function', [param('value', int), param('bitsNumber', int)], (_, value, bits) => {
    if (bits < 0) throw valueError('negative shift count');
    return toInteger(BigInt(value) >> BigInt(bits));
  }),
  define('shiftBitsLeft', 'function', [param('value', int), param('bitsNumber', int)], (_, value, bits) => {
    if (bits < 0) throw valueError('negative shift count');
    if (value === 0) return 0;
    checkBits(bitLength(value) + Number(bits));
    return toInteger(BigInt(value) << BigInt(bits));
  }),
  define('max', 'function', [param('a', any), param('b', any)], (context, a, b) =>
    isTruthy(greater(context, b, a)) ? b : a,
  ),
  define('min', 'function', [param('a', any), param('b', any)], (context, a, b) =>
    isTruthy(greater(context, b, a)) ? a : b,
  ),
  define(
    'pow',
    'function',
    [param('a', number), param('b', number), optional('c', nullable(number), null)],
    (_, a, b, c) => power(a, b, c),
  ),
  define('sign', 'function', [param('num', number)], (_, num) => Math.sign(compareNumbers(num, 0)) || 0),
  define('round', 'function', [param('number', number), optional('ndigits', int, 0)], (_, value, digits) =>
    roundNumber(value, digits),
  ),
  define('isInteger', 'function', [param('value', any)], (_, value) => isInteger(value)),
  define('isNumber', 'function', [param('value', any)], (_, value) => isNumber(value)),
];

/** Python's `int(value)`, and 0 for null. */
function toInt(value: unknown): PyInteger {
  if (value === null || value === undefined) return 0;
  if (typeof value === 'boolean') return Number(value);
  if (isInteger(value)) return value;
  if (typeof value === 'string') return parseInteger(value);
  if (isNumber(value)) return truncate(toDouble(value));
  throw typeError('int() argument must be a string or a number');
}

/** Python's `float(value)`, and 0.0 for null. */
function toFloatValue(value: unknown): number | Float {
  if (value === null || value === undefined) return new Float(0);
  if (typeof value === 'boolean') return new Float(Number(value));
  if (typeof value === 'string') return parseFloatText(value);
  if (isNumber(value)) return toFloat(toDouble(value));
  throw typeError('float() argument must be a string or a number');
}

function randomBetween(from: unknown, to: unknown): PyInteger {
  const [low, high] = [integral(from), integral(to)];
  if (high < low) throw valueError('empty range for randrange()');
  const span = Number(high) - Number(low) + 1;
  return toInteger(BigInt(low) + BigInt(Math.floor(Math.random() * span)));
}

function integral(value: unknown): PyInteger {
  if (typeof value === 'boolean') return Number(value);
  if (isInteger(value)) return value;
  throw isNumber(value) || typeof value === 'string'
    ? valueError('non-integer arg for randrange()')
    : typeError('randrange() needs integers');
}
