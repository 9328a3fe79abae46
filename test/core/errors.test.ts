import test from 'ava';
import { Machine } from './machine.ts';

const wf = (task: string, more = '') => `
wf:
  input: [n]
  tasks:
    a:
      ${task}
      on-error: handled
    handled: {action: std.noop}
    other: {action: std.async_noop}
${more}`;
const sub = 'sub: {input: [k], vars: {v: "<% $.nope %>"}, tasks: {x: {action: std.noop}}}';

const run = 'Failed to run task [error=';
const completion = 'Failed to handle action completion [error=';
for (const [title, task, text, kind] of [
  [
    'an unknown action',
    "action: <% 'no' + '.such' %>",
    `${run}Failed to find action [action_name=no.such, namespace=], wf=wf, task=a]`,
    'forced',
  ],
  ['a name that is no text', 'action: <% 1 %>', `${run}The name of the action must be a string`, 'forced'],
  [
    'a bad expression in the name',
    'action: <% $.nope %>',
    `${run}Can not evaluate YAQL expression [expression=`,
    'forced',
  ],
  [
    'wrong parameters',
    "action: <% 'std.echo' %>\n      input: {x: 1}",
    `${run}Invalid input [name=std.echo, class=std.echo, missing=['output'], unexpected=['x']], wf=wf, task=a]`,
    'forced',
  ],
  [
    'a bad expression in the input',
    'action: std.echo\n      input: {output: <% $.nope %>}',
    `${run}Can not evaluate YAQL expression [expression=`,
    'forced',
  ],
  [
    'an input that is no mapping',
    'action: std.echo\n      input: <% $.n %>',
    `${run}Wrong dynamic input for task: a. Dict type is expected. Actual type: number. Value: 7, wf=wf, task=a]`,
    'forced',
  ],
  [
    'a bad publish',
    'action: std.noop\n      publish: {x: <% $.nope %>}',
    `${completion}Can not evaluate YAQL expression [expression=`,
    'forced',
  ],
  [
    'a bad condition',
    'action: std.noop\n      on-success:\n        - handled: <% $.nope %>',
    `${completion}Can not evaluate YAQL expression [expression=`,
    'forced',
  ],
  [
    'a bad fail-on',
    'action: std.noop\n      fail-on: <% $.nope %>',
    `${completion}Can not evaluate YAQL expression [expression=`,
    'forced',
  ],
  [
    'a bad break-on, also after a success',
    'action: std.noop\n      retry: {count: 1, delay: 1, break-on: <% $.nope %>}',
    `${completion}Can not evaluate YAQL expression [expression=`,
    'forced',
  ],
  [
    'a bad publish after wait-after',
    'action: std.noop\n      wait-after: 1\n      publish: {x: <% $.nope %>}',
    `${completion}`,
    'forced',
  ],
  [
    'a workflow that is not there',
    "workflow: <% 'miss' + 'ing' %>",
    'Failed to find workflow [name=missing] [namespace=]',
    'graceful',
  ],
  [
    'a missing input of a sub-workflow',
    "workflow: <% 'sub' %>",
    "Invalid input [name=sub, class=DirectWorkflowSpec, missing=['k'], unexpected=[]]",
    'graceful',
  ],
  [
    'an unexpected input of a sub-workflow',
    "workflow: <% 'sub' %>\n      input: {k: 1, z: 2}",
    "Invalid input [name=sub, class=DirectWorkflowSpec, missing=[], unexpected=['z']]",
    'graceful',
  ],
] as const) {
  test(`${title}: the failure is ${kind}`, (t) => {
    const quoted = task.replaceAll(/<%.*?%>/g, (expression) => `"${expression}"`);
    const m = Machine.start(wf(quoted, sub), { input: { n: 7 } });
    m.advance(1);
    const { stateInfo, state } = m.task('a');
    t.is(state, 'ERROR');
    const expected = text.replace(', missing=[]', '').replace(', unexpected=[]', '');
    t.true(stateInfo?.startsWith(expected), stateInfo ?? '');
    if (kind === 'forced') {
      t.is(m.state, 'ERROR');
      t.is(m.record.stateInfo, stateInfo);
      t.is(m.task('a').nextTasks, null);
      t.deepEqual(m.tasks.size, 2);
      // What runs is left alone, and is recorded.
      m.finish('other');
      t.is(m.task('other').state, 'SUCCESS');
    } else {
      t.is(m.task('handled').state, 'SUCCESS');
      m.finish('other');
      t.is(m.state, 'SUCCESS');
    }
    t.false(stateInfo?.includes('"n"'), 'the data is not shown');
  });
}

test('a failure after wait-after says that the task could not be completed', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a:
      action: std.async_noop
      wait-after: 1
      publish: {x: <% $.v %>}
  vars: {v: 1}
`);
  m.finish('a');
  m.view.record = { ...m.view.record, context: {} };
  m.advance(1);
  t.regex(m.task('a').stateInfo ?? '', /^Failed to complete task \[error=.*, wf=wf, task=a\]$/s);
});

test('a forced failure in a paused execution leaves it paused; it fails on resume', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop, publish: {x: "<% $.nope %>"}, on-error: noop}}}');
  m.send({ type: 'pause-requested', by: 'user' });
  m.finish('a');
  t.is(m.task('a').state, 'ERROR');
  t.is(m.state, 'PAUSED');
  m.send({ type: 'resume-requested', by: 'user', env: null });
  t.is(m.state, 'ERROR');
});

test('a bad ad-hoc output fails action, task and workflow by force', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: mine, on-error: noop}}}', {
    actions: 'mine: {base: std.async_noop, output: "<% $.nope %>"}',
  });
  m.finish('a', { x: 1 });
  t.is(m.actionsOf('a')[0]?.state, 'ERROR');
  t.true(m.task('a').stateInfo?.startsWith('Failed to complete action [error='));
  t.is(m.state, 'ERROR');
});

test('ad-hoc actions: parameters, chains, outputs from the inside out, also of a falsy result', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: outer, input: {v: 3}}, b: {action: empty}}}', {
    actions: `
inner: {base: std.echo, input: [w], base-input: {output: "<% $.w + 1 %>"}, output: {inner: "<% $ %>"}}
outer: {base: inner, input: [v], base-input: {w: "<% $.v * 2 %>"}, output: {outer: "<% $.inner %>"}}
empty: {base: std.echo, base-input: {output: ""}, output: "got <% $ %>"}
`,
  });
  t.deepEqual(m.actionsOf('a')[0]?.output, { result: { outer: 7 } });
  t.deepEqual(m.actionsOf('a')[0]?.input, { v: 3 });
  t.is(m.actionsOf('a')[0]?.name, 'outer');
  t.deepEqual(m.actionsOf('b')[0]?.output, { result: 'got ' });
});

test('vars, environment, input and target of a start are refused before anything is stored', (t) => {
  const m = new Machine('wf: {vars: {x: "<% $.nope %>"}, tasks: {a: {action: std.noop}}}');
  const decision = m.send({ type: 'workflow-started' });
  t.is(decision.kind, 'refused');
  t.is(m.changes.length, 0);
  t.throws(() => new Machine('wf: {tasks: {a: {action: std.noop}}}', { params: { env: 'unknown' } }), {
    message: 'Environment is not found: unknown',
  });
  t.throws(() => new Machine('wf: {type: reverse, tasks: {a: {action: std.noop}}}', { params: { task_name: 'b' } }), {
    message: 'Invalid task name [wf_spec=wf, task_name=b]',
  });
  const child = new Machine('wf: {vars: {x: "<% $.nope %>"}, tasks: {a: {action: std.noop}}}', { isChild: true });
  child.send({ type: 'workflow-started' });
  t.is(child.state, 'ERROR');
  t.like(child.commandsOf('send')[0]?.event, { type: 'child-completed', state: 'ERROR' });
});

test('a target that can be no host fails the task, whether it was written or computed', (t) => {
  for (const target of ['h'.repeat(256), '<% $.n.join("-") %>']) {
    const m = Machine.start(`wf: {input: [n], tasks: {a: {action: std.async_noop, target: '${target}'}}}`, {
      input: { n: Array.from({ length: 200 }, () => 'h') },
    });
    t.is(m.state, 'ERROR');
    t.regex(m.task('a').stateInfo ?? '', /The target of a task is the name of a host, at most 255 characters/);
  }
});

test('values of the input are data, never evaluated', (t) => {
  const m = Machine.start('wf: {input: [v], output: {v: "<% $.v %>"}, tasks: {a: {action: std.noop}}}', {
    input: { v: '<% 1 + 1 %>' },
  });
  t.deepEqual(m.output, { v: '<% 1 + 1 %>' });
});

test('fields over the size limit: a result and a publish fail by force', (t) => {
  const text = 'wf: {tasks: {a: {action: std.async_noop, publish: {x: "<% task().result + task().result %>"}}}}';
  const result = Machine.start(text, { fieldCharacters: 2000 });
  result.finish('a', 'x'.repeat(3000));
  t.regex(
    result.task('a').stateInfo ?? '',
    /Field size limit exceeded \[class=ActionExecution, field=output, size=\dKB, limit=1KB\]/,
  );
  const publish = Machine.start(text, { fieldCharacters: 2000 });
  publish.finish('a', 'x'.repeat(1500));
  t.regex(publish.task('a').stateInfo ?? '', /Field size limit exceeded \[class=TaskExecution, field=published/);
  t.is(publish.actionsOf('a')[0]?.state, 'SUCCESS');
});

test('defaults of __actions lie under the input, for actions of this workflow only', (t) => {
  const m = Machine.start(
    'wf: {tasks: {a: {action: std.echo, input: {delay: 0}}, b: {action: std.echo, input: {output: mine}}}}',
    {
      params: { env: { __actions: { 'std.echo': { output: 'default' } } } },
    },
  );
  t.deepEqual([m.actionsOf('a')[0]?.output, m.actionsOf('b')[0]?.output], [{ result: 'default' }, { result: 'mine' }]);
});

test('task() and tasks() show the tasks of this very decision', (t) => {
  const m = Machine.start(`
wf:
  output:
    known: <% task(a).result %>
    by_variable: <% task($.which).result %>
    states: <% tasks(execution().id).select($.name + ':' + $.state) %>
    unknown: <% task(zzz) %>
  tasks:
    a: {action: std.echo output=1, publish: {which: a}, on-success: b}
    b: {action: std.echo output=<% task().name %>}
`);
  t.deepEqual(m.output, { known: 1, by_variable: 1, states: ['a:SUCCESS', 'b:SUCCESS'], unknown: null });
  t.deepEqual(m.actionsOf('b')[0]?.output, { result: 'b' });
});

test('a sub-workflow: identity, params and what its end means for the task', (t) => {
  const text = `
wf:
  tasks:
    a: {workflow: sub, input: {k: 1, env: {e: 1}}, on-error: noop, publish-on-error: {r: <% task().result %>}}
sub: {input: [k], tasks: {x: {action: std.noop}}}
`;
  const m = Machine.start(text);
  const [child] = m.childrenOf('a');
  t.like(child, {
    state: 'IDLE',
    input: { k: 1 },
    rootExecutionId: m.record.id,
    description: 'sub-workflow execution',
  });
  t.like(child?.params, { root_execution_id: m.record.id, task_execution_id: m.task('a').id, index: 0, env: { e: 1 } });
  t.deepEqual(m.commandsOf('start-child').length, 1);
  m.finishChild('a', 'ERROR', { result: 'bad' });
  t.is(m.task('a').stateInfo, 'bad');
  t.deepEqual(m.task('a').published, { r: { result: 'bad' } });
  const silent = Machine.start(text);
  silent.finishChild('a', 'ERROR', { result: null });
  t.is(silent.task('a').stateInfo, null);
  const cancelled = Machine.start(text);
  cancelled.finishChild('a', 'CANCELLED', { result: 'c' });
  t.is(cancelled.state, 'CANCELLED');
});

test('reverse: required tasks run first, unneeded ones never, each once', (t) => {
  const text = `
wf:
  type: reverse
  output: {r: <% $.r %>}
  tasks:
    a: {action: std.async_noop, publish: {x: 1}}
    b: {action: std.async_noop, publish: {y: 2}}
    c: {requires: [a, b], action: std.async_noop, publish: {r: <% $.x + $.y %>}}
    unneeded: {action: std.noop}
    later: {requires: [c], action: std.noop}
`;
  const m = Machine.start(text, { params: { task_name: 'c' } });
  t.deepEqual(m.states, ['a:RUNNING', 'b:RUNNING']);
  m.finish('b');
  m.finish('a');
  m.finish('c');
  t.is(m.state, 'SUCCESS');
  t.deepEqual(m.states, ['a:SUCCESS', 'b:SUCCESS', 'c:SUCCESS']);
  t.deepEqual(m.output, { r: 3 });
  const failed = Machine.start(text, { params: { task_name: 'c' } });
  failed.fail('a', 'bad');
  t.is(failed.state, 'RUNNING');
  failed.finish('b');
  t.is(failed.state, 'ERROR');
  t.is(failed.tasks.size, 2);
  failed.send({ type: 'rerun-requested', task: failed.task('a').id, reset: true, env: null });
  failed.finish('a');
  failed.finish('c');
  t.is(failed.state, 'SUCCESS');
  const paused = Machine.start(text, { params: { task_name: 'c' } });
  paused.send({ type: 'pause-requested', by: 'user' });
  paused.finish('a');
  paused.finish('b');
  paused.send({ type: 'resume-requested', by: 'user', env: null });
  t.deepEqual(paused.states, ['a:SUCCESS', 'b:SUCCESS', 'c:RUNNING']);
});

test('actions of an embedded executor are created claimed, unless a repeat does no harm', (t) => {
  const m = Machine.start(
    'wf: {tasks: {a: {action: std.http, input: {url: "http://x/"}}, b: {action: std.echo, input: {output: 1, delay: 1}}}}',
    { executorId: 'me' },
  );
  t.deepEqual([m.actionsOf('a')[0]?.executorId, m.actionsOf('b')[0]?.executorId], ['me', null]);
});

test('a view keeps only what a later decision may ask for', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.echo output=1, on-success: [b, e]}
    b: {action: std.noop, on-success: c}
    c: {action: std.noop, on-success: j}
    e: {action: std.async_noop, on-success: [j, f]}
    j: {join: all, on-success: f}
    f: {action: std.echo output=<% task(a).result %>}
`);
  // a: named; c: before a join; e: open; b: nobody asks for it, but it lies before the join as well.
  t.deepEqual([...m.view.tasks.values()].map((task) => task.name).toSorted(), ['a', 'b', 'c', 'e', 'j']);
  t.is(m.view.actions.size, 2);
  m.finish('e');
  t.is(m.state, 'SUCCESS');
  t.deepEqual(
    m.actionsOf('f').map((action) => action.output),
    [{ result: 1 }, { result: 1 }],
  );
});
