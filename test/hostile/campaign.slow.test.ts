import test from 'ava';
import { runCampaign } from './campaign.ts';

test('2,000 hostile requests made of the OpenAPI document: no fault of the server, no crash', async (t) => {
  t.timeout(600_000);
  const { problems, untried, statuses } = await runCampaign(t, { requests: 2_000, rounds: 1, seed: 20_261_122 });
  t.deepEqual(problems, []);
  t.deepEqual(untried, [], 'every operation is tried');
  t.true(
    (statuses.get(200) ?? 0) > 100 && (statuses.get(201) ?? 0) > 5,
    'some get through to what is behind the checks',
  );
});
