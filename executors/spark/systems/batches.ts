import type { JsonObject } from '../../../dsl/json.ts';
import type { CancelOutcome } from '../../jobs/backend.ts';
import { givenOf, objectOf } from './client.ts';
import type { Parameter } from './endpoint.ts';
import { SparkApiError } from './errors.ts';
import { linesOf } from './log-text.ts';
import { fromRemotePlan } from './run-plan.ts';
import type { Look, LookFacts, RunCall } from './runs.ts';

/** What batches and sessions of Livy and Lighter have in common. */

export function wrongFile(input: JsonObject): string | null {
  return typeof input.file === 'string' && input.file !== ''
    ? null
    : 'file must be the path or address of the application.';
}

export function batchFields(input: JsonObject, fields: readonly Parameter[]): JsonObject {
  return givenOf(input, ['file', ...fields.map(({ name }) => name)]);
}

/** A batch's state (spec/spark.md §8.4). */
export function lookOfBatch(facts: LookFacts): Look {
  switch (facts.word) {
    case 'success':
      return { kind: 'success', ...facts };
    case 'dead':
    case 'error':
      return { kind: 'failed', ...facts, reason: `The batch ended as ${facts.word}` };
    case 'killed':
      return { kind: 'killed', ...facts };
    default:
      return { kind: 'live', pending: /^(?:not_started|starting|recovering)$/.test(facts.word), ...facts };
  }
}

/** The log at this endpoint; none where there is none yet. */
export async function logAt(endpoint: string, { client, job, plan, signal }: RunCall): Promise<readonly string[]> {
  try {
    const answer = objectOf(await client.call(endpoint, { id: job.externalId }, signal));
    return linesOf(answer.log ?? null, plan.logLines);
  } catch (error) {
    if (error instanceof SparkApiError && error.status === 404) return [];
    throw error;
  }
}

/** A deletion takes the log with it, so the log is read first. */
export async function deleteWithLog(
  endpoint: string,
  { client, job, plan, signal }: RunCall,
  log: Promise<readonly string[]>,
): Promise<CancelOutcome> {
  const keptLog = await log.catch((): readonly string[] => []);
  await client.call(endpoint, { id: job.externalId }, signal);
  return { update: { data: fromRemotePlan({ ...plan, keptLog }) }, againMs: 0 };
}
