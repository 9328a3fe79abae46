import { isJsonObject, type Json, type JsonObject, setKey, stringifyJson } from '../../dsl/json.ts';
import { evaluate, evaluateRecursively } from '../../dsl/expressions/index.ts';
import type { TaskSpec } from '../../dsl/spec/types.ts';
import type { ActionCall } from './action-calls.ts';
import { callOfTask, createAction, isForcedFailure } from './actions.ts';
import { childResults } from './children.ts';
import type { Draft } from './draft.ts';
import { graceful, isUserFailure, UserFailure, WrongCall } from './failure.ts';
import { indexSet, takeLowest } from './index-set.ts';
import {
  type ExecutionId,
  isFinal,
  type ItemSource,
  type ItemsProgress,
  type State,
  type TaskExecutionId,
  type TaskRecord,
} from './model.ts';
import { actionTimeout, dropTimers } from './policies.ts';
import { ITEMS_PER_SLICE, sliceId } from './reopen.ts';
import { scopeOf } from './scope.ts';
import { newChild } from './sub-workflows.ts';
import { evaluatedInput, evaluatedName } from './task-input.ts';

// Values of items up to this length of JSON text stay with the task's row, which is written whenever an item ended.
const INLINE_CHARACTERS = 2_000;
// Items that are started between two looks at the bounds of a decision.
const ITEMS_PER_STEP = 50;

/**
 * Starts items of a with-items task that have not been started, as many as the concurrency and the bounds of one decision allow
 * (spec/engine.md §11, design.md §3); the rest follows with a `continue`.
 * @throws UserFailure, ExpressionError: a forced failure
 */
export function scheduleItems(draft: Draft, id: TaskExecutionId): void {
  const spec = draft.taskSpec(draft.task(id).name);
  if (draft.task(id).items === null) begin(draft, id, spec);
  let left = ITEMS_PER_SLICE;
  for (let room = roomFor(draft, id); room > 0; room = roomFor(draft, id)) {
    const count = Math.min(room, left);
    const isFirst = left === ITEMS_PER_SLICE;
    if (count === 0 || (!isFirst && !draft.env.takeStep()) || !takeSteps(draft, count)) {
      draft.commands.push({ type: 'continue' });
      break;
    }
    // One that cannot start has failed the task.
    if (startItems(draft, id, spec, count) === 0) return;
    left -= count;
  }
  judgeItems(draft, id);
}

/** A few items, such as take the place of those that ended, are part of their event. */
function takeSteps(draft: Draft, items: number): boolean {
  for (let taken = ITEMS_PER_STEP; taken < items; taken += ITEMS_PER_STEP)
    if (!draft.env.takeStep()) return taken > ITEMS_PER_STEP;
  return true;
}

/** After a pause or a slice that was started: further items start, or the task is complete. @throws UserFailure, ExpressionError */
export function continueItems(draft: Draft, id: TaskExecutionId): void {
  const { items } = draft.task(id);
  if (items === null) return;
  const maySchedule = items.cancelled === 0 && !draft.isCompleted && draft.record.state !== 'PAUSED';
  if (maySchedule && roomFor(draft, id) > 0) scheduleItems(draft, id);
  else judgeItems(draft, id);
}

/** After an item ended. @throws UserFailure, ExpressionError */
export function itemEnded(draft: Draft, id: TaskExecutionId): void {
  // Without concurrency nothing waits for a place: the rest of the slices comes with `continue`.
  if (draft.task(id).runtimeContext.concurrency === undefined) judgeItems(draft, id);
  else continueItems(draft, id);
}

/** Whether the end of this child counts: it belongs to the items as they are now. */
export function isCurrentItem(task: TaskRecord, index: number): boolean {
  return task.items !== null && index < countOf(task);
}

/** A child of a with-items task ended and counts for its result. The task itself may have ended before it. */
export function countItem(draft: Draft, task: TaskRecord, index: number, state: State): void {
  const { items } = task;
  if (items === null) return;
  draft.updateTask(task.id, {
    items: {
      ...items,
      accepted: items.accepted + 1,
      errors: items.errors + Number(state === 'ERROR'),
      cancelled: items.cancelled + Number(state === 'CANCELLED'),
    },
  });
}

/** What a rerun without reset runs: exactly what failed, was cancelled or never started (spec/engine.md §30 item 3). */
export function remainingItems(draft: Draft, task: TaskRecord): ItemsProgress | null {
  if (task.items === null) return null;
  const children = childResults(draft, task, 'none');
  const running = children.filter((child) => !isFinal(child.state));
  const done = children.filter((child) => child.accepted && child.state === 'SUCCESS');
  const started = new Set([...running, ...done].map((child) => child.index));
  return startedOnly(task.items.source, countOf(task), started, done.length);
}

/** A sub-workflow that had ended runs again: it counts once more when it ends. */
export function reopenItem(draft: Draft, task: TaskRecord, child: ExecutionId): void {
  if (task.items === null) return;
  const children = childResults(draft, task, 'none');
  const found = children.find((known) => known.id === child);
  if (found === undefined) return;
  const accepted = children.filter((known) => known.id !== child && known.accepted && isFinal(known.state));
  draft.reopenChild({
    id: child,
    taskExecutionId: task.id,
    index: found.index,
    state: 'RUNNING',
    stateInfo: null,
    output: {},
    accepted: false,
  });
  draft.updateTask(task.id, {
    items: {
      ...task.items,
      accepted: accepted.length,
      errors: accepted.filter((known) => known.state === 'ERROR').length,
      cancelled: accepted.filter((known) => known.state === 'CANCELLED').length,
    },
  });
}

function begin(draft: Draft, id: TaskExecutionId, spec: TaskSpec): void {
  const task = draft.task(id);
  const lists = evaluatedLists(draft, task, spec);
  const count = lists[0]?.length ?? 0;
  const capacity = task.runtimeContext.concurrency ?? null;
  // What still runs of an earlier round counts for this one.
  const running = [...draft.actionsOf(id), ...draft.childrenOf(id)].filter(
    (child) => !isFinal(child.state) && child.index < count,
  );
  draft.updateTask(id, {
    runtimeContext: { ...task.runtimeContext, with_items: { count, capacity } },
    items: startedOnly(storedSource(draft, lists), count, new Set(running.map((child) => child.index)), 0),
  });
}

function startedOnly(source: ItemSource, count: number, started: ReadonlySet<number>, accepted: number): ItemsProgress {
  const counters = { source, accepted, errors: 0, cancelled: 0 };
  if (started.size === 0) return { ...counters, next: 0, again: null };
  return { ...counters, next: count, again: indexSet(count, (index) => !started.has(index)) };
}

function storedSource(draft: Draft, lists: readonly (readonly Json[])[]): ItemSource {
  const count = lists[0]?.length ?? 0;
  if (count <= ITEMS_PER_SLICE && isShort(lists)) return { kind: 'inline', lists };
  const key = draft.env.newId();
  // The first slice last: a view keeps what it was given last.
  for (let slice = Math.ceil(count / ITEMS_PER_SLICE) - 1; slice >= 0; slice--) {
    const from = slice * ITEMS_PER_SLICE;
    draft.storePayload(sliceId(key, slice), { lists: lists.map((list) => list.slice(from, from + ITEMS_PER_SLICE)) });
  }
  return { kind: 'payload', key };
}

function isShort(lists: readonly (readonly Json[])[]): boolean {
  let left = INLINE_CHARACTERS;
  for (const list of lists) {
    for (const value of list) {
      left -= stringifyJson(value).length + 1;
      if (left < 0) return false;
    }
  }
  return true;
}

function countOf(task: TaskRecord): number {
  return task.runtimeContext.with_items?.count ?? 0;
}

/** How many items may be started now. */
function roomFor(draft: Draft, id: TaskExecutionId): number {
  const task = draft.task(id);
  const { items } = task;
  if (items === null) return 0;
  const again = items.again?.size ?? 0;
  const waiting = again + countOf(task) - items.next;
  const { concurrency } = task.runtimeContext;
  if (concurrency === undefined) return waiting;
  const running = items.next - again - items.accepted;
  return Math.min(waiting, Math.max(concurrency - running, 0));
}

/** The lowest indices that were not started; from here on they are. */
function takeIndices(draft: Draft, id: TaskExecutionId, count: number): number[] {
  const { items } = draft.task(id);
  if (items === null) return [];
  const { taken, rest } = items.again === null ? { taken: [], rest: null } : takeLowest(items.again, count);
  const fresh = count - taken.length;
  draft.updateTask(id, { items: { ...items, again: rest, next: items.next + fresh } });
  return [...taken, ...Array.from({ length: fresh }, (_, i) => items.next + i)];
}

interface Item {
  readonly item: JsonObject;
  readonly index: number;
}

/** Answers how many were started. Inputs of all are evaluated before the first row is made: a bad one leaves nothing behind. */
function startItems(draft: Draft, id: TaskExecutionId, spec: TaskSpec, count: number): number {
  const task = draft.task(id);
  const items = takeIndices(draft, id, count).map((index): Item => ({ index, item: itemAt(draft, task, spec, index) }));
  const inputs = items.map(({ item }) => evaluatedInput(draft, task, spec, item));
  const timeoutSeconds = actionTimeout(draft, task, spec);
  let name: string;
  try {
    // The name is evaluated without item variables (spec/engine.md E-11.7).
    name = evaluatedName(draft, task, spec, {});
    if (spec.run.type === 'action') checkKnown(draft, task, name, inputs[0] ?? {});
  } catch (error) {
    if (!isUserFailure(error)) throw error;
    draft.planCompletion({ task: id, state: 'ERROR', stateInfo: error.message });
    return 0;
  }
  if (spec.run.type === 'workflow') return startChildren(draft, task, name, items, inputs);
  const calls = graceful(draft, () => inputs.map((input) => callOfTask(draft, task, name, input)));
  if (calls instanceof WrongCall) {
    draft.planCompletion({ task: id, state: 'ERROR', stateInfo: calls.message });
    return 0;
  }
  items.forEach(({ item, index }, i) => {
    const action = createAction(draft, task, spec, calls[i] as ActionCall, { index, extra: item, timeoutSeconds });
    if (isFinal(action.state)) countItem(draft, draft.task(id), index, action.state);
    if (isForcedFailure(action)) throw new UserFailure(action.stateInfo ?? '');
  });
  return items.length;
}

/** All of them or none: one that cannot start fails the task. */
function startChildren(
  draft: Draft,
  task: TaskRecord,
  name: string,
  items: readonly Item[],
  inputs: readonly JsonObject[],
): number {
  const children = items.map(({ index }, i) => newChild(draft, task, name, inputs[i] ?? {}, index));
  const problem = children.find((child) => typeof child === 'string');
  if (problem !== undefined) {
    draft.planCompletion({ task: task.id, state: 'ERROR', stateInfo: problem });
    return 0;
  }
  for (const child of children) if (typeof child !== 'string') draft.createChild(child);
  return items.length;
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

/** spec/engine.md E-11.2, E-11.4, E-11.5 */
function judgeItems(draft: Draft, id: TaskExecutionId): void {
  const task = draft.task(id);
  const { items } = task;
  if (items === null) return;
  if (items.cancelled > 0) complete(draft, id, 'CANCELLED', 'One or more actions was cancelled.');
  else if (items.accepted < countOf(task)) layAside(draft, task, items);
  else if (items.errors > 0) complete(draft, id, 'ERROR', 'One or more actions had failed.');
  else complete(draft, id, 'SUCCESS', null);
}

/**
 * In an execution that has ended no further items start. Once those that ran have ended the task is like any other that was created and
 * not started: a rerun that wakes the execution goes on with what is left.
 */
function layAside(draft: Draft, task: TaskRecord, { next, again, accepted }: ItemsProgress): void {
  const running = next - (again?.size ?? 0) - accepted;
  if (!draft.isCompleted || running > 0 || (task.state !== 'RUNNING' && task.state !== 'PAUSED')) return;
  dropTimers(draft, task.id);
  draft.updateTask(task.id, { state: 'IDLE', stateInfo: 'The workflow ended before all items were started.' });
}

function complete(
  draft: Draft,
  task: TaskExecutionId,
  state: 'SUCCESS' | 'ERROR' | 'CANCELLED',
  stateInfo: string | null,
): void {
  draft.planCompletion({ task, state, stateInfo });
}

/** The values of each item variable (spec/engine.md E-11.1). */
function evaluatedLists(draft: Draft, task: TaskRecord, spec: TaskSpec): (readonly Json[])[] {
  const scope = scopeOf(draft, { task, context: draft.inboundOf(task.id) });
  const lists: (readonly Json[])[] = [];
  for (const { source } of spec.withItems) {
    const values = iterable(typeof source === 'string' ? evaluate(source, scope) : evaluateRecursively(source, scope));
    if (values === null) {
      throw new UserFailure(`Wrong input format for: ${listNames(spec)}. Iterable type is expected for each value.`);
    }
    lists.push(values);
  }
  if (lists.some((values) => values.length !== lists[0]?.length)) {
    throw new UserFailure(`Wrong input format for: ${listNames(spec)}. All arrays must have the same length.`);
  }
  return lists;
}

/** The item variables of one index. */
function itemAt(draft: Draft, task: TaskRecord, spec: TaskSpec, index: number): JsonObject {
  const source = task.items?.source;
  if (source === undefined) return {};
  const slice = Math.floor(index / ITEMS_PER_SLICE);
  const lists = source.kind === 'inline' ? source.lists : listsIn(draft.payload(sliceId(source.key, slice)));
  const at = source.kind === 'inline' ? index : index - slice * ITEMS_PER_SLICE;
  const item: Record<string, Json> = {};
  spec.withItems.forEach(({ variable }, i) => setKey(item, variable, lists[i]?.[at] ?? null));
  return item;
}

function listsIn(payload: JsonObject): readonly (readonly Json[])[] {
  const { lists } = payload;
  return Array.isArray(lists) ? lists.map((list) => (Array.isArray(list) ? list : [])) : [];
}

// A mapping iterates its keys; strings are refused (spec/engine.md E-11.1).
function iterable(value: Json): readonly Json[] | null {
  if (Array.isArray(value)) return value;
  return isJsonObject(value) ? Object.keys(value) : null;
}

function listNames(spec: TaskSpec): string {
  return `{${spec.withItems.map(({ variable }) => variable).join(', ')}}`;
}
