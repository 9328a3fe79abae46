import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { surviveLeaseKills } from './helpers/lease-crash.ts';

test('a server killed after it has recorded that cluster.run submits its job, and before it does, submits it once', async (t) => {
  t.timeout(900_000);
  const folder = await mkdtemp(join(tmpdir(), 'lease-crash-db-'));
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  await surviveLeaseKills(t, `sqlite:${join(folder, 'db.sqlite')}`, ['recorded']);
});
