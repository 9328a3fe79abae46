import { define, param, type FunctionDefinition } from '../definitions.ts';
import { types } from '../types.ts';
import { equals } from '../values.ts';

type NullComparison = readonly [operator: string, valueNull: boolean, nullValue: boolean, nullNull: boolean];

/** Comparison with null: it is below everything (spec/expressions.md §8.2). */
const NULL_COMPARISONS: readonly NullComparison[] = [
  ['<', false, true, false],
  ['<=', false, true, true],
  ['>', true, false, false],
  ['>=', true, false, true],
];

export const commonFunctions: readonly FunctionDefinition[] = [
  define('*equal', 'function', [param('left', types.any), param('right', types.any)], (_, left, right) =>
    equals(left, right),
  ),
  define(
    '*not_equal',
    'function',
    [param('left', types.any), param('right', types.any)],
    (_, left, right) => !equals(left, right),
  ),
  ...NULL_COMPARISONS.flatMap(nullComparison),
];

function nullComparison([operator, valueNull, nullValue, nullNull]: NullComparison): FunctionDefinition[] {
  const name = `#operator_${operator}`;
  const { notNull, onlyNull } = types;
  return [
    define<readonly [unknown, null]>(
      name,
      'function',
      [param('left', notNull), param('right', onlyNull)],
      () => valueNull,
    ),
    define<readonly [null, unknown]>(
      name,
      'function',
      [param('left', onlyNull), param('right', notNull)],
      () => nullValue,
    ),
    define<readonly [null, null]>(
      name,
      'function',
      [param('left', onlyNull), param('right', onlyNull)],
      () => nullNull,
    ),
  ];
}
