import type { Knex } from 'knex';
import type { Client } from 'pg';
import type { Logger } from '../log.ts';
import { pg } from '../optional-libraries.ts';
import type { Clock } from '../shell/clock.ts';
import type { CommitChannel } from '../shell/commit-signal.ts';

/**
 * Notifications of PostgreSQL. They are sent in a transaction of their own, because those of a batch would have to wait for each
 * other: notifications of a database are committed one after the other. Listening takes a connection of its own, which is made
 * again when it breaks.
 *
 * @param url of the database; a pooler between that hands connections out by transaction delivers nothing.
 */
export function postgresCommitChannel(
  url: string,
  writer: Knex,
  nodeId: string,
  clock: Clock,
  log: Logger,
): CommitChannel {
  let listening: Listening | null = null;
  return {
    publish: async () => {
      await writer.raw('select pg_notify(?, ?)', [CHANNEL, nodeId]);
    },
    listen: (listener) => {
      listening = new Listening({ url, nodeId, clock, log, listener });
      listening.start();
    },
    close: async () => listening?.close(),
  };
}

interface Settings {
  readonly url: string;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly listener: () => void;
}

class Listening {
  private readonly settings: Settings;
  private client: Client | null = null;
  private cancelRetry: (() => void) | null = null;
  private isTold = false;
  private closed = false;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  start(): void {
    void this.connect();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.cancelRetry?.();
    await this.client?.end().catch(() => {});
  }

  private async connect(): Promise<void> {
    const { url, nodeId, listener, log } = this.settings;
    const client = new (pg().Client)({
      connectionString: url,
      application_name: 'tramontane',
      connectionTimeoutMillis: CONNECT_MILLISECONDS,
      keepAlive: true,
    });
    this.client = client;
    // A connection that breaks says so by either or both.
    client.once('end', () => this.lost(client));
    client.on('error', () => this.lost(client));
    client.on('notification', ({ payload }) => {
      if (payload !== nodeId) listener();
    });
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
    } catch (error) {
      if (this.closed) return;
      if (!this.isTold)
        log.warn('Commits of other nodes are looked for now and then: they cannot be listened to', { error });
      this.isTold = true;
      this.lost(client);
      return;
    }
    this.isTold = false;
    // What was committed while nobody listened.
    if (!this.closed) listener();
  }

  private lost(client: Client): void {
    if (this.client !== client || this.closed) return;
    this.client = null;
    client.end().catch(() => {});
    this.cancelRetry = this.settings.clock.after(RETRY_MILLISECONDS, () => void this.connect());
  }
}

const CHANNEL = 'tramontane_commits';
const CONNECT_MILLISECONDS = 10_000;
const RETRY_MILLISECONDS = 2_000;
