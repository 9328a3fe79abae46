import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { silentLogger } from '../../engine/log.ts';
import { loadExternalJob } from '../../engine/store/external-jobs.ts';
import { createEgressPolicy } from '../../executors/egress.ts';
import { catalogueOf } from '../../executors/catalogue.ts';
import { FlinkClient } from '../../executors/flink/client/client.ts';
import { pathNames, type Endpoint } from '../../executors/flink/client/endpoint.ts';
import { ENDPOINT_NAMES, ENDPOINTS, type EndpointName } from '../../executors/flink/client/endpoints.ts';
import { FlinkApiError } from '../../executors/flink/client/errors.ts';
import { flinkPack } from '../../executors/flink/pack.ts';
import { jobIdOf } from '../../executors/flink/plan.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import { startFlink } from '../helpers/engines.ts';
import { complaints, readExample, runExample } from '../helpers/examples.ts';
import { waitFor } from '../helpers/waiting.ts';
import { realWorld, type RealWorld } from './helpers/real.ts';
import { runContext } from './helpers/remote.ts';

const { FLINK_REST_URL: url, FLINK_JOBS_JAR: jar, FLINK_SQL_URL: gateway, FLINK_HOME: home } = process.env;
const isReady = url !== undefined && jar !== undefined;
const real = isReady ? test.serial : test.skip;
const withSql = isReady && gateway !== undefined ? test.serial : test.skip;
if (!isReady) {
  test.skip('the operations on a real Flink: set FLINK_REST_URL to a session cluster and FLINK_JOBS_JAR to what scripts/engines/flink/build-jobs.sh builds', () => {});
}

// The cluster remembers ids for as long as it lives, and these tests may run twice on it.
const run = Date.now().toString(36);
const http = {
  forUsers: createHttpClient(createEgressPolicy({ allowLoopback: true })),
  forConnections: createHttpClient(null),
};
const pack = (folder: string) => flinkPack({ jarsFolder: folder }, http);
const client = new FlinkClient(
  { url: url ?? '', strict: true, ...(gateway !== undefined && { gatewayUrl: gateway }) },
  http.forConnections,
);
const base = { url: url ?? '', jar: jar ?? '' };
const endless = { ...base, entry_class: 'tramontane.jobs.Endless', args: { 'sleep-ms': 20, 'checkpoint-ms': 1000 } };

test.after.always(async () => {
  await http.forUsers.close();
  await http.forConnections.close();
});

/** An endless job that runs with all its tasks. */
async function startEndless(
  w: RealWorld,
  watcher: Awaited<ReturnType<RealWorld['node']>>,
  id: string,
  more = {},
): Promise<string> {
  await w.submit(watcher, id, { ...endless, wait_for: 'running', all_tasks_running: true, ...more });
  const { output } = await w.result(id);
  if (output.state !== 'RUNNING') throw new Error(`the job does not run: ${JSON.stringify(output)}`);
  return jobIdOf(id);
}

real('savepoint, checkpoint, disposal, stop and start from there, and cancel', async (t) => {
  const w = await realWorld(t, pack);
  const watcher = await w.node('n1');
  const job = await startEndless(w, watcher, `ops-${run}`);
  const at = { url: base.url, job_id: job };
  await w.submit(watcher, `save-${run}`, at, 'flink.savepoint');
  const saved = (await w.result(`save-${run}`)).output;
  t.regex(String(saved.location), /savepoint-/);
  await w.submit(watcher, `check-${run}`, { ...at, type: 'FULL' }, 'flink.checkpoint');
  const checked = await w.result(`check-${run}`);
  t.regex(String(checked.output.external_path), /chk-\d+/, JSON.stringify(checked));
  await w.submit(watcher, `dispose-${run}`, { url: base.url, path: saved.location ?? '' }, 'flink.dispose_savepoint');
  t.is((await w.result(`dispose-${run}`)).kind, 'success');
  await w.submit(
    watcher,
    `dispose2-${run}`,
    { url: base.url, path: 'file:///nowhere/at-all' },
    'flink.dispose_savepoint',
  );
  t.like((await w.result(`dispose2-${run}`)).output, { code: 'FLINK_DISPOSAL_FAILED' });
  await w.submit(watcher, `bad-${run}`, { ...at, target_directory: 'file:///proc/nowhere' }, 'flink.savepoint');
  t.like((await w.result(`bad-${run}`)).output, { code: 'FLINK_SAVEPOINT_FAILED' });
  await w.submit(watcher, `stop-${run}`, at, 'flink.stop');
  const stopped = (await w.result(`stop-${run}`)).output;
  t.is(stopped.state, 'FINISHED', JSON.stringify(stopped));
  const again = await startEndless(w, watcher, `resume-${run}`, { savepoint_path: String(stopped.location) });
  t.is((await client.jobs.getCheckpoints(again)).latest.restored?.external_path, String(stopped.location));
  await w.submit(watcher, `end-${run}`, { url: base.url, job_id: again }, 'flink.cancel');
  t.like((await w.result(`end-${run}`)).output, { state: 'CANCELED', already: false });
  await w.submit(watcher, `wait-${run}`, { url: base.url, job_id: again, fail_on: ['FAILED'] }, 'flink.wait');
  t.like((await w.result(`wait-${run}`)).output, { state: 'CANCELED' });
});

real('a rescale without the adaptive scheduler is a new job; an upgrade that fails goes back', async (t) => {
  const w = await realWorld(t, pack);
  const watcher = await w.node('n1');
  const job = await startEndless(w, watcher, `wide-${run}`);
  await w.submit(
    watcher,
    `rescale-${run}`,
    { ...endless, job_id: job, parallelism: 2, stable_for: 2 },
    'flink.rescale',
  );
  const rescaled = await w.result(`rescale-${run}`);
  t.like(
    rescaled.output,
    { strategy: 'redeploy', job_id: jobIdOf(`rescale-${run}`), state: 'RUNNING' },
    JSON.stringify(rescaled),
  );
  const wide = await client.jobs.get(String(rescaled.output.job_id));
  t.true(wide.vertices.every(({ parallelism }) => parallelism === 2));

  const { url: _, ...program } = endless;
  const bad = { ...endless, args: { uid: 'another-state' } };
  await w.submit(
    watcher,
    `upgrade-${run}`,
    { ...bad, job_id: wide.jid, rollback: { ...program, parallelism: 2 }, stable_for: 2 },
    'flink.upgrade',
  );
  const back = await w.result(`upgrade-${run}`);
  t.like(back.output, { code: 'FLINK_ROLLED_BACK', state: 'RUNNING' }, JSON.stringify(back));
  await w.submit(
    watcher,
    `upgrade2-${run}`,
    { ...endless, job_id: back.output.job_id ?? '', stable_for: 2 },
    'flink.upgrade',
  );
  const upgraded = await w.result(`upgrade2-${run}`);
  t.like(upgraded.output, { job_id: jobIdOf(`upgrade2-${run}`), state: 'RUNNING' }, JSON.stringify(upgraded));
  // Each is asked for by itself: others use the cluster as well, and its lists may leave out a job whose JobMaster is slow.
  const own = ['wide', 'rescale', 'upgrade2'].map((name) => jobIdOf(`${name}-${run}`));
  own.push(String(back.output.job_id));
  const states = await Promise.all(own.map((id) => client.jobs.getStatus(id)));
  t.deepEqual(states, ['FINISHED', 'FINISHED', 'RUNNING', 'FINISHED']);
  await client.jobs.terminate(jobIdOf(`upgrade2-${run}`));
});

real('examples/flink-upgrade takes the state along', async (t) => {
  t.timeout(600_000);
  const example = await readExample('flink-upgrade');
  const outcome = await runExample(example, { input: { flink_url: base.url, jar: base.jar, new_jar: base.jar } });
  t.deepEqual(complaints(example, outcome), [], outcome.stderr);
  const { job, started_from: savepoint } = outcome.execution.output as {
    readonly job: string;
    readonly started_from: string;
  };
  t.is((await client.jobs.getCheckpoints(job)).latest.restored?.external_path, savepoint);
  // Flink's cache of the job may be some seconds behind what the stop has seen.
  await waitFor('its end', async () => ((await client.jobs.get(job)).state === 'FINISHED' ? true : undefined), 60_000);
});

real('every route that a session cluster serves answers in the shape of the table, through its action', async (t) => {
  const w = await realWorld(t, pack);
  const watcher = await w.node('n1');
  // One checkpoint of our own: Flink tells only of the last ten, and a slow machine sees more of them go by than that.
  const args = { ...endless.args, 'checkpoint-ms': 3_600_000 };
  const job = await startEndless(w, watcher, `routes-${run}`, { args });
  await client.jobs.createCheckpoint(job);
  const version = await client.version();
  const details = await client.jobs.get(job);
  const [taskmanager] = await client.taskmanagers.all();
  await waitFor(
    'a checkpoint',
    async () => ((await client.jobs.getCheckpoints(job)).counts.completed > 0 ? true : undefined),
    60_000,
  );
  const ids: Readonly<Record<string, string | number>> = {
    jobId: job,
    vertexId: details.vertices[0]?.id ?? '',
    taskmanagerId: taskmanager?.id ?? '',
    subtaskIndex: 0,
    attempt: 0,
    checkpointId: (await client.jobs.getCheckpoints(job)).latest.completed?.id ?? 0,
    applicationId: job,
    logFile: (await client.jobmanager.logs())[0]?.name ?? '',
  };
  // What changes something has tests of its own, or is the business of none; profiles and rescales may be empty.
  const skipped = new Set<EndpointName>([
    'jobs.yarnCancel',
    'taskmanagers.getLog',
    'jobs.getResourceRequirements',
    'jobs.getRescaling',
    'jobs.getRescalesHistory',
    'jobs.getRescalesOverview',
    'jobs.getRescalesSummary',
    'jobs.getRescaleDetails',
    'jobs.getRescalesConfig',
  ]);
  const catalogue = catalogueOf(pack(w.folder));
  const groups = client as unknown as Readonly<
    Record<string, Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>>
  >;
  let asked = 0;
  for (const name of ENDPOINT_NAMES) {
    const endpoint: Endpoint = ENDPOINTS[name];
    const parts = pathNames(endpoint.path);
    const isKnown = parts.every((part) => ids[part] !== undefined);
    if (endpoint.method !== 'GET' || endpoint.server !== undefined || !isKnown || skipped.has(name)) continue;
    if (!version.atLeast(endpoint.since ?? '1.12')) continue;
    const [group = '', method = ''] = name.split('.');
    await t.notThrowsAsync(async () => groups[group]?.[method]?.(...parts.map((part) => ids[part])), name);
    const action = catalogue.find(`flink.${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`);
    if (action?.kind === 'sync') {
      const inputs = Object.fromEntries(
        parts.map((part) => [part.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), ids[part] ?? '']),
      );
      const context = {
        signal: new AbortController().signal,
        log: silentLogger,
        http: http.forUsers,
        run: runContext('a'),
      };
      const result = await action.run({ url: base.url, ...inputs }, context);
      t.is(result.kind, 'success', `${name}: ${JSON.stringify(result.output)}`);
    }
    asked++;
  }
  t.true(asked > 45, `${asked} routes`);
  await client.jobs.terminate(job);
});

withSql(
  'SQL through the gateway: tables, an INSERT waited for, a SELECT, a wrong statement, an endless one cut',
  async (t) => {
    const w = await realWorld(t, pack);
    const watcher = await w.node('n1');
    const where = { url: base.url, gateway_url: gateway ?? '' };
    const out = join(w.folder, 'sink');
    await w.submit(
      watcher,
      `sql-${run}`,
      {
        ...where,
        properties: { 'execution.runtime-mode': 'batch' },
        wait_for: 'finished',
        script: `
        CREATE TABLE numbers (n INT, square INT) WITH ('connector' = 'filesystem', 'path' = 'file://${out}', 'format' = 'csv');
        INSERT INTO numbers VALUES (1, 1), (2, 4), (3, 9); -- three rows
        SELECT n, square FROM numbers;`,
      },
      'flink.sql',
    );
    const { kind, output } = await w.result(`sql-${run}`);
    t.is(kind, 'success', JSON.stringify(output));
    // An ORDER BY would need more memory than this small cluster has.
    const rows = output.rows as readonly { readonly n: number }[];
    t.deepEqual(
      rows.toSorted((a, b) => a.n - b.n),
      [
        { n: 1, square: 1 },
        { n: 2, square: 4 },
        { n: 3, square: 9 },
      ],
    );
    t.like(output.results, [{ kind: 'OTHER' }, { kind: 'INSERT', state: 'FINISHED' }, { kind: 'QUERY' }]);

    await w.submit(watcher, `sqlbad-${run}`, { ...where, statements: ['SELECT * FROM nowhere_at_all'] }, 'flink.sql');
    t.like((await w.result(`sqlbad-${run}`)).output, { code: 'FLINK_SQL_ERROR', index: 0 });
    const datagen = "CREATE TABLE many (x INT) WITH ('connector' = 'datagen', 'rows-per-second' = '50')";
    await w.submit(
      watcher,
      `sqlcut-${run}`,
      { ...where, statements: [datagen, 'SELECT x FROM many'], max_rows: 5 },
      'flink.sql',
    );
    const cut = await w.result(`sqlcut-${run}`);
    t.is((cut.output.rows as unknown[]).length, 5, JSON.stringify(cut));
    t.like(await client.sql.info(), { productName: 'Apache Flink' });
    const session = await client.sql.openSession({ sessionName: 'routes' });
    await client.sql.configureSession(session, { statement: "SET 'a.b' = 'c'" });
    t.is((await client.sql.getSession(session))['a.b'], 'c');
    await client.sql.heartbeat(session);
    // Routes that want what only Java can make, materialized tables or an application cluster: what they answer is read all the same.
    t.true(Array.isArray(await client.sql.completeStatement(session, { statement: 'SEL', position: 3 })));
    const plan = join(w.folder, 'plan.bin');
    await writeFile(plan, 'not serialized by Java');
    const refused = { instanceOf: FlinkApiError };
    t.not((await t.throwsAsync(client.jobs.submit({ plan, jars: [base.jar] }), refused)).rootCause, '');
    t.not((await t.throwsAsync(client.sql.refreshMaterializedTable(session, 'a.b.c', {}), refused)).rootCause, '');
    if ((await client.version()).atLeast('2.0'))
      t.not((await t.throwsAsync(client.sql.deployScript(session, { script: 'SELECT 1' }), refused)).rootCause, '');
    t.is(await client.sql.closeSession(session), 'CLOSED');
  },
);

real(
  'the adaptive scheduler rescales a running job; a JobManager killed in mid-job loses it, and the next run uploads again',
  async (t) => {
    const w = await realWorld(t, pack);
    if (home === undefined) return t.fail('FLINK_HOME is not set');
    const state = join(w.folder, 'cluster');
    const signal = new AbortController().signal;
    const options = [
      'jobmanager.scheduler=adaptive',
      'jobmanager.adaptive-scheduler.scaling-interval.min=1s',
      'jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling=1s',
      'jobmanager.adaptive-scheduler.resource-stabilization-timeout=1s',
    ];
    const cluster = await startFlink(home, state, signal, { options });
    t.teardown(cluster.stop);
    const own = { ...endless, url: cluster.url, args: { 'sleep-ms': 20, 'checkpoint-ms': 1000 } };
    const watcher = await w.node('n1');
    const id = `adaptive-${run}`;
    await w.submit(watcher, id, { ...own, wait_for: 'finished', not_found_grace: 3 });
    await waitFor(
      'the running job',
      async () => ((await loadExternalJob(w.db, id))?.lastState === 'RUNNING' ? true : undefined),
      120_000,
    );
    await w.submit(watcher, `up-${run}`, { url: cluster.url, job_id: jobIdOf(id), parallelism: 2 }, 'flink.rescale');
    const rescaled = await w.result(`up-${run}`);
    t.like(rescaled.output, { strategy: 'requirements', job_id: jobIdOf(id) }, JSON.stringify(rescaled));
    t.true(
      Object.values(rescaled.output.parallelism as Record<string, number>).every((width) => width === 2),
      JSON.stringify(rescaled),
    );

    const pid = Number(await readFile(join(state, 'jobmanager.pid'), 'utf8'));
    process.kill(pid, 'SIGKILL');
    const isGone = async () => ((await fetch(cluster.url).catch(() => null)) === null ? true : undefined);
    await waitFor('the end of the JobManager', isGone, 30_000);
    const restarted = await startFlink(home, state, signal, { port: Number(new URL(cluster.url).port) });
    t.is(restarted.url, cluster.url);
    // Without high availability the job is gone: that is told after the grace, and nothing is started a second time behind our back.
    const lost = await w.result(id);
    t.like(lost.output, { code: 'FLINK_JOB_LOST', job_id: jobIdOf(id) }, JSON.stringify(lost));
    const there = new FlinkClient({ url: cluster.url }, http.forConnections);
    t.deepEqual(await there.jobs.all(), []);
    await w.submit(watcher, `after-${run}`, { ...base, url: cluster.url, args: { count: 20 }, wait_for: 'finished' });
    const after = await w.result(`after-${run}`);
    t.like(after.output, { state: 'FINISHED', accumulators: { numbers: 20 } }, JSON.stringify(after));
  },
);
