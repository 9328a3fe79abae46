import { homedir } from 'node:os';
import { isAbsolute, join, resolve, sep } from 'node:path';
import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import type { ActionResult, RunContext } from '../../engine/contract.ts';
import type { Connections } from '../connections/connection.ts';
import type { JobPlan, PrepareOutcome } from '../jobs/backend.ts';
import { keyOf } from '../jobs/key.ts';
import { toNumber, toText } from '../inputs.ts';
import { confOf } from './command.ts';
import { eventLogFolder } from './event-log.ts';
import { refused } from './outcome.ts';
import type { ResultMode } from './output.ts';

/** Settings of the operator for Spark runs on this host. */
export interface SparkOptions {
  /** Folder for run directories; made when needed. */
  readonly runsFolder: string;
  /** Installation to use unless an action names one; null: actions must. */
  readonly sparkHome: string | null;
  /** Variables of this process that runs may see, before the names of {@link INHERITED} are picked. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Installations that actions may name besides `sparkHome`; null: any. */
  readonly allowedHomes?: readonly string[] | null;
  /** Folders that local applications must lie in; null: any. */
  readonly applicationRoots?: readonly string[] | null;
  /** Variables that actions may set; null: any. */
  readonly allowedEnvironment?: readonly string[] | null;
  /** Address of a history server, for `history_url`. */
  readonly historyUrl?: string | null;
  /** Runs at once on this host; more wait for their turn. */
  readonly maxRuns?: number;
  /** Servers for Spark jobs by name, for the input `connection`: not bound by the egress policy. */
  readonly connections?: Connections;
  /** This host's id; tests give another. */
  readonly host?: string;
}

/** What polling needs of the input, kept in the record. */
export interface RunPlan {
  readonly runDirectory: string;
  readonly host: string;
  readonly name: string | null;
  readonly result: ResultMode;
  readonly logLines: number;
  readonly killGraceMs: number;
  readonly allowedExitCodes: readonly number[];
  readonly waitForEnd: boolean;
  readonly eventLogs: string | null;
}

/** Checks the input of spark.submit for a run by a local process. Makes no call and touches no file. */
export function planRun(input: JsonObject, run: RunContext, options: SparkOptions, host: string): PrepareOutcome {
  const problem = problemOf(input, options);
  if (problem !== null) return { kind: 'refused', result: problem };
  const pollMs = Math.max(0.1, numberOf(input.poll_interval) ?? 2) * 1000;
  const data: RunPlan = {
    runDirectory: join(options.runsFolder, runName(run.actionExecutionId)),
    host,
    name: typeof input.name === 'string' ? input.name : null,
    result: resultMode(input.result ?? null) ?? 'marker',
    logLines: Math.min(2000, Math.max(0, numberOf(input.log_lines) ?? 200)),
    killGraceMs: Math.max(0, numberOf(input.kill_grace) ?? 20) * 1000,
    allowedExitCodes: Array.isArray(input.allowed_exit_codes)
      ? input.allowed_exit_codes.map((code: Json) => toNumber(code) ?? 0)
      : [0],
    waitForEnd: input.wait_for !== 'submitted',
    eventLogs: eventLogFolder(confOf(input)),
  };
  const plan: JobPlan = {
    url: null,
    server: `host ${host}`,
    data: fromRunPlan(data),
    timeoutSeconds: numberOf(input.timeout),
    onTimeout: input.on_timeout === 'detach' ? 'leave' : 'end',
    onCancel: input.on_cancel === 'detach' ? 'leave' : 'end',
    pollMs: { first: pollMs, longest: Math.max(pollMs, 10_000) },
    notFoundGraceMs: 30_000,
    slots: options.maxRuns ?? 8,
  };
  return { kind: 'prepared', plan };
}

export function fromRunPlan(plan: RunPlan): JsonObject {
  return {
    run_dir: plan.runDirectory,
    host: plan.host,
    name: plan.name,
    result: plan.result,
    log_lines: plan.logLines,
    kill_grace_ms: plan.killGraceMs,
    allowed_exit_codes: plan.allowedExitCodes,
    wait_for_end: plan.waitForEnd,
    event_logs: plan.eventLogs,
  };
}

export function toRunPlan(data: JsonObject): RunPlan {
  const text = (name: string): string | null => (typeof data[name] === 'string' ? data[name] : null);
  return {
    runDirectory: text('run_dir') ?? '',
    host: text('host') ?? '',
    name: text('name'),
    result: resultMode(data.result ?? null) ?? 'marker',
    logLines: numberOf(data.log_lines) ?? 200,
    killGraceMs: numberOf(data.kill_grace_ms) ?? 20_000,
    allowedExitCodes: Array.isArray(data.allowed_exit_codes)
      ? data.allowed_exit_codes.map((code: Json) => toNumber(code) ?? 0)
      : [0],
    waitForEnd: data.wait_for_end !== false,
    eventLogs: text('event_logs'),
  };
}

/** The installation for this input; null when nobody names one. */
export function sparkHomeOf(input: JsonObject, options: SparkOptions): string | null {
  return typeof input.spark_home === 'string' && input.spark_home !== '' ? input.spark_home : options.sparkHome;
}

/** The application as spark-submit gets it. A relative path counts from the working directory. */
export function applicationOf(input: JsonObject, plan: RunPlan): string {
  const { application } = input;
  return isJsonObject(application) ? join(plan.runDirectory, 'script.py') : toText(application ?? '');
}

/** What the child process sees: names that Java, Python, Hadoop and Spark need, never the server's own secrets. */
export function environmentOf(input: JsonObject, options: SparkOptions, home: string): Record<string, string> {
  const inherited = Object.entries(options.environment).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && INHERITED.test(entry[0]),
  );
  const own = isJsonObject(input.env)
    ? Object.entries(input.env).map(([name, value]) => [name, toText(value)] as const)
    : [];
  return { HOME: homedir(), ...Object.fromEntries(inherited), SPARK_HOME: home, ...Object.fromEntries(own) };
}

const INHERITED =
  /^(?:PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|JAVA_\w+|JDK_\w+|LD_LIBRARY_PATH|SPARK_\w+|PYSPARK_\w+|PYTHON\w*|VIRTUAL_ENV|HADOOP_\w+|YARN_\w+|HIVE_\w+|KUBECONFIG|KRB5\w*)$/;

function problemOf(input: JsonObject, options: SparkOptions): ActionResult | null {
  if ((input.cluster ?? null) !== null) {
    return refused(
      'SPARK_BAD_INPUT',
      'cluster must be what cluster.apply gave, with the address of a master; to use a configured server give connection and via: rest, livy or lighter.',
    );
  }
  if (
    (input.deploy_mode ?? 'client') !== 'client' ||
    input.supervise === true ||
    (input.driver_cores ?? null) !== null
  ) {
    return refused(
      'SPARK_UNSUPPORTED',
      'deploy_mode: cluster (with supervise, driver_cores) is not available with via: process: spark-submit does not tell there how the driver ended. Use via: rest with the address of the submission server, or leave it out to run the driver on the executor.',
    );
  }
  if (sparkHomeOf(input, options) === null) {
    return refused(
      'SPARK_UNSUPPORTED',
      'No Spark is known: set SPARK_HOME for the server, or the input spark_home, to a folder that has bin/spark-submit.',
    );
  }
  const message = wrongInput(input, options);
  return message === null ? null : refused('SPARK_BAD_INPUT', message);
}

function wrongInput(input: JsonObject, options: SparkOptions): string | null {
  const confKey = Object.keys(confOf(input)).find((key) => !key.startsWith('spark.'));
  if (confKey !== undefined) return `conf key '${confKey}' does not begin with 'spark.': spark-submit would drop it.`;
  if (resultMode(input.result ?? null) === null) {
    return `result: ${toText(input.result ?? null)} is none of none, last_line, marker and file:<name> (a plain name inside the folder $WF_RUN_DIR).`;
  }
  return wrongHome(input, options) ?? wrongApplication(input, options) ?? wrongEnvironment(input, options);
}

function wrongHome(input: JsonObject, options: SparkOptions): string | null {
  const { spark_home: home } = input;
  const allowed = options.allowedHomes ?? null;
  if (typeof home !== 'string' || allowed === null || home === options.sparkHome || allowed.includes(home)) return null;
  return `spark_home ${home} is not allowed here; allowed: ${[options.sparkHome, ...allowed].filter((one) => one !== null).join(', ')}.`;
}

function wrongApplication(input: JsonObject, options: SparkOptions): string | null {
  const { application } = input;
  if (isJsonObject(application)) {
    return typeof application.inline === 'string' && Object.keys(application).length === 1
      ? null
      : 'application as a mapping must be {inline: "<python>"} and nothing else.';
  }
  if (typeof application !== 'string' || application === '')
    return 'application must be a path, an address, or {inline: "<python>"}.';
  // spark-submit would take it for an option.
  if (application.startsWith('-')) return `application '${application}' begins with '-'.`;
  const roots = options.applicationRoots ?? null;
  const path = application.startsWith('file:') ? new URL(application).pathname : application;
  if (roots === null || /^[a-z][a-z0-9+.-]*:/i.test(path)) return null;
  const base = typeof input.working_dir === 'string' ? input.working_dir : '/';
  const full = isAbsolute(path) ? resolve(path) : resolve(base, path);
  return roots.some((root) => full.startsWith(resolve(root) + sep))
    ? null
    : `application ${full} lies outside the allowed folders ${roots.join(', ')}.`;
}

function wrongEnvironment(input: JsonObject, options: SparkOptions): string | null {
  const allowed = options.allowedEnvironment ?? null;
  for (const name of isJsonObject(input.env) ? Object.keys(input.env) : []) {
    if (!/^[A-Za-z_]\w*$/.test(name)) return `env: '${name}' is no name of a variable.`;
    if (name === 'WF_RUN_DIR' || name === 'SPARK_HOME') return `env: ${name} is set by the executor.`;
    if (allowed !== null && !allowed.includes(name))
      return `env: ${name} is not allowed here; allowed: ${allowed.join(', ')}.`;
  }
  return null;
}

function resultMode(value: Json): ResultMode | null {
  if (value === null || value === 'marker') return 'marker';
  if (value === 'none' || value === 'last_line') return value;
  const name = typeof value === 'string' && value.startsWith('file:') ? value.slice('file:'.length) : '';
  return /^[\w.-]+$/.test(name) && !/^\.+$/.test(name) && !RESERVED.has(name) ? `file:${name}` : null;
}

/** The executor's own files in a run directory. */
const RESERVED = new Set([
  'command.json',
  'script.py',
  'started',
  'process',
  'stdout',
  'stderr',
  'exit',
  'result-line',
]);

/** Ids come from clients as well: what is no plain file name is replaced by its hash. */
export function runName(actionExecutionId: string): string {
  return /^[A-Za-z0-9][\w.-]*$/.test(actionExecutionId) ? actionExecutionId : keyOf(actionExecutionId);
}

function numberOf(value: Json | undefined): number | null {
  return value === undefined ? null : toNumber(value);
}
