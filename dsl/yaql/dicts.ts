import { typeError } from './errors.ts';
import { MappingView } from './mapping-view.ts';
import {
  YaqlValue,
  hashEntries,
  hashKey,
  isPlainDict,
  plainDictEntries,
  plainDictGet,
  plainDictHas,
  plainDictKeys,
  plainDictSize,
  sameOrEqual,
  type Kind,
  type PlainDict,
} from './values.ts';

/** Any dict: data and results with string keys are plain objects or views, the rest are `PyDict`s. */
export type Dict = PlainDict | PyDict;

/**
 * A dict with keys of any hashable kind, in insertion order; equal keys (`1`, `1.0`, `true`) are one entry that keeps its first key.
 * `mutable` marks what is a Python dict in the reference: it has no hash.
 */
export class PyDict extends YaqlValue {
  readonly yaqlKind: Kind = 'dict';
  readonly mutable: boolean;
  readonly #values = new Map<unknown, unknown>();
  /** Only keys that differ from their hash key. */
  readonly #keys = new Map<unknown, unknown>();

  constructor(entries: Iterable<readonly [unknown, unknown]> = [], mutable = false) {
    super();
    this.mutable = mutable;
    for (const [key, value] of entries) this.put(key, value);
  }

  get size(): number {
    return this.#values.size;
  }

  /** For whoever builds the dict; expressions never change one. */
  put(key: unknown, value: unknown): void {
    const hash = hashKey(key);
    if (hash !== key && !this.#values.has(hash)) this.#keys.set(hash, key);
    this.#values.set(hash, value);
  }

  /** Forgets the key. For whoever builds the dict. */
  drop(key: unknown): void {
    const hash = hashKey(key);
    this.#values.delete(hash);
    this.#keys.delete(hash);
  }

  /** The value, or undefined when absent. */
  get(key: unknown): unknown {
    return this.#values.get(hashKey(key));
  }

  has(key: unknown): boolean {
    return this.#values.has(hashKey(key));
  }

  *keys(): Generator<unknown> {
    for (const hash of this.#values.keys()) yield this.#keys.has(hash) ? this.#keys.get(hash) : hash;
  }

  *entries(): Generator<[unknown, unknown]> {
    for (const [hash, value] of this.#values) yield [this.#keys.has(hash) ? this.#keys.get(hash) : hash, value];
  }

  values(): Iterable<unknown> {
    return this.#values.values();
  }

  [Symbol.iterator](): Generator<[unknown, unknown]> {
    return this.entries();
  }

  override isTruthy(): boolean {
    return this.size > 0;
  }

  override equalTo(other: unknown): boolean {
    return isDict(other) && dictsEqual(this, other);
  }

  override hashKey(): unknown {
    if (this.mutable) throw typeError("unhashable type: 'dict'");
    return hashEntries(this.entries());
  }
}

export function isDict(value: unknown): value is Dict {
  return value instanceof PyDict || isPlainDict(value);
}

/** The value at the key, or undefined when absent. */
export function dictGet(dict: Dict, key: unknown): unknown {
  if (dict instanceof PyDict) return dict.get(key);
  if (typeof key === 'string') return plainDictGet(dict, key);
  hashKey(key); // a plain dict has no such key, but an unhashable one is an error all the same
  return undefined;
}

export function dictHas(dict: Dict, key: unknown): boolean {
  if (dict instanceof PyDict) return dict.has(key);
  if (typeof key === 'string') return plainDictHas(dict, key);
  hashKey(key);
  return false;
}

export function dictKeys(dict: Dict): Iterable<unknown> {
  return dict instanceof PyDict ? dict.keys() : plainDictKeys(dict);
}

export function dictValues(dict: Dict): Iterable<unknown> {
  if (dict instanceof PyDict) return dict.values();
  return dict instanceof MappingView ? plainDictKeys(dict).map((key) => dict.get(key) ?? null) : Object.values(dict);
}

export function dictEntries(dict: Dict): Iterable<readonly [unknown, unknown]> {
  return dict instanceof PyDict ? dict.entries() : plainDictEntries(dict);
}

export function dictSize(dict: Dict): number {
  return dict instanceof PyDict ? dict.size : plainDictSize(dict);
}

/** True when this object key keeps its place and meaning in a plain JavaScript object (`'1'` would move to the front). */
export function isPlainKey(key: string): boolean {
  return key !== '__proto__' && !/^(0|[1-9]\d*)$/.test(key);
}

function dictsEqual(a: Dict, b: Dict): boolean {
  if (dictSize(a) !== dictSize(b)) return false;
  for (const [key, value] of dictEntries(a)) {
    if (!dictHas(b, key) || !sameOrEqual(value, dictGet(b, key))) return false;
  }
  return true;
}
