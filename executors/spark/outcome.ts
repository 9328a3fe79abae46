import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { rootCauseIn } from './log-lines.ts';

/** The codes of spec/spark.md §8.1, and whether a new try may help. */
export const SPARK_CODES = {
  SPARK_JOB_FAILED: false,
  SPARK_JOB_KILLED: false,
  SPARK_JOB_LOST: true,
  SPARK_TIMEOUT: false,
  SPARK_CANCELLED: false,
  SPARK_REJECTED: false,
  SPARK_AMBIGUOUS: false,
  SPARK_UNREACHABLE: true,
  SPARK_AUTH: false,
  SPARK_UNSUPPORTED: false,
  SPARK_BAD_INPUT: false,
  SPARK_SESSION_DEAD: false,
  SPARK_STATEMENT_FAILED: false,
} as const;

export type SparkCode = keyof typeof SPARK_CODES;

/** What is known of a run; the common result of spec/spark.md §8.1 is made of it. */
export interface RunFacts {
  readonly backend: string;
  readonly id: string | null;
  readonly appId: string | null;
  readonly name: string | null;
  readonly state: string;
  readonly submittedAtMs: number | null;
  readonly startedAtMs: number | null;
  readonly finishedAtMs: number | null;
  readonly uiUrl: string | null;
  readonly historyUrl: string | null;
  readonly logTail: readonly string[];
  readonly progress: JsonObject | null;
  readonly exitCode: number | null;
}

export function runSucceeded(facts: RunFacts, result: Json): ActionResult {
  return { kind: 'success', output: commonResult(facts, result) };
}

export function commonResult(facts: RunFacts, result: Json): JsonObject {
  const from = facts.startedAtMs ?? facts.submittedAtMs;
  return {
    backend: facts.backend,
    id: facts.id,
    app_id: facts.appId,
    name: facts.name,
    state: facts.state,
    result,
    submitted_at: toTime(facts.submittedAtMs),
    started_at: toTime(facts.startedAtMs),
    finished_at: toTime(facts.finishedAtMs),
    duration_ms: from === null || facts.finishedAtMs === null ? null : Math.max(0, facts.finishedAtMs - from),
    ui_url: facts.uiUrl,
    history_url: facts.historyUrl,
    log_tail: facts.logTail,
    progress: facts.progress,
  };
}

/** `message` begins with the root cause where the log shows one. */
export function runFailed(code: SparkCode, what: string, facts: RunFacts): ActionResult {
  const rootCause = code === 'SPARK_JOB_FAILED' ? rootCauseIn(facts.logTail) : null;
  const output = {
    code,
    message: rootCause === null ? what : `${rootCause} (${what})`,
    backend: facts.backend,
    id: facts.id,
    app_id: facts.appId,
    state: facts.state,
    exit_code: facts.exitCode,
    root_cause: rootCause,
    log_tail: facts.logTail,
    retryable: SPARK_CODES[code],
  };
  return code === 'SPARK_CANCELLED'
    ? { kind: 'cancelled', output }
    : { kind: 'error', output, retryable: SPARK_CODES[code] };
}

/** An error before there is any run. */
export function refused(code: SparkCode, message: string, backend = 'process'): ActionResult {
  const facts = {
    backend,
    id: null,
    appId: null,
    name: null,
    state: 'not_started',
    submittedAtMs: null,
    startedAtMs: null,
    finishedAtMs: null,
  };
  return runFailed(code, message, {
    ...facts,
    uiUrl: null,
    historyUrl: null,
    logTail: [],
    progress: null,
    exitCode: null,
  });
}

function toTime(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}
