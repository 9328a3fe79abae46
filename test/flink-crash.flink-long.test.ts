import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { loadExternalJob } from '../engine/store/external-jobs.ts';
import { createEgressPolicy } from '../executors/egress.ts';
import { FlinkClient } from '../executors/flink/client/client.ts';
import { flinkPack } from '../executors/flink/pack.ts';
import { jobIdOf } from '../executors/flink/plan.ts';
import { createHttpClient } from '../executors/http-client.ts';
import { realWorld } from './executors/helpers/real.ts';
import { startFlink, startZooKeeper } from './helpers/engines.ts';
import { CRASH_PHASES, surviveKills, type CrashPhase } from './helpers/flink-crash.ts';
import { waitFor } from './helpers/waiting.ts';

const { FLINK_JOBS_JAR: jar = '', FLINK_HOME: home = '' } = process.env;
const signal = new AbortController().signal;

test.serial('a server killed in each phase of a Flink job leaves one job each, and its result', async (t) => {
  t.timeout(1_200_000);
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-flink-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  // Jobs that find no slot fail on a cluster that is older than some minutes.
  const phases = Object.keys(CRASH_PHASES) as CrashPhase[];
  const cluster = await startFlink(home, folder, signal, { slots: phases.length });
  t.teardown(cluster.stop);
  await surviveKills(t, { url: cluster.url, jar }, phases);
});

test.serial(
  'a JobManager with high availability is killed in mid-job: the job comes back under its id, and its result is used',
  async (t) => {
    const http = {
      forUsers: createHttpClient(createEgressPolicy({ allowLoopback: true })),
      forConnections: createHttpClient(null),
    };
    const w = await realWorld(t, (folder) => flinkPack({ jarsFolder: folder }, http));
    t.timeout(1_200_000);
    t.teardown(() => Promise.all([http.forUsers.close(), http.forConnections.close()]));
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
    await waitFor('the running job', runs, 120_000);

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
