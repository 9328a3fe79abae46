import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { complaints, readExample, runExample } from './helpers/examples.ts';
import { run } from './helpers/processes.ts';
import { projectRoot, tramontaneBin } from './helpers/project.ts';
import { RestClient } from './helpers/rest-client.ts';
import { startServer } from './helpers/server-process.ts';

const flinkUrl = process.env.FLINK_REST_URL ?? '';
const folder = await mkdtemp(join(tmpdir(), 'tramontane-chain-'));
const example = await readExample('spark-then-flink');
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
