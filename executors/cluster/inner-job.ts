import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { toNumber } from '../inputs.ts';
import type {
  GivingUp,
  Job,
  JobBackend,
  JobCancel,
  JobContext,
  JobPhase,
  JobRequest,
  JobUpdate,
} from '../jobs/backend.ts';
import { keyOf } from '../jobs/key.ts';

/** The record of a job that another job runs: what the watcher keeps in columns of its own stands in the other one's data. */
export interface InnerRecord
  extends Pick<
    Job,
    'key' | 'externalId' | 'appId' | 'url' | 'lastState' | 'data' | 'submitStartedAtMs' | 'submittedAtMs'
  > {
  readonly phase: Exclude<JobPhase, 'done'>;
  /** Since when the outcome of a submit is looked for, it cannot be submitted, or the job is unknown. */
  readonly sinceMs: number | null;
  readonly timeoutSeconds: number | null;
  readonly timedOutAtMs: number | null;
  readonly notFoundGraceMs: number;
}

export type InnerNews =
  | { readonly kind: 'again'; readonly state: string; readonly record: InnerRecord; readonly againMs?: number }
  | {
      readonly kind: 'over';
      readonly state: string;
      readonly result: ActionResult;
      readonly logTail?: readonly string[];
    };

/** The inner job as it stands, and who steps it. */
interface Step {
  readonly job: Job;
  readonly record: InnerRecord;
  readonly backend: JobBackend;
  readonly request: JobRequest;
  readonly context: JobContext;
}

const RETRY_FOR_MS = 120_000;
const PAUSE_MS = 2000;

/**
 * One step of a job within a job, by the watcher's own rules: the record says `submitting` before the submit is made, and an unclear one is
 * looked for, never repeated unseen (spec/spark.md §8.4).
 *
 * @param fresh jobs whose `submitting` this process has just recorded; all others were left by a crash.
 */
export async function stepInner(
  outer: Job,
  record: InnerRecord,
  backend: JobBackend,
  request: JobRequest,
  context: JobContext,
  fresh: Set<string>,
): Promise<InnerNews> {
  const step: Step = { job: jobOf(outer, record), record, backend, request, context };
  switch (record.phase) {
    case 'prepared':
      return stageInner(step, fresh);
    case 'submitting':
      return fresh.delete(outer.id) ? submitInner(step) : findInner(step);
    case 'submitted':
      return watchInner(step);
  }
}

async function stageInner(step: Step, fresh: Set<string>): Promise<InnerNews> {
  const { job, record, backend, request, context } = step;
  if (job.cancel !== null) return stopped(step);
  const staged = await backend.stage?.(job, request, context);
  switch (staged?.kind) {
    case 'refused':
      return { kind: 'over', state: 'refused', result: staged.result };
    case 'found':
      return again('submitted', submittedAt(updated(record, staged.update), context.nowMs), 0);
    case 'later':
      return later(updated(record, staged.update), staged, context);
    case 'ready':
    case undefined: {
      fresh.add(job.id);
      const next = {
        ...updated(record, staged?.update),
        phase: 'submitting',
        submitStartedAtMs: context.nowMs,
      } as const;
      return again('submitting', { ...next, sinceMs: null }, 0);
    }
  }
}

async function submitInner(step: Step): Promise<InnerNews> {
  const { job, record, backend, request, context } = step;
  if (job.cancel !== null) return stopped(step);
  const outcome = await backend
    .submit(job, request, context)
    .catch((error: unknown) => ({ kind: 'unclear', reason: String(error) }) as const);
  switch (outcome.kind) {
    case 'submitted':
      return again('submitted', submittedAt(updated(record, outcome.update), context.nowMs), 0);
    case 'refused':
      return { kind: 'over', state: 'refused', result: outcome.result };
    case 'later':
      return later({ ...updated(record, outcome.update), phase: 'prepared' }, outcome, context);
    case 'unclear':
      return again('looking', { ...record, sinceMs: context.nowMs }, 500);
  }
}

async function findInner(step: Step): Promise<InnerNews> {
  const { job, record, backend, request, context } = step;
  const since = record.sinceMs ?? context.nowMs;
  const found = await backend.find(job, request, context, context.nowMs - since);
  switch (found.kind) {
    case 'found':
      return again('submitted', submittedAt(updated(record, found.update), context.nowMs), 0);
    case 'ended':
      return { kind: 'over', state: 'ended', result: found.result };
    case 'absent':
      return again('prepared', { ...record, phase: 'prepared', sinceMs: null }, 0);
    case 'looking':
      return again('looking', { ...record, sinceMs: since }, PAUSE_MS);
  }
}

async function watchInner(step: Step): Promise<InnerNews> {
  const { job, record, backend, context } = step;
  const status = await backend.state(job, context);
  switch (status.kind) {
    case 'ended':
      return {
        kind: 'over',
        state: status.state,
        result: status.result,
        ...(status.logTail !== undefined && { logTail: status.logTail }),
      };
    case 'unknown': {
      const since = record.sinceMs ?? context.nowMs;
      if (context.nowMs - since < record.notFoundGraceMs)
        return again('unknown', { ...record, sinceMs: since }, PAUSE_MS);
      if (job.cancel !== null) return stopped(step);
      return gaveUp(step, { kind: 'lost', reason: status.reason });
    }
    case 'unreachable':
      // The watcher counts how long this lasts, and gives up in the end.
      throw new Error(status.reason);
    case 'live':
      return watchLive(
        { ...step, record: { ...updated(record, status.update), lastState: status.state, sinceMs: null } },
        status,
      );
  }
}

async function watchLive(
  { job, record, backend, context }: Step,
  status: { readonly state: string; readonly againMs?: number },
): Promise<InnerNews> {
  const limit = record.timeoutSeconds;
  const isLate = limit !== null && context.nowMs >= (record.submittedAtMs ?? context.nowMs) + limit * 1000;
  if (job.cancel === null && isLate) return again(status.state, { ...record, timedOutAtMs: context.nowMs }, 0);
  if (job.cancel === null) return again(status.state, record, status.againMs);
  // A job that would be left running by its own policy would run on a cluster that is being given back.
  const { update, againMs } = await backend.cancel(job, context);
  return again('ending', updated(record, update), againMs ?? 1000);
}

/** Not now: tried again for a while. */
function later(
  record: InnerRecord,
  outcome: { readonly reason: string; readonly giveUp: ActionResult },
  context: JobContext,
): InnerNews {
  const since = record.sinceMs ?? context.nowMs;
  if (context.nowMs - since >= RETRY_FOR_MS) return { kind: 'over', state: 'refused', result: outcome.giveUp };
  return again('later', { ...record, sinceMs: since }, PAUSE_MS);
}

function stopped(step: Step): Promise<InnerNews> {
  const { cancel } = step.job;
  return gaveUp(
    step,
    cancel?.reason === 'timeout'
      ? { kind: 'timeout', seconds: cancel.seconds, jobGoesOn: false }
      : { kind: 'cancelled', jobGoesOn: false },
  );
}

async function gaveUp({ job, backend, context }: Step, why: GivingUp): Promise<InnerNews> {
  return { kind: 'over', state: why.kind, result: await backend.giveUp(job, why, context) };
}

function again(state: string, record: InnerRecord, againMs?: number): InnerNews {
  return { kind: 'again', state, record, ...(againMs !== undefined && { againMs }) };
}

function updated(record: InnerRecord, update: JobUpdate | undefined): InnerRecord {
  return update === undefined ? record : { ...record, ...update };
}

function submittedAt(record: InnerRecord, nowMs: number): InnerRecord {
  return { ...record, phase: 'submitted', submittedAtMs: nowMs, sinceMs: null };
}

/** The inner job as its backend sees it. A cancel of the whole is one of it. */
export function jobOf(outer: Job, record: InnerRecord): Job {
  const own: JobCancel | null =
    record.timedOutAtMs === null
      ? null
      : { atMs: record.timedOutAtMs, reason: 'timeout', seconds: record.timeoutSeconds };
  const { phase, key, externalId, appId, url, lastState, data, submitStartedAtMs, submittedAtMs } = record;
  return {
    id: outer.id,
    backend: outer.backend,
    phase,
    key,
    externalId,
    appId,
    url,
    lastState,
    data,
    createdAtMs: outer.createdAtMs,
    submitStartedAtMs,
    submittedAtMs,
    cancel: outer.cancel ?? own,
  };
}

export function newInner(
  id: string,
  plan: {
    readonly key?: string;
    readonly url: string | null;
    readonly data: JsonObject;
    readonly timeoutSeconds: number | null;
    readonly notFoundGraceMs: number;
  },
): InnerRecord {
  return {
    phase: 'prepared',
    key: plan.key ?? keyOf(id),
    externalId: null,
    appId: null,
    url: plan.url,
    lastState: null,
    data: plan.data,
    submitStartedAtMs: null,
    submittedAtMs: null,
    sinceMs: null,
    timeoutSeconds: plan.timeoutSeconds,
    timedOutAtMs: null,
    notFoundGraceMs: plan.notFoundGraceMs,
  };
}

export function innerFromData(data: JsonObject): InnerRecord {
  const text = (name: string): string | null => (typeof data[name] === 'string' ? data[name] : null);
  const number = (name: string): number | null => toNumber(data[name] ?? null);
  return {
    phase: data.phase === 'submitted' || data.phase === 'submitting' ? data.phase : 'prepared',
    key: text('key') ?? '',
    externalId: text('externalId'),
    appId: text('appId'),
    url: text('url'),
    lastState: text('lastState'),
    data: isJsonObject(data.data) ? data.data : {},
    submitStartedAtMs: number('submitStartedAtMs'),
    submittedAtMs: number('submittedAtMs'),
    sinceMs: number('sinceMs'),
    timeoutSeconds: number('timeoutSeconds'),
    timedOutAtMs: number('timedOutAtMs'),
    notFoundGraceMs: number('notFoundGraceMs') ?? 60_000,
  };
}
