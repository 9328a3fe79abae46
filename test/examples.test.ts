import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { fakeCommand } from '../api/commands/fake.ts';
import type { Terminal } from '../api/terminal.ts';
import { deferred } from '../executors/deferred.ts';
import { startFakeFlink } from '../executors/fakes/flink.ts';
import { fakeSparkHome } from './executors/helpers/fake-spark.ts';
import {
  complaints,
  examplesFolder,
  listExamples,
  readExample,
  runExample,
  startLocalServer,
} from './helpers/examples.ts';

// Those that need Spark or Flink are in examples.chain.test.ts; flink-upgrade runs here on a stand-in, and on Flink in flink-operations.flink.test.ts.
const NEED_ENGINES = new Set(['spark-then-flink', 'flink-upgrade', 'leased-clusters', 'spark-systems']);

const examples = await listExamples();
const server = await startLocalServer();
test.after.always(() => server.stop());

for (const example of examples.filter(({ name }) => !NEED_ENGINES.has(name))) {
  test(`examples/${example.name} ends as its expect.yaml says`, async (t) => {
    const outcome = await runExample(example, { localServer: server.url, here: true });
    t.deepEqual(complaints(example, outcome), []);
    t.is(outcome.code, example.expected.state === 'SUCCESS' ? 0 : 1);
  });
}

test('examples/flink-upgrade ends as its expect.yaml says, and goes back when the new version does not come up', async (t) => {
  t.timeout(300_000);
  const example = await readExample('flink-upgrade');
  const flink = await startFakeFlink({ version: '2.3.0' });
  t.teardown(() => flink.close());
  const input = { flink_url: flink.url, jar: example.file, new_jar: join(examplesFolder, 'README.md') };
  const outcome = await runExample(example, { here: true, input });
  t.deepEqual(complaints(example, outcome), []);
  // Of two runs with two starts each, and the way back of the second one: the fourth fails.
  flink.switches.failInMain = 'java.lang.IllegalStateException: not today';
  Object.defineProperty(flink.switches, 'failRuns', { get: () => (flink.runs.length === 4 ? 1 : 0), set: () => {} });
  const back = await runExample(example, { here: true, input });
  t.like(back.execution, { state: 'SUCCESS', output: { version: 'old' } });
});

test('examples/spark-systems runs on the stand-ins of all systems, as tramontane fake starts them', async (t) => {
  t.timeout(300_000);
  const example = await readExample('spark-systems');
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-spark-systems-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const spark = await fakeSparkHome(folder);
  const application = join(folder, 'job.sh');
  await writeFile(application, `echo '::result {"rows": 25}'\n`);
  const [livy, lighter] = [await fake(t, 'livy'), await fake(t, 'lighter')];
  const [mist, master] = [await fake(t, 'mist'), await fake(t, 'spark-master')];
  const remote = { application: 'hdfs:///jobs/score.py', poll_interval: 0.1 };
  const cases: readonly (readonly [workflow: string, input: object, output: object])[] = [
    ['submit', { application, spark_home: spark.home }, { backend: 'process', state: 'success', result: { rows: 25 } }],
    [
      'standalone',
      { ...remote, url: master, master: 'spark://master:7077' },
      { backend: 'standalone', state: 'FINISHED', result: null },
    ],
    ['livy', { ...remote, url: livy }, example.expected.output as object],
    ['lighter', { ...remote, url: lighter }, { backend: 'lighter', state: 'success', result: null }],
    ['mist', { ...remote, url: mist, class: 'Score' }, { backend: 'mist', state: 'finished', result: null }],
    ['session', { url: livy, poll_interval: 0.1 }, { table: 'available', rows: 'available' }],
  ];
  for (const [workflow, input, output] of cases) {
    const outcome = await runExample({ ...example, input: '{}' }, { here: true, workflow, input });
    t.deepEqual(
      outcome.execution,
      { ...outcome.execution, state: 'SUCCESS', output },
      `${workflow}: ${outcome.stderr}`,
    );
  }
});

/** The address of a stand-in as the command line starts it. */
async function fake(t: ExecutionContext, name: string): Promise<string> {
  const stop = deferred<NodeJS.Signals>();
  const line = deferred<string>();
  const terminal: Terminal = {
    environment: {},
    isInteractive: false,
    columns: 80,
    out: (text) => line.resolve(text),
    err: () => {},
    stopped: stop.promise,
  };
  const running = fakeCommand(name, { port: '0', flinkVersion: '2.3.0', jobSeconds: '1', submit: true }, terminal);
  t.teardown(async () => {
    stop.resolve('SIGTERM');
    await running;
  });
  return /http:\S+/.exec(await line.promise)?.[0] ?? '';
}

test('an example whose service is down ends ERROR, says why, and exits 1', async (t) => {
  const example = examples.find(({ name }) => name === 'http-call');
  t.truthy(example);
  if (example === undefined) return;
  const outcome = await runExample(example, {
    localServer: server.url,
    here: true,
    input: { second: 'atlantis' },
  });
  t.is(outcome.execution.state, 'ERROR');
  t.is(outcome.code, 1);
  t.regex(outcome.stdout + outcome.stderr, /404/);
});

test('examples/leased-clusters rehearses its leases on pools that need no engines', async (t) => {
  const example = examples.find(({ name }) => name === 'leased-clusters');
  t.truthy(example);
  if (example === undefined) return;
  const outcome = await runExample(example, { workflow: 'rehearse', config: 'rehearsal.yaml', here: true });
  t.deepEqual(outcome.execution, {
    state: 'SUCCESS',
    output: { spark: 'spark', flink: 'flink', held_in_the_middle: 2, given_back: 2 },
  });
});

test('every example is listed in examples/README.md', async (t) => {
  const listed = await readFile(join(examplesFolder, 'README.md'), 'utf8');
  t.deepEqual(
    examples.map(({ name }) => name).filter((name) => !listed.includes(`(${name}/)`)),
    [],
  );
});
