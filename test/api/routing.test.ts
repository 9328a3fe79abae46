import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import test from 'ava';
import type { Logger } from '../../engine/log.ts';
import { listen } from '../../api/server.ts';
import { addToken } from '../../engine/store/tokens.ts';
import { startApi } from '../helpers/api.ts';
import { startNodeServer } from '../helpers/node-server.ts';
import { waitFor } from '../helpers/waiting.ts';

test('the root and the version say where the API is', async (t) => {
  const { send, url } = await startApi(t);
  t.deepEqual((await send('GET', '/')).body, {
    versions: [{ id: 'v2.0', status: 'CURRENT', links: [{ href: `${url}/v2`, target: 'v2', rel: 'self' }] }],
  });
  for (const path of ['/v2', '/v2/', '//v2//']) t.deepEqual((await send('GET', path)).body, { uri: `${url}/v2` }, path);
  t.is((await send('GET', '/info')).body.faultstring, 'Info endpoint disabled.');
  t.is((await send('GET', '/healthz')).status, 200);
  t.is((await send('GET', '/readyz')).status, 200);
  t.deepEqual((await send('GET', '/v2/services')).body, { services: [{ name: 'test', type: 'api_group' }] });
});

test('what is not there is 404, a wrong method is 405 with Allow, both as JSON', async (t) => {
  const { send } = await startApi(t);
  for (const path of [
    '/nothing',
    '/v2/nothing',
    '/v2/workflows/a/b',
    '/v2/environments/x/y/z',
    '/v2/executions/x/foo',
  ]) {
    const { status, body } = await send('GET', path);
    t.is(status, 404, path);
    t.deepEqual(Object.keys(body).sort(), ['debuginfo', 'faultcode', 'faultstring']);
  }
  for (const [method, path] of [
    ['PATCH', '/v2/workflows'],
    ['POST', '/v2/tasks'],
    ['DELETE', '/v2/tasks/x'],
    ['PATCH', '/v2/actions/std.echo'],
    ['POST', '/v2/executions/x'],
    ['PUT', '/'],
  ] as const) {
    const { status, body, headers } = await send(method, path, method === 'DELETE' ? undefined : 'x');
    t.is(status, 405, path);
    t.truthy(body.faultstring);
    t.regex(headers.get('allow') ?? '', /GET/);
  }
  const head = await send('HEAD', '/v2/workflows');
  t.is(head.status, 405);
  t.is((await send('OPTIONS', '/v2/workflows')).status, 200);
});

test('slashes at the end and in a row do not matter, and parts of the path are decoded', async (t) => {
  const { send } = await startApi(t);
  t.is((await send('GET', '/v2//workflows/')).status, 200);
  t.is((await send('GET', '/v2/workflows/%ZZ')).status, 404);
  t.is(
    (await send('GET', '/v2/workflows/a%2Fb')).body.faultstring,
    'Workflow not found [workflow_identifier=a/b, namespace=]',
  );
});

test('the path of a collection where an item is needed is 400', async (t) => {
  const { send } = await startApi(t);
  for (const [method, path] of [
    ['DELETE', '/v2/workflows'],
    ['DELETE', '/v2/executions'],
    ['PUT', '/v2/executions'],
    ['PUT', '/v2/tasks'],
    ['PUT', '/v2/action_executions'],
  ] as const) {
    const { status, body } = await send(method, path, method === 'PUT' ? { state: 'RUNNING' } : undefined);
    t.is(status, 400, `${method} ${path}`);
    t.regex(body.faultstring, /Missing argument/);
  }
});

test('bodies that are no JSON object are refused before anything else', async (t) => {
  const { send } = await startApi(t);
  const json = { 'Content-Type': 'application/json' };
  for (const path of ['/v2/executions', '/v2/environments', '/v2/action_executions']) {
    t.regex((await send('POST', path, 'not json', json)).body.faultstring, /not in valid JSON format/);
    t.is((await send('POST', path, '[]', json)).status, 400);
    t.regex((await send('POST', path, '', json)).body.faultstring, /Missing argument/);
    t.is((await send('POST', path, '{}', { 'Content-Type': 'text/plain' })).status, 415);
    t.regex((await send('POST', path, { bogus: 1 })).body.faultstring, /Unknown attribute for argument \w+: bogus/);
    t.regex((await send('POST', path, { project_id: 'x' })).body.faultstring, /Cannot set read only field/);
  }
});

test('without authentication a caller is an administrator only if the server says so, or the role does', async (t) => {
  const text = "version: '2.0'\nwf:\n  tasks:\n    t:\n      action: std.noop\n";
  const open = await startApi(t);
  t.is((await open.send('POST', '/v2/workflows?scope=public', text)).status, 201);
  const strict = await startApi(t, { settings: { anonymousIsAdmin: false } });
  t.is((await strict.send('POST', '/v2/workflows?scope=public', text)).status, 403);
  t.is((await strict.send('GET', '/v2/executions?all_projects=true')).status, 403);
  t.is((await strict.send('GET', '/v2/workflows?all_projects=true')).status, 403);
  t.is((await strict.send('GET', '/v2/executions?all_projects=false')).status, 200);
  t.is((await strict.send('POST', '/v2/workflows?scope=public', text, { 'X-Roles': 'member, admin' })).status, 201);
});

test('without authentication pages of other sites change nothing, and names of other machines are not answered to', async (t) => {
  const { url } = await startNodeServer(t, { corsOrigins: ['https://console.example'] });
  const { port } = new URL(url);
  const status = (method: string, path: string, headers: Record<string, string>, body = '') =>
    new Promise<number>((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, method, path, headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.on('error', reject).end(body);
    });
  const upload = (headers: Record<string, string>) =>
    status('POST', '/v2/workflows/validate', { 'Content-Type': 'text/plain', ...headers }, "version: '2.0'");
  // What browsers send without asking beforehand.
  t.is(await upload({ 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' }), 403);
  t.is(await upload({ 'Sec-Fetch-Site': 'same-site', Origin: 'http://127.0.0.1:1' }), 403);
  t.is(await upload({ 'Sec-Fetch-Site': 'cross-site' }), 403);
  t.is(await upload({ 'Sec-Fetch-Site': 'cross-site', Origin: 'https://console.example' }), 200);
  t.is(await upload({ 'Sec-Fetch-Site': 'same-origin' }), 200);
  t.is(await upload({ 'Sec-Fetch-Site': 'none' }), 200);
  t.is(
    await status('GET', '/v2/workflows', { 'Sec-Fetch-Site': 'cross-site' }),
    200,
    'nothing is changed, nor shown to the page',
  );
  // A name that was made to stand for this machine.
  const get = (host: string) => status('GET', '/v2/workflows', { Host: host });
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    'localhost.evil.example',
    'x',
    '127.0.0.1.evil.example',
    '1'.repeat(300) + 'e',
  ])
    t.is(await get(host), 403, host);
  for (const host of [
    'localhost',
    `LocalHost:${port}`,
    'localhost.',
    'a.localhost',
    '127.0.0.1',
    '192.168.1.7:80',
    '[::1]:8989',
    'console.example',
  ])
    t.is(await get(host), 200, host);

  const { url: guarded, store } = await startNodeServer(t, { authMode: 'token' });
  await addToken(store.writer, { token: 'ours', projectId: 'p', userId: 'u', roles: [], expiresAt: null });
  const answer = await fetch(`${guarded}/v2/workflows`, {
    headers: { 'X-Auth-Token': 'ours', 'Sec-Fetch-Site': 'cross-site' },
  });
  t.is(answer.status, 200, 'a token is no cookie: who sends it means it');
});

test('an unforeseen error is 500 and tells nothing of its inside', async (t) => {
  const { send } = await startApi(t);
  const { status, body } = await send('POST', '/v2/executions', { workflow_name: 'x' });
  t.is(status, 500);
  t.is(body.faultcode, 'Server');
  t.false(body.faultstring.includes('this test has no engine'));
});

test('a client that leaves before its answer is no fault of the server and is not logged as one', async (t) => {
  const lines: string[] = [];
  let logged = (): void => {};
  const note = (level: string) => (message: string) => {
    lines.push(`${level}: ${message}`);
    logged();
  };
  const log: Logger = {
    debug: note('debug'),
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    with: () => log,
  };
  let tell: (reject: (error: Error) => void) => void = () => {};
  const asked = new Promise<(error: Error) => void>((resolve) => (tell = resolve));
  const processes = () => new Promise<never>((_, reject) => tell(reject));
  const { url } = await startApi(t, { log, processes });
  const request = 'GET /v2/services HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
  const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(request));
  const fail = await asked;
  socket.destroy();
  await once(socket, 'close');
  // The server learns of it with the next turn of its loop, at the latest when it answers.
  await fetch(`${url}/healthz`);
  const isLogged = new Promise<void>((resolve) => (logged = resolve));
  fail(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  await isLogged;
  t.deepEqual(lines, ['debug: A client left before its answer.']);
});

test('the server listens beyond this machine only when told that this is meant', async (t) => {
  const refuse = () => listen(() => {}, { host: '0.0.0.0', port: 0, insecure: false });
  await t.throwsAsync(refuse, { code: 'NOT_ALLOWED', message: /--insecure/ });
  const server = await listen(() => {}, { host: '0.0.0.0', port: 0, insecure: true });
  const port = Number(new URL(server.url).port);
  await t.throwsAsync(
    listen(() => {}, { host: '0.0.0.0', port, insecure: true }),
    { code: 'UNAVAILABLE', message: /in use/ },
  );
  await server.close();
});

test('who sends or reads too slowly is not waited for', async (t) => {
  let closed = 0;
  const server = await listen(
    (incoming, response) => {
      response.on('close', () => (closed += 1));
      // More than all buffers on the way hold.
      if (incoming.method === 'GET') response.end(Buffer.alloc(64 * 1024 * 1024));
      else incoming.resume().on('end', () => response.end('done'));
    },
    { host: '127.0.0.1', port: 0, insecure: false, patience: { headers: 200, request: 400, unread: 300 } },
  );
  t.teardown(() => server.close(0));
  const open = (text: string) => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () => socket.write(text));
    t.teardown(async () => socket.destroy());
    socket.on('error', () => {});
    return socket;
  };
  const answer = async (text: string) => {
    const socket = open(text);
    let read = '';
    socket.on('data', (chunk) => (read += String(chunk)));
    await once(socket, 'close');
    return read;
  };
  t.regex(
    await answer('POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow'),
    /^HTTP\/1.1 408 .*[^]*"faultstring":"The request did not arrive/,
  );
  t.regex(await answer('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc'), /^HTTP\/1.1 408 /);
  t.regex(
    await answer('POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc'),
    /^HTTP\/1.1 200 [^]*done$/,
  );
  const before = closed;
  const unread = open('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n').pause();
  await waitFor('the end of what nobody reads', async () => closed > before);
  t.true(unread.bytesRead < 64 * 1024 * 1024);
});
