import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { loadExternalJob } from '../../engine/store/external-jobs.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import { sparkPack } from '../../executors/spark/pack.ts';
import { isAlive } from '../../processes/process.ts';
import { readProcess } from '../../processes/run-directory.ts';
import { projectRoot } from '../helpers/project.ts';
import { waitFor } from '../helpers/waiting.ts';
import { realWorld } from './helpers/real.ts';

const sparkHome = process.env.SPARK_HOME;
const real = sparkHome === undefined ? test.skip : test.serial;
if (sparkHome === undefined)
  test.skip('spark.submit on a real Spark: set SPARK_HOME to a Spark installation', () => {});

const jobs = join(projectRoot, 'scripts/engines/spark/jobs');
const CONF = { 'spark.ui.enabled': false, 'spark.driver.host': '127.0.0.1' };
const CLIENTS = { forUsers: createHttpClient(null), forConnections: createHttpClient(null) };
const pack = (folder: string) =>
  sparkPack(
    { runsFolder: join(folder, 'runs'), sparkHome: sparkHome ?? null, environment: process.env, host: 'here' },
    CLIENTS,
  );

real('a Python job counts words; its application id stands in the result and in the event log', async (t) => {
  const w = await realWorld(t, pack);
  const events = join(w.folder, 'events');
  await mkdir(events);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', {
    application: join(jobs, 'wordcount.py'),
    args: [join(jobs, 'input.txt'), join(w.folder, 'out')],
    master: 'local[2]',
    name: 'words',
    conf: { ...CONF, 'spark.eventLog.enabled': true, 'spark.eventLog.dir': `file://${events}` },
  });
  const { kind, output } = await w.result('a1');
  t.is(kind, 'success', JSON.stringify(output));
  const text = await readFile(join(jobs, 'input.txt'), 'utf8');
  t.like(output, {
    backend: 'process',
    state: 'success',
    name: 'words',
    result: { words: text.split(/\W+/).filter((word) => word !== '').length },
  });
  t.regex(String(output.app_id), /^local-\d+$/);
  t.deepEqual(await loggedApplications(events), [String(output.app_id)]);
});

real('the application id of local mode comes from the event log when the job does not tell it', async (t) => {
  const w = await realWorld(t, pack);
  const events = join(w.folder, 'events');
  await mkdir(events);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', {
    application: {
      inline:
        "from pyspark.sql import SparkSession\ns = SparkSession.builder.getOrCreate()\nprint('::result', s.range(10).count())\ns.stop()\n",
    },
    master: 'local[1]',
    conf: { ...CONF, 'spark.eventLog.enabled': true, 'spark.eventLog.dir': `file://${events}` },
  });
  const { output } = await w.result('a1');
  t.is(output.result, 10, JSON.stringify(output));
  t.deepEqual(await loggedApplications(events), [String(output.app_id)]);
});

real('a job that raises shows its exception; a program that exits 3 shows the code', async (t) => {
  const w = await realWorld(t, pack);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', {
    application: {
      inline:
        "from pyspark.sql import SparkSession\ns = SparkSession.builder.getOrCreate()\ns.read.json('/no/such/file').count()\n",
    },
    master: 'local[1]',
    conf: CONF,
  });
  await w.submit(watcher, 'a2', {
    application: { inline: 'import sys\nsys.exit(3)\n' },
    master: 'local[1]',
    conf: CONF,
  });
  const failed = await w.result('a1');
  t.is(failed.kind, 'error');
  t.like(failed.output, { code: 'SPARK_JOB_FAILED', exit_code: 1 });
  t.regex(String(failed.output.root_cause), /AnalysisException: .*PATH_NOT_FOUND.*\/no\/such\/file/);
  t.like((await w.result('a2')).output, { code: 'SPARK_JOB_FAILED', exit_code: 3 });
});

real('while it runs, the web page gives application id and figures', async (t) => {
  const w = await realWorld(t, pack);
  const watcher = await w.node('n1');
  await w.submit(watcher, 'a1', {
    application: {
      inline:
        'import time\nfrom pyspark.sql import SparkSession\ns = SparkSession.builder.getOrCreate()\ns.sparkContext.parallelize(range(4), 4).foreach(lambda x: time.sleep(4))\n',
    },
    master: 'local[1]',
    conf: { 'spark.driver.host': '127.0.0.1', 'spark.ui.enabled': true },
  });
  const row = await waitFor(
    'figures of the running job',
    async () => {
      const found = await loadExternalJob(w.db, 'a1');
      return found?.progress?.tasks_total === 4 && found.appId !== null && found;
    },
    300_000,
  );
  t.regex(row.appId ?? '', /^local-\d+$/);
  const { output } = await w.result('a1');
  t.is(output.app_id, row.appId);
});

real('a cancelled job leaves no process', async (t) => {
  const w = await realWorld(t, pack);
  const watcher = await w.node('n1');
  const application = join(jobs, 'wordcount.py');
  await w.submit(watcher, 'a1', {
    application,
    args: [join(jobs, 'input.txt'), join(w.folder, 'out'), '--sleep', '300'],
    master: 'local[1]',
    conf: CONF,
  });
  await waitFor(
    'the sleeping job',
    async () => (await readFile(join(w.folder, 'runs/a1/stdout'), 'utf8').catch(() => '')).includes('sleeping'),
    300_000,
  );
  const identity = await readProcess(join(w.folder, 'runs/a1'));
  await watcher.stop('a1', 'cancelled');
  const { kind, output } = await w.result('a1');
  t.is(kind, 'cancelled');
  t.like(output, { code: 'SPARK_CANCELLED', state: 'killed', exit_code: 143 });
  t.true(Array.isArray(output.log_tail) && output.log_tail.length > 5);
  t.false(typeof identity === 'object' && (await isAlive(identity)));
});

real('the next node finds a running job and takes its result', async (t) => {
  const w = await realWorld(t, pack);
  const first = await w.node('n1');
  const application = join(jobs, 'wordcount.py');
  await w.submit(first, 'a1', {
    application,
    args: [join(jobs, 'input.txt'), join(w.folder, 'out'), '--sleep', '3'],
    master: 'local[1]',
    conf: CONF,
  });
  await waitFor('the record', async () => (await loadExternalJob(w.db, 'a1'))?.phase === 'submitted');
  first.abandon();
  await w.node('n2');
  const { kind, output } = await w.result('a1');
  t.is(kind, 'success');
  t.true(isJsonObject(output.result) && Number(output.result.words) > 0);
});

real(
  'a session of this host takes Python and SQL, lets go of a cancelled Spark job, and leaves no process',
  async (t) => {
    const w = await realWorld(t, pack);
    const watcher = await w.node('n1');
    await w.submit(watcher, 'open', { master: 'local[2]', conf: CONF, idle_timeout: '10m' }, 'spark.session.open');
    const opened = await w.result('open');
    t.is(opened.kind, 'success', JSON.stringify(opened.output).slice(0, 3000));
    const session = opened.output.result ?? null;
    t.regex(String(opened.output.app_id), /^local-\d+$/);
    const run = async (id: string, code: string, more: JsonObject = {}) => {
      await w.submit(watcher, id, { session, code, ...more }, 'spark.session.execute');
      return (await w.result(id)).output;
    };
    t.is((await run('a1', 'spark.range(25).createOrReplaceTempView("rows")\nspark.range(25).count()')).result, '25');
    const table = (await run('a2', 'SELECT id, id / 2 AS half FROM rows WHERE id = 3', { kind: 'sql' })).result;
    t.true(isJsonObject(table) && isJsonObject(table.schema));
    t.like(table, { data: [[3, 1.5]] });
    t.like(await run('a3', 'SELECT nothing', { kind: 'sql' }), {
      code: 'SPARK_STATEMENT_FAILED',
      ename: 'AnalysisException',
    });
    const mark = join(w.folder, 'running');
    const slow = `import time\nopen(${JSON.stringify(mark)}, "w").close()\nsc.parallelize(range(2), 2).foreach(lambda x: time.sleep(300))`;
    await w.submit(watcher, 'a4', { session, code: slow }, 'spark.session.execute');
    await waitFor('the running job', async () => (await readFile(mark).catch(() => null)) !== null, 300_000);
    await watcher.stop('a4', 'cancelled');
    t.is((await w.result('a4')).kind, 'cancelled');
    t.is((await run('a5', 'sc.parallelize(range(4), 2).sum()')).result, '6', 'the session goes on');
    const identity = await readProcess(join(w.folder, 'sessions/open'));
    await w.submit(watcher, 'close', { session }, 'spark.session.close');
    await waitFor('the close', async () => w.reports.taken.some((one) => one.actionExecutionId === 'close'), 300_000);
    t.false(typeof identity === 'object' && (await isAlive(identity)));
  },
);

/** Spark 3 names an event log after its application, Spark 4 a folder of them. */
async function loggedApplications(events: string): Promise<string[]> {
  return (await readdir(events)).map((name) => name.replace(/^eventlog_v2_/, ''));
}
