import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server outside that counts each call: what really happened, whatever anybody's tables say. */
export interface Ledger {
  readonly url: string;
  /** Calls by path. */
  readonly calls: ReadonlyMap<string, number>;
  /** How long it takes to answer, in milliseconds. */
  delay: number;
  close(): Promise<void>;
}

export async function openLedger(): Promise<Ledger> {
  const calls = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    calls.set(path, (calls.get(path) ?? 0) + 1);
    request.resume();
    setTimeout(() => {
      response.setHeader('content-type', 'application/json');
      response.end('{"value": 1}');
    }, ledger.delay);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ledger: Ledger = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    delay: 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return ledger;
}
