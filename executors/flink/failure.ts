import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { rootCauseOf } from './client/errors.ts';
import type { FlinkClient } from './client/client.ts';
import { LONGEST_STACK } from './outcome.ts';

/**
 * Why a job failed (spec/flink.md §3.1): the newest entry of the exception history, else `root-exception` (until 1.20), else the
 * execution result's cause. That the cause cannot be read must not hide the failure.
 */
export async function failureOf(
  client: FlinkClient,
  job: { readonly jobId: string; readonly state: string; readonly name: string | null; readonly webUrl: string },
  signal: AbortSignal,
): Promise<ActionResult> {
  const cause = await readCause(client, job.jobId, signal).catch(() => NO_CAUSE);
  const rootCause = cause.stack === '' ? null : rootCauseOf(cause.stack);
  const what = `Flink job ${job.name ?? job.jobId} ended as ${job.state}`;
  return {
    kind: 'error',
    retryable: false,
    output: {
      code: job.state === 'CANCELED' ? 'FLINK_JOB_CANCELED' : 'FLINK_JOB_FAILED',
      message: rootCause === null ? `${what}.` : `${rootCause} (${what})`,
      job_id: job.jobId,
      state: job.state,
      exception: cause.exception,
      root_cause: rootCause,
      task: cause.task,
      endpoint: cause.endpoint,
      timestamp: cause.timestamp,
      failure_labels: cause.labels,
      stack: cause.stack.slice(0, LONGEST_STACK),
      web_url: job.webUrl,
      retryable: false,
    },
  };
}

interface Cause {
  readonly exception: string | null;
  readonly stack: string;
  readonly task: string | null;
  readonly endpoint: string | null;
  readonly timestamp: Json;
  readonly labels: Json;
}

const NO_CAUSE: Cause = { exception: null, stack: '', task: null, endpoint: null, timestamp: null, labels: null };

async function readCause(client: FlinkClient, jobId: string, signal: AbortSignal): Promise<Cause> {
  const answer = await client.jobs.getExceptions(jobId, { maxExceptions: 5 }, signal);
  const history = isJsonObject(answer.exceptionHistory) ? answer.exceptionHistory.entries : null;
  const entry = Array.isArray(history) ? history[0] : null;
  if (isJsonObject(entry)) return causeOfEntry(entry);
  const root = answer['root-exception'];
  if (typeof root === 'string' && root !== '')
    return { ...NO_CAUSE, exception: classIn(root), stack: root, timestamp: answer.timestamp ?? null };
  const result = (await client.jobs.getExecutionResult(jobId, signal))['job-execution-result'];
  const cause = isJsonObject(result) ? result['failure-cause'] : null;
  if (!isJsonObject(cause)) return NO_CAUSE;
  return { ...NO_CAUSE, exception: textOf(cause.class), stack: textOf(cause['stack-trace']) ?? '' };
}

function causeOfEntry(entry: JsonObject): Cause {
  const others = Array.isArray(entry.concurrentExceptions) ? entry.concurrentExceptions.filter(isJsonObject) : [];
  // A failure of the whole job names its task only in the entries beside it.
  const place = [entry, ...others].find((one) => textOf(one.taskName) !== null) ?? entry;
  return {
    exception: textOf(entry.exceptionName),
    stack: textOf(entry.stacktrace) ?? '',
    task: textOf(place.taskName),
    endpoint: textOf(place.endpoint) ?? textOf(place.location),
    timestamp: entry.timestamp ?? null,
    labels: entry.failureLabels ?? null,
  };
}

function classIn(stack: string): string | null {
  return /^([\w.$]+)(?::|\s|$)/.exec(stack)?.[1] ?? null;
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
