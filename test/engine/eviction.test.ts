import test, { type ExecutionContext } from 'ava';
import { isDeepStrictEqual } from 'node:util';
import { assert, asyncProperty } from 'fast-check';
import { listRows, sortKeys } from '../../engine/store/lists.ts';
import { EXECUTIONS } from '../../engine/store/collections.ts';
import { buryTree, purgeSlice } from '../../engine/store/retention.ts';
import { CALLER, openTestEngine, type TestEngine } from '../helpers/engine.ts';
import { picture, play } from './players.ts';
import { type Scenario, scenarios, subWorkflowText, workflowText } from './random-workflows.ts';
import { randomRuns } from '../helpers/random-runs.ts';

// Random workflows may go in circles.
const LIMITS = { tasksPerName: 40 };

/** An engine that forgets every view before each statement, so that each batch decides on what is stored. */
async function openForgetful(t: ExecutionContext): Promise<TestEngine> {
  const e = await openTestEngine(t, { limits: LIMITS });
  e.store.writer.on('query', () => e.engine.forgetViews());
  return e;
}

test('an execution comes to the same end whether its view was kept or loaded anew for every step', async (t) => {
  const keeping = await openTestEngine(t, { limits: LIMITS });
  const forgetful = await openForgetful(t);
  let count = 0;
  await assert(
    asyncProperty(scenarios, async (scenario) => {
      const name = `w${count++}`;
      const kept = await perform(keeping, name, scenario);
      const forgotten = await perform(forgetful, name, scenario);
      const at = kept.findIndex((seen, i) => !isDeepStrictEqual(seen, forgotten[i]));
      if (at !== -1) throw new Error(difference(scenario, name, at, kept[at], forgotten[at]));
    }),
    {
      includeErrorInReport: true,
      numRuns: randomRuns(8),
      seed: Number(process.env.EVICTION_SEED ?? 20261122),
    },
  );
  t.pass();
});

const LARGE = 'x'.repeat(70_000);

for (const forgetful of [false, true]) {
  const how = forgetful ? ', on views that are loaded anew' : '';
  test(`large inputs, results and variables live beside their rows and are read when asked for${how}`, async (t) => {
    const e = await openTestEngine(t, { forgetful });
    const { execution } = await e.run(
      `version: '2.0'
wf:
  input: [text]
  output: {all: <% $.text + $.from_a + global(g) %>, again: <% task(a).result.v.len() %>}
  tasks:
    a:
      action: std.async_noop
      on-success: {publish: {branch: {from_a: <% task().result.v + 'y' %>}, global: {g: <% $.text %>}}, next: [b, c]}
    b: {action: std.async_noop, keep-result: false, on-success: j}
    c: {action: std.async_noop, on-success: j}
    j: {join: all, action: std.noop}
`,
      { text: LARGE },
    );
    await e.finish('a', { v: LARGE });
    await e.finish('b', { v: LARGE });
    await e.finish('c', { v: 'small' });
    const seen = await e.see(execution.id);
    t.is(seen.execution.state, 'SUCCESS', seen.execution.stateInfo ?? '');
    t.is(String(seen.execution.output.all).length, 3 * LARGE.length + 1);
    t.is(seen.execution.output.again, LARGE.length);
    t.is(seen.execution.input.text, LARGE);
    t.deepEqual(seen.task('a').published, { from_a: `${LARGE}y` });
    const [row] = await e.store.reader('executions').where('id', execution.id).select('input', 'output', 'context');
    for (const column of ['input', 'output', 'context']) t.regex(row[column], /^@e\./, column);
    const outputs: string[] = await e.store.reader('action_executions').orderBy('id').pluck('output');
    t.is(
      outputs.filter((text) => text.startsWith('@')).length,
      1,
      'the dropped result is gone, the small one stands in its row',
    );
    t.is(await payloads(e), 3 + 1 + 2, 'three of the execution, a result, and two that a published');
    const before = await readsOfPayloads(e, ['state', 'workflow_name']);
    t.is(before, 0, 'a list that does not show them does not read them');
    t.is(await readsOfPayloads(e, ['state', 'input', 'output']), 1);
    if (forgetful) {
      await e.store.writer.transaction((trx) => buryTree(trx, execution.id));
      while ((await e.store.writer.transaction((trx) => purgeSlice(trx, 100, 0))) !== null);
    } else await e.engine.deleteExecution(CALLER, execution.id, false);
    t.is(await payloads(e), 0, 'they go with their execution');
  });
}

for (const forgetful of [false, true]) {
  const how = forgetful ? ', on views that are loaded anew' : '';
  test(`large results of items are put together in their order${how}`, async (t) => {
    const e = await openTestEngine(t, { forgetful });
    const { execution } = await e.run(`version: '2.0'
wf:
  output: {lengths: <% $.all.select($.v.len()) %>, global: <% global(all).len() %>, last: <% task(w).result.last().n %>}
  tasks:
    w:
      with-items: i in [0, 1, 2]
      action: std.async_noop
      on-success: {publish: {branch: {all: <% task().result %>}, global: {all: <% task().result %>}}}
`);
    for (const n of [0, 1, 2]) await e.finish('w', { n, v: n === 1 ? 'small' : LARGE });
    const seen = await e.see(execution.id);
    t.deepEqual(seen.execution.output, { lengths: [LARGE.length, 5, LARGE.length], global: 3, last: 2 });
    t.is(seen.execution.stateInfo, null);
    t.is(await payloads(e), 2 + 2 + 1, 'two results, what is published twice, the context with it');
    await e.engine.deleteExecution(CALLER, execution.id, false);
    t.is(await payloads(e), 0);
  });
}

test('an execution keeps its own large values when somebody asks for the same id with others', async (t) => {
  const e = await openTestEngine(t);
  await e.upload("version: '2.0'\nwf: {input: [x], tasks: {a: {action: std.async_noop}}}");
  const id = '00000000-0000-7000-8000-0000000000aa';
  const start = (x: string) =>
    e.engine.startExecution(CALLER, {
      id,
      workflowId: null,
      workflowName: 'wf',
      workflowNamespace: '',
      input: { x },
      params: {},
      description: null,
      sourceExecutionId: null,
    });
  await start(LARGE);
  e.engine.forgetViews();
  t.is((await start(`${LARGE}other`)).input.x, LARGE);
  t.is((await e.see(id)).execution.input.x, LARGE);
});

test('an action that stands alone keeps large values, and takes them along when it goes', async (t) => {
  const e = await openTestEngine(t);
  const action = await e.engine.runAction(CALLER, {
    name: 'std.echo',
    input: { output: LARGE },
    namespace: '',
    runSync: true,
    saveResult: true,
    target: null,
    timeoutSeconds: null,
    description: '',
  });
  t.deepEqual(action.output, { result: LARGE });
  t.is(await payloads(e), 2);
  await e.engine.deleteAction(CALLER, action.id ?? '');
  t.is(await payloads(e), 0);
});

async function payloads({ store }: TestEngine): Promise<number> {
  return (await store.reader('payloads').pluck('id')).length;
}

async function readsOfPayloads({ store }: TestEngine, columns: readonly string[]): Promise<number> {
  let reads = 0;
  const count = ({ sql }: { sql: string }): void => {
    if (sql.includes('payloads')) reads++;
  };
  store.reader.on('query', count);
  const query = { filters: [], nulls: [], sort: sortKeys(EXECUTIONS, [], []), limit: 10, marker: null };
  await listRows(store.reader, CALLER, EXECUTIONS, query, columns);
  store.reader.removeListener('query', count);
  return reads;
}

function difference(scenario: Scenario, name: string, at: number, kept: unknown, forgotten: unknown): string {
  const lines = (value: unknown) => JSON.stringify(value, null, 1).split('\n');
  const [left, right] = [lines(kept), lines(forgotten)];
  const first = left.findIndex((line, i) => line !== right[i]);
  const show = (side: string[]) => side.slice(Math.max(0, first - 6), first + 4).join('\n');
  const acts = JSON.stringify(scenario.acts.slice(0, at));
  return `${workflowText(name, scenario)}after ${acts}\nkept:\n${show(left)}\nloaded anew:\n${show(right)}`;
}

async function perform(e: TestEngine, name: string, scenario: Scenario): Promise<unknown[]> {
  await e.upload(subWorkflowText(name));
  await e.upload(workflowText(name, scenario));
  e.waiting.length = 0;
  const record = await e.start(name);
  const pictures = [await picture(e, record.id)];
  for (const act of scenario.acts) {
    await play(e, record, act);
    pictures.push(await picture(e, record.id));
  }
  return pictures;
}
