import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** The way from one process to one server: it can be cut, and be made to swallow everything for a while. */
export interface Proxy {
  readonly port: number;
  /** Every connection ends at once; new ones are taken. */
  cut(): void;
  /** Nothing comes through, and nobody is told: as a cable that was pulled. */
  block(): void;
  /** Lets through what comes from now on; connections from before are cut, since bytes of them are lost. */
  unblock(): void;
  close(): Promise<void>;
}

/** @param targets ports; connections go to them in turn. */
export async function startProxy(...targets: readonly number[]): Promise<Proxy> {
  let turn = 0;
  const pairs = new Set<readonly [Socket, Socket]>();
  let isBlocked = false;
  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  const server = createServer({ noDelay: true }, (inner) => {
    // A connection that is made meanwhile goes nowhere.
    const outer = connect({ port: targets[turn++ % targets.length] ?? 0, host: '127.0.0.1', noDelay: true });
    const pair = [inner, outer] as const;
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      inner.destroy();
      outer.destroy();
    };
    pass(inner, outer, () => isBlocked);
    pass(outer, inner, () => isBlocked);
    for (const socket of pair) {
      socket.on('error', end);
      socket.on('close', end);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    block: () => {
      isBlocked = true;
    },
    unblock: () => {
      isBlocked = false;
      cut();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}

function pass(from: Socket, to: Socket, isBlocked: () => boolean): void {
  from.on('data', (bytes) => {
    if (isBlocked()) return;
    if (!to.write(bytes)) {
      from.pause();
      to.once('drain', () => from.resume());
    }
  });
}
