import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Config } from '../../engine/config.ts';
import { newId } from '../../engine/ids.ts';
import { silentLogger } from '../../engine/log.ts';
import { rowsOf } from '../../engine/store/dialect.ts';
import { sender } from '../helpers/api.ts';
import { startNodeServer } from '../helpers/node-server.ts';
import { testDatabase } from '../helpers/store.ts';
import { waitFor } from '../helpers/waiting.ts';

const REDIS = { url: process.env.REDIS_URL ?? '', clusterNodes: null, sentinels: null, tls: null };
const FLOW = "version: '2.0'\nwf:\n  tasks:\n    a:\n      action: std.async_noop\n";
// Streams of these nodes never look for themselves: what they tell, they were told of.
const NEVER = 2_000_000_000;

test.serial('a stream of one node tells what another one commits: notifications of PostgreSQL', async (t) => {
  t.timeout(300_000);
  const { here, there, follow } = await twoNodes(t, {});
  const first = await there.start();
  const seen = await follow(first);
  const second = await there.start();
  await seen(second);
  // A listener whose connection broke has missed what was told meanwhile: it asks when it is back.
  const ended = rowsOf<{ ended: boolean }>(
    await here.store.writer.raw(
      "select pg_terminate_backend(pid) as ended from pg_stat_activity where datname = current_database() and query = 'listen tramontane_commits'",
    ),
  );
  t.deepEqual(ended, [{ ended: true }, { ended: true }]);
  const third = await there.start();
  await seen(third);
  const fourth = await there.start();
  await seen(fourth);
  t.pass();
});

test.serial('a stream of one node tells what another one commits: Redis', async (t) => {
  t.timeout(300_000);
  const { there, follow } = await twoNodes(t, { redis: REDIS, redisPrefix: `{test-${newId()}}` });
  const seen = await follow(await there.start());
  await seen(await there.start());
  await seen(await there.start());
  t.pass();
});

async function twoNodes(t: ExecutionContext, settings: Partial<Config>) {
  const common = { ...settings, database: await testDatabase(t), databaseConnections: 6 };
  const here = await startNodeServer(t, common, silentLogger, NEVER);
  const other = await startNodeServer(t, common, silentLogger, NEVER);
  const send = sender(other.url);
  await send('POST', '/v2/workflows', FLOW);
  const start = async (): Promise<string> => (await send('POST', '/v2/executions', { workflow_name: 'wf' })).body.id;
  return { here, there: { start }, follow: (first: string) => follow(t, here.url, first) };
}

/**
 * Follows all executions, from the beginning of the log: when the first one was told, everything that commits from then on must be.
 *
 * @returns what waits until an execution was told of.
 */
async function follow(t: ExecutionContext, url: string, first: string): Promise<(id: string) => Promise<unknown>> {
  const stop = new AbortController();
  t.teardown(async () => stop.abort());
  const { body } = await fetch(`${url}/v2/events?types=execution`, {
    headers: { 'Last-Event-ID': '0' },
    signal: stop.signal,
  });
  let text = '';
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
    }
  })();
  reading.catch(() => {});
  const seen = (id: string) => waitFor(`the event of ${id}`, () => Promise.resolve(text.includes(id)));
  await seen(first);
  return seen;
}
