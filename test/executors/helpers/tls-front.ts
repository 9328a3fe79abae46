import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { projectRoot } from '../../helpers/project.ts';

/** Of an authority of our own: its certificate, another authority's, and one for a server on 127.0.0.1 and one for a client by the first. */
export const tlsFile = (name: 'ca.pem' | 'other.pem' | 'server.pem' | 'server.key' | 'client.pem' | 'client.key') =>
  join(projectRoot, 'test/executors/fixtures/tls', name);

export interface TlsFront {
  readonly url: string;
  /** `METHOD /path` of what has come through with the right credentials. */
  readonly passed: readonly string[];
  /** Requests whatever they brought along. */
  readonly seen: readonly string[];
  close(): Promise<void>;
}

/** A proxy with TLS and credentials before a server that has neither, as those in front of JobManagers. */
export async function startTlsFront(
  target: string,
  wants: { readonly authorization?: string; readonly clientCertificate?: boolean } = {},
): Promise<TlsFront> {
  const passed: string[] = [];
  const seen: string[] = [];
  const server = createServer(
    {
      key: readFileSync(tlsFile('server.key')),
      cert: readFileSync(tlsFile('server.pem')),
      ...(wants.clientCertificate === true && {
        ca: readFileSync(tlsFile('ca.pem')),
        requestCert: true,
        rejectUnauthorized: true,
      }),
    },
    (request, response) => {
      const line = `${request.method} ${request.url}`;
      seen.push(line);
      const { authorization, ...headers } = request.headers;
      if (wants.authorization !== undefined && authorization !== wants.authorization) {
        response.writeHead(401, { 'content-type': 'text/html' }).end('<html><h1>Authorization Required</h1></html>');
        request.resume();
        return;
      }
      passed.push(line);
      const asked = httpRequest(`${target}${request.url}`, { method: request.method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      asked.once('error', () => response.writeHead(502).end('<html>Bad Gateway</html>'));
      request.pipe(asked);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
