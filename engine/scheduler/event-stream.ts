import { parseJson, type Json } from '../../dsl/json.ts';
import type { EventStreamConfig } from '../config.ts';
import { EngineError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { connectRedis } from '../queue/redis.ts';
import type { RedisClient } from '../queue/redis.ts';
import type { PublishedEvent } from '../shell/event-triggers.ts';
import { isConnectionError } from '../store/connection.ts';

export interface EventStreamOptions {
  readonly settings: EventStreamConfig;
  /** Stays the same when this node starts again. */
  readonly consumer: string;
  /** Whose events those are that do not say so. */
  readonly defaultProject: string;
  readonly log: Logger;
  /** Resolves once what the event starts is stored. */
  readonly publish: (event: PublishedEvent) => Promise<unknown>;
  /** Nothing starts during maintenance. */
  readonly isPaused: () => Promise<boolean>;
  readonly times?: Partial<EventStreamTimes>;
}

/** Milliseconds. */
export interface EventStreamTimes {
  /** How long one read waits for entries. */
  readonly block: number;
  /** After so long without an acknowledgement an entry is taken over, also from another node. */
  readonly patience: number;
  /** After a fault, and between looks during maintenance. */
  readonly pause: number;
}

const TIMES: EventStreamTimes = { block: 2_000, patience: 60_000, pause: 1_000 };
const COUNT = 50;

/**
 * Events from a Redis stream: entries with the fields `exchange`, `topic`, `event` and, where there is something to say, `payload` (JSON),
 * `project_id`, `publisher`, `timestamp`, `user_id`. An entry is acknowledged once what it starts is stored, and starts nothing twice
 * however often it is delivered, because the ids of executions follow from its id.
 */
export class EventStream {
  private readonly options: EventStreamOptions;
  private readonly times: EventStreamTimes;
  private readonly client: RedisClient;
  private readonly stop = new AbortController();
  private running: Promise<void> = Promise.resolve();
  private hasGroup = false;
  private takenOverAt = 0;

  constructor(options: EventStreamOptions) {
    this.options = options;
    this.times = { ...TIMES, ...options.times };
    const { url } = options.settings;
    // Commands fail while the connection is lost: the loop asks again.
    this.client = connectRedis({ url, clusterNodes: null, sentinels: null, tls: null }, options.log, 'fails');
  }

  start(): void {
    this.running = this.run();
  }

  /** Ends the read that waits; what was read and not acknowledged is delivered again. */
  async close(): Promise<void> {
    this.stop.abort();
    this.client.disconnect();
    await this.running;
  }

  private async run(): Promise<void> {
    let isTold = false;
    while (!this.stop.signal.aborted) {
      try {
        if (await this.options.isPaused()) await this.pause();
        else await this.round();
        isTold = false;
      } catch (error) {
        if (this.stop.signal.aborted) return;
        // A stream that was deleted takes its groups along.
        this.hasGroup = false;
        if (!isTold) this.options.log.warn('Events could not be read from Redis; it is tried again', { error });
        isTold = true;
        await this.pause();
      }
    }
  }

  private async round(): Promise<void> {
    const { settings, consumer } = this.options;
    const { stream, group } = settings;
    await this.makeGroup();
    await this.takeOver();
    const { block } = this.times;
    const answer = await this.client.xreadgroup(
      'GROUP',
      group,
      consumer,
      'COUNT',
      COUNT,
      'BLOCK',
      block,
      'STREAMS',
      stream,
      '>',
    );
    for (const [, entries] of (answer ?? []) as [string, RawEntry[]][]) await this.handleAll(entries);
  }

  private async makeGroup(): Promise<void> {
    if (this.hasGroup) return;
    const { stream, group } = this.options.settings;
    try {
      await this.client.xgroup('CREATE', stream, group, '0', 'MKSTREAM');
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('BUSYGROUP'))) throw error;
    }
    this.hasGroup = true;
  }

  /** Entries that somebody took and did not get done with. */
  private async takeOver(): Promise<void> {
    const { patience } = this.times;
    if (Date.now() - this.takenOverAt < patience / 2) return;
    const { settings, consumer } = this.options;
    const { stream, group } = settings;
    for (let start = '0-0'; ; ) {
      const [next, entries] = (await this.client.xautoclaim(
        stream,
        group,
        consumer,
        patience,
        start,
        'COUNT',
        COUNT,
      )) as [string, RawEntry[]];
      await this.handleAll(entries);
      if (next === '0-0' || this.stop.signal.aborted) break;
      start = next;
    }
    this.takenOverAt = Date.now();
  }

  private async handleAll(entries: readonly RawEntry[]): Promise<void> {
    const results = await Promise.allSettled(entries.map(([id, fields]) => this.handle(id, fields)));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  private async handle(id: string, fields: readonly string[] | null): Promise<void> {
    const { settings, publish, log, defaultProject } = this.options;
    try {
      // An entry that was trimmed away after it was read.
      if (fields !== null) await publish(eventOf(`${settings.stream} ${id}`, fields, defaultProject));
    } catch (error) {
      // Left for another try, here or on another node.
      if (isConnectionError(error) || (error instanceof EngineError && error.code === 'UNAVAILABLE')) throw error;
      const why = error instanceof Error ? error.message : String(error);
      log.error(`An entry of the event stream is left out: ${why}`, { stream: settings.stream, entry: id });
    }
    await this.client.xack(settings.stream, settings.group, id);
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.stop;
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, this.times.pause);
      signal.addEventListener('abort', end);
      if (signal.aborted) end();
    });
  }
}

type RawEntry = readonly [id: string, fields: readonly string[] | null];

/** @throws EngineError INVALID_INPUT */
function eventOf(id: string, fields: readonly string[], defaultProject: string): PublishedEvent {
  const values = new Map<string, string>();
  for (let i = 0; i + 1 < fields.length; i += 2) values.set(fields[i] ?? '', fields[i + 1] ?? '');
  const needed = (name: string): string => {
    const value = values.get(name);
    if (value) return value;
    throw new EngineError('INVALID_INPUT', `the field '${name}' is missing; it needs exchange, topic and event`);
  };
  return {
    id,
    exchange: needed('exchange'),
    topic: needed('topic'),
    event: needed('event'),
    payload: payloadOf(values.get('payload')),
    projectId: values.get('project_id') || defaultProject,
    publisher: values.get('publisher') ?? null,
    timestamp: values.get('timestamp') ?? null,
    userId: values.get('user_id') ?? null,
  };
}

function payloadOf(text: string | undefined): Json {
  if (text === undefined || text === '') return {};
  try {
    return parseJson(text);
  } catch {
    throw new EngineError('INVALID_INPUT', "the field 'payload' holds no JSON");
  }
}
