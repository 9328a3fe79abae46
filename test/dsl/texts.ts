import type { Problem } from '../../dsl/errors.ts';
import { type DocumentKind, parseWorkflows, type TaskSpec, validate, type WorkflowSpec } from '../../dsl/index.ts';

/** A list with one workflow `wf` around the given lines, which are indented to stand inside of it. */
export function workflowText(body: string): string {
  return `version: '2.0'\nwf:\n${indent(body, 2)}\n`;
}

/** A workflow whose only task `t` has these lines, and two tasks `a` and `b` to lead to. */
export function taskText(body: string): string {
  return workflowText(`tasks:\n  t:\n${indent(body, 4)}\n  a: {action: std.noop}\n  b: {action: std.noop}`);
}

export function errorsOf(kind: DocumentKind, text: string): Problem[] {
  return validate(kind, text).filter((problem) => problem.severity === 'error');
}

export function warningsOf(text: string): Problem[] {
  return validate('workflow', text).filter((problem) => problem.severity === 'warning');
}

export function workflowOf(body: string): WorkflowSpec {
  const [spec] = parseWorkflows(workflowText(body)).specs;
  if (spec === undefined) throw new Error('no workflow in the text');
  return spec;
}

export function taskOf(spec: WorkflowSpec, name: string): TaskSpec {
  const task = spec.tasks.get(name);
  if (task === undefined) throw new Error(`no task '${name}'`);
  return task;
}

/** The task `t` of {@link taskText}. */
export function taskFrom(body: string): TaskSpec {
  const [spec] = parseWorkflows(taskText(body)).specs;
  if (spec === undefined) throw new Error('no workflow in the text');
  return taskOf(spec, 't');
}

/** `line:column message`, the form in which tests compare problems. */
export function brief(problems: readonly Problem[]): string[] {
  return problems.map((problem) => `${problem.line}:${problem.column} ${problem.message}`);
}

function indent(text: string, by: number): string {
  return text
    .split('\n')
    .map((line) => ' '.repeat(by) + line)
    .join('\n');
}
