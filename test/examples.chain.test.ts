import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { complaints, readExample, runExample } from './helpers/examples.ts';

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
  'a Flink job that fails ends the chain in ERROR with the class and the message of its root cause',
  async (t) => {
    t.timeout(600_000);
    const outcome = await runExample(example, { input: { ...places, refuse: 'Liberty' } });
    t.is(outcome.execution.state, 'ERROR');
    t.is(outcome.code, 1);
    const printed = outcome.stdout + outcome.stderr;
    t.regex(printed, /java\.lang\.IllegalStateException/);
    t.regex(printed, /the word 'Liberty' is refused/);
  },
);
