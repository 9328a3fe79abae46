import { evaluate, evaluateRecursively } from '../../dsl/expressions/index.ts';
import { isJsonObject, type Json, type JsonObject, setKey } from '../../dsl/json.ts';
import type { TaskSpec } from '../../dsl/spec/types.ts';
import type { ActionCall } from './action-calls.ts';
import { callOfTask, createAction, isForcedFailure } from './actions.ts';
import type { Draft } from './draft.ts';
import { isUserFailure, UserFailure } from './failure.ts';
import { isFinal, type TaskExecutionId, type TaskRecord } from './model.ts';
import { actionTimeout } from './policies.ts';
import { type ChildResult, childResults } from './results.ts';
import { scopeOf } from './scope.ts';
import { newChild } from './sub-workflows.ts';
import { evaluatedInput, evaluatedName } from './task-input.ts';

/**
 * Starts the items of a with-items task that have no child yet, as many as the concurrency allows (spec/engine.md §11).
 * @throws UserFailure, ExpressionError: a forced failure
 */
export function scheduleItems(draft: Draft, id: TaskExecutionId): void {
  const task = draft.task(id);
  const spec = draft.taskSpec(task.name);
  const items = itemsOf(draft, task, spec);
  const concurrency = task.runtimeContext.concurrency ?? null;
  if (task.runtimeContext.with_items === undefined) {
    draft.updateTask(id, {
      runtimeContext: { ...task.runtimeContext, with_items: { count: items.length, capacity: concurrency } },
    });
  }
  const children = childResults(draft, task).filter((child) => child.accepted || !isFinal(child.state));
  const started = new Set(children.map((child) => child.index));
  const running = children.filter((child) => !isFinal(child.state)).length;
  const room = concurrency === null ? items.length : concurrency - running;
  const next = items.map((item, index) => ({ item, index })).filter(({ index }) => !started.has(index));
  startItems(draft, task, spec, next.slice(0, Math.max(room, 0)));
  judgeItems(draft, id);
}

interface Item {
  readonly item: JsonObject;
  readonly index: number;
}

// Inputs of all items are evaluated before the first row is made: a bad one fails the task without leaving half of them behind.
function startItems(draft: Draft, task: TaskRecord, spec: TaskSpec, items: readonly Item[]): void {
  const [first] = items;
  if (first === undefined) return;
  const inputs = items.map(({ item }) => evaluatedInput(draft, task, spec, item));
  const timeoutSeconds = actionTimeout(draft, task, spec);
  let name: string;
  try {
    // The name is evaluated without item variables (spec/engine.md E-11.7).
    name = evaluatedName(draft, task, spec, {});
    if (spec.run.type === 'action') checkKnown(draft, task, name, inputs[0] ?? {});
  } catch (error) {
    if (!isUserFailure(error)) throw error;
    draft.planCompletion({ task: task.id, state: 'ERROR', stateInfo: error.message });
    return;
  }
  if (spec.run.type === 'workflow') {
    startChildren(draft, task, name, items, inputs);
    return;
  }
  const calls = inputs.map((input) => callOfTask(draft, task, name, input));
  items.forEach(({ item, index }, i) => {
    const action = createAction(draft, task, spec, calls[i] as ActionCall, { index, extra: item, timeoutSeconds });
    if (isForcedFailure(action)) throw new UserFailure(action.stateInfo ?? '');
  });
}

/** All of them or none: one that cannot start fails the task. */
function startChildren(
  draft: Draft,
  task: TaskRecord,
  name: string,
  items: readonly Item[],
  inputs: readonly JsonObject[],
): void {
  const children = items.map(({ index }, i) => newChild(draft, task, name, inputs[i] ?? {}, index));
  const problem = children.find((child) => typeof child === 'string');
  if (problem !== undefined) draft.planCompletion({ task: task.id, state: 'ERROR', stateInfo: problem });
  else for (const child of children) if (typeof child !== 'string') draft.createChild(child);
}

// An unknown action fails a with-items task gracefully, wrong parameters by force (spec/engine.md §9).
function checkKnown(draft: Draft, task: TaskRecord, name: string, input: JsonObject): void {
  try {
    callOfTask(draft, task, name, input);
  } catch (error) {
    if (isUserFailure(error) && error.message.startsWith('Failed to find action')) throw error;
    if (!isUserFailure(error)) throw error;
  }
}

/** After a child ended: the task is complete, or the next items start. @throws UserFailure, ExpressionError */
export function itemEnded(draft: Draft, id: TaskExecutionId): void {
  const task = draft.task(id);
  const count = task.runtimeContext.with_items?.count ?? 0;
  const children = childResults(draft, task);
  const taken = children.filter((child) => child.accepted || !isFinal(child.state)).length;
  const isCancelled = children.some((child) => child.accepted && child.state === 'CANCELLED');
  if (!isCancelled && taken < count && !draft.isCompleted && draft.record.state !== 'PAUSED') scheduleItems(draft, id);
  else judgeItems(draft, id);
}

/** spec/engine.md E-11.2, E-11.4, E-11.5 */
function judgeItems(draft: Draft, id: TaskExecutionId): void {
  const task = draft.task(id);
  const count = task.runtimeContext.with_items?.count ?? 0;
  const accepted = childResults(draft, task).filter((child) => child.accepted);
  const has = (state: ChildResult['state']) => accepted.some((child) => child.state === state);
  if (has('CANCELLED')) complete(draft, id, 'CANCELLED', 'One or more actions was cancelled.');
  else if (accepted.length < count) return;
  else if (has('ERROR')) complete(draft, id, 'ERROR', 'One or more actions had failed.');
  else complete(draft, id, 'SUCCESS', null);
}

function complete(
  draft: Draft,
  task: TaskExecutionId,
  state: 'SUCCESS' | 'ERROR' | 'CANCELLED',
  stateInfo: string | null,
): void {
  draft.planCompletion({ task, state, stateInfo });
}

/** One mapping of item variables per index. */
function itemsOf(draft: Draft, task: TaskRecord, spec: TaskSpec): JsonObject[] {
  const scope = scopeOf(draft, { task, context: draft.inboundOf(task.id) });
  const lists = spec.withItems.map(({ variable, source }) => {
    const value = typeof source === 'string' ? evaluate(source, scope) : evaluateRecursively(source, scope);
    return { variable, values: iterable(value) };
  });
  const length = lists[0]?.values?.length ?? 0;
  if (lists.some(({ values }) => values === null)) {
    throw new UserFailure(`Wrong input format for: ${listNames(spec)}. Iterable type is expected for each value.`);
  }
  if (lists.some(({ values }) => values?.length !== length)) {
    throw new UserFailure(`Wrong input format for: ${listNames(spec)}. All arrays must have the same length.`);
  }
  return Array.from({ length }, (_, index) => {
    const item: Record<string, Json> = {};
    for (const { variable, values } of lists) setKey(item, variable, values?.[index] ?? null);
    return item;
  });
}

// A mapping iterates its keys; strings are refused (spec/engine.md E-11.1).
function iterable(value: Json): readonly Json[] | null {
  if (Array.isArray(value)) return value;
  return isJsonObject(value) ? Object.keys(value) : null;
}

function listNames(spec: TaskSpec): string {
  return `{${spec.withItems.map(({ variable }) => variable).join(', ')}}`;
}
