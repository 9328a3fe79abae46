import test from 'ava';
import { startApi } from '../helpers/api.ts';
import type { Exchange, Send } from '../helpers/api.ts';

const FLOW = "version: '2.0'\nwf:\n  input: [who, n: 1]\n  tasks:\n    t: { action: std.noop }\n";
const UNKNOWN = '123e4567-e89b-12d3-a456-426655440000';

test('bodies of cron triggers: types, order of the rules, texts', async (t) => {
  const { send } = await startApi(t);
  await upload(send);
  const post = (fields: object) =>
    send('POST', '/v2/cron_triggers', { name: 'c', workflow_name: 'wf', workflow_input: { who: 'x' }, ...fields });
  const refused: readonly (readonly [object, number, RegExp])[] = [
    [{ remaining_executions: 'q', pattern: 'bad' }, 400, /remaining_executions/],
    [{ remaining_executions: 1.5, pattern: '* * * * *' }, 400, /remaining_executions/],
    [{ remaining_executions: 0, pattern: '* * * * *' }, 400, /remaining_executions/],
    [{ remaining_executions: -1, first_execution_time: 'q' }, 400, /remaining_executions/],
    [{ remaining_executions: true, pattern: '* * * * *' }, 400, /remaining_executions/],
    [{ remaining_executions: 2 ** 31, pattern: '* * * * *' }, 400, /remaining_executions/],
    [{ first_execution_time: 'q' }, 400, /'q' does not match format '%Y-%m-%d %H:%M'/],
    [{ first_execution_time: '' }, 400, /does not match format/],
    [{ first_execution_time: '4242-02-30 10:00' }, 400, /does not match format/],
    [{ first_execution_time: '4242-12-25 24:00' }, 400, /does not match format/],
    [{ first_execution_time: '4242-12-25T13:37:00Z' }, 400, /does not match format/],
    [{ first_execution_time: 5 }, 400, /first_execution_time/],
    [{ first_execution_time: '2000-01-01 00:00' }, 400, /at least 1 minute in the future/],
    [{}, 400, /Pattern or first_execution_time must be specified/],
    [{ pattern: '' }, 400, /Pattern or first_execution_time must be specified/],
    [{ first_execution_time: '4242-12-25 13:37', remaining_executions: '2' }, 400, /Pattern must be provided/],
    [{ pattern: '* * * *' }, 400, /The specified pattern is not valid: \* \* \* \*/],
    [{ pattern: `${'1,'.repeat(60)}1 * * * *` }, 400, /pattern is not valid/],
    [{ pattern: 5 }, 400, /pattern/],
    [{ pattern: '5 * * * *', name: undefined }, 400, /Name/],
    [{ pattern: '5 * * * *', name: 'n'.repeat(201) }, 400, /name/],
    [{ pattern: '5 * * * *', workflow_name: 'nope' }, 404, /nope/],
    [{ pattern: '5 * * * *', workflow_name: undefined }, 400, /workflow_name/],
    [{ pattern: '5 * * * *', workflow_input: {} }, 400, /Invalid input.*missing=\['who'\]/],
    [{ pattern: '5 * * * *', workflow_input: 'who' }, 400, /workflow_input/],
    [{ pattern: '5 * * * *', workflow_params: [1] }, 400, /workflow_params/],
    [{ pattern: '5 * * * *', project_id: 'x' }, 400, /Cannot set read only field/],
    [{ pattern: '5 * * * *', bogus: 1 }, 400, /Unknown attribute/],
  ];
  for (const [fields, status, text] of refused) {
    const { status: got, body } = await post(fields);
    t.is(got, status, JSON.stringify(fields));
    t.regex(body.faultstring, text);
  }
  const created = await post({
    pattern: '5 * * * *',
    first_execution_time: '4242-12-25 13:37',
    remaining_executions: ' 42 ',
    workflow_input: '{"who": "x"}',
    next_execution_time: 'ignored',
  });
  t.is(created.status, 201);
  t.like(created.body, {
    remaining_executions: 42,
    workflow_input: '{"who":"x"}',
    first_execution_time: '4242-12-25 13:37:00',
    next_execution_time: '4242-12-25 13:37:00',
    updated_at: null,
  });
  t.is((await post({ pattern: '5 * * * *', first_execution_time: null, remaining_executions: null })).status, 409);
});

test('lists of triggers filter and page over every column; items are found by id and name', async (t) => {
  const { send } = await startApi(t);
  const workflow = await upload(send);
  const ids: string[] = [];
  for (const [i, remaining] of [3, null, 1].entries()) {
    const { body } = await send('POST', '/v2/cron_triggers', {
      name: `c${i}`,
      workflow_id: workflow,
      workflow_input: { who: i },
      pattern: `${i} 0 1 1 *`,
      remaining_executions: remaining,
    });
    ids.push(body.id);
  }
  const names = async (query: string) => {
    const { status, body } = await send('GET', `/v2/cron_triggers?fields=name&${query}`);
    return status === 200 ? body.cron_triggers.map(({ name }: { name: string }) => name) : status;
  };
  for (const [query, expected] of [
    ['remaining_executions=3', ['c0']],
    ['remaining_executions=gt:0', ['c0', 'c2']],
    ['remaining_executions=in:1,3', ['c0', 'c2']],
    ['remaining_executions=x', 400],
    ['pattern=has:0 1 1&name=neq:c1', ['c0', 'c2']],
    [`workflow_id=${workflow}`, ['c0', 'c1', 'c2']],
    ['workflow_id=x', 400],
    ['workflow_input={"who":1}', ['c1']],
    ['workflow_name=wf&scope=private', ['c0', 'c1', 'c2']],
    ['first_execution_time=2026-01-01 00:00:00', []],
    ['next_execution_time=gt:2000-01-01 00:00:00', ['c0', 'c1', 'c2']],
    ['sort_keys=remaining_executions&sort_dirs=desc', ['c0', 'c2', 'c1']],
    ['bogus=1', 400],
  ] as const)
    t.deepEqual(await names(encodeURI(query)), expected, query);
  const walked: string[] = [];
  for (let path = '/v2/cron_triggers?limit=2&sort_keys=remaining_executions'; ; ) {
    const { body } = await send('GET', path);
    walked.push(...body.cron_triggers.map(({ name }: { name: string }) => name));
    if (body.next === undefined) break;
    path = body.next.replace(/^http:\/\/[^/]+/, '');
  }
  t.deepEqual(walked, ['c1', 'c2', 'c0']);
  t.is((await send('GET', `/v2/cron_triggers/${ids[0]}`)).body.name, 'c0');
  t.is((await send('GET', '/v2/cron_triggers/c1?fields=pattern')).body.id, ids[1]);
  t.is((await send('PUT', '/v2/cron_triggers/c1', {})).status, 405);
  t.is((await send('DELETE', '/v2/cron_triggers')).status, 400);
});

test('event triggers: what they need, what may change, and events that nobody hears', async (t) => {
  const { send } = await startApi(t);
  const workflow = await upload(send);
  const wanted = { workflow_id: workflow, exchange: 'x', topic: 't', event: 'e', workflow_input: { who: 'x' } };
  const post = (fields: object) => send('POST', '/v2/event_triggers', { ...wanted, ...fields });
  for (const [fields, status, text] of [
    [{ exchange: '' }, 400, /Params \{.*'exchange'.*\} must be provided for creating event trigger/],
    [{ event: undefined }, 400, /must be provided/],
    [{ workflow_id: undefined }, 400, /'workflow_id'/],
    [{ workflow_id: 'wf' }, 400, /uuid/],
    [{ workflow_id: UNKNOWN }, 404, new RegExp(UNKNOWN)],
    [{ topic: 't'.repeat(81) }, 400, /topic/],
    [{ workflow_input: {} }, 400, /Invalid input/],
    [{ id: UNKNOWN }, 400, /read only/],
    [{ created_at: 'x' }, 400, /read only/],
    [{ scope: 'zzz' }, 400, /Scope/],
  ] as const) {
    const { status: got, body } = await post(fields);
    t.is(got, status, JSON.stringify(fields));
    t.regex(body.faultstring, text);
  }
  const { body: created } = await post({ name: 'n' });
  t.is((await post({ name: 'other' })).status, 409);
  const put = (fields: object, id = created.id) => send('PUT', `/v2/event_triggers/${id}`, fields);
  t.regex((await put({ topic: 'zz' })).body.faultstring, /Can not update fields \['exchange', 'topic', 'event'\]/);
  t.is((await put({ name: 'x' }, UNKNOWN)).status, 404);
  t.is((await put({ name: 'x' }, 'nope')).status, 400);
  t.is((await put({ workflow_input: { what: 1 } })).status, 400);
  const changed = await put({ name: 'm', workflow_params: '{"env": {"a": 1}}' });
  t.like(changed.body, { name: 'm', workflow_params: '{"env":{"a":1}}', event: 'e', id: created.id });
  t.is((await send('GET', `/v2/event_triggers?event=e&topic=neq:u&id=${created.id}`)).body.event_triggers.length, 1);
  t.is((await send('GET', '/v2/event_triggers?bogus=1')).status, 400);
  t.is((await send('DELETE', '/v2/workflows/wf')).status, 400);
  const published = await send('POST', '/v2/events', { exchange: 'x', topic: 't', event: 'other' });
  t.deepEqual([published.status, published.body.executions], [201, []]);
  const heard = await send('POST', '/v2/events', { id: '1', exchange: 'x', topic: 't', event: 'e', payload: [1] });
  t.is(heard.body.executions[0].event_trigger_id, created.id);
  const again = await send('POST', '/v2/events', { id: '1', exchange: 'x', topic: 't', event: 'e', payload: [1] });
  t.deepEqual(again.body, heard.body);
  const started = await send('GET', `/v2/executions/${heard.body.executions[0].execution_id}`);
  t.deepEqual(JSON.parse(started.body.params).event_params.payload, [1]);
  for (const body of [{ exchange: 'x' }, { exchange: 'x', topic: 't', event: '' }, { bogus: 1 }])
    t.is((await send('POST', '/v2/events', body)).status, 400);
});

test('maintenance lets only reading, cancelling and, while it pauses, results of actions through', async (t) => {
  const { send, store } = await startApi(t);
  await upload(send);
  for (const status of ['PAUSING', 'zzz', 5, null]) t.is((await send('PUT', '/maintenance', { status })).status, 400);
  t.deepEqual((await send('PUT', '/maintenance', { status: 'PAUSED' })).body, { status: 'PAUSING' });
  const asked = async (): Promise<number[]> => {
    const found: Exchange[] = [
      await send('GET', '/v2/workflows'),
      await send('POST', '/v2/executions', { workflow_name: 'wf' }),
      await send('DELETE', '/v2/workflows/wf'),
      await send('PUT', `/v2/executions/${UNKNOWN}`, { state: 'CANCELLED' }),
      await send('PUT', `/v2/executions/${UNKNOWN}`, { state: 'RUNNING' }),
      await send('PUT', `/v2/action_executions/${UNKNOWN}`, { state: 'bad' }),
      await send('PUT', '/maintenance', { status: 'zzz' }),
    ];
    for (const { status, headers, body } of found) {
      if (status === 423) t.is(headers.get('server-error-message'), body.faultstring);
    }
    return found.map(({ status }) => status);
  };
  t.deepEqual(await asked(), [200, 423, 423, 404, 423, 404, 400]);
  t.deepEqual((await send('GET', '/maintenance')).body, { status: 'PAUSING' });
  t.deepEqual((await send('PUT', '/maintenance', { status: 'RUNNING' })).body, { status: 'RUNNING' });
  t.is((await send('DELETE', '/v2/workflows/wf')).status, 204);
  t.is((await store.reader('counters').where('name', 'maintenance').first()).value, 0);
});

async function upload(send: Send): Promise<string> {
  const { body } = await send('POST', '/v2/workflows', FLOW, { 'Content-Type': 'text/plain' });
  return body.workflows[0].id;
}
