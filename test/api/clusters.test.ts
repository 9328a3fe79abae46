import * as fc from 'fast-check';
import test from 'ava';
import type { Config } from '../../engine/config.ts';
import { addToken } from '../../engine/store/tokens.ts';
import { FAST, insertExecution } from '../cluster-pool/helper.ts';
import { startNodeServer } from '../helpers/node-server.ts';
import { waitFor } from '../helpers/waiting.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- tests read what a client reads
type Reply = { readonly http: number; readonly body: any };
type Call = (method: 'GET' | 'POST', path: string, body?: unknown, headers?: Record<string, string>) => Promise<Reply>;

const POOLS = {
  small: { provider: 'fake', capacity: 2, min_free: 2, labels: { zone: 'a', version: '3.5.9' } },
  wide: { provider: 'fake', capacity: 1, min_free: 1, type: 'flink', mode: 'session', sizes: [2, 4] },
};

async function start(
  t: { teardown(run: () => Promise<void>): void },
  settings: Partial<Config> = {},
): Promise<Awaited<ReturnType<typeof startNodeServer>> & { call: Call; free(count: number): Promise<void> }> {
  const server = await startNodeServer(t, { pools: POOLS, clusters: FAST, ...settings });
  const call: Call = async (method, path, body, headers = {}) => {
    const isText = typeof body === 'string';
    const response = await fetch(`${server.url}${path}`, {
      method,
      headers: { ...(body !== undefined && !isText && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { http: response.status, body: JSON.parse(text) };
  };
  const free = async (count: number) => {
    await waitFor(`${count} free clusters`, async () => {
      const rows = await server.store.reader('clusters').where({ user_id: '', status: 'running', health: 'OK' });
      return rows.length === count;
    });
  };
  return { ...server, call, free };
}

const ok = (data: unknown) => ({ http: 200, body: { status: 'OK', code: 200, error: '', data } });
const fail = (error: string, code = 400, http = 400) => ({ http, body: { status: 'FAIL', code, error, data: '' } });

test('apply: parameters from query, form and JSON, both verbs, the same cluster for the same user, exact answers', async (t) => {
  const { call, free } = await start(t);
  await free(3);
  const applied = await call('POST', '/v2/cluster_op?action=apply', { user_id: 'ann', consensus_plugin: 'spark' });
  const cluster = applied.body.data;
  const { id, create_ts: created, apply_ts: at, lease, name } = cluster;
  t.regex(at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  t.deepEqual(
    applied,
    ok({
      id,
      name,
      user_id: 'ann',
      host_id: 'small',
      pool: 'small',
      type: 'spark',
      mode: 'standalone',
      consensus_plugin: 'spark',
      consensus_mode: 'standalone',
      size: 1,
      cores: 1,
      labels: { zone: 'a', version: '3.5.9' },
      status: 'running',
      health: 'OK',
      endpoints: { master: `fake://${name}` },
      service_url: { master: `fake://${name}` },
      api_url: `fake://${name}`,
      daemon_url: 'local://',
      worker_api: 'local://',
      nodes: [
        { name: 'master', pid: null, state: 'running' },
        { name: 'w0', pid: null, state: 'running' },
      ],
      containers: ['master', 'w0'],
      mapped_ports: {},
      create_ts: created,
      apply_ts: at,
      release_ts: '',
      duration: '',
      lease: { id: lease.id, owner: 'ann', expires_at: null, scope: 'execution' },
    }),
  );
  // Again, in every way that a parameter can come.
  t.deepEqual(await call('GET', '/v2/cluster_op?action=apply&user_id=ann&type=spark'), applied);
  t.deepEqual(await call('POST', '/v2/cluster_apply', { user_id: 'ann', mode: 'standalone' }), applied);
  t.deepEqual(
    await call('GET', '/v2/cluster_apply?user_id=ann&consensus_mode=standalone&allow_multiple=False'),
    applied,
  );
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  t.deepEqual(await call('POST', '/v2/cluster_op', 'action=apply&user_id=ann&type=spark&size=1', form), applied);
  t.deepEqual(await call('POST', '/v2/cluster_op', '{"action": "apply", "user_id": "ann", "size": 1}'), applied);
  t.deepEqual(
    await call('POST', '/v2/cluster_op?action=apply&user_id=ann', { action: 'release', user_id: 'eve', size: '1' }),
    applied,
  );
  // Another one, and then no more.
  const second = await call('GET', '/v2/cluster_op?action=apply&user_id=ann&allow_multiple=1&labels.zone=a&type=spark');
  t.is(second.body.data.user_id, 'ann');
  t.not(second.body.data.id, id);
  t.deepEqual(
    await call('POST', '/v2/cluster_op', { action: 'apply', user_id: 'ben', type: 'spark' }),
    fail('No available res for ben'),
  );
  t.deepEqual(
    await call('POST', '/v2/cluster_op?action=apply', { user_id: 'ann', allow_multiple: true, type: 'spark' }),
    fail('No available res for ann'),
  );
  t.deepEqual(await call('GET', '/v2/cluster_apply?user_id=cat&wait=0.1&type=spark'), fail('No available res for cat'));
  t.is((await call('GET', '/v2/cluster_apply?user_id=flo&size_min=2')).body.data.type, 'flink');
  t.deepEqual(await call('GET', '/v2/cluster_apply?user_id=flo&labels.zone=b'), fail('No available res for flo'));

  for (const [query, error] of [
    ['', 'cluster_apply without user_id'],
    ['user_id=', 'cluster_apply without user_id'],
    ['user_id=a&consensus_plugin=pbft', 'Invalid consensus_plugin'],
    ['user_id=a&type=spark&consensus_mode=batch', 'Invalid consensus_mode'],
    ['user_id=a&size=3', 'Invalid cluster_size'],
    ['user_id=a&size=many', 'Invalid cluster_size'],
    ['user_id=a&size=-1', 'Invalid cluster_size'],
    ['user_id=a&size_min=5', 'Invalid cluster_size'],
    ['user_id=a&type=spark&size=2', 'Invalid cluster_size'],
    ['user_id=__SYSTEM__CREATING', 'Invalid user_id'],
    ['user_id=a%00b', 'Invalid user_id'],
    [`user_id=${'a'.repeat(256)}`, 'Invalid user_id'],
    ['user_id=a&wait=soon', 'Invalid wait'],
    ['user_id=a&wait=-1', 'Invalid wait'],
    ['user_id=a&ttl=0', 'Invalid ttl'],
    ['user_id=a&ttl=x', 'Invalid ttl'],
    ['user_id=a&scope=world', 'Invalid scope'],
    ['user_id=a&labels=3', 'Invalid labels'],
    ['user_id=a&execution_id=nobody', 'The execution nobody does not exist'],
  ] as const) {
    t.deepEqual(await call('GET', `/v2/cluster_apply?${query}`), fail(error), query);
    t.deepEqual(await call('POST', `/v2/cluster_op?action=apply&${query}`), fail(error), query);
  }
  t.deepEqual(await call('POST', '/v2/cluster_apply', { user_id: ['a'] }), fail('Invalid user_id'));
  t.deepEqual(await call('GET', '/v2/cluster_op?action=dance'), fail('Unknown action type'));
  t.deepEqual(await call('POST', '/v2/cluster_op'), fail('Unknown action type'));
  t.deepEqual(await call('POST', '/v2/cluster_op', { action: { apply: 1 } }), fail('Unknown action type'));
});

test('apply with a key and with a wait: the same lease, and whoever hangs up keeps nothing', async (t) => {
  const { call, free, url, store } = await start(t, {
    pools: { one: { provider: 'fake', min_free: 1 } },
    clusters: { ...FAST, attended_seconds: 8 },
  });
  await free(1);
  const body = { action: 'apply', user_id: 'u', lease_key: 'k', ttl: 500, scope: 'none', allow_multiple: true };
  const first = await call('POST', '/v2/cluster_op', body);
  t.is(first.body.data.lease.scope, 'none');
  t.deepEqual(await call('POST', '/v2/cluster_op', body), first);
  const renewed = await call('POST', '/v2/cluster_op', { action: 'renew', cluster_id: first.body.data.id, ttl: 900 });
  t.deepEqual(renewed, ok({ ...first.body.data.lease, expires_at: renewed.body.data.expires_at }));
  t.true(renewed.body.data.expires_at > first.body.data.lease.expires_at);
  t.deepEqual(await call('GET', '/v2/cluster_op?action=renew'), fail('No cluster_id is given'));
  t.deepEqual(
    await call('GET', '/v2/cluster_op?action=renew&cluster_id=x'),
    fail('no open lease of cluster id=x', 404),
  );

  const gone = new AbortController();
  const hanging = fetch(`${url}/v2/cluster_apply?user_id=gone&wait=600`, { signal: gone.signal }).catch(() => null);
  const waiting = () => store.reader('cluster_waiters').where({ user_id: 'gone', state: 'waiting' });
  await waitFor('the ticket', async () => (await waiting()).length === 1);
  gone.abort();
  await hanging;
  await waitFor('the end of the ticket', async () => (await waiting()).length === 0);

  // Who holds his connection open keeps his place, and nobody else does: a server that dies leaves none that is served for ever.
  const place = async (user: string): Promise<{ state: string; deadline: number } | undefined> =>
    store.reader('cluster_waiters').where({ user_id: user }).first('state', 'deadline');
  const patient = call('GET', '/v2/cluster_apply?user_id=patient&wait=600');
  await waitFor(
    'the next ticket',
    async () => (await store.reader('cluster_waiters').where({ user_id: 'patient' })).length === 1,
  );
  const before = await place('patient');
  t.true((before?.deadline ?? 0) < Date.now() + 10_000);
  const row = await store.reader('cluster_waiters').where({ user_id: 'patient' }).first();
  await store.writer('cluster_waiters').insert({ ...row, ticket: 'left', seq: -1, user_id: 'left' });
  await waitFor('the end of the place that nobody holds', async () => (await place('left'))?.state === 'over');
  const later = await place('patient');
  t.is(later?.state, 'waiting');
  t.true((later?.deadline ?? 0) > (before?.deadline ?? 0));
  t.deepEqual(await call('GET', `/v2/cluster_release?cluster_id=${first.body.data.id}`), ok(''));
  t.is((await patient).body.data.user_id, 'patient');
});

test('release: by cluster, by user, twice, of unknown ones, and not of others', async (t) => {
  const { call, free } = await start(t);
  await free(3);
  const apply = async (user: string) =>
    (await call('GET', `/v2/cluster_apply?user_id=${user}&allow_multiple=yes`)).body.data;
  const [ann, ben] = [await apply('ann'), await apply('ben')];
  const release = '/v2/cluster_op?action=release';
  t.deepEqual(await call('GET', release), fail('No cluster_id is given'));
  t.deepEqual(await call('POST', '/v2/cluster_release'), fail('No cluster_id is given'));
  t.deepEqual(
    await call('POST', release, { cluster_id: ben.id, user_id: 'ann' }),
    fail(`cluster ${ben.id} is not held by ann`, 403),
  );
  t.deepEqual(await call('GET', `${release}&cluster_id=${ben.id}&user_id=ben`), ok(''));
  t.deepEqual(await call('GET', `${release}&cluster_id=${ben.id}`), ok(''));
  t.deepEqual(await call('POST', release, { cluster_id: 'unknown' }), ok(''));
  await apply('ann');
  t.deepEqual(await call('POST', '/v2/cluster_release', { user_id: 'ann' }), ok(''));
  t.deepEqual(await call('GET', `${release}&user_id=nobody`), ok(''));
  await free(3);
  const next = (await call('POST', '/v2/clusters', { name: ann.name })).body.data;
  t.is(next.length, 1);
  t.not(next[0].id, ann.id);
  // The id was that of a life, which is over; its record stays in the list of these, its events can be read.
  t.deepEqual(await call('GET', `/v2/cluster/${ann.id}`), fail(`cluster not found with id=${ann.id}`, 404));
  const over = await call('GET', `/v2/clusters?state=released&id=${ann.id}`);
  t.like(over.body.data, [{ id: ann.id, user_id: 'ann', status: 'released', health: '' }]);
  const told = (await call('GET', `/v2/cluster/${ann.id}/events`)).body.data;
  t.is(told.at(-1).event, 'ended');
  t.deepEqual(await call('GET', `/v2/cluster/${ann.id}/log`), fail('the life is over, its logs are gone', 404));
});

test('start, stop and restart: of a cluster and of a node', async (t) => {
  const { call, free } = await start(t);
  await free(3);
  const { id } = (await call('GET', '/v2/cluster_apply?user_id=ann&type=spark')).body.data;
  const state = async () => {
    const { status, health, user_id: user } = (await call('GET', `/v2/cluster/${id}`)).body.data;
    return `${status} ${health} ${user}`;
  };
  for (const action of ['start', 'stop', 'restart'] as const) {
    t.deepEqual(await call('GET', `/v2/cluster_op?action=${action}`), fail('No cluster_id is given'));
    t.deepEqual(await call('POST', '/v2/cluster_op', { action, cluster_id: 'x' }), fail(`cluster ${action} failed`));
  }
  t.deepEqual(await call('GET', `/v2/cluster_op?action=stop&cluster_id=${id}`), ok(''));
  t.is(await state(), 'stopped  ann');
  t.deepEqual(await call('POST', '/v2/cluster_op', { action: 'start', cluster_id: id }), ok(''));
  t.is(await state(), 'running OK ann');
  t.deepEqual(await call('POST', '/v2/cluster_op', { action: 'restart', cluster_id: id, node_id: 'w0' }), ok(''));
  t.deepEqual(
    await call('GET', `/v2/cluster_op?action=stop&cluster_id=${id}&node_id=w7`),
    fail('cluster stop failed: there is no node w7'),
  );

  // The same as actions of workflows.
  const act = async (name: string, input: object) => {
    const { body } = await call('POST', '/v2/action_executions', { name, input: JSON.stringify(input) });
    return { state: body.state, result: JSON.parse(body.output).result };
  };
  const nodes = (found: { nodes: { name: string; state: string }[] }) => found.nodes.map((node) => node.state);
  const stopped = await act('cluster.stop', { cluster_id: id, node: 'w0' });
  t.like(stopped, { state: 'SUCCESS', result: { id, status: 'running', user_id: 'ann' } });
  t.deepEqual(nodes(stopped.result), ['running', 'stopped']);
  t.deepEqual(nodes((await act('cluster.start', { cluster_id: id, node: 'w0' })).result), ['running', 'running']);
  t.like(await act('cluster.stop', { cluster_id: id }), { result: { status: 'stopped', health: '' } });
  t.like(await act('cluster.restart', { cluster_id: id }), { result: { status: 'running', health: 'OK' } });
  t.like(await act('cluster.start', { cluster_id: id, node: 'w7' }), {
    state: 'ERROR',
    result: { code: 'CLUSTER_BAD_REQUEST', message: 'cluster start failed: there is no node w7' },
  });
  // Drained, it keeps its user and its state.
  await call('POST', '/v2/cluster_op', { action: 'drain', cluster_id: id });
  t.like(await act('cluster.stop', { cluster_id: id }), { state: 'SUCCESS', result: { status: 'draining' } });
});

test('list and get: filters of every kind, exact objects, nothing for what is no such thing', async (t) => {
  const { call, free } = await start(t);
  await free(3);
  const { id, name } = (await call('GET', '/v2/cluster_apply?user_id=ann&type=spark')).body.data;
  const names = async (method: 'GET' | 'POST', query: string, body?: object) => {
    const { http, body: reply } = await call(method, `/v2/clusters${query}`, body);
    t.is(http, 200);
    return reply.data.map((cluster: { name: string }) => cluster.name).toSorted();
  };
  const other = name === 'small-1' ? 'small-2' : 'small-1';
  for (const [query, body, expected] of [
    ['', {}, ['small-1', 'small-2', 'wide-1']],
    ['?user_id=', { user_id: '' }, [other, 'wide-1']],
    ['?user_id=ann', { user_id: 'ann' }, [name]],
    ['?user=ann', { user: 'ann' }, [name]],
    ['?size=2', { size: 2 }, ['wide-1']],
    ['?size_min=1', { size_min: 1 }, ['small-1', 'small-2', 'wide-1']],
    ['?size=x', { size: 'x' }, []],
    ['?size=99999999999999999999', { size: 1e30 }, []],
    ['?consensus_plugin=flink', { type: 'flink' }, ['wide-1']],
    ['?mode=session', { consensus_mode: 'session' }, ['wide-1']],
    ['?host_id=small', { pool: 'small' }, ['small-1', 'small-2']],
    ['?zone=a', { 'labels.zone': 'a' }, ['small-1', 'small-2']],
    ['?labels=%7B%22zone%22%3A%22a%22%7D', { labels: { zone: 'a' } }, ['small-1', 'small-2']],
    ['?nonsense=1', { nonsense: 1 }, []],
    ['?status=running&health=OK', { status: 'running', health: 'OK' }, ['small-1', 'small-2', 'wide-1']],
    ['?status=stopped', { status: 'stopped' }, []],
    [`?id=${id}`, { id }, [name]],
    [`?name=${name}`, { name }, [name]],
    [`?api_url=fake://${name}`, { api_url: `fake://${name}` }, [name]],
    ['?cores=2', { cores: 2 }, ['wide-1']],
    ['?free=true', { free: true }, [other, 'wide-1']],
    ['?state=active', { state: 'active' }, ['small-1', 'small-2', 'wide-1']],
    ['?state=released', { state: 'released' }, []],
    ['?state=odd', { state: 'odd' }, []],
  ] as const) {
    t.deepEqual(await names('GET', query), [...expected].toSorted(), `GET ${query}`);
    t.deepEqual(await names('POST', '', body), [...expected].toSorted(), `POST ${JSON.stringify(body)}`);
  }
  t.deepEqual(await call('GET', '/v2/clusters?user_id=ann&ids_only=true'), ok([id]));
  const [listed] = (await call('GET', `/v2/clusters?id=${id}`)).body.data;
  t.deepEqual(await call('GET', `/v2/cluster/${id}`), ok(listed));
  t.deepEqual(await call('GET', '/v2/cluster/nobody'), fail('cluster not found with id=nobody', 404));
  t.deepEqual(await call('GET', '/v2/cluster/%00'), fail('cluster not found with id=\0', 404));
  t.is((await fetch(`${(await start(t)).url}/v2/cluster/x`, { method: 'POST' })).status, 405);

  t.deepEqual(await call('GET', `/v2/cluster/${id}/log?node=w0&tail=5`), ok(`${name} says nothing\n`));
  t.deepEqual(await call('GET', `/v2/cluster/${id}/log?node=w9`), fail('the cluster has no node w9', 404));
  t.deepEqual(await call('GET', `/v2/cluster/${id}/log?tail=0`), fail('Invalid tail'));
  t.deepEqual(await call('GET', '/v2/cluster/nobody/log'), fail('cluster not found with id=nobody', 404));
  const { data: told } = (await call('GET', `/v2/cluster/${id}/events`)).body;
  t.deepEqual(
    told.map(({ event }: { event: string }) => event),
    ['creating', 'created', 'granted'],
  );
  t.deepEqual(await call('GET', '/v2/cluster/nobody/events'), fail('cluster not found with id=nobody', 404));
  const { data: pools } = (await call('GET', '/v2/cluster_pools')).body;
  t.like(pools[0], {
    name: 'small',
    provider: 'fake',
    capacity: 2,
    total: 2,
    free: 1,
    leased: 1,
    waiting: 0,
    sizes: [1],
  });
  const { data: leases } = (await call('GET', '/v2/cluster_leases?user_id=ann')).body;
  t.like(leases[0], { cluster_id: id, user_id: 'ann', released_at: null, remote: null, scope: 'execution' });
  t.deepEqual(await call('GET', '/v2/cluster_leases?user_id=ben'), ok([]));
});

test('what is ours beyond Cello: keys, times, executions and scopes of leases, in both verbs, with exact answers', async (t) => {
  const { call, free, store } = await start(t, {
    pools: { p: { provider: 'fake', capacity: 2, min_free: 2, max_lease_seconds: 1000 } },
    clusters: { ...FAST, max_leases: 2, max_tickets: 1 },
  });
  await free(2);
  const applied = await call('GET', '/v2/cluster_apply?user_id=ann&lease_key=k&ttl=500&scope=root');
  const { lease, id } = applied.body.data;
  t.is(lease.scope, 'root');
  const [row] = (await call('GET', '/v2/cluster_leases')).body.data;
  t.deepEqual(row, {
    id: lease.id,
    lease_key: 'k',
    cluster_id: id,
    project_id: row.project_id,
    user_id: 'ann',
    execution_id: null,
    root_execution_id: null,
    scope: 'root',
    granted_at: row.granted_at,
    renewed_at: row.granted_at,
    expires_at: row.granted_at + 500_000,
    released_at: null,
    release_reason: null,
    remote: null,
  });
  for (const [execution, state] of [
    ['over', 'SUCCESS'],
    ['runs', 'PAUSED'],
  ] as const) {
    await insertExecution(store, execution, state);
    await store.writer('executions').where({ id: execution }).update({ project_id: row.project_id });
  }
  const none = 'No available res for';
  const refusals: readonly (readonly [string, Record<string, unknown>, string, number?])[] = [
    ['apply', { user_id: 'ben', lease_key: 'k' }, 'lease_key belongs to another user'],
    ['apply', { user_id: 'ben', lease_key: 'k'.repeat(301) }, 'Invalid lease_key'],
    ['apply', { user_id: 'ben', execution_id: 'over' }, 'The execution over has ended or does not exist'],
    ['apply', { user_id: 'ben', execution_id: 'nobody', scope: 'none' }, 'The execution nobody does not exist'],
    ['apply', { user_id: 'ben', name: 'p-9' }, `${none} ben`],
    ['apply', { user_id: 'ben', 'labels.zone': 'x' }, `${none} ben`],
    ['apply', { user_id: 'ben', size_min: 2 }, 'Invalid cluster_size'],
    ['apply', { user_id: 'ben', size_min: 'x' }, 'Invalid cluster_size'],
    ['apply', { user_id: 'ben', size: 1.5 }, 'Invalid cluster_size'],
    ['apply', { user_id: 'ben', wait: 3601 }, 'Invalid wait'],
    ['apply', { user_id: 'ben', wait: 'x' }, 'Invalid wait'],
    ['apply', { user_id: 'ben', ttl: -1 }, 'Invalid ttl'],
    ['apply', { user_id: 'ben', ttl: 1e10 }, 'Invalid ttl'],
    ['apply', { user_id: 'ben', scope: 'all' }, 'Invalid scope'],
    ['release', { cluster_id: id, user_id: 'ben' }, `cluster ${id} is not held by ben`, 403],
    ['renew', {}, 'No cluster_id is given'],
    ['renew', { cluster_id: 'x' }, 'no open lease of cluster id=x', 404],
    ['renew', { cluster_id: id, ttl: 0 }, 'Invalid ttl'],
    ['renew', { cluster_id: id, ttl: 'x' }, 'Invalid ttl'],
    ['renew', { cluster_id: id, user_id: 'ben' }, `cluster ${id} is not held by ben`, 403],
    ['create', {}, 'No pool is given'],
    ['create', { pool: 'q' }, 'no pool q', 404],
    ['create', { pool: 'p', size: 3 }, 'Invalid cluster_size'],
    ['create', { pool: 'p', size: 'x' }, 'Invalid cluster_size'],
    ['create', { pool: 'p', name: 'a b' }, 'Invalid name'],
    ['create', { pool: 'p', name: 'p-1' }, 'there is a cluster p-1'],
    ['create', { pool: 'p' }, 'the pool p is full'],
    ['delete', {}, 'No cluster_id is given'],
    ['delete', { cluster_id: 'x' }, 'cluster not found with id=x', 404],
    ['delete', { cluster_id: id }, `cluster ${id} is held by ann`],
    ['drain', {}, 'No cluster_id is given'],
    ['drain', { cluster_id: 'x' }, 'cluster not found with id=x', 404],
    ['drain', { pool: 'q' }, 'no pool q', 404],
    ['undrain', {}, 'No cluster_id is given'],
    ['undrain', { cluster_id: 'x' }, 'cluster not found with id=x', 404],
    ['undrain', { pool: 'q' }, 'no pool q', 404],
    ...(['release', 'start', 'stop', 'restart', 'renew', 'delete', 'drain'] as const).map(
      (action) => [action, { cluster_id: '\0' }, 'Invalid cluster_id'] as const,
    ),
  ];
  for (const [action, parameters, error, code] of refusals) {
    const words = new URLSearchParams(
      Object.entries(parameters).map(([name, one]): [string, string] => [name, String(one)]),
    );
    const what = `${action} ${JSON.stringify(parameters)}`;
    t.deepEqual(await call('GET', `/v2/cluster_op?action=${action}&${words}`), fail(error, code), `GET ${what}`);
    t.deepEqual(await call('POST', '/v2/cluster_op', { action, ...parameters }), fail(error, code), `POST ${what}`);
  }
  // Renewals: from now on, never longer than the pool lets; without a time as it was given for.
  for (const [ttl, seconds] of [
    ['', 500],
    ['&ttl=20', 20],
    ['&ttl=5000', 1000],
  ] as const)
    for (const method of ['GET', 'POST'] as const) {
      if (ttl === '' && method === 'POST') continue;
      const renewed = await call(method, `/v2/cluster_op?action=renew&cluster_id=${id}${ttl}&user_id=ann`);
      const [now] = (await call('GET', `/v2/cluster_leases?cluster_id=${id}`)).body.data;
      t.deepEqual(renewed, ok({ ...lease, expires_at: now.renewed_at + seconds * 1000 }));
    }
  // A lease of an execution that goes on; then the project has as many as it may.
  const second = await call('POST', '/v2/cluster_apply', { user_id: 'ben', execution_id: 'runs' });
  t.like(second.body.data, { user_id: 'ben', lease: { scope: 'execution' } });
  const own = (await call('GET', '/v2/cluster_leases?execution_id=runs')).body.data;
  t.like(own, [{ user_id: 'ben', execution_id: 'runs', root_execution_id: 'runs' }]);
  t.is(own[0].expires_at, own[0].granted_at + 1_000_000);
  const full = fail('The project holds 2 clusters, as many as it may have', 403);
  t.deepEqual(await call('GET', '/v2/cluster_apply?user_id=cat'), full);
  t.deepEqual(await call('POST', '/v2/cluster_op', { action: 'apply', user_id: 'cat' }), full);
  const waiting = call('POST', '/v2/cluster_apply', { user_id: 'cat', wait: 600, lease_key: 'c' });
  await waitFor('the ticket', async () => (await store.reader('cluster_waiters').select('ticket')).length === 1);
  const queue = fail('The project has 1 tickets waiting, as many as it may have', 403);
  t.deepEqual(await call('GET', '/v2/cluster_apply?user_id=dan&wait=600'), queue);
  const [pool] = (await call('GET', '/v2/cluster_pools')).body.data;
  t.deepEqual(pool, {
    name: 'p',
    provider: 'fake',
    type: 'spark',
    mode: 'standalone',
    sizes: [1],
    labels: {},
    capacity: 2,
    min_free: 2,
    max_lease_seconds: 1000,
    schedulable: true,
    recycle: 'recreate',
    host: '',
    total: 2,
    free: 0,
    leased: 2,
    waiting: 1,
  });
  t.deepEqual(await call('GET', `/v2/cluster_release?cluster_id=${id}&user_id=ann`), ok(''));
  t.is((await waiting).body.data.user_id, 'cat');
  const over = fail('The lease of lease_key k is over; use another key for another lease');
  t.deepEqual(await call('GET', '/v2/cluster_apply?user_id=ann&lease_key=k'), over);
  t.deepEqual(await call('POST', '/v2/cluster_op', { action: 'apply', user_id: 'ann', lease_key: 'k' }), over);
  const all = (await call('GET', `/v2/cluster_leases?state=all&cluster_id=${id}`)).body.data;
  t.like(all, [{ id: lease.id, release_reason: 'released' }]);
});

test('administrators create, drain and delete clusters, and nobody else does', async (t) => {
  const { call, free, store } = await start(t, {
    authMode: 'token',
    pools: { p: { provider: 'fake', capacity: 3, min_free: 1 } },
    clusters: { ...FAST, strict: true, require_owner: true },
  });
  await free(1);
  for (const [token, role] of [
    ['boss', 'admin'],
    ['ann', 'x'],
    ['eve', 'x'],
  ] as const)
    await addToken(store.writer, { token, projectId: token, userId: token, roles: [role], expiresAt: null });
  const as = (token: string) => (method: 'GET' | 'POST', path: string, body?: unknown) =>
    call(method, path, body, { 'x-auth-token': token });
  const forbidden = fail('Operation forbidden (insufficient permissions)', 403, 403);
  for (const action of ['create', 'delete', 'drain', 'undrain'])
    t.deepEqual(await as('ann')('POST', '/v2/cluster_op', { action, pool: 'p', cluster_id: 'x' }), forbidden, action);
  const boss = as('boss');
  const created = await boss('POST', '/v2/cluster_op', { action: 'create', pool: 'p', name: 'own' });
  t.like(created.body.data, { name: 'own', status: 'creating', user_id: '__SYSTEM__CREATING' });
  await free(2);
  t.deepEqual(await boss('GET', '/v2/cluster_op?action=create'), fail('No pool is given'));
  t.deepEqual(await boss('GET', '/v2/cluster_op?action=create&pool=q'), fail('no pool q', 404, 404));
  t.deepEqual(await boss('GET', '/v2/cluster_op?action=create&pool=p&size=7'), fail('Invalid cluster_size'));
  t.deepEqual(await boss('GET', '/v2/cluster_op?action=create&pool=p&name=own'), fail('there is a cluster own'));
  const { id } = created.body.data;
  t.is((await as('ann')('GET', '/v2/cluster_apply?user_id=a&name=own')).body.data.id, id);
  // What another project holds is not there; with `require_owner` its own user must be named.
  t.deepEqual(await as('eve')('GET', `/v2/cluster/${id}`), fail(`cluster not found with id=${id}`, 404, 404));
  t.deepEqual(await as('eve')('GET', `/v2/cluster_release?cluster_id=${id}&user_id=a`), ok(''));
  t.is((await as('ann')('GET', `/v2/cluster_release?cluster_id=${id}`)).http, 403);
  t.is((await as('eve')('GET', `/v2/cluster_op?action=stop&cluster_id=${id}`)).http, 400);
  t.is((await as('ann')('GET', `/v2/cluster_op?action=stop&cluster_id=${id}&user_id=b`)).http, 403);
  t.deepEqual(await boss('GET', `/v2/cluster_op?action=delete&cluster_id=${id}`), fail(`cluster ${id} is held by a`));
  t.deepEqual(await boss('GET', '/v2/cluster_op?action=delete'), fail('No cluster_id is given'));
  t.deepEqual(await boss('GET', `/v2/cluster_op?action=drain&cluster_id=${id}`), ok({ drained: [id] }));
  t.deepEqual(await boss('GET', `/v2/cluster_op?action=undrain&cluster_id=${id}`), ok({ undrained: [id] }));
  t.is((await boss('GET', `/v2/cluster_op?action=delete&cluster_id=${id}&force=true`)).body.data.status, 'deleting');
  t.is((await boss('GET', '/v2/cluster_op?action=drain&pool=p')).body.data.drained.length, 1);
  t.deepEqual(await boss('POST', '/v2/cluster_op', { action: 'drain' }), fail('No cluster_id is given'));
});

test('hostile requests are refused, and none of them breaks the server', async (t) => {
  const { url, call, free } = await start(t);
  await free(3);
  // Some requests meet what is there: a cluster that somebody holds, and one that is free.
  const held = (await call('GET', '/v2/cluster_apply?user_id=ann&lease_key=k')).body.data.id;
  const idle = (await call('GET', '/v2/clusters?free=true')).body.data[0].id;
  const names = [
    'action',
    'user_id',
    'cluster_id',
    'size',
    'size_min',
    'labels',
    'allow_multiple',
    'wait',
    'ttl',
    'lease_key',
    'execution_id',
    'scope',
    'node_id',
    'name',
    'state',
    'pool',
    'id',
    'status',
    '__proto__',
    'constructor',
    'tail',
    'node',
    'ids_only',
    'free',
    'force',
    'user',
    'labels.zone',
  ];
  const value = fc.oneof(
    fc.constantFrom(
      'apply',
      'release',
      'start',
      'stop',
      'renew',
      'create',
      'delete',
      'drain',
      'undrain',
      'restart',
      held,
      idle,
      'ann',
      'k',
      'w0',
      'small',
      'spark',
      'flink',
      '',
      '0',
      '-1',
      '1e999',
      '99999999999999999999',
      'NaN',
      '\0',
      '\ud800',
      "' or 1=1 --",
      '%',
      'a'.repeat(5000),
    ),
    fc.string(),
    fc.jsonValue({ maxDepth: 3 }),
  );
  const parameters = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 5, noNullPrototype: true });
  const path = fc.constantFrom(
    '/v2/cluster_op',
    '/v2/clusters',
    '/v2/cluster_apply',
    '/v2/cluster_release',
    '/v2/cluster/x',
    '/v2/cluster/%00',
    '/v2/cluster/%ff',
    `/v2/cluster/${held}`,
    `/v2/cluster/${held}/log`,
    `/v2/cluster/${idle}/events`,
    '/v2/cluster/x/log',
    '/v2/cluster/x/events',
    '/v2/cluster_pools',
    '/v2/cluster_leases',
  );
  const property = fc.asyncProperty(
    path,
    fc.constantFrom('GET', 'POST'),
    fc.constantFrom('query', 'form', 'json', 'raw'),
    fc.constantFrom(
      'application/json',
      'application/x-www-form-urlencoded',
      'text/plain',
      'text/xml',
      'multipart/form-data',
    ),
    parameters,
    async (target, method, place, type, given) => {
      // A long wait is what was asked for, not a fault.
      const asked = { ...given, wait: 0 };
      // As a client's URL has it: lone surrogates are no text.
      const text = (one: unknown): string => (typeof one === 'string' ? one : JSON.stringify(one));
      const words = new URLSearchParams(
        Object.entries(asked).map(([name, one]): [string, string] => [name, text(one)]),
      ).toString();
      const body =
        place === 'form'
          ? words
          : place === 'json'
            ? JSON.stringify(asked)
            : place === 'raw'
              ? JSON.stringify(asked).slice(1)
              : '';
      const response = await fetch(`${url}${target}${place === 'query' || method === 'GET' ? `?${words}` : ''}`, {
        method,
        ...(method === 'POST' && { body, headers: { 'content-type': type } }),
      });
      const reply = await response.text();
      t.true(
        response.status < 500,
        `${method} ${target} ${place} ${JSON.stringify(asked)}: ${response.status} ${reply}`,
      );
      t.notThrows(() => JSON.parse(reply));
    },
  );
  await fc.assert(property, { numRuns: 250, seed: 11 });
});
