import type { JsonObject } from '../../dsl/json.ts';
import type { ActionResult, RunContext } from '../../engine/contract.ts';
import type { Logger } from '../../engine/log.ts';

/**
 * What a kind of remote or long-running job must be able to do. The job watcher does the rest: the record, the order of steps,
 * leases, polling, time limits, cancelling, restarts and reporting (spec/spark.md §8.4, §8.5).
 *
 * Every method may be called again after a crash, on another node as well. `prepare`, `stage`, `find`, `state`, `log` and
 * `progress` have no effect that matters when repeated; `cancel` may be repeated; `submit` is called again only after `find`
 * has answered `absent`. A thrown error means "could not be told now": the watcher looks again later, and for `submit`
 * it means that the outcome is unclear.
 */
export interface JobBackend {
  /** Written into the column `backend`: at most 32 characters, never changed once released. */
  readonly name: string;
  /**
   * Whether a second submit with the same key is refused by the other side. Without that a record in `submitting` is taken
   * over only once its owner is proven dead (spec/spark.md §8.5).
   */
  readonly refusesDuplicates: boolean;
  /** Checks the input and fixes all that must stay the same over every repeat. No call to the outside. */
  prepare(input: JsonObject, run: RunContext): PrepareOutcome;
  /** Long preparations that may be repeated, such as the upload of a jar; before the record says `submitting`. */
  stage?(job: Job, request: JobRequest, context: JobContext): Promise<StageOutcome>;
  /** The one call that starts the job. */
  submit(job: Job, request: JobRequest, context: JobContext): Promise<SubmitOutcome>;
  /** Looks for the job after an unclear submit. `lookingMs`: for how long this has been asked already. */
  find(job: Job, request: JobRequest, context: JobContext, lookingMs: number): Promise<FindOutcome>;
  state(job: Job, context: JobContext): Promise<JobStatus>;
  /** Called for as long as a cancel is wanted and `state` does not answer `ended`; decides by `job.cancel.atMs` how hard to push. */
  cancel(job: Job, context: JobContext): Promise<CancelOutcome>;
  /**
   * Asked once a job that had been submitted counts as lost: the record with which it is to be submitted again under its key, or null. Without it,
   * never.
   */
  resubmit?(job: Job, context: JobContext): Promise<JobUpdate | null>;
  /** Result of a job that the watcher gives up for the reason given. */
  giveUp(job: Job, why: GivingUp, context: JobContext): Promise<ActionResult>;
  /** The last lines of the job's log. */
  log?(job: Job, context: JobContext): Promise<readonly string[]>;
  /** Figures for people: `{state, tasks_total, …}`; null when there are none. */
  progress?(job: Job, context: JobContext): Promise<JsonObject | null>;
  /** Whether only another host can watch this job. */
  isElsewhere?(job: Job): boolean;
}

/** The part of the record that steps and polls need; the request itself is read only for `stage`, `submit` and `find`. */
export interface Job {
  readonly id: string;
  readonly backend: string;
  readonly phase: JobPhase;
  /** First 32 hex digits of SHA-256 of the action execution's id, or what `prepare` chose. */
  readonly key: string;
  readonly externalId: string | null;
  readonly appId: string | null;
  readonly url: string | null;
  readonly lastState: string | null;
  /** The backend's own record. Replaced as a whole by an update. */
  readonly data: JsonObject;
  readonly createdAtMs: number;
  readonly submitStartedAtMs: number | null;
  readonly submittedAtMs: number | null;
  readonly cancel: JobCancel | null;
}

export interface JobCancel {
  readonly atMs: number;
  readonly reason: StopReason;
  /** The time limit that has passed; null when the workflow asked for the stop. */
  readonly seconds: number | null;
}

/** `result` is being reported while the phase is not yet `done`. */
export type JobPhase = 'prepared' | 'submitting' | 'submitted' | 'done';
export type StopReason = 'cancelled' | 'timeout';

export interface JobRequest {
  readonly input: JsonObject;
  readonly run: RunContext;
}

export interface JobContext {
  /** Aborted at shutdown; calls that must not be cut short (a running submit) may ignore it. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly nowMs: number;
  /** Makes the watcher look at this job at once: for backends that hear of changes by themselves. */
  wake(): void;
  /** Which of these ids of this backend belong to other action executions, by their records. */
  takenIds(externalIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** Whether another action execution has a submit of this backend under the same key on another node, or one whose outcome is not known. */
  isKeyBeingSubmitted(): Promise<boolean>;
}

/** New values of the record's columns; absent ones stay. */
export interface JobUpdate {
  readonly externalId?: string;
  readonly appId?: string;
  readonly url?: string;
  readonly data?: JsonObject;
}

export type PrepareOutcome =
  | { readonly kind: 'prepared'; readonly plan: JobPlan }
  /** The input is wrong: nothing is recorded. */
  | { readonly kind: 'refused'; readonly result: ActionResult };

export interface JobPlan {
  readonly key?: string;
  readonly url: string | null;
  /** Jobs of one server are polled within common bounds and rest together while it does not answer. */
  readonly server: string;
  readonly data: JsonObject;
  /** The action's own time limit. */
  readonly timeoutSeconds: number | null;
  readonly onTimeout: StopPolicy;
  readonly onCancel: StopPolicy;
  /** The first pause between two polls and the longest one while the job is young. */
  readonly pollMs: { readonly first: number; readonly longest: number };
  /** How long an unknown job is waited for before it counts as lost. */
  readonly notFoundGraceMs: number;
  /** How many jobs of this server may run at once; more of them wait. null: no bound of ours. */
  readonly slots: number | null;
  /** The job belongs to what is kept on another host: the node there takes it over at once. */
  readonly isElsewhere?: boolean;
}

/** `end`: stop the outside work and wait for its end. `leave`: give the result at once, the job goes on. */
export type StopPolicy = 'end' | 'leave';

export type StageOutcome =
  | { readonly kind: 'ready'; readonly update?: JobUpdate }
  /** The job is there already: adopt it, do not submit. */
  | { readonly kind: 'found'; readonly update?: JobUpdate }
  | { readonly kind: 'refused'; readonly result: ActionResult }
  /** Not now, try again with growing pauses. */
  | { readonly kind: 'later'; readonly reason: string; readonly giveUp: ActionResult; readonly update?: JobUpdate };

export type SubmitOutcome =
  | { readonly kind: 'submitted'; readonly update?: JobUpdate }
  /** Certainly nothing was started, and nothing will be. */
  | { readonly kind: 'refused'; readonly result: ActionResult }
  /** Certainly nothing was started; stage and submit again with growing pauses. */
  | { readonly kind: 'later'; readonly reason: string; readonly giveUp: ActionResult; readonly update?: JobUpdate }
  /** Nobody knows: look. */
  | { readonly kind: 'unclear'; readonly reason: string };

export type FindOutcome =
  | { readonly kind: 'found'; readonly update?: JobUpdate }
  /** Proven that no job was started, or that a second submit would be refused: submit with the same key, some ten times at most. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'looking'; readonly reason: string }
  /** It was started and nothing can be known of it, or a person must decide. */
  | { readonly kind: 'ended'; readonly result: ActionResult };

export type JobStatus =
  | { readonly kind: 'live'; readonly state: string; readonly update?: JobUpdate; readonly againMs?: number }
  /** The wanted state is reached, or the job is over. */
  | {
      readonly kind: 'ended';
      readonly state: string;
      readonly result: ActionResult;
      readonly logTail?: readonly string[];
      readonly progress?: JsonObject;
      readonly update?: JobUpdate;
    }
  /** The other side answers and does not know the job. */
  | { readonly kind: 'unknown'; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string };

export interface CancelOutcome {
  readonly update?: JobUpdate;
  /** When to look again; without it the watcher's own short pause. */
  readonly againMs?: number;
}

export type GivingUp =
  /** `jobGoesOn` is false before the submit and true by policy `leave`, or when the other side could not be reached any more. */
  | { readonly kind: 'cancelled'; readonly jobGoesOn: boolean }
  | { readonly kind: 'timeout'; readonly seconds: number | null; readonly jobGoesOn: boolean }
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string }
  /** The backend's code failed at every try. */
  | { readonly kind: 'broken'; readonly reason: string };
