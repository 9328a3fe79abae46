import type { Logger } from '../../log.ts';
import { EngineError } from '../../errors.ts';
import type { DriverModule, SqliteDriver } from './driver.ts';
import { loadLibsql } from './libsql.ts';
import { loadSqlite3 } from './sqlite3.ts';

export { SQLITE_DRIVERS } from './driver.ts';
export type { DriverModule, FileLock, SqliteDriver } from './driver.ts';

/**
 * The driver that was asked for, or the best that is there: `sqlite3` where its native part loads (it has to be compiled),
 * else `libsql`, which comes as a finished binary.
 *
 * @throws EngineError UNAVAILABLE when a driver that was named, or all of them, cannot be loaded.
 */
export function loadDriver(wanted: SqliteDriver | undefined, log: Logger): DriverModule {
  if (wanted === 'libsql') return required(loadLibsql(), 'libsql');
  const sqlite3 = loadSqlite3();
  if (wanted === 'sqlite3') return required(sqlite3, 'sqlite3');
  if (!(sqlite3 instanceof Error)) return sqlite3;
  const libsql = required(loadLibsql(), 'libsql');
  log.info(
    'The native part of the sqlite3 package is not installed, so the database is opened with libsql, which needs no compiler.',
  );
  return libsql;
}

function required(loaded: DriverModule | Error, name: SqliteDriver): DriverModule {
  if (!(loaded instanceof Error)) return loaded;
  throw new EngineError('UNAVAILABLE', `The SQLite driver '${name}' cannot be loaded: ${firstLine(loaded.message)}`, {
    cause: loaded,
  });
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
