import type { Event, ExecutionId } from '../core/model.ts';
import type { ExecutionView } from '../core/view.ts';

/** One event on its way to one execution. */
export interface WorkItem {
  readonly executionId: ExecutionId;
  readonly event: Event;
  /** A view that is not stored yet: the event makes the execution's row. */
  readonly create: ExecutionView | null;
  /** The outbox row that carried the event; it is deleted in the transaction that uses it. */
  readonly outboxId: string | null;
  readonly lane: Lane;
  /** Called with the view right after this event was folded in, before any other. */
  readonly onDecided: (view: ExecutionView) => void;
  /** Called after the commit. */
  readonly onDone: (outcome: Outcome) => void;
  readonly onFailed: (error: Error) => void;
  /** The event that this one follows in the same batch: both fail or neither, and whoever repeats the first makes this one again. */
  readonly origin: WorkItem | null;
  /** How often deciding or writing it went wrong. */
  failures: number;
  /** Somebody else has this execution's row: look at it before making one. */
  mustLoad: boolean;
  /** The outbox row is gone: somebody else has acted on the event. */
  isUsedUp: boolean;
}

export type Outcome =
  | { readonly kind: 'committed' }
  | { readonly kind: 'ignored'; readonly why: string }
  | {
      readonly kind: 'refused';
      readonly code: 'INVALID_STATE' | 'INVALID_INPUT' | 'NOT_ALLOWED';
      readonly message: string;
    }
  /** There is no such execution. */
  | { readonly kind: 'missing' };

/** Requests of people have a lane of their own, so that they never wait behind a flood of results (design.md §2). */
export type Lane = 'api' | 'engine';

// So that a batch has an end.
const MOST_REQUESTS = 500;

function sizeOf(batch: ReadonlyMap<ExecutionId, readonly WorkItem[]>): number {
  let size = 0;
  for (const items of batch.values()) size += items.length;
  return size;
}

const NOBODY: ReadonlySet<ExecutionId> = new Set();

/**
 * Waiting events: executions take turns, events of one execution stay in order.
 */
export class Intake {
  private readonly lanes: Record<Lane, Map<ExecutionId, WorkItem[]>> = { api: new Map(), engine: new Map() };
  private waiting = 0;

  get size(): number {
    return this.waiting;
  }

  add(item: WorkItem): void {
    this.waiting++;
    const { api, engine } = this.lanes;
    const waiting = engine.get(item.executionId);
    // One execution waits in one lane only, or its events would change their order: a person's request takes all of them along.
    if (item.lane === 'api' && waiting !== undefined) {
      engine.delete(item.executionId);
      api.set(item.executionId, waiting);
    }
    const lane = api.has(item.executionId) ? api : this.lanes[item.lane];
    const list = lane.get(item.executionId);
    if (list === undefined) lane.set(item.executionId, [item]);
    else list.push(item);
  }

  /** Puts items back in front of everything else of their execution. */
  putBack(items: readonly WorkItem[]): void {
    for (const item of items.toReversed()) {
      this.waiting++;
      const isWaiting = this.lanes.engine.get(item.executionId);
      const lane = item.lane === 'api' && isWaiting === undefined ? this.lanes.api : this.laneOf(item.executionId);
      const list = lane.get(item.executionId);
      if (list === undefined) lane.set(item.executionId, [item]);
      else list.unshift(item);
    }
  }

  private laneOf(id: ExecutionId): Map<ExecutionId, WorkItem[]> {
    return this.lanes.api.has(id) ? this.lanes.api : this.lanes.engine;
  }

  /** Whether an event waits whose execution is not busy. */
  hasFor(busy: ReadonlySet<ExecutionId>): boolean {
    for (const lane of [this.lanes.api, this.lanes.engine]) {
      for (const id of lane.keys()) if (!busy.has(id)) return true;
    }
    return false;
  }

  /**
   * Up to `limit` events of executions that are not busy, grouped by execution, one execution after the other. Requests of people
   * come first and do not count: a full batch still takes them.
   */
  take(limit: number, busy: ReadonlySet<ExecutionId> = NOBODY): Map<ExecutionId, WorkItem[]> {
    const batch = new Map<ExecutionId, WorkItem[]>();
    for (const lane of [this.lanes.api, this.lanes.engine]) {
      let left = lane === this.lanes.api ? Math.max(limit, MOST_REQUESTS) : limit - sizeOf(batch);
      for (const [id, items] of lane) {
        if (left <= 0) break;
        if (busy.has(id)) continue;
        lane.delete(id);
        const taken = items.splice(0, left);
        // What does not fit goes to the end of the round.
        if (items.length > 0) lane.set(id, items);
        batch.set(id, taken);
        left -= taken.length;
        this.waiting -= taken.length;
      }
    }
    return batch;
  }
}
