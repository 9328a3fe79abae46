import { isJsonObject, parseJson, stringifyJson, type Json, type JsonObject } from '../../../dsl/json.ts';
import type { HttpClient, HttpRequest, HttpResponse, TlsOptions } from '../../http-client.ts';
import { ENDPOINTS, type Endpoint, type EndpointName } from '../endpoints.ts';
import { FlinkApiError } from './errors.ts';
import { multipartOf } from './multipart.ts';
import { parseVersion, type FlinkVersion } from './version.ts';

/** A JobManager: its address (a proxy's path in front is kept) and how to get in. */
export interface FlinkServer {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly tls?: TlsOptions;
  /** For calls that do not run user code; default 30 s. */
  readonly timeoutMs?: number;
  /** `/v1` unless given; a history server's paths begin without it. */
  readonly apiPrefix?: string;
}

/** One call: the path's parts, the query and the body of the endpoint's row. */
export interface FlinkCall {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: JsonObject;
  readonly signal?: AbortSignal;
}

/**
 * The REST API, one method per endpoint that is used, all through {@link FlinkClient.call} and the table of endpoints. One
 * exchange per call: whoever polls tries again by itself, and what starts something must never be sent twice unseen.
 *
 * @throws FlinkApiError for an answer that is no success, RemoteError when there is no answer.
 */
export class FlinkClient {
  readonly url: string;
  private readonly server: FlinkServer;
  private readonly http: HttpClient;

  constructor(server: FlinkServer, http: HttpClient) {
    this.server = server;
    this.url = server.url.replace(/\/+$/, '').replace(/\/v1$/, '');
    this.http = http;
  }

  async call(name: EndpointName, call: FlinkCall = {}): Promise<Json> {
    const endpoint: Endpoint = ENDPOINTS[name];
    const path = fillPath(endpoint.path, call.path ?? {}) + toQuery(name, endpoint, call.query ?? {});
    const body =
      endpoint.body === undefined ? undefined : stringifyJson(checkedBody(name, endpoint.body, call.body ?? {}));
    return this.send(endpoint, path, {
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      ...(body !== undefined && { body }),
      timeoutMs: endpoint.duration === 'user-code' ? USER_CODE_TIMEOUT_MS : (this.server.timeoutMs ?? 30_000),
      ...(call.signal !== undefined && { signal: call.signal }),
    });
  }

  readonly cluster = {
    config: async (signal?: AbortSignal): Promise<JsonObject> =>
      objectOf(await this.call('cluster.config', withSignal(signal))),
    overview: async (signal?: AbortSignal): Promise<JsonObject> =>
      objectOf(await this.call('cluster.overview', withSignal(signal))),
  };

  readonly jars = {
    /** Newest first. Opens every jar on the server: remember ids instead where possible. */
    all: async (signal?: AbortSignal): Promise<readonly { readonly id: string; readonly name: string }[]> =>
      listOf(objectOf(await this.call('jars.all', withSignal(signal))).files).map((file) => ({
        id: textOf(file.id),
        name: textOf(file.name),
      })),

    /** Streams the file; answers its id on the server. There is no limit of time: jars are large and lines slow. */
    upload: async (file: string, name: string, signal?: AbortSignal): Promise<string> => {
      const { body, contentType } = await multipartOf(file, name);
      const answer = await this.send(ENDPOINTS['jars.upload'], '/jars/upload', {
        headers: { 'content-type': contentType },
        body,
        timeoutMs: null,
        ...(signal !== undefined && { signal }),
      });
      const path = textOf(objectOf(answer).filename);
      return path.split(/[/\\]/).at(-1) ?? path;
    },

    run: async (jarId: string, body: JsonObject, signal?: AbortSignal): Promise<string> =>
      textOf(objectOf(await this.call('jars.run', { path: { jarid: jarId }, body, ...withSignal(signal) })).jobid),

    delete: async (jarId: string, signal?: AbortSignal): Promise<void> => {
      await this.call('jars.delete', { path: { jarid: jarId }, ...withSignal(signal) });
    },
  };

  readonly jobs = {
    get: async (jobId: string, signal?: AbortSignal): Promise<JsonObject> =>
      objectOf(await this.call('jobs.get', onJob(jobId, signal))),

    getStatus: async (jobId: string, signal?: AbortSignal): Promise<string> =>
      textOf(objectOf(await this.call('jobs.getStatus', onJob(jobId, signal))).status),

    getExceptions: async (
      jobId: string,
      options: { readonly maxExceptions?: number } = {},
      signal?: AbortSignal,
    ): Promise<JsonObject> =>
      objectOf(
        await this.call('jobs.getExceptions', {
          ...onJob(jobId, signal),
          query: options.maxExceptions === undefined ? {} : { maxExceptions: String(options.maxExceptions) },
        }),
      ),

    getExecutionResult: async (jobId: string, signal?: AbortSignal): Promise<JsonObject> =>
      objectOf(await this.call('jobs.getExecutionResult', onJob(jobId, signal))),

    getAccumulators: async (jobId: string, signal?: AbortSignal): Promise<readonly JsonObject[]> =>
      listOf(objectOf(await this.call('jobs.getAccumulators', onJob(jobId, signal)))['user-task-accumulators']),

    /** Values are texts, as Flink sends them. */
    getMetrics: async (
      jobId: string,
      get: readonly string[],
      signal?: AbortSignal,
    ): Promise<Readonly<Record<string, string>>> => {
      const rows = listOf(await this.call('jobs.getMetrics', { ...onJob(jobId, signal), query: { get } }));
      return Object.fromEntries(rows.map((row) => [textOf(row.id), textOf(row.value)]));
    },

    getCheckpoints: async (jobId: string, signal?: AbortSignal): Promise<JsonObject> =>
      objectOf(await this.call('jobs.getCheckpoints', onJob(jobId, signal))),

    /** Asks for the cancel; the job's state tells when it is done. */
    cancel: async (jobId: string, signal?: AbortSignal): Promise<void> => {
      await this.call('jobs.terminate', { ...onJob(jobId, signal), query: { mode: 'cancel' } });
    },

    /** Answers the trigger's id for {@link FlinkClient.jobs.getSavepoint}. */
    stop: async (jobId: string, body: JsonObject, signal?: AbortSignal): Promise<string> =>
      textOf(objectOf(await this.call('jobs.stop', { ...onJob(jobId, signal), body }))['request-id']),

    getSavepoint: async (jobId: string, triggerId: string, signal?: AbortSignal): Promise<AsyncResult<string>> =>
      savepointOf(
        objectOf(
          await this.call('jobs.getSavepoint', { ...withSignal(signal), path: { jobid: jobId, triggerid: triggerId } }),
        ),
      ),
  };

  async version(signal?: AbortSignal): Promise<FlinkVersion> {
    return parseVersion(textOf((await this.cluster.config(signal))['flink-version']));
  }

  private async send(
    endpoint: Endpoint,
    path: string,
    request: Pick<HttpRequest, 'headers' | 'timeoutMs'> & Partial<Pick<HttpRequest, 'body' | 'signal'>>,
  ): Promise<Json> {
    const answer = await this.http.exchange({
      ...request,
      method: endpoint.method,
      url: `${this.url}${this.server.apiPrefix ?? '/v1'}${path}`,
      headers: { ...this.server.headers, ...request.headers },
      ...(this.server.tls !== undefined && { tls: this.server.tls }),
      // There is no redirect to a leader; only a plain call on a TLS port gets one.
      followRedirects: endpoint.method === 'GET',
      maxBytes: LARGEST_ANSWER_BYTES,
    });
    return toValue(answer, endpoint.method, path);
  }
}

/** COMPLETED on the wire does not mean success (spec/flink.md §1.2). */
export type AsyncResult<T> =
  | { readonly status: 'IN_PROGRESS' }
  | { readonly status: 'COMPLETED'; readonly value: T }
  | { readonly status: 'FAILED'; readonly cause: { readonly class: string; readonly stack: string } };

const USER_CODE_TIMEOUT_MS = 600_000;
const LARGEST_ANSWER_BYTES = 32 * 1024 * 1024;

function toValue(answer: HttpResponse, method: string, path: string): Json {
  const text = answer.body.toString('utf8');
  if (answer.status < 200 || answer.status > 299)
    throw new FlinkApiError({ status: answer.status, method, path, text });
  if (text === '') return {};
  try {
    return parseJson(text);
  } catch {
    // A proxy's page with status 200.
    throw new FlinkApiError({ status: 502, method, path, text });
  }
}

function savepointOf(answer: JsonObject): AsyncResult<string> {
  if (textOf(objectOf(answer.status).id) !== 'COMPLETED') return { status: 'IN_PROGRESS' };
  const operation = objectOf(answer.operation);
  const location = operation.location;
  if (typeof location === 'string') return { status: 'COMPLETED', value: location };
  const cause = objectOf(operation['failure-cause']);
  return { status: 'FAILED', cause: { class: textOf(cause.class), stack: textOf(cause['stack-trace']) } };
}

function fillPath(template: string, parts: Readonly<Record<string, string>>): string {
  return template.replace(/:(\w+)/g, (_, name: string) => {
    const part = parts[name];
    if (part === undefined || part === '') throw new Error(`${template} needs '${name}'.`);
    return encodeURIComponent(part);
  });
}

function toQuery(
  name: string,
  endpoint: Endpoint,
  query: Readonly<Record<string, string | readonly string[]>>,
): string {
  const pairs = Object.entries(query).map(([key, value]) => {
    if (!(endpoint.query ?? []).includes(key)) throw new Error(`${name} takes no query parameter '${key}'.`);
    // Lists are one parameter with commas, encoded once.
    return `${key}=${encodeURIComponent(typeof value === 'string' ? value : value.join(','))}`;
  });
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** Absent keys stay out: null is an error for some of them. */
function checkedBody(name: string, keys: readonly string[], body: JsonObject): JsonObject {
  const unknown = Object.keys(body).find((key) => !keys.includes(key));
  if (unknown !== undefined) throw new Error(`${name} takes no key '${unknown}'; its keys are ${keys.join(', ')}.`);
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

function onJob(jobId: string, signal: AbortSignal | undefined): FlinkCall {
  return { path: { jobid: jobId }, ...withSignal(signal) };
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function listOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
