import { Client } from 'pg';
import { openStore } from '../../engine/store/connection.ts';
import type { Store } from '../../engine/store/connection.ts';
import { newId } from '../../engine/ids.ts';
import { silentLogger } from '../../engine/log.ts';
import { migrate } from '../../engine/store/migrate.ts';

interface Test {
  teardown(run: () => Promise<void>): void;
}

/** A migrated database that is gone after the test: in memory, or in the suites of PostgreSQL a new one on its server. */
export async function memoryStore(t: Test): Promise<Store> {
  const store = await openStore({ url: await testDatabase(t) }, silentLogger);
  t.teardown(() => store.close());
  await makeSchema(store);
  return store;
}

/**
 * As `migrate` of an empty database. Migrating costs more than most tests do, so a process migrates once and copies the
 * statements that SQLite keeps of its schema into the databases of its other tests.
 */
export async function makeSchema(store: Store): Promise<void> {
  if (store.driver !== 'sqlite3') {
    await migrate(store);
    return;
  }
  schemaCopy ??= schemaOfMigrations();
  const statements = await schemaCopy;
  const { client } = store.writer;
  const connection: { exec(sql: string, done: (error: Error | null) => void): void } = await client.acquireConnection();
  try {
    await new Promise<void>((resolve, reject) => {
      connection.exec(statements, (error) => (error === null ? resolve() : reject(error)));
    });
  } finally {
    await client.releaseConnection(connection);
  }
}

let schemaCopy: Promise<string> | null = null;

async function schemaOfMigrations(): Promise<string> {
  const store = await openStore({ url: 'sqlite::memory:' }, silentLogger);
  try {
    await migrate(store);
    const kept: { name: string; type: string; sql: string }[] = await store
      .writer('sqlite_master')
      .select('name', 'type', 'sql')
      .whereNotNull('sql');
    const rows = kept.filter(({ name }) => !name.startsWith('sqlite_'));
    const filled = rows.filter(({ type }) => type === 'table');
    const inserts: string[] = [];
    for (const { name } of filled) {
      for (const row of await store.writer(name).select()) inserts.push(store.writer(name).insert(row).toQuery());
    }
    return ['begin', ...rows.map(({ sql }) => sql), ...inserts, 'commit'].join(';\n');
  } finally {
    await store.close();
  }
}

/** The address of an empty database: SQLite's in memory, or a new one of the server that `POSTGRES_URL` names. */
export async function testDatabase(t: Test): Promise<string> {
  const server = serverUrl();
  return server === null ? 'sqlite::memory:' : postgresDatabase(t, server);
}

/** Lets the database refuse to write rows that fulfil the condition, which calls them `new`. */
export async function refuseWrites(
  store: Store,
  when: 'insert' | 'update',
  table: string,
  condition: string,
): Promise<void> {
  const trigger = `create trigger refuse before ${when} on ${table}`;
  if (store.dialect === 'sqlite') {
    await store.writer.raw(
      `${trigger} when ${condition} begin select raise(abort, 'refused by a trigger'); end`.replaceAll('?', '\\?'),
    );
    return;
  }
  await store.writer.raw(
    `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused by a trigger'; end $$`,
  );
  await store.writer.raw(`${trigger} for each row when (${condition}) execute function refuse()`);
}

/** An empty database of its own on that server, dropped after the test. */
export async function postgresDatabase(t: Test, server: string): Promise<string> {
  const name = `test_${newId().replaceAll('-', '')}`;
  await command(server, `create database ${name}`);
  t.teardown(() => command(server, `drop database ${name} with (force)`));
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.toString();
}

/** Set by the suite (test/suites/machine.ts): tests of both databases run on SQLite in the fast suite. */
function serverUrl(): string | null {
  const { TEST_SUITE, POSTGRES_URL } = process.env;
  if (TEST_SUITE !== 'postgres' && TEST_SUITE !== 'redis') return null;
  if (POSTGRES_URL === undefined)
    throw new Error(`the suite ${TEST_SUITE} needs POSTGRES_URL, a server on which databases may be made`);
  return POSTGRES_URL;
}

async function command(server: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
