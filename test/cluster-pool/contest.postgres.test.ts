import test from 'ava';
import { testDatabase } from '../helpers/store.ts';
import { holdContest } from './contest.ts';

test('executions compete for 3 clusters on two servers that are killed in turn: never two holders, first come first served', async (t) => {
  const executions = Number(process.env['CONTEST_EXECUTIONS'] ?? 24);
  await holdContest(t, { database: await testDatabase(t), nodes: 2, executions, clusters: 3, kills: 3 });
});
