import type { JsonObject } from '../../dsl/json.ts';
import type { TaskSpec, WorkflowSpec } from '../../dsl/spec/types.ts';
import type { SpecAnalysis } from './analysis.ts';
import { type ContextNode, EMPTY_CONTEXT, outboundContext } from './context.ts';
import type { Env } from './env.ts';
import { payloadOf } from './lookups.ts';
import {
  type ActionExecutionId,
  type ActionRecord,
  type Change,
  type ChildRecord,
  type Command,
  type ContextDelta,
  type ExecutionId,
  type ExecutionRecord,
  type FinalState,
  hasManyItems,
  isFinal,
  type TaskExecutionId,
  type TaskRecord,
  type TimerRecord,
} from './model.ts';
import { childOf, type ExecutionView, ownEnvironment, retention } from './view.ts';

export interface Completion {
  readonly task: TaskExecutionId;
  readonly state: FinalState;
  readonly stateInfo: string | null;
}

export interface ChildrenUpdate {
  readonly which: 'all' | 'unsuccessful';
  readonly to: 'rejected' | 'emptied';
}

/**
 * A decision in the making: the view as it is, overlaid by the changes decided so far. The view itself stays untouched, so a
 * decision that breaks off (a missing row, an error of ours) leaves nothing behind.
 */
export class Draft {
  readonly changes: Change[] = [];
  readonly commands: Command[] = [];
  /** Tasks that were created and wait to be started in this decision. */
  readonly toStart: TaskExecutionId[] = [];
  /** Tasks that are to be completed before anything else starts: joins that can no longer be met, with-items whose items all ended. */
  private readonly toComplete = new Map<TaskExecutionId, Completion>();
  /** Tasks that were continued in this decision: their successors are known. */
  readonly endedInDecision: TaskRecord[] = [];
  readonly env: Env;
  private readonly view: ExecutionView;
  private readonly tasks = new Map<TaskExecutionId, TaskRecord>();
  private readonly inbound = new Map<TaskExecutionId, ContextNode>();
  private readonly latest = new Map<string, TaskExecutionId>();
  private readonly created = new Map<string, number>();
  private readonly actions = new Map<ActionExecutionId, ActionRecord>();
  private readonly children = new Map<ExecutionId, ChildRecord>();
  private readonly newActions = new Map<TaskExecutionId, ActionExecutionId[]>();
  private readonly newChildren = new Map<TaskExecutionId, ExecutionId[]>();
  private readonly childrenUpdates = new Map<TaskExecutionId, ChildrenUpdate[]>();
  private readonly payloads = new Map<string, JsonObject>();
  private readonly timersSet = new Map<string, TimerRecord>();
  private readonly timersDone = new Set<string>();
  private current: ExecutionRecord;
  private open: number;
  private waiting: number;

  constructor(view: ExecutionView, env: Env) {
    this.view = view;
    this.env = env;
    this.current = view.record;
    this.open = view.openTasks;
    this.waiting = view.waitingTasks;
  }

  get record(): ExecutionRecord {
    return this.current;
  }

  get spec(): WorkflowSpec {
    return this.view.spec;
  }

  get analysis(): SpecAnalysis {
    return this.view.analysis;
  }

  /** What `env()` shows: the environment of the root, which is this execution itself or another one. */
  get environment(): JsonObject {
    return ownEnvironment(this.current) ?? this.view.environment;
  }

  get openTasks(): number {
    return this.open;
  }

  /** Joins among the open tasks that wait for their condition. */
  get waitingTasks(): number {
    return this.waiting;
  }

  /** Whether something is to be started or completed in this decision. */
  get hasWork(): boolean {
    return this.toStart.length > 0 || this.toComplete.size > 0;
  }

  get isCompleted(): boolean {
    return isFinal(this.current.state);
  }

  taskSpec(name: string): TaskSpec {
    const spec = this.spec.tasks.get(name);
    if (spec === undefined) throw new Error(`workflow '${this.spec.name}' has no task '${name}'`);
    return spec;
  }

  task(id: TaskExecutionId): TaskRecord {
    const task = this.findTask(id);
    if (task === undefined) throw new Error(`task execution ${id} is not in the view of execution ${this.current.id}`);
    return task;
  }

  findTask(id: TaskExecutionId): TaskRecord | undefined {
    return this.tasks.get(id) ?? this.view.tasks.get(id);
  }

  /** Every retained task in order of creation. Linear: not for the common path. */
  allTasks(): TaskRecord[] {
    const known = [...this.view.tasks.keys()].map((id) => this.task(id));
    return [...known, ...this.createdTasks()];
  }

  latestTask(name: string): TaskRecord | undefined {
    const id = this.latest.get(name) ?? this.view.latestByName.get(name);
    return id === undefined ? undefined : this.findTask(id);
  }

  createdOfName(name: string): number {
    return (this.view.createdOfName.get(name) ?? 0) + (this.created.get(name) ?? 0);
  }

  inboundOf(id: TaskExecutionId): ContextNode {
    return this.inbound.get(id) ?? this.view.inbound.get(id) ?? EMPTY_CONTEXT;
  }

  outboundOf(task: TaskRecord): ContextNode {
    return outboundContext(this.inboundOf(task.id), task.published);
  }

  findAction(id: ActionExecutionId): ActionRecord | undefined {
    return this.actions.get(id) ?? this.view.actions.get(id);
  }

  actionsOf(task: TaskExecutionId): ActionRecord[] {
    const old = this.view.membersOfTask.get(task)?.actions ?? [];
    return [...old, ...(this.newActions.get(task) ?? [])].flatMap((id) => this.findAction(id) ?? []);
  }

  findChild(id: ExecutionId): ChildRecord | undefined {
    return this.children.get(id) ?? this.view.children.get(id);
  }

  childrenOf(task: TaskExecutionId): ChildRecord[] {
    const old = this.view.membersOfTask.get(task)?.children ?? [];
    return [...old, ...(this.newChildren.get(task) ?? [])].flatMap((id) => this.findChild(id) ?? []);
  }

  allChildren(): ChildRecord[] {
    const ids = new Set([...this.view.children.keys(), ...this.children.keys()]);
    return [...ids].flatMap((id) => this.findChild(id) ?? []);
  }

  allActions(): ActionRecord[] {
    const ids = new Set([...this.view.actions.keys(), ...this.actions.keys()]);
    return [...ids].flatMap((id) => this.findAction(id) ?? []);
  }

  timersOf(task: TaskExecutionId): TimerRecord[] {
    const old = [...(this.view.membersOfTask.get(task)?.timers ?? [])].flatMap((id) => this.view.timers.get(id) ?? []);
    const added = [...this.timersSet.values()].filter((timer) => timer.taskExecutionId === task);
    return [...old, ...added].filter((timer) => !this.timersDone.has(timer.id));
  }

  allTimers(): TimerRecord[] {
    return [...this.view.timers.values(), ...this.timersSet.values()].filter((timer) => !this.timersDone.has(timer.id));
  }

  /** Has the task completed before anything else starts; what was planned first counts. */
  planCompletion(completion: Completion): void {
    if (!this.toComplete.has(completion.task)) this.toComplete.set(completion.task, completion);
  }

  nextCompletion(): Completion | undefined {
    for (const [task, completion] of this.toComplete) {
      this.toComplete.delete(task);
      return completion;
    }
    return undefined;
  }

  joinWatch(name: string): number | undefined {
    return this.view.joinWatch.get(name);
  }

  rememberJoinWatch(name: string, index: number): void {
    this.view.joinWatch.set(name, index);
  }

  forgetJoinWatch(name: string): void {
    this.view.joinWatch.delete(name);
  }

  /** Whether children of the task are all at hand: the view lets go of them when the task was finished and continued. */
  hasMembers(id: TaskExecutionId): boolean {
    const before = this.view.tasks.get(id);
    if (before === undefined) return this.tasks.has(id);
    // Those of with-items are looked up when an expression asks (engine/core/children.ts).
    if (hasManyItems(before)) return true;
    return !isFinal(before.state) || !before.processed || retention(this.view, before) === 'all';
  }

  /** Whether this decision made the task: nothing of it is stored. */
  isNew(id: TaskExecutionId): boolean {
    return this.tasks.has(id) && !this.view.tasks.has(id);
  }

  /** Task executions that this decision made. */
  createdTasks(): TaskRecord[] {
    return [...this.tasks.values()].filter((task) => !this.view.tasks.has(task.id));
  }

  /** What was taken in this execution is given back at its end. */
  noteLeases(): void {
    const { runtimeContext } = this.current;
    if (runtimeContext.leases !== true) this.updateExecution({ runtimeContext: { ...runtimeContext, leases: true } });
  }

  /** `why` stands in the time line where `stateInfo` says nothing. */
  updateExecution(patch: Partial<ExecutionRecord>, why?: string): void {
    const full = { ...patch, updatedAt: this.env.now };
    this.current = { ...this.current, ...full };
    this.changes.push({ type: 'execution-updated', patch: full, ...(why === undefined ? {} : { why }) });
  }

  createTask(task: TaskRecord, inbound: ContextNode): void {
    this.tasks.set(task.id, task);
    this.inbound.set(task.id, inbound);
    this.latest.set(task.name, task.id);
    this.created.set(task.name, (this.created.get(task.name) ?? 0) + 1);
    if (!isFinal(task.state)) this.open++;
    if (task.state === 'WAITING') this.waiting++;
    this.changes.push({ type: 'task-created', task });
  }

  updateTask(id: TaskExecutionId, patch: Partial<TaskRecord>, inbound?: ContextNode, why?: string): TaskRecord {
    const before = this.task(id);
    const full = { ...patch, updatedAt: this.env.now };
    const after: TaskRecord = Object.assign({ ...before }, full);
    this.tasks.set(id, after);
    if (inbound !== undefined) this.inbound.set(id, inbound);
    this.open += Number(!isFinal(after.state)) - Number(!isFinal(before.state));
    this.waiting += Number(after.state === 'WAITING') - Number(before.state === 'WAITING');
    this.changes.push({ type: 'task-updated', id, patch: full, task: after, ...(why === undefined ? {} : { why }) });
    return after;
  }

  /** The same inbound context, stored in another way: for nobody a change of the task. */
  replaceContext(id: TaskExecutionId, context: ContextDelta, inbound: ContextNode): void {
    const task = { ...this.task(id), context };
    this.tasks.set(id, task);
    this.inbound.set(id, inbound);
    this.changes.push({ type: 'task-updated', id, patch: { context }, task });
  }

  createAction(action: ActionRecord): void {
    this.actions.set(action.id, action);
    if (action.taskExecutionId !== null) append(this.newActions, action.taskExecutionId, action.id);
    this.changes.push({ type: 'action-created', action });
  }

  updateAction(id: ActionExecutionId, patch: Partial<ActionRecord>): ActionRecord {
    const before = this.findAction(id);
    if (before === undefined)
      throw new Error(`action execution ${id} is not in the view of execution ${this.current.id}`);
    const full = { ...patch, updatedAt: this.env.now };
    const after = { ...before, ...full };
    this.actions.set(id, after);
    this.changes.push({ type: 'action-updated', id, task: before.taskExecutionId, patch: full });
    return after;
  }

  createChild(child: ExecutionRecord): void {
    const record = childOf(child);
    this.children.set(child.id, record);
    append(this.newChildren, record.taskExecutionId, child.id);
    this.changes.push({ type: 'child-created', child });
    this.commands.push({ type: 'start-child', child: child.id });
  }

  updateChild(id: ExecutionId, patch: Partial<ChildRecord>): void {
    const before = this.findChild(id);
    if (before === undefined) return;
    this.children.set(id, { ...before, ...patch });
    this.changes.push({ type: 'child-updated', id, patch, isRejected: false });
  }

  /** A child that the view let go of runs again. */
  reopenChild(child: ChildRecord): void {
    if (this.findChild(child.id) === undefined) append(this.newChildren, child.taskExecutionId, child.id);
    this.children.set(child.id, child);
    this.changes.push({ type: 'child-updated', id: child.id, patch: child, isRejected: false });
  }

  /** Results of a with-items task count no more, or are dropped: all at once, whatever their number. */
  updateChildren(task: TaskExecutionId, which: 'all' | 'unsuccessful', to: 'rejected' | 'emptied'): void {
    this.changes.push({ type: 'children-updated', task, which, to });
    append(this.childrenUpdates, task, { which, to });
  }

  /** What {@link updateChildren} did to a task's children in this decision, in order. */
  childrenUpdatesOf(task: TaskExecutionId): readonly ChildrenUpdate[] {
    return this.childrenUpdates.get(task) ?? [];
  }

  storePayload(id: string, value: JsonObject): void {
    this.payloads.set(id, value);
    this.changes.push({ type: 'payload-stored', id, value });
  }

  dropPayload(id: string): void {
    this.payloads.delete(id);
    this.changes.push({ type: 'payload-dropped', id });
  }

  payload(id: string): JsonObject {
    return this.payloads.get(id) ?? this.view.payloads.get(id) ?? payloadOf(this.env, id);
  }

  /** The result of an earlier run that a retry, a rerun or another round has replaced. */
  rejectChild(id: ExecutionId): void {
    const before = this.findChild(id);
    if (before !== undefined) this.children.set(id, { ...before, accepted: false });
    this.changes.push({ type: 'child-updated', id, patch: { accepted: false }, isRejected: true });
  }

  setTimer(timer: TimerRecord): void {
    this.timersSet.set(timer.id, timer);
    this.changes.push({ type: 'timer-set', timer });
  }

  removeTimer(id: string): void {
    if (this.timersDone.has(id)) return;
    this.timersDone.add(id);
    this.changes.push({ type: 'timer-done', id });
  }
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
