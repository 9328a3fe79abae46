import { FlinkApiError, rootCauseOf } from '../client/errors.ts';
import { LONGEST_STACK } from '../outcome.ts';
import { again, fail, succeed, textOf, type Flow } from './flow.ts';
import { triedTooSoon, triggerOf } from './savepoint.ts';

/** flink.checkpoint (spec/flink.md §3.2); Flink 1.17 or later. */
export const checkpointFlow: Flow = {
  name: 'checkpoint',
  timeoutSeconds: 600,
  onStop: 'leave',
  async step(run) {
    const { input, facts, client, signal, nowMs, startedMs } = run;
    const jobId = textOf(input, 'job_id') ?? '';
    const trigger = textOf(facts, 'trigger_id');
    if (trigger === null) {
      const { type } = input;
      const started = await client.jobs.createCheckpoint(jobId, {
        ...((type === 'FULL' || type === 'CONFIGURED') && { checkpointType: type }),
        triggerId: triggerOf(run),
        signal,
      });
      return again('IN_PROGRESS', { ...facts, trigger_id: started }, 200);
    }
    const result = await client.jobs.getCheckpoint(jobId, trigger, { signal }).catch(forgotten);
    // Forgotten in a fail-over: one more checkpoint does no harm.
    if (result === null) return again('TRIGGERING', { ...facts, trigger_id: null }, 1000);
    if (result.status === 'IN_PROGRESS') return again('IN_PROGRESS', undefined, 500);
    if (result.status === 'FAILED')
      return (
        (await triedTooSoon(run, jobId, result.cause.stack)) ??
        failed('FLINK_CHECKPOINT_FAILED', 'checkpoint', result.cause.stack, { job_id: jobId })
      );
    const details = await client.jobs.getCheckpointDetails(jobId, result.value, { signal }).catch(() => null);
    return succeed('COMPLETED', {
      job_id: jobId,
      checkpoint_id: result.value,
      external_path: details?.external_path ?? null,
      duration_ms: nowMs - startedMs,
    });
  },
};

/** flink.dispose_savepoint (spec/flink.md §3.2). */
export const disposeFlow: Flow = {
  name: 'dispose_savepoint',
  timeoutSeconds: 600,
  onStop: 'leave',
  async step({ input, facts, client, signal }) {
    const path = textOf(input, 'path') ?? '';
    const trigger = textOf(facts, 'trigger_id');
    if (trigger === null) {
      const started = await client.savepoints.dispose({ savepointPath: path, signal });
      return again('IN_PROGRESS', { ...facts, trigger_id: started }, 200);
    }
    const result = await client.savepoints.getDisposal(trigger, { signal }).catch(forgotten);
    if (result === null) return again('TRIGGERING', { repeated: true }, 1000);
    if (result.status === 'IN_PROGRESS') return again('IN_PROGRESS', undefined, 500);
    // The first of two may have done it.
    const isGone =
      result.status === 'FAILED' && facts.repeated === true && /FileNotFoundException/.test(result.cause.stack);
    if (result.status === 'COMPLETED' || isGone) return succeed('COMPLETED', { path });
    return failed('FLINK_DISPOSAL_FAILED', 'disposal', result.cause.stack, { path });
  },
};

function forgotten(error: unknown): null {
  if (error instanceof FlinkApiError && error.code === 'FLINK_TRIGGER_UNKNOWN') return null;
  throw error;
}

function failed(code: string, what: string, stack: string, about: { readonly [key: string]: string }) {
  const message = rootCauseOf(stack);
  return fail('FAILED', code, `The ${what} failed: ${message}`, {
    ...about,
    root_cause: message,
    stack: stack.slice(0, LONGEST_STACK),
  });
}
