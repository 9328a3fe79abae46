import { stringifyJson, type JsonObject } from '../../../dsl/json.ts';
import { toText } from '../../inputs.ts';
import type { CancelOutcome, FindOutcome, SubmitOutcome } from '../../jobs/backend.ts';
import { batchFields, deleteWithLog, lookOfBatch, wrongFile } from './batches.ts';
import { objectOf, textOf } from './client.ts';
import type { SparkClient } from './client.ts';
import { SparkApiError } from './errors.ts';
import { callFailed } from './failures.ts';
import { refused } from '../outcome.ts';
import { LIVY_SUBMIT } from './livy-endpoints.ts';
import { linesOf } from './log-text.ts';
import { toServerInput } from './submit-input.ts';
import type { Look, RunCall, SubmitCall, SystemRuns } from './runs.ts';

/** `livy.run`: a batch whose name carries our key, so that Livy refuses it a second time (spec/spark.md §4, §8.5). */
export const livyRuns: SystemRuns = {
  system: 'livy',
  backend: 'spark-livy',
  refusesDuplicates: true,
  pollMs: { first: 2000, longest: 10_000 },
  wrongInput: wrongFile,
  nameOf: (input, key) => `${textOf(input.name) ?? 'tramontane'}-${key.slice(0, 12)}`,
  submit: async ({ client, input, plan }) => {
    const fields = batchFields(input, LIVY_SUBMIT);
    const args = Array.isArray(input.args) ? input.args.map((one) => toText(one)) : null;
    const answer = objectOf(await client.call('livy.batches.create', { ...fields, args, name: plan.name }));
    return { externalId: idOf(answer) };
  },
  judge,
  find,
  look,
  log,
  cancel,
};

/** Log lines that Livy writes itself, into every batch that has really begun. */
const FIRST_LINES = /^\s*(?:stdout|stderr): $/;
const GHOST_MS = 10_000;

async function judge(error: unknown, { client, plan, signal }: SubmitCall): Promise<SubmitOutcome | null> {
  if (!(error instanceof SparkApiError)) return null;
  // A word where a number belongs is a 500, and no less final.
  if (error.status !== 400 && !/ClassCastException|IllegalArgumentException/.test(error.text)) return null;
  if (/Duplicate session name/i.test(error.reason))
    return { kind: 'unclear', reason: `Livy has a batch named ${plan.name} already.` };
  if (error.retryable) return null;
  // What Livy refuses for its content leaves an entry under the name, starting for ever (spec/spark.md §4.3).
  await removeGhost(client, plan.name ?? '', signal);
  return { kind: 'refused', result: callFailed(error, 'livy') };
}

async function removeGhost(client: SparkClient, name: string, signal: AbortSignal): Promise<void> {
  try {
    const row = objectOf(await client.call('livy.batches.get', { id: name }, signal));
    if (isGhost(row)) await client.call('livy.batches.delete', { id: name }, signal);
  } catch {
    // There is none, or it stays: its name is never used again.
  }
}

function isGhost(row: ReturnType<typeof objectOf>): boolean {
  return row.state === 'starting' && Array.isArray(row.log) && row.log.length === 0;
}

async function find({ client, plan, signal }: SubmitCall, lookingMs: number): Promise<FindOutcome> {
  let row: ReturnType<typeof objectOf>;
  try {
    row = objectOf(await client.call('livy.batches.get', { id: plan.name }, signal));
  } catch (error) {
    // A second POST under the name is refused if the first one arrives late.
    if (error instanceof SparkApiError && error.status === 404) return { kind: 'absent' };
    throw error;
  }
  if (isGhost(row)) {
    if (lookingMs < GHOST_MS) return { kind: 'looking', reason: 'The batch is starting, and has no log yet.' };
    await client.call('livy.batches.delete', { id: plan.name }, signal);
    return { kind: 'absent' };
  }
  if (textOf(row.name) === null)
    return {
      kind: 'ended',
      result: refused(
        'SPARK_AMBIGUOUS',
        'This Livy does not tell names, so nobody knows whether the batch was started.',
        'livy',
      ),
    };
  return { kind: 'found', update: { externalId: idOf(row) } };
}

async function look({ client, job, plan, signal }: RunCall): Promise<Look> {
  const row = objectOf(await client.call('livy.batches.get', { id: job.externalId }, signal));
  const word = (textOf(row.state) ?? 'unknown').toLowerCase();
  const appId = textOf(row.appId);
  // After a restart ids begin at 0 again: the number may be somebody else's by now.
  if (plan.notes.foreign !== true && textOf(row.name) !== null && row.name !== plan.name)
    return {
      kind: 'unknown',
      reason: `Livy's batch ${job.externalId ?? ''} is named ${textOf(row.name) ?? ''} now, not ${plan.name ?? ''}.`,
    };
  if (job.appId !== null && appId !== null && appId !== job.appId)
    return {
      kind: 'unknown',
      reason: `Livy's batch ${job.externalId ?? ''} is application ${appId} now, not ${job.appId}.`,
    };
  return lookOfBatch({ word, appId, uiUrl: textOf(objectOf(row.appInfo).sparkUiUrl) });
}

async function log({ client, job, plan, signal }: RunCall): Promise<readonly string[]> {
  const answer = objectOf(await client.call('livy.batches.log', { id: job.externalId, from: 0, size: -1 }, signal));
  const own = Array.isArray(answer.log) ? answer.log.filter((line) => !FIRST_LINES.test(String(line))) : [];
  return linesOf(own, plan.logLines);
}

/** The deletion waits for the kill. */
function cancel(call: RunCall): Promise<CancelOutcome> {
  return deleteWithLog('livy.batches.delete', call, log(call));
}

function idOf(row: ReturnType<typeof objectOf>): string {
  if (typeof row.id === 'number') return String(row.id);
  throw new Error(`Livy's answer names no batch: ${stringifyJson(row).slice(0, 200)}`);
}

/** The inputs of spark.submit as Livy's. */
export function toLivyInput(input: JsonObject): JsonObject {
  return toServerInput(input, 'class_name', LIVY_SUBMIT);
}
