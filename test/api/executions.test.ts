import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { Store } from '../../engine/store/connection.ts';
import { buryTree, purgeSlice } from '../../engine/store/retention.ts';
import { sender } from '../helpers/api.ts';
import { startNodeServer } from '../helpers/node-server.ts';
import type { Exchange, Send } from '../helpers/api.ts';

const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;

const ECHO = `version: '2.0'
wf:
  tags: [t1]
  input: [who, n: 1]
  output:
    msg: <% $.msg %>
  tasks:
    say:
      action: std.echo output=<% $.who %>
      publish:
        msg: <% task().result %>
`;

const HOLD = `version: '2.0'
hold:
  tasks:
    wait:
      action: std.async_noop
`;

const TREE = `version: '2.0'
top:
  tasks:
    mid:
      workflow: low
low:
  output:
    v: 7
  tasks:
    x:
      action: std.echo output=1
      on-success: y
    y:
      action: std.fail
      on-error: z
    z:
      action: std.noop
`;

test('an execution from POST to its result, as lists and items show it', async (t) => {
  const { send, until } = await startServer(t);
  const workflow = (await send('POST', '/v2/workflows', ECHO)).body.workflows[0];
  const created = await send('POST', '/v2/executions', {
    workflow_name: 'wf',
    input: '{"who": "me"}',
    description: 'first',
  });
  t.is(created.status, 201);
  t.like(created.body, {
    workflow_id: workflow.id,
    workflow_name: 'wf',
    workflow_namespace: '',
    description: 'first',
    tags: ['t1'],
    state: 'RUNNING',
    state_info: null,
    task_execution_id: null,
    root_execution_id: null,
    output: '{}',
    project_id: '<default-project>',
  });
  t.deepEqual(JSON.parse(created.body.input), { who: 'me', n: 1 });
  t.like(JSON.parse(created.body.params), { namespace: '', env: {} });
  t.regex(created.body.created_at, TIME);
  const done = await until(`/v2/executions/${created.body.id}`, 'SUCCESS');
  t.deepEqual(JSON.parse(done.output), { msg: 'me' });
  t.is(done.published_global, '{}');

  const listed = (await send('GET', '/v2/executions?workflow_name=wf')).body.executions[0];
  t.false('output' in listed);
  t.is((await send('GET', '/v2/executions?include_output=true')).body.executions[0].output, done.output);
  t.deepEqual(Object.keys((await send('GET', '/v2/executions?fields=state,output')).body.executions[0]), [
    'id',
    'state',
    'output',
  ]);

  const [task] = (await send('GET', `/v2/executions/${done.id}/tasks`)).body.tasks;
  t.like(task, {
    name: 'say',
    type: 'ACTION',
    state: 'SUCCESS',
    workflow_execution_id: done.id,
    workflow_id: workflow.id,
    processed: true,
  });
  t.false('result' in task);
  const whole = (await send('GET', `/v2/tasks/${task.id}`)).body;
  t.is(whole.result, '"me"');
  t.is(whole.published, '{"msg":"me"}');
  t.false('published_global' in whole);

  const [action] = (await send('GET', `/v2/tasks/${task.id}/action_executions`)).body.action_executions;
  t.like(action, {
    name: 'std.echo',
    task_name: 'say',
    state: 'SUCCESS',
    accepted: true,
    input: '{"output":"me"}',
    tags: null,
  });
  t.false('output' in action);
  t.is((await send('GET', `/v2/tasks/${task.id}/action_executions/${action.id}`)).body.output, '{"result":"me"}');
  t.is((await send('GET', `/v2/tasks/${done.id}/action_executions/${action.id}`)).status, 404);
  t.is((await send('DELETE', `/v2/executions/${done.id}`)).status, 204);
  t.is((await send('GET', `/v2/tasks/${task.id}`)).status, 404);
});

test('an id of the client’s own starts one execution, and its parts can be listed', async (t) => {
  const { send, until, url } = await startServer(t);
  await send('POST', '/v2/workflows', TREE);
  const body = { workflow_name: 'top', id: 'my own id' };
  const [first, second] = await Promise.all([
    send('POST', '/v2/executions', body),
    send('POST', '/v2/executions', body),
  ]);
  t.is(first.status, 201);
  t.deepEqual([first.body.id, second.status, second.body.id], ['my own id', 201, 'my own id']);
  await until('/v2/executions/my%20own%20id', 'SUCCESS');
  t.is((await send('GET', '/v2/executions?workflow_name=top')).body.executions.length, 1);
  const tasks = await send('GET', '/v2/executions/my%20own%20id/tasks?limit=1');
  t.is(tasks.body.tasks[0].name, 'mid');
  t.deepEqual((await send('GET', tasks.body.next.replace(url, ''))).body, { tasks: [] });
  t.is((await send('GET', '/v2/executions?root_execution_id=eq:my own id')).body.executions[0].workflow_name, 'low');
  t.is((await send('POST', '/v2/executions', { ...body, id: 'x'.repeat(37) })).status, 400);
  t.is((await send('GET', '/v2/executions/nosuch/tasks')).status, 400);
  t.is((await send('GET', '/v2/executions/123e4567-e89b-12d3-a456-426655440000/tasks')).status, 404);
});

test('what a start needs is checked and named', async (t) => {
  const { send } = await startServer(t);
  await send('POST', '/v2/workflows', ECHO);
  for (const [body, status, words] of [
    [{}, 400, /Workflow ID or workflow name must be provided/],
    [{ workflow_name: 'nope' }, 404, /Workflow not found.*nope/],
    [{ workflow_id: '123e4567-e89b-12d3-a456-426655440000' }, 404, /123e4567/],
    [{ workflow_name: 'wf' }, 400, /Invalid input.*missing=\['who'\]/],
    [{ workflow_name: 'wf', input: { who: 1, zz: 2 } }, 400, /unexpected=\['zz'\]/],
    [{ workflow_name: 'wf', input: 5 }, 400, /input/],
    [{ workflow_name: 'wf', input: '[1]' }, 400, /input/],
    [{ workflow_name: 'wf', input: { who: 1 }, params: { env: 'nope' } }, 400, /Environment is not found: nope/],
    [{ workflow_name: 'wf', input: { who: 1 }, source_execution_id: 'nope' }, 404, /nope/],
  ] as const) {
    const reply = await send('POST', '/v2/executions', body);
    t.is(reply.status, status, JSON.stringify(body));
    t.regex(reply.body.faultstring, words);
  }
});

test('executions change state as they may, and say why not', async (t) => {
  const { send } = await startServer(t);
  await send('POST', '/v2/workflows', HOLD);
  const { id } = (await send('POST', '/v2/executions', { workflow_name: 'hold' })).body;
  const put = (body: object) => send('PUT', `/v2/executions/${id}`, body);
  t.is((await send('PUT', '/v2/executions/nosuch', { state: 'STOPPED' })).status, 404);
  t.is((await put({})).status, 400);
  t.regex((await put({ state: 'STOPPED' })).body.faultstring, /Cannot change state to STOPPED/);
  t.is((await put({ state: 'SUCCESS', description: 'x' })).status, 400);
  t.is((await put({ state: 'PAUSED', params: { env: { a: 1 } } })).status, 400);
  t.is((await send('DELETE', `/v2/executions/${id}`)).status, 403);
  t.like((await put({ description: 'new', input: { ignored: 1 } })).body, {
    description: 'new',
    state: 'RUNNING',
    input: '{}',
  });
  t.is((await put({ state: 'PAUSED' })).body.state, 'PAUSED');
  t.is(JSON.parse((await put({ params: '{"env": {"b": 2.0}}' })).body.params).env.b, 2);
  t.regex((await put({ state: 'SUCCESS' })).body.faultstring, /from PAUSED to SUCCESS/);
  t.is((await put({ state: 'RUNNING' })).body.state, 'RUNNING');
  t.like((await put({ state: 'CANCELLED', state_info: 'enough' })).body, {
    state: 'CANCELLED',
    state_info: 'enough',
    output: '{"result":"enough"}',
  });
  t.is((await send('DELETE', `/v2/executions/${id}`)).status, 204);
});

test('an asynchronous action is completed by its address', async (t) => {
  const { send, until } = await startServer(t);
  await send('POST', '/v2/workflows', HOLD);
  const { id } = (await send('POST', '/v2/executions', { workflow_name: 'hold' })).body;
  const [task] = (await send('GET', `/v2/executions/${id}/tasks`)).body.tasks;
  const [action] = (await send('GET', `/v2/action_executions?task_execution_id=${task.id}`)).body.action_executions;
  const path = `/v2/action_executions/${action.id}`;
  t.regex(
    (await send('PUT', path, { state: 'DONE' })).body.faultstring,
    /Expected one of \['SUCCESS', 'ERROR'.*actual: DONE/,
  );
  t.is((await send('PUT', path, { state: 'SUCCESS', output: 'plain' })).status, 400);
  t.is((await send('DELETE', path)).status, 403);
  t.like((await send('PUT', path, { state: 'SUCCESS', output: '{"x": 1}' })).body, {
    state: 'SUCCESS',
    output: '{"result":{"x":1}}',
  });
  await until(`/v2/executions/${id}`, 'SUCCESS');
  t.is((await send('PUT', path, { state: 'SUCCESS' })).status, 400);
  t.is((await send('PUT', '/v2/action_executions/nosuch', { state: 'SUCCESS' })).status, 404);
});

test('an action runs without a workflow, and leaves a row only where that is wanted', async (t) => {
  const { send, until } = await startServer(t);
  const run = (body: object) => send('POST', '/v2/action_executions', body);
  const unsaved = await run({ name: 'std.echo', input: { output: [1, null] } });
  t.is(unsaved.status, 201);
  t.like(unsaved.body, {
    id: null,
    state: 'SUCCESS',
    output: '{"result":[1,null]}',
    created_at: null,
    project_id: null,
    accepted: null,
  });
  const saved = await run({
    name: 'std.echo',
    input: '{"output": 2.0}',
    params: '{"save_result": true, "run_sync": true}',
    description: 'mine',
  });
  t.like(saved.body, { state: 'SUCCESS', description: 'mine', output: '{"result":2.0}' });
  t.is((await send('GET', `/v2/action_executions/${saved.body.id}`)).body.output, '{"result":2.0}');
  const failed = await run({ name: 'std.fail' });
  t.is(failed.status, 201);
  t.is(failed.body.state, 'ERROR');
  const later = await run({ name: 'std.sleep', input: { seconds: 0.01 }, params: { save_result: true } });
  t.like(later.body, { state: 'RUNNING', output: null });
  await until(`/v2/action_executions/${later.body.id}`, 'SUCCESS');
  t.is((await send('DELETE', `/v2/action_executions/${later.body.id}`)).status, 204);
  for (const [body, words] of [
    [{}, /Please provide at least action name/],
    [{ name: 'nope' }, /Failed to find action \[action_name=nope/],
    [{ name: 'std.echo' }, /Invalid input.*output/],
    [{ name: 'std.echo', input: 'plain' }, /input/],
    [{ name: 'std.async_noop', params: { run_sync: true } }, /does not support synchronous execution/],
    [{ name: 'std.noop', params: { timeout: 'soon' } }, /timeout/],
  ] as const) {
    const reply = await run(body);
    t.is(reply.status, 400, JSON.stringify(body));
    t.regex(reply.body.faultstring, words);
  }
});

test('the tree below an execution: sub-executions and the report', async (t) => {
  const { send, until } = await startServer(t);
  await send('POST', '/v2/workflows', TREE);
  const { id } = (await send('POST', '/v2/executions', { workflow_name: 'top' })).body;
  await until(`/v2/executions/${id}`, 'SUCCESS');
  const below = async (query: string) =>
    (await send('GET', `/v2/executions/${id}/executions${query}`)).body.executions.map(
      (e: { workflow_name: string }) => e.workflow_name,
    );
  t.deepEqual(await below(''), ['top', 'low']);
  t.deepEqual(await below('?max_depth=0'), ['top']);
  t.deepEqual(await below('?errors_only=true'), ['top']);
  t.is((await send('GET', `/v2/executions/${id}/executions?max_depth=q`)).status, 400);

  const report = (await send('GET', `/v2/executions/${id}/report?max_depth=-1`)).body;
  t.deepEqual(report.statistics, {
    total_tasks_count: 4,
    running_tasks_count: 0,
    success_tasks_count: 3,
    error_tasks_count: 1,
    idle_tasks_count: 0,
    paused_tasks_count: 0,
    estimated_time: 0,
  });
  const [mid] = report.root_workflow_execution.task_executions;
  t.is(mid.name, 'mid');
  const [low] = mid.workflow_executions;
  t.deepEqual(
    low.task_executions.map((task: { name: string; state: string }) => `${task.name} ${task.state}`),
    ['x SUCCESS', 'y ERROR', 'z SUCCESS'],
  );
  t.like(low.task_executions[0].action_executions[0], { name: 'std.echo', state: 'SUCCESS', accepted: true });
  const shallow = (await send('GET', `/v2/executions/${id}/report?max_depth=0`)).body;
  t.is(shallow.statistics.total_tasks_count, 1);
  t.false('task_executions' in shallow.root_workflow_execution.task_executions[0].workflow_executions[0]);
  t.deepEqual(Object.keys((await send('GET', `/v2/executions/${id}/report?statistics_only=true`)).body), [
    'statistics',
  ]);

  const tasks = (await send('GET', `/v2/executions/${low.id}/tasks?sort_keys=name`)).body.tasks;
  t.deepEqual(
    (await send('GET', `/v2/tasks/${mid.id}/workflow_executions`)).body.executions.map((e: { id: string }) => e.id),
    [low.id],
  );
  t.deepEqual(
    (await send('GET', `/v2/tasks/${mid.id}/executions`)).body.executions.map((e: { id: string }) => e.id),
    [low.id],
  );
  t.is((await send('GET', `/v2/tasks/${mid.id}`)).body.result, '{"v":7}');
  t.is(JSON.parse(tasks[2].runtime_context).triggered_by[0].event, 'on-error');
});

test('tasks are run again or skipped, and only where that makes sense', async (t) => {
  const { send, until } = await startServer(t);
  await send(
    'POST',
    '/v2/workflows',
    "version: '2.0'\nwf:\n  tasks:\n    bad:\n      action: std.fail\n      on-success: after\n    after:\n      action: std.noop\n",
  );
  const { id } = (await send('POST', '/v2/executions', { workflow_name: 'wf' })).body;
  await until(`/v2/executions/${id}`, 'ERROR');
  const [task] = (await send('GET', `/v2/executions/${id}/tasks`)).body.tasks;
  const put = (body: object) => send('PUT', `/v2/tasks/${task.id}`, body);
  for (const [body, words] of [
    [{}, /Invalid task state/],
    [{ state: 'SUCCESS' }, /Invalid task state/],
    [{ state: 'RUNNING' }, /Reset field is mandatory/],
    [{ state: 'RUNNING', reset: false }, /Only with-items task has the option to not reset/],
    [{ state: 'RUNNING', reset: true, name: 'x' }, /Task name does not match/],
    [{ state: 'RUNNING', reset: true, workflow_name: 'x' }, /does not match/],
  ] as const) {
    const reply = await put(body);
    t.is(reply.status, 400, JSON.stringify(body));
    t.regex(reply.body.faultstring, words);
  }
  t.is((await put({ id: task.id, state: 'RUNNING', reset: true, env: '{"a": 1}' })).status, 200);
  await until(`/v2/executions/${id}`, 'ERROR');
  t.is((await send('GET', `/v2/tasks/${task.id}/action_executions`)).body.action_executions.length, 2);
  t.is((await put({ state: 'SKIPPED' })).status, 200);
  await until(`/v2/executions/${id}`, 'SUCCESS');
  t.regex((await put({ state: 'SKIPPED' })).body.faultstring, /must be in ERROR/);
});

test('a workflow with a wrong call of an action of ours is refused with place and remedy', async (t) => {
  const { send } = await startServer(t);
  const text =
    "version: '2.0'\nwf:\n  tasks:\n    t:\n      action: spark.submit\n      input:\n        aplication: x.py\n";
  const reply = await send('POST', '/v2/workflows', text);
  t.is(reply.status, 400);
  t.regex(reply.body.faultstring, /^7:9: .*aplication.*; .*application/m);
});

async function startServer(
  t: ExecutionContext,
): Promise<{ send: Send; url: string; store: Store; until(path: string, state: string): Promise<Exchange['body']> }> {
  const server = await startNodeServer(t);
  const send = sender(server.url);
  const until = async (path: string, state: string) => {
    for (let tries = 0; tries < 500; tries++) {
      const { body } = await send('GET', path);
      if (body.state === state) return body;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`${path} did not become ${state}: ${JSON.stringify((await send('GET', path)).body)}`);
  };
  return { send, url: server.url, store: server.store, until };
}

test('an id is free again only when nothing is left of the execution that had it', async (t) => {
  const { send, until, store } = await startServer(t);
  await send('POST', '/v2/workflows', ECHO);
  const start = () => send('POST', '/v2/executions', { id: 'again', workflow_name: 'wf', input: { who: 'me' } });
  t.is((await start()).status, 201);
  await until('/v2/executions/again', 'SUCCESS');
  t.deepEqual(await store.writer.transaction((trx) => buryTree(trx, 'again')), ['again']);
  t.is((await send('GET', '/v2/executions/again')).status, 404);
  const refused = await start();
  t.is(refused.status, 409);
  t.regex(refused.body.faultstring, /again was deleted, and what belonged to it/);
  while ((await store.writer.transaction((trx) => purgeSlice(trx, 100, Date.now()))) !== null);
  t.is((await start()).status, 201);
  await until('/v2/executions/again', 'SUCCESS');
  t.is((await send('GET', '/v2/executions/again/tasks')).body.tasks.length, 1);
});
