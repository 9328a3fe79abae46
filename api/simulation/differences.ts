import { isJsonObject, type Json, type JsonObject, jsonEquals, stringifyJson } from '../../dsl/json.ts';

/**
 * Where `actual` does not fit `expected`, a line each. `{$matches: REGEX}` fits a text, `{$any: true}` anything; everything else
 * must be equal, and mappings must have the same keys.
 */
export function differences(expected: Json, actual: Json | undefined, path: string): string[] {
  if (actual === undefined) return [`${path}: expected ${show(expected)}, but it is missing`];
  if (isJsonObject(expected) && Object.keys(expected).length === 1) {
    const matches = expected['$matches'];
    if (expected['$any'] === true) return [];
    if (typeof matches === 'string') {
      const fits = typeof actual === 'string' && new RegExp(matches, 'u').test(actual);
      return fits ? [] : [`${path}: expected a text that matches ${matches}, got ${show(actual)}`];
    }
  }
  if (Array.isArray(expected) && Array.isArray(actual)) return listDifferences(expected, actual, path);
  if (isJsonObject(expected) && isJsonObject(actual)) return mappingDifferences(expected, actual, path);
  return jsonEquals(expected, actual) ? [] : [`${path}: expected ${show(expected)}, got ${show(actual)}`];
}

function listDifferences(expected: readonly Json[], actual: readonly Json[], path: string): string[] {
  if (expected.length !== actual.length) {
    return [
      `${path}: expected ${expected.length} items, got ${actual.length}: ${show(expected)} against ${show(actual)}`,
    ];
  }
  return expected.flatMap((item, i) => differences(item, actual[i], `${path}[${i}]`));
}

function mappingDifferences(expected: JsonObject, actual: JsonObject, path: string): string[] {
  const known = Object.keys(expected).flatMap((key) =>
    differences(expected[key] ?? null, Object.hasOwn(actual, key) ? actual[key] : undefined, `${path}.${key}`),
  );
  const more = Object.keys(actual).filter((key) => !Object.hasOwn(expected, key));
  return [...known, ...more.map((key) => `${path}.${key}: got ${show(actual[key] ?? null)}, which nobody expected`)];
}

export function show(value: Json): string {
  const text = stringifyJson(value);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

const MOST_SHOWN = 300;
