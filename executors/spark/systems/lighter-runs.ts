import { stringifyJson, type JsonObject } from '../../../dsl/json.ts';
import type { CancelOutcome, FindOutcome } from '../../jobs/backend.ts';
import { batchFields, deleteWithLog, logAt, lookOfBatch, wrongFile } from './batches.ts';
import { objectOf, objectsOf, textOf } from './client.ts';
import { LIGHTER_SUBMIT } from './lighter-endpoints.ts';
import { toServerInput } from './submit-input.ts';
import type { Look, RunCall, SubmitCall, SystemRuns } from './runs.ts';

/** Stored by Lighter, never handed to Spark (spec/spark.md §8.5). */
const KEY_CONF = 'lighter.submission.key';

/** `lighter.run`: a batch, found again by a configuration key of ours (spec/spark.md §3). */
export const lighterRuns: SystemRuns = {
  system: 'lighter',
  backend: 'spark-lighter',
  refusesDuplicates: false,
  // Lighter itself looks every 30 seconds.
  pollMs: { first: 5000, longest: 15_000 },
  wrongInput: wrongFile,
  nameOf: (input) => textOf(input.name),
  submit: async ({ client, input, job }) => {
    const fields = batchFields(input, LIGHTER_SUBMIT);
    const conf = objectOf(input.conf);
    const answer = objectOf(
      await client.call('lighter.batches.create', { ...fields, conf: { ...conf, [KEY_CONF]: job.key } }),
    );
    const id = textOf(answer.id);
    if (id === null) throw new Error(`Lighter's answer names no batch: ${stringifyJson(answer).slice(0, 200)}`);
    return { externalId: id };
  },
  find,
  look,
  log: (call) => logAt('lighter.batches.log', call),
  cancel,
};

const PAGE = 100;
const MOST = 100 * PAGE;
const LOOK_FOR_MS = 10_000;

/** Its times are local and without zone, so they may be off by half a day. */
const EARLIER_MS = 15 * 3_600_000;

/** Before 0.1.6 `search` is ignored and all batches come, newest first: pages are read until they are older than the submit. */
async function find({ client, job, signal }: SubmitCall, lookingMs: number): Promise<FindOutcome> {
  const oldest = (job.submitStartedAtMs ?? job.createdAtMs) - EARLIER_MS;
  for (let from = 0; from < MOST; from += PAGE) {
    const answer = objectOf(await client.call('lighter.batches.list', { from, size: PAGE, search: job.key }, signal));
    const page = objectsOf(answer.applications);
    const ours = page.find((one) => objectOf(objectOf(one.submitParams).conf)[KEY_CONF] === job.key);
    const id = textOf(ours?.id);
    if (id !== null) return { kind: 'found', update: { externalId: id } };
    const createdAt = Date.parse(`${(textOf(page.at(-1)?.createdAt) ?? '').slice(0, 19)}Z`);
    if (page.length < PAGE || createdAt < oldest) break;
  }
  return lookingMs < LOOK_FOR_MS
    ? { kind: 'looking', reason: 'Lighter does not know the batch yet.' }
    : { kind: 'absent' };
}

async function look({ client, job, signal }: RunCall): Promise<Look> {
  const row = objectOf(await client.call('lighter.batches.get', { id: job.externalId }, signal));
  const word = (textOf(row.state) ?? 'unknown').toLowerCase();
  return lookOfBatch({
    word,
    appId: textOf(row.appId),
    startedAtMs: null,
    finishedAtMs: timeOf(textOf(row.finishedAt)),
  });
}

/** Lighter's times are local and without zone: only those that name one are taken. */
function timeOf(text: string | null): number | null {
  const isClear = text !== null && /(?:Z|[+-]\d\d:?\d\d)$/.test(text);
  const time = isClear ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}

/** While a batch is starting a deletion may find no driver, and the application runs on unseen (spec/spark.md §3.3). */
const STARTING_MS = 60_000;

async function cancel(call: RunCall): Promise<CancelOutcome> {
  const { client, job, signal, nowMs } = call;
  const row = objectOf(await client.call('lighter.batches.get', { id: job.externalId }, signal));
  const isStarting = row.state === 'starting' && textOf(row.appId) === null;
  if (isStarting && nowMs - (job.cancel?.atMs ?? nowMs) < STARTING_MS) return { againMs: 2000 };
  return deleteWithLog('lighter.batches.delete', call, logAt('lighter.batches.log', call));
}

/** The inputs of spark.submit as Lighter's. */
export function toLighterInput(input: JsonObject): JsonObject {
  return toServerInput(input, 'main_class', LIGHTER_SUBMIT);
}
