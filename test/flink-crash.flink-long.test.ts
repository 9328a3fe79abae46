import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { loadExternalJob } from '../engine/store/external-jobs.ts';
import { createEgressPolicy } from '../executors/egress.ts';
import { FlinkClient } from '../executors/flink/client/client.ts';
import { flinkPack } from '../executors/flink/pack.ts';
import { digest, jobIdOf } from '../executors/flink/plan.ts';
import { createHttpClient } from '../executors/http-client.ts';
import { realWorld } from './executors/helpers/real.ts';
import { startFlink, startZooKeeper } from './helpers/engines.ts';
import { openGate } from './helpers/gate.ts';
import { CRASH_PHASES, surviveKills, type CrashPhase } from './helpers/flink-crash.ts';
import { waitFor } from './helpers/waiting.ts';

const { FLINK_JOBS_JAR: jar = '', FLINK_HOME: home = '', FLINK_REST_URL = '', FLINK_SQL_URL = '' } = process.env;
const signal = new AbortController().signal;
const http = {
  forUsers: createHttpClient(createEgressPolicy({ allowLoopback: true })),
  forConnections: createHttpClient(null),
};
test.after.always(() => Promise.all([http.forUsers.close(), http.forConnections.close()]));

test.serial('a server killed in each phase of a Flink job leaves one job each, and its result', async (t) => {
  t.timeout(1_800_000);
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-flink-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  // Jobs that find no slot fail on a cluster that is older than some minutes.
  const phases = Object.keys(CRASH_PHASES) as CrashPhase[];
  const cluster = await startFlink(home, folder, signal, { slots: phases.length });
  t.teardown(cluster.stop);
  await surviveKills(t, { url: cluster.url, jar }, phases);
});

test.serial('a stop that comes while tasks wait for slots is made once they run', async (t) => {
  const w = await realWorld(t, (folder) => flinkPack({ jarsFolder: folder }, http));
  // A cluster that is older than this refuses slots at once.
  const options = ['slot.request.timeout=10min'];
  const cluster = await startFlink(home, join(w.folder, 'cluster'), signal, { slots: 2, options });
  t.teardown(cluster.stop);
  const flink = new FlinkClient({ url: cluster.url }, http.forConnections);
  const watcher = await w.node('n1');
  const endless = { url: cluster.url, jar, entry_class: 'tramontane.jobs.Endless', args: { 'sleep-ms': 20 } };
  await w.submit(watcher, 'first', { ...endless, parallelism: 2, wait_for: 'running', all_tasks_running: true });
  t.is((await w.result('first')).kind, 'success');
  await w.submit(watcher, 'second', { ...endless, wait_for: 'running' });
  t.is((await w.result('second')).kind, 'success');
  await w.submit(watcher, 'third', { ...endless, wait_for: 'finished', on_cancel: 'stop' });
  const isRunning = async () => (await loadExternalJob(w.db, 'third'))?.lastState === 'RUNNING';
  await waitFor('the third job', isRunning, 400_000);
  await w.submit(watcher, 'stop', { url: cluster.url, job_id: jobIdOf('second') }, 'flink.stop');
  await watcher.stop('third', 'cancelled');
  const factsOf = async (id: string, at: 'facts' | 'stop_facts') =>
    JSON.stringify((await loadExternalJob(w.db, id))?.data).includes('too_soon_since') && at;
  await waitFor('a stop that came too soon', () => factsOf('stop', 'facts'), 400_000);
  await waitFor('the other one', () => factsOf('third', 'stop_facts'), 400_000);
  await flink.jobs.terminate(jobIdOf('first'));
  const stopped = await w.result('stop');
  t.is(stopped.output.state, 'FINISHED', JSON.stringify(stopped.output));
  t.regex(String(stopped.output.location), /savepoint-/);
  const third = await w.result('third');
  t.like(third, { kind: 'cancelled', output: { state: 'FINISHED' } }, JSON.stringify(third.output));
  t.regex(String(third.output.savepoint), /savepoint-/);
});

test.serial('SQL statements whose answers are lost are done once', async (t) => {
  const w = await realWorld(t, (folder) => flinkPack({ jarsFolder: folder }, http));
  const gate = await openGate(FLINK_SQL_URL);
  t.teardown(gate.close);
  let sent = 0;
  // The first sending of every statement: its repeat is the next one.
  gate.hold('sql', { cut: (line) => /^POST \/v\d\/sessions\/[^/]+\/statements$/.test(line) && ++sent % 2 === 1 });
  const watcher = await w.node('n1');
  const sink = (name: string) =>
    `CREATE TABLE ${name} (n INT) WITH ('connector' = 'filesystem', 'path' = 'file://${w.folder}/${name}', 'format' = 'csv')`;
  const script = `
    CREATE DATABASE db; USE db;
    ${sink('a')}; ${sink('b')};
    CREATE TEMPORARY VIEW v AS SELECT 1 AS n;
    DROP TEMPORARY VIEW v;
    BEGIN STATEMENT SET;
      INSERT INTO a VALUES (1), (2);
      INSERT INTO b VALUES (3);
    END;
    SELECT n FROM a;
    DROP TABLE a;`;
  const id = `sql-${Date.now().toString(36)}`;
  const properties = { 'execution.runtime-mode': 'batch' };
  const where = { url: FLINK_REST_URL, gateway_url: gate.url('sql') };
  await w.submit(watcher, id, { ...where, script, properties, wait_for: 'finished' }, 'flink.sql');
  const { kind, output } = await w.result(id);
  t.is(kind, 'success', JSON.stringify(output));
  const results = output.results as readonly {
    readonly kind: string;
    readonly job_id?: string;
    readonly rows?: readonly { readonly n: number }[];
  }[];
  t.deepEqual(
    results.map((one) => one.kind),
    ['OTHER', 'OTHER', 'OTHER', 'OTHER', 'OTHER', 'OTHER', 'INSERT', 'QUERY', 'OTHER'],
  );
  t.deepEqual(results[7]?.rows?.map(({ n }) => n).toSorted(), [1, 2]);
  const flink = new FlinkClient({ url: FLINK_REST_URL }, http.forConnections);
  const jobs = await flink.jobs.overview();
  const insert = jobs.find(({ jid }) => jid === results[6]?.job_id);
  const inserts = jobs.filter(({ name }) => name === insert?.name);
  t.is(inserts.length, 1);

  // Under an id that the action chooses; the cluster would refuse a second job of it.
  const fixed = `fixed-${id}`;
  const more = `${sink('c')}; INSERT INTO c VALUES (4); INSERT INTO c VALUES (5);`;
  const wish = { ...where, script: more, properties, wait_for: 'finished', fixed_job_ids: true };
  await w.submit(watcher, fixed, wish, 'flink.sql');
  const under = await w.result(fixed);
  t.is(under.kind, 'success', JSON.stringify(under.output));
  const ids = (under.output.results as readonly { readonly job_id?: string }[]).map((one) => one.job_id);
  const idOf = (index: number) => digest(`flink/sql/${digest(`flink/trigger/${fixed}`)}/${index}`);
  t.deepEqual(ids, [undefined, idOf(1), idOf(2)]);
  const names = (await flink.jobs.overview()).filter(({ jid }) => ids.includes(jid)).map(({ name }) => name);
  t.is((await flink.jobs.overview()).filter(({ name }) => names.includes(name)).length, 2);
});

test.serial(
  'a JobManager with high availability is killed in mid-job: the job comes back under its id, and its result is used',
  async (t) => {
    const w = await realWorld(t, (folder) => flinkPack({ jarsFolder: folder }, http));
    t.timeout(1_800_000);
    const zookeeper = await startZooKeeper(home, join(w.folder, 'zookeeper'));
    t.teardown(zookeeper.stop);
    const state = join(w.folder, 'cluster');
    const options = [
      'high-availability.type=zookeeper',
      `high-availability.zookeeper.quorum=${zookeeper.address}`,
      `high-availability.storageDir=file://${w.folder}/ha`,
      'high-availability.zookeeper.client.session-timeout=10000',
    ];
    const cluster = await startFlink(home, state, signal, { options });
    t.teardown(cluster.stop);
    const flink = new FlinkClient({ url: cluster.url }, http.forConnections);
    const watcher = await w.node('n1');
    const id = `ha-${Date.now().toString(36)}`;
    const args = { count: 150, 'sleep-ms': 200 };
    await w.submit(watcher, id, { url: cluster.url, jar, args, wait_for: 'finished', not_found_grace: 120 });
    const runs = async () => (await loadExternalJob(w.db, id))?.lastState === 'RUNNING';
    await waitFor('the running job', runs, 400_000);

    process.kill(Number(await readFile(join(state, 'jobmanager.pid'), 'utf8')), 'SIGKILL');
    const isGone = async () => (await fetch(cluster.url).catch(() => null)) === null;
    await waitFor('the end of the JobManager', isGone, 60_000);
    t.is(
      (await startFlink(home, state, signal, { port: Number(new URL(cluster.url).port), options })).url,
      cluster.url,
    );

    const { kind, output } = await w.result(id);
    t.is(kind, 'success', JSON.stringify(output));
    t.like(output, { job_id: jobIdOf(id), state: 'FINISHED', accumulators: { numbers: 150 } });
    t.deepEqual(
      (await flink.jobs.all()).map((job) => job.id),
      [jobIdOf(id)],
    );
  },
);
