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
  /** Action executions whose messages are nowhere but here, from when they were sent until they are done. */
  held?(): readonly string[];
}

/** At most so many in so many seconds. */
export interface RateLimit {
  readonly max: number;
  readonly seconds: number;
}

/** The priority of actions that none was configured for, where others have one; 1 comes first. */
export const USUAL_PRIORITY = 100;
