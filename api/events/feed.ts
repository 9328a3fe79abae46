import type { Knex } from 'knex';
import type { Logger } from '../../engine/log.ts';
import { lastEventSeq, readEventLog } from '../../engine/store/event-log.ts';
import type { EventLogRow } from '../../engine/store/event-log.ts';

export interface Subscriber {
  /** Entries in order of their numbers. */
  receive(entries: readonly EventLogRow[]): void;
  /** The server stops. */
  end(): void;
}

/**
 * The tail of the event log for everybody in this process who follows it: one reader, however many follow. It reads when it is
 * woken, and now and then anyway, since other nodes write too; without followers it reads nothing.
 */
export class EventFeed {
  private readonly reader: Knex;
  private readonly log: Logger;
  private readonly pollMilliseconds: number;
  readonly heartbeatMilliseconds: number;
  private readonly subscribers = new Set<Subscriber>();
  private timer: NodeJS.Timeout | null = null;
  private reading: Promise<void> | null = null;
  private wokenMeanwhile = false;
  private closed = false;
  private readonly position = new Position();

  /**
   * @param pollMilliseconds how often it looks without being woken.
   * @param heartbeatMilliseconds how often its streams write something, and ask whether they may go on.
   */
  constructor(
    reader: Knex,
    log: Logger,
    pollMilliseconds = POLL_MILLISECONDS,
    heartbeatMilliseconds = HEARTBEAT_MILLISECONDS,
  ) {
    this.reader = reader;
    this.log = log;
    this.pollMilliseconds = pollMilliseconds;
    this.heartbeatMilliseconds = heartbeatMilliseconds;
  }

  get size(): number {
    return this.subscribers.size;
  }

  /**
   * Resolves when the follower will be told of everything that commits from now on.
   *
   * @returns what ends it.
   */
  async subscribe(subscriber: Subscriber): Promise<() => void> {
    if (this.subscribers.size === 0) {
      await this.reading;
      const last = await lastEventSeq(this.reader);
      if (this.subscribers.size === 0) this.position.start(last);
    }
    if (this.closed) {
      subscriber.end();
      return () => {};
    }
    this.subscribers.add(subscriber);
    this.timer ??= setInterval(() => this.wake(), this.pollMilliseconds).unref();
    return () => {
      this.subscribers.delete(subscriber);
      if (this.subscribers.size === 0) this.stopPolling();
    };
  }

  /** Something was committed. */
  wake(): void {
    if (this.subscribers.size === 0 || this.closed) return;
    if (this.reading !== null) {
      this.wokenMeanwhile = true;
      return;
    }
    this.reading = this.read().finally(() => {
      this.reading = null;
      if (!this.wokenMeanwhile) return;
      this.wokenMeanwhile = false;
      this.wake();
    });
  }

  close(): void {
    this.closed = true;
    this.stopPolling();
    for (const subscriber of this.subscribers) subscriber.end();
    this.subscribers.clear();
  }

  private async read(): Promise<void> {
    try {
      for (let from = this.position.low; ; ) {
        const rows = await readEventLog(this.reader, from, MOST_AT_ONCE);
        const fresh = this.position.take(rows, Date.now());
        if (fresh.length > 0) for (const subscriber of this.subscribers) subscriber.receive(fresh);
        const last = rows.at(-1);
        if (rows.length < MOST_AT_ONCE || last === undefined) return;
        from = last.seq;
      }
    } catch (error) {
      this.log.warn('The event log could not be read; it is tried again.', { error });
    }
  }

  private stopPolling(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }
}

const POLL_MILLISECONDS = 500;
const HEARTBEAT_MILLISECONDS = 15_000;
const MOST_AT_ONCE = 1000;
// A number that is missing belongs to a transaction that is still open, or to one that was undone: then it never comes.
const GAP_MILLISECONDS = 10_000;

/**
 * How far the log was read. Numbers are given out when a row is written but seen when it is committed, so that with several
 * writers a lower one may turn up after a higher one.
 */
class Position {
  /** Everything up to here was seen, or is given up. */
  low = 0;
  private readonly seen = new Map<number, number>();

  start(at: number): void {
    this.low = at;
    this.seen.clear();
  }

  /** What was not seen before. */
  take(rows: readonly EventLogRow[], now: number): readonly EventLogRow[] {
    const fresh = rows.filter((row) => !this.seen.has(row.seq));
    for (const { seq } of fresh) this.seen.set(seq, now);
    for (const seq of [...this.seen.keys()].sort((a, b) => a - b)) {
      const isNext = seq === this.low + 1;
      if (!isNext && now - (this.seen.get(seq) ?? now) < GAP_MILLISECONDS) break;
      this.low = seq;
      this.seen.delete(seq);
    }
    return fresh;
  }
}
