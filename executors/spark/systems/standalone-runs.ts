import { stringifyJson, type JsonObject } from '../../../dsl/json.ts';
import { toText } from '../../inputs.ts';
import type { CancelOutcome, FindOutcome } from '../../jobs/backend.ts';
import { programArguments } from '../command.ts';
import { objectOf, objectsOf, textOf } from './client.ts';
import { launchOf, readDriverLog } from './driver-log.ts';
import { callFailed } from './failures.ts';
import { withNotes } from './run-plan.ts';
import type { Look, RunCall, SubmitCall, SystemRuns } from './runs.ts';

/** `spark.submit via: rest`: a driver on a standalone cluster (spec/spark.md §5, §8.5). */
export const standaloneRuns: SystemRuns = {
  system: 'standalone',
  backend: 'spark-rest',
  refusesDuplicates: false,
  pollMs: { first: 2000, longest: 10_000 },
  wrongInput,
  nameOf: (input, key) => `${textOf(input.name) ?? baseName(input)} [${key.slice(0, 8)}]`,
  submit: async ({ client, input, plan }) => {
    const answer = objectOf(await client.call('spark.submissions.create', toSubmission(input, plan.name ?? '')));
    if (answer.success !== true) throw new StandbyError(textOf(answer.message) ?? 'The master refuses the submission.');
    const id = textOf(answer.submissionId);
    if (id === null) throw new Error(`The master's answer names no driver: ${stringifyJson(answer).slice(0, 200)}`);
    return { externalId: id };
  },
  judge: async (error) =>
    error instanceof StandbyError
      ? { kind: 'later', reason: error.message, giveUp: callFailed(error, 'standalone') }
      : null,
  find,
  look,
  log: (call) => readDriverLog(call),
  cancel,
};

/** 200 with `success: false`: this master does not lead (spec/spark.md §5). */
class StandbyError extends Error {}

function wrongInput(input: JsonObject): string | null {
  if (typeof input.application !== 'string' || input.application === '')
    return 'application must be a path or address that the workers can read; an inline script needs via: process.';
  if (!(textOf(input.master) ?? '').startsWith('spark://'))
    return 'master must be the address of a standalone master: spark://host:7077.';
  if (!isPython(input) && textOf(input.class) === null) return 'class is needed for a jar.';
  const wrong = Object.keys(objectOf(input.conf)).find((key) => !key.startsWith('spark.'));
  return wrong === undefined ? null : `conf key '${wrong}' does not begin with 'spark.'.`;
}

/**
 * The body of `create`. Python is no direct input: spark-submit runs on the worker, in client mode (spec/spark.md §5). Spark 3.5 starts
 * drivers on Java 17 without the options that Spark needs there, so they are added.
 */
export function toSubmission(input: JsonObject, name: string): JsonObject {
  const master = textOf(input.master) ?? '';
  const application = textOf(input.application) ?? '';
  const args = programArguments(input.args ?? null);
  const properties = {
    ...propertiesOf(input),
    'spark.app.name': name,
    'spark.master': master,
    'spark.submit.deployMode': 'cluster',
  };
  const opened = { 'spark.driver.extraJavaOptions': JAVA_17_OPTIONS, ...properties };
  const environment = Object.fromEntries(
    Object.entries(objectOf(input.env)).map(([key, value]) => [key, toText(value)]),
  );
  if (!isPython(input))
    return {
      app_resource: application,
      main_class: textOf(input.class) ?? '',
      app_args: args,
      spark_properties: { ...opened, 'spark.jars': [application, ...textsOf(input.jars)].join(',') },
      environment_variables: environment,
    };
  const conf = Object.entries(propertiesOf(input)).flatMap(([key, value]) => ['--conf', `${key}=${value}`]);
  const pyFiles = textsOf(input.py_files);
  return {
    app_resource: '',
    main_class: 'org.apache.spark.deploy.SparkSubmit',
    app_args: [
      '--master',
      master,
      ...conf,
      '--name',
      name,
      ...(pyFiles.length === 0 ? [] : ['--py-files', pyFiles.join(',')]),
      application,
      ...args,
    ],
    spark_properties: { ...opened, 'spark.jars': '' },
    environment_variables: environment,
  };
}

const OPENED =
  'java.lang java.lang.invoke java.lang.reflect java.io java.net java.nio java.util java.util.concurrent java.util.concurrent.atomic sun.nio.ch sun.nio.cs sun.security.action sun.util.calendar';
const JAVA_17_OPTIONS = [
  '-XX:+IgnoreUnrecognizedVMOptions',
  ...OPENED.split(' ').map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
].join(' ');

function propertiesOf(input: JsonObject): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, key] of PROPERTIES) {
    const value = input[name] ?? null;
    if (value !== null) found[key] = Array.isArray(value) ? textsOf(value).join(',') : toText(value);
  }
  for (const [key, value] of Object.entries(objectOf(input.conf))) found[key] = toText(value);
  return found;
}

const PROPERTIES: readonly (readonly [input: string, key: string])[] = [
  ['driver_memory', 'spark.driver.memory'],
  ['driver_cores', 'spark.driver.cores'],
  ['driver_class_path', 'spark.driver.extraClassPath'],
  ['driver_library_path', 'spark.driver.extraLibraryPath'],
  ['driver_java_options', 'spark.driver.extraJavaOptions'],
  ['executor_memory', 'spark.executor.memory'],
  ['executor_cores', 'spark.executor.cores'],
  ['total_executor_cores', 'spark.cores.max'],
  ['packages', 'spark.jars.packages'],
  ['exclude_packages', 'spark.jars.excludes'],
  ['repositories', 'spark.jars.repositories'],
  ['files', 'spark.files'],
  ['archives', 'spark.archives'],
  ['supervise', 'spark.driver.supervise'],
];

const WINDOW_MS = 300_000;
const LOOK_FOR_MS = 30_000;

/**
 * The server takes everything twice, so after an unclear call the master's page is read for drivers of our main class within the time. The log of
 * each begins with the command that started it, and in there is our name: that is ours, and those with another name are not. Of drivers without a log yet
 * the only one is taken, once our application is there or the time is over. Several of them, or no page: a person must look (spec/spark.md §8.5).
 */
async function find(call: SubmitCall, lookingMs: number): Promise<FindOutcome> {
  const { masterUi, job, plan, input, signal, takenIds } = call;
  if (masterUi === null)
    return ambiguous(
      job.key,
      `the connection names no web page of the master (ui): look at the drivers of ${plan.url} for '${plan.name ?? ''}'`,
    );
  const state = objectOf(await masterUi.call('spark.master.state', {}, signal));
  const drivers = [...objectsOf(state.activedrivers), ...objectsOf(state.completeddrivers)];
  const from = (job.submitStartedAtMs ?? job.createdAtMs) - WINDOW_MS;
  const mainClass = isPython(input) ? 'org.apache.spark.deploy.SparkSubmit' : textOf(input.class);
  const possible = drivers.filter(
    (driver) =>
      textOf(driver.id) !== null &&
      driver.mainclass === mainClass &&
      Number(textOf(driver.starttime) ?? driver.starttime) >= from,
  );
  const taken = await takenIds(possible.flatMap((driver) => textOf(driver.id) ?? []));
  const free = possible.filter((driver) => !taken.has(textOf(driver.id) ?? ''));
  const app = [...objectsOf(state.activeapps), ...objectsOf(state.completedapps)].find((one) => one.name === plan.name);
  const candidates: JsonObject[] = [];
  for (const driver of free) {
    const command = await launchOf(call, state, driver);
    if (plan.name !== null && command?.includes(plan.name) === true) return foundDriver(driver, app);
    if (command === null) candidates.push(driver);
  }
  const [only] = candidates;
  if (candidates.length === 1 && only !== undefined && (app !== undefined || lookingMs >= LOOK_FOR_MS))
    return foundDriver(only, app);
  if (candidates.length > 1 && lookingMs >= LOOK_FOR_MS)
    return ambiguous(
      job.key,
      `${candidates.length} drivers of ${mainClass ?? ''} may be it: ${candidates.map((one) => textOf(one.id)).join(', ')}`,
    );
  if (lookingMs < LOOK_FOR_MS) return { kind: 'looking', reason: 'The master shows no such driver yet.' };
  return { kind: 'absent' };
}

function foundDriver(driver: JsonObject, app: JsonObject | undefined): FindOutcome {
  const appId = textOf(app?.id);
  return {
    kind: 'found',
    update: { externalId: textOf(driver.id) ?? '', ...(appId !== null && { appId }) },
  };
}

function ambiguous(key: string, what: string): FindOutcome {
  const message = `Nobody knows whether the driver was started; ${what}.`;
  return {
    kind: 'ended',
    result: {
      kind: 'error',
      output: { code: 'SPARK_AMBIGUOUS', message, backend: 'standalone', key, retryable: false },
      retryable: false,
    },
  };
}

async function look(call: RunCall): Promise<Look> {
  const { client, job, signal } = call;
  const answer = objectOf(await client.call('spark.submissions.status', { id: job.externalId }, signal));
  const word = textOf(answer.driverState);
  if (answer.success !== true || word === null)
    return {
      kind: 'unknown',
      reason: textOf(answer.message) ?? `The master does not know driver ${job.externalId ?? ''}.`,
    };
  const app = await applicationOf(call).catch(() => null);
  const facts = { word, appId: app?.id ?? null };
  switch (word) {
    case 'FINISHED':
      return { kind: 'success', ...facts };
    case 'FAILED':
    case 'ERROR':
      return { kind: 'failed', ...facts, reason: textOf(answer.message) ?? `The driver ended as ${word}` };
    case 'KILLED':
      return { kind: 'killed', ...facts };
    default:
      // A driver that holds the last core waits for its own application for ever; the master calls that WAITING.
      return { kind: 'live', pending: word === 'SUBMITTED' || app?.state === 'WAITING', ...facts };
  }
}

async function applicationOf({
  masterUi,
  plan,
}: RunCall): Promise<{ readonly id: string | null; readonly state: string | null } | null> {
  if (masterUi === null) return null;
  const state = await masterUi.masterState();
  const app = [...objectsOf(state.activeapps), ...objectsOf(state.completedapps)].find((one) => one.name === plan.name);
  return app === undefined ? null : { id: textOf(app.id), state: textOf(app.state) };
}

async function cancel({ client, job, plan, signal }: RunCall): Promise<CancelOutcome> {
  if (plan.notes.kill_sent === true) return {};
  // `success: false` says that it is over already: the next look tells how.
  await client.call('spark.submissions.kill', { id: job.externalId }, signal);
  return { update: { data: withNotes(plan, { kill_sent: true }) } };
}

function isPython(input: JsonObject): boolean {
  return /\.(?:py|zip|egg)$/.test(textOf(input.application) ?? '') && textOf(input.class) === null;
}

function baseName(input: JsonObject): string {
  return (textOf(input.application) ?? 'tramontane').split('/').at(-1) ?? 'tramontane';
}

function textsOf(value: JsonObject[string] | undefined): readonly string[] {
  return Array.isArray(value) ? value.map((one) => toText(one)) : [];
}
