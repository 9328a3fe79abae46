import { createDefinitions } from '../../engine/shell/definitions.ts';
import type { ActionReport, ActionResult, EnginePort } from '../../engine/contract.ts';
import { EngineError } from '../../engine/errors.ts';
import { createEngine, type RunningEngine, type SharedOptions } from '../../engine/index.ts';
import { newId } from '../../engine/ids.ts';
import { DEFAULT_MEMBERSHIP, Membership, SharedClock } from '../../engine/shell/membership.ts';
import type { Logger } from '../../engine/log.ts';
import { EmbeddedQueue } from '../../engine/queue/embedded.ts';
import type { Clock } from '../../engine/shell/clock.ts';
import { silentLogger } from '../../engine/log.ts';
import { isActionOpen } from '../../engine/store/action-claims.ts';
import { migrate } from '../../engine/store/migrate.ts';
import { createHttpClient, type HttpClient } from '../../executors/http-client.ts';
import { jobBackends } from '../../executors/index.ts';
import { JobWatcher } from '../../executors/job-watcher.ts';
import { Worker } from '../../executors/worker.ts';
import type { ActionContext } from '../../executors/action.ts';
import type { JsonObject } from '../../dsl/json.ts';
import { resultOf, simulatedCatalogue } from './actions.ts';
import { OutsideJobs } from './jobs.ts';
import { ModelDatabase, ModelStore, type StoreHooks } from './model-store/store.ts';
import type { Row } from './model-store/tables.ts';
import { describe, ModelQueue } from './model-queue.ts';
import { CALLER, type Node, operate, ROOT, type StateOfWorld } from './operations.ts';
import { hash, Random } from './random.ts';
import { documents, type Fault, type FaultKind, type Operation, type Scenario } from './scenario.ts';
import { type Owner, Scheduler } from './scheduler.ts';
import { EventLog } from './event-log.ts';

// Random workflows may go in circles.
const LIMITS = { tasksPerName: 25 };
const MOST_STEPS = 60_000;
/** Virtual time without anything that happens to an execution, after which nothing will. */
const STILL_MS = 3600 * 1000;

export interface WorldOptions {
  /** Another order of events than the scenario's own. */
  readonly order?: number;
  readonly trace?: boolean;
}

/** What one run came to, before anybody judges it. */
export interface Ran {
  readonly database: ModelDatabase;
  readonly log: EventLog;
  readonly trace: readonly string[];
  readonly faults: ReadonlyMap<string, number>;
  readonly operations: ReadonlyMap<string, number>;
  /** Things that must never happen, seen while it ran. */
  readonly problems: readonly string[];
  readonly steps: number;
  readonly isDeleted: boolean;
  readonly hasLostActions: boolean;
  readonly actionRuns: ReadonlyMap<string, number>;
  readonly jobStarts: ReadonlyMap<string, number>;
}

/** Runs a scenario to where nothing moves any more. */
export async function run(scenario: Scenario, options: WorldOptions = {}): Promise<Ran> {
  const world = new World(scenario, options);
  // Some pauses are chosen by chance.
  const random = Math.random;
  Math.random = () => world.random.next();
  try {
    return await world.run();
  } finally {
    Math.random = random;
  }
}

interface Shared {
  readonly clock: Clock;
  readonly membership: Membership;
  readonly options: SharedOptions;
}

export class World implements StateOfWorld {
  readonly scenario: Scenario;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly database = EMPTY.copy();
  readonly nodes: Node[] = [];
  readonly problems: string[] = [];
  readonly trace: string[] = [];
  readonly faults = new Map<string, number>();
  readonly operations = new Map<string, number>();
  deletion: 'none' | 'wanted' | 'done' = 'none';
  private readonly options: WorldOptions;
  private readonly log: EventLog;
  private readonly queue: ModelQueue;
  private readonly jobs = new OutsideJobs();
  private readonly planned: Fault[];
  private readonly wishes: Operation[];
  private readonly armed: Fault[] = [];
  private readonly actionRuns = new Map<string, number>();
  /** How often each task's action was tried, so that the same try has the same result in every run. */
  private readonly tries = new Map<string, number>();
  private readonly tryOf = new Map<string, number>();
  private readonly hasJobs: boolean;
  private nodeCount = 0;
  private needsRecovery = false;
  private isCalm = false;
  private readonly calls = new Set<{ readonly node: Node }>();
  private movedAt = 0;

  constructor(scenario: Scenario, options: WorldOptions) {
    this.scenario = scenario;
    this.options = options;
    this.random = new Random(hash(scenario.seed, 'order', options.order ?? 0));
    this.scheduler = new Scheduler(this.random);
    this.hasJobs = JSON.stringify(scenario.workflows).includes('sim.job');
    this.planned = scenario.faults.toSorted((a, b) => a.at - b.at);
    this.wishes = scenario.operations.toSorted((a, b) => a.at - b.at);
    this.queue = new ModelQueue(this.scheduler, this.random, {
      take: (kind) => this.meets(kind) !== undefined,
      note: (what) => this.note(what),
    });
    this.log = new EventLog(this.database, (text) => this.note(text));
  }

  async run(): Promise<Ran> {
    await this.prepare();
    for (let i = 0; i < this.scenario.nodes; i++) this.startNode();
    while (await this.next()) {
      if (this.problems.length > 0) break;
      if (this.scheduler.steps > MOST_STEPS) {
        this.problems.push(`no rest after ${MOST_STEPS} steps`);
        break;
      }
    }
    for (const node of this.nodes) this.kill(node, 'the end', false);
    if (this.queue.reordered > 0) this.count(this.faults, 'reordered-message', this.queue.reordered);
    return {
      database: this.database,
      log: this.log,
      trace: this.trace,
      faults: this.faults,
      operations: this.operations,
      problems: [...this.problems, ...this.log.problems],
      steps: this.scheduler.steps,
      isDeleted: this.deletion === 'done',
      hasLostActions: this.hasLostActions(),
      actionRuns: this.actionRuns,
      jobStarts: this.jobs.started,
    };
  }

  get liveNodes(): Node[] {
    return this.nodes.filter((node) => node.state === 'live' && node.phase === 'up');
  }

  rows(table: string): Row[] {
    return this.database.rows(table);
  }

  note(text: string): void {
    if (this.options.trace !== true) return;
    this.trace.push(
      `${String(this.scheduler.steps).padStart(5)} ${((this.scheduler.time - Date.UTC(2026, 0, 1)) / 1000).toFixed(1).padStart(8)}s  ${text}`,
    );
  }

  /** Calls an engine as a client does: what it refuses is no news, what breaks is. */
  call(what: string, node: Node, request: (engine: RunningEngine) => Promise<unknown>): void {
    this.note(`${node.name} ← ${what}`);
    this.count(this.operations, what.split(' ')[0] ?? what);
    const pending = { node };
    this.calls.add(pending);
    request(node.engine)
      .then(
        () => this.note(`${node.name} → done: ${what}`),
        (error: unknown) => {
          if (error instanceof EngineError && REFUSALS.has(error.code))
            this.note(`${node.name} → ${error.code}: ${what}`);
          else if (isDisturbed(error) || node.state === 'dead') this.note(`${node.name} → failed: ${what}`);
          else this.problems.push(`${what} on ${node.name} failed: ${String(error)}`);
        },
      )
      .finally(() => {
        this.calls.delete(pending);
      })
      .catch(() => {});
  }

  private get isStarting(): boolean {
    return this.nodes.some((node) => node.state !== 'dead' && node.phase === 'starting');
  }

  private async prepare(): Promise<void> {
    this.database.now = () => this.scheduler.time;
    const store = new ModelStore(this.database);
    const catalogue = simulatedCatalogue({
      run: () => Promise.reject(new Error('not here')),
      sleep: () => Promise.resolve(),
      jobs: this.jobs.backend(this.jobHost(null)),
    });
    const definitions = createDefinitions({ store, catalogue, now: () => this.scheduler.time });
    const place = { namespace: '', scope: 'private' } as const;
    const texts = documents(this.scenario);
    if (texts.actions !== null) await definitions.createActions(CALLER, texts.actions, place);
    if (texts.workflows !== null) await definitions.createWorkflows(CALLER, texts.workflows, place);
    if (texts.book !== null) await definitions.createWorkbook(CALLER, texts.book, place);
    await store.writer('environments').insert({
      id: 'env',
      name: 'env',
      variables: JSON.stringify(this.scenario.environment),
      scope: 'private',
      project_id: CALLER.projectId,
      created_at: 0,
    });
    this.database.onCommit = () => {
      if (this.log.read()) this.movedAt = this.scheduler.time;
    };
  }

  /** Whatever comes next; false when nothing will ever. */
  private async next(): Promise<boolean> {
    this.applyFaults();
    this.applyOperations();
    if (this.random.chance(0.04)) this.people();
    this.keepNodes();
    this.startWorkflow();
    if (await this.scheduler.step()) return true;
    if (this.people()) return true;
    if (this.skipToPlans()) return true;
    if (!this.isCalm) {
      this.calm();
      return true;
    }
    if (this.pendingCalls === 0 && !this.isStarting && this.isAtRest()) return false;
    if (this.scheduler.time - this.movedAt > STILL_MS) {
      this.problems.push(`stuck: ${this.leftOver()}`);
      return false;
    }
    if (this.scheduler.passTime()) return true;
    this.problems.push(`nothing can happen any more: ${this.leftOver()}`);
    return false;
  }

  // ---- nodes

  private startNode(): void {
    const name = `n${++this.nodeCount}`;
    this.needsRecovery = false;
    const node = this.makeNode(name);
    this.nodes.push(node);
    this.note(`${name} starts`);
    const start = async (): Promise<void> => {
      // Its chores take most of the time of a run that has no jobs.
      if (this.hasJobs) await node.watcher.start();
      await node.membership?.start();
      await node.engine.start();
      node.phase = 'up';
      this.note(`${name} is up: ${node.engine.nodeId}`);
    };
    start().catch((error: unknown) => {
      if (!isDisturbed(error)) this.problems.push(`${name} cannot start: ${String(error)}`);
      this.kill(node, 'its start failed', true);
    });
  }

  private makeNode(name: string): Node {
    const { scenario, scheduler } = this;
    const owner: Owner & { skew: number } = { name, state: 'live', skew: 0 };
    const local: Clock = {
      now: () => {
        // Computing takes time as well: the bounds of a batch are met now and then.
        if (this.random.chance(0.01)) scheduler.time += this.random.int(12);
        return scheduler.time + owner.skew;
      },
      after: (milliseconds, callback) => scheduler.after(owner, milliseconds, callback),
    };
    const log = this.logger(name, owner);
    const store = new ModelStore(this.database, this.hooks(owner));
    const shared = scenario.keeper === 'janitor' ? this.share(name, store, local, log) : null;
    const clock: Clock = shared?.clock ?? local;
    const queue = scenario.mode === 'embedded' ? new EmbeddedQueue(clock, log) : this.queue.connect(owner);
    const catalogue = simulatedCatalogue({
      run: (isRepeatSafe, context) => this.runAction(owner, isRepeatSafe, context),
      sleep: (milliseconds) => scheduler.sleep(owner, milliseconds),
      jobs: this.jobs.backend(this.jobHost(owner)),
    });
    const engine = createEngine({
      store,
      catalogue,
      queue,
      clock,
      log,
      embeddedExecutor: scenario.mode === 'embedded',
      limits: LIMITS,
      cacheBytes: scenario.cacheBytes,
      ...(shared === null ? {} : { shared: shared.options }),
    });
    const port = this.port(owner, engine);
    const watcher = new JobWatcher({
      db: store.writer,
      nodeId: engine.nodeId,
      engine: port,
      backends: jobBackends(catalogue),
      clock,
      log,
      isOwnerDead: (id) => Promise.resolve(this.nodes.find((node) => node.engine.nodeId === id)?.state === 'dead'),
      isOpen: (id) => isActionOpen(store.reader, id),
      random: () => this.random.next(),
    });
    const worker = new Worker({
      catalogue,
      engine: port,
      executorId: engine.nodeId,
      host: 'host',
      watcher,
      http: httpClient(),
      clock,
      log,
      ...(queue.held === undefined ? {} : { held: () => queue.held?.() ?? [] }),
    });
    queue.consume(
      engine.acknowledging((message) => {
        this.note(`${name} gets ${describe(message)}`);
        return worker.handle(message);
      }),
    );
    const membership = shared?.membership ?? null;
    return Object.assign(owner, { engine, store, worker, watcher, membership, phase: 'starting' as const });
  }

  /** What a node is to others that know of it: it says that it lives, and one of them sees to what the dead have left. */
  private share(name: string, store: ModelStore, local: Clock, log: Logger): Shared {
    const clock = new SharedClock(local);
    const nodeId = newId();
    const membership = new Membership({
      store,
      clock,
      log,
      service: { id: nodeId, name, host: 'host', roles: ['api', 'engine', 'executor'], schemaVersion: 1 },
      times: DEFAULT_MEMBERSHIP,
      onOutdated: () => {},
      schemaVersion: () => Promise.resolve(1),
    });
    const options: SharedOptions = { nodeId, leaseMs: DEFAULT_MEMBERSHIP.leaseMs, takeOver: () => Promise.resolve() };
    return { clock, membership, options };
  }

  private kill(node: Node, why: string, isFault: boolean): void {
    if (node.state === 'dead') return;
    node.state = 'dead';
    node.store.abandon();
    node.watcher.abandon();
    this.queue.ownerDied(node);
    if (!isFault) return;
    this.needsRecovery = true;
    this.note(`${node.name} dies: ${why}`);
  }

  /** A cluster's manager starts what is missing. */
  private keepNodes(): void {
    if (this.isStarting) return;
    const isEmpty = this.nodes.every((node) => node.state !== 'live');
    if (isEmpty || (this.needsRecovery && this.random.chance(0.1))) this.startNode();
  }

  private hooks(owner: Owner): StoreHooks {
    const { scheduler } = this;
    const node = (): Node | undefined => this.nodes.find((one) => one === owner);
    return {
      statement: async (what) => {
        const self = node();
        if (
          self !== undefined &&
          this.database.isHeldBy(self.store) &&
          this.meets('crash-in-transaction') !== undefined
        ) {
          this.kill(self, `in a transaction, before ${what}`, true);
        }
        await scheduler.gate(owner, what);
      },
      begin: async () => {
        await scheduler.gate(owner, 'begin');
        if (this.meets('connection-error') === undefined) return;
        this.note(`${owner.name} has no connection`);
        throw new Disturbance('SQLITE_BUSY');
      },
      commit: async () => {
        await scheduler.gate(owner, 'commit');
        if (this.meets('statement-error') === undefined) return;
        this.note(`${owner.name} has a transaction that fails`);
        throw new Disturbance('BROKEN');
      },
      committed: async () => {
        const fault = this.meets('commit-reported-as-error');
        await scheduler.gate(owner, 'committed');
        if (fault === undefined) return;
        this.note(`${owner.name} hears of an error, and the commit was done`);
        // What the commit asked for is known to its rows alone: somebody has to look for it.
        this.needsRecovery = true;
        throw new Disturbance(fault.pick % 3 === 0 ? 'BROKEN' : 'SQLITE_IOERR');
      },
    };
  }

  private logger(name: string, owner: Owner): Logger {
    const log: Logger = {
      ...silentLogger,
      with: () => log,
      warn: (message, fields) => {
        this.note(`${name} warns: ${message} ${textOf(fields?.error)}`);
        if (owner.state !== 'dead' && !isDisturbed(fields?.error) && BROKEN_ROUNDS.includes(message))
          this.problems.push(`${name}: ${message}: ${textOf(fields?.error)}`);
      },
      error: (message, fields) => {
        this.note(`${name} errs: ${message} ${textOf(fields?.error)}`);
        if (owner.state === 'dead' || isDisturbed(fields?.error)) return;
        // Rows that go while an event is decided; the next try finds that there is no such execution.
        if (this.deletion !== 'none' && / does not exist$| is missing$/.test(textOf(fields?.error))) return;
        if (FATAL.some((text) => message.startsWith(text)))
          this.problems.push(
            `${name}: ${message}: ${fields?.error instanceof Error ? (fields.error.stack ?? '') : textOf(fields?.error)}`,
          );
      },
    };
    return log;
  }

  // ---- executors

  private port(owner: Owner, engine: RunningEngine): EnginePort {
    const { scheduler } = this;
    return {
      claim: async (executorId, actions) => {
        await scheduler.gate(owner, 'claim');
        return engine.claim(executorId, actions);
      },
      started: (executorId, id, attempt) => engine.started(executorId, id, attempt),
      heartbeat: (executorId, ids) => engine.heartbeat(executorId, ids),
      report: async (report: ActionReport) => {
        await scheduler.gate(owner, 'report');
        if (this.meets('late-result') !== undefined) {
          this.note(`${owner.name} reports late`);
          await scheduler.sleep(owner, 60_000 + this.random.int(600_000));
        }
        if (this.meets('repeat-result') !== undefined) {
          this.note(`${owner.name} reports twice`);
          void scheduler
            .sleep(owner, this.random.int(5000))
            .then(() => engine.report(report))
            .catch(() => {});
        }
        await engine.report(report);
      },
    };
  }

  private async runAction(owner: Owner, isRepeatSafe: boolean, { run }: ActionContext): Promise<ActionResult> {
    const name = `${run.actionExecutionId}#${run.attempt}`;
    if (!isRepeatSafe) this.actionRuns.set(name, (this.actionRuns.get(name) ?? 0) + 1);
    const { result, lastsMs } = this.resultFor(run.actionExecutionId);
    await this.scheduler.sleep(owner, lastsMs);
    return result;
  }

  private jobHost(owner: Owner | null): Parameters<OutsideJobs['backend']>[0] {
    return {
      gate: (what) => this.scheduler.gate(owner, what),
      now: () => this.scheduler.time,
      submitFault: () => {
        const fault = this.meets('unclear-submit');
        if (fault === undefined) return 'none';
        this.note(`${owner?.name ?? ''} gets no answer to a submit`);
        return fault.pick % 2 === 0 ? 'lost-answer' : 'lost-request';
      },
      resultFor: ({ actionExecutionId }) => this.resultFor(actionExecutionId),
    };
  }

  /** Depends on the task, the item and the number of the try: the same in every run of a scenario. */
  resultFor(actionId: string): { readonly result: ActionResult; readonly lastsMs: number } {
    const row = this.rows('action_executions').find((action) => action.id === actionId);
    const index = typeof row?.runtime_context === 'string' ? indexOf(row.runtime_context) : 0;
    const task = String(row?.task_execution_id ?? '');
    let number = this.tryOf.get(actionId);
    if (number === undefined) {
      number = (this.tries.get(`${task} ${index}`) ?? 0) + 1;
      this.tries.set(`${task} ${index}`, number);
      this.tryOf.set(actionId, number);
    }
    const parts = [this.scenario.seed, String(row?.workflow_name ?? ''), String(row?.task_name ?? ''), index, number];
    const isGood = hash(...parts, 'result') % 100 < 82;
    const lastsMs = hash(...parts, 'time') % 4000;
    return { result: resultOf(isGood, { n: number, i: index }), lastsMs };
  }

  /** Whether an action ended otherwise than it would have: it was lost with its node. */
  private hasLostActions(): boolean {
    // Who stands still for long is taken for dead.
    if (this.nodeCount === this.scenario.nodes && !this.faults.has('slow-node')) return false;
    return this.rows('action_executions').some(
      (row) =>
        row.kind !== 'pure' && row.state !== 'SUCCESS' && this.resultFor(String(row.id)).result.kind === 'success',
    );
  }

  // ---- what people do

  /** Starts the execution, and again when nobody knows whether that worked. */
  private startWorkflow(): void {
    if (this.pendingCalls > 0 || this.deletion === 'done') return;
    const [node] = this.liveNodes;
    if (node === undefined) return;
    const isThere = this.rows('executions').some((row) => row.id === ROOT);
    if (this.deletion === 'wanted') {
      // Nobody heard of it, and it is gone all the same.
      if (isThere) this.delete(node);
      else this.deletion = 'done';
      return;
    }
    if (!isThere && this.deletion === 'none')
      this.call('start', node, (engine) => engine.startExecution(CALLER, this.startRequest()));
  }

  delete(node: Node): void {
    this.deletion = 'wanted';
    this.call('delete', node, async (engine) => {
      await engine.deleteExecution(CALLER, ROOT, true);
      this.deletion = 'done';
    });
  }

  startRequest(): Parameters<RunningEngine['startExecution']>[1] {
    const { isBook, workflows, envBy, environment } = this.scenario;
    const root = workflows[0]?.name ?? '';
    const isReverse = workflows[0]?.type === 'reverse';
    const env: JsonObject = envBy === 'name' ? { env: 'env' } : envBy === 'inline' ? { env: environment } : {};
    return {
      id: ROOT,
      workflowId: null,
      workflowName: isBook ? `book.${root}` : root,
      workflowNamespace: '',
      input: { p: 2 },
      params: { ...env, ...(isReverse ? { task_name: workflows[0]?.tasks.at(-1)?.name ?? '' } : {}) },
      description: null,
      sourceExecutionId: null,
    };
  }

  /** Completes an asynchronous action, or resumes what is paused when nothing else moves. */
  private people(): boolean {
    const [node] = this.liveNodes;
    if (node === undefined || this.pendingCalls > 0) return false;
    const waiting = this.rows('action_executions').filter(
      (row) => row.kind === 'async' && (row.state === 'RUNNING' || row.state === 'PAUSED'),
    );
    if (waiting.length > 0) {
      const { id, task_name: task } = this.random.pick(waiting);
      const { result } = this.resultFor(String(id));
      const to = result.kind === 'success' ? 'SUCCESS' : 'ERROR';
      this.call(`complete ${String(task)} ${to}`, this.random.pick(this.liveNodes), (engine) =>
        engine.updateAction(CALLER, String(id), to, result.output),
      );
      return true;
    }
    if (!this.isCalm) return false;
    const paused = this.rows('executions').filter((row) => row.state === 'PAUSED');
    if (paused.length === 0) return false;
    const { id } = this.random.pick(paused);
    this.call(`resume ${String(id).slice(9, 18)}`, this.random.pick(this.liveNodes), (engine) =>
      engine.updateExecution(CALLER, String(id), { state: 'RUNNING', stateInfo: null, description: null, env: null }),
    );
    return true;
  }

  private applyOperations(): void {
    const wish = this.wishes[0];
    if (wish === undefined || wish.at > this.scheduler.steps || this.liveNodes.length === 0) return;
    this.wishes.shift();
    operate(this, wish);
  }

  // ---- faults

  private applyFaults(): void {
    for (
      let fault = this.planned[0];
      fault !== undefined && fault.at <= this.scheduler.steps;
      fault = this.planned[0]
    ) {
      this.planned.shift();
      this.apply(fault);
    }
  }

  private apply(fault: Fault): void {
    const node = this.nodes.filter(({ state }) => state === 'live')[fault.pick % Math.max(1, this.liveNodes.length)];
    switch (fault.kind) {
      case 'crash':
        if (node === undefined) return;
        this.kill(node, 'crash', true);
        break;
      case 'restart':
        if (node === undefined || node.phase !== 'up') return;
        this.restart(node);
        break;
      case 'evict-views':
        if (node === undefined) return;
        node.engine.forgetViews();
        this.note(`${node.name} forgets its views`);
        break;
      case 'slow-node':
        if (node === undefined || this.database.isHeldBy(node.store)) return;
        this.slowDown(node, fault.pick);
        break;
      case 'second-node':
        if (this.liveNodes.length === 0 || this.liveNodes.length > 3) return;
        this.startNode();
        break;
      case 'lose-queue':
        if (this.scenario.mode === 'embedded' || this.queue.lose() === 0) return;
        this.note('the queue is lost');
        this.needsRecovery = true;
        break;
      case 'clock-jump':
        if (node === undefined) return;
        node.skew += ((fault.pick % 21) - 10) * 30_000;
        this.note(`${node.name} has its clock moved by ${node.skew / 1000} s`);
        break;
      default:
        this.armed.push(fault);
        return;
    }
    this.count(this.faults, fault.kind);
  }

  /** Whether the next thing of a kind meets with a fault that is due. */
  private meets(kind: FaultKind): Fault | undefined {
    const at = this.armed.findIndex((fault) => fault.kind === kind);
    if (at === -1) return undefined;
    this.count(this.faults, kind);
    return this.armed.splice(at, 1)[0];
  }

  private restart(node: Node): void {
    this.note(`${node.name} is stopped`);
    node.phase = 'stopping';
    void node.worker
      .drain(1000)
      .then(() => node.engine.close())
      .then(() => node.watcher.close(1000))
      .then(() => node.membership?.close())
      .catch(() => {})
      // What it wrote last nobody has seen to.
      .finally(() => this.kill(node, 'stopped', true))
      .catch(() => {});
    this.scheduler.after(null, 60_000, () => this.kill(node, 'stopped hard', true));
  }

  /** Longer than any lease: others take over, and it goes on as if nothing had been. */
  private slowDown(node: Node, pick: number): void {
    node.state = 'slow';
    this.needsRecovery = true;
    this.note(`${node.name} stands still`);
    this.scheduler.after(null, 60_000 + (pick % 300) * 1000, () => this.wakeUp(node), 'wake up');
  }

  private wakeUp(node: Node): void {
    if (node.state !== 'slow') return;
    node.state = 'live';
    this.note(`${node.name} goes on`);
  }

  /** No further faults; what is left must now come to its end. */
  private calm(): void {
    this.isCalm = true;
    this.armed.length = 0;
    this.movedAt = this.scheduler.time;
    for (const node of this.nodes) this.wakeUp(node);
    this.note('calm from here on');
    if (this.needsRecovery && !this.isStarting) this.startNode();
  }

  private skipToPlans(): boolean {
    const next = Math.min(
      this.planned[0]?.at ?? Number.POSITIVE_INFINITY,
      this.wishes[0]?.at ?? Number.POSITIVE_INFINITY,
    );
    if (!Number.isFinite(next)) return false;
    // What is due and cannot be done yet, since the only node is about to stop, waits for time to pass.
    const isDue = next <= this.scheduler.steps;
    if ((isDue || this.isBusy()) && this.scheduler.passTime()) return true;
    if (isDue) return false;
    this.scheduler.steps = Math.max(this.scheduler.steps, next);
    return true;
  }

  // ---- rest

  /** Requests that somebody waits for; a dead node answers nobody. */
  private get pendingCalls(): number {
    for (const pending of this.calls) if (pending.node.state === 'dead') this.calls.delete(pending);
    return this.calls.size;
  }

  private isBusy(): boolean {
    return !this.isAtRest();
  }

  private isAtRest(): boolean {
    const isOpen = (row: Row): boolean => !FINAL.has(String(row.state));
    return (
      (this.deletion === 'done' || this.rows('executions').length > 0) &&
      !this.rows('executions').some(isOpen) &&
      !this.rows('action_executions').some(isOpen) &&
      !this.rows('task_executions').some((row) => row.state === 'RUNNING') &&
      this.rows('timers').length === 0 &&
      this.rows('outbox').length === 0 &&
      !this.rows('external_jobs').some((row) => row.phase !== 'done')
    );
  }

  private leftOver(): string {
    const open = (table: string, name: string): string[] =>
      this.rows(table)
        .filter((row) => !FINAL.has(String(row.state)))
        .map((row) => `${String(row[name])}:${String(row.state)}`);
    return [
      `executions ${open('executions', 'workflow_name').join(' ')}`,
      `tasks ${open('task_executions', 'name').join(' ')}`,
      `actions ${open('action_executions', 'task_name').join(' ')}`,
      `timers ${this.rows('timers')
        .map((row) => row.kind)
        .join(' ')}`,
      `outbox ${this.rows('outbox')
        .map((row) => row.body)
        .join(' ')}`,
      `jobs ${this.rows('external_jobs')
        .map((row) => row.phase)
        .join(' ')}`,
    ].join('; ');
  }

  private count(counts: Map<string, number>, what: string, by = 1): void {
    counts.set(what, (counts.get(what) ?? 0) + by);
  }
}

/** What every run begins with: the tables, as the migrations make them. */
const EMPTY = new ModelDatabase();
await migrate(new ModelStore(EMPTY));

const FINAL: ReadonlySet<string> = new Set(['SUCCESS', 'ERROR', 'CANCELLED', 'SKIPPED']);
const REFUSALS: ReadonlySet<string> = new Set([
  'INVALID_STATE',
  'INVALID_INPUT',
  'NOT_ALLOWED',
  'NOT_FOUND',
  'UNAVAILABLE',
]);

/** Log lines that tell of a fault of ours. */
const FATAL = ['The conductor stopped', 'An event could not', 'An event was lost', 'A step of a job failed'];

/** Rounds that are made again and again: one that breaks off does so every time, unless a fault of ours did it. */
const BROKEN_ROUNDS: readonly string[] = [
  'The round of what was left undone broke off; the next one goes on',
  'This process could not tell that it lives',
  'The heartbeat could not be written.',
];

/** What a fault of the simulator looks like to the engine. */
class Disturbance extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`disturbed on purpose (${code})`);
    this.code = code;
  }
}

function isDisturbed(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof Disturbance) return true;
  return error instanceof Error && error.message.includes('disturbed on purpose');
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : error === undefined ? '' : String(error);
}

function indexOf(runtimeContext: string): number {
  return Number(/"index":\s*(\d+)/.exec(runtimeContext)?.[1] ?? 0);
}

let http: HttpClient | null = null;

/** Never used: no action of the simulation asks for anything over a network. */
function httpClient(): HttpClient {
  http ??= createHttpClient(null);
  return http;
}
