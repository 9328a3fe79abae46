import type { Json, JsonObject } from '../../dsl/json.ts';
import type { Draft } from './draft.ts';
import { rowsOf } from './lookups.ts';
import {
  type ActionRecord,
  assertNever,
  type Change,
  type ChildRecord,
  type ChildValues,
  hasManyItems,
  isFinal,
  type State,
  type TaskRecord,
} from './model.ts';

/** One child of a task: an action execution or the execution of a sub-workflow. */
export interface ChildResult {
  readonly kind: 'action' | 'workflow';
  readonly id: string;
  readonly index: number;
  readonly state: State;
  readonly accepted: boolean;
  readonly value: Json;
}

/**
 * The children of a task in order of their index. Those of with-items that ended are read from the store: then only the values
 * that `values` asks for are there.
 */
export function childResults(draft: Draft, task: TaskRecord, values: ChildValues): ChildResult[] {
  const known = [...draft.actionsOf(task.id).map(actionResult), ...draft.childrenOf(task.id).map(workflowResult)];
  if (!hasManyItems(task)) return known.sort(byIndex);
  const found = new Map(storedChildren(draft, task, values).map((child) => [child.id, child]));
  for (const child of known) found.set(child.id, child);
  return [...found.values()].sort(byIndex);
}

/** Whether a later run of the task, or of this item of it, has taken the place of a sub-workflow's execution. */
export function isOvertaken(draft: Draft, task: TaskRecord, child: string): boolean {
  const children = childResults(draft, task, 'none').filter(({ kind }) => kind === 'workflow');
  const own = children.find(({ id }) => id === child);
  if (own === undefined) return false;
  const isDropped = task.items !== null && own.index >= (task.runtimeContext.with_items?.count ?? 0);
  // Ids are in the order of creation.
  return isDropped || children.some(({ id, index }) => index === own.index && id > child);
}

function storedChildren(draft: Draft, task: TaskRecord, values: ChildValues): ChildResult[] {
  if (draft.isNew(task.id)) return [];
  const rows = rowsOf(draft.env, { type: 'children', task: task.id, values });
  // Rows are as they were before this decision.
  return draft
    .childrenUpdatesOf(task.id)
    .reduce(
      (children, { which, to }) => children.map((child) => (isMeant(child, which) ? afterUpdate(child, to) : child)),
      rows.map(childOfRow),
    );
}

function isMeant(child: Pick<ChildResult, 'accepted' | 'state'>, which: 'all' | 'unsuccessful'): boolean {
  return child.accepted && (which === 'all' || child.state !== 'SUCCESS');
}

// The outputs of sub-workflows stay (spec/engine.md E-5.10).
function afterUpdate(child: ChildResult, to: 'rejected' | 'emptied'): ChildResult {
  if (to === 'rejected') return { ...child, accepted: false };
  return child.kind === 'action' ? { ...child, value: null } : child;
}

function byIndex(a: ChildResult, b: ChildResult): number {
  return a.index - b.index || (a.id < b.id ? -1 : 1);
}

export function actionValue(output: JsonObject | null): Json {
  return output === null || !Object.hasOwn(output, 'result') ? null : (output.result ?? null);
}

export function actionResult(action: ActionRecord): ChildResult {
  const { id, index, state, accepted, output } = action;
  return { kind: 'action', id, index, state, accepted, value: actionValue(output) };
}

export function workflowResult(child: ChildRecord): ChildResult {
  const { id, index, state, accepted, output } = child;
  return { kind: 'workflow', id, index, state, accepted, value: output };
}

/** A child as a row of the lookup `children`. */
export function childRow(child: ChildResult): JsonObject {
  return { ...child };
}

function childOfRow(row: JsonObject): ChildResult {
  return {
    kind: row.kind === 'workflow' ? 'workflow' : 'action',
    id: String(row.id),
    index: Number(row.index),
    state: row.state as State,
    accepted: row.accepted === true,
    value: row.value ?? null,
  };
}

/** The rows that answer a lookup `children`, for whoever has all children of the task in memory. */
export function answerChildren(children: readonly ChildResult[], values: ChildValues): JsonObject[] {
  return children
    .filter((child) => values !== 'accepted' || (child.accepted && isFinal(child.state)))
    .map((child) => childRow({ ...child, value: hasValue(child, values) ? child.value : null }));
}

function hasValue(child: ChildResult, values: ChildValues): boolean {
  switch (values) {
    case 'accepted':
      return true;
    case 'failed':
      return child.state === 'ERROR';
    case 'none':
      return false;
    default:
      return assertNever(values);
  }
}

/** What `children-updated` makes of one sub-workflow's execution: its output stays. */
export function updatedChild<C extends Pick<ChildRecord, 'accepted' | 'state'>>(
  child: C,
  { which, to }: Extract<Change, { readonly type: 'children-updated' }>,
): C {
  return to === 'rejected' && isMeant(child, which) ? { ...child, accepted: false } : child;
}

/** What `children-updated` makes of one action execution of the task. */
export function updatedAction<A extends Pick<ActionRecord, 'accepted' | 'state' | 'output'>>(
  action: A,
  { which, to }: Extract<Change, { readonly type: 'children-updated' }>,
): A {
  if (!isMeant(action, which)) return action;
  return to === 'rejected' ? { ...action, accepted: false } : { ...action, output: action.output === null ? null : {} };
}
