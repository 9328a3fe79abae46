import test, { type ExecutionContext } from 'ava';
import type { Store } from '../../engine/store/connection.ts';
import { loadViews } from '../../engine/store/views.ts';
import { createDefinitionFinder } from '../../engine/store/definition-finder.ts';
import type { ExecutionId } from '../../engine/core/model.ts';
import { openTestEngine, type TestEngine } from '../helpers/engine.ts';

// Counts instead of times: statements, rows and transactions (design.md §2, budget per step).

interface Counted {
  readonly transactions: number;
  /** Statements that read, outside and inside of transactions, without the epoch that each transaction looks at. */
  readonly reads: number;
  readonly writes: number;
  /** Rows that are made or changed, by table. */
  readonly rows: Readonly<Record<string, number>>;
}

interface Query {
  readonly sql: string;
  readonly bindings?: readonly unknown[];
}

/** Everything that the database was asked for since the last call. */
function counter(store: Store): () => Counted {
  let seen: Query[] = [];
  const note = (query: Query) => seen.push(query);
  store.writer.on('query', note);
  if (store.reader !== store.writer) store.reader.on('query', note);
  return () => {
    const queries = seen;
    seen = [];
    const rows: Record<string, number> = {};
    for (const query of queries) {
      const [, table] = /^(?:insert into|update|delete from) [`"]?(\w+)/i.exec(query.sql) ?? [];
      if (table !== undefined) rows[table] = (rows[table] ?? 0) + rowsOf(query);
    }
    const count = (pattern: RegExp) => queries.filter(({ sql }) => pattern.test(sql)).length;
    return {
      transactions: count(/^begin/i),
      reads: count(/^(?:select|with)(?!.*definitions_epoch)/is) - count(/^select.*`?counters`?/i),
      writes: count(/^(?:insert|update|delete)/i),
      rows,
    };
  };
}

/** Values of many rows travel as one JSON text, the last binding. */
function rowsOf({ bindings = [] }: Query): number {
  const text = bindings.at(-1);
  const rows: unknown = typeof text === 'string' && text.startsWith('[[') ? JSON.parse(text) : null;
  return Array.isArray(rows) ? rows.length : 1;
}

function total({ rows }: Counted): number {
  return Object.values(rows).reduce((sum, count) => sum + count, 0);
}

const chainText = (name: string, length: number, action: string) => `version: '2.0'
${name}:
  tasks:
${Array.from({ length }, (_, i) => `    t${i}: {action: ${action}${i + 1 < length ? `, on-success: t${i + 1}` : ''}}`).join('\n')}
`;

test('a chain of pure tasks is one transaction with two rows a step', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(chainText('chain', 10, 'std.noop'));
  const counted = counter(e.store);
  await e.start('chain');
  const { transactions, writes, rows } = counted();
  t.is(transactions, 1);
  t.deepEqual(rows, { executions: 1, task_executions: 10, action_executions: 10, execution_events: 1 });
  t.is(writes, 4);
});

test('a dispatched step writes four rows and the row of its execution, reads nothing, and costs the same at the end of a long chain', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(chainText('chain', 25, 'std.async_noop'));
  await e.start('chain');
  const counted = counter(e.store);
  const steps: Counted[] = [];
  for (let i = 0; i < 24; i++) {
    await e.finish(`t${i}`);
    steps.push(counted());
  }
  // The finished action and task, the next ones, the version, the event log.
  const step = { task_executions: 2, action_executions: 2, executions: 1, execution_events: 1 };
  for (const { transactions, reads, rows } of steps)
    t.deepEqual({ transactions, reads, rows }, { transactions: 1, reads: 0, rows: step });
});

test('steps of many executions at once share one transaction and its statements', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(chainText('chain', 3, 'std.async_noop'));
  await Promise.all(Array.from({ length: 50 }, () => e.start('chain')));
  const counted = counter(e.store);
  await finishAll(e, e.waiting.splice(0));
  const { transactions, reads, writes, rows } = counted();
  t.deepEqual({ transactions, reads }, { transactions: 1, reads: 0 });
  t.is(rows.task_executions, 100);
  t.true(writes <= 8, `${writes} statements`);
});

test('branches into a join write as much for the last as for the first', async (t) => {
  const e = await openTestEngine(t);
  const names = Array.from({ length: 15 }, (_, i) => `b${i}`);
  await e.upload(`version: '2.0'
wide:
  tasks:
${names.map((name) => `    ${name}: {action: std.async_noop, publish: {${name}: 1}, on-success: end}`).join('\n')}
    end: {join: all, action: std.noop}
`);
  await e.start('wide');
  const counted = counter(e.store);
  const steps: Counted[] = [];
  for (const name of names) {
    await e.finish(name);
    steps.push(counted());
  }
  const middle = steps.slice(1, -1);
  for (const step of middle) t.deepEqual(step, middle[0] as Counted);
  t.is(middle[0]?.reads, 0);
  t.true(total(middle[0] as Counted) <= 4);
});

test('an item costs the same whether a hundred or a thousand ended before it', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(`version: '2.0'
many:
  input: [n]
  tasks:
    a: {with-items: "i in <% range(0, $.n).toList() %>", concurrency: 40, action: std.async_noop}
`);
  await e.start('many', { n: 1160 });
  const counted = counter(e.store);
  const steps: Counted[] = [];
  for (let done = 0; done < 1080; done += 40) {
    await finishAll(e, e.waiting.splice(0));
    steps.push(counted());
  }
  const usual = steps.filter((step) => step.reads === 0);
  // Slices of a thousand values are read once each.
  t.true(usual.length >= steps.length - 2, `${steps.length - usual.length} steps read something`);
  for (const { rows } of usual)
    t.deepEqual(rows, { task_executions: 1, action_executions: 80, executions: 1, execution_events: 1 });
});

test('a sub-workflow and its parent take a transaction each way', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(`version: '2.0'
parent: {tasks: {s: {workflow: child}}}
child: {tasks: {a: {action: std.noop}}}
`);
  const counted = counter(e.store);
  const { id } = await e.start('parent');
  const { transactions, rows } = counted();
  t.is((await e.see(id)).execution.state, 'SUCCESS');
  t.is(transactions, 3);
  t.true(total({ transactions, reads: 0, writes: 0, rows }) <= 16, JSON.stringify(rows));
});

test('views of many executions are read with as many statements as one, and none of them looks at finished work', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(chainText('chain', 6, 'std.async_noop'));
  const records = await Promise.all(Array.from({ length: 30 }, () => e.start('chain')));
  for (let i = 0; i < 3; i++) await finishAll(e, e.waiting.splice(0));
  const finder = createDefinitionFinder(e.store.reader);
  const load = (ids: readonly ExecutionId[]) => loadViews(e.store.reader, ids, (hash) => finder.loadSpec(hash));
  const ids = records.map((record) => record.id);
  await load(ids.slice(0, 1));
  const statements: Query[] = [];
  e.store.reader.on('query', (query: Query) => statements.push(query));
  const one = await load(ids.slice(0, 1));
  const forOne = statements.splice(0).length;
  const all = await load(ids);
  const forAll = statements.splice(0);
  t.is(all.size, 30);
  t.is(forAll.length, forOne);
  for (const { view } of [...one.values(), ...all.values()]) t.is(view.tasks.size, 1);
  const plans = await Promise.all(forAll.map((query) => planOf(e.store, query)));
  const planFor = (pattern: RegExp) => plans[forAll.findIndex(({ sql }) => pattern.test(sql))] ?? '';
  t.regex(planFor(/not processed/), /task_executions_retained_index/);
  t.regex(planFor(/group by/), /USING COVERING INDEX/);
  t.regex(planFor(/`action_executions`.*state not in/), /action_executions_open_index/);
  t.regex(planFor(/`executions`.*state not in/), /executions_open_index/);
});

async function planOf(store: Store, { sql, bindings = [] }: Query): Promise<string> {
  const rows: { detail: string }[] = await store.reader.raw(`explain query plan ${sql}`, [...bindings] as string[]);
  return rows.map((row) => row.detail).join('; ');
}

async function finishAll(e: TestEngine, messages: readonly TestEngine['waiting'][number][], output = 0): Promise<void> {
  await Promise.all(
    messages.map(({ context }) =>
      e.engine.report({
        actionExecutionId: context.actionExecutionId,
        attempt: context.attempt,
        result: { kind: 'success', output },
      }),
    ),
  );
  await e.settle();
}

// ---- more items than a view keeps

const MANY = (more: string) => `version: '2.0'
many:
  output: {sum: <% task(a).result.sum() %>, n: <% task(a).result.len() %>, first: <% task(a).result.first() %>}
  output-on-error: {n: <% task(a).result.len() %>}
  tasks:
    a:
      with-items: i in <% range(0, 120).toList() %>
      action: std.async_noop
      publish: {last: <% task().result.last() %>}
      ${more}
`;

async function finishItems(e: TestEngine, fails: (index: number) => boolean = () => false): Promise<number[]> {
  const indices: number[] = [];
  while (e.waiting.length > 0) {
    const messages = e.waiting.splice(0);
    await Promise.all(
      messages.map(async ({ context }) => {
        const { index } = await actionRow(e, context.actionExecutionId);
        indices.push(index);
        await e.engine.report({
          actionExecutionId: context.actionExecutionId,
          attempt: context.attempt,
          result: fails(index)
            ? { kind: 'error', output: `bad ${index}`, retryable: false }
            : { kind: 'success', output: index },
        });
      }),
    );
    await e.settle();
  }
  return indices.sort((a, b) => a - b);
}

async function actionRow(e: TestEngine, id: string): Promise<{ index: number }> {
  const row: { runtime_context: string } | undefined = await e.store
    .reader('action_executions')
    .where('id', id)
    .first('runtime_context');
  return JSON.parse(row?.runtime_context ?? '{}') as { index: number };
}

for (const forgetful of [false, true]) {
  const how = forgetful ? ', on views that are loaded anew' : '';
  test(`results of many items are read when an expression asks${how}`, async (t) => {
    const e = await openTestEngine(t, { forgetful });
    const seen = await e.run(MANY(''));
    t.is(e.waiting.length, 120);
    t.deepEqual(
      await finishItems(e),
      Array.from({ length: 120 }, (_, i) => i),
    );
    const { execution, task } = await e.see(seen.execution.id);
    t.is(execution.state, 'SUCCESS');
    t.deepEqual(execution.output, { sum: (119 * 120) / 2, n: 120, first: 0 });
    t.deepEqual(task('a').published, { last: 119 });
    t.deepEqual(task('a').runtimeContext.with_items, { count: 120, capacity: null });
  });

  test(`a rerun of many items without reset repeats exactly what failed${how}`, async (t) => {
    const e = await openTestEngine(t, { forgetful });
    const { execution } = await e.run(MANY('concurrency: 40'));
    t.is(e.waiting.length, 40);
    const failing = new Set([0, 7, 99, 119]);
    await finishItems(e, (index) => failing.has(index));
    const failed = await e.see(execution.id);
    t.is(failed.execution.state, 'ERROR');
    t.is(failed.task('a').stateInfo, 'One or more actions had failed.');
    for (const index of failing) t.true(failed.execution.stateInfo?.includes(`idx=${index}]: bad ${index}\n`));
    t.false(failed.execution.stateInfo?.includes('idx=8]'));
    t.is(failed.execution.output.n, 120);
    await e.engine.rerunTask({ projectId: '<default-project>', isAdmin: true }, failed.task('a').id, false, null);
    await e.settle();
    t.deepEqual(await finishItems(e), [...failing]);
    const done = await e.see(execution.id);
    t.deepEqual(done.execution.output, { sum: (119 * 120) / 2, n: 120, first: 0 });
    t.is(done.actions.length, 124);
    t.is(done.actions.filter((action) => action.accepted).length, 120);
  });

  test(`retry and keep-result of many items${how}`, async (t) => {
    const e = await openTestEngine(t, { forgetful });
    const { execution } = await e.run(MANY('retry: {count: 1, delay: 1}\n      keep-result: false'));
    t.deepEqual((await finishItems(e, (index) => index === 3)).length, 120);
    t.is((await e.see(execution.id)).task('a').state, 'DELAYED');
    e.clock.advance(1000);
    await e.settle();
    t.is((await finishItems(e)).length, 120);
    const { execution: done, actions, task } = await e.see(execution.id);
    t.is(done.state, 'ERROR', 'the output asks for the sum of nothings');
    t.is(task('a').state, 'SUCCESS');
    t.is(actions.filter((action) => action.accepted).length, 120);
    t.true(
      actions.filter((action) => action.accepted).every((action) => Object.keys(action.output ?? {}).length === 0),
    );
  });
}

test('of many sub-workflows one may run again by itself: its end counts once more', async (t) => {
  const e = await openTestEngine(t, { forgetful: true });
  await e.upload(`version: '2.0'
parent:
  output: {n: <% task(s).result.len() %>, last: <% task(s).result.last().v %>}
  tasks: {s: {with-items: "i in <% range(0, 105).toList() %>", workflow: child, input: {i: <% $.i %>}}}
child:
  input: [i]
  output: {v: <% $.i %>}
  tasks:
    a: {action: std.noop, on-success: {b: <% $.i = 3 %>}}
    b: {action: std.async_noop}
`);
  const { id } = await e.start('parent');
  t.is(e.waiting.length, 1);
  await e.finish('b', { kind: 'error', output: 'bad', retryable: false });
  const failed = await e.see(id);
  t.is(failed.execution.state, 'ERROR');
  t.is(failed.task('s').items?.errors, 1);
  const [task]: { id: string }[] = await e.store.reader('task_executions').where('name', 'b').select('id');
  await e.engine.rerunTask({ projectId: '<default-project>', isAdmin: true }, task?.id ?? '', true, null);
  await e.settle();
  t.is((await e.see(id)).task('s').state, 'RUNNING');
  await e.finish('b', 1);
  const done = await e.see(id);
  t.is(done.execution.state, 'SUCCESS', done.execution.stateInfo ?? '');
  t.deepEqual(done.execution.output, { n: 105, last: 104 });
});

test('sources that are large are stored once, read in slices, and go with the execution', async (t) => {
  const e = await openTestEngine(t, { forgetful: true });
  const { execution } = await e.run(`version: '2.0'
large:
  tasks:
    a:
      with-items: ["i in <% range(0, 1100).toList() %>", "s in <% range(0, 1100).select(str($)).toList() %>"]
      action: std.echo output="<% $.i %>/<% $.s %>"
`);
  const { actions } = await e.see(execution.id);
  t.is((await e.see(execution.id)).execution.state, 'SUCCESS');
  t.is(actions.length, 1100);
  t.true(actions.every((action) => action.output?.result === `${action.index}/${action.index}`));
  const payloads: { id: string }[] = await e.store.reader('payloads').select('id');
  t.is(payloads.length, 2);
  await e.engine.deleteExecution({ projectId: '<default-project>', isAdmin: true }, execution.id, true);
  t.deepEqual(await e.store.reader('payloads').select('id'), []);
});

test('items that a stopped process had not made yet are made by the next one', async (t: ExecutionContext) => {
  const e = await openTestEngine(t);
  const { execution } = await e.run(MANY(''));
  // As if the process had died after the first slice.
  await e.store.writer('action_executions').whereNot('runtime_context', '{"index":0}').delete();
  const row: { items: string } = await e.store.reader('task_executions').first('items');
  await e.store.writer('task_executions').update({ items: JSON.stringify({ ...JSON.parse(row.items), next: 1 }) });
  await e.engine.close();
  const second = await openTestEngine(t, { store: { ...e.store, close: async () => {} } });
  await second.settle();
  t.is((await second.see(execution.id)).actions.length, 120);
});

test('a view that holds large results is let go of when memory is short, one with small results stays', async (t) => {
  const e = await openTestEngine(t, { cacheBytes: 100_000 });
  await e.upload(`version: '2.0'
big:
  output: {n: <% task(a).result.len() %>}
  tasks:
    a: {action: std.async_noop, on-success: b}
    b: {action: std.async_noop, on-success: c}
    c: {action: std.async_noop}
`);
  const counted = counter(e.store);
  for (const size of [1_000, 200_000]) {
    const { id } = await e.start('big');
    await e.finish('a', 'x'.repeat(size));
    counted();
    await e.finish('b');
    t.is(counted().reads > 0, size > 100_000);
    await e.finish('c');
    t.deepEqual((await e.see(id)).execution.output, { n: size });
  }
});
