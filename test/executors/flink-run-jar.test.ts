import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { silentLogger } from '../../engine/log.ts';
import { loadExternalJob } from '../../engine/store/external-jobs.ts';
import type { JobAction } from '../../executors/action.ts';
import { readConnections } from '../../executors/connections/read.ts';
import { createEgressPolicy } from '../../executors/egress.ts';
import { startFakeFlink, type FakeFlink, type FakeFlinkSwitches } from '../../executors/fakes/flink.ts';
import { FlinkClient } from '../../executors/flink/client/client.ts';
import { FlinkApiError } from '../../executors/flink/client/errors.ts';
import { parseVersion } from '../../executors/flink/client/version.ts';
import { JarStore } from '../../executors/flink/jars.ts';
import { flinkPack, type FlinkOptions } from '../../executors/flink/pack.ts';
import { digest, jobIdOf } from '../../executors/flink/plan.ts';
import { SharedWork } from '../../executors/flink/shared-work.ts';
import { deferred } from '../../executors/deferred.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import { JobWatcher, type JobWatcherOptions } from '../../executors/job-watcher.ts';
import { TestClock } from '../helpers/clock.ts';
import { memoryStore } from '../helpers/store.ts';
import { waitFor } from '../helpers/waiting.ts';
import { Reports, runAction } from './helpers/remote.ts';

interface World {
  readonly folder: string;
  readonly db: Knex;
  readonly clock: TestClock;
  readonly flink: FakeFlink;
  readonly reports: Reports;
  readonly action: JobAction;
  node(id: string, options?: Partial<JobWatcherOptions>): Promise<JobWatcher>;
  submit(watcher: JobWatcher, id: string, input?: JsonObject): Promise<void>;
  pass(watcher: JobWatcher, seconds: number): Promise<void>;
  output(id: string): JsonObject;
  kind(id: string): string | undefined;
}

async function world(
  t: ExecutionContext,
  switches: Partial<FakeFlinkSwitches> = {},
  options: Partial<FlinkOptions> = {},
): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-flink-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'totals.jar'), 'not really a zip, as Flink takes it too');
  const store = await memoryStore(t);
  const flink = await startFakeFlink(switches);
  t.teardown(() => flink.close());
  const clock = new TestClock();
  const reports = new Reports();
  const http = {
    forUsers: createHttpClient(createEgressPolicy({ allowLoopback: true })),
    forConnections: createHttpClient(null),
  };
  t.teardown(async () => {
    await http.forUsers.close();
    await http.forConnections.close();
  });
  const [action] = flinkPack({ jarsFolder: join(folder, 'jars'), connections: analytics(flink.url), ...options }, http);
  if (action?.kind !== 'job') throw new Error('flink.run_jar is no job action');
  const nodes: JobWatcher[] = [];
  t.teardown(async () => {
    for (const node of nodes) node.abandon();
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  });
  const reported = (id: string) => reports.taken.find(({ actionExecutionId }) => actionExecutionId === id);
  return {
    folder,
    db: store.writer,
    clock,
    flink,
    reports,
    action,
    async node(id, more = {}) {
      const watcher = new JobWatcher({
        db: store.writer,
        nodeId: id,
        engine: reports,
        backends: [action.backend],
        clock,
        log: silentLogger,
        random: () => 0.5,
        ...more,
      });
      nodes.push(watcher);
      await watcher.start();
      return watcher;
    },
    async submit(watcher, id, input = {}) {
      const where: JsonObject = input.cluster === undefined ? { url: flink.url } : {};
      const all = { ...where, jar: join(folder, 'totals.jar'), wait_for: 'finished', ...input };
      await watcher.submit(runAction('flink.run_jar', id, all), action.backend);
      await watcher.idle();
    },
    async pass(watcher, seconds) {
      for (let i = 0; i < seconds * 2; i++) {
        clock.advance(500);
        await watcher.idle();
      }
    },
    output(id) {
      const output = reported(id)?.result.output;
      if (!isJsonObject(output ?? null))
        throw new Error(`no result of ${id}, or no mapping: ${JSON.stringify(output)}`);
      return output as JsonObject;
    },
    kind: (id) => reported(id)?.result.kind,
  };
}

const analytics = (url: string) => readConnections({ analytics: { type: 'flink', url } }, {});

const jobOf = (w: World, id = 'a1') => {
  const job = w.flink.jobs.get(jobIdOf(id));
  if (job === undefined) throw new Error('Flink does not know the job');
  return job;
};

for (const version of ['1.13.2', '1.20.5', '2.3.0']) {
  test(`runs a jar to its end on ${version}`, async (t) => {
    const w = await world(t, { version });
    const watcher = await w.node('n1');
    await w.submit(watcher, 'a1', {
      args: { day: '2026-11-22', n: 3, none: null },
      parallelism: 4,
      entry_class: 'a.B',
    });
    t.is(w.reports.taken.length, 0);
    const job = jobOf(w);
    job.state = 'FINISHED';
    job.accumulators = { rows: '200', ratio: '0.5' };
    await w.pass(watcher, 15);
    t.is(w.kind('a1'), 'success');
    t.like(w.output('a1'), {
      job_id: jobIdOf('a1'),
      state: 'FINISHED',
      duration_ms: 6333,
      accumulators: { rows: 200, ratio: '0.5' },
      flink_version: version,
      web_url: `${w.flink.url}/#/job/completed/${jobIdOf('a1')}/overview`,
    });
    t.deepEqual(w.flink.runs, [
      { jobId: jobIdOf('a1'), entryClass: 'a.B', programArgsList: ['--day', '2026-11-22', '--n', '3'], parallelism: 4 },
    ]);
    t.is((await loadExternalJob(w.db, 'a1'))?.phase, 'done');
  });

  test(`a duplicate id is adopted on ${version}`, async (t) => {
    const w = await world(t, { version, loseAnswers: 1 });
    const watcher = await w.node('n1');
    // Unknown while it is looked for, known to the guard: the id is sent again and refused.
    await w.submit(watcher, 'a1');
    w.flink.switches.forgetful = true;
    await w.pass(watcher, 70);
    t.is(w.flink.requests.filter((line) => line.endsWith('/run')).length, 2);
    w.flink.switches.forgetful = false;
    jobOf(w).state = 'FINISHED';
    await w.pass(watcher, 15);
    t.is(w.kind('a1'), 'success');
    t.is(w.flink.jobs.size, 1);
  });
}

test('the end is told once the cached routes tell it too, or after ten seconds', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  for (const id of ['a1', 'a2']) {
    await w.submit(watcher, id);
    const job = jobOf(w, id);
    Object.assign(job, { state: 'FINISHED', cachedState: 'RUNNING', accumulators: { rows: '7' } });
  }
  await w.pass(watcher, 5);
  t.is(w.reports.taken.length, 0);
  jobOf(w, 'a1').cachedState = null;
  await w.pass(watcher, 2);
  t.like(w.output('a1'), { state: 'FINISHED', accumulators: { rows: 7 } });
  t.is(w.kind('a2'), undefined);
  await w.pass(watcher, 10);
  t.is(w.kind('a2'), 'success');
});

test('a cluster that cannot tell the accumulators just now is asked again: a result without them would be wrong', async (t) => {
  const w = await world(t, { version: '2.3.0' });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  let left = 4;
  const isAsked = () => w.flink.requests.at(-1)?.endsWith('/accumulators') === true;
  Object.defineProperty(w.flink.switches, 'electing', { get: () => isAsked() && left-- > 0 });
  Object.assign(jobOf(w), { state: 'FINISHED', accumulators: { rows: '7' } });
  await w.pass(watcher, 20);
  t.like(w.output('a1'), { state: 'FINISHED', accumulators: { rows: 7 } });
  // But not for ever.
  await w.submit(watcher, 'a2');
  left = Number.POSITIVE_INFINITY;
  jobOf(w, 'a2').state = 'FINISHED';
  await w.pass(watcher, 80);
  t.like(w.output('a2'), { state: 'FINISHED', accumulators: null });
});

test('wait_for: running is met by RUNNING, not by CREATED; submitted needs no state', async (t) => {
  const w = await world(t, { initialState: 'CREATED' });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', { wait_for: 'running', all_tasks_running: true });
  await w.submit(watcher, 'a2', { wait_for: 'submitted' });
  await w.pass(watcher, 5);
  t.is(w.kind('a1'), undefined);
  t.like(w.output('a2'), { state: 'CREATED', accumulators: null, end_time: null });
  jobOf(w).state = 'RUNNING';
  await w.pass(watcher, 10);
  t.like(w.output('a1'), { state: 'RUNNING' });
});

test('one content is uploaded once, under its hash, also by many tasks at once and by the next process', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  const all = { url: w.flink.url, jar: join(w.folder, 'totals.jar') };
  for (let i = 0; i < 5; i++) await watcher.submit(runAction('flink.run_jar', `a${i}`, all), w.action.backend);
  await w.pass(watcher, 5);
  t.is(w.flink.jars.size, 1);
  const [jar] = w.flink.jars.values();
  t.regex(jar?.name ?? '', /^totals--[0-9a-f]{16}\.jar$/);
  t.is(w.flink.jobs.size, 5);
  const http = { forUsers: createHttpClient(null), forConnections: createHttpClient(null) };
  const [again] = flinkPack({ jarsFolder: w.folder }, http);
  if (again?.kind !== 'job') return t.fail();
  const second = await w.node('n2', { backends: [again.backend] });
  await second.submit(runAction('flink.run_jar', 'b1', all), again.backend);
  await w.pass(second, 3);
  t.is(w.flink.jars.size, 1);
  t.is(w.flink.jobs.size, 6);
});

test('a jar that the server has lost is uploaded once more', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  w.flink.jars.clear();
  await w.submit(watcher, 'a2');
  await w.pass(watcher, 5);
  t.is(w.flink.requests.filter((line) => line === 'POST /v1/jars/upload').length, 2);
  t.true(w.flink.jobs.has(jobIdOf('a2')));
  await w.submit(watcher, 'a3', { jar: { jar_id: 'no-such.jar' } });
  t.like(w.output('a3'), { code: 'FLINK_JAR_NOT_FOUND' });
});

test('keep_jar: false deletes what this action has uploaded, and nothing else', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  // Also where the answer of the submit was lost.
  w.flink.switches.loseAnswers = 1;
  await w.submit(watcher, 'a1', { keep_jar: false });
  await w.pass(watcher, 5);
  t.is(w.flink.jars.size, 0);
  t.is(jobOf(w).state, 'RUNNING');
  await w.submit(watcher, 'a2');
  await w.submit(watcher, 'a3', { keep_jar: false });
  await w.pass(watcher, 5);
  t.is(w.flink.jars.size, 1);
  await writeFile(join(w.folder, 'totals.jar'), 'another content');
  const input = { url: w.flink.url, jar: join(w.folder, 'totals.jar'), keep_jar: false };
  for (const id of ['b1', 'b2']) await watcher.submit(runAction('flink.run_jar', id, input), w.action.backend);
  await w.pass(watcher, 8);
  // Each has a jar of its own: none is deleted from under the other.
  t.is(w.flink.requests.filter((line) => line.startsWith('DELETE ')).length, 3);
  t.true(w.flink.jobs.has(jobIdOf('b1')) && w.flink.jobs.has(jobIdOf('b2')));
  t.is(w.flink.jars.size, 1);
});

test('keep_jar: false leaves no jar behind: whatever record was lost, the program refused, or the task cancelled before its job', async (t) => {
  const w = await world(t);
  const uploads = () => w.flink.requests.filter((line) => line.endsWith('/jars/upload')).length;
  // The node dies when its upload has arrived and is not recorded.
  const dying = await w.node('n1', {
    fault: (point, id) => (point === 'staged' && id === 'a1' ? new Promise(() => {}) : undefined),
  });
  void w.submit(dying, 'a1', { keep_jar: false });
  await waitFor('the upload', async () => w.flink.jars.size === 1);
  dying.abandon();
  await w.db('external_jobs').update({ lease_owner: null });
  const record = await loadExternalJob(w.db, 'a1');
  if (record === undefined || !isJsonObject(record.data.own ?? null)) return t.fail('no record');
  const { own, ...data } = record.data;
  await w.db('external_jobs').update({
    data: JSON.stringify({ ...data, own: { ...(own as JsonObject), jar_id: null, jar_hash: null, own_jar: false } }),
  });
  const watcher = await w.node('n2');
  await w.pass(watcher, 5);
  t.is(jobOf(w).state, 'RUNNING');
  t.deepEqual([uploads(), w.flink.jars.size], [1, 0]);

  w.flink.switches.failInMain = 'no such day';
  await w.submit(watcher, 'a2', { keep_jar: false });
  await w.pass(watcher, 5);
  t.like(w.output('a2'), { code: 'FLINK_PROGRAM_ERROR' });
  t.deepEqual([uploads(), w.flink.jars.size], [2, 0]);

  w.flink.switches.failInMain = null;
  w.flink.switches.page = { status: 503, text: 'not yet' };
  await w.submit(watcher, 'a3', { keep_jar: false });
  w.flink.jars.set('own', {
    name: `totals--0123456789abcdef.${digest('flink/trigger/a3').slice(0, 12)}.jar`,
    bytes: 1,
  });
  w.flink.jars.set('other', { name: 'totals--0123456789abcdef.jar', bytes: 1 });
  w.flink.switches.page = null;
  await watcher.stop('a3', 'cancelled');
  await watcher.idle();
  await w.pass(watcher, 40);
  t.is(w.kind('a3'), 'cancelled');
  t.deepEqual([...w.flink.jars.keys()], ['other']);
});

test('a jar is what its name says: replaced in the middle of its upload it is sent again; an id that a run has not found is not taken again', async (t) => {
  const w = await world(t, { delayMs: 150 });
  const http = createHttpClient(null);
  t.teardown(() => http.close());
  const client = new FlinkClient({ url: w.flink.url }, http);
  const store = new JarStore({ jarsFolder: join(w.folder, 'jars') }, http);
  const { signal } = new AbortController();
  const jar = join(w.folder, 'totals.jar');
  const staging = store.stage(client, { jar }, signal);
  await waitFor('the upload', async () => w.flink.requests.includes('POST /v1/jars/upload'));
  await writeFile(jar, 'replaced');
  const { jarId, hash } = await staging;
  t.is(hash, createHash('sha256').update('replaced').digest('hex'));
  t.deepEqual([...w.flink.jars.keys()], [jarId]);
  t.deepEqual(await store.stage(client, { jar }, signal), { jarId, hash, uploaded: false });
  // Another JobManager behind the same address still lists it.
  store.lost(client, hash, jarId);
  const anew = await store.stage(client, { jar }, signal);
  t.not(anew.jarId, jarId);
  t.true(anew.uploaded);
});

test('an upload that two wait for goes on when one of them leaves', async (t) => {
  const work = new SharedWork<string>();
  const stopped: string[] = [];
  const begin = (result: Promise<string>) => (signal: AbortSignal) => {
    signal.addEventListener('abort', () => stopped.push('stopped'));
    return result;
  };
  const result = deferred<string>();
  const leaver = new AbortController();
  const stays = new AbortController();
  const first = work.join('k', leaver.signal, begin(result.promise));
  const second = work.join('k', stays.signal, () => {
    throw new Error('begun twice');
  });
  leaver.abort(new Error('left'));
  await t.throwsAsync(first, { message: 'left' });
  t.deepEqual(stopped, []);
  result.resolve('done');
  t.deepEqual(await second, { value: 'done', isOwn: false });
  const alone = work.join('k', stays.signal, begin(new Promise(() => {})));
  stays.abort(new Error('left as well'));
  await t.throwsAsync(alone, { message: 'left as well' });
  t.deepEqual(stopped, ['stopped', 'stopped'], 'once over, and once left by all');
});

test('local jars lie in the allowed folders, links followed', async (t) => {
  const w = await world(t);
  const http = createHttpClient(null);
  t.teardown(() => http.close());
  const client = new FlinkClient({ url: w.flink.url }, http);
  const inside = join(w.folder, 'inside');
  await mkdir(inside);
  await writeFile(join(inside, 'a b.jar'), 'a');
  await symlink(join(w.folder, 'totals.jar'), join(inside, 'link.jar'));
  const { signal } = new AbortController();
  const stage = (root: string, jar: string) =>
    new JarStore({ jarsFolder: w.folder, jarRoots: [root] }, http).stage(client, { jar }, signal);
  t.regex((await stage(inside, pathToFileURL(join(inside, 'a b.jar')).href)).jarId, /\.jar$/);
  t.regex((await stage('/', join(w.folder, 'totals.jar'))).jarId, /\.jar$/);
  for (const jar of [join(inside, 'link.jar'), join(inside, '../totals.jar'), inside, `${inside}-2/x.jar`])
    await t.throwsAsync(stage(inside, jar), { message: /outside the allowed folders/ }, jar);
  await t.throwsAsync(stage(inside, 'file://elsewhere/x.jar'), { message: /no address of a file on this host/ });
  // Below /proc nobody can make a folder, and Node's own way of making one with those above it never returns.
  const nowhere = new JarStore({ jarsFolder: '/proc/nowhere/jars' }, http);
  await t.throwsAsync(nowhere.stage(client, { jar: `${w.flink.url}/x.jar` }, signal), { code: 'ENOENT' });
});

test('a jar from an address is fetched, checked against its hash, and uploaded', async (t) => {
  const w = await world(t);
  const server = createServer((request, response) =>
    request.url === '/job.jar' ? response.end('content') : response.writeHead(404).end(),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', {
    jar: `${base}/job.jar`,
    sha256: 'ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73',
  });
  await w.submit(watcher, 'a2', { jar: `${base}/job.jar`, sha256: 'a'.repeat(64) });
  await w.submit(watcher, 'a3', { jar: `${base}/none.jar` });
  t.regex([...w.flink.jars.values()][0]?.name ?? '', /^job--ed7002b439e9ac84\.jar$/);
  t.regex(String(w.output('a2').message), /has the SHA-256 ed7002/);
  t.regex(String(w.output('a3').message), /cannot be fetched: status 404/);
  // Addresses may hold what is nobody's business: it stays out of texts.
  const secret = `${base.replace('http://', 'http://me:word1@')}/none.jar?signature=word2`;
  await w.submit(watcher, 'a4', { jar: secret });
  t.regex(String(w.output('a4').message), /^The jar http:\/\/127\.0\.0\.1:\d+\/none\.jar cannot be fetched/);
  t.notRegex(JSON.stringify(w.output('a4')), /word/);
});

test('an answer lost after the job was accepted leads to one job', async (t) => {
  const w = await world(t, { loseAnswers: 1 });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  await w.pass(watcher, 5);
  t.is((await loadExternalJob(w.db, 'a1'))?.phase, 'submitted');
  t.is(w.flink.runs.length, 1);
});

test('a call that never arrived is repeated with the same id after a minute of looking', async (t) => {
  const w = await world(t, { loseCalls: 1 });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  await w.pass(watcher, 50);
  t.is(w.flink.runs.length, 0);
  await w.pass(watcher, 20);
  t.deepEqual(
    w.flink.runs.map(({ jobId }) => jobId),
    [jobIdOf('a1')],
  );
});

for (const point of ['recorded', 'staged', 'submitting', 'answered', 'submitted', 'polled', 'ended'] as const) {
  test(`a node that dies at '${point}' leaves one job on the cluster, and its result`, async (t) => {
    const w = await world(t);
    let deaths = 0;
    const first: JobWatcher = await w.node('n1', {
      fault: (at) => {
        if (at !== point) return undefined;
        deaths++;
        first.abandon();
        return new Promise<void>(() => {});
      },
    });
    const submitted = first.submit(
      runAction('flink.run_jar', 'a1', { url: w.flink.url, jar: join(w.folder, 'totals.jar'), wait_for: 'finished' }),
      w.action.backend,
    );
    const isDead = async () => {
      for (let i = 0; i < 400 && deaths === 0; i++) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        w.clock.advance(50);
        const job = w.flink.jobs.get(jobIdOf('a1'));
        if (job !== undefined && (await loadExternalJob(w.db, 'a1'))?.phase === 'submitted') job.state = 'FINISHED';
      }
    };
    await Promise.race([isDead(), submitted.then(isDead)]);
    t.is(deaths, 1);
    const second = await w.node('n2', { alone: true });
    await w.pass(second, 70);
    jobOf(w).state = 'FINISHED';
    await w.pass(second, 15);
    t.is(w.kind('a1'), 'success');
    t.is(w.flink.jobs.size, 1);
    t.true(w.flink.runs.length === 1, `${w.flink.runs.length} run calls were accepted`);
  });
}

test('a leader election delays the submit and the polling, and loses nothing', async (t) => {
  const w = await world(t, { electing: true });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  await w.pass(watcher, 30);
  t.is(w.flink.runs.length, 0);
  w.flink.switches.electing = false;
  await w.pass(watcher, 40);
  t.is(w.flink.runs.length, 1);
  w.flink.switches.electing = true;
  await w.pass(watcher, 120);
  w.flink.switches.electing = false;
  jobOf(w).state = 'FINISHED';
  await w.pass(watcher, 60);
  t.is(w.kind('a1'), 'success');
});

test('an election that does not end is FLINK_UNAVAILABLE after two minutes', async (t) => {
  const w = await world(t, { electing: true });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  await w.pass(watcher, 200);
  t.like(w.output('a1'), { code: 'FLINK_UNAVAILABLE' });
});

test("a failed job shows Flink's root cause, class and message", async (t) => {
  for (const version of ['1.20.5', '2.3.0']) {
    const w = await world(t, { version });
    const watcher = await w.node('n1');
    await w.submit(watcher, 'a1');
    const job = jobOf(w);
    job.state = 'FAILED';
    job.failure = [
      'org.apache.flink.runtime.JobException: Recovery is suppressed by NoRestartBackoffTimeStrategy',
      'java.lang.RuntimeException: asked to fail at 25',
      'java.lang.IllegalArgumentException: the inner reason',
    ];
    await w.pass(watcher, 15);
    t.is(w.kind('a1'), 'error');
    const output = w.output('a1');
    t.like(output, {
      code: 'FLINK_JOB_FAILED',
      job_id: jobIdOf('a1'),
      state: 'FAILED',
      exception: 'org.apache.flink.runtime.JobException',
      root_cause: 'java.lang.IllegalArgumentException: the inner reason',
      task: 'Source: numbers -> step',
      endpoint: '127.0.0.1:40001',
    });
    t.regex(
      String(output.message),
      /^java\.lang\.IllegalArgumentException: the inner reason \(Flink job job-.* ended as FAILED\)$/,
    );
    t.regex(String(output.stack), /asked to fail at 25/);
  }
});

test('an exception in main() is the error, a failed initialisation is the job’s own', async (t) => {
  const w = await world(t, { failInMain: 'java.lang.IllegalStateException: asked to fail in main' });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  t.like(w.output('a1'), {
    code: 'FLINK_PROGRAM_ERROR',
    root_cause: 'java.lang.IllegalStateException: asked to fail in main',
  });
  w.flink.switches.failInMain = null;
  w.flink.switches.failInitialising =
    "java.io.FileNotFoundException: Cannot find checkpoint or savepoint file/directory 'file:///nowhere'";
  await w.submit(watcher, 'a2', { savepoint_path: 'file:///nowhere' });
  await w.pass(watcher, 5);
  t.like(w.output('a2'), { code: 'FLINK_JOB_FAILED', state: 'FAILED', root_cause: w.flink.switches.failInitialising });
});

test('a job that somebody else cancelled is an error', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  jobOf(w).state = 'CANCELED';
  await w.pass(watcher, 5);
  t.is(w.kind('a1'), 'error');
  t.like(w.output('a1'), { code: 'FLINK_JOB_CANCELED', state: 'CANCELED' });
});

test('cancelling the workflow cancels the job and waits for its end', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  jobOf(w).obeys = false;
  await watcher.stop('a1', 'cancelled');
  await w.pass(watcher, 5);
  t.is(w.kind('a1'), undefined);
  jobOf(w).obeys = true;
  await w.pass(watcher, 5);
  t.is(w.kind('a1'), 'cancelled');
  t.like(w.output('a1'), { code: 'FLINK_CANCELLED', state: 'CANCELED' });
});

test('a job that ended meanwhile keeps its own outcome', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  jobOf(w).state = 'FINISHED';
  await watcher.stop('a1', 'cancelled');
  await w.pass(watcher, 3);
  t.is(w.kind('a1'), 'success');
});

test('on_cancel: stop makes a savepoint and gives its place', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', { on_cancel: 'stop', savepoint_dir: 'file:/savepoints' });
  await watcher.stop('a1', 'cancelled');
  await w.pass(watcher, 10);
  t.is(w.kind('a1'), 'cancelled');
  t.like(w.output('a1'), { state: 'FINISHED', savepoint: 'file:/savepoints/savepoint-1' });
  t.is(jobOf(w).savepoints.size, 1);
});

for (const version of ['1.13.2', '2.3.0']) {
  test(`on_cancel: stop waits for tasks that are still being deployed on ${version}, and finds a savepoint that a fail-over has forgotten`, async (t) => {
    const w = await world(t, { version, deploying: true, pendingPolls: 2 });
    const watcher = await w.node('n1');
    await w.submit(watcher, 'a1', { on_cancel: 'stop', savepoint_dir: 'file:/savepoints' });
    await watcher.stop('a1', 'cancelled');
    await w.pass(watcher, 30);
    t.is(w.kind('a1'), undefined);
    w.flink.switches.deploying = false;
    const hasStopped = () => jobOf(w).history.length > 0;
    for (let i = 0; i < 20 && !hasStopped(); i++) await w.pass(watcher, 0.5);
    jobOf(w).savepoints.clear();
    await w.pass(watcher, 10);
    t.is(w.kind('a1'), 'cancelled');
    t.like(w.output('a1'), { state: 'FINISHED', savepoint: 'file:/savepoints/savepoint-1' });
    t.is(jobOf(w).history.length, 1);
  });
}

test('a stop that fails falls back to cancel, unless that is forbidden', async (t) => {
  const w = await world(t, { failSavepoints: 'java.io.IOException: no room' });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', { on_cancel: 'stop' });
  await w.submit(watcher, 'a2', { on_cancel: 'stop', cancel_fallback: false });
  await watcher.stop('a1', 'cancelled');
  await watcher.stop('a2', 'cancelled');
  await w.pass(watcher, 10);
  t.like(w.output('a1'), { state: 'CANCELED', savepoint: null });
  // The task is over, and says what becomes of the job.
  t.is(w.kind('a2'), 'cancelled');
  t.like(w.output('a2'), { message: 'The job goes on: java.io.IOException: no room.', state: 'RUNNING' });
  t.is(jobOf(w, 'a2').state, 'RUNNING');
});

test('a stop that takes longer than stop_timeout falls back to cancel', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', { on_cancel: 'stop', stop_timeout: 20 });
  // Tasks that are never up: the stop is asked for again and again.
  w.flink.switches.deploying = true;
  await watcher.stop('a1', 'cancelled');
  await w.pass(watcher, 15);
  t.is(w.kind('a1'), undefined);
  await w.pass(watcher, 15);
  t.like(w.output('a1'), { state: 'CANCELED', savepoint: null });
});

test('time-outs: fail and detach leave the job running, cancel ends it', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  for (const how of ['fail', 'cancel', 'detach']) await w.submit(watcher, how, { timeout: 10, on_timeout: how });
  await w.pass(watcher, 20);
  t.like(w.output('fail'), { code: 'FLINK_TIMEOUT', message: 'Timeout after 10 seconds; the job goes on.' });
  t.like(w.output('cancel'), {
    code: 'FLINK_TIMEOUT',
    message: 'Timeout after 10 seconds; the job was cancelled.',
    state: 'CANCELED',
  });
  t.is(w.kind('detach'), 'success');
  t.deepEqual(
    ['fail', 'cancel', 'detach'].map((id) => jobOf(w, id).state),
    ['RUNNING', 'CANCELED', 'RUNNING'],
  );
});

test('a job that the cluster forgets is waited for, then looked up in the history, then lost', async (t) => {
  const w = await world(t);
  const history = await startFakeFlink();
  t.teardown(() => history.close());
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  await w.submit(watcher, 'a2', { history_url: history.url });
  const known = jobOf(w, 'a2');
  history.jobs.set(known.id, { ...known, state: 'FINISHED' });
  w.flink.switches.forgetful = true;
  await w.pass(watcher, 55);
  t.is(w.reports.taken.length, 0);
  await w.pass(watcher, 25);
  t.like(w.output('a1'), { code: 'FLINK_JOB_LOST', retryable: true });
  t.is(w.kind('a2'), 'success');
  t.true(history.requests.every((line) => !line.includes('/v1/')));
  t.is(w.flink.runs.length, 2);
});

test('on_lost: resubmit runs a lost job again under its id, three times at most, and not one that the history knows', async (t) => {
  const w = await world(t);
  const history = await startFakeFlink();
  t.teardown(() => history.close());
  const watcher = await w.node('n1');
  const input = { on_lost: 'resubmit', not_found_grace: 5, history_url: history.url };
  await w.submit(watcher, 'a1', input);
  await w.submit(watcher, 'a2', input);
  await w.submit(watcher, 'a3', { not_found_grace: 5 });
  const runs = (id: string) => w.flink.runs.filter(({ jobId }) => jobId === jobIdOf(id)).length;
  history.jobs.set(jobIdOf('a2'), { ...jobOf(w, 'a2'), state: 'FINISHED' });
  for (let lost = 1; lost <= 4; lost++) {
    // The JobManager starts anew: neither jobs nor jars are left.
    w.flink.jobs.clear();
    w.flink.jars.clear();
    t.is(w.kind('a1'), undefined, `after ${lost - 1} losses`);
    await w.pass(watcher, 25);
    t.is(runs('a1'), Math.min(lost, 3) + 1);
  }
  t.like(w.output('a1'), { code: 'FLINK_JOB_LOST', job_id: jobIdOf('a1') });
  t.like(w.output('a2'), { state: 'FINISHED' });
  t.like(w.output('a3'), { code: 'FLINK_JOB_LOST' });
  t.deepEqual([runs('a2'), runs('a3')], [1, 1]);
});

test('one job id is submitted by one task at a time, and what only the record knows is no input', async (t) => {
  const w = await world(t, { version: '1.17.2', delayMs: 20 });
  const watcher = await w.node('n1');
  const job = 'd'.repeat(32);
  const input = { url: w.flink.url, jar: join(w.folder, 'totals.jar'), job_id: job, wait_for: 'running' };
  for (const id of ['a1', 'a2', 'a3'])
    await watcher.submit(
      runAction('flink.run_jar', id, { ...input, jar_id: 'forged', own_jar: true }),
      w.action.backend,
    );
  await watcher.idle();
  await w.pass(watcher, 20);
  for (const id of ['a1', 'a2', 'a3']) t.like(w.output(id), { job_id: job, state: 'RUNNING' });
  t.is(w.flink.requests.filter((line) => line.endsWith('/run')).length, 1);
  t.false(w.flink.requests.some((line) => line.includes('forged')));
});

test('one job id is submitted by one node at a time where the cluster would start it twice', async (t) => {
  const w = await world(t, { version: '1.17.2', delayMs: 20 });
  const http = createHttpClient(createEgressPolicy({ allowLoopback: true }));
  t.teardown(() => http.close());
  const pack = () => flinkPack({ jarsFolder: join(w.folder, 'jars') }, { forUsers: http, forConnections: http })[0];
  const input = { url: w.flink.url, jar: join(w.folder, 'totals.jar'), job_id: 'e'.repeat(32), wait_for: 'running' };
  let claimed = 0;
  const bothClaim = deferred<void>();
  const nodes: JobWatcher[] = [];
  for (const id of ['a1', 'a2']) {
    const action = pack();
    if (action?.kind !== 'job') throw new Error('flink.run_jar is no job action');
    // Each waits until both have recorded that they submit: the moment at which two calls would go out.
    const fault = (point: string) => {
      if (point !== 'submitting') return;
      if (++claimed === 2) bothClaim.resolve();
      return claimed <= 2 ? bothClaim.promise : undefined;
    };
    const node = await w.node(id, { backends: [action.backend], fault, random: () => (id === 'a1' ? 0.1 : 0.9) });
    nodes.push(node);
    await node.submit(runAction('flink.run_jar', id, input), action.backend);
  }
  await bothClaim.promise;
  for (let i = 0; i < 200 && w.reports.taken.length < 2; i++) {
    w.clock.advance(500);
    for (const node of nodes) await node.idle();
  }
  for (const id of ['a1', 'a2']) t.like(w.output(id), { job_id: 'e'.repeat(32), state: 'RUNNING' });
  t.is(w.flink.requests.filter((line) => line.endsWith('/run')).length, 1);
});

test('a submit that never gets an answer is not made without end', async (t) => {
  const w = await world(t, { loseCalls: 1000 });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  await w.pass(watcher, 400);
  // The count survives the node.
  watcher.abandon();
  const second = await w.node('n2', { alone: true });
  await w.pass(second, 400);
  t.like(w.output('a1'), { code: 'FLINK_UNREACHABLE' });
  t.regex(String(w.output('a1').message), /no clear outcome 10 times/);
  t.is(w.flink.requests.filter((line) => line.endsWith('/run')).length, 10);
});

test('SUSPENDED and unknown states go on', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1');
  for (const state of ['SUSPENDED', 'RESTARTING', 'RECONCILING', 'SOMETHING_NEW']) {
    jobOf(w).state = state;
    await w.pass(watcher, 15);
    t.is(w.reports.taken.length, 0, state);
  }
  t.is((await loadExternalJob(w.db, 'a1'))?.lastState, 'SOMETHING_NEW');
});

test('what a version lacks is refused before any call that has an effect', async (t) => {
  const w = await world(t, { version: '1.13.2' });
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', { config: { 'state.backend.type': 'rocksdb' } });
  await w.submit(watcher, 'a2', { claim_mode: 'CLAIM', savepoint_path: 'file:/x' });
  await w.submit(watcher, 'a3', { job_name: 'x' });
  t.like(w.output('a1'), { code: 'FLINK_UNSUPPORTED', message: 'config needs Flink 1.17; the cluster runs 1.13.2.' });
  t.like(w.output('a2'), { message: 'claim_mode needs Flink 1.15; the cluster runs 1.13.2.' });
  t.like(w.output('a3'), { message: 'job_name needs Flink 1.17; the cluster runs 1.13.2.' });
  t.is(w.flink.jars.size, 0);
});

test('restore and configuration travel in the words of the version', async (t) => {
  for (const [version, key] of [
    ['1.18.1', 'restoreMode'],
    ['1.20.5', 'claimMode'],
  ] as const) {
    const w = await world(t, { version });
    const watcher = await w.node('n1');
    await w.submit(watcher, 'old');
    await w.submit(watcher, 'a1', {
      restore_from: { job_id: jobIdOf('old'), what: 'savepoint' },
      claim_mode: 'NO_CLAIM',
      allow_non_restored_state: true,
      config: { 'parallelism.default': 2, flag: true },
    });
    t.deepEqual(w.flink.runs[1], {
      jobId: jobIdOf('a1'),
      savepointPath: `file:/savepoints/of-${jobIdOf('old')}`,
      allowNonRestoredState: true,
      [key]: 'NO_CLAIM',
      flinkConfiguration: { 'parallelism.default': '2', flag: 'true' },
    });
  }
});

test('a configured cluster is used by name; wrong addresses and names say what would be right', async (t) => {
  const w = await world(t);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', { cluster: 'analytics' });
  t.is(w.flink.runs.length, 1);
  await w.submit(watcher, 'a2', { cluster: 'none' });
  await w.submit(watcher, 'a3', { url: null });
  await w.submit(watcher, 'a4', { jar: '/nowhere/x.jar' });
  await w.submit(watcher, 'a5', { url: 'flink:8081' });
  t.regex(String(w.output('a2').message), /no connection 'none' .*; known: analytics/);
  t.regex(String(w.output('a3').message), /Give url, the address of the JobManager/);
  t.regex(String(w.output('a4').message), /There is no jar \/nowhere\/x\.jar/);
  t.regex(String(w.output('a5').message), /no http or https address/);
  await w.submit(watcher, 'a6', { cluster: { cluster_id: 'c1', endpoints: { rest: `${w.flink.url}/` } } });
  t.is(w.flink.runs.length, 2);
  await w.submit(watcher, 'a7', { cluster: { cluster_id: 'c1', endpoints: { master: 'spark://h:7077' } } });
  t.regex(String(w.output('a7').message), /must be a leased cluster of Flink: \{endpoints: \{rest: http/);
});

test("a user's address obeys the egress policy", async (t) => {
  const w = await world(t);
  const strict = {
    forUsers: createHttpClient(createEgressPolicy({ allowLoopback: false })),
    forConnections: createHttpClient(null),
  };
  const [action] = flinkPack({ jarsFolder: w.folder, connections: analytics(w.flink.url) }, strict);
  if (action?.kind !== 'job') return t.fail();
  const watcher = await w.node('n1', { backends: [action.backend] });
  const jar = join(w.folder, 'totals.jar');
  await watcher.submit(runAction('flink.run_jar', 'a1', { jar, url: w.flink.url }), action.backend);
  await watcher.submit(runAction('flink.run_jar', 'a2', { jar, cluster: 'analytics' }), action.backend);
  await w.pass(watcher, 5);
  t.regex(String(w.output('a1').message), /resolves to a blocked address \(127\.0\.0\.1\)/);
  t.true(w.flink.jobs.has(jobIdOf('a2')));
});

test('errors are told apart by exception name first, by status second', async (t) => {
  const cases: readonly (readonly [status: number, path: string, text: string, code: string])[] = [
    [
      500,
      '/jobs/x/status',
      'org.apache.flink.runtime.messages.FlinkJobNotFoundException: Could not find Flink job (x)',
      'FLINK_JOB_NOT_FOUND',
    ],
    [500, '/jars/x/run', 'Caused by: x.RestHandlerException: Jar file /a/x does not exist', 'FLINK_JAR_NOT_FOUND'],
    [400, '/jars/x', 'File x does not exist in /upload.', 'FLINK_JAR_NOT_FOUND'],
    [500, '/jars/x/run', 'ProgramInvocationException: No manifest', 'FLINK_PROGRAM_ERROR'],
    [
      400,
      '/jars/x/run',
      'Caused by: a.DuplicateApplicationSubmissionException: Application has already been submitted.',
      'FLINK_DUPLICATE_JOB',
    ],
    [404, '/jars/x/run', 'Not found: /v1/jars/x/run', 'FLINK_NO_SUCH_ENDPOINT'],
    [400, '/jars/upload', 'POST request not allowed', 'FLINK_NO_SUCH_ENDPOINT'],
    [
      400,
      '/jobs/x/stop',
      'Config key [execution.checkpointing.savepoint-dir] is not set. Property [targetDirectory] must be provided.',
      'FLINK_NO_SAVEPOINT_DIR',
    ],
    [503, '/config', 'Service temporarily unavailable due to an ongoing leader election.', 'FLINK_UNAVAILABLE'],
    [413, '/jars/upload', 'too large', 'FLINK_TOO_LARGE'],
    [401, '/config', 'no', 'FLINK_AUTH'],
    [500, '/config', 'java.lang.NullPointerException', 'FLINK_SERVER_ERROR'],
  ];
  for (const [status, path, text, code] of cases) {
    t.is(new FlinkApiError({ status, method: 'GET', path, text: JSON.stringify({ errors: [text] }) }).code, code, text);
  }
  const page = new FlinkApiError({
    status: 502,
    method: 'GET',
    path: '/config',
    text: '<html><body><h1>Bad Gateway</h1></body></html>',
  });
  t.is(page.code, 'FLINK_UNAVAILABLE');
  t.is(page.rootCause, 'Bad Gateway');
});

test('the client keeps the path of a proxy, encodes ids and knows versions', async (t) => {
  const fake = await startFakeFlink({ version: '2.3-SNAPSHOT' });
  t.teardown(() => fake.close());
  const http = createHttpClient(null);
  t.teardown(() => http.close());
  const client = new FlinkClient({ url: `${fake.url}/proxy/` }, http);
  await t.throwsAsync(client.jars.run('a b/c', { parallelism: 1 }));
  t.is(fake.requests[0], 'POST /proxy/v1/jars/a%20b%2Fc/run');
  const direct = new FlinkClient({ url: `${fake.url}/v1` }, http);
  t.true((await direct.version()).atLeast('2.3'));
  t.false(parseVersion('1.9.3').atLeast('1.12'));
  const misspelt: object = { programArgs: 'a' };
  await t.throwsAsync(direct.jars.run('x', misspelt), { message: /takes no 'programArgs'/ });
  fake.switches.page = { status: 200, text: '<html>login</html>' };
  await t.throwsAsync(direct.cluster.config(), { instanceOf: FlinkApiError });
});
