import type { ExpressionError } from '../errors.ts';
import { ExpressionError as Failure } from '../errors.ts';
import type { Context } from '../yaql/context.ts';
import { defineFunction } from '../yaql/definitions.ts';
import { PyDict } from '../yaql/dicts.ts';
import { certainErrors } from '../yaql/check.ts';
import { YaqlError } from '../yaql/errors.ts';
import { createContext, type Expression, parse } from '../yaql/expression.ts';
import { pyStr } from '../yaql/python-text.ts';
import { isPlainDict, PyList, YaqlValue } from '../yaql/values.ts';
import { TextCache } from './cache.ts';
import { evaluationError } from './failures.ts';
import { findYaql, stripped, withoutDelimiters } from './find.ts';
import { mistralFunctions } from './functions.ts';
import type { ExpressionHost } from './host.ts';
import type { ExpressionScope } from './scope.ts';
import { expressionSettings } from './settings.ts';

/**
 * A text with YAQL expressions in it, prepared once: evaluates to the typed value when it is one expression and nothing else, and
 * to text otherwise (spec/expressions.md §11.2).
 */
export function prepareYaql(text: string): (scope: ExpressionScope) => unknown {
  const found = findYaql(text);
  const [first] = found;
  if (first !== undefined && first.whole.length === text.length) {
    const expression = stripped(withoutDelimiters(text));
    const start = text.indexOf(expression);
    return (scope) => evaluateYaql(expression, scope, start);
  }
  const firstOffsets = new Map(found.toReversed().map(({ whole, offset }) => [whole, offset] as const));
  const parts = [...new Set(found.map(({ whole }) => whole))].map((whole) => {
    const expression = stripped(withoutDelimiters(whole));
    return { whole, expression, start: (firstOffsets.get(whole) ?? 0) + whole.indexOf(expression) };
  });
  return (scope) => {
    let result = text;
    for (const { whole, expression, start } of parts) {
      const value = pyStr(evaluateYaql(expression, scope, start), { arrays: 'list' });
      result = result.replaceAll(whole, () => value);
    }
    return result;
  };
}

/** The first syntax error of the expressions in the text; offsets count from the start of the text. */
export function checkYaql(text: string): ExpressionError | null {
  for (const { whole, offset } of findYaql(text)) {
    const inside = withoutDelimiters(whole);
    if (parses(inside)) continue;
    // The message shows the text as it was written, blanks and all.
    const error = syntaxError(inside);
    if (error === null) continue;
    const start = offset + whole.indexOf(inside);
    const within = error.position === null ? inside.length : unitOffset(inside, error.position);
    return new Failure('grammar', 'yaql', error.message, {
      offset: start + within,
      errorClass: 'YaqlGrammarException',
      cause: error,
      explain: () => error.explanation,
    });
  }
  return null;
}

/** Calls that fail whenever they are evaluated; offsets count from the start of the text. The text is known to be sound. */
export function certainYaqlErrors(text: string): readonly ExpressionError[] {
  return findYaql(text).flatMap(({ whole, offset }) => {
    const expression = stripped(withoutDelimiters(whole));
    const start = offset + whole.indexOf(expression);
    return certainErrors(compiled(expression).tree, sharedContext()).map((error) =>
      evaluationError('yaql', expression, error, (position) => start + unitOffset(expression, position)),
    );
  });
}

/** Parses what an evaluation will parse, so that both, and whoever asks for references, share the tree. */
function parses(inside: string): boolean {
  try {
    compiled(stripped(inside));
    return true;
  } catch (error) {
    if (error instanceof YaqlError) return false;
    throw error;
  }
}

function syntaxError(text: string): YaqlError | null {
  try {
    parse(text);
    return null;
  } catch (error) {
    if (error instanceof YaqlError) return error;
    throw error;
  }
}

/**
 * The value of one bare expression, converted as a result but not for storing.
 *
 * @param start where it begins in the text that it was taken from.
 */
export function evaluateYaql(expression: string, scope: ExpressionScope, start = 0): unknown {
  try {
    return compiled(expression).evaluate(scope.data ?? null, () => contextFor(scope), scope.yaqlOptions);
  } catch (error) {
    throw evaluationError('yaql', expression, error, (position) => start + unitOffset(expression, position));
  }
}

/** @throws YaqlSyntaxError */
export function compiled(expression: string): Expression {
  const settings = expressionSettings();
  if (settings !== cachedFor) {
    cachedFor = settings;
    cache = newCache();
  }
  return cache.get(expression, (text) => parse(text, { ...settings.yaql, ...LIMITS }));
}

/** Milliseconds. Far beyond what any sane expression needs; the limits of steps and sizes leave time to multiply. */
const LIMITS = { timeLimit: 10_000 } as const;

const newCache = () => new TextCache<Expression>(10_000, 8_000_000);

let cache = newCache();
let cachedFor = expressionSettings();

/** A scope's variables, and under a name that no expression can spell the host, which Mistral's functions ask. */
const HOST = '$\0host';

function contextFor(scope: ExpressionScope): Context {
  const { variables } = scope;
  const context = createContext({ parent: sharedContext() }).set(HOST, scope.host);
  // A variable that is not set is null anyway.
  if (variables === undefined) return context;
  return context
    .set('$__env', variables.env ?? null)
    .set('$__execution', variables.execution ?? null)
    .set('$__task_execution', variables.taskExecution ?? null);
}

let shared: Context | undefined;

function sharedContext(): Context {
  shared ??= withMistralFunctions(createContext());
  return shared;
}

function withMistralFunctions(context: Context): Context {
  for (const { name, parameters, run } of mistralFunctions) {
    const definition = defineFunction({
      name,
      parameters: parameters.map((parameter) =>
        typeof parameter === 'string'
          ? { name: parameter, nullable: true }
          : { name: parameter[0], nullable: true, default: parameter[1] },
      ),
      // The only value under this name is the scope's host.
      body: (inner, ...args) => mutable(run(args, inner.get(HOST) as ExpressionHost), name),
    });
    context.registerFunction(definition);
  }
  return context;
}

/** What the parsers give are Python lists and dicts, not the tuples and frozen dicts of data (spec/expressions.md §4.4). */
function mutable(value: unknown, functionName: string): unknown {
  return functionName.endsWith('_parse') ? toMutable(value) : value;
}

function toMutable(value: unknown): unknown {
  if (Array.isArray(value)) return PyList.wrap(value.map(toMutable));
  if (value instanceof Map)
    return new PyDict(
      [...value].map(([key, item]) => [key, toMutable(item)] as const),
      true,
    );
  if (typeof value !== 'object' || value === null || value instanceof YaqlValue || !isPlainDict(value)) return value;
  return new PyDict(
    Object.entries(value).map(([key, item]) => [key, toMutable(item)] as const),
    true,
  );
}

function unitOffset(text: string, codePoints: number): number {
  return [...text].slice(0, codePoints).join('').length;
}
