import type { Logger } from '../log.ts';
import { announceService, liveServices, removeService } from '../store/services.ts';
import type { ServiceRow } from '../store/services.ts';
import { readDatabaseTime } from '../store/dialect.ts';
import type { Store } from '../store/connection.ts';
import type { Clock } from './clock.ts';

export interface MembershipTimes {
  /** How often a process tells that it lives. */
  readonly beatMs: number;
  /** After so long without a word it counts as dead. */
  readonly leaseMs: number;
}

export const DEFAULT_MEMBERSHIP: MembershipTimes = { beatMs: 5_000, leaseMs: 20_000 };

export interface MembershipOptions {
  readonly store: Store;
  readonly clock: SharedClock;
  readonly log: Logger;
  readonly service: Omit<ServiceRow, 'state'>;
  readonly times: MembershipTimes;
  /** Called once when a newer program has changed the schema: this one must stop. */
  readonly onOutdated: () => void;
  /** The version that the database has now. */
  readonly schemaVersion: () => Promise<number>;
}

/** This process's place among those that share the database: it says that it lives, and who else does. */
export class Membership {
  private readonly options: MembershipOptions;
  private state: ServiceRow['state'] = 'live';
  private members: readonly ServiceRow[] = [];
  private cancelBeat: (() => void) | null = null;
  private beating: Promise<void> = Promise.resolve();
  private isOutdated = false;
  private closed = false;

  constructor(options: MembershipOptions) {
    this.options = options;
  }

  /** As of the last beat. */
  get live(): readonly ServiceRow[] {
    return this.members;
  }

  /** Rejects when the database cannot be written: nobody may work who has not announced himself. */
  async start(): Promise<void> {
    await this.beat();
    this.arm();
  }

  /** The processes that run actions, as the database knows them now. */
  async executors(): Promise<readonly string[]> {
    const live = await liveServices(this.options.store.reader);
    return live.filter(({ roles }) => roles.includes('executor')).map(({ id }) => id);
  }

  /** Others see that it takes nothing new. */
  async drain(): Promise<void> {
    this.state = 'draining';
    await this.beat();
  }

  /** Last of all: whatever is still claimed in this name is lost from now on. */
  async close(): Promise<void> {
    this.closed = true;
    this.cancelBeat?.();
    await this.beating;
    await removeService(this.options.store.writer, this.options.service.id);
  }

  private arm(): void {
    this.cancelBeat = this.options.clock.after(this.options.times.beatMs, () => {
      this.beating = this.beat()
        .catch((error: unknown) => this.options.log.warn('This process could not tell that it lives', { error }))
        .finally(() => {
          if (!this.closed) this.arm();
        });
    });
  }

  private async beat(): Promise<void> {
    const { store, clock, service, times, schemaVersion, onOutdated } = this.options;
    await announceService(store.writer, { ...service, state: this.state }, times.leaseMs);
    this.members = await liveServices(store.reader);
    await clock.follow(() => readDatabaseTime(store.reader));
    if (this.isOutdated || (await schemaVersion()) <= service.schemaVersion) return;
    this.isOutdated = true;
    onOutdated();
  }
}

/** The time of the database, which all nodes share (design.md §6): this machine's clock and how far it is off. */
export class SharedClock implements Clock {
  private readonly local: Clock;
  private offset = 0;

  constructor(local: Clock) {
    this.local = local;
  }

  now(): number {
    return this.local.now() + this.offset;
  }

  after(milliseconds: number, callback: () => void): () => void {
    return this.local.after(milliseconds, callback);
  }

  /** Reads the other clock. The answer is taken to have been given halfway; one that took long tells too little. */
  async follow(read: () => Promise<number>): Promise<void> {
    const before = this.local.now();
    const there = await read();
    const after = this.local.now();
    if (after - before > SLOWEST_ANSWER || after < before) return;
    const offset = Math.round(there - (before + after) / 2);
    // Small differences are those of the way; following them would let the time jump back and forth.
    if (Math.abs(offset - this.offset) > SMALLEST_STEP) this.offset = offset;
  }
}

const SLOWEST_ANSWER = 1_000;
const SMALLEST_STEP = 20;
