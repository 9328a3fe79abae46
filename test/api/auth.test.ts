import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { Route } from '../../api/routes.ts';
import { createAccess } from '../../api/auth/index.ts';
import { createPolicy, parsePolicy } from '../../api/auth/policy.ts';
import { ruleOf } from '../../api/auth/policy-rules.ts';
import type { Identity } from '../../api/auth/identity.ts';
import { DEFAULT_CONFIG } from '../../engine/config.ts';
import { addToken, listTokens, revokeToken } from '../../engine/store/tokens.ts';
import type { Store } from '../../engine/store/connection.ts';
import { sender } from '../helpers/api.ts';
import type { Exchange, Send } from '../helpers/api.ts';
import { startNodeServer } from '../helpers/node-server.ts';
import { STRANGER } from './stranger.ts';

const [ADMINS, OURS, THEIRS] = ['a', 'b', 'c'].map((letter) => letter.repeat(32)) as [string, string, string];

const WORKFLOW = "version: '2.0'\nwf:\n  tasks:\n    t:\n      action: std.async_noop\n";

/** A server in the mode `token` with three projects. */
async function startWithTokens(
  t: ExecutionContext,
): Promise<{ store: Store; url: string; routes: readonly Route[]; as: (who: string) => Send }> {
  const { url, store, routes } = await startNodeServer(t, { authMode: 'token' });
  for (const [token, projectId, role] of [
    ['tok-admin', ADMINS, 'admin'],
    ['tok-ours', OURS, 'member'],
    ['tok-theirs', THEIRS, 'member'],
  ] as const) {
    await addToken(store.writer, { token, projectId, userId: token, roles: [role], expiresAt: null });
  }
  const send = sender(url);
  const as =
    (who: string): Send =>
    (method, path, body, headers = {}) =>
      send(method, path, body, who === '' ? headers : { 'X-Auth-Token': `tok-${who}`, ...headers });
  return { store, url, routes, as };
}

/** One thing of every kind that belongs to a project, and the paths that name them. */
async function furnish(send: Send): Promise<Readonly<Record<string, string>>> {
  const { body: workflows } = await send('POST', '/v2/workflows', WORKFLOW);
  const workbook = await send(
    'POST',
    '/v2/workbooks',
    "version: '2.0'\nname: book\nworkflows:\n  w:\n    tasks: {t: {action: std.noop}}\n",
  );
  const action = await send('POST', '/v2/actions', "version: '2.0'\nact:\n  base: std.noop\n");
  const environment = await send('POST', '/v2/environments', { name: 'env', variables: { secret: 'of b' } });
  const execution = await send('POST', '/v2/executions', { workflow_name: 'wf' });
  const run = await send('POST', '/v2/action_executions', { name: 'std.async_noop', params: { save_result: true } });
  const cron = await send('POST', '/v2/cron_triggers', { name: 'cron', workflow_name: 'wf', pattern: '0 0 1 1 *' });
  const event = { workflow_id: workflows.workflows[0].id, exchange: 'x', topic: 't', event: 'v', name: 'event' };
  const listener = await send('POST', '/v2/event_triggers', event);
  const file = await send('POST', '/v2/files?name=x.py', 'of b');
  const id = execution.body.id as string;
  let tasks: { id: string }[] = [];
  while (tasks.length === 0) tasks = (await send('GET', `/v2/executions/${id}/tasks`)).body.tasks;
  return {
    workflows: workflows.workflows[0].id,
    workbooks: workbook.body.name,
    actions: action.body.actions[0].name,
    environments: environment.body.name,
    executions: id,
    tasks: tasks[0]?.id ?? '',
    action_executions: run.body.id,
    cron_triggers: cron.body.id,
    event_triggers: listener.body.id,
    files: file.body.id,
  };
}

test('every route asks for a token, and no route shows or changes what belongs to another project', async (t) => {
  const { as, url, routes } = await startWithTokens(t);
  const things = await furnish(as('ours'));
  const before = await snapshot(as('ours'), things);
  // A route that is new has to be added there, with what a stranger gets.
  t.deepEqual(routes.map(({ method, path }) => `${method} ${path}`).toSorted(), Object.keys(STRANGER).toSorted());
  for (const { method, path } of routes) {
    const target = fill(path, things);
    const body = method === 'GET' || method === 'DELETE' ? undefined : bodyFor(path, method === 'POST' ? 'mine' : null);
    const expected = STRANGER[`${method} ${path}`];
    if (expected !== 'open') {
      const forged: Record<string, string>[] = [
        {},
        { 'X-Auth-Token': 'nonsense' },
        { 'X-Project-Id': OURS, 'X-Roles': 'admin' },
      ];
      for (const headers of forged) {
        const { status, headers: answered, body: refused } = await as('')(method, target, body, headers);
        t.is(status, 401, `${method} ${path} without a good token`);
        t.truthy(answered.get('www-authenticate'));
        t.regex(refused.faultstring, /Failed to validate access token/);
      }
    }
    const foreign = await asStranger(url, method, target, body);
    if (expected !== 'open') t.is(foreign.status, expected ?? 0, `${method} ${path}: ${foreign.text.slice(0, 300)}`);
    t.true(foreign.status < 500, `${method} ${path}`);
    t.false(foreign.text.includes(OURS), `${method} ${path} shows a foreign row: ${foreign.text.slice(0, 300)}`);
    t.false(foreign.text.includes('of b'), `${method} ${path} shows a foreign value`);
    for (const id of Object.values(things).filter((value) => value.length === 36 && !target.includes(value)))
      t.false(foreign.text.includes(id), `${method} ${path} names what is foreign`);
  }
  t.deepEqual(await snapshot(as('ours'), things), before, 'nothing of ours has changed');
});

/** What comes back, whatever it is; a stream is left at once. */
async function asStranger(
  url: string,
  method: string,
  path: string,
  body: unknown,
): Promise<{ status: number; text: string }> {
  const response = await fetch(url + path, {
    method,
    headers: {
      'X-Auth-Token': 'tok-theirs',
      'X-Project-Id': OURS,
      'X-Roles': 'admin',
      'Content-Type': typeof body === 'string' ? 'text/plain' : 'application/json',
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  if (response.headers.get('content-type')?.startsWith('text/event-stream') === true) {
    await response.body?.cancel();
    return { status: response.status, text: '' };
  }
  return { status: response.status, text: await response.text() };
}

test('what only administrators may do is refused to others on every resource', async (t) => {
  const { as } = await startWithTokens(t);
  const member = as('ours');
  const refusals: readonly (readonly [string, string, unknown?])[] = [
    ['GET', '/v2/workflows?all_projects=true'],
    ['GET', '/v2/executions?all_projects=1'],
    ['GET', `/v2/executions?project_id=${THEIRS}`],
    ['POST', '/v2/workflows?scope=public', WORKFLOW],
    ['POST', '/v2/workbooks?scope=public', "version: '2.0'\nname: b\n"],
    ['POST', '/v2/actions?scope=public', "version: '2.0'\na:\n  base: std.noop\n"],
    ['POST', '/v2/environments', { name: 'e', variables: {}, scope: 'public' }],
    ['GET', '/v2/code_sources'],
    ['GET', '/v2/dynamic_actions'],
  ];
  for (const [method, path, body] of refusals) {
    const { status, body: fault } = await member(method, path, body);
    t.is(status, 403, `${method} ${path}: ${JSON.stringify(fault)}`);
    t.is(fault.faultstring, 'Operation forbidden (insufficient permissions)');
    const asAdmin = await as('admin')(method, path, body);
    t.true(
      asAdmin.status < 300,
      `${method} ${path} as administrator: ${asAdmin.status} ${JSON.stringify(asAdmin.body)}`,
    );
  }
});

test('an administrator sees and changes the rows of all projects, others use what is public but cannot change it', async (t) => {
  const { as } = await startWithTokens(t);
  const things = await furnish(as('ours'));
  for (const [collection, id] of Object.entries(things)) {
    const found = await as('admin')('GET', `/v2/${collection}/${id}`);
    t.is(found.status, 200, collection);
    t.is(found.body.project_id, OURS, collection);
  }
  t.is(
    (await as('admin')('PUT', `/v2/executions/${things['executions']}`, { description: 'seen' })).body.description,
    'seen',
  );
  const shared = (await as('admin')('POST', '/v2/workflows?scope=public', WORKFLOW.replace('wf:', 'pub:'))).body
    .workflows[0];
  t.is((await as('theirs')('GET', `/v2/workflows/${shared.id}`)).status, 200);
  const run = await as('theirs')('POST', '/v2/executions', { workflow_name: 'pub' });
  t.is(run.status, 201);
  t.is(run.body.project_id, THEIRS);
  const refused = await as('theirs')('DELETE', `/v2/workflows/${shared.id}`);
  t.is(refused.status, 403);
  t.is(refused.body.faultstring, `Can not access WorkflowDefinition resource of other projects, ID: ${shared.id}`);
  const mine = (await as('admin')('GET', `/v2/executions?project_id=${THEIRS}&fields=id`)).body.executions;
  t.deepEqual(mine, [{ id: run.body.id }]);
});

test('a shared workflow is offered, accepted, used, and taken back', async (t) => {
  const { as } = await startWithTokens(t);
  const id = (await as('ours')('POST', '/v2/workflows', WORKFLOW)).body.workflows[0].id as string;
  const members = `/v2/workflows/${id}/members`;
  const offer = await as('ours')('POST', members, { member_id: THEIRS });
  t.is(offer.status, 201);
  t.like(offer.body, {
    resource_id: id,
    resource_type: 'workflow',
    project_id: OURS,
    member_id: THEIRS,
    status: 'pending',
  });
  t.is((await as('ours')('POST', members, { member_id: THEIRS })).status, 409);
  t.is((await as('theirs')('GET', `/v2/workflows/${id}`)).status, 404, 'an offer shows nothing yet');
  t.is(
    (await as('ours')('PUT', `${members}/${THEIRS}`, { status: 'accepted' })).status,
    404,
    'nobody accepts for another',
  );
  t.is((await as('theirs')('PUT', `${members}/${THEIRS}`, {})).body.faultstring, 'Status must be provided.');
  t.is((await as('theirs')('PUT', `${members}/${THEIRS}`, { status: 'perhaps' })).status, 400);
  t.is((await as('theirs')('PUT', `${members}/${THEIRS}`, { status: 'accepted' })).body.status, 'accepted');
  t.deepEqual(
    (await as('theirs')('GET', '/v2/workflows?fields=name')).body.workflows.map((w: { name: string }) => w.name),
    ['wf'],
  );
  const parent = "version: '2.0'\nouter:\n  tasks:\n    t:\n      workflow: wf\n";
  t.is((await as('theirs')('POST', '/v2/workflows', parent)).status, 201);
  const outer = await as('theirs')('POST', '/v2/executions', { workflow_name: 'outer' });
  const children = await until(
    () => as('theirs')('GET', `/v2/executions/${outer.body.id}/executions`),
    ({ body }) => body.executions.length === 2,
  );
  t.is(children.body.executions[1].workflow_name, 'wf', 'a sub-workflow may be a shared one');
  t.is(children.body.executions[1].project_id, THEIRS);
  t.is((await as('theirs')('PUT', '/v2/workflows', WORKFLOW)).status, 403);
  t.is((await as('theirs')('POST', members, { member_id: ADMINS })).status, 403);
  t.is((await as('theirs')('DELETE', `${members}/${THEIRS}`)).status, 404);
  t.is((await as('admin')('GET', members)).body.members.length, 1);
  t.deepEqual(
    (await as('theirs')('GET', members)).body.members.map((m: { status: string }) => m.status),
    ['accepted'],
  );
  t.is((await as('ours')('DELETE', `${members}/${THEIRS}`)).status, 204);
  t.is((await as('theirs')('GET', `/v2/workflows/${id}`)).status, 404);
  t.is((await as('ours')('POST', '/v2/workflows/wf/members', { member_id: THEIRS })).status, 400, 'a name is no id');
  const pub = (await as('admin')('POST', '/v2/workflows?scope=public', WORKFLOW.replace('wf:', 'pub:'))).body
    .workflows[0].id;
  t.is(
    (await as('admin')('POST', `/v2/workflows/${pub}/members`, { member_id: OURS })).body.faultstring,
    'Only private resource could be shared.',
  );
  t.is((await as('ours')('POST', members, {})).body.faultstring, 'Member id must be provided.');
});

test('the pages of the dashboard get what they show (spec/rest-api.md §9)', async (t) => {
  const { as } = await startWithTokens(t);
  const page = (path: string) => as('ours')('GET', `/v2${path}`, undefined, { 'X-Project-Id': OURS });
  const things = await furnish(as('ours'));
  const child = "version: '2.0'\nouter:\n  tasks:\n    s:\n      workflow: wf\n";
  t.is((await as('ours')('POST', '/v2/workflows', child)).status, 201);
  const outer = (await as('ours')('POST', '/v2/executions', { workflow_name: 'outer' })).body.id as string;
  const sub = await until(
    () => page(`/executions/${outer}/tasks`),
    ({ body }) => body.tasks.length === 1,
  );
  const rows = async (path: string) => {
    const { status, body } = await page(path);
    t.is(status, 200, path);
    const list = Object.values(body).find(Array.isArray) as Record<string, unknown>[];
    t.true(list.length > 0, path);
    for (const row of list) checkTimes(t, row, path);
    return list;
  };
  for (const path of ['/workbooks', '/workflows', '/action_executions', '/cron_triggers']) await rows(path);
  const kinds = (await rows('/tasks')).map((row) => row['type']);
  t.deepEqual([...new Set(kinds)].toSorted(), ['ACTION', 'WORKFLOW']);
  const names = (await rows('/actions?limit=1000&sort_keys=name&sort_dirs=asc')).map((row) => String(row['name']));
  t.deepEqual(
    names,
    names.toSorted((a, b) => (a < b ? -1 : 1)),
  );

  // Two pages of executions, newest first, as its table goes on.
  const all = (await rows('/executions?limit=1000&sort_dirs=desc')).map((row) => String(row['id']));
  const first = (await rows('/executions?limit=2&sort_dirs=desc')).map((row) => String(row['id']));
  const second = (await rows(`/executions?limit=2&sort_dirs=desc&marker=${first[1]}`)).map((row) => String(row['id']));
  t.deepEqual([...first, ...second], all.slice(0, 4));
  const ofTask = `/executions?limit=1000&sort_dirs=desc&task_execution_id=${sub.body.tasks[0].id}`;
  await until(
    () => page(ofTask),
    ({ body }) => body.executions.length === 1,
  );
  t.like((await rows(ofTask))[0], { workflow_name: 'wf', root_execution_id: outer });

  for (const [path, texts] of [
    [`/executions/${things['executions']}`, ['input', 'output', 'params']],
    [`/tasks/${things['tasks']}`, ['result', 'published']],
    [`/action_executions/${things['action_executions']}`, ['input']],
    ['/cron_triggers/cron', ['workflow_input', 'workflow_params']],
  ] as const) {
    const { status, body } = await page(path);
    t.is(status, 200, path);
    checkTimes(t, body, path);
    for (const name of texts) t.notThrows(() => JSON.parse(body[name]), `${path} ${name}`);
  }
  // A page that finds null here breaks.
  t.is((await page(`/executions/${things['executions']}`)).body.output, '{}');
  await rows(`/executions/${things['executions']}/tasks`);
  await rows(`/tasks/${things['tasks']}/action_executions`);
  t.is((await page('/workflows/wf?namespace=')).body.name, 'wf');
  t.is((await page('/actions/std.echo/')).body.name, 'std.echo');
  t.is((await page('/actions/act/')).body.name, 'act');
});

/** Times are what its parser of dates takes, or nothing. */
function checkTimes(t: ExecutionContext, row: Readonly<Record<string, unknown>>, where: string): void {
  for (const name of Object.keys(row).filter((key) => key.endsWith('_at')))
    t.regex(String(row[name] ?? ''), /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)?$/, `${where} ${name}`);
}

test('tokens are kept as hashes, expire, and are revoked by id or value', async (t) => {
  const { store, as } = await startWithTokens(t);
  const late = { token: 'tok-late', projectId: OURS, userId: 'u', roles: [], expiresAt: Date.now() - 1 };
  await addToken(store.writer, late);
  await t.throwsAsync(addToken(store.writer, late), { code: 'CONFLICT' });
  t.is((await as('late')('GET', '/v2/workflows')).status, 401);
  const rows = await store.reader('tokens');
  t.false(JSON.stringify(rows).includes('tok-'.concat('late"')), 'the token itself is nowhere');
  t.is((await listTokens(store.reader)).length, 4);
  t.true(await revokeToken(store.writer, { token: 'tok-late' }));
  t.false(await revokeToken(store.writer, { token: 'tok-late' }));
  const bearer = await as('')('GET', '/v2/workflows', undefined, { Authorization: 'Bearer tok-ours' });
  t.is(bearer.status, 200);
});

test('keystone: tokens are validated by the identity service, and remembered', async (t) => {
  let asked = 0;
  let broken = false;
  const url = await listen(t, (request, response) => {
    asked++;
    const token = request.headers['x-subject-token'];
    const project = token === 'endless' ? 'p'.repeat(81) : token === 'unstorable' ? 'p\0' : OURS;
    if (broken) response.writeHead(500).end('down');
    else if (request.url !== '/v3/auth/tokens' || token === 'bad') response.writeHead(404).end('{}');
    else if (token === 'unscoped') response.end(JSON.stringify({ token: { user: { id: 'u' }, roles: [] } }));
    else {
      const roles = token === 'boss' ? [{ id: '1', name: 'admin' }] : [{ id: '2', name: 'member' }];
      const expires = token === 'stale' ? '2020-01-01T00:00:00.000000Z' : '2099-01-01T00:00:00.000000Z';
      response.end(
        JSON.stringify({ token: { user: { id: 'u' }, project: { id: project }, roles, expires_at: expires } }),
      );
    }
  });
  const { url: server } = await startNodeServer(t, { authMode: 'keystone', keystoneUrl: `${url}/v3/` });
  const send = sender(server);
  const list = (token: string) => send('GET', '/v2/executions', undefined, { 'X-Auth-Token': token });
  const answers = await Promise.all(Array.from({ length: 5 }, () => list('good')));
  t.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200, 200],
  );
  t.is(asked, 1, 'many requests with one token ask once');
  t.is((await send('GET', '/v2/executions?all_projects=true', undefined, { 'X-Auth-Token': 'boss' })).status, 200);
  t.is((await send('GET', '/v2/executions?all_projects=true', undefined, { 'X-Auth-Token': 'good' })).status, 403);
  for (const token of ['bad', 'stale', 'unscoped', 'endless', 'unstorable'])
    t.is((await list(token)).status, 401, token);
  t.regex((await list('bad')).headers.get('www-authenticate') ?? '', /^Keystone uri="http/);
  t.is(
    (await send('GET', '/v2/executions')).body.faultstring,
    'Failed to validate access token: Authentication required',
  );
  broken = true;
  t.is((await list('good')).status, 200, 'what is known needs no question');
  t.is((await list('another')).status, 503);
  broken = false;
  t.is((await list('another')).status, 200, 'a failure to ask is not remembered');
});

test('oidc: tokens are checked against the keys of the issuer', async (t) => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const foreign = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' };
  let issuer = '';
  let fetched = 0;
  issuer = `${await listen(t, (request, response) => {
    if (request.url?.endsWith('/.well-known/openid-configuration') === true) {
      response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
    } else {
      fetched++;
      response.end(JSON.stringify({ keys: [jwk] }));
    }
  })}/realms/${OURS}`;
  const { url } = await startNodeServer(t, { authMode: 'oidc', oidcIssuer: issuer, oidcAudience: 'tramontane' });
  const send = sender(url);
  const token = (claims: object, { key = privateKey, audience = 'tramontane', expires = '5m', by = issuer } = {}) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setIssuer(by)
      .setAudience(audience)
      .setSubject('u')
      .setExpirationTime(expires)
      .sign(key);
  const status = async (jwt: string, path = '/v2/executions') =>
    (await send('GET', path, undefined, { Authorization: `Bearer ${jwt}` })).status;
  const admin = await token({ realm_access: { roles: ['admin'] } });
  const member = await token({ realm_access: { roles: ['member'] } });
  t.is(await status(admin, '/v2/executions?all_projects=true'), 200);
  t.is(await status(member, '/v2/executions?all_projects=true'), 403);
  const made = await send('POST', '/v2/workflows', WORKFLOW, { 'X-Auth-Token': member });
  t.is(made.body.workflows[0].project_id, OURS, 'the realm is the project');
  t.is(await status(await token({}, { key: foreign.privateKey })), 401);
  t.is(await status(await token({}, { audience: 'another' })), 401);
  t.is(await status(await token({}, { expires: '-5m' })), 401);
  t.is(await status(await token({}, { by: 'http://elsewhere' })), 401);
  const [head, body] = member.split('.');
  t.is(await status(`${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`), 401);
  t.is(await status(`${head}.${body}.AAAA`), 401);
  t.is(await status('no jwt at all'.replaceAll(' ', '.')), 401);
  t.is(fetched, 1, 'the keys are kept');
});

test('oidc: keys are replaced under way; documents and keys of others are not taken', async (t) => {
  const [old, next, foreign] = await Promise.all([1, 2, 3].map(() => generateKeyPair('ES256', { extractable: true })));
  const jwks = await Promise.all(
    [old, next].map(async (pair) => ({ ...(await exportJWK(pair!.publicKey)), alg: 'ES256' })),
  );
  const documents: Record<string, (base: string) => object> = {
    '/good': (base) => ({ issuer: `${base}/good`, jwks_uri: `${base}/keys` }),
    '/impostor': (base) => ({ issuer: `${base}/good`, jwks_uri: `${base}/keys` }),
  };
  const base = await listen(t, (request, response) => {
    const [path = ''] = (request.url ?? '').split('/.well-known');
    const document = documents[path];
    response.end(JSON.stringify(document === undefined ? { keys: jwks } : document(base)));
  });
  const start = (path: string) =>
    startNodeServer(t, {
      authMode: 'oidc',
      oidcIssuer: base + path,
      oidcAudience: 'tramontane',
      oidcProjectClaim: 'project',
    });
  const token = (
    key: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'],
    claims: object,
    issuer = `${base}/good`,
  ) =>
    new SignJWT({ aud: 'tramontane', project: 'p', ...claims })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(issuer)
      .setExpirationTime('5m')
      .sign(key);
  const { url } = await start('/good');
  const status = async (jwt: string, server = url) =>
    (await sender(server)('GET', '/v2/executions', undefined, { Authorization: `Bearer ${jwt}` })).status;
  // Without `kid` any of the keys may be meant.
  t.is(await status(await token(old!.privateKey, {})), 200);
  t.is(await status(await token(next!.privateKey, {})), 200);
  t.is(await status(await token(foreign!.privateKey, {})), 401);
  t.is(await status(await token(next!.privateKey, { aud: ['another'] })), 401);
  t.is(await status(await token(next!.privateKey, { aud: undefined })), 401);
  t.is(await status(await token(next!.privateKey, { nbf: Math.floor(Date.now() / 1000) + 600 })), 401);
  for (const project of [undefined, '', 7, ['p'], 'p'.repeat(81)])
    t.is(await status(await token(next!.privateKey, { project })), 401);
  // A public key is no secret: a signature that is made with it as one counts for nothing.
  const secret = new TextEncoder().encode(JSON.stringify(jwks[0]));
  const confused = new SignJWT({ aud: 'tramontane', project: 'p' }).setProtectedHeader({ alg: 'HS256' });
  t.is(await status(await confused.setIssuer(`${base}/good`).setExpirationTime('5m').sign(secret)), 401);
  const { url: fooled } = await start('/impostor');
  t.is(await status(await token(next!.privateKey, {}, `${base}/impostor`), fooled), 503);
});

test('a policy file changes who may do what, and its faults are named', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tramontane-policy-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'policy.yaml');
  writeFileSync(
    file,
    '"workflows:create": "role:author"\n"workflows:publicize": "role:author and not role:guest"\n"executions:list": "!"\n',
  );
  const { url } = await startNodeServer(t, { authPolicyFile: file, anonymousIsAdmin: false });
  const send = sender(url);
  const create = async (roles: string) =>
    (await send('POST', '/v2/workflows?scope=public', WORKFLOW.replace('wf', `w${roles.length}`), { 'X-Roles': roles }))
      .status;
  t.is(await create('reader'), 403);
  t.is(await create('author'), 201);
  t.is(await create('author,guest'), 403);
  t.is((await send('GET', '/v2/executions')).status, 403);
  t.is((await send('GET', '/v2/workflows')).status, 200);
  const faults = t.throws(() =>
    parsePolicy('"workflows:creat": "@"\nadmin_only: "role admin"\nactions:list: 3\n', 'p.yaml'),
  );
  t.regex(faults?.message ?? '', /p\.yaml:1:1: .*workflows:creat.*workflows:create/);
  t.regex(faults?.message ?? '', /p\.yaml:2:13: .*'role' is no check/);
  t.regex(faults?.message ?? '', /p\.yaml:3:/);
  // What is not there would be nobody's, and so `not` of it everybody's; a circle of it depends on where one begins.
  const unknown = t.throws(() =>
    parsePolicy('"executions:delete": "not rule:bloked"\nblocked: "role:guest"\n', 'p.yaml'),
  );
  t.regex(unknown?.message ?? '', /p\.yaml:2:.*Unknown rule 'blocked'/);
  const misspelt = t.throws(() =>
    parsePolicy(
      '"executions:delete": "not rule:bloked"\n"tasks:get": "rule:blocked"\nblocked: "role:guest"\n',
      'p.yaml',
    ),
  );
  t.regex(misspelt?.message ?? '', /p\.yaml:1:\d+: .*names the rule 'bloked', which does not exist.*blocked/);
  const circle = t.throws(() => parsePolicy('a: "role:x or rule:b"\nb: "not (rule:a)"\n', 'p.yaml'));
  t.regex(circle?.message ?? '', /p\.yaml:1:\d+: .*'a' leads back to itself[^]*p\.yaml:2:\d+: .*'b' leads back/);
  t.notThrows(() => parsePolicy('"executions:delete": "rule:admin_only or rule:ops"\nops: "role:ops"\n', 'p.yaml'));
  const someone: Identity = { projectId: 'p', userId: 'u', roles: ['Ops'], anonymous: false };
  const allows = (rule: string) => createPolicy({ 'tasks:get': rule }).allows('tasks:get', someone);
  for (const [rule, expected] of [
    ['', true],
    ['@', true],
    ['!', false],
    ['role:ops', true],
    ['not role:ops', false],
    ['role:x or (role:ops and user_id:u)', true],
    ['role:x and role:ops or project_id:p', true],
    ['role:ops and not (project_id:%(project_id)s)', false],
    ['rule:tasks:get', false],
    ['is_admin:True', false],
  ] as const) {
    t.is(allows(rule), expected, rule);
  }
  t.true(createPolicy({ context_is_admin: 'role:ops' }).isAdmin(someone));
});

test('settings that a mode needs are asked for, and every route has a rule', async (t) => {
  const { routes } = await startNodeServer(t);
  for (const mode of ['keystone', 'oidc'] as const) {
    t.throws(() => createAccess({ ...DEFAULT_CONFIG, authMode: mode }, null as unknown as Store), {
      message: new RegExp(`auth\\.${mode}`),
    });
  }
  const someone: Identity = { projectId: 'p', userId: 'u', roles: [], anonymous: false };
  const rules = new Set<string>();
  for (const { method, path } of routes) {
    const rule = ruleOf(method, path);
    if (!path.startsWith('/v2/')) continue;
    t.truthy(rule, `${method} ${path}`);
    rules.add(rule ?? '');
    const adminOnly = /^(code_sources|dynamic_actions):/.test(rule ?? '');
    // PUT and DELETE of a collection's path only say what is missing.
    if (!/^(services|events):|^(tasks|executions|action_executions):/.test(rule ?? '')) {
      t.is(createPolicy().allows(rule ?? '', someone), !adminOnly, `${method} ${path}: ${rule}`);
    }
  }
  for (const rule of [
    'workflows:validate',
    'members:list',
    'members:update',
    'executions:get',
    'tasks:list',
    'action_executions:list',
  ]) {
    t.true(rules.has(rule), rule);
  }
});

const UNKNOWN = '019f0000-0000-7000-8000-000000000000';

function fill(path: string, things: Readonly<Record<string, string>>): string {
  const collection = path.split('/')[2] ?? '';
  return path
    .replace('/:task/action_executions/:id', `/${things['tasks']}/action_executions/${things['action_executions']}`)
    .replace(':member', THEIRS)
    .replace(':namespace', path.includes('workbooks/:namespace') ? 'book' : '')
    .replaceAll(/:\w+/g, things[collection] ?? UNKNOWN)
    .replace(/\/$/, '');
}

/** @param name what a new thing is called; null: the name of what the owner has. */
function bodyFor(path: string, name: string | null): unknown {
  if (/environments/.test(path)) return { name: name ?? 'env', variables: { x: 1 } };
  if (/members\/:/.test(path)) return { status: 'accepted' };
  if (/members/.test(path)) return { member_id: ADMINS };
  if (/tasks/.test(path)) return { state: 'SKIPPED' };
  if (/cron_triggers/.test(path)) return { name: 'cron', workflow_name: 'wf', pattern: '0 0 1 1 *' };
  if (/event_triggers\/:/.test(path)) return { name: 'taken' };
  if (/event_triggers/.test(path)) return { name: 'e', workflow_id: UNKNOWN, exchange: 'x', topic: 't', event: 'v' };
  if (/\/events/.test(path)) return { exchange: 'x', topic: 't', event: 'v', payload: {} };
  if (/maintenance/.test(path)) return { status: 'PAUSED' };
  if (/action_executions\/:/.test(path)) return { state: 'SUCCESS', output: {} };
  if (/action_executions/.test(path)) return { name: 'std.noop' };
  if (/executions\/:/.test(path)) return { state: 'CANCELLED' };
  if (/executions/.test(path)) return { workflow_name: 'wf' };
  if (/workbooks/.test(path)) return `version: '2.0'\nname: ${name ?? 'book'}\n`;
  if (/dynamic_actions/.test(path)) return { name: 'd', class_name: 'D', code_source_name: 'c' };
  if (/actions/.test(path)) return `version: '2.0'\n${name ?? 'act'}:\n  base: std.echo\n`;
  if (/workflows/.test(path)) return WORKFLOW.replace('wf', name ?? 'wf');
  return {};
}

async function snapshot(send: Send, things: Readonly<Record<string, string>>): Promise<Record<string, unknown>> {
  const seen: Record<string, unknown> = {};
  for (const [collection, id] of Object.entries(things))
    seen[collection] = (await send('GET', `/v2/${collection}/${id}`)).body;
  return seen;
}

async function until(ask: () => Promise<Exchange>, done: (reply: Exchange) => boolean): Promise<Exchange> {
  for (let tries = 0; tries < 2000; tries++) {
    const reply = await ask();
    if (done(reply)) return reply;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('it did not come to pass');
}

async function listen(t: ExecutionContext, handler: RequestListener): Promise<string> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
