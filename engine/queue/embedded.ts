import type { ExecutorMessage } from '../contract.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../shell/clock.ts';
import type { Queue, RateLimit } from './queue.ts';
import { RateGate } from './rate-gate.ts';

const RETRY_MILLISECONDS = 1_000;

/**
 * The queue within one process: messages go straight to the handler, which bounds its own concurrency. Nothing is kept: after a
 * restart the engine sends again what its rows say is pending.
 */
export class EmbeddedQueue implements Queue {
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly waiting: ExecutorMessage[] = [];
  private readonly running = new Set<Promise<void>>();
  private readonly inHand = new Set<ExecutorMessage>();
  private readonly retries = new Set<() => void>();
  private readonly gates: ReadonlyMap<string, RateGate>;
  private handler: ((message: ExecutorMessage) => Promise<void>) | null = null;

  /** @param rateLimits actions that may not run more often than so, in this process. */
  constructor(clock: Clock, log: Logger, rateLimits: Readonly<Record<string, RateLimit>> = {}) {
    this.clock = clock;
    this.log = log;
    this.gates = new Map(Object.entries(rateLimits).map(([name, limit]) => [name, new RateGate(clock, limit)]));
  }

  send(messages: readonly ExecutorMessage[]): Promise<void> {
    for (const message of messages) this.inHand.add(message);
    if (this.handler === null) this.waiting.push(...messages);
    else for (const message of messages) this.admit(this.handler, message);
    return Promise.resolve();
  }

  consume(handler: (message: ExecutorMessage) => Promise<void>): () => Promise<void> {
    this.handler = handler;
    for (const message of this.waiting.splice(0)) this.admit(handler, message);
    return async () => {
      this.handler = null;
      for (const gate of this.gates.values()) gate.close();
      for (const cancel of this.retries) cancel();
      this.retries.clear();
      await Promise.allSettled(this.running);
    };
  }

  held(): readonly string[] {
    return [...this.inHand].flatMap((one) => (one.type === 'run-action' ? [one.context.actionExecutionId] : []));
  }

  close(): Promise<void> {
    this.waiting.length = 0;
    this.inHand.clear();
    return Promise.resolve();
  }

  /** An action with a rate limit waits until it may run. */
  private admit(handler: (message: ExecutorMessage) => Promise<void>, message: ExecutorMessage): void {
    const gate = message.type === 'run-action' ? this.gates.get(message.name) : undefined;
    if (gate === undefined) this.deliver(handler, message);
    else gate.pass(() => this.deliver(handler, message));
  }

  private deliver(handler: (message: ExecutorMessage) => Promise<void>, message: ExecutorMessage): void {
    const work = handler(message)
      .then(() => {
        this.inHand.delete(message);
      })
      .catch((error: unknown) => {
        this.log.warn('A message could not be handled and is delivered again', { type: message.type, error });
        this.retryLater(message);
      })
      .finally(() => this.running.delete(work));
    this.running.add(work);
  }

  private retryLater(message: ExecutorMessage): void {
    const cancel = this.clock.after(RETRY_MILLISECONDS, () => {
      this.retries.delete(cancel);
      void this.send([message]);
    });
    this.retries.add(cancel);
  }
}
