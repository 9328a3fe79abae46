import test from 'ava';
import { runCampaign } from './campaign.ts';

const ROUNDS = 20;

test('100,000 hostile requests made of the OpenAPI document: no fault of the server, no crash, no growth of memory', async (t) => {
  t.timeout(7_200_000);
  const seed = Number(process.env['HOSTILE_SEED'] ?? 1);
  const requests = Number(process.env['HOSTILE_REQUESTS'] ?? 100_000);
  const snapshots = process.env['HOSTILE_SNAPSHOTS'] ?? null;
  const campaign = { requests, rounds: ROUNDS, seed, snapshots };
  const { problems, untried, statuses, heap, seconds } = await runCampaign(t, campaign);
  t.log(`${seconds.toFixed(0)} s, statuses ${JSON.stringify([...statuses].toSorted())}`);
  t.deepEqual(problems, []);
  t.deepEqual(untried, []);
  t.is(heap.length, ROUNDS);
  // The first rounds fill caches of a fixed size; nothing is kept of those that follow.
  const [early, late] = [heap.slice(5, 10), heap.slice(-5)].map((part) => Math.min(...part)) as [number, number];
  t.true(late < early * 1.1 + 4e6, `living objects: ${heap.map((bytes) => (bytes / 1e6).toFixed(1)).join(', ')} MB`);
});
