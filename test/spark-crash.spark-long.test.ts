import test from 'ava';
import { SPARK_CRASH_PHASES, surviveKillOfDriver, surviveKillOfProcess } from './helpers/spark-crash.ts';
import { startStandaloneSpark, type StandaloneSpark } from './helpers/standalone-spark.ts';

/** The server killed with SIGKILL in every phase of spark.submit; test/restart.spark.test.ts has one of them in every run. */

const isThere = process.env['SPARK_HOME'] !== undefined;
const real = isThere ? test.serial : test.skip;
if (!isThere) test.skip('spark.submit over a killed server: set SPARK_HOME to a Spark installation', () => {});

let cluster: StandaloneSpark | null = null;
test.after.always(async (t) => {
  t.timeout(120_000);
  await cluster?.stop();
});

for (const phase of SPARK_CRASH_PHASES) {
  real(
    `a run on the server's host whose server is killed when it is ${phase} runs once and gives its result`,
    async (t) => {
      t.timeout(1_200_000);
      await surviveKillOfProcess(t, phase);
    },
  );
}

for (const phase of SPARK_CRASH_PHASES) {
  real(
    `a driver on a standalone cluster whose server is killed when it is ${phase} runs once and gives its result`,
    async (t) => {
      t.timeout(1_800_000);
      cluster ??= await startStandaloneSpark();
      await surviveKillOfDriver(t, phase, cluster);
    },
  );
}
