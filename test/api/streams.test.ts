import { connect } from 'node:net';
import test from 'ava';
import { EventFeed } from '../../api/events/feed.ts';
import { parseLastEvent } from '../../api/events/stream.ts';
import { silentLogger } from '../../engine/log.ts';
import type { EventLogRow } from '../../engine/store/event-log.ts';
import { addToken, revokeToken } from '../../engine/store/tokens.ts';
import { insertExternalJob, updateExternalJobs } from '../../engine/store/external-jobs.ts';
import { sender } from '../helpers/api.ts';
import { startNodeServer } from '../helpers/node-server.ts';
import { memoryStore } from '../helpers/store.ts';
import { waitFor } from '../helpers/waiting.ts';

const WAITS =
  "version: '2.0'\nwf:\n  tasks:\n    a:\n      action: std.noop\n      on-success: b\n    b:\n      action: std.async_noop\n";

interface Sent {
  readonly id: string;
  readonly event: string;
  readonly data: {
    readonly id?: string;
    readonly state?: string;
    readonly name?: string;
    readonly execution_id?: string;
  };
}

/** Reads events until one fits, or until the server ends the stream. */
async function read(
  url: string,
  until: (event: Sent) => boolean,
  headers: Record<string, string> = {},
): Promise<{ events: Sent[]; type: string | null; status: number }> {
  const response = await fetch(url, { headers });
  const events: Sent[] = [];
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(
        block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      if (!fields.has('event')) continue;
      const event = {
        id: fields.get('id') ?? '',
        event: fields.get('event') ?? '',
        data: JSON.parse(fields.get('data') ?? '{}'),
      };
      events.push(event);
      if (until(event)) {
        return { events, type: response.headers.get('content-type'), status: response.status };
      }
    }
  }
  return { events, type: response.headers.get('content-type'), status: response.status };
}

test('a stream tells the history of an execution, then what happens, and ends with it', async (t) => {
  const { url } = await startNodeServer(t);
  const send = sender(url);
  await send('POST', '/v2/workflows', WAITS);
  const { id } = (await send('POST', '/v2/executions', { workflow_name: 'wf' })).body;
  const stream = `${url}/v2/executions/${id}/stream`;
  const started = await read(stream, ({ event, data }) => event === 'action' && data.name === 'std.async_noop');
  t.is(started.type, 'text/event-stream; charset=utf-8');
  const following = read(stream, () => false);
  const resumed = read(stream, () => false, { 'Last-Event-ID': started.events.at(-1)?.id ?? '' });
  const action = started.events.at(-1)?.data.id;
  await send('PUT', `/v2/action_executions/${action}`, { state: 'SUCCESS' });
  const whole = (await following).events;
  const states = (events: Sent[]) => events.map(({ event, data }) => `${event} ${data.state ?? ''}`);
  t.deepEqual(states(whole).slice(-1), ['end ']);
  t.is(states(whole).filter((line) => line === 'execution SUCCESS').length, 1);
  t.deepEqual(
    whole.map((e) => e.id).slice(0, started.events.length),
    started.events.map((e) => e.id),
  );
  t.is(new Set(whole.map((e) => e.id)).size, whole.length, 'nothing is told twice');
  t.deepEqual(
    (await resumed).events.map((e) => e.id),
    whole.map((e) => e.id).slice(started.events.length),
    'it goes on where a client left off',
  );
  t.deepEqual(
    states((await read(stream, () => false)).events),
    states(whole),
    'the stream of an ended one ends at once',
  );
  const tasks = await read(`${stream}?types=task`, () => false);
  t.deepEqual([...new Set(tasks.events.map((e) => e.event))], ['task', 'end']);
  t.is((await send('GET', `/v2/executions/${id}/stream?types=nonsense`)).status, 400);
  t.is((await send('GET', `/v2/executions/${id}/stream`, undefined, { 'Last-Event-ID': 'x' })).status, 400);
  t.is((await send('GET', '/v2/executions/no-such/stream')).status, 404);
});

test('the stream of all executions shows those of the own project', async (t) => {
  const { url, store } = await startNodeServer(t, { authMode: 'token' });
  for (const [token, projectId] of [
    ['ours', 'b'],
    ['theirs', 'c'],
  ] as const) {
    await addToken(store.writer, { token, projectId, userId: 'u', roles: [], expiresAt: null });
  }
  const send = sender(url);
  const started: string[] = [];
  const start = async (token: string) => {
    await send('POST', '/v2/workflows', WAITS, { 'X-Auth-Token': token });
    const { body } = await send('POST', '/v2/executions', { workflow_name: 'wf' }, { 'X-Auth-Token': token });
    started.push(body.id);
    return body.id as string;
  };
  let seen: (() => void) | undefined;
  const listening = new Promise<void>((resolve) => {
    seen = resolve;
  });
  const first = await start('ours');
  const ours = read(
    `${url}/v2/events?types=execution`,
    ({ data }) => {
      seen?.();
      return data.execution_id === started[3];
    },
    { Authorization: 'Bearer ours', 'Last-Event-ID': '0' },
  );
  await listening;
  const foreign = await start('theirs');
  await start('ours');
  const last = await start('ours');
  const { events } = await ours;
  const executions = new Set(events.map(({ data }) => data.execution_id));
  t.true(executions.has(first) && executions.has(last));
  t.false(executions.has(foreign), 'nothing of other projects');
  t.is((await send('GET', `/v2/executions/${first}/stream`, undefined, { 'X-Auth-Token': 'theirs' })).status, 404);
});

test('a stream ends when its token is revoked or loses rights, and when its execution is deleted', async (t) => {
  const { url, store } = await startNodeServer(t, { authMode: 'token' }, silentLogger, undefined, 20);
  const tokens = ['revoked', 'demoted', 'boss', 'stays'];
  for (const token of tokens) {
    const roles = token === 'demoted' || token === 'boss' ? ['admin'] : [];
    await addToken(store.writer, { token, projectId: 'b', userId: 'u', roles, expiresAt: null });
  }
  const send = sender(url);
  const as = { 'X-Auth-Token': 'stays' };
  await send('POST', '/v2/workflows', WAITS, as);
  const start = async (id: string) => (await send('POST', '/v2/executions', { id, workflow_name: 'wf' }, as)).status;
  t.is(await start('one'), 201);
  t.is(await start('two'), 201);
  // Each is open once it has told the history.
  const open = async (path: string, token: string) => {
    const response = await fetch(`${url}${path}`, { headers: { 'X-Auth-Token': token, 'Last-Event-ID': '0' } });
    t.is(response.status, 200);
    const reader = response.body?.getReader();
    await reader?.read();
    let ended = false;
    const end = (async () => {
      while ((await reader?.read())?.done === false);
      ended = true;
    })();
    t.teardown(async () => reader?.cancel());
    return { end, isOver: () => ended };
  };
  const revoked = [await open('/v2/events', 'revoked'), await open('/v2/executions/one/stream', 'revoked')];
  const demoted = await open('/v2/events', 'demoted');
  const other = await open('/v2/executions/two/stream', 'stays');
  const all = await open('/v2/events', 'stays');
  const deleted = await open('/v2/executions/one/stream', 'stays');

  t.true(await revokeToken(store.writer, { token: 'revoked' }));
  await Promise.all(revoked.map(({ end }) => end));
  await revokeToken(store.writer, { token: 'demoted' });
  await addToken(store.writer, { token: 'demoted', projectId: 'b', userId: 'u', roles: [], expiresAt: null });
  await demoted.end;
  t.is((await send('DELETE', '/v2/executions/one?force=true', undefined, as)).status, 204);
  await deleted.end;
  t.deepEqual(
    [other, all].map(({ isOver }) => isOver()),
    [false, false],
  );
});

test('streams end with their connection, also those whose turn on it has not come', async (t) => {
  const { url } = await startNodeServer(t);
  const { port } = new URL(url);
  const count = async () =>
    Number(/^tramontane_event_streams (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1] ?? Number.NaN);
  const socket = connect(Number(port), '127.0.0.1');
  t.teardown(async () => socket.destroy());
  socket.write('GET /v2/events HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3));
  await waitFor('three streams', async () => (await count()) === 3);
  socket.destroy();
  await waitFor('the end of all', async () => (await count()) === 0);
  t.pass();
});

test('numbers of the log that are seen late are told late, but never twice and never lost', async (t) => {
  const store = await memoryStore(t);
  const feed = new EventFeed(store.reader, silentLogger, 3_600_000);
  const got: number[] = [];
  let told: () => void = () => {};
  const leave = await feed.subscribe({
    receive: (rows: readonly EventLogRow[]) => {
      got.push(...rows.map((row) => row.seq));
      told();
    },
    end: () => t.fail('it does not end'),
  });
  const commit = async (...numbers: number[]) => {
    await store.writer('execution_events').insert(
      numbers.map((seq) => ({
        seq,
        execution_id: 'e',
        version: seq,
        at: 0,
        changes: '[["execution","e","RUNNING"]]',
      })),
    );
    const next = new Promise<void>((resolve) => {
      told = resolve;
    });
    feed.wake();
    await next;
  };
  await commit(1, 2);
  await commit(4, 5);
  await commit(3);
  await commit(6);
  t.deepEqual(got, [1, 2, 4, 5, 3, 6]);
  leave();
  t.is(feed.size, 0);
  let ended = false;
  await feed.subscribe({ receive: () => {}, end: () => (ended = true) });
  feed.close();
  t.true(ended);
  t.deepEqual(
    [parseLastEvent('12-3'), parseLastEvent('7')?.seq, parseLastEvent('a')],
    [{ seq: 12, index: 3 }, 7, null],
  );
});

test('whoever is told of nothing looks for himself', async (t) => {
  const store = await memoryStore(t);
  const feed = new EventFeed(store.reader, silentLogger, 10);
  t.teardown(async () => feed.close());
  const told = new Promise<number | undefined>((resolve) => {
    void feed
      .subscribe({ receive: (rows) => resolve(rows[0]?.seq), end: () => {} })
      .then(() =>
        store.writer('execution_events').insert({ seq: 7, execution_id: 'e', version: 1, at: 0, changes: '[]' }),
      );
  });
  t.is(await told, 7);
});

test('log and progress of a job can be read while it runs, and only of what is a job', async (t) => {
  const { url, store } = await startNodeServer(t);
  const send = sender(url);
  const { id } = (
    await send('POST', '/v2/action_executions', { name: 'std.async_noop', params: { save_result: true } })
  ).body;
  t.is((await send('GET', `/v2/action_executions/${id}/log`)).status, 404);
  const job = {
    actionExecutionId: id,
    backend: 'fake',
    key: 'k',
    url: 'http://job',
    data: {},
    request: {},
    leaseOwner: 'n',
    leaseUntil: 1,
    now: 1,
  };
  await insertExternalJob(store.writer, job);
  const patch = {
    phase: 'submitted',
    logTail: ['first line', 'second'],
    progress: { done: 3 },
    lastState: 'RUNNING',
    externalId: 'app-1',
  } as const;
  await updateExternalJobs(store.writer, 'n', [{ actionExecutionId: id, patch }], 2);
  const log = await fetch(`${url}/v2/action_executions/${id}/log`);
  t.is(log.headers.get('content-type'), 'text/plain; charset=utf-8');
  t.is(await log.text(), 'first line\nsecond\n');
  t.like((await send('GET', `/v2/action_executions/${id}/progress`)).body, {
    backend: 'fake',
    state: 'RUNNING',
    external_id: 'app-1',
    progress: { done: 3 },
  });
  t.is((await send('GET', '/v2/action_executions/no-such/log')).status, 404);
});

test('health and figures are for machines; pages of allowed origins may call', async (t) => {
  const { url } = await startNodeServer(t, { corsOrigins: ['https://console.example'] });
  const send = sender(url);
  const plain = await fetch(`${url}/healthcheck`);
  t.is(plain.status, 200);
  t.is(await plain.text(), '');
  t.deepEqual((await send('GET', '/healthcheck', undefined, { Accept: 'application/json' })).body, {
    detailed: false,
    reasons: [],
  });
  await send('POST', '/v2/workflows', WAITS);
  await send('POST', '/v2/executions', { workflow_name: 'wf' });
  const figures = await (await fetch(`${url}/metrics`)).text();
  t.regex(figures, /tramontane_open\{kind="executions",state="RUNNING"\} 1/);
  t.regex(figures, /tramontane_http_request_seconds_count\{method="POST",route="\/v2\/workflows",status="201"\} 1/);
  t.regex(figures, /process_cpu_seconds_total/);
  const origin = { Origin: 'https://console.example' };
  const preflight = await fetch(`${url}/v2/workflows`, {
    method: 'OPTIONS',
    headers: {
      ...origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'X-Auth-Token, X-Evil',
    },
  });
  t.is(preflight.status, 200);
  t.is(preflight.headers.get('access-control-allow-origin'), 'https://console.example');
  t.is(preflight.headers.get('access-control-allow-methods'), 'POST');
  t.is(preflight.headers.get('access-control-allow-headers'), 'X-Auth-Token');
  t.is(preflight.headers.get('access-control-max-age'), '3600');
  const ordinary = await fetch(`${url}/v2/workflows`, { headers: origin });
  t.regex(ordinary.headers.get('access-control-expose-headers') ?? '', /X-Project-Id/);
  const stranger = await fetch(`${url}/v2/nothing`, { headers: { Origin: 'https://evil.example' } });
  t.is(stranger.status, 404);
  t.is(stranger.headers.get('access-control-allow-origin'), null);
  t.is(stranger.headers.get('vary'), 'Origin');
});
