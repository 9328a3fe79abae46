import { parseJson, stringifyJson, type Json, type JsonObject } from '../../../dsl/json.ts';
import { Float } from '../../../dsl/yaql/numbers.ts';
import {
  createHttpClient,
  RemoteError,
  withRetry,
  type HttpClient,
  type HttpRequest,
  type TlsOptions,
} from '../../http-client.ts';
import { ENDPOINTS, ENDPOINT_NAMES, type EndpointName } from './endpoints.ts';
import { pathNames, type Endpoint, type Params } from './endpoint.ts';
import { CallError, FlinkApiError, UnsupportedError } from './errors.ts';
import { Gate } from './gate.ts';
import type { AnswerOf, CallOptions, Group, GroupName, Method, OptionsOf } from './methods.ts';
import { multipartOf, type FormPart } from '../../multipart.ts';
import { portionsOf } from './portions.ts';
import { problemsOf } from './shapes.ts';
import { apiVersionFor, newestApiVersion, parseVersion, type FlinkVersion } from './version.ts';

/** A JobManager, or several of one cluster: the address (a proxy's path in front is kept) and how to get in. */
export interface FlinkServer {
  readonly url: string;
  /** Further JobManagers of the same cluster: asked when the one before cannot be reached. */
  readonly otherUrls?: readonly string[];
  /** The SQL gateway beside it; default: `url` itself. */
  readonly gatewayUrl?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly auth?: FlinkAuth;
  readonly tls?: TlsOptions;
  /** For calls that do not run user code; default 30 s. */
  readonly timeoutMs?: number;
  /** `/v1` unless given; a history server's paths begin without it. */
  readonly apiPrefix?: string;
  /** Instead of asking the cluster for it. */
  readonly version?: string;
  /** At most so many requests at once; default: no bound. */
  readonly concurrency?: number;
  /** For how long calls that may be repeated are tried again while the cluster starts or elects; default: not at all. */
  readonly retryForMs?: number;
  /** An upload has no limit of time, but it ends when for so long nothing is taken and no answer comes; default 10 minutes. */
  readonly uploadSilenceMs?: number;
  /** Answers that do not have the shape of the table are errors. For tests: new versions of Flink add and drop fields. */
  readonly strict?: boolean;
}

export type FlinkAuth =
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string };

/**
 * The REST API of Flink from 1.13 to 2.x: one method for each row of {@link ENDPOINTS}. Ids first, then one options object with the
 * parameters of query and body by their names in the table, and `signal`.
 *
 *     const flink = new FlinkClient({ url: 'http://127.0.0.1:8081' });
 *     const id = await flink.jars.upload('/srv/totals.jar');
 *     const job = await flink.jars.run(id, { programArgsList: ['--day', '2026-11-22'], parallelism: 2 });
 *
 * What a cluster is too old for is refused before any call that has an effect; its version is asked for once in five minutes.
 * Without `retryForMs` there is one exchange per call: what starts something must never be sent twice unseen.
 *
 * @throws FlinkApiError for an answer that is no success, UnsupportedError, RemoteError when there is no answer.
 */
export class FlinkClient {
  /** Without a slash at its end. */
  readonly url: string;
  private readonly server: FlinkServer;
  private readonly http: HttpClient;
  private readonly gate: Gate;
  private readonly urls: readonly string[];
  private current = 0;
  private probed: { readonly version: FlinkVersion; readonly submits: boolean; readonly untilMs: number } | null = null;
  private gatewayVersion: string | null = null;

  constructor(server: FlinkServer, http: HttpClient = createHttpClient(null)) {
    this.server = server;
    this.http = http;
    this.gate = new Gate(server.concurrency ?? Number.POSITIVE_INFINITY);
    this.urls = [server.url, ...(server.otherUrls ?? [])].map(baseOf);
    this.url = this.urls[0] ?? '';
  }

  readonly cluster = this.group('cluster');
  readonly jobmanager = this.group('jobmanager');
  readonly taskmanagers = this.group('taskmanagers');
  readonly savepoints = this.group('savepoints');
  readonly applications = this.group('applications');
  readonly vertices = this.group('vertices');

  readonly jars = {
    ...this.group('jars'),

    /** Streams the file; `name` (default: the file's own) must end in `.jar`. Answers the jar's id. There is no limit of time. */
    upload: async (file: string, options: CallOptions & { readonly name?: string } = {}): Promise<string> => {
      const name = options.name ?? file.split(/[/\\]/).at(-1) ?? file;
      return this.sendForm(
        'jars.upload',
        [{ field: 'jarfile', file, name, type: 'application/x-java-archive' }],
        options,
      );
    },
  };

  readonly jobs = {
    ...this.group('jobs'),

    /** Files of a job graph (until 1.20) or execution plan (2.x) that Java has serialized; answers the job's URL. */
    submit: async (
      job: { readonly plan: string; readonly jars?: readonly string[]; readonly artifacts?: readonly string[] },
      options: CallOptions = {},
    ): Promise<string> => this.submitJob(job, options),

    /** The methods about a vertex and its subtasks, without naming it again. */
    vertex: (jobId: string, vertexId: string) => boundVertex(this, jobId, vertexId),
  };

  readonly subtasks = {
    ...this.group('subtasks'),

    /** Without `attempt`: the current one. */
    getAttempt: async (
      jobId: string,
      vertexId: string,
      subtaskIndex: number | string,
      attempt: number | string | null = null,
      options: CallOptions = {},
    ): Promise<AnswerOf<'subtasks.getAttempt'>> => {
      const number = attempt ?? (await this.subtasks.get(jobId, vertexId, subtaskIndex, options)).attempt;
      return this.call('subtasks.getAttempt', [jobId, vertexId, subtaskIndex, number], options);
    },
  };

  readonly sql = this.group('sql');

  /** Asked for once in five minutes, and again after the cluster could not be reached. */
  async version(signal?: AbortSignal): Promise<FlinkVersion> {
    if (this.server.version !== undefined) return parseVersion(this.server.version);
    return (await this.probe(signal)).version;
  }

  /** Any endpoint by its name: what the methods are made of. */
  async call<N extends EndpointName>(
    name: N,
    ids: readonly (string | number)[],
    options: OptionsOf<N>,
  ): Promise<AnswerOf<N>> {
    const endpoint: Endpoint = ENDPOINTS[name];
    const given = options as Readonly<Record<string, unknown>>;
    await this.checkVersion(name, endpoint, given, options.signal);
    // Metrics: without names all of them, and never more in one line than the server reads.
    const merged =
      endpoint.query?.get === undefined
        ? await this.callOnce(name, endpoint, ids, given)
        : await this.callInPortions(name, endpoint, ids, given);
    return merged as AnswerOf<N>;
  }

  private async callOnce(
    name: EndpointName,
    endpoint: Endpoint,
    ids: readonly (string | number)[],
    given: Readonly<Record<string, unknown>>,
  ): Promise<unknown> {
    const path = fillPath(name, endpoint.path, ids) + toQuery(endpoint.query ?? {}, given);
    const body = toBody(name, endpoint, given);
    const options = given as CallOptions;
    const value = await this.send(name, endpoint, path, {
      headers: body === null ? {} : { 'content-type': 'application/json' },
      ...(body !== null && { body: stringifyJson(body) }),
      ...(options.signal !== undefined && { signal: options.signal }),
      timeoutMs:
        options.timeoutMs !== undefined
          ? options.timeoutMs
          : endpoint.duration === 'user-code'
            ? USER_CODE_TIMEOUT_MS
            : (this.server.timeoutMs ?? 30_000),
    });
    return endpoint.answer.read(value);
  }

  private async callInPortions(
    name: EndpointName,
    endpoint: Endpoint,
    ids: readonly (string | number)[],
    given: Readonly<Record<string, unknown>>,
  ): Promise<unknown> {
    const { get, agg, ...others } = given;
    const names = Array.isArray(get)
      ? get.map(String)
      : Object.keys((await this.callOnce(name, endpoint, ids, others)) as Readonly<Record<string, unknown>>);
    const bare = fillPath(name, endpoint.path, ids) + toQuery(endpoint.query ?? {}, { ...others, agg, get: [''] });
    const room = LONGEST_REQUEST_LINE - this.prefix(endpoint).length - new URL(this.url).pathname.length - bare.length;
    const answers: object[] = [];
    for (const portion of portionsOf(names, room)) {
      answers.push((await this.callOnce(name, endpoint, ids, { ...given, get: portion })) as object);
    }
    return Object.assign({}, ...answers);
  }

  private async submitJob(
    job: { readonly plan: string; readonly jars?: readonly string[]; readonly artifacts?: readonly string[] },
    options: CallOptions,
  ): Promise<string> {
    const nameOf = (file: string) => file.split(/[/\\]/).at(-1) ?? file;
    const isNew = (await this.version(options.signal)).atLeast('2.0');
    const request = {
      [isNew ? 'executionPlanFileName' : 'jobGraphFileName']: nameOf(job.plan),
      jobJarFileNames: (job.jars ?? []).map(nameOf),
      jobArtifactFileNames: (job.artifacts ?? []).map((file) => ({ entryName: nameOf(file), fileName: nameOf(file) })),
    };
    const files = [job.plan, ...(job.jars ?? []), ...(job.artifacts ?? [])];
    return this.sendForm(
      'jobs.submit',
      [
        { field: 'request', text: stringifyJson(request), type: 'application/json' },
        ...files.map((file, index) => ({
          field: `file_${index}`,
          file,
          name: nameOf(file),
          type: 'application/octet-stream',
        })),
      ],
      options,
    );
  }

  private async sendForm(
    name: 'jars.upload' | 'jobs.submit',
    parts: readonly FormPart[],
    options: CallOptions,
  ): Promise<string> {
    const endpoint: Endpoint = ENDPOINTS[name];
    const { body, contentType } = await multipartOf(parts);
    const silenceMs = this.server.uploadSilenceMs ?? UPLOAD_SILENCE_MS;
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(), silenceMs);
    try {
      const value = await this.send(name, endpoint, endpoint.path, {
        headers: { 'content-type': contentType },
        body: { ...body, stream: heard(body.stream, timer) },
        timeoutMs: options.timeoutMs ?? null,
        signal: options.signal === undefined ? silent.signal : AbortSignal.any([silent.signal, options.signal]),
      });
      return String(endpoint.answer.read(value));
    } catch (error) {
      if (!silent.signal.aborted) throw error;
      throw new RemoteError('timeout', `The upload stood still for ${silenceMs / 1000} seconds.`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  private async send(
    name: EndpointName,
    endpoint: Endpoint,
    path: string,
    request: Pick<HttpRequest, 'headers' | 'timeoutMs'> & Partial<Pick<HttpRequest, 'body' | 'signal'>>,
  ): Promise<unknown> {
    const target = `${await this.prefixOf(endpoint, request.signal)}${path}`;
    const again = endpoint.method === 'GET' || endpoint.repeatable === true;
    try {
      const attempt = () => this.exchange(endpoint, target, request, again);
      const forMs = again ? (this.server.retryForMs ?? 0) : 0;
      const signal = request.signal ?? NEVER;
      const value = forMs === 0 ? await attempt() : await withRetry(attempt, { forMs, signal, firstPauseMs: 200 });
      if (this.server.strict === true) this.checkShape(endpoint, path, value);
      return value;
    } catch (error) {
      if (error instanceof RemoteError && error.cause instanceof FlinkApiError) throw error.cause;
      if (error instanceof RemoteError) this.probed = null;
      throw await this.explained(name, error, request.signal);
    }
  }

  /** One exchange with the JobManager that answered last, and with the others where that cannot have had an effect. */
  private async exchange(
    endpoint: Endpoint,
    target: string,
    request: Pick<HttpRequest, 'headers' | 'timeoutMs'> & Partial<Pick<HttpRequest, 'body' | 'signal'>>,
    again: boolean,
  ): Promise<unknown> {
    const bases =
      endpoint.server === 'sql-gateway' && this.server.gatewayUrl !== undefined
        ? [baseOf(this.server.gatewayUrl)]
        : this.urls;
    // Of its own: calls that fail at the same moment must not push each other past the JobManager that answers.
    const first = this.current;
    for (let tried = 1; ; tried++) {
      const index = (first + tried - 1) % bases.length;
      try {
        const value = await this.exchangeWith(bases[index] ?? this.url, endpoint, target, request);
        if (tried > 1) this.current = index;
        return value;
      } catch (error) {
        const passing = error instanceof RemoteError && (error.notSent || again) && isUnreachable(error);
        const electing = error instanceof FlinkApiError && error.code === 'FLINK_UNAVAILABLE';
        if (tried < bases.length && (passing || electing)) continue;
        // A refusal is an answer as well.
        if (tried > 1 && error instanceof FlinkApiError && !electing) this.current = index;
        // In a form that the loop of retries understands.
        if (electing) throw new RemoteError('status', error.message, { status: error.status, cause: error });
        throw error;
      }
    }
  }

  private async exchangeWith(
    base: string,
    endpoint: Endpoint,
    target: string,
    request: Pick<HttpRequest, 'headers' | 'timeoutMs'> & Partial<Pick<HttpRequest, 'body' | 'signal'>>,
  ): Promise<unknown> {
    const answer = await this.gate.pass(
      () =>
        this.http.exchange({
          ...request,
          method: endpoint.method,
          url: `${base}${target}`,
          headers: { ...this.server.headers, ...authHeaders(this.server.auth), ...request.headers },
          ...(this.server.tls !== undefined && { tls: this.server.tls }),
          // There is no redirect to a leader; only a plain call on a TLS port gets one.
          followRedirects: endpoint.method === 'GET',
          maxBytes: LARGEST_ANSWER_BYTES,
        }),
      request.signal,
    );
    const text = answer.body.toString('utf8');
    if (answer.status < 200 || answer.status > 299)
      throw new FlinkApiError({ status: answer.status, method: endpoint.method, path: target, text });
    if (endpoint.answer.kind === 'text') return text;
    if (text === '') return {};
    try {
      return toPlain(parseJson(text));
    } catch {
      // A proxy's page with status 200.
      throw new FlinkApiError({ status: 502, method: endpoint.method, path: target, text });
    }
  }

  /** A route that is missing may have been switched off: the answer itself does not tell. */
  private async explained(name: EndpointName, error: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    if (!(error instanceof FlinkApiError) || error.code !== 'FLINK_NO_SUCH_ENDPOINT' || !name.startsWith('jars.'))
      return error;
    const probe = await this.probe(signal).catch(() => null);
    return probe === null || probe.submits ? error : error.explained('FLINK_SUBMIT_DISABLED', SUBMIT_DISABLED);
  }

  private async checkVersion(
    name: EndpointName,
    endpoint: Endpoint,
    given: Readonly<Record<string, unknown>>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const params = Object.entries({ ...endpoint.query, ...endpoint.body });
    const asked = params.flatMap(([key, param]) =>
      param.since === undefined || (given[key] ?? null) === null ? [] : [[`${name}: ${key}`, param.since] as const],
    );
    const needs = [...(endpoint.since === undefined ? [] : [[name, endpoint.since] as const]), ...asked];
    if (endpoint.server === 'sql-gateway' || needs.length === 0) return;
    const version = await this.version(signal);
    const missing = needs.find(([, since]) => !version.atLeast(since));
    if (missing !== undefined) throw new UnsupportedError(missing[0], missing[1], version.raw);
  }

  private async probe(signal: AbortSignal | undefined): Promise<NonNullable<typeof this.probed>> {
    if (this.probed !== null && this.probed.untilMs > Date.now()) return this.probed;
    const config = await this.cluster.config(signal === undefined ? {} : { signal });
    const version = parseVersion(config['flink-version']);
    this.probed = { version, submits: config.features?.['web-submit'] !== false, untilMs: Date.now() + 300_000 };
    return this.probed;
  }

  private async prefixOf(endpoint: Endpoint, signal: AbortSignal | undefined): Promise<string> {
    if (endpoint.server !== 'sql-gateway' || endpoint.path === '/api_versions' || endpoint.path === '/info')
      return this.prefix(endpoint);
    this.gatewayVersion ??= newestApiVersion(await this.sql.apiVersions(signal === undefined ? {} : { signal }));
    return `/${apiVersionFor(endpoint, this.gatewayVersion)}`;
  }

  private prefix(endpoint: Endpoint): string {
    return endpoint.server === 'sql-gateway' ? '' : (this.server.apiPrefix ?? '/v1');
  }

  private checkShape(endpoint: Endpoint, path: string, value: unknown): void {
    const problems = problemsOf(endpoint.answer.wire, value);
    if (problems.length > 0)
      throw new Error(
        `${endpoint.method} ${path} answered what the table does not know: ${problems.slice(0, 5).join('; ')}`,
      );
  }

  private group<G extends GroupName>(name: G): Group<G> {
    const rows = ENDPOINT_NAMES.filter((row) => row.startsWith(`${name}.`));
    // The one place where the table's types and its rows meet; test/executors/flink-client.test.ts calls each of them.
    return Object.fromEntries(rows.map((row) => [row.slice(name.length + 1), this.method(row)])) as unknown as Group<G>;
  }

  private method<N extends EndpointName>(name: N): Method<N> {
    const count = pathNames(ENDPOINTS[name].path).length;
    const method = (...args: readonly unknown[]) =>
      this.call(name, args.slice(0, count) as string[], (args[count] ?? {}) as OptionsOf<N>);
    return method as Method<N>;
  }
}

export type BoundVertex = ReturnType<typeof boundVertex>;

function boundVertex(client: FlinkClient, jobId: string, vertexId: string) {
  const { vertices, subtasks } = client;
  return {
    details: (options?: OptionsOf<'vertices.details'>) => vertices.details(jobId, vertexId, options),
    backpressure: (options?: OptionsOf<'vertices.backpressure'>) => vertices.backpressure(jobId, vertexId, options),
    metrics: (options?: OptionsOf<'vertices.metrics'>) => vertices.metrics(jobId, vertexId, options),
    subtasktimes: (options?: OptionsOf<'vertices.subtasktimes'>) => vertices.subtasktimes(jobId, vertexId, options),
    taskmanagers: (options?: OptionsOf<'vertices.taskmanagers'>) => vertices.taskmanagers(jobId, vertexId, options),
    watermarks: (options?: OptionsOf<'vertices.watermarks'>) => vertices.watermarks(jobId, vertexId, options),
    accumulators: (options?: OptionsOf<'vertices.accumulators'>) => vertices.accumulators(jobId, vertexId, options),
    flamegraph: (options?: OptionsOf<'vertices.flamegraph'>) => vertices.flamegraph(jobId, vertexId, options),
    subtasks: {
      accumulators: (options?: OptionsOf<'subtasks.accumulators'>) => subtasks.accumulators(jobId, vertexId, options),
      metrics: (options?: OptionsOf<'subtasks.metrics'>) => subtasks.metrics(jobId, vertexId, options),
      get: (index: number, options?: OptionsOf<'subtasks.get'>) => subtasks.get(jobId, vertexId, index, options),
      getAttempt: (index: number, attempt: number | null = null, options?: CallOptions) =>
        subtasks.getAttempt(jobId, vertexId, index, attempt, options),
      getMetrics: (index: number, options?: OptionsOf<'subtasks.getMetrics'>) =>
        subtasks.getMetrics(jobId, vertexId, index, options),
    },
  };
}

/** The timer begins anew with each piece that is taken. */
async function* heard(stream: AsyncIterable<Uint8Array>, timer: NodeJS.Timeout): AsyncGenerator<Uint8Array> {
  for await (const piece of stream) {
    timer.refresh();
    yield piece;
  }
  timer.refresh();
}

const UPLOAD_SILENCE_MS = 600_000;
const USER_CODE_TIMEOUT_MS = 600_000;
const LARGEST_ANSWER_BYTES = 32 * 1024 * 1024;
/** 4096 for the whole line: `GET `, ` HTTP/1.1` and some room go off. */
const LONGEST_REQUEST_LINE = 4000;
const NEVER = new AbortController().signal;
const SUBMIT_DISABLED =
  'The cluster takes no jars: web.submit.enable is false (or flink-runtime-web is missing). Switch it on, or run the job by other means.';

function baseOf(url: string): string {
  return url.replace(/\/+$/, '').replace(/\/v1$/, '');
}

function authHeaders(auth: FlinkAuth | undefined): Record<string, string> {
  if (auth === undefined) return {};
  if (auth.kind === 'bearer') return { authorization: `Bearer ${auth.token}` };
  return { authorization: `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}` };
}

function isUnreachable(error: RemoteError): boolean {
  return error.fault === 'refused' || error.fault === 'reset' || error.fault === 'timeout';
}

function fillPath(name: string, template: string, ids: readonly (string | number)[]): string {
  let next = 0;
  return template.replace(/:(\w+)/g, (_, part: string) => {
    const id = String(ids[next++] ?? '');
    // A dot or two would change the path itself.
    if (id === '' || id === '.' || id === '..') throw new CallError(`${name} needs '${part}'.`);
    if (HEX_IDS.has(part) && !/^[0-9a-fA-F]{32}$/.test(id))
      throw new CallError(`${name}: ${part} '${id}' is not made of 32 hex digits.`);
    return encodeURIComponent(id);
  });
}

const HEX_IDS: ReadonlySet<string> = new Set(['jobId', 'vertexId', 'triggerId', 'datasetId', 'applicationId']);

function toQuery(params: Params, given: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(params).flatMap(([key, param]) => {
    const value = given[key] ?? null;
    if (value === null) return [];
    // Lists are one parameter with commas, encoded once.
    return [`${param.wire ?? key}=${encodeURIComponent(Array.isArray(value) ? value.join(',') : String(value))}`];
  });
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** Absent keys stay out: null is an error for some of them. */
function toBody(name: string, endpoint: Endpoint, given: Readonly<Record<string, unknown>>): JsonObject | null {
  const known = new Set([
    ...Object.keys(endpoint.body ?? {}),
    ...Object.keys(endpoint.query ?? {}),
    'signal',
    'timeoutMs',
  ]);
  const unknown = Object.keys(given).find((key) => !known.has(key));
  if (unknown !== undefined) {
    const keys = [...known].filter((key) => key !== 'signal' && key !== 'timeoutMs');
    throw new CallError(
      `${name} takes no '${unknown}'; ${keys.length === 0 ? 'it takes nothing' : `it takes ${keys.join(', ')}`}.`,
    );
  }
  if (endpoint.body === undefined) return null;
  const entries = Object.entries(endpoint.body).flatMap(([key, param]): [string, Json][] => {
    const value = given[key] ?? null;
    if (value === null) {
      if (param.required === true) throw new CallError(`${name} needs '${key}'.`);
      return [];
    }
    const wrong = problemsOf(param.shape, value);
    if (wrong.length > 0) throw new CallError(`${name}: ${wrong.join('; ').replaceAll('$', key)}.`);
    return [[param.wire ?? key, value as Json]];
  });
  const body = Object.fromEntries(entries);
  return endpoint.bodyIs === undefined ? body : ((body[endpoint.bodyIs] ?? {}) as JsonObject);
}

/** Plain numbers: whether Flink writes 2 or 2.0 means nothing. Only longs beyond 2^53 stay bigints. */
function toPlain(value: Json): unknown {
  if (value instanceof Float) return value.value;
  if (Array.isArray(value)) return value.map(toPlain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, toPlain(one as Json)]));
}
