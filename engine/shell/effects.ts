import type { ExecutorMessage } from '../contract.ts';
import { type Event, type ExecutionId, isFinal, type TimerRecord } from '../core/model.ts';
import type { Logger } from '../log.ts';
import type { Queue } from '../queue/queue.ts';
import { TimerHeap } from '../scheduler/timers.ts';
import type { Clock } from './clock.ts';
import type { Effects } from './conductor.ts';
import type { Outcome } from './intake.ts';
import { runMessage } from './messages.ts';

export interface EffectsOptions {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Logger;
  readonly submit: (id: ExecutionId, event: Event, options: { readonly outboxId: string | null }) => Promise<Outcome>;
  readonly endLeases: (row: { readonly id: string; readonly body: string }) => void;
}

/** Carries out what committed batches ask for: timers, messages to executors, events for other executions. */
export class EffectRunner {
  private readonly options: EffectsOptions;
  private readonly timers: TimerHeap;
  /** Executions of the actions that this process sent out, so that a result need not look for its own. */
  private readonly sentActions = new Map<string, ExecutionId>();
  private closed = false;

  constructor(options: EffectsOptions) {
    this.options = options;
    this.timers = new TimerHeap(options.clock, (timer) =>
      this.tell(timer.executionId, { type: 'timer-fired', timer: timer.id }),
    );
  }

  addTimer(timer: TimerRecord): void {
    this.timers.add(timer);
  }

  executionOf(actionId: string): ExecutionId | undefined {
    return this.sentActions.get(actionId);
  }

  forgetAction(actionId: string): void {
    this.sentActions.delete(actionId);
  }

  close(): void {
    this.closed = true;
    this.timers.close();
  }

  carryOut(effects: readonly Effects[]): void {
    for (const effect of effects) {
      for (const change of effect.changes) {
        if (change.type === 'timer-set') this.timers.add(change.timer);
        if (change.type === 'timer-done') this.timers.remove(change.id);
        if (change.type === 'action-updated' && change.patch.state !== undefined && isFinal(change.patch.state))
          this.sentActions.delete(change.id);
      }
      this.carryOutCommands(effect);
      for (const row of effect.outbox) if (row.kind === 'release-leases') this.options.endLeases(row);
    }
  }

  private carryOutCommands({ view, changes, commands, outbox }: Effects): void {
    const messages: ExecutorMessage[] = [];
    // The view does not keep what actions get.
    const created = new Map(
      changes.flatMap((change) => (change.type === 'action-created' ? [[change.action.id, change.action]] : [])),
    );
    let sent = 0;
    for (const command of commands) {
      switch (command.type) {
        case 'run-action': {
          const action = created.get(command.action);
          const state = view.actions.get(command.action)?.state;
          if (action === undefined || state === undefined || isFinal(state)) break;
          this.sentActions.set(action.id, view.record.id);
          messages.push(runMessage(action, view.record));
          break;
        }
        case 'start-child':
          this.tell(command.child, { type: 'workflow-started' });
          break;
        case 'send':
          this.tell(command.to, command.event, outbox[sent++]?.id ?? null);
          break;
        case 'stop-action':
          messages.push({
            type: 'stop-action',
            actionExecutionId: command.action,
            reason: command.reason,
            receipt: outbox[sent++]?.id ?? null,
          });
          break;
        default:
          break;
      }
    }
    if (messages.length > 0) this.send(messages);
  }

  send(messages: readonly ExecutorMessage[]): void {
    this.options.queue.send(messages).catch((error: unknown) => {
      this.options.log.error('Messages could not be sent; their rows are found again at the next start', { error });
    });
  }

  tell(id: ExecutionId, event: Event, outboxId: string | null = null): void {
    if (this.closed) return;
    this.options.submit(id, event, { outboxId }).then(
      (outcome) => {
        if (outcome.kind === 'refused')
          this.options.log.debug('An event came too late', {
            executionId: id,
            event: event.type,
            why: outcome.message,
          });
      },
      (error: unknown) =>
        this.options.log.error('An event was lost to a fault', { executionId: id, event: event.type, error }),
    );
  }
}
