import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { sender } from '../helpers/api.ts';
import type { Exchange, Send } from '../helpers/api.ts';
import { startNodeServer } from '../helpers/node-server.ts';

/** Many requests at once for the same thing: one wins, the others hear of it, nobody gets a fault of the server. */

const workflow = (name: string, value = 1) =>
  `version: '2.0'\n${name}:\n  tasks:\n    t:\n      action: std.echo output=${value}\n`;
const HOLD = "version: '2.0'\nhold:\n  tasks:\n    t:\n      action: std.async_noop\n";

test('of many that create the same name one succeeds, the others are 409', async (t) => {
  const { send } = await start(t);
  const book = "version: '2.0'\nname: book\nworkflows:\n  a:\n    tasks: {t: {action: std.noop}}\n";
  for (const [path, body] of [
    ['/v2/workflows', workflow('wf')],
    ['/v2/workbooks', book],
    ['/v2/actions', "version: '2.0'\nact:\n  base: std.noop\n"],
    ['/v2/environments', { name: 'env', variables: {} }],
  ] as const) {
    t.deepEqual(counts(await times(12, () => send('POST', path, body))), { 201: 1, 409: 11 }, path);
  }
  const updates = await Promise.all([
    ...Array.from({ length: 8 }, (_, i) => send('PUT', '/v2/workflows', workflow('wf', i))),
    ...Array.from({ length: 8 }, (_, i) => send('PUT', '/v2/workbooks', book.replace('a:', `a${i}:`))),
    ...Array.from({ length: 8 }, (_, i) => send('PUT', '/v2/environments', { name: 'env', variables: { i } })),
  ]);
  t.deepEqual(counts(updates), { 200: 24 });
  t.deepEqual(counts(await times(6, () => send('DELETE', '/v2/workflows/wf'))), { 204: 1, 404: 5 });
});

test('an execution is started once per id, ended once, and deleted once', async (t) => {
  const { send } = await start(t);
  await send('POST', '/v2/workflows', HOLD);
  const same = { id: 'one', workflow_name: 'hold' };
  t.deepEqual(counts(await times(12, () => send('POST', '/v2/executions', same))), { 201: 12 });
  const { tasks } = (await send('GET', '/v2/executions/one/tasks')).body;
  t.is(tasks.length, 1);
  const inWorkflow = (await send('GET', `/v2/tasks/${tasks[0].id}/action_executions`)).body.action_executions;
  t.is(inWorkflow.length, 1);
  const alone = (await send('POST', '/v2/action_executions', { name: 'std.async_noop' })).body;
  for (const { id } of [inWorkflow[0], alone]) {
    const end = () => send('PUT', `/v2/action_executions/${id}`, { state: 'SUCCESS' });
    t.deepEqual(counts(await times(8, end)), { 200: 1, 400: 7 });
  }
  t.deepEqual(counts(await times(8, () => send('DELETE', '/v2/executions/one?force=true'))), { 204: 1, 404: 7 });
});

test('lists and reports are read while executions come, run and go', async (t) => {
  const { send } = await start(t);
  await send('POST', '/v2/workflows', workflow('wf'));
  const run = async (i: number): Promise<Exchange[]> => {
    const started = await send('POST', '/v2/executions', { id: `e${i}`, workflow_name: 'wf' });
    const read = await Promise.all([
      send('GET', `/v2/executions/e${i}/report`),
      send('GET', `/v2/executions/e${i}/tasks`),
      send('GET', '/v2/executions?include_output=true&sort_keys=state&sort_dirs=desc'),
      send('GET', '/v2/tasks?limit=7'),
      send('PUT', '/v2/workflows', workflow('wf', i)),
    ]);
    return [started, ...read, await send('DELETE', `/v2/executions/e${i}?force=true`)];
  };
  const replies = (await Promise.all(Array.from({ length: 30 }, (_, i) => run(i)))).flat();
  t.deepEqual(counts(replies), { 200: 150, 201: 30, 204: 30 });
  t.deepEqual((await send('GET', '/v2/action_executions')).body, { action_executions: [] });
});

/** On a file, so that reading and writing go through connections of their own. */
async function start(t: ExecutionContext): Promise<{ send: Send }> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-concurrency-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const { url } = await startNodeServer(t, {
    database: `sqlite:${join(folder, 'c.sqlite')}`,
    databaseSynchronous: 'normal',
  });
  return { send: sender(url) };
}

function times<T>(count: number, act: () => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, act));
}

function counts(replies: readonly Exchange[]): Record<number, number> {
  const found: Record<number, number> = {};
  for (const { status } of replies) found[status] = (found[status] ?? 0) + 1;
  return found;
}
