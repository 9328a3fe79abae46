import test from 'ava';
import { startApi } from '../helpers/api.ts';

const UNKNOWN_ID = '123e4567-e89b-12d3-a456-426655440000';

test('a code source is stored as it is, with a version that every update raises', async (t) => {
  const { send } = await startApi(t);
  const text = 'from mistral_lib import actions\n\nclass A(actions.Action):\n    pass\n';
  const created = await send('POST', '/v2/code_sources?name=m&namespace=n&scope=public', text, {
    'Content-Type': 'text/plain',
  });
  t.is(created.status, 201);
  t.like(created.body, { name: 'm', namespace: 'n', content: text, version: 1, scope: 'public', updated_at: null });
  t.regex(created.body.created_at, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  t.deepEqual(Object.keys(created.body).toSorted(), [
    'content',
    'created_at',
    'id',
    'name',
    'namespace',
    'project_id',
    'scope',
    'updated_at',
    'version',
  ]);
  const byQuery = await send('PUT', '/v2/code_sources?identifier=m&namespace=n', 'two');
  t.like(byQuery, { status: 200, body: { id: created.body.id, version: 2, content: 'two', scope: 'private' } });
  t.not(byQuery.body.updated_at, null);
  const byPath = await send('PUT', `/v2/code_sources/${created.body.id}`, 'two');
  t.like(byPath, { status: 200, body: { version: 3, namespace: 'n' } }, 'the same content counts as an update');
  t.like(await send('GET', '/v2/code_sources/m?namespace=n'), { status: 200, body: byPath.body });
  t.deepEqual((await send('GET', `/v2/code_sources/${created.body.id}?fields=version`)).body, {
    id: created.body.id,
    version: 3,
  });
  t.is((await send('GET', '/v2/code_sources/m')).status, 404, 'another namespace');
  t.is((await send('DELETE', '/v2/code_sources/m')).status, 404);
  t.is((await send('DELETE', '/v2/code_sources/m?namespace=n')).status, 204);
  t.is((await send('GET', `/v2/code_sources/${created.body.id}`)).status, 404);
});

test('names of code sources and dynamic actions are unique within namespace and project', async (t) => {
  const { send } = await startApi(t);
  t.is((await send('POST', '/v2/code_sources?name=m', 'x')).status, 201);
  const twice = await send('POST', '/v2/code_sources?name=m', 'x');
  t.is(twice.status, 409);
  t.is(
    twice.body.faultstring,
    "Duplicate entry for CodeSource ['name', 'namespace', 'project_id']: m, , <default-project>",
  );
  t.is((await send('POST', '/v2/code_sources?name=m&namespace=n', 'x')).status, 201);
  const action = { name: 'd', class_name: 'A', code_source_name: 'm' };
  t.is((await send('POST', '/v2/dynamic_actions', action)).status, 201);
  t.is((await send('POST', '/v2/dynamic_actions', action)).status, 409);
  t.is((await send('POST', '/v2/dynamic_actions', { ...action, namespace: 'n' })).status, 201);
});

test('what a code source lacks or does not fit is named', async (t) => {
  const { send } = await startApi(t);
  const cases: readonly (readonly [string, string, number, RegExp])[] = [
    ['POST', '/v2/code_sources', 400, /"name"/],
    ['POST', '/v2/code_sources?name=', 400, /"name"/],
    ['POST', `/v2/code_sources?name=${'x'.repeat(256)}`, 400, /255/],
    ['POST', '/v2/code_sources?name=m&scope=secret', 400, /Scope must be one of/],
    ['PUT', '/v2/code_sources', 400, /"identifier"/],
    ['PUT', '/v2/code_sources?identifier=no', 404, /identifier=no/],
    ['DELETE', '/v2/code_sources', 400, /"identifier"/],
    ['DELETE', '/v2/code_sources/no', 404, /no/],
    ['GET', `/v2/code_sources/${UNKNOWN_ID}`, 404, /123e4567/],
    ['GET', '/v2/code_sources?nope=1', 400, /Unknown argument: "nope"/],
    ['GET', '/v2/code_sources?limit=0', 400, /Limit must be positive/],
    ['GET', '/v2/code_sources?fields=nope', 400, /nope/],
    ['GET', '/v2/code_sources?project_id=nope', 400, /uuid/],
    ['GET', '/v2/dynamic_actions/no?namespace=n', 404, /no/],
    ['DELETE', '/v2/dynamic_actions', 400, /"identifier"/],
  ];
  for (const [method, path, status, text] of cases) {
    const { status: got, body } = await send(method, path, method === 'GET' || method === 'DELETE' ? undefined : 'x');
    t.is(got, status, `${method} ${path}`);
    t.regex(body.faultstring, text, `${method} ${path}`);
  }
  t.is((await send('POST', '/v2/code_sources?name=m&unknown=1', '')).status, 201, 'as with definitions');
});

test('a dynamic action needs a name, a class and a code source that exists in its namespace', async (t) => {
  const { send } = await startApi(t);
  const { body: source } = await send('POST', '/v2/code_sources?name=m&namespace=n', 'x');
  const base = { name: 'd', class_name: 'A' };
  const cases: readonly (readonly [object, number, RegExp])[] = [
    [base, 400, /Either 'code_source_id' or 'code_source_name'/],
    [{ ...base, code_source_name: 'm' }, 404, /identifier=m/],
    [{ ...base, code_source_id: UNKNOWN_ID }, 404, /123e4567/],
    [{ ...base, code_source_id: 'nope' }, 400, /code_source_id.*uuid/],
    [{ class_name: 'A', code_source_id: source.id }, 400, /Name/],
    [{ name: 'd', code_source_id: source.id }, 400, /class_name/],
    [{ ...base, code_source_id: source.id, scope: 'secret' }, 400, /Scope/],
    [{ ...base, code_source_id: source.id, project_id: 'p' }, 400, /read only/],
    [{ ...base, code_source_id: source.id, nope: 1 }, 400, /nope/],
  ];
  for (const [body, status, text] of cases) {
    const reply = await send('POST', '/v2/dynamic_actions', body);
    t.is(reply.status, status, JSON.stringify(body));
    t.regex(reply.body.faultstring, text, JSON.stringify(body));
  }
  const created = await send('POST', '/v2/dynamic_actions', { ...base, namespace: 'n', code_source_name: 'm' });
  t.is(created.status, 201);
  t.deepEqual(
    { ...created.body, id: '', created_at: '' },
    {
      id: '',
      name: 'd',
      namespace: 'n',
      code_source_id: source.id,
      code_source_name: 'm',
      class_name: 'A',
      project_id: '<default-project>',
      scope: 'private',
      created_at: '',
      updated_at: null,
    },
  );
});

test('a dynamic action is updated by id or name, only in what is given, and goes with its code source', async (t) => {
  const { send } = await startApi(t);
  const { body: first } = await send('POST', '/v2/code_sources?name=m', 'x');
  const { body: second } = await send('POST', '/v2/code_sources?name=m2', 'x');
  const { body: action } = await send('POST', '/v2/dynamic_actions', {
    name: 'd',
    class_name: 'A',
    code_source_id: first.id,
  });
  const put = (body: object) => send('PUT', '/v2/dynamic_actions', body);
  t.like(await put({ name: 'd', class_name: 'B' }), { status: 200, body: { class_name: 'B', code_source_name: 'm' } });
  t.like(await put({ id: action.id, code_source_name: 'm2', scope: 'public' }), {
    status: 200,
    body: { id: action.id, name: 'd', class_name: 'B', code_source_id: second.id, scope: 'public' },
  });
  t.like(await put({ id: action.id }), { status: 200, body: { class_name: 'B', scope: 'public' } });
  t.is((await put({ class_name: 'B' })).status, 400);
  t.is((await put({ name: 'no', class_name: 'B' })).status, 404);
  t.is((await put({ name: 'd', code_source_name: 'no' })).status, 404);
  t.is((await send('DELETE', '/v2/code_sources/m')).status, 204);
  t.is((await send('GET', '/v2/dynamic_actions/d')).status, 200);
  t.is((await send('DELETE', '/v2/code_sources/m2')).status, 204);
  t.is((await send('GET', '/v2/dynamic_actions/d')).status, 404);
});

test('lists of both can be filtered, sorted and paged', async (t) => {
  const { send } = await startApi(t);
  for (const name of ['a', 'b', 'c']) {
    await send('POST', `/v2/code_sources?name=${name}&namespace=${name === 'c' ? 'n' : ''}`, name);
    const namespace = name === 'c' ? 'n' : '';
    await send('POST', '/v2/dynamic_actions', { name, class_name: 'A', code_source_name: name, namespace });
  }
  for (const collection of ['code_sources', 'dynamic_actions']) {
    const names = async (query: string) =>
      (await send('GET', `/v2/${collection}?${query}`)).body[collection].map((one: { name: string }) => one.name);
    t.deepEqual(await names(''), ['a', 'b', 'c'], collection);
    t.deepEqual(await names('sort_keys=name&sort_dirs=desc'), ['c', 'b', 'a']);
    t.deepEqual(await names('namespace=n'), ['c']);
    t.deepEqual(await names('name=in:a,c'), ['a', 'c']);
    t.deepEqual(await names('tags=x'), []);
    t.deepEqual(await names('scope=private&all_projects=true'), ['a', 'b', 'c']);
    const page = await send('GET', `/v2/${collection}?limit=2&fields=name`);
    t.deepEqual(Object.keys(page.body[collection][0]).toSorted(), ['id', 'name']);
    const next = await send('GET', new URL(page.body.next).pathname + new URL(page.body.next).search);
    t.deepEqual(
      next.body[collection].map((one: { name: string }) => one.name),
      ['c'],
    );
    t.false('next' in next.body);
  }
});

test('a dynamic action stands among all actions', async (t) => {
  const { send } = await startApi(t);
  await send('POST', '/v2/code_sources?name=m', 'x');
  await send('POST', '/v2/code_sources?name=m&namespace=n', 'x');
  const { body: action } = await send('POST', '/v2/dynamic_actions', {
    name: 'my.action',
    class_name: 'A',
    code_source_name: 'm',
  });
  await send('POST', '/v2/dynamic_actions', { name: 'far', class_name: 'A', code_source_name: 'm', namespace: 'n' });
  const names = async (query: string) =>
    (await send('GET', `/v2/actions?${query}`)).body.actions.map((one: { name: string }) => one.name);
  t.deepEqual(await names(''), ['my.action', 'std.echo', 'std.noop']);
  t.deepEqual(await names('is_system=false'), ['my.action']);
  t.deepEqual(await names('namespace=n'), ['far']);
  t.deepEqual(await names('name=has:action&sort_keys=created_at'), ['my.action']);
  t.deepEqual(await names(`marker=${action.id}`), ['std.echo', 'std.noop']);
  for (const path of ['/v2/actions/my.action', `/v2/actions/${action.id}`, '/v2/actions/my.action/n']) {
    t.like(await send('GET', path), {
      status: 200,
      body: { id: action.id, name: 'my.action', is_system: false, input: '', definition: '', namespace: '' },
    });
  }
  t.is((await send('GET', '/v2/actions/far')).status, 404);
  t.is((await send('DELETE', '/v2/actions/my.action')).status, 404, 'it is no definition');
});

test('only administrators see or change code', async (t) => {
  const { send } = await startApi(t, { settings: { anonymousIsAdmin: false } });
  const admin = { 'X-Roles': 'admin' };
  t.is((await send('POST', '/v2/code_sources?name=m', 'x')).status, 403);
  t.is((await send('POST', '/v2/code_sources?name=m', 'x', admin)).status, 201);
  const action = { name: 'd', class_name: 'A', code_source_name: 'm' };
  t.is((await send('POST', '/v2/dynamic_actions', action)).status, 403);
  t.is((await send('POST', '/v2/dynamic_actions', action, admin)).status, 201);
  for (const [collection, item] of [
    ['code_sources', 'm'],
    ['dynamic_actions', 'd'],
  ]) {
    t.is((await send('GET', `/v2/${collection}`)).status, 403);
    t.is((await send('GET', `/v2/${collection}/${item}`)).status, 403);
    t.is((await send('DELETE', `/v2/${collection}/${item}`)).status, 403);
    t.is((await send('GET', `/v2/${collection}/${item}`, undefined, admin)).status, 200);
  }
  t.is((await send('PUT', '/v2/code_sources?identifier=m', 'y')).status, 403);
  t.is((await send('PUT', '/v2/dynamic_actions', action)).status, 403);
  t.is((await send('GET', '/v2/actions/d')).status, 200, 'whoever may run it may see it');
});
