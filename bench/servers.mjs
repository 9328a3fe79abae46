import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from './build.mjs';

/**
 * Servers of a group, started when one is asked for: PostgreSQL that syncs every commit, and Redis. `POSTGRES_URL` and `REDIS_URL`
 * name others that may be filled and flushed.
 */
export class Servers {
  #folder;
  #ends = [];
  #postgres = null;
  #redis = null;
  #databases = 0;

  constructor(folder) {
    this.#folder = folder;
  }

  /** The address of an empty database. */
  async postgres() {
    this.#postgres ??= process.env.POSTGRES_URL ?? (await this.#startPostgres());
    const { Client } = await import('pg');
    const name = `bench_${process.pid}_${(this.#databases += 1)}`;
    const client = new Client({ connectionString: this.#postgres });
    await client.connect();
    await client.query(`create database ${name}`);
    await client.end();
    const url = new URL(this.#postgres);
    url.pathname = `/${name}`;
    return url.toString();
  }

  /** The address of an empty server. */
  async redis() {
    this.#redis ??= process.env.REDIS_URL ?? (await this.#startRedis());
    const { Redis } = await import('ioredis');
    const client = new Redis(this.#redis);
    await client.flushall();
    await client.quit();
    return this.#redis;
  }

  async stop() {
    for (const end of this.#ends.reverse()) await end();
  }

  async #startPostgres() {
    const { findPostgres, startPostgres } = await build('test/helpers/postgres-server.js');
    const programs = await findPostgres();
    if (programs === null)
      throw new Error('this group needs PostgreSQL: install the package postgresql, or set POSTGRES_URL');
    const folder = join(this.#folder, 'postgres');
    await mkdir(folder, { recursive: true });
    // Where it may not run as root it runs as another user, who must get there.
    await chmod(this.#folder, 0o755);
    const server = await startPostgres(programs, folder, { durable: true });
    this.#ends.push(() => server.stop());
    return server.url;
  }

  async #startRedis() {
    const { findRedis, startRedis } = await build('test/helpers/redis-server.js');
    const program = await findRedis();
    if (program === null) throw new Error('this group needs Redis: install the package redis-server, or set REDIS_URL');
    const server = await startRedis(program, this.#folder);
    this.#ends.push(() => server.stop());
    return server.url;
  }
}
