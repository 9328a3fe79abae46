import type { Clock } from '../../engine/shell/clock.ts';

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  private time = Date.UTC(2026, 0, 1, 12);
  private readonly waiting = new Set<{ readonly due: number; readonly callback: () => void }>();

  now(): number {
    return this.time;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const entry = { due: this.time + milliseconds, callback };
    this.waiting.add(entry);
    return () => this.waiting.delete(entry);
  }

  /** Moves on; what comes due is called in order of its time. */
  advance(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (;;) {
      const [next] = [...this.waiting].filter((entry) => entry.due <= end).toSorted((a, b) => a.due - b.due);
      if (next === undefined) break;
      this.waiting.delete(next);
      this.time = Math.max(this.time, next.due);
      next.callback();
    }
    this.time = end;
  }
}
