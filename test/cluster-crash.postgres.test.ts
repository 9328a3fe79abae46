import test from 'ava';
import { surviveLeaseKills } from './helpers/lease-crash.ts';
import { testDatabase } from './helpers/store.ts';

test('another node goes on with the leases of one that is killed: between grant and answer, in each phase of cluster.run, before the release', async (t) => {
  t.timeout(600_000);
  const points = ['granted', 'applied', 'running', 'finished', 'released', 'ended'] as const;
  await surviveLeaseKills(t, await testDatabase(t), points, { takesOver: true });
});
