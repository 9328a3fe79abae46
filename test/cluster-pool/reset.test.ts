import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { ClusterEvent } from '../../cluster-pool/contract.ts';
import { cleanSpark } from '../../cluster-pool/providers/cleaning.ts';
import { takesSubmissions } from '../../cluster-pool/providers/spark-standalone.ts';
import { Providers } from '../../cluster-pool/providers/index.ts';
import { readPools } from '../../cluster-pool/settings.ts';
import { startFakeFlink } from '../../executors/fakes/flink.ts';
import { startFakeSparkMaster } from '../../executors/fakes/spark-master.ts';
import type { FakeSparkMaster } from '../../executors/fakes/spark-master.ts';
import { waitFor } from '../helpers/waiting.ts';
import { lease, testPools } from './helper.ts';

// What `recycle: reset` does to clusters that run elsewhere (spec/cluster.md §3.5, §4.2, §4.3).

const fixed = (type: string, endpoints: Record<string, string>, more = {}) => ({
  p: { provider: 'static', type, recycle: 'reset', clusters: [{ endpoints }], ...more },
});

test('a Flink session is given to the next one when nothing runs on it any more and its jars are gone', async (t) => {
  const flink = await startFakeFlink();
  t.teardown(() => flink.close());
  const { pools } = await testPools(t, fixed('flink', { rest: flink.url }, { mode: 'session' }));
  const held = await lease(pools, 'ann');
  const form = new FormData();
  form.append('jarfile', new Blob(['a jar']), 'job.jar');
  const uploaded = await fetch(`${flink.url}/jars/upload`, { method: 'POST', body: form });
  const { filename } = (await uploaded.json()) as { filename: string };
  for (let i = 0; i < 2; i++) await fetch(`${flink.url}/jars/${filename.split('/').at(-1)}/run`, { method: 'POST' });
  const [slow, done] = [...flink.jobs.values()];
  if (slow === undefined || done === undefined) return t.fail('two jobs should run');
  done.state = 'FINISHED';
  slow.obeys = false;
  await pools.release({ project: 'p', cluster_id: held.id });
  await waitFor('the cancel', async () => flink.requests.includes(`PATCH /jobs/${slow.id}`));
  t.deepEqual(await pools.list('p', { free: true }), []);
  t.is(flink.jars.size, 1, 'jars go when nothing uses them');
  slow.state = 'CANCELED';
  const next = await lease(pools, 'ben');
  t.deepEqual([next.name, next.id === held.id], [held.name, false]);
  t.deepEqual([flink.jars.size, done.state], [0, 'FINISHED']);
});

test('a cluster on which something does not end is not offered, and says why; an operator tries again', async (t) => {
  const flink = await startFakeFlink();
  t.teardown(() => flink.close());
  const { pools } = await testPools(t, fixed('flink', { rest: flink.url }, { reset_seconds: 1 }), { create_tries: 1 });
  const held = await lease(pools, 'ann');
  // It answers no list of jobs any more, but its slots are taken.
  flink.switches.slotsTaken = 2;
  await pools.release({ project: 'p', cluster_id: held.id });
  const failed = await waitFor('the failure', async () => (await pools.list('p', { status: 'failed' }))[0]);
  const events = (await pools.events('p', failed.id)) as readonly ClusterEvent[];
  t.like(events.at(-1), { event: 'failed', data: { why: 'it cannot be cleaned: 2 slots are still taken' } });
  flink.switches.slotsTaken = 0;
  await pools.operate({ project: 'p', cluster_id: failed.id, op: 'restart' });
  t.is((await lease(pools, 'ben')).name, held.name);
});

test('a cluster elsewhere that does not answer is not offered, and comes back when it answers', async (t) => {
  const flink = await startFakeFlink();
  t.teardown(() => flink.close());
  const { pools } = await testPools(t, fixed('flink', { rest: flink.url }));
  const [free] = await waitFor('a free one', async () => {
    const found = await pools.list('p', { free: true });
    return found.length > 0 && found;
  });
  flink.switches.page = { status: 503, text: 'gone' };
  await waitFor('the failure', async () => {
    const events = (await pools.events('p', free?.id ?? '')) as readonly ClusterEvent[];
    return events.at(-1)?.event === 'health' && (await pools.list('p', { free: true })).length === 0;
  });
  flink.switches.page = null;
  t.is((await lease(pools, 'ann')).id, free?.id ?? '');
});

for (const version of ['3.5.9', '4.1.4'])
  test(`Spark ${version}: drivers are killed, and the cluster waits for the end of applications`, async (t) => {
    const { master, held, pools, submit } = await spark(t, version);
    await submit();
    await submit();
    master.applications.push({ id: 'app-1', name: 'mine', state: 'RUNNING' });
    await pools.release({ project: 'p', cluster_id: held.id });
    await waitFor('the kill', async () => [...master.drivers.values()].every(({ state }) => state === 'KILLED'));
    t.deepEqual(await pools.list('p', { free: true }), []);
    for (const app of master.applications) app.state = 'FINISHED';
    t.is((await lease(pools, 'ben')).name, held.name);
    const kept = version.startsWith('3.') ? [2, 1] : [0, 0];
    t.deepEqual([master.drivers.size, master.applications.length], kept);
    const { kind } = await cleanSpark({ ui: master.url, rest: master.url }, 1, new AbortController().signal);
    t.is(kind, version.startsWith('3.') ? 'traces' : 'clean');
  });

test('without a submission server drivers are waited for, and never killed', async (t) => {
  const { master, held, pools, submit } = await spark(t, '4.1.4', false);
  await submit();
  await pools.release({ project: 'p', cluster_id: held.id });
  await waitFor('the failure', async () => (await pools.list('p', { status: 'failed' })).length === 1);
  t.deepEqual(
    [...master.drivers.values()].map(({ state }) => state),
    ['SUBMITTED'],
  );
});

test('settings that cannot be cleaned with are refused', (t) => {
  const providers = new Providers({ environment: {}, host: 'h' });
  const refused = (pools: Parameters<typeof readPools>[0], message: RegExp) => {
    const error = t.throws(() => readPools(pools).map((pool) => providers.of(pool)));
    t.regex(error?.message ?? '', message);
  };
  refused(fixed('spark', { master: 'spark://a:7077' }), /the endpoints of p-1 should have ui, such as http/);
  refused(fixed('flink', { ui: 'http://a' }), /the endpoints of p-1 should have rest/);
  refused(fixed('ray', { rest: 'http://a' }), /how to clean a cluster of type ray is not known/);
  refused(fixed('spark', { ui: 'http://a' }, { recycle: 'recreate' }), /recycle should be none or reset/);
  refused(fixed('spark', { ui: 'http://a' }, { reset_seconds: 0 }), /reset_seconds should be a number from 1/);
});

test('a submission server is ready when it answers: 3.5 without knowing the question', async (t) => {
  const { signal } = new AbortController();
  for (const version of ['3.5.9', '4.1.4']) {
    const master = await startFakeSparkMaster({ version });
    t.like(await takesSubmissions(master.url, signal), { ok: true });
    master.switches.down = true;
    t.deepEqual(await takesSubmissions(master.url, signal), { ok: false, why: 'its submission server answers 503' });
    await master.close();
    t.like(await takesSubmissions(master.url, signal), { ok: false });
  }
});

async function spark(t: ExecutionContext, version: string, hasRest = true) {
  const master: FakeSparkMaster = await startFakeSparkMaster({ version });
  t.teardown(() => master.close());
  const endpoints = { ui: master.url, ...(hasRest && { rest: master.url }) };
  const seconds = hasRest ? 60 : 1;
  const { pools } = await testPools(t, fixed('spark', endpoints, { reset_seconds: seconds }), { create_tries: 1 });
  const held = await lease(pools, 'ann');
  const submit = () =>
    fetch(`${master.url}/v1/submissions/create`, {
      method: 'POST',
      body: JSON.stringify({
        action: 'CreateSubmissionRequest',
        clientSparkVersion: version,
        mainClass: 'x.Y',
        appResource: 'x.jar',
        appArgs: [],
        sparkProperties: { 'spark.app.name': 'mine' },
        environmentVariables: {},
      }),
    });
  return { master, held, pools, submit };
}
