import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { ExpressionError } from '../../dsl/errors.ts';
import {
  evaluateRecursivelyUnlessEmpty,
  evaluateValue,
  type ExpressionScope,
  validateExpression,
} from '../../dsl/expressions/index.ts';
import { evaluateYaql } from '../../dsl/expressions/yaql.ts';
import type { ExpressionHost } from '../../dsl/expressions/host.ts';
import { isJsonObject, type Json, type JsonObject, parseJson } from '../../dsl/json.ts';
import { readDeviations } from './counts.ts';
import { compareResult } from './expression-results.ts';

export type ExpressionSuite = 'yaql' | 'jinja' | 'interpolation';

export interface ExpressionCase {
  readonly id: string;
  readonly topic: string;
  readonly expression: Json;
  readonly data: Json;
  readonly options?: JsonObject;
  readonly mode?: 'evaluate' | 'recursive' | 'validate';
  readonly result?: Json;
  readonly error?: string;
  readonly message?: string;
  readonly resultType?: 'int' | 'float';
}

export interface ExpressionFailure {
  readonly id: string;
  readonly topic: string;
  readonly expression: Json;
  readonly why: string;
}

/** 1: a failure is a failure; 2: of the right class; 3: with the right message, where one is recorded. */
export type Level = 1 | 2 | 3;

export interface ExpressionCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly ExpressionFailure[];
}

/** A case that takes longer than this has missed its guard, however right its result is. */
const MAX_MILLISECONDS = 20_000;

/** Runs every case of the folder. Failing cases that `deviations.json` lists count as skipped. */
export async function runExpressionSuite(
  suite: ExpressionSuite,
  casesDir: string,
  level: Level = 3,
): Promise<ExpressionCounts> {
  const deviations = await readDeviations(suite);
  const cases = await loadExpressionCases(casesDir);
  const failures: ExpressionFailure[] = [];
  let skipped = 0;
  for (const one of cases) {
    const why = runExpressionCase(suite, one, level);
    if (why === null) continue;
    if (deviations.has(one.id)) skipped++;
    else failures.push({ id: one.id, topic: one.topic, expression: one.expression, why });
  }
  return { passed: cases.length - failures.length - skipped, failed: failures.length, skipped, failures };
}

/** The cases of all `*.json` in the folder. Numbers keep their kind: `2.0` is a float. */
export async function loadExpressionCases(folder: string): Promise<readonly ExpressionCase[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  const groups = await Promise.all(files.map(async (name) => parseJson(await readFile(join(folder, name), 'utf8'))));
  return groups.flatMap((group) => {
    const cases = isJsonObject(group) ? group.cases : group;
    if (!Array.isArray(cases)) throw new Error(`a file of ${folder} holds no "cases"`);
    return cases as readonly ExpressionCase[];
  });
}

/** Why the case fails, or null when it passes. */
export function runExpressionCase(suite: ExpressionSuite, one: ExpressionCase, level: Level = 3): string | null {
  const started = performance.now();
  const outcome = attempt(() => evaluateCase(suite, one));
  if (outcome.fault !== undefined) return `threw what is no ExpressionError: ${outcome.fault}`;
  const elapsed = performance.now() - started;
  if (elapsed > MAX_MILLISECONDS) return `took ${Math.round(elapsed)} ms`;
  if (one.error === undefined) {
    if (outcome.error !== undefined) return `expected ${show(one.result)}, failed: ${outcome.error.message}`;
    return compareResult(outcome.value, one);
  }
  if (outcome.error === undefined) return `expected ${one.error}, got ${show(outcome.value)}`;
  return compareError(suite, outcome.error, one, level);
}

function attempt(run: () => unknown): {
  readonly value?: unknown;
  readonly error?: ExpressionError;
  /** What nothing should ever throw. */
  readonly fault?: string;
} {
  try {
    return { value: run() };
  } catch (error) {
    return error instanceof ExpressionError ? { error } : { fault: String(error) };
  }
}

function evaluateCase(suite: ExpressionSuite, one: ExpressionCase): unknown {
  const scope = scopeOf(one);
  if (suite === 'yaql') return evaluateYaql(String(one.expression), scope);
  switch (one.mode ?? 'evaluate') {
    case 'validate':
      return typeof one.expression === 'string' ? refused(validateExpression(one.expression)) : null;
    case 'recursive':
      return evaluateRecursivelyUnlessEmpty(one.expression, scope);
    default:
      return typeof one.expression === 'string' ? evaluateValue(one.expression, scope) : one.expression;
  }
}

function refused(error: ExpressionError | null): null {
  if (error !== null) throw error;
  return null;
}

function scopeOf(one: ExpressionCase): ExpressionScope {
  const data = isJsonObject(one.data) ? one.data : {};
  const variable = (name: string): Json => (Object.hasOwn(data, name) ? (data[name] ?? null) : null);
  const env = variable('__env');
  return {
    data: one.data,
    variables: { env, execution: variable('__execution'), taskExecution: variable('__task_execution') },
    host: hostWith(isJsonObject(env) ? env : null),
    ...(one.options === undefined ? {} : { yaqlOptions: one.options }),
  };
}

/** The cases ask for nothing but the environment. */
function hostWith(env: JsonObject | null): ExpressionHost {
  return {
    env: () => env,
    execution: () => null,
    executions: () => [],
    task: () => null,
    tasks: () => [],
    global: () => null,
  };
}

function compareError(
  suite: ExpressionSuite,
  error: ExpressionError,
  one: ExpressionCase,
  level: Level,
): string | null {
  const found = suite === 'interpolation' ? mistralClass(error) : error.errorClass;
  if (level >= 2 && !sameClass(found, one.error ?? '')) return `expected ${one.error}, got ${found}: ${error.message}`;
  if (level < 3 || one.message === undefined) return null;
  const message = suite === 'interpolation' ? error.message : innerMessage(error);
  return message === one.message ? null : `expected message ${show(one.message)}, got ${show(message)}`;
}

/** Mistral's class around every failure of an evaluation; at an upload the class is that of the check. */
function mistralClass(error: ExpressionError): string {
  if (error.kind === 'grammar') return error.errorClass;
  return error.language === 'yaql' ? 'YaqlEvaluationException' : 'JinjaEvaluationException';
}

/** Python's own `re.error` is recorded as `error`. */
function sameClass(found: string, recorded: string): boolean {
  return found === recorded || (recorded === 'error' && (found === 're.error' || found === 'error'));
}

function innerMessage(error: ExpressionError): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function show(value: unknown): string {
  return JSON.stringify(value, (_key, member) => (typeof member === 'bigint' ? `${member}n` : member)) ?? String(value);
}
