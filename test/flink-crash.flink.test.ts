import test from 'ava';
import { surviveKills } from './helpers/flink-crash.ts';

const { FLINK_REST_URL: url, FLINK_JOBS_JAR: jar } = process.env;

// The other phases: flink-crash.flink-long.test.ts.
test('a server killed while its Flink job runs, and before it has heard of one that was submitted, goes on with both', async (t) => {
  t.timeout(1_200_000);
  if (url === undefined || jar === undefined) return t.fail('FLINK_REST_URL or FLINK_JOBS_JAR is not set');
  await surviveKills(t, { url, jar }, ['running', 'unseen']);
});
