import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { startFakeFlink } from '../executors/fakes/flink.ts';
import {
  complaints,
  examplesFolder,
  listExamples,
  readExample,
  runExample,
  startLocalServer,
} from './helpers/examples.ts';

// Those that need Spark or Flink are in examples.chain.test.ts; flink-upgrade runs here on a stand-in, and on Flink in flink-operations.flink.test.ts.
const NEED_ENGINES = new Set(['spark-then-flink', 'flink-upgrade', 'leased-clusters']);

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
