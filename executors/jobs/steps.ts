import type { JobBackend, JobRequest, JobUpdate, StageOutcome, SubmitOutcome } from './backend.ts';
import { UP, type Desk, type Next } from './desk.ts';
import { deliver, finish, giveUp, messageOf, stopReason, store } from './ending.ts';
import { retryPause } from './pauses.ts';
import { passedLimit, type Watched } from './watched.ts';
import { watch } from './watching.ts';

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
      watched.unclearSubmits++;
      if (watched.unclearSubmits >= MOST_UNCLEAR_SUBMITS) {
        const reason = `The submit had no clear outcome ${watched.unclearSubmits} times, and no job came of it.`;
        return giveUp(watched, { kind: 'unreachable', reason }, desk);
      }
      // The count goes with the record: whatever a submit breaks over there, it is not broken without end.
      if (!(await store(watched, { data: watched.job.data }, { phase: 'prepared' }, desk)))
        return { kind: 'lease-lost' };
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

async function later(watched: Watched, outcome: Later, desk: Desk): Promise<Next> {
  const now = desk.now();
  watched.tryingSinceMs ??= now;
  watched.tries++;
  desk.releaseSlot(watched);
  desk.log.info('The job cannot be submitted yet.', { actionExecutionId: watched.job.id, reason: outcome.reason });
  if (now - watched.tryingSinceMs >= desk.limits.retryForMs) return finish(watched, { result: outcome.giveUp }, desk);
  return { kind: 'again', afterMs: retryPause(watched.tries, desk.random(), 30_000), work: 'submit' };
}

/** So many crashes of ours in the middle of a submit are no accident either. */
const MOST_UNCLEAR_SUBMITS = 10;

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
