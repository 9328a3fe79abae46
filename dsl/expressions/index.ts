import { ExpressionError } from '../errors.ts';
import { isJsonObject, type Json, setKey } from '../json.ts';
import { toStored } from '../yaql/output.ts';
import { isTruthy } from '../yaql/values.ts';
import { TextCache } from './cache.ts';
import { disabledError, evaluationError } from './failures.ts';
import { analysisOf } from './analysis.ts';
import { languageOf, mayHoldExpression } from './find.ts';
import { prepareJinja } from './jinja.ts';
import type { ExpressionLanguage, ExpressionScope } from './scope.ts';
import { expressionSettings } from './settings.ts';
import { prepareYaql } from './yaql.ts';

export { isExpression } from './find.ts';
export { type References, references } from './references.ts';
export type { ExpressionLanguage, ExpressionScope, YaqlOptions } from './scope.ts';
export { configureExpressions } from './settings.ts';
/** Python truth, for conditions. */
export { isTruthy } from '../yaql/values.ts';

/**
 * The value of a text with expressions in it: typed when the text is one expression, text otherwise; a text without expressions
 * is its own value (spec/expressions.md §11.1–11.3).
 *
 * @throws ExpressionError; what the host throws passes through unchanged.
 */
export function evaluate(text: string, scope: ExpressionScope): Json {
  const value = evaluateValue(text, scope);
  if (typeof value === 'string') return value;
  try {
    // Results are data: `toStored` gives JSON or throws.
    return toStored(value) as Json;
  } catch (error) {
    throw evaluationError(languageOf(text) ?? 'yaql', text, error);
  }
}

/** Like {@link evaluate}, but with sets, dates and dicts of any keys as they are, for embedding and for tests. */
export function evaluateValue(text: string, scope: ExpressionScope): unknown {
  const { language, run } = prepared.get(text, prepare);
  if (language === null) return text;
  const allowed = scope.allowedLanguages ?? expressionSettings().allowedLanguages;
  if (!allowed.includes(language)) throw disabledError(language, 'evaluation');
  return run(scope);
}

/**
 * Evaluates every text in a value: members of lists and values of mappings at any depth, never keys. What holds no expression
 * is shared with the given value. Unlike the reference this also evaluates over empty data (spec/engine.md E-28.4).
 *
 * @throws ExpressionError
 */
export function evaluateRecursively(value: Json, scope: ExpressionScope): Json {
  if (typeof value === 'string') return evaluate(value, scope);
  if (Array.isArray(value)) return evaluateList(value, scope);
  return isJsonObject(value) ? evaluateObject(value, scope) : value;
}

/** The reference's own rule: with data that are false (null, empty, zero) the value stays as it is. spec/expressions.md §11.4. */
export function evaluateRecursivelyUnlessEmpty(value: Json, scope: ExpressionScope): Json {
  return isTruthy(scope.data) ? evaluateRecursively(value, scope) : value;
}

export function hasExpression(text: string): boolean {
  return languageOf(text) !== null;
}

/** Whether any text in the value, at any depth, holds an expression. */
export function containsExpression(value: Json): boolean {
  if (typeof value === 'string') return hasExpression(value);
  if (Array.isArray(value)) return value.some((item: Json) => containsExpression(item));
  return isJsonObject(value) && Object.values(value).some(containsExpression);
}

/** The first fault that an upload reports for this text (spec/expressions.md §11.7); null when there is none. Syntax only. */
export function validateExpression(
  text: string,
  allowedLanguages: readonly ExpressionLanguage[] = expressionSettings().allowedLanguages,
): ExpressionError | null {
  if (!mayHoldExpression(text)) return null;
  const analysis = analysisOf(text);
  if (analysis.isJinja) {
    const error = allowedLanguages.includes('jinja') ? analysis.jinjaError : disabledError('jinja', 'grammar');
    if (error !== null) return error;
    if (analysis.isYaql) return mixedError(text);
  }
  if (!analysis.isYaql) return null;
  return allowedLanguages.includes('yaql') ? analysis.yaqlError : disabledError('yaql', 'grammar');
}

/**
 * What will fail whenever it is reached, in a text that {@link validateExpression} found sound: unknown functions, filters and
 * tests, and arguments that no function of the name takes. In the order of the text; with offset and explanation.
 */
export function certainErrors(text: string): readonly ExpressionError[] {
  return mayHoldExpression(text) ? analysisOf(text).certainErrors : [];
}

interface Prepared {
  readonly language: ExpressionLanguage | null;
  readonly run: (scope: ExpressionScope) => unknown;
}

const prepared = new TextCache<Prepared>(10_000, 8_000_000);

function prepare(text: string): Prepared {
  const language = languageOf(text);
  if (language === 'yaql') return { language, run: prepareYaql(text) };
  return { language, run: language === 'jinja' ? prepareJinja(text) : () => text };
}

function evaluateList(list: readonly Json[], scope: ExpressionScope): readonly Json[] {
  const items = list.map((item) => evaluateRecursively(item, scope));
  return items.every((item, i) => item === list[i]) ? list : items;
}

function evaluateObject(object: Readonly<Record<string, Json>>, scope: ExpressionScope): Json {
  const result: Record<string, Json> = {};
  let isChanged = false;
  for (const key of Object.keys(object)) {
    const value = object[key] ?? null;
    const evaluated = evaluateRecursively(value, scope);
    isChanged ||= evaluated !== value;
    setKey(result, key, evaluated);
  }
  return isChanged ? result : object;
}

function mixedError(text: string): ExpressionError {
  return new ExpressionError(
    'grammar',
    'jinja',
    "The line already contains an expression of type 'jinja'. Mixing expression types in a single line is not allowed.",
    { offset: text.indexOf('<%'), errorClass: 'ExpressionGrammarException' },
  );
}
