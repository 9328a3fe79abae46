import { basename } from 'node:path';
import { isJsonObject, parseJson, stringifyJson, type Json, type JsonObject } from '../../../dsl/json.ts';
import {
  RemoteError,
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
  type TlsOptions,
} from '../../http-client.ts';
import { toText } from '../../inputs.ts';
import { multipartOf } from '../../multipart.ts';
import { pathInputs, type Endpoint, type Parameter } from './endpoint.ts';
import { endpointOf, type SystemTable } from './endpoints.ts';
import { SparkApiError } from './errors.ts';
import { ServerMemory } from './server-memory.ts';

/** Where a server is and what it wants with each call. */
export interface SparkServer {
  /** At least one; the others are asked when one cannot be reached (masters in standby). */
  readonly urls: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly tls?: TlsOptions;
  readonly timeoutMs: number;
  readonly http: HttpClient;
  /** Shared by the clients of all jobs; without it each client finds out for itself. */
  readonly memory?: ServerMemory;
}

/**
 * Calls the endpoints of one system by name, with the inputs of the endpoint's table: `call('livy.batches.log', {id: 3, size: 50})`.
 * Texts and numbers are sent as the table says; what it does not name is a mistake of the caller and throws.
 *
 * @throws SparkApiError for an answer that is no success; RemoteError when there is no answer.
 */
export class SparkClient {
  private readonly table: SystemTable;
  private readonly server: SparkServer;
  private readonly memory: ServerMemory;

  constructor(table: SystemTable, server: SparkServer) {
    this.table = table;
    this.server = server;
    this.memory = server.memory ?? new ServerMemory();
  }

  get url(): string {
    return this.baseOf(this.server.urls[0] ?? '');
  }

  async call(name: string, input: JsonObject = {}, signal?: AbortSignal): Promise<Json> {
    const endpoint = endpointOf(this.table, name);
    refuseUnknown(endpoint, input);
    const word = endpoint.path.includes('/:F') ? await this.wordOfMist(signal) : '';
    const path = pathOf(endpoint, input, word) + queryOf(endpoint, input);
    const request = await bodyOf(endpoint, input);
    const answer = await this.send(
      {
        method: endpoint.method,
        path,
        ...request,
        ...(endpoint.transfer === 'download' && { saveTo: toText(input.save_to ?? '') }),
      },
      signal,
    );
    // Either the thing is unknown or the server speaks another dialect since: the next call asks.
    if (word !== '' && answer.status === 404) this.memory.mistWords.delete(this.url);
    return this.valueOf(endpoint, path, answer);
  }

  /** The master's page, as somebody has read it within the last two seconds. */
  masterState(): Promise<JsonObject> {
    // Bound to nobody's signal, since others wait for it too.
    return this.memory.masterPage(this.url, async () => objectOf(await this.call('spark.master.state')));
  }

  /** A page elsewhere on the same cluster, such as a worker's log, as text. */
  async readPage(url: string, signal?: AbortSignal): Promise<string> {
    const answer = await this.server.http.exchange({
      method: 'GET',
      url,
      headers: this.server.headers,
      ...(this.server.tls !== undefined && { tls: this.server.tls }),
      ...(signal !== undefined && { signal }),
      timeoutMs: this.server.timeoutMs,
      maxBytes: LARGEST_ANSWER_BYTES,
    });
    const text = answer.body.toString('utf8');
    if (answer.status !== 200)
      throw new SparkApiError({ title: this.table.title, method: 'GET', path: url, status: answer.status, text });
    return text;
  }

  private async send(
    request: Pick<HttpRequest, 'method' | 'headers' | 'body' | 'saveTo'> & { readonly path: string },
    signal: AbortSignal | undefined,
  ): Promise<HttpResponse> {
    const { path, ...rest } = request;
    let failed: unknown = new RemoteError('bad-url', `${this.table.title} has no address.`, { notSent: true });
    for (const url of this.server.urls) {
      try {
        return await this.server.http.exchange({
          ...rest,
          url: `${this.baseOf(url)}${path}`,
          headers: { accept: '*/*', ...this.table.headers, ...this.server.headers, ...request.headers },
          ...(this.server.tls !== undefined && { tls: this.server.tls }),
          ...(signal !== undefined && { signal }),
          timeoutMs: this.server.timeoutMs,
          maxBytes: request.saveTo === undefined ? LARGEST_ANSWER_BYTES : LARGEST_FILE_BYTES,
        });
      } catch (error) {
        failed = error;
        // Another address may be asked only when this one has certainly not seen the call.
        if (!(error instanceof RemoteError) || (!error.notSent && request.method !== 'GET')) throw error;
        signal?.throwIfAborted();
      }
    }
    throw failed;
  }

  private valueOf(endpoint: Endpoint, path: string, answer: HttpResponse): Json {
    const text = answer.body.toString('utf8');
    const failure = (status: number) =>
      new SparkApiError({ title: this.table.title, method: endpoint.method, path, status, text });
    if (answer.status < 200 || answer.status > 299) throw failure(answer.status);
    if (endpoint.answer === 'text') return text;
    if (endpoint.answer === 'none' || text === '') return null;
    try {
      return parseJson(text);
    } catch {
      // A proxy's page under status 200.
      throw failure(502);
    }
  }

  /** `endpoints` until 1.0-RC7, `functions` since: no release has both (spec/spark.md §2.1). */
  private async wordOfMist(signal: AbortSignal | undefined): Promise<string> {
    const known = this.memory.mistWords.get(this.url);
    if (known !== undefined) return known;
    const answer = await this.send({ method: 'GET', path: '/functions' }, signal);
    if (answer.status !== 200 && answer.status !== 404)
      throw new SparkApiError({
        title: this.table.title,
        method: 'GET',
        path: '/functions',
        status: answer.status,
        text: answer.body.toString('utf8'),
      });
    const word = answer.status === 404 ? 'endpoints' : 'functions';
    this.memory.mistWords.set(this.url, word);
    return word;
  }

  private baseOf(url: string): string {
    const base = url.replace(/\/+$/, '');
    const hasPath = URL.canParse(base) && new URL(base).pathname !== '/';
    return hasPath ? base : `${base}${this.table.prefix}`;
  }
}

const LARGEST_ANSWER_BYTES = 8 * 1024 * 1024;
const LARGEST_FILE_BYTES = 2 ** 40;

function refuseUnknown(endpoint: Endpoint, input: JsonObject): void {
  const known = inputNames(endpoint);
  const unknown = Object.keys(input).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new TypeError(`${endpoint.name} takes no '${unknown}'; it takes ${known.join(', ') || 'nothing'}.`);
}

/** All inputs of an endpoint, in the order path, query, body. */
export function inputNames(endpoint: Endpoint): readonly string[] {
  return [
    ...pathInputs(endpoint),
    ...parametersOf(endpoint).map((parameter) => parameter.name),
    ...(endpoint.transfer === 'upload' ? ['file', 'file_name'] : []),
    ...(endpoint.transfer === 'download' ? ['save_to'] : []),
  ].filter((name, at, all) => all.indexOf(name) === at);
}

/** The inputs of these names that are there and not null. */
export function givenOf(input: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = input[name] ?? null;
      return value === null ? [] : [[name, value] as const];
    }),
  );
}

export function parametersOf(endpoint: Endpoint): readonly Parameter[] {
  return [
    ...(endpoint.query ?? []),
    ...(endpoint.body ?? []),
    ...(endpoint.wholeBody === undefined ? [] : [endpoint.wholeBody]),
  ];
}

function pathOf(endpoint: Endpoint, input: JsonObject, word: string): string {
  return endpoint.path.replace(/:(F|[a-z_]+)/g, (_, name: string) => {
    if (name === 'F') return word;
    const value = input[name] ?? null;
    if (value === null || value === '') throw new TypeError(`${endpoint.name} needs '${name}'.`);
    // Not escaped by anybody, and another path than the one that was meant.
    if (value === '.' || value === '..') throw new TypeError(`${endpoint.name}: ${name} '${value}' is no id.`);
    return encodeURIComponent(toText(value));
  });
}

function queryOf(endpoint: Endpoint, input: JsonObject): string {
  const query = new URLSearchParams();
  for (const { name, wire } of endpoint.query ?? []) {
    const value = input[name] ?? null;
    for (const one of Array.isArray(value) ? value : value === null ? [] : [value]) query.append(wire, toText(one));
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

async function bodyOf(endpoint: Endpoint, input: JsonObject): Promise<Pick<HttpRequest, 'headers' | 'body'>> {
  if (endpoint.transfer === 'upload') {
    const file = toText(input.file ?? '');
    const name = toText(input.file_name ?? basename(file));
    const { contentType, body } = await multipartOf([{ field: 'file', file, name, type: 'application/octet-stream' }]);
    return { headers: { 'content-type': contentType }, body };
  }
  if (endpoint.wholeBody !== undefined) return json(input[endpoint.wholeBody.name] ?? {});
  if (endpoint.body === undefined) return {};
  const pairs = endpoint.body.flatMap(({ name, wire }) => {
    const value = input[name] ?? null;
    return value === null ? [] : [[wire, value] as const];
  });
  return json({ ...endpoint.constantBody, ...Object.fromEntries(pairs) });
}

function json(value: Json): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  return { headers: { 'content-type': 'application/json' }, body: stringifyJson(value) };
}

/** Answers as objects: what is none is an empty one. */
export function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

export function objectsOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

export function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
