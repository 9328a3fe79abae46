import { FlinkApiError } from '../client/errors.ts';
import { FEATURES } from '../client/endpoints.ts';
import type { FlinkClient } from '../client/client.ts';

/** SUSPENDED is terminal only for one JobManager: the job goes on elsewhere (spec/flink.md §1.3). */
export const TERMINAL: ReadonlySet<string> = new Set(['FINISHED', 'FAILED', 'CANCELED']);

/** The state, not from the cache where the version has such a route; null for a job that the cluster does not know. */
export async function stateOf(client: FlinkClient, jobId: string, signal: AbortSignal): Promise<string | null> {
  try {
    const version = await client.version(signal);
    return version.atLeast(FEATURES.status)
      ? await client.jobs.getStatus(jobId, { signal })
      : (await client.jobs.get(jobId, { signal })).state;
  } catch (error) {
    if (error instanceof FlinkApiError && error.code === 'FLINK_JOB_NOT_FOUND') return null;
    throw error;
  }
}

/** Asks the job to end. One that is over meanwhile, is not known, or takes long to be asked is no error: the next look tells. */
export async function askToEnd(client: FlinkClient, jobId: string, signal: AbortSignal): Promise<void> {
  try {
    await client.jobs.terminate(jobId, { signal });
  } catch (error) {
    if (!isEndedAnyway(error)) throw error;
  }
}

export function isEndedAnyway(error: unknown): boolean {
  return error instanceof FlinkApiError && ENDED_ANYWAY.has(error.code);
}

const ENDED_ANYWAY: ReadonlySet<string> = new Set([
  'FLINK_JOB_ALREADY_TERMINATED',
  'FLINK_JOB_NOT_FOUND',
  'FLINK_TIMEOUT_IN_SERVER',
]);
