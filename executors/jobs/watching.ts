import { stringifyJson, type JsonObject } from '../../dsl/json.ts';
import type { JobBackend, JobStatus } from './backend.ts';
import { UP, type Desk, type Next } from './desk.ts';
import { finish, giveUp, messageOf, stopReason, store } from './ending.ts';
import { cancelPause, pollPause } from './pauses.ts';
import { cancelOf, nextLimitMs, passedLimit, type Watched } from './watched.ts';

/** One look at a submitted job: what its state asks for, and the next push of a cancel. */
export async function watch(watched: Watched, desk: Desk): Promise<Next> {
  await checkLimit(watched, desk);
  const { cancel } = watched.job;
  if (cancel !== null && leaves(watched)) return giveUp(watched, stopReason(watched, cancel.seconds, true), desk);
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
      // A cancel may have come in since: what it does to the job is decided at the next look where it does nothing.
      if (watched.job.cancel !== null)
        return leaves(watched) ? { kind: 'again', afterMs: 0, work: 'poll' } : pressCancel(watched, backend, desk);
      return status.againMs === undefined
        ? pollAgain(watched, desk)
        : { ...pollAgain(watched, desk), afterMs: status.againMs };
  }
}

function leaves({ job, plan }: Watched): boolean {
  return (job.cancel?.reason === 'timeout' ? plan.onTimeout : plan.onCancel) === 'leave';
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
  if (cancel !== null) return giveUp(watched, stopReason(watched, cancel.seconds, false), desk);
  const update = await desk.backendOf(watched).resubmit?.(watched.job, desk.contextOf(watched));
  if (update === undefined || update === null) return giveUp(watched, { kind: 'lost', reason }, desk);
  desk.log.warn('The job is lost and is submitted again.', { actionExecutionId: watched.job.id, reason });
  watched.unknownSinceMs = null;
  if (!(await store(watched, update, { phase: 'prepared' }, desk))) return { kind: 'lease-lost' };
  watched.job = { ...watched.job, phase: 'prepared' };
  return { kind: 'again', afterMs: 0, work: 'submit', server: UP };
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
  // Figures and log are calls too: of a server with very many jobs they are asked for less often, a tenth of the polls.
  const crowded = (desk.jobsOf(watched.plan.server) / desk.limits.pollsPerSecond) * 10_000;
  const looks =
    now - watched.looksAtMs >= Math.max(desk.limits.looksEveryMs, crowded)
      ? await readLooks(watched, backend, desk)
      : {};
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
