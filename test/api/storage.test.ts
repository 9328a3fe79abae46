import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { faultOf } from '../../api/errors.ts';
import { patient } from '../../api/patience.ts';
import { sender, startApi } from '../helpers/api.ts';
import { startNodeServer } from '../helpers/node-server.ts';

/** What clients hear while the database cannot be written, and what becomes of their requests. */

const WORKFLOW = `version: '2.0'
wf:
  input: [text]
  tasks:
    t:
      action: std.echo output=<% $.text %>
`;

test('with a full disk requests that change something are 503, reads go on, and started work ends when there is room', async (t) => {
  const { url, store } = await startNodeServer(t, { database: `sqlite:${join(await folder(t), 'full.sqlite')}` });
  const send = sender(url);
  t.is((await send('POST', '/v2/workflows', WORKFLOW)).status, 201);
  await store.writer.raw('pragma max_page_count = 1');
  const text = 'x'.repeat(500_000);
  const started = send('POST', '/v2/executions', { id: 'waits', workflow_name: 'wf', input: { text } });
  for (const [path, body] of [
    ['/v2/workflows', `${WORKFLOW}# ${text}`.replace('wf:', 'other:')],
    ['/v2/environments', { name: 'env', variables: { text } }],
    ['/v2/action_executions', { name: 'std.async_noop', input: {}, description: text }],
  ] as const) {
    const { status, body: fault } = await send('POST', path, body);
    t.is(status, 503, path);
    t.is(fault.faultstring, 'The database cannot be written: its disk is full; nothing was changed. Try again later.');
  }
  t.is((await send('GET', '/v2/workflows/wf')).status, 200);
  t.deepEqual((await send('GET', '/v2/environments')).body, { environments: [] });
  await store.writer.raw('pragma max_page_count = 1000000');
  t.is((await started).status, 201);
  t.is((await send('GET', '/v2/executions?id=waits')).status, 400);
  for (let state = ''; state !== 'SUCCESS'; ) state = (await send('GET', '/v2/executions/waits')).body.state;
  t.is((await send('POST', '/v2/environments', { name: 'env', variables: { text } })).status, 201);
});

test('an engine that does not answer is 503 after a while, for every decision, and the late answer harms nobody', async (t) => {
  const never = new Promise<never>(() => {});
  const { send } = await startApi(t, { engine: { startExecution: () => never }, engineMilliseconds: 20 });
  const { status, body } = await send('POST', '/v2/executions', { workflow_name: 'x' });
  t.is(status, 503);
  t.regex(body.faultstring, /did not answer within 0.02 s/);

  let fail: (error: Error) => void = () => {};
  const late = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  const answer = () => late;
  const engine = patient(
    {
      startExecution: answer,
      updateExecution: answer,
      deleteExecution: answer,
      rerunTask: answer,
      skipTask: answer,
      updateAction: answer,
      runAction: async () => ({ id: null, name: 'n', state: 'SUCCESS', input: {}, output: {} }),
      deleteAction: answer,
    },
    10,
  );
  const caller = { projectId: 'p', isAdmin: true };
  for (const decision of [
    engine.updateExecution(caller, 'x', { state: null, stateInfo: null, description: null, env: null }),
    engine.deleteExecution(caller, 'x', false),
    engine.rerunTask(caller, 'x', true, null),
    engine.skipTask(caller, 'x'),
    engine.updateAction(caller, 'x', 'SUCCESS', {}),
    engine.deleteAction(caller, 'x'),
  ]) {
    await t.throwsAsync(decision, { code: 'UNAVAILABLE' });
  }
  fail(new Error('too late'));
  await t.throwsAsync(late);
});

test('what is wrong with a database is told in words', (t) => {
  for (const [code, words] of [
    ['SQLITE_BUSY', /is held by another process/],
    ['SQLITE_FULL', /its disk is full/],
    ['SQLITE_READONLY_DBMOVED', /read-only, or was moved/],
    ['SQLITE_IOERR_WRITE', /its disk fails/],
    ['SQLITE_CANTOPEN', /cannot be opened/],
  ] as const) {
    const { status, body } = faultOf(Object.assign(new Error('from the driver'), { code }));
    t.is(status, 503);
    t.regex(body.faultstring, words);
    t.is(body.faultcode, 'Server');
  }
  t.is(faultOf(Object.assign(new Error('x'), { code: 'SQLITE_ERROR' })).status, 500);
});

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tramontane-storage-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}
