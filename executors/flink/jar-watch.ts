import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import type { GivingUp, Job, JobContext, JobStatus, JobUpdate } from '../jobs/backend.ts';
import type { FlinkClient } from './client/client.ts';
import type { AnswerOf, JobDetails } from './client/methods.ts';
import { parseVersion } from './client/version.ts';
import { FEATURES } from './client/endpoints.ts';
import { failureOf } from './failure.ts';
import { isUnknownJob, natureOf, outputOf, refused, webUrlOf, type JobFacts } from './outcome.ts';
import { stopRun } from './cancel.ts';
import { savepointOf } from './flows/savepoint.ts';
import type { JarStore } from './jars.ts';
import { fromJarPlan, jarMarkOf, type JarPlan } from './plan.ts';
import type { FlinkServers } from './servers.ts';

export async function state(
  job: Job,
  plan: JarPlan,
  context: JobContext,
  client: FlinkClient,
  jars: JarStore | null,
): Promise<JobStatus> {
  // Here and not after the submit: whatever became of that call, and of the process that made it, this follows.
  const isDue = jars !== null && !plan.keepJar && plan.ownJar && plan.jarId !== null;
  if (!isDue) return lookAt(job, plan, context, client);
  await jars
    .remove(client, plan.jarId, context.signal)
    .catch((error: unknown) => context.log.warn('The jar could not be deleted from Flink.', { error }));
  const without: JarPlan = { ...plan, ownJar: false };
  const status = await lookAt(job, without, context, client);
  return status.kind !== 'live' && status.kind !== 'ended'
    ? status
    : { ...status, update: { data: fromJarPlan(without), ...status.update } };
}

async function lookAt(job: Job, plan: JarPlan, context: JobContext, client: FlinkClient): Promise<JobStatus> {
  let word: string;
  try {
    word = await stateWord(client, plan, context);
  } catch (error) {
    if (isUnknownJob(error))
      return { kind: 'unknown', reason: `Flink at ${plan.url} does not know job ${plan.jobId}.` };
    return { kind: 'unreachable', reason: error instanceof Error ? error.message : String(error) };
  }
  if (TERMINAL.has(word)) return ended(job, plan, word, context, client);
  // Nothing more is done to it.
  if (job.cancel !== null && plan.stopFailed !== null && !plan.cancelFallback) {
    const output = outputOf(factsOf(plan, word, null));
    return { kind: 'ended', state: word, result: stopped(job, output, `goes on: ${plan.stopFailed}`) };
  }
  if (plan.waitFor === 'submitted' && job.cancel === null) return success(word, plan, null);
  if (plan.waitFor !== 'running' || word !== 'RUNNING' || job.cancel !== null) return { kind: 'live', state: word };
  const details = await client.jobs.get(plan.jobId, { signal: context.signal });
  return !plan.allTasksRunning || allTasksRun(details) ? success(word, plan, details) : { kind: 'live', state: word };
}

async function ended(
  job: Job,
  plan: JarPlan,
  word: string,
  context: JobContext,
  client: FlinkClient,
): Promise<JobStatus> {
  const { details, accumulators, patienceMs } = await readEnd(plan, word, context, client);
  const staleSinceMs = plan.staleSinceMs ?? context.nowMs;
  if (patienceMs > 0 && (plan.staleSinceMs === null || context.nowMs - staleSinceMs < patienceMs)) {
    const update = { data: fromJarPlan({ ...plan, staleSinceMs }) };
    return { kind: 'live', state: word, againMs: CACHE_MS, ...(plan.staleSinceMs === null && { update }) };
  }
  if (word === 'FINISHED') {
    const savepoint = await stoppedAt(plan, context, client);
    const facts = { ...factsOf(plan, word, details), savepoint };
    const output = outputOf({ ...facts, accumulators: accumulators === null ? null : toAccumulators(accumulators) });
    const wasStopped = job.cancel !== null && savepoint !== null;
    return { kind: 'ended', state: word, result: wasStopped ? stopped(job, output) : { kind: 'success', output } };
  }
  if (word === 'CANCELED' && job.cancel !== null) {
    return { kind: 'ended', state: word, result: stopped(job, outputOf(factsOf(plan, word, details))) };
  }
  const { name, webUrl } = factsOf(plan, word, details);
  return {
    kind: 'ended',
    state: word,
    result: await failureOf(client, { jobId: plan.jobId, state: word, name, webUrl }, context.signal),
  };
}

interface EndOfJob {
  readonly details: JobDetails | null;
  readonly accumulators: AnswerOf<'jobs.getAccumulators'> | null;
  /** For how long a better answer is worth waiting for. */
  readonly patienceMs: number;
}

/** Details and accumulators come from a cache of three seconds, the status does not (spec/flink.md §1.5); and a cluster may not answer just now. */
async function readEnd(plan: JarPlan, word: string, context: JobContext, client: FlinkClient): Promise<EndOfJob> {
  const { signal } = context;
  const details = await orSilence(client.jobs.get(plan.jobId, { signal }));
  const accumulators =
    word === 'FINISHED' ? await orSilence(client.jobs.getAccumulators(plan.jobId, { signal })) : null;
  const isSilent = details === 'silence' || accumulators === 'silence';
  const isStale = details !== 'silence' && details !== null && details.state !== word;
  return {
    details: details === 'silence' ? null : details,
    accumulators: accumulators === 'silence' ? null : accumulators,
    patienceMs: isSilent ? SILENCE_MS : isStale ? STALE_MS : 0,
  };
}

/** null: the answer is that there is none, now and later. */
async function orSilence<T>(asked: Promise<T>): Promise<T | null | 'silence'> {
  return asked.catch((error: unknown) => (natureOf(error) === 'final' ? null : 'silence'));
}

/** The job may have ended before its stop was looked at: then the trigger tells whether it ended by that. */
async function stoppedAt(plan: JarPlan, context: JobContext, client: FlinkClient): Promise<string | null> {
  if (plan.savepoint !== null || plan.stopSinceMs === null) return plan.savepoint;
  return savepointOf(stopRun(plan, context, client));
}

function stopped(job: Job, output: JsonObject, what = 'was cancelled'): ActionResult {
  if (job.cancel?.reason !== 'timeout')
    return { kind: 'cancelled', output: { code: 'FLINK_CANCELLED', message: `The job ${what}.`, ...output } };
  const message = `Timeout after ${job.cancel.seconds} seconds; the job ${what}.`;
  return { kind: 'error', retryable: false, output: { code: 'FLINK_TIMEOUT', message, ...output } };
}

function success(word: string, plan: JarPlan, details: JobDetails | null): JobStatus {
  return { kind: 'ended', state: word, result: { kind: 'success', output: outputOf(factsOf(plan, word, details)) } };
}

/** The jar of a job that will not come: nobody looks at the state of it. The record may not know of an upload whose answer was lost. */
export async function dropJar(plan: JarPlan, context: JobContext, client: FlinkClient, jars: JarStore): Promise<void> {
  const mark = jarMarkOf(plan);
  if (mark === null) return;
  await jars
    .removeMarked(client, mark, context.signal)
    .catch((error: unknown) => context.log.warn('The jar could not be deleted from Flink.', { error }));
}

/** The record with which a lost job is submitted again: same id, so that it is one job even if the old one comes back. */
export async function resubmit(
  job: Job,
  plan: JarPlan,
  context: JobContext,
  servers: FlinkServers,
): Promise<JobUpdate | null> {
  if (plan.onLost !== 'resubmit' || plan.resubmits >= MOST_RESUBMITS) return null;
  if ((await fromHistory(job, plan, context, servers)) !== null) return null;
  // The jar is probably lost as well.
  const { resubmits } = plan;
  return { data: fromJarPlan({ ...plan, resubmits: resubmits + 1, jarId: null, jarLosses: 0, staleSinceMs: null }) };
}

export async function giveUp(
  job: Job,
  plan: JarPlan,
  why: GivingUp,
  context: JobContext,
  servers: FlinkServers,
  jars: JarStore | null,
): Promise<ActionResult> {
  if (job.phase === 'prepared' && jars !== null && servers.has(plan))
    await dropJar(plan, context, servers.client(plan), jars);
  const facts = outputOf(factsOf(plan, job.lastState ?? 'UNKNOWN', null));
  switch (why.kind) {
    case 'cancelled': {
      const message = why.jobGoesOn ? 'Cancelled; the Flink job may go on.' : 'Cancelled before the job was submitted.';
      return { kind: 'cancelled', output: { code: 'FLINK_CANCELLED', message, ...facts } };
    }
    case 'timeout':
      if (why.jobGoesOn && plan.onTimeout === 'detach') return { kind: 'success', output: facts };
      return refused(
        'FLINK_TIMEOUT',
        `Timeout after ${why.seconds} seconds${why.jobGoesOn ? '; the job goes on' : ''}.`,
        facts,
      );
    case 'lost':
      return (
        (await fromHistory(job, plan, context, servers)) ??
        refused('FLINK_JOB_LOST', why.reason, { ...facts, retryable: true }, true)
      );
    case 'unreachable':
    case 'broken':
      return refused('FLINK_UNREACHABLE', `${plan.url}: ${why.reason}`, { ...facts, retryable: true }, true);
  }
}

/** A history server may still know a job that its cluster has forgotten; its paths have no version in front. */
async function fromHistory(
  job: Job,
  plan: JarPlan,
  context: JobContext,
  servers: FlinkServers,
): Promise<ActionResult | null> {
  const client = servers.history(plan.historyUrl, plan);
  if (client === null) return null;
  const details = await client.jobs.get(plan.jobId, { signal: context.signal }).catch(() => null);
  const word = typeof details?.state === 'string' ? details.state : '';
  if (!TERMINAL.has(word)) return null;
  const status = await ended({ ...job, lastState: word }, plan, word, context, client).catch(() => null);
  return status?.kind === 'ended' ? status.result : null;
}

export async function progress(plan: JarPlan, context: JobContext, client: FlinkClient): Promise<JsonObject> {
  const details = await client.jobs.get(plan.jobId, { signal: context.signal });
  const metrics = await client.jobs
    .getMetrics(plan.jobId, { get: ['numRestarts'], signal: context.signal })
    .catch(() => ({}) as Readonly<Record<string, string>>);
  const isEndless = plan.waitFor === 'finished' && !plan.hasTimeout && details['job-type'] === 'STREAMING';
  if (isEndless)
    context.log.info(
      'A streaming job is waited for without a timeout: if its input has no end, neither has the task.',
      { jobId: plan.jobId },
    );
  return {
    state: details.state ?? null,
    name: details.name ?? null,
    vertices: details['status-counts'] ?? {},
    restarts: Number(metrics.numRestarts ?? 0),
    ...(isEndless && {
      warning: 'wait_for: finished without timeout on a streaming job: if its input has no end, neither has the task.',
    }),
  };
}

async function stateWord(client: FlinkClient, plan: JarPlan, context: JobContext): Promise<string> {
  if (plan.version !== null && parseVersion(plan.version).atLeast(FEATURES.status))
    return client.jobs.getStatus(plan.jobId, { signal: context.signal });
  return (await client.jobs.get(plan.jobId, { signal: context.signal })).state;
}

function factsOf(plan: JarPlan, word: string, details: JobDetails | null): JobFacts {
  const time = (name: 'start-time' | 'end-time' | 'duration'): number | null => {
    const value = details?.[name] ?? -1;
    return value < 0 ? null : value;
  };
  return {
    jobId: plan.jobId,
    jarId: plan.jarId,
    state: word,
    name: typeof details?.name === 'string' ? details.name : null,
    startTime: time('start-time'),
    endTime: time('end-time'),
    durationMs: time('duration'),
    accumulators: null,
    savepoint: plan.savepoint,
    webUrl: webUrlOf(plan, TERMINAL.has(word) ? 'completed' : 'running'),
    flinkVersion: plan.version,
  };
}

/** Values are texts on the wire; whole numbers are worth being numbers. */
function toAccumulators(answer: AnswerOf<'jobs.getAccumulators'>): JsonObject {
  const rows = answer['user-task-accumulators'] ?? [];
  return Object.fromEntries(rows.map(({ name, value }) => [name, toFigure(value ?? null)]));
}

function toFigure(value: Json): Json {
  return typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
}

function allTasksRun(details: JobDetails): boolean {
  const vertices = details.vertices ?? [];
  return vertices.length > 0 && vertices.every(({ status }) => status === 'RUNNING' || status === 'FINISHED');
}

/** SUSPENDED is terminal only for one JobManager: it goes on elsewhere (spec/flink.md §1.3). */
const TERMINAL: ReadonlySet<string> = new Set(['FINISHED', 'FAILED', 'CANCELED']);

const CACHE_MS = 500;
const STALE_MS = 10_000;
const SILENCE_MS = 60_000;
const MOST_RESUBMITS = 3;
