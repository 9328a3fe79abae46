import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import type { RedisServer } from '../helpers/redis-server.ts';
import type { Random } from '../simulation/random.ts';
import { LEASE_SECONDS } from './nodes.ts';
import type { ServerNode } from './nodes.ts';

export interface World {
  readonly nodes: readonly ServerNode[];
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
}

interface Fault {
  readonly name: string;
  readonly weight: number;
  /** Counts as a kill of something. */
  readonly kills: boolean;
  /** Does the damage, and mends what does not mend by itself. @returns false when there was nothing to damage. */
  readonly strike: (world: World, random: Random) => Promise<boolean>;
}

const LONG_MILLISECONDS = (LEASE_SECONDS + 2) * 1000;

const FAULTS: readonly Fault[] = [
  { name: 'kill -9 of a node', weight: 40, kills: true, strike: signalOne('SIGKILL') },
  { name: 'SIGTERM to a node', weight: 8, kills: false, strike: signalOne('SIGTERM') },
  {
    name: 'node stands still for less than its lease',
    weight: 6,
    kills: false,
    strike: (world, random) => standStill(world, random, 200 + random.int(LEASE_SECONDS * 700)),
  },
  {
    name: 'node stands still for longer than its lease',
    weight: 8,
    kills: false,
    strike: (world, random) => standStill(world, random, LONG_MILLISECONDS + random.int(3_000)),
  },
  { name: "node's connections cut", weight: 8, kills: false, strike: cut },
  {
    name: 'node cut off from PostgreSQL',
    weight: 5,
    kills: false,
    strike: (world, random) => cutOff(world, random, 'toPostgres'),
  },
  {
    name: 'node cut off from Redis',
    weight: 5,
    kills: false,
    strike: (world, random) => cutOff(world, random, 'toRedis'),
  },
  { name: 'kill -9 of Redis, with all that it held', weight: 6, kills: true, strike: killRedis },
  { name: 'Redis emptied (FLUSHALL)', weight: 6, kills: false, strike: flushRedis },
  { name: 'Redis stands still', weight: 3, kills: false, strike: stopRedis },
  { name: 'kill -9 of PostgreSQL', weight: 4, kills: true, strike: killPostgres },
  { name: 'PostgreSQL ends all sessions', weight: 4, kills: false, strike: endSessions },
];

/** Does damage at random moments, the same for the same seed as far as processes play along. */
export class Faults {
  readonly counts = new Map<string, number>(FAULTS.map(({ name }) => [name, 0]));
  kills = 0;
  private readonly world: World;
  private readonly random: Random;
  private readonly log: (line: string) => void;
  private readonly striking = new Set<Promise<void>>();

  constructor(world: World, random: Random, log: (line: string) => void) {
    this.world = world;
    this.random = random;
    this.log = log;
  }

  /** @param pauseMs the mean time from one to the next. */
  async run(isOver: () => boolean, pauseMs: number): Promise<void> {
    while (!isOver()) {
      await sleep(this.random.int(2 * pauseMs));
      this.strike(this.pick());
    }
    while (this.striking.size > 0) await Promise.all(this.striking);
  }

  private pick(): Fault {
    let at = this.random.int(FAULTS.reduce((sum, { weight }) => sum + weight, 0));
    const found = FAULTS.find(({ weight }) => (at -= weight) < 0);
    if (found === undefined) throw new Error('there are no faults');
    return found;
  }

  private strike(fault: Fault): void {
    const striking = fault
      .strike(this.world, this.random)
      .then((hit) => {
        if (!hit) return;
        this.counts.set(fault.name, (this.counts.get(fault.name) ?? 0) + 1);
        if (fault.kills) this.kills++;
      })
      .catch((error: unknown) => this.log(`could not strike: ${fault.name}: ${String(error)}`))
      .finally(() => this.striking.delete(striking));
    this.log(fault.name);
    this.striking.add(striking);
  }
}

function signalOne(signal: NodeJS.Signals): Fault['strike'] {
  return async ({ nodes }, random) => {
    const up = nodes.filter(({ isRunning }) => isRunning);
    return up.length > 0 && random.pick(up).signal(signal);
  };
}

async function standStill({ nodes }: World, random: Random, milliseconds: number): Promise<boolean> {
  const node = random.pick(nodes);
  const { pid } = node;
  if (pid === undefined || !node.signal('SIGSTOP')) return false;
  await sleep(milliseconds);
  // It may have been killed and another one started meanwhile.
  if (node.pid === pid) node.signal('SIGCONT');
  return true;
}

async function cut({ nodes }: World, random: Random): Promise<boolean> {
  const node = random.pick(nodes);
  if (random.chance(0.7)) node.toPostgres.cut();
  if (random.chance(0.7)) node.toRedis.cut();
  return true;
}

async function cutOff({ nodes }: World, random: Random, way: 'toPostgres' | 'toRedis'): Promise<boolean> {
  const proxy = random.pick(nodes)[way];
  const milliseconds = 500 + random.int(LONG_MILLISECONDS);
  proxy.block();
  await sleep(milliseconds);
  proxy.unblock();
  return true;
}

async function killRedis({ redis }: World, random: Random): Promise<boolean> {
  return killAndStart(redis, random.int(2_000));
}

async function flushRedis({ redis }: World): Promise<boolean> {
  return withRedis(redis, async (client) => {
    await client.flushall();
  });
}

async function stopRedis({ redis }: World, random: Random): Promise<boolean> {
  return withRedis(redis, async (client) => {
    await client.call('CLIENT', 'PAUSE', String(500 + random.int(4_000)), 'ALL');
  });
}

async function withRedis(redis: RedisServer, work: (client: Redis) => Promise<void>): Promise<boolean> {
  const client = new Redis(redis.url, { lazyConnect: true, retryStrategy: () => null, commandTimeout: 10_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await work(client);
    return true;
  } catch {
    // It is down just now.
    return false;
  } finally {
    client.disconnect();
  }
}

async function killPostgres({ postgres }: World, random: Random): Promise<boolean> {
  return killAndStart(postgres, random.int(2_000));
}

/** Servers that are down and that somebody is about to start. */
const beingMended = new WeakSet<object>();

async function killAndStart(server: PostgresServer | RedisServer, downMilliseconds: number): Promise<boolean> {
  if (beingMended.has(server)) return false;
  beingMended.add(server);
  try {
    if (!(await server.kill())) return false;
    await sleep(downMilliseconds);
    // PostgreSQL refuses to start while a process of the killed one still holds its memory.
    for (let tries = 1; ; tries++) {
      try {
        await server.start();
        return true;
      } catch (error) {
        if (tries === 50) throw error;
        await sleep(200);
      }
    }
  } finally {
    beingMended.delete(server);
  }
}

async function endSessions({ postgres }: World): Promise<boolean> {
  const client = new Client({ connectionString: postgres.url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tramontane'");
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
