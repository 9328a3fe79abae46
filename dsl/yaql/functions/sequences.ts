import type { Context, Lambda } from '../context.ts';
import { define, optional, param, type FunctionDefinition } from '../definitions.ts';
import { add, compareNumbers } from '../arithmetic.ts';
import { PyDict, dictEntries, dictGet, dictHas, isDict, type Dict } from '../dicts.ts';
import { typeError, valueError } from '../errors.ts';
import { END, type PyIterator, pullerOf } from '../iterators.ts';
import { sizeOfCollection } from '../memory.ts';
import type { PyInteger, PyNumber } from '../numbers.ts';
import { types, type AnyIterable } from '../types.ts';
import { PyList, equals, hashKey, isTruthy } from '../values.ts';
import { pythonIterable } from './collections.ts';
import { lazily, some, toTuple } from './iteration.ts';
import { distinct, slice } from './queries.ts';
import { sliceBound, toPosition } from './text.ts';

const { any, boolean, dict, int, iterable, lambda } = types;
const collection = param('collection', iterable);
const predicate = param('predicate', lambda);

/** Making sequences, looking for items in them and cutting them up. */
export const sequenceFunctions: readonly FunctionDefinition[] = [
  define('range', 'function', [param('stop', int)], (context, stop) => range(context, 0, stop, 1)),
  define('range', 'function', [param('start', int), param('stop', int), optional('step', int, 1)], range),
  define('sequence', 'function', [optional('start', int, 0), optional('step', int, 1)], (context, start, step) => {
    let next: PyNumber = start;
    return lazily(context, () => {
      const value = next;
      next = add(next, step);
      return value;
    });
  }),
  define('repeat', 'method', [param('value', any), optional('times', int, -1)], (context, value, times) => {
    let left = times < 0 ? Number.POSITIVE_INFINITY : toPosition(times);
    return lazily(context, () => {
      left -= 1;
      return left >= 0 ? value : END;
    });
  }),
  define('cycle', 'method', [collection], cycle),
  define('indexOf', 'method', [collection, param('item', any)], (_, items, item) =>
    firstIndex(items, (other) => equals(other, item)),
  ),
  define('lastIndexOf', 'method', [collection, param('item', any)], (_, items, item) =>
    lastIndex(items, (other) => equals(other, item)),
  ),
  define('indexWhere', 'method', [collection, predicate], (_, items, test) =>
    firstIndex(items, (item) => isTruthy(test.call1(item))),
  ),
  define('lastIndexWhere', 'method', [collection, predicate], (_, items, test) =>
    lastIndex(items, (item) => isTruthy(test.call1(item))),
  ),
  define('slice', 'method', [collection, param('length', int)], chunks),
  define('splitWhere', 'method', [collection, predicate], splitWhere),
  define('sliceWhere', 'method', [collection, predicate], sliceWhere),
  define('splitAt', 'method', [collection, param('index', int)], (context, items, index) => {
    const list = toTuple(context, items);
    const at = sliceBound(toPosition(index), list.length);
    return PyList.wrap([list.slice(0, at), list.slice(at)]);
  }),
  define('reverse', 'method', [collection], (context, items) => {
    const list = toTuple(context, items);
    let index = list.length;
    return lazily(context, () => {
      index -= 1;
      return index >= 0 ? (list[index] ?? null) : END;
    });
  }),
  define(
    'mergeWith',
    'method',
    [
      param('dict', dict),
      param('another', dict),
      optional('listMerger', lambda, null),
      optional('itemMerger', lambda, null),
      optional('maxLevels', int, 0),
    ],
    (context, left, right, listMerger, itemMerger, maxLevels) => {
      const mergeLists = listMerger
        ? (a: readonly unknown[], b: readonly unknown[]) => listMerger.call2(a, b)
        : (a: readonly unknown[], b: readonly unknown[]) => mergeDistinct(context, a, b);
      const mergeItems = itemMerger
        ? (a: unknown, b: unknown) => itemMerger.call2(a, b)
        : (_: unknown, b: unknown) => b;
      return mergeDicts(left, right, { mergeLists, mergeItems }, toPosition(maxLevels));
    },
  ),
  define(
    'generate',
    'function',
    [
      param('initial', any),
      predicate,
      param('producer', lambda),
      optional('selector', lambda, null),
      optional('decycle', boolean, false),
    ],
    generate,
  ),
  define(
    'generateMany',
    'function',
    [
      param('initial', any),
      param('producer', lambda),
      optional('selector', lambda, null),
      optional('decycle', boolean, false),
      optional('depthFirst', boolean, false),
    ],
    generateMany,
  ),
];

function range(context: Context, start: PyInteger, stop: PyInteger, step: PyInteger): PyIterator {
  if (step === 0) throw valueError('range() arg 3 must not be zero');
  let next: PyNumber = start;
  return lazily(context, () => {
    const order = compareNumbers(next, stop);
    if (step > 0 ? order >= 0 : order <= 0) return END;
    const value = next;
    next = add(next, step);
    return value;
  });
}

function cycle(context: Context, items: AnyIterable): PyIterator {
  const pull = pullerOf(items);
  const saved: unknown[] = [];
  let index = -1;
  return lazily(context, () => {
    if (index < 0) {
      const item = pull();
      if (item !== END) {
        saved.push(item);
        return item;
      }
      if (saved.length === 0) return END;
    }
    index = (index + 1) % saved.length;
    return saved[index];
  });
}

function firstIndex(items: AnyIterable, test: (item: unknown) => boolean): number {
  let found = -1;
  some(items, (item, index) => {
    if (test(item)) found = index;
    return found >= 0;
  });
  return found;
}

function lastIndex(items: AnyIterable, test: (item: unknown) => boolean): number {
  let found = -1;
  some(items, (item, index) => {
    if (test(item)) found = index;
    return false;
  });
  return found;
}

function chunks(context: Context, items: AnyIterable, length: PyInteger): PyIterator {
  const source = lazily(context, pullerOf(items));
  return lazily(context, () => {
    if (length < 0) throw valueError('Stop argument for islice() must be None or an integer: 0 <= x <= sys.maxsize.');
    const chunk = toTuple(context, slice(context, source, 0, toPosition(length)));
    return chunk.length > 0 ? chunk : END;
  });
}

/** Pieces between the items that pass the test; the last one only if it is not empty. */
function splitWhere(context: Context, items: AnyIterable, test: Lambda): PyIterator {
  let list: readonly unknown[] | null = null;
  let start = 0;
  return lazily(context, () => {
    list ??= toTuple(context, items);
    for (let end = start; end < list.length; end += 1) {
      if (!isTruthy(test.call1(list[end] ?? null))) continue;
      const piece = list.slice(start, end);
      start = end + 1;
      return piece;
    }
    const piece = list.slice(start);
    start = list.length;
    return piece.length > 0 ? piece : END;
  });
}

/** A new piece begins whenever the value of the predicate changes. */
function sliceWhere(context: Context, items: AnyIterable, test: Lambda): PyIterator {
  let list: readonly unknown[] | null = null;
  let start = 0;
  let end = 0;
  let last: unknown;
  return lazily(context, () => {
    list ??= toTuple(context, items);
    for (; end < list.length; ) {
      const value = test.call1(list[end] ?? null);
      const changed = end > 0 && !equals(value, last);
      last = value;
      end += 1;
      if (!changed) continue;
      const piece = list.slice(start, end - 1);
      start = end - 1;
      return piece;
    }
    const piece = list.slice(start);
    start = list.length;
    return piece.length > 0 ? piece : END;
  });
}

interface Mergers {
  readonly mergeLists: (a: readonly unknown[], b: readonly unknown[]) => unknown;
  readonly mergeItems: (a: unknown, b: unknown) => unknown;
}

/** At the level where `maxLevels` is 1 nothing nests any more; 0 is no limit. */
function mergeDicts(left: Dict, right: Dict, mergers: Mergers, maxLevels: number): PyDict {
  const result = new PyDict([], true);
  for (const [key, mine] of dictEntries(left)) {
    const other = dictGet(right, key);
    result.put(key, other === undefined ? mine : mergeValues(mine, other, mergers, maxLevels));
  }
  for (const [key, other] of dictEntries(right)) if (!dictHas(left, key)) result.put(key, other);
  return result;
}

function mergeValues(mine: unknown, other: unknown, mergers: Mergers, maxLevels: number): unknown {
  if (maxLevels !== 1 && isDict(other)) {
    if (!isDict(mine)) throw typeError('Cannot merge a dict into another kind of value');
    return mergeDicts(mine, other, mergers, maxLevels === 0 ? 0 : maxLevels - 1);
  }
  if (maxLevels !== 1 && Array.isArray(other)) {
    if (!Array.isArray(mine)) throw typeError('Cannot merge a list into another kind of value');
    return mergers.mergeLists(mine, other);
  }
  return mergers.mergeItems(mine, other);
}

function mergeDistinct(context: Context, a: readonly unknown[], b: readonly unknown[]): readonly unknown[] {
  if (a instanceof PyList !== b instanceof PyList) throw typeError('can only concatenate lists of the same kind');
  return toTuple(context, distinct(context, [...a, ...b], null));
}

function generate(
  context: Context,
  initial: unknown,
  test: Lambda,
  producer: Lambda,
  selector: Lambda | null,
  decycle: boolean | null,
): PyIterator {
  const seen = decycle ? new Set<unknown>() : null;
  let item = initial;
  let started = false;
  return lazily(context, () => {
    if (started) item = producer.call1(item);
    started = true;
    if (!isTruthy(test.call1(item)) || (seen && !remember(context, seen, item))) return END;
    return selector ? selector.call1(item) : item;
  });
}

function generateMany(
  context: Context,
  initial: unknown,
  producer: Lambda,
  selector: Lambda | null,
  decycle: boolean | null,
  depthFirst: boolean | null,
): PyIterator {
  const seen = decycle ? new Set<unknown>() : null;
  /** Breadth first it is read from `head`, depth first from its end. */
  const waiting: unknown[] = [initial];
  let head = 0;
  let last: unknown = END;
  return lazily(context, () => {
    if (last !== END) {
      const children = pythonIterable(producer.call1(last), context);
      last = END;
      if (!children) throw typeError('object is not iterable');
      const list = [...children];
      for (const child of depthFirst ? list.reverse() : list) waiting.push(child);
      if (!context.run.plain) context.run.checkMemory(sizeOfCollection('list', waiting.length - head));
    }
    while (head < waiting.length) {
      const item = depthFirst ? waiting.pop() : waiting[head];
      if (!depthFirst) head += 1;
      if (seen && !remember(context, seen, item)) continue;
      last = item;
      return selector ? selector.call1(item) : item;
    }
    return END;
  });
}

/** False when the item was seen before. */
function remember(context: Context, seen: Set<unknown>, item: unknown): boolean {
  const hash = hashKey(item);
  if (seen.has(hash)) return false;
  seen.add(hash);
  if (!context.run.plain) context.run.checkMemory(sizeOfCollection('set', seen.size));
  return true;
}
