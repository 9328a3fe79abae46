import type { Logger } from '../engine/log.ts';
import type { ClusterRow } from './store/rows.ts';

/** What is under way in this process: at most one thing for each cluster, one creation at a time on each host. */
export class Operations {
  private readonly stopped: AbortSignal;
  private readonly log: Logger;
  private readonly busy = new Map<string, Operation>();

  constructor(stopped: AbortSignal, log: Logger) {
    this.stopped = stopped;
    this.log = log;
  }

  isBusy(id: string): boolean {
    return this.busy.has(id);
  }

  mayCreate(host: string): boolean {
    return ![...this.creations.entries()].some(([id, other]) => other === host && this.busy.has(id));
  }

  creating(row: ClusterRow): void {
    this.creations.set(row.id, row.host);
  }

  private readonly creations = new Map<string, string>();

  /** Runs it unless something is under way for the cluster; never rejects. */
  run(row: ClusterRow, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const before = this.busy.get(row.id);
    if (before !== undefined) return before.done;
    const abort = new AbortController();
    const signal = AbortSignal.any([abort.signal, this.stopped]);
    const done = work(signal)
      .catch((error: unknown) => {
        if (!signal.aborted)
          this.log.error('A cluster could not be looked after.', { cluster: row.name, status: row.status, error });
      })
      .finally(() => {
        this.busy.delete(row.id);
        this.creations.delete(row.id);
      });
    this.busy.set(row.id, { done, abort, status: row.status, host: row.host });
    return done;
  }

  /** Stops work on clusters that are meanwhile on their way out. */
  abandon(rows: readonly ClusterRow[]): void {
    const statuses = new Map(rows.map((row) => [row.id, row.status]));
    for (const [id, operation] of this.busy)
      if (operation.status !== 'deleting' && statuses.get(id) === 'deleting') operation.abort.abort();
  }

  /** Stops work on clusters of hosts that another node keeps by now: it does all of that again. */
  keepOnly(hosts: readonly string[]): void {
    for (const operation of this.busy.values()) if (!hosts.includes(operation.host)) operation.abort.abort();
  }

  async settled(): Promise<void> {
    await Promise.all([...this.busy.values()].map((operation) => operation.done));
  }
}

interface Operation {
  readonly done: Promise<void>;
  readonly abort: AbortController;
  readonly status: ClusterRow['status'];
  readonly host: string;
}
