import { isDeepStrictEqual } from 'node:util';

/**
 * Where `actual` does not fit `expected`, one sentence each. `{$matches: REGEX}` fits a string, `{$any: true}` anything;
 * everything else must be equal, and objects must have the same keys.
 */
export function differences(expected: unknown, actual: unknown, path = 'output'): string[] {
  if (isPattern(expected, '$any')) return [];
  if (isPattern(expected, '$matches')) {
    const fits = typeof actual === 'string' && new RegExp(String(expected.$matches)).test(actual);
    return fits ? [] : [`${path}: ${show(actual)} does not match ${String(expected.$matches)}`];
  }
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    return expected.flatMap((item, index) => differences(item, actual[index], `${path}[${index}]`));
  }
  if (isObject(expected) && isObject(actual)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(actual)]);
    return [...keys].flatMap((key) => memberDifferences(expected, actual, key, `${path}.${key}`));
  }
  return isDeepStrictEqual(expected, actual) ? [] : [`${path}: expected ${show(expected)}, got ${show(actual)}`];
}

function memberDifferences(
  expected: Record<string, unknown>,
  actual: Record<string, unknown>,
  key: string,
  path: string,
): string[] {
  if (!Object.hasOwn(actual, key)) return [`${path}: missing, expected ${show(expected[key])}`];
  if (!Object.hasOwn(expected, key)) return [`${path}: unexpected ${show(actual[key])}`];
  return differences(expected[key], actual[key], path);
}

function isPattern<K extends string>(value: unknown, key: K): value is Record<K, unknown> {
  return isObject(value) && Object.keys(value).length === 1 && Object.hasOwn(value, key);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
