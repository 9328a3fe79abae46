import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isJsonObject, type JsonObject } from '../../../dsl/json.ts';
import type { ActionResult } from '../../../engine/contract.ts';
import { hostId } from '../../../processes/process.ts';
import { toNumber, toText } from '../../inputs.ts';
import { readProcess } from '../../../processes/run-directory.ts';
import type { Job, JobBackend, JobContext, JobRequest, JobStatus, StageOutcome } from '../../jobs/backend.ts';
import { refused, runSucceeded, type RunFacts } from '../outcome.ts';
import { LARGEST_RESULT_BYTES, readLogTail } from '../output.ts';
import { toRunPlan, type SparkOptions } from '../plan.ts';
import { createProcessBackend } from '../process-backend.ts';
import { HOST_SCRIPT } from './host-script.ts';
import { livingProcess, readEnding, readReady, sessionsFolder, writeSettings } from './session-folder.ts';
import { fromHandle } from './session-handle.ts';

/**
 * `spark.session.open` with `via: process`: spark-submit runs our own program on this host (spec/spark.md §9.4). It is started, found again and ended as
 * any run is (process-backend.ts); the action is done once the program takes code, and the process goes on.
 */
export function sessionOpenBackend(options: SparkOptions): JobBackend {
  const host = options.host ?? hostId();
  const runs = createProcessBackend({ ...options, host, runsFolder: sessionsFolder(options) });
  const request = (given: JobRequest): JobRequest => ({ ...given, input: toSubmitInput(given.input) });
  const stage = async (job: Job, given: JobRequest, context: JobContext): Promise<StageOutcome> => {
    const limit = await tooMany(job, options);
    if (limit !== null) return limit;
    const staged = await runs.stage?.(job, request(given), context);
    if (staged !== undefined && staged.kind !== 'ready') return staged;
    await writeSettings(toRunPlan(job.data).runDirectory, {
      project_id: given.run.projectId,
      kind: toText(given.input.kind ?? 'pyspark'),
      idle_seconds: secondsOf(given.input.idle_timeout ?? null) ?? IDLE_SECONDS,
      max_rows: Math.max(1, toNumber(given.input.max_rows ?? null) ?? 1000),
      print_limit: 256 * 1024,
      // With its log the result must fit as well.
      result_limit: LARGEST_RESULT_BYTES,
    });
    return { kind: 'ready' };
  };
  // One after the other, since each counts what those before it have laid out.
  let turn: Promise<unknown> = Promise.resolve();
  return {
    ...runs,
    name: 'spark-session-process',
    prepare: (input, run) => {
      const problem = wrongInput(input);
      if (problem !== null) return { kind: 'refused', result: problem };
      const prepared = runs.prepare(toSubmitInput(input), run);
      if (prepared.kind === 'refused') return prepared;
      const { plan } = prepared;
      const notes = {
        session_kind: toText(input.kind ?? 'pyspark'),
        session_id: run.actionExecutionId,
        at_once: input.wait_for === 'submitted',
      };
      return {
        kind: 'prepared',
        // Sessions have a bound of their own: they stay when the action is done.
        plan: { ...plan, server: `sessions of ${host}`, slots: null, data: { ...plan.data, ...notes } },
      };
    },
    stage: (job, given, context) => {
      const staged = turn.then(() => stage(job, given, context));
      turn = staged.catch(() => {});
      return staged;
    },
    submit: (job, given, context) => runs.submit(job, request(given), context),
    find: (job, given, context, lookingMs) => runs.find(job, request(given), context, lookingMs),
    state: async (job, context) => {
      const plan = toRunPlan(job.data);
      const ready = plan.host === host ? await readReady(plan.runDirectory) : null;
      const isTaking = ready !== null || job.data.at_once === true;
      if (isTaking && job.cancel === null && (await livingProcess(plan.runDirectory)) !== null)
        return opened(job, host, ready ?? {});
      return tooEarly(await runs.state(job, context), await readEnding(plan.runDirectory));
    },
  };
}

const IDLE_SECONDS = 3600;
const KINDS: readonly unknown[] = [undefined, null, 'pyspark', 'sql'];

function wrongInput(input: JsonObject): ActionResult | null {
  if (!KINDS.includes(input.kind))
    return refused(
      'SPARK_UNSUPPORTED',
      `kind ${toText(input.kind ?? '')}: a session of this host takes pyspark and sql; for Scala and R open one on Livy (via: livy).`,
    );
  for (const name of ['connection', 'url'])
    if ((input[name] ?? null) !== null)
      return refused('SPARK_BAD_INPUT', `${name} is for via: livy and via: lighter; a session of this host has none.`);
  const unknown = Object.keys(input).find((name) => !KNOWN.has(name) && (input[name] ?? null) !== null);
  if (unknown !== undefined)
    return refused(
      'SPARK_BAD_INPUT',
      `${unknown} is not for via: process: spark-submit on this host has no such input.`,
    );
  const idle = input.idle_timeout ?? null;
  return idle === null || secondsOf(idle) !== null
    ? null
    : refused('SPARK_BAD_INPUT', `idle_timeout '${toText(idle)}' is no time: write seconds, or 90s, 30m, 2h, 1d.`);
}

/** The inputs of spark.submit that hold for a session too. */
export const PASSED_ON = [
  'master',
  'name',
  'conf',
  'jars',
  'packages',
  'exclude_packages',
  'repositories',
  'py_files',
  'files',
  'archives',
  'driver_memory',
  'driver_java_options',
  'driver_class_path',
  'executor_memory',
  'executor_cores',
  'total_executor_cores',
  'num_executors',
  'queue',
  'proxy_user',
  'env',
  'spark_home',
  'cluster',
] as const;
const RUN_NAMES = ['timeout', 'on_timeout', 'on_cancel', 'kill_grace', 'poll_interval', 'log_lines'] as const;
const OWN = ['via', 'kind', 'idle_timeout', 'max_rows', 'wait_for', 'result', 'connection', 'url'];
const KNOWN: ReadonlySet<string> = new Set([...PASSED_ON, ...RUN_NAMES, ...OWN]);

function toSubmitInput(input: JsonObject): JsonObject {
  const kept = [...PASSED_ON, ...RUN_NAMES].flatMap((name) => {
    const value = input[name] ?? null;
    return value === null ? [] : [[name, value] as const];
  });
  return {
    name: 'tramontane-session',
    poll_interval: 0.5,
    ...Object.fromEntries(kept),
    application: { inline: HOST_SCRIPT },
    result: 'none',
  };
}

/** Seconds of `90`, `90s`, `30m`, `2h`, `1d`; null for anything else. */
function secondsOf(value: JsonObject[string] | undefined): number | null {
  const number = toNumber(value ?? null);
  if (number !== null) return number > 0 ? number : null;
  const found = /^(\d+(?:\.\d+)?)\s*([smhd]?)$/.exec(typeof value === 'string' ? value.trim() : '');
  const seconds = Number(found?.[1] ?? 0) * (UNITS[found?.[2] ?? ''] ?? 1);
  return seconds > 0 ? seconds : null;
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Sessions keep a Java process each for as long as they are open, so this host takes only so many. */
async function tooMany(job: Job, options: SparkOptions): Promise<StageOutcome | null> {
  const most = options.maxRuns ?? 8;
  const folder = sessionsFolder(options);
  let open = 0;
  for (const name of await readdir(folder).catch(() => [])) {
    const own = join(folder, name);
    if (own === toRunPlan(job.data).runDirectory) continue;
    if ((await livingProcess(own)) !== null || (await isStarting(own))) open++;
    else await removeOld(own);
  }
  if (open < most) return null;
  const reason = `This host keeps ${open} sessions already, as many as it may: close one, or let it end by idle_timeout.`;
  const result = refused('SPARK_REJECTED', reason);
  const output = isJsonObject(result.output) ? { ...result.output, retryable: true } : result.output;
  return { kind: 'later', reason, giveUp: { kind: 'error', output, retryable: true } };
}

/** Laid out a moment ago, and about to be started. */
async function isStarting(folder: string): Promise<boolean> {
  const found = await stat(join(folder, 'session.json')).catch(() => null);
  return found !== null && Date.now() - found.mtimeMs < 60_000 && typeof (await readProcess(folder)) === 'string';
}

/** What ended sessions leave is of use to nobody after a day: their statements' results are in the database. */
async function removeOld(folder: string): Promise<void> {
  // Of one that was killed hard there is no `exit`.
  const found = await stat(join(folder, 'exit')).catch(() => stat(folder).catch(() => null));
  if (found !== null && Date.now() - found.mtimeMs > DAY_MS) await rm(folder, { recursive: true, force: true });
}

const DAY_MS = 86_400_000;

async function opened(job: Job, host: string, ready: JsonObject): Promise<JobStatus> {
  const handle = fromHandle({
    id: toText(job.data.session_id ?? job.id),
    kind: toText(job.data.session_kind ?? 'pyspark'),
    host,
  });
  const facts = await factsOf(job, 'idle', ready);
  return { kind: 'ended', state: 'idle', result: runSucceeded(facts, handle), logTail: facts.logTail };
}

/** Ended before it was ready: whatever the exit code, there is no session. */
function tooEarly(status: JobStatus, reason: string | null): JobStatus {
  if (status.kind === 'live') return { ...status, state: 'starting' };
  if (status.kind !== 'ended' || status.result.kind === 'cancelled') return status;
  const { output } = status.result;
  const known = isJsonObject(output) ? output : {};
  if (status.result.kind === 'error' && known.code !== 'SPARK_JOB_FAILED') return status;
  const message = reason === null ? toText(known.message ?? 'it was closed') : `it was ${reason}`;
  return {
    ...status,
    result: {
      kind: 'error',
      retryable: false,
      output: { ...known, code: 'SPARK_SESSION_DEAD', message: `The session ended before it took code: ${message}` },
    },
  };
}

async function factsOf(job: Job, state: string, ready: JsonObject): Promise<RunFacts> {
  const plan = toRunPlan(job.data);
  return {
    backend: 'process',
    id: job.externalId,
    appId: typeof ready.app_id === 'string' ? ready.app_id : job.appId,
    name: plan.name,
    state,
    submittedAtMs: job.submittedAtMs,
    startedAtMs: null,
    finishedAtMs: null,
    uiUrl: typeof ready.ui_url === 'string' ? ready.ui_url : job.url,
    historyUrl: null,
    logTail: await readLogTail(plan.runDirectory, plan.logLines),
    progress: null,
    exitCode: null,
  };
}
