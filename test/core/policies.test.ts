import test from 'ava';
import type { ExecutionId } from '../../engine/core/model.ts';
import { Machine } from './machine.ts';

test('wait-before delays the start and counts into the duration', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop, wait-before: 5}}}');
  t.is(m.task('a').state, 'DELAYED');
  t.is(m.task('a').stateInfo, "Delayed by 'wait-before' policy [delay=5]");
  const { startedAt } = m.task('a');
  t.is(m.actions.size, 0);
  m.advance(5);
  t.is(m.task('a').state, 'RUNNING');
  m.finish('a');
  t.is(m.state, 'SUCCESS');
  t.is(m.task('a').startedAt, startedAt);
  t.true((m.task('a').finishedAt ?? 0) - (startedAt ?? 0) >= 5000);
});

test('wait-after keeps the state that was reached and continues after the delay', (t) => {
  const text = 'wf: {tasks: {a: {action: std.async_noop, wait-after: 5, on-success: b, on-error: c}, b: {}, c: {}}}';
  const m = Machine.start(text);
  m.finish('a');
  t.is(m.task('a').state, 'DELAYED');
  t.is(m.task('a').stateInfo, "Delayed by 'wait-after' policy [delay=5]");
  t.is(m.tasksOf('b').length, 0);
  m.advance(5);
  t.deepEqual(m.states, ['a:SUCCESS', 'b:SUCCESS']);
  const n = Machine.start(text);
  n.fail('a', 'x');
  n.advance(5);
  t.deepEqual(n.states, ['a:ERROR', 'c:SUCCESS']);
  t.is(n.task('a').stateInfo, 'x');
});

test('fail-on and retry act after wait-after, which is not repeated', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a:
      action: std.async_noop
      wait-after: 5
      fail-on: <% task().result = bad %>
      retry: {count: 1, delay: 2}
`);
  m.finish('a', 'bad');
  m.advance(5);
  t.is(m.task('a').stateInfo, "Delayed by 'retry' policy [delay=2]");
  m.advance(2);
  t.is(m.task('a').state, 'RUNNING');
  m.finish('a', 'bad');
  t.is(m.task('a').state, 'ERROR');
  t.is(m.task('a').stateInfo, "Failed by 'fail-on' policy");
  t.is(m.actions.size, 2);
});

test('fail-on turns a success into an error after the publish of the success', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a:
      action: std.noop
      publish: {x: 1}
      publish-on-error: {x: 2}
      fail-on: true
      on-error: b
    b: {action: std.echo output=<% $.x %>}
`);
  t.deepEqual(m.states, ['a:ERROR', 'b:SUCCESS']);
  t.deepEqual(m.task('a').published, { x: 1 });
  t.is(m.state, 'SUCCESS');
});

test('retry runs at most count + 1 times and keeps the last state', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop, retry: {count: 2, delay: 1}}}}');
  for (let run = 0; run < 3; run++) {
    m.fail('a', run);
    m.advance(1);
  }
  t.is(m.task('a').state, 'ERROR');
  t.deepEqual(m.task('a').runtimeContext.retry_task_policy, { retry_no: 2 });
  t.deepEqual(
    m.actionsOf('a').map((action) => action.accepted),
    [false, false, true],
  );
  t.is(m.state, 'ERROR');
  t.regex(m.record.stateInfo ?? '', /idx=0\]: 0\n.*idx=1\]: 1\n.*idx=2\]: 2\n/s);
});

for (const [title, retry, results, runs, state, policy] of [
  [
    'break-on stops an error',
    '{count: 3, delay: 0, break-on: <% task().result = stop %>}',
    ['!a', '!stop'],
    2,
    'ERROR',
    { retry_no: 1 },
  ],
  ['break-on leaves a success alone', '{count: 3, delay: 0, break-on: <% false %>}', ['a'], 1, 'SUCCESS', {}],
  [
    'continue-on repeats a success',
    '{count: 3, delay: 0, continue-on: <% task().result = again %>}',
    ['again', 'again', 'done'],
    3,
    'SUCCESS',
    { retry_no: 2 },
  ],
  [
    'continue-on that runs out keeps the last state',
    '{count: 1, delay: 0, continue-on: <% true %>}',
    ['a', 'b'],
    2,
    'SUCCESS',
    { retry_no: 1 },
  ],
  ['continue-on that is false at once', '{count: 3, delay: 0, continue-on: <% false %>}', ['a'], 1, 'SUCCESS', {}],
  [
    'continue-on that is false stops an error too',
    '{count: 3, delay: 0, continue-on: <% false %>}',
    ['!a'],
    1,
    'ERROR',
    {},
  ],
  ['count 0 is off', '{count: <% 0 %>, delay: 0}', ['!a'], 1, 'ERROR', undefined],
] as const) {
  test(`retry: ${title}`, (t) => {
    const m = Machine.start(
      `wf: {tasks: {a: {action: std.async_noop, retry: ${retry.replaceAll(/<%.*?%>/g, (text) => `'${text}'`)}}}}`,
    );
    for (const result of results) {
      if (result.startsWith('!')) m.fail('a', result.slice(1));
      else m.finish('a', result);
      m.advance(0);
    }
    t.is(m.actions.size, runs);
    t.is(m.task('a').state, state);
    t.deepEqual(m.task('a').runtimeContext.retry_task_policy, policy);
  });
}

test('conditions of retry see what the same run published', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a:
      action: std.async_noop
      publish: {status: <% task().result %>}
      retry: {count: 5, delay: 0, continue-on: "<% $.status != ready %>"}
`);
  m.finish('a', 'no');
  m.advance(0);
  m.finish('a', 'ready');
  t.is(m.state, 'SUCCESS');
  t.is(m.actions.size, 2);
});

test('each run of a retry evaluates its input again, as the first did', (t) => {
  const m = Machine.start(
    `
wf:
  input: [n]
  tasks:
    a:
      action: std.sleep
      input: {seconds: <% $.n %>}
      retry: {count: 1, delay: 0}
`,
    { input: { n: 3 } },
  );
  m.fail('a');
  m.advance(0);
  t.deepEqual(
    m.actionsOf('a').map((action) => action.input),
    [{ seconds: 3 }, { seconds: 3 }],
  );
});

test('a cancelled action is not repeated', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop, retry: {count: 2, delay: 1}}}}');
  m.finish('a', { kind: 'cancelled', output: null });
  t.is(m.task('a').state, 'CANCELLED');
  t.is(m.state, 'CANCELLED');
});

test('a sub-workflow that fails counts as a failure for retry', (t) => {
  const m = Machine.start(`
wf: {tasks: {a: {workflow: sub, retry: {count: 1, delay: 1}}}}
sub: {tasks: {x: {action: std.noop, on-success: fail}}}
`);
  m.finishChild('a', 'ERROR', { result: null });
  m.advance(1);
  t.is(m.children.size, 2);
  m.finishChild('a', 'SUCCESS', { r: 1 });
  t.is(m.state, 'SUCCESS');
});

test('a sub-workflow that a retry has replaced and that runs again counts for nothing', (t) => {
  for (const items of ['', 'with-items: "i in [1]", ']) {
    const m = Machine.start(`
wf: {tasks: {a: {${items}workflow: sub, retry: {count: 1, delay: 1}}}}
sub: {tasks: {x: {action: std.noop, on-success: fail}}}
`);
    m.finishChild('a', 'ERROR', { result: null });
    m.advance(1);
    m.finishChild('a', 'SUCCESS', { r: 1 });
    t.is(m.state, 'SUCCESS');
    const old = m.childrenOf('a')[0]?.id as ExecutionId;
    const task = m.task('a').id;
    m.send({ type: 'child-rerun', task, child: old });
    t.is(m.task('a').state, 'SUCCESS');
    const output = { r: 2 };
    m.send({ type: 'child-completed', task, child: old, state: 'SUCCESS', stateInfo: null, output, reran: true });
    t.deepEqual([m.state, m.task('a').state], ['SUCCESS', 'SUCCESS']);
    t.deepEqual(
      m.childrenOf('a').map(({ accepted }) => accepted),
      [false, true],
    );
  }
});

test('a time-out is final, also behind wait-after, and stops what runs outside', (t) => {
  for (const more of ['', ', wait-after: 3']) {
    const m = Machine.start(`wf: {tasks: {a: {action: std.sleep, timeout: 5, retry: {count: 2, delay: 1}${more}}}}`);
    t.is(m.actionsOf('a')[0]?.timeoutSeconds, 5);
    m.advance(10);
    t.is(m.task('a').state, 'ERROR');
    t.is(m.task('a').stateInfo, 'Task timed out [timeout(s)=5].');
    t.is(m.actions.size, 1);
    t.is(m.commandsOf('stop-action').length, 1);
    t.deepEqual(m.timerKinds, []);
    m.fail('a', 'aborted');
    t.is(m.task('a').stateInfo, 'Task timed out [timeout(s)=5].');
  }
});

test('a time-out counts from the first start, delays of a retry included', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop, timeout: 5, retry: {count: 9, delay: 2}}}}');
  m.fail('a');
  m.advance(2);
  m.fail('a');
  m.advance(3);
  t.is(m.task('a').state, 'ERROR');
  t.is(m.task('a').stateInfo, 'Task timed out [timeout(s)=5].');
  t.deepEqual(m.timerKinds, []);
});

test('a time-out of a task that ended in time is taken back', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop, timeout: 5}}}');
  t.deepEqual(m.timerKinds, ['timeout']);
  m.finish('a');
  t.deepEqual(m.timerKinds, []);
});

test('pause-before stops the workflow until it is resumed, then starts without delay and without a second pause', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop, pause-before: true, wait-before: 5}}}');
  t.is(m.state, 'PAUSED');
  t.is(m.task('a').state, 'IDLE');
  t.is(m.task('a').stateInfo, "Set by 'pause-before' policy");
  m.send({ type: 'continue' });
  t.is(m.task('a').state, 'IDLE');
  m.advance(10);
  t.is(m.state, 'PAUSED');
  m.send({ type: 'resume-requested', by: 'user', env: null });
  t.is(m.task('a').state, 'RUNNING');
  m.finish('a');
  t.is(m.state, 'SUCCESS');
});

test('a delay that ends while the workflow is paused waits for the resume', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.async_noop, wait-before: 5}
    b: {action: std.async_noop, retry: {count: 1, delay: 5}}
`);
  m.fail('b');
  m.send({ type: 'pause-requested', by: 'user' });
  m.advance(10);
  m.send({ type: 'continue' });
  t.deepEqual(m.states, ['a:IDLE', 'b:IDLE']);
  m.send({ type: 'resume-requested', by: 'user', env: null });
  t.deepEqual(m.states, ['a:RUNNING', 'b:RUNNING']);
});

for (const how of ['fail', 'CANCELLED', 'ERROR'] as const) {
  test(`a delayed task does not wake up after the end of its workflow: ${how}`, (t) => {
    const m = Machine.start(
      `
wf:
  tasks:
    a: {action: std.async_noop, retry: {count: 1, delay: 5}}
    b: {action: std.async_noop, on-success: fail}
    c: {action: std.async_noop, pause-before: <% false %>, wait-before: 3}
`.replace('<% false %>', "'<% false %>'"),
    );
    m.fail('a');
    if (how === 'fail') m.finish('b');
    else m.send({ type: 'stop-requested', to: how, message: 'enough' });
    m.advance(10);
    m.send({ type: 'continue' });
    t.is(m.task('a').state, 'DELAYED');
    t.is(m.task('c').state, 'DELAYED');
    t.is(m.actionsOf('a').length, 1);
    t.deepEqual(m.timerKinds, []);
  });
}

test('a task that waits for a resume does not start after a cancel', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop, pause-before: true}}}');
  m.send({ type: 'stop-requested', to: 'CANCELLED', message: 'no' });
  t.is(m.state, 'CANCELLED');
  m.send({ type: 'continue' });
  t.is(m.task('a').state, 'IDLE');
});

test('values of a wrong type fail task and workflow by force, naming the policy', (t) => {
  for (const [policy, message] of [
    ["wait-before: '<% x %>'", "Invalid data type in WaitBeforePolicy: 'x' is not of type 'integer'."],
    ["timeout: '<% -1 %>'", 'Invalid data type in TimeoutPolicy: -1 is less than the minimum of 0.'],
    ["concurrency: '<% str(2) %>'", "Invalid data type in ConcurrencyPolicy: '2' is not of type 'integer'."],
    ["pause-before: '<% 1 %>'", "Invalid data type in PauseBeforePolicy: 1 is not of type 'boolean'."],
  ] as const) {
    const m = Machine.start(`wf: {tasks: {a: {action: std.noop, ${policy}, on-error: noop}}}`);
    t.is(m.task('a').state, 'ERROR');
    t.true(m.task('a').stateInfo?.startsWith(`Failed to run task [error=${message}`), m.task('a').stateInfo ?? '');
    t.true(m.task('a').stateInfo?.endsWith(', wf=wf, task=a]'));
    t.is(m.state, 'ERROR');
    t.is(m.record.stateInfo, m.task('a').stateInfo);
  }
  const retry = Machine.start("wf: {tasks: {a: {action: std.noop, retry: {count: '<% -1 %>', delay: 0}}}}");
  t.is(retry.state, 'ERROR');
  t.deepEqual(retry.task('a').runtimeContext, {});
});

test('keep-result false empties the results after the publish', (t) => {
  const m = Machine.start(`
wf:
  output: {r: <% task(a).result %>, x: <% $.x %>}
  tasks:
    a: {action: std.echo output=5, keep-result: false, publish: {x: <% task().result %>}}
`);
  t.deepEqual(m.output, { r: null, x: 5 });
  t.deepEqual(m.actionsOf('a')[0]?.output, {});
});
