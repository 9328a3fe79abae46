import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { loadExternalJob } from '../../engine/store/external-jobs.ts';
import { createEgressPolicy } from '../../executors/egress.ts';
import { JobFiles } from '../../executors/files/job-files.ts';
import { withJobFiles } from '../../executors/files/with-job-files.ts';
import { FlinkClient } from '../../executors/flink/client/client.ts';
import { flinkPack } from '../../executors/flink/pack.ts';
import { jobIdOf } from '../../executors/flink/plan.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import { memoryStore } from '../helpers/store.ts';
import { waitFor } from '../helpers/waiting.ts';
import { realWorld } from './helpers/real.ts';
import { uploadFile } from './helpers/upload.ts';

const { FLINK_REST_URL: url, FLINK_JOBS_JAR: jar } = process.env;
const real = url === undefined || jar === undefined ? test.skip : test.serial;
if (url === undefined || jar === undefined) {
  test.skip('flink.run_jar on a real Flink: set FLINK_REST_URL to a session cluster and FLINK_JOBS_JAR to what scripts/engines/flink/build-jobs.sh builds', () => {});
}

// The cluster remembers ids for as long as it lives, and these tests may run twice on it.
const run = Date.now().toString(36);
const http = {
  forUsers: createHttpClient(createEgressPolicy({ allowLoopback: true })),
  forConnections: createHttpClient(null),
};
const pack = (folder: string) => flinkPack({ jarsFolder: folder }, http);
const client = new FlinkClient({ url: url ?? '' }, http.forConnections);
const base = { url: url ?? '', jar: jar ?? '', wait_for: 'finished' };

test.after.always(async () => {
  await http.forUsers.close();
  await http.forConnections.close();
});

real('a bounded job gives its accumulators, and Flink knows it under our id', async (t) => {
  const w = await realWorld(t, pack);
  const watcher = await w.node('n1');
  const id = `ok-${run}`;
  const out = join(w.folder, 'out.json');
  await w.submit(watcher, id, { ...base, args: { count: 200, out, name: 'a b "c" d' }, parallelism: 2 });
  const { kind, output } = await w.result(id);
  t.is(kind, 'success', JSON.stringify(output));
  t.like(output, {
    job_id: jobIdOf(id),
    state: 'FINISHED',
    name: 'a b "c" d',
    accumulators: { numbers: 200, sum: 20100 },
  });
  t.true(Number(output.duration_ms) > 0 && Number(output.end_time) > Number(output.start_time));
  t.deepEqual(JSON.parse(await readFile(out, 'utf8')), { count: 200, sum: 20100 });
  t.is(await client.jobs.getStatus(jobIdOf(id)), 'FINISHED');
});

real("a failing job shows Flink's root cause; so does an exception in main()", async (t) => {
  const w = await realWorld(t, pack);
  const watcher = await w.node('n1');
  await w.submit(watcher, `run-${run}`, { ...base, args: { count: 50, fail: 'run' } });
  await w.submit(watcher, `main-${run}`, { ...base, args: { fail: 'main' } });
  const failed = await w.result(`run-${run}`);
  t.is(failed.kind, 'error');
  t.like(failed.output, {
    code: 'FLINK_JOB_FAILED',
    state: 'FAILED',
    job_id: jobIdOf(`run-${run}`),
    root_cause: 'java.lang.IllegalArgumentException: the inner reason',
  });
  t.regex(String(failed.output.stack), /asked to fail at/);
  t.regex(String(failed.output.task), /numbers/);
  const refused = await w.result(`main-${run}`);
  t.like(refused.output, {
    code: 'FLINK_PROGRAM_ERROR',
    root_cause: 'java.lang.IllegalArgumentException: the inner reason',
  });
});

real('a class that is not in the jar and a savepoint that is not there are told', async (t) => {
  const w = await realWorld(t, pack);
  const watcher = await w.node('n1');
  await w.submit(watcher, `class-${run}`, { ...base, entry_class: 'no.Such' });
  await w.submit(watcher, `save-${run}`, {
    ...base,
    entry_class: 'tramontane.jobs.Endless',
    savepoint_path: 'file:///nowhere/savepoint-1',
  });
  await w.submit(watcher, `jar-${run}`, { ...base, jar: { jar_id: 'no-such.jar' } });
  t.like((await w.result(`class-${run}`)).output, {
    code: 'FLINK_PROGRAM_ERROR',
    root_cause: 'java.lang.ClassNotFoundException: no.Such',
  });
  t.regex(String((await w.result(`save-${run}`)).output.root_cause), /FileNotFoundException: .*savepoint-1/);
  t.like((await w.result(`jar-${run}`)).output, { code: 'FLINK_JAR_NOT_FOUND' });
});

real('an endless job is found again by the next node, and stopped with a savepoint', async (t) => {
  const w = await realWorld(t, pack);
  const first = await w.node('n1');
  const id = `endless-${run}`;
  await w.submit(first, id, {
    ...base,
    entry_class: 'tramontane.jobs.Endless',
    args: { 'sleep-ms': 20 },
    on_cancel: 'stop',
  });
  await waitFor('the running job', async () => (await loadExternalJob(w.db, id))?.lastState === 'RUNNING', 120_000);
  first.abandon();
  const second = await w.node('n2');
  await waitFor('the progress', async () => (await loadExternalJob(w.db, id))?.progress?.state === 'RUNNING', 60_000);
  // While a task is still being deployed Flink makes no savepoint.
  const areUp = async () =>
    (await client.jobs.get(jobIdOf(id))).vertices.every(({ status }) => status === 'RUNNING') ? true : undefined;
  await waitFor('all tasks', areUp, 120_000);
  await second.stop(id, 'cancelled');
  const { kind, output } = await w.result(id);
  t.is(kind, 'cancelled');
  t.is(output.state, 'FINISHED');
  t.regex(String(output.savepoint), /savepoint-/);

  const again = `again-${run}`;
  await w.submit(second, again, {
    ...base,
    entry_class: 'tramontane.jobs.Endless',
    args: { 'sleep-ms': 20 },
    savepoint_path: String(output.savepoint),
    wait_for: 'running',
    all_tasks_running: true,
  });
  const restored = await w.result(again);
  t.is(restored.output.state, 'RUNNING', JSON.stringify(restored.output));
  await client.jobs.terminate(jobIdOf(again));
});

real('cancel ends a job; the same id is adopted, not run again', async (t) => {
  const w = await realWorld(t, pack);
  const watcher = await w.node('n1');
  const id = `cancel-${run}`;
  const input = { ...base, entry_class: 'tramontane.jobs.Endless', args: { 'sleep-ms': 20 } };
  await w.submit(watcher, id, input);
  await waitFor('the running job', async () => (await loadExternalJob(w.db, id))?.lastState === 'RUNNING', 120_000);
  await w.submit(watcher, `twin-${run}`, { ...input, job_id: jobIdOf(id), wait_for: 'running' });
  t.like((await w.result(`twin-${run}`)).output, { job_id: jobIdOf(id), state: 'RUNNING' });
  await watcher.stop(id, 'cancelled');
  const { kind, output } = await w.result(id);
  t.is(kind, 'cancelled');
  t.like(output, { code: 'FLINK_CANCELLED', state: 'CANCELED' });
  t.is(await client.jobs.getStatus(jobIdOf(id)), 'CANCELED');
});

real('an uploaded jar runs, and an upgrade takes an uploaded one, its way back as well', async (t) => {
  const store = await memoryStore(t);
  const w = await realWorld(t, (folder) => {
    const files = new JobFiles({ ...store, folder: join(folder, 'files'), url: null });
    return withJobFiles(flinkPack({ jarsFolder: folder, uploadedFile: files.bring.bind(files) }, http), files);
  });
  const watcher = await w.node('n1');
  const uploaded = await uploadFile(store, 'endless.jar', await readFile(jar ?? ''));
  const program = {
    url: base.url,
    jar: uploaded,
    entry_class: 'tramontane.jobs.Endless',
    args: { 'sleep-ms': 20, 'checkpoint-ms': 1000 },
  };
  const old = `uploaded-${run}`;
  await w.submit(watcher, old, { ...program, wait_for: 'running', all_tasks_running: true }, 'flink.run_jar');
  t.like((await w.result(old)).output, { job_id: jobIdOf(old), state: 'RUNNING' });
  const { url: _, ...rollback } = program;
  const id = `replaced-${run}`;
  await w.submit(watcher, id, { ...program, job_id: jobIdOf(old), rollback, stable_for: 1 }, 'flink.upgrade');
  const upgraded = await w.result(id);
  t.like(upgraded.output, { job_id: jobIdOf(id), state: 'RUNNING' }, JSON.stringify(upgraded));
  await client.jobs.terminate(jobIdOf(id));
  t.is(await client.jobs.getStatus(jobIdOf(old)), 'FINISHED');
});
