import type { Context, Lambda } from '../context.ts';
import { define, keywords, optional, param, rest, type FunctionDefinition } from '../definitions.ts';
import { stopIteration, typeError, valueError } from '../errors.ts';
import { END, MemoIterator, Ordered, PyIterator, pullerOf, type Pull } from '../iterators.ts';
import { sizeOfCollection } from '../memory.ts';
import type { PyInteger } from '../numbers.ts';
import { SetLike } from '../sets.ts';
import { types, type AnyIterable } from '../types.ts';
import { PyList, hashKey, isTruthy } from '../values.ts';
import { chain } from './collections.ts';
import { binaryOperator, namedFunction } from './delegate.ts';
import { groupBy } from './group-by.ts';
import { fold, isIterable, lazily, some } from './iteration.ts';
import { toPosition } from './text.ts';

const { any, int, iterable, lambda } = types;
const collection = param('collection', iterable);
const predicate = param('predicate', lambda);
const selector = param('selector', lambda);
/** Tells a missing argument from null. */
const MISSING: unique symbol = Symbol('missing');
const plus = binaryOperator('+');
const less = binaryOperator('<');
const greater = binaryOperator('>');
const larger = namedFunction('max', 2);
const smaller = namedFunction('min', 2);

/** Filtering, projecting, ordering, folding. What changes the shape of sequences is in sequences.ts. */
export const queryFunctions: readonly FunctionDefinition[] = [
  ...aliases(['where', 'filter'], (name) => define(name, 'method', [collection, predicate], where)),
  ...aliases(['select', 'map'], (name) => define(name, 'method', [collection, selector], select)),
  define('selectMany', 'method', [collection, selector], selectMany),
  define('skip', 'method', [collection, param('count', int)], (context, items, count) =>
    slice(context, items, checkCount(count), Number.POSITIVE_INFINITY),
  ),
  ...aliases(['limit', 'take'], (name) =>
    define(name, 'method', [collection, param('count', int)], (context, items, count) =>
      slice(context, items, 0, checkCount(count)),
    ),
  ),
  define('append', 'both', [collection, rest(any)], (context, items, more) => chain(context, [items, more])),
  define('distinct', 'both', [collection, optional('keySelector', lambda, null)], distinct),
  define(
    'enumerate',
    'both',
    [collection, optional('start', { ...int, mask: int.mask | types.onlyNull.mask }, 0)],
    enumerate,
  ),
  define('any', 'both', [collection, optional('predicate', lambda, null)], (_, items, test) =>
    some(items, (item) => test === null || isTruthy(test.call1(item))),
  ),
  define(
    'all',
    'both',
    [collection, optional('predicate', lambda, null)],
    (_, items, test) => !some(items, (item) => !isTruthy(test ? test.call1(item) : item)),
  ),
  define('concat', 'both', [rest(iterable)], chain),
  define('len', 'both', [param('collection', types.iterator)], (_, items) => count(items)),
  define('count', 'method', [collection], (_, items) => count(items)),
  define('memorize', 'method', [collection], (context, items) => memorize(context, items)),
  define('sum', 'method', [collection, optional('initial', any, MISSING)], (context, items, initial) =>
    reduce(items, initial, (a, b) => plus(context, a, b)),
  ),
  define('max', 'method', [collection, optional('initial', any, MISSING)], (context, items, initial) =>
    reduce(items, initial, (a, b) => larger(context, a, b)),
  ),
  define('min', 'method', [collection, optional('initial', any, MISSING)], (context, items, initial) =>
    reduce(items, initial, (a, b) => smaller(context, a, b)),
  ),
  ...aliases(['aggregate', 'reduce'], (name) =>
    define(name, 'method', [collection, selector, optional('seed', any, MISSING)], (_, items, step, seed) =>
      reduce(items, seed, (a, b) => step.call2(a, b)),
    ),
  ),
  define('accumulate', 'method', [collection, selector, optional('seed', any, MISSING)], accumulate),
  define('first', 'method', [collection, optional('default', any, MISSING)], (_, items, fallback) => {
    const item = pullerOf(items)();
    return item === END ? orStop(fallback) : item;
  }),
  define('last', 'method', [collection, optional('default', any, MISSING)], (_, items, fallback) => {
    if (Array.isArray(items)) return items.length > 0 ? (items.at(-1) ?? null) : orStop(fallback);
    return fold(items, null, (_last, item) => item)?.value ?? orStop(fallback);
  }),
  define('single', 'method', [collection], (_, items) => {
    const pull = pullerOf(items);
    const item = pull();
    if (item === END) throw stopIteration();
    if (pull() !== END) throw stopIteration('Collection contains more than one item');
    return item;
  }),
  define('orderBy', 'method', [collection, selector], (context, items, key) =>
    ordered(context, items).by((item) => key.call1(item), true),
  ),
  define('orderByDescending', 'method', [collection, selector], (context, items, key) =>
    ordered(context, items).by((item) => key.call1(item), false),
  ),
  define('thenBy', 'method', [param('collection', types.ordered), selector], (_, items, key) =>
    items.by((item) => key.call1(item), true),
  ),
  define('thenByDescending', 'method', [param('collection', types.ordered), selector], (_, items, key) =>
    items.by((item) => key.call1(item), false),
  ),
  define(
    'groupBy',
    'method',
    [
      collection,
      param('keySelector', lambda),
      optional('valueSelector', lambda, null),
      optional('aggregator', lambda, null),
    ],
    groupBy,
  ),
  define('zip', 'method', [rest(iterable)], zip),
  define('zipLongest', 'method', [rest(iterable), keywords()], (context, collections, named) =>
    zipLongest(context, collections, named.get('default') ?? null),
  ),
  define(
    'join',
    'method',
    [param('collection1', iterable), param('collection2', iterable), predicate, selector],
    (context, first, second, test, result) => join(context, first, second, test, result),
  ),
  define('takeWhile', 'method', [collection, predicate], (context, items, test) => {
    const pull = pullerOf(items);
    return lazily(context, () => {
      const item = pull();
      return item !== END && isTruthy(test.call1(item)) ? item : END;
    });
  }),
  define('skipWhile', 'method', [collection, predicate], (context, items, test) => {
    const pull = pullerOf(items);
    let skipping = true;
    return lazily(context, () => {
      let item = pull();
      while (skipping && item !== END && isTruthy(test.call1(item))) item = pull();
      skipping = false;
      return item;
    });
  }),
  define('isIterable', 'function', [param('value', any)], (_, value) => isIterable(value)),
  define('defaultIfEmpty', 'method', [collection, param('default', iterable)], (context, items, fallback) => {
    if (Array.isArray(items)) return items.length > 0 ? items : fallback;
    if (items instanceof SetLike) return items.size > 0 ? items : fallback;
    const memo = memorize(context, items);
    return some(memo, () => true) ? memo : fallback;
  }),
];

function aliases(names: readonly string[], make: (name: string) => FunctionDefinition): FunctionDefinition[] {
  return names.map(make);
}

function where(context: Context, items: AnyIterable, test: Lambda): PyIterator {
  const pull = pullerOf(items);
  return lazily(context, () => {
    let item = pull();
    while (item !== END && !isTruthy(test.call1(item))) item = pull();
    return item;
  });
}

export function select(context: Context, items: AnyIterable, key: Lambda): PyIterator {
  const pull = pullerOf(items);
  return lazily(context, () => {
    const item = pull();
    return item === END ? END : key.call1(item);
  });
}

function selectMany(context: Context, items: AnyIterable, key: Lambda): PyIterator {
  const pull = pullerOf(items);
  let inner: Pull | null = null;
  return lazily(context, () => {
    for (;;) {
      if (inner) {
        const item = inner();
        if (item !== END) return item;
        inner = null;
      }
      const item = pull();
      if (item === END) return END;
      const selected = key.call1(item);
      if (!isIterable(selected)) return selected;
      inner = pullerOf(selected);
    }
  });
}

/** Refused at once, not when the result is read. */
function checkCount(count: PyInteger): number {
  if (count < 0 || typeof count === 'bigint') {
    throw valueError('Indices for islice() must be None or an integer: 0 <= x <= sys.maxsize.');
  }
  return count;
}

/** Items from `start` up to `end`; nothing is pulled beyond the last one wanted. */
export function slice(context: Context, items: Iterable<unknown>, start: number, end: number): PyIterator {
  const pull = pullerOf(items);
  let index = 0;
  return lazily(context, () => {
    for (; index < start; index += 1) if (pull() === END) return END;
    if (index >= end) return END;
    index += 1;
    return pull();
  });
}

/** The items whose keys were not seen before. @throws TypeError (YaqlError), when read, for unhashable keys. */
export function distinct(context: Context, items: AnyIterable, key: Lambda | null): PyIterator {
  const pull = pullerOf(items);
  const seen = new Set<unknown>();
  return lazily(context, () => {
    for (let item = pull(); item !== END; item = pull()) {
      const hash = hashKey(key ? key.call1(item) : item);
      if (seen.has(hash)) {
        context.run.step();
        continue;
      }
      seen.add(hash);
      if (!context.run.plain) context.run.checkMemory(sizeOfCollection('set', seen.size));
      return item;
    }
    return END;
  });
}

function enumerate(context: Context, items: AnyIterable, start: PyInteger | null): PyIterator {
  const pull = pullerOf(items);
  let index = start;
  return lazily(context, () => {
    if (index === null) throw typeError("'NoneType' object cannot be interpreted as an integer");
    const item = pull();
    if (item === END) return END;
    const pair = PyList.wrap([index, item]);
    index = toPosition(index) + 1;
    return pair;
  });
}

function count(items: AnyIterable): number {
  let total = 0;
  some(items, () => {
    total += 1;
    return false;
  });
  return total;
}

/** Sized collections can be read again as they are. */
export function memorize(context: Context, items: AnyIterable): AnyIterable {
  if (Array.isArray(items) || items instanceof SetLike) return items;
  const source = items instanceof PyIterator ? items : lazily(context, pullerOf(items));
  return new MemoIterator(source, (seen) => {
    if (!context.run.plain) context.run.checkMemory(sizeOfCollection('list', seen.length));
  });
}

function reduce(items: AnyIterable, seed: unknown, step: (a: unknown, b: unknown) => unknown): unknown {
  const result = fold(items, seed === MISSING ? null : { value: seed }, step);
  if (!result) throw typeError('reduce() of empty iterable with no initial value');
  return result.value;
}

function accumulate(context: Context, items: AnyIterable, step: Lambda, seed: unknown): PyIterator {
  const pull = pullerOf(items);
  let total: unknown = MISSING;
  return lazily(context, () => {
    if (total === MISSING) {
      total = seed === MISSING ? pull() : seed;
      if (total === END) throw typeError('accumulate() of empty sequence with no initial value');
      return total;
    }
    const item = pull();
    if (item === END) return END;
    total = step.call2(total, item);
    return total;
  });
}

function orStop(fallback: unknown): unknown {
  if (fallback === MISSING) throw stopIteration();
  return fallback;
}

function ordered(context: Context, items: AnyIterable): Ordered {
  return new Ordered(items, (a, b) => {
    context.run.step();
    if (isTruthy(less(context, a, b))) return -1;
    return isTruthy(greater(context, a, b)) ? 1 : 0;
  });
}

function zip(context: Context, collections: readonly AnyIterable[]): PyIterator {
  const pulls = collections.map(pullerOf);
  return lazily(context, () => {
    const tuple: unknown[] = [];
    for (const pull of pulls) {
      const item = pull();
      if (item === END) return END;
      tuple.push(item);
    }
    return tuple.length > 0 ? tuple : END;
  });
}

function zipLongest(context: Context, collections: readonly AnyIterable[], fallback: unknown): PyIterator {
  const pulls: (Pull | null)[] = collections.map(pullerOf);
  return lazily(context, () => {
    const tuple = pulls.map((pull, i) => {
      const item = pull ? pull() : END;
      if (item === END) pulls[i] = null;
      return item === END ? fallback : item;
    });
    return pulls.every((pull) => pull === null) ? END : tuple;
  });
}

function join(context: Context, first: AnyIterable, second: AnyIterable, test: Lambda, result: Lambda): PyIterator {
  const others = memorize(context, second);
  const pull = pullerOf(first);
  let left: unknown = END;
  let inner: Pull | null = null;
  return lazily(context, () => {
    for (;;) {
      if (!inner) {
        left = pull();
        if (left === END) return END;
        inner = pullerOf(others);
      }
      for (let right = inner(); right !== END; right = inner()) {
        if (isTruthy(test.call2(left, right))) return result.call2(left, right);
      }
      inner = null;
    }
  });
}
