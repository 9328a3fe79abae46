import type { Knex } from 'knex';
import type { ActionCatalogue } from '../contract.ts';
import { decide } from '../core/decide.ts';
import type { Env, Limits } from '../core/env.ts';
import type { Change, Command, Event, ExecutionId } from '../core/model.ts';
import { createView, evolve, type ExecutionView } from '../core/view.ts';
import { EngineError } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Logger } from '../log.ts';
import { claimExecutions, type OutboxRow, quarantine, writeBatch } from '../store/batch.ts';
import { isConnectionError, type Store } from '../store/connection.ts';
import type { DefinitionFinder } from '../store/definition-finder.ts';
import { definitionsEpoch } from '../store/definitions.ts';
import { loadViews } from '../store/views.ts';
import type { Clock } from './clock.ts';
import { DefinitionCache } from './definition-cache.ts';
import { Intake, type Outcome, type WorkItem } from './intake.ts';
import { answerLookups, isDefinitionLookup } from './lookups.ts';
import { newPlan, originals, type Plan, selfEvent, type Steps, toWrite, type Write } from './plan.ts';
import { type CachedView, ViewCache } from './view-cache.ts';

export interface ConductorOptions {
  readonly store: Store;
  readonly finder: DefinitionFinder;
  readonly catalogue: ActionCatalogue;
  readonly clock: Clock;
  readonly log: Logger;
  /** This start of this process. */
  readonly nodeId: string;
  /** Set where this process runs actions itself. */
  readonly executorId: string | null;
  readonly limits: Limits;
  readonly cacheBytes: number;
  /** Called after each commit with what must happen outside; must not throw and must not wait for the conductor. */
  readonly onCommitted: (effects: readonly Effects[]) => void;
}

/** What a committed batch asks of the outside for one execution. */
export interface Effects {
  readonly view: ExecutionView;
  readonly changes: readonly Change[];
  readonly commands: readonly Command[];
  /** The outbox rows of `send` and `stop-action` commands, in the order of the commands. */
  readonly outbox: readonly OutboxRow[];
}

// Bounds of design.md §2.
const BATCH_EVENTS = 500;
const BATCH_MILLISECONDS = 50;
const INLINE_STEPS = 64;
const INLINE_MILLISECONDS = 10;
const ATTEMPTS = 3;

/**
 * Takes events of many executions, decides them on cached views and writes a whole batch in one transaction. While one batch
 * commits, the next one gathers (design.md §2).
 */
export class Conductor {
  private readonly options: ConductorOptions;
  private readonly intake = new Intake();
  private readonly views: ViewCache;
  private readonly definitions = new DefinitionCache();
  private epoch: number | null = null;
  private running: Promise<void> | null = null;
  private closed = false;
  private readonly idleWaiters: (() => void)[] = [];

  constructor(options: ConductorOptions) {
    this.options = options;
    this.views = new ViewCache(options.cacheBytes);
  }

  /** Adds an event; resolves once it is committed, or was ignored or refused. */
  submit(
    executionId: ExecutionId,
    event: Event,
    options: {
      readonly lane?: WorkItem['lane'];
      readonly outboxId?: string | null;
      readonly create?: ExecutionView | null;
      readonly onDecided?: (view: ExecutionView) => void;
    } = {},
  ): Promise<Outcome> {
    if (this.closed) return Promise.reject(new EngineError('UNAVAILABLE', 'The engine is shutting down'));
    return new Promise((resolve, reject) => {
      this.intake.add({
        executionId,
        event,
        create: options.create ?? null,
        outboxId: options.outboxId ?? null,
        lane: options.lane ?? 'engine',
        onDecided: options.onDecided ?? (() => {}),
        onDone: resolve,
        onFailed: reject,
        origin: null,
        failures: 0,
        mustLoad: false,
      });
      this.wake();
    });
  }

  /** Forgets an execution, because its rows were changed or deleted elsewhere. */
  forget(id: ExecutionId): void {
    this.views.evict(id);
  }

  /** Forgets every view: the next event of each is decided on what is stored. For tests of exactly that. */
  forgetAll(): void {
    this.views.evictAll();
  }

  /** Resolves when nothing waits and no batch is under way. */
  async idle(): Promise<void> {
    while (this.running !== null) await new Promise<void>((resolve) => this.idleWaiters.push(resolve));
  }

  /** Finishes what was taken in and takes nothing more. */
  async close(): Promise<void> {
    this.closed = true;
    await this.idle();
  }

  private wake(): void {
    if (this.running !== null) return;
    // The batch starts with the next turn of the event loop: what is submitted meanwhile comes along.
    this.running = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.work())
      .catch((error: unknown) => {
        this.options.log.error('The conductor stopped on a fault of its own', { error });
      })
      .finally(() => {
        this.running = null;
        if (this.intake.size > 0) this.wake();
        else for (const waiter of this.idleWaiters.splice(0)) waiter();
      });
  }

  private async work(): Promise<void> {
    while (this.intake.size > 0) await this.process(this.intake.take(BATCH_EVENTS));
  }

  private async process(taken: Map<ExecutionId, WorkItem[]>): Promise<void> {
    let plans: Plan[];
    try {
      plans = await this.decideAll(taken);
    } catch (error) {
      // Reading failed before anything was decided: all of it is tried again.
      for (const id of taken.keys()) this.views.evict(id);
      await this.afterFailure([...taken.values()], error);
      return;
    }
    if (plans.length > 0) await this.commit(plans);
  }

  private async decideAll(taken: Map<ExecutionId, WorkItem[]>): Promise<Plan[]> {
    this.epoch ??= await definitionsEpoch(this.options.store.reader);
    const views = await this.viewsFor(taken);
    const started = this.options.clock.now();
    let plans = [...taken].map(([id, items]) => newPlan(id, items, this.budget(), views.get(id) ?? null));
    for (let round = 0; ; round++) {
      for (const plan of plans) {
        if (round > 0 && plan.lookups.length === 0) continue;
        if (round === 0 && this.options.clock.now() - started > BATCH_MILLISECONDS) this.leave(plan);
        else this.decidePlan(plan);
      }
      await this.setAsideCulprits(plans);
      const waiting = plans.filter((plan) => plan.lookups.length > 0);
      if (waiting.length === 0) break;
      // Each round answers at least one lookup; a decision that always wants more is a fault of ours.
      if (round > 1_000) throw new Error('a decision asks for rows without end');
      await this.answer(waiting);
    }
    plans = plans.filter((plan) => plan.done.length > 0);
    return plans;
  }

  /** A full batch leaves the rest of what it took to the next one. */
  private leave(plan: Plan): void {
    this.intake.putBack(plan.items);
    plan.items = [];
  }

  private async setAsideCulprits(plans: readonly Plan[]): Promise<void> {
    for (const plan of plans) {
      const { culprit } = plan;
      plan.culprit = null;
      if (culprit !== null) await this.setAside(culprit.item, culprit.error);
    }
  }

  /** Held on to from here on: the cache may be told to forget one while the batch waits for the database. */
  private async viewsFor(taken: Map<ExecutionId, WorkItem[]>): Promise<ReadonlyMap<ExecutionId, CachedView>> {
    const views = new Map<ExecutionId, CachedView>();
    const missing: ExecutionId[] = [];
    for (const [id, items] of taken) {
      const cached = this.views.get(id);
      const [first] = items;
      if (cached !== undefined) views.set(id, cached);
      else if (first === undefined || first.create === null || first.mustLoad) missing.push(id);
    }
    if (missing.length === 0) return views;
    const { store, finder } = this.options;
    const loaded = await loadViews(store.reader, missing, (hash) => finder.loadSpec(hash));
    for (const [id, view] of loaded) views.set(id, this.views.add(id, view));
    return views;
  }

  /** Decides the items of one execution, as far as it gets without reading. */
  private decidePlan(plan: Plan): void {
    plan.lookups = [];
    for (let item = plan.items[0]; item !== undefined; item = plan.items[0]) {
      const cached = this.viewFor(plan, item);
      if (cached === undefined) {
        plan.items.shift();
        plan.done.push({ item, outcome: { kind: 'missing' } });
        continue;
      }
      plan.cached = cached;
      const step = this.decideOne(plan, cached.view, item);
      if (step === 'waits') return;
      plan.items.shift();
      if (step === 'poisoned') return;
    }
  }

  private viewFor(plan: Plan, item: WorkItem): CachedView | undefined {
    if (plan.cached !== null) return plan.cached;
    if (item.create === null) return undefined;
    return this.views.add(plan.executionId, {
      view: createView(item.create.spec, item.create.record, item.create.environment),
      version: null,
    });
  }

  private decideOne(plan: Plan, view: ExecutionView, item: WorkItem): 'decided' | 'waits' | 'poisoned' {
    try {
      const { event } = item;
      if (item.create !== null && view.record.state !== 'IDLE') {
        // The execution exists: whoever asks again for the same id gets it as it is (spec/engine.md E-3.1).
        item.onDecided(view);
        plan.done.push({ item, outcome: { kind: 'ignored', why: 'the execution exists' } });
        return 'decided';
      }
      const decision = decide(view, event, this.envFor(plan));
      if (decision.kind === 'needs') {
        plan.lookups = decision.lookups;
        return 'waits';
      }
      if (decision.kind !== 'decided') {
        plan.done.push({ item, outcome: decision });
        if (item.create !== null) {
          this.views.evict(plan.executionId);
          plan.cached = null;
        }
        return 'decided';
      }
      for (const change of decision.changes) {
        evolve(view, change);
        plan.changes.push(change);
      }
      let continues = false;
      for (const command of decision.commands) {
        if (command.type === 'continue') continues = true;
        else plan.commands.push(command);
      }
      // Rows that were read for this decision are out of date for the next one.
      if (decision.changes.length > 0) plan.rows.clear();
      item.onDecided(view);
      plan.done.push({ item, outcome: { kind: 'committed' } });
      // A fresh execution goes on at once; what reached the bounds re-enters after the commit.
      if (continues && event.type === 'workflow-started') plan.items.splice(1, 0, selfEvent(plan.executionId, item));
      else if (continues) plan.continues = true;
      return 'decided';
    } catch (error) {
      this.poison(plan, item, error);
      return 'poisoned';
    }
  }

  private envFor(plan: Plan): Env {
    const { clock, catalogue, executorId, limits } = this.options;
    return {
      now: clock.now(),
      newId,
      catalogue,
      findAction: (name, namespace, projectId) => this.definitions.action(name, namespace, projectId),
      findWorkflow: (name, namespace, projectId) => this.definitions.workflow(name, namespace, projectId),
      findEnvironment: (name, projectId) => this.definitions.environment(name, projectId),
      findRows: (key) => plan.rows.get(key),
      executorId,
      takeStep: () => plan.steps.take(),
      limits,
    };
  }

  /** Steps of one execution in one batch; the time counts from its first. */
  private budget(): Steps {
    const { clock } = this.options;
    let left = INLINE_STEPS;
    let started: number | null = null;
    return {
      take: () => {
        started ??= clock.now();
        return left-- > 0 && clock.now() - started < INLINE_MILLISECONDS;
      },
    };
  }

  /** Loads what decisions asked for; an execution that has changes in this batch waits for the next one instead. */
  private async answer(waiting: readonly Plan[]): Promise<void> {
    const { store, finder } = this.options;
    for (const plan of waiting) {
      const cached = plan.cached;
      if (cached === null) continue;
      if (plan.changes.length > 0 && !plan.lookups.every(isDefinitionLookup)) {
        // Rows must be read as they are after the changes that were decided so far.
        this.intake.putBack(plan.items.map((item) => (item.origin === null ? item : selfEvent(plan.executionId))));
        plan.items = [];
        plan.lookups = [];
        continue;
      }
      await answerLookups(
        { knex: store.reader, finder, definitions: this.definitions, view: cached.view, rows: plan.rows },
        plan.lookups,
      );
    }
  }

  /** A fault in deciding concerns this execution alone: it leaves the batch, its view is dropped, the others go on. */
  private poison(plan: Plan, item: WorkItem, error: unknown): void {
    this.views.evict(plan.executionId);
    const culprit = item.origin ?? item;
    const items = originals([...plan.done.map((done) => done.item), ...plan.items]);
    plan.done = [];
    plan.changes = [];
    plan.commands = [];
    plan.items = [];
    this.options.log.error('An event could not be decided', {
      executionId: plan.executionId,
      event: item.event.type,
      error,
    });
    culprit.failures++;
    if (culprit.failures < ATTEMPTS) {
      this.intake.putBack(items);
      return;
    }
    plan.culprit = { item: culprit, error };
    this.intake.putBack(items.filter((other) => other !== culprit));
  }

  private async commit(plans: readonly Plan[]): Promise<void> {
    const now = this.options.clock.now();
    const writes = plans.map((plan) => toWrite(plan));
    const consumed = plans.flatMap((plan) => plan.done.flatMap(({ item }) => item.outboxId ?? []));
    let claimed: ReadonlySet<string>;
    try {
      const wanted = writes.filter((write) => write.changes !== null);
      if (wanted.length === 0 && consumed.length === 0) {
        claimed = new Set();
      } else {
        claimed = await this.write(plans, writes, consumed, now);
      }
    } catch (error) {
      for (const plan of plans) this.views.evict(plan.executionId);
      if (error instanceof EpochMoved) {
        this.definitions.clear();
        this.intakeAgain(plans);
        return;
      }
      await this.afterFailure(
        plans.map((plan) => originals(plan.done.map((done) => done.item))),
        error,
      );
      for (const plan of plans) this.intake.putBack(plan.items);
      return;
    }
    this.finish(plans, writes, claimed);
  }

  private async write(
    plans: readonly Plan[],
    writes: readonly Write[],
    consumed: readonly string[],
    now: number,
  ): Promise<ReadonlySet<string>> {
    const { store, nodeId } = this.options;
    return store.writer.transaction(async (trx: Knex) => {
      const changed = writes.flatMap((write) => write.changes ?? []);
      const claimed = changed.length === 0 ? new Set<string>() : await claimExecutions(trx, changed);
      await this.checkEpoch(trx);
      const taken = changed.filter((item) => claimed.has(item.record.id));
      const lost = new Set(changed.filter((item) => !claimed.has(item.record.id)).map((item) => item.record.id));
      const lostOutbox = new Set(
        plans
          .filter((plan) => lost.has(plan.executionId))
          .flatMap((plan) => plan.done.flatMap(({ item }) => item.outboxId ?? [])),
      );
      await writeBatch(trx, {
        executions: taken,
        outbox: writes
          .filter((write) => write.changes !== null && !lost.has(write.changes.record.id))
          .flatMap((write) => write.outbox),
        consumed: consumed.filter((id) => !lostOutbox.has(id)),
        nodeId,
        now,
      });
      return claimed;
    });
  }

  /** Definitions that changed since they were cached: the whole batch is decided again. */
  private async checkEpoch(trx: Knex): Promise<void> {
    const epoch = await definitionsEpoch(trx);
    const known = this.epoch;
    this.epoch = epoch;
    if (known !== null && known !== epoch) throw new EpochMoved();
  }

  private finish(plans: readonly Plan[], writes: readonly Write[], claimed: ReadonlySet<string>): void {
    const effects: Effects[] = [];
    plans.forEach((plan, i) => {
      const write = writes[i];
      const changes = write?.changes ?? null;
      if (write !== undefined && changes !== null) {
        if (!claimed.has(plan.executionId)) {
          // Somebody else wrote this execution: it is loaded and decided again.
          this.views.evict(plan.executionId);
          const items = originals([...plan.done.map((done) => done.item), ...plan.items]);
          for (const item of items) item.mustLoad = true;
          this.intake.putBack(items);
          return;
        }
        // The plan's own view: the cache may have been told to forget it during the commit.
        const { cached } = plan;
        if (cached !== null) {
          cached.version = (cached.version ?? 0) + 1;
          effects.push({ view: cached.view, changes: plan.changes, commands: plan.commands, outbox: write.outbox });
        }
        if (plan.changes.some((change) => change.type === 'execution-updated' && change.patch.params !== undefined)) {
          // Children show the environment of their root.
          this.views.evictDescendants(plan.executionId);
        }
      }
      this.intake.putBack(plan.items);
      // What a closing engine leaves is found by its next start.
      if (plan.continues && !this.closed) this.intake.add(selfEvent(plan.executionId));
    });
    this.options.onCommitted(effects);
    for (const plan of plans) {
      if (!claimed.has(plan.executionId) && plan.changes.length > 0) continue;
      for (const { item, outcome } of plan.done) item.onDone(outcome);
    }
    this.views.settle(plans.map((plan) => plan.executionId));
  }

  /** A failed transaction: wait and try again when the connection is to blame, else find the culprit by halving. */
  private async afterFailure(groups: readonly (readonly WorkItem[])[], error: unknown): Promise<void> {
    const { log, clock } = this.options;
    if (isConnectionError(error)) {
      log.warn('The database cannot be reached; the batch is tried again', { error });
      for (const items of groups) this.intake.putBack(items);
      await new Promise<void>((resolve) => clock.after(RETRY_MILLISECONDS, resolve));
      return;
    }
    const alone = groups.length === 1 ? groups[0] : undefined;
    const [only] = alone ?? [];
    if (alone?.length === 1 && only !== undefined) {
      log.error('An event could not be stored', { executionId: only.executionId, event: only.event.type, error });
      only.failures++;
      if (only.failures >= ATTEMPTS) await this.setAside(only, error);
      else await this.process(new Map([[only.executionId, [only]]]));
      return;
    }
    const parts: readonly (readonly (readonly WorkItem[])[])[] =
      alone === undefined
        ? [groups.slice(0, groups.length >> 1), groups.slice(groups.length >> 1)]
        : [[alone.slice(0, alone.length >> 1)], [alone.slice(alone.length >> 1)]];
    for (const part of parts) {
      await this.process(
        new Map(part.flatMap((items) => (items[0] === undefined ? [] : [[items[0].executionId, [...items]]]))),
      );
    }
  }

  private async setAside(item: WorkItem, error: unknown): Promise<void> {
    const { store, clock, log } = this.options;
    const message = error instanceof Error ? error.message : String(error);
    this.views.evict(item.executionId);
    try {
      const news = await store.writer.transaction((trx: Knex) =>
        quarantine(
          trx,
          { id: newId(), executionId: item.executionId, event: item.event, error: message },
          item.outboxId === null ? [] : [item.outboxId],
          clock.now(),
        ),
      );
      if (news !== null) this.intake.add({ ...selfEvent(news.to), event: news.event, outboxId: news.outboxId });
      log.error('An event was set aside and its execution ended', {
        executionId: item.executionId,
        event: item.event.type,
      });
    } catch (failure) {
      log.error('An event could not even be set aside', { executionId: item.executionId, error: failure });
    }
    item.onFailed(new EngineError('INTERNAL', `The engine could not handle this: ${message}`, { cause: error }));
  }

  private intakeAgain(plans: readonly Plan[]): void {
    for (const plan of plans) this.intake.putBack(originals([...plan.done.map((done) => done.item), ...plan.items]));
  }
}

const RETRY_MILLISECONDS = 500;

class EpochMoved extends Error {}
