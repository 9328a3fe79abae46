import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { findPostgres, startPostgres } from './postgres-server.ts';
import type { PostgresServer } from './postgres-server.ts';
import { startProxy } from './proxy.ts';
import { findRedis, startRedis } from './redis-server.ts';
import type { RedisServer } from './redis-server.ts';
import { startServer } from './server-process.ts';

export interface ClusterOptions {
  readonly nodes: number;
  /** Further arguments of each `serve`. */
  readonly args: readonly string[];
  /** What is to be in the database before the nodes start. */
  readonly prepare: (database: string) => Promise<void>;
}

/** Nodes of all roles on an empty PostgreSQL and an empty Redis; connections to the address go to them in turn. */
export async function startCluster(
  cleanup: Cleanup,
  folder: string,
  { nodes, args, prepare }: ClusterOptions,
): Promise<{ readonly url: string }> {
  const { postgres, redis } = await startServers(folder, cleanup);
  await prepare(postgres.url);
  const ports: number[] = [];
  for (let i = 1; i <= nodes; i++) {
    const server = await startServer({
      database: postgres.url,
      args: ['--redis', redis.url, ...args],
      cwd: folder,
      logFile: join(folder, `node-${i}.log`),
    });
    cleanup.add(`node ${i}`, server.stop);
    ports.push(Number(new URL(server.url).port));
  }
  const balancer = await startProxy(...ports);
  cleanup.add('the balancer', balancer.close);
  return { url: `http://127.0.0.1:${balancer.port}` };
}

/** PostgreSQL and Redis of one's own, below a folder. */
export async function startServers(
  folder: string,
  cleanup: Cleanup,
): Promise<{ readonly postgres: PostgresServer; readonly redis: RedisServer }> {
  const programs = { postgres: await findPostgres(), redis: await findRedis() };
  if (programs.postgres === null || programs.redis === null)
    throw new Error('PostgreSQL and Redis are needed (Debian: postgresql, redis-server)');
  const folders = { postgres: join(folder, 'postgres'), redis: join(folder, 'redis') };
  for (const path of Object.values(folders)) await mkdir(path, { recursive: true });
  // PostgreSQL's own user must get to its folder.
  await chmod(folder, 0o755);
  const postgres = await startPostgres(programs.postgres, folders.postgres, { survivesKills: true });
  cleanup.add('PostgreSQL', postgres.stop);
  const redis = await startRedis(programs.redis, folders.redis);
  cleanup.add('Redis', redis.stop);
  return { postgres, redis };
}
