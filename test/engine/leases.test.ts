import test, { type ExecutionContext } from 'ava';
import type { EndedExecution, LeaseKeeper } from '../../engine/contract.ts';
import type { ExecutionId } from '../../engine/core/model.ts';
import { silentLogger } from '../../engine/log.ts';
import { openStore, type Store } from '../../engine/store/connection.ts';
import { quarantine } from '../../engine/store/batch.ts';
import type { Action } from '../../executors/action.ts';
import { TestClock } from '../helpers/clock.ts';
import { CALLER, openTestEngine, type TestEngine, type TestEngineOptions } from '../helpers/engine.ts';
import { testDatabase } from '../helpers/store.ts';
import { waitFor } from '../helpers/waiting.ts';

/** Stands for cluster.apply: what it takes is none of the engine's business. */
const TAKE: Action = {
  name: 'test.take',
  description: 'Takes something.',
  kind: 'sync',
  repeatSafe: true,
  takesLeases: true,
  parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
  result: { description: 'Nothing.' },
  examples: [],
  run: () => Promise.reject(new Error('never run: the test answers')),
};

/** Told of ends; fails as often as it is said to, and holds what it has taken until it is let go. */
class Keeper implements LeaseKeeper {
  readonly told: EndedExecution[] = [];
  failures = 0;
  holds = false;

  async release(ended: EndedExecution, signal: AbortSignal): Promise<void> {
    this.told.push(ended);
    if (this.holds)
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    if (this.failures-- > 0) throw new Error('the pools cannot be reached');
  }
}

async function engine(t: ExecutionContext, more: TestEngineOptions = {}): Promise<TestEngine & { keeper: Keeper }> {
  const keeper = new Keeper();
  const e = await openTestEngine(t, { actions: [TAKE], leases: keeper, ...more });
  return Object.assign(e, { keeper });
}

const outbox = (store: Store) => store.reader('outbox').select('kind', 'body');
const empty = (store: Store) => waitFor('an empty outbox', async () => (await outbox(store)).length === 0);

const TEXT = `version: '2.0'
take:
  tasks:
    a: {action: test.take, on-success: b}
    b: {action: std.async_noop}
plain:
  tasks:
    a: {action: std.async_noop, on-success: b}
    b: {action: std.async_noop}
`;

test('each end of an execution that took something is told once: success, error, cancel, and while it still takes', async (t) => {
  const e = await engine(t);
  await e.upload(TEXT);
  const fine = await e.start('take');
  await e.finish('a');
  t.deepEqual(e.keeper.told, []);
  await e.finish('b');
  const failed = await e.start('take');
  await e.finish('a', { kind: 'error', output: 'none is free', retryable: true });
  const cancelled = await e.start('take');
  await e.engine.updateExecution(CALLER, cancelled.id, {
    state: 'CANCELLED',
    stateInfo: null,
    description: null,
    env: null,
  });
  await empty(e.store);
  t.deepEqual(
    e.keeper.told.map(({ executionId, rootExecutionId, state }) => [executionId, rootExecutionId, state]),
    [
      [fine.id, null, 'SUCCESS'],
      [failed.id, null, 'ERROR'],
      [cancelled.id, null, 'CANCELLED'],
    ],
  );
});

test('a paused execution has not ended; resumed, ended, run again and ended again, it is told of both ends', async (t) => {
  const e = await engine(t);
  await e.upload(TEXT);
  const { id } = await e.start('take');
  const set = (state: 'PAUSED' | 'RUNNING') =>
    e.engine.updateExecution(CALLER, id, { state, stateInfo: null, description: null, env: null });
  await set('PAUSED');
  await e.finish('a');
  t.deepEqual(e.keeper.told, []);
  await set('RUNNING');
  await e.settle();
  await e.finish('b', { kind: 'error', output: 'no', retryable: false });
  await waitFor('the first end', async () => e.keeper.told.length === 1);
  const seen = await e.see(id);
  await e.engine.rerunTask(CALLER, seen.task('b').id, true, null);
  await e.settle();
  await e.finish('b');
  await empty(e.store);
  t.deepEqual(
    e.keeper.told.map(({ state }) => state),
    ['ERROR', 'SUCCESS'],
  );
});

test('an execution that takes nothing writes and reads no more than before', async (t) => {
  const e = await engine(t);
  await e.upload(TEXT);
  const written: string[] = [];
  e.store.writer.on('query', ({ sql }: { sql: string }) => written.push(sql));
  const { id } = await e.start('plain');
  await e.finish('a');
  await e.finish('b');
  t.is((await e.see(id)).execution.state, 'SUCCESS');
  t.deepEqual(
    written.filter((sql) => sql.includes('outbox') || sql.includes('lease')),
    [],
  );
  t.deepEqual(e.keeper.told, []);
});

test('what a sub-workflow takes for the outermost execution is told at both ends', async (t) => {
  const e = await engine(t);
  await e.upload(`version: '2.0'
inner:
  tasks:
    a: {action: test.take}
middle:
  tasks:
    m: {workflow: inner}
outer:
  tasks:
    o: {workflow: middle, on-success: last}
    last: {action: std.async_noop}
`);
  const { id } = await e.start('outer');
  await e.settle();
  await e.finish('a');
  await waitFor('the ends of both below', async () => e.keeper.told.length === 2);
  t.true(e.keeper.told.every(({ rootExecutionId }) => rootExecutionId === id));
  await e.finish('last');
  await empty(e.store);
  t.like(e.keeper.told.at(-1), { executionId: id, rootExecutionId: null, state: 'SUCCESS' });
});

test('deleted executions are told too, all that took something below as well', async (t) => {
  const e = await engine(t);
  await e.upload(`version: '2.0'
inner: {tasks: {a: {action: test.take}}}
outer: {tasks: {o: {workflow: inner}, p: {action: std.async_noop}}}
`);
  const { id } = await e.start('outer');
  await e.settle();
  await e.engine.deleteExecution(CALLER, id, true);
  await empty(e.store);
  t.deepEqual(
    e.keeper.told.map(({ rootExecutionId, state }) => [rootExecutionId, state]),
    [[id, 'DELETED']],
  );
});

test('an execution that an unreadable event ends is told, and so is its parent that it took something', async (t) => {
  const e = await engine(t);
  await e.upload(TEXT);
  const { id } = await e.start('take');
  await e.store.writer.transaction((trx) =>
    quarantine(
      trx,
      { id: 'event-1', executionId: id as ExecutionId, event: { type: 'continue' }, error: 'boom' },
      [],
      e.clock.now(),
    ),
  );
  const rows: { kind: string; body: string }[] = await outbox(e.store);
  t.deepEqual(
    rows.map(({ kind, body }) => [kind, (JSON.parse(body) as EndedExecution).executionId]),
    [['release-leases', id]],
  );
});

test('a keeper that fails is asked again, and the end is forgotten only then', async (t) => {
  const e = await engine(t);
  await e.upload(TEXT);
  e.keeper.failures = 2;
  await e.start('take');
  await e.finish('a');
  await e.finish('b');
  for (const calls of [1, 2]) {
    await waitFor('a call', async () => e.keeper.told.length === calls);
    t.is((await outbox(e.store)).length, 1);
    // The pause is armed once the failed call has been noted.
    await waitFor('the next call', async () => {
      if (e.keeper.told.length > calls) return true;
      e.clock.advance(1000);
      return false;
    });
  }
  await empty(e.store);
});

test('a server that stops between the final state and the release is followed by one that releases', async (t) => {
  const url = await testDatabase(t);
  const store = await openStore({ url }, silentLogger);
  const clock = new TestClock();
  const first = await engine(t, { store, clock });
  await first.upload(TEXT);
  first.keeper.holds = true;
  const { id } = await first.start('take');
  await first.finish('a');
  await first.finish('b');
  await waitFor('the call', async () => first.keeper.told.length === 1);
  await first.engine.close();
  t.is((await outbox(store)).length, 1);
  const second = await engine(t, { store, clock });
  await empty(store);
  t.deepEqual(
    second.keeper.told.map(({ executionId, state }) => [executionId, state]),
    [[id, 'SUCCESS']],
  );
});
