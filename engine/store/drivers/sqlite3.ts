import { createRequire } from 'node:module';
import type { DriverModule, FileLock } from './driver.ts';

const require = createRequire(import.meta.url);

/** The `sqlite3` package, an optional dependency: its native part exists only where it could be compiled. */
export function loadSqlite3(): DriverModule | Error {
  try {
    const driver = require('sqlite3') as Sqlite3;
    return { name: 'sqlite3', client: 'sqlite3', readers: 3, lockFile: (path) => lockFile(driver, path) };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** The little of the package that is used here; knex has the rest. */
interface Sqlite3 {
  readonly Database: new (path: string, done: (error: Error | null) => void) => Database;
}

interface Database {
  exec(sql: string, done: (error: (Error & { code?: string }) | null) => void): void;
  close(done: (error: Error | null) => void): void;
}

async function lockFile(driver: Sqlite3, path: string): Promise<FileLock | null> {
  const database = await new Promise<Database>((resolve, reject) => {
    const opened = new driver.Database(path, (error) => (error === null ? resolve(opened) : reject(error)));
  });
  const close = () =>
    new Promise<void>((resolve, reject) => {
      database.close((error) => (error === null ? resolve() : reject(error)));
    });
  const refused = await new Promise<(Error & { code?: string }) | null>((resolve) => {
    database.exec('begin exclusive', resolve);
  });
  if (refused === null) return { release: close };
  await close();
  if (refused.code === 'SQLITE_BUSY') return null;
  throw refused;
}
