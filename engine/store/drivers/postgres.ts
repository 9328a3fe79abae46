import { createRequire } from 'node:module';
import knexDefault from 'knex';
import type { Knex } from 'knex';
import { types } from 'pg';
import { EngineError } from '../../errors.ts';
import { storableText } from '../columns.ts';
import type { Store, StoreOptions } from '../connection.ts';
import { connectionTrouble } from '../database-errors.ts';

const require = createRequire(import.meta.url);

/**
 * Opens a database of PostgreSQL 13 or later. Two pools: one whose transactions may only read, so that lists never take the
 * engine's connections.
 *
 * @throws EngineError UNAVAILABLE when it cannot be reached, refuses the user, or is too old.
 */
export async function openPostgres(options: StoreOptions): Promise<Store> {
  const { url } = options;
  const connections = Math.max(2, options.connections ?? DEFAULT_CONNECTIONS);
  const readers = Math.max(1, Math.floor(connections * 0.4));
  const patience = options.transactionPatienceMs ?? DEFAULT_PATIENCE_MILLISECONDS;
  // A node that stops in the middle of a transaction must not hold rows for ever: the server ends it.
  const writer = connect(url, connections - readers, `-c idle_in_transaction_session_timeout=${patience}`);
  const reader = connect(url, readers, '-c default_transaction_read_only=on');
  const close = async () => {
    await Promise.all([reader.destroy(), writer.destroy()]);
  };
  try {
    await checkServer(writer);
  } catch (error) {
    await close();
    if (error instanceof EngineError) throw error;
    const trouble = connectionTrouble(error) ?? 'cannot be opened';
    const why = error instanceof Error && error.message !== '' ? `: ${error.message}` : '';
    throw new EngineError('UNAVAILABLE', `The database ${withoutPassword(url)} ${trouble}${why}`, { cause: error });
  }
  return { writer, reader, dialect: 'postgres', driver: 'pg', isShared: true, close };
}

/** As it may stand in messages. */
export function withoutPassword(url: string): string {
  return url.replace(/(:\/\/[^/@:]*):[^/@]*@/, '$1@').replace(/([?&]password=)[^&]*/g, '$1…');
}

const DEFAULT_CONNECTIONS = 10;
const DEFAULT_PATIENCE_MILLISECONDS = 15_000;
const POOL_WAIT_MILLISECONDS = 60_000;
const CONNECT_MILLISECONDS = 10_000;
const OLDEST_SERVER = 130_000;

async function checkServer(writer: Knex): Promise<void> {
  const { rows } = (await writer.raw('show server_version_num')) as { rows: { server_version_num: string }[] };
  const version = Number(rows[0]?.server_version_num);
  if (version >= OLDEST_SERVER) return;
  const major = Math.floor(version / 10_000);
  throw new EngineError('UNAVAILABLE', `The database server is PostgreSQL ${major}; version 13 or later is needed.`);
}

function connect(url: string, connections: number, settings: string): Knex {
  return knexDefault({
    client: PostgresClient,
    connection: {
      ...addressOf(url, settings),
      application_name: 'tramontane',
      connectionTimeoutMillis: CONNECT_MILLISECONDS,
      keepAlive: true,
      types: TYPES,
    },
    compileSqlOnError: false,
    log: { warn: () => {} },
    acquireConnectionTimeout: POOL_WAIT_MILLISECONDS,
    pool: { min: 0, max: connections },
  });
}

/** Settings of the session go along with those that the address has itself. */
function addressOf(url: string, settings: string): { readonly connectionString: string } {
  const address = new URL(url);
  const own = address.searchParams.get('options');
  address.searchParams.set('options', own === null ? settings : `${own} ${settings}`);
  return { connectionString: address.toString() };
}

// Counts, ids of events and times are far below 2^53: they come as numbers, as from SQLite. pg gives texts.
const INT8 = 20;
const NUMERIC = 1700;
const TYPES = {
  getTypeParser: (oid: number, format?: string): ((value: string) => unknown) =>
    oid === INT8 || oid === NUMERIC ? Number : types.getTypeParser(oid, format === 'binary' ? 'binary' : 'text'),
};

const BaseClient = require('knex/lib/dialects/postgres') as typeof Knex.Client;

/** knex's own dialect; texts that PostgreSQL cannot hold are bound as their escapes, as they are stored. */
class PostgresClient extends BaseClient {
  // Statements without values, such as `begin`, come without a list.
  override prepBindings(bindings: readonly unknown[] | undefined): unknown[] {
    return (bindings ?? []).map((binding) => (typeof binding === 'string' ? storableText(binding) : binding));
  }
}
