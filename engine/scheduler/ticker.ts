import type { Logger } from '../log.ts';
import type { Clock } from '../shell/clock.ts';

// After a fault, such as a database that cannot be reached.
const RETRY_MILLISECONDS = 5_000;
// Clocks may be set, and Node's timers end at 2^31 ms.
const LONGEST_SLEEP = 3_600_000;

/** Work that is done again and again, never twice at a time. */
export class Ticker {
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly what: string;
  private readonly work: () => Promise<number>;
  private running: Promise<void> | null = null;
  private cancelSleep: (() => void) | null = null;
  private started = false;
  private closed = false;
  private again = false;

  /**
   * @param what for the log: "<what> failed".
   * @param work resolves with the milliseconds until it wants to be done again.
   */
  constructor(clock: Clock, log: Logger, what: string, work: () => Promise<number>) {
    this.clock = clock;
    this.log = log;
    this.what = what;
    this.work = work;
  }

  start(): void {
    this.started = true;
    this.wake();
  }

  /** Does the work now, or once more if it is under way. Does nothing before `start`. */
  wake(): void {
    if (!this.started || this.closed) return;
    if (this.running !== null) {
      this.again = true;
      return;
    }
    this.cancelSleep?.();
    this.cancelSleep = null;
    this.running = this.run();
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.running !== null) await this.running;
  }

  /** Finishes what is under way, and does no more. */
  async close(): Promise<void> {
    this.closed = true;
    this.cancelSleep?.();
    await this.idle();
  }

  private async run(): Promise<void> {
    let pause: number;
    do {
      this.again = false;
      pause = await this.work().catch((error: unknown) => {
        if (!this.closed) this.log.warn(`${this.what} failed; it is tried again`, { error });
        return RETRY_MILLISECONDS;
      });
    } while ((this.again || pause <= 0) && !this.closed);
    this.running = null;
    if (this.closed) return;
    this.cancelSleep = this.clock.after(Math.min(pause, LONGEST_SLEEP), () => {
      this.cancelSleep = null;
      this.wake();
    });
  }
}
