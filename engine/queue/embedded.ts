import type { ExecutorMessage } from '../contract.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../shell/clock.ts';
import type { Queue } from './queue.ts';

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
  private readonly retries = new Set<() => void>();
  private handler: ((message: ExecutorMessage) => Promise<void>) | null = null;

  constructor(clock: Clock, log: Logger) {
    this.clock = clock;
    this.log = log;
  }

  send(messages: readonly ExecutorMessage[]): Promise<void> {
    if (this.handler === null) this.waiting.push(...messages);
    else for (const message of messages) this.deliver(this.handler, message);
    return Promise.resolve();
  }

  consume(handler: (message: ExecutorMessage) => Promise<void>): () => Promise<void> {
    this.handler = handler;
    for (const message of this.waiting.splice(0)) this.deliver(handler, message);
    return async () => {
      this.handler = null;
      for (const cancel of this.retries) cancel();
      this.retries.clear();
      await Promise.allSettled(this.running);
    };
  }

  close(): Promise<void> {
    this.waiting.length = 0;
    return Promise.resolve();
  }

  private deliver(handler: (message: ExecutorMessage) => Promise<void>, message: ExecutorMessage): void {
    const work = handler(message)
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
