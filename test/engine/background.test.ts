import test from 'ava';
import type { JsonObject } from '../../dsl/json.ts';
import type { Publisher } from '../../engine/shell/notifier.ts';
import { NO_RETENTION } from '../../engine/shell/retention.ts';
import { readTimeline } from '../../engine/store/timeline.ts';
import { CALLER, openTestEngine } from '../helpers/engine.ts';
import type { TestEngine } from '../helpers/engine.ts';

const WAITS = `
version: '2.0'
wf:
  tasks:
    child: { workflow: low }
low:
  tasks:
    t: { action: std.async_noop }
`;
const SLEEPS = `
version: '2.0'
busy:
  tasks:
    b: { action: std.sleep seconds=1 }
`;
const DAY = 86_400_000;

test('maintenance pauses everything, and what it paused goes on after it, also after a restart', async (t) => {
  const engine = await openTestEngine(t);
  const { maintenance } = engine.engine;
  await engine.upload(WAITS + SLEEPS.replace("version: '2.0'\n", ''));
  const waiting = await engine.start('wf');
  const busy = await engine.start('busy');
  const paused = await engine.start('wf');
  await update(engine, paused.id, 'PAUSED');
  await engine.engine.cronTriggers.create(CALLER, {
    name: 'c',
    workflowId: null,
    workflowName: 'busy',
    workflowInput: {},
    workflowParams: {},
    scope: 'private',
    pattern: '* * * * * *',
    firstTime: null,
    count: 1,
  });
  t.is(await maintenance.change('PAUSED'), 'PAUSING');
  await engine.settle();
  await tick(engine, 2);
  t.deepEqual(await states(engine), { [waiting.id]: 'PAUSED', [busy.id]: 'PAUSED', [paused.id]: 'PAUSED' });
  t.is(await maintenance.status(), 'PAUSING', 'an action still runs');
  await engine.finish('b', null);
  await tick(engine, 2);
  t.is(await maintenance.status(), 'PAUSED');
  t.is(await maintenance.change('PAUSED'), 'PAUSED');
  await tick(engine, 5);
  t.is(Object.keys(await states(engine)).length, 3, 'no cron trigger runs');
  t.is(await maintenance.change('RUNNING'), 'RUNNING');
  await tick(engine, 3);
  const after = await states(engine);
  t.deepEqual(
    [after[waiting.id], after[busy.id], after[paused.id]],
    ['RUNNING', 'SUCCESS', 'PAUSED'],
    'who was paused by a person stays so',
  );
  t.is(Object.keys(after).length, 4, 'the trigger has caught up');
  t.is((await engine.store.reader('maintenance_pauses')).length, 0);
});

test('an engine that starts during maintenance goes on with it', async (t) => {
  const first = await openTestEngine(t);
  const store = { ...first.store, close: async () => {} };
  await first.upload(WAITS);
  const { id } = await first.start('wf');
  await first.engine.close();
  await store.writer('counters').where('name', 'maintenance').update({ value: 1 });
  const second = await openTestEngine(t, { store, clock: first.clock });
  await tick(second, 2);
  t.deepEqual([(await states(second))[id], await second.engine.maintenance.status()], ['PAUSED', 'PAUSED']);
  await second.engine.close();
  const third = await openTestEngine(t, { store, clock: first.clock });
  await third.engine.maintenance.change('RUNNING');
  await tick(third, 1);
  t.is((await states(third))[id], 'RUNNING');
});

test('finished trees go after their days, whole, in slices; what goes on stays', async (t) => {
  const retention = { ...NO_RETENTION, days: 30, intervalMinutes: 24 * 60 };
  const engine = await openTestEngine(t, { background: { retention } });
  await engine.upload(WAITS + ITEMS);
  const running = await engine.start('wf');
  const old = await engine.start('many');
  const stopped = await engine.start('wf');
  await update(engine, stopped.id, 'SUCCESS');
  engine.clock.advance(29 * DAY);
  await engine.settle();
  const young = await engine.start('many');
  t.is((await engine.store.reader('executions')).length, 6);
  engine.clock.advance(2 * DAY);
  await engine.settle();
  const left = await states(engine);
  t.deepEqual(
    Object.keys(left).sort(),
    [running.id, stopped.id, young.id].sort(),
    'a finished one with a child that goes on stays, too',
  );
  for (const table of ['task_executions', 'action_executions', 'execution_events', 'payloads']) {
    t.is((await engine.store.reader(table).where('execution_id', old.id)).length, 0, table);
  }
  t.is((await engine.store.reader('action_executions').where('execution_id', young.id)).length, 1200);
  t.is((await engine.store.reader('purges')).length, 0);
});

test('no more than so many finished executions are kept, and states can be left out', async (t) => {
  const retention = { ...NO_RETENTION, maxFinished: 2, ignoredStates: ['CANCELLED'] as const, eventDays: 1 };
  const engine = await openTestEngine(t, { background: { retention } });
  await engine.upload(WAITS.replace('wf:', 'unused:') + NOOP);
  const cancelled = await engine.start('low');
  await update(engine, cancelled.id, 'CANCELLED');
  const ids: string[] = [];
  for (let i = 0; i < 4; i++) {
    engine.clock.advance(1000);
    ids.push((await engine.start('quick')).id);
  }
  engine.clock.advance(2 * DAY);
  await engine.settle();
  t.deepEqual(Object.keys(await states(engine)).sort(), [cancelled.id, ...ids.slice(2)].sort());
  t.is((await engine.store.reader('execution_events')).length, 0, 'the log of what has ended is gone after a day');
});

test('the time line of an execution says what happened, in order, and why; pages continue each other', async (t) => {
  const engine = await openTestEngine(t);
  const { execution } = await engine.run(`
version: '2.0'
wf:
  tasks:
    bad:
      action: std.fail error_data="no disk"
`);
  const all = await readTimeline(engine.store.reader, execution.id, null, 100);
  const text = all.map(({ kind, name, state, stateInfo }) =>
    `${kind} ${name} ${state} ${stateInfo === null ? '' : '!'}`.trim(),
  );
  t.deepEqual(
    text.filter((line) => !line.startsWith('action')),
    ['execution wf RUNNING', 'task bad IDLE', 'task bad RUNNING', 'task bad ERROR !', 'execution wf ERROR !'],
  );
  t.regex(all.find(({ kind, state }) => kind === 'task' && state === 'ERROR')?.stateInfo ?? '', /no disk/);
  t.true(all.every(({ at }) => at === engine.clock.now()));
  const walked: (typeof all)[number][] = [];
  for (;;) {
    const page = await readTimeline(engine.store.reader, execution.id, walked.at(-1) ?? null, 2);
    walked.push(...page);
    if (page.length < 2) break;
  }
  t.deepEqual(walked, [...all]);
});

test('the time line says why of every state that people and policies bring about', async (t) => {
  const engine = await openTestEngine(t);
  await engine.upload(`
version: '2.0'
wf:
  tasks:
    a: { action: std.async_noop, on-success: b }
    b: { action: std.fail, wait-before: 1, on-success: c }
    c: { action: std.noop, pause-before: true, on-success: [pause, d] }
    d: { workflow: low, on-success: fail }
low:
  tasks:
    x: { action: std.async_noop }
`);
  const { id } = await engine.start('wf');
  const low = async () =>
    String((await engine.store.reader('executions').where('workflow_name', 'low').first('id'))?.id);
  await update(engine, id, 'PAUSED');
  await update(engine, id, 'RUNNING');
  await engine.finish('a', { kind: 'cancelled', output: null });
  const task = async (name: string) => (await engine.see(id)).task(name).id;
  await engine.engine.rerunTask(CALLER, await task('a'), true, null);
  await engine.settle();
  await engine.finish('a');
  await update(engine, id, 'PAUSED');
  await tick(engine, 1);
  await update(engine, id, 'RUNNING');
  await engine.engine.skipTask(CALLER, await task('b'));
  await engine.settle();
  await update(engine, id, 'RUNNING');
  await update(engine, id, 'RUNNING');
  await update(engine, await low(), 'PAUSED');
  await update(engine, id, 'RUNNING');
  await engine.finish('x');
  const lines = async (of: string) =>
    (await readTimeline(engine.store.reader, of, null, 1000))
      .filter(({ state, stateInfo }) => stateInfo !== null || state === 'PAUSED' || state === 'ERROR')
      .map(
        ({ name, state, stateInfo }) =>
          `${name} ${state}: ${stateInfo?.replaceAll(/\[[^\]]*id=[^\]]*\]|\n[^]*/g, '') ?? ''}`,
      );
  t.deepEqual(await lines(id), [
    'wf PAUSED: Paused on request.',
    'wf RUNNING: Resumed on request.',
    'a CANCELLED: Its action or sub-workflow was cancelled.',
    'wf CANCELLED: Cancelled tasks: a',
    "wf RUNNING: Task 'a' runs again on request.",
    'a IDLE: Run again on request.',
    "b DELAYED: Delayed by 'wait-before' policy [delay=1]",
    'wf PAUSED: Paused on request.',
    'b IDLE: Its delay is over; it waits for the execution to be resumed.',
    'wf RUNNING: Resumed on request.',
    'std.fail ERROR: Fail action expected exception.',
    'b ERROR: Fail action expected exception.',
    'wf ERROR: Failure caused by error in tasks: b',
    "wf RUNNING: Task 'b' is skipped on request.",
    'b SKIPPED: Task was skipped.',
    "c IDLE: Set by 'pause-before' policy",
    "wf PAUSED: Paused before task 'c' by its pause-before; a resume starts it.",
    'wf RUNNING: Resumed on request.',
    "wf PAUSED: Paused by the command 'pause'; a resume goes on with what follows it.",
    'wf RUNNING: Resumed on request.',
    'd PAUSED: Its action or sub-workflow was paused.',
    "wf PAUSED: Paused since the action or sub-workflow of task 'd' was paused.",
    'wf RUNNING: Resumed on request.',
    'd RUNNING: Resumed on request.',
    "wf ERROR: Ended by the command 'fail', which has no message.",
  ]);
  t.deepEqual(await lines(await low()), [
    'low PAUSED: Paused on request.',
    'low RUNNING: Resumed together with the execution above it.',
  ]);
});

const NOTIFIED = `
version: '2.0'
wf:
  tasks:
    one:
      action: std.fail
      retry: { count: 1, delay: 1 }
      on-error: [both, other]
    other:
      action: std.noop
      on-success: both
    both: { join: all, workflow: low, on-success: pause }
low:
  tasks:
    t: { action: std.noop }
`;

test('publishers hear of every change of state in order, also those of children and of the whole server', async (t) => {
  const heard: string[] = [];
  const publisher: Publisher = {
    check: ({ bad }) => (bad === undefined ? null : 'has a bad option'),
    publish: async ({ event, name, state }, { mark = '' }) => {
      heard.push(`${String(mark)}${String(event)} ${String(name)} ${String(state)}`);
    },
  };
  const engine = await openTestEngine(t, {
    publishers: new Map([['test', publisher]]),
    notify: [{ type: 'test', mark: '*', event_types: ['WORKFLOW_SUCCEEDED', 'WORKFLOW_PAUSED'] }],
  });
  await engine.upload(NOTIFIED);
  const { id } = await engine.start('wf', {}, { notify: [{ type: 'test' }, { type: 'noop' }] });
  await tick(engine, 2);
  await update(engine, id, 'RUNNING');
  const top = heard.filter((line) => !line.startsWith('*'));
  t.deepEqual(
    top.filter((line) => / one /.test(line)).map((line) => line.split(' ')[0]),
    ['TASK_LAUNCHED', 'TASK_FAILED', 'TASK_LAUNCHED', 'TASK_FAILED'],
  );
  t.deepEqual(
    top.filter((line) => / (wf|both) /.test(line)),
    [
      'WORKFLOW_LAUNCHED wf RUNNING',
      'TASK_RESUMED both RUNNING',
      'TASK_SUCCEEDED both SUCCESS',
      'WORKFLOW_PAUSED wf PAUSED',
      'WORKFLOW_RESUMED wf RUNNING',
      'WORKFLOW_SUCCEEDED wf SUCCESS',
    ],
  );
  t.deepEqual(
    top.filter((line) => / low /.test(line)),
    ['WORKFLOW_LAUNCHED low RUNNING', 'WORKFLOW_SUCCEEDED low SUCCESS'],
  );
  t.deepEqual(
    heard.filter((line) => line.startsWith('*') && / wf /.test(line)),
    ['*WORKFLOW_PAUSED wf PAUSED', '*WORKFLOW_SUCCEEDED wf SUCCESS'],
  );
  t.true(heard.includes('*WORKFLOW_SUCCEEDED low SUCCESS'));
  t.is((await engine.store.reader('notifications')).length, 0);
  const start = (notify: unknown) => engine.start('wf', {}, { notify } as JsonObject);
  for (const [notify, message] of [
    ['test', /must be a list/],
    [[{}], /with a 'type'/],
    [[{ type: 'nope' }], /no publisher 'nope'; known are: noop, test/],
    [[{ type: 'test', bad: 1 }], /the publisher 'test' has a bad option/],
    [[{ type: 'test', event_types: 'X' }], /event_types/],
  ] as const)
    await t.throwsAsync(start(notify), { code: 'INVALID_INPUT', message });
});

test('a notification is tried again, holds up those after it and nobody else, and survives a restart', async (t) => {
  const heard: string[] = [];
  let fails = true;
  const publisher: Publisher = {
    check: () => null,
    publish: async ({ event }, { to }) => {
      if (fails && to === 'a') throw new Error('nobody there');
      heard.push(`${String(to)} ${String(event)}`);
    },
  };
  const publishers = new Map([['test', publisher]]);
  const first = await openTestEngine(t, { publishers });
  const store = { ...first.store, close: async () => {} };
  await first.upload(`version: '2.0'${NOOP}`);
  const notify = ['a', 'b'].map((to) => ({
    type: 'test',
    to,
    event_types: ['WORKFLOW_LAUNCHED', 'WORKFLOW_SUCCEEDED'],
  }));
  await first.start('quick', {}, { notify });
  t.deepEqual(heard, ['b WORKFLOW_LAUNCHED', 'b WORKFLOW_SUCCEEDED']);
  await first.engine.close();
  t.is((await store.reader('notifications')).length, 2);
  const second = await openTestEngine(t, { store, clock: first.clock, publishers });
  await tick(second, 2);
  fails = false;
  t.is(heard.length, 2);
  await tick(second, 10);
  t.deepEqual(heard.slice(2), ['a WORKFLOW_LAUNCHED', 'a WORKFLOW_SUCCEEDED']);
  fails = true;
  await second.start('quick', {}, { notify: notify.slice(0, 1) });
  await tick(second, 1000);
  t.deepEqual([heard.length, (await store.reader('notifications')).length], [4, 0], 'given up in the end');
});

const NOOP = `
quick:
  tasks:
    t: { action: std.noop }
`;
const ITEMS = `
many:
  tasks:
    t:
      with-items: i in <% range(1200) %>
      action: std.noop
`;

async function tick(engine: TestEngine, seconds: number): Promise<void> {
  await engine.settle();
  for (let i = 0; i < Math.min(seconds, 12); i++) {
    engine.clock.advance((seconds * 1000) / Math.min(seconds, 12));
    await engine.settle();
  }
}

async function update(engine: TestEngine, id: string, state: string): Promise<void> {
  await engine.engine.updateExecution(CALLER, id, { state, stateInfo: null, description: null, env: null });
  await engine.settle();
}

/** Of the root executions. */
async function states({ store }: TestEngine): Promise<Record<string, string>> {
  const rows: { id: string; state: string }[] = await store.reader('executions').whereNull('parent_execution_id');
  return Object.fromEntries(rows.map((row) => [row.id, row.state]));
}
