import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import type { WorkflowSpec } from '../../dsl/spec/types.ts';
import { analyse, type SpecAnalysis } from './analysis.ts';
import { type ContextNode, contextFromDelta, EMPTY_CONTEXT, outboundContext } from './context.ts';
import {
  type ActionExecutionId,
  type ActionRecord,
  assertNever,
  type Change,
  type ChildRecord,
  type ExecutionId,
  type ExecutionRecord,
  hasManyItems,
  isFinal,
  type TaskExecutionId,
  type TaskRecord,
  type TimerRecord,
} from './model.ts';

/**
 * One execution in memory, holding only what a later decision may need: open tasks, tasks that were not continued yet, leaves
 * (their contexts make the output), unhandled errors, and the latest task of each name that a join or an expression asks for.
 * What is retained follows from the state alone, so a view loaded from the store equals one that saw every change.
 */
export interface ExecutionView {
  readonly spec: WorkflowSpec;
  readonly analysis: SpecAnalysis;
  /** The environment of the root execution, evaluated at its start. */
  environment: JsonObject;
  record: ExecutionRecord;
  readonly tasks: Map<TaskExecutionId, TaskRecord>;
  readonly latestByName: Map<string, TaskExecutionId>;
  readonly inbound: Map<TaskExecutionId, ContextNode>;
  readonly actions: Map<ActionExecutionId, ActionRecord>;
  readonly children: Map<ExecutionId, ChildRecord>;
  readonly membersOfTask: Map<TaskExecutionId, Members>;
  readonly timers: Map<string, TimerRecord>;
  /** Payloads that decisions read not long ago: a few slices of items. */
  readonly payloads: Map<string, JsonObject>;
  readonly createdOfName: Map<string, number>;
  openTasks: number;
  /** How many of them are joins that wait. */
  waitingTasks: number;
  /** A hint, no state: for each waiting `join: all`, the inbound task that was last seen unfinished. */
  readonly joinWatch: Map<string, number>;
}

export interface Members {
  readonly actions: Set<ActionExecutionId>;
  readonly children: Set<ExecutionId>;
  readonly timers: Set<string>;
}

export function createView(spec: WorkflowSpec, record: ExecutionRecord, environment: JsonObject): ExecutionView {
  return {
    spec,
    analysis: analyse(spec),
    environment,
    record,
    tasks: new Map(),
    latestByName: new Map(),
    inbound: new Map(),
    actions: new Map(),
    children: new Map(),
    membersOfTask: new Map(),
    timers: new Map(),
    payloads: new Map(),
    createdOfName: new Map(),
    openTasks: 0,
    waitingTasks: 0,
    joinWatch: new Map(),
  };
}

/** Folds one change into the view, in place: a view belongs to its conductor, which drops it when a transaction fails. */
export function evolve(view: ExecutionView, change: Change): void {
  switch (change.type) {
    case 'execution-updated':
      view.record = { ...view.record, ...change.patch };
      view.environment = ownEnvironment(view.record) ?? view.environment;
      return;
    case 'task-created':
      addTask(view, change.task, inboundNode(view, change.task));
      return;
    case 'task-updated':
      updateTask(view, change.task, change.patch.context !== undefined);
      return;
    case 'action-created':
      addAction(view, change.action);
      return;
    case 'action-updated': {
      const action = view.actions.get(change.id);
      if (action !== undefined) addAction(view, { ...action, ...change.patch });
      return;
    }
    case 'child-created':
      addChild(view, childOf(change.child));
      return;
    case 'child-updated': {
      const child = view.children.get(change.id);
      if (child !== undefined) addChild(view, { ...child, ...change.patch });
      else if (isWholeChild(change.patch)) addChild(view, change.patch);
      return;
    }
    // What it concerns has ended and is not in the view.
    case 'children-updated':
      return;
    case 'payload-stored':
      rememberPayload(view, change.id, change.value);
      return;
    case 'payload-dropped':
      view.payloads.delete(change.id);
      return;
    case 'timer-set':
      view.timers.set(change.timer.id, change.timer);
      membersOf(view, change.timer.taskExecutionId).timers.add(change.timer.id);
      return;
    case 'timer-done': {
      const timer = view.timers.get(change.id);
      if (timer !== undefined) view.membersOfTask.get(timer.taskExecutionId)?.timers.delete(change.id);
      view.timers.delete(change.id);
      return;
    }
    default:
      assertNever(change);
  }
}

/** The environment that a root execution was started with, or was given since; null for a child, which sees its root's. */
export function ownEnvironment(record: ExecutionRecord): JsonObject | null {
  return record.rootExecutionId === null && isJsonObject(record.params.env) ? record.params.env : null;
}

/** What a parent remembers of a child's row. */
export function childOf(record: ExecutionRecord): ChildRecord {
  if (record.taskExecutionId === null) throw new Error(`execution ${record.id} is no child`);
  return {
    id: record.id,
    taskExecutionId: record.taskExecutionId,
    index: record.runtimeContext.index ?? 0,
    state: record.state,
    stateInfo: record.stateInfo,
    output: record.output,
    accepted: record.accepted,
  };
}

export function addTask(view: ExecutionView, task: TaskRecord, inbound: ContextNode): void {
  view.tasks.set(task.id, task);
  view.inbound.set(task.id, inbound);
  view.createdOfName.set(task.name, (view.createdOfName.get(task.name) ?? 0) + 1);
  if (!isFinal(task.state)) view.openTasks++;
  if (task.state === 'WAITING') view.waitingTasks++;
  const before = view.latestByName.get(task.name);
  view.latestByName.set(task.name, task.id);
  if (before !== undefined) release(view, before);
}

/** What an action gets is the executor's to know: no decision asks for it again. */
export function addAction(view: ExecutionView, action: ActionRecord): void {
  const { id, taskExecutionId } = action;
  if (taskExecutionId !== null && isFinal(action.state) && isOutgrown(view, taskExecutionId)) {
    view.actions.delete(id);
    view.membersOfTask.get(taskExecutionId)?.actions.delete(id);
    return;
  }
  view.actions.set(id, Object.assign({ ...action }, WITHOUT_INPUT));
  if (taskExecutionId !== null) membersOf(view, taskExecutionId).actions.add(id);
}

const WITHOUT_INPUT = { input: {}, systemInput: null };

export function addChild(view: ExecutionView, child: ChildRecord): void {
  const { id, taskExecutionId } = child;
  if (isFinal(child.state) && isOutgrown(view, taskExecutionId)) {
    view.children.delete(id);
    view.membersOfTask.get(taskExecutionId)?.children.delete(id);
    return;
  }
  view.children.set(id, child);
  membersOf(view, taskExecutionId).children.add(id);
}

/** Children of such a task are let go of as soon as they end: there may be any number, and the task's counters know of them. */
function isOutgrown(view: ExecutionView, task: TaskExecutionId): boolean {
  const record = view.tasks.get(task);
  return record === undefined || hasManyItems(record);
}

function isWholeChild(patch: Partial<ChildRecord>): patch is ChildRecord {
  return patch.id !== undefined && patch.taskExecutionId !== undefined;
}

/** Items are started in order, so the last slices read are the ones that are needed next. */
export function rememberPayload(view: ExecutionView, id: string, value: JsonObject): void {
  if (view.payloads.size < MOST_PAYLOADS) view.payloads.set(id, value);
  else if (!view.payloads.has(id)) {
    const [oldest] = view.payloads.keys();
    if (oldest !== undefined) view.payloads.delete(oldest);
    view.payloads.set(id, value);
  }
}

const MOST_PAYLOADS = 4;

export function membersOf(view: ExecutionView, task: TaskExecutionId): Members {
  let members = view.membersOfTask.get(task);
  if (members === undefined) {
    members = { actions: new Set(), children: new Set(), timers: new Set() };
    view.membersOfTask.set(task, members);
  }
  return members;
}

/** The context that a task hands on. */
export function outboundOf(view: ExecutionView, task: TaskRecord): ContextNode {
  return outboundContext(view.inbound.get(task.id) ?? EMPTY_CONTEXT, task.published);
}

function inboundNode(view: ExecutionView, task: TaskRecord): ContextNode {
  if (task.context.base === null) return contextFromDelta(task.context, EMPTY_CONTEXT);
  const base = view.tasks.get(task.context.base);
  if (base === undefined) throw new Error(`the context of task execution ${task.id} comes from one that was let go of`);
  return contextFromDelta(task.context, outboundOf(view, base));
}

function updateTask(view: ExecutionView, task: TaskRecord, isContextNew: boolean): void {
  const before = view.tasks.get(task.id);
  if (before === undefined) return;
  view.tasks.set(task.id, task);
  view.openTasks += Number(!isFinal(task.state)) - Number(!isFinal(before.state));
  view.waitingTasks += Number(task.state === 'WAITING') - Number(before.state === 'WAITING');
  if (isContextNew) view.inbound.set(task.id, inboundNode(view, task));
  release(view, task.id);
}

/** Forgets what no later decision can ask for. */
function release(view: ExecutionView, id: TaskExecutionId): void {
  const task = view.tasks.get(id);
  if (task === undefined || !isFinal(task.state) || !task.processed) return;
  const keep = retention(view, task);
  if (keep !== 'all') releaseMembers(view, id);
  if (keep === 'nothing') {
    view.tasks.delete(id);
    view.inbound.delete(id);
    if (view.latestByName.get(task.name) === id) view.latestByName.delete(task.name);
  }
}

/** What is kept of a task that is finished and continued; the loader reads by the same rule (engine/store/views.ts). */
export function retention(
  view: Pick<ExecutionView, 'analysis' | 'latestByName' | 'record'>,
  task: TaskRecord,
): 'all' | 'row' | 'nothing' {
  if ((view.record.runtimeContext.backlog ?? []).some((command) => command.from === task.id)) return 'all';
  const isLatest = view.latestByName.get(task.name) === task.id;
  if (task.state === 'ERROR' && !task.errorHandled) return 'all';
  if (isLatest && view.analysis.namedTasks.has(task.name)) return 'all';
  if (!task.hasNextTasks) return 'row';
  return isLatest && view.analysis.beforeJoins.has(task.name) ? 'row' : 'nothing';
}

function releaseMembers(view: ExecutionView, id: TaskExecutionId): void {
  const members = view.membersOfTask.get(id);
  if (members === undefined) return;
  for (const action of members.actions)
    if (isFinal(view.actions.get(action)?.state ?? 'SUCCESS')) view.actions.delete(action);
  for (const child of members.children)
    if (isFinal(view.children.get(child)?.state ?? 'SUCCESS')) view.children.delete(child);
  for (const action of members.actions) if (!view.actions.has(action)) members.actions.delete(action);
  for (const child of members.children) if (!view.children.has(child)) members.children.delete(child);
  if (members.actions.size + members.children.size + members.timers.size === 0) view.membersOfTask.delete(id);
}
