import { Ajv2020 } from 'ajv/dist/2020.js';
import test from 'ava';
import { describedRoutes, statusOf } from '../../api/openapi/document.ts';
import { insertExternalJob } from '../../engine/store/external-jobs.ts';
import { addToken } from '../../engine/store/tokens.ts';
import { startNodeServer } from '../helpers/node-server.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- tests read what a client reads
type Reply = Record<string, any>;

const MEMBER = 'c'.repeat(32);
const WAITS = "version: '2.0'\nNAME:\n  tasks:\n    t:\n      action: std.async_noop\n";

interface Described {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: {
    readonly content: Readonly<
      Record<string, { readonly schema: { readonly required?: readonly string[]; readonly properties?: object } }>
    >;
  };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}

test('every route is in the document, and what the document promises is what the server takes and gives', async (t) => {
  const { url, store, routes } = await startNodeServer(t, { authMode: 'token' });
  for (const [token, projectId, role] of [
    ['boss', 'a'.repeat(32), 'admin'],
    ['member', MEMBER, 'x'],
  ] as const) {
    await addToken(store.writer, { token, projectId, userId: token, roles: [role], expiresAt: null });
  }
  const call = async (method: string, path: string, body?: unknown, token = 'boss') => {
    const isText = typeof body === 'string';
    const response = await fetch(url + path, {
      method,
      headers: {
        'X-Auth-Token': token,
        ...(body === undefined ? {} : { 'Content-Type': isText ? 'text/plain' : 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
    });
    const media = (response.headers.get('content-type') ?? '').split(';')[0] ?? '';
    if (media === 'text/event-stream') {
      await response.body?.cancel();
      return { status: response.status, media, body: '' };
    }
    const text = await response.text();
    return { status: response.status, media, body: media === 'application/json' ? JSON.parse(text) : text };
  };
  const document = (await call('GET', '/openapi.json')).body;
  t.is(document.openapi, '3.1.0');
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addSchema({ $id: 'doc', ...document });
  const compiled = new Map<string, ReturnType<Ajv2020['compile']>>();
  const compile = (schema: object) => {
    const text = JSON.stringify(schema).replaceAll('"#/components', '"doc#/components');
    const known = compiled.get(text) ?? ajv.compile(JSON.parse(text));
    compiled.set(text, known);
    return known;
  };

  const described = describedRoutes(routes);
  const silent = routes.filter(
    ({ method, path }) => !described.some((one) => one.method === method && one.path === path),
  );
  for (const { method, path } of silent) {
    const { status, body } = await call(method, path.replaceAll(/:\w+/g, 'x'), method === 'PUT' ? {} : undefined);
    t.is(status, 400, `${method} ${path} is not in the document`);
    t.regex(body.faultstring, /Missing argument|must be one of|to uuid/, `${method} ${path}`);
  }

  // One thing of every kind.
  const made: Record<string, string> = {};
  const make = async (key: string, path: string, body: unknown, id: (reply: Reply) => string) => {
    const reply = await call('POST', path, body);
    t.is(reply.status, 201, `${path}: ${JSON.stringify(reply.body)}`);
    made[key] = id(reply.body);
  };
  await make('workbooks', '/v2/workbooks', "version: '2.0'\nname: book\n", (b) => b['name']);
  await make('workflows', '/v2/workflows', WAITS.replace('NAME', 'wf'), (b) => b['workflows'][0].id);
  await make('actions', '/v2/actions', "version: '2.0'\nact:\n  base: std.noop\n", (b) => b['actions'][0].name);
  await make('environments', '/v2/environments', { name: 'env', variables: '{"a": 1}' }, (b) => b['name']);
  await make('executions', '/v2/executions', { workflow_name: 'wf', params: { env: { a: 1 } } }, (b) => b['id']);
  await make(
    'action_executions',
    '/v2/action_executions',
    { name: 'std.async_noop', params: '{"save_result": true}' },
    (b) => b['id'],
  );
  await make(
    'cron_triggers',
    '/v2/cron_triggers',
    { name: 'c', workflow_name: 'wf', pattern: '0 0 1 1 *' },
    (b) => b['id'],
  );
  const trigger = { name: 'e', workflow_id: made['workflows'], exchange: 'x', topic: 't', event: 'v' };
  await make('event_triggers', '/v2/event_triggers', trigger, (b) => b['id']);
  await make('members', `/v2/workflows/${made['workflows']}/members`, { member_id: MEMBER }, (b) => b['member_id']);
  await make('files', '/v2/files?name=x.py', 'print()', (b) => b['id']);
  let tasks: { id: string }[] = [];
  while (tasks.length === 0) tasks = (await call('GET', `/v2/executions/${made['executions']}/tasks`)).body.tasks;
  made['tasks'] = tasks[0]?.id ?? '';
  const inTask = (await call('GET', `/v2/tasks/${made['tasks']}/action_executions`)).body.action_executions[0].id;
  await insertExternalJob(store.writer, {
    actionExecutionId: made['action_executions'] ?? '',
    backend: 'fake',
    key: 'k',
    url: null,
    data: {},
    request: {},
    leaseOwner: 'n',
    leaseUntil: 1,
    now: 1,
  });

  const pathOf = (path: string) =>
    path
      .replace('/:task/action_executions/:id', `/${made['tasks']}/action_executions/${inTask}`)
      .replace(':member', MEMBER)
      .replace('/workbooks/:namespace', '/workbooks/')
      .replace(/\/:namespace$/, '/')
      .replaceAll(/:\w+/g, made[path.split('/')[2] ?? ''] ?? 'nothing')
      .replace(/(.)\/$/, '$1');
  const untried = new Set(described.map(({ method, path }) => `${method} ${path}`));
  const check = async (method: string, path: string, target: string, body?: unknown, token?: string) => {
    untried.delete(`${method} ${path}`);
    const operation: Described = document.paths[path.replaceAll(/:(\w+)/g, '{$1}')][method.toLowerCase()];
    const reply = await call(method, target, body, token);
    const name = `${method} ${target}: ${reply.status} ${JSON.stringify(reply.body).slice(0, 400)}`;
    const promised = Object.keys(operation.responses).find((status) => status !== 'default');
    t.is(String(reply.status), promised ?? '', name);
    const content = operation.responses[promised ?? '']?.content;
    if (content === undefined) {
      t.is(reply.body, '', name);
      return;
    }
    const schema = content[reply.media]?.schema;
    t.truthy(schema, `${name} is ${reply.media}`);
    const fits = compile(schema ?? {});
    t.true(fits(reply.body), `${name}\n${ajv.errorsText(fits.errors)}`);
  };

  for (const { method, path, operation } of described) {
    if (path.startsWith('/v2/cluster')) {
      // Both verbs do the same; test/api/clusters.test.ts knows their answers.
      untried.delete(`${method} ${path}`);
      const { status, body } = await call(method, pathOf(path));
      const { status: word, code, error, data } = body;
      t.deepEqual([Object.keys(body).length, word === 'OK' ? 200 : 400], [4, status], path);
      t.true(compile({ $ref: '#/components/schemas/ClusterAnswer' })({ status: word, code, error, data }), path);
      continue;
    }
    if (method !== 'GET') continue;
    if (path.startsWith('/file_links/')) {
      const { link_key: key } = await store.reader('job_files').first('link_key');
      await check('GET', path, `/file_links/${key}/x.py`);
      continue;
    }
    if (path === '/info' || path.startsWith('/v2/code_sources/') || path.startsWith('/v2/dynamic_actions/')) {
      untried.delete(`GET ${path}`);
      t.true([400, 404].includes((await call('GET', pathOf(path))).status), path);
      continue;
    }
    await check('GET', path, pathOf(path));
    const parameters = (document.paths[path.replaceAll(/:(\w+)/g, '{$1}')].get as Described).parameters ?? [];
    const query = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => `${name}=`);
    if (path.startsWith('/v2/')) {
      const { body } = await call('GET', `${pathOf(path)}?${query.join('&')}&no_such=1`);
      t.true([undefined, 'Unknown argument: "no_such"'].includes(body.faultstring), `${path}: ${body.faultstring}`);
    }
    if (operation.list !== undefined && path === `/v2/${operation.list.resource.collection}`) {
      await check('GET', path, `${path}?limit=1&sort_keys=created_at&sort_dirs=desc&fields=created_at,project_id`);
    }
  }

  for (const { method, path, operation } of described) {
    if (operation.body === undefined) continue;
    const { schema } =
      (document.paths[path.replaceAll(/:(\w+)/g, '{$1}')][method.toLowerCase()] as Described).requestBody?.content[
        'application/json'
      ] ?? {};
    const attributes = Object.fromEntries(Object.keys(schema?.properties ?? {}).map((name) => [name, null]));
    const wrong = await call(method, pathOf(path), { ...attributes, no_such: 1 });
    t.regex(wrong.body.faultstring, /^Unknown attribute for argument \w+: no_such$/, `${method} ${path}`);
    for (const name of schema?.required ?? []) {
      const body = Object.fromEntries(
        (schema?.required ?? []).filter((other) => other !== name).map((other) => [other, 'x']),
      );
      const { status } = await call(method, pathOf(path), body);
      t.true(status === 400 || status === 404, `${method} ${path} without ${name}: ${status}`);
    }
  }

  const book = "version: '2.0'\nname: book\ntags: [x]\n";
  await check('POST', '/v2/workbooks', '/v2/workbooks', book.replace('book', 'second'));
  await check('PUT', '/v2/workbooks', '/v2/workbooks', book);
  await check('PUT', '/v2/workbooks/:namespace', '/v2/workbooks/n?namespace=', book);
  await check('POST', '/v2/workbooks/validate', '/v2/workbooks/validate', 'nonsense');
  await check('POST', '/v2/workflows', '/v2/workflows', WAITS.replace('NAME', 'second'));
  await check('PUT', '/v2/workflows', '/v2/workflows', WAITS.replace('NAME', 'second'));
  await check('PUT', '/v2/workflows/:identifier', '/v2/workflows/second', WAITS.replace('NAME', 'second'));
  await check('POST', '/v2/workflows/validate', '/v2/workflows/validate', WAITS);
  await check('POST', '/v2/workflows/validate', '/v2/workflows/validate?problems=true', `${WAITS}      nope: 1\n`);
  await check('POST', '/v2/actions', '/v2/actions', "version: '2.0'\nsecond:\n  base: std.noop\n");
  await check('PUT', '/v2/actions', '/v2/actions', "version: '2.0'\nsecond:\n  base: std.echo\n");
  await check('PUT', '/v2/actions/:identifier', '/v2/actions/second', "version: '2.0'\nsecond:\n  base: std.noop\n");
  await check('POST', '/v2/actions/validate', '/v2/actions/validate', "version: '2.0'\nsecond:\n  base: std.noop\n");
  await check(
    'PUT',
    '/v2/workflows/:identifier/members/:member',
    pathOf('/v2/workflows/:identifier/members/:member'),
    { status: 'accepted' },
    'member',
  );
  await check('POST', '/v2/workflows/:identifier/members', `/v2/workflows/${made['workflows']}/members`, {
    member_id: 'd'.repeat(32),
  });
  await check('POST', '/v2/executions', '/v2/executions', { workflow_id: made['workflows'], input: {}, params: '{}' });
  await check('PUT', '/v2/executions/:id', pathOf('/v2/executions/:id'), { description: 'x' });
  await check('POST', '/v2/action_executions', '/v2/action_executions', { name: 'std.echo', input: { output: 1 } });
  await check('PUT', '/v2/action_executions/:id', pathOf('/v2/action_executions/:id'), {
    state: 'SUCCESS',
    output: '{"x": 1}',
  });
  await call('PUT', `/v2/action_executions/${inTask}`, { state: 'ERROR' });
  await check('PUT', '/v2/tasks/:id', pathOf('/v2/tasks/:id'), { state: 'RUNNING', reset: true, env: null });
  await check('POST', '/v2/environments', '/v2/environments', {
    name: 'second',
    variables: {},
    scope: 'public',
    description: null,
  });
  await check('PUT', '/v2/environments', '/v2/environments', { name: 'second', variables: '{"b": 2}' });
  await check('PUT', '/v2/environments/:name', '/v2/environments/second', { description: 'x' });
  await check('POST', '/v2/cron_triggers', '/v2/cron_triggers', {
    name: 'second',
    workflow_name: 'wf',
    pattern: '0 1 1 1 *',
    remaining_executions: '3',
  });
  await check('POST', '/v2/event_triggers', '/v2/event_triggers', { ...trigger, name: 'second', topic: 'other' });
  await check('PUT', '/v2/event_triggers/:id', pathOf('/v2/event_triggers/:id'), { name: 'renamed' });
  await check('POST', '/v2/events', '/v2/events', { exchange: 'none', topic: 'none', event: 'none', payload: {} });
  await check('POST', '/v2/files', '/v2/files?name=y.py', 'print(2)');
  await check('PUT', '/maintenance', '/maintenance', { status: 'RUNNING' });

  await check('DELETE', '/v2/event_triggers/:id', pathOf('/v2/event_triggers/:id'));
  await check('DELETE', '/v2/cron_triggers/:identifier', pathOf('/v2/cron_triggers/:identifier'));
  await check('DELETE', '/v2/environments/:name', '/v2/environments/second');
  await check('DELETE', '/v2/action_executions/:id', pathOf('/v2/action_executions/:id'));
  await check('DELETE', '/v2/executions/:id', `${pathOf('/v2/executions/:id')}?force=true`);
  await check(
    'DELETE',
    '/v2/workflows/:identifier/members/:member',
    pathOf('/v2/workflows/:identifier/members/:member'),
  );
  await check('DELETE', '/v2/actions/:identifier', '/v2/actions/second');
  await check('DELETE', '/v2/actions/:identifier/:namespace', '/v2/actions/act');
  await check('DELETE', '/v2/workflows/:identifier', '/v2/workflows/second');
  await check('DELETE', '/v2/files/:identifier', pathOf('/v2/files/:identifier'));
  await check('DELETE', '/v2/workbooks/:name', '/v2/workbooks/second');
  await check('DELETE', '/v2/workbooks/:name/:namespace', '/v2/workbooks/book');
  const elsewhere = [...untried].filter((name) => !/code_sources|dynamic_actions/.test(name));
  t.deepEqual(elsewhere, [], 'operations that were never tried');
  t.is(statusOf('POST', { summary: '' }), 201);
});

test('the page of the document needs nothing from elsewhere', async (t) => {
  const { url } = await startNodeServer(t);
  const response = await fetch(`${url}/docs`);
  const page = await response.text();
  t.regex(response.headers.get('content-type') ?? '', /text\/html/);
  t.regex(response.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  t.false(/<script|src=|https?:\/\/(?!127)/.test(page));
  for (const expected of ['/v2/executions/{id}/stream', 'workflow_namespace']) t.true(page.includes(expected));
});
