import type { Run } from './limits.ts';
import { YaqlValue, type Kind } from './values.ts';

/** The end of an iterator. Not an exception and not a value: `StopIteration` is an ordinary error of expressions. */
export const END: unique symbol = Symbol('end');

/** Where items come from, one by one; after END it is not asked again. */
export type Pull = () => unknown;

/** A lazy, single-pass sequence (spec/expressions.md §7). Iterating it again goes on where the last one stopped. */
export class PyIterator extends YaqlValue {
  readonly yaqlKind: Kind = 'iterator';
  readonly #run: Run;
  #pull: Pull | null;

  constructor(run: Run, pull: Pull) {
    super();
    this.#run = run;
    this.#pull = pull;
  }

  /** The next item, or END. */
  pull(): unknown {
    if (this.#pull === null) return END;
    this.#run.step();
    const item = this.#pull();
    if (item === END) this.#pull = null;
    return item;
  }

  *[Symbol.iterator](): Iterator<unknown> {
    for (let item = this.pull(); item !== END; item = this.pull()) yield item;
  }
}

/** An iterator that remembers its items: every new iteration begins at the first. */
export class MemoIterator extends YaqlValue {
  readonly yaqlKind: Kind = 'iterator';
  readonly #source: PyIterator;
  readonly #seen: unknown[] = [];
  readonly #grew: (seen: readonly unknown[]) => void;

  /** `grew` is told of each item remembered. */
  constructor(source: PyIterator, grew: (seen: readonly unknown[]) => void = () => {}) {
    super();
    this.#source = source;
    this.#grew = grew;
  }

  /** A fresh iteration. */
  puller(): Pull {
    let index = 0;
    return () => {
      if (index === this.#seen.length) {
        const item = this.#source.pull();
        if (item === END) return END;
        this.#seen.push(item);
        this.#grew(this.#seen);
      }
      const item = this.#seen[index];
      index += 1;
      return item;
    };
  }

  *[Symbol.iterator](): Iterator<unknown> {
    const pull = this.puller();
    for (let item = pull(); item !== END; item = pull()) yield item;
  }
}

/** The result of `orderBy`: sorted when first iterated, and then as often as asked. */
export class Ordered extends YaqlValue {
  readonly yaqlKind: Kind = 'ordered';
  readonly #source: Iterable<unknown>;
  readonly #fields: { readonly key: (item: unknown) => unknown; readonly ascending: boolean }[] = [];
  readonly #compare: (a: unknown, b: unknown) => number;
  #sorted: readonly unknown[] | null = null;

  constructor(source: Iterable<unknown>, compare: (a: unknown, b: unknown) => number) {
    super();
    this.#source = source;
    this.#compare = compare;
  }

  /** The next field to order by, for items that are equal so far. */
  by(key: (item: unknown) => unknown, ascending: boolean): this {
    this.#fields.push({ key, ascending });
    return this;
  }

  items(): readonly unknown[] {
    this.#sorted ??= this.#sort();
    return this.#sorted;
  }

  [Symbol.iterator](): Iterator<unknown> {
    return this.items()[Symbol.iterator]();
  }

  #sort(): unknown[] {
    const items = [...this.#source];
    if (items.length < 2) return items;
    // Keys are computed once per item and field; the reference does it at each comparison.
    const keys = items.map((): unknown[] => []);
    const keyOf = (index: number, field: number): unknown => {
      const row = keys[index] as unknown[];
      if (row.length === field) row.push(this.#fields[field]?.key(items[index]));
      return row[field];
    };
    const order = items
      .map((_, index) => index)
      .sort((a, b) => {
        for (let field = 0; field < this.#fields.length; field += 1) {
          const result = this.#compare(keyOf(a, field), keyOf(b, field));
          if (result !== 0) return this.#fields[field]?.ascending ? result : -result;
        }
        return 0;
      });
    return order.map((index) => items[index]);
  }
}

/** A puller over any JavaScript iterable. */
export function pullerOf(items: Iterable<unknown>): Pull {
  if (Array.isArray(items)) return arrayPuller(items);
  if (items instanceof PyIterator) return () => items.pull();
  if (items instanceof MemoIterator) return items.puller();
  if (items instanceof Ordered) {
    // Sorting waits until the first item is wanted.
    let pull: Pull | null = null;
    return () => {
      pull ??= arrayPuller(items.items());
      return pull();
    };
  }
  const iterator = items[Symbol.iterator]();
  return () => {
    const next = iterator.next();
    return next.done ? END : next.value;
  };
}

function arrayPuller(items: readonly unknown[]): Pull {
  let index = 0;
  return () => {
    if (index >= items.length) return END;
    const item = items[index];
    index += 1;
    return item ?? null;
  };
}
