import type { CancelOutcome, JobContext } from '../jobs/backend.ts';
import type { FlinkClient } from './client/client.ts';
import { FlinkApiError, rootCauseOf } from './client/errors.ts';
import { fromJarPlan, type JarPlan } from './plan.ts';

/**
 * One push towards the end of a job (spec/flink.md §3.1): PATCH, or a stop with savepoint under a trigger id of ours, so that a repeat
 * starts no second one. A stop that fails or takes more than ten minutes falls back to PATCH unless the input forbids it.
 */
export async function cancelJob(plan: JarPlan, context: JobContext, client: FlinkClient): Promise<CancelOutcome> {
  if (plan.onCancel === 'stop' && plan.savepoint === null && plan.stopFailed === null)
    return stopWithSavepoint(plan, context, client);
  // A stop that has made its savepoint ends the job by itself.
  if (plan.savepoint !== null || (plan.stopFailed !== null && !plan.cancelFallback)) return {};
  try {
    await client.jobs.terminate(plan.jobId, { signal: context.signal });
  } catch (error) {
    // Over already, or not known (the state tells which), or too slow: the next look decides.
    if (!(error instanceof FlinkApiError) || !ENDED_ANYWAY.has(error.code)) throw error;
  }
  return {};
}

async function stopWithSavepoint(plan: JarPlan, context: JobContext, client: FlinkClient): Promise<CancelOutcome> {
  const since = plan.stopSinceMs ?? context.nowMs;
  if (plan.stopSinceMs === null) {
    const body = {
      drain: plan.drain,
      triggerId: plan.triggerId,
      ...(plan.savepointDir !== null && { targetDirectory: plan.savepointDir }),
    };
    try {
      await client.jobs.stop(plan.jobId, { ...body, signal: context.signal });
    } catch (error) {
      if (!(error instanceof FlinkApiError) || error.retryable) throw error;
      return failed(plan, error.rootCause);
    }
    return { update: { data: fromJarPlan({ ...plan, stopSinceMs: since }) }, againMs: 500 };
  }
  if (context.nowMs - since > STOP_TIMEOUT_MS)
    return failed(plan, 'The stop with savepoint took more than 10 minutes.');
  const savepoint = await client.jobs
    .getSavepoint(plan.jobId, plan.triggerId, { signal: context.signal })
    .catch((error: unknown) => {
      // The trigger's memory is lost with its JobManager: ask again under the same id.
      if (error instanceof FlinkApiError && error.code === 'FLINK_TRIGGER_UNKNOWN') return null;
      throw error;
    });
  if (savepoint === null) return { update: { data: fromJarPlan({ ...plan, stopSinceMs: null }) } };
  switch (savepoint.status) {
    case 'IN_PROGRESS':
      return {};
    case 'COMPLETED':
      return { update: { data: fromJarPlan({ ...plan, savepoint: savepoint.value }) } };
    case 'FAILED':
      return failed(plan, rootCauseOf(savepoint.cause.stack));
  }
}

function failed(plan: JarPlan, reason: string): CancelOutcome {
  return { update: { data: fromJarPlan({ ...plan, stopFailed: reason }) }, againMs: 0 };
}

const ENDED_ANYWAY: ReadonlySet<string> = new Set([
  'FLINK_JOB_ALREADY_TERMINATED',
  'FLINK_JOB_NOT_FOUND',
  'FLINK_TIMEOUT_IN_SERVER',
]);
const STOP_TIMEOUT_MS = 600_000;
