import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import { Float } from '../../dsl/yaql/numbers.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { failure, success, type ActionContext, type SyncAction } from '../action.ts';
import { toNumber, toText } from '../inputs.ts';
import { sleep } from '../sleep.ts';
import type { FlinkClient } from './client/client.ts';
import { actionNameOf, ENDPOINT_NAMES, ENDPOINTS, snakeCase, type EndpointName } from './client/endpoints.ts';
import { pathNames, type Endpoint, type Param } from './client/endpoint.ts';
import { rootCauseOf } from './client/errors.ts';
import type { AsyncResult } from './client/answer.ts';
import type { JarStore } from './jars.ts';
import { callFailed, LONGEST_STACK, refused } from './outcome.ts';
import { GATEWAY_INPUTS, SERVER_INPUTS, type FlinkServers } from './servers.ts';

/** One action for each row of the table of endpoints but those that say why not (spec/flink.md §2). */
export function plainActions(servers: FlinkServers, jars: JarStore): readonly SyncAction[] {
  return ENDPOINT_NAMES.filter((name) => (ENDPOINTS[name] as Endpoint).noAction === undefined).map((name) =>
    plainAction(name, servers, jars),
  );
}

function plainAction(name: EndpointName, servers: FlinkServers, jars: JarStore): SyncAction {
  const endpoint: Endpoint = ENDPOINTS[name];
  const extra = EXTRAS[name] ?? {};
  const properties = {
    ...(endpoint.server === 'sql-gateway' ? GATEWAY_INPUTS : SERVER_INPUTS),
    ...idInputs(endpoint),
    ...paramInputs(endpoint),
    ...extra.inputs,
    ...(endpoint.answer.kind === 'text' && TEXT_INPUTS),
    timeout: { type: ['number', 'null'], minimum: 0, description: 'Seconds for one call.' },
    retry_for: {
      type: ['number', 'null'],
      minimum: 0,
      default: 120,
      description:
        'Seconds for which a cluster that starts, elects or cannot be reached is asked again, where asking again does no harm.',
    },
  };
  const required = [
    ...pathNames(endpoint.path)
      .map(snakeCase)
      .filter((one) => extra.optional?.includes(one) !== true),
    ...Object.entries(endpoint.body ?? {}).flatMap(([key, param]) => (param.required === true ? [snakeCase(key)] : [])),
    ...Object.entries(endpoint.query ?? {}).flatMap(([key, param]) =>
      param.required === true ? [snakeCase(key)] : [],
    ),
    ...(extra.required ?? []),
  ];
  return {
    name: actionNameOf(name),
    description: endpoint.since === undefined ? endpoint.about : `${endpoint.about} Flink ${endpoint.since} or later.`,
    kind: 'sync',
    repeatSafe: endpoint.method === 'GET' || endpoint.repeatable === true,
    parameters: { type: 'object', properties, required, additionalProperties: false },
    result: {
      description: `The answer of ${endpoint.method} ${endpoint.path}, as the client's ${name} gives it.`,
      schema: extra.schema ?? endpoint.answer.schema,
    },
    examples: [{ title: endpoint.about.replace(/[.;:].*$/s, ''), yaml: exampleOf(name, endpoint, required) }],
    run: (input, context) => run(name, endpoint, input, context, servers, jars),
  };
}

async function run(
  name: EndpointName,
  endpoint: Endpoint,
  input: JsonObject,
  context: ActionContext,
  servers: FlinkServers,
  jars: JarStore,
): Promise<ActionResult> {
  const target = servers.target(input, endpoint.server);
  if (typeof target === 'string') return refused('FLINK_BAD_REQUEST', target);
  const jobId = typeof input.job_id === 'string' ? input.job_id : null;
  try {
    const client = servers.client(target, (toNumber(input.retry_for ?? null) ?? 120) * 1000);
    const special = EXTRAS[name]?.run;
    const options = optionsOf(endpoint, input, context.signal);
    const ids = pathNames(endpoint.path).map((part) => plainId(input[snakeCase(part)] ?? null));
    const value =
      special === undefined
        ? ((await client.call(name, ids, options)) as Json)
        : await special({ client, input, ids, options, context, jars });
    return endpoint.answer.kind === 'text' ? success(excerpt(String(value), input)) : success(picked(value, input));
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof OperationFailed) return failure(error.output);
    return callFailed(error, jobId);
  }
}

interface SpecialCall {
  readonly client: FlinkClient;
  readonly input: JsonObject;
  readonly ids: readonly string[];
  readonly options: { readonly signal: AbortSignal };
  readonly context: ActionContext;
  readonly jars: JarStore;
}

interface Extra {
  readonly inputs?: Readonly<Record<string, JsonObject>>;
  readonly required?: readonly string[];
  /** Ids of the path that may be left out. */
  readonly optional?: readonly string[];
  readonly schema?: JsonObject;
  readonly run?: (call: SpecialCall) => Promise<Json>;
}

const WAIT: JsonObject = {
  type: ['boolean', 'null'],
  default: true,
  description: 'Wait for the end of the operation; else answer the id to ask for its state with.',
};

const FIELDS: JsonObject = {
  type: ['array', 'null'],
  items: { type: 'string' },
  description: 'Only these keys of the answer.',
};

/** Where an action does more than its row says. */
const EXTRAS: Partial<Record<EndpointName, Extra>> = {
  'cluster.delete': {
    inputs: { confirm: { type: 'boolean', description: 'Must be true: all jobs of the cluster are lost.' } },
    required: ['confirm'],
    run: async ({ client, input, options }) => {
      if (input.confirm !== true)
        throw new OperationFailed(
          'FLINK_BAD_REQUEST',
          'flink.cluster.delete ends the whole cluster: say confirm: true.',
        );
      return client.cluster.delete(options);
    },
  },
  'cluster.deleteDataset': {
    inputs: { wait: WAIT },
    schema: { type: ['string', 'null'] },
    run: async ({ client, input, ids, options }) => {
      const trigger = await client.cluster.deleteDataset(ids[0] ?? '', options);
      if (input.wait === false) return trigger;
      return settled(() => client.cluster.getDatasetDeletion(trigger, { signal: options.signal }), options.signal);
    },
  },
  'savepoints.dispose': {
    inputs: { wait: WAIT },
    schema: { type: ['string', 'null'] },
    run: async ({ client, input, options }) => {
      const trigger = await client.savepoints.dispose({
        ...options,
        savepointPath: toText(input.savepoint_path ?? ''),
      });
      if (input.wait === false) return trigger;
      return settled(() => client.savepoints.getDisposal(trigger, { signal: options.signal }), options.signal);
    },
  },
  'jars.upload': {
    inputs: {
      jar: { type: 'string', description: "Path on the executor's host, or http(s) address." },
      sha256: { type: ['string', 'null'], description: 'What the content of the jar must be.' },
    },
    required: ['jar'],
    run: async ({ client, input, options, jars }) => (await jars.stage(client, input, options.signal)).jarId,
  },
  'jobs.get': { inputs: { fields: FIELDS } },
  'jobs.getExceptions': { inputs: { fields: FIELDS } },
  'jobs.getCheckpoints': { inputs: { fields: FIELDS } },
  'jobs.getCheckpointDetails': {
    inputs: {
      show_subtasks: {
        type: ['boolean', 'null'],
        default: false,
        description: "Also every vertex' part, under `subtasks`.",
      },
    },
    run: async ({ client, input, ids, options }) => {
      const [jobId = '', checkpointId = ''] = ids;
      const details = await client.jobs.getCheckpointDetails(jobId, checkpointId, options);
      if (input.show_subtasks !== true) return details as Json;
      const subtasks: Record<string, Json> = {};
      for (const vertexId of Object.keys(details.tasks))
        subtasks[vertexId] = (await client.jobs.getCheckpointSubtasks(jobId, checkpointId, vertexId, options)) as Json;
      return { ...(details as JsonObject), subtasks };
    },
  },
  'subtasks.getAttempt': {
    optional: ['attempt'],
    run: async ({ client, ids, options }) => {
      const [jobId = '', vertexId = '', index = '', attempt = ''] = ids;
      return (await client.subtasks.getAttempt(
        jobId,
        vertexId,
        index,
        attempt === '' ? null : attempt,
        options,
      )) as Json;
    },
  },
};

/** An operation that Flink began and that failed, or one that we do not begin. */
class OperationFailed extends Error {
  readonly output: JsonObject;

  constructor(code: string, message: string, more: JsonObject = {}) {
    super(message);
    this.output = { code, message, ...more };
  }
}

async function settled(ask: () => Promise<AsyncResult<unknown>>, signal: AbortSignal): Promise<null> {
  for (let pause = 200; ; pause = Math.min(2000, pause * 1.5)) {
    const state = await ask();
    if (state.status === 'COMPLETED') return null;
    if (state.status === 'FAILED') {
      const { stack } = state.cause;
      throw new OperationFailed('FLINK_OPERATION_FAILED', rootCauseOf(stack), { stack: stack.slice(0, LONGEST_STACK) });
    }
    await sleep(pause, signal);
  }
}

const TEXT_INPUTS: Readonly<Record<string, JsonObject>> = {
  max_characters: {
    type: ['integer', 'null'],
    minimum: 1,
    default: 65_536,
    description: 'At most so much of the text.',
  },
  part: { type: ['string', 'null'], enum: ['head', 'tail'], default: 'tail', description: 'Which end of it.' },
};

function excerpt(text: string, input: JsonObject): string {
  const most = toNumber(input.max_characters ?? null) ?? 65_536;
  if (text.length <= most) return text;
  return input.part === 'head' ? text.slice(0, most) : text.slice(-most);
}

function picked(value: Json, input: JsonObject): Json {
  if (!Array.isArray(input.fields) || !isJsonObject(value)) return value;
  return Object.fromEntries(input.fields.map((key: Json) => [String(key), value[String(key)] ?? null]));
}

function optionsOf(endpoint: Endpoint, input: JsonObject, signal: AbortSignal): { readonly signal: AbortSignal } {
  const names = Object.keys({ ...endpoint.query, ...endpoint.body });
  const timeout = toNumber(input.timeout ?? null);
  const given = names.flatMap((key) => {
    const value = input[snakeCase(key)] ?? null;
    return value === null ? [] : [[key, plain(value)]];
  });
  return { ...Object.fromEntries(given), ...(timeout !== null && { timeoutMs: timeout * 1000 }), signal };
}

/** Flink's bodies know no difference between 2 and 2.0. */
function plain(value: Json): unknown {
  if (value instanceof Float) return value.value;
  if (Array.isArray(value)) return value.map(plain);
  return isJsonObject(value) ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)])) : value;
}

function plainId(value: Json): string {
  return value === null ? '' : toText(value);
}

function idInputs(endpoint: Endpoint): Record<string, JsonObject> {
  return Object.fromEntries(
    pathNames(endpoint.path).map((part) => {
      const number = ['subtaskIndex', 'attempt', 'token', 'checkpointId'].includes(part);
      return [
        snakeCase(part),
        { type: number ? ['integer', 'string'] : 'string', description: ID_TEXTS[part] ?? 'Its id.' },
      ];
    }),
  );
}

const ID_TEXTS: Readonly<Record<string, string>> = {
  jobId: 'Id of the job: 32 hex digits.',
  vertexId: 'Id of the vertex: 32 hex digits.',
  triggerId: 'What the start of the operation has answered.',
  datasetId: 'Id of the data set: 32 hex digits.',
  applicationId: 'Id of the application: 32 hex digits.',
  jarId: 'Id of the jar on the cluster.',
  taskmanagerId: 'Id of the task manager.',
  checkpointId: 'Number of the checkpoint.',
  subtaskIndex: 'Number of the subtask, from 0.',
  attempt: 'Number of the attempt, from 0; default: the current one.',
  logFile: 'Name of the log file.',
  file: 'Name of the profile.',
  rescaleUuid: 'Id of the rescaling.',
  sessionHandle: 'Handle of the session.',
  operationHandle: 'Handle of the operation.',
  token: 'Number of the part, from 0.',
  identifier: 'Full name of the table.',
};

function paramInputs(endpoint: Endpoint): Record<string, JsonObject> {
  const params = Object.entries({ ...endpoint.query, ...endpoint.body });
  return Object.fromEntries(params.map(([key, param]) => [snakeCase(key), schemaOf(param)]));
}

function schemaOf(param: Param<unknown>): JsonObject {
  const { type } = param.shape.schema;
  const description = param.since === undefined ? param.about : `${param.about} ${param.since} or later.`;
  if (param.required === true || typeof type !== 'string') return { ...param.shape.schema, description };
  return { ...param.shape.schema, type: [type, 'null'], description };
}

const EXAMPLES: Readonly<Record<string, string>> = {
  confirm: 'true',
  jar: '/srv/jobs/totals.jar',
  parallelism: '4',
  subtask_index: '0',
  checkpoint_id: '12',
  token: '0',
  log_file: 'jobmanager.log',
  statement: 'SHOW TABLES',
  savepoint_path: 'file:///srv/savepoints/savepoint-1',
  requirements: '<% $.requirements %>',
};

function exampleOf(name: EndpointName, endpoint: Endpoint, required: readonly string[]): string {
  const task = snakeCase(name.split('.')[1] ?? name);
  const where = endpoint.server === 'sql-gateway' ? 'gateway_url: http://127.0.0.1:8083' : 'url: http://127.0.0.1:8081';
  const inputs = [where, ...required.map((key) => `${key}: ${EXAMPLES[key] ?? `<% $.${key} %>`}`)];
  return `${task}:\n  action: ${actionNameOf(name)}\n  input:\n${inputs.map((line) => `    ${line}\n`).join('')}`;
}
