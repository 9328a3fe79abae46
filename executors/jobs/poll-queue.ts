/**
 * Which job is looked at next. Jobs wait for their due time in a heap; due ones pass in fair turns between lanes (one lane per server and kind of
 * work), each lane within its own bound and all within a common one. A lane whose server does not answer rests with growing
 * pauses and then lets a single probe through, so ten thousand jobs of a dead server cost one call now and then.
 */
export class PollQueue {
  private readonly entries = new Map<string, Entry>();
  private readonly lanes = new Map<string, Lane>();
  private readonly heap: HeapItem[] = [];
  private running = 0;
  private turn = 0;
  private readonly bounds: PollBounds;

  constructor(bounds: PollBounds) {
    this.bounds = bounds;
  }

  get size(): number {
    return this.entries.size;
  }

  /** Puts a job in, or moves it. A running one is put back by this. */
  schedule(id: string, lane: string, dueMs: number): void {
    this.leave(id);
    const entry = { id, lane, dueMs, place: 'heap' as const };
    this.entries.set(id, entry);
    push(this.heap, { dueMs, entry });
  }

  remove(id: string): void {
    this.leave(id);
    this.entries.delete(id);
  }

  has(id: string): boolean {
    return this.entries.has(id);
  }

  isRunning(id: string): boolean {
    return this.entries.get(id)?.place === 'running';
  }

  /** The jobs whose turn it is. Each counts as running until it is scheduled again or removed. */
  take(nowMs: number): string[] {
    this.fillLanes(nowMs);
    const taken: string[] = [];
    const lanes = [...this.lanes.values()].filter((lane) => lane.waiting.length > 0);
    for (let idle = 0, i = this.turn; lanes.length > 0 && idle < lanes.length && this.running < this.bounds.all; i++) {
      const lane = lanes[i % lanes.length];
      this.turn = (i + 1) % lanes.length;
      const entry = lane === undefined || !this.isOpen(lane, nowMs) ? undefined : nextOf(lane);
      if (lane === undefined || entry === undefined) {
        idle++;
        continue;
      }
      idle = 0;
      entry.place = 'running';
      lane.running++;
      this.running++;
      taken.push(entry.id);
    }
    return taken;
  }

  /** When `take` may give something again, or null when only a running job can change that. */
  nextMs(nowMs: number): number | null {
    this.fillLanes(nowMs);
    let next: number | null = this.heap[0]?.dueMs ?? null;
    if (this.running >= this.bounds.all) return null;
    for (const lane of this.lanes.values()) {
      if (lane.running >= this.capacity(lane) || !lane.waiting.some((entry) => entry.place === lane)) continue;
      next = Math.min(next ?? Number.POSITIVE_INFINITY, Math.max(nowMs, lane.restUntilMs));
    }
    return next;
  }

  /** The lane's server did not answer. */
  noteFailure(laneName: string, nowMs: number, jitter: number): void {
    const lane = this.lane(laneName);
    // Answers to calls that were under way together count once.
    if (lane.restUntilMs > nowMs) return;
    lane.failures++;
    const pause = Math.min(LONGEST_REST_MS, 1000 * 2 ** (lane.failures - 1));
    lane.restUntilMs = nowMs + pause * (0.75 + jitter / 2);
  }

  noteSuccess(laneName: string): void {
    const lane = this.lanes.get(laneName);
    if (lane === undefined) return;
    lane.failures = 0;
    lane.restUntilMs = 0;
  }

  private fillLanes(nowMs: number): void {
    for (let top = this.heap[0]; top !== undefined; top = this.heap[0]) {
      const isStale = this.entries.get(top.entry.id) !== top.entry || top.entry.place !== 'heap';
      if (!isStale && top.dueMs > nowMs) return;
      pop(this.heap);
      if (isStale) continue;
      const lane = this.lane(top.entry.lane);
      top.entry.place = lane;
      lane.waiting.push(top.entry);
    }
  }

  private leave(id: string): void {
    const entry = this.entries.get(id);
    if (entry === undefined) return;
    if (entry.place === 'running') {
      this.running--;
      this.lane(entry.lane).running--;
    }
    // What still stands in a heap or a lane is skipped there.
    entry.place = 'gone';
    const lane = this.lanes.get(entry.lane);
    if (
      lane !== undefined &&
      lane.running === 0 &&
      lane.failures === 0 &&
      !lane.waiting.some((other) => other.place === lane)
    ) {
      this.lanes.delete(entry.lane);
    }
  }

  private lane(name: string): Lane {
    let lane = this.lanes.get(name);
    if (lane === undefined) {
      lane = { name, running: 0, waiting: [], failures: 0, restUntilMs: 0 };
      this.lanes.set(name, lane);
    }
    return lane;
  }

  private isOpen(lane: Lane, nowMs: number): boolean {
    return lane.restUntilMs <= nowMs && lane.running < this.capacity(lane);
  }

  private capacity(lane: Lane): number {
    return lane.failures > 0 ? 1 : this.bounds.lane(lane.name);
  }
}

export interface PollBounds {
  /** Steps under way at once. */
  readonly all: number;
  /** Steps under way at once in this lane. */
  readonly lane: (name: string) => number;
}

const LONGEST_REST_MS = 30_000;

interface Entry {
  readonly id: string;
  readonly lane: string;
  readonly dueMs: number;
  place: 'heap' | 'running' | 'gone' | Lane;
}

interface Lane {
  readonly name: string;
  running: number;
  readonly waiting: Entry[];
  failures: number;
  restUntilMs: number;
}

interface HeapItem {
  readonly dueMs: number;
  readonly entry: Entry;
}

function nextOf(lane: Lane): Entry | undefined {
  for (let entry = lane.waiting.shift(); entry !== undefined; entry = lane.waiting.shift()) {
    if (entry.place === lane) return entry;
  }
  return undefined;
}

function push(heap: HeapItem[], item: HeapItem): void {
  let at = heap.push(item) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || above.dueMs <= item.dueMs) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = item;
}

function pop(heap: HeapItem[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    const left = heap[child];
    if (left === undefined) break;
    const right = heap[child + 1];
    if (right !== undefined && right.dueMs < left.dueMs) child++;
    const smaller = heap[child];
    if (smaller === undefined || smaller.dueMs >= last.dueMs) break;
    heap[at] = smaller;
    at = child;
  }
  heap[at] = last;
}
