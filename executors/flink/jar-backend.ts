import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import type { HttpClient } from '../http-client.ts';
import { toNumber } from '../inputs.ts';
import type {
  FindOutcome,
  GivingUp,
  Job,
  JobBackend,
  JobContext,
  JobRequest,
  JobStatus,
  StageOutcome,
  SubmitOutcome,
} from '../jobs/backend.ts';
import { cancelJob } from './cancel.ts';
import { FlinkClient } from './client/client.ts';
import { FlinkApiError } from './client/errors.ts';
import { parseVersion, type FlinkVersion } from './client/version.ts';
import { FEATURES, type Feature } from './endpoints.ts';
import { failureOf } from './failure.ts';
import { JarError, JarStore } from './jars.ts';
import { callFailed, natureOf, outputOf, refused, type JobFacts } from './outcome.ts';
import { configOf, fromJarPlan, planJar, runBody, toJarPlan, type FlinkOptions, type JarPlan } from './plan.ts';

/** Clients for addresses that users give, and for configured ones. */
export interface HttpClients {
  readonly forUsers: HttpClient;
  readonly forConnections: HttpClient;
}

/**
 * Runs a jar on a session cluster (spec/flink.md §3.1, §3.6). The job's id is ours, derived from the action execution: whatever becomes
 * of a call, the cluster can be asked for exactly this job, and it refuses the id a second time.
 */
export function createJarBackend(options: FlinkOptions, http: HttpClients): JobBackend {
  const jars = new JarStore(options, http.forUsers);
  const versions = new Map<string, { readonly version: FlinkVersion; readonly untilMs: number }>();
  const clientOf = (plan: JarPlan): FlinkClient => {
    const server = plan.cluster === null ? undefined : options.clusters?.[plan.cluster];
    if (server !== undefined) return new FlinkClient(server, http.forConnections);
    return new FlinkClient({ url: plan.url, headers: plan.headers }, http.forUsers);
  };
  const versionOf = async (client: FlinkClient, context: JobContext): Promise<FlinkVersion> => {
    const cached = versions.get(client.url);
    if (cached !== undefined && cached.untilMs > context.nowMs) return cached.version;
    const version = await client.version(context.signal);
    versions.set(client.url, { version, untilMs: context.nowMs + 300_000 });
    return version;
  };
  return {
    name: 'flink-jar',
    refusesDuplicates: true,
    prepare: (input, run) => planJar(input, run, options),
    stage: async (job, request, context) => {
      const plan = toJarPlan(job.data);
      const client = clientOf(plan);
      return stage(job, plan, request, context, client, jars, () => versionOf(client, context));
    },
    submit: async (job, request, context) => {
      const plan = toJarPlan(job.data);
      return submit(plan, request, context, clientOf(plan), jars);
    },
    find: async (job, _request, context, lookingMs) =>
      find(toJarPlan(job.data), context, clientOf(toJarPlan(job.data)), lookingMs),
    state: async (job, context) => state(job, toJarPlan(job.data), context, clientOf(toJarPlan(job.data))),
    cancel: async (job, context) => cancelJob(toJarPlan(job.data), context, clientOf(toJarPlan(job.data))),
    giveUp: (job, why, context) => giveUp(job, toJarPlan(job.data), why, context, clientOf(toJarPlan(job.data)), http),
    progress: async (job, context) => progress(toJarPlan(job.data), context, clientOf(toJarPlan(job.data))),
  };
}

async function stage(
  job: Job,
  plan: JarPlan,
  { input }: JobRequest,
  context: JobContext,
  client: FlinkClient,
  jars: JarStore,
  versionOf: () => Promise<FlinkVersion>,
): Promise<StageOutcome> {
  try {
    const version = await versionOf();
    const missing = missingFeature(input, plan, version);
    if (missing !== null)
      return { kind: 'refused', result: refused('FLINK_UNSUPPORTED', missing, { job_id: plan.jobId }) };
    const probed: JarPlan = { ...plan, version: version.raw };
    if ((await jobOf(client, plan, context)) !== null)
      return { kind: 'found', update: adopted({ ...probed, jarId: plan.jarId }) };
    const restorePath = await restorePathOf(input, client, context);
    const jar = await jars.stage(client, input, context.signal);
    const staged: JarPlan = {
      ...probed,
      restorePath,
      jarId: jar.jarId,
      jarHash: jar.hash,
      ownJar: plan.ownJar || jar.uploaded,
    };
    return { kind: 'ready', update: { data: fromJarPlan(staged) } };
  } catch (error) {
    if (error instanceof JarError || error instanceof RestoreError) {
      return { kind: 'refused', result: refused('FLINK_BAD_REQUEST', error.message, { job_id: plan.jobId }) };
    }
    context.signal.throwIfAborted();
    // Nothing here starts a job, so whatever may pass is simply tried again.
    const result = callFailed(error, plan.jobId);
    if (natureOf(error) === 'final') return { kind: 'refused', result };
    context.log.debug('Flink could not be asked.', { actionExecutionId: job.id, error });
    return { kind: 'later', reason: error instanceof Error ? error.message : String(error), giveUp: result };
  }
}

async function submit(
  plan: JarPlan,
  { input }: JobRequest,
  context: JobContext,
  client: FlinkClient,
  jars: JarStore,
): Promise<SubmitOutcome> {
  const claimKey = parseVersion(plan.version ?? '1.12').atLeast(FEATURES.claimMode) ? 'claimMode' : 'restoreMode';
  try {
    // Not bound to the shutdown: cut off, its outcome would only be unclear.
    await client.jars.run(plan.jarId ?? '', runBody(input, plan, claimKey));
  } catch (error) {
    return submitFailed(error, plan, context, client, jars);
  }
  if (!plan.keepJar && plan.ownJar && plan.jarId !== null) {
    jars.forget(client, plan.jarHash);
    await client.jars
      .delete(plan.jarId)
      .catch((error: unknown) => context.log.warn('The jar could not be deleted from Flink.', { error }));
  }
  return { kind: 'submitted', update: adopted(plan) };
}

async function submitFailed(
  error: unknown,
  plan: JarPlan,
  context: JobContext,
  client: FlinkClient,
  jars: JarStore,
): Promise<SubmitOutcome> {
  const reason = error instanceof Error ? error.message : String(error);
  const giveUp = callFailed(error, plan.jobId);
  const code = error instanceof FlinkApiError ? error.code : null;
  if (code === 'FLINK_DUPLICATE_JOB') return { kind: 'submitted', update: adopted(plan) };
  if (code === 'FLINK_JAR_NOT_FOUND' && plan.jarHash !== null && plan.jarLosses === 0) {
    jars.forget(client, plan.jarHash);
    return { kind: 'later', reason, giveUp, update: { data: fromJarPlan({ ...plan, jarId: null, jarLosses: 1 }) } };
  }
  switch (natureOf(error)) {
    case 'passing':
      return { kind: 'later', reason, giveUp };
    case 'unclear':
      return { kind: 'unclear', reason };
    case 'final':
      break;
  }
  // A job that failed while it was initialised exists, and knows better why (spec/flink.md §3.6).
  const known = await jobOf(client, plan, context).catch(() => 'unknown' as const);
  if (known === 'unknown') return { kind: 'unclear', reason };
  return known === null ? { kind: 'refused', result: giveUp } : { kind: 'submitted', update: adopted(plan) };
}

async function find(plan: JarPlan, context: JobContext, client: FlinkClient, lookingMs: number): Promise<FindOutcome> {
  if ((await jobOf(client, plan, context)) !== null) return { kind: 'found', update: adopted(plan) };
  // main() may still be running inside the lost call; later than that the cluster refuses the id if it has used it.
  return lookingMs < LOOK_FOR_MS ? { kind: 'looking', reason: 'Flink does not know the job yet.' } : { kind: 'absent' };
}

async function state(job: Job, plan: JarPlan, context: JobContext, client: FlinkClient): Promise<JobStatus> {
  let word: string;
  try {
    word = await stateWord(client, plan, context);
  } catch (error) {
    if (isUnknownJob(error))
      return { kind: 'unknown', reason: `Flink at ${plan.url} does not know job ${plan.jobId}.` };
    return { kind: 'unreachable', reason: error instanceof Error ? error.message : String(error) };
  }
  if (TERMINAL.has(word)) return ended(job, plan, word, context, client);
  if (plan.waitFor === 'submitted' && job.cancel === null) return success(word, plan, null);
  if (plan.waitFor !== 'running' || word !== 'RUNNING' || job.cancel !== null) return { kind: 'live', state: word };
  const details = await client.jobs.get(plan.jobId, context.signal);
  return !plan.allTasksRunning || allTasksRun(details) ? success(word, plan, details) : { kind: 'live', state: word };
}

async function ended(
  job: Job,
  plan: JarPlan,
  word: string,
  context: JobContext,
  client: FlinkClient,
): Promise<JobStatus> {
  const details = await client.jobs.get(plan.jobId, context.signal).catch(() => null);
  if (details !== null && details.state !== word && isPatient(plan, context)) {
    const update = { data: fromJarPlan({ ...plan, staleSinceMs: plan.staleSinceMs ?? context.nowMs }) };
    return { kind: 'live', state: word, againMs: CACHE_MS, ...(plan.staleSinceMs === null && { update }) };
  }
  if (word === 'FINISHED') {
    const accumulators = await client.jobs.getAccumulators(plan.jobId, context.signal).catch(() => null);
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

/** Details and accumulators come from a cache of three seconds, the status does not (spec/flink.md §1.5). */
function isPatient(plan: JarPlan, context: JobContext): boolean {
  return plan.staleSinceMs === null || context.nowMs - plan.staleSinceMs < 10_000;
}

/** The job may have ended before its stop was looked at: then the trigger tells whether it ended by that. */
async function stoppedAt(plan: JarPlan, context: JobContext, client: FlinkClient): Promise<string | null> {
  if (plan.savepoint !== null || plan.stopSinceMs === null) return plan.savepoint;
  const savepoint = await client.jobs.getSavepoint(plan.jobId, plan.triggerId, context.signal).catch(() => null);
  return savepoint?.status === 'COMPLETED' ? savepoint.value : null;
}

function stopped(job: Job, output: JsonObject): ActionResult {
  if (job.cancel?.reason !== 'timeout')
    return { kind: 'cancelled', output: { code: 'FLINK_CANCELLED', message: 'The job was cancelled.', ...output } };
  const message = `Timeout after ${job.cancel.seconds} seconds; the job was cancelled.`;
  return { kind: 'error', retryable: false, output: { code: 'FLINK_TIMEOUT', message, ...output } };
}

function success(word: string, plan: JarPlan, details: JsonObject | null): JobStatus {
  return { kind: 'ended', state: word, result: { kind: 'success', output: outputOf(factsOf(plan, word, details)) } };
}

async function giveUp(
  job: Job,
  plan: JarPlan,
  why: GivingUp,
  context: JobContext,
  client: FlinkClient,
  http: HttpClients,
): Promise<ActionResult> {
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
        (await fromHistory(job, plan, context, http)) ??
        refused('FLINK_JOB_LOST', why.reason, { ...facts, retryable: true }, true)
      );
    case 'unreachable':
    case 'broken':
      return refused('FLINK_UNREACHABLE', `${client.url}: ${why.reason}`, { ...facts, retryable: true }, true);
  }
}

/** A history server may still know a job that its cluster has forgotten; its paths have no version in front. */
async function fromHistory(
  job: Job,
  plan: JarPlan,
  context: JobContext,
  http: HttpClients,
): Promise<ActionResult | null> {
  if (plan.historyUrl === null) return null;
  const client = new FlinkClient(
    { url: plan.historyUrl, apiPrefix: '' },
    plan.cluster === null ? http.forUsers : http.forConnections,
  );
  const details = await client.jobs.get(plan.jobId, context.signal).catch(() => null);
  const word = typeof details?.state === 'string' ? details.state : '';
  if (!TERMINAL.has(word)) return null;
  const status = await ended({ ...job, lastState: word }, plan, word, context, client).catch(() => null);
  return status?.kind === 'ended' ? status.result : null;
}

async function progress(plan: JarPlan, context: JobContext, client: FlinkClient): Promise<JsonObject> {
  const details = await client.jobs.get(plan.jobId, context.signal);
  const counts = isJsonObject(details['status-counts']) ? details['status-counts'] : {};
  const metrics = await client.jobs
    .getMetrics(plan.jobId, ['numRestarts'], context.signal)
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
    vertices: counts,
    restarts: Number(metrics.numRestarts ?? 0),
    ...(isEndless && {
      warning: 'wait_for: finished without timeout on a streaming job: if its input has no end, neither has the task.',
    }),
  };
}

/** The job's details, or null when the cluster does not know it. */
async function jobOf(client: FlinkClient, plan: JarPlan, context: JobContext): Promise<JsonObject | null> {
  try {
    return await client.jobs.get(plan.jobId, context.signal);
  } catch (error) {
    if (isUnknownJob(error)) return null;
    throw error;
  }
}

async function stateWord(client: FlinkClient, plan: JarPlan, context: JobContext): Promise<string> {
  if (plan.version !== null && parseVersion(plan.version).atLeast(FEATURES.status))
    return client.jobs.getStatus(plan.jobId, context.signal);
  const { state: word } = await client.jobs.get(plan.jobId, context.signal);
  return typeof word === 'string' ? word : 'UNKNOWN';
}

async function restorePathOf(input: JsonObject, client: FlinkClient, context: JobContext): Promise<string | null> {
  const from = input.restore_from;
  if (!isJsonObject(from) || typeof from.job_id !== 'string') return null;
  const what = from.what === 'checkpoint' ? 'completed' : 'savepoint';
  const checkpoints = await client.jobs.getCheckpoints(from.job_id, context.signal);
  const latest = isJsonObject(checkpoints.latest) ? checkpoints.latest[what] : null;
  const path = isJsonObject(latest) ? latest.external_path : null;
  if (typeof path !== 'string' || path === '')
    throw new RestoreError(
      `Job ${from.job_id} has no ${what === 'savepoint' ? 'savepoint' : 'checkpoint'} to restore from.`,
    );
  return path;
}

class RestoreError extends Error {}

/** A request for something that the cluster lacks fails before any call that has an effect; nothing is dropped silently. */
function missingFeature(input: JsonObject, plan: JarPlan, version: FlinkVersion): string | null {
  const wanted: readonly (readonly [asked: boolean, input: string, feature: Feature])[] = [
    [
      Object.keys(configOf(input)).length > 0,
      typeof input.job_name === 'string' ? 'job_name' : 'config',
      'flinkConfiguration',
    ],
    [typeof input.claim_mode === 'string', 'claim_mode', 'restoreMode'],
    [plan.onCancel === 'stop', 'on_cancel: stop', 'triggerId'],
  ];
  const missing = wanted.find(([asked, , feature]) => asked && !version.atLeast(FEATURES[feature]));
  return missing === undefined
    ? null
    : `${missing[1]} needs Flink ${FEATURES[missing[2]]}; the cluster runs ${version.raw}.`;
}

function adopted(plan: JarPlan): { externalId: string; url: string; data: JsonObject } {
  return { externalId: plan.jobId, url: webUrlOf(plan, 'running'), data: fromJarPlan(plan) };
}

function factsOf(plan: JarPlan, word: string, details: JsonObject | null): JobFacts {
  const time = (name: string): number | null => {
    const value = toNumber(details?.[name] ?? null);
    return value === null || value < 0 ? null : value;
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

function webUrlOf(plan: JarPlan, list: 'running' | 'completed'): string {
  return `${plan.url}/#/job/${list}/${plan.jobId}/overview`;
}

/** Values are texts on the wire; whole numbers are worth being numbers. */
function toAccumulators(rows: readonly JsonObject[]): JsonObject {
  return Object.fromEntries(rows.map((row) => [String(row.name), toFigure(row.value ?? null)]));
}

function toFigure(value: Json): Json {
  return typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
}

function allTasksRun(details: JsonObject): boolean {
  const vertices = Array.isArray(details.vertices) ? details.vertices.filter(isJsonObject) : [];
  return vertices.length > 0 && vertices.every(({ status }) => status === 'RUNNING' || status === 'FINISHED');
}

function isUnknownJob(error: unknown): boolean {
  return error instanceof FlinkApiError && error.code === 'FLINK_JOB_NOT_FOUND';
}

/** SUSPENDED is terminal only for one JobManager: it goes on elsewhere (spec/flink.md §1.3). */
const TERMINAL: ReadonlySet<string> = new Set(['FINISHED', 'FAILED', 'CANCELED']);
const LOOK_FOR_MS = 60_000;
const CACHE_MS = 500;
