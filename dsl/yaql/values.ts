import { compareNumbers } from './arithmetic.ts';
import { typeError } from './errors.ts';
import { MappingView } from './mapping-view.ts';
import { Float, isNumber } from './numbers.ts';

/**
 * What a value is to an expression (spec/expressions.md §4.1).
 * `view` is the re-iterable result of `dict.values()`, `ordered` that of `orderBy`, `pair` an evaluated `key => value` argument,
 * `opaque` a host object with no meaning here.
 */
export type Kind =
  | 'null'
  | 'boolean'
  | 'integer'
  | 'float'
  | 'string'
  | 'list'
  | 'dict'
  | 'set'
  | 'iterator'
  | 'ordered'
  | 'view'
  | 'datetime'
  | 'timespan'
  | 'regex'
  | 'context'
  | 'pair'
  | 'opaque';

/**
 * Base of the classes that stand for values JavaScript has no type for. What they need to know about each other
 * (equality, hashing) is a method, so that this file need not import them.
 */
export abstract class YaqlValue {
  abstract readonly yaqlKind: Kind;

  /** Python truth; only collections and timespans can be false. */
  isTruthy(): boolean {
    return true;
  }

  /** Equality with a value that is not the same object. */
  equalTo(_other: unknown): boolean {
    return false;
  }

  /** Equal values have the same key in a `Map`. @throws TypeError (YaqlError) when unhashable. */
  hashKey(): unknown {
    return this;
  }
}

/** The argument `key => value`, evaluated; only functions that build dicts see it. */
export class Pair extends YaqlValue {
  readonly yaqlKind: Kind = 'pair';
  readonly key: unknown;
  readonly value: unknown;

  constructor(key: unknown, value: unknown) {
    super();
    this.key = key;
    this.value = value;
  }
}

/** A Python list, as opposed to the tuples that plain arrays stand for in YAQL: never equal to one, unhashable, prints as `[…]`. */
export class PyList<T = unknown> extends Array<T> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  /** A list with the items of the array. */
  static wrap<T>(items: readonly T[]): PyList<T> {
    const list = new PyList<T>();
    for (let i = 0; i < items.length; i += 1) list.push(items[i] as T);
    return list;
  }
}

/** A Python tuple, for hosts (Jinja) in which a plain array stands for a list: prints as `(…)`. YAQL itself does not create it. */
export class PyTuple<T = unknown> extends Array<T> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  static wrap<T>(items: readonly T[]): PyTuple<T> {
    const tuple = new PyTuple<T>();
    for (let i = 0; i < items.length; i += 1) tuple.push(items[i] as T);
    return tuple;
  }
}

export function kindOf(value: unknown): Kind {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'number':
      return Number.isInteger(value) ? 'integer' : 'float';
    case 'boolean':
      return 'boolean';
    case 'bigint':
      return 'integer';
    case 'undefined':
      return 'null';
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return 'list';
      if (value instanceof YaqlValue) return value.yaqlKind;
      if (value instanceof Float) return 'float';
      return value instanceof Date ? 'opaque' : 'dict';
    default:
      return 'opaque';
  }
}

/** A dict in one of its forms other than `PyDict`: a plain object (data) or a view. */
export type PlainDict = Readonly<Record<string, unknown>> | MappingView;

export function isPlainDict(value: unknown): value is PlainDict {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof YaqlValue) &&
    !(value instanceof Float) &&
    !(value instanceof Date)
  );
}

/** Python truth (spec/expressions.md §4.2). */
export function isTruthy(value: unknown): boolean {
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'string':
      return value.length > 0;
    case 'number':
      return value !== 0;
    case 'bigint':
      return value !== 0n;
    case 'undefined':
      return false;
    case 'object':
      if (value === null) return false;
      if (Array.isArray(value)) return value.length > 0;
      if (value instanceof YaqlValue) return value.isTruthy();
      if (value instanceof Float) return value.value !== 0;
      return value instanceof Date || plainDictSize(value as PlainDict) > 0;
    default:
      return true;
  }
}

/** Python equality (spec/expressions.md §4.3): numbers and booleans by value, never an error. */
export function equals(a: unknown, b: unknown): boolean {
  if (a === b) return typeof a !== 'number' || !Number.isNaN(a);
  if (typeof a === 'string' || typeof b === 'string') return false;
  if (a === null || a === undefined || b === null || b === undefined) return (a ?? null) === (b ?? null);
  const left = typeof a === 'boolean' ? Number(a) : a;
  const right = typeof b === 'boolean' ? Number(b) : b;
  if (isNumber(left)) return isNumber(right) && compareNumbers(left, right) === 0;
  if (isNumber(right)) return false;
  if (Array.isArray(left)) return Array.isArray(right) && listsEqual(left, right);
  if (left instanceof YaqlValue) return left.equalTo(right);
  if (right instanceof YaqlValue) return right.equalTo(left);
  return isPlainDict(left) && isPlainDict(right) && plainDictsEqual(left, right);
}

/** Equality as `in` and `indexOf` use it: identical values are equal even when they are NaN-like. */
export function sameOrEqual(a: unknown, b: unknown): boolean {
  return a === b || equals(a, b);
}

/**
 * A key for a JavaScript `Map` that is the same exactly for equal values. Strings are their own keys (except those that begin
 * with U+0000, which marks the text form of compound values), numbers and booleans share one space.
 *
 * @throws TypeError (YaqlError) for mutable lists and dicts, at any depth.
 */
export function hashKey(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
      return value.charCodeAt(0) === 0 ? `\0s${value}` : value;
    case 'number':
      // NaN equals nothing, so every one gets a key of its own.
      return Number.isNaN(value) ? Symbol('nan') : value;
    case 'boolean':
      return value ? 1 : 0;
    case 'undefined':
      return null;
    case 'object':
      if (value === null) return null;
      if (Array.isArray(value)) return hashTuple(value);
      if (value instanceof YaqlValue) return value.hashKey();
      if (value instanceof Float) return hashFloat(value.value);
      return value instanceof Date ? value : hashEntries(plainDictEntries(value as PlainDict));
    default:
      return value;
  }
}

/** The key of a frozen dict with these entries. */
export function hashEntries(entries: Iterable<readonly [unknown, unknown]>): string {
  const texts: string[] = [];
  for (const [key, value] of entries) texts.push(`${keyText(hashKey(key))}=${keyText(hashKey(value))}`);
  return `\0d{${texts.sort().join(',')}}`;
}

/** The key of a frozen set whose members have these keys. */
export function hashMembers(keys: Iterable<unknown>): string {
  return `\0f{${[...keys].map(keyText).sort().join(',')}}`;
}

/** Negative, zero, positive: order by code point (JavaScript's `<` orders by UTF-16 unit). */
export function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return codePointRank(left) - codePointRank(right);
  }
  return a.length - b.length;
}

/** The value at a string key of a plain dict; undefined when absent. */
export function plainDictGet(dict: PlainDict, key: string): unknown {
  if (dict instanceof MappingView) return dict.get(key);
  return Object.hasOwn(dict, key) ? (dict[key] ?? null) : undefined;
}

export function plainDictHas(dict: PlainDict, key: string): boolean {
  return dict instanceof MappingView ? dict.has(key) : Object.hasOwn(dict, key);
}

export function plainDictKeys(dict: PlainDict): string[] {
  return dict instanceof MappingView ? [...dict.keys()] : Object.keys(dict);
}

export function plainDictEntries(dict: PlainDict): [string, unknown][] {
  if (!(dict instanceof MappingView)) return Object.entries(dict);
  return plainDictKeys(dict).map((key) => [key, dict.get(key) ?? null]);
}

export function plainDictSize(dict: PlainDict): number {
  return plainDictKeys(dict).length;
}

/** The class of list an array stands for; lists of different classes are never equal. */
export function listClass(list: readonly unknown[]): 'array' | 'list' | 'tuple' {
  if (list instanceof PyList) return 'list';
  return list instanceof PyTuple ? 'tuple' : 'array';
}

function listsEqual(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length || listClass(a) !== listClass(b)) return false;
  for (let i = 0; i < a.length; i += 1) if (!sameOrEqual(a[i], b[i])) return false;
  return true;
}

function plainDictsEqual(a: PlainDict, b: PlainDict): boolean {
  const keys = plainDictKeys(a);
  if (keys.length !== plainDictSize(b)) return false;
  return keys.every((key) => plainDictHas(b, key) && sameOrEqual(plainDictGet(a, key), plainDictGet(b, key)));
}

function hashTuple(list: readonly unknown[]): string {
  if (list instanceof PyList) throw typeError("unhashable type: 'list'");
  let text = '\0t(';
  for (const item of list) text += `${keyText(hashKey(item))},`;
  return `${text})`;
}

function hashFloat(value: number): number | bigint {
  return Number.isSafeInteger(value) ? value + 0 : BigInt(value);
}

/** Unambiguous text for one key inside a compound key: strings carry their length. */
function keyText(key: unknown): string {
  switch (typeof key) {
    case 'string':
      return `s${key.length}:${key}`;
    case 'number':
    case 'bigint':
      return `n${key}`;
    case 'object':
      return key === null ? 'z' : `o${identity(key)}`;
    default:
      return `o${identity({ key })}`;
  }
}

const identities = new WeakMap<object, number>();
let lastIdentity = 0;

function identity(value: object): number {
  let id = identities.get(value);
  if (id === undefined) {
    lastIdentity += 1;
    id = lastIdentity;
    identities.set(value, id);
  }
  return id;
}

/** Moves surrogates above the rest of the basic plane, which is the order of the code points they stand for. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
