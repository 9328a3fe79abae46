import test from 'ava';
import { Machine } from './machine.ts';

test('join all waits for every inbound task, whatever routes lead there, and says who triggered it', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.async_noop, on-success: [j, b]}
    b: {action: std.async_noop, on-success: j, on-complete: j}
    j: {join: all, action: std.async_noop}
`);
  m.finish('a');
  t.is(m.task('j').state, 'WAITING');
  t.is(m.task('j').stateInfo, 'Task is waiting.');
  t.is(m.task('j').startedAt, null);
  m.finish('b');
  t.is(m.task('j').state, 'RUNNING');
  t.deepEqual(m.task('j').runtimeContext.triggered_by, [
    { task_id: m.task('a').id, event: 'on-success' },
    { task_id: m.task('b').id, event: 'on-success' },
    { task_id: m.task('b').id, event: 'on-complete' },
  ]);
  m.finish('j');
  t.is(m.tasksOf('j').length, 1);
  t.is(m.state, 'SUCCESS');
});

test('a join that no transition ever reached has no execution and does not matter', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.fail, on-success: j, on-error: c}
    b: {action: std.fail, on-success: j, on-error: noop}
    c: {action: std.noop}
    j: {join: all}
`);
  t.deepEqual(m.states, ['a:ERROR', 'b:ERROR', 'c:SUCCESS']);
  t.is(m.state, 'SUCCESS');
});

for (const [title, first, second] of [
  ['directly', 'j', 'j'],
  ['two steps before', 'j', 'b2'],
] as const) {
  test(`a join all fails when an inbound task fails ${title}`, (t) => {
    const m = Machine.start(
      `
wf:
  tasks:
    a: {action: std.async_noop, on-success: ${first}}
    b: {action: std.async_noop, on-success: ${second}}
    b2: {on-success: b3, action: std.noop}
    b3: {on-success: j, action: std.noop}
    s: {action: std.noop, on-success: [b2x]}
    b2x: {action: std.noop}
    j: {join: all, on-error: k}
    k: {action: std.noop}
`
        .replace('b3: {on-success: j', second === 'j' ? 'b3: {on-complete: s2' : 'b3: {on-success: j')
        .replace('s: {', 's2: {action: std.noop}\n    s: {'),
    );
    m.finish('a');
    t.is(m.task('j').state, 'WAITING');
    m.fail('b');
    t.is(m.task('j').state, 'ERROR');
    t.is(m.task('j').stateInfo, second === 'j' ? "Failed by tasks: ['b']" : "Failed by tasks: ['b3']");
    t.is(m.task('k').state, 'SUCCESS');
    t.is(m.state, 'ERROR');
    t.true(m.record.stateInfo?.startsWith('Failure caused by error in tasks: b\n'));
  });
}

test('a join whose transition is left out by a condition fails the workflow although every other task succeeded', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, on-success: j}
    b:
      action: std.noop
      on-success:
        - j: <% false %>
    j: {join: all}
`);
  t.deepEqual(m.states, ['a:SUCCESS', 'b:SUCCESS', 'j:ERROR']);
  t.deepEqual(m.task('j').runtimeContext.triggered_by, [{ task_id: m.task('b').id, event: 'not triggered' }]);
  t.is(m.state, 'ERROR');
  t.true(m.record.stateInfo?.startsWith('Failure caused by error in tasks: j\n'));
});

test('nested joins behind a failed branch end, also with another branch still at work', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.async_noop, on-success: j1}
    b: {action: std.async_noop, on-success: j1}
    c: {action: std.async_noop, on-success: j2}
    j1: {join: all, on-success: j2}
    j2: {join: all}
`);
  m.fail('a');
  m.finish('b');
  t.is(m.task('j1').state, 'ERROR');
  t.is(m.state, 'RUNNING');
  m.finish('c');
  t.is(m.task('j2').state, 'ERROR');
  t.is(m.state, 'ERROR');
  t.true(m.record.stateInfo?.startsWith('Failure caused by error in tasks: a, j1, j2\n'));
});

for (const [join, order, at] of [
  ['one', ['a'], 1],
  ['2', ['a', 'c'], 2],
] as const) {
  test(`join ${join} starts when ${at} branches arrived, once; a late arrival changes nothing`, (t) => {
    const m = Machine.start(`
wf:
  tasks:
    a: {action: std.async_noop, on-success: j}
    b: {action: std.async_noop, on-success: j}
    c: {action: std.async_noop, on-success: j}
    j: {join: ${join}, on-success: k}
    k: {action: std.noop}
`);
    for (const name of order) m.finish(name);
    t.is(m.task('j').state, 'SUCCESS');
    for (const name of ['a', 'b', 'c']) if (!(order as readonly string[]).includes(name)) m.finish(name);
    t.is(m.state, 'SUCCESS');
    t.is(m.actionsOf('j').length, 1);
    t.is(m.tasksOf('k').length, 1);
  });
}

test('a partial join fails only when too few branches are left', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.async_noop, on-success: j, on-error: noop}
    b: {action: std.async_noop, on-success: j, on-error: noop}
    c: {action: std.async_noop, on-success: j}
    j: {join: 2}
`);
  m.finish('c');
  m.fail('a');
  t.is(m.task('j').state, 'WAITING');
  m.fail('b');
  t.is(m.task('j').state, 'ERROR');
  t.is(m.task('j').stateInfo, "Failed by tasks: ['a', 'b']");
  t.deepEqual(m.task('j').runtimeContext.triggered_by, []);
});

test('a cycle that nothing reached before a join is no route', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.async_noop, on-success: j}
    b: {action: std.fail, on-success: x, on-error: noop}
    x: {action: std.noop, on-success: y}
    y: {action: std.noop, on-success: [x, j]}
    j: {join: all}
`);
  m.finish('a');
  t.is(m.task('j').state, 'ERROR');
  t.is(m.task('j').stateInfo, "Failed by tasks: ['y']");
  t.is(m.state, 'ERROR');
});

test('a loop through a join runs it again, with one execution for all rounds', (t) => {
  const m = Machine.start(`
wf:
  output: {n: <% $.n %>, leaf: <% $.get(leaf, none) %>}
  vars: {n: 0}
  tasks:
    s: {action: std.noop, on-success: j}
    j:
      join: one
      action: std.echo output=<% $.n %>
      publish: {n: <% $.n + 1 %>}
      on-success: [x, l]
    l:
      action: std.noop
    x:
      action: std.async_noop
      on-success:
        - j: <% $.n < 3 %>
`);
  t.is(m.tasksOf('x').length, 1);
  m.finish('x');
  m.finish('x');
  m.finish('x');
  t.is(m.state, 'SUCCESS', m.record.stateInfo ?? '');
  t.is(m.tasksOf('j').length, 1);
  t.is(m.tasksOf('x').length, 3);
  t.is(m.tasksOf('l').length, 3);
  t.deepEqual(
    m.actionsOf('j').map((action) => action.output),
    [{ result: 0 }, { result: 1 }, { result: 2 }],
  );
  t.is(m.output.n, 3);
});

test('a join outside of a loop is armed again by a later arrival, even when it finished long ago', (t) => {
  const m = Machine.start(`
wf:
  vars: {n: 0}
  tasks:
    s: {action: std.noop, on-success: a}
    a:
      action: std.async_noop
      publish: {n: <% $.n + 1 %>}
      on-success:
        - j
        - c: <% $.n < 2 %>
    c: {action: std.async_noop, on-success: a}
    b: {action: std.noop, on-success: j}
    j: {join: all, action: std.echo output=<% $.n %>, on-success: k}
    k: {action: std.noop}
`);
  m.finish('a');
  t.is(m.task('j').state, 'SUCCESS');
  m.finish('c');
  m.finish('a');
  t.is(m.tasksOf('j').length, 1);
  t.is(m.state, 'SUCCESS');
  t.is(m.tasksOf('k').length, 2);
  t.deepEqual(
    m.actionsOf('j').map((action) => action.output),
    [{ result: 1 }, { result: 2 }],
  );
});

test('a join with items runs all of them in each round', (t) => {
  const m = Machine.start(`
wf:
  vars: {n: 0}
  tasks:
    s: {action: std.noop, on-success: j}
    j:
      join: one
      with-items: i in [1, 2]
      action: std.echo output=<% $.i + $.n %>
      publish: {n: <% $.n + 10 %>, r: <% task().result %>}
      on-success:
        - x: <% $.n < 20 %>
    x: {action: std.noop, on-success: j}
`);
  t.is(m.state, 'SUCCESS', m.record.stateInfo ?? '');
  t.is(m.actionsOf('j').length, 4);
  t.deepEqual(m.output.r, [11, 12]);
});

test('a failed join sees what its branches published, and hands it on', (t) => {
  const m = Machine.start(`
wf:
  output-on-error: {seen: <% $.seen %>, after: <% $.after %>}
  tasks:
    a: {action: std.noop, publish: {x: 1}, on-success: j}
    b: {action: std.fail, on-success: j}
    j:
      join: all
      publish-on-error: {seen: <% $.x %>}
      on-error: k
    k:
      action: std.noop
      publish: {after: <% $.x + 1 %>}
`);
  t.is(m.task('j').state, 'ERROR');
  t.is(m.state, 'ERROR');
  t.like(m.output, { seen: 1, after: 2 });
});

test('a join that is retried runs its action again only if its condition holds', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, on-success: j}
    b: {action: std.async_noop, on-success: j, on-error: noop}
    j: {join: all, action: std.async_noop, retry: {count: 2, delay: 3}}
`);
  m.fail('b');
  t.is(m.task('j').state, 'WAITING');
  t.is(m.task('j').stateInfo, "Delayed by 'retry' policy [delay=3]");
  // Whatever makes the engine look at joins again: the delay is kept.
  m.send({ type: 'continue' });
  t.deepEqual(m.task('j').runtimeContext.retry_task_policy, { retry_no: 1 });
  m.advance(3);
  t.is(m.task('j').state, 'WAITING');
  t.deepEqual(m.task('j').runtimeContext.retry_task_policy, { retry_no: 2 });
  m.advance(3);
  t.is(m.task('j').state, 'ERROR');
  t.is(m.actionsOf('j').length, 0);
  t.is(m.state, 'ERROR');
  const n = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, on-success: j}
    j: {join: all, action: std.async_noop, retry: {count: 2, delay: 3}}
`);
  n.fail('j');
  n.advance(3);
  t.is(n.task('j').state, 'RUNNING');
  n.finish('j', 5);
  t.is(n.state, 'SUCCESS');
  t.deepEqual(n.task('j').runtimeContext.retry_task_policy, { retry_no: 1 });
});

test('a join is not confused by an earlier round in which another branch was watched', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    s: {action: std.noop, on-success: [a, b, c]}
    a: {action: std.async_noop, on-success: j}
    b: {action: std.async_noop, on-success: j}
    c:
      action: std.async_noop
      on-success: j
      on-error: noop
    j: {join: all, action: std.noop, on-success: again}
    again: {action: std.async_noop, on-success: [a, b, c]}
`);
  for (const name of ['a', 'b', 'c', 'again']) m.finish(name);
  m.fail('c');
  m.finish('a');
  t.is(m.task('j').state, 'ERROR');
  m.finish('b');
});

test('tasks are created before joins, joins by name; both before the command that follows', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, on-success: [z, y, b, c]}
    b: {action: std.async_noop, on-success: [y, z]}
    c: {action: std.async_noop}
    y: {join: all}
    z: {join: all}
`);
  t.deepEqual(m.states, ['a:SUCCESS', 'b:RUNNING', 'c:RUNNING', 'y:WAITING', 'z:WAITING']);
});

test('a join of many branches looks at few of them for each arrival', (t) => {
  const names = Array.from({ length: 300 }, (_, i) => `b${i}`);
  const m = Machine.start(`
wf:
  tasks:
${names.map((name) => `    ${name}: {action: std.async_noop, on-success: j}`).join('\n')}
    j: {join: all}
`);
  for (const name of names) m.finish(name);
  t.is(m.state, 'SUCCESS');
  t.is(m.task('j').runtimeContext.triggered_by?.length, 300);
});

test('a join that fails and leads back to itself for ever becomes an error, in bounded steps', (t) => {
  const text = `
wf:
  tasks:
    a:
      action: std.noop
      on-success: j
    b:
      action: std.noop
      on-success:
        - j: <% false %>
    j:
      join: all
      on-complete: j
`;
  const m = Machine.start(text, { tasksPerName: 30, steps: 4 });
  t.is(m.state, 'ERROR');
  t.regex(m.record.stateInfo ?? '', /Task 'j' ran 30 times in this execution, which is the limit/);
  t.true(m.decisions > 7, `${m.decisions} decisions`);
});

test('a join behind one that nothing will ever reach fails as soon as that is known', (t) => {
  const text = `
wf:
  tasks:
    a: {action: std.async_noop, on-success: last}
    b: {action: std.async_noop, on-success: first}
    first: {join: all, on-success: second}
    second: {join: all, on-success: last}
    last: {join: all}
`;
  const m = Machine.start(text);
  m.finish('a');
  t.is(m.task('last').state, 'WAITING');
  m.fail('b');
  t.is(m.task('last').state, 'ERROR');
  t.is(m.task('last').stateInfo, "Failed by tasks: ['second']");
  t.is(m.state, 'ERROR');
});

test('a join does not wait for what only itself could start', (t) => {
  const text = `
wf:
  tasks:
    a: {action: std.noop, on-success: j}
    j: {join: all, on-success: b}
    b: {join: one, on-success: j}
`;
  const m = Machine.start(text);
  t.is(m.state, 'ERROR');
  t.is(m.task('j').stateInfo, "Failed by tasks: ['b']");
  const self = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, on-success: j}
    j: {join: all, on-error: noop, on-success: [{j: '<% $.get(more, false) %>'}]}
`);
  t.is(self.task('j').stateInfo, "Failed by tasks: ['j']");
  t.is(self.state, 'SUCCESS');
});

test('joins that wait for each other and for nothing else end in ERROR, which says so', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    s: {action: std.noop, on-success: [a, b]}
    a: {join: all, action: std.noop, on-skip: b, on-error: e}
    b: {join: all, action: std.noop, on-success: c}
    c: {join: one, action: std.noop, on-success: a}
    e: {action: std.noop}
`);
  t.deepEqual(m.states, ['s:SUCCESS', 'a:ERROR', 'b:ERROR', 'e:SUCCESS']);
  t.regex(m.task('a').stateInfo ?? '', /^The joins \['a', 'b'\] wait for each other and for nothing else/);
  t.is(m.task('b').stateInfo, m.task('a').stateInfo);
  t.is(m.state, 'ERROR');
  t.regex(m.record.stateInfo ?? '', /^Failure caused by error in tasks: b\n/);
});

test('a join behind a circle of joins is judged by how the circle ended', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    s: {action: std.noop, on-success: [a, b, last, other]}
    a: {join: all, action: std.noop, on-success: b, on-error: noop}
    b: {join: all, action: std.noop, on-success: a, on-error: last}
    last: {join: 2, action: std.noop}
    other: {join: 2, action: std.noop, on-error: noop}
    x: {action: std.async_noop, on-success: other}
`);
  t.is(m.task('a').state, 'WAITING', 'something runs that may change it');
  m.finish('x');
  t.is(m.task('other').state, 'SUCCESS');
  t.is(m.task('a').state, 'ERROR');
  t.is(m.task('last').state, 'SUCCESS', m.task('last').stateInfo ?? '');
  t.is(m.state, 'SUCCESS');
});

test('a join that waits for its next try is no part of a circle, and a circle without end is ended by the cap on runs', (t) => {
  const m = Machine.start(
    `
wf:
  tasks:
    s: {action: std.noop, on-success: [a, b]}
    a: {join: all, action: std.noop, on-success: b, on-error: b}
    b: {join: all, action: std.noop, on-success: a, on-error: a}
    r: {action: std.noop, on-success: j}
    j: {join: all, action: std.fail, retry: {count: 1, delay: 5}, on-error: noop}
`,
    { tasksPerName: 20 },
  );
  t.is(m.task('j').state, 'WAITING');
  t.is(m.task('a').state, 'WAITING');
  m.advance(5);
  t.is(m.task('j').state, 'ERROR');
  t.is(m.state, 'ERROR');
  t.regex(m.record.stateInfo ?? '', /20/);
});
