import { parseJson } from '../../dsl/json.ts';
import type { EndedExecution, LeaseKeeper } from '../contract.ts';
import { type ExecutionRecord, isFinal } from '../core/model.ts';
import type { Logger } from '../log.ts';
import { deleteOutboxRow, type ExecutionChanges, leaseRow, type OutboxRow } from '../store/batch.ts';
import type { Store } from '../store/connection.ts';
import type { Clock } from './clock.ts';

/**
 * The outbox row for an execution that these changes end, where it has taken leases (spec/cluster.md §4.4). It is written with the
 * final state, so every end counts: success, error, cancel, and ends that no task has seen.
 */
export function leaseRowsOf({ record, changes }: ExecutionChanges): readonly OutboxRow[] {
  if (record.runtimeContext.leases !== true || !isFinal(record.state)) return [];
  const ends = changes.some((change) => change.type === 'execution-updated' && change.patch.state !== undefined);
  return ends ? [leaseRow(endOf(record))] : [];
}

function endOf({ id, rootExecutionId, state, updatedAt }: ExecutionRecord): EndedExecution {
  if (state !== 'SUCCESS' && state !== 'ERROR' && state !== 'CANCELLED') throw new Error(`${state} is no end.`);
  return { executionId: id, rootExecutionId, state, at: updatedAt };
}

/** Hands ends of executions to the keeper of leases, and forgets each once it has been seen to. */
export class LeaseEndings {
  private readonly options: {
    readonly keeper: LeaseKeeper | null;
    readonly store: Store;
    readonly clock: Clock;
    readonly log: Logger;
  };
  private readonly inHand = new Map<string, Promise<void>>();
  private readonly pauses = new Set<() => void>();
  private readonly stop = new AbortController();

  constructor(options: LeaseEndings['options']) {
    this.options = options;
  }

  /** Never rejects: what cannot be done now is done later, by this process or the next one. */
  take(row: { readonly id: string; readonly body: string }): void {
    if (this.stop.signal.aborted || this.inHand.has(row.id)) return;
    // Written by leaseRow().
    const ended = parseJson(row.body) as unknown as EndedExecution;
    const done = this.release(row.id, ended).finally(() => this.inHand.delete(row.id));
    this.inHand.set(row.id, done);
  }

  /** What is under way goes on at the next start. */
  async close(): Promise<void> {
    this.stop.abort(new Error('The engine is shutting down.'));
    for (const end of this.pauses) end();
    await Promise.allSettled(this.inHand.values());
  }

  private async release(id: string, ended: EndedExecution): Promise<void> {
    const { keeper, store, log } = this.options;
    for (let tries = 0; !this.stop.signal.aborted; tries++) {
      try {
        await keeper?.release(ended, this.stop.signal);
        await deleteOutboxRow(store.writer, id);
        return;
      } catch (error) {
        if (this.stop.signal.aborted) return;
        log.warn('Leases of an ended execution could not be given back yet', { ...ended, error });
        await this.pause(Math.min(LONGEST_PAUSE_MS, 500 * 2 ** tries));
      }
    }
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel();
        this.pauses.delete(end);
        resolve();
      };
      const cancel = this.options.clock.after(milliseconds, end);
      this.pauses.add(end);
    });
  }
}

const LONGEST_PAUSE_MS = 15_000;
