import { join } from 'node:path';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { isJsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { toNumber } from '../inputs.ts';
import type {
  CancelOutcome,
  FindOutcome,
  GivingUp,
  Job,
  JobBackend,
  JobContext,
  JobRequest,
  JobStatus,
  JobUpdate,
  StageOutcome,
  SubmitOutcome,
} from '../jobs/backend.ts';
import { sleep } from '../sleep.ts';
import { confOf, submitArguments } from './command.ts';
import { describeCommand } from './describe.ts';
import { findAppIdInEventLogs } from './event-log.ts';
import { readLogFacts } from './log-lines.ts';
import { refused, runFailed, runSucceeded, type RunFacts } from './outcome.ts';
import { readHead, readLogTail, readResult, rotateOutput } from './output.ts';
import {
  applicationOf,
  environmentOf,
  planRun,
  sparkHomeOf,
  toRunPlan,
  type RunPlan,
  type SparkOptions,
} from './plan.ts';
import { hostId, isAlive, killOrphans, signalGroup, type ProcessIdentity } from '../../processes/process.ts';
import { exists, layOut, readExit, readProcess, startDetached, startedMs } from '../../processes/run-directory.ts';
import { readUi } from './ui.ts';

/**
 * spark-submit as a process of this host (spec/spark.md §8.3): it belongs to nobody, so it outlives the server, and its run directory
 * tells any later process of this host what became of it.
 */
export function createProcessBackend(options: SparkOptions): JobBackend {
  const host = options.host ?? hostId();
  return {
    name: 'spark-process',
    // The run directory's `started` can be made only once.
    refusesDuplicates: true,
    prepare: (input, run) => planRun(input, run, options, host),
    stage: (job, request) => stage(job, request, options, host),
    submit: (job, request, context) => submit(job, request, context, options),
    find: (job, _request, _context, lookingMs) => find(job, lookingMs, host),
    state: (job, context) => state(job, context, options, host),
    cancel: (job, context) => cancel(job, context),
    giveUp: (job, why) => giveUp(job, why, options),
    log: (job) => readLogTail(toRunPlan(job.data).runDirectory, toRunPlan(job.data).logLines),
    progress: (job) => progress(job),
    isElsewhere: (job) => toRunPlan(job.data).host !== host,
  };
}

async function stage(job: Job, { input }: JobRequest, options: SparkOptions, host: string): Promise<StageOutcome> {
  const plan = toRunPlan(job.data);
  if (plan.host !== host) return { kind: 'refused', result: refused('SPARK_JOB_LOST', elsewhere(plan)) };
  const home = sparkHomeOf(input, options) ?? '';
  const program = join(home, 'bin', 'spark-submit');
  if (!(await exists(program))) {
    return {
      kind: 'refused',
      result: refused(
        'SPARK_UNSUPPORTED',
        `There is no ${program}: set SPARK_HOME, or the input spark_home, to a Spark installation.`,
      ),
    };
  }
  const folder = workingFolder(input, plan);
  if (folder !== plan.runDirectory && !(await exists(folder))) {
    return {
      kind: 'refused',
      result: refused('SPARK_BAD_INPUT', `working_dir ${folder} does not exist on the executor's host.`),
    };
  }
  const inline =
    isJsonObject(input.application) && typeof input.application.inline === 'string' ? input.application.inline : null;
  const argv = [program, ...submitArguments(input, applicationOf(input, plan), job.id)];
  await layOut(
    plan.runDirectory,
    describeCommand(job.id, argv, confOf(input), environmentOf(input, options, home), folder),
    inline,
  );
  return { kind: 'ready' };
}

async function submit(
  job: Job,
  { input }: JobRequest,
  context: JobContext,
  options: SparkOptions,
): Promise<SubmitOutcome> {
  const plan = toRunPlan(job.data);
  const home = sparkHomeOf(input, options) ?? '';
  const argv = [join(home, 'bin', 'spark-submit'), ...submitArguments(input, applicationOf(input, plan), job.id)];
  const command = { argv, env: environmentOf(input, options, home), cwd: workingFolder(input, plan) };
  await startDetached(plan.runDirectory, command, () => context.wake());
  // The wrapper says who it is; on a crowded machine that takes a while, and `find` goes on where this ends.
  for (let pause = 5; pause < 2000; pause *= 1.5) {
    const found = await readProcess(plan.runDirectory);
    if (typeof found === 'object') return { kind: 'submitted', update: adopted(job, found) };
    await sleep(pause, context.signal);
  }
  return { kind: 'unclear', reason: 'The process has not written who it is yet.' };
}

async function find(job: Job, lookingMs: number, host: string): Promise<FindOutcome> {
  const plan = toRunPlan(job.data);
  if (plan.host !== host) return { kind: 'ended', result: refused('SPARK_JOB_LOST', elsewhere(plan)) };
  const found = await readProcess(plan.runDirectory);
  if (typeof found === 'object') return { kind: 'found', update: adopted(job, found) };
  // The directory was made before the record said `submitting`: without it nobody knows what was started.
  if (!(await exists(plan.runDirectory)))
    return { kind: 'ended', result: refused('SPARK_JOB_LOST', `The run directory ${plan.runDirectory} is gone.`) };
  if (found === 'fresh') return { kind: 'absent' };
  if (lookingMs < STARTING_GRACE_MS)
    return { kind: 'looking', reason: 'The run was started and has not written its process yet.' };
  return {
    kind: 'ended',
    result: refused('SPARK_JOB_LOST', `The run in ${plan.runDirectory} was started and its process is not known.`),
  };
}

async function state(job: Job, context: JobContext, options: SparkOptions, host: string): Promise<JobStatus> {
  const plan = toRunPlan(job.data);
  if (plan.host !== host)
    return ended('unknown', runFailed('SPARK_JOB_LOST', elsewhere(plan), await factsOf(job, plan, 'unknown', options)));
  const identity = identityOf(job);
  // Asked first: between "no exit code" and "not alive" the code may be written.
  const lives = identity !== null && (await isAlive(identity));
  const exit = await readExit(plan.runDirectory);
  if (exit !== null) return exited(job, plan, exit, options);
  if (!lives) return vanished(job, plan, identity, options);
  await rotateOutput(plan.runDirectory);
  const update = await newFacts(job, plan);
  if (plan.waitForEnd) return { kind: 'live', state: 'running', ...(update !== undefined && { update }) };
  context.log.info('The run is submitted and goes on by itself.', { actionExecutionId: job.id });
  return ended('running', runSucceeded(await factsOf(job, plan, 'running', options), null));
}

async function exited(
  job: Job,
  plan: RunPlan,
  exit: { code: number; atMs: number },
  options: SparkOptions,
): Promise<JobStatus> {
  const isGood = plan.allowedExitCodes.includes(exit.code);
  const wasStopped = job.cancel !== null && termSentMs(job) !== null;
  const word = isGood ? 'success' : wasStopped || exit.code === 137 || exit.code === 143 ? 'killed' : 'failed';
  const facts = { ...(await factsOf(job, plan, word, options)), exitCode: exit.code, finishedAtMs: exit.atMs };
  if (word === 'killed')
    return ended(
      word,
      wasStopped
        ? stopped(job, facts)
        : runFailed('SPARK_JOB_KILLED', `The process was killed (exit code ${exit.code}).`, facts),
    );
  if (word === 'failed')
    return ended(word, runFailed('SPARK_JOB_FAILED', `spark-submit ended with exit code ${exit.code}`, facts));
  try {
    const result = await readResult(plan.runDirectory, plan.result);
    const appId = facts.appId ?? appIdOfResult(result);
    return ended(word, runSucceeded({ ...facts, appId }, result), appId);
  } catch (error) {
    return ended(
      'failed',
      runFailed('SPARK_JOB_FAILED', error instanceof Error ? error.message : String(error), facts),
    );
  }
}

/** Gone without an exit code: killed hard, or the machine went down. What is left of its group must not go on unseen. */
async function vanished(
  job: Job,
  plan: RunPlan,
  identity: ProcessIdentity | null,
  options: SparkOptions,
): Promise<JobStatus> {
  if (identity !== null) await killOrphans(identity.pid, `WF_RUN_DIR=${plan.runDirectory}`);
  const facts = await factsOf(job, plan, job.cancel === null ? 'unknown' : 'killed', options);
  if (job.cancel !== null) return ended('killed', stopped(job, facts));
  return ended(
    'unknown',
    runFailed(
      'SPARK_JOB_LOST',
      'The process is gone and has left no exit code: it was killed, or the machine was restarted.',
      facts,
    ),
  );
}

async function cancel(job: Job, context: JobContext): Promise<CancelOutcome> {
  const plan = toRunPlan(job.data);
  const identity = identityOf(job);
  if (identity === null || !(await isAlive(identity))) return {};
  const sentMs = termSentMs(job);
  if (sentMs === null) {
    signalGroup(identity.pid, 'SIGTERM');
    return { update: { data: { ...job.data, term_sent_ms: context.nowMs } }, againMs: 200 };
  }
  const leftMs = sentMs + plan.killGraceMs - context.nowMs;
  if (leftMs > 0) return { againMs: Math.min(leftMs, 500) };
  signalGroup(identity.pid, 'SIGKILL');
  return { againMs: 100 };
}

async function giveUp(job: Job, why: GivingUp, options: SparkOptions): Promise<ActionResult> {
  const plan = toRunPlan(job.data);
  const facts = await factsOf(job, plan, job.lastState ?? 'not_started', options);
  switch (why.kind) {
    case 'cancelled':
      return runFailed(
        'SPARK_CANCELLED',
        why.jobGoesOn ? 'Cancelled; the job goes on, as on_cancel: detach says.' : 'Cancelled before it was started.',
        facts,
      );
    case 'timeout':
      return runFailed(
        'SPARK_TIMEOUT',
        `Timeout after ${why.seconds} seconds${why.jobGoesOn ? '; the job goes on' : ''}.`,
        facts,
      );
    case 'lost':
      return runFailed('SPARK_JOB_LOST', why.reason, facts);
    case 'unreachable':
    case 'broken':
      return runFailed('SPARK_UNREACHABLE', why.reason, facts);
  }
}

async function progress(job: Job): Promise<JsonObject> {
  const ui = job.url === null ? null : await readUi(job.url, job.id);
  if (ui !== null) return { state: job.lastState ?? 'running', ...ui.figures };
  const lines = await readLogTail(toRunPlan(job.data).runDirectory, 2000);
  return { state: job.lastState ?? 'running', log_lines: lines.length };
}

/** Ids and addresses that the log shows by now. */
async function newFacts(job: Job, plan: RunPlan): Promise<JobUpdate | undefined> {
  if (job.appId !== null && job.url !== null) return undefined;
  const found = readLogFacts(await readHead(join(plan.runDirectory, 'stderr')));
  const page = job.url ?? found.uiUrl;
  // In local mode only the web page knows the id.
  const appId =
    job.appId === null ? (found.appId ?? (page === null ? null : ((await readUi(page, job.id))?.appId ?? null))) : null;
  const url = job.url === null ? page : null;
  return appId === null && url === null
    ? undefined
    : { ...(appId !== null && { appId }), ...(url !== null && { url }) };
}

async function factsOf(job: Job, plan: RunPlan, state: string, options: SparkOptions): Promise<RunFacts> {
  const found = readLogFacts(await readHead(join(plan.runDirectory, 'stderr')));
  const startedAtMs = await startedMs(plan.runDirectory);
  const inEventLog = () =>
    plan.eventLogs === null ? null : findAppIdInEventLogs(plan.eventLogs, job.id, startedAtMs ?? job.createdAtMs);
  const appId = job.appId ?? found.appId ?? (await inEventLog());
  const history = options.historyUrl ?? null;
  return {
    backend: 'process',
    id: job.externalId,
    appId,
    name: plan.name,
    state,
    submittedAtMs: job.submittedAtMs,
    startedAtMs,
    finishedAtMs: null,
    uiUrl: job.url ?? found.uiUrl,
    historyUrl: history === null || appId === null ? null : `${history.replace(/\/$/, '')}/history/${appId}`,
    logTail: await readLogTail(plan.runDirectory, plan.logLines),
    progress: null,
    exitCode: null,
  };
}

function stopped(job: Job, facts: RunFacts): ActionResult {
  if (job.cancel?.reason !== 'timeout') return runFailed('SPARK_CANCELLED', 'The run was cancelled.', facts);
  return runFailed('SPARK_TIMEOUT', `Timeout after ${job.cancel.seconds} seconds; the run was killed.`, facts);
}

function ended(state: string, result: ActionResult, appId: string | null = null): JobStatus {
  const { output } = result;
  const logTail =
    isJsonObject(output) && Array.isArray(output.log_tail)
      ? output.log_tail.filter((line) => typeof line === 'string')
      : [];
  return { kind: 'ended', state, result, logTail, ...(appId !== null && { update: { appId } }) };
}

function adopted(job: Job, process: ProcessIdentity): JobUpdate {
  return {
    externalId: `${toRunPlan(job.data).host}:${process.pid}`,
    data: { ...job.data, pid: process.pid, pid_start: process.start, boot_id: process.bootId },
  };
}

function identityOf(job: Job): ProcessIdentity | null {
  const { pid, pid_start: start, boot_id: boot } = job.data;
  if (typeof pid !== 'number') return null;
  return { pid, start: typeof start === 'string' ? start : '', bootId: typeof boot === 'string' ? boot : '' };
}

function termSentMs(job: Job): number | null {
  return job.data.term_sent_ms === undefined ? null : toNumber(job.data.term_sent_ms);
}

/** Local mode logs no id at all (spec/spark.md §6), so a job may tell it itself. */
function appIdOfResult(result: Json): string | null {
  return isJsonObject(result) && typeof result.application_id === 'string' ? result.application_id : null;
}

function workingFolder(input: JsonObject, plan: RunPlan): string {
  return typeof input.working_dir === 'string' && input.working_dir !== '' ? input.working_dir : plan.runDirectory;
}

function elsewhere(plan: RunPlan): string {
  return `The run belongs to host ${plan.host}, which does not watch it any more; only that host can tell what became of it (${plan.runDirectory}).`;
}

const STARTING_GRACE_MS = 10_000;
