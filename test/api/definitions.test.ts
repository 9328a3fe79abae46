import test from 'ava';
import { startApi } from '../helpers/api.ts';

const workflow = (name: string, extra = '') =>
  `version: '2.0'\n${name}:\n${extra}  tasks:\n    t:\n      action: std.noop\n`;
const action = (name: string, extra = '') =>
  `version: '2.0'\n${name}:\n  base: std.echo\n  base-input:\n    output: 1\n${extra}`;
const seven = `version: '2.0'\n${['g', 'f', 'e', 'd', 'c', 'b', 'a']
  .map(
    (name, i) =>
      `${name}:\n  tags: [${i % 2 === 0 ? 'even' : 'odd'}, t${i}]\n  tasks:\n    t:\n      action: std.noop\n`,
  )
  .join('')}`;
const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;
const names = (items: { name: string }[]) => items.map((item) => item.name).join('');

test('a workflow is created, read by name and id, updated, renamed and deleted', async (t) => {
  const { send } = await startApi(t);
  const text = workflow('wf', '  input: [who, n: 3]\n  output:\n    msg: 1\n');
  const created = await send('POST', '/v2/workflows', text, { 'Content-Type': 'text/plain' });
  t.is(created.status, 201);
  const [row] = created.body.workflows;
  t.like(row, {
    name: 'wf',
    namespace: '',
    input: 'who, n="3"',
    definition: text,
    tags: [],
    scope: 'private',
    updated_at: null,
  });
  t.deepEqual(row.interface, { input: ['who', { n: 3 }], output: ['msg'] });
  t.regex(row.created_at, TIME);
  const read = await send('GET', '/v2/workflows/wf');
  t.is(read.status, 200);
  t.deepEqual(JSON.parse(read.body.interface), row.interface);
  t.deepEqual((await send('GET', `/v2/workflows/${row.id}/?fields=name`)).body, { id: row.id, name: 'wf' });
  t.like((await send('PUT', '/v2/workflows', workflow('wf', '  tags: [x]\n'))).body.workflows[0], {
    id: row.id,
    tags: ['x'],
  });
  const renamed = await send('PUT', `/v2/workflows/${row.id}`, workflow('other'));
  t.is(renamed.status, 200);
  t.like(renamed.body, { id: row.id, name: 'other' });
  const deleted = await send('DELETE', '/v2/workflows/other/');
  t.is(deleted.status, 204);
  t.is(deleted.body, undefined);
  const again = await send('DELETE', '/v2/workflows/other');
  t.is(again.status, 404);
  t.deepEqual(again.body, {
    faultcode: 'Client',
    faultstring: 'Workflow not found [workflow_identifier=other, namespace=]',
    debuginfo: null,
  });
});

test('a definition may come with any content type, as JSON text, or inside a JSON object', async (t) => {
  const { send } = await startApi(t);
  for (const [i, type] of [
    'text/plain',
    'application/json',
    'application/x-www-form-urlencoded',
    'application/x-yaml',
  ].entries()) {
    t.is((await send('POST', '/v2/workflows', workflow(`w${i}`), { 'Content-Type': type })).status, 201, type);
  }
  const json = JSON.stringify({ version: '2.0', w9: { tasks: { t: { action: 'std.noop' } } } });
  t.is(
    (await send('POST', '/v2/workflows', json, { 'Content-Type': 'application/json' })).body.workflows[0].definition,
    json,
  );
  const wrapped = await send('POST', '/v2/workflows', { definition: workflow('w10'), scope: 'public' });
  t.like(wrapped.body.workflows[0], { name: 'w10', scope: 'public', definition: workflow('w10') });
  const xml = await send('POST', '/v2/workflows', '<a/>', { 'Content-Type': 'text/xml' });
  t.is(xml.status, 415);
  t.truthy(xml.headers.get('server-error-message'));
});

test('texts that are no definition are 400 and name the place', async (t) => {
  const { send } = await startApi(t);
  const texts = [
    '',
    'just words',
    ': bad [yaml',
    '[1, 2]',
    "version: '2.0'\n",
    workflow('a b'),
    workflow('a').replace('action: std.noop', 'on-success: nope'),
  ];
  for (const path of ['/v2/workflows', '/v2/actions', '/v2/workbooks']) {
    for (const text of texts) {
      const { status, body } = await send('POST', path, text);
      t.is(status, 400, `${path}: ${text}`);
      t.regex(body.faultstring, /^\d+:\d+: /);
    }
  }
  t.is((await send('POST', '/v2/workflows', new Uint8Array([0x76, 0xff, 0xfe]))).status, 400);
  const long = await send('POST', '/v2/workflows', workflow('n'.repeat(256)));
  t.is(long.status, 400);
  t.regex(long.body.faultstring, /255/);
});

test('validate answers 200 whatever the text, and stores nothing', async (t) => {
  const { send } = await startApi(t);
  t.deepEqual((await send('POST', '/v2/workflows/validate', workflow('wf'))).body, { valid: true });
  t.is((await send('GET', '/v2/workflows/wf')).status, 404);
  for (const collection of ['workbooks', 'workflows', 'actions']) {
    const { status, body } = await send('POST', `/v2/${collection}/validate`, ': bad [');
    t.is(status, 200);
    t.false(body.valid);
    t.regex(body.error, /^\d+:\d+: /);
  }
});

test('validate tells all problems as data where they are asked for', async (t) => {
  const { send } = await startApi(t);
  const misspelt = workflow('wf').replace('std.noop', 'std.nop');
  t.deepEqual((await send('POST', '/v2/workflows/validate', misspelt)).body, { valid: true });
  const column = misspelt.split('\n')[4]?.indexOf('std.nop') ?? -2;
  const unknown = {
    severity: 'warning',
    line: 5,
    column: column + 1,
    path: 'wf.tasks.t.action',
    message: "Unknown action 'std.nop'",
    hint: "did you mean 'std.noop'?",
  };
  const asked = '/v2/workflows/validate?problems=true';
  t.deepEqual((await send('POST', asked, misspelt)).body, { valid: true, problems: [unknown] });
  t.deepEqual((await send('POST', asked, workflow('wf'))).body, { valid: true, problems: [] });
  const { body } = await send('POST', asked, `${misspelt}      on-success: [noop, nope]\n`);
  t.false(body.valid);
  t.regex(body.error, /^6:\d+: [^\n]*nope[^\n]*$/);
  t.deepEqual(body.problems[0], unknown);
  t.like(body.problems[1], { severity: 'error', line: 6, path: 'wf.tasks.t.on-success[1]' });
  t.is((await send('POST', '/v2/actions', "version: '2.0'\nstd.nop: {base: std.noop}\n")).status, 201);
  t.deepEqual((await send('POST', asked, misspelt)).body.problems, [], 'now there is such an action');
});

test('uploads are always checked, may ask not to be, or never are, as the operator decides', async (t) => {
  const wrong = workflow('wf').replace('std.noop', '[1, 2]');
  const book = `version: '2.0'\nname: b\nactions:\n  a: {base: 1}\nworkflows:\n  w:\n    tasks: {t: {wait-before: x}}\n`;
  const codes = async (validationMode: 'mandatory' | 'enabled' | 'disabled'): Promise<number[]> => {
    const { send } = await startApi(t, { settings: { validationMode } });
    const requests: readonly (readonly ['POST' | 'PUT', string, string])[] = [
      ['POST', '/v2/workflows', wrong],
      ['POST', '/v2/workflows?skip_validation', wrong],
      ['PUT', '/v2/workflows?skip_validation=false', wrong],
      ['POST', '/v2/workbooks?skip_validation=true', book],
      ['PUT', '/v2/workbooks', book],
      ['POST', '/v2/actions?skip_validation', "version: '2.0'\na: {input: [x]}\n"],
      ['POST', '/v2/actions?skip_validation', "version: '2.0'\na: 1\n"],
      ['POST', '/v2/workflows?skip_validation', "version: '2.0'\nv: {type: direct}\n"],
    ];
    const answers: number[] = [];
    for (const [method, path, text] of requests) answers.push((await send(method, path, text)).status);
    t.deepEqual((await send('POST', '/v2/workflows/validate?skip_validation', wrong)).body.valid, false);
    return answers;
  };
  t.deepEqual(await codes('mandatory'), [400, 400, 400, 400, 400, 400, 400, 400]);
  t.deepEqual(await codes('enabled'), [400, 201, 200, 201, 400, 201, 400, 400]);
  t.deepEqual(await codes('disabled'), [201, 409, 200, 201, 200, 201, 400, 400]);
});

test('inline parameters that are lost refuse an upload where the operator wants that', async (t) => {
  const lost = workflow('wf').replace('std.noop', 'std.echo output=abc');
  const { send } = await startApi(t, { settings: { strictDefinitions: true } });
  const { status, body } = await send('POST', '/v2/workflows', lost);
  t.is(status, 400);
  t.regex(body.faultstring, /^5:24: 'output=abc' has no effect; /);
  t.is((await (await startApi(t)).send('POST', '/v2/workflows', lost)).status, 201);
});

test('a body beyond the limit is 413', async (t) => {
  const { send } = await startApi(t);
  const { status, body } = await send('POST', '/v2/workflows', 'x'.repeat(16 * 1024 * 1024 + 1));
  t.is(status, 413);
  t.regex(body.faultstring, /16777216/);
});

test('a workbook and its parts', async (t) => {
  const { send } = await startApi(t);
  const text =
    "version: '2.0'\nname: book\ntags: [t1]\nworkflows:\n  main:\n    tasks:\n      t:\n        action: std.noop\n";
  const created = await send('POST', '/v2/workbooks?namespace=n', text);
  t.is(created.status, 201);
  t.like(created.body, {
    name: 'book',
    namespace: 'n',
    definition: text,
    tags: ['t1'],
    scope: 'private',
    updated_at: null,
  });
  t.is((await send('GET', '/v2/workflows/book.main?namespace=n')).body.checksum, null);
  t.is((await send('GET', '/v2/workbooks/book')).status, 404);
  t.is((await send('GET', '/v2/workbooks/book/n')).status, 200);
  t.is((await send('POST', '/v2/workbooks?namespace=n', text)).status, 409);
  t.like((await send('PUT', '/v2/workbooks?namespace=n&scope=public', text.replace('t1', 't2'))).body, {
    tags: ['t2'],
    scope: 'public',
  });
  t.is((await send('PUT', '/v2/workbooks', text)).status, 404);
  t.is((await send('DELETE', '/v2/workbooks/book?namespace=n')).status, 204);
  t.is((await send('GET', '/v2/workflows/book.main?namespace=n')).status, 200);
});

test('actions: built-in ones are listed among the others, and cannot be changed', async (t) => {
  const { send } = await startApi(t);
  t.is((await send('POST', '/v2/actions', action('mine', '  input: [a, b: 2]\n'))).status, 201);
  t.like((await send('GET', '/v2/actions/std.echo/')).body, {
    id: 'std.echo',
    is_system: true,
    input: 'output, delay=0',
    tags: null,
    scope: null,
    created_at: '',
    updated_at: '',
    definition: '',
  });
  const all = await send('GET', '/v2/actions');
  t.deepEqual(
    all.body.actions.map((item: { name: string }) => item.name),
    ['mine', 'std.echo', 'std.noop'],
  );
  t.like(all.body.actions[0], { is_system: false, input: 'a, b=2', namespace: '' });
  const byTime = await send('GET', '/v2/actions?sort_keys=created_at&sort_dirs=desc&fields=id,name,created_at');
  t.deepEqual(
    byTime.body.actions.map((item: { name: string }) => item.name),
    ['mine', 'std.echo', 'std.noop'],
  );
  t.deepEqual(Object.keys(byTime.body.actions[1]).sort(), ['created_at', 'id', 'name']);
  t.is((await send('POST', '/v2/actions', action('std.echo'))).status, 409);
  t.is((await send('PUT', '/v2/actions', action('std.echo'))).status, 400);
  t.is((await send('DELETE', '/v2/actions/std.echo')).status, 400);
  t.deepEqual(
    (await send('GET', '/v2/actions?name=has:ECHO')).body.actions.map((item: { name: string }) => item.name),
    ['std.echo'],
  );
  t.deepEqual(
    (await send('GET', '/v2/actions?is_system=false')).body.actions.map((item: { name: string }) => item.name),
    ['mine'],
  );
  t.deepEqual((await send('GET', '/v2/actions?created_at=gt:2000-01-01 00:00:00')).body.actions.length, 1);
});

test('actions: the namespace is a part of the path or a parameter; reading falls back, deleting does not', async (t) => {
  const { send } = await startApi(t);
  const [row] = (await send('POST', '/v2/actions?namespace=n', action('far'))).body.actions;
  await send('POST', '/v2/actions', action('near'));
  t.is((await send('GET', '/v2/actions/far')).status, 404);
  t.is((await send('GET', '/v2/actions/far/n')).body.id, row.id);
  t.is((await send('GET', '/v2/actions/far?namespace=n')).body.id, row.id);
  t.is((await send('GET', `/v2/actions/${row.id}`)).body.name, 'far');
  t.is((await send('GET', '/v2/actions/near/n')).body.namespace, '');
  t.is((await send('DELETE', '/v2/actions/near/n')).status, 404);
  t.deepEqual(names((await send('GET', '/v2/actions?namespace=n')).body.actions), 'far');
  t.is((await send('DELETE', '/v2/actions/far/n')).status, 204);
});

test('actions can be walked by marker, given as an id or as a name', async (t) => {
  const { send } = await startApi(t);
  await send(
    'POST',
    '/v2/actions',
    `version: '2.0'\n${['c', 'b', 'a'].map((name) => `${name}:\n  base: std.noop\n`).join('')}`,
  );
  const first = await send('GET', '/v2/actions?limit=2&fields=name');
  t.is(names(first.body.actions), 'ab');
  t.is(names((await send('GET', first.body.next.replace(/^http:\/\/[^/]+/, ''))).body.actions), 'cstd.echo');
  t.is(names((await send('GET', '/v2/actions?marker=std.echo')).body.actions), 'std.noop');
  t.is((await send('GET', '/v2/actions?marker=nope')).status, 404);
});

test('lists are walked by following next: nothing is lost or repeated, in any order', async (t) => {
  const { send } = await startApi(t);
  await send('POST', '/v2/workflows', seven);
  for (const [sort, expected] of [
    ['sort_keys=name', 'abcdefg'],
    ['sort_keys=name&sort_dirs=desc', 'gfedcba'],
    ['', 'gfedcba'],
    ['sort_keys=updated_at,name', 'abcdefg'],
    ['sort_keys=updated_at,name&sort_dirs=desc,desc', 'gfedcba'],
    ['sort_keys=created_at&sort_dirs=desc', 'gfedcba'],
  ] as const) {
    let path: string | undefined = `/v2/workflows?limit=3&fields=name&${sort}`;
    let seen = '';
    for (let pages = 0; path !== undefined && pages < 5; pages++) {
      const { status, body }: { status: number; body: { workflows: { name: string }[]; next?: string } } = await send(
        'GET',
        path,
      );
      t.is(status, 200);
      seen += names(body.workflows);
      path = body.next?.replace(/^http:\/\/[^/]+/, '');
    }
    t.is(seen, expected, sort);
  }
});

test('the next link repeats the question', async (t) => {
  const { send, url } = await startApi(t);
  await send('POST', '/v2/workflows?namespace=a/b', seven);
  const { body } = await send(
    'GET',
    '/v2/workflows?namespace=a%2Fb&name=neq:a&tags=in:even,odd&limit=2&sort_keys=name&fields=name',
  );
  const next = new URL(body.next);
  t.is(`${next.origin}${next.pathname}`, `${url}/v2/workflows`);
  t.is(next.search.split('/').length, 1);
  t.deepEqual(Object.fromEntries(next.searchParams), {
    sort_keys: 'name,id',
    sort_dirs: 'asc,asc',
    name: 'neq:a',
    namespace: 'eq:a/b',
    tags: 'in:even,odd',
    limit: '2',
    marker: body.workflows[1].id,
    fields: 'id,name',
  });
  t.true(body.next.includes('sort_keys=name,id'));
  t.false('next' in (await send('GET', '/v2/workflows?namespace=nope&limit=2')).body);
});

test('filters', async (t) => {
  const { send } = await startApi(t);
  await send('POST', '/v2/workflows', seven);
  const [{ created_at: createdAt }] = (await send('GET', '/v2/workflows?name=a')).body.workflows;
  await send('PUT', '/v2/workflows', workflow('a', '  tags: [new]\n'));
  for (const [filter, expected] of [
    ['name=a', 'a'],
    ['name=eq:a', 'a'],
    ['name=neq:a', 'bcdefg'],
    ['name=in:a,c,x', 'ac'],
    ['name=nin:a,b,c', 'defg'],
    ['name=gt:e', 'fg'],
    ['name=gte:e', 'efg'],
    ['name=lt:c', 'ab'],
    ['name=lte:c', 'abc'],
    ['name=bogus:x', ''],
    ['name=in:a,b&name=a', 'a'],
    ['name=has:G', 'g'],
    ['name=has:%25', ''],
    ['name=has:_', ''],
    ['definition=has:TAGS', 'abcdefg'],
    ['scope=weird', ''],
    ['scope=private&name=b', 'b'],
    ['tags=even', 'ceg'],
    ['tags=even,t0', 'g'],
    ['tags=eve', ''],
    ['tags=has:t1', 'f'],
    ['tags=in:t1,t2', 'ef'],
    ['tags=nin:even,odd', 'a'],
    ['tags=neq:even', 'abdf'],
    [`created_at=${createdAt}`, 'abcdefg'],
    [`created_at=gte:${createdAt}`, 'abcdefg'],
    [`created_at=gt:${createdAt}`, ''],
    [`created_at=lt:${createdAt}`, ''],
    [`created_at=neq:${createdAt}`, ''],
    ['created_at=gt:2000-01-01T00:00:00', 'abcdefg'],
    [`created_at=in:2000-01-01,${createdAt}`, 'abcdefg'],
    ['updated_at=gt:2000-01-01 00:00:00', 'a'],
    ['updated_at=neq:2000-01-01 00:00:00', 'a'],
    ['&name=a&', 'a'],
  ] as const) {
    const { status, body } = await send('GET', `/v2/workflows?sort_keys=name&${filter}`);
    t.is(status, 200, filter);
    t.is(names(body.workflows), expected, filter);
  }
});

test('bad questions are 400 and name what is wrong', async (t) => {
  const { send } = await startApi(t);
  await send('POST', '/v2/workflows', workflow('wf'));
  for (const [query, words] of [
    ['limit=0', /Limit must be positive/],
    ['limit=-1', /Limit must be positive/],
    ['limit=x', /limit.*unable to convert to int/],
    ['sort_keys=nope', /nope/],
    ['sort_keys=name&sort_dirs=up', /Unknown sort direction/],
    ['sort_keys=name,name&sort_dirs=asc,desc', /sort_keys must be equal or greater/],
    ['fields=nope', /Some fields do not exist {2}\[nope\], please choose from/],
    ['bogus=1', /Unknown argument: "bogus"/],
    ['project_id=nope', /project_id.*uuid/],
    ['created_at=nope', /created_at/],
    ['created_at=has:2', /created_at/],
    ['marker=nope', /marker.*uuid/],
    ['tags=gt:a', /tags/],
  ] as const) {
    const { status, body } = await send('GET', `/v2/workflows?${query}`);
    t.is(status, 400, query);
    t.regex(body.faultstring, words);
  }
  t.is((await send('GET', '/v2/workflows?marker=123e4567-e89b-12d3-a456-426655440000')).status, 404);
  t.is((await send('GET', '/v2/workflows/wf?fields=nope')).status, 400);
  t.is((await send('POST', '/v2/workflows?scope=weird', workflow('x'))).status, 400);
});

test('environments', async (t) => {
  const { send } = await startApi(t);
  const created = await send('POST', '/v2/environments', {
    name: 'e v',
    variables: { a: { b: [1] } },
    description: 'd',
  });
  t.is(created.status, 201);
  t.deepEqual(JSON.parse(created.body.variables), { a: { b: [1] } });
  t.like(created.body, {
    name: 'e v',
    description: 'd',
    scope: 'private',
    project_id: '<default-project>',
    updated_at: null,
  });
  t.is((await send('GET', '/v2/environments/e%20v')).status, 200);
  t.is((await send('GET', `/v2/environments/${created.body.id}`)).status, 404);
  t.is((await send('POST', '/v2/environments', { name: 'e v' })).status, 409);
  t.like((await send('PUT', '/v2/environments', { name: 'e v', variables: '{"z": 1.0}' })).body, {
    description: 'd',
    variables: '{"z":1.0}',
  });
  t.like((await send('PUT', '/v2/environments/e%20v', { description: 'q' })).body, {
    description: 'q',
    variables: '{"z":1.0}',
  });
  t.is(names((await send('GET', '/v2/environments?variables={"z":1}')).body.environments), 'e v');
  t.is(names((await send('GET', '/v2/environments?variables={"z":2}')).body.environments), '');
  for (const body of [
    { variables: {} },
    { name: 'x', variables: 'x' },
    { name: 'x', variables: [1] },
    { name: 'x', scope: 'zzz' },
    { name: 'x', id: 'abc' },
  ]) {
    t.is((await send('POST', '/v2/environments', body)).status, 400, JSON.stringify(body));
  }
  t.is((await send('PUT', '/v2/environments', { name: 'nope', description: 'x' })).status, 404);
  t.is((await send('DELETE', '/v2/environments/e%20v')).status, 204);
  t.is((await send('DELETE', '/v2/environments/e%20v')).status, 404);
});
