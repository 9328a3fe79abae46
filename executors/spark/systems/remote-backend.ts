import { isJsonObject, parseJson, type Json, type JsonObject } from '../../../dsl/json.ts';
import type { ActionResult } from '../../../engine/contract.ts';
import type {
  GivingUp,
  Job,
  JobBackend,
  JobContext,
  JobRequest,
  JobStatus,
  JobUpdate,
  SubmitOutcome,
} from '../../jobs/backend.ts';
import { runFailed, runSucceeded, type RunFacts } from '../outcome.ts';
import { LARGEST_RESULT_BYTES } from '../output.ts';
import { SparkApiError } from './errors.ts';
import { callFailed, natureOf } from './failures.ts';
import { planRemote, serverOfPlan, toRemotePlan, withNotes, type RemotePlan } from './run-plan.ts';
import type { Look, LookFacts, RunCall, SystemRuns } from './runs.ts';
import { clientOf, type SparkServers } from './servers.ts';

/** Runs jobs of one system to their end: the job watcher's view of it. `translate` makes the system's input of another action's. */
export function createRemoteBackend(
  runs: SystemRuns,
  servers: SparkServers,
  translate: (input: JsonObject) => JsonObject = (input) => input,
): JobBackend {
  const callOf = (job: Job, context: JobContext): RunCall => {
    const plan = toRemotePlan(job.data);
    const server = serverOfPlan(plan, runs, servers);
    return {
      job,
      plan,
      client: clientOf(runs.system, server),
      masterUi: server.masterUi === null ? null : clientOf('master', { ...server, urls: [server.masterUi] }),
      signal: context.signal,
      nowMs: context.nowMs,
      takenIds: context.takenIds,
    };
  };
  const submitCallOf = (job: Job, { input }: JobRequest, context: JobContext) => ({
    ...callOf(job, context),
    input: translate(input),
  });
  return {
    name: runs.backend,
    refusesDuplicates: runs.refusesDuplicates,
    prepare: (input, run) => planRemote(translate(input), run, runs, servers),
    submit: (job, request, context) => submit(runs, submitCallOf(job, request, context)),
    find: async (job, request, context, lookingMs) => runs.find(submitCallOf(job, request, context), lookingMs),
    state: (job, context) => state(runs, job, () => callOf(job, context)),
    cancel: async (job, context) => runs.cancel(callOf(job, context)),
    giveUp: async (job, why, context) => giveUp(runs, job, why, () => callOf(job, context)),
    log: async (job, context) => runs.log(callOf(job, context)),
    progress: async (job, context) => ({
      state: job.lastState,
      // It is there and has not begun: its server or its cluster has no room for it (spec/spark.md §8.4).
      pending: isPending(toRemotePlan(job.data)),
      ...(await runs.progress?.(callOf(job, context))),
    }),
  };
}

async function submit(runs: SystemRuns, call: Parameters<SystemRuns['submit']>[0]): Promise<SubmitOutcome> {
  try {
    return { kind: 'submitted', update: await runs.submit(call) };
  } catch (error) {
    const judged = (await runs.judge?.(error, call)) ?? null;
    if (judged !== null) return judged;
    const reason = error instanceof Error ? error.message : String(error);
    const result = callFailed(error, runs.system);
    switch (natureOf(error)) {
      case 'passing':
        return { kind: 'later', reason, giveUp: result };
      case 'unclear':
        return { kind: 'unclear', reason };
      case 'final':
        return { kind: 'refused', result };
    }
  }
}

async function state(runs: SystemRuns, job: Job, toCall: () => RunCall): Promise<JobStatus> {
  let call: RunCall;
  let look: Look;
  try {
    call = toCall();
    if (call.plan.keptLog !== null) return gone(runs, job, call.plan);
    look = await runs.look(call);
  } catch (error) {
    if (error instanceof SparkApiError && error.status === 404) return { kind: 'unknown', reason: error.message };
    return { kind: 'unreachable', reason: error instanceof Error ? error.message : String(error) };
  }
  if (look.kind === 'unknown') return look;
  const { plan } = call;
  const update = newFacts(job, plan, look);
  if (look.kind === 'live') {
    if (!plan.waitForEnd && job.cancel === null)
      return ended(look.word, runSucceeded(factsOf(runs, job, plan, look), null), [], update);
    return {
      kind: 'live',
      state: look.word,
      ...(look.againMs !== undefined && { againMs: look.againMs }),
      ...(update !== undefined && { update }),
    };
  }
  // The line with the result may stand further up than the lines that are kept.
  const wide = { ...call, plan: { ...plan, logLines: Math.max(plan.logLines, SEARCHED_LINES) } };
  const log = await runs.log(wide).catch((): readonly string[] => []);
  return over(runs, job, plan, look, tailOf(log, plan), resultIn(log), update);
}

function over(
  runs: SystemRuns,
  job: Job,
  plan: RemotePlan,
  look: Exclude<Look, { kind: 'live' | 'unknown' }>,
  logTail: readonly string[],
  marker: string | null,
  update: JobUpdate | undefined,
): JobStatus {
  const facts = { ...factsOf(runs, job, plan, look), logTail };
  switch (look.kind) {
    case 'success': {
      if (look.result !== undefined || !plan.hasMarker)
        return ended(look.word, runSucceeded(facts, look.result ?? null), logTail, update);
      const parsed = parsedMarker(marker);
      return ended(
        look.word,
        'problem' in parsed ? runFailed('SPARK_JOB_FAILED', parsed.problem, facts) : runSucceeded(facts, parsed.value),
        logTail,
        update,
      );
    }
    case 'failed':
      return ended(
        look.word,
        withExtra(runFailed(look.code ?? 'SPARK_JOB_FAILED', look.reason, facts), look.extra),
        logTail,
        update,
      );
    case 'killed':
      return ended(
        look.word,
        job.cancel === null ? runFailed('SPARK_JOB_KILLED', 'The job was killed.', facts) : stopped(job, facts),
        logTail,
        update,
      );
    case 'lost':
      return ended(look.word, runFailed('SPARK_JOB_LOST', look.reason, facts), logTail, update);
  }
}

/** Deleted by us, with its record on the server: what was kept of its log is all there is. */
function gone(runs: SystemRuns, job: Job, plan: RemotePlan): JobStatus {
  const logTail = plan.keptLog ?? [];
  const facts = { ...factsOf(runs, job, plan, { word: 'killed' }), logTail };
  return ended('killed', stopped(job, facts), logTail, undefined);
}

function stopped(job: Job, facts: RunFacts): ActionResult {
  if (job.cancel?.reason !== 'timeout') return runFailed('SPARK_CANCELLED', 'The job was cancelled.', facts);
  return runFailed('SPARK_TIMEOUT', `Timeout after ${job.cancel.seconds} seconds; the job was cancelled.`, facts);
}

async function giveUp(runs: SystemRuns, job: Job, why: GivingUp, toCall: () => RunCall): Promise<ActionResult> {
  const plan = toRemotePlan(job.data);
  const logTail = await logOf(runs, toCall);
  const facts = { ...factsOf(runs, job, plan, { word: job.lastState ?? 'unknown' }), logTail: tailOf(logTail, plan) };
  switch (why.kind) {
    case 'cancelled':
      return runFailed(
        'SPARK_CANCELLED',
        why.jobGoesOn ? 'Cancelled; the job may go on.' : 'Cancelled before the job was submitted.',
        facts,
      );
    case 'timeout':
      return runFailed(
        'SPARK_TIMEOUT',
        `Timeout after ${why.seconds} seconds${why.jobGoesOn ? '; the job may go on' : ''}.`,
        facts,
      );
    case 'lost':
      return runFailed('SPARK_JOB_LOST', why.reason, facts);
    case 'unreachable':
    case 'broken':
      return runFailed('SPARK_UNREACHABLE', why.reason, facts);
  }
}

async function logOf(runs: SystemRuns, toCall: () => RunCall): Promise<readonly string[]> {
  try {
    return await runs.log(toCall());
  } catch {
    // It may be gone with its server; the reason for giving up counts more.
    return [];
  }
}

function ended(
  word: string,
  result: ActionResult,
  logTail: readonly string[],
  update: JobUpdate | undefined,
): JobStatus {
  return { kind: 'ended', state: word, result, logTail, ...(update !== undefined && { update }) };
}

function newFacts(job: Job, plan: RemotePlan, look: Exclude<Look, { kind: 'unknown' }>): JobUpdate | undefined {
  const appId = look.appId ?? null;
  const url = look.uiUrl ?? null;
  const pending = look.kind === 'live' && look.pending;
  const update = {
    ...(appId !== null && appId !== job.appId && { appId }),
    ...(url !== null && url !== job.url && { url }),
    ...(pending !== isPending(plan) && { data: withNotes(plan, { pending }) }),
  };
  return Object.keys(update).length === 0 ? undefined : update;
}

function factsOf(runs: SystemRuns, job: Job, plan: RemotePlan, look: LookFacts): RunFacts {
  const appId = look.appId ?? job.appId;
  const history = plan.historyUrl;
  return {
    backend: runs.system,
    id: job.externalId,
    appId,
    name: plan.name,
    state: look.word,
    submittedAtMs: job.submittedAtMs,
    startedAtMs: look.startedAtMs ?? null,
    finishedAtMs: look.finishedAtMs ?? null,
    uiUrl: look.uiUrl ?? job.url,
    historyUrl: history === null || appId === null ? null : `${history.replace(/\/$/, '')}/history/${appId}`,
    logTail: [],
    progress: null,
    exitCode: null,
  };
}

function isPending(plan: RemotePlan): boolean {
  return plan.notes.pending === true;
}

function withExtra(result: ActionResult, extra: JsonObject | undefined): ActionResult {
  const { output } = result;
  return extra === undefined || !isJsonObject(output) ? result : { ...result, output: { ...output, ...extra } };
}

function tailOf(log: readonly string[], plan: RemotePlan): readonly string[] {
  return plan.logLines === 0 ? [] : log.slice(-plan.logLines);
}

const SEARCHED_LINES = 200;
const MARKER = '::result ';

function resultIn(log: readonly string[]): string | null {
  const line = log.findLast((one) => one.startsWith(MARKER));
  return line === undefined ? null : line.slice(MARKER.length).trim();
}

function parsedMarker(text: string | null): { readonly value: Json } | { readonly problem: string } {
  if (text === null) return { value: null };
  if (Buffer.byteLength(text) > LARGEST_RESULT_BYTES)
    return { problem: `The line \`::result\` is larger than ${LARGEST_RESULT_BYTES / 1024} KiB.` };
  try {
    return { value: parseJson(text) };
  } catch (error) {
    return {
      problem: `The line \`::result\` holds no valid JSON: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}
