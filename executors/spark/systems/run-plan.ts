import { isJsonObject, type JsonObject } from '../../../dsl/json.ts';
import type { RunContext } from '../../../engine/contract.ts';
import { toNumber } from '../../inputs.ts';
import type { JobPlan, PrepareOutcome } from '../../jobs/backend.ts';
import { keyOf } from '../../jobs/key.ts';
import { refused } from '../outcome.ts';
import type { SystemRuns } from './runs.ts';
import { serverOf, type SparkServers, type SparkTarget } from './servers.ts';

/** What polling needs of the input, kept in the record's `data`. */
export interface RemotePlan {
  /** Name of the connection, or null for an address given by the user. */
  readonly connection: string | null;
  readonly url: string;
  /** Of a leased cluster; a connection's own is read anew each time. */
  readonly masterUi: string | null;
  /** Of the connection or the cluster. */
  readonly historyUrl: string | null;
  readonly name: string | null;
  readonly hasMarker: boolean;
  readonly logLines: number;
  readonly killGraceMs: number;
  readonly waitForEnd: boolean;
  /** The system's own notes: session of a statement, main class of a driver, … */
  readonly notes: JsonObject;
  /** The log's end as it was before a deletion that takes the log with it; null: nothing was deleted. */
  readonly keptLog: readonly string[] | null;
}

/** The inputs that all runs have in common (spec/spark.md §8.3). */
export const RUN_INPUTS: Readonly<Record<string, JsonObject>> = {
  wait_for: {
    type: ['string', 'null'],
    enum: ['finished', 'submitted', null],
    default: 'finished',
    description: 'When the action is over: with the job, or once it is submitted.',
  },
  timeout: { type: ['number', 'null'], minimum: 0, description: 'Seconds the job may take, its waiting included.' },
  poll_interval: { type: ['number', 'null'], minimum: 0, description: 'Seconds between two looks at the young job.' },
  on_cancel: {
    type: ['string', 'null'],
    enum: ['kill', 'detach', null],
    default: 'kill',
    description: 'What becomes of the job when the workflow is cancelled.',
  },
  on_timeout: {
    type: ['string', 'null'],
    enum: ['kill', 'detach', null],
    default: 'kill',
    description: 'What becomes of the job after the time limit.',
  },
  kill_grace: {
    type: ['number', 'null'],
    minimum: 0,
    default: 20,
    description: 'Seconds between asking for the end and enforcing it, where the system can.',
  },
  log_lines: {
    type: ['integer', 'null'],
    minimum: 0,
    maximum: 2000,
    default: 200,
    description: "Lines of the log's end in the result.",
  },
  result: {
    type: ['string', 'null'],
    enum: ['marker', 'none', null],
    default: 'marker',
    description: "marker: the job's last line `::result <JSON>` in the log is its result.",
  },
};

/** Checks the input of a run and fixes what stays the same over every repeat. Calls nothing. */
export function planRemote(
  input: JsonObject,
  run: RunContext,
  runs: SystemRuns,
  servers: SparkServers,
): PrepareOutcome {
  const found = serverOf(input, runs.system, servers);
  if ('problem' in found) return { kind: 'refused', result: found.problem };
  const problem = runs.wrongInput(input);
  if (problem !== null) return { kind: 'refused', result: refused('SPARK_BAD_INPUT', problem, runs.system) };
  const key = keyOf(run.actionExecutionId);
  const url = found.server.urls[0] ?? '';
  const data: RemotePlan = {
    connection: found.server.connection,
    url,
    masterUi: found.server.connection === null ? found.server.masterUi : null,
    historyUrl: found.server.historyUrl,
    name: runs.nameOf(input, key),
    hasMarker: input.result !== 'none',
    logLines: Math.min(2000, Math.max(0, numberOf(input.log_lines) ?? 200)),
    killGraceMs: Math.max(0, numberOf(input.kill_grace) ?? 20) * 1000,
    waitForEnd: input.wait_for !== 'submitted',
    notes: {},
    keptLog: null,
  };
  const first = numberOf(input.poll_interval);
  const plan: JobPlan = {
    key,
    url: null,
    server: `${runs.system} ${url}`,
    data: fromRemotePlan(data),
    timeoutSeconds: numberOf(input.timeout),
    onTimeout: input.on_timeout === 'detach' ? 'leave' : 'end',
    onCancel: input.on_cancel === 'detach' ? 'leave' : 'end',
    pollMs: {
      first: first === null ? runs.pollMs.first : Math.max(100, first * 1000),
      longest: Math.max(first === null ? 0 : first * 1000, runs.pollMs.longest),
    },
    notFoundGraceMs: 30_000,
    slots: found.server.jobs,
  };
  return { kind: 'prepared', plan };
}

/** The server of a record: a connection that is no longer configured is an error that may pass. */
export function serverOfPlan(plan: RemotePlan, runs: SystemRuns, servers: SparkServers): SparkTarget {
  const found = serverOf(
    plan.connection === null ? { url: plan.url } : { connection: plan.connection },
    runs.system,
    servers,
  );
  if ('problem' in found)
    throw new Error(`The job's server cannot be asked: connection ${plan.connection ?? plan.url}.`);
  return plan.connection === null ? { ...found.server, masterUi: plan.masterUi } : found.server;
}

/** The record's data with further notes. */
export function withNotes(plan: RemotePlan, notes: JsonObject): JsonObject {
  return fromRemotePlan({ ...plan, notes: { ...plan.notes, ...notes } });
}

export function fromRemotePlan(plan: RemotePlan): JsonObject {
  return {
    connection: plan.connection,
    url: plan.url,
    master_ui: plan.masterUi,
    history_url: plan.historyUrl,
    name: plan.name,
    has_marker: plan.hasMarker,
    log_lines: plan.logLines,
    kill_grace_ms: plan.killGraceMs,
    wait_for_end: plan.waitForEnd,
    notes: plan.notes,
    kept_log: plan.keptLog,
  };
}

export function toRemotePlan(data: JsonObject): RemotePlan {
  const { notes, kept_log: kept } = data;
  return {
    connection: typeof data.connection === 'string' ? data.connection : null,
    url: typeof data.url === 'string' ? data.url : '',
    masterUi: typeof data.master_ui === 'string' ? data.master_ui : null,
    historyUrl: typeof data.history_url === 'string' ? data.history_url : null,
    name: typeof data.name === 'string' ? data.name : null,
    hasMarker: data.has_marker !== false,
    logLines: numberOf(data.log_lines) ?? 200,
    killGraceMs: numberOf(data.kill_grace_ms) ?? 20_000,
    waitForEnd: data.wait_for_end !== false,
    notes: isJsonObject(notes) ? notes : {},
    keptLog: Array.isArray(kept) ? kept.filter((line) => typeof line === 'string') : null,
  };
}

function numberOf(value: JsonObject[string] | undefined): number | null {
  return toNumber(value ?? null);
}
