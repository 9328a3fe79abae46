import { isJsonObject, type Json, type JsonObject } from '../../../dsl/json.ts';
import type { ActionResult, RunContext } from '../../../engine/contract.ts';
import { hostId, signalGroup } from '../../../processes/process.ts';
import { toNumber, toText } from '../../inputs.ts';
import type {
  CancelOutcome,
  FindOutcome,
  GivingUp,
  Job,
  JobBackend,
  JobContext,
  JobRequest,
  JobStatus,
  PrepareOutcome,
  StageOutcome,
  SubmitOutcome,
} from '../../jobs/backend.ts';
import { keyOf } from '../../jobs/key.ts';
import { refused, runFailed, runSucceeded, type RunFacts } from '../outcome.ts';
import type { SparkOptions } from '../plan.ts';
import { valueOf } from '../systems/statement-runs.ts';
import {
  askFor,
  askToCancel,
  askToClose,
  livingProcess,
  placeOf,
  readEnding,
  readReady,
  readStatementResult,
  withdraw,
} from './session-folder.ts';
import { folderOf, isSessionOf, toHandle } from './session-handle.ts';

/**
 * `spark.session.execute` in a session that this server keeps (spec/spark.md §9.4). A statement is a file in the session's folder under a key, and the
 * session runs no key twice, whatever becomes of the server.
 */
export function sessionStatementBackend(options: SparkOptions): JobBackend {
  const host = options.host ?? hostId();
  return {
    name: 'spark-session-statement',
    refusesDuplicates: true,
    prepare: (input, run) => prepare(input, run, host),
    stage: (job, request) => stage(job, request, host, options),
    submit: (job, request) => submit(job, request, options),
    find: (job) => find(job, host, options),
    state: (job) => state(job, host, options),
    cancel: (job, context) => cancel(job, context, options),
    giveUp: async (job, why) => giveUp(job, why, options),
    isElsewhere: (job) => toPlan(job.data, options).host !== host,
  };
}

/** What looking at a statement needs. All but the folder is kept in its record: each host has its own place for sessions. */
interface StatementPlan {
  readonly folder: string;
  readonly host: string;
  readonly session: string;
  readonly kind: string;
  readonly logLines: number;
  readonly killGraceMs: number;
  readonly closesOnCancel: boolean;
  readonly waitsForEnd: boolean;
}

const KINDS = ['pyspark', 'sql'];

function prepare(input: JsonObject, run: RunContext, host: string): PrepareOutcome {
  const bad = (message: string): PrepareOutcome => ({ kind: 'refused', result: refused('SPARK_BAD_INPUT', message) });
  const handle = toHandle(input.session);
  if (handle === null) return bad('session must be the result of spark.session.open.');
  if (typeof input.code !== 'string' || input.code.trim() === '') return bad('code must be the text to run.');
  for (const name of ['connection', 'url', 'cluster'])
    if ((input[name] ?? null) !== null)
      return bad(`${name} is for sessions of Livy and Lighter; this one is kept by the server.`);
  const kind = toText(input.kind ?? handle.kind);
  if (!KINDS.includes(kind))
    return {
      kind: 'refused',
      result: refused(
        'SPARK_UNSUPPORTED',
        `kind ${kind}: a session of this host takes pyspark and sql; for Scala and R open one on Livy (via: livy).`,
      ),
    };
  const first = toNumber(input.poll_interval ?? null);
  const plan: Omit<StatementPlan, 'folder'> = {
    host: handle.host,
    session: handle.id,
    kind,
    logLines: Math.min(2000, Math.max(0, toNumber(input.log_lines ?? null) ?? 200)),
    killGraceMs: Math.max(0, toNumber(input.kill_grace ?? null) ?? 20) * 1000,
    closesOnCancel: input.close_on_cancel === true,
    waitsForEnd: input.wait_for !== 'submitted',
  };
  return {
    kind: 'prepared',
    plan: {
      key: keyOf(run.actionExecutionId),
      url: null,
      server: `session ${handle.id}`,
      data: { ...plan },
      timeoutSeconds: toNumber(input.timeout ?? null),
      onTimeout: input.on_timeout === 'detach' ? 'leave' : 'end',
      onCancel: input.on_cancel === 'detach' ? 'leave' : 'end',
      // Two or three looks at files cost next to nothing.
      pollMs: {
        first: first === null ? 200 : Math.max(100, first * 1000),
        longest: Math.max((first ?? 0) * 1000, 5000),
      },
      notFoundGraceMs: 0,
      slots: null,
      isElsewhere: handle.host !== host,
    },
  };
}

async function stage(job: Job, { run }: JobRequest, host: string, options: SparkOptions): Promise<StageOutcome> {
  const plan = toPlan(job.data, options);
  if (plan.host !== host) return { kind: 'refused', result: elsewhere(plan) };
  if (!(await isSessionOf(plan.folder, run.projectId)))
    return {
      kind: 'refused',
      result: refused('SPARK_SESSION_DEAD', `There is no session ${plan.session} on this host.`),
    };
  if ((await livingProcess(plan.folder)) === null)
    return { kind: 'refused', result: refused('SPARK_SESSION_DEAD', await deathOf(plan)) };
  if ((await readReady(plan.folder)) !== null) return { kind: 'ready' };
  const reason = `Session ${plan.session} does not take code yet.`;
  return {
    kind: 'later',
    reason,
    giveUp: { kind: 'error', output: refused('SPARK_SESSION_DEAD', reason).output, retryable: true },
  };
}

async function submit(job: Job, { input }: JobRequest, options: SparkOptions): Promise<SubmitOutcome> {
  const plan = toPlan(job.data, options);
  await askFor(plan.folder, job.key, {
    key: job.key,
    // Statements run in the order in which they were asked for first, over any crash.
    at: job.createdAtMs,
    kind: plan.kind,
    code: toText(input.code ?? ''),
  });
  return { kind: 'submitted', update: idOf(job, plan) };
}

async function find(job: Job, host: string, options: SparkOptions): Promise<FindOutcome> {
  const plan = toPlan(job.data, options);
  if (plan.host !== host) return { kind: 'ended', result: elsewhere(plan) };
  if ((await placeOf(plan.folder, job.key)) !== 'nowhere') return { kind: 'found', update: idOf(job, plan) };
  return (await livingProcess(plan.folder)) === null
    ? { kind: 'ended', result: refused('SPARK_SESSION_DEAD', await deathOf(plan)) }
    : { kind: 'absent' };
}

function idOf(job: Job, plan: StatementPlan): { readonly externalId: string } {
  return { externalId: `${plan.session}/${job.key.slice(0, 12)}` };
}

async function state(job: Job, host: string, options: SparkOptions): Promise<JobStatus> {
  const plan = toPlan(job.data, options);
  if (plan.host !== host) return { kind: 'ended', state: 'unknown', result: elsewhere(plan) };
  if (job.data.let_go === true)
    return over(job, plan, 'cancelled', { printed: 'The code did not stop; the session goes on with it.' });
  // Asked first: between "no result" and "not alive" the result may be written.
  const lives = (await livingProcess(plan.folder)) !== null;
  const result = await readStatementResult(plan.folder, job.key);
  if (result !== null) return over(job, plan, toText(result.status ?? 'error'), result);
  const place = await placeOf(plan.folder, job.key);
  if (place === 'ended') return { kind: 'live', state: 'running', againMs: 0 };
  if (place === 'nowhere' && job.cancel !== null) return over(job, plan, 'cancelled', {});
  if (!lives) return job.cancel === null ? dead(job, plan) : over(job, plan, 'cancelled', {});
  if (place === 'nowhere') return { kind: 'unknown', reason: `Session ${plan.session} has lost the statement.` };
  if (!plan.waitsForEnd && job.cancel === null)
    return { kind: 'ended', state: place, result: runSucceeded(factsOf(job, place, {}, plan), null) };
  return { kind: 'live', state: place };
}

function over(job: Job, plan: StatementPlan, word: string, row: JsonObject): JobStatus {
  const facts = factsOf(job, word, row, plan);
  const result = (): ActionResult => {
    switch (word) {
      case 'ok':
        return runSucceeded(facts, valueOf(row));
      case 'cancelled':
        return stopped(job, facts);
      default:
        return raised(row, facts);
    }
  };
  return { kind: 'ended', state: word === 'ok' ? 'available' : word, result: result(), logTail: facts.logTail };
}

function raised(row: JsonObject, facts: RunFacts): ActionResult {
  const [ename, evalue] = [textOr(row.ename), textOr(row.evalue)];
  const message = [ename, evalue].filter((one) => one !== null && one !== '').join(': ') || 'The statement failed';
  const failed = runFailed('SPARK_STATEMENT_FAILED', message, facts);
  const { output } = failed;
  return isJsonObject(output)
    ? { ...failed, output: { ...output, ename, evalue, traceback: textOr(row.traceback) } }
    : failed;
}

function stopped(job: Job, facts: RunFacts): ActionResult {
  // Closed under it by another task, or by the end of the session.
  if (job.cancel === null)
    return runFailed('SPARK_SESSION_DEAD', 'The session was closed while the statement ran.', facts);
  return job.cancel.reason === 'timeout'
    ? runFailed('SPARK_TIMEOUT', `Timeout after ${job.cancel.seconds} seconds; the statement was cancelled.`, facts)
    : runFailed('SPARK_CANCELLED', 'The statement was cancelled.', facts);
}

async function dead(job: Job, plan: StatementPlan): Promise<JobStatus> {
  const facts = factsOf(job, 'dead', {}, plan);
  return { kind: 'ended', state: 'dead', result: runFailed('SPARK_SESSION_DEAD', await deathOf(plan), facts) };
}

async function deathOf(plan: StatementPlan): Promise<string> {
  switch (await readEnding(plan.folder)) {
    case 'idle':
      return `Session ${plan.session} has ended: nobody used it for its idle_timeout.`;
    case 'closed':
      return `Session ${plan.session} was closed.`;
    default:
      return `The process of session ${plan.session} is gone.`;
  }
}

/** Until the statement has ended, or the grace is over. */
async function cancel(job: Job, context: JobContext, options: SparkOptions): Promise<CancelOutcome> {
  const plan = toPlan(job.data, options);
  await withdraw(plan.folder, job.key);
  await askToCancel(plan.folder, job.key);
  if (context.nowMs - (job.cancel?.atMs ?? context.nowMs) < plan.killGraceMs) return { againMs: 100 };
  if (!plan.closesOnCancel) return { update: { data: { ...job.data, let_go: true } }, againMs: 0 };
  await askToClose(plan.folder);
  const identity = await livingProcess(plan.folder);
  if (identity !== null) signalGroup(identity.pid, 'SIGKILL');
  return { againMs: 100 };
}

function giveUp(job: Job, why: GivingUp, options: SparkOptions): ActionResult {
  const plan = toPlan(job.data, options);
  const facts = factsOf(job, job.lastState ?? 'not_started', {}, plan);
  const goesOn = 'jobGoesOn' in why && why.jobGoesOn ? ' The statement may go on.' : '';
  switch (why.kind) {
    case 'cancelled':
      return runFailed('SPARK_CANCELLED', `Cancelled.${goesOn}`, facts);
    case 'timeout':
      return runFailed('SPARK_TIMEOUT', `Timeout after ${why.seconds} seconds.${goesOn}`, facts);
    case 'lost':
      return runFailed('SPARK_JOB_LOST', why.reason, facts);
    case 'unreachable':
    case 'broken':
      return runFailed('SPARK_UNREACHABLE', why.reason, facts);
  }
}

function elsewhere(plan: StatementPlan): ActionResult {
  return refused('SPARK_SESSION_DEAD', `Session ${plan.session} is kept on host ${plan.host}, which cannot be asked.`);
}

function factsOf(job: Job, word: string, row: JsonObject, plan: StatementPlan): RunFacts {
  const printed = textOr(row.printed) ?? '';
  const lines = printed === '' ? [] : printed.replace(/\n$/, '').split('\n');
  return {
    backend: 'process',
    id: job.externalId,
    appId: null,
    name: null,
    state: word === 'ok' ? 'available' : word,
    submittedAtMs: job.submittedAtMs,
    startedAtMs: toNumber(row.started ?? null),
    finishedAtMs: toNumber(row.completed ?? null),
    uiUrl: null,
    historyUrl: null,
    logTail: plan.logLines === 0 ? [] : lines.slice(-plan.logLines),
    progress: null,
    exitCode: null,
  };
}

function textOr(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

function toPlan(data: JsonObject, options: SparkOptions): StatementPlan {
  return {
    folder: folderOf(toText(data.session ?? ''), options),
    host: toText(data.host ?? ''),
    session: toText(data.session ?? ''),
    kind: toText(data.kind ?? 'pyspark'),
    logLines: toNumber(data.logLines ?? null) ?? 200,
    killGraceMs: toNumber(data.killGraceMs ?? null) ?? 20_000,
    closesOnCancel: data.closesOnCancel === true,
    waitsForEnd: data.waitsForEnd !== false,
  };
}
