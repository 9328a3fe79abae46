import { createServer } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../engine/errors.ts';
import { fault } from './errors.ts';

export interface ServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Lets a server without authentication listen for the whole network. */
  readonly insecure: boolean;
  /** For tests: how slow clients may be. */
  readonly patience?: Patience;
}

/** Milliseconds that clients may take. */
export interface Patience {
  /** To send the address and the headers of a request, and all of it. */
  readonly headers: number;
  readonly request: number;
  /** To take anything of an answer that is complete: until then it stays in memory. */
  readonly unread: number;
}

export interface RunningServer {
  /** `http://host:port` */
  readonly url: string;
  /**
   * Takes no new connections and waits for the requests under way; idle connections are closed at once, and what has not come
   * to an end after `graceMilliseconds` as well.
   */
  close(graceMilliseconds?: number): Promise<void>;
}

/** @throws EngineError NOT_ALLOWED for an address beyond this machine without `insecure`; UNAVAILABLE when the port is taken. */
export async function listen(
  handler: RequestListener,
  { host, port, insecure, patience = PATIENCE }: ServerOptions,
): Promise<RunningServer> {
  if (!isLoopback(host) && !insecure) {
    throw new EngineError(
      'NOT_ALLOWED',
      `Everybody who reaches ${host} could run workflows, since there is no authentication. Listen on 127.0.0.1, tell callers apart with --auth, or add --insecure if the network is trusted.`,
    );
  }
  const server = createServer(
    {
      requestTimeout: patience.request,
      headersTimeout: patience.headers,
      connectionsCheckingInterval: Math.min(30_000, patience.headers),
    },
    handler,
  );
  server.prependListener('request', (_request, response: ServerResponse) => endUnread(response, patience.unread));
  server.on('clientError', refuseConnection);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const actualPort = address !== null && typeof address === 'object' ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`,
    close: (grace = GRACE_MILLISECONDS) => closeServer(server, grace),
  };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

const PATIENCE: Patience = { headers: 30_000, request: 120_000, unread: 60_000 };
const GRACE_MILLISECONDS = 5_000;

function closeServer(server: Server, grace: number): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => server.closeAllConnections(), grace);
    server.close(() => {
      clearTimeout(late);
      resolve();
    });
    server.closeIdleConnections();
  });
}

/**
 * A connection over which a complete answer makes no way ends. While an answer is worked out, or goes on as a stream, nothing need
 * move: those that wait for an action wait for an hour, and streams end those who do not read.
 */
function endUnread(response: ServerResponse, milliseconds: number): void {
  response.once('prefinish', () => response.socket?.setTimeout(milliseconds));
  // Before Node's own, which lets an idle connection wait for the next request for as long as it may.
  response.prependOnceListener('finish', () => response.socket?.setTimeout(0));
}

/** What is no HTTP, or takes too long or too much, never becomes a request: it is answered here, and the connection ends. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [line, text] = REFUSALS[error.code ?? ''] ?? ['400 Bad Request', 'This is no valid HTTP request.'];
  const body = JSON.stringify(fault(Number(line.slice(0, 3)), text).body);
  socket.end(
    `HTTP/1.1 ${line}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const REFUSALS: Readonly<Record<string, readonly [line: string, text: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'The address and the headers together are larger than the limit of 16 KiB.',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not arrive in time.'],
};

function listenError(error: NodeJS.ErrnoException, host: string, port: number): EngineError {
  const why =
    error.code === 'EADDRINUSE'
      ? 'the port is in use; choose another one with --port'
      : error.code === 'EACCES'
        ? 'the port needs more rights; choose one above 1023 with --port'
        : error.message;
  return new EngineError('UNAVAILABLE', `Cannot listen on ${host}:${port}: ${why}`, { cause: error });
}
