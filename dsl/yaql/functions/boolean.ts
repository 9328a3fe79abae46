import { define, param, type FunctionDefinition } from '../definitions.ts';
import { types } from '../types.ts';
import { isTruthy } from '../values.ts';

export const booleanFunctions: readonly FunctionDefinition[] = [
  define('#operator_and', 'function', [param('left', types.lambda), param('right', types.lambda)], (_, left, right) => {
    const value = left.call();
    return isTruthy(value) ? right.call() : value;
  }),
  define('#operator_or', 'function', [param('left', types.lambda), param('right', types.lambda)], (_, left, right) => {
    const value = left.call();
    return isTruthy(value) ? value : right.call();
  }),
  define('#unary_operator_not', 'function', [param('arg', types.any)], (_, arg) => !isTruthy(arg)),
  define('bool', 'function', [param('value', types.any)], (_, value) => isTruthy(value)),
  define('isBoolean', 'function', [param('value', types.any)], (_, value) => typeof value === 'boolean'),
];
