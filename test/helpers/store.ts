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
  await migrate(store);
  return store;
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
