import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../engine/errors.ts';
import { fault } from './errors.ts';

export interface ServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Lets a server without authentication listen for the whole network. */
  readonly insecure: boolean;
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
  { host, port, insecure }: ServerOptions,
): Promise<RunningServer> {
  if (!isLoopback(host) && !insecure) {
    throw new EngineError(
      'NOT_ALLOWED',
      `Everybody who reaches ${host} could run workflows, since there is no authentication. Listen on 127.0.0.1, tell callers apart with --auth, or add --insecure if the network is trusted.`,
    );
  }
  const server = createServer({ requestTimeout: REQUEST_MILLISECONDS, headersTimeout: HEADERS_MILLISECONDS }, handler);
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

// How long a client may take to send a request, all of it and its headers.
const REQUEST_MILLISECONDS = 120_000;
const HEADERS_MILLISECONDS = 30_000;
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
