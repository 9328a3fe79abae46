import type { JsonObject } from '../../dsl/json.ts';
import { stringifyJson } from '../../dsl/json.ts';
import type { ActionReport, ActionResult } from '../../engine/contract.ts';
import type { ExternalJobPatch } from '../../engine/store/external-jobs.ts';
import type { Logger } from '../../engine/log.ts';
import type {
  GivingUp,
  JobBackend,
  JobContext,
  JobRequest,
  JobStatus,
  JobUpdate,
  StageOutcome,
  SubmitOutcome,
} from './backend.ts';
import { cancelPause, pollPause, retryPause } from './pauses.ts';
import { cancelOf, nextLimitMs, passedLimit, toData, withUpdate, type Watched } from './watched.ts';

/** What a step needs from the watcher. */
export interface Desk {
  readonly limits: WatchLimits;
  readonly log: Logger;
  now(): number;
  random(): number;
  contextOf(watched: Watched): JobContext;
  backendOf(watched: Watched): JobBackend;
  loadRequest(id: string): Promise<JobRequest>;
  /** Resolves after the commit; false when the lease is lost. */
  write(id: string, patch: ExternalJobPatch): Promise<boolean>;
  claimSubmit(id: string, nowMs: number): Promise<boolean>;
  requestCancel(id: string, reason: 'cancelled' | 'timeout', nowMs: number): Promise<void>;
  report(report: ActionReport): Promise<void>;
  /** Whether the job may run beside the others of its server; a held slot stays until it is released. */
  takeSlot(watched: Watched): boolean;
  releaseSlot(watched: Watched): void;
  /** Since when this server does not answer; null when it does, or has not been asked. */
  silence(server: string): { readonly sinceMs: number; readonly reason: string } | null;
  /** How many jobs of this server are watched. */
  jobsOf(server: string): number;
  /** Named places where tests let a node die. */
  fault(point: FaultPoint, id: string): Promise<void> | undefined;
}

export interface WatchLimits {
  /** For how long a submit that certainly started nothing is tried again. */
  readonly retryForMs: number;
  /** For how long a job's server may be silent before the job is given up. */
  readonly unreachableForMs: number;
  /** At least this long between two readings of progress and log. */
  readonly looksEveryMs: number;
  /** The polls of one server are stretched so that there are no more a second. */
  readonly pollsPerSecond: number;
}

export type FaultPoint =
  | 'recorded'
  | 'staged'
  | 'submitting'
  | 'answered'
  | 'submitted'
  | 'polled'
  | 'cancelling'
  | 'ended'
  | 'reported';

export type Next =
  | {
      readonly kind: 'again';
      readonly afterMs: number;
      readonly work: 'submit' | 'poll' | 'report';
      readonly server?: ServerNews;
    }
  /** Reported and closed. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'lease-lost' };

/** What a step has learned about the job's server. */
export type ServerNews = { readonly kind: 'up' } | { readonly kind: 'down'; readonly reason: string };

/** One step of one job: at most one call that matters to the other side, and its record. Never throws for what the backend does. */
export async function step(watched: Watched, desk: Desk): Promise<Next> {
  if (watched.result !== null) return deliver(watched, watched.result, desk);
  switch (watched.job.phase) {
    case 'prepared':
      return startJob(watched, desk);
    case 'submitting':
      return look(watched, desk);
    case 'submitted':
      return watch(watched, desk);
    case 'done':
      return { kind: 'closed' };
  }
}

/** Nothing was started, and it may be tried again. */
type Later = Extract<StageOutcome, { kind: 'later' }>;

async function startJob(watched: Watched, desk: Desk): Promise<Next> {
  const limit = passedLimit(watched, desk.now());
  if (watched.job.cancel !== null || limit !== null) return giveUp(watched, stopReason(watched, limit, false), desk);
  if (!desk.takeSlot(watched)) return { kind: 'again', afterMs: 500 + desk.random() * 500, work: 'submit' };
  const backend = desk.backendOf(watched);
  const request = await desk.loadRequest(watched.job.id);
  if (backend.stage !== undefined) {
    const staged = await backend
      .stage(watched.job, request, desk.contextOf(watched))
      .catch(toLater(backend, watched, desk));
    switch (staged.kind) {
      case 'ready':
        if (!(await store(watched, staged.update, {}, desk))) return { kind: 'lease-lost' };
        break;
      case 'found':
        return adopt(watched, staged.update, desk);
      case 'refused':
        return finish(watched, { result: staged.result }, desk);
      case 'later':
        if (!(await store(watched, staged.update, {}, desk))) return { kind: 'lease-lost' };
        return later(watched, staged, desk);
    }
    await desk.fault('staged', watched.job.id);
  }
  return submit(watched, backend, request, desk);
}

async function submit(watched: Watched, backend: JobBackend, request: JobRequest, desk: Desk): Promise<Next> {
  const now = desk.now();
  // A cancel that came in since is seen here: the claim fails, and the next step gives up. A lost lease shows at the next write.
  if (!(await desk.claimSubmit(watched.job.id, now))) {
    if (watched.job.cancel === null && !(await desk.write(watched.job.id, { lastSeenAt: now })))
      return { kind: 'lease-lost' };
    return { kind: 'again', afterMs: 50, work: 'submit' };
  }
  watched.job = { ...watched.job, phase: 'submitting', submitStartedAtMs: now };
  await desk.fault('submitting', watched.job.id);
  const outcome = await backend
    .submit(watched.job, request, desk.contextOf(watched))
    .catch((error: unknown): SubmitOutcome => ({ kind: 'unclear', reason: messageOf(error) }));
  await desk.fault('answered', watched.job.id);
  switch (outcome.kind) {
    case 'submitted':
      return adopt(watched, outcome.update, desk);
    case 'refused':
      return finish(watched, { result: outcome.result }, desk);
    case 'later':
      return submitAgain(watched, outcome, desk);
    case 'unclear':
      desk.log.warn('The submit has no clear outcome: looking for the job.', {
        actionExecutionId: watched.job.id,
        reason: outcome.reason,
      });
      watched.lookingSinceMs = desk.now();
      return { kind: 'again', afterMs: 500, work: 'poll' };
  }
}

/** Nothing was started: back to `prepared`, so that the next try goes through the claim again. */
async function submitAgain(watched: Watched, outcome: Later, desk: Desk): Promise<Next> {
  if (!(await store(watched, outcome.update, { phase: 'prepared' }, desk))) return { kind: 'lease-lost' };
  watched.job = { ...watched.job, phase: 'prepared' };
  return later(watched, outcome, desk);
}

async function look(watched: Watched, desk: Desk): Promise<Next> {
  const now = desk.now();
  watched.lookingSinceMs ??= now;
  const lookingMs = now - watched.lookingSinceMs;
  const backend = desk.backendOf(watched);
  const request = await desk.loadRequest(watched.job.id);
  const found = await backend
    .find(watched.job, request, desk.contextOf(watched), lookingMs)
    .catch((error: unknown) => ({ kind: 'looking', reason: messageOf(error), failed: true }) as const);
  switch (found.kind) {
    case 'found':
      return adopt(watched, found.update, desk);
    case 'ended':
      return finish(watched, { result: found.result }, desk);
    case 'absent':
      watched.lookingSinceMs = null;
      if (!(await store(watched, undefined, { phase: 'prepared' }, desk))) return { kind: 'lease-lost' };
      watched.job = { ...watched.job, phase: 'prepared' };
      return { kind: 'again', afterMs: 0, work: 'submit' };
    case 'looking': {
      const failed = 'failed' in found;
      if (failed && lookingMs > desk.limits.unreachableForMs)
        return giveUp(watched, { kind: 'unreachable', reason: found.reason }, desk);
      return {
        kind: 'again',
        afterMs: retryPause(lookingMs / 1000, desk.random(), 5000),
        work: 'poll',
        ...(failed && { server: { kind: 'down', reason: found.reason } }),
      };
    }
  }
}

/** The job is there: write down its id before anything else. */
async function adopt(watched: Watched, update: JobUpdate | undefined, desk: Desk): Promise<Next> {
  const submittedAt = desk.now();
  const owned = await store(watched, update, { phase: 'submitted', submittedAt, lastSeenAt: submittedAt }, desk);
  if (!owned) return { kind: 'lease-lost' };
  watched.job = { ...watched.job, phase: 'submitted', submittedAtMs: submittedAt };
  Object.assign(watched, { lookingSinceMs: null, tries: 0, tryingSinceMs: null });
  await desk.fault('submitted', watched.job.id);
  return {
    kind: 'again',
    afterMs: watched.job.cancel === null ? watched.plan.pollMs.first : 0,
    work: 'poll',
    server: UP,
  };
}

async function watch(watched: Watched, desk: Desk): Promise<Next> {
  await checkLimit(watched, desk);
  const { cancel } = watched.job;
  const policy = cancel?.reason === 'timeout' ? watched.plan.onTimeout : watched.plan.onCancel;
  if (cancel !== null && policy === 'leave') return giveUp(watched, stopReason(watched, cancel.seconds, true), desk);
  const silence = desk.silence(watched.plan.server);
  if (silence !== null && desk.now() - silence.sinceMs >= desk.limits.unreachableForMs)
    return giveUpSilent(watched, silence.reason, desk);
  const backend = desk.backendOf(watched);
  const status = await backend
    .state(watched.job, desk.contextOf(watched))
    .catch((error: unknown): JobStatus => ({ kind: 'unreachable', reason: messageOf(error) }));
  await desk.fault('polled', watched.job.id);
  switch (status.kind) {
    case 'ended':
      return finish(watched, status, desk);
    case 'unknown':
      return unknownJob(watched, status.reason, desk);
    case 'unreachable':
      return { ...pollAgain(watched, desk), server: { kind: 'down', reason: status.reason } };
    case 'live':
      watched.unknownSinceMs = null;
      if (!(await noteLife(watched, status, backend, desk))) return { kind: 'lease-lost' };
      if (watched.job.cancel !== null) return pressCancel(watched, backend, desk);
      return status.againMs === undefined
        ? pollAgain(watched, desk)
        : { ...pollAgain(watched, desk), afterMs: status.againMs };
  }
}

/** A passed time limit is a cancel of our own; it is written down first, so that a restart knows why the job ended. */
async function checkLimit(watched: Watched, desk: Desk): Promise<void> {
  const now = desk.now();
  const limit = passedLimit(watched, now);
  if (limit === null || watched.job.cancel !== null) return;
  await desk.requestCancel(watched.job.id, 'timeout', now);
  watched.job = { ...watched.job, cancel: { ...cancelOf(watched.plan, now, 'timeout'), seconds: limit } };
}

async function pressCancel(watched: Watched, backend: JobBackend, desk: Desk): Promise<Next> {
  await desk.fault('cancelling', watched.job.id);
  const now = desk.now();
  const pause = cancelPause(now - (watched.job.cancel?.atMs ?? now));
  try {
    const outcome = await backend.cancel(watched.job, desk.contextOf(watched));
    if (!(await store(watched, outcome.update, {}, desk))) return { kind: 'lease-lost' };
    return { kind: 'again', afterMs: outcome.againMs ?? pause, work: 'poll', server: UP };
  } catch (error) {
    desk.log.warn('The job could not be cancelled yet.', {
      actionExecutionId: watched.job.id,
      reason: messageOf(error),
    });
    return { kind: 'again', afterMs: pause, work: 'poll' };
  }
}

async function unknownJob(watched: Watched, reason: string, desk: Desk): Promise<Next> {
  const now = desk.now();
  watched.unknownSinceMs ??= now;
  if (now - watched.unknownSinceMs < watched.plan.notFoundGraceMs) return { ...pollAgain(watched, desk), server: UP };
  const { cancel } = watched.job;
  return giveUp(watched, cancel === null ? { kind: 'lost', reason } : stopReason(watched, cancel.seconds, false), desk);
}

/** The silence is the server's, not the job's: of many jobs only a few are asked about meanwhile. */
async function giveUpSilent(watched: Watched, reason: string, desk: Desk): Promise<Next> {
  const { cancel } = watched.job;
  return giveUp(
    watched,
    cancel === null ? { kind: 'unreachable', reason } : stopReason(watched, cancel.seconds, true),
    desk,
  );
}

function pollAgain(watched: Watched, desk: Desk): Extract<Next, { kind: 'again' }> {
  const now = desk.now();
  const { job, plan } = watched;
  const pause = pollPause({
    ageMs: now - (job.submittedAtMs ?? now),
    ...plan.pollMs,
    jobsOfServer: desk.jobsOf(plan.server),
    pollsPerSecond: desk.limits.pollsPerSecond,
    random: desk.random(),
  });
  const untilLimit = job.cancel === null ? Math.max(0, nextLimitMs(watched) - now) : Number.POSITIVE_INFINITY;
  return { kind: 'again', afterMs: Math.min(pause, untilLimit), work: 'poll', server: UP };
}

/** Writes only what has changed; figures and log at most every `looksEveryMs`. */
async function noteLife(
  watched: Watched,
  status: Extract<JobStatus, { kind: 'live' }>,
  backend: JobBackend,
  desk: Desk,
): Promise<boolean> {
  const now = desk.now();
  const looks = now - watched.looksAtMs >= desk.limits.looksEveryMs ? await readLooks(watched, backend, desk) : {};
  const changed = stringifyJson([status.state, looks.progress ?? null, looks.logTail ?? null]);
  const isNew = Object.keys(looks).length > 0 ? changed !== watched.stored : status.state !== watched.job.lastState;
  if (!isNew && status.update === undefined) return true;
  if (Object.keys(looks).length > 0) watched.stored = changed;
  const owned = await store(watched, status.update, { lastState: status.state, lastSeenAt: now, ...looks }, desk);
  watched.job = { ...watched.job, lastState: status.state };
  return owned;
}

async function readLooks(
  watched: Watched,
  backend: JobBackend,
  desk: Desk,
): Promise<{ progress?: JsonObject; logTail?: readonly string[] }> {
  const context = desk.contextOf(watched);
  watched.looksAtMs = desk.now();
  try {
    const progress = (await backend.progress?.(watched.job, context)) ?? undefined;
    const logTail = await backend.log?.(watched.job, context);
    return { ...(progress !== undefined && { progress }), ...(logTail !== undefined && { logTail }) };
  } catch (error) {
    // Figures and logs are for people: without them the job goes on.
    desk.log.debug('Progress and log could not be read.', {
      actionExecutionId: watched.job.id,
      reason: messageOf(error),
    });
    return {};
  }
}

async function giveUp(watched: Watched, why: GivingUp, desk: Desk): Promise<Next> {
  const result = await desk.backendOf(watched).giveUp(watched.job, why, desk.contextOf(watched));
  return finish(watched, { result }, desk);
}

interface Ending {
  readonly result: ActionResult;
  readonly state?: string;
  readonly update?: JobUpdate;
  readonly logTail?: readonly string[];
  readonly progress?: JsonObject;
}

/** The result is in the database before anybody is told, so that a crash cannot lose it. */
async function finish(watched: Watched, ending: Ending, desk: Desk): Promise<Next> {
  const { result, state, logTail, progress } = ending;
  const patch: ExternalJobPatch = {
    result,
    ...(state !== undefined && { lastState: state }),
    ...(logTail !== undefined && { logTail }),
    ...(progress !== undefined && { progress }),
  };
  if (!(await store(watched, ending.update, patch, desk))) return { kind: 'lease-lost' };
  watched.result = result;
  desk.releaseSlot(watched);
  Object.assign(watched, { tries: 0, tryingSinceMs: null });
  await desk.fault('ended', watched.job.id);
  return deliver(watched, result, desk);
}

async function deliver(watched: Watched, result: ActionResult, desk: Desk): Promise<Next> {
  try {
    await desk.report({ actionExecutionId: watched.job.id, attempt: watched.attempt, result });
  } catch (error) {
    watched.tries++;
    desk.log.warn('The engine did not take the result: it is sent again.', {
      actionExecutionId: watched.job.id,
      reason: messageOf(error),
    });
    return { kind: 'again', afterMs: retryPause(watched.tries, desk.random(), 30_000), work: 'report' };
  }
  await desk.fault('reported', watched.job.id);
  await desk.write(watched.job.id, { phase: 'done' });
  return { kind: 'closed' };
}

async function later(watched: Watched, outcome: Later, desk: Desk): Promise<Next> {
  const now = desk.now();
  watched.tryingSinceMs ??= now;
  watched.tries++;
  desk.releaseSlot(watched);
  desk.log.info('The job cannot be submitted yet.', { actionExecutionId: watched.job.id, reason: outcome.reason });
  if (now - watched.tryingSinceMs >= desk.limits.retryForMs) return finish(watched, { result: outcome.giveUp }, desk);
  return { kind: 'again', afterMs: retryPause(watched.tries, desk.random(), 30_000), work: 'submit' };
}

function toLater(backend: JobBackend, watched: Watched, desk: Desk): (error: unknown) => Promise<Later> {
  return async (error) => {
    const reason = messageOf(error);
    return {
      kind: 'later',
      reason,
      giveUp: await backend.giveUp(watched.job, { kind: 'broken', reason }, desk.contextOf(watched)),
    };
  };
}

function stopReason(watched: Watched, seconds: number | null, jobGoesOn: boolean): GivingUp {
  const reason = watched.job.cancel?.reason ?? 'timeout';
  return reason === 'cancelled' ? { kind: 'cancelled', jobGoesOn } : { kind: 'timeout', seconds, jobGoesOn };
}

/** Writes a backend's update and further columns in one go; no write when there is nothing new. */
async function store(
  watched: Watched,
  update: JobUpdate | undefined,
  patch: ExternalJobPatch,
  desk: Desk,
): Promise<boolean> {
  if (update === undefined && Object.keys(patch).length === 0) return true;
  const job = withUpdate(watched, update);
  const { externalId, appId, url } = update ?? {};
  const owned = await desk.write(job.id, {
    ...patch,
    ...(externalId !== undefined && { externalId }),
    ...(appId !== undefined && { appId }),
    ...(url !== undefined && { url }),
    ...(update?.data !== undefined && { data: toData(watched.plan, watched.attempt, update.data) }),
  });
  if (owned) watched.job = { ...job, cancel: watched.job.cancel };
  return owned;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const UP: ServerNews = { kind: 'up' };
