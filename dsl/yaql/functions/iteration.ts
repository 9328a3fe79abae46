import type { Context } from '../context.ts';
import { END, Ordered, PyIterator, pullerOf, type Pull } from '../iterators.ts';
import { sizeOfCollection } from '../memory.ts';
import { ITERABLE, kindBit, type AnyIterable } from '../types.ts';
import { PyList } from '../values.ts';

export function lazily(context: Context, pull: Pull): PyIterator {
  return new PyIterator(context.run, pull);
}

/** Anything iterable but strings and dicts. */
export function isIterable(value: unknown): value is AnyIterable {
  return (kindBit(value) & ITERABLE) !== 0;
}

/** Reads the collection into a tuple; fails at the item that exceeds the limits. */
export function toTuple(context: Context, collection: AnyIterable): readonly unknown[] {
  if (Array.isArray(collection)) return collection instanceof PyList ? collection.slice() : collection;
  if (collection instanceof Ordered) return [...collection.items()];
  const { run } = context;
  const pull = pullerOf(collection);
  const items: unknown[] = [];
  for (let item = pull(); item !== END; item = pull()) {
    items.push(item);
    if (run.plain) continue;
    run.checkCollection(items.length);
    run.checkMemory(sizeOfCollection('list', items.length));
  }
  return items;
}

/** Calls `visit` with each item until it gives true. */
export function some(collection: AnyIterable, visit: (item: unknown, index: number) => boolean): boolean {
  if (Array.isArray(collection)) {
    for (let i = 0; i < collection.length; i += 1) if (visit(collection[i] ?? null, i)) return true;
    return false;
  }
  const pull = pullerOf(collection);
  let index = 0;
  for (let item = pull(); item !== END; item = pull()) {
    if (visit(item, index)) return true;
    index += 1;
  }
  return false;
}

/** Left fold without a first value; null when the collection is empty. */
export function fold(
  collection: AnyIterable,
  seed: { readonly value: unknown } | null,
  step: (total: unknown, item: unknown) => unknown,
): { readonly value: unknown } | null {
  let total = seed;
  some(collection, (item) => {
    total = { value: total ? step(total.value, item) : item };
    return false;
  });
  return total;
}
