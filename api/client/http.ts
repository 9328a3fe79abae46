import { TramontaneError } from '../../dsl/errors.ts';
import { isJsonObject, parseJson, stringifyJson } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { UsageError } from '../usage-error.ts';

/** A server that refuses, fails or does not answer; the message is what it says. */
export class ServerError extends TramontaneError {
  override readonly name = 'ServerError';
  /** null: there was no answer. */
  readonly status: number | null;

  constructor(status: number | null, message: string, cause?: unknown) {
    super('SERVER', message, { cause });
    this.status = status;
  }
}

export interface Call {
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly json?: JsonObject;
  /** A definition or source as it is. */
  readonly text?: string;
  /** The content of a file. */
  readonly bytes?: Uint8Array;
}

/** Requests to one server. */
export interface Client {
  /** The reply's JSON; null for an empty one. @throws ServerError */
  call(method: string, path: string, call?: Call): Promise<Json>;
  /** The reply as it is, such as a log. @throws ServerError */
  text(path: string): Promise<string>;
  /** A reply that comes piece by piece. @throws ServerError */
  open(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response>;
}

/** @param url with or without `/v2`. @throws UsageError */
export function createClient(url: string, token: string | null): Client {
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) {
    throw new UsageError(`'${url}' is no address of a server; write http://127.0.0.1:8989`);
  }
  const base = url.replace(/\/+$/, '').replace(/\/v2$/, '');
  const headers: Record<string, string> = {
    Accept: 'application/json',
    ...(token === null ? {} : { 'X-Auth-Token': token }),
  };
  const send = async (path: string, init: RequestInit): Promise<Response> => {
    try {
      const response = await fetch(`${base}${path}`, { ...init, headers: { ...headers, ...init.headers } });
      if (response.ok) return response;
      throw new ServerError(response.status, await faultOf(response));
    } catch (error) {
      if (error instanceof ServerError || init.signal?.aborted === true) throw error;
      throw new ServerError(
        null,
        `No server answers at ${base}: ${reasonOf(error)}. Start one with tramontane serve, or name another with --url.`,
        error,
      );
    }
  };
  return {
    call: async (method, path, { query = {}, json, text, bytes } = {}) => {
      const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] =>
        value === undefined ? [] : [[name, value]],
      );
      const search = pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
      const [type, body] = bodyOf({ json, text, bytes });
      const response = await send(`${path}${search}`, {
        method,
        headers: type === null ? {} : { 'Content-Type': type },
        ...(body === undefined ? {} : { body }),
      });
      const reply = await response.text();
      if (reply === '') return null;
      try {
        return parseJson(reply);
      } catch (error) {
        throw new ServerError(
          response.status,
          `${base} answers with something that is no JSON: is it a server of workflows?`,
          error,
        );
      }
    },
    text: async (path) => (await send(path, {})).text(),
    open: (path, more, signal) => send(path, { headers: { Accept: 'text/event-stream', ...more }, signal }),
  };
}

function bodyOf({
  json,
  text,
  bytes,
}: {
  readonly json: Call['json'] | undefined;
  readonly text: string | undefined;
  readonly bytes: Uint8Array | undefined;
}): readonly [type: string | null, body?: string | Uint8Array<ArrayBuffer>] {
  if (json !== undefined) return ['application/json', stringifyJson(json)];
  if (text !== undefined) return ['text/plain', text];
  return bytes === undefined ? [null] : ['application/octet-stream', new Uint8Array(bytes)];
}

async function faultOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const body = parseJson(text);
    if (isJsonObject(body) && typeof body['faultstring'] === 'string') return body['faultstring'];
    // The envelope of clusters (spec/cluster.md §1.2).
    if (isJsonObject(body) && typeof body['error'] === 'string' && body['status'] === 'FAIL') return body['error'];
  } catch {
    // Not of this API.
  }
  return `The server answered with status ${response.status}: ${text.slice(0, 200)}`;
}

/** `fetch` says no more than that it failed; its cause does. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  const code = 'code' in cause ? String(cause.code) : '';
  return cause.message === '' ? code : cause.message;
}
