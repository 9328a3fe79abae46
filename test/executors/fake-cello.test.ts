import test, { type ExecutionContext } from 'ava';
import {
  startFakeCello,
  type FakeCello,
  type FakeCelloHost,
  type FakeCelloOptions,
} from '../../executors/fakes/cello.ts';

// What Cello's code does, by the first tag in which it was read (spec/cluster.md §1): the texts of its documentation say otherwise at times.

interface Answer {
  readonly http: number;
  readonly status: string;
  readonly code: number;
  readonly error: string;
  readonly data: unknown;
}

async function cello(
  t: ExecutionContext,
  hosts: readonly FakeCelloHost[] = [{ count: 2 }],
  options: Partial<FakeCelloOptions> = {},
): Promise<FakeCello> {
  const fake = await startFakeCello(hosts, options);
  t.teardown(() => fake.close());
  return fake;
}

async function ask(fake: FakeCello, path: string, json?: unknown, method = json === undefined ? 'GET' : 'POST') {
  const answer = await fetch(`${fake.url}/v2/${path}`, {
    method,
    ...(json !== undefined && { body: JSON.stringify(json) }),
  });
  return { http: answer.status, ...((await answer.json()) as object) } as Answer;
}

const idOf = ({ data }: Answer) => (data as { id: string }).id;
const idsOf = ({ data }: Answer) => (data as { id: string }[]).map(({ id }) => id);

for (const dialect of ['v0.6', 'v0.9'] as const) {
  test(`${dialect}: apply gives a user the same cluster again, then another one with allow_multiple, then nothing (first import)`, async (t) => {
    const fake = await cello(t, undefined, { dialect });
    const first = await ask(fake, 'cluster_op?action=apply&user_id=u1');
    t.like(first, { http: 200, status: 'OK', code: 200, error: '' });
    t.is(idOf(await ask(fake, 'cluster_op?action=apply', { user_id: 'u1' })), idOf(first));
    const second = await ask(fake, 'cluster_apply', { user_id: 'u1', allow_multiple: true });
    t.not(idOf(second), idOf(first));
    t.like(await ask(fake, 'cluster_op', { action: 'apply', user_id: 'u2' }), {
      http: 400,
      status: 'FAIL',
      code: 400,
      error: 'No available res for u2',
      data: {},
    });
  });

  test(`${dialect}: parameters and actions that are wrong have their texts (first import)`, async (t) => {
    const fake = await cello(t, undefined, { dialect });
    const cases: readonly (readonly [string, number, string])[] = [
      ['cluster_op?action=apply', 400, 'cluster_apply without user_id'],
      ['cluster_op?action=apply&user_id=u&consensus_plugin=x', 400, 'Invalid consensus_plugin'],
      // The texts show "classic"; the code knows "batch" alone.
      ['cluster_op?action=apply&user_id=u&consensus_mode=classic', 400, 'Invalid consensus_mode'],
      ['cluster_op?action=apply&user_id=u&size=5', 400, 'Invalid cluster_size'],
      ['cluster_op?action=release', 400, 'No cluster_id is given'],
      ['cluster_op?action=release&user_id=u', 400, 'No cluster_id is given'],
      ['cluster_op?action=start', 400, 'No cluster_id is given'],
      ['cluster_op?action=stop&cluster_id=x', 400, 'cluster stop failed'],
      ['cluster_op', 400, 'Unknown action type'],
      ['cluster_op?action=drop', 400, 'Unknown action type'],
      ['cluster/x', 404, 'cluster not found with id=x'],
    ];
    for (const [path, code, error] of cases)
      t.like(await ask(fake, path), { http: 400, status: 'FAIL', code, error }, path);
    t.like(await ask(fake, 'cluster_op?action=release&cluster_id=x'), { http: 200, status: 'OK', data: {} });
    const odd = await fetch(`${fake.url}/v2/cluster_op?action=apply&user_id=u&size=many`);
    t.is(odd.status, 500);
    t.regex(await odd.text(), /^<!DOCTYPE/);
    t.is((await fetch(`${fake.url}/v2/clusters`, { method: 'DELETE' })).status, 405);
    t.is((await fetch(`${fake.url}/v2/cluster/x`, { method: 'POST' })).status, 405);
  });
}

test('a released cluster comes back with its name under another id: at once (v0.6), or when the queue gets there (v0.9)', async (t) => {
  for (const dialect of ['v0.6', 'v0.9'] as const) {
    const fake = await cello(t, [{}], { dialect, manual: true });
    const held = await ask(fake, 'cluster_op?action=apply&user_id=u');
    t.like(await ask(fake, `cluster_op?action=release&cluster_id=${idOf(held)}`), { http: 200, data: {} });
    const [now] = (await ask(fake, 'clusters')).data as { id: string; name: string; user_id: string }[];
    t.is(now?.name, 'cluster-1');
    t.is(now?.user_id, dialect === 'v0.6' ? '' : '__SYSTEM__DELETING');
    t.is(now?.id !== idOf(held), dialect === 'v0.6');
    fake.recycle();
    t.not(idsOf(await ask(fake, 'clusters?user_id='))[0], idOf(held));
    t.is((await ask(fake, `cluster/${idOf(held)}`)).code, 404);
    t.is(idsOf(await ask(fake, 'clusters?state=released')).length, dialect === 'v0.6' ? 0 : 1);
  }
});

test('filters compare with the stored type, and "False" in a query is true (first import)', async (t) => {
  const fake = await cello(t);
  t.deepEqual(idsOf(await ask(fake, 'clusters?size=4')), []);
  t.is(idsOf(await ask(fake, 'clusters', { size: 4 })).length, 2);
  // The documentation filters by `user`, which is no field.
  t.deepEqual(idsOf(await ask(fake, 'clusters', { user: '' })), []);
  t.is(idsOf(await ask(fake, 'clusters', { user_id: '' })).length, 2);
  const first = await ask(fake, 'cluster_op?action=apply&user_id=u&allow_multiple=False');
  const again = await ask(fake, 'cluster_op?action=apply&user_id=u&allow_multiple=False');
  t.not(idOf(again), idOf(first));
});

test('a form and a body without a type are read too, and the query comes first (first import)', async (t) => {
  const fake = await cello(t);
  const form = await fetch(`${fake.url}/v2/cluster_op`, {
    method: 'POST',
    body: new URLSearchParams({ action: 'apply', user_id: 'form' }),
  });
  t.is(((await form.json()) as { data: { user_id: string } }).data.user_id, 'form');
  const both = await ask(fake, 'cluster_op?action=apply&user_id=query', { user_id: 'body' });
  t.is((both.data as { user_id: string }).user_id, 'query');
});

test('v0.8 and later: two applies at once may get one cluster; v0.6 takes it in one step', async (t) => {
  for (const dialect of ['v0.6', 'v0.9'] as const) {
    const fake = await cello(t, [{}], { dialect, gapMs: 100 });
    const answers = await Promise.all(
      ['u1', 'u2'].map((user) => ask(fake, 'cluster_op?action=apply', { user_id: user })),
    );
    t.is(answers.filter(({ status }) => status === 'OK').length, dialect === 'v0.6' ? 1 : 2);
  }
});

test('the older release lets go of all that a user holds (first import)', async (t) => {
  const fake = await cello(t);
  await ask(fake, 'cluster_apply', { user_id: 'u' });
  await ask(fake, 'cluster_apply', { user_id: 'u', allow_multiple: true });
  t.like(await ask(fake, 'cluster_release?user_id=u'), { http: 200 });
  t.is(idsOf(await ask(fake, 'clusters', { user_id: '' })).length, 2);
});
