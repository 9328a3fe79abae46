import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis';
import { EngineError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { ioredis } from '../optional-libraries.ts';

/** How Redis is reached: one server, a cluster, or a primary that sentinels know. */
export interface RedisSettings {
  /** `redis://USER:PASSWORD@HOST:PORT/DATABASE`, or `rediss://…` for TLS. Of a cluster: any of its nodes. */
  readonly url: string;
  /** Further nodes of a cluster, `HOST:PORT`; null for a single server. */
  readonly clusterNodes: readonly string[] | null;
  readonly sentinels: Sentinels | null;
  readonly tls: TlsSettings | null;
}

export interface Sentinels {
  /** Of the primary, as they know it. */
  readonly name: string;
  /** `HOST:PORT` */
  readonly nodes: readonly string[];
  readonly password?: string;
  /** How they themselves are reached; the servers that they name may differ. */
  readonly tls?: TlsSettings;
}

/** Passed on to Node's TLS: `ca`, `cert`, `key` as PEM texts, `servername`, `rejectUnauthorized`. */
export type TlsSettings = Readonly<Record<string, unknown>>;

export type RedisClient = Redis | Cluster;

/**
 * A connection that stays: it connects again for ever.
 *
 * @param patience whether commands wait for a lost connection to come back (what BullMQ's workers need) or fail soon.
 */
export function connectRedis(settings: RedisSettings, log: Logger, patience: 'waits' | 'fails'): RedisClient {
  const tls = settings.tls ?? (settings.url.startsWith('rediss:') ? {} : null);
  const common = {
    maxRetriesPerRequest: patience === 'waits' ? null : 1,
    enableReadyCheck: true,
    connectTimeout: 5_000,
    ...(tls === null ? {} : { tls }),
  } satisfies RedisOptions;
  const retryStrategy = (tries: number) => Math.min(2_000, 50 * 2 ** Math.min(tries, 6));
  const client =
    settings.clusterNodes !== null ? cluster(settings, common, retryStrategy) : single(settings, common, retryStrategy);
  let isTold = false;
  client.on('error', (error: Error) => {
    // Every try to connect fails with the same words.
    if (!isTold) log.warn('Redis cannot be reached; it is tried again and again', { error });
    isTold = true;
  });
  client.on('ready', () => {
    if (isTold) log.info('Redis is reached again');
    isTold = false;
  });
  return client;
}

/** @throws EngineError INVALID_INPUT when the address is none. */
export function checkRedisUrl(url: string): void {
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) {
    throw new EngineError(
      'INVALID_INPUT',
      `'${url.replace(/:[^/@]*@/, ':…@')}' is not the address of a Redis server; write redis://HOST:PORT or, for TLS, rediss://HOST:PORT`,
    );
  }
}

function single(settings: RedisSettings, common: RedisOptions, retryStrategy: (tries: number) => number): Redis {
  const { sentinels, url } = settings;
  if (sentinels === null) return new (ioredis().Redis)(url, { ...common, retryStrategy });
  const { username, password, pathname } = new URL(url);
  return new (ioredis().Redis)({
    ...common,
    retryStrategy,
    name: sentinels.name,
    sentinels: sentinels.nodes.map(address),
    // Without this word the servers that sentinels name would be spoken to in the clear, whatever else is set.
    enableTLSForSentinelMode: common.tls !== undefined,
    ...(sentinels.tls === undefined ? {} : { sentinelTLS: sentinels.tls }),
    ...(sentinels.password === undefined ? {} : { sentinelPassword: sentinels.password }),
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(/^\/\d+$/.test(pathname) ? { db: Number(pathname.slice(1)) } : {}),
  });
}

function cluster(settings: RedisSettings, common: RedisOptions, retryStrategy: (tries: number) => number): Cluster {
  const { hostname, port, username, password } = new URL(settings.url);
  const options: ClusterOptions = {
    clusterRetryStrategy: retryStrategy,
    redisOptions: {
      ...common,
      ...(username === '' ? {} : { username: decodeURIComponent(username) }),
      ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    },
  };
  const first = { host: hostname, port: port === '' ? 6379 : Number(port) };
  return new (ioredis().Cluster)([first, ...(settings.clusterNodes ?? []).map(address)], options);
}

function address(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  return at < 0 ? { host: text, port: 6379 } : { host: text.slice(0, at), port: Number(text.slice(at + 1)) };
}

/**
 * A Redis that throws away keys when its memory is full would throw away messages.
 *
 * @throws EngineError UNAVAILABLE saying what to set, or that nothing answers.
 */
export async function checkRedis(client: RedisClient, log: Logger): Promise<void> {
  let policy: string | null;
  try {
    await client.ping();
    policy = await client
      .config('GET', 'maxmemory-policy')
      .then((answer) => String((answer as string[])[1]))
      // Hosted servers often forbid the command.
      .catch(() => null);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('UNAVAILABLE', `Redis cannot be reached: ${why}`, { cause: error });
  }
  if (policy === null) {
    log.warn('Redis does not tell its maxmemory-policy; make sure that it is noeviction');
  } else if (policy !== 'noeviction') {
    throw new EngineError(
      'UNAVAILABLE',
      `Redis has maxmemory-policy ${policy}: it would throw away messages when its memory is full. Set it to noeviction.`,
    );
  }
}
