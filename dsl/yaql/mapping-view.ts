/**
 * A read-only mapping with string keys whose entries the host finds on demand, so that a large data context
 * never has to be copied or converted before an expression runs (spec/expressions.md §16).
 *
 * To expressions it is an ordinary dict with insertion order. Values are data values (see numbers.ts for numbers).
 */
export abstract class MappingView {
  /** The value at the key, or `undefined` when the key is absent. `null` is a value. */
  abstract get(key: string): unknown;
  abstract has(key: string): boolean;
  /** Every key once, in order. */
  abstract keys(): Iterable<string>;
}
