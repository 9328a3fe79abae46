import type { Json, JsonObject } from '../dsl/json.ts';
import type { ActionRecord, ExecutionRecord, TaskRecord } from './core/model.ts';

/** Who asks: spec/rest-api.md §2.9. */
export interface Caller {
  readonly projectId: string;
  readonly isAdmin: boolean;
  /** Whether he may make things public; undefined: administrators may. */
  readonly mayPublish?: boolean;
}

export interface StartExecution {
  readonly id: string | null;
  readonly workflowId: string | null;
  readonly workflowName: string | null;
  readonly workflowNamespace: string;
  readonly input: JsonObject;
  readonly params: JsonObject;
  readonly description: string | null;
  readonly sourceExecutionId: string | null;
}

export interface UpdateExecution {
  readonly state: string | null;
  readonly stateInfo: string | null;
  readonly description: string | null;
  readonly env: JsonObject | null;
}

export interface RunActionRequest {
  readonly name: string;
  readonly input: JsonObject;
  readonly namespace: string;
  readonly description: string;
  readonly runSync: boolean;
  readonly saveResult: boolean;
  readonly target: string | null;
  readonly timeoutSeconds: number | null;
}

/**
 * What the API calls: every operation that decides. Reads (lists, single rows) go to `engine/store` directly.
 * Each rejects with an error of engine/errors.ts (NOT_FOUND, INVALID_INPUT, INVALID_STATE, NOT_ALLOWED, CONFLICT).
 */
export interface Engine {
  /** Answers right after `workflow-started` is committed: RUNNING. An `id` that exists answers that execution (spec/engine.md E-3.1). */
  startExecution(caller: Caller, request: StartExecution): Promise<ExecutionRecord>;
  updateExecution(caller: Caller, id: string, request: UpdateExecution): Promise<ExecutionRecord>;
  deleteExecution(caller: Caller, id: string, force: boolean): Promise<void>;
  rerunTask(caller: Caller, id: string, reset: boolean, env: JsonObject | null): Promise<TaskRecord>;
  skipTask(caller: Caller, id: string): Promise<TaskRecord>;
  /** PUT of an action execution: spec/rest-api.md §4.3. */
  updateAction(
    caller: Caller,
    id: string,
    to: 'SUCCESS' | 'ERROR' | 'CANCELLED' | 'PAUSED' | 'RUNNING',
    output: Json,
  ): Promise<ActionRecord>;
  /** A stand-alone action execution. Without `saveResult` a synchronous one is not stored: its `id` is null in the answer. */
  runAction(caller: Caller, request: RunActionRequest): Promise<ActionRecord | UnsavedAction>;
  deleteAction(caller: Caller, id: string): Promise<void>;
}

export interface UnsavedAction {
  readonly id: null;
  readonly name: string;
  readonly state: 'SUCCESS' | 'ERROR';
  readonly input: JsonObject;
  readonly output: JsonObject;
}
