import test from 'ava';
import type { NewCronTrigger } from '../../engine/shell/cron-triggers.ts';
import type { CronSettings } from '../../engine/scheduler/cron.ts';
import { parseCronPattern } from '../../engine/scheduler/cron-pattern.ts';
import type { PublishedEvent } from '../../engine/shell/event-triggers.ts';
import { parseEventDefinitions } from '../../engine/shell/event-definitions.ts';
import { silentLogger } from '../../engine/log.ts';
import { openStore } from '../../engine/store/connection.ts';
import { TestClock } from '../helpers/clock.ts';
import { CALLER, openTestEngine, see } from '../helpers/engine.ts';
import type { TestEngine } from '../helpers/engine.ts';

// Recorded with the library that the reference uses, at 2026-01-01 12:00:00: the time before, and the next three.
const RECORDED: readonly (readonly [pattern: string, before: string, after: readonly string[]])[] = [
  ['5 * * * *', '2026-01-01 11:05:00', ['2026-01-01 12:05:00', '2026-01-01 13:05:00', '2026-01-01 14:05:00']],
  ['*/15 * * * *', '2026-01-01 11:45:00', ['2026-01-01 12:15:00', '2026-01-01 12:30:00', '2026-01-01 12:45:00']],
  ['0 0 1 1 *', '2026-01-01 00:00:00', ['2027-01-01 00:00:00', '2028-01-01 00:00:00', '2029-01-01 00:00:00']],
  ['5 0 1 1 *', '2026-01-01 00:05:00', ['2027-01-01 00:05:00', '2028-01-01 00:05:00', '2029-01-01 00:05:00']],
  [
    '0 9-17/2 * * mon-fri',
    '2026-01-01 11:00:00',
    ['2026-01-01 13:00:00', '2026-01-01 15:00:00', '2026-01-01 17:00:00'],
  ],
  ['30 22-2 * * *', '2026-01-01 02:30:00', ['2026-01-01 22:30:00', '2026-01-01 23:30:00', '2026-01-02 00:30:00']],
  ['0 12 13 * 5', '2025-12-26 12:00:00', ['2026-01-02 12:00:00', '2026-01-09 12:00:00', '2026-01-13 12:00:00']],
  ['0 12 13 * *', '2025-12-13 12:00:00', ['2026-01-13 12:00:00', '2026-02-13 12:00:00', '2026-03-13 12:00:00']],
  ['0 0 29 2 *', '2024-02-29 00:00:00', ['2028-02-29 00:00:00', '2032-02-29 00:00:00', '2036-02-29 00:00:00']],
  ['0 0 l * *', '2025-12-31 00:00:00', ['2026-01-31 00:00:00', '2026-02-28 00:00:00', '2026-03-31 00:00:00']],
  ['0 0 1,l * *', '2026-01-01 00:00:00', ['2026-01-31 00:00:00', '2026-02-01 00:00:00', '2026-02-28 00:00:00']],
  ['0 0 * * mon#2', '2025-12-08 00:00:00', ['2026-01-12 00:00:00', '2026-02-09 00:00:00', '2026-03-09 00:00:00']],
  ['0 0 * * l5', '2025-12-26 00:00:00', ['2026-01-30 00:00:00', '2026-02-27 00:00:00', '2026-03-27 00:00:00']],
  ['0 0 * * fri#1,fri#3', '2025-12-19 00:00:00', ['2026-01-02 00:00:00', '2026-01-16 00:00:00', '2026-02-06 00:00:00']],
  ['15,45 8 * jan,jul 1', '2025-07-28 08:45:00', ['2026-01-05 08:15:00', '2026-01-05 08:45:00', '2026-01-12 08:15:00']],
  ['0 0 * * 7', '2025-12-28 00:00:00', ['2026-01-04 00:00:00', '2026-01-11 00:00:00', '2026-01-18 00:00:00']],
  ['0 0 * * 5-7', '2025-12-28 00:00:00', ['2026-01-02 00:00:00', '2026-01-03 00:00:00', '2026-01-04 00:00:00']],
  ['0 0 * * sat-mon', '2025-12-29 00:00:00', ['2026-01-03 00:00:00', '2026-01-04 00:00:00', '2026-01-05 00:00:00']],
  ['* * * * * */1', '2026-01-01 11:59:59', ['2026-01-01 12:00:01', '2026-01-01 12:00:02', '2026-01-01 12:00:03']],
  ['0 0 * * * 30', '2026-01-01 00:00:30', ['2026-01-02 00:00:30', '2026-01-03 00:00:30', '2026-01-04 00:00:30']],
  ['*/20 * * * * 10,50', '2026-01-01 11:40:50', ['2026-01-01 12:00:10', '2026-01-01 12:00:50', '2026-01-01 12:20:10']],
  ['@hourly', '2026-01-01 11:00:00', ['2026-01-01 13:00:00', '2026-01-01 14:00:00', '2026-01-01 15:00:00']],
  ['@daily', '2026-01-01 00:00:00', ['2026-01-02 00:00:00', '2026-01-03 00:00:00', '2026-01-04 00:00:00']],
  ['@midnight', '2026-01-01 00:00:00', ['2026-01-02 00:00:00', '2026-01-03 00:00:00', '2026-01-04 00:00:00']],
  ['@weekly', '2025-12-28 00:00:00', ['2026-01-04 00:00:00', '2026-01-11 00:00:00', '2026-01-18 00:00:00']],
  ['@monthly', '2026-01-01 00:00:00', ['2026-02-01 00:00:00', '2026-03-01 00:00:00', '2026-04-01 00:00:00']],
  ['@yearly', '2026-01-01 00:00:00', ['2027-01-01 00:00:00', '2028-01-01 00:00:00', '2029-01-01 00:00:00']],
  ['@annually', '2026-01-01 00:00:00', ['2027-01-01 00:00:00', '2028-01-01 00:00:00', '2029-01-01 00:00:00']],
  ['0 0 31 * *', '2025-12-31 00:00:00', ['2026-01-31 00:00:00', '2026-03-31 00:00:00', '2026-05-31 00:00:00']],
  ['10/20 3 * * *', '2026-01-01 03:50:00', ['2026-01-02 03:10:00', '2026-01-02 03:30:00', '2026-01-02 03:50:00']],
  ['0 0 ? * 3', '2025-12-31 00:00:00', ['2026-01-07 00:00:00', '2026-01-14 00:00:00', '2026-01-21 00:00:00']],
  ['0 0 30 2 0', '2025-02-23 00:00:00', ['2026-02-01 00:00:00', '2026-02-08 00:00:00', '2026-02-15 00:00:00']],
  ['0 0 */10 * *', '2026-01-01 00:00:00', ['2026-01-11 00:00:00', '2026-01-21 00:00:00', '2026-01-31 00:00:00']],
  ['0 0 1-7 * 0', '2026-01-01 00:00:00', ['2026-01-02 00:00:00', '2026-01-03 00:00:00', '2026-01-04 00:00:00']],
  ['0 0 31 12 *', '2025-12-31 00:00:00', ['2026-12-31 00:00:00', '2027-12-31 00:00:00', '2028-12-31 00:00:00']],
  ['0,30 */6 15-l * *', '2025-12-31 18:30:00', ['2026-01-15 00:00:00', '2026-01-15 00:30:00', '2026-01-15 06:00:00']],
  ['59 23 31 12 5', '2025-12-31 23:59:00', ['2026-12-04 23:59:00', '2026-12-11 23:59:00', '2026-12-18 23:59:00']],
];

test('cron patterns mean what they mean to the reference', (t) => {
  const start = Date.UTC(2026, 0, 1, 12);
  for (const [text, before, after] of RECORDED) {
    const pattern = parseCronPattern(text);
    const found: (string | null)[] = [];
    let time: number | null = start;
    for (let i = 0; i < 3; i++) {
      time = pattern?.next(time ?? 0) ?? null;
      found.push(shown(time));
    }
    t.deepEqual(found, [...after], text);
    t.is(shown(pattern?.latest(start - 1) ?? null), before, text);
    // A time that fits is the latest not after itself.
    t.is(shown(pattern?.latest(time ?? 0) ?? null), after[2] ?? null, text);
  }
});

test('a range of one value is that value, and one with steps goes on over its end', (t) => {
  const hours = (field: string) => {
    const pattern = parseCronPattern(`0 ${field} * * *`);
    return Array.from({ length: 24 }, (_, hour) => hour).filter(
      (hour) => pattern?.latest(Date.UTC(2026, 0, 1, hour)) === Date.UTC(2026, 0, 1, hour),
    );
  };
  t.deepEqual(hours('9-9'), [9]);
  t.deepEqual(hours('22-4/3'), [1, 4, 22]);
});

test('what is no cron pattern, and what never comes to pass, is refused', (t) => {
  const bad = [
    '',
    '*',
    '* * * *',
    '* * * * * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * 32 * *',
    '* * * 0 *',
    '* * * 13 *',
    '* * * * 8',
    '* * * * * 60',
    '*/0 * * * *',
    '-1 * * * *',
    '1-2-3 * * * *',
    '1, * * * *',
    'a * * * *',
    '? * * * *',
    '* * * foo *',
    '* * * * mon#6',
    '* * * * mon#1,2',
    '* * * * l',
    'H * * * *',
    '@reboot',
    '@every 5m',
    '0 0 30 2 *',
    '0 0 31 4,6,9,11 *',
    '1e1 * * * *',
  ];
  t.deepEqual(
    bad.filter((pattern) => parseCronPattern(pattern) !== null),
    [],
  );
});

const FLOW = `
version: '2.0'
wf:
  input: [who: nobody]
  tasks:
    t:
      action: std.echo output=<% $.who %>
`;
const SLOW = `
version: '2.0'
wf:
  tasks:
    t: { action: std.async_noop }
`;
const MINUTE = 60_000;

test('a cron trigger starts an execution each time, as often as it may, and is gone then', async (t) => {
  const { engine, clock } = await withFlow(t, FLOW);
  const trigger = await create(engine, { pattern: '*/5 * * * *', count: 2, workflowInput: { who: 'x' } });
  t.is(trigger.next_execution_time, clock.now() + 5 * MINUTE);
  await pass(engine, 4 * MINUTE);
  t.is((await executions(engine)).length, 0);
  await pass(engine, 2 * MINUTE);
  const [first] = await executions(engine);
  t.deepEqual([first?.state, first?.input, first?.projectId], ['SUCCESS', { who: 'x' }, CALLER.projectId]);
  t.deepEqual(JSON.parse(first?.description ?? ''), {
    description: `Workflow execution created by cron trigger '(${trigger.id})'.`,
    triggered_by: { type: 'cron_trigger', id: trigger.id, name: 'c' },
  });
  t.is((await triggers(engine))[0]?.remaining_executions, 1);
  await pass(engine, 5 * MINUTE);
  t.deepEqual([(await executions(engine)).length, (await triggers(engine)).length], [2, 0]);
  await pass(engine, 60 * MINUTE);
  t.is((await executions(engine)).length, 2);
});

test('a first time alone is one run; with a pattern the pattern follows', async (t) => {
  const { engine, clock } = await withFlow(t, FLOW);
  const firstTime = clock.now() + 90_000;
  const once = await create(engine, { name: 'once', firstTime });
  t.deepEqual([once.pattern, once.remaining_executions], ['0 0 30 2 0', 1]);
  await create(engine, { name: 'both', firstTime, pattern: '0 * * * *' });
  await pass(engine, 2 * MINUTE);
  t.is((await executions(engine)).length, 2);
  const left = await triggers(engine);
  t.deepEqual(
    left.map((row) => [row.name, row.next_execution_time]),
    [['both', Date.UTC(2026, 0, 1, 13)]],
  );
});

test('after an outage the latest missed run starts, or all of them', async (t) => {
  for (const [missed, runs] of [
    ['latest', 1],
    ['all', 6],
  ] as const) {
    const { store, clock } = await fileStore(t);
    const before = await withFlow(t, FLOW, { store, clock });
    await create(before.engine, { pattern: '*/10 * * * *' });
    await before.engine.engine.close();
    clock.advance(61 * MINUTE);
    const after = await withFlow(t, null, { store, clock, cron: { missed, overlap: true } });
    await after.engine.settle();
    t.is((await executions(after.engine)).length, runs, missed);
    t.is((await triggers(after.engine))[0]?.next_execution_time, Date.UTC(2026, 0, 1, 13, 10));
  }
});

test('two engines on one database start a run once', async (t) => {
  const { store, clock } = await fileStore(t);
  const one = await withFlow(t, FLOW, { store, clock });
  const two = await withFlow(t, null, { store, clock });
  for (let i = 0; i < 20; i++) await create(one.engine, { name: `c${i}`, pattern: '* * * * *', count: 2 });
  for (let i = 0; i < 4; i++) {
    clock.advance(MINUTE);
    await Promise.all([one.engine.settle(), two.engine.settle()]);
  }
  t.deepEqual([(await executions(one.engine)).length, (await triggers(one.engine)).length], [40, 0]);
});

test('a run that was stored and not started when the process died starts with the next one, once', async (t) => {
  const { store, clock } = await fileStore(t);
  const before = await withFlow(t, FLOW, { store, clock });
  await create(before.engine, { pattern: '* * * * *', count: 1 });
  await before.engine.engine.close();
  // What the transaction leaves when nothing happens after it.
  const engine = await withFlow(t, null, { store, clock, cron: { missed: 'latest', overlap: true } });
  clock.advance(MINUTE);
  await engine.engine.settle();
  const [{ id } = { id: '' }] = await executions(engine.engine);
  await engine.engine.engine.close();
  for (const table of ['task_executions', 'action_executions', 'execution_events']) await store.writer(table).delete();
  await store.writer('executions').where('id', id).update({ state: 'IDLE', version: 1, accepted: false, output: '{}' });
  const again = await withFlow(t, null, { store, clock });
  await again.engine.settle();
  t.deepEqual(
    (await executions(again.engine)).map((row) => [row.id, row.state]),
    [[id, 'SUCCESS']],
  );
});

test('a run is left out while the one before it goes on, where that is set, and does not count', async (t) => {
  const { engine } = await withFlow(t, SLOW, { cron: { missed: 'latest', overlap: false } });
  await create(engine, { pattern: '* * * * *', count: 2 });
  await pass(engine, MINUTE);
  await pass(engine, 3 * MINUTE);
  t.is((await executions(engine)).length, 1);
  t.is((await triggers(engine))[0]?.remaining_executions, 1);
  await engine.finish('t');
  await pass(engine, MINUTE);
  t.deepEqual([(await executions(engine)).length, (await triggers(engine)).length], [2, 0]);
});

test('a run that cannot start moves the trigger on; one whose vars fail ends in ERROR and says why', async (t) => {
  const { engine } = await withFlow(t, FLOW);
  await create(engine, { pattern: '* * * * *', workflowInput: { who: 'x' } });
  await engine.definitions.updateWorkflows(CALLER, FLOW.replace('who: nobody', 'other'), PLACE);
  await pass(engine, MINUTE);
  t.is((await executions(engine)).length, 0);
  await engine.definitions.updateWorkflows(
    CALLER,
    FLOW.replace('  tasks:', '  vars: {v: <% 1 / 0 %>}\n  tasks:'),
    PLACE,
  );
  await pass(engine, MINUTE);
  const [failed] = await executions(engine);
  t.is(failed?.state, 'ERROR');
  t.regex(failed?.stateInfo ?? '', /1 \/ 0/);
});

test('cron triggers are refused as the rules say, and a workflow with triggers stays', async (t) => {
  const { engine, clock } = await withFlow(t, FLOW);
  const refusals: readonly (readonly [Partial<NewCronTrigger>, RegExp])[] = [
    [{}, /Pattern or first_execution_time must be specified/],
    [{ count: 2 }, /Pattern or first_execution_time must be specified/],
    [{ firstTime: clock.now() + 59_000 }, /at least 1 minute in the future/],
    [{ firstTime: clock.now() + 61_000, count: 2 }, /Pattern must be provided if count is superior to 1/],
    [{ pattern: '61 * * * *' }, /The specified pattern is not valid: 61 \* \* \* \*/],
    [{ pattern: '* * * * *', workflowName: 'nope' }, /Workflow not found.*nope/],
    [{ pattern: '* * * * *', workflowName: null }, /Workflow ID or workflow name must be provided/],
    [{ pattern: '* * * * *', workflowInput: { what: 1 } }, /Invalid input.*unexpected=\['what'\]/],
    [{ pattern: '* * * * *', name: null }, /Name of the cron trigger is not provided/],
    [{ pattern: '* * * * *', scope: 'zzz' }, /Scope must be one of/],
  ];
  for (const [fields, message] of refusals) await t.throwsAsync(create(engine, fields), { message });
  const all = { pattern: '5 * * * *', firstTime: clock.now() + 61_000, count: 3, workflowInput: { who: 'x' } };
  await create(engine, all);
  await t.throwsAsync(create(engine, { ...all, name: 'd' }), { code: 'CONFLICT' });
  await t.throwsAsync(create(engine, { pattern: '6 * * * *' }), { code: 'CONFLICT', message: /Duplicate.*: c,/ });
  await create(engine, { ...all, name: 'd', workflowInput: { who: 'y' } });
  await t.throwsAsync(engine.definitions.deleteWorkflow(CALLER, 'wf', ''), {
    code: 'INVALID_STATE',
    message: /Can't delete workflow that has cron triggers associated/,
  });
  await engine.engine.cronTriggers.delete(CALLER, 'c');
  await engine.engine.cronTriggers.delete(CALLER, 'd');
  await t.throwsAsync(engine.engine.cronTriggers.delete(CALLER, 'd'), { code: 'NOT_FOUND' });
  await engine.definitions.deleteWorkflow(CALLER, 'wf', '');
  t.pass();
});

for (const kind of ['cron', 'event'] as const) {
  test(`§18.27 of the language: a workflow with ${kind} triggers is not deleted, and they are named`, async (t) => {
    const { engine } = await withFlow(t, FLOW);
    const { cronTriggers, eventTriggers } = engine.engine;
    const add = async (name: string): Promise<{ id: string }> => {
      if (kind === 'cron') return create(engine, { name, pattern: name === 'one' ? '5 * * * *' : '6 * * * *' });
      const [workflow] = await engine.definitions.updateWorkflows(CALLER, FLOW, PLACE);
      const event = { name, workflowInput: {}, workflowParams: {}, exchange: 'x', topic: 't', event: name };
      return eventTriggers.create(CALLER, { ...event, workflowId: workflow?.id ?? '', scope: 'private' });
    };
    const [one, two] = [await add('one'), await add('two')];
    await t.throwsAsync(engine.definitions.deleteWorkflow(CALLER, 'wf', ''), {
      code: 'INVALID_STATE',
      message: `Can't delete workflow that has ${kind} triggers associated. [workflow=wf], [${kind}_trigger_id(s)=${[one.id, two.id].sort().join(', ')}]`,
    });
    for (const trigger of [one, two]) {
      if (kind === 'cron') await cronTriggers.delete(CALLER, trigger.id);
      else await eventTriggers.delete(CALLER, trigger.id);
    }
    await engine.definitions.deleteWorkflow(CALLER, 'wf', '');
  });
}

const PLACE = { namespace: '', scope: 'private' } as const;
const ALICE = { projectId: 'alice', isAdmin: false };

test('an event starts the triggers of its project and public ones, each once per id', async (t) => {
  const { engine } = await withFlow(t, FLOW);
  await engine.definitions.createWorkflows(ALICE, FLOW, PLACE);
  const wanted = { name: 'e', workflowInput: {}, workflowParams: {}, exchange: 'x', topic: 't', event: 'made' };
  const listen = async (caller: typeof ALICE, scope: string) => {
    const { id } = await engine.store.reader('workflows').where('project_id', caller.projectId).first();
    return engine.engine.eventTriggers.create(caller, { ...wanted, workflowId: id, scope });
  };
  const own = await listen(CALLER, 'private');
  const foreign = await listen(ALICE, 'private');
  const publish = (fields: Partial<PublishedEvent> = {}) =>
    engine.engine.eventTriggers.publish({ ...EVENT, ...fields });
  const [started, ...more] = await publish();
  t.deepEqual([started?.triggerId, more], [own.id, []]);
  t.deepEqual(await publish(), [started], 'the same event again');
  await engine.settle();
  const [execution, ...others] = await executions(engine);
  t.deepEqual([execution?.id, execution?.state, others], [started?.executionId, 'SUCCESS', []]);
  t.deepEqual(execution?.params['event_params'], {
    service: 'me',
    project_id: CALLER.projectId,
    user_id: null,
    timestamp: '2026-01-01 12:00:00.000000',
    exchange: 'x',
    topic: 't',
    event: 'made',
    payload: { n: 1 },
  });
  for (const other of [{ event: 'gone' }, { topic: 'u' }, { exchange: 'y' }, { projectId: 'bob' }]) {
    t.deepEqual(await publish({ id: 'other', ...other }), []);
  }
  await engine.engine.eventTriggers.update(CALLER, own.id, { scope: 'public' });
  const both = await publish({ id: 'second', projectId: 'alice' });
  t.deepEqual(both.map(({ triggerId }) => triggerId).sort(), [own.id, foreign.id].sort());
  await engine.settle();
  const projects = (await executions(engine)).map(({ projectId }) => projectId);
  t.deepEqual(projects.sort(), [CALLER.projectId, CALLER.projectId, 'alice'].sort());
  await t.throwsAsync(engine.engine.eventTriggers.update(ALICE, own.id, { name: 'mine' }), { code: 'NOT_FOUND' });
  await t.throwsAsync(engine.engine.eventTriggers.delete(ALICE, own.id), { code: 'NOT_FOUND' });
});

test('event definitions say what executions get; the last that fits wins', async (t) => {
  const eventDefinitions = parseEventDefinitions(
    `
- event_types: ['*']
  properties: {all: '<% $.event_type %>'}
- event_types: ma?e
  properties:
    n: <% $.payload.n + 1 %>
    who: by {{ _.publisher }}
`,
    'events.yaml',
  );
  const { engine } = await withFlow(t, FLOW, { eventDefinitions });
  const { id: workflowId } = await engine.store.reader('workflows').first('id');
  const wanted = {
    name: null,
    workflowId,
    workflowInput: {},
    workflowParams: {},
    scope: 'private',
    exchange: 'x',
    topic: 't',
  };
  for (const event of ['made', 'other']) await engine.engine.eventTriggers.create(CALLER, { ...wanted, event });
  for (const event of ['made', 'other']) await engine.engine.eventTriggers.publish({ ...EVENT, event });
  const given = (await executions(engine)).map(({ params }) => JSON.stringify(params['event_params']));
  t.deepEqual(given.toSorted(), ['{"all":"other"}', '{"n":2,"who":"by me"}']);
  await t.throwsAsync(engine.engine.eventTriggers.publish({ ...EVENT, payload: {} }), { code: 'INVALID_INPUT' });
  t.throws(() => parseEventDefinitions('- event_types: []\n  properties: {}', 'f.yaml'), { message: /f\.yaml:1:3/ });
});

const EVENT: PublishedEvent = {
  id: 'one',
  exchange: 'x',
  topic: 't',
  event: 'made',
  payload: { n: 1 },
  projectId: CALLER.projectId,
  publisher: 'me',
  timestamp: null,
  userId: null,
};

interface Setting {
  readonly store?: Awaited<ReturnType<typeof openStore>>;
  readonly clock?: TestClock;
  readonly cron?: CronSettings;
  readonly eventDefinitions?: ReturnType<typeof parseEventDefinitions>;
}

async function withFlow(
  t: Parameters<typeof openTestEngine>[0],
  text: string | null,
  { store, clock, ...background }: Setting = {},
): Promise<{ engine: TestEngine; clock: TestClock }> {
  const engine = await openTestEngine(t, {
    background,
    ...(store === undefined ? {} : { store }),
    ...(clock === undefined ? {} : { clock }),
  });
  if (text !== null) await engine.upload(text);
  return { engine, clock: engine.clock };
}

/** A database that outlives engines. */
async function fileStore(t: { teardown(run: () => Promise<void>): void }) {
  const store = await openStore({ url: 'sqlite::memory:' }, silentLogger);
  t.teardown(() => store.close());
  return { store: { ...store, close: async () => {} }, clock: new TestClock() };
}

function create({ engine }: TestEngine, fields: Partial<NewCronTrigger>) {
  return engine.cronTriggers.create(CALLER, {
    name: 'c',
    workflowId: null,
    workflowName: 'wf',
    workflowInput: {},
    workflowParams: {},
    scope: 'private',
    pattern: null,
    firstTime: null,
    count: null,
    ...fields,
  });
}

async function pass(engine: TestEngine, milliseconds: number): Promise<void> {
  await engine.settle();
  engine.clock.advance(milliseconds);
  await engine.settle();
}

async function executions({ store }: TestEngine) {
  const rows: { id: string }[] = await store.reader('executions').orderBy(['created_at', 'id']).select('id');
  return Promise.all(rows.map(async ({ id }) => (await see(store, id)).execution));
}

function triggers({
  store,
}: TestEngine): Promise<{ name: string; remaining_executions: number; next_execution_time: number }[]> {
  return store.reader('cron_triggers').orderBy('name');
}

function shown(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString().slice(0, 19).replace('T', ' ');
}
