import type { Clock } from '../shell/clock.ts';
import type { RateLimit } from './queue.ts';

/** Lets so many pass within each span of time, which begins with the first one of it; the others wait in order. BullMQ counts alike. */
export class RateGate {
  private readonly clock: Clock;
  private readonly limit: RateLimit;
  private waiting: (() => void)[] = [];
  private passed = 0;
  private cancel: (() => void) | null = null;

  constructor(clock: Clock, limit: RateLimit) {
    this.clock = clock;
    this.limit = limit;
  }

  pass(go: () => void): void {
    if (this.passed < this.limit.max) this.let(go);
    else this.waiting.push(go);
  }

  /** What waits is let go of: it does not pass. */
  close(): void {
    this.waiting = [];
    this.passed = 0;
    this.cancel?.();
    this.cancel = null;
  }

  private let(go: () => void): void {
    this.passed++;
    this.cancel ??= this.clock.after(this.limit.seconds * 1000, () => this.beginSpan());
    go();
  }

  private beginSpan(): void {
    this.cancel = null;
    this.passed = 0;
    for (const go of this.waiting.splice(0, this.limit.max)) this.let(go);
  }
}
