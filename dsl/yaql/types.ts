import type { DateTime } from './date-time.ts';
import type { Dict } from './dicts.ts';
import type { Context, Lambda, LazyPair } from './context.ts';
import { Float, type PyInteger, type PyNumber } from './numbers.ts';
import type { Regex } from './regex.ts';
import type { SetLike } from './sets.ts';
import type { TimeSpan } from './time-span.ts';
import { YaqlValue, type Kind, type Pair } from './values.ts';
import type { MemoIterator, Ordered, PyIterator } from './iterators.ts';

const KINDS: readonly Kind[] = [
  'null',
  'boolean',
  'integer',
  'float',
  'string',
  'list',
  'dict',
  'set',
  'iterator',
  'ordered',
  'view',
  'datetime',
  'timespan',
  'regex',
  'context',
  'pair',
  'opaque',
];
const BITS = Object.fromEntries(KINDS.map((kind, i) => [kind, 1 << i])) as Readonly<Record<Kind, number>>;
export const {
  null: NULL,
  boolean: BOOLEAN,
  integer: INTEGER,
  float: FLOAT,
  string: STRING,
  list: LIST,
  dict: DICT,
} = BITS;
export const ITERABLE = BITS.list | BITS.set | BITS.iterator | BITS.ordered | BITS.view;
const ANY = (1 << KINDS.length) - 1;

/** The kind of a value as one bit, for quick tests against the mask of a type. */
export function kindBit(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return STRING;
    case 'number':
      return Number.isInteger(value) ? INTEGER : FLOAT;
    case 'boolean':
      return BOOLEAN;
    case 'bigint':
      return INTEGER;
    case 'undefined':
      return NULL;
    case 'object':
      if (value === null) return NULL;
      if (Array.isArray(value)) return LIST;
      if (value instanceof YaqlValue) return BITS[value.yaqlKind];
      if (value instanceof Float) return FLOAT;
      return value instanceof Date ? BITS.opaque : DICT;
    default:
      return BITS.opaque;
  }
}

/** The name of a kind from its bit, for people. */
export function kindName(bit: number): string {
  return KINDS.find((kind) => BITS[kind] === bit) ?? 'value';
}

/** The type of a parameter (spec/expressions.md §6.1). `T` is what the function's body gets. */
export interface ParamType<T = unknown> {
  readonly name: string;
  /** Kinds of values that it accepts. */
  readonly mask: number;
  /** Whether the argument stays unevaluated, and as what. */
  readonly lazy: 'lambda' | 'pair' | null;
  /** Booleans become 0 and 1; iterables are checked against the limit. */
  readonly convert: 'integer' | 'iterable' | null;
  /** Never set; carries the type. */
  readonly result?: T;
}

export type AnyIterable = readonly unknown[] | SetLike | PyIterator | MemoIterator | Ordered | Iterable<unknown>;

export const types = {
  any: type<unknown>('any', ANY),
  notNull: type<unknown>('not null', ANY & ~BITS.null),
  onlyNull: type<null>('null', BITS.null),
  /** Python's `int`: booleans too. */
  int: type<PyInteger>('int', BITS.integer | BITS.boolean, { convert: 'integer' }),
  integer: type<PyInteger>('integer', BITS.integer),
  number: type<PyNumber>('number', BITS.integer | BITS.float),
  boolean: type<boolean>('boolean', BITS.boolean),
  string: type<string>('string', BITS.string),
  dict: type<Dict>('dict', BITS.dict),
  iterable: type<AnyIterable>('iterable', ITERABLE, { convert: 'iterable' }),
  iterableButSet: type<AnyIterable>('iterable', ITERABLE & ~BITS.set, { convert: 'iterable' }),
  sequence: type<readonly unknown[]>('sequence', BITS.list),
  iterator: type<PyIterator | MemoIterator>('iterator', BITS.iterator),
  set: type<SetLike>('set', BITS.set),
  ordered: type<Ordered>('ordered', BITS.ordered),
  datetime: type<DateTime>('datetime', BITS.datetime),
  timespan: type<TimeSpan>('timespan', BITS.timespan),
  regex: type<Regex>('regex', BITS.regex),
  context: type<Context>('context', BITS.context),
  pair: type<Pair>('pair', BITS.pair),
  lambda: type<Lambda>('lambda', ANY, { lazy: 'lambda' }),
  lazyPair: type<LazyPair>('lazy pair', ANY, { lazy: 'pair' }),
} as const;

export function nullable<T>(of: ParamType<T>): ParamType<T | null> {
  return { ...of, mask: of.mask | BITS.null } as ParamType<T | null>;
}

/** Whether everything `a` accepts is accepted by `b`, and `b` accepts more. */
export function isNarrower(a: ParamType, b: ParamType): boolean {
  if (a.lazy !== null || b.lazy !== null || a.mask === b.mask) return false;
  // A dict is an iterable too, although only the option `iterableDicts` lets it pass as one.
  const wide = b.convert === 'iterable' ? b.mask | DICT : b.mask;
  return (a.mask & ~wide) === 0;
}

function type<T>(name: string, mask: number, more: Partial<Pick<ParamType, 'lazy' | 'convert'>> = {}): ParamType<T> {
  return { name, mask, lazy: more.lazy ?? null, convert: more.convert ?? null };
}
