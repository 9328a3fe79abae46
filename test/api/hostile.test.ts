import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import test from 'ava';
import { array, assert, asyncProperty, constant, constantFrom, oneof, record, tuple } from 'fast-check';
import { sender } from '../helpers/api.ts';
import { startNodeServer } from '../helpers/node-server.ts';
import { ODD_NAMES } from '../hostile/values.ts';
import { randomRuns } from '../helpers/random-runs.ts';

/** Whatever a client sends: never a fault of the server, always an answer that says what is wrong. */

const WORKFLOWS = `version: '2.0'
wf:
  input:
    - a: 1
  tasks:
    t:
      action: std.echo output=<% $.a %>
hold:
  tasks:
    t:
      action: std.async_noop
`;

const COLLECTIONS = ['workbooks', 'workflows', 'actions', 'executions', 'tasks', 'action_executions', 'environments'];

const BELOW = [
  '',
  '/',
  '/tasks',
  '/executions',
  '/report',
  '/action_executions',
  '/action_executions/x',
  '/workflow_executions',
  '/members',
  '/members/x',
  '/validate',
  '/foo/bar',
];

// Parts of paths and values of parameters, as they stand in an address.
const IDENTIFIERS = [
  'wf',
  'held',
  '%ZZ',
  '%00',
  '%FF',
  '%2F',
  '..',
  '%2e%2e',
  '__proto__',
  'constructor',
  'a'.repeat(3000),
  '%F0%9F%92%A9',
  '%ED%A0%80',
  'x%20y',
  'x,y',
  "'%22--",
  '00000000-0000-0000-0000-000000000000',
  '%3F',
  ':id',
  '*',
  '%0D%0Ax:y',
  'std.echo',
];

const PARAMETERS = [
  ['marker', 'limit', 'sort_keys', 'sort_dirs', 'fields', 'nulls', 'include_output', 'all_projects', 'bogus'],
  ['__proto__', 'constructor', 'id', 'name', 'namespace', 'definition', 'input', 'tags', 'scope', 'project_id'],
  ['created_at', 'updated_at', 'description', 'is_system', 'interface', 'checksum', 'variables', 'workflow_name'],
  ['workflow_id', 'params', 'task_execution_id', 'root_execution_id', 'state', 'state_info', 'output', 'type'],
  ['workflow_execution_id', 'published', 'processed', 'started_at', 'finished_at', 'runtime_context', 'result'],
  ['task_name', 'accepted', 'force', 'errors_only', 'max_depth', 'statistics_only', 'skip_validation', ''],
].flat();

const VALUES = [
  ['', '0', '-1', '1', '99999999999999999999', '1e3', '0x10', 'NaN', '%00', 'null', 'true', '[]', '{}', '%ZZ', '&&='],
  ['eq:', 'in:', 'in:,,,', 'nin:', 'has:%00', `has:${'%25'.repeat(50)}`, 'gt:', 'neq:null', 'gte:x', '__proto__'],
  ['id', 'id,id', 'name,-name', 'name', 'desc', 'asc,asc,asc', '%FF%FE', '%ED%A0%80', '2020-01-01', '99999-01-01'],
  ['2020-99-99%2099:99:99', 'in:2020-01-01,x', 'gte:2020-01-01T00:00:00%2B25:99', '%7B%22a%22:1%7D'],
  ['00000000-0000-0000-0000-000000000000', 'a'.repeat(5000), `in:${'a,'.repeat(2000)}`, '%7B%22a%22:'.repeat(900)],
].flat();

const ATTRIBUTES = [
  ['id', 'name', 'workflow_id', 'workflow_name', 'workflow_namespace', 'description', 'tags', 'params', 'state'],
  ['task_execution_id', 'root_execution_id', 'source_execution_id', 'state_info', 'input', 'output', 'created_at'],
  ['published_global', 'reset', 'env', 'scope', 'variables', 'definition', 'version', '__proto__', 'constructor'],
].flat();

// Values of every kind, as JSON texts.
const KINDS = [
  ['null', 'true', '1', '-1', '1.5', '1e999', '123456789012345678901234567890', '""', '"x"', '"wf"', '"hold"', '[]'],
  ['"\\u0000"', '"\\ud800"', '"\\ud800x\\udc00"', `"${'a'.repeat(300)}"`, `"${'a'.repeat(70_000)}"`, '[1]', '{}'],
  ['{"__proto__":{"x":1}}', '"{\\"__proto__\\":1}"', '{"a":{"b":[1,null,{"c":"\\u0000"}]}}', '"[]"', '"{"', '"null"'],
  [nested('[', ']'), nested('{"a":', '}', '1'), JSON.stringify(nested('{"a":', '}', '1'))],
].flat();

const JSON_VALUES = [
  KINDS,
  ['{"\\u0000":1}', '{"\\ud800":1}', '{"":1}', '"<% $.x %>"', '"<% 1/0 %>"', '{"env":"nope"}', '{"env":5}'],
  ['{"env":{"a":"<% 1/0 %>"}}', '{"env":{"__actions":5}}', '{"task_name":5}', '{"namespace":5}', '{"notify":5}'],
  ['{"root_execution_id":"x","task_execution_id":"y","index":5}', '{"timeout":"x"}', '{"timeout":1e308}'],
  ['{"run_sync":5}', '{"run_sync":true,"save_result":true}', '{"target":5}', '{"target":"\\ud800"}', '{"output":1}'],
  ['"SUCCESS"', '"ERROR"', '"PAUSED"', '"RUNNING"', '"SKIPPED"', '"std.echo"', '"std.async_noop"', '"std.fail"', '{'],
].flat();

const TEXTS = [
  ['', '{', '[]', 'null', '1', 'version: 2.0', "version: '2.0'", '\0', '\u0001', 'a: &a [x]\nb: *a', '&a [*a]'],
  ['--- a\n--- b', '%YAML 9.9\n---\na: 1', '!!python/object:os.system x', '? [a]\n: b', '"\\ud800": 1', '\ufeff[]'],
  ['['.repeat(5000), '- '.repeat(5000), 'a: '.repeat(5000), 'a\n'.repeat(5000), nested('[', ']'), bomb('')],
  [bomb("version: '2.0'\nb:\n  tasks: {t: {action: std.noop}}\n  vars:\n")],
  ODD_NAMES,
].flat();

test('no request that a client makes up is answered with 5xx, and every refusal says why', async (t) => {
  const { url } = await startNodeServer(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 2 });
  t.teardown(async () => agent.destroy());
  const send = (method: string, path: string, body?: string, type = 'application/json') =>
    exchange(agent, url, method, path, body, type);
  t.is((await send('POST', '/v2/workflows', WORKFLOWS)).status, 201);
  t.is((await send('POST', '/v2/executions', '{"workflow_name":"hold","id":"held"}')).status, 201);

  const item = tuple(constantFrom(...COLLECTIONS), constantFrom(...IDENTIFIERS), constantFrom(...BELOW)).map(
    ([collection, identifier, below]) => `/v2/${collection}/${identifier}${below}`,
  );
  const path = oneof(
    constantFrom(...COLLECTIONS).map((collection) => `/v2/${collection}`),
    item,
    constantFrom(
      '/',
      '//v2///workflows',
      '/v2/../v2',
      '/info',
      '/%76%32/workflows',
      '/v2/workflows%2F',
      '/v2/services',
    ),
  );
  const query = array(tuple(constantFrom(...PARAMETERS), constantFrom(...VALUES)), { maxLength: 2 }).map((pairs) =>
    pairs.map(([name, value]) => `${name}=${value}`).join('&'),
  );
  const object = array(tuple(constantFrom(...ATTRIBUTES), constantFrom(...JSON_VALUES)), { maxLength: 3 }).map(
    (pairs) => `{${pairs.map(([name, value]) => `"${name}":${value}`).join(',')}}`,
  );
  const body = oneof({ weight: 3, arbitrary: object }, constantFrom(...TEXTS), constantFrom(...JSON_VALUES));
  const requests = oneof(
    record({ method: constant('GET'), path, query, body: constant(undefined) }),
    record({
      method: constantFrom('POST', 'PUT'),
      path,
      query: constantFrom('', 'scope=x', 'namespace=%00'),
      body,
    }),
    record({
      method: constantFrom('DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'PROPFIND', 'LINK'),
      path,
      query,
      body: constant(undefined),
    }),
  );
  await assert(
    asyncProperty(requests, async (made) => {
      checkReply(made.method, await send(made.method, `${made.path}?${made.query}`, made.body));
    }),
    { numRuns: randomRuns(80), seed: 20_26 },
  );
  t.is((await send('GET', '/v2/workflows/wf')).status, 200, 'it is still there');
});

test('every attribute of every resource takes every kind of value or refuses it', async (t) => {
  const { url } = await startNodeServer(t);
  const agent = new Agent({ keepAlive: true });
  t.teardown(async () => agent.destroy());
  const send = (method: string, path: string, body?: string) =>
    exchange(agent, url, method, path, body, 'application/json');
  await send('POST', '/v2/workflows', WORKFLOWS);
  await send('POST', '/v2/executions', '{"workflow_name":"hold","id":"held"}');
  const [task] = JSON.parse((await send('GET', '/v2/executions/held/tasks')).text).tasks;
  const [action] = JSON.parse((await send('GET', `/v2/tasks/${task.id}/action_executions`)).text).action_executions;
  const places: readonly (readonly [method: string, path: string, known: string, attributes: readonly string[]])[] = [
    ['POST', '/v2/executions', '"workflow_name":"wf"', ['id', 'input', 'params', 'description', 'workflow_namespace']],
    ['POST', '/v2/executions', '"description":"d"', ['workflow_id', 'workflow_name', 'source_execution_id']],
    ['PUT', '/v2/executions/held', '"description":null', ['state', 'description', 'params', 'state_info']],
    ['POST', '/v2/action_executions', '"name":"std.echo"', ['input', 'params', 'description', 'workflow_namespace']],
    ['PUT', `/v2/tasks/${task.id}`, '"id":"x"', ['state', 'reset', 'env', 'name', 'workflow_name']],
    ['POST', '/v2/environments', '"name":"e"', ['name', 'description', 'variables', 'scope']],
    ['PUT', '/v2/environments', '"name":"e"', ['description', 'variables', 'scope']],
    ['PUT', `/v2/action_executions/${action.id}`, '"state":"PAUSED"', ['output', 'state']],
  ];
  for (const [method, path, known, attributes] of places) {
    for (const attribute of attributes) {
      for (const value of KINDS) {
        const made = `{${known},"${attribute}":${value}}`;
        const reply = await send(method, path, made);
        const problem = problemOf(method, reply);
        if (problem !== null) t.fail(`${method} ${path} ${made.slice(0, 200)}: ${problem}`);
      }
    }
  }
  for (const path of ['/v2/executions', '/v2/tasks', '/v2/action_executions?include_output=1', '/v2/environments']) {
    t.is((await send('GET', path)).status, 200, path);
  }
});

test('who is refused while he sends gets his answer before the connection ends', async (t) => {
  const { url } = await startNodeServer(t, { authMode: 'token' });
  const head = 'POST /v2/workflows HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n';
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  t.teardown(async () => socket.destroy());
  let answer = '';
  const over = new Promise<void>((resolve, reject) => socket.on('close', () => resolve()).on('error', reject));
  const answered = new Promise<void>((resolve) =>
    socket.on('data', (chunk) => {
      answer += String(chunk);
      if (answer.includes('faultstring')) resolve();
    }),
  );
  socket.write(head);
  // At once, not when all has arrived; and what is sent nonetheless is taken.
  await answered;
  for (let piece = 0; piece < 3; piece++) {
    await new Promise<void>((resolve, reject) =>
      socket.write('x'.repeat(100_000), (error) => (error ? reject(error) : resolve())),
    );
    t.false(socket.destroyed, `after piece ${piece}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await over;
  t.regex(answer, /^HTTP\/1\.1 401 [^]*Connection: close[^]*\{"faultcode":"Client".*\}$/);
});

test('filters take as many values as fit into an address', async (t) => {
  const { url } = await startNodeServer(t);
  const send = sender(url);
  const numbers = Array.from({ length: 3500 }, (_, n) => n.toString(36));
  const days = Array.from({ length: 1300 }, (_, n) => new Date(n * 86_400_000).toISOString().slice(0, 10));
  await send('POST', '/v2/workflows', WORKFLOWS);
  const { created_at: now } = (await send('POST', '/v2/executions', { workflow_name: 'hold' })).body;
  const lists: Readonly<Record<string, readonly string[]>> = {
    tags: numbers,
    workflow_name: numbers,
    created_at: [...days, now.replace(' ', 'T')],
  };
  for (const [name, values] of Object.entries(lists)) {
    for (const operator of ['in', 'nin', ...(name === 'tags' ? ['eq', 'neq'] : [])]) {
      const { status, body } = await send('GET', `/v2/executions?${name}=${operator}:${values.join(',')}`);
      t.is(status, 200, `${name} ${operator}: ${body.faultstring}`);
      const isThere = (name === 'created_at') === ['in', 'eq'].includes(operator);
      t.is(body.executions.length, isThere ? 1 : 0, `${name} ${operator}`);
    }
  }
  t.is((await send('GET', `/v2/executions?tags=in:${'a,'.repeat(7500)}`)).status, 200);
});

test('ids and names that could not be found again are refused', async (t) => {
  const { url } = await startNodeServer(t);
  const send = (path: string, body: string) => exchange(new Agent(), url, 'POST', path, body, 'application/json');
  await send('/v2/workflows', WORKFLOWS);
  for (const name of ['\\ud800', 'a\\u0000b']) {
    for (const [path, body] of [
      ['/v2/executions', `{"workflow_name":"wf","id":"${name}"}`],
      ['/v2/executions', `{"workflow_name":"${name}"}`],
      ['/v2/environments', `{"name":"${name}"}`],
      ['/v2/action_executions', `{"name":"${name}"}`],
    ] as const) {
      const reply = await send(path, body);
      t.is(reply.status, 400, body);
      t.regex(reply.text, /without the character U\+0000/);
    }
    const definition = WORKFLOWS.replace('wf:', `"${name}":`);
    t.is((await send('/v2/workflows', definition)).status, 400);
  }
  t.regex((await send('/v2/workflows?namespace=%00', WORKFLOWS)).text, /The namespace .* cannot be stored/);
  t.regex((await send(`/v2/workflows?namespace=${'n'.repeat(256)}`, WORKFLOWS)).text, /The namespace .* is too long/);
});

test('JSON may be nested deep, but not without end', async (t) => {
  const { url } = await startNodeServer(t);
  const send = (method: string, path: string, body?: string) =>
    exchange(new Agent(), url, method, path, body, 'application/json');
  await send('POST', '/v2/workflows', WORKFLOWS);
  const deep = nested('[', ']', '"]"', 490);
  const started = await send('POST', '/v2/executions', `{"workflow_name":"wf","id":"deep","input":{"a":${deep}}}`);
  t.is(started.status, 201);
  t.is(JSON.parse(JSON.parse((await send('GET', '/v2/executions/deep')).text).input).a.flat(Infinity)[0], ']');
  const tooDeep = await send('POST', '/v2/executions', `{"workflow_name":"wf","input":{"a":${nested('[', ']')}}}`);
  t.is(tooDeep.status, 400);
  t.regex(tooDeep.text, /nested more than 500 deep/);
  const inText = JSON.stringify(nested('{"a":', '}', '1'));
  t.is((await send('POST', '/v2/executions', `{"workflow_name":"wf","input":${inText}}`)).status, 400);
});

test('what is no request at all is answered as JSON too', async (t) => {
  const { url } = await startNodeServer(t);
  for (const [text, status] of [
    ['nonsense\r\n\r\n', 400],
    ['GET /v2/workflows HTTP/9.9\r\n\r\n', 400],
    [`GET /v2/workflows?name=${'a'.repeat(20_000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, 431],
    ['GET http://[/v2/workflows HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n', 400],
    ['GET nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n', 400],
    ['POST /v2/workflows HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n', 400],
    ['POST /v2/workflows HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400],
  ] as const) {
    const reply = await rawExchange(url, text);
    t.regex(reply, new RegExp(`^HTTP/1.1 ${status} `), text.slice(0, 60));
    t.truthy(JSON.parse(reply.slice(reply.indexOf('\r\n\r\n'))).faultstring);
  }
});

test('an address that names the server, as proxies send it, is taken for its path', async (t) => {
  const { url } = await startNodeServer(t);
  const reply = await rawExchange(
    url,
    'GET http://elsewhere:1/v2/actions?limit=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n',
  );
  t.regex(reply, /^HTTP\/1.1 200 /);
  t.regex(reply, /"next":/);
});

interface Reply {
  readonly status: number;
  readonly text: string;
}

/** Through `node:http`, which sends paths as they are. */
function exchange(
  agent: Agent,
  url: string,
  method: string,
  path: string,
  body: string | undefined,
  type: string,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) };
    const { hostname, port } = new URL(url);
    const made = request({ agent, hostname, port, method, path, headers, timeout: 10_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    made.on('timeout', () => made.destroy(new Error(`no answer to ${method} ${path}`)));
    made.on('error', reject);
    made.end(body);
  });
}

function rawExchange(url: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    let reply = '';
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.setEncoding('utf8').on('data', (chunk: string) => (reply += chunk));
    socket.on('end', () => resolve(reply));
    socket.on('error', reject);
  });
}

function checkReply(method: string, reply: Reply): void {
  const problem = problemOf(method, reply);
  if (problem !== null) throw new Error(problem);
}

function problemOf(method: string, { status, text }: Reply): string | null {
  if (status >= 500) return `${status} ${text.slice(0, 200)}`;
  if (status < 400 || method === 'HEAD') return null;
  try {
    const { faultstring } = JSON.parse(text) as { faultstring: unknown };
    return typeof faultstring === 'string' && faultstring !== '' ? null : `no faultstring: ${text.slice(0, 200)}`;
  } catch {
    return `not JSON: ${status} ${text.slice(0, 200)}`;
  }
}

function nested(open: string, close: string, inside = '', depth = 10_000): string {
  return open.repeat(depth) + inside + close.repeat(depth);
}

/** Ten lines of aliases that would be ten thousand million items. */
function bomb(start: string): string {
  const names = [...'abcdefghij'];
  const lines = names.map(
    (name, i) => `    ${name}: &${name} [${`${i === 0 ? 'x' : `*${names[i - 1]}`},`.repeat(10)}]\n`,
  );
  return `${start}${lines.join('')}`;
}
