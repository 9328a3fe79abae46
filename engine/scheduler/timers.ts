import type { ExecutionId, TimerRecord } from '../core/model.ts';
import type { Clock } from '../shell/clock.ts';

type Entry = Pick<TimerRecord, 'id' | 'executionId' | 'dueAt'>;

// A longer sleep is cut: clocks may be set, and Node's timers end at 2^31 ms.
const LONGEST_SLEEP = 3_600_000;
// Time-outs of a day whose tasks take a second must not pile up.
const SMALLEST_SWEEP = 1_000;

/**
 * The timers that this node fires (design.md §6): a heap by due time over rows of the store. Firing hands the id on; the row is
 * deleted in the transaction that uses it, so firing twice is harmless and a lost heap is read again at the next start.
 */
export class TimerHeap {
  private readonly clock: Clock;
  private readonly fire: (timer: Entry) => void;
  private readonly heap: Entry[] = [];
  private readonly known = new Set<string>();
  private cancelSleep: (() => void) | null = null;
  private sleepsUntil = Number.POSITIVE_INFINITY;
  private closed = false;

  constructor(clock: Clock, fire: (timer: { readonly id: string; readonly executionId: ExecutionId }) => void) {
    this.clock = clock;
    this.fire = fire;
  }

  /** Places that are taken in memory. */
  get places(): number {
    return this.heap.length;
  }

  add(timer: Entry): void {
    if (this.closed || this.known.has(timer.id)) return;
    this.known.add(timer.id);
    this.heap.push(timer);
    this.rise(this.heap.length - 1);
    this.sleep();
  }

  /** Taken back: it will not fire. Its place in the heap is emptied when it comes up, or when most places are empty. */
  remove(id: string): void {
    this.known.delete(id);
    if (this.heap.length > SMALLEST_SWEEP && this.known.size * 2 < this.heap.length) this.sweep();
  }

  private sweep(): void {
    const left = this.heap.filter((timer) => this.known.has(timer.id));
    this.heap.length = 0;
    for (const timer of left) {
      this.heap.push(timer);
      this.rise(this.heap.length - 1);
    }
  }

  close(): void {
    this.closed = true;
    this.cancelSleep?.();
    this.heap.length = 0;
    this.known.clear();
  }

  private sleep(): void {
    const [next] = this.heap;
    if (next === undefined || next.dueAt >= this.sleepsUntil) return;
    this.cancelSleep?.();
    this.sleepsUntil = next.dueAt;
    const delay = Math.min(Math.max(0, next.dueAt - this.clock.now()), LONGEST_SLEEP);
    this.cancelSleep = this.clock.after(delay, () => this.fireDue());
  }

  private fireDue(): void {
    this.sleepsUntil = Number.POSITIVE_INFINITY;
    this.cancelSleep = null;
    const now = this.clock.now();
    for (let next = this.heap[0]; next !== undefined && next.dueAt <= now; next = this.heap[0]) {
      this.pop();
      if (this.known.delete(next.id)) this.fire(next);
    }
    this.sleep();
  }

  private pop(): void {
    const last = this.heap.pop();
    if (last === undefined || this.heap.length === 0) return;
    this.heap[0] = last;
    this.sink(0);
  }

  private rise(at: number): void {
    for (let child = at; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (!this.swapIfLater(parent, child)) return;
      child = parent;
    }
  }

  private sink(at: number): void {
    for (let parent = at; ; ) {
      const left = 2 * parent + 1;
      const right = left + 1;
      const child = isLater(this.heap[left], this.heap[right]) ? right : left;
      if (child >= this.heap.length || !this.swapIfLater(parent, child)) return;
      parent = child;
    }
  }

  private swapIfLater(parent: number, child: number): boolean {
    const above = this.heap[parent];
    const below = this.heap[child];
    if (above === undefined || below === undefined || !isLater(above, below)) return false;
    this.heap[parent] = below;
    this.heap[child] = above;
    return true;
  }
}

/** Of two that are due at the same time the one that was set first goes first, also after a restart: ids are in that order. */
function isLater(a: Entry | undefined, b: Entry | undefined): boolean {
  if (a === undefined || b === undefined) return a === undefined && b !== undefined;
  return a.dueAt === b.dueAt ? a.id > b.id : a.dueAt > b.dueAt;
}
