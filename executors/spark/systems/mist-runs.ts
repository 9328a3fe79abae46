import { stringifyJson, type Json } from '../../../dsl/json.ts';
import { toNumber } from '../../inputs.ts';
import type { CancelOutcome, FindOutcome } from '../../jobs/backend.ts';
import { givenOf, objectOf, objectsOf, textOf } from './client.ts';
import { linesOf } from './log-text.ts';
import { withNotes } from './run-plan.ts';
import type { Look, RunCall, SubmitCall, SystemRuns } from './runs.ts';

/** `mist.run`: a function call on an endpoint, found again by its `externalId` (spec/spark.md §2, §8.5). */
export const mistRuns: SystemRuns = {
  system: 'mist',
  backend: 'spark-mist',
  refusesDuplicates: false,
  pollMs: { first: 2000, longest: 15_000 },
  wrongInput: () => null,
  nameOf: (input) => textOf(input.endpoint),
  submit: async (call) => {
    const { input } = call;
    const answer = await call.client.call('mist.endpoints.start_job', {
      id: input.endpoint ?? null,
      external_id: call.job.key,
      ...givenOf(input, ['context', 'worker_id', 'start_timeout', 'perform_timeout', 'args']),
    });
    const id = textOf(objectOf(answer).id);
    if (id === null) throw new Error(`Mist's answer names no job: ${stringifyJson(answer).slice(0, 200)}`);
    return { externalId: id };
  },
  find,
  look,
  log,
  cancel,
};

const PAGE = 100;
/** A server that answers every page alike must not be asked for ever. */
const MOST = 100 * PAGE;
/** Clocks differ, and a job is as old as its call. */
const EARLIER_MS = 300_000;
const LOOK_FOR_MS = 10_000;

async function find({ client, job, input, signal }: SubmitCall, lookingMs: number): Promise<FindOutcome> {
  const oldest = (job.submitStartedAtMs ?? job.createdAtMs) - EARLIER_MS;
  for (let offset = 0; offset < MOST; offset += PAGE) {
    const page = objectsOf(
      await client.call('mist.endpoints.jobs', { id: input.endpoint ?? null, limit: PAGE, offset }, signal),
    );
    const ours = page.find((one) => one.externalId === job.key);
    const id = textOf(ours?.jobId);
    if (id !== null) return { kind: 'found', update: { externalId: id } };
    const last = page.at(-1);
    if (page.length < PAGE || last === undefined || (toNumber(last.createTime ?? null) ?? 0) < oldest) break;
  }
  return lookingMs < LOOK_FOR_MS ? { kind: 'looking', reason: 'Mist does not know the job yet.' } : { kind: 'absent' };
}

async function look({ client, job, plan, signal }: RunCall): Promise<Look> {
  const row = objectOf(await client.call('mist.jobs.get', { id: job.externalId }, signal));
  const word = textOf(row.status) ?? 'unknown';
  if (plan.notes.foreign !== true && textOf(row.externalId) !== null && row.externalId !== job.key)
    return { kind: 'unknown', reason: `Mist's job ${job.externalId ?? ''} belongs to somebody else.` };
  const facts = {
    word,
    startedAtMs: toNumber(row.startTime ?? null),
    finishedAtMs: toNumber(row.endTime ?? null),
    uiUrl: job.url ?? (await sparkUiOf(client, textOf(row.workerId), word, signal)),
  };
  switch (word) {
    case 'finished':
      return { kind: 'success', ...facts, result: row.jobResult ?? null };
    case 'failed':
      return failed(row.jobResult ?? null, facts);
    case 'canceled':
    case 'cancelled':
      return { kind: 'killed', ...facts };
    default:
      return { kind: 'live', pending: word === 'initialized' || word === 'queued', ...facts };
  }
}

/** A restart of the master marks every live job as failed with this text: that says nothing about the job (spec/spark.md §2.4). */
function failed(jobResult: Json, facts: { readonly word: string }): Look {
  const reason = typeof jobResult === 'string' ? jobResult : stringifyJson(jobResult);
  if (/^(?:\S+: )?Worker was stopped/.test(reason)) return { kind: 'lost', ...facts, reason: `Mist: ${reason}` };
  return {
    kind: 'failed',
    ...facts,
    reason: reason.split('\n')[0] ?? '',
    extra: { mist_error: reason.slice(0, 16_384) },
  };
}

async function sparkUiOf(
  client: RunCall['client'],
  workerId: string | null,
  word: string,
  signal: AbortSignal,
): Promise<string | null> {
  if (workerId === null || word !== 'started') return null;
  // Only for people, and 0.13.0 does not have it.
  const worker = await client.call('mist.workers.get', { id: workerId }, signal).catch(() => null);
  return textOf(objectOf(worker).sparkUi);
}

async function log({ client, job, plan, signal }: RunCall): Promise<readonly string[]> {
  return linesOf(await client.call('mist.jobs.logs', { id: job.externalId }, signal), plan.logLines);
}

/** After the time to give way, the worker goes too, if it works for this job alone. */
async function cancel({ client, job, plan, signal, nowMs }: RunCall): Promise<CancelOutcome> {
  if (plan.notes.cancelled !== true) {
    await client.call('mist.jobs.cancel', { id: job.externalId }, signal);
    return { update: { data: withNotes(plan, { cancelled: true }) } };
  }
  const isLate = nowMs - (job.cancel?.atMs ?? nowMs) >= plan.killGraceMs;
  if (!isLate || plan.notes.worker_stopped === true) return {};
  const row = objectOf(await client.call('mist.jobs.get', { id: job.externalId }, signal));
  const context = objectOf(
    await client.call('mist.contexts.get', { id: textOf(row.context) ?? 'default' }, signal).catch(() => null),
  );
  const workerId = textOf(row.workerId);
  if (workerId !== null && context.workerMode === 'exclusive')
    await client.call('mist.workers.stop', { id: workerId }, signal);
  return { update: { data: withNotes(plan, { worker_stopped: true }) } };
}
