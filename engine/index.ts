import type { Knex } from 'knex';
import type { Json, JsonObject } from '../dsl/json.ts';
import type { ActionCatalogue, ActionReport, EnginePort, ExecutorMessage, LeaseKeeper } from './contract.ts';
import type { Limits } from './core/env.ts';
import type { ActionRecord, ExecutionRecord, TaskRecord } from './core/model.ts';
import type { Caller, Engine, RunActionRequest, StartExecution, UnsavedAction, UpdateExecution } from './facade.ts';
import { newId } from './ids.ts';
import type { Logger } from './log.ts';
import type { Queue } from './queue/queue.ts';
import { Background } from './shell/background.ts';
import type { BackgroundSettings } from './shell/background.ts';
import type { Clock } from './shell/clock.ts';
import type { CronTriggers } from './shell/cron-triggers.ts';
import type { EventTriggers } from './shell/event-triggers.ts';
import type { Maintenance } from './shell/maintenance.ts';
import { Conductor } from './shell/conductor.ts';
import { EffectRunner } from './shell/effects.ts';
import { checkNotify, logPublisher, Notifier } from './shell/notifier.ts';
import type { Publishers } from './shell/notifier.ts';
import { ExecutionMaker } from './shell/new-executions.ts';
import { DEFAULT_JANITOR, Janitor } from './shell/janitor.ts';
import type { JanitorTimes } from './shell/janitor.ts';
import { Leadership } from './shell/leadership.ts';
import { LeaseEndings } from './shell/lease-endings.ts';
import { recover } from './shell/recovery.ts';
import type { RecoveryTarget } from './shell/recovery.ts';
import { ActionRequests } from './shell/requests/actions.ts';
import { ExecutionRequests } from './shell/requests/executions.ts';
import { TaskRequests } from './shell/requests/tasks.ts';
import { StandAloneActions } from './shell/stand-alone.ts';
import { claimActions, executionOfAction, heartbeatActions, markStarted } from './store/action-claims.ts';
import type { Store } from './store/connection.ts';
import { createDefinitionFinder } from './store/definition-finder.ts';
import { deleteOutboxRow } from './store/batch.ts';

export interface EngineOptions {
  readonly store: Store;
  readonly catalogue: ActionCatalogue;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether this process runs actions itself: what needs a claim is then inserted already claimed. */
  readonly embeddedExecutor: boolean;
  readonly limits?: Partial<Limits>;
  /** Where many processes share the store: who this one is among them, and what it does for those that are gone. */
  readonly shared?: SharedOptions;
  /** Memory for cached views, in bytes (estimated). */
  readonly cacheBytes?: number;
  /** Where notifications can go, besides the log, by name; and publishers of every execution (spec/engine.md §22). */
  readonly publishers?: Publishers;
  readonly notify?: readonly JsonObject[];
  /** Told of the ends of executions that have taken leases. */
  readonly leases?: LeaseKeeper;
  /** Triggers and retention; by default cron triggers run and nothing is deleted. */
  readonly background?: Partial<BackgroundSettings>;
}

export interface SharedOptions {
  readonly nodeId: string;
  readonly leaseMs: number;
  readonly times?: Partial<JanitorTimes>;
  /** Takes what was on its way to a node that is gone. */
  readonly takeOver: (nodeId: string, roles: readonly string[]) => Promise<void>;
}

export interface RunningEngine extends Engine, EnginePort {
  /** This start of this process; executors claim under it. */
  readonly nodeId: string;
  readonly cronTriggers: CronTriggers;
  readonly eventTriggers: EventTriggers;
  readonly maintenance: Maintenance;
  /**
   * Picks up what an earlier process left. Call it once, when executors consume.
   *
   * @param serves whether it also runs triggers, goes on with maintenance and deletes old executions.
   */
  start(serves?: boolean): Promise<void>;
  /** Wraps an executor's handler: what it has seen to is acknowledged. */
  acknowledging(handler: (message: ExecutorMessage) => Promise<void>): (message: ExecutorMessage) => Promise<void>;
  /** Calls back after each batch that this process has committed. */
  onCommit(listener: () => void): void;
  /** The queue may have lost what it held: what waits in it is sent again. */
  messagesWereLost(): void;
  /** Sees to what others have left undone, now instead of at the next round. For tests. */
  sweep(): Promise<void>;
  /** Resolves when nothing is being decided or written. */
  idle(): Promise<void>;
  /** Drops every cached view: decisions go on from what is stored. For tests. */
  forgetViews(): void;
  close(): Promise<void>;
}

const DEFAULT_LIMITS: Limits = { tasksPerName: 10_000, fieldCharacters: 1024 * 1024 };
const DEFAULT_CACHE_BYTES = 64 * 1024 * 1024;

export function createEngine(options: EngineOptions): RunningEngine {
  return new EngineShell(options);
}

/** Puts the parts together: each request and each report is one call of one of them. */
class EngineShell implements RunningEngine {
  readonly nodeId: string;
  private readonly options: EngineOptions;
  private readonly janitor: Janitor | null;
  private readonly executorId: string | null;
  private readonly listeners: (() => void)[] = [];
  private readonly conductor: Conductor;
  private readonly effects: EffectRunner;
  private readonly standAlone: StandAloneActions;
  private readonly executions: ExecutionRequests;
  private readonly tasks: TaskRequests;
  private readonly actions: ActionRequests;
  private readonly background: Background;
  private readonly notifier: Notifier;
  private readonly leases: LeaseEndings;

  constructor(options: EngineOptions) {
    this.options = options;
    this.nodeId = options.shared?.nodeId ?? newId();
    this.executorId = options.embeddedExecutor ? this.nodeId : null;
    const { store, catalogue, clock, log, queue } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const finder = createDefinitionFinder(store.reader);
    const common = { store, finder, catalogue, clock, limits };
    this.conductor = new Conductor({
      ...common,
      log,
      nodeId: this.nodeId,
      executorId: this.executorId,
      cacheBytes: options.cacheBytes ?? DEFAULT_CACHE_BYTES,
      onCommitted: (effects) => {
        this.effects.carryOut(effects);
        this.notifier.add(effects.flatMap(({ notices }) => notices));
        for (const listener of this.listeners) listener();
      },
    });
    this.leases = new LeaseEndings({ keeper: options.leases ?? null, store, clock, log });
    const endLeases = (row: { readonly id: string; readonly body: string }) => this.leases.take(row);
    this.effects = new EffectRunner({
      queue,
      clock,
      log,
      endLeases,
      submit: (id, event, how) => this.conductor.submit(id, event, how),
    });
    const send = (messages: readonly ExecutorMessage[]) => this.effects.send(messages);
    this.standAlone = new StandAloneActions({ ...common, executorId: this.executorId, send });
    const publishers: Publishers = new Map([['noop', logPublisher(log)], ...(options.publishers ?? [])]);
    checkNotify(publishers, options.notify ?? []);
    this.notifier = new Notifier({ store, clock, log, publishers, isShared: options.shared !== undefined });
    const maker = new ExecutionMaker({
      ...common,
      notify: options.notify ?? [],
      checkNotify: (notify) => checkNotify(publishers, notify),
    });
    this.executions = new ExecutionRequests({ store, maker, clock, conductor: this.conductor, send, endLeases });
    this.tasks = new TaskRequests(store, this.conductor);
    this.actions = new ActionRequests(store, this.conductor, this.standAlone);
    this.background = new Background({
      store,
      maker,
      clock,
      log,
      settings: options.background ?? {},
      submit: (id, event) => this.conductor.submit(id, event),
      send,
      forget: (id) => this.conductor.forget(id),
    });
    this.janitor = options.shared === undefined ? null : this.createJanitor(options.shared);
  }

  get cronTriggers(): CronTriggers {
    return this.background.cronTriggers;
  }

  get eventTriggers(): EventTriggers {
    return this.background.eventTriggers;
  }

  get maintenance(): Maintenance {
    return this.background.maintenance;
  }

  async start(serves = true): Promise<void> {
    if (this.janitor === null)
      await recover({
        ...this.left,
        now: () => this.options.clock.now(),
        store: this.options.store,
        log: this.options.log,
      });
    else if (serves) this.janitor.start();
    this.notifier.start();
    if (serves) this.background.start();
  }

  /** What picks up work that was left undone does with it. */
  private get left(): Omit<RecoveryTarget, 'store' | 'log' | 'now'> {
    return {
      executorId: this.executorId,
      submit: (id, event, outboxId) => this.effects.tell(id, event, outboxId),
      addTimer: (timer) => this.effects.addTimer(timer),
      send: (messages) => this.effects.send(messages),
      endLeases: (row) => this.leases.take(row),
      failStandAlone: async (action, message) => {
        await this.standAlone.report({
          actionExecutionId: action.id,
          attempt: action.attempt,
          result: { kind: 'error', output: message, retryable: true },
        });
      },
    };
  }

  private createJanitor({ nodeId, leaseMs, times, takeOver }: SharedOptions): Janitor {
    const { store, clock, log } = this.options;
    return new Janitor({
      ...this.left,
      store,
      clock,
      log,
      leadership: new Leadership(store, 'janitor', nodeId, leaseMs, log),
      times: { ...DEFAULT_JANITOR, ...times },
      takeOver,
    });
  }

  async close(): Promise<void> {
    await this.janitor?.close();
    await this.background.close();
    this.effects.close();
    await this.leases.close();
    await this.conductor.close();
    await this.notifier.close();
  }

  onCommit(listener: () => void): void {
    this.listeners.push(listener);
  }

  async idle(): Promise<void> {
    await this.background.idle();
    await this.conductor.idle();
    await this.notifier.idle();
  }

  messagesWereLost(): void {
    this.janitor?.messagesWereLost();
  }

  async sweep(): Promise<void> {
    await this.janitor?.sweepNow();
  }

  forgetViews(): void {
    this.conductor.forgetAll();
  }

  acknowledging(handler: (message: ExecutorMessage) => Promise<void>): (message: ExecutorMessage) => Promise<void> {
    return async (message) => {
      await handler(message);
      if (message.type === 'stop-action' && message.receipt !== null) {
        await deleteOutboxRow(this.options.store.writer, message.receipt);
      }
    };
  }

  // ---- Engine: what the API calls

  startExecution(caller: Caller, request: StartExecution): Promise<ExecutionRecord> {
    return this.executions.start(caller, request);
  }

  updateExecution(caller: Caller, id: string, request: UpdateExecution): Promise<ExecutionRecord> {
    return this.executions.update(caller, id, request);
  }

  deleteExecution(caller: Caller, id: string, force: boolean): Promise<void> {
    return this.executions.delete(caller, id, force);
  }

  rerunTask(caller: Caller, id: string, reset: boolean, env: JsonObject | null): Promise<TaskRecord> {
    return this.tasks.rerun(caller, id, reset, env);
  }

  skipTask(caller: Caller, id: string): Promise<TaskRecord> {
    return this.tasks.skip(caller, id);
  }

  updateAction(
    caller: Caller,
    id: string,
    to: 'SUCCESS' | 'ERROR' | 'CANCELLED' | 'PAUSED' | 'RUNNING',
    output: Json,
  ): Promise<ActionRecord> {
    return this.actions.update(caller, id, to, output);
  }

  runAction(caller: Caller, request: RunActionRequest): Promise<ActionRecord | UnsavedAction> {
    return this.standAlone.run(caller, request);
  }

  deleteAction(caller: Caller, id: string): Promise<void> {
    return this.actions.delete(caller, id);
  }

  // ---- EnginePort: what executors call

  claim(
    executorId: string,
    actions: readonly { readonly id: string; readonly attempt: number }[],
  ): Promise<ReadonlySet<string>> {
    const { store, clock } = this.options;
    return store.writer.transaction((trx: Knex) => claimActions(trx, executorId, actions, clock.now()));
  }

  async report(report: ActionReport): Promise<void> {
    const id = report.actionExecutionId;
    const executionId = this.effects.executionOf(id) ?? (await executionOfAction(this.options.store.reader, id));
    if (executionId === null) {
      await this.standAlone.report(report);
      return;
    }
    await this.conductor.submit(executionId, {
      type: 'action-completed',
      action: id as ActionRecord['id'],
      attempt: report.attempt,
      result: report.result,
    });
    this.effects.forgetAction(id);
  }

  async started(executorId: string, actionExecutionId: string, attempt: number): Promise<void> {
    const { store, clock } = this.options;
    await store.writer.transaction((trx: Knex) =>
      markStarted(trx, executorId, { id: actionExecutionId, attempt }, clock.now()),
    );
  }

  async heartbeat(executorId: string, actionExecutionIds: readonly string[]): Promise<void> {
    const { store, clock } = this.options;
    if (actionExecutionIds.length === 0) return;
    await store.writer.transaction((trx: Knex) => heartbeatActions(trx, executorId, actionExecutionIds, clock.now()));
  }
}
