import type { CancelOutcome, JobContext } from '../jobs/backend.ts';
import type { FlinkClient } from './client/client.ts';
import { FlinkApiError } from './client/errors.ts';
import { makeSavepoint, type SavepointRun } from './flows/savepoint.ts';
import { askToEnd } from './flows/states.ts';
import { isUnknownJob } from './outcome.ts';
import { fromJarPlan, type JarPlan } from './plan.ts';

/**
 * One push towards the end of a job (spec/flink.md §3.1): PATCH, or a stop with savepoint under a trigger id of ours, so that a repeat
 * starts no second one. A stop that fails or takes longer than `stop_timeout` falls back to PATCH unless the input forbids it.
 */
export async function cancelJob(plan: JarPlan, context: JobContext, client: FlinkClient): Promise<CancelOutcome> {
  if (plan.onCancel === 'stop' && plan.savepoint === null && plan.stopFailed === null)
    return stopWithSavepoint(plan, context, client);
  // A stop that has made its savepoint ends the job by itself.
  if (plan.savepoint !== null || (plan.stopFailed !== null && !plan.cancelFallback)) return {};
  await askToEnd(client, plan.jobId, context.signal);
  return {};
}

async function stopWithSavepoint(plan: JarPlan, context: JobContext, client: FlinkClient): Promise<CancelOutcome> {
  const since = plan.stopSinceMs ?? context.nowMs;
  if (context.nowMs - since > plan.stopTimeoutMs)
    return failed(plan, `The stop with savepoint took more than ${plan.stopTimeoutMs / 1000} seconds.`);
  try {
    const made = await makeSavepoint(stopRun({ ...plan, stopSinceMs: since }, context, client), 'stop');
    if (made.kind === 'made' && made.failure !== null) return failed(plan, made.failure.message);
    if (made.kind === 'made') return { update: { data: fromJarPlan({ ...plan, savepoint: made.location }) } };
    const stopFacts = made.step.facts ?? plan.stopFacts;
    return {
      update: { data: fromJarPlan({ ...plan, stopSinceMs: since, stopFacts }) },
      ...(made.step.afterMs !== undefined && { againMs: made.step.afterMs }),
    };
  } catch (error) {
    // In a fail-over the job is unknown for a while; whether it is lost the next look decides.
    if (!(error instanceof FlinkApiError) || error.retryable || isUnknownJob(error)) throw error;
    return failed(plan, error.rootCause);
  }
}

/** The stop of a job of ours, as flink.stop would make it. */
export function stopRun(plan: JarPlan, context: JobContext, client: FlinkClient): SavepointRun {
  return {
    client,
    facts: plan.stopFacts,
    input: { job_id: plan.jobId, target_directory: plan.savepointDir, drain: plan.drain },
    signal: context.signal,
    nowMs: context.nowMs,
    startedMs: plan.stopSinceMs ?? context.nowMs,
    triggerId: plan.triggerId,
  };
}

function failed(plan: JarPlan, reason: string): CancelOutcome {
  return { update: { data: fromJarPlan({ ...plan, stopFailed: reason }) }, againMs: 0 };
}
