import type { Knex } from 'knex';
import type { ActionReport, EnginePort } from '../contract.ts';
import type { Clock } from '../shell/clock.ts';
import { claimActions, heartbeatActions, markStarted } from '../store/action-claims.ts';
import type { Store } from '../store/connection.ts';
import type { BullmqQueue } from './bullmq.ts';
import type { ResultSender } from './results.ts';

/** The engine as an executor sees it whose results go over Redis: claims and heartbeats it writes itself. */
export class RemotePort implements EnginePort {
  private readonly store: Store;
  private readonly clock: Clock;
  private readonly queue: BullmqQueue;
  private readonly results: ResultSender;

  constructor(store: Store, clock: Clock, queue: BullmqQueue, results: ResultSender) {
    this.store = store;
    this.clock = clock;
    this.queue = queue;
    this.results = results;
  }

  claim(
    executorId: string,
    actions: readonly { readonly id: string; readonly attempt: number }[],
  ): Promise<ReadonlySet<string>> {
    return this.store.writer.transaction((trx: Knex) => claimActions(trx, executorId, actions, this.clock.now()));
  }

  report(report: ActionReport): Promise<void> {
    return this.results.report(report, this.queue.replyTo(report.actionExecutionId) ?? null);
  }

  async heartbeat(executorId: string, actionExecutionIds: readonly string[]): Promise<void> {
    await this.store.writer.transaction((trx: Knex) =>
      heartbeatActions(trx, executorId, actionExecutionIds, this.clock.now()),
    );
  }

  async started(executorId: string, actionExecutionId: string, attempt: number): Promise<void> {
    const action = { id: actionExecutionId, attempt };
    await this.store.writer.transaction((trx: Knex) => markStarted(trx, executorId, action, this.clock.now()));
  }
}
