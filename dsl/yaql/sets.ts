import { dictEntries, dictGet, dictHas, dictKeys, dictSize, dictValues, type Dict } from './dicts.ts';
import { typeError } from './errors.ts';
import { YaqlValue, hashKey, hashMembers, sameOrEqual, type Kind } from './values.ts';

/** Sets and the key and item views of dicts. */
export abstract class SetLike extends YaqlValue {
  readonly yaqlKind: Kind = 'set';
  abstract readonly size: number;
  abstract has(value: unknown): boolean;
  abstract [Symbol.iterator](): Iterator<unknown>;

  override isTruthy(): boolean {
    return this.size > 0;
  }

  override equalTo(other: unknown): boolean {
    return other instanceof SetLike && other.size === this.size && isSubset(this, other);
  }

  override hashKey(): unknown {
    throw typeError("unhashable type: 'view'");
  }
}

/** A set with members of any hashable kind; iterates in insertion order, which carries no meaning. */
export class PySet extends SetLike {
  readonly #members = new Map<unknown, unknown>();

  constructor(members: Iterable<unknown> = []) {
    super();
    for (const member of members) this.#add(member);
  }

  get size(): number {
    return this.#members.size;
  }

  has(value: unknown): boolean {
    return this.#members.has(hashKey(value));
  }

  [Symbol.iterator](): Iterator<unknown> {
    return this.#members.values();
  }

  override hashKey(): unknown {
    return hashMembers(this.#members.keys());
  }

  #add(member: unknown): void {
    const key = hashKey(member);
    if (!this.#members.has(key)) this.#members.set(key, member);
  }
}

/** `dict.keys()` */
export class KeysView extends SetLike {
  readonly dict: Dict;

  constructor(dict: Dict) {
    super();
    this.dict = dict;
  }

  get size(): number {
    return dictSize(this.dict);
  }

  has(value: unknown): boolean {
    return dictHas(this.dict, value);
  }

  [Symbol.iterator](): Iterator<unknown> {
    return dictKeys(this.dict)[Symbol.iterator]();
  }
}

/** `dict.items()`: a set of pairs. */
export class ItemsView extends SetLike {
  readonly dict: Dict;

  constructor(dict: Dict) {
    super();
    this.dict = dict;
  }

  get size(): number {
    return dictSize(this.dict);
  }

  has(value: unknown): boolean {
    if (!Array.isArray(value) || value.length !== 2) return false;
    const found = dictGet(this.dict, value[0]);
    return found !== undefined && sameOrEqual(found, value[1]);
  }

  *[Symbol.iterator](): Iterator<unknown> {
    for (const [key, value] of dictEntries(this.dict)) yield [key, value];
  }
}

/** `dict.values()`: can be iterated again, but is neither list nor set. */
export class ValuesView extends YaqlValue {
  readonly yaqlKind: Kind = 'view';
  readonly dict: Dict;

  constructor(dict: Dict) {
    super();
    this.dict = dict;
  }

  get size(): number {
    return dictSize(this.dict);
  }

  [Symbol.iterator](): Iterator<unknown> {
    return dictValues(this.dict)[Symbol.iterator]();
  }

  override isTruthy(): boolean {
    return this.size > 0;
  }
}

/** Every member of `a` is in `b`. */
export function isSubset(a: SetLike, b: SetLike): boolean {
  if (a.size > b.size) return false;
  for (const member of a) if (!b.has(member)) return false;
  return true;
}
