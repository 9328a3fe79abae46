import { define, param, rest, type FunctionDefinition } from '../definitions.ts';
import { attributeError } from '../errors.ts';
import { PySet, SetLike, isSubset } from '../sets.ts';
import { types } from '../types.ts';
import { spread } from './collections.ts';
import { toTuple } from './iteration.ts';

const { any, set } = types;
const two = [param('left', set), param('right', set)] as const;

export const setFunctions: readonly FunctionDefinition[] = [
  define('set', 'function', [rest(any)], (context, args) => new PySet(toTuple(context, spread(context, args)))),
  define(
    'toSet',
    'method',
    [param('collection', types.iterable)],
    (context, collection) => new PySet(toTuple(context, collection)),
  ),
  define('isSet', 'function', [param('arg', any)], (_, arg) => arg instanceof SetLike),
  define('len', 'both', [param('set', set)], (_, s) => s.size),
  define('#operator_<', 'function', two, (_, left, right) => left.size < right.size && isSubset(left, right)),
  define('#operator_<=', 'function', two, (_, left, right) => isSubset(left, right)),
  define('#operator_>', 'function', two, (_, left, right) => right.size < left.size && isSubset(right, left)),
  define('#operator_>=', 'function', two, (_, left, right) => isSubset(right, left)),
  define('union', 'method', two, (_, left, right) => new PySet([...real(left, 'union'), ...right])),
  define('intersect', 'method', two, (_, left, right) => {
    const other = new PySet(right);
    return new PySet([...real(left, 'intersection')].filter((item) => other.has(item)));
  }),
  define('difference', 'method', two, (_, left, right) => difference(left, right)),
  define('#operator_-', 'function', two, (_, left, right) => difference(left, right)),
  define('symmetricDifference', 'method', two, (_, left, right) => {
    const mine = real(left, 'symmetric_difference');
    const other = new PySet(right);
    return new PySet([
      ...[...mine].filter((item) => !other.has(item)),
      ...[...other].filter((item) => !mine.has(item)),
    ]);
  }),
  define(
    'add',
    'method',
    [param('set', set), rest(any)],
    (_, s, values) => new PySet([...real(s, 'union'), ...values]),
  ),
  define('remove', 'method', [param('set', set), rest(any)], (_, s, values) => difference(s, new PySet(values))),
];

function difference(left: SetLike, right: SetLike): PySet {
  const other = new PySet(right);
  return new PySet([...real(left, 'difference')].filter((item) => !other.has(item)));
}

/** The views of dicts are sets to every test, but have no methods that build new ones. */
function real(set: SetLike, method: string): PySet {
  if (set instanceof PySet) return set;
  throw attributeError(`'KeysView' object has no attribute '${method}'`);
}
