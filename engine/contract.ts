import type { Json, JsonObject } from '../dsl/json.ts';

/**
 * What the engine and the executors say to each other. The engine never imports an executor: it reads the catalogue through
 * {@link ActionCatalogue}, sends {@link ExecutorMessage}s through a queue, and takes {@link ActionReport}s back.
 */

/** What an action hands back. A failure is a value here, never a thrown error (spec/engine.md E-7.3). */
export type ActionResult =
  | { readonly kind: 'success'; readonly output: Json }
  /** `output` is the error's data: what `task().result` shows. `retryable` is a hint for people and for actions, not a policy. */
  | { readonly kind: 'error'; readonly output: Json; readonly retryable: boolean }
  | { readonly kind: 'cancelled'; readonly output: Json };

/**
 * - `pure`: evaluated by the engine itself inside a decision: synchronous, no I/O, deterministic.
 * - `sync`: run by a worker from start to end; its result is what `run` returns.
 * - `async`: a worker may start something, the result arrives through the API.
 * - `job`: a remote or long-running job; submitted and watched by the job watcher, occupies no worker, survives restarts.
 */
export type ActionKind = 'pure' | 'sync' | 'async' | 'job';

/** A JSON Schema object for an action's parameters; `properties` in the order of the signature. */
export interface ParameterSchema {
  readonly type: 'object';
  readonly properties: Readonly<Record<string, JsonObject>>;
  readonly required: readonly string[];
  /** True for actions that take any further parameter. */
  readonly additionalProperties: boolean;
}

export interface ActionDefinition {
  readonly name: string;
  readonly description: string;
  readonly kind: ActionKind;
  /** Whether running it twice does no harm: then it is not claimed before it runs. Always true for `pure` and `job`. */
  readonly repeatSafe: boolean;
  readonly parameters: ParameterSchema;
  /** What the result holds, in one sentence, and its JSON Schema where it has a shape. */
  readonly result: { readonly description: string; readonly schema?: JsonObject };
  /** What it takes is given back at the end of its execution: the end is told to the {@link LeaseKeeper}. */
  readonly takesLeases?: true;
  /** YAML of a task that uses it. */
  readonly examples: readonly { readonly title: string; readonly yaml: string }[];
}

/** The system actions (std.*, spark.*, flink.*, …). Lookups are synchronous: the decision reads them. */
export interface ActionCatalogue {
  find(name: string): ActionDefinition | undefined;
  list(): readonly ActionDefinition[];
  /** Evaluates a `pure` action. Never throws: a failure is a result. */
  runPure(name: string, input: JsonObject): ActionResult;
  /** Whether this call of a `pure` action must go to a worker all the same, such as `std.echo` with a delay. */
  needsWorker(name: string, input: JsonObject): boolean;
}

export interface RunContext {
  readonly actionExecutionId: string;
  readonly attempt: number;
  readonly taskExecutionId: string | null;
  readonly taskName: string | null;
  readonly workflowExecutionId: string | null;
  readonly workflowName: string | null;
  /** `/v2/action_executions/<id>`, relative to the API's address. */
  readonly callbackUrl: string;
  readonly projectId: string;
}

export interface RunAction {
  readonly type: 'run-action';
  /** A system action's name; ad-hoc wrappers are already resolved. */
  readonly name: string;
  readonly input: JsonObject;
  readonly context: RunContext;
  /** Time limit in seconds, null for none. After it the action is aborted and reported as an error (spec/engine.md E-7.7). */
  readonly timeoutSeconds: number | null;
  /** Host name that must run it, or null. */
  readonly target: string | null;
  readonly safeRerun: boolean;
  /** False when the row was inserted already claimed by this node, or when no claim is needed. */
  readonly claim: boolean;
}

/** The execution or the action was cancelled: stop the outside work. Repeats are harmless. */
export interface StopAction {
  readonly type: 'stop-action';
  readonly actionExecutionId: string;
  readonly reason: 'cancelled' | 'timeout';
  /** The outbox row that is deleted once the executor has seen to it; null when nothing waits for that. */
  readonly receipt: string | null;
}

export type ExecutorMessage = RunAction | StopAction;

export interface ActionReport {
  readonly actionExecutionId: string;
  readonly attempt: number;
  readonly result: ActionResult;
}

/** An execution that ended or was deleted, and that took something which has to be given back (spec/cluster.md §4.4). */
export interface EndedExecution {
  readonly executionId: string;
  /** Null when it is the outermost one itself. */
  readonly rootExecutionId: string | null;
  readonly state: 'SUCCESS' | 'ERROR' | 'CANCELLED' | 'DELETED';
  /** When that was written. */
  readonly at: number;
}

/** Gives back what executions have taken. */
export interface LeaseKeeper {
  /**
   * Called at least once for each end of such an execution, after a crash again; a rejected promise means: call again later. Aborted when
   * this process stops.
   */
  release(ended: EndedExecution, signal: AbortSignal): Promise<void>;
}

/** What a worker may ask of the engine. */
export interface EnginePort {
  /**
   * Claims before running (design.md §5): the ids that this executor may run. What it has claimed before and not ended is granted
   * again, because an answer may be lost; the executor itself sees to it that nothing runs twice in it.
   */
  claim(
    executorId: string,
    actions: readonly { readonly id: string; readonly attempt: number }[],
  ): Promise<ReadonlySet<string>>;
  /** Resolves once the result is committed, or was ignored because somebody else completed the action. Rejects while the engine cannot store: send again. */
  report(report: ActionReport): Promise<void>;
  heartbeat(executorId: string, actionExecutionIds: readonly string[]): Promise<void>;
  /**
   * An asynchronous action that may not run twice was started well: from now on it waits for its completion, whatever becomes
   * of this executor. Rejects while the engine cannot store: send again.
   */
  started(executorId: string, actionExecutionId: string, attempt: number): Promise<void>;
}
