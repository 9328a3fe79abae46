import { readFileSync } from 'node:fs';
import { ExpressionError, formatProblem } from '../../dsl/errors.ts';
import { describeError } from '../../dsl/expressions/describe.ts';
import type { ExpressionHost } from '../../dsl/expressions/host.ts';
import { evaluate, hasExpression, references, validateExpression } from '../../dsl/expressions/index.ts';
import { treeText } from '../../dsl/expressions/tree-text.ts';
import { isJsonObject, type Json, stringifyJson } from '../../dsl/json.ts';
import { Problems } from '../../dsl/problems.ts';
import { readYaml } from '../../dsl/yaml.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { readTextFile } from './settings.ts';

export interface EvalOptions {
  /** A file in JSON or YAML; `-` is standard input. */
  readonly data?: string;
  readonly jinja?: boolean;
  readonly explain?: boolean;
}

/**
 * Evaluates an expression over data and prints its value as JSON: a playground. A text without delimiters is one expression; one
 * with them is what stands in a workflow.
 */
export function evalCommand(expression: string, options: EvalOptions, terminal: Terminal): ExitCode {
  const text = withDelimiters(expression, options.jinja ?? false);
  const data = options.data === undefined ? {} : readData(options.data);
  try {
    const fault = validateExpression(text);
    if (fault !== null) throw fault;
    if (options.explain === true) terminal.out(`${explanation(text)}\n\n`);
    terminal.out(`${printed(evaluate(text, { data, variables: { env: {} }, host: NO_WORKFLOW }))}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    terminal.err(`${describeError(error, text)}\n`);
    return error.kind === 'grammar' ? 2 : 1;
  }
}

function withDelimiters(expression: string, isJinja: boolean): string {
  const isTemplate = isJinja ? /\{\{|\{%/.test(expression) : hasExpression(expression);
  if (isTemplate) return expression;
  // Delimiters span no lines, but blanks mean the same.
  const line = expression.replaceAll(/\s*\n\s*/g, ' ').trim();
  return isJinja ? `{{ ${line} }}` : `<% ${line} %>`;
}

function readData(source: string): Json {
  const problems = new Problems();
  const { value, locate } = readYaml(source === '-' ? readFileSync(0, 'utf8') : readTextFile(source), problems);
  const faults = problems.sorted(locate).filter(({ severity }) => severity === 'error');
  if (faults.length === 0) return value ?? null;
  const name = source === '-' ? 'standard input' : source;
  throw new UsageError(faults.map((fault) => `${name}:${formatProblem(fault)}`).join('\n'));
}

/** The tree, and what the expression names. */
function explanation(text: string): string {
  const { variables, tasks, functions } = references(text);
  const lists = [
    ['variables', variables],
    ['tasks', tasks],
    ['functions', functions],
  ] as const;
  const named = lists.filter(([, names]) => names.length > 0).map(([what, names]) => `${what}: ${names.join(', ')}`);
  return [treeText(text), ...named].join('\n');
}

/** Indented JSON, with numbers as {@link stringifyJson} writes them. */
function printed(value: Json, indent = ''): string {
  const inner = `${indent}  `;
  if (Array.isArray(value) && value.length > 0) {
    return `[\n${value.map((item: Json) => inner + printed(item, inner)).join(',\n')}\n${indent}]`;
  }
  if (!isJsonObject(value) || Object.keys(value).length === 0) return stringifyJson(value);
  const members = Object.keys(value).map(
    (key) => `${inner}${JSON.stringify(key)}: ${printed(value[key] ?? null, inner)}`,
  );
  return `{\n${members.join(',\n')}\n${indent}}`;
}

/** No execution runs here. */
const NO_WORKFLOW: ExpressionHost = {
  env: () => ({}),
  execution: () => null,
  executions: () => [],
  task: () => null,
  tasks: () => [],
  global: () => null,
};
