import type { Context } from '../context.ts';
import { define, optional, param, rest, type FunctionDefinition } from '../definitions.ts';
import { dictKeys, isDict } from '../dicts.ts';
import { indexError } from '../errors.ts';
import { END, MemoIterator, PyIterator, pullerOf, type Pull } from '../iterators.ts';
import { sizeOfCollection } from '../memory.ts';
import type { PyInteger } from '../numbers.ts';
import { limited } from '../overloads.ts';
import { PySet, SetLike } from '../sets.ts';
import { types, type AnyIterable } from '../types.ts';
import { PyList, sameOrEqual } from '../values.ts';
import { isIterable, lazily, toTuple } from './iteration.ts';
import { sliceBound, toPosition } from './text.ts';

const { any, int, iterable, sequence } = types;

/** Lists and what is common to all collections. */
export const collectionFunctions: readonly FunctionDefinition[] = [
  define('list', 'function', [rest(any)], (context, args) => toTuple(context, spread(context, args))),
  define('#list', 'function', [rest(any)], (context, args) => {
    context.run.checkMemory(args.length * 8);
    return args;
  }),
  define('toList', 'method', [param('collection', iterable)], (context, collection) => toTuple(context, collection)),
  define('flatten', 'method', [param('collection', iterable)], (context, collection) => flatten(context, collection)),
  define('#indexer', 'function', [param('list', sequence), param('index', int)], (_, list, index) =>
    itemAt(list, index),
  ),
  define('#operator_in', 'function', [param('value', any), param('collection', iterable)], (_, value, collection) =>
    contains(collection, value),
  ),
  define('contains', 'method', [param('collection', iterable), param('value', any)], (_, collection, value) =>
    contains(collection, value),
  ),
  define('#operator_+', 'function', [param('left', iterable), param('right', iterable)], combine),
  define('#operator_*', 'function', [param('left', sequence), param('right', int)], (context, left, right) =>
    repeat(context, left, right),
  ),
  define('#operator_*', 'function', [param('left', int), param('right', sequence)], (context, left, right) =>
    repeat(context, right, left),
  ),
  define('len', 'both', [param('sequence', sequence)], (_, list) => list.length),
  define('isList', 'function', [param('arg', any)], (_, arg) => Array.isArray(arg)),
  define(
    'delete',
    'method',
    [param('collection', iterable), param('position', int), optional('count', int, 1)],
    (context, collection, position, count) => {
      const inRange = rangeTest(position, count);
      return editing(context, collection, (item, index) => (inRange(index) ? [] : [item]));
    },
  ),
  define(
    'replace',
    'method',
    [param('collection', iterable), param('position', int), param('value', any), optional('count', int, 1)],
    (context, collection, position, value, count) => replaceRange(context, collection, position, count, () => [value]),
  ),
  define(
    'replaceMany',
    'method',
    [param('collection', iterable), param('position', int), param('values', iterable), optional('count', int, 1)],
    (context, collection, position, values, count) => replaceRange(context, collection, position, count, () => values),
  ),
  define(
    'insert',
    'method',
    [param('collection', types.iterableButSet), param('position', int), param('value', any)],
    (context, collection, position, value) =>
      editing(
        context,
        collection,
        (item, index) => (index === toPosition(position) ? [value, item] : [item]),
        (last) => (toPosition(position) > last ? [value] : []),
      ),
  ),
  define(
    'insert',
    'method',
    [param('collection', sequence), param('position', int), param('value', any)],
    (_, list, position, value) => {
      const copy = PyList.wrap(list);
      copy.splice(sliceBound(toPosition(position), copy.length), 0, value);
      return copy;
    },
  ),
  define(
    'insertMany',
    'method',
    [param('collection', iterable), param('position', int), param('values', iterable)],
    insertMany,
  ),
];

/** Iterators among the values give their items, at any depth of iterators. */
export function spread(context: Context, values: readonly unknown[]): PyIterator {
  const stack: Pull[] = [pullerOf(values)];
  return lazily(context, () => {
    for (;;) {
      const pull = stack.at(-1);
      if (!pull) return END;
      const item = pull();
      if (item === END) stack.pop();
      else if (item instanceof PyIterator || item instanceof MemoIterator) stack.push(pullerOf(item));
      else return item;
    }
  });
}

function flatten(context: Context, collection: AnyIterable): PyIterator {
  const stack: Pull[] = [pullerOf(collection)];
  return lazily(context, () => {
    for (;;) {
      const pull = stack.at(-1);
      if (!pull) return END;
      const item = pull();
      if (item === END) stack.pop();
      else if (isIterable(item)) stack.push(pullerOf(item));
      else return item;
    }
  });
}

function itemAt(list: readonly unknown[], index: PyInteger): unknown {
  const at = index < 0 ? toPosition(index) + list.length : toPosition(index);
  if (at < 0 || at >= list.length) throw indexError('tuple index out of range');
  return list[at] ?? null;
}

function contains(collection: AnyIterable, value: unknown): boolean {
  if (collection instanceof SetLike) return collection.has(value);
  const pull = pullerOf(collection);
  for (let item = pull(); item !== END; item = pull()) if (sameOrEqual(item, value)) return true;
  return false;
}

/** Two tuples give a tuple and two sets a set; anything else is chained lazily. */
function combine(context: Context, left: AnyIterable, right: AnyIterable): unknown {
  if (isTuple(left) && isTuple(right)) {
    context.run.willBuild(left.length + right.length, 8);
    return [...left, ...right];
  }
  if (left instanceof PySet && right instanceof PySet) return new PySet([...left, ...right]);
  return chain(context, [left, right]);
}

/** The items of the collections, one collection after the other. */
export function chain(context: Context, collections: readonly Iterable<unknown>[]): PyIterator {
  let index = 0;
  let pull: Pull | null = null;
  return lazily(context, () => {
    for (; index < collections.length; index += 1) {
      pull ??= pullerOf(collections[index] as Iterable<unknown>);
      const item = pull();
      if (item !== END) return item;
      pull = null;
    }
    return END;
  });
}

function isTuple(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && !(value instanceof PyList);
}

function repeat(context: Context, list: readonly unknown[], times: PyInteger): readonly unknown[] {
  const count = Math.max(0, toPosition(times));
  context.run.checkMemory(sizeOfCollection('list', list.length * count));
  context.run.willBuild(list.length * count, 8);
  const result: unknown[] = list instanceof PyList ? new PyList() : [];
  for (let i = 0; i < count; i += 1) for (const item of list) result.push(item);
  return result;
}

/** `[position, position + count)`; a negative count means everything from the position on. */
function rangeTest(position: PyInteger, count: PyInteger): (index: number) => boolean {
  const from = toPosition(position);
  const to = count < 0 ? Number.POSITIVE_INFINITY : from + toPosition(count);
  return (index) => index >= from && index < to;
}

function replaceRange(
  context: Context,
  collection: AnyIterable,
  position: PyInteger,
  count: PyInteger,
  replacement: () => Iterable<unknown>,
): PyIterator {
  const inRange = rangeTest(position, count);
  let done = false;
  return editing(context, collection, (item, index) => {
    if (!inRange(index)) return [item];
    const first = !done;
    done = true;
    return first ? replacement() : [];
  });
}

function insertMany(context: Context, collection: AnyIterable, position: PyInteger, values: AnyIterable): PyIterator {
  const at = toPosition(position);
  const edited = editing(
    context,
    collection,
    (item, index) => (index === at ? chain(context, [values, [item]]) : [item]),
    (last) => (at > last ? values : []),
  );
  return at < 0 ? chain(context, [values, edited]) : edited;
}

/** Puts other items in the place of each item, and some at the end, given the index of the last item (-1 if there was none). */
function editing(
  context: Context,
  collection: AnyIterable,
  edit: (item: unknown, index: number) => Iterable<unknown>,
  atEnd: (last: number) => Iterable<unknown> = () => [],
): PyIterator {
  const pull = pullerOf(collection);
  let index = -1;
  let current: Pull | null = null;
  let ended = false;
  return lazily(context, () => {
    for (;;) {
      if (current) {
        const item = current();
        if (item !== END) return item;
        current = null;
      }
      if (ended) return END;
      const item = pull();
      if (item === END) {
        ended = true;
        current = pullerOf(atEnd(index));
      } else {
        index += 1;
        current = pullerOf(edit(item, index));
      }
    }
  });
}

/** The keys of a dict, the items of other collections, the characters of a string, as Python's `iter` gives them. */
export function pythonIterable(value: unknown, context: Context): Iterable<unknown> | null {
  if (typeof value === 'string') return Array.from(value);
  if (isDict(value)) return dictKeys(value);
  return isIterable(value) ? (limited(value, context.run) as Iterable<unknown>) : null;
}
