import type { Knex } from 'knex';
import type { EnginePort, RunAction } from '../engine/contract.ts';
import {
  deleteExternalJobs,
  claimExternalJobSubmit,
  insertExternalJob,
  listAdoptableExternalJobs,
  loadExternalJob,
  loadExternalJobCancels,
  loadExternalJobsBeingSubmitted,
  loadTakenExternalIds,
  loadExternalJobRequest,
  releaseExternalJobLeases,
  renewExternalJobLeases,
  requestExternalJobCancel,
  takeExternalJobLeases,
  type ExternalJobRow,
} from '../engine/store/external-jobs.ts';
import type { JobBackend, JobContext, StopReason } from './jobs/backend.ts';
import type { Clock } from '../engine/shell/clock.ts';
import { keyOf } from './jobs/key.ts';
import { PollQueue } from './jobs/poll-queue.ts';
import { RowWriter } from './jobs/row-writer.ts';
import { fromRequest, toRequest } from './jobs/request.ts';
import type { Desk, FaultPoint, Next, ServerNews, WatchLimits } from './jobs/desk.ts';
import { step } from './jobs/steps.ts';
import { cancelOf, toData, toWatched, toWatchPlan, type Watched } from './jobs/watched.ts';
import type { Logger } from '../engine/log.ts';
import { Reporter } from './reporter.ts';

export interface JobWatcherOptions {
  readonly db: Knex;
  /** Owner of the leases: must be new with every start of a process. */
  readonly nodeId: string;
  readonly engine: Pick<EnginePort, 'report'>;
  readonly backends: readonly JobBackend[];
  readonly clock: Clock;
  readonly log: Logger;
  /** True when no other process can be using the database: jobs of earlier processes are taken over at once. */
  readonly alone?: boolean;
  /** Proof that a lease's owner cannot act any more, for backends that do not refuse duplicates. Without it: never proven. */
  readonly isOwnerDead?: (owner: string) => Promise<boolean>;
  /** Whether an action of a task is there and has not ended. Without it, a message is taken at its word. */
  readonly isOpen?: (actionExecutionId: string) => Promise<boolean>;
  readonly limits?: Partial<WatcherLimits>;
  /** 0 to 1, for jitter. */
  readonly random?: () => number;
  /** Tests stop a node at named places: what this returns is awaited. */
  readonly fault?: (point: FaultPoint, actionExecutionId: string) => Promise<void> | undefined;
}

export interface WatcherLimits extends WatchLimits {
  readonly leaseMs: number;
  /** How long a foreign host's jobs are left alone after their lease has lapsed. */
  readonly foreignGraceMs: number;
  readonly adoptEveryMs: number;
  readonly cancelsEveryMs: number;
  readonly steps: number;
  readonly pollsPerServer: number;
  readonly submitsPerServer: number;
}

/**
 * Starts and watches jobs outside: one row of `external_jobs` each, and a place in memory on the node that holds its lease
 * (spec/spark.md §8.4 to §8.7, spec/flink.md §3.6). No job occupies a worker, and every step can be repeated after a crash:
 *
 *     prepared ─stage─► submitting ─submit─► submitted ─state…─► result stored ─► reported ─► done
 *         ▲                 │ unclear, or a crash
 *         └────absent─── find ──found──► submitted
 */
export class JobWatcher {
  private readonly options: JobWatcherOptions;
  private readonly limits: WatcherLimits;
  private readonly backends: ReadonlyMap<string, JobBackend>;
  private readonly queue: PollQueue;
  private readonly writer: RowWriter;
  private readonly refusals: Reporter;
  private readonly watched = new Map<string, Watched>();
  private readonly servers = new Map<string, ServerLoad>();
  private readonly steps = new Set<Promise<void>>();
  private readonly shutdown = new AbortController();
  private readonly desk: Desk;
  private wakeUp: { atMs: number; cancel: () => void } | null = null;
  private chores: (() => void)[] = [];
  private readonly runningChores = new Set<Promise<void>>();
  private idleWaiters: (() => void)[] = [];
  private closed = false;

  constructor(options: JobWatcherOptions) {
    this.options = options;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.backends = new Map(options.backends.map((backend) => [backend.name, backend]));
    this.queue = new PollQueue({
      all: this.limits.steps,
      lane: (name) => (name.startsWith('submit ') ? this.limits.submitsPerServer : this.limits.pollsPerServer),
    });
    this.writer = new RowWriter(options.db, options.nodeId, options.clock);
    this.refusals = new Reporter(options.engine, options.clock, options.log);
    this.desk = this.createDesk();
  }

  /** How many jobs this node watches. */
  get size(): number {
    return this.watched.size;
  }

  /** Takes over what nobody watches, and begins to. */
  async start(): Promise<void> {
    await this.adoptAll();
    this.repeat(this.limits.leaseMs / 3, () =>
      renewExternalJobLeases(this.options.db, this.options.nodeId, this.leaseUntil()),
    );
    this.repeat(this.limits.adoptEveryMs, () => this.adoptAll());
    // Alone, every cancel comes through stop(); with others it may have come to any of them.
    if (this.options.alone !== true) this.repeat(this.limits.cancelsEveryMs, () => this.readCancels());
    this.pump();
  }

  /**
   * Takes a job on: resolves once its record is committed, from when on it survives everything; or, when the input is refused, once the
   * engine has the error. A repeat of the message changes nothing.
   */
  async submit(message: RunAction, backend: JobBackend): Promise<void> {
    const id = message.context.actionExecutionId;
    if (this.watched.has(id)) return this.noteAttempt(id, message.context.attempt);
    const prepared = backend.prepare(message.input, message.context);
    if (prepared.kind === 'refused') {
      return this.refusals.send({ actionExecutionId: id, attempt: message.context.attempt, result: prepared.result });
    }
    const { plan } = prepared;
    const now = this.options.clock.now();
    // With a lease that is over, the node that it belongs to finds it; nobody else may before its grace is over.
    const isForAnother = plan.isElsewhere === true && this.options.alone !== true;
    const isNew = await insertExternalJob(this.options.db, {
      actionExecutionId: id,
      backend: backend.name,
      key: plan.key ?? keyOf(id),
      url: plan.url,
      data: toData(toWatchPlan(plan, message), { attempt: message.context.attempt, unclearSubmits: 0 }, plan.data),
      request: toRequest(message),
      leaseOwner: this.options.nodeId,
      leaseUntil: isForAnother ? now - 1 : this.leaseUntil(),
      now,
    });
    if (isNew && !(await this.isWanted(message))) {
      await deleteExternalJobs(this.options.db, [id]);
      return;
    }
    if (isForAnother) return;
    const row = isNew ? await loadExternalJob(this.options.db, id) : undefined;
    if (row === undefined || this.closed) return;
    await this.options.fault?.('recorded', id);
    this.take(row);
    this.pump();
  }

  /**
   * Whether the task still waits for the job. A message may come late, when the action ended and was deleted with its record. Asked after the
   * record was made: whoever deletes the action from then on finds it.
   */
  private async isWanted({ context }: Pick<RunAction, 'context'>): Promise<boolean> {
    const { isOpen } = this.options;
    return isOpen === undefined || context.workflowExecutionId === null || isOpen(context.actionExecutionId);
  }

  /**
   * The same of a record that is taken over: its process may have died before it asked. Nothing was started yet, so a record that nobody
   * waits for goes. Not where a cancel was asked for, which ends it by itself.
   */
  private async isStillWanted({ actionExecutionId: id, phase, cancelRequestedAt }: ExternalJobRow): Promise<boolean> {
    if (phase !== 'prepared' || cancelRequestedAt !== null) return true;
    const request = await loadExternalJobRequest(this.options.db, id);
    if (request === undefined) return false;
    if (await this.isWanted({ context: fromRequest(id, request).run })) return true;
    await deleteExternalJobs(this.options.db, [id]);
    this.options.log.info('A job that was never submitted is dropped: its action has ended.', {
      actionExecutionId: id,
    });
    return false;
  }

  /** Asks for the end of a job, whoever watches it. Answers whether there is such a job that is not over. */
  async stop(actionExecutionId: string, reason: StopReason): Promise<boolean> {
    const now = this.options.clock.now();
    const isLive = await requestExternalJobCancel(this.options.db, actionExecutionId, reason, now);
    this.noteCancel(actionExecutionId, now, reason);
    return isLive;
  }

  /** Resolves when nothing is due and nothing is under way: for tests that move the clock. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.idleWaiters.push(resolve);
      this.tellIdle();
    });
  }

  /**
   * Stops watching. Steps under way get up to `waitMs` to end (a submit should not be cut off); then the leases are given back, so that another node or
   * the next start goes on at once.
   */
  async close(waitMs = 10_000): Promise<void> {
    if (this.closed) return;
    this.abandon();
    this.shutdown.abort(new Error('The executor is shutting down.'));
    await new Promise<void>((resolve) => {
      const cancel = this.options.clock.after(waitMs, resolve);
      void Promise.allSettled([...this.steps, ...this.runningChores]).then(() => {
        cancel();
        resolve();
      });
    });
    await releaseExternalJobLeases(this.options.db, this.options.nodeId);
  }

  /** Stops at once without a word to anybody, as a crash does. */
  abandon(): void {
    this.closed = true;
    for (const cancel of this.chores) cancel();
    this.chores = [];
    this.wakeUp?.cancel();
    this.wakeUp = null;
    this.refusals.close();
  }

  private pump(): void {
    if (this.closed) return;
    const now = this.options.clock.now();
    for (const id of this.queue.take(now)) {
      const watched = this.watched.get(id);
      if (watched === undefined) {
        this.queue.remove(id);
        continue;
      }
      const running = this.run(watched).finally(() => {
        this.steps.delete(running);
        this.pump();
      });
      this.steps.add(running);
    }
    this.armTimer();
    this.tellIdle();
  }

  private async run(watched: Watched): Promise<void> {
    const { id } = watched.job;
    watched.wanted = false;
    try {
      this.settle(watched, await step(watched, this.desk));
    } catch (error) {
      // The database or our own code failed: the record says where to go on.
      this.options.log.error('A step of a job failed and is repeated.', { actionExecutionId: id, error });
      if (!this.closed) this.schedule(watched, { kind: 'again', afterMs: 2000, work: 'poll' });
    }
  }

  private settle(watched: Watched, next: Next): void {
    if (this.closed) return;
    switch (next.kind) {
      case 'again':
        this.schedule(watched, next);
        return;
      case 'lease-lost':
        this.options.log.warn('Another node watches this job now.', { actionExecutionId: watched.job.id });
        this.drop(watched);
        return;
      case 'closed':
        this.drop(watched);
        return;
    }
  }

  private schedule(watched: Watched, next: Extract<Next, { kind: 'again' }>): void {
    const now = this.options.clock.now();
    const lane = laneOf(watched, next.work);
    if (next.server !== undefined) this.noteServer(watched, lane, next.server, now);
    this.queue.schedule(watched.job.id, lane, now + (watched.wanted ? 0 : next.afterMs));
  }

  private noteServer(watched: Watched, lane: string, news: ServerNews, now: number): void {
    const load = this.loadOf(watched.plan.server);
    if (news.kind === 'up') {
      load.silence = null;
      this.queue.noteSuccess(lane);
      return;
    }
    load.silence = { sinceMs: load.silence?.sinceMs ?? now, reason: news.reason };
    // After the longest silence all its jobs are given up: then none of them needs to wait for the next probe.
    if (now - load.silence.sinceMs >= this.limits.unreachableForMs) this.queue.noteSuccess(lane);
    else this.queue.noteFailure(lane, now, this.random());
  }

  private take(row: ExternalJobRow): void {
    if (this.watched.has(row.actionExecutionId)) return;
    const watched = toWatched(row);
    // Of a process that is gone: the outcome of its submit is in doubt.
    if (row.phase === 'submitting') watched.lookingSinceMs = this.options.clock.now();
    this.watched.set(watched.job.id, watched);
    const load = this.loadOf(watched.plan.server);
    load.watched++;
    if (watched.job.phase !== 'prepared' && watched.result === null) this.holdSlot(watched, load);
    const work = watched.result !== null ? 'report' : watched.job.phase === 'prepared' ? 'submit' : 'poll';
    // Jobs that are taken over together are not all asked about in the same moment.
    const spread = work === 'poll' ? ((load.watched - 1) / this.limits.pollsPerSecond) * 1000 : 0;
    this.schedule(watched, { kind: 'again', afterMs: spread, work });
  }

  private drop(watched: Watched): void {
    this.queue.remove(watched.job.id);
    this.watched.delete(watched.job.id);
    this.releaseSlot(watched);
    const load = this.loadOf(watched.plan.server);
    load.watched--;
    if (load.watched === 0) this.servers.delete(watched.plan.server);
  }

  private async adoptAll(): Promise<void> {
    const { db, nodeId, clock, log } = this.options;
    const limit = 500;
    for (;;) {
      const adopter = { now: clock.now(), owner: nodeId, anyOwner: this.options.alone === true };
      const rows = await listAdoptableExternalJobs(db, adopter, limit);
      const wanted: string[] = [];
      for (const row of rows) if (await this.mayAdopt(row)) wanted.push(row.actionExecutionId);
      if (wanted.length === 0 || this.closed) return;
      const taken = await takeExternalJobLeases(db, wanted, adopter, this.leaseUntil());
      if (this.closed) return;
      for (const row of taken) if ((await this.isStillWanted(row)) && !this.closed) this.take(row);
      log.info('Jobs that nobody watched have been taken over.', { jobs: taken.length });
      this.pump();
      if (rows.length < limit || taken.length === 0) return;
    }
  }

  private async mayAdopt(row: ExternalJobRow): Promise<boolean> {
    const backend = this.backends.get(row.backend);
    if (backend === undefined || this.watched.has(row.actionExecutionId)) return false;
    if (
      row.phase === 'submitting' &&
      !backend.refusesDuplicates &&
      row.leaseOwner !== null &&
      this.options.alone !== true
    ) {
      if (!((await this.options.isOwnerDead?.(row.leaseOwner)) ?? false)) return false;
    }
    const isElsewhere = backend.isElsewhere?.(toWatched(row).job) ?? false;
    if (!isElsewhere || this.options.alone === true) return true;
    return (row.leaseUntil ?? 0) + this.limits.foreignGraceMs < this.options.clock.now();
  }

  private async readCancels(): Promise<void> {
    for (const cancel of await loadExternalJobCancels(this.options.db, this.options.nodeId)) {
      this.noteCancel(cancel.actionExecutionId, cancel.at, cancel.reason);
    }
  }

  private noteCancel(id: string, atMs: number, reason: StopReason): void {
    const watched = this.watched.get(id);
    if (watched === undefined || watched.job.cancel !== null || watched.result !== null) return;
    watched.job = { ...watched.job, cancel: cancelOf(watched.plan, atMs, reason) };
    this.wake(id);
  }

  private noteAttempt(id: string, attempt: number): void {
    const watched = this.watched.get(id);
    if (watched !== undefined && attempt > watched.attempt) watched.attempt = attempt;
  }

  /** Looks at the job now, or right after the step that is under way. */
  private wake(id: string): void {
    const watched = this.watched.get(id);
    if (watched === undefined || this.closed) return;
    watched.wanted = true;
    if (this.queue.isRunning(id)) return;
    const work = watched.result !== null ? 'report' : watched.job.phase === 'prepared' ? 'submit' : 'poll';
    this.queue.schedule(id, laneOf(watched, work), this.options.clock.now());
    this.pump();
  }

  private armTimer(): void {
    const now = this.options.clock.now();
    const next = this.queue.nextMs(now);
    if (next === null || this.wakeUp?.atMs === next) return;
    this.wakeUp?.cancel();
    const cancel = this.options.clock.after(Math.min(next - now, LONGEST_TIMER_MS), () => {
      this.wakeUp = null;
      this.pump();
    });
    this.wakeUp = { atMs: next, cancel };
  }

  private repeat(everyMs: number, chore: () => Promise<void>): void {
    const index = this.chores.length;
    const again = () => {
      this.chores[index] = this.options.clock.after(everyMs * (0.9 + this.random() / 5), () => {
        const running = chore()
          .catch((error: unknown) =>
            this.options.log.error('The job watcher could not read or write its table.', { error }),
          )
          .finally(() => {
            this.runningChores.delete(running);
            if (!this.closed) again();
            this.tellIdle();
          });
        this.runningChores.add(running);
      });
    };
    again();
  }

  private tellIdle(): void {
    const now = this.options.clock.now();
    const next = this.queue.nextMs(now);
    if (this.steps.size > 0 || this.runningChores.size > 0 || (next !== null && next <= now && !this.closed)) return;
    for (const resolve of this.idleWaiters.splice(0)) resolve();
  }

  private createDesk(): Desk {
    const { db, nodeId, clock, engine, log } = this.options;
    return {
      limits: this.limits,
      log,
      now: () => clock.now(),
      random: () => this.random(),
      contextOf: (watched) => this.contextOf(watched),
      backendOf: (watched) => {
        const backend = this.backends.get(watched.job.backend);
        if (backend === undefined) throw new Error(`There is no job backend '${watched.job.backend}' on this node.`);
        return backend;
      },
      loadRequest: async (id) => fromRequest(id, await loadExternalJobRequest(db, id)),
      write: (id, patch) => this.writer.write(id, patch),
      claimSubmit: (id, nowMs) => claimExternalJobSubmit(db, id, nodeId, nowMs),
      requestCancel: async (id, reason, nowMs) => {
        await requestExternalJobCancel(db, id, reason, nowMs);
      },
      report: (report) => engine.report(report),
      takeSlot: (watched) => this.takeSlot(watched),
      releaseSlot: (watched) => this.releaseSlot(watched),
      silence: (server) => this.loadOf(server).silence,
      jobsOf: (server) => this.loadOf(server).watched,
      fault: (point, id) => this.options.fault?.(point, id),
    };
  }

  private contextOf(watched: Watched): JobContext {
    const { id } = watched.job;
    return {
      signal: this.shutdown.signal,
      log: this.options.log,
      nowMs: this.options.clock.now(),
      wake: () => this.wake(id),
      takenIds: (externalIds) => loadTakenExternalIds(this.options.db, watched.job.backend, externalIds, id),
      isKeyBeingSubmitted: async () =>
        (await loadExternalJobsBeingSubmitted(this.options.db, watched.job)).some((other) => !this.submitsHere(other)),
    };
  }

  /** Claimed by this process, and not in doubt. */
  private submitsHere(id: string): boolean {
    const watched = this.watched.get(id);
    return watched !== undefined && watched.lookingSinceMs === null;
  }

  private loadOf(server: string): ServerLoad {
    let load = this.servers.get(server);
    if (load === undefined) this.servers.set(server, (load = { watched: 0, running: 0, silence: null }));
    return load;
  }

  private takeSlot(watched: Watched): boolean {
    const load = this.loadOf(watched.plan.server);
    if (watched.plan.slots !== null && !watched.holdsSlot && load.running >= watched.plan.slots) return false;
    this.holdSlot(watched, load);
    return true;
  }

  private holdSlot(watched: Watched, load: ServerLoad): void {
    if (!watched.holdsSlot) load.running++;
    watched.holdsSlot = true;
  }

  private releaseSlot(watched: Watched): void {
    if (watched.holdsSlot) this.loadOf(watched.plan.server).running--;
    watched.holdsSlot = false;
  }

  private leaseUntil(): number {
    return this.options.clock.now() + this.limits.leaseMs;
  }

  private random(): number {
    return (this.options.random ?? Math.random)();
  }
}

interface ServerLoad {
  watched: number;
  /** Submitted or being submitted, and not over. */
  running: number;
  silence: { readonly sinceMs: number; readonly reason: string } | null;
}

/** Longer ones would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const DEFAULT_LIMITS: WatcherLimits = {
  retryForMs: 120_000,
  unreachableForMs: 600_000,
  looksEveryMs: 10_000,
  pollsPerSecond: 200,
  leaseMs: 60_000,
  foreignGraceMs: 300_000,
  adoptEveryMs: 15_000,
  cancelsEveryMs: 2000,
  steps: 64,
  pollsPerServer: 16,
  submitsPerServer: 4,
};

function laneOf(watched: Watched, work: 'submit' | 'poll' | 'report'): string {
  return work === 'report' ? 'report' : `${work} ${watched.plan.server}`;
}
