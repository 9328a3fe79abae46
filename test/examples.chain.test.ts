import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { complaints, examplesFolder, readExample, runExample } from './helpers/examples.ts';
import { differences } from './helpers/expectation.ts';
import { run, signalGroup, waitForExit } from './helpers/processes.ts';
import { projectRoot, tramontaneBin } from './helpers/project.ts';
import { RestClient } from './helpers/rest-client.ts';
import { startServer } from './helpers/server-process.ts';
import { waitFor, waitForEnd } from './helpers/waiting.ts';

const flinkUrl = process.env.FLINK_REST_URL ?? '';
const folder = await mkdtemp(join(tmpdir(), 'tramontane-chain-'));
const example = await readExample('spark-then-flink');
const leased = await readExample('leased-clusters');
const leasedText = await readFile(leased.file, 'utf8');
// ava wants everything declared at once: no await from here on.
test.after.always(() => rm(folder, { recursive: true, force: true }));

const places = { flink_url: flinkUrl, flink_job: process.env.FLINK_EXAMPLE_JAR ?? '', output_dir: folder };

interface ChainOutput {
  readonly spark: { readonly application: string; readonly event_log: string };
  readonly flink: { readonly job: string };
}

test.serial('the chain ends SUCCESS with the figures of a plain count, and both engines know its jobs', async (t) => {
  t.timeout(600_000);
  const outcome = await runExample(example, { input: places });
  t.deepEqual(complaints(example, outcome), []);
  t.is(outcome.code, 0);

  const { spark, flink } = outcome.execution.output as ChainOutput;
  const events = await readFile(join(spark.event_log, spark.application), 'utf8');
  t.true(events.includes('"Event":"SparkListenerApplicationEnd"'));
  t.regex(events, new RegExp(`"App ID":"${spark.application}"`));
  const job = (await (await fetch(`${flinkUrl}/v1/jobs/${flink.job}`)).json()) as { state: string; name: string };
  t.like(job, { state: 'FINISHED', name: 'word totals' });
});

test.serial(
  'a Flink job that fails ends the chain in ERROR; class and message of its root cause are printed and kept in the action execution',
  async (t) => {
    t.timeout(600_000);
    const database = `sqlite:${join(folder, 'failed.sqlite')}`;
    const input = Object.entries({ ...places, refuse: 'Liberty' }).map(([name, value]) => `--input=${name}=${value}`);
    const outcome = await run(
      process.execPath,
      [tramontaneBin, 'run', example.file, '--database', database, ...input],
      {
        cwd: projectRoot,
      },
    );
    t.is(outcome.code, 1);
    t.regex(outcome.stderr, /^ERROR spark_then_flink\.count_and_total/m);
    t.regex(
      outcome.stderr,
      /^add_up \(flink\.run_jar\): java\.lang\.IllegalStateException: the word 'Liberty' is refused/m,
    );

    const server = await startServer({ database, cwd: folder });
    t.teardown(server.stop);
    const client = new RestClient(server.url);
    const [execution] = await client.executions();
    t.is(execution?.state, 'ERROR');
    const task = (await client.tasks(execution?.id ?? '')).find(({ name }) => name === 'add_up');
    const [action] = await client.actions(task?.id ?? '');
    t.is(action?.state, 'ERROR');
    const { result } = JSON.parse(action?.output ?? '{}') as { result: { message: string; job_id: string } };
    t.regex(result.message, /^java\.lang\.IllegalStateException: the word 'Liberty' is refused/);
    const job = (await (await fetch(`${flinkUrl}/v1/jobs/${result.job_id}`)).json()) as { state: string };
    t.is(job.state, 'FAILED');
  },
);

interface PoolCluster {
  readonly id: string;
  readonly name: string;
  readonly pool: string;
  readonly status: string;
  readonly user_id: string;
  readonly nodes: readonly { readonly name: string; readonly pid: number | null }[];
}

test.serial(
  'a Spark and a Flink cluster are leased from pools that start them and found again after a kill -9 of the server, jobs run on both, what is given back is made anew, and at the end no lease is open and no process is left',
  async (t) => {
    t.timeout(900_000);
    const start = () =>
      startServer({
        database: `sqlite:${join(folder, 'leased.sqlite')}`,
        args: ['--config', join(examplesFolder, 'leased-clusters/pools.yaml')],
        cwd: projectRoot,
        logFile: join(folder, 'leased.log'),
        startTimeoutMs: 300_000,
      });
    let server = await start();
    t.teardown(() => server.stop());
    const ask = async <T>(path: string): Promise<T> =>
      ((await (await fetch(`${server.url}/v2/${path}`)).json()) as { data: T }).data;
    const first = new RestClient(server.url);
    await first.createWorkbook(leasedText);
    const input = { flink_job: places.flink_job, output_dir: folder };
    const { id } = await first.startExecution('leased_clusters.count_and_total', input);
    const held = await waitFor(
      'both leases',
      async () => {
        const clusters = (await ask<PoolCluster[]>('clusters')).filter(({ user_id: user }) => user.startsWith('wf-'));
        return clusters.length === 2 && clusters;
      },
      600_000,
    );
    const pids = pidsOf(held);
    // Clusters outlive their server on purpose; after a failure this test ends them.
    t.teardown(() => endAll(pids));
    t.is(pids.length, 4);
    t.true(pids.every((pid) => isAlive(pid)));
    const gone = waitForExit(server.child);
    signalGroup(server.child, 'SIGKILL');
    await gone;
    server = await start();
    const client = new RestClient(server.url);
    const adopted = await ask<PoolCluster[]>('clusters');
    t.deepEqual(
      adopted.map(({ nodes, id: life }) => ({ nodes, id: life })),
      held.map(({ nodes, id: life }) => ({ nodes, id: life })),
      'neither lost nor doubled',
    );
    // The Flink cluster is not made again: this test is over with it.
    await ask('cluster_op?action=drain&pool=flink');

    // The workflow gives the Spark cluster back before its end.
    const old = held.find(({ pool }) => pool === 'spark');
    const next = await waitFor(
      'the next Spark cluster',
      async () => {
        const [free] = await ask<PoolCluster[]>('clusters?pool=spark&free=true');
        if (free === undefined) t.not((await client.execution(id)).state, 'ERROR');
        return free;
      },
      600_000,
    );
    t.teardown(() => endAll(pidsOf([next])));
    t.deepEqual([next.name, next.id === old?.id, next.nodes.length], [old?.name ?? '', false, 2]);
    t.deepEqual(pidsOf(old === undefined ? [] : [old]).filter(isAlive), []);
    await ask('cluster_op?action=drain&pool=spark');

    const end = await waitForEnd(client, id, 600_000);
    t.is(end.state, 'SUCCESS', end.state_info ?? '');
    t.deepEqual(differences(leased.expected.output, JSON.parse(end.output ?? '{}')), []);
    const leases = await waitFor('the end of both leases', async () => {
      const all = await ask<{ released_at: number | null }[]>('cluster_leases?state=all');
      return all.every((lease) => lease.released_at !== null) && all;
    });
    t.is(leases.length, 2);
    await waitFor('the end of all clusters', async () => (await ask<PoolCluster[]>('clusters')).length === 0, 120_000);
    t.deepEqual([...pids, ...pidsOf([next])].filter(isAlive), []);
  },
);

function pidsOf(clusters: readonly PoolCluster[]): readonly number[] {
  return clusters.flatMap(({ nodes }) => nodes.map(({ pid }) => pid ?? 0));
}

function endAll(pids: readonly number[]): void {
  for (const pid of pids.filter(isAlive)) {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      process.kill(pid, 'SIGKILL');
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
