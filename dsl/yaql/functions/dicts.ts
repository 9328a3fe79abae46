import type { Context } from '../context.ts';
import { define, optional, param, rest, type FunctionDefinition } from '../definitions.ts';
import { PyDict, dictEntries, dictGet, dictHas, dictSize, dictValues, isDict, type Dict } from '../dicts.ts';
import { YaqlError, stopIteration, typeError } from '../errors.ts';
import { sizeOfCollection } from '../memory.ts';
import { pyRepr } from '../python-text.ts';
import { ItemsView, KeysView, ValuesView } from '../sets.ts';
import { types, type AnyIterable } from '../types.ts';
import { sameOrEqual, type Pair } from '../values.ts';
import { pythonIterable } from './collections.ts';
import { some } from './iteration.ts';

const { any, dict, iterable, lambda } = types;
const noKeywords = { noKeywords: true } as const;

export const dictFunctions: readonly FunctionDefinition[] = [
  define('dict', 'function', [rest(types.pair)], fromPairs, noKeywords),
  define('#map', 'function', [rest(types.pair)], fromPairs, noKeywords),
  define('dict', 'function', [param('items', iterable)], fromItems, noKeywords),
  define(
    'toDict',
    'method',
    [param('collection', iterable), param('keySelector', lambda), optional('valueSelector', lambda, null)],
    (context, collection, keySelector, valueSelector) => {
      const result = new PyDict([], true);
      some(collection, (item) => {
        const key = keySelector.call1(item);
        result.put(key, valueSelector ? valueSelector.call1(item) : item);
        if (!context.run.plain) context.run.checkMemory(sizeOfCollection('dict', result.size));
        return false;
      });
      return result;
    },
  ),
  define('#indexer', 'function', [param('dict', dict), param('key', any)], (_, d, key) => {
    const value = dictGet(d, key);
    if (value === undefined) throw new YaqlError('KeyError', pyRepr(key));
    return value;
  }),
  define('#indexer', 'function', [param('dict', dict), param('key', any), param('default', any)], getOr),
  define('get', 'method', [param('dict', dict), param('key', any), optional('default', any, null)], getOr),
  define(
    'set',
    'method',
    [param('dict', dict), param('key', any), param('value', any)],
    (_, d, key, value) => merged(d, [[key, value]]),
    noKeywords,
  ),
  define(
    'set',
    'method',
    [param('dict', dict), param('replacements', dict)],
    (_, d, more) => merged(d, dictEntries(more)),
    noKeywords,
  ),
  define(
    'set',
    'method',
    [param('dict', dict), rest(types.pair)],
    (_, d, pairs) => merged(d, entriesOf(pairs)),
    noKeywords,
  ),
  define('keys', 'method', [param('dict', dict)], (_, d) => new KeysView(d)),
  define('values', 'method', [param('dict', dict)], (_, d) => new ValuesView(d)),
  define('items', 'method', [param('dict', dict)], (_, d) => new ItemsView(d)),
  define('containsKey', 'method', [param('dict', dict), param('key', any)], (_, d, key) => dictHas(d, key)),
  define('containsValue', 'method', [param('dict', dict), param('value', any)], (_, d, value) => {
    for (const item of dictValues(d)) if (sameOrEqual(item, value)) return true;
    return false;
  }),
  define('#operator_+', 'function', [param('left', dict), param('right', dict)], (_, left, right) =>
    merged(left, dictEntries(right)),
  ),
  define('isDict', 'function', [param('arg', any)], (_, arg) => isDict(arg)),
  define('len', 'both', [param('dict', dict)], (_, d) => dictSize(d)),
  define('delete', 'method', [param('dict', dict), rest(any)], (_, d, keys) => without(d, keys)),
  define('deleteAll', 'method', [param('dict', dict), param('keys', iterable)], (_, d, keys) => without(d, keys)),
];

function fromPairs(context: Context, pairs: readonly Pair[]): PyDict {
  context.run.checkMemory(pairs.length * 48);
  return new PyDict(entriesOf(pairs));
}

function* entriesOf(pairs: readonly Pair[]): Generator<readonly [unknown, unknown]> {
  for (const { key, value } of pairs) yield [key, value];
}

/** The first two elements of each item; a string of two characters will do. */
function fromItems(context: Context, items: AnyIterable): PyDict {
  const result = new PyDict();
  some(items, (item) => {
    const elements = pythonIterable(item, context)?.[Symbol.iterator]();
    if (!elements) throw typeError('object is not iterable');
    const key = elements.next();
    const value = key.done ? key : elements.next();
    if (value.done) throw stopIteration();
    result.put(key.value, value.value);
    if (!context.run.plain) context.run.checkMemory(sizeOfCollection('dict', result.size));
    return false;
  });
  return result;
}

function getOr(_: Context, d: Dict, key: unknown, fallback: unknown): unknown {
  const value = dictGet(d, key);
  return value === undefined ? fallback : value;
}

function merged(d: Dict, more: Iterable<readonly [unknown, unknown]>): PyDict {
  const result = new PyDict(dictEntries(d));
  for (const [key, value] of more) result.put(key, value);
  return result;
}

function without(d: Dict, keys: Iterable<unknown>): PyDict {
  const result = new PyDict(dictEntries(d), true);
  for (const key of keys) result.drop(key);
  return result;
}
