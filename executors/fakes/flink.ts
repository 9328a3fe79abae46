import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { ENDPOINTS, OTHER_ROUTES, type EndpointName } from '../flink/client/endpoints.ts';
import type { Endpoint } from '../flink/client/endpoint.ts';
import { stringifyJson, type Json } from '../../dsl/json.ts';
import { badParameter, ok, problem, refusal, serverProblem, stackOf, stopRemoved } from './flink/answers.ts';
import { mappingOf } from './http-fake.ts';
import { readForm, type FormFile } from './flink/form.ts';
import * as jars from './flink/jars.ts';
import * as jobs from './flink/jobs.ts';
import { RECORDED } from './flink/recorded.ts';
import * as sql from './flink/sql.ts';
import {
  atLeast,
  newId,
  type Answer,
  type Exchange,
  type FakeFlink,
  type FakeFlinkSwitches,
  type FakeState,
} from './flink/state.ts';

export type { FakeFlink, FakeFlinkSwitches, FakeJob } from './flink/state.ts';

/** Listens on a free port of the loopback interface, unless told which. */
export async function startFakeFlink(switches: Partial<FakeFlinkSwitches> = {}, port = 0): Promise<FakeFlink> {
  const fake: FakeState = {
    jobs: new Map(),
    jars: new Map(),
    requests: [],
    runs: [],
    statements: [],
    sessions: new Map(),
    triggers: new Map(),
    sharedObjects: new Set(),
    switches: {
      version: '1.20.5',
      loseAnswers: 0,
      loseCalls: 0,
      electing: false,
      forgetful: false,
      failInMain: null,
      failRuns: Number.POSITIVE_INFINITY,
      failInitialising: null,
      page: null,
      initialState: 'RUNNING',
      failSavepoints: null,
      savepointDir: 'file:/default',
      batch: false,
      deploying: false,
      pendingPolls: 0,
      submits: true,
      adaptive: false,
      slots: 4,
      maxParallelism: 128,
      slotsTaken: 0,
      unlisted: false,
      jobMs: null,
      delayMs: 0,
      ...switches,
    },
  };
  const server = createServer((request, response) => {
    handle(fake, request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: own } = server.address() as AddressInfo;
  return { ...fake, url: `http://127.0.0.1:${own}`, close: () => close(server) };
}

/** What the code knows better than a recording does. */
const HANDLERS: Partial<Record<EndpointName, (exchange: Exchange) => Answer>> = {
  'cluster.overview': jobs.clusterOverview,
  'cluster.config': ({ fake }) => config(fake),
  'cluster.delete': () => ok({}),
  'cluster.deleteDataset': jobs.deleteDataset,
  'cluster.getDatasetDeletion': jobs.triggerState,
  'jars.all': jars.listJars,
  'jars.delete': jars.deleteJar,
  'jars.run': jars.run,
  'jars.runApplication': jars.runApplication,
  'jars.getPlan': (exchange) => jars.planOf(exchange, recorded('jars.getPlan', exchange)),
  'jobs.all': jobs.jobIds,
  'jobs.overview': jobs.jobsOverview,
  'jobs.get': jobs.onJob(jobs.details),
  'jobs.getStatus': jobs.onJob((job) => ok({ status: job.state }), 500),
  'jobs.getExceptions': jobs.onJob(jobs.exceptions),
  'jobs.getExecutionResult': jobs.resultOf,
  'jobs.getCheckpointingConfiguration': jobs.onJob((job, exchange) =>
    jobs.checkpointsConfig(job, exchange, recorded('jobs.getCheckpointingConfiguration', exchange)),
  ),
  'jobs.getAccumulators': jobs.onJob(jobs.accumulators),
  'jobs.getMetrics': jobs.jobMetrics,
  'jobs.getCheckpoints': jobs.onJob(jobs.checkpoints),
  'jobs.getCheckpointDetails': jobs.onJob(jobs.checkpointDetails),
  'jobs.createCheckpoint': jobs.onJob(jobs.startCheckpoint),
  'jobs.getCheckpoint': jobs.checkpointState,
  'jobs.createSavepoint': jobs.startSavepoint('savepoint'),
  'jobs.stop': jobs.startSavepoint('stop'),
  'jobs.getSavepoint': jobs.savepoint,
  'jobs.terminate': jobs.cancelJob,
  'jobs.yarnCancel': jobs.cancelJob,
  'jobs.rescale': () => refusal(503, 'Rescaling is temporarily disabled. See FLINK-12312.'),
  'jobs.getRescaling': () => refusal(503, 'Rescaling is temporarily disabled. See FLINK-12312.'),
  'jobs.getResourceRequirements': jobs.onJob(jobs.requirements, 500),
  'jobs.updateResourceRequirements': jobs.onJob(jobs.changeRequirements),
  'jobs.heartbeat': jobs.onJob(() => ok({}, 202)),
  'jobs.submit': () => ok({ jobUrl: `/jobs/${newId()}` }, 202),
  'savepoints.dispose': jobs.dispose,
  'savepoints.getDisposal': jobs.triggerState,
  'applications.cancel': jobs.cancelApplication,
  'jobmanager.getLog': (exchange) => logFile(exchange),
  'vertices.details': jobs.onJob((_, exchange) => jobs.vertex(exchange, recorded('vertices.details', exchange))),
  'subtasks.get': jobs.onJob((job, exchange) => jobs.subtask(job, exchange, recorded('subtasks.get', exchange))),
  'subtasks.getAttempt': jobs.onJob((job, exchange) =>
    jobs.subtask(job, exchange, recorded('subtasks.getAttempt', exchange)),
  ),
  'sql.apiVersions': sql.apiVersions,
  'sql.info': sql.info,
  'sql.openSession': sql.openSession,
  'sql.getSession': sql.getSession,
  'sql.closeSession': sql.closeSession,
  'sql.heartbeat': sql.heartbeat,
  'sql.executeStatement': sql.execute,
  'sql.getOperationStatus': sql.operationStatus,
  'sql.fetchResults': sql.fetchResults,
  'sql.cancelOperation': sql.cancelOperation,
  'sql.closeOperation': sql.closeOperation,
  'sql.configureSession': sql.configureSession,
  'sql.completeStatement': sql.completeStatement,
  'sql.refreshMaterializedTable': sql.refreshTable,
  'sql.deployScript': sql.deployScript,
};

async function handle(fake: FakeState, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://fake');
  const isForm = (request.headers['content-type'] ?? '').startsWith('multipart/');
  const form = isForm ? await readForm(request) : null;
  const chunks: Buffer[] = [];
  if (!isForm) for await (const chunk of request) chunks.push(chunk as Buffer);
  fake.requests.push(`${request.method} ${url.pathname}`);
  if (fake.switches.delayMs > 0) await pause(fake.switches.delayMs);
  if (fake.switches.page !== null) {
    response.writeHead(fake.switches.page.status, { 'content-type': 'text/html' }).end(fake.switches.page.text);
    return;
  }
  const answer = fake.switches.electing
    ? problem(503, 'Service temporarily unavailable due to an ongoing leader election. Please refresh.')
    : route(fake, request, url, Buffer.concat(chunks), form);
  if (answer === 'cut') {
    request.socket.destroy();
    return;
  }
  const isText = typeof answer.body === 'string';
  response
    .writeHead(answer.status, { 'content-type': isText ? 'text/plain' : 'application/json; charset=UTF-8' })
    .end(isText ? answer.body : stringifyJson(answer.body as Json));
}

function route(
  fake: FakeState,
  request: IncomingMessage,
  url: URL,
  body: Buffer,
  form: readonly FormFile[] | null,
): Answer {
  const method = request.method ?? 'GET';
  // Longer lines are not read at all.
  if (`${method} ${request.url} HTTP/1.1`.length > 4096)
    return problem(404, 'Unable to load requested file /bad-request.');
  // The version in front is optional on a JobManager.
  const parts = url.pathname
    .replace(/^\/v\d(?=\/)/, '')
    .split('/')
    .slice(1)
    .map(decodeURIComponent);
  const found = ROUTES.find((one) => one.method === method && fits(one.parts, parts) && isServed(fake, one));
  if (found === undefined) return noSuchRoute(request, form);
  const ids = parts.filter((_, index) => found.parts[index]?.startsWith(':') === true);
  const exchange: Exchange = { fake, ids, query: url.searchParams, body, request };
  if (found.name === null) return found.answer(exchange);
  const wrong = wrongId(found.parts, parts) ?? wrongBody(fake, found.name, body);
  if (wrong !== null) return wrong;
  if (found.name === 'jars.upload') return jars.upload(fake, form);
  const handler = HANDLERS[found.name];
  if (handler !== undefined) return handler(exchange);
  if (found.name.startsWith('jobs.') || found.name.startsWith('vertices.') || found.name.startsWith('subtasks.')) {
    const job = found.path.startsWith('/jobs/:jobId') ? jobs.jobOf(exchange) : null;
    if (job !== null && 'answer' in job) return job.answer;
  }
  if (found.path.startsWith('/taskmanagers/:') && ids[0] === 'nobody')
    return serverProblem(
      'org.apache.flink.runtime.resourcemanager.exceptions.UnknownTaskExecutorException: No TaskExecutor registered under nobody.',
    );
  return ok(recorded(found.name, exchange));
}

/** A recorded answer of the nearest version, with the ids that were asked for. */
function recorded(name: EndpointName, { fake, ids, query }: Exchange): unknown {
  const table = RECORDED[atLeast(fake, '2.0') ? '2.3' : '1.20'];
  const other = RECORDED['2.3'];
  const withValues = query.has('get') ? (table[`${name}?get`] ?? other[`${name}?get`]) : undefined;
  const answer = withValues ?? table[name] ?? other[name] ?? {};
  if (typeof answer !== 'object' || answer === null) return answer;
  if (query.has('get') && Array.isArray(answer)) return metricsOf(answer, query.get('get') ?? '');
  return 'jid' in answer ? { ...answer, jid: ids[0] } : answer;
}

/** Each metric that is asked for, with a recorded value or a made-up one. */
function metricsOf(rows: readonly unknown[], get: string): unknown {
  const known = rows as readonly Readonly<Record<string, unknown>>[];
  return get
    .split(',')
    .filter((id) => id !== '')
    .map((id) => known.find((row) => row.id === id && Object.keys(row).length > 1) ?? { ...known[0], value: '1', id });
}

interface Route {
  readonly method: string;
  readonly path: string;
  readonly parts: readonly string[];
  readonly since: string;
  readonly until?: string;
}

type NamedRoute = Route &
  ({ readonly name: EndpointName } | { readonly name: null; readonly answer: (exchange: Exchange) => Answer });

/** Literal parts win over ids, wherever they stand. */
const ROUTES: readonly NamedRoute[] = [
  ...Object.entries(ENDPOINTS).map(
    ([name, row]: [string, Endpoint]): NamedRoute => ({
      name: name as EndpointName,
      method: row.method,
      path: row.path,
      parts: row.path.split('/').slice(1),
      since: row.server === 'sql-gateway' ? '1.12' : (row.since ?? '1.12'),
    }),
  ),
  ...OTHER_ROUTES.map(
    ({ method, path, since, until }): NamedRoute => ({
      name: null,
      method,
      path,
      parts: path.split('/').slice(1),
      since,
      ...(until !== undefined && { until }),
      answer: path.endsWith('/plan')
        ? (exchange) => jars.planOf(exchange, recorded('jars.getPlan', exchange))
        : path.endsWith('/yarn-stop')
          ? stopRemoved
          : () => ok({ serializedCoordinationResult: '' }),
    }),
  ),
].sort((a, b) => ids(a) - ids(b));

function ids({ parts }: Route): number {
  return parts.filter((part) => part.startsWith(':')).length;
}

function fits(pattern: readonly string[], parts: readonly string[]): boolean {
  return (
    pattern.length === parts.length && pattern.every((part, index) => part.startsWith(':') || part === parts[index])
  );
}

function isServed(fake: FakeState, { since, until, path }: Route): boolean {
  if (path.startsWith('/jars') && !fake.switches.submits) return false;
  return atLeast(fake, since) && (until === undefined || !atLeast(fake, '2.0'));
}

/** A GET falls through to the dashboard's files; other methods are never answered with 405. */
function noSuchRoute(request: IncomingMessage, form: readonly FormFile[] | null): Answer {
  if (form !== null) return problem(400, 'POST request not allowed');
  return request.method === 'GET'
    ? problem(404, `Unable to load requested file ${request.url}.`)
    : problem(404, `Not found: ${request.url}`);
}

function wrongId(pattern: readonly string[], parts: readonly string[]): Answer | null {
  const index = pattern.findIndex(
    (part, at) =>
      /^:(?:jobId|vertexId|triggerId|datasetId|applicationId)$/.test(part) &&
      !/^[0-9a-fA-F]{32}$/.test(parts[at] ?? ''),
  );
  if (index < 0) return null;
  const name = pattern[index]?.slice(1).toLowerCase();
  return badParameter('path', name ?? '', parts[index] ?? '');
}

/** Until 1.19 an unknown key is refused, later it is ignored; what is no mapping, and a text where a number belongs, is an error always. */
function wrongBody(fake: FakeState, name: EndpointName, body: Buffer): Answer | null {
  const { body: params, bodyIs, method }: Endpoint = ENDPOINTS[name];
  if (method === 'GET' || body.length === 0 || params === undefined || bodyIs !== undefined) return null;
  const input = mappingOf(body);
  if (input === null) return unreadable(name, 'it is no mapping');
  const byKey = new Map(Object.entries(params).map(([key, param]) => [param.wire ?? key, param]));
  const isKnown = (key: string) => {
    const since = byKey.get(key)?.since;
    return key === 'programArgs' || (byKey.has(key) && (since === undefined || atLeast(fake, since)));
  };
  const unknown = Object.keys(input).find((key) => !isKnown(key));
  if (unknown !== undefined && !atLeast(fake, '1.20')) return unreadable(name, `Unrecognized field "${unknown}"`);
  const wrong = Object.entries(input).find(
    ([key, value]) =>
      (byKey.get(key)?.shape.schema.type === 'integer' && typeof value === 'string' && Number.isNaN(Number(value))) ||
      (key === 'jobId' && !/^[0-9a-fA-F]{32}$/.test(String(value))),
  );
  return wrong === undefined ? null : unreadable(name, `${wrong[0]} cannot be ${JSON.stringify(wrong[1])}`);
}

function unreadable(name: EndpointName, why: string): Answer {
  const cause = `org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonMappingException: ${why}`;
  const type = `${name.replace(/^(.)|\.(.)/g, (_, first = '', second = '') => `${first}${second}`.toUpperCase()).replace(/^Jars/, 'Jar')}RequestBody`;
  return problem(
    400,
    stackOf([
      `org.apache.flink.runtime.rest.handler.RestHandlerException: Request did not match expected format ${type}.`,
      cause,
    ]),
  );
}

function logFile(exchange: Exchange): Answer {
  const { logs } = recorded('jobmanager.logs', exchange) as { readonly logs: readonly { readonly name: string }[] };
  return logs.some(({ name }) => name === exchange.ids[0])
    ? ok(recorded('jobmanager.getLog', exchange))
    : problem(404, 'This file does not exist in JobManager log dir.');
}

function config(fake: FakeState): Answer {
  const { submits, version, adaptive } = fake.switches;
  return ok({
    'refresh-interval': 3000,
    'timezone-name': 'Coordinated Universal Time',
    'timezone-offset': 0,
    'flink-version': version,
    'flink-revision': '0980485 @ 2026-06-08T09:21:06+02:00',
    features: { 'web-submit': submits, 'web-cancel': submits, 'web-rescale': adaptive, 'web-history': false },
  });
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
