import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import type { ActionResult, RunAction } from '../../engine/contract.ts';
import type { ExternalJobRow } from '../../engine/store/external-jobs.ts';
import { toNumber } from '../inputs.ts';
import type { Job, JobCancel, JobPlan, JobUpdate, StopPolicy } from './backend.ts';

/** A job in the memory of the node that holds its lease. What is not in `job`, `plan` and `result` may be forgotten at any time. */
export interface Watched {
  job: Job;
  /** The part of the record that the watcher keeps for itself. */
  readonly plan: WatchPlan;
  attempt: number;
  /** Known and stored, being reported. */
  result: ActionResult | null;
  /** Since when the outcome of a submit is looked for, or the job is unknown. */
  lookingSinceMs: number | null;
  unknownSinceMs: number | null;
  /** How often a submit had no clear outcome and no job was found of it. */
  unclearSubmits: number;
  /** Failed tries of the present step, and since when. */
  tries: number;
  tryingSinceMs: number | null;
  /** When progress and log were last read, and what was stored. */
  looksAtMs: number;
  stored: string;
  holdsSlot: boolean;
  /** Set when something wants this job looked at although a step is under way. */
  wanted: boolean;
}

export interface WatchPlan {
  readonly server: string;
  readonly timeoutSeconds: number | null;
  /** The limit that the engine gave with the message; counts from the record's creation. */
  readonly limitSeconds: number | null;
  readonly onTimeout: StopPolicy;
  readonly onCancel: StopPolicy;
  readonly pollMs: { readonly first: number; readonly longest: number };
  readonly notFoundGraceMs: number;
  readonly slots: number | null;
}

/** The column `data`: the watcher's plan beside the backend's own record. */
export function toData(
  plan: WatchPlan,
  { attempt, unclearSubmits }: { readonly attempt: number; readonly unclearSubmits: number },
  own: JsonObject,
): JsonObject {
  return {
    watch: {
      attempt,
      unclear_submits: unclearSubmits,
      server: plan.server,
      timeout_seconds: plan.timeoutSeconds,
      limit_seconds: plan.limitSeconds,
      on_timeout: plan.onTimeout,
      on_cancel: plan.onCancel,
      poll_first_ms: plan.pollMs.first,
      poll_longest_ms: plan.pollMs.longest,
      not_found_grace_ms: plan.notFoundGraceMs,
      slots: plan.slots,
    },
    own,
  };
}

export function toWatchPlan(plan: JobPlan, message: RunAction): WatchPlan {
  return {
    server: plan.server,
    timeoutSeconds: plan.timeoutSeconds,
    limitSeconds: message.timeoutSeconds,
    onTimeout: plan.onTimeout,
    onCancel: plan.onCancel,
    pollMs: plan.pollMs,
    notFoundGraceMs: plan.notFoundGraceMs,
    slots: plan.slots,
  };
}

export function toWatched(row: ExternalJobRow): Watched {
  const watch = isJsonObject(row.data.watch) ? row.data.watch : {};
  const plan: WatchPlan = {
    server: typeof watch.server === 'string' ? watch.server : row.backend,
    timeoutSeconds: numberOf(watch.timeout_seconds),
    limitSeconds: numberOf(watch.limit_seconds),
    onTimeout: watch.on_timeout === 'leave' ? 'leave' : 'end',
    onCancel: watch.on_cancel === 'leave' ? 'leave' : 'end',
    pollMs: { first: numberOf(watch.poll_first_ms) ?? 2000, longest: numberOf(watch.poll_longest_ms) ?? 10_000 },
    notFoundGraceMs: numberOf(watch.not_found_grace_ms) ?? 60_000,
    slots: numberOf(watch.slots),
  };
  return {
    job: toJob(row, plan),
    plan,
    attempt: numberOf(watch.attempt) ?? 1,
    result: row.result,
    lookingSinceMs: null,
    unknownSinceMs: null,
    unclearSubmits: numberOf(watch.unclear_submits) ?? 0,
    tries: 0,
    tryingSinceMs: null,
    looksAtMs: 0,
    stored: '',
    holdsSlot: false,
    wanted: false,
  };
}

/** The job with a backend's update, and the patch that stores it. */
export function withUpdate(watched: Watched, update: JobUpdate | undefined): Job {
  return update === undefined ? watched.job : { ...watched.job, ...definedOf(update) };
}

export function cancelOf(plan: WatchPlan, atMs: number, reason: 'cancelled' | 'timeout'): JobCancel {
  return { atMs, reason, seconds: reason === 'timeout' ? (plan.timeoutSeconds ?? plan.limitSeconds) : null };
}

/** The limit that has passed, in seconds, or null. The action's own counts from the submit, the engine's from the record. */
export function passedLimit(watched: Watched, nowMs: number): number | null {
  const { plan, job } = watched;
  if (plan.limitSeconds !== null && nowMs >= job.createdAtMs + plan.limitSeconds * 1000) return plan.limitSeconds;
  const from = job.submittedAtMs ?? job.submitStartedAtMs;
  if (plan.timeoutSeconds === null || from === null) return null;
  return nowMs >= from + plan.timeoutSeconds * 1000 ? plan.timeoutSeconds : null;
}

/** When the next limit passes, or infinity. */
export function nextLimitMs(watched: Watched): number {
  const { plan, job } = watched;
  const from = job.submittedAtMs ?? job.submitStartedAtMs;
  return Math.min(
    plan.limitSeconds === null ? Number.POSITIVE_INFINITY : job.createdAtMs + plan.limitSeconds * 1000,
    plan.timeoutSeconds === null || from === null ? Number.POSITIVE_INFINITY : from + plan.timeoutSeconds * 1000,
  );
}

function toJob(row: ExternalJobRow, plan: WatchPlan): Job {
  return {
    id: row.actionExecutionId,
    backend: row.backend,
    phase: row.phase,
    key: row.key,
    externalId: row.externalId,
    appId: row.appId,
    url: row.url,
    lastState: row.lastState,
    data: isJsonObject(row.data.own) ? row.data.own : {},
    createdAtMs: row.createdAt,
    submitStartedAtMs: row.submitStartedAt,
    submittedAtMs: row.submittedAt,
    cancel:
      row.cancelRequestedAt === null ? null : cancelOf(plan, row.cancelRequestedAt, row.cancelReason ?? 'cancelled'),
  };
}

function definedOf(update: JobUpdate): JobUpdate {
  return Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined));
}

function numberOf(value: Json | undefined): number | null {
  return value === undefined ? null : toNumber(value);
}
