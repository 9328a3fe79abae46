import { createHash } from 'node:crypto';
import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import type { RunContext } from '../../engine/contract.ts';
import type { PrepareOutcome } from '../jobs/backend.ts';
import { toNumber, toText } from '../inputs.ts';
import type { OptionsOf } from './client/methods.ts';
import { refused } from './outcome.ts';
import { textsOf, type FlinkServers } from './servers.ts';

export type WaitFor = 'submitted' | 'running' | 'finished';

/** What polling needs of the input, kept in the record. */
export interface JarPlan {
  readonly url: string;
  /** Name of a configured cluster, or null for an address given by the user. */
  readonly cluster: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly jobId: string;
  readonly waitFor: WaitFor;
  readonly allTasksRunning: boolean;
  readonly onCancel: 'cancel' | 'stop' | 'detach';
  readonly onTimeout: 'fail' | 'cancel' | 'detach';
  readonly triggerId: string;
  readonly savepointDir: string | null;
  readonly drain: boolean;
  readonly cancelFallback: boolean;
  readonly stopTimeoutMs: number;
  readonly keepJar: boolean;
  readonly onLost: 'fail' | 'resubmit';
  readonly historyUrl: string | null;
  readonly hasTimeout: boolean;
  /** Known after staging. */
  readonly version: string | null;
  readonly jarId: string | null;
  readonly jarHash: string | null;
  /** Uploaded by this very action execution, so `keep_jar: false` may delete it. */
  readonly ownJar: boolean;
  /** How often the server has lost the jar. */
  readonly jarLosses: number;
  readonly restorePath: string | null;
  /** How often the job was lost and submitted again. */
  readonly resubmits: number;
  /** The stop with savepoint: when it was first wanted, what is known of it, what came of it. */
  readonly stopSinceMs: number | null;
  readonly stopFacts: JsonObject;
  readonly stopFailed: string | null;
  readonly savepoint: string | null;
  /** When the job was first seen to be over while its details still said something else. */
  readonly staleSinceMs: number | null;
}

/** Checks the input of flink.run_jar and derives the job's id (spec/flink.md §3.1, §3.6). Makes no call. */
export function planJar(input: JsonObject, run: RunContext, servers: FlinkServers): PrepareOutcome {
  const target = servers.target(input);
  if (typeof target === 'string') return { kind: 'refused', result: refused('FLINK_BAD_REQUEST', target) };
  const problem = wrongInput(input);
  if (problem !== null) return { kind: 'refused', result: refused('FLINK_BAD_REQUEST', problem) };
  const plan = toJarPlan({
    ...Object.fromEntries(PLANNED_INPUTS.map((name) => [name, input[name] ?? null])),
    url: target.url,
    cluster: target.cluster,
    headers: target.headers,
  });
  const jobId = typeof input.job_id === 'string' ? input.job_id.toLowerCase() : jobIdOf(run.actionExecutionId);
  const full: JarPlan = {
    ...plan,
    jobId,
    triggerId: digest(`flink/trigger/${run.actionExecutionId}`),
    hasTimeout: numberOf(input.timeout) !== null,
  };
  const pollMs = Math.max(0.1, numberOf(input.poll_interval) ?? 2) * 1000;
  return {
    kind: 'prepared',
    plan: {
      key: jobId,
      url: null,
      server: `flink ${full.url}`,
      data: fromJarPlan(full),
      timeoutSeconds: numberOf(input.timeout),
      onTimeout: full.onTimeout === 'cancel' ? 'end' : 'leave',
      onCancel: full.onCancel === 'detach' ? 'leave' : 'end',
      pollMs: { first: pollMs, longest: Math.max(pollMs, 10_000) },
      notFoundGraceMs: (numberOf(input.not_found_grace) ?? 60) * 1000,
      slots: servers.mostJobs(target),
    },
  };
}

/** What the record takes over from the input; all else in it we find out ourselves. */
const PLANNED_INPUTS = [
  'wait_for',
  'all_tasks_running',
  'on_cancel',
  'on_timeout',
  'savepoint_dir',
  'drain',
  'cancel_fallback',
  'stop_timeout',
  'keep_jar',
  'on_lost',
  'history_url',
] as const;

/** For the name of a jar that is to be deleted; null where it stays. Every action execution has its own, also where the user names the job's id. */
export function jarMarkOf(plan: JarPlan): string | null {
  return plan.keepJar ? null : plan.triggerId.slice(0, 12);
}

export function jobIdOf(actionExecutionId: string): string {
  return digest(`flink/job/${actionExecutionId}`);
}

/** The column `data`: the names of the inputs where they are inputs. */
export function fromJarPlan(plan: JarPlan): JsonObject {
  return {
    url: plan.url,
    cluster: plan.cluster,
    headers: plan.headers,
    job_id: plan.jobId,
    wait_for: plan.waitFor,
    all_tasks_running: plan.allTasksRunning,
    on_cancel: plan.onCancel,
    on_timeout: plan.onTimeout,
    trigger_id: plan.triggerId,
    savepoint_dir: plan.savepointDir,
    drain: plan.drain,
    cancel_fallback: plan.cancelFallback,
    stop_timeout: plan.stopTimeoutMs / 1000,
    keep_jar: plan.keepJar,
    on_lost: plan.onLost,
    history_url: plan.historyUrl,
    has_timeout: plan.hasTimeout,
    version: plan.version,
    jar_id: plan.jarId,
    jar_hash: plan.jarHash,
    own_jar: plan.ownJar,
    jar_losses: plan.jarLosses,
    restore_path: plan.restorePath,
    resubmits: plan.resubmits,
    stop_since_ms: plan.stopSinceMs,
    stop_facts: plan.stopFacts,
    stop_failed: plan.stopFailed,
    savepoint: plan.savepoint,
    stale_since_ms: plan.staleSinceMs,
  };
}

export function toJarPlan(data: JsonObject): JarPlan {
  const text = (name: string): string | null => (typeof data[name] === 'string' ? data[name] : null);
  return {
    url: text('url') ?? '',
    cluster: text('cluster'),
    headers: textsOf(data.headers),
    jobId: text('job_id') ?? '',
    waitFor: oneOf(text('wait_for'), ['submitted', 'running', 'finished'], 'running'),
    allTasksRunning: data.all_tasks_running === true,
    onCancel: oneOf(text('on_cancel'), ['cancel', 'stop', 'detach'], 'cancel'),
    onTimeout: oneOf(text('on_timeout'), ['fail', 'cancel', 'detach'], 'fail'),
    triggerId: text('trigger_id') ?? '',
    savepointDir: text('savepoint_dir'),
    drain: data.drain === true,
    cancelFallback: data.cancel_fallback !== false,
    stopTimeoutMs: (numberOf(data.stop_timeout) ?? 600) * 1000,
    keepJar: data.keep_jar !== false,
    onLost: oneOf(text('on_lost'), ['fail', 'resubmit'], 'fail'),
    historyUrl: text('history_url'),
    hasTimeout: data.has_timeout === true,
    version: text('version'),
    jarId: text('jar_id'),
    jarHash: text('jar_hash'),
    ownJar: data.own_jar === true,
    jarLosses: numberOf(data.jar_losses) ?? 0,
    restorePath: text('restore_path'),
    resubmits: numberOf(data.resubmits) ?? 0,
    stopSinceMs: numberOf(data.stop_since_ms),
    stopFacts: isJsonObject(data.stop_facts) ? data.stop_facts : {},
    stopFailed: text('stop_failed'),
    savepoint: text('savepoint'),
    staleSinceMs: numberOf(data.stale_since_ms),
  };
}

/** The body of the run call; values of the configuration travel as texts. */
export function runBody(
  input: JsonObject,
  plan: Pick<JarPlan, 'jobId' | 'restorePath'>,
  claimKey: 'claimMode' | 'restoreMode',
): OptionsOf<'jars.run'> {
  const config = configOf(input);
  const parallelism = numberOf(input.parallelism);
  const claimMode = oneOf(toText(input.claim_mode ?? ''), ['CLAIM', 'NO_CLAIM', 'LEGACY'], 'NO_CLAIM');
  const restore = plan.restorePath ?? (typeof input.savepoint_path === 'string' ? input.savepoint_path : null);
  return {
    jobId: plan.jobId,
    ...(typeof input.entry_class === 'string' && { entryClass: input.entry_class }),
    ...((input.args ?? null) !== null && { programArgsList: programArguments(input.args ?? null) }),
    ...(parallelism !== null && { parallelism }),
    ...(restore !== null && { savepointPath: restore }),
    ...(input.allow_non_restored_state === true && { allowNonRestoredState: true }),
    ...(typeof input.claim_mode === 'string' && { [claimKey]: claimMode }),
    ...(Object.keys(config).length > 0 && { flinkConfiguration: config }),
  };
}

export function configOf(input: JsonObject): Record<string, string> {
  return {
    ...textsOf(input.config),
    ...(typeof input.job_name === 'string' && { 'pipeline.name': input.job_name }),
  };
}

function programArguments(args: Json): string[] {
  if (Array.isArray(args)) return args.map((value) => toText(value));
  if (!isJsonObject(args)) return [];
  return Object.entries(args).flatMap(([key, value]) => (value === null ? [] : [`--${key}`, toText(value)]));
}

/** What is wrong with the inputs that every start of a jar has, or null. */
export function jarProblem(input: JsonObject): string | null {
  const { jar } = input;
  if (
    isJsonObject(jar)
      ? typeof jar.jar_id !== 'string' || Object.keys(jar).length !== 1
      : typeof jar !== 'string' || jar === ''
  ) {
    return 'jar must be a path on the executor, an http(s) address, or {jar_id: <id on the cluster>}.';
  }
  if (typeof input.sha256 === 'string' && !/^[0-9a-fA-F]{64}$/.test(input.sha256))
    return `sha256 '${input.sha256}' is not made of 64 hex digits.`;
  return null;
}

function wrongInput(input: JsonObject): string | null {
  const jar = jarProblem(input);
  if (jar !== null) return jar;
  if (typeof input.job_id === 'string' && !/^[0-9a-fA-F]{32}$/.test(input.job_id))
    return `job_id '${input.job_id}' is not made of 32 hex digits.`;
  if ((input.savepoint_path ?? null) !== null && (input.restore_from ?? null) !== null)
    return 'Give savepoint_path or restore_from, not both.';
  const from = input.restore_from;
  if (
    isJsonObject(from) &&
    (typeof from.job_id !== 'string' || !['savepoint', 'checkpoint'].includes(toText(from.what ?? 'savepoint')))
  ) {
    return 'restore_from must be {job_id: <id>, what: savepoint|checkpoint}.';
  }
  return null;
}

function oneOf<T extends string>(value: string | null, allowed: readonly T[], otherwise: T): T {
  return allowed.find((one) => one === value) ?? otherwise;
}

export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

function numberOf(value: Json | undefined): number | null {
  return value === undefined ? null : toNumber(value);
}
