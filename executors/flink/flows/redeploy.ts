import { randomUUID } from 'node:crypto';
import { isJsonObject, type Json, type JsonObject } from '../../../dsl/json.ts';
import type { ActionResult } from '../../../engine/contract.ts';
import { FEATURES } from '../client/endpoints.ts';
import { FlinkApiError } from '../client/errors.ts';
import type { JobDetails } from '../client/methods.ts';
import { failureOf } from '../failure.ts';
import { JarError, type JarStore } from '../jars.ts';
import { callFailed, isUnknownJob, natureOf, refused, webUrlOf } from '../outcome.ts';
import { digest, runBody } from '../plan.ts';
import { again, numberOf, textOf, type FlowRun, type FlowStep } from './flow.ts';
import { stopJob } from './savepoint.ts';
import { TERMINAL } from './states.ts';

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
 * The jar is on the cluster before the old job is stopped. Both new jobs have ids derived from the action execution, so that no crash starts one
 * twice. A cancel is obeyed only where a job runs or nothing more can be done: in between there would be none.
 */
export async function redeploy(run: FlowRun, jars: JarStore, plan: Redeployment): Promise<FlowStep> {
  const phase = textOf(run.facts, 'phase') ?? 'staging';
  switch (phase) {
    case 'staging':
      return stageNext(run, jars, plan);
    case 'stopping':
      return stopOld(run, plan);
    case 'next':
      return startOne(run, jars, plan, 'next', plan.next);
    default:
      return startOne(run, jars, plan, 'rollback', plan.rollback ?? {});
  }
}

async function stageNext(run: FlowRun, jars: JarStore, plan: Redeployment): Promise<FlowStep> {
  const about = { job_id: textOf(run.input, 'job_id') };
  if (run.cancel !== null) return ended(run, 'RUNNING', refused('FLINK_CANCELLED', 'Nothing was changed.', about));
  try {
    const staged = await jars.stage(run.client, plan.next, run.signal);
    return again('STOPPING', { ...run.facts, phase: 'stopping', next_jar: staged.jarId }, 0);
  } catch (error) {
    if (error instanceof JarError) return ended(run, 'RUNNING', refused('FLINK_BAD_REQUEST', error.message, about));
    throw error;
  }
}

async function stopOld(run: FlowRun, plan: Redeployment): Promise<FlowStep> {
  const step = await stopJob({ ...run, input: { ...run.input, cancel_fallback: false } });
  if (step.kind !== 'done') return step;
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
  return again('STARTING', { ...run.facts, phase: 'next', savepoint, phase_since: run.nowMs }, 0);
}

type Which = 'next' | 'rollback';

async function startOne(
  run: FlowRun,
  jars: JarStore,
  plan: Redeployment,
  which: Which,
  input: JsonObject,
): Promise<FlowStep> {
  const jobId = idOf(run, which);
  const details = await detailsOf(run, jobId);
  if (details !== null) return watchOne(run, plan, which, details);
  if (run.facts[`${which}_cancelling`] === true) return giveWay(run, plan, which, lateResult(run, plan, jobId));
  const asked = numberOf(run.facts, `${which}_asked`);
  // Right after the call it may not be known yet, and main() may still be running in a call that was lost.
  if (asked !== null && run.nowMs - asked < LOOK_FOR_MS) return again('STARTING', undefined, 1000);
  // Whatever a start breaks over there, such as the whole JobManager, it is not broken without end.
  if ((numberOf(run.facts, `${which}_calls`) ?? 0) >= MOST_CALLS)
    return giveWay(run, plan, which, lateResult(run, plan, jobId));
  return submitOne(run, jars, plan, which, input);
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
  const asking = textOf(facts, `${which}_asking`);
  // Whoever has written that before us may have died with the call under way: look, as after a lost answer.
  if (asking !== null && asking !== THIS_PROCESS) return again('STARTING', asked(run.nowMs), 1000);
  const jarId = textOf(facts, `${which}_jar`);
  try {
    if (jarId === null) {
      const staged = await jars.stage(client, input, signal);
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
    if (code === 'FLINK_DUPLICATE_JOB') return again('STARTING', asked(run.nowMs), 300);
    if (code === 'FLINK_JAR_NOT_FOUND' && facts[`${which}_jar_lost`] !== true) {
      jars.lost(client, null, jarId);
      return again(
        'STARTING',
        { ...facts, [`${which}_jar`]: null, [`${which}_asking`]: null, [`${which}_jar_lost`]: true },
        0,
      );
    }
    if (error instanceof JarError) return giveWay(run, plan, which, refused('FLINK_BAD_REQUEST', error.message));
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

async function watchOne(run: FlowRun, plan: Redeployment, which: Which, details: JobDetails): Promise<FlowStep> {
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
  if (nowMs - started > (numberOf(run.input, 'startup_timeout') ?? 120) * 1000 && which === 'next') {
    await client.jobs.terminate(jobId, { signal });
    return again('CANCELLING', { ...facts, [`${which}_cancelling`]: true }, 1000);
  }
  return again(details.state, since === null ? undefined : { ...facts, [`${which}_up_since`]: null }, 1000);
}

/** A start that had no clear outcome may come to something after all: not beside the old job. */
async function cancelLate(run: FlowRun): Promise<FlowStep | null> {
  const jobId = idOf(run, 'next');
  const late = await detailsOf(run, jobId);
  if (late === null || TERMINAL.has(late.state)) return null;
  if (late.state !== 'CANCELLING') await run.client.jobs.terminate(jobId, { signal: run.signal });
  return again('CANCELLING', undefined, 1000);
}

function up(run: FlowRun, plan: Redeployment, which: Which, details: JobDetails, webUrl: string): FlowStep {
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
    return again('ROLLING BACK', { ...run.facts, phase: 'rollback', cause, phase_since: run.nowMs }, 0);
  const first = isJsonObject(run.facts.cause ?? null) ? (run.facts.cause as JsonObject) : null;
  const message = isJsonObject(cause) ? String(cause.message) : String(cause);
  const what =
    which === 'rollback'
      ? `${plan.action}: neither the new job came up (${String(first?.message)}) nor the old one again (${message})`
      : `${plan.action}: the new job did not come up: ${message}`;
  return ended(
    run,
    'FAILED',
    refused('FLINK_UPGRADE_FAILED', `${what}. The savepoint is ${String(run.facts.savepoint)}.`, {
      job_id: null,
      old_job_id: textOf(run.input, 'job_id'),
      savepoint: run.facts.savepoint ?? null,
      cause: first ?? cause,
      ...(which === 'rollback' && { rollback_cause: cause }),
    }),
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
  const seconds = numberOf(run.input, 'startup_timeout') ?? 120;
  return refused('FLINK_START_TIMEOUT', `${plan.action}: job ${jobId} did not run within ${seconds} seconds.`, {
    job_id: jobId,
  });
}

function idOf(run: FlowRun, which: Which): string {
  const own = which === 'next' ? textOf(run.input, 'new_job_id') : null;
  return own ?? digest(`flink/job/${run.actionExecutionId}${which === 'next' ? '' : '/rollback'}`);
}

async function detailsOf(run: FlowRun, jobId: string): Promise<JobDetails | null> {
  try {
    return await run.client.jobs.get(jobId, { signal: run.signal });
  } catch (error) {
    if (isUnknownJob(error)) return null;
    throw error;
  }
}

const LOOK_FOR_MS = 60_000;
const MOST_CALLS = 3;
/** Tells a call of ours from one of a process that is gone. */
const THIS_PROCESS = randomUUID();
