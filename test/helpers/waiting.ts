import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionRecord, RestClient } from './rest-client.ts';

/** Asks again and again until the answer is something; rejects, naming `what`, when the time is over. */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T | null | undefined | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    if (Date.now() > end) throw new Error(`Waited ${timeoutMs / 1000} s in vain for ${what}.`);
    await sleep(50);
  }
}

/** The execution once it is SUCCESS, ERROR or CANCELLED. */
export function waitForEnd(client: RestClient, id: string, timeoutMs = 60_000): Promise<ExecutionRecord> {
  const isFinal = (state: string) => state === 'SUCCESS' || state === 'ERROR' || state === 'CANCELLED';
  return waitFor(
    `the end of execution ${id}`,
    async () => {
      const execution = await client.execution(id);
      return isFinal(execution.state) && execution;
    },
    timeoutMs,
  );
}
