import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { Float } from '../../dsl/yaql/numbers.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { silentLogger } from '../../engine/log.ts';
import type { ActionContext } from '../../executors/action.ts';
import { checkInput, nearestName } from '../../executors/check-call.ts';
import { createEgressPolicy, EgressError } from '../../executors/egress.ts';
import {
  createHttpClient,
  passingStatus,
  RemoteError,
  withRetry,
  type HttpClient,
} from '../../executors/http-client.ts';
import { createCatalogue } from '../../executors/index.ts';
import { http, mistralHttp } from '../../executors/std/http.ts';
import { sleepAction } from '../../executors/std/sleep.ts';
import { runContext } from './helpers/remote.ts';

const catalogue = createCatalogue();

test('every action describes itself: parameters, result, and examples that use it', (t) => {
  const names = catalogue.list().map(({ name }) => name);
  t.deepEqual(
    names.filter((name) => name.startsWith('std.')),
    [
      'std.async_noop',
      'std.echo',
      'std.email',
      'std.fail',
      'std.http',
      'std.javascript',
      'std.js',
      'std.mistral_http',
      'std.noop',
      'std.sleep',
      'std.ssh',
      'std.ssh_proxied',
      'std.test_dict',
      'std.wait_ssh',
    ],
  );
  for (const action of catalogue.list()) {
    t.true(action.description.length > 10 && action.result.description.length > 3, action.name);
    t.true(action.examples.length > 0 && action.examples.every(({ yaml }) => yaml.includes(action.name)), action.name);
    for (const name of action.parameters.required)
      t.true(Object.hasOwn(action.parameters.properties, name), `${action.name} ${name}`);
    for (const [name, schema] of Object.entries(action.parameters.properties))
      t.is(typeof schema.description, 'string', `${action.name} ${name}`);
    if (action.kind === 'pure' || action.kind === 'job') t.true(action.repeatSafe, action.name);
  }
});

test('the pure actions give what the reference gives', (t) => {
  const cases: readonly (readonly [string, JsonObject, ActionResult])[] = [
    ['std.noop', {}, { kind: 'success', output: null }],
    ['std.echo', { output: [1, new Float(2)] }, { kind: 'success', output: [1, new Float(2)] }],
    ['std.fail', {}, { kind: 'error', output: 'Fail action expected exception.', retryable: false }],
    ['std.fail', { error_data: {} }, { kind: 'error', output: 'Fail action expected exception.', retryable: false }],
    ['std.fail', { error_data: 0 }, { kind: 'error', output: 'Fail action expected exception.', retryable: false }],
    ['std.fail', { error_data: { a: 1 } }, { kind: 'error', output: { a: 1 }, retryable: false }],
    ['std.test_dict', { size: 2, key_prefix: 'k', val: 7 }, { kind: 'success', output: { k0: 7, k1: 7 } }],
    ['std.test_dict', {}, { kind: 'success', output: {} }],
  ];
  for (const [name, input, result] of cases)
    t.deepEqual(catalogue.runPure(name, input), result, `${name} ${JSON.stringify(input)}`);
  t.is(catalogue.runPure('std.sleep', {}).kind, 'error');
});

test('std.echo needs a worker only for a delay that is a positive number', (t) => {
  const delays = [0, 1, '2', 'soon', -1, null, new Float(3), 0.4].map((delay) =>
    catalogue.needsWorker('std.echo', { output: 1, delay }),
  );
  t.deepEqual(delays, [false, true, true, false, false, false, true, false]);
});

test('input is checked for names, required parameters and types of literal values', (t) => {
  const check = (name: string, input: JsonObject) =>
    catalogue.checkCall(name, input).map(({ message, hint }) => `${message}; ${hint}`);
  t.deepEqual(check('std.noop', { a: 1 }), ["Unknown parameter 'a'; it takes no parameters"]);
  t.deepEqual(check('std.http', { urll: 'x', methd: 'GET' }), [
    "Unknown parameter 'urll'; did you mean 'url'?",
    "Unknown parameter 'methd'; did you mean 'method'?",
  ]);
  t.deepEqual(check('std.http', { methd: 'GET' }), [
    "Unknown parameter 'methd'; did you mean 'method'?",
    "Missing parameter 'url'; url: http or https address.",
  ]);
  t.deepEqual(check('std.http', { url: 5, headers: [], timeout: '<% $.t %>', verify: '{{ _.v }}' }), [
    "Parameter 'url' is the number 5; it should be text",
    "Parameter 'headers' is a list; it should be a mapping or null",
  ]);
  t.deepEqual(check('std.test_dict', { size: new Float(3) }), []);
  t.deepEqual(check('std.test_dict', { size: -1 }), ["Parameter 'size' is -1; it should be at least 0"]);
  t.deepEqual(check('std.test_dict', { size: 10n ** 30n }), []);
  t.deepEqual(check('no.such', { a: 1 }), []);
  t.deepEqual(
    checkInput({ type: 'object', properties: {}, required: [], additionalProperties: true }, { anything: 1 }).map(
      ({ message }) => message,
    ),
    [],
  );
  t.is(catalogue.nearest('std.htpp'), 'std.http');
  t.is(nearestName('completely', ['different', 'words']), null);
});

test('std.sleep takes whole seconds and ends at once when it is stopped', async (t) => {
  const { context } = contextOf(createHttpClient(null));
  t.deepEqual(await sleepAction.run({ seconds: 'soon' }, context), { kind: 'success', output: null });
  t.deepEqual(await sleepAction.run({ seconds: -3 }, context), { kind: 'success', output: null });
  const stopped = contextOf(createHttpClient(null));
  const sleeping = sleepAction.run({ seconds: 1000 }, stopped.context);
  stopped.abort.abort(new Error('enough'));
  await t.throwsAsync(sleeping, { message: 'enough' });
});

test('std.http gives content, status, headers and the rest of the answer', async (t) => {
  const { url, context, seen } = await site(t, (request, response) => {
    response.writeHead(201, {
      'Content-Type': 'application/json',
      'X-Twice': ['a', 'b'],
      'Set-Cookie': ['s=1; Path=/', 't=2'],
    });
    response.end('{"n": 2.0, "big": 9007199254740993, "path": "x"}');
  });
  const input = {
    url: `${url}/rows?a=1`,
    method: 'post',
    params: { b: ['x y', 2], none: null },
    headers: { 'X-Number': 5, 'X-Float': new Float(2) },
    cookies: { c: 'd' },
    auth: 'user:pass:word',
    json: { n: new Float(1), big: 2n ** 60n },
  };
  const result = await http.run(input, context);
  t.is(result.kind, 'success');
  t.like(result.output, {
    status: 201,
    reason: 'Created',
    url: `${url}/rows?a=1&b=x+y&b=2`,
    history: [],
    encoding: 'utf-8',
    cookies: { s: '1', t: '2' },
  });
  if (!isJsonObject(result.output) || !isJsonObject(result.output.content)) return t.fail();
  t.deepEqual(result.output.content.n, new Float(2));
  t.is(result.output.content.big, 9007199254740993n);
  t.like(result.output.headers, { 'Content-Type': 'application/json', 'X-Twice': 'a, b' });
  t.like(seen[0], { method: 'POST', url: '/rows?a=1&b=x+y&b=2', body: '{"n":1.0,"big":1152921504606846976}' });
  t.like(seen[0]?.headers, {
    'x-number': '5',
    'x-float': '2.0',
    cookie: 'c=d',
    authorization: `Basic ${Buffer.from('user:pass:word').toString('base64')}`,
    'content-type': 'application/json',
  });
});

test('std.http sends a mapping as body without a content type, and refuses body together with json', async (t) => {
  const { url, context, seen } = await site(t, (_request, response) => response.end('plain'));
  t.like((await http.run({ url, body: { a: 1 } }, context)).output, { content: 'plain', encoding: null });
  t.is(seen[0]?.body, '{"a":1}');
  t.is(seen[0]?.headers['content-type'], undefined);
  t.deepEqual(await http.run({ url, body: 'x', json: {} }, context), {
    kind: 'error',
    output: "Only one of the parameters 'json' and 'body' can be passed",
    retryable: false,
  });
});

test('std.http fails with the same mapping for an error status', async (t) => {
  const { url, context } = await site(t, (_request, response) => response.writeHead(404).end('{"why": "no"}'));
  const result = await http.run({ url }, context);
  t.is(result.kind, 'error');
  t.like(result.output, { status: 404, content: { why: 'no' } });
});

test('std.http follows redirects only when asked, drops the body after POST and keeps credentials at home', async (t) => {
  const other = await site(t, (_request, response) => response.end('"there"'));
  const { url, context, seen } = await site(t, (request, response) => {
    if (request.url === '/start') response.writeHead(302, { Location: '/next' }).end();
    else if (request.url === '/next') response.writeHead(307, { Location: `${other.url}/end` }).end();
    else response.writeHead(301, { Location: '/loop' }).end();
  });
  const still = await http.run({ url: `${url}/start`, method: 'POST', body: 'x' }, context);
  t.like(still.output, { status: 302, content: '' });
  const moved = await http.run(
    { url: `${url}/start`, method: 'POST', body: 'x', auth: 'a:b', allow_redirects: true },
    context,
  );
  t.like(moved.output, {
    status: 200,
    content: 'there',
    url: `${other.url}/end`,
    history: [
      { status: 302, url: `${url}/start` },
      { status: 307, url: `${url}/next` },
    ],
  });
  t.like(seen.at(-1), { method: 'GET', body: '' });
  t.truthy(seen.at(-1)?.headers.authorization);
  t.is(other.seen[0]?.headers.authorization, undefined);
  const loop = await http.run({ url: `${url}/loop`, allow_redirects: true }, context);
  t.regex(String(loop.output), /^Failed to send HTTP request: Exceeded 30 redirects/);
});

test('std.http unpacks, and refuses what is too large, declared, streamed or packed', async (t) => {
  const { url, context } = await site(t, (request, response) => {
    const six = Buffer.alloc(6 * 1024 * 1024, 97);
    if (request.url === '/gzip') response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync('{"a": 1}'));
    else if (request.url === '/bomb') response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync(six));
    else if (request.url === '/declared') response.writeHead(200, { 'Content-Length': six.length }).end(six);
    else response.writeHead(200, { 'Transfer-Encoding': 'chunked' }).end(six);
  });
  t.like((await http.run({ url: `${url}/gzip` }, context)).output, { content: { a: 1 } });
  t.is(
    (await http.run({ url: `${url}/declared` }, context)).output,
    'HTTP response is too large (Content-Length=6291456, limit=5242880 bytes).',
  );
  t.regex(String((await http.run({ url: `${url}/streamed` }, context)).output), /^HTTP response is too large/);
  t.regex(String((await http.run({ url: `${url}/bomb` }, context)).output), /^HTTP response is too large/);
});

test('std.http tells why there is no answer', async (t) => {
  const { url, context } = await site(t, () => {});
  t.regex(
    String((await http.run({ url, timeout: 0.1 }, context)).output),
    /^Failed to send HTTP request: No answer within 0\.1 seconds/,
  );
  t.regex(
    String((await http.run({ url: 'http://127.0.0.1:9/' }, context)).output),
    /^Failed to send HTTP request: .*ECONNREFUSED|bad port/,
  );
  t.regex(
    String((await http.run({ url: 'ftp://x/y' }, context)).output),
    /URL scheme 'ftp' is not allowed; use http or https/,
  );
  t.regex(String((await http.run({ url: 'nonsense' }, context)).output), /'nonsense' is no URL/);
});

test('a stopped std.http ends at once', async (t) => {
  const { url, context, abort } = await site(t, () => {});
  const running = http.run({ url }, context);
  setTimeout(() => abort.abort(new Error('enough')), 20);
  await t.throwsAsync(running, { message: 'enough' });
});

test('std.mistral_http tells the service who asks and where to answer', async (t) => {
  const { url, context, seen } = await site(t, (_request, response) => response.writeHead(202).end());
  t.is((await mistralHttp.run({ url, method: 'POST' }, context)).kind, 'success');
  t.like(seen[0]?.headers, {
    'mistral-workflow-name': 'wf',
    'mistral-workflow-execution-id': 'execution-1',
    'mistral-task-id': 'task-1',
    'mistral-action-execution-id': 'a1',
    'mistral-callback-url': '/v2/action_executions/a1',
  });
});

test('the egress policy judges addresses', (t) => {
  const strict = createEgressPolicy({ allowLoopback: false });
  const refused = [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '169.254.169.254',
    '169.254.0.1',
    'fe80::1',
    '0.0.0.0',
    '::',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    'fd00:ec2::254',
    '100.100.100.200',
  ];
  for (const address of refused) t.true(strict.refusal('h', address) instanceof EgressError, address);
  for (const address of ['10.0.0.1', '93.184.216.34', '2606:2800:220:1::1', '::ffff:93.184.216.34'])
    t.is(strict.refusal('h', address), null, address);
  const local = createEgressPolicy({
    allowLoopback: true,
    allow: ['169.254.169.254', '10.1.0.0/16', 'inside.example'],
    deny: ['10.0.0.0/8'],
  });
  t.is(local.refusal('h', '127.0.0.1'), null);
  t.is(local.refusal('h', '169.254.169.254'), null);
  t.is(local.refusal('h', '10.1.2.3'), null);
  t.is(local.refusal('Inside.Example', '10.2.0.1'), null);
  t.true(local.refusal('h', '10.2.0.1') instanceof EgressError);
  t.true(local.refusal('h', '169.254.0.2') instanceof EgressError);
});

test('the policy is kept at connect, for names, addresses and redirects', async (t) => {
  const target = await site(t, (_request, response) => response.end('secret'));
  const port = new URL(target.url).port;
  const strict = createHttpClient(createEgressPolicy({ allowLoopback: false }));
  t.teardown(() => strict.close());
  const { context } = contextOf(strict);
  for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1']) {
    const { output } = await http.run({ url: `http://${host}:${port}/` }, context);
    t.regex(String(output), /resolves to a blocked address/, host);
  }
  t.is(target.seen.length, 0);
  const listed = createHttpClient(createEgressPolicy({ allowLoopback: false, allow: ['localhost'] }));
  t.teardown(() => listed.close());
  const redirecting = await site(t, (_request, response) =>
    response.writeHead(302, { Location: `http://127.0.0.1:${port}/` }).end(),
  );
  const start = `http://localhost:${new URL(redirecting.url).port}/`;
  const { output } = await http.run({ url: start, allow_redirects: true }, contextOf(listed).context);
  t.regex(String(output), /resolves to a blocked address \(127\.0\.0\.1\)/);
  t.is(target.seen.length, 0);
});

test('a proxy is used, and its address obeys the policy too', async (t) => {
  const proxy = await site(t, (request, response) => response.end(JSON.stringify({ asked: request.url })));
  const port = new URL(proxy.url).port;
  const through = await http.run({ url: 'http://example.invalid/x', proxies: { http: proxy.url } }, proxy.context);
  t.like(through.output, { content: { asked: 'http://example.invalid/x' } });
  const strict = createHttpClient(createEgressPolicy({ allowLoopback: false, allow: ['example.invalid'] }));
  t.teardown(() => strict.close());
  for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
    for (const scheme of ['http', 'https']) {
      const input = { url: `${scheme}://example.invalid/x`, proxies: { [scheme]: `http://${host}:${port}` } };
      t.regex(
        String((await http.run(input, contextOf(strict).context)).output),
        /resolves to a blocked address/,
        `${scheme} ${host}`,
      );
    }
  }
  t.is(proxy.seen.length, 1);
});

test('a proxy that never makes the tunnel is left after the time limit', async (t) => {
  const proxy = await site(t, () => {});
  const { output } = await http.run(
    { url: 'https://example.invalid/x', proxies: { https: proxy.url }, timeout: 0.3 },
    proxy.context,
  );
  t.regex(String(output), /No answer within 0\.3 seconds/);
});

test('what fails in passing is repeated, what fails for good is not', async (t) => {
  let asked = 0;
  const { url } = await site(t, (request, response) => {
    asked++;
    if (request.url === '/gone') response.writeHead(404).end();
    else response.writeHead(asked < 3 ? 503 : 200).end('ready');
  });
  const client = createHttpClient(null);
  t.teardown(() => client.close());
  const get = (path: string) => async () =>
    passingStatus(await client.exchange({ method: 'GET', url: url + path, timeoutMs: 5000, maxBytes: 100 }));
  const options = { forMs: 10_000, signal: new AbortController().signal, firstPauseMs: 1 };
  t.is((await withRetry(get('/'), options)).body.toString(), 'ready');
  t.is(asked, 3);
  t.is((await withRetry(get('/gone'), options)).status, 404);
  t.is(asked, 4);
  asked = 0;
  const error = await t.throwsAsync(withRetry(get('/'), { ...options, forMs: 0 }), { instanceOf: RemoteError });
  t.like(error, { fault: 'status', status: 503, excerpt: 'ready' });
  t.is(asked, 1);
});

test('the client tells refused connections from lost ones', async (t) => {
  const client = createHttpClient(null);
  t.teardown(() => client.close());
  const { url } = await site(t, (request) => request.socket.destroy());
  const base = { method: 'GET', timeoutMs: 5000, maxBytes: 1000 };
  const lost = await t.throwsAsync(client.exchange({ ...base, url }), { instanceOf: RemoteError });
  t.like(lost, { fault: 'reset', notSent: false });
  const refused = await t.throwsAsync(client.exchange({ ...base, url: 'http://127.0.0.1:1/' }), {
    instanceOf: RemoteError,
  });
  t.like(refused, { fault: 'refused', notSent: true });
});

interface Site {
  readonly url: string;
  readonly context: ActionContext;
  readonly abort: AbortController;
  readonly seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[];
}

/** A web site on a real socket that notes what it is asked. */
async function site(
  t: ExecutionContext,
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<Site> {
  const seen: Site['seen'] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += String(chunk);
    });
    request.on('end', () => {
      seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
      answer(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const client = createHttpClient(createEgressPolicy({ allowLoopback: true }));
  t.teardown(() => client.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, ...contextOf(client) };
}

function contextOf(client: HttpClient): { context: ActionContext; abort: AbortController } {
  const abort = new AbortController();
  return { abort, context: { signal: abort.signal, log: silentLogger, http: client, run: runContext('a1') } };
}
