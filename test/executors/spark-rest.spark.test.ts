import { join } from 'node:path';
import test from 'ava';
import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { run } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/project.ts';
import { startStandaloneSpark, type StandaloneSpark } from '../helpers/standalone-spark.ts';
import { connection, sparkWorld, type SparkWorld } from './helpers/servers.ts';

/** `spark.submit` with `via: rest` on a real standalone cluster: one master, one worker with two cores. */

const sparkHome = process.env.SPARK_HOME;
const real = sparkHome === undefined ? test.skip : test.serial;
if (sparkHome === undefined)
  test.skip('spark.submit on a real standalone cluster: set SPARK_HOME to a Spark installation', () => {});

const jobs = join(projectRoot, 'scripts/engines/spark/jobs');
const WAIT_MS = 500_000;

let cluster: StandaloneSpark | null = null;

test.before(async (t) => {
  if (sparkHome === undefined) return;
  t.timeout(600_000);
  cluster = await startStandaloneSpark();
});

test.after.always(async (t) => {
  t.timeout(120_000);
  await cluster?.stop();
});

real(
  'a Python job on the cluster gives its result, its application and its log; a failing one its cause',
  async (t) => {
    t.timeout(WAIT_MS * 2);
    const { w, input } = await onCluster(t);
    const watcher = await w.node('n1');
    await w.submit(watcher, 'spark.submit', 'a1', input('out-1'));
    const good = await w.result('a1', WAIT_MS);
    t.is(good.kind, 'success', JSON.stringify(good.output).slice(0, 3000));
    t.like(good.output, { backend: 'standalone', state: 'FINISHED' });
    const { result } = good.output;
    t.true(isJsonObject(result) && result.words === 25);
    t.regex(String(good.output.app_id ?? (isJsonObject(result) ? result.application_id : '')), /^app-\d{14}-\d{4}$/);
    await w.submit(watcher, 'spark.submit', 'a2', input('out-2', ['--fail']));
    const bad = await w.result('a2', WAIT_MS);
    t.like(bad.output, { code: 'SPARK_JOB_FAILED', state: 'FAILED' });
    t.regex(String(bad.output.root_cause), /failed on request/);
  },
);

real('a node that dies leaves its driver to the next one, which cancels it; it ran once', async (t) => {
  t.timeout(WAIT_MS);
  const { w, input } = await onCluster(t);
  const first = await w.node('n1');
  await w.submit(first, 'spark.submit', 'b1', input('out-3', ['--sleep', '300']));
  const id = await w.submitted('b1');
  first.abandon();
  const second = await w.node('n2', { alone: true, isOwnerDead: async () => true });
  await second.stop('b1', 'cancelled');
  const { kind, output } = await w.result('b1', WAIT_MS);
  t.is(kind, 'cancelled');
  t.like(output, { code: 'SPARK_CANCELLED', state: 'KILLED', id });
  const page = await fetch(`${cluster?.ui}/json/`);
  const state = (await page.json()) as {
    readonly activedrivers: readonly unknown[];
    readonly completeddrivers: readonly unknown[];
  };
  t.is(state.activedrivers.length, 0);
  t.is(state.completeddrivers.length, 3);
});

real(
  'spark-submit on this host, with the executors on the cluster: a result, a cause of Java, a class that is not there, a time limit',
  async (t) => {
    t.timeout(WAIT_MS * 2);
    if (cluster === null) return t.fail('There is no cluster.');
    const folder = join(cluster.folder, 'client');
    const built = await run('bash', [
      join(projectRoot, 'scripts/engines/spark/build-jobs.sh'),
      join(folder, 'words.jar'),
    ]);
    t.is(built.code, 0, built.stderr);
    const w = await sparkWorld(t, [], {
      runsFolder: join(folder, 'runs'),
      sparkHome: sparkHome ?? null,
      environment: process.env,
    });
    const watcher = await w.node('n1');
    const submit = (id: string, more: JsonObject) =>
      w.submit(watcher, 'spark.submit', id, {
        cluster: { id: 'c', endpoints: { master: cluster?.master ?? '' } },
        application: join(folder, 'words.jar'),
        class: 'WordCount',
        args: [join(jobs, 'input.txt'), join(folder, `counts-${id}`)],
        conf: { 'spark.ui.enabled': false },
        executor_memory: '512m',
        total_executor_cores: 1,
        poll_interval: 0.5,
        ...more,
      });
    await submit('good', {});
    await submit('class', { class: 'no.Such' });
    await submit('late', { args: [join(jobs, 'input.txt'), join(folder, 'never'), '--sleep', '300'], timeout: 2 });
    const missing = await w.result('class', WAIT_MS);
    t.like(missing.output, {
      code: 'SPARK_JOB_FAILED',
      exit_code: 101,
      root_cause: 'Error: Failed to load class no.Such.',
    });
    t.like((await w.result('late', WAIT_MS)).output, { code: 'SPARK_TIMEOUT', state: 'killed' });
    const good = await w.result('good', WAIT_MS);
    t.is(good.kind, 'success', JSON.stringify(good.output).slice(0, 3000));
    t.like(good.output, { backend: 'process', result: { words: 25 } });
    t.regex(String(good.output.app_id), /^app-\d{14}-\d{4}$/);
    await submit('bad', { args: [join(jobs, 'input.txt'), join(folder, 'none'), '--fail'] });
    const bad = await w.result('bad', WAIT_MS);
    t.like(bad.output, {
      code: 'SPARK_JOB_FAILED',
      exit_code: 1,
      root_cause: 'java.lang.IllegalStateException: failed on request',
    });
  },
);

async function onCluster(t: Parameters<typeof sparkWorld>[0]): Promise<{
  readonly w: SparkWorld;
  readonly input: (output: string, more?: readonly string[]) => Parameters<SparkWorld['submit']>[3];
}> {
  if (cluster === null) throw new Error('There is no cluster.');
  const { rest, ui, master, folder } = cluster;
  const w = await sparkWorld(t, [connection('cluster', 'spark-standalone', rest, { masterUi: ui })]);
  return {
    w,
    input: (output, more = []) => ({
      via: 'rest',
      connection: 'cluster',
      master,
      application: join(jobs, 'wordcount.py'),
      args: [join(jobs, 'input.txt'), join(folder, output), ...more],
      driver_memory: '512m',
      executor_memory: '512m',
      total_executor_cores: 1,
      poll_interval: 0.5,
    }),
  };
}
