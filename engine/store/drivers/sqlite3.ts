import { createRequire } from 'node:module';
import type { Knex } from 'knex';
import type { DriverModule, FileLock } from './driver.ts';
import { isNothingToRollBack } from './rollback.ts';
import { Statements } from './sqlite3-statements.ts';
import type { Callback, Connection } from './sqlite3-statements.ts';

const require = createRequire(import.meta.url);

/** The `sqlite3` package, an optional dependency: its native part exists only where it could be compiled. */
export function loadSqlite3(): DriverModule | Error {
  try {
    const driver = require('sqlite3') as Sqlite3;
    return { name: 'sqlite3', client: knexClient(), readers: 3, lockFile: (path) => lockFile(driver, path) };
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** A query as knex hands it to a dialect, and gets it back. */
interface DialectQuery {
  readonly sql: string;
  readonly method?: string;
  readonly bindings?: readonly unknown[];
  readonly returning?: unknown;
  response?: unknown;
  context?: unknown;
}

/** knex's own SQLite dialect, with statements that are prepared once. */
function knexClient(): typeof Knex.Client {
  const SqliteClient = require('knex/lib/dialects/sqlite3') as typeof Knex.Client;
  const statements = new WeakMap<Connection, Statements>();
  class Sqlite3Client extends SqliteClient {
    async _query(connection: Connection, query: DialectQuery): Promise<DialectQuery> {
      let kept = statements.get(connection);
      if (kept === undefined) {
        kept = new Statements(connection);
        statements.set(connection, kept);
      }
      const { sql, bindings = [] } = query;
      const call = returnsRows(query) ? 'all' : 'run';
      const statement = DEFINES_SCHEMA.test(sql) ? null : await kept.get(sql);
      return new Promise((resolve, reject) => {
        const done: Callback = function (error, rows) {
          if (error !== null && !isNothingToRollBack(sql, error)) return reject(error);
          resolve(Object.assign(query, { response: rows, context: this }));
        };
        if (statement === null) connection[call](sql, bindings, done);
        else statement[call](bindings, done);
      });
    }

    override async destroyRawConnection(connection: Connection): Promise<void> {
      await statements.get(connection)?.finalizeAll();
      await super.destroyRawConnection(connection);
    }
  }
  return Sqlite3Client;
}

// Such statements are seldom and may not be kept, since the schema changes under the others.
const DEFINES_SCHEMA = /^\s*(?:create|alter|drop|pragma|vacuum)\b/i;

function returnsRows({ method, returning }: DialectQuery): boolean {
  if (method === 'insert' || method === 'update') return Boolean(returning);
  return method !== 'counter' && method !== 'del';
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
