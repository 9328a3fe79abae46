import { hasExpression } from '../expressions/index.ts';
import type { JsonObject } from '../json.ts';
import type { Path, Place, Problems } from '../problems.ts';
import { parseInlineCall } from './inline-params.ts';
import { own } from './policies.ts';
import { textOf } from './task.ts';
import type { ActionSpec, WorkflowSpec } from './types.ts';

/** What is wrong with the parameters of a call; `parameter` null speaks about the call as a whole. */
export type CallCheck = (name: string, input: JsonObject) => readonly CallFault[];

export interface CallFault {
  readonly parameter: string | null;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly hint: string | null;
}

/** What the host knows beyond the text. */
export interface DocumentOptions {
  /** Names of the actions that there are; others are warned of. */
  readonly actions?: Iterable<string>;
  /** Names of the workflows that there are; others are warned of. */
  readonly workflows?: Iterable<string>;
  /** Checks the parameters of an action whose name is static. */
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
    warnOfUnknown(type, name, known[type], [...taskPath, type], problems);
    if (
      type === 'action' &&
      check !== undefined &&
      typeof task.input !== 'string' &&
      !isDamaged(taskPath, 'input', problems)
    ) {
      const place = (parameter: string | null): Place => placeOf(task.raw, 'action', 'input', parameter, taskPath);
      for (const found of check(name, task.input)) report(problems, place(found.parameter), found);
    }
  }
}

/**
 * The same for the base of an ad-hoc action, which must be named in full: `known` holds the names of siblings in that form
 * (spec/dsl.md D-12.1), `siblings` their short names.
 */
export function checkBase(
  spec: ActionSpec,
  path: Path,
  problems: Problems,
  known: ReadonlySet<string> | null,
  siblings: { readonly book: string; readonly names: readonly string[] } | null,
  check: CallCheck | undefined,
): void {
  const place = [...path, 'base'];
  if (siblings?.names.includes(spec.base)) {
    const hint = `name it in full: '${siblings.book}.${spec.base}'`;
    problems.warning({ path: place }, `The short name '${spec.base}' is not looked up in the workbook`, hint);
  } else {
    warnOfUnknown('action', spec.base, known, place, problems);
  }
  if (isDamaged(path, 'base-input', problems)) return;
  for (const found of check?.(spec.base, spec.baseInput) ?? []) {
    report(problems, placeOf(spec.raw, 'base', 'base-input', found.parameter, path), found);
  }
}

/** Of parameters that could not be read nothing can be missing. */
function isDamaged(path: Path, section: string, problems: Problems): boolean {
  return problems.hasDamageBelow(path, ([key]) => key === undefined || key === section);
}

function report(problems: Problems, place: Place, { severity, message, hint }: CallFault): void {
  if (severity === 'error') problems.error(place, message, hint);
  else problems.warning(place, message, hint);
}

function warnOfUnknown(
  type: 'action' | 'workflow',
  name: string,
  known: ReadonlySet<string> | null,
  path: Path,
  problems: Problems,
): void {
  if (known === null || known.has(name)) return;
  // A call that cannot be read is an error, and its text no name.
  if (parseInlineCall(name) === null) return;
  problems.unknown(type, name, { path }, problems.spelling.didYouMean(name, known));
}

/** A parameter stands inline behind the name, where it wins, or in the mapping of parameters. */
function placeOf(raw: JsonObject, callKey: string, inputKey: string, parameter: string | null, path: Path): Place {
  const call = textOf(own(raw, callKey));
  const inline = call === null ? undefined : parseInlineCall(call)?.values.find(({ name }) => name === parameter);
  if (inline !== undefined) return { path: [...path, callKey], offset: inline.nameOffset };
  return parameter === null ? { path: [...path, callKey] } : { path: [...path, inputKey, parameter], at: 'key' };
}
