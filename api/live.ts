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

export function createLive(store: Store, log: Logger): Live {
  const feed = new EventFeed(store.reader, log);
  return { feed, metrics: createMetrics(store, feed) };
}
