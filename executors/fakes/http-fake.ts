import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** What a stand-in for a server of others answers. `cut` closes the connection without an answer. */
export type FakeAnswer =
  | {
      readonly status: number;
      readonly json?: unknown;
      readonly text?: string;
      readonly type?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | 'cut';

export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  /** Of the path, decoded. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** What goes wrong with every server alike; may be changed at any time. */
export interface FakeSwitches {
  /** The next calls that start something are obeyed, and the connection is cut before the answer. */
  loseAnswers: number;
  /** The next calls that start something are cut before anything happens. */
  loseCalls: number;
  /** Every call answers 503. */
  down: boolean;
  /** Milliseconds before each answer. */
  delayMs: number;
}

export interface FakeServer {
  readonly url: string;
  /** `METHOD /path?query`, in order. */
  readonly requests: string[];
  /** The newest request, with its body. */
  newest(): FakeRequest | null;
  readonly switches: FakeSwitches;
  close(): Promise<void>;
}

/** A server on a real socket. `starts` tells which calls start a job: `loseAnswers` and `loseCalls` concern those. */
export async function startFake(options: {
  readonly port?: number;
  handle(request: FakeRequest): FakeAnswer | Promise<FakeAnswer>;
  starts(request: FakeRequest): boolean;
}): Promise<FakeServer> {
  const switches: FakeSwitches = { loseAnswers: 0, loseCalls: 0, down: false, delayMs: 0 };
  const requests: string[] = [];
  let newest: FakeRequest | null = null;
  const answerTo = async (request: FakeRequest): Promise<FakeAnswer> => {
    if (switches.down) return { status: 503, text: 'Service Unavailable' };
    if (!options.starts(request)) return options.handle(request);
    if (switches.loseCalls > 0) {
      switches.loseCalls--;
      return 'cut';
    }
    const answer = await options.handle(request);
    if (switches.loseAnswers === 0) return answer;
    switches.loseAnswers--;
    return 'cut';
  };
  const server = createServer((incoming, response) => {
    const act = async () => {
      const request = await read(incoming);
      newest = request;
      requests.push(`${request.method} ${incoming.url ?? '/'}`);
      if (switches.delayMs > 0) await pause(switches.delayMs);
      const answer = await answerTo(request);
      if (answer === 'cut') return void incoming.socket.destroy();
      const type =
        answer.type ?? (answer.json === undefined ? 'text/plain; charset=utf-8' : 'application/json;charset=utf-8');
      response.writeHead(answer.status, { 'content-type': type, ...answer.headers });
      response.end(answer.json === undefined ? (answer.text ?? '') : JSON.stringify(answer.json));
    };
    act().catch((error: unknown) => response.headersSent || response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    newest: () => newest,
    switches,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function read(incoming: IncomingMessage): Promise<FakeRequest> {
  const url = new URL(incoming.url ?? '/', 'http://fake');
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return {
    method: incoming.method ?? 'GET',
    path: url.pathname,
    parts: url.pathname
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent),
    query: url.searchParams,
    headers: incoming.headers,
    body: Buffer.concat(chunks),
  };
}

/** The body as a mapping, or null when it is something else or no JSON. */
export function mappingOf(body: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** A page of a list. */
export function pageOf<T>(rows: readonly T[], from: number, size: number): readonly T[] {
  return rows.slice(Math.max(0, from), Math.max(0, from) + size);
}
