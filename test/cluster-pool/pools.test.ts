import test from 'ava';
import { changePools } from '../../cluster-pool/store/changing.ts';
import { grantOne, loadSupply } from '../../cluster-pool/store/grants.ts';
import type { Supply } from '../../cluster-pool/store/grants.ts';
import { readTimeline } from '../../engine/store/timeline.ts';
import { readPools, readService } from '../../cluster-pool/settings.ts';
import { SYSTEM_USERS } from '../../cluster-pool/contract.ts';
import type { Cluster, ClusterEvent } from '../../cluster-pool/contract.ts';
import { ProviderError } from '../../cluster-pool/provider.ts';
import type { Provider } from '../../cluster-pool/provider.ts';
import { createFake } from '../../cluster-pool/providers/fake.ts';
import type { ProviderFactory } from '../../cluster-pool/providers/index.ts';
import { waitFor } from '../helpers/waiting.ts';
import { applyRequest, granted, insertExecution, lease, leaseAnswer, testPools } from './helper.ts';

const ONE = { small: { provider: 'fake', capacity: 1, min_free: 1 } };

test('a cluster is leased once, given again to its user, and after the release lives on under another id', async (t) => {
  const { pools, store } = await testPools(t, ONE);
  const first = await lease(pools, 'ann');
  t.like(first, { name: 'small-1', user_id: 'ann', status: 'running', health: 'OK', type: 'spark', size: 1 });
  t.is(first.lease?.owner, 'ann');
  t.is(granted(await pools.apply(applyRequest('ann'))).lease?.id, first.lease?.id);
  t.deepEqual(await pools.apply(applyRequest('ben')), { kind: 'none', why: 'No available res for ben' });
  t.deepEqual(await pools.apply(applyRequest('ann', { allow_multiple: true })), {
    kind: 'none',
    why: 'No available res for ann',
  });

  t.deepEqual(await pools.release({ project: 'p', cluster_id: first.id }), { kind: 'released', released: [first.id] });
  t.deepEqual(await pools.release({ project: 'p', cluster_id: first.id }), { kind: 'released', released: [] });
  const second = await lease(pools, 'ben');
  t.is(second.name, first.name);
  t.not(second.id, first.id);
  const [old] = await pools.list('p', { state: 'released' });
  t.like(old, { id: first.id, user_id: 'ann', status: 'released' });
  t.regex(old?.duration ?? '', /^\d+$/);
  const events = (await pools.events('p', first.id)) as readonly ClusterEvent[];
  t.deepEqual(
    events.map(({ event }) => event),
    ['creating', 'created', 'granted', 'released', 'ended'],
  );
  t.is((await store.reader('cluster_leases').whereNull('released_at')).length, 1);
});

test('the database refuses a second open lease of a cluster, whatever the statements do', async (t) => {
  const { pools, store } = await testPools(t, ONE);
  const held = await lease(pools, 'ann');
  const row = await store.writer('cluster_leases').where({ cluster_id: held.id }).first();
  await t.throwsAsync(store.writer('cluster_leases').insert({ ...row, id: 'another' }), {
    message: /one_open_lease|UNIQUE constraint failed: cluster_leases.cluster_id/,
  });
});

test('who waits is served in the order of arrival, past those who want something else, and before who only asks', async (t) => {
  const { pools } = await testPools(t, {
    small: { provider: 'fake', capacity: 1, min_free: 1, sizes: [1] },
    other: { provider: 'fake', capacity: 1, min_free: 1, type: 'flink', mode: 'session' },
  });
  const spark = { filter: { type: 'spark' } };
  const held = await lease(pools, 'holder', spark);
  const other = await lease(pools, 'other', { filter: { type: 'flink' } });
  const tickets: string[] = [];
  for (const user of ['flinker', 'a', 'b']) {
    const filter = user === 'flinker' ? { type: 'flink' } : { type: 'spark' };
    const answer = await pools.apply(applyRequest(user, { wait_s: 600, filter }));
    t.is(answer.kind, 'waiting');
    if (answer.kind === 'waiting') tickets.push(answer.ticket);
  }
  const [flinker = '', a = '', b = ''] = tickets;
  await pools.release({ project: 'p', cluster_id: held.id });
  const forA = granted(await pools.waitFor(a, 60_000));
  t.is(forA.user_id, 'a');
  t.is((await pools.ticket(b)).kind, 'waiting');
  t.is((await pools.ticket(flinker)).kind, 'waiting');

  // Between the release and the next life somebody asks all the time, and gets nothing before b does.
  await pools.release({ project: 'p', cluster_id: forA.id });
  let pushed = 0;
  while ((await pools.ticket(b)).kind === 'waiting') {
    const pushing = await pools.apply(applyRequest(`pusher${pushed++}`, spark));
    t.is(pushing.kind, 'none');
  }
  t.is(granted(await pools.ticket(b)).user_id, 'b');
  await pools.release({ project: 'p', cluster_id: other.id });
  t.is(granted(await pools.waitFor(flinker, 60_000)).type, 'flink');
});

test('a key names one lease for ever, also while it waits and after its end', async (t) => {
  const { pools } = await testPools(t, ONE);
  const held = await lease(pools, 'ann', { lease_key: 'k1', allow_multiple: true });
  t.is(granted(await pools.apply(applyRequest('ann', { lease_key: 'k1', allow_multiple: true }))).id, held.id);
  const waits = await pools.apply(applyRequest('ben', { lease_key: 'k2', wait_s: 60 }));
  t.deepEqual(await pools.apply(applyRequest('ben', { lease_key: 'k2', wait_s: 60 })), waits);
  t.like(await pools.apply(applyRequest('eve', { lease_key: 'k1' })), { kind: 'refused', code: 400 });
  // Keys of other projects are other keys.
  t.is((await pools.apply(applyRequest('ann', { lease_key: 'k1', project: 'q' }))).kind, 'none');
  await pools.release({ project: 'p', user_id: 'ann' });
  t.like(await pools.apply(applyRequest('ann', { lease_key: 'k1' })), { kind: 'refused', code: 400 });
  const forBen = await leaseAnswer(pools, 'ben', { lease_key: 'k2' });
  t.is(granted(forBen).user_id, 'ben');
});

test('a cancelled ticket gets nothing, and gives back what it got', async (t) => {
  const { pools } = await testPools(t, ONE);
  const held = await lease(pools, 'ann');
  const waiting = await pools.apply(applyRequest('ben', { wait_s: 60 }));
  const served = await pools.apply(applyRequest('cat', { wait_s: 60 }));
  if (waiting.kind !== 'waiting' || served.kind !== 'waiting') return t.fail('both should wait');
  await pools.cancelTicket(waiting.ticket);
  t.is((await pools.ticket(waiting.ticket)).kind, 'none');
  await pools.release({ project: 'p', cluster_id: held.id });
  t.is(granted(await pools.waitFor(served.ticket, 60_000)).user_id, 'cat');
  await pools.cancelTicket(served.ticket);
  await pools.cancelTicket(served.ticket);
  await pools.cancelTicket('no such ticket');
  t.deepEqual(await pools.leases('p', {}), []);
  t.is((await lease(pools, 'dan')).user_id, 'dan');
});

test('tickets and leases end with their time, and a lease that is renewed does not', async (t) => {
  const { pools, clock } = await testPools(t, { small: { ...ONE.small, max_lease_seconds: 100 } });
  const held = await lease(pools, 'ann', { ttl_s: 1000 });
  t.true((held.lease?.expires_at ?? 0) <= clock.now() + 100_000);
  const waiting = await pools.apply(applyRequest('ben', { wait_s: 30 }));
  if (waiting.kind !== 'waiting') return t.fail('it should wait');
  clock.advance(60);
  await waitFor('the end of the ticket', async () => (await pools.ticket(waiting.ticket)).kind === 'none');
  t.like(await pools.renew({ project: 'p', cluster_id: held.id, ttl_s: 90 }), { owner: 'ann' });
  t.like(await pools.renew({ project: 'q', cluster_id: held.id, ttl_s: 90 }), { kind: 'refused', code: 404 });
  t.like(await pools.renew({ project: 'p', cluster_id: held.id, ttl_s: 90, by_user_id: 'ben' }), { code: 403 });
  t.like(await pools.renew({ project: 'p', cluster_id: held.id, ttl_s: -1 }), { code: 400 });
  clock.advance(60);
  t.is((await lease(pools, 'ann')).id, held.id);
  clock.advance(60);
  await waitFor('the end of the lease', async () => (await pools.leases('p', {})).length === 0);
  const [over] = await pools.leases('p', { state: 'all' });
  t.is(over?.release_reason, 'expired');
  t.like(await pools.renew({ project: 'p', cluster_id: held.id, ttl_s: 90 }), { kind: 'refused', code: 404 });
});

test('a lease ends with its execution, is renewed while that goes on, and a late apply of an ended one gets nothing', async (t) => {
  const { pools, store, clock } = await testPools(t, { small: { provider: 'fake', capacity: 4, min_free: 4 } });
  for (const id of ['root', 'child', 'other']) await insertExecution(store, id, 'RUNNING');
  const own = { execution_id: 'child', root_execution_id: 'root' };
  const child = await lease(pools, 'child', { ...own, ttl_s: 30 });
  const root = await lease(pools, 'for-root', { ...own, scope: 'root' });
  const none = await lease(pools, 'kept', { ...own, scope: 'none' });
  const other = await lease(pools, 'other', { execution_id: 'other', root_execution_id: 'other' });
  const ticket = await pools.apply(applyRequest('late', { ...own, wait_s: 600, filter: { size: 9 } }));
  if (ticket.kind !== 'waiting') return t.fail('it should wait');

  clock.advance(25);
  const renewed = await waitFor('the renewal', async () => {
    const [one] = await pools.leases('p', { cluster_id: child.id });
    return one !== undefined && (one.expires_at ?? 0) > clock.now() + 20_000 && one;
  });
  t.is(renewed.user_id, 'child');

  t.deepEqual(await pools.releaseOfEndedExecution('child', 'root', 'SUCCESS'), [child.id]);
  t.deepEqual(await pools.releaseOfEndedExecution('child', 'root', 'SUCCESS'), []);
  t.is((await pools.ticket(ticket.ticket)).kind, 'none');
  t.deepEqual(await pools.releaseOfEndedExecution('root', null, 'SUCCESS'), [root.id]);
  t.deepEqual(
    (await pools.leases('p', {})).map(({ cluster_id: id }) => id),
    [none.id, other.id],
  );

  // Nobody tells of this end: it is found.
  await store.writer('executions').where({ id: 'other' }).update({ state: 'ERROR' });
  await waitFor('the end of the lease', async () => (await pools.leases('p', { cluster_id: other.id })).length === 0);
  t.like(await pools.apply(applyRequest('late', { execution_id: 'other', root_execution_id: 'other' })), {
    kind: 'refused',
    code: 400,
  });
  t.like(await pools.apply(applyRequest('late', { execution_id: 'nobody' })), { kind: 'refused', code: 400 });
});

test('a paused execution keeps its lease alive, unless the configuration says otherwise; expiry is then the end', async (t) => {
  for (const renewPaused of [true, false]) {
    const { pools, store, clock } = await testPools(t, ONE, { renew_paused: renewPaused });
    await insertExecution(store, 'e', 'PAUSED');
    const held = await lease(pools, 'ann', { execution_id: 'e', root_execution_id: 'e', ttl_s: 95 });
    const before = held.lease?.expires_at ?? 0;
    clock.advance(70);
    const after = async () => (await pools.leases('p', { cluster_id: held.id, state: 'all' }))[0];
    if (renewPaused) {
      await waitFor('the renewal', async () => ((await after())?.expires_at ?? 0) > before);
      t.is((await after())?.released_at, null);
      continue;
    }
    // Several looks of the reaper leave it as it is; one that comes after its time ends it.
    await pools.renew({ project: 'p', cluster_id: held.id, ttl_s: 5 });
    const due = (await after())?.expires_at;
    clock.advance(6);
    const over = await waitFor('the end', async () => {
      const found = await after();
      return found?.released_at !== null && found;
    });
    t.deepEqual([over.expires_at, over.release_reason], [due, 'expired']);
  }
});

test('who names no ttl has the default one of the pool, also at a renewal, and nobody more than the pool lets', async (t) => {
  const limits = { default_ttl: 50, max_lease_seconds: 100 };
  const { pools, clock } = await testPools(t, { small: { provider: 'fake', capacity: 3, min_free: 3, ...limits } });
  // The clock goes on while a lease is granted, on a crowded machine for seconds.
  const lasts = async (seconds: number, grant: () => Promise<number | null | undefined>) => {
    const before = clock.now();
    const at = (await grant()) ?? 0;
    t.true(at >= before + seconds * 1000 && at <= clock.now() + seconds * 1000, `${at - before} ms, not ${seconds} s`);
  };
  let id = '';
  await lasts(50, async () => {
    const byDefault = await lease(pools, 'ann');
    id = byDefault.id;
    return byDefault.lease?.expires_at;
  });
  await lasts(70, async () => (await lease(pools, 'ben', { ttl_s: 70 })).lease?.expires_at);
  await lasts(100, async () => (await lease(pools, 'cat', { ttl_s: 700 })).lease?.expires_at);
  const renew = (ttl_s: number | null) => async () => {
    const renewed = await pools.renew({ project: 'p', cluster_id: id, ttl_s });
    return 'expires_at' in renewed ? renewed.expires_at : null;
  };
  clock.advance(20);
  await lasts(50, renew(null));
  await lasts(80, renew(80));
  await lasts(80, renew(null));
  await lasts(100, renew(1000));
  clock.advance(50);
  t.is((await pools.leases('p', { user_id: 'ann' })).length, 1);
  clock.advance(51);
  await waitFor('the end of the lease', async () => (await pools.leases('p', { user_id: 'ann' })).length === 0);
});

test('each of the two guards of a grant holds without the other', async (t) => {
  const { pools, store, clock } = await testPools(t, ONE);
  await waitFor('a free cluster', async () => (await pools.list('p', { free: true })).length === 1);
  const grant = (user: string, supply: Supply) =>
    changePools(store, clock, async (change) => grantOne(change, supply, applyRequest(user))).then(
      ({ result }) => result,
    );
  const { result: free } = await changePools(store, clock, async (change) => loadSupply(change));
  const stale = (): Supply => ({ ...free, free: [...free.free] });
  // Without the index: the row is taken only while nobody holds it, however old what one has read of it is.
  const [{ sql }] = await store.writer('sqlite_master').where({ name: 'one_open_lease' }).select('sql');
  await store.writer.raw('drop index one_open_lease');
  const first = await grant('ann', stale());
  t.is(first?.cluster.userId, 'ann');
  t.is(await grant('ben', stale()), null);
  t.is((await pools.leases('p', {})).length, 1);
  // Without the condition, as if the row had been free: the index takes no second open lease.
  await store.writer.raw(String(sql));
  await store.writer('clusters').update({ user_id: '', lease_id: null });
  await t.throwsAsync(grant('ben', stale()), { message: /UNIQUE constraint failed: cluster_leases.cluster_id/ });
  t.deepEqual(
    (await pools.leases('p', {})).map(({ user_id: user }) => user),
    ['ann'],
  );
});

test('leases of remote services are kept with their execution', async (t) => {
  const { pools, store } = await testPools(t, ONE);
  await insertExecution(store, 'e', 'RUNNING');
  const remote = {
    project: 'p',
    user_id: 'wf-e/a',
    connection: 'lab',
    cluster_id: 'c1',
    lease_key: 'k',
    execution_id: 'e',
    root_execution_id: 'e',
    scope: 'execution',
  } as const;
  await pools.recordRemoteLease(remote);
  await pools.recordRemoteLease(remote);
  await pools.recordRemoteLease({ ...remote, connection: 'other', lease_key: null });
  t.deepEqual(await pools.remoteLeasesOf('e', 'e'), [remote, { ...remote, connection: 'other', lease_key: null }]);
  t.deepEqual(await pools.releaseOfEndedExecution('e', 'e', 'SUCCESS'), []);
  t.deepEqual(await pools.remoteLeasesOfEnded(), []);
  await store.writer('executions').where({ id: 'e' }).update({ state: 'CANCELLED' });
  t.is((await pools.remoteLeasesOfEnded()).length, 2);
  await pools.remoteLeaseReleased('lab', 'c1', 'CANCELLED');
  await pools.remoteLeaseReleased('lab', 'c1', 'CANCELLED');
  t.deepEqual(await pools.remoteLeasesOfEnded(), [{ ...remote, connection: 'other', lease_key: null }]);
});

test('a project sees and touches its own leases and what is free, and has no more than its quota', async (t) => {
  const { pools } = await testPools(
    t,
    { small: { provider: 'fake', capacity: 3, min_free: 3 } },
    { max_leases: 1, max_tickets: 1 },
  );
  const mine = await lease(pools, 'ann');
  const theirs = await lease(pools, 'ann', { project: 'q' });
  await waitFor('a free one', async () => (await pools.list('p', { free: true })).length === 1);
  t.deepEqual(
    (await pools.list('p', {})).map(({ id, user_id: user }) => [id === mine.id, user]).toSorted(),
    [
      [false, ''],
      [true, 'ann'],
    ].toSorted(),
  );
  t.is((await pools.list(null, {})).length, 3);
  t.is(await pools.get('p', theirs.id), null);
  t.deepEqual(await pools.release({ project: 'p', cluster_id: theirs.id }), { kind: 'released', released: [] });
  t.like(await pools.operate({ project: 'p', cluster_id: theirs.id, op: 'stop' }), { kind: 'refused', code: 400 });
  t.like(await pools.log('p', theirs.id, null, 10), { code: 404 });
  t.like(await pools.events('p', theirs.id), { code: 404 });
  t.like(await pools.apply(applyRequest('eve')), { kind: 'refused', code: 403 });
  t.is((await pools.apply(applyRequest('eve', { wait_s: 60 }))).kind, 'waiting');
  t.like(await pools.apply(applyRequest('eve', { wait_s: 60 })), { kind: 'refused', code: 403 });
  t.like(await pools.release({ project: 'p', cluster_id: mine.id, by_user_id: 'eve' }), { kind: 'refused', code: 403 });
  await pools.release({ project: 'p', cluster_id: mine.id, by_user_id: 'ann' });
  await waitFor('the one who waits', async () => (await pools.leases('p', {}))[0]?.user_id === 'eve');
});

test('clusters are stopped, started and restarted whole and by node, and a failed attempt says why', async (t) => {
  const { pools } = await testPools(t, {
    ...ONE,
    fixed: { provider: 'static', type: 'flink', clusters: [{ name: 'f', endpoints: { rest: 'spark://nowhere' } }] },
  });
  const held = await lease(pools, 'ann', { filter: { type: 'spark' } });
  const operate = async (op: 'start' | 'stop' | 'restart', node?: string, id = held.id) =>
    pools.operate({ project: 'p', cluster_id: id, op, ...(node !== undefined && { node }) });
  t.like(await operate('stop'), { id: held.id, user_id: 'ann', status: 'stopped', health: '' });
  t.like(await operate('start'), { status: 'running', health: 'OK' });
  const one = (await operate('stop', 'w0')) as Cluster;
  t.is(one.status, 'running');
  t.deepEqual(
    one.nodes.map(({ name, state }) => `${name} ${state}`),
    ['master running', 'w0 stopped'],
  );
  await waitFor('the failed check', async () => (await pools.get('p', held.id))?.health === 'FAIL');
  t.like(await operate('restart', 'w0'), { user_id: 'ann', status: 'running' });
  await waitFor('the good check', async () => (await pools.get('p', held.id))?.health === 'OK');
  t.deepEqual(await operate('start', 'w9'), {
    kind: 'refused',
    code: 400,
    why: 'cluster start failed: there is no node w9',
  });
  t.like(await operate('stop', undefined, 'nobody'), { kind: 'refused', why: 'cluster stop failed' });
  const fixed = await lease(pools, 'bob', { filter: { type: 'flink' } });
  t.regex(JSON.stringify(await operate('start', undefined, fixed.id)), /cluster start failed: it is registered only/);
});

test('an unhealthy free cluster is made anew; a leased one stays with its user, who is told', async (t) => {
  const sick = new Set<string>();
  const made: string[] = [];
  const { pools, store } = await testPools(
    t,
    { p: { provider: 'sickly', capacity: 1, min_free: 1 } },
    {},
    {
      providers: {
        sickly: (pool, options) => {
          const fake = createFake(pool, options);
          return {
            ...fake,
            create: async (spec, signal) => {
              made.push(spec.id);
              return fake.create(spec, signal);
            },
            health: async (cluster) => ({ ok: !sick.has(cluster.id), why: 'it coughs' }),
          } satisfies Provider;
        },
      },
    },
  );
  await insertExecution(store, 'root', 'RUNNING');
  await insertExecution(store, 'child', 'RUNNING');
  const owner = { execution_id: 'child', root_execution_id: 'root', scope: 'root' } as const;
  const held = await lease(pools, 'ann', owner);
  sick.add(held.id);
  await waitFor('the failed check', async () => (await pools.get('p', held.id))?.health === 'FAIL');
  t.is((await pools.get('p', held.id))?.user_id, 'ann');
  // His execution's own log says so.
  const told = async () =>
    (await readTimeline(store.reader, 'root', null, 100)).map(({ kind, id, name, state, stateInfo }) => [
      kind,
      id === held.id,
      name,
      state,
      stateInfo,
    ]);
  t.deepEqual(await told(), [
    ['cluster', true, 'p-1', 'granted', null],
    ['cluster', true, 'p-1', 'health FAIL', 'it coughs'],
  ]);
  const events = (await pools.events('p', held.id)) as readonly ClusterEvent[];
  t.like(events.at(-1), { event: 'health', user_id: 'ann', data: { health: 'FAIL', why: 'it coughs' } });
  sick.clear();
  await waitFor('the good check', async () => (await pools.get('p', held.id))?.health === 'OK');
  await pools.operate({ project: 'p', cluster_id: held.id, op: 'restart', node: 'w0' });
  await pools.release({ project: 'p', cluster_id: held.id });
  t.deepEqual((await told()).slice(2), [
    ['cluster', true, 'p-1', 'health OK', null],
    ['cluster', true, 'p-1', 'restart', 'node w0'],
    ['cluster', true, 'p-1', 'released', 'released'],
  ]);
  const free = await waitFor('the next life', async () => (await pools.list('p', { free: true }))[0]);
  sick.add(free.id);
  await waitFor('a third life', async () => {
    const [one] = await pools.list('p', { free: true });
    return one !== undefined && one.id !== free.id;
  });
  t.is(made.length, 3);
});

test('clusters of a host that nobody has heard of are not offered until it is back; those of others are', async (t) => {
  const elsewhere: ProviderFactory = (pool, options) => ({ ...createFake(pool, options), isLocal: true });
  const providers = { elsewhere };
  const far = { far: { provider: 'elsewhere', capacity: 1, min_free: 1 } };
  const near = { near: { provider: 'fake', capacity: 1, min_free: 1 } };
  const { store, pools, open } = await testPools(t, near, { host_silence_seconds: 60 }, { providers });
  // As on PostgreSQL, where nodes of several hosts share the database.
  const shared = { store: { ...store, isShared: true } };
  await pools.stop();
  const there = await open(far, { ...shared, host: 'there' });
  const held = await lease(there, 'ann', { filter: { name: 'far-1' } });
  await there.release({ project: 'p', cluster_id: held.id });
  const [id] = await waitFor('the next life', async () => {
    const free = (await there.list('p', { free: true, name: 'far-1' })).filter(({ health }) => health === 'OK');
    return free.length > 0 && free.map((one) => one.id);
  });
  await there.stop();
  await store.writer('leases').delete();
  const here = await open(near, { ...shared, host: 'here' });
  // Not heard of at all, and so for long enough.
  await waitFor('the doubt', async () => (await here.get('p', id ?? ''))?.health === 'UNKNOWN');
  t.is((await here.apply(applyRequest('ben', { filter: { name: 'far-1' } }))).kind, 'none');
  t.is((await lease(here, 'ben', { filter: { name: 'near-1' } })).pool, 'near');
  const events = (await here.events('p', id ?? '')) as readonly ClusterEvent[];
  t.like(events.at(-1), { event: 'health', data: { health: 'UNKNOWN' } });
  const back = await open(far, { ...shared, host: 'there' });
  t.is((await lease(back, 'cat', { filter: { name: 'far-1' } })).id, id ?? '');
});

test('what is over is kept for as long as the retention says, and nothing that goes on is forgotten', async (t) => {
  const { pools, store, clock } = await testPools(t, ONE, { retention_days: 2 });
  const old = await lease(pools, 'ann');
  await pools.release({ project: 'p', cluster_id: old.id });
  const held = await lease(pools, 'ben', { ttl_s: 30 * 86_400 });
  const counts = async () => {
    const of = async (table: string) => Number((await store.reader(table).count({ count: '*' }).first())?.count);
    return { leases: await of('cluster_leases'), clusters: await of('clusters') };
  };
  t.deepEqual(await counts(), { leases: 2, clusters: 2 });
  clock.advance(86_400);
  await waitFor('a look', async () => (await pools.pools()).length === 1);
  t.deepEqual(await counts(), { leases: 2, clusters: 2 });
  clock.advance(2 * 86_400);
  await waitFor('the end of what is over', async () => (await counts()).clusters === 1);
  await waitFor('the end of its lease', async () => (await counts()).leases === 1);
  t.is((await pools.get('p', held.id))?.user_id, 'ben');
  t.is(await pools.get('p', old.id), null);
  await waitFor(
    'the end of its events',
    async () => (await store.reader('cluster_events').where({ cluster_id: old.id })).length === 0,
  );
});

test('what cannot be made is tried again, given up, and tried anew when an operator says so', async (t) => {
  let broken = true;
  let tries = 0;
  const { pools } = await testPools(
    t,
    { p: { provider: 'broken', capacity: 1, min_free: 1 } },
    { create_tries: 3 },
    {
      providers: {
        broken: (pool, options) => {
          const fake = createFake(pool, options);
          return {
            ...fake,
            create: async (spec, signal) => {
              tries++;
              if (broken) throw new ProviderError('no disk');
              return fake.create(spec, signal);
            },
          };
        },
      },
    },
  );
  const failed = await waitFor('the end of the tries', async () => (await pools.list('p', { status: 'failed' }))[0]);
  t.is(tries, 3);
  t.is((await pools.apply(applyRequest('ann'))).kind, 'none');
  const events = (await pools.events('p', failed.id)) as readonly ClusterEvent[];
  t.like(events.at(-1), { event: 'failed', data: { attempt: 3, why: 'no disk' } });
  broken = false;
  await pools.operate({ project: 'p', cluster_id: failed.id, op: 'restart' });
  t.is((await lease(pools, 'ann')).name, 'p-1');
});

test('pools grow for those who wait, within capacity and budget, and make room for other sizes', async (t) => {
  const { pools } = await testPools(t, {
    p: {
      provider: 'fake',
      capacity: 3,
      sizes: [1, 3],
      worker_cores: 2,
      worker_memory_mb: 100,
      cores: 8,
      memory_mb: 900,
    },
  });
  t.is((await pools.apply(applyRequest('ann'))).kind, 'none');
  const one = await lease(pools, 'ann', { filter: { size_min: 1 } });
  t.is(one.size, 1);
  const three = await lease(pools, 'ben', { filter: { size: 3 } });
  t.is(three.size, 3);
  // 2 and 6 of 8 cores are used: no more fits.
  const waiting = await pools.apply(applyRequest('cat', { wait_s: 600, filter: { size: 3 } }));
  if (waiting.kind !== 'waiting') return t.fail('it should wait');
  t.like(await pools.create({ pool: 'p' }), { kind: 'refused', why: 'the pool p is full' });
  // The freed small one does not help; the freed large one does.
  await pools.release({ project: 'p', cluster_id: one.id });
  await waitFor('the small one', async () => (await pools.list('p', { free: true })).length === 1);
  t.is((await pools.ticket(waiting.ticket)).kind, 'waiting');
  await pools.release({ project: 'p', cluster_id: three.id });
  t.is(granted(await pools.waitFor(waiting.ticket, 60_000)).size, 3);

  const full = await testPools(t, { p: { provider: 'fake', capacity: 1, min_free: 1, sizes: [1, 2] } });
  await waitFor('the small one', async () => (await full.pools.list('p', { free: true })).length === 1);
  t.is((await lease(full.pools, 'ann', { filter: { size: 2 } })).size, 2);
});

test('a cluster that is made anew has workers as large as the configuration says by then', async (t) => {
  const { pools, open } = await testPools(t, { p: { provider: 'fake', min_free: 1, worker_cores: 2, size: 3 } });
  const held = await lease(pools, 'ann');
  t.is(held.cores, 6);
  await pools.stop();
  const later = await open({ p: { provider: 'fake', min_free: 1, worker_cores: 4, size: 3 } });
  t.is((await later.get('p', held.id))?.cores, 6);
  await later.release({ project: 'p', cluster_id: held.id });
  t.is((await lease(later, 'ben')).cores, 12);
});

test('a drained cluster or pool gets no new users, and goes when it is free', async (t) => {
  const { pools } = await testPools(t, { p: { provider: 'fake', capacity: 2, min_free: 1 } });
  const held = await lease(pools, 'ann');
  t.deepEqual(await pools.drain({ cluster_id: held.id }), { drained: [held.id] });
  t.is((await pools.get('p', held.id))?.status, 'draining');
  t.deepEqual(await pools.undrain({ cluster_id: held.id }), { undrained: [held.id] });
  await pools.drain({ cluster_id: held.id });
  await pools.release({ project: 'p', cluster_id: held.id });
  await waitFor('its end', async () => (await pools.list('p', { id: held.id, state: 'released' })).length === 1);
  t.false((await pools.list('p', {})).some(({ name }) => name === held.name));
  await pools.drain({ pool: 'p' });
  await waitFor('the end of all', async () => (await pools.list('p', {})).length === 0);
  t.is((await pools.apply(applyRequest('ben'))).kind, 'none');
  await pools.undrain({ pool: 'p' });
  const again = await lease(pools, 'ben');
  t.like(await pools.delete({ cluster_id: again.id }), { kind: 'refused', code: 400 });
  t.like(await pools.delete({ cluster_id: again.id, force: true }), {
    status: 'deleting',
    user_id: SYSTEM_USERS.deleting,
  });
  const [over] = await pools.leases('p', { cluster_id: again.id, state: 'all' });
  t.is(over?.release_reason, 'deleted');
  t.like(await pools.drain({ pool: 'none' }), { kind: 'refused', code: 404 });
  t.like(await pools.delete({ cluster_id: again.id.replace(/^./, 'z') }), { kind: 'refused', code: 404 });
});

test('pools that the configuration names no more give up their free clusters', async (t) => {
  const { pools, open, store } = await testPools(t, {
    a: { provider: 'fake', min_free: 1 },
    b: { provider: 'fake', min_free: 1 },
  });
  const held = await lease(pools, 'ann', { filter: { name: 'a-1' } });
  await pools.stop();
  const later = await open({ b: { provider: 'fake', min_free: 1 } });
  await later.release({ project: 'p', cluster_id: held.id });
  await waitFor('the end of its clusters', async () => (await later.list(null, { pool: 'a' })).length === 0);
  t.is((await later.list(null, { pool: 'b' })).length, 1);
  await later.stop();
  await open({ b: { provider: 'fake', min_free: 1 } });
  t.deepEqual(
    (await store.reader('cluster_pools').select('name')).map(({ name }: { name: string }) => name),
    ['b'],
  );
});

test('a pool that the configuration names again takes leases again; one that an operator drains does not', async (t) => {
  const a = { a: { provider: 'fake', capacity: 1 } };
  const { pools, open } = await testPools(t, a);
  const held = await lease(pools, 'ann');
  await pools.stop();
  const without = await open({ b: { provider: 'fake' } });
  t.is((await without.pools()).find(({ name }) => name === 'a')?.schedulable, false);
  await without.stop();
  const again = await open(a);
  t.deepEqual(
    (await again.pools()).filter(({ name }) => name === 'a').map(({ schedulable }) => schedulable),
    [true],
  );
  await again.release({ project: 'p', cluster_id: held.id });
  t.is((await lease(again, 'ben')).name, held.name);
  await again.drain({ pool: 'a' });
  await again.stop();
  const drained = await open(a);
  t.is((await drained.pools()).find(({ name }) => name === 'a')?.schedulable, false);
});

test('what is taken back as it is, and was stopped by its user, is made anew for the next one', async (t) => {
  const { pools } = await testPools(t, { small: { ...ONE.small, recycle: 'none' } });
  const held = await lease(pools, 'ann');
  t.like(await pools.operate({ project: 'p', cluster_id: held.id, op: 'stop' }), { status: 'stopped' });
  await pools.release({ project: 'p', cluster_id: held.id });
  const next = await lease(pools, 'ben');
  t.like(next, { name: held.name, status: 'running', health: 'OK' });
  t.deepEqual(
    next.nodes.map(({ state }) => state),
    ['running', 'running'],
  );
});

test('of two nodes of a host that make the same cluster the one counts that keeps the host; the other is told to stop', async (t) => {
  const begun: { readonly node: string; readonly signal: AbortSignal; finish(): void }[] = [];
  const node =
    (name: string): ProviderFactory =>
    (pool, options) => ({
      ...createFake(pool, options),
      isLocal: true,
      create: async (spec, signal) => {
        await new Promise<void>((finish) => begun.push({ node: name, signal, finish }));
        return { endpoints: { rest: name }, handle: spec.handle, nodes: [] };
      },
      health: async () => ({ ok: true, why: '' }),
    });
  const config = { p: { provider: 'slow', capacity: 1, min_free: 1 } };
  const begins = (name: string) => waitFor(`a try of ${name}`, async () => begun.find((one) => one.node === name));
  const { pools, store, open } = await testPools(t, {});
  await pools.stop();
  // As on PostgreSQL, where nodes share the database.
  const shared = { store: { ...store, isShared: true } };
  await open(config, { ...shared, nodeId: 'one', providers: { slow: node('one') } });
  const first = await begins('one');
  // It stands still for so long that its host is somebody else's.
  await store.writer('leases').update({ holder: 'two' });
  const two = await open(config, { ...shared, nodeId: 'two', providers: { slow: node('two') } });
  const second = await begins('two');
  await waitFor('the end of the first try', async () => first.signal.aborted);
  first.finish();
  await waitFor('some looks', async () => (await two.list(null, {})).length === 1);
  const [making] = await two.list(null, {});
  t.like(making, { status: 'creating', endpoints: {} });
  second.finish();
  t.deepEqual((await lease(two, 'ann')).endpoints, { rest: 'two' });
});

test('a thousand random applies, releases and ends never show two owners, and at the end nothing is held', async (t) => {
  const { pools, store } = await testPools(t, {
    p: { provider: 'fake', capacity: 3, min_free: 3 },
    fixed: {
      provider: 'static',
      type: 'flink',
      clusters: [{ endpoints: { rest: 'x' } }, { endpoints: { rest: 'y' } }],
    },
  });
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((seed / 2_147_483_648) * below);
  };
  for (let round = 0; round < 100; round++) {
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const user = `u${random(6)}`;
        switch (random(4)) {
          case 0:
          case 1:
            return pools.apply(applyRequest(user, { wait_s: random(2) * 100, allow_multiple: random(2) === 0 }));
          case 2:
            return pools.release({ project: 'p', user_id: user });
          default: {
            const [waiting] = await store.reader('cluster_waiters').where({ user_id: user, state: 'waiting' }).limit(1);
            return waiting === undefined ? undefined : pools.cancelTicket(String(waiting.ticket));
          }
        }
      }),
    );
  }
  const holders = new Map<string, string>();
  for (const event of await store.reader('cluster_events').orderBy('seq')) {
    if (event.event === 'granted') {
      t.is(holders.get(event.cluster_id), undefined, 'a cluster was granted while it was held');
      holders.set(event.cluster_id, event.user_id);
    } else if (event.event === 'released') holders.delete(event.cluster_id);
  }
  for (const waiting of await store.reader('cluster_waiters').where({ state: 'waiting' }))
    await pools.cancelTicket(String(waiting.ticket));
  for (let user = 0; user < 6; user++) await pools.release({ project: 'p', user_id: `u${user}` });
  await waitFor('all to be free', async () => (await pools.list(null, { free: true })).length === 5);
  t.deepEqual(await pools.leases(null, {}), []);
});

test('settings that are wrong are refused by pool and name', (t) => {
  const refused = (pool: object, message: RegExp) => {
    const error = t.throws(() => readPools({ p: pool as never }));
    t.regex(error?.message ?? '', message);
  };
  refused({}, /^pools: p: provider should be one of static, fake/);
  refused({ provider: 'fake', capacity: 0 }, /capacity should be a number of clusters, at least 1/);
  refused({ provider: 'fake', min_free: 2 }, /min_free is 2, more than the capacity of 1/);
  refused({ provider: 'fake', sizes: ['x'] }, /size should be a number of workers/);
  refused({ provider: 'fake', labels: { a: [] } }, /labels should be/);
  refused({ provider: 'fake', recycle: 'wash' }, /recycle should be/);
  refused({ provider: 'static' }, /clusters should be a list/);
  refused({ provider: 'static', clusters: [{ name: 'a' }] }, /clusters\[0\] should have endpoints/);
  t.throws(() => readPools({ 'a b': { provider: 'fake' } }), { message: /its name may have/ });
  t.throws(() => readService({ tick: 1 }), { message: /unknown setting 'tick'/ });
  t.throws(() => readService({ tick_seconds: 0 }), { message: /tick_seconds is wrong/ });
  t.is(readService({ strict: true }).envelope, 'strict');
  t.is(readPools({ p: { provider: 'flink-session', size: 2 } })[0]?.type, 'flink');
});
