import { resolve } from 'node:path';
import type { Knex } from 'knex';
import { EngineError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Dialect } from './dialect.ts';
import type { SqliteDriver } from './drivers/index.ts';
import { MEMORY, openSqlite } from './drivers/sqlite.ts';

export { connectionTrouble, isCollision, isConnectionError, isUniqueViolation } from './database-errors.ts';
export type { Dialect } from './dialect.ts';

export interface Store {
  /** SQLite: one connection, every transaction goes through it, one after the other. Inside a transaction use `trx` alone. */
  readonly writer: Knex;
  /** Read-only connections for lists and single rows, so that reading never waits for the engine. */
  readonly reader: Knex;
  readonly dialect: Dialect;
  readonly driver: SqliteDriver | 'pg';
  /** Whether other processes write here too: what was read before may be out of date. */
  readonly isShared: boolean;
  close(): Promise<void>;
}

export interface StoreOptions {
  /** `sqlite:PATH`, `sqlite::memory:` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. */
  readonly url: string;
  readonly driver?: SqliteDriver | undefined;
  /** SQLite. `full`: an answer promises that the state survives a power cut. `normal` survives the death of the process only. */
  readonly synchronous?: 'full' | 'normal';
  /** SQLite: hold the file for this process alone: `serve` and embedded engines. */
  readonly exclusive?: boolean;
  /** PostgreSQL: most connections of this process, 10 by default. */
  readonly connections?: number;
  /** PostgreSQL: milliseconds that a transaction may wait for its own client, 15 s by default. */
  readonly transactionPatienceMs?: number;
}

/**
 * Opens the database; run {@link ./migrate.ts} next.
 *
 * @throws EngineError INVALID_INPUT for an address of another form; UNAVAILABLE when another process holds the file (its pid
 *   is named), it cannot be opened or reached, or the driver is missing.
 */
export async function openStore(options: StoreOptions, log: Logger): Promise<Store> {
  if (isPostgresUrl(options.url)) {
    // Loaded only here: its libraries take a tenth of a second, which a server on SQLite need not wait for.
    const { openPostgres } = await import('./drivers/postgres.ts');
    return openPostgres(options);
  }
  return openSqlite(sqlitePath(options.url), options, log);
}

export function isPostgresUrl(url: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(url);
}

function sqlitePath(url: string): string {
  const match = /^sqlite:(?:\/\/)?(.+)$/s.exec(url);
  if (match?.[1] === undefined) {
    throw new EngineError(
      'INVALID_INPUT',
      `'${url}' is not a database address; write sqlite:PATH, such as sqlite:./tramontane.db, sqlite::memory:, or postgres://USER:PASSWORD@HOST/DATABASE`,
    );
  }
  return match[1] === MEMORY ? MEMORY : resolve(match[1]);
}
