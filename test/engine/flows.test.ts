import test from 'ava';
import { TestClock } from '../helpers/clock.ts';
import { openTestEngine } from '../helpers/engine.ts';

test('a chain of pure tasks runs to its end and hands values on', async (t) => {
  const e = await openTestEngine(t);
  const seen = await e.run(
    `version: '2.0'
chain:
  input:
    - who
    - greeting: hello
  output:
    text: <% $.text %>
  tasks:
    one:
      action: std.echo output="<% $.greeting %>"
      publish:
        text: <% task().result %>
      on-success: two
    two:
      action: std.echo
      input:
        output: <% $.who %>
      on-success: three
    three:
      action: std.noop
`,
    { who: 'world' },
  );
  t.is(seen.execution.state, 'SUCCESS');
  t.deepEqual(seen.execution.output, { text: 'hello' });
  t.deepEqual(
    seen.tasks.map((task) => [task.name, task.state]),
    [
      ['one', 'SUCCESS'],
      ['two', 'SUCCESS'],
      ['three', 'SUCCESS'],
    ],
  );
  t.deepEqual(
    seen.actions.map((action) => action.output),
    [{ result: 'hello' }, { result: 'world' }, { result: null }],
  );
});

test('a join waits for all branches and sees what each published', async (t) => {
  const e = await openTestEngine(t);
  const seen = await e.run(`version: '2.0'
fan:
  output:
    a: <% $.a %>
    b: <% $.b %>
  tasks:
    start:
      action: std.noop
      on-success: [left, right]
    left:
      action: std.async_noop
      publish:
        a: <% task().result %>
      on-success: end
    right:
      action: std.async_noop
      publish:
        b: <% task().result %>
      on-success: end
    end:
      join: all
      action: std.noop
`);
  t.is(seen.execution.state, 'RUNNING');
  t.throws(() => seen.task('end'));
  await e.finish('right', 2);
  const between = await e.see(seen.execution.id);
  t.is(between.task('end').state, 'WAITING');
  await e.finish('left', 1);
  const after = await e.see(seen.execution.id);
  t.is(after.execution.state, 'SUCCESS');
  t.deepEqual(after.execution.output, { a: 1, b: 2 });
});

test('a failing task without a handler fails the workflow and names the task', async (t) => {
  const e = await openTestEngine(t);
  const seen = await e.run(`version: '2.0'
bad:
  tasks:
    one:
      action: std.fail error_data="boom"
`);
  t.is(seen.execution.state, 'ERROR');
  t.true(seen.execution.stateInfo?.startsWith('Failure caused by error in tasks: one\n'));
  t.is(seen.task('one').stateInfo, 'boom');
});

test('on-error handles the error', async (t) => {
  const e = await openTestEngine(t);
  const seen = await e.run(`version: '2.0'
handled:
  tasks:
    one:
      action: std.fail
      on-error: two
    two:
      action: std.noop
`);
  t.is(seen.execution.state, 'SUCCESS');
});

test('retry repeats after its delay, and gives up after count', async (t) => {
  const e = await openTestEngine(t);
  const first = await e.run(`version: '2.0'
again:
  tasks:
    one:
      action: std.fail
      retry:
        count: 2
        delay: 3
`);
  t.is(first.task('one').state, 'DELAYED');
  for (let i = 0; i < 2; i++) {
    e.clock.advance(3000);
    await e.settle();
  }
  const last = await e.see(first.execution.id);
  t.is(last.execution.state, 'ERROR');
  t.is(last.actions.length, 3);
  t.deepEqual(last.task('one').runtimeContext.retry_task_policy, { retry_no: 2 });
});

test('a time-out is final and stops what runs', async (t) => {
  const e = await openTestEngine(t);
  const first = await e.run(`version: '2.0'
slow:
  tasks:
    one:
      action: std.sleep seconds=100
      timeout: 5
      retry:
        count: 2
        delay: 1
`);
  t.is(first.task('one').state, 'RUNNING');
  e.clock.advance(5000);
  await e.settle();
  const last = await e.see(first.execution.id);
  t.is(last.execution.state, 'ERROR');
  t.is(last.task('one').stateInfo, 'Task timed out [timeout(s)=5].');
  t.is(e.stops.length, 1);
});

test('a sub-workflow gives its output to the parent', async (t) => {
  const e = await openTestEngine(t);
  const seen = await e.run(`version: '2.0'
parent:
  output:
    got: <% task(call).result.x %>
  tasks:
    call:
      workflow: child
      input:
        n: 5
child:
  input: [n]
  output:
    x: <% $.n + 1 %>
  tasks:
    one:
      action: std.noop
`);
  t.is(seen.execution.state, 'SUCCESS', seen.execution.stateInfo ?? '');
  t.deepEqual(seen.execution.output, { got: 6 });
});

test('with-items keeps the order of items', async (t) => {
  const e = await openTestEngine(t);
  const seen = await e.run(
    `version: '2.0'
items:
  input: [list]
  output:
    all: <% task(each).result %>
  tasks:
    each:
      with-items: i in <% $.list %>
      action: std.echo output=<% $.i %>
`,
    { list: [3, 1, 2] },
  );
  t.is(seen.execution.state, 'SUCCESS', seen.execution.stateInfo ?? '');
  t.deepEqual(seen.execution.output, { all: [3, 1, 2] });
});

test('wrong input is refused and leaves no row behind', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(`version: '2.0'
needs:
  input: [a]
  tasks:
    one:
      action: std.noop
`);
  const error = await t.throwsAsync(e.start('needs', { b: 1 }));
  t.is(error?.message, "Invalid input [name=needs, class=DirectWorkflowSpec, missing=['a'], unexpected=['b']]");
  t.deepEqual(await e.store.reader('executions').select('id'), []);
});

test('a machine or a database slower than the bounds of a batch gets on all the same, step by step', async (t) => {
  t.timeout(60_000);
  /** Each look at it finds that more time has passed than a batch may take. */
  class SlowClock extends TestClock {
    override now(): number {
      this.advance(50);
      return super.now();
    }
  }
  const e = await openTestEngine(t, { clock: new SlowClock() });
  const seen = await e.run(`version: '2.0'
slow:
  output: {all: <% $.all %>}
  tasks:
    a: {action: std.echo output=1, on-success: b}
    b: {action: std.noop, on-success: [c, d]}
    c: {action: std.noop, on-success: last}
    d: {action: std.noop, on-success: last}
    last:
      join: all
      action: std.noop
      publish:
        all: <% tasks(execution().id, false, SUCCESS).select($.name).orderBy($) %>
`);
  t.is(seen.execution.state, 'SUCCESS', seen.execution.stateInfo ?? '');
  t.deepEqual(seen.execution.output, { all: ['a', 'b', 'c', 'd', 'last'] });
});
