import type { Knex } from 'knex';
import { updateExternalJobs, type ExternalJobPatch } from '../../engine/store/external-jobs.ts';
import type { Clock } from '../../engine/shell/clock.ts';

/**
 * Gathers changes of many jobs while a transaction is under way and writes them with the next one: a thousand polls a second cost
 * a few commits, and a lone change is written at once.
 */
export class RowWriter {
  private waiting: Waiting[] = [];
  private writing = false;
  private readonly db: Knex;
  private readonly owner: string;
  private readonly clock: Clock;

  constructor(db: Knex, owner: string, clock: Clock) {
    this.db = db;
    this.owner = owner;
    this.clock = clock;
  }

  /** Resolves after the commit: true, or false when the lease is somebody else's by now. Rejects when the database fails. */
  write(actionExecutionId: string, patch: ExternalJobPatch): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ actionExecutionId, patch, resolve, reject });
      if (!this.writing) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.writing = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, LARGEST_BATCH);
      try {
        await this.commit(batch);
      } catch (error) {
        // One bad row must not hold up the others: each gets a transaction of its own.
        if (batch.length === 1) batch[0]?.reject(error);
        else await Promise.all(batch.map((one) => this.commit([one]).catch((cause: unknown) => one.reject(cause))));
      }
    }
    this.writing = false;
  }

  private async commit(batch: readonly Waiting[]): Promise<void> {
    const lost = new Set(
      await this.db.transaction((trx) => updateExternalJobs(trx, this.owner, batch, this.clock.now())),
    );
    for (const one of batch) one.resolve(!lost.has(one.actionExecutionId));
  }
}

const LARGEST_BATCH = 200;

interface Waiting {
  readonly actionExecutionId: string;
  readonly patch: ExternalJobPatch;
  readonly resolve: (owned: boolean) => void;
  readonly reject: (error: unknown) => void;
}
