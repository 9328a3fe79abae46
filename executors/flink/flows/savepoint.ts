import type { JsonObject } from '../../../dsl/json.ts';
import type { AsyncResult } from '../client/answer.ts';
import { FEATURES } from '../client/endpoints.ts';
import { FlinkApiError, rootCauseOf } from '../client/errors.ts';
import type { FlinkClient } from '../client/client.ts';
import type { JobDetails, OptionsOf } from '../client/methods.ts';
import { isUnknownJob, LONGEST_STACK } from '../outcome.ts';
import { digest } from '../plan.ts';
import { again, fail, numberOf, succeed, textOf, type Again, type Flow, type FlowRun, type FlowStep } from './flow.ts';
import { askToEnd, stateOf, TERMINAL } from './states.ts';

/** flink.savepoint (spec/flink.md §3.2, §3.6). */
export const savepointFlow: Flow = {
  name: 'savepoint',
  timeoutSeconds: 600,
  onStop: 'leave',
  async step(run) {
    const made = await makeSavepoint(run, 'savepoint');
    if (made.kind !== 'made') return made.step;
    if (made.failure !== null)
      return fail(
        'FAILED',
        'FLINK_SAVEPOINT_FAILED',
        `The savepoint failed: ${made.failure.message}`,
        made.failure.output,
      );
    const jobId = textOf(run.input, 'job_id') ?? '';
    const output = {
      job_id: jobId,
      location: made.location,
      trigger_id: run.triggerId,
      duration_ms: run.nowMs - run.startedMs,
    };
    if (run.input.cancel_job !== true) return succeed('COMPLETED', output);
    const state = (await stateOf(run.client, jobId, run.signal)) ?? 'UNKNOWN';
    return TERMINAL.has(state) ? succeed(state, { ...output, state }) : again(state, undefined, 500);
  },
};

/** flink.stop (spec/flink.md §3.2): a savepoint, then the end. */
export const stopFlow: Flow = {
  name: 'stop',
  timeoutSeconds: 600,
  onStop: 'leave',
  step: (run) => stopJob(run),
  lost: async ({ facts }) => stopLost(facts),
};

/** A job whose stop has made the savepoint, and that is unknown even after the grace, is over. */
export function stopLost(facts: JsonObject): JsonObject | null {
  return textOf(facts, 'location') === null ? null : { ...facts, gone: true };
}

/** A stop with savepoint as the step of any flow: its input is the run's. */
export async function stopJob(run: FlowRun): Promise<FlowStep> {
  const { client, signal, input } = run;
  const jobId = textOf(input, 'job_id') ?? '';
  const about = { job_id: jobId };
  const made = await makeSavepoint(run, 'stop');
  if (made.kind !== 'made') return made.step;
  const state = await stateOf(client, jobId, signal);
  if (made.failure === null) {
    // In a fail-over a job is unknown for a while, and comes back if it had not quite ended.
    if (state === null && run.facts.gone !== true)
      return run.facts.location === undefined
        ? again('UNKNOWN', { ...run.facts, location: made.location }, 500)
        : {
            kind: 'unknown',
            reason: `Flink does not know job ${jobId} any more, whose savepoint is ${made.location}.`,
          };
    const over = state === null || TERMINAL.has(state);
    if (!over) return again(state, { ...run.facts, location: made.location }, 500);
    if (state === null || state === 'FINISHED')
      return succeed('FINISHED', { ...about, location: made.location, state: 'FINISHED' });
    return fail(state, 'FLINK_STOP_FAILED', `The savepoint was made, but the job ended as ${state}.`, {
      ...about,
      location: made.location,
      state,
    });
  }
  if (state !== null && TERMINAL.has(state)) {
    if (run.facts.fell_back === true) return succeed(state, { ...about, location: null, state });
    return fail(state, 'FLINK_JOB_ALREADY_TERMINATED', `The job had ended as ${state}.`, { ...about, state });
  }
  if (input.cancel_fallback === true) {
    if (run.facts.fell_back !== true || state !== 'CANCELLING') await askToEnd(client, jobId, signal);
    return again(state ?? 'UNKNOWN', { ...run.facts, fell_back: true }, 500);
  }
  const now = state === null ? 'is not known to Flink' : `is ${state}`;
  return fail(state ?? 'UNKNOWN', 'FLINK_STOP_FAILED', `The stop failed: ${made.failure.message}; the job ${now}.`, {
    ...about,
    ...made.failure.output,
    state,
  });
}

/** What a savepoint needs of the flow that makes it. */
export type SavepointRun = Pick<FlowRun, 'client' | 'facts' | 'input' | 'signal' | 'nowMs' | 'startedMs' | 'triggerId'>;

type Made =
  | {
      readonly kind: 'made';
      readonly location: string | null;
      readonly failure: { readonly message: string; readonly output: JsonObject } | null;
    }
  | { readonly kind: 'going'; readonly step: Again };

/**
 * One step of a savepoint: remember the server's time, trigger, ask. Since 1.15 the trigger's id is ours, so a repeat changes nothing;
 * before, and when the trigger was forgotten in a fail-over, a savepoint that was triggered since is taken for ours.
 */
export async function makeSavepoint(run: SavepointRun, how: 'savepoint' | 'stop'): Promise<Made> {
  const { client, facts, input, signal, nowMs } = run;
  const jobId = textOf(input, 'job_id') ?? '';
  if (typeof facts.location === 'string') return { kind: 'made', location: facts.location, failure: null };
  const failed = textOf(facts, 'failed');
  if (failed !== null) return madeNot(failed, jobId);
  const since = numberOf(facts, 'server_time');
  if (since === null) {
    const { now } = await client.jobs.get(jobId, { signal });
    return going(again('TRIGGERING', { ...facts, server_time: now }, 0));
  }
  const isKeyed = (await client.version(signal)).atLeast(FEATURES.triggerId);
  const trigger = textOf(facts, 'trigger_id');
  if (trigger === null) {
    if (facts.tried === true && !isKeyed) {
      const found = await savepointSince(client, jobId, since, signal);
      if (found.path !== null) return { kind: 'made', location: found.path, failure: null };
      if (found.isGoing) return going(again('IN_PROGRESS', undefined, 1000));
    }
    if (facts.tried !== true && !isKeyed) return going(again('TRIGGERING', { ...facts, tried: true }, 0));
    return going(
      again('IN_PROGRESS', { ...facts, tried: true, trigger_id: await start(run, how, jobId, isKeyed) }, 200),
    );
  }
  const result: AsyncResult<string> | null = await client.jobs
    .getSavepoint(jobId, trigger, { signal })
    .catch((error: unknown) => {
      if (error instanceof FlinkApiError && error.code === 'FLINK_TRIGGER_UNKNOWN') return null;
      throw error;
    });
  if (result === null) {
    const found = await savepointSince(client, jobId, since, signal);
    if (found.path !== null) return { kind: 'made', location: found.path, failure: null };
    if (found.isGoing) return going(again('IN_PROGRESS', undefined, 1000));
    return going(again('TRIGGERING', { ...facts, trigger_id: null }, 1000));
  }
  switch (result.status) {
    case 'IN_PROGRESS':
      return going(again('IN_PROGRESS', undefined, Math.min(5000, 200 + (nowMs - run.startedMs) / 5)));
    case 'COMPLETED':
      return { kind: 'made', location: result.value, failure: null };
    case 'FAILED':
      return going((await triedTooSoon(run, jobId, result.cause.stack)) ?? failedFor(facts, result.cause.stack));
  }
}

/** The savepoint of a stop whose outcome was not asked for before its job ended; null when there is none. */
export async function savepointOf(run: SavepointRun): Promise<string | null> {
  const { client, facts, signal } = run;
  const jobId = textOf(run.input, 'job_id') ?? '';
  const trigger = textOf(facts, 'trigger_id') ?? triggerOf(run);
  const made = await client.jobs.getSavepoint(jobId, trigger, { signal }).catch(() => null);
  if (made?.status === 'COMPLETED') return made.value;
  const since = numberOf(facts, 'server_time');
  if (since === null) return null;
  return (await savepointSince(client, jobId, since, signal).catch(() => null))?.path ?? null;
}

/**
 * Flink takes a trigger for a job that it does not know, or whose tasks are still being deployed, and the operation fails by that. Such a one is triggered anew
 * once the job is there, under another id, because the old one stands for its failure. null when it has failed for good.
 */
export async function triedTooSoon(run: SavepointRun, jobId: string, stack: string): Promise<Again | null> {
  const isUnknown = /FlinkJobNotFoundException/.test(stack);
  if (!isUnknown && !NOT_UP_YET.test(stack)) return null;
  const { client, signal, nowMs } = run;
  const since = numberOf(run.facts, 'too_soon_since') ?? nowMs;
  const facts = { ...run.facts, too_soon_since: since };
  const details = await client.jobs.get(jobId, { signal }).catch((error: unknown) => {
    if (isUnknownJob(error)) return null;
    throw error;
  });
  if (details === null) return nowMs - since > GRACE_MS ? null : again('UNKNOWN', facts, 1000);
  if (TERMINAL.has(details.state)) return null;
  if (!isUp(details)) return nowMs - since > DEPLOYMENT_MS ? null : again(details.state, facts, 1000);
  // Details come from a cache, and tasks that are up may have something else against savepoints.
  const round = (numberOf(facts, 'round') ?? 0) + 1;
  return round > MOST_ROUNDS ? null : again('TRIGGERING', { ...facts, trigger_id: null, round }, 1000);
}

function isUp({ state, vertices }: JobDetails): boolean {
  return state === 'RUNNING' && vertices.every(({ status }) => status === 'RUNNING' || status === 'FINISHED');
}

/** The id of the trigger: of this flow, and another one for each time that it is triggered anew. */
export function triggerOf({ facts, triggerId }: Pick<FlowRun, 'facts' | 'triggerId'>): string {
  const round = numberOf(facts, 'round');
  return round === null ? triggerId : digest(`${triggerId}/${round}`);
}

function failedFor(facts: JsonObject, stack: string): Again {
  return again('FAILED', { ...facts, failed: stack.slice(0, LONGEST_STACK) }, 0);
}

function start(run: SavepointRun, how: 'savepoint' | 'stop', jobId: string, isKeyed: boolean): Promise<string> {
  const { client, input, signal } = run;
  const targetDirectory = textOf(input, 'target_directory');
  const options: OptionsOf<'jobs.stop'> & OptionsOf<'jobs.createSavepoint'> = {
    ...(targetDirectory !== null && { targetDirectory }),
    ...((input.format === 'CANONICAL' || input.format === 'NATIVE') && { formatType: input.format }),
    ...(isKeyed && { triggerId: triggerOf(run) }),
    signal,
  };
  return how === 'stop'
    ? client.jobs.stop(jobId, { ...options, drain: input.drain === true })
    : client.jobs.createSavepoint(jobId, { ...options, cancelJob: input.cancel_job === true });
}

async function savepointSince(
  client: FlinkClient,
  jobId: string,
  since: number,
  signal: AbortSignal,
): Promise<{ readonly path: string | null; readonly isGoing: boolean }> {
  const checkpoints = await client.jobs.getCheckpoints(jobId, { signal }).catch((error: unknown) => {
    if (error instanceof FlinkApiError && !error.retryable) return null;
    throw error;
  });
  const ours = (checkpoints?.history ?? []).filter((one) => one.is_savepoint && one.trigger_timestamp >= since);
  return {
    path: ours.find(({ status }) => status === 'COMPLETED')?.external_path ?? null,
    isGoing: ours.some(({ status }) => status === 'IN_PROGRESS'),
  };
}

function going(step: Again): Made {
  return { kind: 'going', step };
}

function madeNot(stack: string, jobId: string): Made {
  const message = rootCauseOf(stack);
  return { kind: 'made', location: null, failure: { message, output: { job_id: jobId, root_cause: message, stack } } };
}

/** Of the checkpoint coordinator while tasks are deployed, and of the dispatcher while the job is initialised. */
const NOT_UP_YET =
  /Not all required tasks are currently running|is not being executed at the moment|UnavailableDispatcherOperationException/;
const GRACE_MS = 60_000;
/** Tasks may wait for slots. */
const DEPLOYMENT_MS = 600_000;
const MOST_ROUNDS = 8;
