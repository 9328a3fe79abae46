import type { Knex } from 'knex';

export const SQLITE_DRIVERS = ['sqlite3', 'libsql'] as const;
export type SqliteDriver = (typeof SQLITE_DRIVERS)[number];

/** How knex reaches SQLite through one driver. */
export interface DriverModule {
  readonly name: SqliteDriver;
  /** A knex client: the name of a built-in one or a class. */
  readonly client: Knex.Config['client'];
  /** How many read-only connections are worth having. */
  readonly readers: number;
  /** Opens a file and takes SQLite's exclusive lock on it until `release`. Null when another process has it. */
  lockFile(path: string): Promise<FileLock | null>;
}

export interface FileLock {
  release(): Promise<void>;
}
