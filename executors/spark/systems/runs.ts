import type { Json, JsonObject } from '../../../dsl/json.ts';
import type { CancelOutcome, FindOutcome, Job, JobContext, JobUpdate, SubmitOutcome } from '../../jobs/backend.ts';
import type { SparkCode } from '../outcome.ts';
import type { SparkClient } from './client.ts';
import type { RemotePlan } from './run-plan.ts';
import type { SystemTable } from './endpoints.ts';

/**
 * How one system runs a job to its end (spec/spark.md §8.4 to §8.7). Everything that the systems have in common – the record's data,
 * results, the words for what went wrong – is in remote-backend.ts.
 */
export interface SystemRuns {
  readonly system: SystemTable['system'];
  /** Of the job backend, written into the records. */
  readonly backend: string;
  readonly refusesDuplicates: boolean;
  /** Milliseconds between two looks at a young job, and the longest pause. */
  readonly pollMs: { readonly first: number; readonly longest: number };
  /** Why the input cannot be, or null. Calls nothing. */
  wrongInput(input: JsonObject): string | null;
  /** The name under which the server knows the job; null when it takes none. */
  nameOf(input: JsonObject, key: string): string | null;
  /** Starts the job. Throws what the client throws; remote-backend.ts judges it. */
  submit(call: SubmitCall): Promise<JobUpdate>;
  /** Looks for a job whose submit has no clear outcome. Throwing means: could not be told now. */
  find(call: SubmitCall, lookingMs: number): Promise<FindOutcome>;
  /** A refusal that means something else here, such as a name that is taken by this very job; null: it stands. */
  judge?(error: unknown, call: SubmitCall): Promise<SubmitOutcome | null>;
  look(call: RunCall): Promise<Look>;
  /** The last lines of the log, oldest first. */
  log(call: RunCall): Promise<readonly string[]>;
  cancel(call: RunCall): Promise<CancelOutcome>;
  progress?(call: RunCall): Promise<JsonObject | null>;
}

export interface RunCall {
  readonly job: Job;
  readonly plan: RemotePlan;
  readonly client: SparkClient;
  /** Of the connection: a standalone master's web page. */
  readonly masterUi: SparkClient | null;
  readonly signal: AbortSignal;
  readonly nowMs: number;
  /** See {@link JobContext.takenIds}. */
  readonly takenIds: JobContext['takenIds'];
}

export interface SubmitCall extends RunCall {
  readonly input: JsonObject;
}

/** One look at a job. `word`: the state in the system's own words. */
export type Look =
  | ({ readonly kind: 'live'; readonly pending: boolean; readonly againMs?: number } & LookFacts)
  | ({ readonly kind: 'success'; readonly result?: Json } & LookFacts)
  | ({
      readonly kind: 'failed';
      readonly reason: string;
      readonly code?: SparkCode;
      readonly extra?: JsonObject;
    } & LookFacts)
  | ({ readonly kind: 'killed' } & LookFacts)
  /** Gone with what it ran on: not the job's own failure. */
  | ({ readonly kind: 'lost'; readonly reason: string } & LookFacts)
  | { readonly kind: 'unknown'; readonly reason: string };

export interface LookFacts {
  readonly word: string;
  readonly appId?: string | null;
  readonly uiUrl?: string | null;
  readonly startedAtMs?: number | null;
  readonly finishedAtMs?: number | null;
}
