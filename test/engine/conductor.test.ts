import test, { type ExecutionContext } from 'ava';
import { silentLogger } from '../../engine/log.ts';
import { openStore, type Store } from '../../engine/store/connection.ts';
import { type Fault, faultyStore } from './faulty-store.ts';
import { CALLER, openTestEngine, type TestEngine } from '../helpers/engine.ts';
import { refuseWrites } from '../helpers/store.ts';

const WAITS = `version: '2.0'
waits:
  output: {x: <% $.x %>}
  tasks:
    a:
      action: std.async_noop
      publish: {x: <% task().result %>}
      on-success: b
    b: {action: std.noop}
`;

function memoryStore(): Promise<Store> {
  return openStore({ url: 'sqlite::memory:' }, silentLogger);
}

/** Statements that open a transaction, from now on. */
function countTransactions(store: Store): () => number {
  let count = 0;
  store.writer.on('query', ({ sql }: { sql: string }) => {
    if (/^BEGIN/i.test(sql)) count++;
  });
  return () => count;
}

async function startMany(e: TestEngine, workflow: string, count: number): Promise<string[]> {
  const records = await Promise.all(Array.from({ length: count }, () => e.start(workflow)));
  return records.map((record) => record.id);
}

async function statesOf(e: TestEngine, ids: readonly string[]): Promise<string[]> {
  const rows: { id: string; state: string }[] = await e.store
    .reader('executions')
    .whereIn('id', [...ids])
    .select('id', 'state');
  return ids.map((id) => rows.find((row) => row.id === id)?.state ?? 'gone');
}

function report(e: TestEngine, index: number, output: string | number): Promise<void> {
  const message = e.waiting[index];
  if (message === undefined) throw new Error(`only ${e.waiting.length} actions wait`);
  const { actionExecutionId, attempt } = message.context;
  return e.engine.report({ actionExecutionId, attempt, result: { kind: 'success', output } });
}

test('events of many executions share a transaction', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(WAITS);
  const transactions = countTransactions(e.store);
  const ids = await startMany(e, 'waits', 40);
  t.true(transactions() <= 3, `${transactions()} transactions to start 40 executions`);
  const before = transactions();
  await Promise.all(e.waiting.map((_, i) => report(e, i, i)));
  await e.settle();
  t.true(transactions() - before <= 2, `${transactions() - before} transactions for 40 results`);
  t.deepEqual(new Set(await statesOf(e, ids)), new Set(['SUCCESS']));
});

test('a start is answered RUNNING although everything was done in the same transaction', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(`version: '2.0'\nquick: {tasks: {a: {action: std.fail}}}`);
  const record = await e.start('quick');
  t.is(record.state, 'RUNNING');
  t.is((await e.see(record.id)).execution.state, 'ERROR');
});

test("a heartbeat is noted for an executor's own actions that run, and for no others", async (t) => {
  const e = await openTestEngine(t);
  const call = '{action: std.http, input: {url: "http://127.0.0.1:9/"}}';
  const { execution } = await e.run(`version: '2.0'\nwf: {tasks: {a: ${call}, b: ${call}, c: ${call}}}`);
  const { actions } = await e.see(execution.id);
  const [mine, others, ended] = actions.map(({ id }) => String(id));
  await e.store.writer('action_executions').where('id', others).update({ executor_id: 'another' });
  await e.finish('c');
  const made = e.clock.now();
  e.clock.advance(1000);
  await e.engine.heartbeat(e.engine.nodeId, [mine, others, ended, 'gone'].map(String));
  const beats = await e.store.reader('action_executions').orderBy('id').pluck('heartbeat_at');
  t.deepEqual(beats.map(Number), [made + 1000, made, made]);
});

test('an execution that somebody else wrote is loaded and decided again', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(WAITS);
  const [mine, other] = await startMany(e, 'waits', 2);
  await e.store
    .writer('executions')
    .where('id', mine ?? '')
    .update({ version: e.store.writer.raw('version + 5'), description: 'from outside' });
  await Promise.all([report(e, 0, 'a'), report(e, 1, 'b')]);
  await e.settle();
  const seen = await e.see(mine ?? '');
  t.is(seen.execution.state, 'SUCCESS');
  t.is(seen.execution.description, 'from outside');
  t.is((await e.see(other ?? '')).execution.state, 'SUCCESS');
  const rows = await e.store
    .reader('executions')
    .where('id', mine ?? '')
    .select('version');
  t.true(Number(rows[0]?.version) > 6);
});

test('an event that cannot be decided concerns its execution alone, which ends naming the cause', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(WAITS);
  await startMany(e, 'waits', 3);
  // In the order of their actions: a database with several writers starts them in any.
  const ids = e.waiting.map(({ context }) => context.workflowExecutionId ?? '');
  await e.store
    .writer('task_executions')
    .where('execution_id', ids[1] ?? '')
    .update({ runtime_context: '{broken' });
  e.engine.forgetViews();
  const results = await Promise.allSettled([report(e, 0, 'a'), report(e, 1, 'b'), report(e, 2, 'c')]);
  await e.settle();
  t.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  t.deepEqual(await statesOf(e, ids), ['SUCCESS', 'ERROR', 'SUCCESS']);
  const [row] = await e.store.reader('quarantine').select('*');
  t.is(row.execution_id, ids[1]);
  t.is(JSON.parse(row.event).type, 'action-completed');
  const broken = await e.store
    .reader('executions')
    .where('id', ids[1] ?? '')
    .first();
  t.true(broken.state_info.startsWith('The engine could not handle an event of this execution: '));
  t.true(broken.state_info.includes(row.error));
});

test('a throw inside a decision is tried three times, then set aside; the parent hears of it', async (t) => {
  const e = await openTestEngine(t);
  const seen = await e.run(`version: '2.0'
parent:
  tasks:
    call: {workflow: child, on-error: caught}
    caught: {action: std.noop}
child:
  tasks:
    a: {action: std.async_noop, on-success: b}
    b: {action: std.noop}
`);
  const [child] = await e.store.reader('executions').whereNot('id', seen.execution.id);
  // A task that its workflow does not have: a fault that no definition can cause.
  await e.store.writer('task_executions').where('execution_id', child.id).update({ name: 'vanished' });
  e.engine.forgetViews();
  await t.throwsAsync(report(e, 0, 1), { message: /has no task 'vanished'/ });
  await e.settle();
  t.deepEqual(await statesOf(e, [child.id, seen.execution.id]), ['ERROR', 'SUCCESS']);
  t.is((await e.see(seen.execution.id)).task('caught').state, 'SUCCESS');
  t.deepEqual(await e.store.reader('outbox').select('*'), []);
});

test('a transaction that fails is tried in ever smaller parts until the culprit stands alone', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(WAITS);
  await startMany(e, 'waits', 8);
  // In the order in which they are reported on: starts at the same time may overtake each other.
  const ids = e.waiting.map((message) => message.context.workflowExecutionId ?? '');
  const culprit = ids[5] ?? '';
  await refuseWrites(e.store, 'update', 'executions', `new.id = '${culprit}' and new.state = 'SUCCESS'`);
  const results = await Promise.allSettled(ids.map((_, i) => report(e, i, i)));
  await e.settle();
  t.deepEqual(
    results.map(({ status }) => status),
    ids.map((id) => (id === culprit ? 'rejected' : 'fulfilled')),
  );
  t.deepEqual(
    await statesOf(e, ids),
    ids.map((id) => (id === culprit ? 'ERROR' : 'SUCCESS')),
  );
});

test('one execution that cannot be stored delays 499 others by no more than one batch', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(`version: '2.0'\none: {tasks: {a: {action: std.async_noop}}}`);
  await startMany(e, 'one', 500);
  const culprit = e.waiting[321]?.context.workflowExecutionId ?? '';
  await refuseWrites(e.store, 'update', 'executions', `new.id = '${culprit}' and new.state = 'SUCCESS'`);
  let tried = 0;
  e.store.writer.on('query', ({ sql, bindings }: { sql: string; bindings: unknown[] }) => {
    if (sql.includes('set version = executions.version + 1')) tried += JSON.parse(String(bindings.at(-1))).length;
  });
  let triedForOthers = 0;
  const results = await Promise.allSettled(
    e.waiting.map((message, i) =>
      report(e, i, i).finally(() => {
        if (message.context.workflowExecutionId !== culprit) triedForOthers = tried;
      }),
    ),
  );
  t.is(results.filter(({ status }) => status === 'rejected').length, 1);
  // Everything once more in parts, and the part that the culprit is in once more.
  t.true(triedForOthers <= 2 * 500 + 50, `${triedForOthers} executions were written until the last of the others was`);
});

test('what is stored although the database reports an error goes on like everything else', async (t) => {
  let fault: Fault = 'none';
  const e = await openTestEngine(t, { store: faultyStore(await memoryStore(), () => fault) });
  await e.upload(WAITS);
  await e.upload(`version: '2.0'
parent: {tasks: {s: {workflow: waits, wait-before: 1, on-success: z}, z: {action: std.async_noop}}}`);
  fault = 'after';
  const parent = await e.start('parent');
  t.is(parent.state, 'RUNNING');
  e.clock.advance(1000);
  await e.settle();
  await e.finish('a', 7);
  await e.finish('z');
  t.is((await e.see(parent.id)).execution.state, 'SUCCESS');
  t.deepEqual(await e.store.reader('outbox').select('*'), []);
});

test('a failure that passes leaves no trace', async (t) => {
  const faults: Fault[] = [];
  const e = await openTestEngine(t, { store: faultyStore(await memoryStore(), () => faults.shift() ?? 'none') });
  await e.upload(WAITS);
  const ids = await startMany(e, 'waits', 4);
  faults.push('before', 'inside', 'inside', 'none', 'before');
  await Promise.all(ids.map((_, i) => report(e, i, i)));
  await e.settle();
  t.deepEqual(new Set(await statesOf(e, ids)), new Set(['SUCCESS']));
  t.deepEqual(await e.store.reader('quarantine').select('*'), []);
});

test('while the database cannot be reached everything waits, and goes on afterwards in its order', async (t) => {
  const faults: Fault[] = [];
  const busy = () => Object.assign(new Error('SQLITE_BUSY: locked'), { code: 'SQLITE_BUSY' });
  const e = await openTestEngine(t, { store: faultyStore(await memoryStore(), () => faults.shift() ?? 'none', busy) });
  await e.upload(WAITS);
  const [id] = await startMany(e, 'waits', 1);
  faults.push('before', 'inside', 'before', 'inside', 'before');
  let isDone = false;
  const done = report(e, 0, 7).then(() => {
    isDone = true;
  });
  while (!isDone) {
    await new Promise((resolve) => setImmediate(resolve));
    e.clock.advance(500);
  }
  await done;
  t.deepEqual(faults, []);
  await e.settle();
  t.deepEqual((await e.see(id ?? '')).execution.output, { x: 7 });
});

test('a change of definitions is seen by what is decided after it', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(`version: '2.0'
parent:
  tasks:
    first: {action: std.async_noop, on-success: call}
    call: {workflow: child}
`);
  await e.upload(`version: '2.0'\nchild: {output: {v: 1}, tasks: {a: {action: std.noop}}}`);
  const one = await e.start('parent');
  const two = await e.start('parent');
  await e.finish('first');
  t.deepEqual(await outputOfChild(e, one.id), { v: 1 });
  await e.definitions.updateWorkflows(
    CALLER,
    `version: '2.0'\nchild: {output: {v: 2}, tasks: {a: {action: std.noop}}}`,
    {
      namespace: '',
      scope: 'private',
      identifier: null,
    } as never,
  );
  await e.finish('first');
  t.deepEqual(await outputOfChild(e, two.id), { v: 2 });
});

async function outputOfChild(e: TestEngine, parent: string): Promise<unknown> {
  const row = await e.store.reader('executions').where('parent_execution_id', parent).first('output');
  return JSON.parse(row.output);
}

test('a long chain of pure tasks is done in several batches', async (t) => {
  const e = await openTestEngine(t);
  const tasks = Array.from(
    { length: 200 },
    (_, i) => `    t${i}: {action: std.noop${i < 199 ? `, on-success: t${i + 1}` : ''}}`,
  );
  await e.upload(`version: '2.0'\nchain:\n  tasks:\n${tasks.join('\n')}\n`);
  const transactions = countTransactions(e.store);
  const record = await e.start('chain');
  const seen = await e.see(record.id);
  t.is(seen.execution.state, 'SUCCESS');
  t.is(seen.tasks.length, 200);
  t.is(transactions(), 4);
});

test('many events of one execution share its bound of steps', async (t) => {
  const e = await openTestEngine(t);
  const names = Array.from({ length: 100 }, (_, i) => `a${i}`);
  await e.upload(`version: '2.0'
wide:
  tasks:
${names.map((name) => `    ${name}: {action: std.async_noop, on-success: [n1, n2]}`).join('\n')}
    n1: {action: std.noop}
    n2: {action: std.noop}
`);
  const record = await e.start('wide');
  const transactions = countTransactions(e.store);
  await Promise.all(e.waiting.map((_, i) => report(e, i, i)));
  await e.settle();
  t.is(transactions(), 4);
  t.is((await e.see(record.id)).execution.state, 'SUCCESS');
});

test('a cycle without end becomes an error', async (t) => {
  const e = await openTestEngine(t, { limits: { tasksPerName: 150 } });
  const seen = await e.run(
    `version: '2.0'\nround: {tasks: {s: {on-success: a, action: std.noop}, a: {action: std.noop, on-success: a}}}`,
  );
  t.is(seen.execution.state, 'ERROR');
  t.regex(seen.execution.stateInfo ?? '', /ran 150 times/);
});

test('a start with an id that exists answers that execution, also when two race', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(`version: '2.0'\none: {input: [n], tasks: {a: {action: std.async_noop}}}`);
  const request = (n: number) => ({
    id: 'my-own-id',
    workflowId: null,
    workflowName: 'one',
    workflowNamespace: '',
    input: { n },
    params: {},
    description: null,
    sourceExecutionId: null,
  });
  const racing = await Promise.all([1, 2, 3].map((n) => e.engine.startExecution(CALLER, request(n))));
  t.deepEqual(
    racing.map((record) => [record.id as string, record.input.n, record.state]),
    racing.map(() => ['my-own-id', racing[0]?.input.n, 'RUNNING']),
  );
  const later = await e.engine.startExecution(CALLER, { ...request(9), workflowName: 'unknown' });
  t.is(later.input.n, racing[0]?.input.n);
  t.is(e.waiting.length, 1);
  await t.throwsAsync(e.engine.startExecution({ projectId: 'other', isAdmin: false }, request(1)), {
    message: 'WorkflowExecution not found [id=my-own-id]',
  });
});

test('two engines that start the same id make one execution', async (t) => {
  const e = await openTestEngine(t);
  const second = await secondEngine(t, e);
  await e.upload(`version: '2.0'\none: {input: [n], tasks: {a: {action: std.async_noop}}}`);
  const request = {
    id: 'shared',
    workflowId: null,
    workflowName: 'one',
    workflowNamespace: '',
    params: {},
    description: null,
    sourceExecutionId: null,
  };
  const records = await Promise.all([
    e.engine.startExecution(CALLER, { ...request, input: { n: 1 } }),
    second.engine.startExecution(CALLER, { ...request, input: { n: 2 } }),
  ]);
  await Promise.all([e.engine.idle(), second.engine.idle()]);
  t.is(records[0]?.input.n, records[1]?.input.n);
  t.is((await e.store.reader('task_executions').select('id')).length, 1);
  t.is(e.waiting.length + second.waiting.length, 1);
});

async function secondEngine(t: ExecutionContext, first: TestEngine): Promise<TestEngine> {
  return openTestEngine(t, { store: { ...first.store, close: async () => {} } });
}

test('a request of a person does not wait behind a flood of results', async (t) => {
  const e = await openTestEngine(t);
  const names = Array.from({ length: 30 }, (_, i) => `    a${i}: {action: std.async_noop}`);
  await e.upload(`version: '2.0'\nwide:\n  tasks:\n${names.join('\n')}\n`);
  await e.upload(WAITS);
  await startMany(e, 'wide', 60);
  const mine = await e.start('waits');
  const order: string[] = [];
  const flood = e.waiting
    .filter((message) => message.context.workflowExecutionId !== mine.id)
    .map((message) =>
      e.engine
        .report({
          actionExecutionId: message.context.actionExecutionId,
          attempt: 1,
          result: { kind: 'success', output: 1 },
        })
        .then(() => order.push('flood')),
    );
  t.is(flood.length, 1800);
  await e.engine.updateExecution(CALLER, mine.id, { state: 'PAUSED', stateInfo: null, description: null, env: null });
  t.true(order.length <= 500, `${order.length} results went first`);
  await Promise.all(flood);
});

test('deleting an execution that runs stops what it runs and lets late results fall', async (t) => {
  const e = await openTestEngine(t);
  const seen = await e.run(`version: '2.0'
parent:
  tasks:
    a: {action: std.sleep seconds=100}
    b: {workflow: child}
    c: {action: std.async_noop, timeout: 60}
child:
  tasks:
    x: {action: std.sleep seconds=100}
`);
  t.is(e.waiting.length, 3);
  await t.throwsAsync(e.engine.deleteExecution(CALLER, seen.execution.id, false), {
    message: /Only completed executions can be deleted/,
  });
  await e.engine.deleteExecution(CALLER, seen.execution.id, true);
  for (const index of [0, 1, 2]) await report(e, index, 1);
  e.clock.advance(100_000);
  await e.settle();
  t.deepEqual(
    e.stops.map((stop) => stop.reason),
    ['cancelled', 'cancelled'],
  );
  for (const table of ['executions', 'task_executions', 'action_executions', 'timers', 'outbox', 'execution_events']) {
    t.deepEqual(await e.store.reader(table).select('*'), [], table);
  }
});

test('views that are dropped during a commit lose nothing that follows it', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(WAITS);
  e.store.writer.on('query', () => e.engine.forgetViews());
  const ids = await startMany(e, 'waits', 3);
  t.is(e.waiting.length, 3);
  await Promise.all(ids.map((_, i) => report(e, i, i)));
  await e.settle();
  t.deepEqual(await statesOf(e, ids), ['SUCCESS', 'SUCCESS', 'SUCCESS']);
});

test('a closing engine finishes what it began and takes nothing more', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(WAITS);
  const started = e.engine.startExecution(CALLER, {
    id: null,
    workflowId: null,
    workflowName: 'waits',
    workflowNamespace: '',
    input: {},
    params: {},
    description: null,
    sourceExecutionId: null,
  });
  await new Promise((resolve) => setImmediate(resolve));
  const closing = e.engine.close();
  await Promise.allSettled([started, closing]);
  await t.throwsAsync(
    e.engine
      .report({ actionExecutionId: 'x', attempt: 1, result: { kind: 'success', output: 1 } })
      .then(() => e.start('waits')),
    { message: /shutting down/ },
  );
});

test('a start that can never be written is given up, and others go on', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(WAITS);
  await e.upload(`version: '2.0'\nbad: {tasks: {refused: {action: std.noop}}}`);
  await refuseWrites(e.store, 'insert', 'task_executions', "new.name = 'refused'");
  const [bad, good] = await Promise.allSettled([e.start('bad'), e.start('waits')]);
  t.is(bad?.status, 'rejected');
  if (bad?.status === 'rejected')
    t.regex(String(bad.reason), /The engine could not handle this: .*refused by a trigger/);
  t.is(good?.status, 'fulfilled');
  t.deepEqual(await e.store.reader('executions').select('workflow_name', 'state'), [
    { workflow_name: 'waits', state: 'RUNNING' },
  ]);
});

test('a child whose start cannot be decided fails, and its parent handles it', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(`version: '2.0'
parent:
  tasks:
    first: {action: std.async_noop, on-success: call}
    call: {workflow: child, on-error: caught}
    caught: {action: std.noop}
child:
  tasks:
    refused: {action: std.noop}
`);
  const record = await e.start('parent');
  await refuseWrites(e.store, 'insert', 'task_executions', "new.name = 'refused'");
  await e.finish('first');
  const seen = await e.see(record.id);
  t.is(seen.execution.state, 'SUCCESS');
  t.regex(seen.task('call').stateInfo ?? '', /refused by a trigger/);
});
