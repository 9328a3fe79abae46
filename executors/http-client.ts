import { STATUS_CODES } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib';
import type { buildConnector, Dispatcher } from 'undici';
import { TramontaneError } from '../dsl/errors.ts';
import { sleep } from './sleep.ts';
import { checkedConnector, checkedLookup, EgressError, type EgressPolicy } from './egress.ts';
import { undici } from './undici.ts';

export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | { readonly stream: AsyncIterable<Uint8Array>; readonly length: number };
  /** For the whole exchange with all redirects; null for no limit. */
  readonly timeoutMs: number | null;
  readonly signal?: AbortSignal;
  readonly followRedirects?: boolean;
  /** Larger answers are an error (`too-large`). */
  readonly maxBytes: number;
  /** The content of an answer with status 200 is written into this file instead of memory. */
  readonly saveTo?: string;
  readonly tls?: TlsOptions;
  /** Proxy by scheme of the request's URL. */
  readonly proxies?: Readonly<Record<string, string>>;
}

export interface TlsOptions {
  /** False: any certificate will do. */
  readonly verify?: boolean;
  /** PEM text of authorities to trust instead of the usual ones. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface HttpResponse {
  readonly status: number;
  readonly reason: string;
  /** As the server wrote the names, in its order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Of the last hop. */
  readonly url: string;
  readonly history: readonly { readonly status: number; readonly url: string }[];
  readonly body: Buffer;
  readonly elapsedMs: number;
}

export interface HttpClient {
  /** One exchange, whatever its status. @throws RemoteError when there is no whole answer; EgressError when the policy refuses. */
  exchange(request: HttpRequest): Promise<HttpResponse>;
  close(): Promise<void>;
}

export type RemoteFault =
  | 'refused'
  | 'reset'
  | 'timeout'
  | 'aborted'
  | 'too-large'
  | 'blocked'
  | 'tls'
  | 'bad-url'
  | 'status'
  | 'other';

/** The other side did not give a usable answer. */
export class RemoteError extends TramontaneError {
  override readonly name = 'RemoteError';
  readonly fault: RemoteFault;
  /** Of the answer, when there is one. */
  readonly status: number | null;
  /** The first characters of the answer. */
  readonly excerpt: string;
  /** Whether the request certainly never reached the server. */
  readonly notSent: boolean;

  constructor(
    fault: RemoteFault,
    message: string,
    options: { status?: number; excerpt?: string; notSent?: boolean; cause?: unknown } = {},
  ) {
    super('REMOTE', message, { cause: options.cause });
    this.fault = fault;
    this.status = options.status ?? null;
    this.excerpt = (options.excerpt ?? '').slice(0, 500);
    this.notSent = options.notSent ?? false;
  }
}

/** With a policy for addresses that come from users; null for configured connections. */
export function createHttpClient(policy: EgressPolicy | null): HttpClient {
  const agents = new Map<string, Dispatcher>();
  const agentFor = (tls: TlsOptions): Dispatcher => {
    const key = JSON.stringify(tls);
    let agent = agents.get(key);
    if (agent === undefined) agents.set(key, (agent = createAgent(policy, tls)));
    return agent;
  };
  return {
    async exchange(request) {
      if (request.proxies === undefined) return exchange(request, () => agentFor(request.tls ?? {}));
      // Proxies are rare and come from users: none of their connections outlives its request.
      const made: Dispatcher[] = [];
      const dispatcherFor = (url: URL) => {
        const proxy = request.proxies?.[url.protocol.slice(0, -1)];
        if (proxy === undefined) return agentFor(request.tls ?? {});
        const agent = createProxyAgent(policy, toUrl(proxy), request.tls ?? {}, url.protocol === 'https:');
        made.push(agent);
        return agent;
      };
      try {
        return await exchange(request, dispatcherFor);
      } finally {
        for (const agent of made) void agent.destroy();
      }
    },
    async close() {
      await Promise.all([...agents.values()].map((agent) => agent.destroy()));
      agents.clear();
    },
  };
}

/** Repeats what may be repeated while it fails in passing, with pauses of 1, 2, 4 … 30 s, for at most `forMs`. */
export async function withRetry<T>(
  attempt: () => Promise<T>,
  options: {
    readonly forMs: number;
    readonly signal: AbortSignal;
    readonly firstPauseMs?: number;
    /** Which failures pass; default {@link isPassing}. */
    readonly isPassing?: (error: unknown) => boolean;
  },
): Promise<T> {
  const passes = options.isPassing ?? isPassing;
  const until = Date.now() + options.forMs;
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const pause = Math.min(30_000, (options.firstPauseMs ?? 1000) * 2 ** tries) * (0.75 + Math.random() / 2);
      if (!passes(error) || Date.now() + pause > until) throw error;
      await sleep(pause, options.signal);
    }
  }
}

/** @throws RemoteError for 502, 503 and 504, which another try may not meet again. */
export function passingStatus(answer: HttpResponse): HttpResponse {
  if (![502, 503, 504].includes(answer.status)) return answer;
  const excerpt = answer.body.toString('utf8');
  throw new RemoteError('status', `${answer.url} answered ${answer.status} ${answer.reason}.`, {
    status: answer.status,
    excerpt,
  });
}

/** Whether the other side may answer a little later. */
export function isPassing(error: unknown): boolean {
  return error instanceof RemoteError && ['refused', 'reset', 'timeout', 'status'].includes(error.fault);
}

async function exchange(request: HttpRequest, dispatcherFor: (url: URL) => Dispatcher): Promise<HttpResponse> {
  const startedMs = performance.now();
  const timer = new AbortController();
  const timeout = request.timeoutMs === null ? null : setTimeout(() => timer.abort(), request.timeoutMs);
  const signal = request.signal === undefined ? timer.signal : AbortSignal.any([timer.signal, request.signal]);
  const stopped = rejectOn(signal);
  const history: { status: number; url: string }[] = [];
  let hop: HttpRequest = request;
  try {
    for (;;) {
      const url = toUrl(hop.url);
      const answering = undici().request(url, {
        dispatcher: dispatcherFor(url),
        method: hop.method as Dispatcher.HttpMethod,
        headers: toHeaders(hop),
        body: toBody(hop),
        signal,
        responseHeaders: 'raw',
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      // A tunnel that its proxy refuses again and again never settles by itself, whatever the signal says.
      const answer = await Promise.race([answering, stopped]);
      const headers = pairsOf(answer.headers as unknown as readonly string[]);
      const next = request.followRedirects === true ? redirect(hop, answer.statusCode, headers) : null;
      if (next === null) {
        const saveTo = answer.statusCode === 200 ? request.saveTo : undefined;
        if (saveTo !== undefined) await saveBody(answer.body, saveTo, request.maxBytes);
        const body =
          saveTo !== undefined
            ? Buffer.alloc(0)
            : await decode(await readBody(answer.body, headers, request.maxBytes), headers, request.maxBytes);
        return {
          status: answer.statusCode,
          reason: answer.statusText || (STATUS_CODES[answer.statusCode] ?? ''),
          headers,
          url: url.href,
          history,
          body,
          elapsedMs: performance.now() - startedMs,
        };
      }
      await answer.body.dump();
      history.push({ status: answer.statusCode, url: url.href });
      if (history.length > MOST_REDIRECTS) throw new RemoteError('other', `Exceeded ${MOST_REDIRECTS} redirects.`);
      hop = next;
    }
  } catch (error) {
    throw toRemoteError(error, request, timer.signal.aborted);
  } finally {
    if (timeout !== null) clearTimeout(timeout);
  }
}

const MOST_REDIRECTS = 30;

function createAgent(policy: EgressPolicy | null, tls: TlsOptions): Dispatcher {
  const options = toConnectOptions(tls);
  const connect = policy === null ? undici().buildConnector(options) : checkedConnector(policy, options);
  return new (undici().Agent)({ connect, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 4000 });
}

function createProxyAgent(policy: EgressPolicy | null, proxy: URL, tls: TlsOptions, isTunnelled: boolean): Dispatcher {
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  // The agent connects to an address without looking it up, so it is checked here; names are checked when they are looked up.
  const refusal = policy === null || isIP(host) === 0 ? null : policy.refusal(host, host);
  if (refusal !== null) throw refusal;
  const options = toConnectOptions(tls);
  return new (undici().ProxyAgent)({
    uri: proxy.href,
    // Only https needs a tunnel; many proxies refuse one to other ports.
    proxyTunnel: isTunnelled,
    requestTls: options,
    proxyTls: policy === null ? options : { ...options, lookup: checkedLookup(policy) },
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

function toConnectOptions(tls: TlsOptions): buildConnector.BuildOptions {
  return {
    timeout: CONNECT_TIMEOUT_MS,
    ...(tls.verify === false && { rejectUnauthorized: false }),
    ...(tls.ca !== undefined && { ca: tls.ca }),
    ...(tls.cert !== undefined && { cert: tls.cert }),
    ...(tls.key !== undefined && { key: tls.key }),
  };
}

/** Never resolves; rejects when the signal is aborted. */
function rejectOn(signal: AbortSignal): Promise<never> {
  const rejected = new Promise<never>((_, reject) => {
    const stop = () => reject(new Error('The request was stopped.'));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  rejected.catch(() => {});
  return rejected;
}

const CONNECT_TIMEOUT_MS = 10_000;

function toUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null)
    throw new RemoteError('bad-url', `'${text}' is no URL; it should look like http://host/path.`, { notSent: true });
  if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  throw new RemoteError('bad-url', `URL scheme '${url.protocol.slice(0, -1)}' is not allowed; use http or https.`, {
    notSent: true,
  });
}

function toHeaders(request: HttpRequest): Record<string, string> {
  const headers: Record<string, string> = {
    'accept-encoding': 'gzip, deflate',
    accept: '*/*',
    'user-agent': 'tramontane',
  };
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    for (const other of Object.keys(headers)) if (other.toLowerCase() === name.toLowerCase()) delete headers[other];
    headers[name] = value;
  }
  if (typeof request.body === 'object' && 'stream' in request.body)
    headers['content-length'] = String(request.body.length);
  return headers;
}

function toBody(request: HttpRequest): string | Uint8Array | Readable | null {
  const { body } = request;
  if (body === undefined) return null;
  return typeof body === 'object' && 'stream' in body ? Readable.from(body.stream, { objectMode: false }) : body;
}

/** The next hop, or null: as browsers and the reference's library do, POST becomes GET on 301 to 303, and other hosts get no credentials. */
function redirect(from: HttpRequest, status: number, headers: HttpResponse['headers']): HttpRequest | null {
  const location = headerOf(headers, 'location');
  if (location === undefined || ![301, 302, 303, 307, 308].includes(status)) return null;
  const target = new URL(location, from.url);
  const becomesGet = status === 303 ? from.method !== 'HEAD' : status < 303 && from.method === 'POST';
  const dropped = new Set<string>([
    ...(becomesGet ? ['content-length', 'content-type', 'transfer-encoding'] : []),
    ...(target.origin === new URL(from.url).origin ? [] : ['authorization', 'cookie', 'proxy-authorization']),
  ]);
  const kept = Object.entries(from.headers ?? {}).filter(([name]) => !dropped.has(name.toLowerCase()));
  const { body, ...rest } = from;
  const next = { ...rest, url: target.href, headers: Object.fromEntries(kept) };
  if (becomesGet) return { ...next, method: 'GET' };
  return body === undefined ? next : { ...next, body };
}

async function readBody(
  body: AsyncIterable<Uint8Array>,
  headers: HttpResponse['headers'],
  maxBytes: number,
): Promise<Buffer> {
  const declared = Number(headerOf(headers, 'content-length') ?? 0);
  if (declared > maxBytes) throw tooLarge(`Content-Length=${declared}`, maxBytes);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw tooLarge(`more than ${maxBytes} bytes`, maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function saveBody(body: AsyncIterable<Uint8Array>, path: string, maxBytes: number): Promise<void> {
  let length = 0;
  const bounded = async function* () {
    for await (const chunk of body) {
      length += chunk.length;
      if (length > maxBytes) throw tooLarge(`more than ${maxBytes} bytes`, maxBytes);
      yield chunk;
    }
  };
  await writeFile(path, bounded());
}

async function decode(body: Buffer, headers: HttpResponse['headers'], maxBytes: number): Promise<Buffer> {
  const encoding = headerOf(headers, 'content-encoding')?.trim().toLowerCase();
  const options = { maxOutputLength: maxBytes };
  if (body.length === 0) return body;
  try {
    if (encoding === 'gzip' || encoding === 'x-gzip') return await promisify(gunzip)(body, options);
    if (encoding === 'br') return await promisify(brotliDecompress)(body, options);
    // Some servers send "deflate" without its header.
    if (encoding === 'deflate')
      return await promisify(((body[0] ?? 0) & 15) === 8 ? inflate : inflateRaw)(body, options);
    return body;
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge('unpacked', maxBytes);
    throw error;
  }
}

function tooLarge(what: string, maxBytes: number): RemoteError {
  return new RemoteError('too-large', `HTTP response is too large (${what}, limit=${maxBytes} bytes).`);
}

function pairsOf(raw: readonly string[]): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([String(raw[i]), String(raw[i + 1])]);
  return pairs;
}

/** The first header of that name, written in any case. */
export function headerOf(headers: HttpResponse['headers'], name: string): string | undefined {
  return headers.find(([key]) => key.toLowerCase() === name)?.[1];
}

function toRemoteError(error: unknown, request: HttpRequest, timedOut: boolean): Error {
  if (error instanceof RemoteError || error instanceof EgressError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  const blocked = findCause(cause, (one) => one instanceof EgressError);
  if (blocked !== undefined) return blocked;
  const code = codeOf(findCause(cause, (one) => codeOf(one) !== '') ?? cause);
  if (timedOut)
    return new RemoteError('timeout', `No answer within ${(request.timeoutMs ?? 0) / 1000} seconds.`, { cause });
  if (request.signal?.aborted === true) return new RemoteError('aborted', 'The request was stopped.', { cause });
  const origin = URL.canParse(request.url) ? new URL(request.url).host : request.url;
  const message = `${cause.message || code || cause.name} (${origin})`;
  if (
    ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'].includes(code)
  ) {
    return new RemoteError('refused', message, { cause, notSent: true });
  }
  if (['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'ETIMEDOUT'].includes(code))
    return new RemoteError('reset', message, { cause });
  if (UNTRUSTED.test(code))
    return new RemoteError('tls', `The certificate of ${origin} is not trusted: ${cause.message || code}`, { cause });
  return new RemoteError(/TLS|SSL|^EPROTO$/.test(code) ? 'tls' : 'other', message, { cause });
}

/** Codes of Node for certificates, most of them OpenSSL's. */
const UNTRUSTED =
  /CERT_|_CERT|SELF_SIGNED|LEAF_SIGNATURE|^(?:INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|HOSTNAME_MISMATCH)$/;

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function findCause(error: Error, matches: (one: Error) => boolean): Error | undefined {
  const seen = new Set<unknown>();
  const queue: unknown[] = [error];
  for (let one = queue.shift(); one instanceof Error && !seen.has(one); one = queue.shift()) {
    if (matches(one)) return one;
    seen.add(one);
    queue.push(one.cause, ...(one instanceof AggregateError ? one.errors : []));
  }
  return undefined;
}
