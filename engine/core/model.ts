import type { ExecutionsFilter, TasksFilter } from '../../dsl/expressions/host.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ActionKind, ActionResult } from '../contract.ts';

declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
export type ExecutionId = Brand<string, 'ExecutionId'>;
export type TaskExecutionId = Brand<string, 'TaskExecutionId'>;
export type ActionExecutionId = Brand<string, 'ActionExecutionId'>;

export const STATES = [
  'IDLE',
  'WAITING',
  'RUNNING',
  'DELAYED',
  'PAUSED',
  'SUCCESS',
  'ERROR',
  'CANCELLED',
  'SKIPPED',
] as const;
export type State = (typeof STATES)[number];
export type FinalState = 'SUCCESS' | 'ERROR' | 'CANCELLED' | 'SKIPPED';

/** One run of a workflow: a row of `executions`. Times are milliseconds since 1970. */
export interface ExecutionRecord {
  readonly id: ExecutionId;
  readonly workflowId: string | null;
  readonly workflowName: string;
  readonly workflowNamespace: string;
  /** The workbook that the definition belongs to: names resolve inside it first (spec/dsl.md D-14.3). */
  readonly workbookName: string | null;
  readonly specHash: string;
  readonly projectId: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly state: State;
  readonly stateInfo: string | null;
  readonly input: JsonObject;
  readonly output: JsonObject;
  readonly params: JsonObject;
  /** Evaluated vars and global variables (spec/engine.md E-1.1, without `__execution`). */
  readonly context: JsonObject;
  readonly runtimeContext: ExecutionRuntimeContext;
  readonly taskExecutionId: TaskExecutionId | null;
  readonly parentExecutionId: ExecutionId | null;
  readonly rootExecutionId: ExecutionId | null;
  readonly accepted: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface ExecutionRuntimeContext {
  /** Position among the children of a with-items task. */
  readonly index?: number;
  /** Commands that wait for resume because they followed a `pause` (spec/engine.md E-4.2). */
  readonly backlog?: readonly StoredCommand[];
  /** It, or an execution below it, has run an action that takes leases: its end is told to who keeps them. */
  readonly leases?: true;
  /** It has run again after it had ended: its parent may have gone on with another child meanwhile. */
  readonly reran?: true;
}

/** A transition that fired and waits: what the backlog of a paused execution holds. */
export interface StoredCommand {
  readonly command: 'task' | 'fail' | 'succeed' | 'pause';
  readonly task: string | null;
  readonly from: TaskExecutionId | null;
  readonly event: TriggerEvent | null;
  readonly message: string | null;
}

export type TriggerEvent = 'on-success' | 'on-error' | 'on-complete' | 'on-skip';

/** One run of a task: a row of `task_executions`. */
export interface TaskRecord {
  readonly id: TaskExecutionId;
  readonly executionId: ExecutionId;
  readonly name: string;
  readonly type: 'ACTION' | 'WORKFLOW';
  readonly state: State;
  readonly stateInfo: string | null;
  /** The name for joins and reverse tasks, of which an execution has one; null otherwise. */
  readonly uniqueKey: string | null;
  readonly context: ContextDelta;
  readonly published: JsonObject | null;
  readonly publishedGlobal: JsonObject | null;
  readonly runtimeContext: TaskRuntimeContext;
  /** How far a with-items task is; null for any other and before its sources were evaluated. */
  readonly items: ItemsProgress | null;
  readonly processed: boolean;
  readonly hasNextTasks: boolean;
  /** [name, event] of each task that it triggered; null until it was continued. */
  readonly nextTasks: readonly (readonly [string, TriggerEvent])[] | null;
  readonly errorHandled: boolean;
  readonly tags: readonly string[];
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

/**
 * How far the items of a task are: what follows from each result is decided by counting, whatever the number of items
 * (design.md §3). An item is started in order of its index; one that is started and not accepted runs.
 */
export interface ItemsProgress {
  readonly source: ItemSource;
  /** Indices from here on have not been started in this round. */
  readonly next: number;
  /** Indices below `next` that are to be started in spite of it: after a partial rerun. */
  readonly again: IndexSet | null;
  /** Children that ended and count for the result, and how many of them did not succeed. */
  readonly accepted: number;
  readonly errors: number;
  readonly cancelled: number;
}

// Children of a task up to this many items are kept in memory like those of any other task.
const KEPT_ITEMS = 100;

/** Whether a task has so many items that the view lets go of those that ended: they are looked up when an expression asks. */
export function hasManyItems(task: Pick<TaskRecord, 'runtimeContext'>): boolean {
  return (task.runtimeContext.with_items?.count ?? 0) > KEPT_ITEMS;
}

/** The values of the item variables, one list per variable: here when they are small, else in payloads `<key>.<slice>`. */
export type ItemSource =
  | { readonly kind: 'inline'; readonly lists: readonly (readonly Json[])[] }
  | { readonly kind: 'payload'; readonly key: string };

/** A set of indices: `from` upwards one bit each, as base64. */
export interface IndexSet {
  readonly from: number;
  readonly bits: string;
  readonly size: number;
}

/** Snake case, as the API shows it (spec/rest-api.md §3.8); keys of ours come after. */
export interface TaskRuntimeContext {
  readonly triggered_by?: readonly { readonly task_id: string; readonly event: string }[];
  readonly with_items?: { readonly count: number; readonly capacity: number | null };
  readonly concurrency?: number;
  readonly retry_task_policy?: { readonly retry_no?: number };
  readonly pause_before_policy?: { readonly skip: boolean };
  readonly wait_before_policy?: { readonly skip: true };
  /** With the state to end in after the delay; `is_final` after a time-out, which is not retried. */
  readonly wait_after_policy?: {
    readonly skip: true;
    readonly state?: State;
    readonly state_info?: string | null;
    readonly is_final?: true;
  };
  /** How often a join waited, once it did so again. */
  readonly join_rounds?: number;
  /** Set when a partial join fires: tasks created before this id belong to the same round (spec/engine.md §30 item 4). */
  readonly join_fired?: string;
}

/**
 * A task's inbound context as a difference: everything that `base` (a task execution of the same execution) hands on to its
 * successors, overlaid by `own`. A chain of n tasks so stores O(n) variables (design.md §3). `versions` are the counters of
 * spec/engine.md E-5.3 for the keys in `own`.
 */
export interface ContextDelta {
  readonly base: TaskExecutionId | null;
  readonly own: JsonObject;
  readonly versions: Readonly<Record<string, number>>;
}

/** One run of an action: a row of `action_executions`. */
export interface ActionRecord {
  readonly id: ActionExecutionId;
  readonly taskExecutionId: TaskExecutionId | null;
  readonly executionId: ExecutionId | null;
  readonly taskName: string | null;
  /** As the workflow calls it. */
  readonly name: string;
  /** The system action underneath, and what it gets (null: the same as `input`). */
  readonly systemName: string;
  readonly systemInput: JsonObject | null;
  /** Ad-hoc outputs still to be applied to the result, innermost first. */
  readonly wrappers: readonly ActionWrapper[];
  readonly state: State;
  readonly stateInfo: string | null;
  readonly input: JsonObject;
  readonly output: JsonObject | null;
  readonly accepted: boolean;
  readonly kind: ActionKind;
  readonly index: number;
  readonly attempt: number;
  readonly executorId: string | null;
  readonly timeoutSeconds: number | null;
  readonly target: string | null;
  readonly safeRerun: boolean;
  readonly description: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface ActionWrapper {
  readonly name: string;
  readonly output: Json;
}

/** What a parent's view knows of a child execution. */
export interface ChildRecord {
  readonly id: ExecutionId;
  readonly taskExecutionId: TaskExecutionId;
  readonly index: number;
  readonly state: State;
  readonly stateInfo: string | null;
  readonly output: JsonObject;
  readonly accepted: boolean;
}

export type TimerKind = 'wait-before' | 'wait-after' | 'retry' | 'timeout';

export interface TimerRecord {
  readonly id: string;
  readonly executionId: ExecutionId;
  readonly taskExecutionId: TaskExecutionId;
  readonly kind: TimerKind;
  readonly dueAt: number;
  /** What was waited for: the policy's value. */
  readonly delaySeconds: number;
}

/** A fact that has already happened and now reaches one execution. */
export type Event =
  /** `isStored`: its row was made before, by a parent or a trigger, and nobody waits for the answer: a fault ends it in ERROR. */
  | { readonly type: 'workflow-started'; readonly isStored?: true }
  /** Go on with what a bound, a crash or a restart left: tasks that were created but not started. */
  | { readonly type: 'continue' }
  | {
      readonly type: 'action-completed';
      readonly action: ActionExecutionId;
      readonly attempt: number | null;
      readonly result: ActionResult;
    }
  | { readonly type: 'action-updated'; readonly action: ActionExecutionId; readonly to: 'PAUSED' | 'RUNNING' }
  | {
      readonly type: 'child-completed';
      readonly task: TaskExecutionId;
      readonly child: ExecutionId;
      readonly state: 'SUCCESS' | 'ERROR' | 'CANCELLED';
      readonly stateInfo: string | null;
      readonly output: JsonObject;
      /** The child may have taken something that the outermost execution gives back. */
      readonly leases?: true;
      /** It had ended before, and ran again. */
      readonly reran?: true;
    }
  | {
      readonly type: 'child-updated';
      readonly task: TaskExecutionId;
      readonly child: ExecutionId;
      readonly to: 'PAUSED' | 'RUNNING';
    }
  /** A child execution was woken up again by a rerun inside it: this execution and the task follow. */
  | { readonly type: 'child-rerun'; readonly task: TaskExecutionId; readonly child: ExecutionId }
  | { readonly type: 'timer-fired'; readonly timer: string }
  | { readonly type: 'pause-requested'; readonly by: 'user' | 'parent' }
  | { readonly type: 'resume-requested'; readonly by: 'user' | 'parent'; readonly env: JsonObject | null }
  | {
      readonly type: 'stop-requested';
      readonly to: 'SUCCESS' | 'ERROR' | 'CANCELLED';
      readonly message: string | null;
    }
  | {
      readonly type: 'rerun-requested';
      readonly task: TaskExecutionId;
      readonly reset: boolean;
      readonly env: JsonObject | null;
    }
  | { readonly type: 'skip-requested'; readonly task: TaskExecutionId }
  | { readonly type: 'description-changed'; readonly description: string }
  | { readonly type: 'env-changed'; readonly env: JsonObject };

/** One change to one row. `evolve` folds it into memory, the store writes it. */
export type Change =
  /** `why`: for the time line, where `stateInfo`, whose texts are the reference's, says nothing. */
  | { readonly type: 'execution-updated'; readonly patch: Partial<ExecutionRecord>; readonly why?: string }
  | { readonly type: 'task-created'; readonly task: TaskRecord }
  /** `task` is the record after the change. */
  | {
      readonly type: 'task-updated';
      readonly id: TaskExecutionId;
      readonly patch: Partial<TaskRecord>;
      readonly task: TaskRecord;
      readonly why?: string;
    }
  | { readonly type: 'action-created'; readonly action: ActionRecord }
  | {
      readonly type: 'action-updated';
      readonly id: ActionExecutionId;
      readonly task: TaskExecutionId | null;
      readonly patch: Partial<ActionRecord>;
    }
  /** A child execution's row, inserted by the parent: a child in IDLE is its own durable message. */
  | { readonly type: 'child-created'; readonly child: ExecutionRecord }
  /** A child's row is its own; only that its result counts no more is the parent's to store: `isRejected`. */
  | {
      readonly type: 'child-updated';
      readonly id: ExecutionId;
      readonly patch: Partial<ChildRecord>;
      readonly isRejected: boolean;
    }
  /** Accepted children of a with-items task, as many as there are: they count no more, or their results are dropped. */
  | {
      readonly type: 'children-updated';
      readonly task: TaskExecutionId;
      readonly which: 'all' | 'unsuccessful';
      readonly to: 'rejected' | 'emptied';
    }
  /** A value that is too large for a row that is read and written often; it goes with its execution. */
  | { readonly type: 'payload-stored'; readonly id: string; readonly value: JsonObject }
  | { readonly type: 'payload-dropped'; readonly id: string }
  | { readonly type: 'timer-set'; readonly timer: TimerRecord }
  | { readonly type: 'timer-done'; readonly id: string };

/** What the outside world must do after the commit. Rows that are their own message (actions to run, timers, children) come as changes. */
export type Command =
  | { readonly type: 'run-action'; readonly action: ActionExecutionId }
  | { readonly type: 'start-child'; readonly child: ExecutionId }
  | { readonly type: 'stop-action'; readonly action: ActionExecutionId; readonly reason: 'cancelled' | 'timeout' }
  /** An event for another execution: an outbox row in the same transaction. */
  | { readonly type: 'send'; readonly to: ExecutionId; readonly event: Event }
  /** The rest of the work re-enters as an event of its own (design.md §2, bounds). */
  | { readonly type: 'continue' };

/** Rows that a decision wants to see and that the shell has not loaded. */
export type Lookup =
  /** The latest task execution of that name in this execution, with its result. */
  | { readonly type: 'task'; readonly name: string }
  /** A task execution that the view no longer holds, with its children: the shell puts it into the view. */
  | { readonly type: 'task-row'; readonly id: TaskExecutionId }
  /**
   * Children of a with-items task, which no view holds once they ended: those that count with their values, all of them with the
   * values of failed ones, or all without values. `childRow` (engine/core/children.ts) says what a row is.
   */
  | { readonly type: 'children'; readonly task: TaskExecutionId; readonly values: ChildValues }
  /** What `payload-stored` stored, as the only row. */
  | { readonly type: 'payload'; readonly id: string }
  | {
      readonly type: 'action-definition';
      readonly name: string;
      readonly namespace: string;
      readonly projectId: string;
    }
  | {
      readonly type: 'workflow-definition';
      readonly name: string;
      readonly namespace: string;
      readonly projectId: string;
    }
  | { readonly type: 'environment'; readonly name: string; readonly projectId: string }
  | { readonly type: 'executions'; readonly filter: ExecutionsFilter }
  | { readonly type: 'tasks'; readonly filter: TasksFilter };

export type ChildValues = 'accepted' | 'failed' | 'none';

export type Decision =
  | { readonly kind: 'decided'; readonly changes: readonly Change[]; readonly commands: readonly Command[] }
  | { readonly kind: 'needs'; readonly lookups: readonly Lookup[] }
  /** A late or repeated event: nothing happens. */
  | { readonly kind: 'ignored'; readonly why: string }
  /** The caller asked for something that is not allowed now; nothing happens. `code` as in engine/errors.ts. */
  | {
      readonly kind: 'refused';
      readonly code: 'INVALID_STATE' | 'INVALID_INPUT' | 'NOT_ALLOWED';
      readonly message: string;
    };

export function isFinal(state: State): state is FinalState {
  return state === 'SUCCESS' || state === 'ERROR' || state === 'CANCELLED' || state === 'SKIPPED';
}

export function assertNever(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
