import test from 'ava';
import { CALLER, openTestEngine } from '../helpers/engine.ts';
import { Machine } from './machine.ts';

/*
 * The edge cases of spec/engine.md §31 by their numbers. Those without a test here have it elsewhere:
 *
 *   flow.test.ts      1, 2, 9, 14, 18, 39, 48, 54, 56, 57      join.test.ts      22 to 26, 28
 *   context.test.ts   15, 16, 19, 20, 21                       items.test.ts     29, 30, 31, 33, 34, 47, 58
 *   control.test.ts   5, 41, 47, 52                            policies.test.ts  36 to 39, 49
 *   errors.test.ts    10, 43, 46
 *   ../engine/        10 flows.test.ts, 12 conductor.test.ts, 59 background.test.ts
 *   conformance       44 workbook-dynamic-sub-workflow, 4 and 13 as linear-* and clause-*
 */

test('3: an action that fails in a task before succeed does not change how the workflow ended', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, on-success: [b, succeed]}
    b: {action: std.async_noop}
`);
  t.is(m.state, 'SUCCESS');
  m.fail('b');
  t.is(m.task('b').state, 'ERROR');
  t.is(m.state, 'SUCCESS');
});

test('4: the result of a task that just starts is an empty list, whatever is asked of it', (t) => {
  const m = Machine.start(`
wf:
  output: {r: <% task(a).result %>}
  tasks: {a: {action: std.echo, input: {output: <% task().result.content %>}}}
`);
  t.is(m.state, 'SUCCESS', m.record.stateInfo ?? '');
  t.deepEqual(m.output, { r: [] });
});

test('6: a bad expression in the input of the next task leaves the first SUCCESS and the next in ERROR without an action', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, on-success: b}
    b: {action: std.echo output=<% $.missing %>, on-error: c}
    c: {}
`);
  t.deepEqual(m.states, ['a:SUCCESS', 'b:ERROR']);
  t.is(m.actionsOf('b').length, 0);
  t.is(m.state, 'ERROR');
});

test('7, 8: a bad condition or publish turns the finished task into ERROR, its action stays SUCCESS, no clause runs', (t) => {
  for (const clause of ['on-success: {c: <% $.missing %>}', 'publish: {x: <% $.missing %>}']) {
    const m = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, ${clause}, on-error: c}
    c: {}
`);
    t.deepEqual(m.states, ['a:ERROR'], clause);
    t.deepEqual(
      m.actionsOf('a').map((action) => action.state),
      ['SUCCESS'],
    );
    t.is(m.state, 'ERROR');
  }
});

test('9: a bad output makes the child ERROR and its parent hear of it', (t) => {
  const m = Machine.start('wf: {output: {x: <% $.missing %>}, tasks: {a: {}}}', { isChild: true });
  t.deepEqual(m.states, ['a:SUCCESS']);
  t.is(m.state, 'ERROR');
  const [sent] = m.commandsOf('send');
  t.like(sent?.event, { type: 'child-completed', state: 'ERROR', stateInfo: m.record.stateInfo });
});

test('11: texts of errors begin with their cause and do not show the data', (t) => {
  const m = Machine.start('wf: {input: [s], tasks: {a: {action: std.noop, publish: {x: <% $.missing %>}}}}', {
    input: { s: 'confidential' },
  });
  t.regex(m.task('a').stateInfo ?? '', /^Failed to handle action completion \[error=/);
  t.true((m.task('a').stateInfo ?? '').indexOf('error=') < (m.task('a').stateInfo ?? '').indexOf('wf='));
  t.false(JSON.stringify([m.task('a').stateInfo, m.record.stateInfo, m.output]).includes('confidential'));
});

test('13: the data of std.fail stays structured as result and becomes text as state_info', (t) => {
  for (const [data, text] of [
    ['[1, 2]', '[1,2]'],
    ['{a: [1]}', '{"a":[1]}'],
  ] as const) {
    const m = Machine.start(`
wf:
  output: {r: <% task(a).result %>}
  tasks: {a: {action: std.fail, input: {error_data: ${data}}, on-error: noop}}
`);
    t.is((m.task('a').stateInfo ?? '').replaceAll(' ', ''), text);
    t.is(JSON.stringify(m.output.r), text);
  }
});

test('15: publish counts for a success only', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.fail, publish: {x: 1}, on-error: noop}}}');
  t.deepEqual(m.task('a').published, {});
  t.is(m.state, 'SUCCESS');
});

test('17: a mapping as input replaces the default as a whole', (t) => {
  const m = Machine.start('wf: {input: [{m: {a: 1, b: 2}}], output: {m: <% $.m %>}, tasks: {a: {}}}', {
    input: { m: { b: 3 } },
  });
  t.deepEqual(m.output, { m: { b: 3 } });
});

test('27: a join whose action cannot be called fails the workflow at once', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, on-success: j}
    b: {action: std.noop, on-success: j}
    j: {join: all, action: "<% 'std.echo' %>", input: {nope: 1}}
`);
  t.is(m.task('j').state, 'ERROR');
  t.is(m.state, 'ERROR');
});

test('32: a concurrency that is text is an error at run time', (t) => {
  const m = Machine.start(
    `wf: {input: [c], tasks: {a: {with-items: "i in [1, 2]", concurrency: <% $.c %>, action: std.noop}}}`,
    { input: { c: '2' } },
  );
  t.true(m.task('a').stateInfo?.includes('Invalid data type in ConcurrencyPolicy'));
  t.is(m.state, 'ERROR');
});

test('35: a retry count from a variable: 0 leaves no trace, a negative one is an error at once', (t) => {
  const text = 'wf: {input: [n], tasks: {a: {action: std.fail, retry: {count: <% $.n %>, delay: 0}, on-error: noop}}}';
  const none = Machine.start(text, { input: { n: 0 } });
  t.deepEqual(none.task('a').runtimeContext, {});
  t.is(none.state, 'SUCCESS');
  const negative = Machine.start(text, { input: { n: -1 } });
  t.is(negative.state, 'ERROR');
  t.deepEqual(negative.task('a').runtimeContext, {});
});

test('40: a wait-before that is over does not wake a workflow that pause-before paused', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, wait-before: 5}
    b: {action: std.noop, pause-before: true}
`);
  t.is(m.state, 'PAUSED');
  m.advance(6);
  t.is(m.state, 'PAUSED');
  t.is(m.task('b').state, 'IDLE');
  t.is(m.actions.size, 0);
  m.send({ type: 'resume-requested', by: 'user', env: null });
  t.is(m.state, 'SUCCESS');
});

test('42: evaluate_env false keeps what looks like an expression', (t) => {
  const params = { env: { x: '<% env().y %>', y: 1 }, evaluate_env: false };
  const text = 'wf: {output: {x: <% env().x %>}, tasks: {a: {}}}';
  t.deepEqual(Machine.start(text, { params }).output, { x: '<% env().y %>' });
  t.deepEqual(Machine.start(text, { params: { env: params.env } }).output, { x: 1 });
});

test('43: the environment is copied neither into contexts nor into the params of a child', (t) => {
  const m = Machine.start(
    `
wf: {output: {keys: <% $.keys().toList() %>}, tasks: {a: {workflow: sub}}}
sub: {tasks: {x: {action: std.noop}}}
`,
    { params: { env: { secret: 1 } } },
  );
  const [child] = m.childrenOf('a');
  t.deepEqual(child?.params.env, {});
  t.false(JSON.stringify([m.record.context, m.task('a').context, child?.context]).includes('secret'));
});

test('45: a string where a mapping is needed for a dynamic input is named in the message', (t) => {
  const m = Machine.start('wf: {input: [s], tasks: {a: {action: std.echo, input: <% $.s %>}}}', {
    input: { s: 'wrong one' },
  });
  t.true(m.task('a').stateInfo?.includes('wrong one'));
  t.is(m.state, 'ERROR');
});

test('50: a workflow whose definition was deleted can still be cancelled', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(`version: '2.0'\nwf: {tasks: {a: {action: std.async_noop}}}`);
  const { id } = await e.start('wf');
  await e.definitions.deleteWorkflow(CALLER, 'wf', '');
  await e.engine.updateExecution(CALLER, id, { state: 'CANCELLED', stateInfo: 'enough', description: null, env: null });
  t.is((await e.see(id)).execution.state, 'CANCELLED');
});

test('51: a skip of the last task turns ERROR into SUCCESS, and its publish replaces that of the error', (t) => {
  const m = Machine.start(`
wf:
  output: {a: <% $.get(a) %>, b: <% $.get(b) %>}
  tasks:
    x: {action: std.fail, publish-on-error: {a: 1}, publish-on-skip: {b: 2}}
`);
  t.is(m.state, 'ERROR');
  m.send({ type: 'skip-requested', task: m.task('x').id });
  t.is(m.state, 'SUCCESS');
  t.deepEqual(m.task('x').published, { b: 2 });
  t.deepEqual(m.output, { a: null, b: 2 });
});

test('53: a sub-workflow that cannot start fails its own branch; others run to their end first', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {workflow: sub, input: {wrong: 1}}
    b: {action: std.async_noop, on-success: c}
    c: {action: std.async_noop}
sub: {input: [n], tasks: {x: {action: std.noop}}}
`);
  t.is(m.task('a').state, 'ERROR');
  t.is(m.state, 'RUNNING');
  m.finish('b');
  t.is(m.state, 'RUNNING');
  m.finish('c');
  t.is(m.state, 'ERROR');
});

test('54: task() without a name is the current one within a cycle, in conditions and messages as well', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    s: {action: std.noop, publish: {n: 0}, on-success: a}
    a:
      action: std.echo output=<% $.n %>
      publish: {n: <% $.n + 1 %>}
      on-success:
        - a: <% task().result < 2 %>
        - fail(msg="<% task().result %>"): <% task().result = 2 %>
`);
  t.is(m.tasksOf('a').length, 3);
  t.is(m.record.stateInfo, '2');
});

test('55: a task that is unknown is null, and asking something of it an error that names it', (t) => {
  t.deepEqual(Machine.start('wf: {output: {r: <% task(nobody) %>}, tasks: {a: {}}}').output, { r: null });
  const m = Machine.start('wf: {output: {r: <% task(nobody).name %>}, tasks: {a: {}}}');
  t.is(m.state, 'ERROR');
  t.true(m.record.stateInfo?.includes('task(nobody).name'));
});

test('60: the end of a workflow leaves no timer that starts anything', (t) => {
  for (const to of ['ERROR', 'CANCELLED'] as const) {
    const m = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, wait-before: 5}
    b: {action: std.fail, retry: {count: 3, delay: 5}}
    c: {action: std.async_noop, timeout: 5}
`);
    m.send({ type: 'stop-requested', to, message: 'enough' });
    m.advance(100);
    t.deepEqual(m.timerKinds, []);
    t.is(m.state, to);
    t.is(m.actionsOf('a').length, 0);
    t.is(m.actionsOf('b').length, 1);
  }
});
