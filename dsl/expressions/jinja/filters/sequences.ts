import { dictEntries, isDict } from '../../../yaql/dicts.ts';
import { PyTuple } from '../../../yaql/values.ts';
import { attributeGetter, attributesGetter, ignoringCase } from '../attribute-path.ts';
import { GroupTuple } from '../attributes.ts';
import type { Filter } from '../environment.ts';
import { filterArgumentError, JinjaError, typeError } from '../errors.ts';
import { ownList, PyIterator, Undefined } from '../objects.ts';
import { binary } from '../operators.ts';
import {
  canIterate,
  compare,
  isEqual,
  iterate,
  keyOf,
  lazily,
  lengthOf,
  numberOf,
  repr,
  subscript,
  textOf,
  toIndex,
  toList,
  truth,
  typeName,
} from '../python.ts';
import type { Runtime } from '../runtime.ts';
import { sortValues } from '../sorting.ts';
import { characters } from '../text.ts';
import { DictView } from '../views.ts';
import { filter } from './filter.ts';

/** Filters over lists and dicts. Those that are generators in the reference are generators here. */
export const sequenceFilters: readonly [string, Filter][] = [
  ...['length', 'count'].map((name) => filter(name, [], (value) => lengthOf(value))),
  filter('list', [], (value) => toList(value)),
  filter('first', [], (value) => first(value)),
  filter('last', [], (value) => last(value)),
  filter('random', [], (value) => random(value)),
  filter('reverse', [], (value) => reverse(value)),
  filter('items', [], (value) => lazily(items(value))),
  filter('batch', ['linecount', ['fill_with', null]], (value, [size, fill], runtime) =>
    lazily(batch(value, size, fill, runtime)),
  ),
  filter('slice', ['slices', ['fill_with', null]], (value, [slices, fill], runtime) => {
    runtime.checkSize(toIndex(slices));
    return lazily(slice(value, toIndex(slices), fill));
  }),
  filter(
    'sort',
    [
      ['reverse', false],
      ['case_sensitive', false],
      ['attribute', null],
    ],
    (value, args, runtime) => {
      const [reverse, caseSensitive, attribute] = args;
      const get = attributesGetter(attribute);
      const fold = folding(caseSensitive);
      return ownList(sortValues(iterate(value), (item) => get(item).map(fold), reverse, runtime));
    },
  ),
  filter(
    'dictsort',
    [
      ['case_sensitive', false],
      ['by', 'key'],
      ['reverse', false],
    ],
    dictSort,
  ),
  filter(
    'unique',
    [
      ['case_sensitive', false],
      ['attribute', null],
    ],
    (value, [caseSensitive, attribute]) => lazily(unique(value, folding(caseSensitive), attributeGetter(attribute))),
  ),
  filter(
    'min',
    [
      ['case_sensitive', false],
      ['attribute', null],
    ],
    (value, args) => extreme(value, args, -1),
  ),
  filter(
    'max',
    [
      ['case_sensitive', false],
      ['attribute', null],
    ],
    (value, args) => extreme(value, args, 1),
  ),
  filter(
    'sum',
    [
      ['attribute', null],
      ['start', 0],
    ],
    sum,
  ),
  filter('groupby', ['attribute', ['default', null], ['case_sensitive', false]], groupBy),
];

function folding(caseSensitive: unknown): (value: unknown) => unknown {
  return truth(caseSensitive) ? (value) => value : ignoringCase;
}

function first(value: unknown): unknown {
  for (const item of iterate(value)) return item;
  return new Undefined('No first item, sequence was empty.');
}

function last(value: unknown): unknown {
  const reversed = reversedItems(value);
  if (reversed === null) throw typeError(`'${typeName(value)}' object is not reversible`);
  return reversed.length > 0 ? reversed[0] : new Undefined('No last item, sequence was empty.');
}

/** The items backwards, or null for what Python cannot reverse: generators and numbers. */
function reversedItems(value: unknown): unknown[] | null {
  if (value instanceof Undefined) value.failIfStrict();
  if (value instanceof PyIterator || !canIterate(value)) return null;
  return [...iterate(value)].reverse();
}

function random(value: unknown): unknown {
  const length = lengthOf(value);
  if (length === 0) return new Undefined('No random item, sequence was empty.');
  const index = Math.floor(Math.random() * length);
  const item = subscript(value, index);
  if (item === undefined) throw new JinjaError('KeyError', repr(index));
  return item;
}

function reverse(value: unknown): unknown {
  const text = textOf(value);
  if (text !== null) return characters(text).reverse().join('');
  const reversed = reversedItems(value);
  if (reversed !== null) return new PyIterator(reversed, Array.isArray(value) ? 'list_reverseiterator' : 'reversed');
  if (!canIterate(value)) throw filterArgumentError('argument must be iterable');
  return toList(value).reverse();
}

function* items(value: unknown): Generator<unknown> {
  if (value instanceof Undefined) return;
  if (!isDict(value)) throw typeError('Can only get item pairs from a mapping.');
  yield* new DictView(value, 'items');
}

function* batch(value: unknown, sizeArgument: unknown, fill: unknown, runtime: Runtime): Generator<unknown> {
  const size = numberOf(sizeArgument) === null ? Number.NaN : toIndex(sizeArgument);
  let group: unknown[] = ownList([]);
  for (const item of iterate(value)) {
    if (group.length === size) {
      yield group;
      group = ownList([]);
    }
    group.push(item);
  }
  if (group.length === 0) return;
  runtime.checkSize(size);
  if (fill !== null) while (group.length < size) group.push(fill);
  yield group;
}

function* slice(value: unknown, slices: number, fill: unknown): Generator<unknown> {
  const list = [...iterate(value)];
  if (slices === 0) throw new JinjaError('ZeroDivisionError', 'integer division or modulo by zero');
  const size = Math.floor(list.length / slices);
  const larger = list.length % slices;
  let start = 0;
  for (let i = 0; i < slices; i++) {
    const end = start + size + (i < larger ? 1 : 0);
    const part = list.slice(start, end);
    if (fill !== null && i >= larger) part.push(fill);
    yield ownList(part);
    start = end;
  }
}

function dictSort(value: unknown, [caseSensitive, by, reverse]: readonly unknown[], runtime: Runtime): unknown {
  const index = by === 'key' ? 0 : by === 'value' ? 1 : null;
  if (index === null) throw filterArgumentError('You can only sort by either "key" or "value"');
  if (value instanceof Undefined) value.fail();
  if (!isDict(value)) throw new JinjaError('AttributeError', `'${typeName(value)}' object has no attribute 'items'`);
  const fold = folding(caseSensitive);
  const sorted = sortValues(
    [...dictEntries(value)].map((entry) => PyTuple.wrap(entry)),
    (entry) => fold(subscript(entry, index)),
    reverse,
    runtime,
  );
  return ownList(sorted);
}

function* unique(
  value: unknown,
  fold: (value: unknown) => unknown,
  get: (item: unknown) => unknown,
): Generator<unknown> {
  const seen = new Set<unknown>();
  for (const item of iterate(value)) {
    const key = keyOf(fold(get(item)));
    if (seen.has(key)) continue;
    seen.add(key);
    yield item;
  }
}

function extreme(value: unknown, [caseSensitive, attribute]: readonly unknown[], direction: 1 | -1): unknown {
  const fold = folding(caseSensitive);
  const get = attributeGetter(attribute);
  let best: { readonly item: unknown; readonly key: unknown } | null = null;
  for (const item of iterate(value)) {
    const key = fold(get(item));
    if (best === null || compare(key, best.key, direction > 0 ? '>' : '<') * direction > 0) best = { item, key };
  }
  return best === null ? new Undefined('No aggregated item, sequence was empty.') : best.item;
}

function sum(value: unknown, [attribute, start]: readonly unknown[], runtime: Runtime): unknown {
  if (textOf(start) !== null) throw typeError("sum() can't sum strings [use ''.join(seq) instead]");
  const get = attributeGetter(attribute);
  let total = start;
  for (const item of iterate(value)) {
    runtime.spend();
    total = binary('+', total, get(item), runtime);
  }
  return total;
}

function groupBy(value: unknown, [attribute, fallback, caseSensitive]: readonly unknown[], runtime: Runtime): unknown {
  const get = attributeGetter(attribute, fallback);
  const fold = folding(caseSensitive);
  const groups: { readonly key: unknown; readonly items: unknown[] }[] = [];
  for (const item of sortValues(iterate(value), (member) => fold(get(member)), false, runtime)) {
    const key = fold(get(item));
    const current = groups.at(-1);
    if (current !== undefined && isEqual(current.key, key)) current.items.push(item);
    else groups.push({ key, items: ownList([item]) });
  }
  return ownList(groups.map(({ items: members }) => GroupTuple.pair(get(members[0]), members)));
}
