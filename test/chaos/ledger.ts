import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Random } from '../simulation/random.ts';

/**
 * The server outside that every action calls: what really ran, whatever anybody's tables say. The first part of a path says how it
 * answers: `/once/…` and `/safe/…` with a number, `/flaky/…` twice with an error before, `/later/…` at once, and whoever called is to
 * be told the number afterwards ({@link ChaosLedger.onLater}).
 */
export interface ChaosLedger {
  readonly url: string;
  /** Calls by path. */
  readonly calls: ReadonlyMap<string, number>;
  /** Who is told of the action executions that wait for their completion. */
  onLater: (actionExecutionId: string) => void;
  close(): Promise<void>;
}

/** What each call is worth: sums of it are the outputs. */
export const VALUE = 7;

const FAILURES_OF_FLAKY = 2;
const SLOWEST_ANSWER = 400;

export async function openChaosLedger(random: Random): Promise<ChaosLedger> {
  const calls = new Map<string, number>();
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '';
    const count = (calls.get(path) ?? 0) + 1;
    calls.set(path, count);
    request.resume();
    const status = path.startsWith('/flaky/') && count <= FAILURES_OF_FLAKY ? 500 : 200;
    const caller = request.headers['mistral-action-execution-id'];
    if (path.startsWith('/later/') && typeof caller === 'string') ledger.onLater(caller);
    setTimeout(
      () => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ value: VALUE }));
      },
      // Most answer soon; some are still under way when something happens to the caller.
      random.chance(0.7) ? random.int(20) : random.int(SLOWEST_ANSWER),
    );
  };
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ledger: ChaosLedger = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    onLater: () => {},
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return ledger;
}
