import { isJsonObject, stringifyJson, type Json, type JsonObject } from '../../dsl/json.ts';
import type { Logger } from '../log.ts';
import type { Store } from '../store/connection.ts';
import { deleteNotifications, pendingNotifications } from '../store/notifications.ts';
import type { NotificationRow } from '../store/notifications.ts';
import type { Clock } from './clock.ts';
import { invalid } from './requests/answers.ts';

/** Where notifications can go: what `type` in an entry of `params.notify` names. */
export interface Publisher {
  /** Faults of the options, to complete "The publisher 'x' …"; null when they will do. */
  check(options: JsonObject): string | null;
  /** Hands one event on; rejects when that failed and should be tried again. May happen twice with the same event. */
  publish(payload: JsonObject, options: JsonObject, signal: AbortSignal): Promise<void>;
}

export type Publishers = ReadonlyMap<string, Publisher>;

export interface NotifierOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly publishers: Publishers;
  /** Other nodes deliver what they stored; what they leave is taken over after a while, and may then arrive twice. */
  readonly isShared: boolean;
}

// Between the attempts for one event; then it is given up, as failures of notifications must never hold up workflows.
const PAUSES = [1_000, 5_000, 30_000, 120_000];
const OTHERS_TIME = 600_000;
const LOOK_AT_OTHERS = 60_000;
const READ_AGAIN = 5_000;
const AT_ONCE = 20;
// What waits beyond this is read from the database when its turn comes.
const IN_MEMORY = 5_000;

/**
 * Delivers notifications: at least once, those of one execution to one publisher in order. They were stored together with what they
 * tell of, so none is lost (spec/engine.md §22).
 */
export class Notifier {
  private readonly options: NotifierOptions;
  /** By execution and publisher; the first of each is under way. */
  private readonly lanes = new Map<string, NotificationRow[]>();
  private readonly known = new Set<string>();
  private readonly ready: string[] = [];
  private readonly stop = new AbortController();
  private readonly cancels = new Set<() => void>();
  private active = 0;
  /** There are more in the database than in memory. */
  private overflows = false;
  private reading: Promise<void> | null = null;
  private readonly idleWaiters: (() => void)[] = [];

  constructor(options: NotifierOptions) {
    this.options = options;
  }

  /** Takes up what an earlier process did not deliver. */
  start(): void {
    this.overflows = true;
    this.refill();
    if (this.options.isShared && !this.stop.signal.aborted) this.later(LOOK_AT_OTHERS, () => this.start());
  }

  /** What a committed batch stored. */
  add(rows: readonly NotificationRow[]): void {
    for (const row of rows) {
      // Whatever is read comes first.
      if (this.overflows || this.reading !== null || this.known.size >= IN_MEMORY) this.overflows = true;
      else this.queue(row);
    }
    this.refill();
    this.work();
  }

  /** Resolves when nothing is being delivered; what waits for another attempt does not count. */
  async idle(): Promise<void> {
    while (this.active > 0 || this.reading !== null)
      await new Promise<void>((resolve) => this.idleWaiters.push(resolve));
  }

  /** Breaks off what is under way: it is delivered after the next start. */
  async close(): Promise<void> {
    this.stop.abort();
    for (const cancel of this.cancels) cancel();
    await this.idle();
  }

  private queue(row: NotificationRow): void {
    if (this.known.has(row.id)) return;
    this.known.add(row.id);
    const key = `${row.executionId} ${stringifyJson(row.publisher)}`;
    const lane = this.lanes.get(key);
    if (lane !== undefined) {
      lane.push(row);
      return;
    }
    this.lanes.set(key, [row]);
    this.ready.push(key);
  }

  private refill(): void {
    if (!this.overflows || this.reading !== null || this.stop.signal.aborted) return;
    if (this.known.size > IN_MEMORY / 2) return;
    // Set again by whatever is added while this reads.
    this.overflows = false;
    this.reading = this.read()
      .then(
        (rows) => {
          for (const row of rows) this.queue(row);
          if (rows.length === 2 * IN_MEMORY) this.overflows = true;
          return 0;
        },
        (error: unknown) => {
          this.options.log.warn('Notifications could not be read; that is tried again', { error });
          this.overflows = true;
          return READ_AGAIN;
        },
      )
      .then((pause) => {
        this.reading = null;
        this.work();
        if (pause === 0) this.refill();
        else this.later(pause, () => this.refill());
        this.tellIdle();
      });
  }

  private work(): void {
    while (this.active < AT_ONCE && !this.stop.signal.aborted) {
      const key = this.ready.shift();
      if (key === undefined) return;
      this.active++;
      this.deliverFirst(key)
        .catch((error: unknown) => this.options.log.error('A notification was lost to a fault', { error }))
        .finally(() => {
          this.active--;
          this.work();
          this.refill();
          this.tellIdle();
        });
    }
  }

  private async deliverFirst(key: string): Promise<void> {
    const [row] = this.lanes.get(key) ?? [];
    if (row === undefined) return;
    const isOver = await this.attempt(row, 0, key);
    if (isOver) await this.done(key, row);
  }

  /** @returns whether it is delivered or given up; else it is tried again later. */
  private async attempt(row: NotificationRow, attempt: number, key: string): Promise<boolean> {
    const { publishers, log } = this.options;
    const type = String(row.publisher['type']);
    const facts = { executionId: row.executionId, event: row.payload['event'], publisher: type };
    const publisher = publishers.get(type);
    if (publisher === undefined) {
      log.warn('A notification has no publisher: its type is not known here', facts);
      return true;
    }
    try {
      await publisher.publish(row.payload, row.publisher, this.stop.signal);
      return true;
    } catch (error) {
      if (this.stop.signal.aborted) return false;
      const pause = PAUSES[attempt];
      if (pause === undefined) {
        log.warn('A notification was given up', { ...facts, error });
        return true;
      }
      log.debug('A notification could not be delivered; it is tried again', { ...facts, error });
      this.later(pause, () => {
        this.active++;
        this.attempt(row, attempt + 1, key)
          .then((isOver) => (isOver ? this.done(key, row) : undefined))
          .catch((fault: unknown) => log.error('A notification was lost to a fault', { error: fault }))
          .finally(() => {
            this.active--;
            this.work();
            this.tellIdle();
          });
      });
      return false;
    }
  }

  private async done(key: string, row: NotificationRow): Promise<void> {
    await deleteNotifications(this.options.store.writer, [row.id]).catch((error: unknown) =>
      this.options.log.warn('A notification was delivered, and will be again after the next start', { error }),
    );
    this.known.delete(row.id);
    const lane = this.lanes.get(key);
    lane?.shift();
    if (lane !== undefined && lane.length > 0) this.ready.push(key);
    else this.lanes.delete(key);
  }

  private read(): Promise<readonly NotificationRow[]> {
    const { store, clock, isShared } = this.options;
    return pendingNotifications(store.reader, clock.now() - (isShared ? OTHERS_TIME : 0), 2 * IN_MEMORY);
  }

  private later(pause: number, callback: () => void): void {
    const cancel = this.options.clock.after(pause, () => {
      this.cancels.delete(cancel);
      callback();
    });
    this.cancels.add(cancel);
  }

  private tellIdle(): void {
    if (this.active > 0 || this.reading !== null) return;
    for (const waiter of this.idleWaiters.splice(0)) waiter();
  }
}

/** Every execution's publishers are known and have what they need. @throws EngineError INVALID_INPUT */
export function checkNotify(publishers: Publishers, notify: Json): void {
  if (!Array.isArray(notify))
    throw invalid("params.notify must be a list of publishers, such as [{'type': 'webhook'}]");
  for (const entry of notify) {
    const type = isJsonObject(entry) ? entry['type'] : undefined;
    if (!isJsonObject(entry) || typeof type !== 'string') {
      throw invalid(`An entry of params.notify must be a mapping with a 'type': ${stringifyJson(entry).slice(0, 100)}`);
    }
    const publisher = publishers.get(type);
    if (publisher === undefined) {
      throw invalid(`params.notify: there is no publisher '${type}'; known are: ${[...publishers.keys()].join(', ')}`);
    }
    const types = entry['event_types'] ?? null;
    if (types !== null && !(Array.isArray(types) && types.every((name) => typeof name === 'string'))) {
      throw invalid(`params.notify: event_types of '${type}' must be a list of names, such as ['WORKFLOW_FAILED']`);
    }
    const fault = publisher.check(entry);
    if (fault !== null) throw invalid(`params.notify: the publisher '${type}' ${fault}`);
  }
}

/** The publisher `noop`: the log. */
export function logPublisher(log: Logger): Publisher {
  return {
    check: () => null,
    publish: async (payload) => log.info('Notification', { event: payload['event'], payload }),
  };
}
