import { dirname } from 'node:path';
import knexDefault from 'knex';
import type { Knex } from 'knex';
import { EngineError } from '../../errors.ts';
import { makeFolder } from '../../../processes/folders.ts';
import type { Logger } from '../../log.ts';
import type { Store, StoreOptions } from '../connection.ts';
import { holdFile } from '../file-lock.ts';
import type { HeldFile } from '../file-lock.ts';
import { loadDriver } from './index.ts';
import type { DriverModule } from './index.ts';

export const MEMORY = ':memory:';

/** @param path absolute, or {@link MEMORY}. */
export async function openSqlite(path: string, options: StoreOptions, log: Logger): Promise<Store> {
  const driver = loadDriver(options.driver, log);
  if (path === MEMORY) return openMemory(driver);
  let held: HeldFile | null = null;
  try {
    makeFolder(dirname(path));
    held = options.exclusive === true ? await holdFile(driver, path) : null;
    return await openFile(driver, path, options.synchronous ?? 'full', held);
  } catch (error) {
    await held?.release();
    if (error instanceof EngineError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('UNAVAILABLE', `The database ${path} cannot be opened: ${why}`, { cause: error });
  }
}

/** How long a statement waits for another process that writes. */
export const BUSY_TIMEOUT_MILLISECONDS = 10_000;
const POOL_WAIT_MILLISECONDS = 60_000;

async function openMemory(driver: DriverModule): Promise<Store> {
  const writer = connect(driver, MEMORY, 1, ['pragma foreign_keys = on']);
  return {
    writer,
    reader: writer,
    dialect: 'sqlite',
    driver: driver.name,
    isShared: false,
    close: () => writer.destroy(),
  };
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
  return { writer, reader, dialect: 'sqlite', driver: driver.name, isShared: false, close };
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
