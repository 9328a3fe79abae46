import type { Knex } from 'knex';
import type { ActionCatalogue } from '../contract.ts';
import type { Limits } from '../core/env.ts';
import type { Event, ExecutionId } from '../core/model.ts';
import type { ExecutionView } from '../core/view.ts';
import { EngineError } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Logger } from '../log.ts';
import { quarantine } from '../store/batch.ts';
import { isCollision, isConnectionError, type Store } from '../store/connection.ts';
import type { DefinitionFinder } from '../store/definition-finder.ts';
import type { Clock } from './clock.ts';
import { type Committed, commitPlans, type Effects, EpochMoved } from './committing.ts';
import { ATTEMPTS, type Culprit, Decider } from './deciding.ts';
import { DefinitionCache } from './definition-cache.ts';
import { Intake, type Outcome, type WorkItem } from './intake.ts';
import { originals, type Plan, selfEvent, weightOf } from './plan.ts';
import { type Checked, checkShared } from './shared-checks.ts';
import { ViewCache } from './view-cache.ts';

export type { Effects } from './committing.ts';

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

// Bounds of a batch (design.md §2).
const BATCH_EVENTS = 500;
const BATCH_BYTES = 8 * 1024 * 1024;
const RETRY_MILLISECONDS = 500;
/** Two transactions that waited for each other need not wait again. */
const COLLISION_MILLISECONDS = 20;
// A database with many writers takes several batches at once; small ones are better together.
const COMMITS_OF_MANY = 4;
const SMALLEST_EXTRA_COMMIT = 16;
const LONGEST_LOSER_PAUSE = 200;

type Groups = ReadonlyMap<ExecutionId, WorkItem[]>;

/**
 * Takes events of many executions, decides them on cached views and writes a whole batch in one transaction. While one batch
 * commits, the next one is gathered and decided (design.md §2): an execution is in one of them only.
 */
export class Conductor {
  private readonly options: ConductorOptions;
  private readonly intake = new Intake();
  private readonly views: ViewCache;
  private readonly definitions = new DefinitionCache();
  private readonly decider: Decider;
  /** What is decided and waits for its turn to be written. */
  private batch: Plan[] = [];
  private batchBytes = 0;
  private readonly commits = new Set<Promise<void>>();
  /** How often in a row an execution was lost to somebody else. */
  private readonly losses = new Map<ExecutionId, number>();
  /** Executions that are decided or written: they take no further events until that ends. */
  private readonly busy = new Set<ExecutionId>();
  private running: Promise<void> | null = null;
  private closed = false;
  private readonly idleWaiters: (() => void)[] = [];
  private noteArrival: () => void = () => {};

  constructor(options: ConductorOptions) {
    this.options = options;
    this.views = new ViewCache(options.cacheBytes);
    this.decider = new Decider(options, this.intake, this.views, this.definitions);
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
      this.add({
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
        isUsedUp: false,
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

  private add(item: WorkItem): void {
    this.intake.add(item);
    this.noteArrival();
  }

  private wake(): void {
    if (this.running !== null) return;
    this.running = this.work()
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
    for (;;) {
      // A batch starts with the next turn of the event loop: what is submitted meanwhile comes along.
      await nextTurn();
      await this.gather();
      if (this.mayCommit()) this.startCommit();
      else if (this.commits.size === 0) {
        if (this.intake.size === 0) return;
      } else if (!this.intake.hasFor(this.busy) || this.roomInBatch() === 0) {
        await this.somethingNew();
      }
    }
  }

  private mayCommit(): boolean {
    if (this.batch.length === 0) return false;
    if (this.commits.size === 0) return true;
    const most = this.options.store.isShared ? COMMITS_OF_MANY : 1;
    return this.commits.size < most && this.batch.length >= SMALLEST_EXTRA_COMMIT;
  }

  /** Until a batch under way is written, or until there is more to decide meanwhile. */
  private somethingNew(): Promise<void> {
    const arrival = new Promise<void>((resolve) => {
      this.noteArrival = resolve;
    });
    return Promise.race([...this.commits, arrival]);
  }

  private roomInBatch(): number {
    if (this.batchBytes >= BATCH_BYTES) return 0;
    return Math.max(0, BATCH_EVENTS - this.batch.reduce((sum, plan) => sum + plan.done.length, 0));
  }

  /** Takes events into the next batch and decides them. */
  private async gather(): Promise<void> {
    const taken = this.intake.take(this.roomInBatch(), this.busy);
    if (taken.size === 0) return;
    const plans = await this.decide(taken);
    this.batch.push(...plans);
    this.batchBytes += plans.reduce((sum, plan) => sum + weightOf(plan), 0);
  }

  private startCommit(): void {
    const plans = this.batch;
    this.batch = [];
    this.batchBytes = 0;
    const committing = this.commit(plans).finally(() => {
      this.commits.delete(committing);
      for (const plan of plans) this.busy.delete(plan.executionId);
    });
    this.commits.add(committing);
  }

  /** Only executions with something decided stay busy. */
  private async decide(taken: Groups): Promise<readonly Plan[]> {
    for (const id of taken.keys()) this.busy.add(id);
    let plans: readonly Plan[] = [];
    try {
      const decided = await this.decider.decideAll(taken);
      plans = decided.plans;
      for (const culprit of decided.culprits) await this.setAside(culprit);
    } catch (error) {
      // Reading failed before anything was decided: all of it is tried again.
      for (const id of taken.keys()) this.views.evict(id);
      await this.afterFailure([...taken.values()], error);
    }
    const kept = new Set(plans.map((plan) => plan.executionId));
    for (const id of taken.keys()) if (!kept.has(id)) this.busy.delete(id);
    return plans;
  }

  private async commit(plans: readonly Plan[]): Promise<void> {
    let committed: Committed;
    try {
      const { fresh, stale } = await this.check(plans);
      const { stored, lost } = await commitPlans(this.options, this.definitions, fresh);
      committed = { stored, lost: [...lost, ...stale] };
    } catch (error) {
      for (const plan of plans) this.views.evict(plan.executionId);
      if (error instanceof EpochMoved) {
        for (const plan of plans) this.putBack(plan);
        return;
      }
      await this.afterFailure(
        plans.map((plan) => originals(plan.done.map((done) => done.item))),
        error,
      );
      for (const plan of plans) this.intake.putBack(plan.items);
      return;
    }
    this.finish(committed);
    if (committed.lost.length > 0) await this.letOthersFinish(committed.lost);
  }

  private check(plans: readonly Plan[]): Promise<Checked> {
    const { store } = this.options;
    return store.isShared ? checkShared(store, plans) : Promise.resolve({ fresh: plans, stale: [] });
  }

  /** Who loses an execution again and again meets somebody who holds it: asking at once would not help. */
  private async letOthersFinish(lost: readonly Plan[]): Promise<void> {
    const most = Math.max(...lost.map(({ executionId }) => this.losses.get(executionId) ?? 0));
    if (most < 2) return;
    const pause = Math.min(LONGEST_LOSER_PAUSE, 2 ** most) * (0.5 + Math.random());
    await new Promise<void>((resolve) => this.options.clock.after(pause, resolve));
  }

  private finish({ stored, lost }: Committed): void {
    for (const plan of lost) {
      // Somebody else wrote this execution: it is loaded and decided again.
      this.views.evict(plan.executionId);
      this.losses.set(plan.executionId, (this.losses.get(plan.executionId) ?? 0) + 1);
      for (const { item } of plan.done) item.mustLoad = true;
      this.putBack(plan);
    }
    for (const { plan } of stored) {
      this.losses.delete(plan.executionId);
      if (plan.changes.some((change) => change.type === 'execution-updated' && change.patch.params !== undefined)) {
        // Children show the environment of their root.
        this.views.evictDescendants(plan.executionId);
      }
      this.intake.putBack(plan.items);
      // What a closing engine leaves is found by its next start.
      if (plan.continues && !this.closed) this.add(selfEvent(plan.executionId));
    }
    this.options.onCommitted(stored.flatMap(({ effects }) => effects ?? []));
    const done = stored.flatMap(({ plan }) => plan.done);
    for (const lane of ['api', 'engine'] as const)
      for (const { item, outcome } of done) if (item.lane === lane) item.onDone(outcome);
    this.views.settle([...stored.map(({ plan }) => plan.executionId), ...lost.map((plan) => plan.executionId)]);
  }

  private putBack(plan: Plan): void {
    const items = originals([...plan.done.map((done) => done.item), ...plan.items]);
    this.intake.putBack(items.filter((item) => !item.isUsedUp));
    for (const item of items) if (item.isUsedUp) item.onDone({ kind: 'ignored', why: 'somebody else has acted on it' });
  }

  /** A failed transaction: wait and try again when the connection is to blame, else find the culprit in ever smaller parts. */
  private async afterFailure(groups: readonly (readonly WorkItem[])[], error: unknown): Promise<void> {
    const { log, clock } = this.options;
    if (isConnectionError(error)) {
      log.warn('The database cannot be reached; the batch is tried again', { error });
      for (const items of groups) this.intake.putBack(items);
      const pause = isCollision(error) ? COLLISION_MILLISECONDS : RETRY_MILLISECONDS;
      await new Promise<void>((resolve) => clock.after(pause, resolve));
      return;
    }
    const alone = groups.length === 1 ? groups[0] : undefined;
    const [only] = alone ?? [];
    if (alone?.length === 1 && only !== undefined) {
      log.error('An event could not be stored', { executionId: only.executionId, event: only.event.type, error });
      only.failures++;
      if (only.failures >= ATTEMPTS) await this.setAside({ item: only, error });
      else this.intake.putBack(alone);
      return;
    }
    const parts = alone === undefined ? inParts(groups) : inParts(alone).map((items) => [items]);
    for (const part of parts) await this.process(part);
  }

  /** Decides and writes a part of a batch that failed, at once: its executions are still busy. */
  private async process(groups: readonly (readonly WorkItem[])[]): Promise<void> {
    const taken = new Map(
      groups.flatMap((items) => (items[0] === undefined ? [] : [[items[0].executionId, [...items]]])),
    );
    let plans: readonly Plan[];
    try {
      const decided = await this.decider.decideAll(taken);
      for (const culprit of decided.culprits) await this.setAside(culprit);
      plans = decided.plans;
    } catch (error) {
      for (const id of taken.keys()) this.views.evict(id);
      await this.afterFailure(groups, error);
      return;
    }
    if (plans.length > 0) await this.commit(plans);
  }

  private async setAside({ item, error }: Culprit): Promise<void> {
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
      if (news !== null) this.add({ ...selfEvent(news.to), event: news.event, outboxId: news.outboxId });
      log.error('An event was set aside and its execution ended', {
        executionId: item.executionId,
        event: item.event.type,
      });
    } catch (failure) {
      log.error('An event could not even be set aside', { executionId: item.executionId, error: failure });
    }
    item.onFailed(new EngineError('INTERNAL', `The engine could not handle this: ${message}`, { cause: error }));
  }
}

/** As many parts as each then has members: all are tried once more, and few of them twice more. */
function inParts<T>(whole: readonly T[]): (readonly T[])[] {
  const size = Math.ceil(whole.length / Math.max(2, Math.ceil(Math.sqrt(whole.length))));
  return Array.from({ length: Math.ceil(whole.length / size) }, (_, i) => whole.slice(i * size, (i + 1) * size));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
