import type { Knex } from 'knex';
import { EngineError } from '../errors.ts';
import { connectionTrouble } from './connection.ts';
import { dialectOf } from './dialect.ts';
import { BUSY_TIMEOUT_MILLISECONDS } from './drivers/sqlite.ts';
import type { Store } from './connection.ts';
import { MIGRATIONS } from './migrations/index.ts';
import type { Migration } from './migrations/index.ts';

export interface MigrationResult {
  readonly from: number;
  readonly to: number;
}

/**
 * Brings the schema up to date: every migration that is missing, in order, all in one transaction. Two processes that start at
 * once wait for each other, because the transaction begins by writing.
 *
 * @throws EngineError UNAVAILABLE when the database was made by a newer version of this program, or cannot be written.
 */
export async function migrate(
  store: Pick<Store, 'writer'>,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<MigrationResult> {
  return transaction(store, async (trx) => {
    const from = await lockedVersion(trx);
    const newest = migrations.at(-1)?.version ?? 0;
    if (from > newest) {
      throw new EngineError(
        'UNAVAILABLE',
        `The database has schema version ${from}, this program knows versions up to ${newest}. Start the newer program, or use another database.`,
      );
    }
    for (const migration of migrations.filter(({ version }) => version > from)) {
      await migration.up(trx);
      await trx(TABLE).insert({ version: migration.version, name: migration.name, applied_at: Date.now() });
    }
    return { from, to: newest };
  });
}

/** The version that the database has, 0 for an empty one, and the one that this program brings it to. */
export async function schemaVersions(
  knex: Knex,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<{ readonly stored: number; readonly known: number }> {
  const known = migrations.at(-1)?.version ?? 0;
  if (!(await knex.schema.hasTable(TABLE))) return { stored: 0, known };
  const [row] = await knex<{ version: number }>(TABLE).select('version').orderBy('version', 'desc').limit(1);
  return { stored: row?.version ?? 0, known };
}

const TABLE = 'schema_versions';
const CREATE_TABLE = `create table if not exists ${TABLE} (version integer primary key, name varchar(255) not null, applied_at bigint not null)`;
// Any number that no other program on the database uses.
const MIGRATION_LOCK = 7_266_823_401;
const MIGRATION_MILLISECONDS = 120_000;

async function transaction<T>(store: Pick<Store, 'writer'>, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
  try {
    // SQLite: by itself, so that the transaction's first statement can take the write lock. After a read it could not wait for another
    // process that writes, but would be refused at once.
    if (dialectOf(store.writer) === 'postgres') return await store.writer.transaction(work);
    // Another process may be migrating, which takes longer than any other transaction.
    await store.writer.raw(`pragma busy_timeout = ${MIGRATION_MILLISECONDS}`);
    await store.writer.raw(CREATE_TABLE);
    const result = await store.writer.transaction(work);
    await store.writer.raw(`pragma busy_timeout = ${BUSY_TIMEOUT_MILLISECONDS}`);
    return result;
  } catch (error) {
    const trouble = connectionTrouble(error);
    throw trouble === null ? error : new EngineError('UNAVAILABLE', `The database ${trouble}.`, { cause: error });
  }
}

async function lockedVersion(trx: Knex.Transaction): Promise<number> {
  // Held to the end of the transaction; two at once would both find no table and both make it.
  if (dialectOf(trx) === 'postgres') {
    await trx.raw('select pg_advisory_xact_lock(?)', [MIGRATION_LOCK]);
    await trx.raw(CREATE_TABLE);
  }
  // Takes SQLite's write lock.
  await trx(TABLE).where('version', 0).delete();
  const [row] = await trx<{ version: number }>(TABLE).select('version').orderBy('version', 'desc').limit(1);
  return row?.version ?? 0;
}
