import test from 'ava';
import { openStore } from '../../engine/store/connection.ts';
import { insertMany } from '../../engine/store/bulk.ts';
import { migrate } from '../../engine/store/migrate.ts';
import { silentLogger } from '../../engine/log.ts';
import {
  actionFromRow,
  actionToRow,
  executionFromRow,
  executionPatchToRow,
  executionToRow,
  taskFromRow,
  taskToRow,
  timerFromRow,
  timerToRow,
} from '../../engine/store/tables.ts';
import type { ActionRecord, ExecutionRecord, TaskRecord, TimerRecord } from '../../engine/core/model.ts';
import { Float } from '../../dsl/yaql/numbers.ts';

const execution = {
  id: 'e-1',
  workflowId: null,
  workflowName: 'wf',
  workflowNamespace: '',
  workbookName: 'book',
  specHash: 'abc',
  projectId: 'p',
  description: 'what \u{1f600} for',
  tags: ['a', 'b'],
  state: 'RUNNING',
  stateInfo: null,
  input: { nul: 'a\u0000b', lone: '\ud800', float: new Float(2), big: 12345678901234567890n, ['__proto__']: { x: 1 } },
  output: {},
  params: { env: { k: [1, 2.5, null, true] } },
  context: { v: 'ü' },
  runtimeContext: { index: 3 },
  taskExecutionId: null,
  parentExecutionId: null,
  rootExecutionId: null,
  accepted: false,
  createdAt: 1_700_000_000_001,
  updatedAt: 1_700_000_000_002,
} as unknown as ExecutionRecord;

const task = {
  id: 't-1',
  executionId: 'e-1',
  name: 'load',
  type: 'ACTION',
  state: 'ERROR',
  stateInfo: 'it broke',
  uniqueKey: 'load',
  items: {
    source: { kind: 'payload', key: 'items/t-1' },
    next: 3,
    again: null,
    accepted: 2,
    errors: 1,
    cancelled: 0,
  },
  context: { base: null, own: { a: 1 }, versions: { a: 2 } },
  published: { x: null },
  publishedGlobal: null,
  runtimeContext: { triggered_by: [{ task_id: 't-0', event: 'on-success' }] },
  processed: true,
  hasNextTasks: false,
  nextTasks: [['next', 'on-error']],
  errorHandled: true,
  tags: [],
  createdAt: 1,
  updatedAt: 2,
  startedAt: 3,
  finishedAt: null,
} as unknown as TaskRecord;

const action = {
  id: 'a-1',
  taskExecutionId: 't-1',
  executionId: 'e-1',
  taskName: 'load',
  name: 'book.mine',
  systemName: 'std.echo',
  systemInput: { output: 1 },
  wrappers: [{ name: 'book.mine', output: '<% $ %>' }],
  state: 'SUCCESS',
  stateInfo: null,
  input: { a: 1 },
  output: { result: [1] },
  accepted: true,
  kind: 'sync',
  index: 7,
  attempt: 2,
  executorId: 'node-1',
  timeoutSeconds: 1.5,
  target: null,
  safeRerun: true,
  description: '',
  createdAt: 1,
  updatedAt: 2,
} as unknown as ActionRecord;

const timer = {
  id: 'm-1',
  executionId: 'e-1',
  taskExecutionId: 't-1',
  kind: 'retry',
  dueAt: 1_700_000_000_003,
  delaySeconds: 0.5,
} as unknown as TimerRecord;

test('records of all kinds are the same after they were stored and read', async (t) => {
  const store = await openStore({ url: 'sqlite::memory:' }, silentLogger);
  t.teardown(() => store.close());
  await migrate(store);
  const { writer, reader } = store;
  await insertMany(writer, 'executions', [executionToRow(execution, 5)]);
  await insertMany(writer, 'task_executions', [taskToRow(task, execution)]);
  await insertMany(writer, 'action_executions', [actionToRow(action, execution)]);
  await insertMany(writer, 'timers', [timerToRow(timer, 'node-1')]);

  t.deepEqual(executionFromRow(await reader('executions').first()), execution);
  t.deepEqual(taskFromRow(await reader('task_executions').first()), task);
  t.deepEqual(actionFromRow(await reader('action_executions').first()), action);
  t.deepEqual(timerFromRow(await reader('timers').first()), timer);
  t.is((await reader('executions').first()).version, 5);
  t.is((await reader('task_executions').first()).workflow_name, 'wf');
  t.is((await reader('timers').first()).node_id, 'node-1');
});

test('a patch becomes the columns of its own fields only', (t) => {
  t.deepEqual(
    executionPatchToRow({ state: 'ERROR', stateInfo: 'bad \u0000 \udc00 \u{1f600}', output: { result: 'x' } }),
    {
      state: 'ERROR',
      state_info: 'bad \\u0000 \\udc00 \u{1f600}',
      output: '{"result":"x"}',
    },
  );
});
