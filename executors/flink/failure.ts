import type { Json } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { rootCauseOf } from './client/errors.ts';
import type { FlinkClient } from './client/client.ts';
import type { AnswerOf } from './client/methods.ts';
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
  const answer = await client.jobs.getExceptions(jobId, { maxExceptions: 5, signal });
  const [entry] = answer.exceptionHistory?.entries ?? [];
  if (entry !== undefined) return causeOfEntry(entry);
  const root = answer['root-exception'] ?? '';
  if (root !== '') return { ...NO_CAUSE, exception: classIn(root), stack: root, timestamp: answer.timestamp ?? null };
  const result = (await client.jobs.getExecutionResult(jobId, { signal }))['job-execution-result'];
  const cause = result?.['failure-cause'];
  return cause === undefined ? NO_CAUSE : { ...NO_CAUSE, exception: cause.class, stack: cause['stack-trace'] };
}

type Entry = NonNullable<AnswerOf<'jobs.getExceptions'>['exceptionHistory']>['entries'][number];

function causeOfEntry(entry: Entry): Cause {
  // A failure of the whole job names its task only in the entries beside it.
  const place = [entry, ...(entry.concurrentExceptions ?? [])].find(({ taskName }) => (taskName ?? '') !== '') ?? entry;
  return {
    exception: entry.exceptionName,
    stack: entry.stacktrace ?? '',
    task: place.taskName ?? null,
    endpoint: place.endpoint ?? place.location ?? null,
    timestamp: entry.timestamp,
    labels: entry.failureLabels ?? null,
  };
}

function classIn(stack: string): string | null {
  return /^([\w.$]+)(?::|\s|$)/.exec(stack)?.[1] ?? null;
}
