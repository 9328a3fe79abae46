import { compareNumbers } from '../../yaql/arithmetic.ts';
import { DateTime } from '../../yaql/date-time.ts';
import { type Dict, dictEntries, dictGet, dictHas, dictKeys, dictSize, isDict, PyDict } from '../../yaql/dicts.ts';
import { isInteger, isNumber, type PyNumber } from '../../yaql/numbers.ts';
import { pyRepr, pyStr } from '../../yaql/python-text.ts';
import { PySet, SetLike, ValuesView } from '../../yaql/sets.ts';
import { TimeSpan } from '../../yaql/time-span.ts';
import { compareStrings, equals, hashKey, isTruthy, PyTuple, YaqlValue } from '../../yaql/values.ts';
import { JinjaError, typeError, valueError } from './errors.ts';
import { JinjaObject, Markup, ownList, PyIterator, Range, Slice, Undefined } from './objects.ts';
import { characterAt, characters, textLength } from './text.ts';
import { DictView } from './views.ts';

/** Python's view of values, as templates need it. Lists are plain arrays here, tuples are `PyTuple`s. */

/** `type(value).__name__` */
export function typeName(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return 'str';
    case 'boolean':
      return 'bool';
    case 'number':
      return Number.isInteger(value) ? 'int' : 'float';
    case 'bigint':
      return 'int';
    default:
      return typeNameOfObject(value);
  }
}

function typeNameOfObject(value: unknown): string {
  if (value === null || value === undefined) return 'NoneType';
  if (value instanceof JinjaObject) return value.typeName;
  if (Array.isArray(value)) return value instanceof PyTuple ? 'tuple' : 'list';
  if (isDict(value)) return 'dict';
  if (isNumber(value)) return 'float';
  if (value instanceof DateTime) return 'datetime.datetime';
  if (value instanceof TimeSpan) return 'datetime.timedelta';
  if (value instanceof PySet) return 'set';
  return value instanceof YaqlValue ? value.yaqlKind : 'object';
}

/** Text of a string or of markup; null for anything else. */
export function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return value instanceof Markup ? value.text : null;
}

/** `str(value)`. @throws UndefinedError */
export function toText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof JinjaObject) {
    if (value instanceof Markup) return value.text;
    if (value instanceof Undefined) {
      value.failIfStrict();
      return '';
    }
    return value.repr(repr);
  }
  if (value instanceof DateTime || value instanceof TimeSpan) return pyStr(value);
  return repr(value);
}

/** `repr(value)`. @throws MemoryError for more than a few million members, as lists that hold each other may have. */
export function repr(value: unknown): string {
  let left = MAX_PRINTED;
  const write = (member: unknown): string => {
    if (left-- < 0) throw new JinjaError('MemoryError', `a value has more than ${MAX_PRINTED} members to print`);
    if (typeof member !== 'object' || member === null) return pyRepr(member);
    if (member instanceof Markup) return `Markup(${pyRepr(member.text)})`;
    if (member instanceof JinjaObject) return member.repr(write);
    if (Array.isArray(member)) return listText(member.map(write), member instanceof PyTuple);
    if (!isDict(member)) return pyRepr(member, { arrays: 'list' });
    return `{${Array.from(dictEntries(member), ([key, item]) => `${write(key)}: ${write(item)}`).join(', ')}}`;
  };
  return write(value);
}

const MAX_PRINTED = 2_000_000;

/** A list or tuple with these members, printed. */
export function listText(items: readonly string[], isTuple: boolean): string {
  if (!isTuple) return `[${items.join(', ')}]`;
  return items.length === 1 ? `(${items.join('')},)` : `(${items.join(', ')})`;
}

export function truth(value: unknown): boolean {
  return typeof value === 'boolean' ? value : isTruthy(value);
}

export function isEqual(a: unknown, b: unknown): boolean {
  if (a instanceof Undefined) return a.equalTo(b);
  if (b instanceof Undefined) return b.equalTo(a);
  return equals(a instanceof Markup ? a.text : a, b instanceof Markup ? b.text : b);
}

/** Numbers and booleans as numbers; null for the rest. */
export function numberOf(value: unknown): PyNumber | null {
  if (isNumber(value)) return value;
  return typeof value === 'boolean' ? Number(value) : null;
}

/** An integer or boolean as a JavaScript number, or null. Huge integers become infinite, which indexing treats alike. */
export function indexOf(value: unknown): number | null {
  if (typeof value === 'boolean') return Number(value);
  return isInteger(value) ? Number(value) : null;
}

/** Like {@link indexOf}, for parameters. @throws TypeError */
export function toIndex(value: unknown): number {
  if (value instanceof Undefined) value.fail();
  const index = indexOf(value);
  if (index === null) throw typeError(`'${typeName(value)}' object cannot be interpreted as an integer`);
  return index;
}

/** The order of two values. @throws TypeError when they have none. */
export function compare(a: unknown, b: unknown, operator = '<'): number {
  if (a instanceof Undefined) a.fail();
  if (b instanceof Undefined) b.fail();
  const left = numberOf(a);
  const right = numberOf(b);
  if (left !== null && right !== null) return compareNumbers(left, right);
  const leftText = textOf(a);
  const rightText = textOf(b);
  if (leftText !== null && rightText !== null) return compareStrings(leftText, rightText);
  if (Array.isArray(a) && Array.isArray(b) && a instanceof PyTuple === b instanceof PyTuple) {
    return compareLists(a, b, operator);
  }
  if (a instanceof DateTime && b instanceof DateTime) return Number(a.instant - b.instant);
  if (a instanceof TimeSpan && b instanceof TimeSpan) return Number(a.microseconds - b.microseconds);
  throw typeError(`'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`);
}

function compareLists(a: readonly unknown[], b: readonly unknown[], operator: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (!isEqual(a[i], b[i])) return compare(a[i], b[i], operator);
  return a.length - b.length;
}

/** The members of anything iterable, in order; of a dict its keys. @throws TypeError */
export function iterate(value: unknown): Iterable<unknown> {
  const text = textOf(value);
  if (text !== null) return characters(text);
  if (Array.isArray(value)) return value;
  if (value instanceof Undefined) {
    value.failIfStrict();
    return [];
  }
  if (isIterable(value)) return value instanceof PyDict ? value.keys() : value;
  if (isDict(value)) return dictKeys(value);
  throw typeError(`'${typeName(value)}' object is not iterable`);
}

export function canIterate(value: unknown): boolean {
  if (value instanceof Undefined) return !value.isStrict;
  return textOf(value) !== null || Array.isArray(value) || isIterable(value) || isDict(value);
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

/** `list(value)`: always a new list. */
export function toList(value: unknown): unknown[] {
  return ownList([...iterate(value)]);
}

/** `len(value)`. @throws TypeError */
export function lengthOf(value: unknown): number {
  const text = textOf(value);
  if (text !== null) return textLength(text);
  if (Array.isArray(value)) return value.length;
  if (value instanceof Undefined) {
    value.failIfStrict();
    return 0;
  }
  if (value instanceof Range || value instanceof DictView) return value.length;
  if (value instanceof SetLike || value instanceof ValuesView) return value.size;
  if (isDict(value)) return dictSize(value);
  throw typeError(`object of type '${typeName(value)}' has no len()`);
}

/** `item in container`. @throws TypeError */
export function contains(container: unknown, item: unknown): boolean {
  const text = textOf(container);
  if (text !== null) return text.includes(substring(item));
  if (isDict(container)) {
    checkHashable(item);
    return dictHas(container, item instanceof Markup ? item.text : item);
  }
  if (container instanceof SetLike) return container.has(item);
  if (container instanceof Undefined || !canIterate(container)) {
    if (container instanceof Undefined) container.failIfStrict();
    throw typeError(`argument of type '${typeName(container)}' is not iterable`);
  }
  for (const member of iterate(container)) if (member === item || isEqual(member, item)) return true;
  return false;
}

function substring(item: unknown): string {
  const text = textOf(item);
  if (text === null) throw typeError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  return text;
}

/** @throws TypeError for lists and dicts, at any depth of tuples. */
export function checkHashable(value: unknown): void {
  if (Array.isArray(value)) {
    if (!(value instanceof PyTuple)) throw typeError("unhashable type: 'list'");
    value.forEach(checkHashable);
  } else if (isDict(value)) {
    throw typeError("unhashable type: 'dict'");
  } else if (value instanceof Undefined) {
    value.failIfStrict();
  }
}

/** Equal values have equal keys. @throws TypeError */
export function keyOf(value: unknown): unknown {
  checkHashable(value);
  return hashKey(value instanceof Markup ? value.text : value);
}

export function putEntry(dict: PyDict, key: unknown, value: unknown): void {
  checkHashable(key);
  dict.put(key instanceof Markup ? key.text : key, value);
}

export function newDict(entries: Iterable<readonly [unknown, unknown]> = []): PyDict {
  const dict = new PyDict([], true);
  for (const [key, value] of entries) putEntry(dict, key, value);
  return dict;
}

/** `object[key]`, or undefined where Python raises a LookupError or TypeError. */
export function subscript(object: unknown, key: unknown): unknown {
  if (isDict(object)) return dictItem(object, key);
  const text = textOf(object);
  if (text !== null) {
    const part = key instanceof Slice ? sliceText(text, key) : textItem(text, key);
    return object instanceof Markup && part !== undefined ? new Markup(part) : part;
  }
  if (Array.isArray(object)) return key instanceof Slice ? sliceList(object, key) : listItem(object, key);
  if (object instanceof Range) return rangeItem(object, key);
  return undefined;
}

function dictItem(dict: Dict, key: unknown): unknown {
  if (typeof key === 'string') return dictGet(dict, key);
  if (Array.isArray(key) && !(key instanceof PyTuple)) return undefined;
  if (key instanceof Slice || isDict(key)) return undefined;
  return dictGet(dict, key instanceof Markup ? key.text : key);
}

function textItem(text: string, key: unknown): string | undefined {
  const index = indexOf(key);
  if (index === null) return undefined;
  return characterAt(text, index < 0 ? index + textLength(text) : index);
}

function listItem(list: readonly unknown[], key: unknown): unknown {
  const index = indexOf(key);
  if (index === null) return undefined;
  const position = index < 0 ? index + list.length : index;
  return position >= 0 && position < list.length ? (list[position] ?? null) : undefined;
}

function rangeItem(range: Range, key: unknown): unknown {
  if (key instanceof Slice) {
    const bounds = sliceBounds(key, range.length);
    if (bounds === null) return undefined;
    return new Range(range.at(bounds.start), range.at(bounds.stop), range.step * bounds.step);
  }
  const index = indexOf(key);
  if (index === null) return undefined;
  const position = index < 0 ? index + range.length : index;
  return position >= 0 && position < range.length ? range.at(position) : undefined;
}

function sliceText(text: string, slice: Slice): string | undefined {
  return pick(characters(text), slice)?.join('');
}

function sliceList(list: readonly unknown[], slice: Slice): unknown[] | undefined {
  const items = pick(list, slice);
  if (items === undefined) return undefined;
  return list instanceof PyTuple ? PyTuple.wrap(items) : ownList(items);
}

function pick<Item>(items: readonly Item[], slice: Slice): Item[] | undefined {
  const bounds = sliceBounds(slice, items.length);
  if (bounds === null) return undefined;
  const { start, stop, step } = bounds;
  const picked: Item[] = [];
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) picked.push(items[i] as Item);
  return picked;
}

/** `object[a:b:c]`. @throws TypeError for what has no slices, and for bounds that are no integers. */
export function sliceOf(object: unknown, slice: Slice): unknown {
  if (object instanceof Undefined) object.fail();
  if (isDict(object)) throw typeError("unhashable type: 'slice'");
  if (textOf(object) === null && !Array.isArray(object) && !(object instanceof Range)) {
    throw typeError(`'${typeName(object)}' object is not subscriptable`);
  }
  const part = subscript(object, slice);
  if (part === undefined) throw typeError('slice indices must be integers or None or have an __index__ method');
  return part;
}

/** Concrete bounds for a sequence of this length; null when a bound is no integer. @throws ValueError for a step of 0. */
export function sliceBounds(slice: Slice, length: number): { start: number; stop: number; step: number } | null {
  const start = bound(slice.start);
  const stop = bound(slice.stop);
  const step = bound(slice.step);
  if (start === undefined || stop === undefined || step === undefined) return null;
  const by = step ?? 1;
  if (by === 0) throw valueError('slice step cannot be zero');
  const low = by > 0 ? 0 : -1;
  const high = by > 0 ? length : length - 1;
  const clamp = (value: number): number => Math.max(low, Math.min(high, value < 0 ? value + length : value));
  return {
    start: start === null ? (by > 0 ? low : high) : clamp(start),
    stop: stop === null ? (by > 0 ? high : low) : clamp(stop),
    step: by,
  };
}

/** A bound of a slice: null when left out, undefined when it is no integer. */
function bound(value: unknown): number | null | undefined {
  return value === null ? null : (indexOf(value) ?? undefined);
}

/** A generator over the items that a function makes. */
export function lazily(items: Generator<unknown>): PyIterator {
  return new PyIterator(items);
}
