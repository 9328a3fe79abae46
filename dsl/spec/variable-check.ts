import { hasExpression, references } from '../expressions/index.ts';
import { transitionsFrom } from '../graph.ts';
import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import type { Path, Problems } from '../problems.ts';
import { own } from './policies.ts';
import type { WorkflowSpec } from './types.ts';

/**
 * Warns of inputs that no expression reads, and of variables that nothing sets: neither input, `vars` nor any `publish`. An environment
 * sets none, it is read by `env()` (spec/engine.md §4).
 */
export function checkVariables(spec: WorkflowSpec, written: JsonObject, path: Path, problems: Problems): void {
  const reads = new Reads();
  for (const section of SECTIONS) reads.collect(own(written, section) ?? null, [...path, section]);
  for (const task of spec.tasks.values()) {
    for (const { params } of transitionsFrom(task)) reads.collect(params, [...path, 'tasks', task.name]);
  }
  if (!reads.wholeContext) warnOfUnusedInput(spec, reads, path, problems);
  warnOfUnset(spec, reads, problems);
}

/** The places whose expressions see the variables of the workflow; defaults of `input` are literal. */
const SECTIONS = ['vars', 'output', 'output-on-error', 'task-defaults', 'tasks'] as const;

interface Read {
  readonly path: Path;
  readonly text: string;
}

class Reads {
  /** Where each variable is read first. */
  readonly variables = new Map<string, Read>();
  /** Something reads the context as a whole, or may. */
  wholeContext = false;

  collect(value: Json, path: Path): void {
    if (typeof value === 'string') {
      if (hasExpression(value)) this.read(value, path);
    } else if (Array.isArray(value)) {
      for (const [i, item] of (value as readonly Json[]).entries()) this.collect(item, [...path, i]);
    } else if (isJsonObject(value)) {
      for (const key of Object.keys(value)) this.collect(value[key] ?? null, [...path, key]);
    }
  }

  private read(text: string, path: Path): void {
    const { variables, functions, wholeContext } = references(text);
    if (wholeContext || variables.includes('*') || functions.some((name) => READS_ANYTHING.has(name))) {
      this.wholeContext = true;
    }
    for (const name of variables) {
      if (name !== '*' && !this.variables.has(name)) this.variables.set(name, { path, text });
    }
  }
}

/** Functions through which an expression can get at the input without naming it. */
const READS_ANYTHING = new Set(['execution', 'executions']);

function offsetOf(name: string, text: string): number {
  const found = new RegExp(`[$_]\\.${name.replaceAll(/[^\p{L}\p{N}_]/gu, '\\$&')}\\b`).exec(text);
  return found === null ? 0 : found.index + 2;
}

function warnOfUnusedInput(spec: WorkflowSpec, reads: Reads, path: Path, problems: Problems): void {
  for (const { name } of spec.input) {
    if (reads.variables.has(name)) continue;
    const index = indexOfInput(spec, name);
    problems.warning(
      { path: [...path, 'input', index] },
      `Input '${name}' is never used`,
      `read it as <% $.${name} %>, or remove it`,
    );
  }
}

function indexOfInput(spec: WorkflowSpec, name: string): number {
  const input = own(spec.raw, 'input');
  const items: readonly Json[] = Array.isArray(input) ? input : [];
  return items.findLastIndex((item) => item === name || (isJsonObject(item) && Object.hasOwn(item, name)));
}

function warnOfUnset(spec: WorkflowSpec, reads: Reads, problems: Problems): void {
  const known = namesSet(spec);
  // What is in error may be what would set it.
  const isSound = problems.errorCount === 0;
  for (const [name, { path, text }] of reads.variables) {
    if (known.has(name) || COPES_WITHOUT.test(text)) continue;
    const near = problems.spelling.didYouMean(name, known);
    if (near === null && !isSound) continue;
    problems.warning(
      { path, offset: offsetOf(name, text) },
      `Variable '${name}' is read, but nothing in this workflow sets it`,
      near ?? `publish '${name}' in a task, or declare it in 'input' or 'vars'`,
    );
  }
}

/** What expressions say that look whether a variable is there. */
const COPES_WITHOUT = /\.get\(|\?\.|\bdefined\b|\|\s*(?:default|d)\b/;

function namesSet(spec: WorkflowSpec): ReadonlySet<string> {
  const names = new Set(['openstack', '__env', '__execution', '__task_execution']);
  const addAll = (more: Iterable<string>): void => {
    for (const name of more) names.add(name);
  };
  addAll(spec.input.map(({ name }) => name));
  addAll(Object.keys(spec.vars ?? {}));
  for (const task of spec.tasks.values()) {
    addAll(task.withItems.map(({ variable }) => variable));
    for (const { branch, global } of Object.values(task.publish)) {
      addAll(Object.keys(branch ?? {}));
      addAll(Object.keys(global ?? {}));
    }
  }
  return names;
}
