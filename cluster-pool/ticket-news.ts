import type { Store } from '../engine/store/connection.ts';
import type { Signals } from './signals.ts';
import { endedTickets } from './store/waiters.ts';

/**
 * Tells those who wait in this process that their tickets wait no more. One look at the rows is for all of them: a change that serves one of
 * a thousand does not make a thousand look.
 */
export class TicketNews {
  private readonly store: Pick<Store, 'reader'>;
  private readonly signals: Signals;
  private readonly waiting = new Map<string, Set<() => void>>();
  private looking = false;

  constructor(store: Pick<Store, 'reader'>, signals: Signals) {
    this.store = store;
    this.signals = signals;
  }

  /** Resolves once the ticket has been served or is over, after so many milliseconds, or when aborted. */
  next(ticket: string, milliseconds: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const others = this.waiting.get(ticket) ?? new Set();
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        others.delete(done);
        if (others.size === 0 && this.waiting.get(ticket) === others) this.waiting.delete(ticket);
        resolve();
      };
      const timer = setTimeout(done, Math.max(10, milliseconds));
      signal.addEventListener('abort', done, { once: true });
      others.add(done);
      this.waiting.set(ticket, others);
      if (!this.looking) void this.look();
    });
  }

  /** Goes on while somebody waits. Changes that come during a look are seen by the next one. */
  private async look(): Promise<void> {
    this.looking = true;
    while (this.waiting.size > 0) {
      const changed = this.signals.next(LOOK_MS);
      // A database that cannot be asked now is asked at the next turn; whoever has waited long enough sees for himself.
      const ended = await endedTickets(this.store.reader, [...this.waiting.keys()]).catch(() => []);
      for (const ticket of ended) for (const done of this.waiting.get(ticket) ?? []) done();
      if (this.waiting.size > 0) await changed;
    }
    this.looking = false;
  }
}

/** Other nodes serve tickets, too. */
const LOOK_MS = 500;
