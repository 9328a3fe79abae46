import test from 'ava';
import { Machine } from './machine.ts';

test('a start creates the tasks without inbound transitions, in the order of the text, and answers RUNNING', (t) => {
  const m = new Machine(`
wf:
  tasks:
    b: {on-success: c}
    c: {}
    a: {}
`);
  const decision = m.send({ type: 'workflow-started' });
  t.is(decision.kind, 'decided');
  t.is(m.state, 'RUNNING');
  t.deepEqual(m.states, ['b:IDLE', 'a:IDLE']);
  m.send({ type: 'continue' });
  t.is(m.state, 'SUCCESS');
  t.deepEqual(m.states, ['b:SUCCESS', 'a:SUCCESS', 'c:SUCCESS']);
});

test('a second start is ignored', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop}}}');
  t.is(m.send({ type: 'workflow-started' }).kind, 'ignored');
  t.is(m.tasks.size, 1);
});

test('a task and its workflow are RUNNING before the first result arrives', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop}}}');
  t.is(m.state, 'RUNNING');
  t.is(m.task('a').state, 'RUNNING');
  t.is(m.task('a').startedAt, m.now);
  t.deepEqual(
    m.commandsOf('run-action').map((command) => command.action as string),
    m.actionsOf('a').map((action) => action.id as string),
  );
  m.finish('a', 1);
  t.is(m.state, 'SUCCESS');
  t.is(m.task('a').finishedAt, m.now);
});

test('clauses fire by state in their order: on-error or on-success first, then on-complete', (t) => {
  const text = `
wf:
  tasks:
    a:
      action: std.async_noop
      on-complete: c
      on-success: s
      on-error: e
    c: {}
    s: {}
    e: {}
`;
  const good = Machine.start(text);
  good.finish('a');
  t.deepEqual(good.states, ['a:SUCCESS', 's:SUCCESS', 'c:SUCCESS']);
  t.deepEqual(good.task('a').nextTasks, [
    ['s', 'on-success'],
    ['c', 'on-complete'],
  ]);
  t.deepEqual(good.task('s').runtimeContext.triggered_by, [{ task_id: good.task('a').id, event: 'on-success' }]);
  const bad = Machine.start(text);
  bad.fail('a');
  t.deepEqual(bad.states, ['a:ERROR', 'e:SUCCESS', 'c:SUCCESS']);
  t.true(bad.task('a').errorHandled);
  t.is(bad.state, 'SUCCESS');
  const cancelled = Machine.start(text);
  cancelled.finish('a', { kind: 'cancelled', output: null });
  t.deepEqual(cancelled.states, ['a:CANCELLED']);
  t.is(cancelled.state, 'CANCELLED');
  t.is(cancelled.record.stateInfo, 'Cancelled tasks: a');
  t.deepEqual(cancelled.output, { result: 'Cancelled tasks: a' });
});

test('on-complete of an error runs but does not handle it', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop, on-complete: b}, b: {}}}');
  m.fail('a', 'no');
  t.deepEqual(m.states, ['a:ERROR', 'b:SUCCESS']);
  t.is(m.state, 'ERROR');
  const [action] = m.actionsOf('a');
  t.is(
    m.record.stateInfo,
    `Failure caused by error in tasks: a\n\n  a [task_ex_id=${m.task('a').id}] -> no\n    [action_ex_id=${action?.id}, idx=0]: no\n`,
  );
  t.deepEqual(m.output, { result: m.record.stateInfo });
});

test('on-error whose conditions are all false does not handle the error', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a:
      action: std.async_noop
      on-error:
        - b: <% task().result.code = 2 %>
    b: {}
`);
  m.fail('a', { code: 1 });
  t.deepEqual(m.states, ['a:ERROR']);
  t.is(m.state, 'ERROR');
  t.is(m.task('a').stateInfo, '{"code":1}');
  t.true(m.record.stateInfo?.includes('tasks: a\n'));
});

test('conditions on structured errors choose the branch', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a:
      action: std.async_noop
      on-error:
        - b: <% task().result.code = 2 %>
        - c: <% task().result.code = 1 %>
    b: {}
    c: {}
`);
  m.fail('a', { code: 1 });
  t.deepEqual(m.states, ['a:ERROR', 'c:SUCCESS']);
  t.is(m.state, 'SUCCESS');
});

test('noop in on-error handles the error', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.fail, on-error: noop}}}');
  t.is(m.state, 'SUCCESS');
  t.true(m.task('a').errorHandled);
});

test('a task before fail is created and still runs; tasks after it are never created', (t) => {
  const before = Machine.start('wf: {tasks: {a: {on-success: [b, fail]}, b: {action: std.async_noop}}}');
  t.is(before.state, 'ERROR');
  t.is(before.record.stateInfo, null);
  t.deepEqual(before.output, { result: null });
  t.deepEqual(before.states, ['a:SUCCESS', 'b:RUNNING']);
  before.finish('b', 1);
  t.deepEqual(before.states, ['a:SUCCESS', 'b:SUCCESS']);
  t.is(before.state, 'ERROR');
  const after = Machine.start('wf: {tasks: {a: {on-success: [fail, b]}, b: {}}}');
  t.deepEqual(after.states, ['a:SUCCESS']);
  t.is(after.state, 'ERROR');
});

test('succeed drops what follows, on-complete included', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a:
      on-success: [b, succeed]
      on-complete: [c, fail]
    b: {action: std.async_noop}
    c: {}
`);
  t.is(m.state, 'SUCCESS');
  t.deepEqual(m.states, ['a:SUCCESS', 'b:RUNNING']);
  m.fail('b');
  t.is(m.state, 'SUCCESS');
  t.is(m.task('b').state, 'ERROR');
});

test('a forced failure after the end does not change how the workflow ended', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a:
      on-success: [b, succeed]
    b:
      action: std.async_noop
      publish: {x: <% $.nope %>}
`);
  m.finish('b');
  t.is(m.task('b').state, 'ERROR');
  t.is(m.state, 'SUCCESS');
});

test('messages of commands are evaluated, mappings become JSON', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a:
      action: std.async_noop
      on-success:
        - fail(msg=<% task().result %>)
`);
  m.finish('a', { a: 1 });
  t.is(m.record.stateInfo, '{"a":1}');
  t.deepEqual(m.output, { result: '{"a":1}' });
});

test('pause keeps what follows it and runs it first on resume', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a:
      publish: {x: 7}
      on-success: [b, pause, c]
    b: {action: std.async_noop}
    c:
      action: std.echo output=<% $.x %>
    d:
      action: std.async_noop
      on-success: e
    e: {}
`);
  t.is(m.state, 'PAUSED');
  t.deepEqual(m.states, ['a:SUCCESS', 'd:RUNNING', 'b:RUNNING']);
  m.finish('d');
  t.deepEqual(m.states, ['a:SUCCESS', 'd:SUCCESS', 'b:RUNNING']);
  t.false(m.task('d').processed);
  m.send({ type: 'resume-requested', by: 'user', env: null });
  t.is(m.state, 'RUNNING');
  t.deepEqual(m.states, ['a:SUCCESS', 'd:SUCCESS', 'b:RUNNING', 'c:SUCCESS', 'e:SUCCESS']);
  t.deepEqual(m.actionsOf('c')[0]?.output, { result: 7 });
  t.is(m.record.runtimeContext.backlog, undefined);
  m.finish('b');
  t.is(m.state, 'SUCCESS');
});

test('a pause of a task that ended while the workflow was paused is left out on resume', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.async_noop, on-success: [pause, b]}
    b: {}
`);
  m.send({ type: 'pause-requested', by: 'user' });
  m.finish('a');
  m.send({ type: 'resume-requested', by: 'user', env: null });
  t.deepEqual(m.states, ['a:SUCCESS', 'b:SUCCESS']);
  t.is(m.state, 'SUCCESS');
});

test('a cycle makes a new task execution each time, with the values of its branch', (t) => {
  const m = Machine.start(`
wf:
  output: {n: <% $.n %>}
  vars: {n: 0}
  tasks:
    a:
      publish: {n: <% $.n + 1 %>}
      on-success:
        - a: <% $.n < 3 %>
    s:
      on-success: a
`);
  t.is(m.tasksOf('a').length, 3);
  t.is(m.state, 'SUCCESS');
  t.deepEqual(m.output, { n: 3 });
});

test('a cycle without end becomes an error that says so', (t) => {
  const m = Machine.start('wf: {tasks: {s: {on-success: a}, a: {on-success: a}}}', { tasksPerName: 20 });
  t.is(m.state, 'ERROR');
  t.regex(m.record.stateInfo ?? '', /Task 'a' ran 20 times in this execution, which is the limit/);
});

test('at most the given number of steps is done at once; the rest follows', (t) => {
  const m = new Machine('wf: {tasks: {a: {on-success: b}, b: {on-success: c}, c: {}}}', { steps: 1 });
  m.send({ type: 'workflow-started' });
  m.send({ type: 'continue' });
  t.is(m.state, 'SUCCESS');
});

test('parallel branches without a join run what follows once each, with their own values', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {publish: {p: 1}, on-success: d}
    b: {publish: {p: 2}, on-success: d}
    c: {publish: {p: 3}, on-success: d}
    d:
      action: std.echo output=<% $.p %>
`);
  t.is(m.state, 'SUCCESS');
  t.deepEqual(
    m.actionsOf('d').map((action) => action.output),
    [{ result: 1 }, { result: 2 }, { result: 3 }],
  );
});

test('the output is evaluated over the final context; without output it is that context', (t) => {
  const text = (output: string) => `
wf:
  input: [i]
  ${output}
  tasks:
    a: {publish: {x: 1}, on-success: b}
    b: {publish: {y: {z: 2}}}
    c: {publish: {w: 3}}
`;
  t.deepEqual(Machine.start(text(''), { input: { i: 9 } }).output, { x: 1, y: { z: 2 }, w: 3 });
  t.deepEqual(Machine.start(text('output: {r: <% $.x + $.w + $.i %>}'), { input: { i: 9 } }).output, { r: 13 });
});

test('a bad output leaves the tasks SUCCESS and makes the workflow ERROR', (t) => {
  const m = Machine.start('wf: {output: {r: <% $.nope %>}, tasks: {a: {}}}', { isChild: true });
  t.deepEqual(m.states, ['a:SUCCESS']);
  t.is(m.state, 'ERROR');
  t.true(m.record.stateInfo?.startsWith(`Failed to check and complete [wf_ex_id=${m.record.id}, wf_name=wf]: `));
  const [sent] = m.commandsOf('send');
  t.like(sent?.event, { type: 'child-completed', state: 'ERROR' });
});

test('output-on-error is merged under the reason; without it the final context is', (t) => {
  const text = (more: string) => `
wf:
  ${more}
  tasks:
    a: {publish: {x: 1}, on-success: b}
    b: {action: std.fail, publish-on-error: {y: 2}}
`;
  const plain = Machine.start(text(''));
  t.like(plain.output, { x: 1, y: 2 });
  t.is(plain.output.result, plain.record.stateInfo);
  const own = Machine.start(text('output-on-error: {sum: <% $.x + $.y %>}'));
  t.deepEqual(own.output, { result: own.record.stateInfo, sum: 3 });
  const bad = Machine.start(text('output-on-error: {sum: <% $.nope %>}'));
  t.deepEqual(Object.keys(bad.output), ['result']);
  t.regex(String(bad.output.result), /^Failed to evaluate expression in output-on-error! /);
});

test('errors and cancellations: all names sorted, cancel beats failure', (t) => {
  const text = `
wf:
  tasks:
    c: {action: std.async_noop}
    a: {action: std.async_noop}
    b: {action: std.async_noop}
`;
  const m = Machine.start(text);
  m.fail('c', 'x');
  t.is(m.state, 'RUNNING');
  m.fail('a', '');
  m.finish('b');
  t.is(m.state, 'ERROR');
  t.true(m.record.stateInfo?.startsWith('Failure caused by error in tasks: a, c\n\n  a [task_ex_id='));
  t.true(m.record.stateInfo?.includes('-> None\n'));
  const n = Machine.start(text);
  n.fail('c', 'x');
  n.finish('a', { kind: 'cancelled', output: null });
  n.finish('b');
  t.is(n.state, 'CANCELLED');
});

test('a long text of an error is cut in state_info', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop}}}');
  m.fail('a', 'x'.repeat(100_000));
  t.is(m.task('a').stateInfo?.length, 65_500);
  t.is(m.record.stateInfo?.length, 65_500);
});

test('completing an action twice is refused; a report of an attempt that was given up is ignored', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop}, b: {action: std.async_noop}}}');
  const [action] = m.actionsOf('a');
  t.truthy(action);
  if (action === undefined) return;
  const report = (attempt: number | null) =>
    m.send({ type: 'action-completed', action: action.id, attempt, result: { kind: 'success', output: 1 } });
  t.is(report(7).kind, 'ignored');
  t.is(report(1).kind, 'decided');
  const again = report(null);
  t.is(again.kind, 'refused');
  if (again.kind === 'refused') t.is(again.message, `Action ${action.id} is already completed`);
});
