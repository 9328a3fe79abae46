import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { holdContest } from './contest.ts';

test('executions compete for 3 clusters of one server that is killed again and again: never two holders, first come first served', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'contest-db-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const executions = Number(process.env['CONTEST_EXECUTIONS'] ?? 24);
  await holdContest(t, {
    database: `sqlite:${join(folder, 'db.sqlite')}`,
    nodes: 1,
    executions,
    clusters: 3,
    kills: 3,
  });
});
