import { PyDict, dictEntries, isDict } from './dicts.ts';
import { DateTime } from './date-time.ts';
import { typeError } from './errors.ts';
import { END, pullerOf } from './iterators.ts';
import type { Run } from './limits.ts';
import { MappingView } from './mapping-view.ts';
import { Float, isNumber } from './numbers.ts';
import { limited } from './overloads.ts';
import { formatNumber } from './python-text.ts';
import { PySet, SetLike } from './sets.ts';
import { ITERABLE, kindBit } from './types.ts';
import { PyList, YaqlValue, isPlainDict } from './values.ts';

/**
 * Turns the value of an expression into its result (spec/expressions.md §4.6): lists as arrays, dicts as plain objects, or as
 * `PyDict` when a key is not a string, sets as `PySet`. Parts of the data that need no change are shared with it, not copied.
 */
export function convertOutput(value: unknown, run: Run): unknown {
  if (run.options.convertOutputData === false) return unwrapTop(value, run);
  return convert(value, run);
}

/**
 * A result as JSON data that can be stored: sets and their like become arrays, other keys than strings become strings, datetimes
 * become `YYYY-MM-DDTHH:MM:SS.ffffff` without their zone. Parts that need no change are shared.
 *
 * @throws TypeError (YaqlError) for what has no such form: timespans, regular expressions, contexts.
 */
export function toStored(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value === undefined ? null : value;
  if (Array.isArray(value)) return mapList(value, toStored);
  if (value instanceof Float) return value;
  if (value instanceof DateTime) return value.isoLocal('T', true);
  if (value instanceof SetLike) return Array.from(value, toStored);
  if (value instanceof PyDict || value instanceof MappingView) {
    return objectOf(Array.from(dictEntries(value), ([key, item]) => [storedKey(key), toStored(item)]));
  }
  if (value instanceof YaqlValue || !isPlainDict(value)) {
    throw typeError(
      `Object of type ${value instanceof YaqlValue ? value.yaqlKind : 'object'} is not JSON serializable`,
    );
  }
  return mapObject(value as Readonly<Record<string, unknown>>, toStored);
}

function convert(value: unknown, run: Run): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    run.checkCollection(value.length);
    return mapList(value, (item) => convert(item, run));
  }
  if (value instanceof Float) return value;
  if (value instanceof SetLike) return convertSet(value, run);
  if (isDict(value)) return convertDict(value, run);
  if (kindBit(value) & ITERABLE) return drain(limited(value, run) as Iterable<unknown>, run);
  return value;
}

function convertSet(set: SetLike, run: Run): unknown {
  run.checkCollection(set.size);
  const members = Array.from(set, (item) => convert(item, run));
  if (run.options.convertSetsToLists) return members;
  const originals = [...set];
  members.forEach((member, i) => checkHashable(member, originals[i], run));
  return new PySet(members);
}

function convertDict(dict: PyDict | MappingView | object, run: Run): unknown {
  if (!(dict instanceof PyDict) && !(dict instanceof MappingView)) {
    const plain = dict as Readonly<Record<string, unknown>>;
    if (run.limitIterators >= 0) run.checkCollection(Object.keys(plain).length);
    return mapObject(plain, (item) => convert(item, run));
  }
  const entries: [unknown, unknown][] = [];
  let allStrings = true;
  for (const [key, item] of dictEntries(dict)) {
    const converted = convert(key, run);
    allStrings &&= typeof converted === 'string';
    checkHashable(converted, key, run);
    entries.push([converted, convert(item, run)]);
  }
  run.checkCollection(entries.length);
  return allStrings ? objectOf(entries as [string, unknown][]) : new PyDict(entries);
}

/** Converted lists, dicts and sets are Python's mutable ones; only tuples that stay tuples can be hashed. */
function checkHashable(value: unknown, original: unknown, run: Run): void {
  const isTuple =
    run.options.convertTuplesToLists === false && Array.isArray(original) && !(original instanceof PyList);
  if (Array.isArray(value) && !isTuple) throw typeError("unhashable type: 'list'");
  if (value instanceof PySet) throw typeError("unhashable type: 'set'");
  if (isDict(value)) throw typeError("unhashable type: 'dict'");
}

function drain(items: Iterable<unknown>, run: Run): unknown[] {
  const pull = pullerOf(items);
  const result: unknown[] = [];
  for (let item = pull(); item !== END; item = pull()) result.push(convert(item, run));
  return result;
}

/** Without conversion only what the host could not read is changed, and only at the top. */
function unwrapTop(value: unknown, run: Run): unknown {
  if (Array.isArray(value) || value instanceof SetLike || isDict(value)) return value;
  return kindBit(value) & ITERABLE ? [...(limited(value, run) as Iterable<unknown>)] : value;
}

/** The same array when nothing changes. A `PyList` becomes a plain array. */
function mapList(list: readonly unknown[], change: (item: unknown) => unknown): readonly unknown[] {
  let result: unknown[] | null = list instanceof PyList ? list.slice() : null;
  for (let i = 0; i < list.length; i += 1) {
    const item = change(list[i]);
    if (item === list[i]) continue;
    result ??= list.slice();
    result[i] = item;
  }
  return result ?? list;
}

/** The same object when nothing changes. */
function mapObject(
  object: Readonly<Record<string, unknown>>,
  change: (item: unknown) => unknown,
): Readonly<Record<string, unknown>> {
  let result: Record<string, unknown> | null = null;
  for (const key of Object.keys(object)) {
    const item = change(object[key]);
    if (item === object[key]) continue;
    result ??= objectOf(Object.entries(object));
    setOwn(result, key, item);
  }
  return result ?? object;
}

function objectOf(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const [key, value] of entries) setOwn(object, key, value);
  return object;
}

/** Assignment to `__proto__` would change the object instead of adding a key. */
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    object[key] = value;
  }
}

function storedKey(key: unknown): string {
  if (typeof key === 'string') return key;
  if (key === null || typeof key === 'boolean') return String(key);
  if (isNumber(key)) return formatNumber(key);
  throw typeError('keys must be str, int, float, bool or None');
}
