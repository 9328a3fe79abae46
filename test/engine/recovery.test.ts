import { isDeepStrictEqual } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { assert, asyncProperty, infiniteStream, nat } from 'fast-check';
import { silentLogger } from '../../engine/log.ts';
import { openStore, type Store } from '../../engine/store/connection.ts';
import { migrate } from '../../engine/store/migrate.ts';
import { insertExternalJob, loadExternalJob } from '../../engine/store/external-jobs.ts';
import { lostActions, reopenLost } from '../../engine/store/pending.ts';
import type { ActionRow } from '../../engine/store/tables.ts';
import { TestClock } from '../helpers/clock.ts';
import { CALLER, see } from '../helpers/engine.ts';
import type { Fault } from './faulty-store.ts';
import { Node, upload } from './node.ts';
import { picture } from './players.ts';
import { type Scenario, scenarios, subWorkflowText, workflowText } from './random-workflows.ts';
import { randomRuns } from '../helpers/random-runs.ts';

interface World {
  readonly store: Store;
  readonly clock: TestClock;
}

async function world(t: ExecutionContext): Promise<World> {
  const store = await openStore({ url: 'sqlite::memory:' }, silentLogger);
  await migrate(store);
  t.teardown(() => store.close());
  return { store, clock: new TestClock() };
}

/** Starts the workflow `wf`, lets the process die, and starts another. */
async function restarted(
  t: ExecutionContext,
  text: string,
  before: (node: Node, store: Store) => Promise<void> = async () => {},
) {
  const { store, clock } = await world(t);
  await upload(store, `version: '2.0'\n${text}`);
  const first = await Node.start(store, clock);
  await first.startWorkflow('wf', 'x');
  await first.engine.idle();
  await before(first, store);
  first.die();
  const second = await Node.start(store, clock);
  await second.engine.idle();
  t.teardown(() => second.engine.close());
  return { store, clock, first, second, state: () => stateOf(store, 'x') };
}

async function stateOf(store: Store, id: string): Promise<string> {
  const row: { state: string } | undefined = await store.reader('executions').where('id', id).first('state');
  return row?.state ?? 'gone';
}

async function finish(node: Node, task: string): Promise<void> {
  const message = node.waiting.find((waiting) => waiting.context.taskName === task);
  if (message === undefined) throw new Error(`no action of '${task}' waits`);
  const { actionExecutionId, attempt } = message.context;
  await node.engine.report({ actionExecutionId, attempt, result: { kind: 'success', output: attempt } });
  await node.engine.idle();
}

test('an action that nobody had claimed is sent again', async (t) => {
  const { second, state } = await restarted(
    t,
    'wf: {tasks: {a: {action: std.echo, input: {output: 1, delay: 5}, on-success: b}, b: {action: std.noop}}}',
  );
  t.is(second.waiting.length, 1);
  await finish(second, 'a');
  t.is(await state(), 'SUCCESS');
});

test('an action that a lost process had claimed fails, unless it may be run again', async (t) => {
  const url = 'input: {url: "http://127.0.0.1:9/"}';
  const unsafe = await restarted(t, `wf: {tasks: {a: {action: std.http, ${url}}}}`);
  t.is(unsafe.second.waiting.length, 0);
  t.is(await unsafe.state(), 'ERROR');
  const task = await unsafe.store.reader('task_executions').first('state_info');
  t.is(
    task.state_info,
    'Request to run an action was redelivered, but it cannot be re-run safely. The only safe thing to do is fail it [action=std.http].',
  );
  const safe = await restarted(t, `wf: {tasks: {a: {action: std.http, safe-rerun: true, ${url}}}}`);
  t.deepEqual(
    safe.second.waiting.map((message) => message.context.attempt),
    [2],
  );
  const [late] = safe.first.waiting;
  if (late === undefined) throw new Error('the first process had the action');
  // What the first process would still report is about an attempt that was given up.
  await safe.second.engine.report({
    actionExecutionId: late.context.actionExecutionId,
    attempt: 1,
    result: { kind: 'success', output: 'late' },
  });
  t.is(await safe.state(), 'RUNNING');
  await finish(safe.second, 'a');
  t.is(await safe.state(), 'SUCCESS');
});

test('an asynchronous action whose process died before its start was told fails, unless it may be run again', async (t) => {
  const call = 'action: std.mistral_http, input: {url: "http://127.0.0.1:9/"}';
  const unsafe = await restarted(t, `wf: {tasks: {a: {${call}}}}`);
  t.is(unsafe.second.waiting.length, 0);
  t.is(await unsafe.state(), 'ERROR', 'nobody knows whether the service was asked: waiting could last for ever');
  const safe = await restarted(t, `wf: {tasks: {a: {safe-rerun: true, ${call}}}}`);
  t.deepEqual(
    safe.second.waiting.map((message) => message.context.attempt),
    [2],
  );
});

test('an asynchronous action that was started waits for its completion through any number of restarts', async (t) => {
  const text = 'wf: {tasks: {a: {action: std.mistral_http, input: {url: "http://127.0.0.1:9/"}}}}';
  const { store, clock, second, state } = await restarted(t, text, async ({ engine, waiting }) => {
    const [message] = waiting;
    if (message === undefined) throw new Error('the process had the action');
    await engine.started('another executor', message.context.actionExecutionId, 1);
    await engine.started(engine.nodeId, message.context.actionExecutionId, 1);
  });
  t.is(second.waiting.length, 0);
  second.die();
  const third = await Node.start(store, clock);
  t.teardown(() => third.engine.close());
  await third.engine.idle();
  t.is(third.waiting.length, 0);
  t.is(await state(), 'RUNNING');
  const action: { id: string } = await store.reader('action_executions').first('id');
  await third.engine.updateAction(CALLER, action.id, 'SUCCESS', {});
  t.is(await state(), 'SUCCESS');
});

test('a job is handed to the watcher again, however old its sign of life', async (t) => {
  const text = 'wf: {tasks: {a: {action: spark.submit, input: {application: /app.py}}}}';
  const { second, state } = await restarted(t, text, async (_node, store) => {
    await store.writer('action_executions').update({ executor_id: 'long gone', heartbeat_at: 1 });
  });
  t.deepEqual(
    second.waiting.map((message) => [message.name, message.context.attempt, message.claim]),
    [['spark.submit', 1, false]],
  );
  t.is(await state(), 'RUNNING');
});

test('an executor that lives and is silent about an action of its own is noticed, also after it was opened anew', async (t) => {
  const { store, clock } = await world(t);
  await upload(
    store,
    `version: '2.0'\nwf: {tasks: {a: {safe-rerun: true, action: std.http, input: {url: "http://127.0.0.1:9/"}}}}`,
  );
  const node = await Node.start(store, clock);
  t.teardown(() => node.engine.close());
  await node.startWorkflow('wf', 'x');
  await node.engine.idle();
  const { nodeId } = node.engine;
  await store.writer('services').insert({
    id: nodeId,
    name: 'n',
    host: 'h',
    roles: '[]',
    state: 'RUNNING',
    schema_version: 1,
    started_at: 0,
    seen_at: 0,
    lease_until: Number.MAX_SAFE_INTEGER,
  });
  const lost = (silentSince: number) => lostActions(store.reader, { silentSince, after: '', limit: 10 });
  const made = clock.now();
  t.is((await lost(made)).length, 0);
  const [action] = await lost(made + 1);
  t.is(action?.executor_id, nodeId);
  const reopened = await store.writer.transaction((trx) =>
    reopenLost(trx, action === undefined ? [] : [action], nodeId, made + 50),
  );
  t.is(reopened.size, 1);
  t.is((await lost(made + 50)).length, 0);
  t.is((await lost(made + 51)).length, 1);
});

test('the result of an attempt that was opened past the views of this process counts', async (t) => {
  const { store, clock } = await world(t);
  await upload(
    store,
    `version: '2.0'\nwf: {tasks: {a: {safe-rerun: true, action: std.http, input: {url: "http://127.0.0.1:9/"}}}}`,
  );
  const node = await Node.start(store, clock);
  t.teardown(() => node.engine.close());
  await node.startWorkflow('wf', 'x');
  await node.engine.idle();
  const found: readonly ActionRow[] = await store.reader('action_executions').select('*');
  // As at a start, where the result of a job may have brought the execution into the cache a moment before.
  await store.writer.transaction((trx) => reopenLost(trx, found, node.engine.nodeId, clock.now()));
  await node.engine.report({
    actionExecutionId: found[0]?.id ?? '',
    attempt: 2,
    result: { kind: 'success', output: 'second' },
  });
  await node.engine.idle();
  t.is(await stateOf(store, 'x'), 'SUCCESS');
});

test('of two processes that pick up the same lost action one runs it again, at the attempt that its row has', async (t) => {
  const { store, clock } = await world(t);
  await upload(
    store,
    `version: '2.0'\nwf: {tasks: {a: {safe-rerun: true, action: std.http, input: {url: "http://127.0.0.1:9/"}}}}`,
  );
  const first = await Node.start(store, clock);
  await first.startWorkflow('wf', 'x');
  await first.engine.idle();
  first.die();
  const both = await Promise.all([Node.start(store, clock), Node.start(store, clock)]);
  for (const node of both) {
    await node.engine.idle();
    t.teardown(() => node.engine.close());
  }
  const action: { attempt: number; executor_id: string } = await store.reader('action_executions').first();
  const sent = both.flatMap(({ engine, waiting }) =>
    waiting.map(({ context }) => [engine.nodeId, context.attempt] as const),
  );
  t.deepEqual(sent.at(-1), [action.executor_id, action.attempt]);
  t.is(new Set(sent.map(([, attempt]) => attempt)).size, sent.length, 'no attempt runs twice');
});

test('actions that this process makes while it recovers are not taken for lost ones', async (t) => {
  const { store, clock } = await world(t);
  await upload(store, `version: '2.0'\nwf: {tasks: {a: {action: std.http, input: {url: "http://127.0.0.1:9/"}}}}`);
  const first = await Node.start(store, clock);
  for (let i = 0; i < 30; i++) await first.startWorkflow('wf', `x${i}`);
  await first.engine.idle();
  first.die();
  // As if the process had died between the rows of the tasks and their start.
  await store.writer('action_executions').delete();
  await store.writer('task_executions').update({ state: 'IDLE', started_at: null });
  const second = await Node.start(store, clock);
  await second.engine.idle();
  t.teardown(() => second.engine.close());
  t.is(second.waiting.length, 30);
  t.deepEqual(await store.reader('executions').distinct('state'), [{ state: 'RUNNING' }]);
});

test('timers fire after a restart, those that came due meanwhile at once', async (t) => {
  const { clock, second, state } = await restarted(
    t,
    'wf: {tasks: {a: {action: std.noop, wait-before: 5}, b: {action: std.fail, retry: {count: 1, delay: 3}, on-error: noop}}}',
  );
  clock.advance(3000);
  await second.engine.idle();
  t.is(await state(), 'RUNNING');
  clock.advance(2000);
  await second.engine.idle();
  t.is(await state(), 'SUCCESS');
});

test('a paused execution stays paused, and what sleeps in it asleep', async (t) => {
  const { second, state, store } = await restarted(
    t,
    'wf: {tasks: {a: {action: std.noop, pause-before: true}, b: {action: std.noop, on-success: [pause, c]}, c: {action: std.noop}}}',
  );
  t.is(await state(), 'PAUSED');
  t.deepEqual(
    (await store.reader('task_executions').orderBy('id').select('name', 'state')).map(
      (row) => `${row.name}:${row.state}`,
    ),
    ['a:IDLE', 'b:SUCCESS'],
  );
  await second.engine.updateExecution(CALLER, 'x', { state: 'RUNNING', stateInfo: null, description: null, env: null });
  await second.engine.idle();
  t.is(await state(), 'SUCCESS');
});

test('a result that came in between the end of a child and its parent is not lost', async (t) => {
  const { store, clock } = await world(t);
  await upload(
    store,
    `version: '2.0'\nwf: {tasks: {a: {workflow: sub, on-success: b}, b: {action: std.noop}}}\nsub: {tasks: {x: {action: std.async_noop}}}`,
  );
  const first = await Node.start(store, clock);
  await first.startWorkflow('wf', 'x');
  await first.engine.idle();
  // The child's end is the last transaction of this process.
  let count = 0;
  first.fault = () => (count++ === 0 ? 'after' : 'before');
  await finish(first, 'x');
  t.is((await store.reader('outbox').select('*')).length, 1);
  const second = await Node.start(store, clock);
  await second.engine.idle();
  t.teardown(() => second.engine.close());
  t.is(await stateOf(store, 'x'), 'SUCCESS');
  t.deepEqual(await store.reader('outbox').select('*'), []);
});

test('a job that runs alone is stopped when somebody has said how it ended, also over a crash and a delete', async (t) => {
  const { store, clock } = await world(t);
  const run = async ({ engine }: Node) => {
    const { id } = await engine.runAction(CALLER, {
      name: 'spark.submit',
      namespace: '',
      input: { application: '/app.py' },
      runSync: false,
      saveResult: true,
      target: null,
      timeoutSeconds: null,
      description: '',
    });
    const record = { backend: 'spark-submit', key: String(id), url: null, data: {}, request: {}, leaseOwner: 'n' };
    await insertExternalJob(store.writer, { ...record, actionExecutionId: String(id), leaseUntil: 1, now: 0 });
    return String(id);
  };
  const wished = async (id: string) => (await loadExternalJob(store.reader, id))?.cancelRequestedAt !== null;
  const first = await Node.start(store, clock);
  const cancelled = await run(first);
  let count = 0;
  first.fault = () => (count++ === 0 ? 'after' : 'before');
  await first.engine.updateAction(CALLER, cancelled, 'CANCELLED', null).catch(() => {});
  first.die();
  t.is(first.stops.length, 0);
  t.true(await wished(cancelled));
  const second = await Node.start(store, clock);
  t.teardown(() => second.engine.close());
  await second.engine.idle();
  t.deepEqual(
    second.stops.map((stop) => stop.actionExecutionId),
    [cancelled],
  );
  const deleted = await run(second);
  await second.engine.updateAction(CALLER, deleted, 'SUCCESS', 'done by hand');
  await second.engine.deleteAction(CALLER, deleted);
  t.true(await wished(deleted));
  t.deepEqual(
    second.stops.map((stop) => stop.actionExecutionId),
    [cancelled, deleted, deleted],
  );
});

test('a stop that was not delivered is delivered again', async (t) => {
  const { second, first, store } = await restarted(
    t,
    'wf: {tasks: {a: {action: std.sleep seconds=100}}}',
    async (node) => {
      let count = 0;
      node.fault = () => (count++ === 0 ? 'after' : 'before');
      await node.engine.updateExecution(CALLER, 'x', {
        state: 'CANCELLED',
        stateInfo: 'no',
        description: null,
        env: null,
      });
    },
  );
  t.is(first.stops.length, 0);
  t.deepEqual(
    second.stops.map((stop) => stop.reason),
    ['cancelled'],
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.deepEqual(await store.reader('outbox').select('*'), []);
});

test('a process that dies at any transaction changes nothing of how executions end', async (t) => {
  const calm = await world(t);
  const rough = await world(t);
  const faults = { deaths: 0, runs: 0 };
  await assert(
    asyncProperty(scenarios, infiniteStream(nat(99)), async (scenario, dice) => {
      const name = `w${faults.runs++}`;
      for (const { store } of [calm, rough]) {
        await upload(store, subWorkflowText(name));
        await upload(store, workflowText(name, withoutTimeouts(scenario)));
      }
      const expected = await live(calm, name, () => 'none', faults);
      const seen = await live(
        rough,
        name,
        () => {
          const roll = dice.next().value;
          return roll < 4 ? 'before' : roll < 10 ? 'inside' : roll < 18 ? 'after' : 'none';
        },
        faults,
      );
      if (!isDeepStrictEqual(seen, expected)) {
        throw new Error(
          `${workflowText(name, withoutTimeouts(scenario))}\n${JSON.stringify(expected, null, 1)}\n${JSON.stringify(seen, null, 1)}`,
        );
      }
    }),
    {
      includeErrorInReport: true,
      endOnFailure: true,
      numRuns: randomRuns(12),
      seed: Number(process.env.CRASH_SEED ?? 7),
    },
  );
  t.log(`${faults.deaths} deaths in ${faults.runs} runs`);
  t.true(faults.deaths >= faults.runs / 2);
});

// Whether a time-out comes before another timer depends on when a process was down.
function withoutTimeouts(scenario: Scenario): Scenario {
  return {
    ...scenario,
    tasks: scenario.tasks.map((task) => (task.policy === 'timeout' ? { ...task, policy: 'none' } : task)),
  };
}

/** Runs one workflow to where nothing moves any more, with as many processes as it takes. */
async function live(
  { store, clock }: World,
  name: string,
  fault: () => Fault,
  faults: { deaths: number },
): Promise<unknown> {
  let node = await Node.start(store, clock, fault);
  const revive = async () => {
    for (let lives = 0; node.dead; lives++) {
      if (lives > 200) throw new Error('no process lives long enough');
      node.die();
      faults.deaths++;
      node = await Node.start(store, clock, fault);
      clock.advance(0);
      await node.engine.idle();
    }
  };
  await revive();
  for (let i = 0; (await stateOf(store, name)) === 'gone'; i++) {
    await node.startWorkflow(name, name).catch(() => {});
    await node.engine.idle();
    await revive();
    if (i > 200) throw new Error('the workflow never starts');
  }
  for (let step = 0; step < 400; step++) {
    await node.engine.idle();
    await revive();
    const open = await nextAction(store, name);
    if (open !== undefined) {
      const { id, attempt, kind } = open;
      await node.engine
        .report({ actionExecutionId: id, attempt, result: { kind: 'success', output: kind } })
        .catch(() => {});
    } else if ((await store.reader('timers').first('id')) !== undefined) {
      clock.advance(1000);
    } else if ((await stateOf(store, name)) === 'PAUSED') {
      await node.engine
        .updateExecution(CALLER, name, { state: 'RUNNING', stateInfo: null, description: null, env: null })
        .catch(() => {});
    } else {
      break;
    }
  }
  await node.engine.idle();
  await revive();
  const result = await picture({ store, see: (id: string) => see(store, id) }, name);
  node.die();
  await clear(store);
  return result;
}

/** The running action that comes first by names: the order does not depend on who was alive when. */
async function nextAction(
  store: Store,
  root: string,
): Promise<{ id: string; attempt: number; kind: string } | undefined> {
  const rows: { id: string; attempt: number; kind: string }[] = await store
    .reader('action_executions')
    .join('executions', 'executions.id', 'action_executions.execution_id')
    .where('action_executions.state', 'RUNNING')
    .where((any) => any.where('executions.id', root).orWhere('executions.root_execution_id', root))
    .orderBy(['executions.workflow_name', 'action_executions.task_name', 'action_executions.id'])
    .select('action_executions.id as id', 'action_executions.attempt as attempt', 'action_executions.kind as kind')
    .limit(1);
  return rows[0];
}

async function clear(store: Store): Promise<void> {
  for (const table of ['executions', 'task_executions', 'action_executions', 'timers', 'outbox', 'execution_events']) {
    await store.writer(table).delete();
  }
}

test('the result of a child that ran again counts for its parent, whatever the parent heard last', async (t) => {
  const { store, clock } = await world(t);
  await upload(
    store,
    `version: '2.0'
wf: {tasks: {a: {workflow: sub}}}
sub: {tasks: {x: {action: std.async_noop, on-success: y}, y: {action: std.noop}}}`,
  );
  const node = await Node.start(store, clock);
  t.teardown(() => node.engine.close());
  await node.startWorkflow('wf', 'x');
  await node.engine.idle();
  const [action] = node.waiting.splice(0);
  if (action === undefined) throw new Error('no action waits');
  const { actionExecutionId, taskExecutionId } = action.context;
  await node.engine.report({
    actionExecutionId,
    attempt: 1,
    result: { kind: 'error', output: 'bad', retryable: false },
  });
  await node.engine.idle();
  t.is(await stateOf(store, 'x'), 'ERROR');
  // The rerun and the result that follows it meet in one batch, before the parent hears of either.
  const rerun = node.engine.rerunTask(CALLER, taskExecutionId ?? '', true, null);
  while (node.waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await finish(node, 'x');
  await rerun;
  await node.engine.idle();
  t.is(await stateOf(store, 'x'), 'SUCCESS');
  const child = await store.reader('executions').where('workflow_name', 'sub').first('state', 'accepted');
  t.deepEqual({ ...child, accepted: Boolean(child.accepted) }, { state: 'SUCCESS', accepted: true });
});
