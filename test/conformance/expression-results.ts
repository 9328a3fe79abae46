import { isJsonObject, type Json } from '../../dsl/json.ts';
import { DateTime } from '../../dsl/yaql/date-time.ts';
import { dictEntries, isDict } from '../../dsl/yaql/dicts.ts';
import { Float, isFloat, isInteger } from '../../dsl/yaql/numbers.ts';
import { pyRepr } from '../../dsl/yaql/python-text.ts';
import { SetLike } from '../../dsl/yaql/sets.ts';
import { TimeSpan } from '../../dsl/yaql/time-span.ts';
import { equals } from '../../dsl/yaql/values.ts';

interface Expectation {
  readonly result?: Json;
  readonly resultType?: 'int' | 'float';
}

/** Why a value differs from what a case expects, or null. conformance/README.md says how values are written. */
export function compareResult(value: unknown, { result = null, resultType }: Expectation): string | null {
  if (!matches(value, result)) return `expected ${pyRepr(result, LISTS)}, got ${pyRepr(value, LISTS)}`;
  if (resultType === 'int' && !isInteger(value)) return `expected an integer, got ${pyRepr(value)}`;
  return resultType === 'float' && !isFloat(value) ? `expected a float, got ${pyRepr(value)}` : null;
}

const LISTS = { arrays: 'list' } as const;

function matches(value: unknown, expected: Json): boolean {
  if (Array.isArray(expected)) {
    return (
      Array.isArray(value) && value.length === expected.length && value.every((item, i) => matches(item, expected[i]))
    );
  }
  if (!isJsonObject(expected)) return matchesScalar(value, expected);
  const keys = Object.keys(expected);
  const [tag = ''] = keys;
  const special = keys.length === 1 ? SPECIAL[tag] : undefined;
  if (special !== undefined) return special(value, expected[tag] ?? null);
  return matchesDict(
    value,
    keys.map((key) => [key, expected[key] ?? null]),
  );
}

function matchesScalar(value: unknown, expected: Json): boolean {
  if (typeof expected === 'boolean' || expected === null) return value === expected;
  return typeof value !== 'boolean' && equals(value, expected);
}

function matchesDict(value: unknown, expected: readonly (readonly [Json, Json])[]): boolean {
  if (!isDict(value)) return false;
  const entries = [...dictEntries(value)];
  return (
    entries.length === expected.length &&
    expected.every(([key, item]) => entries.some(([found, member]) => matches(found, key) && matches(member, item)))
  );
}

const SPECIAL: Readonly<Record<string, ((value: unknown, expected: Json) => boolean) | undefined>> = {
  $set: (value, expected) => value instanceof SetLike && Array.isArray(expected) && matchesSet([...value], expected),
  $map: (value, expected) =>
    Array.isArray(expected) && matchesDict(value, expected as readonly (readonly [Json, Json])[]),
  $datetime: (value, expected) => value instanceof DateTime && value.isoLocal() + value.offsetText() === expected,
  $timespan: (value, expected) => value instanceof TimeSpan && value.microseconds === BigInt(String(expected)),
  $int: (value, expected) => isInteger(value) && BigInt(value) === BigInt(String(expected)),
  $float: (value, expected) => matchesSpecialFloat(value instanceof Float ? value.value : value, expected),
};

function matchesSet(members: readonly unknown[], expected: readonly Json[]): boolean {
  return (
    members.length === expected.length && expected.every((item) => members.some((member) => matches(member, item)))
  );
}

function matchesSpecialFloat(value: unknown, expected: Json): boolean {
  if (expected === 'nan') return Number.isNaN(value);
  return value === (expected === 'inf' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY);
}
