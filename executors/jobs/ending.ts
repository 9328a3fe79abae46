import type { JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import type { ExternalJobPatch } from '../../engine/store/external-jobs.ts';
import type { GivingUp, JobUpdate } from './backend.ts';
import type { Desk, Next } from './desk.ts';
import { retryPause } from './pauses.ts';
import { toData, withUpdate, type Watched } from './watched.ts';

export async function giveUp(watched: Watched, why: GivingUp, desk: Desk): Promise<Next> {
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
export async function finish(watched: Watched, ending: Ending, desk: Desk): Promise<Next> {
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

export async function deliver(watched: Watched, result: ActionResult, desk: Desk): Promise<Next> {
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

export function stopReason(watched: Watched, seconds: number | null, jobGoesOn: boolean): GivingUp {
  const reason = watched.job.cancel?.reason ?? 'timeout';
  return reason === 'cancelled' ? { kind: 'cancelled', jobGoesOn } : { kind: 'timeout', seconds, jobGoesOn };
}

/** Writes a backend's update and further columns in one go; no write when there is nothing new. */
export async function store(
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
    ...(update?.data !== undefined && { data: toData(watched.plan, watched, update.data) }),
  });
  if (owned) watched.job = { ...job, cancel: watched.job.cancel };
  return owned;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
