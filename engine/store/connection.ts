import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import knexDefault from 'knex';
import type { Knex } from 'knex';
import { EngineError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { loadDriver } from './drivers/index.ts';
import type { DriverModule, SqliteDriver } from './drivers/index.ts';
import { holdFile } from './file-lock.ts';
import type { HeldFile } from './file-lock.ts';

/** Where the SQL differs; PostgreSQL will be the second. */
export type Dialect = 'sqlite';

export interface Store {
  /** One connection: every transaction goes through it, one after the other. Inside a transaction use `trx` alone. */
  readonly writer: Knex;
  /** Read-only connections for lists and single rows, so that reading never waits for the engine. */
  readonly reader: Knex;
  readonly dialect: Dialect;
  readonly driver: SqliteDriver;
  close(): Promise<void>;
}

export interface StoreOptions {
  /** `sqlite:PATH` or `sqlite::memory:`. */
  readonly url: string;
  readonly driver?: SqliteDriver | undefined;
  /** `full`: an answer promises that the state survives a power cut. `normal` survives the death of the process only. */
  readonly synchronous?: 'full' | 'normal';
  /** Hold the file for this process alone: `serve` and embedded engines. */
  readonly exclusive?: boolean;
}

/**
 * Opens the database; run {@link ./migrate.ts} next.
 *
 * @throws EngineError INVALID_INPUT for an address of another form; UNAVAILABLE when another process holds the file (its pid
 *   is named), it cannot be opened, or the driver is missing.
 */
export async function openStore(options: StoreOptions, log: Logger): Promise<Store> {
  const path = sqlitePath(options.url);
  const driver = loadDriver(options.driver, log);
  if (path === MEMORY) return openMemory(driver);
  let held: HeldFile | null = null;
  try {
    mkdirSync(dirname(path), { recursive: true });
    held = options.exclusive === true ? await holdFile(driver, path) : null;
    return await openFile(driver, path, options.synchronous ?? 'full', held);
  } catch (error) {
    await held?.release();
    if (error instanceof EngineError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('UNAVAILABLE', `The database ${path} cannot be opened: ${why}`, { cause: error });
  }
}

/** Whether an error of either driver says that a unique key or primary key exists already. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && /UNIQUE constraint failed/.test(error.message);
}

/** Whether an error comes from the connection (busy, full, I/O) rather than from the statement: worth another try. */
export function isConnectionError(error: unknown): boolean {
  return connectionTrouble(error) !== null;
}

/** What is wrong with the connection, to complete "The database …"; null for an error of another kind. */
export function connectionTrouble(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if (error.name === 'KnexTimeoutError') return 'has more to do than it can';
  const code = 'code' in error ? String(error.code) : '';
  const [, trouble = ''] = /^SQLITE_([A-Z]+)/.exec(code) ?? [];
  return TROUBLES.get(trouble) ?? null;
}

const TROUBLES: ReadonlyMap<string, string> = new Map([
  ['BUSY', 'is held by another process'],
  ['LOCKED', 'is held by another connection'],
  ['FULL', 'cannot be written: its disk is full'],
  ['READONLY', 'cannot be written: its file or folder is read-only, or was moved away'],
  ['IOERR', 'cannot be read or written: its disk fails'],
  ['CANTOPEN', 'cannot be opened'],
  ['PROTOCOL', 'cannot be locked'],
]);

const MEMORY = ':memory:';
const BUSY_TIMEOUT_MILLISECONDS = 10_000;
const POOL_WAIT_MILLISECONDS = 60_000;

function sqlitePath(url: string): string {
  const match = /^sqlite:(?:\/\/)?(.+)$/s.exec(url);
  if (match?.[1] === undefined) {
    throw new EngineError(
      'INVALID_INPUT',
      `'${url}' is not a database address; write sqlite:PATH, such as sqlite:./tramontane.db, or sqlite::memory:`,
    );
  }
  return match[1] === MEMORY ? MEMORY : resolve(match[1]);
}

async function openMemory(driver: DriverModule): Promise<Store> {
  const writer = connect(driver, MEMORY, 1, ['pragma foreign_keys = on']);
  return { writer, reader: writer, dialect: 'sqlite', driver: driver.name, close: () => writer.destroy() };
}

async function openFile(
  driver: DriverModule,
  path: string,
  synchronous: 'full' | 'normal',
  held: HeldFile | null,
): Promise<Store> {
  const busy = `pragma busy_timeout = ${BUSY_TIMEOUT_MILLISECONDS}`;
  const writer = connect(driver, path, 1, [
    busy,
    'pragma journal_mode = wal',
    `pragma synchronous = ${synchronous}`,
    'pragma foreign_keys = on',
    'pragma temp_store = memory',
    'pragma cache_size = -32000',
  ]);
  const reader = connect(driver, path, driver.readers, [busy, 'pragma query_only = on', 'pragma temp_store = memory']);
  try {
    // The first connection turns WAL on, before any reader opens the file.
    await writer.raw('select 1');
  } catch (error) {
    await Promise.all([reader.destroy(), writer.destroy()]);
    throw error;
  }
  const close = async () => {
    // Readers first: the last connection to close folds the write-ahead log into the file.
    await reader.destroy();
    await writer.destroy();
    await held?.release();
  };
  return { writer, reader, dialect: 'sqlite', driver: driver.name, close };
}

function connect(driver: DriverModule, filename: string, connections: number, pragmas: readonly string[]): Knex {
  const config: Knex.Config = {
    connection: { filename },
    useNullAsDefault: true,
    // Errors go to the log: statements may stand there, what users bound to them may not.
    compileSqlOnError: false,
    // What knex warns of reaches the caller as an error too, who knows whether it is worth a line.
    log: { warn: () => {} },
    acquireConnectionTimeout: POOL_WAIT_MILLISECONDS,
    pool: {
      min: connections === 1 ? 1 : 0,
      max: connections,
      // A connection to a database in memory must never be closed: the data would go with it.
      ...(filename === MEMORY ? { idleTimeoutMillis: 2 ** 31 - 1 } : {}),
      afterCreate: (connection: RawConnection, done: (error: Error | null, connection: RawConnection) => void) => {
        runAll(connection, pragmas).then(
          () => done(null, connection),
          (error: Error) => done(error, connection),
        );
      },
    },
  };
  return knexDefault({ ...config, ...(driver.client === undefined ? {} : { client: driver.client }) });
}

interface RawConnection {
  all(sql: string, bindings: readonly unknown[], done: (error: Error | null) => void): void;
}

async function runAll(connection: RawConnection, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    await new Promise<void>((resolveStatement, reject) => {
      connection.all(statement, [], (error) => (error === null ? resolveStatement() : reject(error)));
    });
  }
}
