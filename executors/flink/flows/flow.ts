import { isJsonObject, type JsonObject } from '../../../dsl/json.ts';
import type { ActionResult, RunContext } from '../../../engine/contract.ts';
import { toNumber } from '../../inputs.ts';
import type { GivingUp, Job, JobBackend, JobCancel, JobContext, JobStatus } from '../../jobs/backend.ts';
import type { FlinkClient } from '../client/client.ts';
import { FlinkApiError } from '../client/errors.ts';
import { callFailed, isUnknownJob, natureOf, refused } from '../outcome.ts';
import { digest } from '../plan.ts';
import type { FlinkServers, FlinkTarget } from '../servers.ts';

/**
 * A blocking operation of several calls, watched as jobs are: its record is committed before the first call, each step can be repeated after
 * a crash, and what it has learned (`facts`) is stored after each step. A step does at most one thing that has an effect, and
 * that under an id of ours wherever Flink takes one (spec/flink.md §3.2, §3.6).
 */
export interface Flow {
  /** Of the action behind `flink.`; the backend is `flink-` and this. */
  readonly name: string;
  readonly server?: 'sql-gateway';
  /** Default time limit in seconds; null for none. */
  readonly timeoutSeconds: number | null;
  /** `leave`: when the workflow is cancelled or the time is over, what was started goes on. `end`: the flow sees to its end itself. */
  readonly onStop: 'leave' | 'end';
  /** A sentence about wrong input, or null. */
  problem?(input: JsonObject): string | null;
  /** @throws whatever calls throw: what may pass is repeated, what is final ends the flow. */
  step(run: FlowRun): Promise<FlowStep>;
  /** The cluster still does not know the job after the grace: the facts with which it goes on, or null. Without it the job is lost. */
  lost?(run: FlowRun): Promise<JsonObject | null>;
}

export interface FlowRun {
  readonly input: JsonObject;
  /** What earlier steps have learned. */
  readonly facts: JsonObject;
  readonly client: FlinkClient;
  readonly target: FlinkTarget;
  /** The history server of the input or of the connection. */
  history(): FlinkClient | null;
  readonly signal: AbortSignal;
  readonly nowMs: number;
  readonly startedMs: number;
  readonly actionExecutionId: string;
  /** Whose uploaded files the input may name. */
  readonly projectId: string | null;
  /** For the trigger of this flow: a repeat with it starts nothing new. */
  readonly triggerId: string;
  /** Set when the workflow wants it stopped, or its time is over. */
  readonly cancel: JobCancel | null;
  readonly context: JobContext;
}

/** Look again; new facts replace the old ones. */
export interface Again {
  readonly kind: 'again';
  readonly state: string;
  readonly facts?: JsonObject;
  readonly afterMs?: number;
}

export type FlowStep =
  | Again
  | { readonly kind: 'done'; readonly state: string; readonly result: ActionResult }
  /** The cluster does not know the job: after the grace it counts as lost. */
  | { readonly kind: 'unknown'; readonly reason: string };

export function again(state: string, facts?: JsonObject, afterMs?: number): Again {
  return { kind: 'again', state, ...(facts !== undefined && { facts }), ...(afterMs !== undefined && { afterMs }) };
}

export function succeed(state: string, output: JsonObject): FlowStep {
  return { kind: 'done', state, result: { kind: 'success', output } };
}

export function fail(state: string, code: string, message: string, output: JsonObject = {}): FlowStep {
  return { kind: 'done', state, result: refused(code, message, output) };
}

export function createFlowBackend(flow: Flow, servers: FlinkServers): JobBackend {
  const step = async (job: Job, context: JobContext): Promise<JobStatus> => {
    const target = targetOf(job.data);
    try {
      return toStatus(job, await flow.step(runOf(job, context, servers, target)));
    } catch (error) {
      context.signal.throwIfAborted();
      // In a fail-over jobs are unknown for a while: what has begun is not given up for that.
      if (isUnknownJob(error) && Object.keys(factsOf(job.data)).length > 0)
        return { kind: 'unknown', reason: `Flink at ${target.url} does not know job ${jobIdIn(job.data)} any more.` };
      if (natureOf(error) !== 'final' && !isBrokenCall(error)) throw error;
      return { kind: 'ended', state: 'FAILED', result: failedCall(error, job) };
    }
  };
  return {
    name: `flink-${flow.name.replaceAll('_', '-')}`,
    refusesDuplicates: true,
    prepare: (input, run) => prepare(flow, input, run, servers),
    // The record alone is the start: every effect belongs to a step.
    stage: async () => ({ kind: 'found' }),
    submit: async () => ({ kind: 'submitted' }),
    find: async () => ({ kind: 'found' }),
    state: step,
    // The step sees the cancel and ends by itself.
    cancel: async () => ({ againMs: 500 }),
    resubmit: async (job, context) => {
      const facts = await flow.lost?.(runOf(job, context, servers, targetOf(job.data)));
      return facts === undefined || facts === null ? null : { data: { ...job.data, facts } };
    },
    giveUp: async (job, why) => giveUp(flow, job, why),
    progress: async (job) => ({ state: job.lastState, ...factsOf(job.data) }),
  };
}

/** What has been done until then, such as a savepoint, is known from nowhere else. */
function failedCall(error: unknown, job: Job): ActionResult {
  const result = callFailed(error, jobIdIn(job.data));
  const facts = Object.entries(factsOf(job.data)).filter(([name]) => TOLD.has(name));
  return isJsonObject(result.output)
    ? { ...result, output: { ...Object.fromEntries(facts), ...result.output } }
    : result;
}

const TOLD: ReadonlySet<string> = new Set(['savepoint', 'location', 'new_job_id', 'rollback_job_id', 'results']);

/** What Flink does not explain is asked for again only where asking changes nothing (spec/flink.md §1.1). */
function isBrokenCall(error: unknown): boolean {
  return error instanceof FlinkApiError && error.code === 'FLINK_SERVER_ERROR' && error.method !== 'GET';
}

function prepare(
  flow: Flow,
  input: JsonObject,
  run: RunContext,
  servers: FlinkServers,
): ReturnType<JobBackend['prepare']> {
  const target = servers.target(input, flow.server);
  const problem = typeof target === 'string' ? target : (wrongIds(input) ?? flow.problem?.(input) ?? null);
  if (typeof target === 'string' || problem !== null)
    return { kind: 'refused', result: refused('FLINK_BAD_REQUEST', problem ?? String(target)) };
  const pollMs = Math.max(0.1, numberOf(input, 'poll_interval') ?? 1) * 1000;
  const { headers: _, ...rest } = input;
  return {
    kind: 'prepared',
    plan: {
      url: null,
      server: `flink ${target.url}`,
      data: {
        input: rest,
        target: { ...target },
        facts: {},
        project_id: run.projectId,
        trigger_id: digest(`flink/trigger/${run.actionExecutionId}`),
      },
      timeoutSeconds: numberOf(input, 'timeout') ?? flow.timeoutSeconds,
      onTimeout: flow.onStop,
      onCancel: flow.onStop,
      pollMs: { first: pollMs, longest: Math.max(pollMs, 10_000) },
      notFoundGraceMs: (numberOf(input, 'not_found_grace') ?? 60) * 1000,
      slots: null,
    },
  };
}

function runOf(job: Job, context: JobContext, servers: FlinkServers, target: FlinkTarget): FlowRun {
  const { trigger_id: triggerId, project_id: projectId } = job.data;
  const input = isJsonObject(job.data.input) ? job.data.input : {};
  return {
    input,
    facts: factsOf(job.data),
    client: servers.client(target),
    target,
    history: () => servers.history(textOf(input, 'history_url'), target),
    signal: context.signal,
    nowMs: context.nowMs,
    startedMs: job.createdAtMs,
    actionExecutionId: job.id,
    projectId: typeof projectId === 'string' ? projectId : null,
    triggerId: typeof triggerId === 'string' ? triggerId : '',
    cancel: job.cancel,
    context,
  };
}

function toStatus(job: Job, step: FlowStep): JobStatus {
  switch (step.kind) {
    case 'unknown':
      return step;
    case 'done':
      return { kind: 'ended', state: step.state, result: step.result };
    case 'again':
      return {
        kind: 'live',
        state: step.state,
        ...(step.afterMs !== undefined && { againMs: step.afterMs }),
        ...(step.facts !== undefined && { update: { data: { ...job.data, facts: step.facts } } }),
      };
  }
}

function giveUp(flow: Flow, job: Job, why: GivingUp): ActionResult {
  const about: JsonObject = { job_id: jobIdIn(job.data), ...factsOf(job.data) };
  const action = `flink.${flow.name}`;
  switch (why.kind) {
    case 'cancelled':
      return {
        kind: 'cancelled',
        output: {
          code: 'FLINK_CANCELLED',
          message: `${action} was cancelled${why.jobGoesOn ? '; what it started may go on' : ''}.`,
          ...about,
        },
      };
    case 'timeout':
      return refused(
        'FLINK_TIMEOUT',
        `Timeout of ${action} after ${why.seconds} seconds; what it started may go on.`,
        about,
      );
    case 'lost':
      return refused('FLINK_JOB_LOST', why.reason, about, true);
    case 'unreachable':
    case 'broken':
      return refused('FLINK_UNREACHABLE', `${targetOf(job.data).url}: ${why.reason}`, about, true);
  }
}

function targetOf(data: JsonObject): FlinkTarget {
  const target = isJsonObject(data.target) ? data.target : {};
  return {
    url: textOf(target, 'url') ?? '',
    cluster: textOf(target, 'cluster'),
    headers: isJsonObject(target.headers)
      ? Object.fromEntries(Object.entries(target.headers).map(([name, value]) => [name, String(value)]))
      : {},
  };
}

function factsOf(data: JsonObject): JsonObject {
  return isJsonObject(data.facts) ? data.facts : {};
}

function jobIdIn(data: JsonObject): string | null {
  return isJsonObject(data.input) ? textOf(data.input, 'job_id') : null;
}

function wrongIds(input: JsonObject): string | null {
  const id = input.job_id ?? null;
  if (id === null || (typeof id === 'string' && /^[0-9a-fA-F]{32}$/.test(id))) return null;
  return `job_id '${String(id)}' is not made of 32 hex digits.`;
}

export function textOf(values: JsonObject, name: string): string | null {
  const value = values[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

export function numberOf(values: JsonObject, name: string): number | null {
  const value = values[name];
  return value === undefined ? null : toNumber(value);
}
