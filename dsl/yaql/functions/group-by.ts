import type { Context, Lambda } from '../context.ts';
import { PyDict } from '../dicts.ts';
import { YaqlError } from '../errors.ts';
import { END, type PyIterator, pullerOf } from '../iterators.ts';
import { sizeOfCollection } from '../memory.ts';
import type { AnyIterable } from '../types.ts';
import { PyList, equals } from '../values.ts';
import { lazily, some } from './iteration.ts';

/** Pairs `[key, values]` in the order of the first of each key; with an aggregator `[key, aggregator(values)]`, applied lazily. */
export function groupBy(
  context: Context,
  items: AnyIterable,
  keySelector: Lambda,
  valueSelector: Lambda | null,
  aggregator: Lambda | null,
): PyIterator {
  const groups = new PyDict([], true);
  some(items, (item) => {
    const value = valueSelector ? valueSelector.call1(item) : item;
    const key = keySelector.call1(item);
    const group = groups.get(key);
    if (group instanceof PyList) group.push(value);
    else groups.put(key, PyList.wrap([value]));
    if (!context.run.plain) context.run.checkMemory(sizeOfCollection('dict', groups.size));
    return false;
  });
  const pull = pullerOf(groups.entries());
  const aggregate = aggregator ? new Aggregator(aggregator) : null;
  return lazily(context, () => {
    const group = pull() as [unknown, PyList] | typeof END;
    return group === END || !aggregate ? group : aggregate.apply(group);
  });
}

/**
 * Workflows written for old versions have an aggregator that takes the pair and gives a pair: `[$[0], $[1].sum()]`. When the first
 * group fails with the values alone, or its result could be such a pair by chance, the old form is tried (spec/expressions.md §15).
 */
class Aggregator {
  readonly #function: Lambda;
  #mayBeOld = true;
  #failure: YaqlError | null = null;

  constructor(aggregator: Lambda) {
    this.#function = aggregator;
  }

  apply(group: readonly [unknown, PyList]): unknown {
    const [key, values] = group;
    if (!this.#failure) {
      try {
        const result = this.#function.call1(values);
        if (!couldBeOldResult(result, values)) this.#mayBeOld = false;
        return [key, result];
      } catch (error) {
        if (!(error instanceof YaqlError) || !SIGNS_OF_OLD_FORM.has(error.className)) throw error;
        this.#failure = error;
      }
    }
    if (this.#mayBeOld) {
      const result = this.#old(group);
      if (result !== null) return result;
    }
    throw this.#failure;
  }

  #old(group: readonly [unknown, PyList]): unknown {
    try {
      const result = this.#function.call1(group);
      return hasTwoElements(result) ? result : null;
    } catch (error) {
      if (error instanceof YaqlError && error.className !== 'LimitExceededException') return null;
      throw error;
    }
  }
}

const SIGNS_OF_OLD_FORM: ReadonlySet<string> = new Set([
  'NoMatchingMethodException',
  'NoMatchingFunctionException',
  'IndexError',
]);

/** A pair whose first element is the first of two values cannot be told from one of key and result. */
function couldBeOldResult(result: unknown, values: PyList): boolean {
  return values.length === 2 && Array.isArray(result) && result.length === 2 && equals(result[0], values[0]);
}

function hasTwoElements(value: unknown): boolean {
  if (typeof value === 'string' || Array.isArray(value)) return value.length === 2;
  return value instanceof PyDict && value.size === 2;
}
