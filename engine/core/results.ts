import { stringifyJson, type Json, type JsonObject } from '../../dsl/json.ts';
import type { Draft } from './draft.ts';
import type { ActionRecord, ChildRecord, TaskRecord } from './model.ts';

/** One child of a task: an action execution or the execution of a sub-workflow. */
export interface ChildResult {
  readonly kind: 'action' | 'workflow';
  readonly id: string;
  readonly index: number;
  readonly state: ActionRecord['state'];
  readonly accepted: boolean;
  readonly value: Json;
}

export function childResults(draft: Draft, task: TaskRecord): ChildResult[] {
  return [...draft.actionsOf(task.id).map(actionResult), ...draft.childrenOf(task.id).map(workflowResult)].sort(
    (a, b) => a.index - b.index,
  );
}

/** spec/engine.md E-6.1: a list for with-items, else the single accepted result, or a list if there is not exactly one. */
export function taskResult(draft: Draft, task: TaskRecord): Json {
  const values = childResults(draft, task)
    .filter((child) => child.accepted)
    .map((child) => child.value);
  const isList = draft.taskSpec(task.name).withItems.length > 0;
  return isList || values.length !== 1 ? values : (values[0] ?? null);
}

export function actionValue(output: JsonObject | null): Json {
  return output === null || !Object.hasOwn(output, 'result') ? null : (output.result ?? null);
}

function actionResult(action: ActionRecord): ChildResult {
  const { id, index, state, accepted, output } = action;
  return { kind: 'action', id, index, state, accepted, value: actionValue(output) };
}

function workflowResult(child: ChildRecord): ChildResult {
  const { id, index, state, accepted, output } = child;
  return { kind: 'workflow', id, index, state, accepted, value: output };
}

/**
 * A result as the text of `state_info`: JSON for mappings and lists, plain text otherwise (spec/engine.md §30 item 10);
 * null when there is nothing to say.
 */
export function resultText(value: Json): string | null {
  if (value === null || value === '') return null;
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'object' && Object.keys(value).length === 0) return null;
  return stringifyJson(value);
}
