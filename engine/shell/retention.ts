import type { Knex } from 'knex';
import type { ExecutorMessage } from '../contract.ts';
import type { ExecutionId } from '../core/model.ts';
import type { Logger } from '../log.ts';
import { Ticker } from '../scheduler/ticker.ts';
import type { Store } from '../store/connection.ts';
import { sweepJobFiles } from '../store/job-files.ts';
import { buryTree, expiredRoots, FINISHED, purgeEvents, purgeSlice, superfluousRoots } from '../store/retention.ts';
import type { FinishedState, Place } from '../store/retention.ts';
import type { Clock } from './clock.ts';

/** Which executions go: spec/engine.md §26, expiration. */
export interface RetentionSettings {
  /** Finished root executions go with everything below them after so many days; 0: never. */
  readonly days: number;
  /** So many finished root executions are kept, the newest; 0: any number. */
  readonly maxFinished: number;
  /** Executions that ended so are kept in any case. */
  readonly ignoredStates: readonly FinishedState[];
  /** The event log of what has ended goes after so many days; 0: together with the execution. */
  readonly eventDays: number;
  /** Files for jobs go once nothing has wanted them for so many days; 0: never. */
  readonly fileDays: number;
  /** How often this is looked at. */
  readonly intervalMinutes: number;
}

export const NO_RETENTION: RetentionSettings = {
  days: 0,
  maxFinished: 0,
  ignoredStates: [],
  eventDays: 0,
  fileDays: 0,
  intervalMinutes: 60,
};

export interface RetentionOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: RetentionSettings;
  readonly send: (messages: readonly ExecutorMessage[]) => void;
  readonly forget: (id: ExecutionId) => void;
}

const DAY = 86_400_000;
// Rows per transaction: a few milliseconds, in which the engine waits.
const ROWS = 500;
const TREES = 100;

/** Deletes old executions in slices that never keep the engine from writing for long (design.md §3). */
export class Retention {
  private readonly options: RetentionOptions;
  private readonly ticker: Ticker;
  private closed = false;

  constructor(options: RetentionOptions) {
    this.options = options;
    this.ticker = new Ticker(options.clock, options.log, 'Deleting old executions', () => this.tick());
  }

  start(): void {
    this.ticker.start();
  }

  idle(): Promise<void> {
    return this.ticker.idle();
  }

  close(): Promise<void> {
    this.closed = true;
    return this.ticker.close();
  }

  private async tick(): Promise<number> {
    const { settings, log } = this.options;
    // What an earlier process began.
    await this.purge();
    let gone = 0;
    for (const state of this.states()) gone += await this.deleteExpired(state);
    gone += await this.deleteSuperfluous();
    await this.deleteEvents();
    await this.deleteFiles();
    if (gone > 0) log.info('Deleted old executions', { executions: gone });
    return settings.intervalMinutes * 60_000;
  }

  private states(): readonly FinishedState[] {
    return FINISHED.filter((state) => !this.options.settings.ignoredStates.includes(state));
  }

  private async deleteExpired(state: FinishedState): Promise<number> {
    const { store, clock, settings } = this.options;
    if (settings.days <= 0) return 0;
    const before = clock.now() - settings.days * DAY;
    let gone = 0;
    let place: Place | null = null;
    do {
      const { ids, next }: Awaited<ReturnType<typeof expiredRoots>> = await expiredRoots(
        store.reader,
        state,
        before,
        place,
        TREES,
      );
      for (const id of ids) gone += await this.deleteTree(id);
      place = next;
    } while (place !== null && !this.closed);
    return gone;
  }

  private async deleteSuperfluous(): Promise<number> {
    const { store, settings } = this.options;
    if (settings.maxFinished <= 0) return 0;
    for (let gone = 0; ; ) {
      const ids = await superfluousRoots(store.reader, this.states(), settings.maxFinished, TREES);
      let deleted = 0;
      for (const id of ids) deleted += await this.deleteTree(id);
      gone += deleted;
      // Those that stay would come again and again.
      if (deleted === 0 || this.closed) return gone;
    }
  }

  private async deleteTree(root: string): Promise<number> {
    if (this.closed) return 0;
    const ids = await this.options.store.writer.transaction((trx: Knex) => buryTree(trx, root));
    for (const id of ids) this.options.forget(id as ExecutionId);
    if (ids.length > 0) await this.purge();
    return ids.length;
  }

  private async purge(): Promise<void> {
    const { store, clock, send } = this.options;
    while (!this.closed) {
      const running = await store.writer.transaction((trx: Knex) => purgeSlice(trx, ROWS, clock.now()));
      if (running === null) return;
      if (running.length > 0) send(running.map((left) => ({ ...left, type: 'stop-action', reason: 'cancelled' })));
    }
  }

  private async deleteFiles(): Promise<void> {
    const { store, clock, settings, log } = this.options;
    const unused = settings.fileDays <= 0 ? null : clock.now() - settings.fileDays * DAY;
    const gone = await sweepJobFiles(store.writer, clock.now() - DAY, unused);
    if (gone > 0) log.info('Deleted files that nothing wanted, and abandoned uploads', { files: gone });
  }

  private async deleteEvents(): Promise<void> {
    const { store, clock, settings } = this.options;
    if (settings.eventDays <= 0) return;
    const before = clock.now() - settings.eventDays * DAY;
    let place: number | null = 0;
    while (place !== null && !this.closed) {
      const after: number = place;
      place = await store.writer.transaction((trx: Knex) => purgeEvents(trx, before, after, ROWS));
    }
  }
}
