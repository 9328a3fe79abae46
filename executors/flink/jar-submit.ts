import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import type { FindOutcome, Job, JobContext, JobRequest, StageOutcome, SubmitOutcome } from '../jobs/backend.ts';
import type { FlinkClient } from './client/client.ts';
import { FlinkApiError } from './client/errors.ts';
import type { JobDetails } from './client/methods.ts';
import { parseVersion, type FlinkVersion } from './client/version.ts';
import { FEATURES, type Feature } from './client/endpoints.ts';
import { JarError, type JarStore } from './jars.ts';
import { callFailed, isUnknownJob, natureOf, refused, webUrlOf } from './outcome.ts';
import { dropJar } from './jar-watch.ts';
import { configOf, fromJarPlan, jarMarkOf, runBody, type JarPlan } from './plan.ts';

/** All before the run call: the cluster's version, a job that is there already, the jar. */
export async function stage(
  job: Job,
  plan: JarPlan,
  { input }: JobRequest,
  context: JobContext,
  client: FlinkClient,
  jars: JarStore,
): Promise<StageOutcome> {
  try {
    const version = await client.version(context.signal);
    const missing = missingFeature(input, version);
    if (missing !== null)
      return { kind: 'refused', result: refused('FLINK_UNSUPPORTED', missing, { job_id: plan.jobId }) };
    const probed: JarPlan = { ...plan, version: version.raw };
    if ((await jobOf(client, plan, context)) !== null) {
      // Somebody else has started it, after an upload of ours that no record tells of.
      if (!plan.ownJar) await dropJar(plan, context, client, jars);
      return { kind: 'found', update: adopted({ ...probed, jarId: plan.jarId }) };
    }
    // Once found it stays: a repeat must not start from somewhere else.
    const restorePath = plan.restorePath ?? (await restorePathOf(input, client, context));
    const jar = await jars.stage(client, input, context.signal, { mark: jarMarkOf(plan) });
    const staged: JarPlan = {
      ...probed,
      restorePath,
      jarId: jar.jarId,
      jarHash: jar.hash,
      ownJar: plan.ownJar || jar.uploaded,
    };
    return { kind: 'ready', update: { data: fromJarPlan(staged) } };
  } catch (error) {
    if ((error instanceof JarError && !error.passes) || error instanceof RestoreError) {
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

export async function submit(
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
    jars.lost(client, plan.jarHash, plan.jarId);
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
  if (known !== null) return { kind: 'submitted', update: adopted(plan) };
  await dropJar(plan, context, client, jars);
  return { kind: 'refused', result: giveUp };
}

export async function find(
  plan: JarPlan,
  context: JobContext,
  client: FlinkClient,
  lookingMs: number,
): Promise<FindOutcome> {
  if ((await jobOf(client, plan, context)) !== null) return { kind: 'found', update: adopted(plan) };
  // main() may still be running inside the lost call; later than that the cluster refuses the id if it has used it.
  return lookingMs < LOOK_FOR_MS ? { kind: 'looking', reason: 'Flink does not know the job yet.' } : { kind: 'absent' };
}

/** The job's details, or null when the cluster does not know it. */
async function jobOf(client: FlinkClient, plan: JarPlan, context: JobContext): Promise<JobDetails | null> {
  try {
    return await client.jobs.get(plan.jobId, { signal: context.signal });
  } catch (error) {
    if (isUnknownJob(error)) return null;
    throw error;
  }
}

async function restorePathOf(input: JsonObject, client: FlinkClient, context: JobContext): Promise<string | null> {
  const from = input.restore_from;
  if (!isJsonObject(from) || typeof from.job_id !== 'string') return null;
  const what = from.what === 'checkpoint' ? 'completed' : 'savepoint';
  const checkpoints = await client.jobs.getCheckpoints(from.job_id, { signal: context.signal });
  const path = checkpoints.latest?.[what]?.external_path ?? '';
  if (path === '')
    throw new RestoreError(
      `Job ${from.job_id} has no ${what === 'savepoint' ? 'savepoint' : 'checkpoint'} to restore from.`,
    );
  return path;
}

class RestoreError extends Error {}

/** A request for something that the cluster lacks fails before any call that has an effect; nothing is dropped silently. */
export function missingFeature(input: JsonObject, version: FlinkVersion): string | null {
  const wanted: readonly (readonly [asked: boolean, input: string, feature: Feature])[] = [
    [
      Object.keys(configOf(input)).length > 0,
      typeof input.job_name === 'string' ? 'job_name' : 'config',
      'flinkConfiguration',
    ],
    [typeof input.claim_mode === 'string', 'claim_mode', 'restoreMode'],
  ];
  const missing = wanted.find(([asked, , feature]) => asked && !version.atLeast(FEATURES[feature]));
  return missing === undefined
    ? null
    : `${missing[1]} needs Flink ${FEATURES[missing[2]]}; the cluster runs ${version.raw}.`;
}

function adopted(plan: JarPlan): { externalId: string; url: string; data: JsonObject } {
  return { externalId: plan.jobId, url: webUrlOf(plan, 'running'), data: fromJarPlan(plan) };
}

const LOOK_FOR_MS = 60_000;
