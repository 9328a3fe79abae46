import type { Knex } from 'knex';
import { parseJson } from '../../dsl/json.ts';
import type { ExecutorMessage, RunAction } from '../contract.ts';
import type { ActionRecord, Event, ExecutionId, TimerRecord } from '../core/model.ts';
import type { Logger } from '../log.ts';
import type { Store } from '../store/connection.ts';
import {
  deleteQueuedTextsBefore,
  executionsToContinue,
  idleExecutionsBefore,
  loadActionRow,
  latestUnclaimed,
  lostActions,
  orphanedTimers,
  outboxBefore,
  reopenLost,
  timersBefore,
  unclaimedActions,
} from '../store/pending.ts';
import type { OutboxEntry } from '../store/pending.ts';
import { buryServices, deadServices, liveServices } from '../store/services.ts';
import { actionFromRow, timerFromRow } from '../store/tables.ts';
import type { ActionRow } from '../store/tables.ts';
import type { Clock } from './clock.ts';
import { LeaseLost } from './leadership.ts';
import type { Leadership } from './leadership.ts';
import { runMessage } from './messages.ts';
import { endLost } from './recovery.ts';

export interface JanitorTimes {
  readonly everyMs: number;
  /** How long others may take before what they have not done is done for them. */
  readonly patienceMs: number;
  /** How long a message may wait in the queue before it is sent again: it may be lost. */
  readonly resendMs: number;
  /** How long an executor may say nothing of an action that it runs. */
  readonly silenceMs: number;
}

export const DEFAULT_JANITOR: JanitorTimes = {
  everyMs: 5_000,
  patienceMs: 30_000,
  resendMs: 300_000,
  silenceMs: 300_000,
};

export interface JanitorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly leadership: Leadership;
  readonly times: JanitorTimes;
  /** Set where each process runs the actions that it sends: then what nobody has claimed may be in good hands. */
  readonly executorId: string | null;
  readonly submit: (executionId: ExecutionId, event: Event, outboxId: string | null) => void;
  readonly addTimer: (timer: TimerRecord) => void;
  readonly send: (messages: readonly ExecutorMessage[]) => void;
  readonly endLeases: (row: { readonly id: string; readonly body: string }) => void;
  readonly failStandAlone: (action: ActionRecord, message: string) => Promise<void>;
  /** What was on its way to a node that is gone. */
  readonly takeOver: (nodeId: string, roles: readonly string[]) => Promise<void>;
}

const PAGE = 500;

/**
 * Where many processes share a database: sees to what one of them has left undone (design.md §4, §5, spec/engine.md §26). Rows are
 * messages, so whatever is pending is found by its state; doing it twice does no harm. One process does it for all, by a lease.
 */
export class Janitor {
  private readonly options: JanitorOptions;
  private cancelNext: (() => void) | null = null;
  private sweeping: Promise<void> = Promise.resolve();
  private resentAt: number;
  private continuedAt: number;
  private everythingIsDue = false;
  /** Until then each round sees to everything. */
  private allUntil = 0;
  private roundsOfAll = 0;
  /** Who lived at the last round. */
  private known: ReadonlySet<string> = new Set();
  private closed = false;
  /** Lost actions that this process has claimed anew, or not: the answer to the commit was an error. */
  private unclear: readonly ActionRow[] = [];
  /** Processes that are gone and whose inheritance this one has seen to. */
  private readonly inherited = new Set<string>();

  constructor(options: JanitorOptions) {
    this.options = options;
    this.resentAt = this.continuedAt = options.clock.now();
  }

  start(): void {
    this.sweepSoon(0);
  }

  /** Messages may have been lost: everything that nobody has claimed is sent again at the next round, whoever leads. */
  messagesWereLost(): void {
    this.everythingIsDue = true;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.cancelNext?.();
    await this.sweeping;
    await this.options.leadership.resign().catch(() => {});
  }

  /** One round, whoever leads now. For tests; otherwise it comes by itself. */
  sweepNow(): Promise<void> {
    this.sweeping = this.sweeping.then(() => this.sweep());
    return this.sweeping;
  }

  private sweepSoon(milliseconds: number): void {
    this.cancelNext = this.options.clock.after(milliseconds, () => {
      void this.sweepNow()
        .catch((error: unknown) => {
          if (error instanceof LeaseLost) return;
          this.options.log.warn('The round of what was left undone broke off; the next one goes on', { error });
        })
        .finally(() => {
          this.sweeping = Promise.resolve();
          if (!this.closed) this.sweepSoon(this.options.times.everyMs);
        });
    });
  }

  private async sweep(): Promise<void> {
    const { leadership, clock, times, store } = this.options;
    await this.clearUp();
    const { leads, isNew } = await leadership.campaign();
    if (!leads) return;
    const now = clock.now();
    const dead = await deadServices(store.reader);
    const isInherited = dead.every(({ id }) => this.inherited.has(id));
    const hasLeft = await this.somebodyLeft();
    // A new leader does not know what the last one was about to do.
    const isDue = isNew || !isInherited || hasLeft || this.everythingIsDue;
    // What was written only just before is too young now, and this machine's clock may be off until the next beat: looked at once more.
    if (isDue) {
      // What a process with a wrong clock left seems to be of the future: all is looked at until that has come.
      const latest = Math.min(await latestUnclaimed(store.reader, now), now + LONGEST_FUTURE);
      this.allUntil = Math.max(now, latest) + times.everyMs + SHORTEST_PATIENCE;
      this.roundsOfAll = MORE_ROUNDS;
    } else this.roundsOfAll--;
    const all = isDue || this.roundsOfAll > 0 || now <= this.allUntil;
    this.everythingIsDue = false;
    const before = now - (all ? SHORTEST_PATIENCE : times.patienceMs);
    await this.startIdle(before);
    await this.relay(before);
    await this.continueTasks(before, all || now - this.continuedAt >= JOINS_EVERY);
    await this.fireTimers(now, all);
    await this.findLost(now);
    if (all || now - this.resentAt >= times.resendMs)
      await this.resend(all ? now - SHORTEST_PATIENCE : now - times.resendMs, now, all);
    for (const { id, name, roles } of dead) this.inherit(id, name, roles);
    await buryServices(store.writer, GRAVE_MILLISECONDS);
    await deleteQueuedTextsBefore(store.writer, now - FORGOTTEN);
  }

  /** Whether a process that was there has ended in good order: what it had sent to itself went with it. */
  private async somebodyLeft(): Promise<boolean> {
    const live = new Set((await liveServices(this.options.store.reader)).map(({ id }) => id));
    const hasLeft = [...this.known].some((id) => !live.has(id));
    this.known = live;
    return hasLeft;
  }

  private async startIdle(before: number): Promise<void> {
    for (const id of await idleExecutionsBefore(this.options.store.reader, before, PAGE))
      this.options.submit(id as ExecutionId, { type: 'workflow-started', isStored: true }, null);
  }

  private async relay(before: number): Promise<void> {
    const stops: ExecutorMessage[] = [];
    for (const row of await outboxBefore(this.options.store.reader, before, PAGE)) {
      if (row.kind === 'event' && row.execution_id !== null)
        this.options.submit(row.execution_id as ExecutionId, parseJson(row.body) as unknown as Event, row.id);
      else if (row.kind === 'stop-action') stops.push(stopMessage(row));
      else if (row.kind === 'release-leases') this.options.endLeases(row);
    }
    if (stops.length > 0) this.options.send(stops);
  }

  private async continueTasks(before: number, joins: boolean): Promise<void> {
    if (joins) this.continuedAt = this.options.clock.now();
    for (let after = ''; ; ) {
      const ids = await executionsToContinue(this.options.store.reader, { before, joins, after, limit: PAGE });
      for (const id of ids) this.options.submit(id as ExecutionId, { type: 'continue' }, null);
      const last = ids.at(-1);
      if (last === undefined || ids.length < PAGE) return;
      after = last;
    }
  }

  /** Timers that nobody fired in time, and those whose node is gone, which this one fires from now on. */
  private async fireTimers(now: number, all: boolean): Promise<void> {
    const { reader } = this.options.store;
    for (const row of await timersBefore(reader, now - TIMER_PATIENCE, PAGE))
      this.options.submit(row.execution_id as ExecutionId, { type: 'timer-fired', timer: row.id }, null);
    if (all) for (const row of await orphanedTimers(reader)) this.options.addTimer(timerFromRow(row));
  }

  private async findLost(now: number): Promise<void> {
    const { store, times, executorId, leadership, log, send } = this.options;
    for (let after = ''; ; ) {
      const rows = await lostActions(store.reader, { silentSince: now - times.silenceMs, after, limit: PAGE });
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.id;
      const again = rows.filter((row) => Boolean(row.safe_rerun));
      const reopened =
        again.length === 0
          ? new Set<string>()
          : await store.writer
              .transaction(async (trx: Knex) => {
                await leadership.fence(trx);
                return reopenLost(trx, again, executorId, now);
              })
              .catch((error: unknown) => {
                // It may have been committed all the same.
                this.unclear = [...this.unclear, ...again];
                throw error;
              });
      const messages: RunAction[] = [];
      const failed: Promise<void>[] = [];
      for (const row of rows) {
        const action = actionFromRow(row);
        if (reopened.has(row.id)) messages.push(messageOf(row, { ...action, attempt: action.attempt + 1, executorId }));
        else if (!row.safe_rerun) failed.push(this.fail(action));
      }
      log.warn('Executors are gone: their actions run again or fail', {
        again: messages.length,
        failed: failed.length,
      });
      send(messages);
      await Promise.all(failed);
      if (rows.length < PAGE) return;
    }
  }

  /** Sends what an unclear commit has opened anew after all: of an action that is claimed for this process nobody else ever would. */
  private async clearUp(): Promise<void> {
    if (this.unclear.length === 0) return;
    const { store, executorId, send } = this.options;
    const messages: RunAction[] = [];
    for (const { id, attempt } of this.unclear) {
      const row = await loadActionRow(store.reader, id);
      if (row?.state !== 'RUNNING' || row.attempt !== attempt + 1 || row.executor_id !== executorId) continue;
      messages.push(messageOf(row, actionFromRow(row)));
    }
    this.unclear = [];
    send(messages);
  }

  private async fail(action: ActionRecord): Promise<void> {
    const message = `The executor ${action.executorId ?? ''} was lost while it ran the action, which cannot be re-run safely. The only safe thing to do is fail it [action=${action.name}].`;
    await endLost(this.options, action, message);
  }

  private async resend(before: number, now: number, all: boolean): Promise<void> {
    this.resentAt = now;
    // Within one process nothing is lost but with the process.
    if (this.options.executorId !== null && !all) return;
    for (let after = ''; ; ) {
      const rows = await unclaimedActions(this.options.store.reader, { before, after, limit: PAGE });
      this.options.send(rows.map((row) => messageOf(row, actionFromRow(row))));
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      after = last.id;
    }
  }

  private inherit(id: string, name: string, roles: readonly string[]): void {
    if (this.inherited.has(id)) return;
    const { log, takeOver } = this.options;
    this.inherited.add(id);
    log.warn('A process is gone; what it left is taken over', { node: id, name });
    takeOver(id, roles).catch((error: unknown) => {
      log.warn('What a lost process left could not be taken over yet', { node: id, error });
      this.inherited.delete(id);
    });
  }
}

const MORE_ROUNDS = 3;
// Whose clock is off by more is told apart by nothing.
const LONGEST_FUTURE = 24 * 3600 * 1000;
/** Long enough for whoever has just written a row to act on it. */
const SHORTEST_PATIENCE = 2_000;
const TIMER_PATIENCE = 5_000;
// spec/engine.md §26: the integrity check.
const JOINS_EVERY = 120_000;
const FORGOTTEN = 86_400_000;
/** Others may want to know who a process was that is gone. */
const GRAVE_MILLISECONDS = 3_600_000;

function messageOf(row: ActionRow, action: ActionRecord): RunAction {
  return runMessage(action, { workflowName: row.workflow_name, projectId: row.project_id });
}

function stopMessage(row: OutboxEntry): ExecutorMessage {
  const { action, reason } = parseJson(row.body) as { action: string; reason: 'cancelled' | 'timeout' };
  return { type: 'stop-action', actionExecutionId: action, reason, receipt: row.id };
}
