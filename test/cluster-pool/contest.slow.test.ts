import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { holdContest, holdPlantedContest } from './contest.ts';

test('executions compete for 3 clusters of one server that is killed again and again: never two holders, first come first served', async (t) => {
  const executions = Number(process.env['CONTEST_EXECUTIONS'] ?? 40);
  await holdContest(t, { database: await freshDatabase(t), nodes: 1, executions, clusters: 3, kills: 2 });
});

// It has another id by then: only its name tells that two are in one cluster.
test('the observer of the contest sees a cluster that is given to the next before its holder has gone', async (t) => {
  const database = await freshDatabase(t);
  const [seen] = await holdPlantedContest(
    t,
    { database, nodes: 1, executions: 3, clusters: 1, kills: 0 },
    'plant-early-release',
  );
  t.regex(seen ?? '', /^[-0-9a-f]+ comes to p-1 in its life [-0-9a-f]+, and [-0-9a-f]+ is there in [-0-9a-f]+$/);
});

async function freshDatabase(t: { teardown(end: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'contest-db-'));
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return `sqlite:${join(folder, 'db.sqlite')}`;
}
