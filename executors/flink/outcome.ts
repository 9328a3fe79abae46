import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { RemoteError } from '../http-client.ts';
import { CallError, FlinkApiError, UnsupportedError } from './client/errors.ts';
import { EgressError } from '../egress.ts';
import { JarError } from './jars.ts';

/** An error before there is any job, or about the whole of it. */
export function refused(code: string, message: string, extra: JsonObject = {}, retryable = false): ActionResult {
  return { kind: 'error', output: { code, message, ...extra }, retryable };
}

/** What a failed call says about the action: its code, the root cause, the server's text. */
export function callFailed(error: unknown, jobId: string | null): ActionResult {
  const about: JsonObject = jobId === null ? {} : { job_id: jobId };
  if (error instanceof FlinkApiError) {
    const stack = error.errors.join('\n').slice(0, LONGEST_STACK);
    return refused(
      error.code,
      error.rootCause,
      { ...about, status: error.status, root_cause: error.rootCause, stack },
      error.retryable,
    );
  }
  if (error instanceof UnsupportedError || error instanceof CallError) return refused(error.code, error.message, about);
  if (error instanceof EgressError) return refused('FLINK_BAD_REQUEST', error.message, about);
  if (error instanceof RemoteError) return refused('FLINK_UNREACHABLE', error.message, about, true);
  if (error instanceof JarError) return jarFailed(error, about);
  return refused('FLINK_BAD_REQUEST', error instanceof Error ? error.message : String(error), about);
}

/** A jar that cannot be had: for now, or not at all. */
export function jarFailed(error: JarError, about: JsonObject = {}): ActionResult {
  return refused(error.passes ? 'FLINK_UNREACHABLE' : 'FLINK_BAD_REQUEST', error.message, about, error.passes);
}

/** `passing`: the server may answer later, and has started nothing. `unclear`: it may have. `final`: its answer stands. */
export function natureOf(error: unknown): 'passing' | 'unclear' | 'final' {
  if (error instanceof FlinkApiError) {
    if (error.code === 'FLINK_UNAVAILABLE') return error.status === 503 ? 'passing' : 'unclear';
    return error.retryable ? 'unclear' : 'final';
  }
  if (error instanceof RemoteError) {
    if (error.fault === 'bad-url' || error.fault === 'blocked' || error.fault === 'tls') return 'final';
    return error.notSent ? 'passing' : 'unclear';
  }
  return error instanceof EgressError || error instanceof UnsupportedError || error instanceof CallError
    ? 'final'
    : 'unclear';
}

/** What the action gives back (spec/flink.md §3.1). */
export interface JobFacts {
  readonly jobId: string;
  readonly jarId: string | null;
  readonly state: string;
  readonly name: string | null;
  readonly startTime: number | null;
  readonly endTime: number | null;
  readonly durationMs: number | null;
  readonly accumulators: Json;
  readonly savepoint: string | null;
  readonly webUrl: string;
  readonly flinkVersion: string | null;
}

export function outputOf(facts: JobFacts): JsonObject {
  return {
    job_id: facts.jobId,
    jar_id: facts.jarId,
    state: facts.state,
    name: facts.name,
    start_time: facts.startTime,
    end_time: facts.endTime,
    duration_ms: facts.durationMs,
    accumulators: facts.accumulators,
    savepoint: facts.savepoint,
    web_url: facts.webUrl,
    flink_version: facts.flinkVersion,
  };
}

export const LONGEST_STACK = 16 * 1024;

export function isUnknownJob(error: unknown): boolean {
  return error instanceof FlinkApiError && error.code === 'FLINK_JOB_NOT_FOUND';
}

/** The job's page in Flink's dashboard. */
export function webUrlOf(
  plan: { readonly url: string; readonly jobId: string },
  list: 'running' | 'completed',
): string {
  return `${plan.url}/#/job/${list}/${plan.jobId}/overview`;
}
