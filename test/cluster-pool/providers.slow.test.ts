import { appendFile, chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { isJsonObject } from '../../dsl/json.ts';
import type { JsonObject } from '../../dsl/json.ts';
import { endAll, startNode } from '../../cluster-pool/providers/local-processes.ts';
import { createLocal } from '../../cluster-pool/providers/local.ts';
import type { LocalEngine } from '../../cluster-pool/providers/local.ts';
import { findPorts } from '../../cluster-pool/providers/ports.ts';
import { readPools } from '../../cluster-pool/settings.ts';
import { Providers } from '../../cluster-pool/providers/index.ts';
import { startFakeCello } from '../../executors/fakes/cello.ts';
import { isAlive, markedProcesses } from '../../processes/process.ts';
import { waitFor } from '../helpers/waiting.ts';
import { lease, testPools } from './helper.ts';

// Starts a process that leaves its group, as Spark's Python workers do.
const NODE = 'setsid sleep 600 & echo "node $0 runs" >&2; exec sleep 600';
const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin' };
const only = process.platform === 'linux' ? test : test.skip;

/** Sleeping shells for Spark: real processes, ports and folders. */
function sleepers(portStart: number, failing: { why: string | null } = { why: null }): LocalEngine {
  return {
    host: '127.0.0.1',
    portStart,
    readySeconds: 60,
    resetSeconds: 1,
    logBytes: 1000,
    plan: (size) => ({ cores: size, memoryMb: 0 }),
    portCount: () => 2,
    endpoints: (ports) => ({ rest: `http://127.0.0.1:${ports}` }),
    layOut: ({ size }) =>
      Promise.resolve(
        ['master', ...Array.from({ length: size }, (_, i) => `w${i}`)].map((name) => ({
          name,
          argv:
            failing.why === null ? ['/bin/sh', '-c', NODE, name] : ['/bin/sh', '-c', `echo ${failing.why} >&2; exit 3`],
          env,
        })),
      ),
    look: () => Promise.resolve({ ok: true, why: '' }),
    clean: () => Promise.resolve({ kind: 'clean' }),
    usersFolders: (run, nodes) => nodes.map((name) => ({ path: join(run, name, 'work'), keeps: 0 })),
  };
}

const POOL = { p: { provider: 'sleepers', capacity: 1, min_free: 1 } };

only(
  'local clusters outlive the server, are adopted by pid, start time and boot, and leave nothing behind',
  async (t) => {
    const providers = { sleepers: () => createLocal(sleepers(21_000)) };
    const { pools, open, store } = await testPools(t, POOL, {}, { providers });
    const held = await lease(pools, 'ann');
    t.deepEqual(
      held.nodes.map(({ name, state }) => `${name} ${state}`),
      ['master running', 'w0 running'],
    );
    t.is(((await pools.log('p', held.id, 'w0', 5)) as { text: string }).text, 'node w0 runs\n');
    t.like(await pools.log('p', held.id, 'w1', 5), { code: 404 });
    const handle = async () => {
      const row = await store
        .reader('clusters')
        .where({ name: 'p-1' })
        .whereNot({ status: 'released' })
        .first('handle');
      return JSON.parse(String(row?.handle)) as JsonObject & { folder: string; nodes: JsonObject[] };
    };
    const { folder } = await handle();
    const marked = () => markedProcesses(`TRAMONTANE_CLUSTER=${folder}`);
    // The wrapper, the program and its child, for each node.
    const before = await marked();
    t.is(before.length, 6);

    await pools.stop();
    const second = await open(POOL);
    t.deepEqual((await second.get('p', held.id))?.nodes, held.nodes);
    t.is((await second.get('p', held.id))?.user_id, 'ann');
    t.deepEqual(await marked(), before);
    await second.operate({ project: 'p', cluster_id: held.id, op: 'stop', node: 'w0' });
    t.deepEqual(
      (await second.get('p', held.id))?.nodes.map(({ state }) => state),
      ['running', 'stopped'],
    );
    await second.operate({ project: 'p', cluster_id: held.id, op: 'restart', node: 'w0' });
    const restarted = await second.get('p', held.id);
    t.deepEqual(
      restarted?.nodes.map(({ state }) => state),
      ['running', 'running'],
    );
    t.not(restarted?.nodes[1]?.pid, held.nodes[1]?.pid);
    t.is(restarted?.nodes[0]?.pid, held.nodes[0]?.pid);

    // The same number, another start: somebody else's process. It is not adopted, and not killed.
    await second.stop();
    const stranger = await handle();
    const [master] = stranger.nodes;
    const forged = { ...stranger, nodes: [{ ...master, start: '1' }, ...stranger.nodes.slice(1)] };
    await store
      .writer('clusters')
      .where({ id: held.id })
      .update({ handle: JSON.stringify(forged) });
    const third = await open(POOL);
    t.is((await third.get('p', held.id))?.health, 'FAIL');
    t.is((await third.get('p', held.id))?.user_id, 'ann');

    await third.release({ project: 'p', cluster_id: held.id });
    const next = await lease(third, 'ben');
    t.not(next.id, held.id);
    // The same ports again, another folder, and nothing of the first user.
    t.deepEqual(next.endpoints, held.endpoints);
    t.deepEqual(await marked(), []);
    await t.throwsAsync(stat(folder), { code: 'ENOENT' });
    const last = (await handle()).folder;
    await third.drain({ pool: 'p' });
    await third.release({ project: 'p', cluster_id: next.id });
    await waitFor('the end of the cluster', async () => (await third.list(null, {})).length === 0);
    t.deepEqual(await markedProcesses(`TRAMONTANE_CLUSTER=${last}`), []);
  },
);

only(
  'a cluster that is reset keeps its processes and loses what its user left: files, logs; where a process is left it is made anew',
  async (t) => {
    const quiet: LocalEngine = {
      ...sleepers(21_400),
      layOut: ({ size }) =>
        Promise.resolve(
          ['master', ...Array.from({ length: size }, (_, i) => `w${i}`)].map((name) => ({
            name,
            argv: ['/bin/sh', '-c', 'echo "of $0" >&2; echo more; exec sleep 600', name],
            env,
          })),
        ),
    };
    // What a cluster with strays leaves running is not the cluster: each of its programs has started one more.
    for (const [engine, isKept] of [
      [quiet, true],
      [sleepers(21_400), false],
    ] as const) {
      const providers = { sleepers: () => createLocal(engine) };
      const { pools, store } = await testPools(t, { p: { ...POOL.p, size: 2, recycle: 'reset' } }, {}, { providers });
      const held = await lease(pools, 'ann');
      const row = await store.reader('clusters').where({ id: held.id }).first('handle');
      const { nodes, run } = JSON.parse(String(row?.handle)) as { nodes: { log: string }[]; run: string };
      await mkdir(join(run, 'w0/work/app-1'), { recursive: true });
      await writeFile(join(run, 'w0/work/app-1/stdout'), 'mine');
      const log = nodes[0]?.log ?? '';
      await writeFile(`${log}.1`, 'older');
      t.regex(await readFile(log, 'utf8'), /^(?:of|node) master/);
      // What its user has started anew leaves an earlier run beside the one that goes on.
      await mkdir(join(run, 'w1/work/app-1'), { recursive: true });
      const again = await pools.operate({ project: 'p', cluster_id: held.id, op: 'restart', node: 'w1' });
      await pools.release({ project: 'p', cluster_id: held.id });
      const next = await lease(pools, 'ben');
      t.not(next.id, held.id);
      t.is('nodes' in again && JSON.stringify(next.nodes) === JSON.stringify(again.nodes), isKept);
      if (isKept) {
        t.deepEqual(await readdir(join(run, 'w0/work')), []);
        await t.throwsAsync(stat(join(run, 'w1')), { code: 'ENOENT' });
        t.is(await readFile(log, 'utf8'), '');
        await t.throwsAsync(stat(`${log}.1`), { code: 'ENOENT' });
      } else await t.throwsAsync(stat(run), { code: 'ENOENT' });
      await pools.drain({ pool: 'p' });
      await pools.release({ project: 'p', cluster_id: next.id });
      await waitFor('the end', async () => (await pools.list(null, {})).length === 0);
    }
  },
);

only(
  'a free cluster that has lost a worker gets that one back; one that has lost its master is not mended',
  async (t) => {
    const providers = { sleepers: () => createLocal(sleepers(21_500)) };
    const { pools, store } = await testPools(t, POOL, { health_tries: 1000 }, { providers });
    const held = await lease(pools, 'ann');
    await pools.release({ project: 'p', cluster_id: held.id });
    const whole = () =>
      waitFor('a whole cluster', async () => {
        const [free] = await pools.list('p', { free: true });
        return free?.nodes.every(({ state }) => state === 'running') === true && free;
      });
    const before = await whole();
    const { handle } = await store.reader('clusters').where({ id: before.id }).first('handle');
    const { folder } = JSON.parse(String(handle)) as { folder: string };
    // What a server has started that died before it could write that down.
    const lost = await startNode(
      folder,
      join(folder, 'lost'),
      { name: 'w0', argv: ['/bin/sh', '-c', NODE, 'lost'], env },
      new AbortController().signal,
    );
    process.kill(-(before.nodes[1]?.pid ?? 0), 'SIGKILL');
    await waitFor('the end of the lost one', async () => !(await isAlive(lost)));
    const mended = await whole();
    t.is(mended.id, before.id);
    t.deepEqual(mended.nodes[0], before.nodes[0]);
    t.not(mended.nodes[1]?.pid, before.nodes[1]?.pid);
    process.kill(-(mended.nodes[0]?.pid ?? 0), 'SIGKILL');
    await waitFor('failed checks', async () => {
      const row = await store.reader('clusters').where({ id: mended.id }).first('health_fails');
      return Number(row?.health_fails) > 2;
    });
    await pools.operate({ project: 'p', cluster_id: mended.id, op: 'start' });
    t.is((await whole()).id, mended.id);
    const all = (await pools.events('p', before.id)) as readonly { event: string }[];
    t.is(all.filter(({ event }) => event === 'mended').length, 1);
    await pools.drain({ pool: 'p' });
    await waitFor('the end', async () => (await pools.list(null, {})).length === 0);
  },
);

only('a cluster is leased when its nodes have found each other and it is open', async (t) => {
  const looks: string[] = [];
  const engine: LocalEngine = {
    ...sleepers(21_600),
    isOpen: async () => {
      looks.push('open');
      return { ok: looks.length > 2, why: 'not yet' };
    },
  };
  const { pools } = await testPools(t, POOL, {}, { providers: { sleepers: () => createLocal(engine) } });
  const held = await lease(pools, 'ann');
  t.is(looks.length, 3);
  await pools.drain({ pool: 'p' });
  await pools.release({ project: 'p', cluster_id: held.id });
  await waitFor('the end', async () => (await pools.list(null, {})).length === 0);
});

only('a server that ends takes free clusters with it where it is told to, and no leased ones', async (t) => {
  const providers = { sleepers: () => createLocal(sleepers(21_100)) };
  const two = { p: { ...POOL.p, capacity: 2, min_free: 2 } };
  const { pools, store, open } = await testPools(t, two, { shutdown: 'stop_clusters' }, { providers });
  const held = await lease(pools, 'ann');
  await waitFor('the other', async () => (await pools.list('p', { free: true })).length === 1);
  const folders = (await store.reader('clusters').select('id', 'handle')).map(({ id, handle }) => ({
    isHeld: id === held.id,
    folder: String((JSON.parse(String(handle)) as JsonObject)['folder']),
  }));
  await pools.stop();
  const runs = (folder: string) => markedProcesses(`TRAMONTANE_CLUSTER=${folder}`).then((found) => found.length > 0);
  for (const { isHeld, folder } of folders) t.is(await runs(folder), isHeld);
  // Where the database ends with the process nobody would ever find them again.
  const passing = await open(two, { temporary: true });
  await lease(passing, 'ben');
  await passing.stop();
  for (const { folder } of folders) {
    t.false(await runs(folder));
    await endAll(folder);
  }
});

only('a node that dies says why, and what was started is ended before the next try', async (t) => {
  const failing: { why: string | null } = { why: 'no memory' };
  const providers = { sleepers: () => createLocal(sleepers(21_200, failing)) };
  const { pools } = await testPools(t, POOL, { create_tries: 2 }, { providers });
  const failed = await waitFor('the end of the tries', async () => (await pools.list('p', { status: 'failed' }))[0]);
  const events = await pools.events('p', failed.id);
  t.regex(JSON.stringify(events), /(?:master|w0) has ended: no memory/);
  failing.why = null;
  await pools.operate({ project: 'p', cluster_id: failed.id, op: 'restart' });
  const good = await lease(pools, 'ann');
  await pools.drain({ pool: 'p' });
  await pools.release({ project: 'p', cluster_id: good.id });
  await waitFor('the end', async () => (await pools.list(null, {})).length === 0);
});

only('a log that has become too large is set aside once, and its node writes on', async (t) => {
  const providers = { sleepers: () => createLocal(sleepers(21_300)) };
  const { pools, store } = await testPools(t, POOL, {}, { providers });
  const held = await lease(pools, 'ann');
  const row = await store.reader('clusters').where({ id: held.id }).first('handle');
  const { nodes } = JSON.parse(String(row?.handle)) as { nodes: { name: string; log: string }[] };
  const log = nodes.find(({ name }) => name === 'w0')?.log ?? '';
  t.is(await readFile(log, 'utf8'), 'node w0 runs\n');
  await appendFile(log, `${'x'.repeat(2000)}\n`);
  await waitFor('the empty log', async () => (await stat(log)).size === 0);
  t.is(await readFile(`${log}.1`, 'utf8'), `node w0 runs\n${'x'.repeat(2000)}\n`);
  await appendFile(log, 'and on\n');
  t.is(((await pools.log('p', held.id, 'w0', 5)) as { text: string }).text, 'and on\n');
  // Those of the others were small.
  await t.throwsAsync(stat(`${nodes.find(({ name }) => name === 'master')?.log}.1`), { code: 'ENOENT' });
  await pools.drain({ pool: 'p' });
  await pools.release({ project: 'p', cluster_id: held.id });
  await waitFor('the end', async () => (await pools.list(null, {})).length === 0);
});

only('a program that was started and has not begun yet runs nothing once its cluster is ended', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cluster-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const signal = new AbortController().signal;
  const node = await startNode(folder, join(folder, 'r'), { name: 'n', argv: ['/bin/sh', '-c', NODE], env }, signal);
  t.true(await isAlive(node));
  t.false(await isAlive({ ...node, start: '1' }));
  t.false(await isAlive({ ...node, bootId: 'another boot' }));
  await endAll(folder);
  t.false(await isAlive(node));
  await endAll(folder);
  // Its folder is gone: the wrapper cannot make its mark.
  await t.throwsAsync(startNode(folder, join(folder, '\0'), { name: 'n', argv: ['/bin/true'], env }, signal));
});

test('ports are taken in blocks that are free, the own ones first', async (t) => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const start = 20_000 + (process.pid % 900) * 10;
  const first = await findPorts('127.0.0.1', start, 5, new Set(), null);
  t.is(await findPorts('127.0.0.1', start, 5, new Set(), first), first);
  t.not(await findPorts('127.0.0.1', start, 5, new Set([first + 3]), first), first);
  t.not(await findPorts('127.0.0.1', start, 1, new Set(), port), port);
  await t.throwsAsync(findPorts('127.0.0.1', 32_760, 10, new Set(), null), { message: /no 10 free ports/ });
});

test('clusters of the own programs: made, checked, reset and ended by them, with JSON in and out', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'programs-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, 'cluster.sh');
  // $1 is the operation. Whatever it was given is kept.
  await writeFile(
    program,
    `#!/bin/sh
input=$(cat)
echo "$1 $input" >> ${folder}/calls
case $1 in
  create) echo '{"endpoints": {"rest": "http://made"}, "handle": {"vm": 7}, "nodes": [{"name": "vm", "state": "up"}]}' ;;
  health) test -e ${folder}/sick && echo '{"ok": false, "why": "fever"}' || echo '{"ok": true}' ;;
  reset) echo '{"recreate": true}' ;;
  log) echo '{"text": "hello"}' ;;
  stop) echo "no power" >&2; exit 4 ;;
  start) echo 'not JSON' ;;
esac
`,
  );
  await chmod(program, 0o700);
  const verbs = Object.fromEntries(
    ['create', 'destroy', 'health', 'reset', 'log', 'start'].map((verb) => [verb, program]),
  );
  const pool = { provider: 'command', min_free: 1, recycle: 'reset', ...verbs, stop: [program] };
  const { pools } = await testPools(t, { p: pool }, { health_seconds: 0.3 });
  const held = await lease(pools, 'ann');
  t.like(held, { endpoints: { rest: 'http://made' }, nodes: [{ name: 'vm', pid: null, state: 'up' }] });
  t.deepEqual(await pools.log('p', held.id, null, 9), { text: 'hello' });
  const operate = (op: 'start' | 'stop') => pools.operate({ project: 'p', cluster_id: held.id, op });
  t.regex(JSON.stringify(await operate('stop')), /cluster stop failed: .*cluster\.sh ended with 4: no power/);
  t.regex(JSON.stringify(await operate('start')), /answered no JSON object: not JSON/);
  await writeFile(join(folder, 'sick'), '');
  await waitFor('the fever', async () => (await pools.get('p', held.id))?.health === 'FAIL');
  await rm(join(folder, 'sick'));
  await pools.release({ project: 'p', cluster_id: held.id });
  t.not((await lease(pools, 'ben')).id, held.id);
  const calls = (await readFile(join(folder, 'calls'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => ({
      verb: line.slice(0, line.indexOf(' ')),
      input: JSON.parse(line.slice(line.indexOf(' '))) as JsonObject,
    }));
  const created = calls.find(({ verb }) => verb === 'create')?.input;
  t.like(created, { operation: 'create', pool: 'p', name: 'p-1', size: 1, id: held.id });
  const ended = calls.find(({ verb }) => verb === 'destroy')?.input;
  const handle = ended?.['handle'] ?? null;
  t.like(ended, { id: held.id });
  t.is(isJsonObject(handle) ? handle['vm'] : null, 7);
  t.true(calls.some(({ verb }) => verb === 'reset'));
});

test('settings of providers are checked before anything starts', (t) => {
  const providers = new Providers({ environment: {}, host: 'h' });
  const refused = (pool: JsonObject, message: RegExp) => {
    const error = t.throws(() => {
      for (const settings of readPools({ p: pool })) providers.of(settings);
    });
    t.regex(error?.message ?? '', message);
  };
  refused({ provider: 'spark-standalone' }, /home should be the folder of a Spark installation/);
  refused({ provider: 'flink-session' }, /home should be the folder of a Flink installation/);
  refused({ provider: 'command', create: 'x' }, /destroy should be a program/);
  refused({ provider: 'command', create: [], destroy: 'x' }, /create should be a program/);
  refused({ provider: 'cello' }, /url should be the address of the service/);
  refused({ provider: 'fake', create_ms: -1 }, /create_ms should be a number from 0/);
  refused({ provider: 'fake', endpoints: [] }, /endpoints should be a mapping/);
  refused(
    { provider: 'spark-standalone', home: '/s', port_start: 40_000 },
    /port_start should be a number from 1024 to 32000/,
  );
  const spark = providers.of(
    readPools({ p: { provider: 'spark-standalone', home: '/s', worker_memory_mb: 900 } })[0] as never,
  );
  t.deepEqual(spark.plan(2), { cores: 4, memoryMb: 900 * 2 + 512 * 3 });
});

for (const dialect of ['v0.6', 'v0.9'] as const)
  test(`clusters of a remote service of ${dialect} are leased, lent on, and given back`, async (t) => {
    const cello = await startFakeCello([{ count: 1 }], { dialect });
    t.teardown(() => cello.close());
    const { pools, store } = await testPools(t, {
      far: { provider: 'cello', url: cello.url, capacity: 1, min_free: 1 },
    });
    const held = await lease(pools, 'ann');
    t.true(Object.keys(held.endpoints).length > 0);
    const remote = async (id: string) => {
      const row = await store.reader('clusters').where({ id }).first('handle');
      return (JSON.parse(String(row?.handle)) as JsonObject)['remote_id'];
    };
    const first = await remote(held.id);
    t.is(typeof first, 'string');
    await pools.release({ project: 'p', cluster_id: held.id });
    const next = await lease(pools, 'ben');
    t.not(await remote(next.id), first);
  });
