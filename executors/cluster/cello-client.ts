import { isJsonObject, parseJson, stringifyJson, type Json, type JsonObject } from '../../dsl/json.ts';
import { RemoteError, type HttpClient, type HttpResponse, type TlsOptions } from '../http-client.ts';
import { ServiceRefusal } from './errors.ts';

export interface CelloServer {
  /** Asked in order, while one certainly has not seen the call. */
  readonly urls: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly tls?: TlsOptions;
  readonly timeoutMs: number;
  readonly http: HttpClient;
}

const LARGEST_ANSWER_BYTES = 16 * 1024 * 1024;

/**
 * Cello's API v2 (spec/cluster.md §1). Calls are POST with JSON, so that numbers and truth values keep their types; the envelope's
 * `status` decides, then the status of HTTP.
 *
 * Each method throws ServiceRefusal when the service says no, RemoteError or EgressError when there is no answer.
 */
export class CelloClient {
  private readonly server: CelloServer;

  constructor(server: CelloServer) {
    this.server = server;
  }

  /** The cluster, or null when nothing is free, which has the same code as a bad request. */
  async apply(parameters: JsonObject, signal?: AbortSignal): Promise<JsonObject | null> {
    try {
      return mapping(await this.call('POST', 'cluster_op?action=apply', { action: 'apply', ...parameters }, signal));
    } catch (error) {
      if (error instanceof ServiceRefusal && NOTHING_FREE.test(error.message)) return null;
      throw error;
    }
  }

  /** An unknown id is no error: it was released before. */
  async release(clusterId: string, signal?: AbortSignal): Promise<void> {
    await this.operate('release', { cluster_id: clusterId }, signal);
  }

  /**
   * All that the user holds. The documents say that `cluster_op` takes a user; where the code does not, each is released by its id.
   *
   * @returns the ids.
   */
  async releaseUser(userId: string, signal?: AbortSignal): Promise<readonly string[]> {
    const held = (await this.list({ user_id: userId }, signal)).flatMap(({ id }) =>
      typeof id === 'string' ? [id] : [],
    );
    if (held.length === 0) return [];
    try {
      await this.operate('release', { user_id: userId }, signal);
    } catch (error) {
      if (!(error instanceof ServiceRefusal) || !NO_ID.test(error.message)) throw error;
      for (const id of held) await this.release(id, signal);
    }
    return held;
  }

  async operate(
    action: 'start' | 'stop' | 'restart' | 'release',
    parameters: JsonObject,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.call('POST', `cluster_op?action=${action}`, { action, ...parameters }, signal);
  }

  /** Exact equality on stored fields. Entries that are ids, as the documents promise, are asked for one by one. */
  async list(filter: JsonObject, signal?: AbortSignal): Promise<readonly JsonObject[]> {
    const rows = await this.call('POST', 'clusters', filter, signal);
    const found: JsonObject[] = [];
    for (const row of Array.isArray(rows) ? rows : []) {
      if (isJsonObject(row)) found.push(row);
      else if (typeof row === 'string') {
        const cluster = await this.get(row, signal);
        if (cluster !== null) found.push(cluster);
      }
    }
    return found;
  }

  /** Null: there is no such life of a cluster, or no more. */
  async get(clusterId: string, signal?: AbortSignal): Promise<JsonObject | null> {
    try {
      return mapping(await this.call('GET', `cluster/${encodeURIComponent(clusterId)}`, null, signal));
    } catch (error) {
      if (error instanceof ServiceRefusal && (error.code === 404 || NOT_FOUND.test(error.message))) return null;
      throw error;
    }
  }

  private async call(
    method: 'GET' | 'POST',
    path: string,
    body: JsonObject | null,
    signal: AbortSignal | undefined,
  ): Promise<Json> {
    const { urls, headers, tls, timeoutMs, http } = this.server;
    let failed: unknown = new RemoteError('bad-url', 'The cluster service has no address.', { notSent: true });
    for (const url of urls) {
      try {
        const answer = await http.exchange({
          method,
          url: `${baseOf(url)}/${path}`,
          headers: {
            accept: 'application/json',
            ...headers,
            ...(body !== null && { 'content-type': 'application/json' }),
          },
          ...(body !== null && { body: stringifyJson(body) }),
          ...(tls !== undefined && { tls }),
          ...(signal !== undefined && { signal }),
          timeoutMs,
          maxBytes: LARGEST_ANSWER_BYTES,
        });
        return dataOf(answer, `${method} /v2/${path}`);
      } catch (error) {
        failed = error;
        if (!(error instanceof RemoteError) || (!error.notSent && method !== 'GET')) throw error;
        signal?.throwIfAborted();
      }
    }
    throw failed;
  }
}

const NOTHING_FREE = /no available res/i;
const NO_ID = /no cluster_id is given/i;
const NOT_FOUND = /cluster not found/i;

function dataOf(answer: HttpResponse, call: string): Json {
  const text = answer.body.toString('utf8');
  const envelope = parsed(text);
  if (!isJsonObject(envelope) || typeof envelope.status !== 'string') {
    const excerpt = text
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim()
      .slice(0, 200);
    const message = `The cluster service answered ${answer.status} to ${call}${excerpt === '' ? '' : `: ${excerpt}`}`;
    // A page of the framework or of a proxy: of its own making below 500, else it may pass.
    if (answer.status >= 400 && answer.status < 500) throw new ServiceRefusal(answer.status, message);
    throw new RemoteError('status', message, { status: answer.status, excerpt });
  }
  if (envelope.status === 'OK') return envelope.data ?? null;
  const code = typeof envelope.code === 'number' ? envelope.code : answer.status;
  const error = typeof envelope.error === 'string' && envelope.error !== '' ? envelope.error : `code ${code}`;
  throw new ServiceRefusal(code, error);
}

function parsed(text: string): Json {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}

function mapping(value: Json): JsonObject {
  if (isJsonObject(value)) return value;
  throw new RemoteError('status', 'The cluster service answered OK without a cluster.');
}

/** With or without the prefix. */
function baseOf(url: string): string {
  const base = url.replace(/\/+$/, '');
  return base.endsWith('/v2') ? base : `${base}/v2`;
}
