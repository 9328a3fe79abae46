import { randomUUID } from 'node:crypto';
import { isJsonObject, type Json, type JsonObject } from '../../../dsl/json.ts';
import type { ActionResult } from '../../../engine/contract.ts';
import { FEATURES } from '../client/endpoints.ts';
import { FlinkApiError } from '../client/errors.ts';
import type { JobDetails } from '../client/methods.ts';
import { failureOf } from '../failure.ts';
import { missingFeature } from '../jar-submit.ts';
import { JarError, type JarStore } from '../jars.ts';
import { choice, seconds, text } from '../parameters.ts';
import { callFailed, isUnknownJob, jarFailed, natureOf, refused, webUrlOf } from '../outcome.ts';
import { digest, runBody } from '../plan.ts';
import { again, numberOf, textOf, type FlowRun, type FlowStep } from './flow.ts';
import { stopJob, stopLost } from './savepoint.ts';
import { askToEnd, TERMINAL } from './states.ts';

/** What runs after the stop, and what runs again when that does not come up: inputs of flink.run_jar. */
export interface Redeployment {
  readonly next: JsonObject;
  readonly rollback: JsonObject | null;
  /** For messages and for the result. */
  readonly action: string;
  readonly result: JsonObject;
}

/**
 * One step of replacing a running job by another (spec/flink.md §3.3, §4.1):
 *
 *     staging ─► stopping ─► next ─► (stable) done
 *                              └─ failed, or not up in time ─► rollback ─► (stable) failed, but running
 *
 * The jars are on the cluster before the old job is stopped, that of the way back as well. Both new jobs have ids derived from the action
 * execution, so that no crash starts one twice; what the cluster has taken is run again only as `on_lost` says (spec/flink.md §3.6). A cancel is
 * obeyed only where a job runs or nothing more can be done: in between there would be none.
 */
export async function redeploy(run: FlowRun, jars: JarStore, plan: Redeployment): Promise<FlowStep> {
  switch (phaseOf(run)) {
    case 'staging':
      return stageBoth(run, jars, plan);
    case 'stopping':
      return stopOld(run, plan);
    case 'next':
      return startOne(run, jars, plan, 'next', plan.next);
    case 'rollback':
      return startOne(run, jars, plan, 'rollback', plan.rollback ?? {});
  }
}

/** After the grace: the facts with which it goes on; null when the job is lost for good (spec/flink.md §3.6). */
export async function redeployLost(run: FlowRun): Promise<JsonObject | null> {
  const { facts, signal } = run;
  const which = phaseOf(run);
  if (which !== 'next' && which !== 'rollback') return stopLost(facts);
  // It was to end, and it has.
  if (facts[`${which}_cancelling`] === true) return { ...facts, [`${which}_gone`]: true };
  const archived = await run
    .history()
    ?.jobs.get(idOf(run, which), { signal })
    .catch(() => null);
  if (archived && TERMINAL.has(archived.state))
    return { ...facts, [`${which}_archived`]: { state: archived.state, name: archived.name } };
  const losses = (numberOf(facts, `${which}_losses`) ?? 0) + 1;
  if (run.input.on_lost !== 'resubmit' || losses > MOST_RESUBMITS) return null;
  // The jar is probably lost as well.
  const fresh = ['accepted', 'asked', 'asking', 'calls', 'jar', 'jar_lost', 'up_since'].map((fact) => [
    `${which}_${fact}`,
    null,
  ]);
  return { ...facts, ...Object.fromEntries(fresh), [`${which}_losses`]: losses };
}

/** Bounds that every redeployment takes. */
export const REDEPLOY_INPUTS: Readonly<Record<string, JsonObject>> = {
  stop_timeout: { ...seconds('Seconds until the old job must have made its savepoint and be over.'), default: 600 },
  not_found_grace: {
    ...seconds('For how long the cluster may not know a job of ours, as during a fail-over.'),
    default: 60,
  },
  history_url: text('Address of a history server that may know a job which the cluster has forgotten.'),
  on_lost: {
    ...choice(
      ['fail', 'resubmit'],
      'When the cluster has lost the new job for good: fail, or run it again from the savepoint under the same id, three times at most.',
    ),
    default: 'fail',
  },
};

async function stageBoth(run: FlowRun, jars: JarStore, plan: Redeployment): Promise<FlowStep> {
  const unchanged = (code: string, message: string) =>
    ended(run, 'RUNNING', refused(code, message, { job_id: textOf(run.input, 'job_id') }));
  if (run.cancel !== null) return unchanged('FLINK_CANCELLED', 'Nothing was changed.');
  const next = await stageOne(run, jars, plan.next);
  if ('code' in next) return unchanged(next.code, next.message);
  const rollback = plan.rollback === null ? null : await stageOne(run, jars, plan.rollback);
  if (rollback !== null && 'code' in rollback) return unchanged(rollback.code, `rollback: ${rollback.message}`);
  const used = textOf(run.input, 'new_job_id');
  if (used !== null && (await detailsOf(run, idOf(run, 'next'))) !== null)
    return unchanged('FLINK_DUPLICATE_JOB', `The cluster has a job ${used} already: new_job_id must be a new id.`);
  const staged = { next_jar: next.jarId, rollback_jar: rollback?.jarId ?? null };
  return again('STOPPING', { ...run.facts, phase: 'stopping', stopping_since: run.nowMs, ...staged }, 0);
}

/** All that can be known of a start before it is made: afterwards there is no job to leave as it is. */
async function stageOne(
  { client, signal, projectId }: FlowRun,
  jars: JarStore,
  input: JsonObject,
): Promise<{ readonly jarId: string } | { readonly code: string; readonly message: string }> {
  const missing = missingFeature(input, await client.version(signal));
  if (missing !== null) return { code: 'FLINK_UNSUPPORTED', message: missing };
  try {
    const staged = await jars.stage(client, input, signal, { projectId });
    if ((await client.jars.all({ signal })).some(({ id }) => id === staged.jarId)) return staged;
    if (isJsonObject(input.jar ?? null))
      return { code: 'FLINK_JAR_NOT_FOUND', message: `The cluster has no jar ${staged.jarId}.` };
    // Remembered from before the JobManager was started anew: now the file is there to be sent again, later it may not be.
    jars.lost(client, staged.hash, staged.jarId);
    return await jars.stage(client, input, signal, { projectId });
  } catch (error) {
    if (error instanceof JarError)
      return { code: error.passes ? 'FLINK_UNREACHABLE' : 'FLINK_BAD_REQUEST', message: error.message };
    throw error;
  }
}

async function stopOld(run: FlowRun, plan: Redeployment): Promise<FlowStep> {
  const step = await stopJob({ ...run, input: { ...run.input, cancel_fallback: false } });
  if (step.kind !== 'done') return tooLongToStop(run, plan, step) ?? step;
  if (step.result.kind !== 'success') {
    const output = isJsonObject(step.result.output) ? step.result.output : {};
    return ended(
      run,
      step.state,
      refused('FLINK_STOP_FAILED', `${plan.action}: ${String(output.message)}`, {
        ...output,
        code: 'FLINK_STOP_FAILED',
      }),
    );
  }
  const savepoint = isJsonObject(step.result.output) ? (step.result.output.location ?? null) : null;
  return again('STARTING', { ...run.facts, phase: 'next', savepoint, new_job_id: idOf(run, 'next') }, 0);
}

/** A stop cannot be taken back: what came of it is for people to see. */
function tooLongToStop(run: FlowRun, plan: Redeployment, step: FlowStep): FlowStep | null {
  const seconds = numberOf(run.input, 'stop_timeout') ?? 600;
  const since = numberOf(run.facts, 'stopping_since') ?? run.nowMs;
  if (step.kind !== 'again' || run.nowMs - since <= seconds * 1000) return null;
  const jobId = textOf(run.input, 'job_id');
  const location = textOf(step.facts ?? run.facts, 'location');
  const message = `${plan.action}: job ${jobId} has not stopped within ${seconds} seconds; ${location === null ? 'it may still do so' : `its savepoint is ${location}`}. Nothing was started.`;
  return ended(run, step.state, refused('FLINK_STOP_FAILED', message, { job_id: jobId, savepoint: location }));
}

type Which = 'next' | 'rollback';

async function startOne(
  run: FlowRun,
  jars: JarStore,
  plan: Redeployment,
  which: Which,
  input: JsonObject,
): Promise<FlowStep> {
  const { facts } = run;
  const jobId = idOf(run, which);
  const details = (await detailsOf(run, jobId)) ?? archivedOf(facts, which);
  if (details !== null && facts[`${which}_accepted`] !== true)
    return again(details.state, { ...facts, [`${which}_accepted`]: true }, 0);
  if (details !== null) return watchOne(run, plan, which, details);
  if (facts[`${which}_gone`] === true) return giveWay(run, plan, which, lateResult(run, plan, jobId));
  // Taken once, it is not posted again for being unknown: in a fail-over all jobs are, for a while.
  if (facts[`${which}_accepted`] === true) return unknownOf(run, plan, which);
  const late = which === 'rollback' ? await cancelLate(run) : null;
  if (late !== null) return late;
  const asked = numberOf(facts, `${which}_asked`);
  // Right after the call it may not be known yet, and main() may still be running in a call that was lost.
  if (asked !== null && run.nowMs - asked < LOOK_FOR_MS) return again('STARTING', undefined, 1000);
  // Whatever a start breaks over there, such as the whole JobManager, it is not broken without end.
  if ((numberOf(facts, `${which}_calls`) ?? 0) >= MOST_CALLS)
    return giveWay(run, plan, which, lateResult(run, plan, jobId));
  return submitOne(run, jars, plan, which, input);
}

function unknownOf(run: FlowRun, plan: Redeployment, which: Which): FlowStep {
  const old = textOf(run.input, 'job_id');
  const what = which === 'next' ? 'ran in place of' : 'ran again for';
  const reason = `${plan.action}: Flink does not know job ${idOf(run, which)} any more, which ${what} ${old}. The savepoint is ${String(run.facts.savepoint)}.`;
  return { kind: 'unknown', reason };
}

async function submitOne(
  run: FlowRun,
  jars: JarStore,
  plan: Redeployment,
  which: Which,
  input: JsonObject,
): Promise<FlowStep> {
  const { client, facts, signal, context } = run;
  const jobId = idOf(run, which);
  const calls = (numberOf(facts, `${which}_calls`) ?? 0) + 1;
  const asked = (value: number) => ({
    ...facts,
    [`${which}_asked`]: value,
    [`${which}_asking`]: null,
    [`${which}_calls`]: calls,
  });
  const accepted = () => ({ ...asked(run.nowMs), [`${which}_accepted`]: true });
  const asking = textOf(facts, `${which}_asking`);
  // Whoever has written that before us may have died with the call under way: look, as after a lost answer.
  if (asking !== null && asking !== THIS_PROCESS) return again('STARTING', asked(run.nowMs), 1000);
  const jarId = textOf(facts, `${which}_jar`);
  try {
    if (jarId === null) {
      const staged = await jars.stage(client, input, signal, { projectId: run.projectId });
      return again('STARTING', { ...facts, [`${which}_jar`]: staged.jarId }, 0);
    }
    if (asking === null) return again('STARTING', { ...facts, [`${which}_asking`]: THIS_PROCESS }, 0);
    const claimKey = (await client.version(signal)).atLeast(FEATURES.claimMode) ? 'claimMode' : 'restoreMode';
    const body = runBody(
      // A savepoint that the failed one has claimed could be gone.
      which === 'rollback' ? { ...input, claim_mode: null } : input,
      { jobId, restorePath: textOf(facts, 'savepoint') },
      claimKey,
    );
    await client.jars.run(jarId, body);
    return again('STARTING', asked(run.nowMs), 300);
  } catch (error) {
    const code = error instanceof FlinkApiError ? error.code : null;
    if (code === 'FLINK_DUPLICATE_JOB') return again('STARTING', accepted(), 300);
    if (code === 'FLINK_JAR_NOT_FOUND' && facts[`${which}_jar_lost`] !== true) {
      jars.lost(client, null, jarId);
      return again(
        'STARTING',
        { ...facts, [`${which}_jar`]: null, [`${which}_asking`]: null, [`${which}_jar_lost`]: true },
        0,
      );
    }
    if (error instanceof JarError) return giveWay(run, plan, which, jarFailed(error));
    if (natureOf(error) === 'passing') throw error;
    if (natureOf(error) === 'unclear') {
      context.log.warn('The start has no clear outcome: looking for the job.', { jobId, error });
      return again('STARTING', asked(run.nowMs), 1000);
    }
    // A job that failed while it was initialised exists, and knows better why.
    return (await detailsOf(run, jobId)) === null
      ? giveWay(run, plan, which, callFailed(error, jobId))
      : again('STARTING', asked(run.nowMs), 0);
  }
}

async function watchOne(run: FlowRun, plan: Redeployment, which: Which, details: Seen): Promise<FlowStep> {
  const { client, facts, nowMs, signal, target } = run;
  const jobId = idOf(run, which);
  const webUrl = webUrlOf({ url: target.url, jobId }, 'running');
  if (which === 'rollback') {
    const late = await cancelLate(run);
    if (late !== null) return late;
  }
  if (TERMINAL.has(details.state)) {
    const isBounded = details.state === 'FINISHED';
    if (isBounded) return up(run, plan, which, details, webUrl);
    const why =
      facts[`${which}_cancelling`] === true
        ? lateResult(run, plan, jobId)
        : await failureOf(client, { jobId, state: details.state, name: details.name, webUrl }, signal);
    return giveWay(run, plan, which, why);
  }
  const runs =
    details.state === 'RUNNING' &&
    details.vertices.every(({ status }) => status === 'RUNNING' || status === 'FINISHED');
  const since = numberOf(facts, `${which}_up_since`);
  if (runs) {
    if (since === null) return again('RUNNING', { ...facts, [`${which}_up_since`]: nowMs }, 500);
    if (nowMs - since >= (numberOf(run.input, 'stable_for') ?? 10) * 1000) return up(run, plan, which, details, webUrl);
    return again('RUNNING', undefined, 1000);
  }
  const started = numberOf(facts, `${which}_asked`) ?? nowMs;
  if (nowMs - started > startupSeconds(run) * 1000) {
    if (which === 'rollback') return giveWay(run, plan, which, slowResult(run, plan, details));
    await askToEnd(client, jobId, signal);
    return again('CANCELLING', { ...facts, [`${which}_cancelling`]: true }, 1000);
  }
  return again(details.state, since === null ? undefined : { ...facts, [`${which}_up_since`]: null }, 1000);
}

/** A start that had no clear outcome may come to something after all: not beside the old job. */
async function cancelLate(run: FlowRun): Promise<FlowStep | null> {
  const jobId = idOf(run, 'next');
  const late = await detailsOf(run, jobId);
  if (late === null || TERMINAL.has(late.state)) return null;
  if (late.state !== 'CANCELLING') await askToEnd(run.client, jobId, run.signal);
  return again('CANCELLING', undefined, 1000);
}

function up(run: FlowRun, plan: Redeployment, which: Which, details: Seen, webUrl: string): FlowStep {
  const output: JsonObject = {
    ...plan.result,
    job_id: idOf(run, which),
    old_job_id: textOf(run.input, 'job_id'),
    savepoint: run.facts.savepoint ?? null,
    state: details.state,
    name: details.name,
    web_url: webUrl,
  };
  if (which === 'next') return ended(run, details.state, { kind: 'success', output });
  const cause = isJsonObject(run.facts.cause ?? null) ? (run.facts.cause as JsonObject) : {};
  return ended(
    run,
    details.state,
    refused(
      'FLINK_ROLLED_BACK',
      `${plan.action}: the new job did not come up (${String(cause.message)}); the old one runs again.`,
      {
        ...output,
        cause,
      },
    ),
  );
}

/** This one does not run. */
function giveWay(run: FlowRun, plan: Redeployment, which: Which, why: ActionResult): FlowStep {
  const cause: Json = why.output;
  if (which === 'next' && plan.rollback !== null)
    return again('ROLLING BACK', { ...run.facts, phase: 'rollback', cause, rollback_job_id: idOf(run, 'rollback') }, 0);
  const first = isJsonObject(run.facts.cause ?? null) ? (run.facts.cause as JsonObject) : null;
  const message = isJsonObject(cause) ? String(cause.message) : String(cause);
  const ids = {
    old_job_id: textOf(run.input, 'job_id'),
    new_job_id: idOf(run, 'next'),
    ...(which === 'rollback' && { rollback_job_id: idOf(run, 'rollback') }),
  };
  const what =
    which === 'rollback'
      ? `${plan.action}: neither the new job ${ids.new_job_id} came up (${String(first?.message)}) nor the old one again as ${ids.rollback_job_id} (${message}).`
      : `${plan.action}: the new job ${ids.new_job_id} did not come up: ${message}.`;
  const state = isJsonObject(cause) ? textOf(cause, 'state') : null;
  const isThere = state !== null && !TERMINAL.has(state);
  return ended(
    run,
    isThere ? state : 'FAILED',
    refused(
      'FLINK_UPGRADE_FAILED',
      `${what} Job ${ids.old_job_id} was stopped. The savepoint is ${String(run.facts.savepoint)}.`,
      {
        job_id: isThere ? idOf(run, which) : null,
        ...ids,
        savepoint: run.facts.savepoint ?? null,
        cause: first ?? cause,
        ...(which === 'rollback' && { rollback_cause: cause }),
      },
    ),
  );
}

/** Told as cancelled when the workflow wanted that; what came of it all the same is in the output. */
function ended(run: FlowRun, state: string, result: ActionResult): FlowStep {
  const isCancelled = run.cancel?.reason === 'cancelled' && isJsonObject(result.output);
  return {
    kind: 'done',
    state,
    result: isCancelled ? { kind: 'cancelled', output: result.output } : result,
  };
}

function lateResult(run: FlowRun, plan: Redeployment, jobId: string): ActionResult {
  const message = `${plan.action}: job ${jobId} did not run within ${startupSeconds(run)} seconds`;
  return refused('FLINK_START_TIMEOUT', message, { job_id: jobId });
}

/** There is nothing behind it to go back to: whoever looks after the cluster decides what becomes of it. */
function slowResult(run: FlowRun, plan: Redeployment, { state }: Seen): ActionResult {
  const jobId = idOf(run, 'rollback');
  const message = `${plan.action}: job ${jobId} is ${state} after ${startupSeconds(run)} seconds and is left as it is`;
  return refused('FLINK_START_TIMEOUT', message, { job_id: jobId, state });
}

function startupSeconds({ input }: FlowRun): number {
  return numberOf(input, 'startup_timeout') ?? 120;
}

function idOf(run: FlowRun, which: Which): string {
  const own = which === 'next' ? textOf(run.input, 'new_job_id') : null;
  return own?.toLowerCase() ?? digest(`flink/job/${run.actionExecutionId}${which === 'next' ? '' : '/rollback'}`);
}

async function detailsOf(run: FlowRun, jobId: string): Promise<JobDetails | null> {
  try {
    return await run.client.jobs.get(jobId, { signal: run.signal });
  } catch (error) {
    if (isUnknownJob(error)) return null;
    throw error;
  }
}

/** What is looked at of a job, on the cluster or in a history server. */
type Seen = Pick<JobDetails, 'state' | 'name' | 'vertices'>;

function archivedOf(facts: JsonObject, which: Which): Seen | null {
  const found = facts[`${which}_archived`];
  if (!isJsonObject(found ?? null)) return null;
  const { state, name } = found as JsonObject;
  return { state: String(state), name: String(name), vertices: [] };
}

function phaseOf({ facts }: FlowRun): 'staging' | 'stopping' | Which {
  return PHASES.find((phase) => phase === facts.phase) ?? 'staging';
}

const PHASES = ['staging', 'stopping', 'next', 'rollback'] as const;
const LOOK_FOR_MS = 60_000;
const MOST_CALLS = 3;
const MOST_RESUBMITS = 3;
/** Tells a call of ours from one of a process that is gone. */
const THIS_PROCESS = randomUUID();
