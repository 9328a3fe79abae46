import { hasExpression } from '../expressions/index.ts';
import type { JsonObject } from '../json.ts';
import type { Path, Place, Problems } from '../problems.ts';
import { parseInlineCall } from './inline-params.ts';
import { own } from './policies.ts';
import { textOf } from './task.ts';
import type { TaskSpec, WorkflowSpec } from './types.ts';

/** What is wrong with the parameters of a call; `parameter` null speaks about the call as a whole. */
export type CallCheck = (
  name: string,
  input: JsonObject,
) => readonly { readonly parameter: string | null; readonly message: string; readonly hint: string | null }[];

/** What the host knows beyond the text. */
export interface DocumentOptions {
  /** Names of the actions that there are; others are warned of. */
  readonly actions?: Iterable<string>;
  /** Names of the workflows that there are; others are warned of. */
  readonly workflows?: Iterable<string>;
  /** Checks the parameters of an action whose name is static; what it returns are errors. */
  readonly checkCall?: CallCheck;
  /** The languages that expressions may be in; all if left out (spec/dsl.md D-13.6). */
  readonly allowedLanguages?: readonly ('yaql' | 'jinja')[];
  /** Inline parameters that are lost are errors, not warnings (spec/dsl.md §17-K). */
  readonly strict?: boolean;
  /** false: take whatever can be built, as `skip_validation` asks (spec/dsl.md §15). */
  readonly validate?: boolean;
}

export interface KnownNames {
  readonly action: ReadonlySet<string> | null;
  readonly workflow: ReadonlySet<string> | null;
}

/** The host's names and those of the text itself; null: the host does not say. */
export function knownNames(
  options: DocumentOptions,
  actions: Iterable<string>,
  workflows: Iterable<string>,
): KnownNames {
  return {
    action: options.actions === undefined ? null : new Set([...options.actions, ...actions]),
    workflow: options.workflows === undefined ? null : new Set([...options.workflows, ...workflows]),
  };
}

/** Warns of unknown names and hands calls with a static name to the host's checker. */
export function checkCalls(
  spec: WorkflowSpec,
  path: Path,
  problems: Problems,
  known: KnownNames,
  check: CallCheck | undefined,
): void {
  if (known.action === null && known.workflow === null && check === undefined) return;
  for (const task of spec.tasks.values()) {
    const { type, name } = task.run;
    if (hasExpression(name)) continue;
    const taskPath = [...path, 'tasks', task.name];
    const names = known[type];
    if (names !== null && !names.has(name)) {
      problems.warning(
        { path: [...taskPath, type] },
        `Unknown ${type} '${name}'`,
        problems.spelling.didYouMean(name, names),
      );
    }
    if (type === 'action' && check !== undefined) checkCall(task, taskPath, check, problems);
  }
}

function checkCall(task: TaskSpec, path: Path, check: CallCheck, problems: Problems): void {
  if (typeof task.input === 'string') return;
  for (const { parameter, message, hint } of check(task.run.name, task.input)) {
    problems.error(placeOf(task, parameter, path), message, hint);
  }
}

/** A parameter stands inline in `action`, which wins, or in `input`. */
function placeOf(task: TaskSpec, parameter: string | null, path: Path): Place {
  const call = textOf(own(task.raw, 'action'));
  const inline = call === null ? undefined : parseInlineCall(call)?.values.find(({ name }) => name === parameter);
  if (inline !== undefined) return { path: [...path, 'action'], offset: inline.nameOffset };
  return parameter === null ? { path: [...path, 'action'] } : { path: [...path, 'input', parameter], at: 'key' };
}
