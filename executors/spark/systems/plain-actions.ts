import type { Json, JsonObject } from '../../../dsl/json.ts';
import { isJsonObject } from '../../../dsl/json.ts';
import type { ParameterSchema } from '../../../engine/contract.ts';
import { success, type ActionContext, type SyncAction } from '../../action.ts';
import { isPassing, withRetry } from '../../http-client.ts';
import { toNumber } from '../../inputs.ts';
import { sleep } from '../../sleep.ts';
import { inputNames, parametersOf, type SparkClient } from './client.ts';
import { pathInputs, type Endpoint } from './endpoint.ts';
import { SYSTEMS, type SystemTable } from './endpoints.ts';
import { callFailed, isAway } from './failures.ts';
import { clientOf, SERVER_INPUTS, serverOf, type SparkServers } from './servers.ts';

/** One action for each endpoint of each system, named in spec/spark.md §8.2: its inputs are the endpoint's, its result is the answer. */
export function plainActions(servers: SparkServers): readonly SyncAction[] {
  return Object.values(SYSTEMS).flatMap((table) => table.endpoints.map((one) => plainAction(table, one, servers)));
}

function plainAction(table: SystemTable, endpoint: Endpoint, servers: SparkServers): SyncAction {
  const isRead = endpoint.method === 'GET';
  return {
    name: endpoint.name,
    description: endpoint.description,
    kind: 'sync',
    repeatSafe: isRead || endpoint.repeatSafe === true,
    parameters: parametersFor(endpoint),
    result: { description: resultOf(endpoint, table) },
    examples: [{ title: `${table.title}: ${endpoint.method} ${endpoint.path}`, yaml: exampleOf(endpoint, table) }],
    run: async (input, context) => {
      const found = serverOf(input, table.system, servers);
      if ('problem' in found) return found.problem;
      const client = clientOf(table.system, found.server);
      try {
        return success(
          await withRetry(() => runEndpoint(client, endpoint, input, context), retryRule(input, isRead, context)),
        );
      } catch (error) {
        context.signal.throwIfAborted();
        return callFailed(error, table.system);
      }
    },
  };
}

function retryRule(input: JsonObject, isRead: boolean, context: ActionContext) {
  const seconds = toNumber(input.retry_for ?? null) ?? 120;
  // Only what changes nothing is asked again.
  return {
    forMs: isRead ? seconds * 1000 : 0,
    signal: context.signal,
    isPassing: (error: unknown) => isPassing(error) || isAway(error),
  };
}

async function runEndpoint(
  client: SparkClient,
  endpoint: Endpoint,
  input: JsonObject,
  context: ActionContext,
): Promise<Json> {
  const known = new Set(inputNames(endpoint));
  const own = Object.fromEntries(Object.entries(input).filter(([name, value]) => known.has(name) && value !== null));
  const special = SPECIAL[endpoint.name];
  if (special !== undefined) return special(client, own, input, context);
  return client.call(endpoint.name, own, context.signal);
}

type Special = (client: SparkClient, own: JsonObject, input: JsonObject, context: ActionContext) => Promise<Json>;

const pages: (name: string) => Special = (name) => (client, own, _, context) => followPages(client, name, own, context);

/** Where the action does more than hand the answer on. */
const SPECIAL: Readonly<Record<string, Special>> = {
  'mist.jobs.list': pages('mist.jobs.list'),
  'mist.endpoints.jobs': pages('mist.endpoints.jobs'),
  'mist.workers.jobs': pages('mist.workers.jobs'),
  'mist.endpoints.start_job': async (client, own, _, context) => {
    const answer = await client.call('mist.endpoints.start_job', own, context.signal);
    return { job_id: isJsonObject(answer) ? (answer.id ?? null) : null };
  },
  'mist.jobs.logs': async (client, own, input, context) => {
    const text = await client.call('mist.jobs.logs', own, context.signal);
    const tail = toNumber(input.tail ?? null);
    if (tail === null || typeof text !== 'string') return text;
    const lines = text.replace(/\n$/, '').split('\n');
    return lines.slice(Math.max(0, lines.length - tail)).join('\n');
  },
  'mist.jobs.cancel': async (client, own, input, context) => {
    let job = await client.call('mist.jobs.cancel', own, context.signal);
    let leftMs = (toNumber(input.wait ?? null) ?? 0) * 1000;
    while (leftMs > 0 && !isOver(job)) {
      const pauseMs = Math.min(1000, leftMs);
      await sleep(pauseMs, context.signal);
      leftMs -= pauseMs;
      job = await client.call('mist.jobs.get', own, context.signal);
    }
    return job;
  },
  'mist.contexts.update': (client, own, _, context) =>
    client.call('mist.contexts.update', { name: own.id ?? null, ...own }, context.signal),
  'mist.artifacts.download': async (client, own, _, context) => {
    await client.call('mist.artifacts.download', own, context.signal);
    return { file: own.save_to ?? null };
  },
  // Lighter ignores a state that is not written in capitals, and answers with everything.
  'lighter.batches.list': (client, own, _, context) =>
    client.call(
      'lighter.batches.list',
      typeof own.state === 'string' ? { ...own, state: own.state.toUpperCase() } : own,
      context.signal,
    ),
  'spark.submissions.create': (client, own, _, context) =>
    client.call('spark.submissions.create', { app_args: [], environment_variables: {}, ...own }, context.signal),
};

const PAGE = 100;

async function followPages(
  client: SparkClient,
  name: string,
  own: JsonObject,
  context: ActionContext,
): Promise<readonly Json[]> {
  const limit = toNumber(own.limit ?? null) ?? 25;
  let offset = toNumber(own.offset ?? null) ?? 0;
  const found: Json[] = [];
  while (found.length < limit) {
    const size = Math.min(PAGE, limit - found.length);
    const page = await client.call(name, { ...own, limit: size, offset }, context.signal);
    if (!Array.isArray(page)) break;
    found.push(...page);
    if (page.length < size) break;
    offset += page.length;
  }
  return found;
}

function isOver(job: Json): boolean {
  return isJsonObject(job) && /^(?:finished|failed|cancell?ed)$/.test(String(job.status));
}

function parametersFor(endpoint: Endpoint): ParameterSchema {
  const paths = pathInputs(endpoint).map((name) => [name, { ...ID, description: idText(name) }] as const);
  const own = parametersOf(endpoint).map(({ name, schema }) => [name, schema] as const);
  return {
    type: 'object',
    properties: {
      ...Object.fromEntries([...paths, ...own]),
      ...TRANSFER[endpoint.transfer ?? 'none'],
      ...EXTRA[endpoint.name],
      ...SERVER_INPUTS,
      ...(endpoint.method === 'GET' && { retry_for: RETRY_FOR }),
    },
    required: [
      ...pathInputs(endpoint),
      ...parametersOf(endpoint).flatMap(({ name, required }) => (required ? [name] : [])),
      ...(endpoint.transfer === 'upload' ? ['file'] : endpoint.transfer === 'download' ? ['save_to'] : []),
    ].filter((name, at, all) => all.indexOf(name) === at),
    additionalProperties: false,
  };
}

const ID: JsonObject = { type: ['string', 'integer'] };
const RETRY_FOR: JsonObject = {
  type: ['number', 'null'],
  minimum: 0,
  default: 120,
  description: 'Seconds for which the call is repeated while the server cannot be reached.',
};
const TRANSFER: Readonly<Record<'upload' | 'download' | 'none', Readonly<Record<string, JsonObject>>>> = {
  none: {},
  upload: {
    file: { type: 'string', description: "Path on the executor's host." },
    file_name: { type: ['string', 'null'], description: "Name to store it under; default: the file's own." },
  },
  download: { save_to: { type: 'string', description: "Path on the executor's host." } },
};
const EXTRA: Readonly<Record<string, Readonly<Record<string, JsonObject>>>> = {
  'mist.jobs.logs': { tail: { type: ['integer', 'null'], minimum: 0, description: 'Only so many lines of the end.' } },
  'mist.jobs.cancel': {
    wait: { type: ['number', 'null'], minimum: 0, description: 'Seconds to wait for the end of the job.' },
  },
};

function idText(name: string): string {
  return name === 'session_id' ? 'The session.' : name === 'name' ? 'Its name.' : 'Its id.';
}

function resultOf(endpoint: Endpoint, table: SystemTable): string {
  if (endpoint.name === 'mist.endpoints.start_job') return '{job_id}.';
  if (endpoint.transfer === 'download') return '{file}: where the artifact was written.';
  if (endpoint.answer === 'none') return 'null.';
  return endpoint.answer === 'text' ? `The text that ${table.title} answers.` : `The JSON that ${table.title} answers.`;
}

function exampleOf(endpoint: Endpoint, table: SystemTable): string {
  const { properties, required } = parametersFor(endpoint);
  const lines = required.map((name) => {
    const type = properties[name]?.type;
    const types: readonly Json[] = Array.isArray(type) ? type : [type ?? 'string'];
    return `    ${name}: ${types.includes('object') ? '{}' : `<% $.${name} %>`}\n`;
  });
  const task = endpoint.name.replace(/\W/g, '_');
  return `${task}:\n  action: ${endpoint.name}\n  input:\n    connection: my-${table.system}\n${lines.join('')}`;
}
