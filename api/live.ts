import type { Logger } from '../engine/log.ts';
import type { Store } from '../engine/store/connection.ts';
import { EventFeed } from './events/feed.ts';
import { createMetrics } from './metrics.ts';
import type { Metrics } from './metrics.ts';

/** What a process shows of itself while it runs. */
export interface Live {
  readonly feed: EventFeed;
  readonly metrics: Metrics;
}

/**
 * @param pollMilliseconds how often the event log is looked at without being told of a commit.
 * @param heartbeatMilliseconds how often streams ask whether they may go on.
 */
export function createLive(store: Store, log: Logger, pollMilliseconds?: number, heartbeatMilliseconds?: number): Live {
  const feed = new EventFeed(store.reader, log, pollMilliseconds, heartbeatMilliseconds);
  return { feed, metrics: createMetrics(store, feed) };
}
