import test from 'ava';
import { Machine } from './machine.ts';

const items = (more = '', list = '[1, 2, 3, 4]') => `
wf:
  output: {r: <% task(a).result %>}
  tasks:
    a:
      with-items: i in ${list}
      action: std.async_noop
      ${more}
`;

test('all items run at once; results keep the order of items however they end', (t) => {
  const m = Machine.start(items());
  t.is(m.actions.size, 4);
  t.deepEqual(m.task('a').runtimeContext.with_items, { count: 4, capacity: null });
  for (const index of [2, 0, 3, 1]) m.finish('a', `r${index}`, index);
  t.is(m.state, 'SUCCESS');
  t.deepEqual(m.output, { r: ['r0', 'r1', 'r2', 'r3'] });
});

test('with concurrency 2 exactly two run until the last ones', (t) => {
  const m = Machine.start(items('concurrency: 2'));
  const running = () =>
    m
      .actionsOf('a')
      .filter((action) => action.state === 'RUNNING')
      .map((action) => action.index);
  t.deepEqual(running(), [0, 1]);
  m.finish('a', 0, 1);
  t.deepEqual(running(), [0, 2]);
  m.finish('a', 0, 2);
  t.deepEqual(running(), [0, 3]);
  m.finish('a', 0, 0);
  t.deepEqual(running(), [3]);
  m.finish('a', 0, 3);
  t.is(m.state, 'SUCCESS');
});

test('one item still gives a list, no item an empty one', (t) => {
  const one = Machine.start(items('', '[7]'));
  one.finish('a', 'x');
  t.deepEqual(one.output, { r: ['x'] });
  const none = Machine.start(items('on-success: b', '<% list() %>').concat('    b: {action: std.noop}\n'));
  t.is(none.state, 'SUCCESS');
  t.is(none.actionsOf('a').length, 0);
  t.deepEqual(none.output, { r: [] });
  t.is(none.task('b').state, 'SUCCESS');
});

test('an item that fails does not stop the others', (t) => {
  const m = Machine.start(items('', '[1, 2, 3]'));
  m.fail('a', 'bad', 0);
  t.is(m.task('a').state, 'RUNNING');
  m.finish('a', 1, 1);
  m.finish('a', 2, 2);
  t.is(m.task('a').state, 'ERROR');
  t.is(m.task('a').stateInfo, 'One or more actions had failed.');
  const [failed] = m.actionsOf('a');
  t.true(m.record.stateInfo?.endsWith(`    [action_ex_id=${failed?.id}, idx=0]: bad\n`));
});

test('a cancelled item ends the task at once; the others run on', (t) => {
  const m = Machine.start(items('', '[1, 2]'));
  m.finish('a', { kind: 'cancelled', output: null }, 0);
  t.is(m.task('a').state, 'CANCELLED');
  t.is(m.task('a').stateInfo, 'One or more actions was cancelled.');
  t.is(m.state, 'CANCELLED');
  t.is(m.finish('a', 5, 1).kind, 'decided');
  t.is(m.task('a').state, 'CANCELLED');
});

test('retry repeats all items', (t) => {
  const m = Machine.start(items('retry: {count: 1, delay: 1}', '[1, 2]'));
  m.fail('a', 'bad', 0);
  m.finish('a', 1, 1);
  m.advance(1);
  t.is(m.actions.size, 4);
  m.finish('a', 'p', 0);
  m.finish('a', 'q', 1);
  t.is(m.state, 'SUCCESS');
  t.deepEqual(m.output, { r: ['p', 'q'] });
  t.is(m.actionsOf('a').filter((action) => action.accepted).length, 2);
});

test('fail-on with retry repeats all items until the condition is clear', (t) => {
  const m = Machine.start(
    items('fail-on: "<% task().result.any($ = bad) %>"\n      retry: {count: 2, delay: 0}', '[1, 2]'),
  );
  m.finish('a', 'bad', 0);
  m.finish('a', 'good', 1);
  m.advance(0);
  m.finish('a', 'good', 0);
  m.finish('a', 'good', 1);
  t.is(m.state, 'SUCCESS');
});

test('items of several lists go together; a mapping gives its keys', (t) => {
  const m = Machine.start(
    `
wf:
  tasks:
    a:
      with-items:
        - i in <% $.l %>
        - k in <% $.m %>
      action: std.echo output="<% $.i %>-<% $.k %>"
  input: [l, m]
  output: {r: <% task(a).result %>}
`,
    { input: { l: [1, 2], m: { x: 0, y: 0 } } },
  );
  t.deepEqual(m.output, { r: ['1-x', '2-y'] });
});

test('the item variable is above a variable of the same name', (t) => {
  const m = Machine.start(`
wf:
  output: {r: <% task(a).result %>}
  tasks:
    s: {action: std.noop, publish: {i: outer}, on-success: a}
    a: {with-items: "i in [1, 2]", action: std.echo output=<% $.i %>}
`);
  t.deepEqual(m.output, { r: [1, 2] });
});

for (const [list, message] of [
  ['<% $.n %>', 'Wrong input format for: {i}. Iterable type is expected for each value.'],
  ['<% $.s %>', 'Wrong input format for: {i}. Iterable type is expected for each value.'],
  ['<% $.missing %>', 'missing'],
] as const) {
  test(`with-items over ${list} fails by force and has no result`, (t) => {
    const m = Machine.start(
      `
wf:
  input: [n, s]
  output-on-error: {r: <% task(a).result %>}
  tasks:
    a: {with-items: "i in ${list}", action: std.noop, on-error: noop}
`,
      { input: { n: null, s: 'text' } },
    );
    t.is(m.task('a').state, 'ERROR');
    t.true(m.task('a').stateInfo?.startsWith('Failed to run task [error='));
    t.true(m.task('a').stateInfo?.includes(message));
    t.is(m.state, 'ERROR');
    t.deepEqual(m.output.r, []);
  });
}

test('lists of different lengths fail by force', (t) => {
  const m = Machine.start(`
wf: {tasks: {a: {with-items: ["i in [1]", "k in [1, 2]"], action: std.noop}}}`);
  t.true(m.task('a').stateInfo?.includes('Wrong input format for: {i, k}. All arrays must have the same length.'));
});

test('an unknown action of items fails the task alone, wrong parameters the workflow', (t) => {
  const unknown = Machine.start(
    'wf: {tasks: {a: {with-items: "i in [1, 2]", action: "<% no.such %>", on-error: noop}}}'.replace(
      '<% no.such %>',
      "<% 'no.such' %>",
    ),
  );
  t.is(unknown.task('a').stateInfo, 'Failed to find action [action_name=no.such, namespace=]');
  t.is(unknown.state, 'SUCCESS');
  const wrong = Machine.start(
    'wf: {tasks: {a: {with-items: "i in [1, 2]", action: "<% \'std.echo\' %>", input: {nope: 1}, on-error: noop}}}',
  );
  t.true(
    wrong
      .task('a')
      .stateInfo?.startsWith('Failed to run task [error=Invalid input [name=std.echo, class=std.echo, missing='),
  );
  t.is(wrong.state, 'ERROR');
});

test('a bad input of one item fails the task before any action exists', (t) => {
  const m = Machine.start(
    'wf: {tasks: {a: {with-items: "i in [1, 0]", action: std.echo, input: {output: <% 1 / $.i %>}}}}'.replace(
      '<% 1 / $.i %>',
      '"<% 1 / $.i %>"',
    ),
  );
  t.is(m.actions.size, 0);
  t.is(m.state, 'ERROR');
});

test('items go on after a pause', (t) => {
  const m = Machine.start(items('concurrency: 1', '[1, 2, 3]'));
  m.send({ type: 'pause-requested', by: 'user' });
  m.finish('a', 'x');
  t.is(m.state, 'PAUSED');
  m.send({ type: 'resume-requested', by: 'user', env: null });
  m.finish('a', 'y');
  m.finish('a', 'z');
  t.is(m.state, 'SUCCESS');
  t.deepEqual(m.output, { r: ['x', 'y', 'z'] });
});

test('sub-workflows as items: all of them or, with an input that does not fit, none', (t) => {
  const text = (input: string) => `
wf:
  output: {r: <% task(a).result %>}
  tasks:
    a: {with-items: "i in [1, 2]", workflow: sub, input: ${input}, retry: {count: 2, delay: 1}, on-error: noop}
sub: {input: [n], tasks: {x: {action: std.noop}}}
`;
  const m = Machine.start(text('{n: <% $.i %>}'.replace('<% $.i %>', '"<% $.i %>"')));
  t.deepEqual(
    [...m.children.values()].map((child) => [child.input.n, child.runtimeContext.index, child.params.index]),
    [
      [1, 0, 0],
      [2, 1, 1],
    ],
  );
  m.finishChild('a', 'SUCCESS', { v: 1 });
  m.finishChild('a', 'SUCCESS', { v: 2 });
  t.is(m.state, 'SUCCESS');
  t.deepEqual(m.output, { r: [{ v: 1 }, { v: 2 }] });
  const bad = Machine.start(text('{wrong: 1}'));
  t.is(bad.children.size, 0);
  t.is(bad.task('a').state, 'DELAYED');
  t.deepEqual(bad.task('a').runtimeContext.retry_task_policy, { retry_no: 1 });
  bad.advance(2);
  t.is(bad.task('a').state, 'ERROR');
  t.is(
    bad.task('a').stateInfo,
    "Invalid input [name=sub, class=DirectWorkflowSpec, missing=['n'], unexpected=['wrong']]",
  );
  t.is(bad.state, 'SUCCESS');
});

test('a rerun without reset repeats exactly what failed, was cancelled or never started', (t) => {
  const m = Machine.start(items('concurrency: 2', '[0, 1, 2, 3]'));
  m.finish('a', 'r0', 0);
  m.fail('a', 'bad', 1);
  m.finish('a', 'r2', 2);
  m.finish('a', 'r3', 3);
  t.is(m.state, 'ERROR');
  m.send({ type: 'rerun-requested', task: m.task('a').id, reset: false, env: null });
  t.is(m.state, 'RUNNING');
  t.deepEqual(
    m
      .actionsOf('a')
      .filter((action) => action.state === 'RUNNING')
      .map((action) => action.index),
    [1],
  );
  m.finish('a', 'r1', 1);
  t.is(m.state, 'SUCCESS');
  t.deepEqual(m.output, { r: ['r0', 'r1', 'r2', 'r3'] });
  const all = Machine.start(items('', '[0, 1]'));
  all.fail('a', 'bad', 0);
  all.finish('a', 'x', 1);
  all.send({ type: 'rerun-requested', task: all.task('a').id, reset: true, env: null });
  t.deepEqual(
    all
      .actionsOf('a')
      .filter((action) => action.state === 'RUNNING')
      .map((action) => action.index),
    [0, 1],
  );
});

test('items that an execution ended before wait for it to be woken up, and their task is not left RUNNING', (t) => {
  const text = `
wf:
  tasks:
    a: {with-items: 'i in [0, 1, 2]', concurrency: 1, timeout: 50, action: std.async_noop}
    b: {action: std.async_noop, on-error: fail}
`;
  const m = Machine.start(text);
  m.fail('b');
  t.is(m.state, 'ERROR');
  t.is(m.task('a').state, 'RUNNING');
  m.finish('a', 'r0', 0);
  t.is(m.task('a').state, 'IDLE');
  t.is(m.task('a').stateInfo, 'The workflow ended before all items were started.');
  t.deepEqual(m.timerKinds, []);
  t.is(m.actionsOf('a').length, 1);
  m.send({ type: 'rerun-requested', task: m.task('b').id, reset: true, env: null });
  t.is(m.task('a').state, 'RUNNING');
  m.finish('a', 'r1', 1);
  m.finish('b');
  m.finish('a', 'r2', 2);
  t.is(m.state, 'SUCCESS');
  t.deepEqual(
    m.actionsOf('a').map((action) => action.index),
    [0, 1, 2],
  );
});
