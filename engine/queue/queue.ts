import type { ExecutorMessage } from '../contract.ts';

/**
 * Carries messages from engines to executors, each at least once. The database is the record: a queue may lose everything it
 * holds, and what is pending is sent again (design.md §4).
 */
export interface Queue {
  send(messages: readonly ExecutorMessage[]): Promise<void>;
  /** Starts to deliver. A handler that rejects gets the message again. The answer stops the delivery and waits for what runs. */
  consume(handler: (message: ExecutorMessage) => Promise<void>): () => Promise<void>;
  close(): Promise<void>;
}
