import type { FlinkClient } from '../client/client.ts';
import { again, fail, succeed, textOf, type Flow } from './flow.ts';
import { askToEnd, isEndedAnyway, stateOf, TERMINAL } from './states.ts';

/** flink.cancel (spec/flink.md §3.2): asks, and waits for the end. A job that is over already is a success. */
export const cancelFlow: Flow = {
  name: 'cancel',
  timeoutSeconds: 60,
  onStop: 'leave',
  async step({ input, facts, client, signal }) {
    const jobId = textOf(input, 'job_id') ?? '';
    const state = await stateOf(client, jobId, signal);
    if (state === null)
      return facts.asked === true
        ? { kind: 'unknown', reason: `Flink does not know job ${jobId} any more.` }
        : fail('UNKNOWN', 'FLINK_JOB_NOT_FOUND', `Flink does not know job ${jobId}.`, { job_id: jobId });
    if (TERMINAL.has(state))
      return succeed(state, { job_id: jobId, state, already: facts.asked !== true || state !== 'CANCELED' });
    if (facts.asked === true && state === 'CANCELLING') return again(state, undefined, 500);
    if (input.cancel_via === 'yarn-proxy') await throughYarn(client, jobId, signal);
    else await askToEnd(client, jobId, signal);
    return again(state, { asked: true }, 300);
  },
};

async function throughYarn(client: FlinkClient, jobId: string, signal: AbortSignal): Promise<void> {
  await client.jobs.yarnCancel(jobId, { signal }).catch((error: unknown) => {
    if (!isEndedAnyway(error)) throw error;
  });
}
