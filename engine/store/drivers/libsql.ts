import { createRequire } from 'node:module';
import type { Knex } from 'knex';
import type LibsqlDatabase from 'libsql';
import { LibsqlConnection } from './libsql-connection.ts';
import type { DriverModule, FileLock } from './driver.ts';

const require = createRequire(import.meta.url);

/** The `libsql` package: a finished binary for each platform. Its calls block, so each connection lives in a worker thread. */
export function loadLibsql(): DriverModule | Error {
  try {
    const Database = require('libsql') as typeof LibsqlDatabase;
    return { name: 'libsql', client: knexClient(), readers: 2, lockFile: (path) => lockFile(Database, path) };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** knex's own SQLite dialect over connections that look like those of the `sqlite3` package. */
function knexClient(): typeof Knex.Client {
  const SqliteClient = require('knex/lib/dialects/sqlite3') as typeof Knex.Client;
  class LibsqlClient extends SqliteClient {
    _driver(): object {
      return { OPEN_READWRITE: 0, OPEN_CREATE: 0, Database: LibsqlConnection };
    }
  }
  return LibsqlClient;
}

async function lockFile(Database: typeof LibsqlDatabase, path: string): Promise<FileLock | null> {
  const database = new Database(path);
  try {
    database.exec('begin exclusive');
  } catch (error) {
    database.close();
    if (isBusy(error)) return null;
    throw error;
  }
  return {
    release: async () => {
      database.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY');
}
