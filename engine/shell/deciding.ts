import { decide } from '../core/decide.ts';
import type { Env } from '../core/env.ts';
import type { ExecutionId } from '../core/model.ts';
import { createView, evolve, type ExecutionView } from '../core/view.ts';
import { newId } from '../ids.ts';
import { loadViews } from '../store/views.ts';
import type { ConductorOptions } from './conductor.ts';
import type { DefinitionCache } from './definition-cache.ts';
import type { Intake, WorkItem } from './intake.ts';
import { answerLookups, isLoadedAnyTime } from './lookups.ts';
import { noticesOf } from './notices.ts';
import { newPlan, originals, type Plan, selfEvent, type Steps } from './plan.ts';
import type { CachedView, ViewCache } from './view-cache.ts';

// Bounds of design.md §2. Decisions are made in slices of time: after each one what is decided can be written while the next is made.
const SLICE_MILLISECONDS = 10;
const INLINE_STEPS = 64;
const INLINE_MILLISECONDS = 10;
/** How often an event may fail before it is set aside. */
export const ATTEMPTS = 3;

/** Decides events on cached views: what a batch is to write. Nothing is written here. */
export class Decider {
  private readonly options: ConductorOptions;
  private readonly intake: Intake;
  private readonly views: ViewCache;
  private readonly definitions: DefinitionCache;

  constructor(options: ConductorOptions, intake: Intake, views: ViewCache, definitions: DefinitionCache) {
    this.options = options;
    this.intake = intake;
    this.views = views;
    this.definitions = definitions;
  }

  /**
   * Plans with something decided, and events that could not be decided time and again. What does not fit into the bounds goes back
   * to the intake.
   */
  async decideAll(
    taken: ReadonlyMap<ExecutionId, WorkItem[]>,
  ): Promise<{ readonly plans: Plan[]; readonly culprits: readonly Culprit[] }> {
    const epoch = await this.definitions.epoch(this.options.store.reader);
    const views = await this.viewsFor(taken);
    const started = this.options.clock.now();
    const plans = [...taken].map(([id, items]) => newPlan(id, items, this.budget(), views.get(id) ?? null, epoch));
    for (let round = 0; ; round++) {
      for (const plan of plans) {
        if (round > 0 && plan.lookups.length === 0) continue;
        // The first one is decided whatever time it is, else a slow machine would come to nothing.
        const isLate = round === 0 && plan !== plans[0] && this.options.clock.now() - started > SLICE_MILLISECONDS;
        if (isLate) this.leave(plan);
        else this.decidePlan(plan);
      }
      const waiting = plans.filter((plan) => plan.lookups.length > 0);
      if (waiting.length === 0) break;
      // Each round answers at least one lookup; a decision that always wants more is a fault of ours.
      if (round > 1_000) throw new Error('a decision asks for rows without end');
      await this.answer(waiting);
    }
    return {
      plans: plans.filter((plan) => plan.done.length > 0),
      culprits: plans.flatMap((plan) => plan.culprit ?? []),
    };
  }

  /** What does not fit into the slice of time is decided in the next one. */
  private leave(plan: Plan): void {
    this.intake.putBack(plan.items);
    plan.items = [];
  }

  /** Held on to from here on: the cache may be told to forget one while the batch waits for the database. */
  private async viewsFor(taken: ReadonlyMap<ExecutionId, WorkItem[]>): Promise<ReadonlyMap<ExecutionId, CachedView>> {
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
      if (item.create !== null && view.record.state !== 'IDLE') {
        // The execution exists: whoever asks again for the same id gets it as it is (spec/engine.md E-3.1).
        item.onDecided(view);
        plan.done.push({ item, outcome: { kind: 'ignored', why: 'the execution exists' } });
        return 'decided';
      }
      const decision = decide(view, item.event, this.envFor(plan));
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
        plan.notices.push(...noticesOf(view, change, this.options.clock.now()));
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
      if (continues && item.event.type === 'workflow-started')
        plan.items.splice(1, 0, selfEvent(plan.executionId, item));
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
        const now = clock.now();
        // The first one always fits, however slow this machine is.
        started ??= now;
        return left-- > 0 && now - started < INLINE_MILLISECONDS;
      },
      resume: () => {
        started = null;
      },
    };
  }

  /** Loads what decisions asked for; an execution that has changes in this batch waits for the next one instead. */
  private async answer(waiting: readonly Plan[]): Promise<void> {
    const { store, finder } = this.options;
    for (const plan of waiting) {
      const cached = plan.cached;
      if (cached === null) continue;
      if (plan.changes.length > 0 && !plan.lookups.every((lookup) => isLoadedAnyTime(lookup, plan.changes))) {
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
      plan.steps.resume();
      // Read while definitions changed: what was read may be of before.
      if (plan.epoch !== this.definitions.knownEpoch) this.definitions.clear();
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
    plan.notices = [];
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
}

/** An event that could not be decided or stored, however often it was tried. */
export interface Culprit {
  readonly item: WorkItem;
  readonly error: unknown;
}
