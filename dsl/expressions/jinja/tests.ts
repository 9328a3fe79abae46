import { isDict } from '../../yaql/dicts.ts';
import { isInteger } from '../../yaql/numbers.ts';
import { bind, type CallArguments, type Parameter } from './calls.ts';
import type { Test } from './environment.ts';
import { isLower, isUpper } from './methods/text-predicates.ts';
import { Callable, Markup, Range, Undefined } from './objects.ts';
import { canIterate, contains, isEqual, keyOf, numberOf, textOf, toText, typeName } from './python.ts';
import type { Runtime } from './runtime.ts';
import { binary, compareWith } from './operators.ts';
import type { CompareOperator } from './ast.ts';

/** Jinja's tests: what may stand after `is`, and the names that `select` and its kin take. */
export const standardTests: ReadonlyMap<string, Test> = new Map<string, Test>([
  test('defined', [], (value) => !(value instanceof Undefined)),
  test('undefined', [], (value) => value instanceof Undefined),
  test('none', [], (value) => value === null),
  test('boolean', [], (value) => typeof value === 'boolean'),
  test('true', [], (value) => value === true),
  test('false', [], (value) => value === false),
  test('integer', [], (value) => isInteger(value)),
  test('float', [], (value) => typeName(value) === 'float'),
  test('number', [], (value) => numberOf(value) !== null),
  test('string', [], (value) => textOf(value) !== null),
  test('mapping', [], (value) => isDict(value)),
  test('iterable', [], (value) => isIterableValue(value)),
  test('sequence', [], (value) => isSequence(value)),
  test('callable', [], (value) => value instanceof Callable || (value instanceof Undefined && value.isStrict)),
  test('escaped', [], (value) => value instanceof Markup),
  test('sameas', ['other'], (value, [other]) => isSame(value, other)),
  test('odd', [], (value, _args, runtime) => isEqual(binary('%', value, 2, runtime), 1)),
  test('even', [], (value, _args, runtime) => isEqual(binary('%', value, 2, runtime), 0)),
  test('divisibleby', ['num'], (value, [divisor], runtime) => isEqual(binary('%', value, divisor, runtime), 0)),
  test('lower', [], (value) => isLower(toText(value))),
  test('upper', [], (value) => isUpper(toText(value))),
  test('filter', [], (value, _args, runtime) => runtime.environment.filters.has(String(keyOf(value)))),
  test('test', [], (value, _args, runtime) => runtime.environment.tests.has(String(keyOf(value)))),
  test('in', ['seq'], (value, [sequence]) => contains(sequence, value)),
  ...comparison('==', ['==', 'eq', 'equalto']),
  ...comparison('!=', ['!=', 'ne']),
  ...comparison('<', ['<', 'lt', 'lessthan']),
  ...comparison('<=', ['<=', 'le']),
  ...comparison('>', ['>', 'gt', 'greaterthan']),
  ...comparison('>=', ['>=', 'ge']),
]);

function test(
  name: string,
  parameters: readonly Parameter[],
  body: (value: unknown, args: readonly unknown[], runtime: Runtime) => boolean,
): [string, Test] {
  const run = (value: unknown, args: CallArguments, runtime: Runtime): boolean =>
    body(value, bind(name, parameters, args), runtime);
  return [name, Object.assign(run, { parameters })];
}

function comparison(operator: CompareOperator, names: readonly string[]): [string, Test][] {
  return names.map((name) => test(name, ['other'], (value, [other]) => compareWith(operator, value, other)));
}

function isIterableValue(value: unknown): boolean {
  if (value instanceof Undefined) value.failIfStrict();
  return canIterate(value);
}

/** Whatever has a length and takes an index. */
function isSequence(value: unknown): boolean {
  return textOf(value) !== null || Array.isArray(value) || isDict(value) || value instanceof Range;
}

/** Identity, which for numbers and text is equality of value and kind here. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  const left = typeName(a);
  return (left === 'int' || left === 'float' || left === 'str') && left === typeName(b) && isEqual(a, b);
}
