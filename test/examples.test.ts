import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { complaints, examplesFolder, listExamples, runExample, startLocalServer } from './helpers/examples.ts';

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

test('every example is listed in examples/README.md', async (t) => {
  const listed = await readFile(join(examplesFolder, 'README.md'), 'utf8');
  t.deepEqual(
    examples.map(({ name }) => name).filter((name) => !listed.includes(`(${name}/)`)),
    [],
  );
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

