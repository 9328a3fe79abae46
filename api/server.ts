import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { EngineError } from '../engine/errors.ts';

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
  /** Takes no new requests and waits for those under way; idle connections are closed. */
  close(): Promise<void>;
}

/** @throws EngineError NOT_ALLOWED for an address beyond this machine without `insecure`; UNAVAILABLE when the port is taken. */
export async function listen(
  handler: RequestListener,
  { host, port, insecure }: ServerOptions,
): Promise<RunningServer> {
  if (!isLoopback(host) && !insecure) {
    throw new EngineError(
      'NOT_ALLOWED',
      `Everybody who reaches ${host} could run workflows, since there is no authentication. Listen on 127.0.0.1, or add --insecure if the network is trusted.`,
    );
  }
  const server = createServer(handler);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const actualPort = address !== null && typeof address === 'object' ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): EngineError {
  const why =
    error.code === 'EADDRINUSE'
      ? 'the port is in use; choose another one with --port'
      : error.code === 'EACCES'
        ? 'the port needs more rights; choose one above 1023 with --port'
        : error.message;
  return new EngineError('UNAVAILABLE', `Cannot listen on ${host}:${port}: ${why}`, { cause: error });
}
