import { newId } from '../ids.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../shell/clock.ts';
import type { RedisClient } from './redis.ts';

/**
 * Tells when Redis has lost what it held: a key that somebody writes whenever it is missing, and the number of the server's start,
 * because a restart may bring back an old copy with the key in it (design.md §4).
 */
export class EpochWatch {
  private readonly client: RedisClient;
  private readonly key: string;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly onLoss: () => void;
  private known: string | null = null;
  private cancel: (() => void) | null = null;
  private closed = false;

  constructor(client: RedisClient, prefix: string, clock: Clock, log: Logger, onLoss: () => void) {
    this.client = client;
    this.key = `${prefix}:epoch`;
    this.clock = clock;
    this.log = log;
    this.onLoss = onLoss;
  }

  async start(): Promise<void> {
    await this.look();
    this.arm();
  }

  close(): void {
    this.closed = true;
    this.cancel?.();
  }

  private arm(): void {
    this.cancel = this.clock.after(LOOK_MILLISECONDS, () => {
      // While it cannot be reached there is nothing to tell.
      void this.look()
        .catch(() => {})
        .finally(() => {
          if (!this.closed) this.arm();
        });
    });
  }

  private async look(): Promise<void> {
    await this.client.set(this.key, newId(), 'NX');
    const epoch = `${await this.client.get(this.key)} ${await this.startOfServer()}`;
    const before = this.known;
    this.known = epoch;
    if (before === null || before === epoch) return;
    this.log.warn('Redis was restarted or emptied: what waits is sent again');
    this.onLoss();
  }

  /** Of a cluster, of all its primaries: a replica that takes over may lack what its primary was told last. */
  private async startOfServer(): Promise<string> {
    const servers = 'nodes' in this.client ? this.client.nodes('master') : [this.client];
    const starts = await Promise.all(servers.map(async (server) => runId(await server.info('server'))));
    return starts.toSorted().join(' ');
  }
}

function runId(info: string): string {
  return /^run_id:(\w+)/m.exec(info)?.[1] ?? '';
}

const LOOK_MILLISECONDS = 2_000;
