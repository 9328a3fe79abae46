import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { surviveLeaseKills } from './helpers/lease-crash.ts';

// With the point 'recorded', which is looked at for a minute: cluster-crash.long.test.ts. On two nodes: cluster-crash.postgres.test.ts.
test('a server killed between a grant and its answer, in each phase of cluster.run, and between the end of an execution and the release, goes on with all', async (t) => {
  t.timeout(600_000);
  const folder = await mkdtemp(join(tmpdir(), 'lease-crash-db-'));
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const points = ['granted', 'applied', 'running', 'finished', 'released', 'ended'] as const;
  await surviveLeaseKills(t, `sqlite:${join(folder, 'db.sqlite')}`, points);
});
