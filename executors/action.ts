import type { JsonObject } from '../dsl/json.ts';
import type { ActionDefinition, ActionResult, RunContext } from '../engine/contract.ts';
import type { HttpClient } from './http-client.ts';
import type { JobBackend } from './jobs/backend.ts';
import type { Logger } from '../engine/log.ts';

/**
 * An action is data ({@link ActionDefinition}) plus the code that its kind needs. Nobody else interprets its input.
 *
 * A failure is a returned {@link ActionResult}; whatever is thrown becomes an error result with the text of
 * spec/engine.md E-7.3, so throwing is for surprises only.
 */
export type Action = PureAction | SyncAction | AsyncAction | JobAction;

/** Evaluated by the engine within a decision: synchronous, no I/O, no clock. */
export interface PureAction extends ActionDefinition {
  readonly kind: 'pure';
  evaluate(input: JsonObject): ActionResult;
  /** For calls that cannot be evaluated at once, such as `std.echo` with a delay. */
  readonly worker?: {
    needed(input: JsonObject): boolean;
    run(input: JsonObject, context: ActionContext): Promise<ActionResult>;
  };
}

/** Run by a worker from start to end. */
export interface SyncAction extends ActionDefinition {
  readonly kind: 'sync';
  run(input: JsonObject, context: ActionContext): Promise<ActionResult>;
}

/** `run` only starts something: its success is discarded, its error is the action's result (spec/engine.md E-7.4). */
export interface AsyncAction extends ActionDefinition {
  readonly kind: 'async';
  run(input: JsonObject, context: ActionContext): Promise<ActionResult>;
}

/** Submitted and watched by the job watcher. */
export interface JobAction extends ActionDefinition {
  readonly kind: 'job';
  readonly backend: JobBackend;
  /** Further backends, where the input says how the job is submitted; {@link choose} tells which. */
  readonly others?: readonly JobBackend[];
  choose?(input: JsonObject): JobBackend;
}

export interface ActionContext {
  /** Aborted when the action is stopped, when its time is over, and when the executor shuts down. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Obeys the egress policy: for addresses that come from users. */
  readonly http: HttpClient;
  readonly run: RunContext;
}

export function success(output: ActionResult['output']): ActionResult {
  return { kind: 'success', output };
}

export function failure(output: ActionResult['output'], retryable = false): ActionResult {
  return { kind: 'error', output, retryable };
}
