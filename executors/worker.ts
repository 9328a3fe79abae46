import type { ActionResult, EnginePort, ExecutorMessage, RunAction, StopAction } from '../engine/contract.ts';
import { failure, type Action, type ActionContext } from './action.ts';
import type { Catalogue } from './catalogue.ts';
import { checkInput } from './check-call.ts';
import { Claims } from './claims.ts';
import { deferred } from './deferred.ts';
import { dynamicActionId } from '../engine/store/dynamic-actions.ts';
import type { DynamicActions } from './dynamic/dynamic-actions.ts';
import type { HttpClient } from './http-client.ts';
import type { JobWatcher } from './job-watcher.ts';
import type { Clock } from '../engine/shell/clock.ts';
import type { Logger } from '../engine/log.ts';
import { USUAL_PRIORITY } from '../engine/queue/queue.ts';
import { Reporter } from './reporter.ts';
import { afterLong } from './sleep.ts';

export interface WorkerOptions {
  readonly catalogue: Catalogue;
  readonly engine: EnginePort;
  /** Claims are made in this name; must be new with every start of a process. */
  readonly executorId: string;
  /** What `target` of a task is compared with. */
  readonly host: string;
  readonly watcher: JobWatcher;
  readonly http: HttpClient;
  /** Actions whose code is in the database; null where they are switched off. */
  readonly dynamic?: Pick<DynamicActions, 'find'> | null;
  readonly clock: Clock;
  readonly log: Logger;
  /** Actions that run at once; further ones wait. */
  readonly concurrency?: number;
  /** Which actions go first when some wait: 1 before 2, what is not named counts as 100. */
  readonly priorities?: Readonly<Record<string, number>>;
  readonly heartbeatMs?: number;
  /** Action executions that wait for this executor in its own process, at a rate limit for example: nobody else may take them for lost. */
  readonly held?: () => readonly string[];
}

/**
 * Runs actions that a queue delivers, at least once each. A message is done (the promise resolves) once its result is committed by the
 * engine, its job is recorded, or there is nothing to do; a rejected promise means: deliver it again.
 */
export class Worker {
  private readonly options: WorkerOptions;
  private readonly reporter: Reporter;
  private readonly claims: Claims;
  private readonly running = new Map<string, Running>();
  /** Stops that came before, or instead of, the action. */
  private readonly stopped = new Map<string, StopAction['reason']>();
  /** By priority: who waits for his turn. */
  private readonly waiting = new Map<number, (() => void)[]>();
  private busy = 0;
  private closed = false;
  private beat: (() => void) | null = null;
  private beats = 0;

  constructor(options: WorkerOptions) {
    this.options = options;
    this.reporter = new Reporter(options.engine, options.clock, options.log);
    this.claims = new Claims(options.engine, options.executorId);
  }

  async handle(message: ExecutorMessage): Promise<void> {
    switch (message.type) {
      case 'run-action':
        return this.runAction(message);
      case 'stop-action':
        return this.stopAction(message);
    }
  }

  /** Action executions that run here now. */
  get actions(): readonly string[] {
    return [...this.running.keys()];
  }

  /** Takes no more messages, lets what runs end for up to `waitMs`, then aborts it and reports it as failed. */
  async drain(waitMs = 30_000): Promise<void> {
    this.closed = true;
    // Let go of what waits for its turn: it is delivered again elsewhere.
    for (const queue of this.waiting.values()) for (const go of queue.splice(0)) go();
    const all = Promise.allSettled([...this.running.values()].map(({ done }) => done));
    await Promise.race([all, this.pause(waitMs)]);
    for (const { abort } of this.running.values()) abort.abort(new Stopped('shutdown'));
    await Promise.race([all, this.pause(5000)]);
    this.reporter.close();
    this.beat?.();
    this.beat = null;
  }

  private async runAction(message: RunAction): Promise<void> {
    const { actionExecutionId: id } = message.context;
    if (this.closed) throw new Error('This executor is shutting down.');
    if (this.options.held !== undefined) this.armHeartbeat();
    if (message.target !== null && message.target !== this.options.host) {
      this.options.log.warn('An action for another host was delivered here: left alone.', {
        actionExecutionId: id,
        target: message.target,
      });
      return;
    }
    const { catalogue, dynamic } = this.options;
    const action = catalogue.find(message.name) ?? (await dynamic?.find(message.name)) ?? undefined;
    const refusal = action === undefined ? unknownAction(message.name, catalogue) : refuseInput(action, message);
    if (action === undefined || refusal !== null)
      return this.report(message, refusal ?? failure(`There is no action '${message.name}'.`));
    if (action.kind === 'job') return this.startJob(action, message);
    if (this.isRunning(message)) return;
    await this.inTurn(message.name, () => this.claimAndRun(action, message));
  }

  private isRunning({ context: { actionExecutionId: id, attempt } }: RunAction): boolean {
    return (this.running.get(id)?.attempt ?? 0) >= attempt;
  }

  private async startJob(action: Extract<Action, { kind: 'job' }>, message: RunAction): Promise<void> {
    await this.options.watcher.submit(message, action.choose?.(message.input) ?? action.backend);
    const stop = this.stopped.get(message.context.actionExecutionId);
    if (stop !== undefined) await this.options.watcher.stop(message.context.actionExecutionId, stop);
  }

  private async claimAndRun(action: Exclude<Action, { kind: 'job' }>, message: RunAction): Promise<void> {
    const { actionExecutionId: id, attempt } = message.context;
    if (this.closed) throw new Error('This executor is shutting down.');
    if (this.isRunning(message)) return;
    // An attempt that was given up, since this executor was taken for dead: nobody waits for it any more.
    this.running.get(id)?.abort.abort(new Stopped('replaced'));
    const abort = new AbortController();
    const end = deferred<void>();
    const running = { attempt, abort, done: end.promise };
    this.running.set(id, running);
    this.armHeartbeat();
    try {
      // What may be repeated needs no claim, and is not lost with whoever claimed it (design.md §5).
      if (message.claim && !action.repeatSafe && !(await this.claims.claim(id, attempt))) return;
      // A stop that was quicker than the action: the engine waits to hear how it ended.
      const stop = this.stopped.get(id);
      if (stop !== undefined) abort.abort(new Stopped(stop));
      const result = await this.runWithin(action, message, abort);
      // What may be repeated is not failed for want of an executor: another one runs it, or this one after its restart.
      if (result.kind === 'error' && isShutdown(abort.signal) && (action.repeatSafe || message.safeRerun))
        throw new Error('The executor was shut down while the action ran: it is to be run again.');
      if (action.kind !== 'async' || result.kind !== 'success') return await this.report(message, result);
      // The work that an async action starts is completed by somebody else (spec/engine.md E-7.4).
      if (action.repeatSafe) return;
      const { engine, executorId } = this.options;
      await this.reporter.untilTaken('the start', id, () => engine.started(executorId, id, attempt));
    } finally {
      if (this.running.get(id) === running) this.running.delete(id);
      end.resolve();
    }
  }

  /** Runs the action until it ends, is stopped, or its time is over; the answer comes at once then, whatever the action does. */
  private async runWithin(
    action: Exclude<Action, { kind: 'job' }>,
    message: RunAction,
    abort: AbortController,
  ): Promise<ActionResult> {
    if (abort.signal.aborted) return resultOfStop(abort.signal.reason);
    const { timeoutSeconds, context: run } = message;
    const stopTimer =
      timeoutSeconds === null
        ? () => {}
        : afterLong(this.options.clock, timeoutSeconds * 1000, () =>
            abort.abort(new Stopped('timeout', timeoutSeconds)),
          );
    const aborted = deferred<ActionResult>();
    const onAbort = () => aborted.resolve(resultOfStop(abort.signal.reason));
    abort.signal.addEventListener('abort', onAbort, { once: true });
    const context: ActionContext = { signal: abort.signal, log: this.options.log, http: this.options.http, run };
    try {
      return await Promise.race([this.runSafely(action, message, context), aborted.promise]);
    } finally {
      stopTimer();
      abort.signal.removeEventListener('abort', onAbort);
    }
  }

  private async runSafely(
    action: Exclude<Action, { kind: 'job' }>,
    message: RunAction,
    context: ActionContext,
  ): Promise<ActionResult> {
    try {
      if (action.kind !== 'pure') return await action.run(message.input, context);
      const { worker } = action;
      return worker?.needed(message.input) === true
        ? await worker.run(message.input, context)
        : action.evaluate(message.input);
    } catch (error) {
      if (context.signal.aborted) return resultOfStop(context.signal.reason);
      const text = error instanceof Error ? error.message : String(error);
      this.options.log.warn('An action raised an exception.', {
        actionExecutionId: context.run.actionExecutionId,
        error,
      });
      return failure(
        `The action raised an exception [action=${action.name}, action_ex_id=${context.run.actionExecutionId}, msg='${text}']`,
      );
    }
  }

  private async stopAction(message: StopAction): Promise<void> {
    const { actionExecutionId: id, reason } = message;
    this.remember(id, reason);
    this.running.get(id)?.abort.abort(new Stopped(reason));
    await this.options.watcher.stop(id, reason);
  }

  private remember(id: string, reason: StopAction['reason']): void {
    this.stopped.set(id, reason);
    const oldest = this.stopped.size > MOST_STOPS ? this.stopped.keys().next().value : undefined;
    if (oldest !== undefined) this.stopped.delete(oldest);
  }

  private report(message: RunAction, result: ActionResult): Promise<void> {
    const { actionExecutionId, attempt } = message.context;
    return this.reporter.send({ actionExecutionId, attempt, result });
  }

  private async inTurn(name: string, run: () => Promise<void>): Promise<void> {
    if (this.busy >= (this.options.concurrency ?? DEFAULT_CONCURRENCY))
      await new Promise<void>((resolve) => this.queueFor(name).push(resolve));
    this.busy++;
    try {
      await run();
    } finally {
      this.busy--;
      this.next()?.();
    }
  }

  private queueFor(name: string): (() => void)[] {
    const { priorities = {} } = this.options;
    const priority = (Object.hasOwn(priorities, name) ? priorities[name] : undefined) ?? USUAL_PRIORITY;
    const queue = this.waiting.get(priority) ?? [];
    this.waiting.set(priority, queue);
    return queue;
  }

  /** Of those with the first priority the one that has waited longest. */
  private next(): (() => void) | undefined {
    const first = [...this.waiting].filter(([, queue]) => queue.length > 0).toSorted(([a], [b]) => a - b)[0];
    return first?.[1].shift();
  }

  private armHeartbeat(): void {
    if (this.beat !== null || this.closed) return;
    this.beat = this.options.clock.after(this.options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS, () => {
      this.beat = null;
      const actions = this.inHand();
      if (actions.length === 0 && this.options.held === undefined) return;
      const { engine, executorId } = this.options;
      (actions.length === 0 ? Promise.resolve() : engine.heartbeat(executorId, actions))
        .catch((error: unknown) => this.options.log.warn('The heartbeat could not be written.', { error }))
        .finally(() => this.armHeartbeat())
        .catch(() => {});
    });
  }

  /** What runs; now and then also what waits, of which there may be very many. */
  private inHand(): readonly string[] {
    const { held } = this.options;
    const running = [...this.running.keys()];
    return held === undefined || this.beats++ % BEATS_OF_WAITING !== 0
      ? running
      : [...new Set([...running, ...held()])];
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.options.clock.after(milliseconds, resolve);
    });
  }
}

const DEFAULT_CONCURRENCY = 64;
const DEFAULT_HEARTBEAT_MS = 20_000;
const BEATS_OF_WAITING = 3;
const MOST_STOPS = 1000;

interface Running {
  readonly attempt: number;
  readonly abort: AbortController;
  readonly done: Promise<void>;
}

/** The reason inside an aborted signal. */
class Stopped extends Error {
  readonly why: 'cancelled' | 'timeout' | 'shutdown' | 'replaced';

  constructor(why: 'cancelled' | 'timeout' | 'shutdown' | 'replaced', seconds?: number) {
    super(
      why === 'timeout' && seconds !== undefined
        ? `Timeout after ${seconds} seconds`
        : `The action was stopped: ${why}.`,
    );
    this.why = why;
  }
}

function isShutdown({ reason }: AbortSignal): boolean {
  return reason instanceof Stopped && reason.why === 'shutdown';
}

function resultOfStop(reason: unknown): ActionResult {
  if (!(reason instanceof Stopped))
    return failure(reason instanceof Error ? reason.message : 'The action was stopped.');
  switch (reason.why) {
    case 'cancelled':
      return { kind: 'cancelled', output: 'The action was cancelled.' };
    case 'timeout':
      return failure(reason.message);
    case 'shutdown':
      return failure('The executor was shut down while the action ran.', true);
    case 'replaced':
      return failure('The action was started once more.', true);
  }
}

function unknownAction(name: string, catalogue: Catalogue): ActionResult {
  if (dynamicActionId(name) !== null) {
    return failure(
      'Dynamic actions are switched off on this executor; `dynamic_actions.enabled: true` in its configuration switches them on.',
    );
  }
  const near = catalogue.nearest(name);
  return failure(`There is no action '${name}' on this executor${near === null ? '.' : `; did you mean '${near}'?`}`);
}

/** The text of spec/engine.md E-7.1 for names, and a plain one for types. */
function refuseInput(action: Action, message: RunAction): ActionResult | null {
  const problems = checkInput(action.parameters, message.input);
  if (problems.length === 0) return null;
  const wrong = problems.filter(({ problem }) => problem === 'type');
  if (wrong.length === problems.length) {
    return failure(`Invalid input of ${action.name}: ${wrong.map((one) => `${one.message}; ${one.hint}`).join(' ')}`);
  }
  const names = (kind: string) =>
    JSON.stringify(problems.filter(({ problem }) => problem === kind).map((one) => one.parameter));
  return failure(
    `Invalid input [name=${action.name}, class=${action.name}, missing=${names('missing')}, unexpected=${names('unknown')}]`,
  );
}
