import { isJsonObject, type JsonObject } from '../../../dsl/json.ts';
import { toNumber } from '../../inputs.ts';
import { FEATURES } from '../client/endpoints.ts';
import { FlinkApiError } from '../client/errors.ts';
import type { AnswerOf, JobDetails } from '../client/methods.ts';
import { isUnknownJob } from '../outcome.ts';
import { again, fail, numberOf, succeed, textOf, type Flow, type FlowRun, type FlowStep } from './flow.ts';
import { redeploy, redeployLost, type Redeployment } from './redeploy.ts';
import type { JarStore } from '../jars.ts';

/**
 * flink.rescale (spec/flink.md §3.3): new bounds for the adaptive scheduler, which rescales at most every 30 s; where the scheduler cannot do that,
 * stop with a savepoint and run again.
 */
export function rescaleFlow(jars: JarStore): Flow {
  return {
    name: 'rescale',
    timeoutSeconds: 600,
    onStop: 'end',
    problem: wrongInput,
    step: async (run) => {
      if (textOf(run.facts, 'strategy') === 'redeploy') return redeploy(run, jars, toRedeployment(run));
      // New bounds cannot be taken back half-way: whoever is told to stop leaves them.
      if (run.cancel !== null) return stopped(run);
      return run.facts.bounds === undefined ? change(run) : settle(run);
    },
    lost: async (run) => (textOf(run.facts, 'strategy') === 'redeploy' ? redeployLost(run) : null),
  };
}

type Requirements = AnswerOf<'jobs.getResourceRequirements'>;

/** Step 1: read the bounds of all vertices, change the wanted ones, send all of them. */
async function change(run: FlowRun): Promise<FlowStep> {
  const { client, input, signal } = run;
  const jobId = textOf(input, 'job_id') ?? '';
  const strategy = textOf(input, 'strategy') ?? 'auto';
  if (strategy === 'redeploy') return toRedeploy(run);
  const version = await client.version(signal);
  if (!version.atLeast(FEATURES.resourceRequirements)) {
    return strategy === 'auto'
      ? fallBack(run, `Flink ${version.raw} cannot change the parallelism of a running job`)
      : fail(
          'FAILED',
          'FLINK_UNSUPPORTED',
          `strategy: requirements needs Flink 1.18; the cluster runs ${version.raw}.`,
        );
  }
  try {
    const [now, details] = await Promise.all([
      client.jobs.getResourceRequirements(jobId, { signal }),
      client.jobs.get(jobId, { signal }),
    ]);
    const wanted = boundsOf(input, details, now);
    if (typeof wanted === 'string') return fail('FAILED', 'FLINK_BAD_REQUEST', wanted, { job_id: jobId });
    await client.jobs.updateResourceRequirements(jobId, { requirements: wanted, signal });
    return again('RESCALING', { ...run.facts, strategy: 'requirements', bounds: wanted, since_ms: run.nowMs }, 1000);
  } catch (error) {
    if (!(error instanceof FlinkApiError)) throw error;
    if (error.code === 'FLINK_RESCALING_UNSUPPORTED' && strategy === 'auto')
      return fallBack(run, 'The scheduler of this cluster cannot change the parallelism of a running job');
    // Another update is under way.
    if (error.status === 409 && error.code !== 'FLINK_JOB_NOT_FOUND') return again('WAITING', undefined, 1000);
    throw error;
  }
}

/** Step 2: wait until every vertex runs within its bounds. */
async function settle(run: FlowRun): Promise<FlowStep> {
  const { client, input, facts, signal } = run;
  const jobId = textOf(input, 'job_id') ?? '';
  if (input.wait === false) return done(run, null);
  let details: JobDetails;
  try {
    details = await client.jobs.get(jobId, { signal });
  } catch (error) {
    if (isUnknownJob(error)) return { kind: 'unknown', reason: `Flink does not know job ${jobId} any more.` };
    throw error;
  }
  if (['FAILED', 'CANCELED', 'FINISHED'].includes(details.state))
    return fail(details.state, 'FLINK_RESCALE_FAILED', `The job ended as ${details.state} while it was rescaled.`, {
      job_id: jobId,
      state: details.state,
    });
  const bounds = isJsonObject(facts.bounds) ? facts.bounds : {};
  const fits = details.vertices.every((vertex) => {
    const parallelism = isJsonObject(bounds[vertex.id]) ? (bounds[vertex.id] as JsonObject).parallelism : null;
    if (!isJsonObject(parallelism ?? null)) return true;
    const { lowerBound, upperBound } = parallelism as JsonObject;
    // Subtasks of a source that get no split are FINISHED after scaling up.
    const running = (vertex.tasks.RUNNING ?? 0) + (vertex.tasks.FINISHED ?? 0);
    return (
      vertex.parallelism >= Number(lowerBound) &&
      vertex.parallelism <= Number(upperBound) &&
      running >= vertex.parallelism
    );
  });
  // Details come from a cache of three seconds: what was so before the change proves nothing.
  const isFresh = run.nowMs - (numberOf(facts, 'since_ms') ?? 0) > CACHE_MS;
  // Fewer slots than wanted: after several cool-downs it is what it is.
  const isPatient = run.nowMs - (numberOf(facts, 'since_ms') ?? 0) < PATIENCE_MS;
  return details.state === 'RUNNING' && fits && isFresh && (isSettled(details, input) || !isPatient)
    ? done(run, details)
    : again(details.state === 'RUNNING' ? 'RESCALING' : details.state, undefined, 1000);
}

/**
 * A plain number means "up to": with the lower bound 1 the old parallelism fits as well until Flink acts. So the upper bound itself is waited for
 * where the cluster has the slots, for as long as the cool-down lasts.
 */
function isSettled(details: JobDetails, input: JsonObject): boolean {
  const exact = toNumber(input.parallelism ?? null);
  return (
    exact === null ||
    details.vertices.every(
      ({ parallelism, maxParallelism }) =>
        parallelism === Math.min(exact, maxParallelism === undefined || maxParallelism < 1 ? exact : maxParallelism),
    )
  );
}

function done(run: FlowRun, details: JobDetails | null): FlowStep {
  const jobId = textOf(run.input, 'job_id') ?? '';
  const parallelism = Object.fromEntries((details?.vertices ?? []).map((vertex) => [vertex.name, vertex.parallelism]));
  return succeed('RUNNING', {
    job_id: jobId,
    strategy: 'requirements',
    parallelism: details === null ? null : parallelism,
  });
}

function stopped(run: FlowRun): FlowStep {
  const about = { job_id: textOf(run.input, 'job_id'), bounds: run.facts.bounds ?? null };
  if (run.cancel?.reason === 'timeout')
    return fail(
      'RUNNING',
      'FLINK_TIMEOUT',
      `The job did not reach the parallelism within ${run.cancel.seconds} seconds; are there enough slots?`,
      about,
    );
  return {
    kind: 'done',
    state: 'RUNNING',
    result: {
      kind: 'cancelled',
      output: { code: 'FLINK_CANCELLED', message: 'flink.rescale was cancelled.', ...about },
    },
  };
}

async function fallBack(run: FlowRun, why: string): Promise<FlowStep> {
  if ((run.input.jar ?? null) !== null && toNumber(run.input.parallelism ?? null) !== null) return toRedeploy(run);
  const lacking =
    'give jar (and parallelism as a number), so that the job can be stopped with a savepoint and run again';
  return fail('FAILED', 'FLINK_RESCALING_UNSUPPORTED', `${why}; ${lacking}.`, { job_id: textOf(run.input, 'job_id') });
}

/** Remembers how wide the job was, for the way back. */
async function toRedeploy(run: FlowRun): Promise<FlowStep> {
  const { vertices } = await run.client.jobs.get(textOf(run.input, 'job_id') ?? '', { signal: run.signal });
  const widest = Math.max(1, ...vertices.map(({ parallelism }) => parallelism));
  return again('STOPPING', { ...run.facts, strategy: 'redeploy', old_parallelism: widest }, 0);
}

function toRedeployment({ input, facts }: FlowRun): Redeployment {
  const old = numberOf(facts, 'old_parallelism');
  return {
    next: input,
    rollback: { ...input, ...(old !== null && { parallelism: old }) },
    action: 'flink.rescale',
    result: { strategy: 'redeploy', parallelism: input.parallelism ?? null },
  };
}

/** The complete map that PUT wants, or a sentence. By id or name of a vertex: a number, or {min, max}. */
function boundsOf(input: JsonObject, details: JobDetails, now: Requirements): Requirements | string {
  const wanted = input.parallelism ?? null;
  const all = toNumber(wanted);
  const byVertex = isJsonObject(wanted) ? wanted : {};
  const known = new Set(details.vertices.flatMap(({ id, name }) => [id, name]));
  const unknown = Object.keys(byVertex).find((key) => !known.has(key));
  if (unknown !== undefined)
    return `The job has no vertex '${unknown}'; it has: ${details.vertices.map(({ name }) => name).join('; ')}.`;
  const bounds: Record<string, { parallelism: { lowerBound: number; upperBound: number } }> = {};
  for (const vertex of details.vertices) {
    const old = now[vertex.id]?.parallelism ?? { lowerBound: 1, upperBound: vertex.parallelism };
    const own = byVertex[vertex.id] ?? byVertex[vertex.name] ?? null;
    const number = all ?? toNumber(own);
    const most =
      vertex.maxParallelism !== undefined && vertex.maxParallelism > 0
        ? vertex.maxParallelism
        : Number.MAX_SAFE_INTEGER;
    const max = number ?? (isJsonObject(own) ? numberOf(own, 'max') : null) ?? old.upperBound;
    const min = number !== null ? 1 : ((isJsonObject(own) ? numberOf(own, 'min') : null) ?? old.lowerBound);
    bounds[vertex.id] = { parallelism: { lowerBound: Math.min(min, max, most), upperBound: Math.min(max, most) } };
  }
  return bounds;
}

function wrongInput(input: JsonObject): string | null {
  const wanted = input.parallelism ?? null;
  const number = toNumber(wanted);
  if (input.strategy === 'redeploy' && ((input.jar ?? null) === null || number === null))
    return 'strategy: redeploy needs jar, and parallelism as a number.';
  if (number !== null)
    return Number.isInteger(number) && number > 0 ? null : `parallelism ${number} is not a whole number above 0.`;
  if (!isJsonObject(wanted) || Object.keys(wanted).length === 0)
    return 'parallelism must be a number, or by id or name of a vertex a number or {min, max}.';
  for (const [vertex, own] of Object.entries(wanted)) {
    const numbers = isJsonObject(own) ? [numberOf(own, 'min') ?? 1, numberOf(own, 'max') ?? 1] : [toNumber(own)];
    if (numbers.some((one) => one === null || !Number.isInteger(one) || one < 1))
      return `parallelism of '${vertex}' must be a whole number above 0, or {min, max} of such numbers.`;
  }
  return null;
}

const CACHE_MS = 4000;
const PATIENCE_MS = 150_000;
