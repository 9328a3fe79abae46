import { isExpression } from '../expressions/index.ts';
import { isJsonObject, type Json, type JsonObject, stringifyJson } from '../json.ts';
import type { Path, Problems } from '../problems.ts';
import { Float } from '../yaql/numbers.ts';
import { checkExpressions, warnOfDeepExpressions } from './expression-check.ts';
import { checkGrammar } from './grammar-check.ts';
import { retryMapping } from './policies.ts';
import {
  EXPRESSION,
  type ListShape,
  type MappingShape,
  type NameShape,
  RETRY_MAPPING,
  type Shape,
  type TextShape,
} from './shape.ts';
import { hintForKey, hintForValue } from './misplaced.ts';
import { show } from './show.ts';

/** Holds a value against the table and reports everything that does not fit, in the words of spec/dsl.md §16. */
export function checkShape(value: Json, shape: Shape, path: Path, problems: Problems): void {
  const part = partFor(value, shape);
  if (part === 'fits') {
    if (shape.data) warnOfDeepExpressions(value, path, problems);
    return;
  }
  if (part === null) return refuse(value, shape, path, problems);
  switch (part.kind) {
    case 'text':
      return checkText(part.value, part.shape, shape, path, problems);
    case 'integer':
      if (Number(part.value) >= part.minimum) return;
      return isUnion(shape)
        ? refuse(value, shape, path, problems)
        : problems.error(
            { path },
            `Invalid DSL: ${show(value)} is less than the minimum of ${part.minimum}`,
            mustBe(path, shape),
          );
    case 'list':
      return checkList(part.value, part.shape, shape, path, problems);
    case 'mapping':
      return checkMapping(part.value, part.shape, shape, path, problems);
  }
}

type Part =
  | { readonly kind: 'text'; readonly value: string; readonly shape: TextShape }
  | { readonly kind: 'integer'; readonly value: number | bigint; readonly minimum: number }
  | { readonly kind: 'list'; readonly value: readonly Json[]; readonly shape: ListShape }
  | { readonly kind: 'mapping'; readonly value: JsonObject; readonly shape: MappingShape };

/** Which part of the shape speaks about this kind of value; null: none, so the value is wrong. */
function partFor(value: Json, shape: Shape): Part | 'fits' | null {
  const otherwise = shape.anything ? 'fits' : null;
  if (typeof value === 'string') {
    return shape.text === undefined ? otherwise : { kind: 'text', value, shape: shape.text };
  }
  if (typeof value === 'boolean') return shape.boolean ? 'fits' : otherwise;
  if (Array.isArray(value)) {
    return shape.list === undefined ? otherwise : { kind: 'list', value: value as readonly Json[], shape: shape.list };
  }
  const integer = integerOf(value);
  if (integer !== null && shape.integer !== undefined) {
    return { kind: 'integer', value: integer, minimum: shape.integer.minimum };
  }
  if (!isJsonObject(value)) return otherwise;
  const mapping = shape.mappings?.find(({ ifAnyKey }) => ifAnyKey?.some((key) => Object.hasOwn(value, key)) ?? true);
  return mapping === undefined ? otherwise : { kind: 'mapping', value, shape: mapping };
}

/** An integer, also one that is written as a float without a fraction: 2.0. */
function integerOf(value: Json): number | bigint | null {
  if (typeof value === 'bigint') return value;
  const number = value instanceof Float ? value.value : value;
  return typeof number === 'number' && Number.isInteger(number) ? number : null;
}

function checkText(text: string, part: TextShape, shape: Shape, path: Path, problems: Problems): void {
  if (part.values !== undefined && !part.values.includes(text)) {
    const hint = problems.spelling.didYouMean(text, part.values) ?? mustBe(path, shape);
    if (isUnion(shape)) return refuse(text, shape, path, problems, hint);
    return problems.error({ path }, `Invalid DSL: ${show(text)} is not one of ${show(part.values)}`, hint);
  }
  if (text.length < (part.minLength ?? 0)) {
    if (isUnion(shape)) return refuse(text, shape, path, problems);
    return problems.error({ path }, `Invalid DSL: ${show(text)} is too short`, mustBe(path, shape));
  }
  if (part.expressions === 'single' && !isExpression(text)) return refuse(text, shape, path, problems);
  if (part.expressions !== undefined) checkExpressions(text, path, 0, problems);
  if (part.grammar === 'retry') checkShape(retryMapping(text), RETRY_MAPPING, path, problems);
  else if (part.grammar !== undefined) checkGrammar(part.grammar, text, { path }, shape, problems);
}

function checkList(list: readonly Json[], part: ListShape, shape: Shape, path: Path, problems: Problems): void {
  if (list.length < part.minItems) {
    if (isUnion(shape)) return refuse(list, shape, path, problems);
    return problems.error({ path }, `Invalid DSL: [] is too short`, mustBe(path, shape));
  }
  const seen = new Set<string>();
  for (const [i, item] of list.entries()) {
    checkShape(item, part.items, [...path, i], problems);
    if (!part.unique) continue;
    const key = stringifyJson(item);
    if (seen.has(key)) {
      problems.error(
        { path: [...path, i] },
        `Invalid DSL: ${show(list)} has non-unique elements`,
        `${show(item)} stands here a second time`,
      );
    }
    seen.add(key);
  }
}

function checkMapping(mapping: JsonObject, part: MappingShape, shape: Shape, path: Path, problems: Problems): void {
  const keys = Object.keys(mapping);
  if (keys.length < (part.minKeys ?? 0)) {
    if (part.whenEmpty !== undefined) problems.error({ path }, part.whenEmpty, mustBe(path, shape));
    else if (isUnion(shape)) refuse(mapping, shape, path, problems);
    else problems.error({ path }, 'Invalid DSL: {} does not have enough properties', mustBe(path, shape));
    return;
  }
  if (keys.length > (part.maxKeys ?? keys.length)) return refuse(mapping, shape, path, problems);
  checkRequired(mapping, part, path, problems);
  for (const key of keys) checkEntry(key, mapping, part, path, problems);
}

function checkRequired(mapping: JsonObject, part: MappingShape, path: Path, problems: Problems): void {
  for (const key of part.required ?? []) {
    if (Object.hasOwn(mapping, key)) continue;
    const near = problems.spelling.didYouMean(
      key,
      Object.keys(mapping).filter((other) => !Object.hasOwn(part.keywords ?? {}, other)),
    );
    const about = part.keywords?.[key]?.about;
    problems.error(
      { path, at: 'key' },
      `Invalid DSL: '${key}' is a required property`,
      near?.replace(/^did you mean (.*)\?$/, `$1 looks like it`) ??
        (about === undefined ? null : `add '${key}': ${asClause(about)}`),
    );
  }
  const exclusive = (part.exclusive ?? []).filter((key) => Object.hasOwn(mapping, key));
  const [first, second] = exclusive;
  if (first === undefined || second === undefined) return;
  problems.error(
    { path: [...path, second], at: 'key' },
    `Invalid DSL: ${show(mapping)} is not valid under any of the given schemas`,
    `'${first}' and '${second}' exclude each other`,
  );
}

function checkEntry(key: string, mapping: JsonObject, part: MappingShape, path: Path, problems: Problems): void {
  const value = mapping[key] ?? null;
  const keyword = part.keywords !== undefined && Object.hasOwn(part.keywords, key) ? part.keywords[key] : undefined;
  const child = [...path, key];
  if (keyword !== undefined) return checkShape(value, keyword.shape, child, problems);
  if (part.others !== undefined) {
    checkName(key, part.others.names, child, problems);
    checkShape(value, part.others.shape, child, problems);
    return;
  }
  const keywords = Object.keys(part.keywords ?? {});
  const missing = (part.required ?? []).filter((name) => !Object.hasOwn(mapping, name));
  const hint = problems.spelling.didYouMean(key, [...missing, ...keywords]);
  if (part.open) {
    const meant = hint ?? hintForKey(key, value, keywords, child);
    problems.warning({ path: child, at: 'key' }, `Unknown key '${key}' is ignored`, meant);
    return;
  }
  problems.error(
    { path: child, at: 'key' },
    `Invalid DSL: Additional properties are not allowed ('${key}' was unexpected)`,
    hint ??
      hintForKey(key, value, keywords, child) ??
      part.ifUnknown ??
      `known keys: ${keywords.filter((name) => !INJECTED.has(name)).join(', ')}`,
  );
}

function checkName(name: string, shape: NameShape | undefined, path: Path, problems: Problems): void {
  if (shape === undefined) return;
  if (shape.pattern !== undefined && !shape.pattern.test(name)) {
    problems.error(
      { path, at: 'key' },
      `Invalid DSL: '${name}' does not match any of the regexes: '${PYTHON_MEMBER_PATTERN}'`,
      `a name may hold ${shape.is}`,
    );
  }
  if (shape.grammar !== undefined) checkGrammar(shape.grammar, name, { path, at: 'key' }, { is: shape.is }, problems);
}

/** A sentence as the end of another one. */
function asClause(sentence: string): string {
  return `${sentence.charAt(0).toLowerCase()}${sentence.slice(1).replace(/\.$/, '')}`;
}

function refuse(
  value: Json,
  shape: Shape,
  path: Path,
  problems: Problems,
  hint: string | null = wholeHint(value, shape, path),
): void {
  const types = typesOf(shape);
  const only =
    types.length === 1 && !(shape.text?.expressions === 'single' && typeof value === 'string') ? types[0] : undefined;
  const words = only === undefined ? 'is not valid under any of the given schemas' : `is not of type '${only}'`;
  const isKindRight = only !== undefined && only === typeName(value);
  problems.error({ path }, `Invalid DSL: ${show(value)} ${isKindRight ? 'has too many properties' : words}`, hint);
}

function wholeHint(value: Json, shape: Shape, path: Path): string {
  const expects = {
    mapping: shape.mappings !== undefined,
    list: shape.list !== undefined,
    condition: shape === EXPRESSION && path.length > 1,
    word: shape.text !== undefined && shape.text.expressions === undefined && !shape.boolean,
  };
  const guess = hintForValue(value, expects, path);
  return guess === null ? mustBe(path, shape) : `${guess}; ${mustBe(path, shape)}`;
}

function mustBe(path: Path, shape: Shape): string {
  const name = path.findLast((segment) => typeof segment === 'string');
  const item = typeof path.at(-1) === 'number' ? 'every entry of ' : '';
  return name === undefined ? `it must be ${shape.is}` : `${item}'${name}' must be ${shape.is}`;
}

function isUnion(shape: Shape): boolean {
  return typesOf(shape).length > 1 || (shape.mappings?.length ?? 0) > 1;
}

/** The JSON types that a shape allows, by their names in JSON Schema. */
function typesOf(shape: Shape): readonly string[] {
  const types: string[] = [];
  if (shape.text !== undefined) types.push('string');
  if (shape.integer !== undefined) types.push('integer');
  if (shape.boolean) types.push('boolean');
  if (shape.list !== undefined) types.push('array');
  if (shape.mappings !== undefined) types.push('object');
  return types;
}

function typeName(value: Json): string {
  if (typeof value === 'string') return 'string';
  if (Array.isArray(value)) return 'array';
  return isJsonObject(value) ? 'object' : '';
}

const INJECTED = new Set(['name', 'version', 'type']);
const PYTHON_MEMBER_PATTERN = String.raw`^(?!version$)[\w-]+$`;
