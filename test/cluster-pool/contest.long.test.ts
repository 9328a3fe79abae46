import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { findPostgres, startPostgres } from '../helpers/postgres-server.ts';
import { postgresDatabase } from '../helpers/store.ts';
import { holdContest } from './contest.ts';

const FULL = { executions: Number(process.env['CONTEST_EXECUTIONS'] ?? 500), clusters: 3, kills: 10 };

test.serial('500 executions, 3 clusters, one server that is killed ten times', async (t) => {
  const folder = await temporaryFolder(t);
  await holdContest(t, { ...FULL, database: `sqlite:${join(folder, 'db.sqlite')}`, nodes: 1 });
});

test.serial('500 executions, 3 clusters, two servers on PostgreSQL that are killed ten times in turn', async (t) => {
  const programs = await findPostgres();
  if (programs === null) return t.fail('PostgreSQL is needed (Debian: postgresql)');
  const server = await startPostgres(programs, await temporaryFolder(t));
  t.teardown(() => server.stop());
  await holdContest(t, { ...FULL, database: await postgresDatabase(t, server.url), nodes: 2 });
});

async function temporaryFolder(t: { teardown(run: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'contest-db-'));
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
