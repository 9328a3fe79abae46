import type { Knex } from 'knex';
import type { Logger } from '../log.ts';
import type { Store } from '../store/connection.ts';
import { dropLease, isLeaseHeld, takeLease } from '../store/services.ts';

/** Thrown inside a transaction of somebody who holds a lease no more: nothing of it is written. */
export class LeaseLost extends Error {}

/**
 * One process does some things for all: the one that holds the lease of that name. Whoever was asleep while it ran out may believe to
 * hold it: what it writes is stopped by {@link fence}.
 */
export class Leadership {
  private readonly store: Store;
  private readonly name: string;
  private readonly holder: string;
  private readonly leaseMs: number;
  private readonly log: Logger;
  private token: number | null = null;

  constructor(store: Store, name: string, holder: string, leaseMs: number, log: Logger) {
    this.store = store;
    this.name = name;
    this.holder = holder;
    this.leaseMs = leaseMs;
    this.log = log;
  }

  /** Takes the lease if it is free, keeps it if it is ours. @returns whether it is ours now, and whether it was not before. */
  async campaign(): Promise<{ readonly leads: boolean; readonly isNew: boolean }> {
    const before = this.token;
    this.token = await takeLease(this.store.writer, this.name, this.holder, this.leaseMs);
    if (before !== null && this.token === null) this.log.info('Another process leads now', { lease: this.name });
    const isNew = this.token !== null && this.token !== before;
    if (isNew) this.log.info('This process leads', { lease: this.name, token: this.token });
    return { leads: this.token !== null, isNew };
  }

  /** First in a transaction. @throws LeaseLost when somebody else may lead by now. */
  async fence(trx: Knex): Promise<void> {
    const { token } = this;
    if (token === null || !(await isLeaseHeld(trx, this.name, this.holder, token)))
      throw new LeaseLost(`the lease '${this.name}' is held by another process`);
  }

  async resign(): Promise<void> {
    if (this.token === null) return;
    this.token = null;
    await dropLease(this.store.writer, this.name, this.holder);
  }
}
