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
