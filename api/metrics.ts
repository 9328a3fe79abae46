import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Store } from '../engine/store/connection.ts';
import { countOpenRows } from '../engine/store/event-log.ts';
import type { EventFeed } from './events/feed.ts';

/** Figures of a process, for Prometheus. */
export interface Metrics {
  /** @param route as it was registered, so that ids make no new series. */
  observe(method: string, route: string, status: number, seconds: number): void;
  /** Reads what has to be read, and writes everything in Prometheus's text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

export function createMetrics(store: Store, feed: EventFeed): Metrics {
  const registry = new Registry();
  const requests = new Histogram({
    name: 'tramontane_http_request_seconds',
    help: 'How long requests took until they were answered.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [registry],
  });
  const open = new Gauge({
    name: 'tramontane_open',
    help: 'Executions, tasks and action executions that have not ended, by state.',
    labelNames: ['kind', 'state'],
    registers: [registry],
  });
  const streams = new Gauge({
    name: 'tramontane_event_streams',
    help: 'Clients that follow the event log of this process.',
    registers: [registry],
  });
  let collecting = false;
  return {
    observe: (method, route, status, seconds) => requests.observe({ method, route, status }, seconds),
    contentType: registry.contentType,
    text: async () => {
      // They watch the event loop, which costs a little: only where somebody asks.
      if (!collecting) collectDefaultMetrics({ register: registry });
      collecting = true;
      open.reset();
      for (const { kind, state, count } of await countOpenRows(store.reader)) open.set({ kind, state }, count);
      streams.set(feed.size);
      return registry.metrics();
    },
  };
}
