import { readFile } from 'node:fs/promises';
import test from 'ava';
import { CALLER, openTestEngine } from '../helpers/engine.ts';
import type { ActionExecutionId } from '../../engine/core/model.ts';
import { lostActions } from '../../engine/store/pending.ts';
import { Machine } from './machine.ts';

/*
 * The edge cases of spec/engine.md §31 and the decisions of its §30, by their numbers. Those without a test of that name here have it elsewhere: the
 * file, from this folder, and a piece of the test's title.
 */
const ELSEWHERE: Readonly<Record<string, readonly (readonly [file: string, title: string])[]>> = {
  '§30.1': [['policies', 'a delayed task does not wake up after the end of its workflow']],
  '§30.2': [['policies', 'a time-out is final, also behind wait-after']],
  '§30.3': [['items', 'a rerun without reset repeats exactly what failed, was cancelled or never started']],
  '§30.3b': [['join', 'a cycle that nothing reached before a join is no route']],
  '§30.4': [['join', 'branches arrived, once; a late arrival changes nothing']],
  '§30.5': [['control', 'a cancel stops what runs outside']],
  '§30.6': [['control', 'the request ']],
  '§30.9': [['../engine/recovery', 'a process that dies at any transaction changes nothing of how executions end']],
  '§30.11': [['errors', 'an unexpected input of a sub-workflow']],
  '§30.13': [
    ['errors', 'a workflow that is not there'],
    ['errors', 'a missing input of a sub-workflow'],
  ],
  '§30.14': [['control', 'a join whose last branch ends during a pause starts on resume']],
  '§30.15': [['items', 'a rerun without reset repeats exactly what failed, was cancelled or never started']],
  '§31.1': [['flow', 'succeed drops what follows, on-complete included']],
  '§31.2': [['flow', 'a task before fail is created and still runs; tasks after it are never created']],
  '§31.5': [['control', 'the request ']],
  '§31.10': [
    ['errors', 'vars, environment, input and target of a start are refused before anything is stored'],
    ['../engine/flows', 'wrong input is refused and leaves no row behind'],
  ],
  '§31.12': [
    ['../engine/conductor', 'a start is answered RUNNING although everything was done in the same transaction'],
  ],
  '§31.14': [['flow', 'conditions on structured errors choose the branch']],
  '§31.16': [['context', 'a publish replaces a variable as a whole']],
  '§31.18': [['flow', 'parallel branches without a join run what follows once each, with their own values']],
  '§31.19': [['context', 'contexts of parallel branches do not leak into one another']],
  '§31.20': [['context', 'a branch variable shadows a global one, vars and input; global() sees the global one']],
  '§31.21': [['context', 'a join sees the newer value of each variable, whichever branch republished it']],
  '§31.22': [['join', 'two steps before']],
  '§31.23': [['join', 'join all waits for every inbound task, whatever routes lead there']],
  '§31.24': [['join', 'a join whose transition is left out by a condition fails the workflow']],
  '§31.25': [['join', 'a join that no transition ever reached has no execution and does not matter']],
  '§31.26': [['join', 'nested joins behind a failed branch end, also with another branch still at work']],
  '§31.28': [['join', 'a failed join sees what its branches published, and hands it on']],
  '§31.29': [
    ['items', 'all items run at once; results keep the order of items however they end'],
    ['items', 'one item still gives a list, no item an empty one'],
  ],
  '§31.30': [['items', 'fails by force and has no result']],
  '§31.31': [['items', 'with concurrency 2 exactly two run until the last ones']],
  '§31.33': [['items', 'retry repeats all items']],
  '§31.34': [['items', 'fail-on with retry repeats all items until the condition is clear']],
  '§31.36': [['policies', 'continue-on that is false at once']],
  '§31.37': [['policies', 'conditions of retry see what the same run published']],
  '§31.38': [['policies', 'a sub-workflow that fails counts as a failure for retry']],
  '§31.41': [['control', 'the environment may change with a resume, or alone while nothing runs; later tasks see it']],
  '§31.46': [['errors', 'a sub-workflow: identity, params and what its end means for the task']],
  '§31.47': [
    ['control', 'pause, resume and cancel go down to children that have not ended'],
    ['items', 'a cancelled item ends the task at once; the others run on'],
  ],
  '§31.48': [['flow', 'errors and cancellations: all names sorted, cancel beats failure']],
  '§31.49': [['policies', 'a cancelled action is not repeated']],
  '§31.52': [['control', 'skip ends the task as SKIPPED: on-skip, else on-success, and its own publish']],
  '§31.56': [['flow', 'a task and its workflow are RUNNING before the first result arrives']],
  '§31.57': [['flow', 'messages of commands are evaluated, mappings become JSON']],
};

const EDGES = Array.from({ length: 60 }, (_, i) => `§31.${i + 1}`);
const DECISIONS = [...Array.from({ length: 16 }, (_, i) => `§30.${i + 1}`), '§30.3b'];

test('definitions that were stored unchecked end, whatever they hold', (t) => {
  const ends: readonly (readonly [text: string, state: 'SUCCESS' | 'ERROR'])[] = [
    ['{a: {on-success: b}, b: {on-success: a}}', 'SUCCESS'],
    ['{a: {join: all}}', 'SUCCESS'],
    ['{a: {on-success: j}, j: {join: 5}}', 'ERROR'],
    ['{a: {wait-before: x, retry: {count: x}, timeout: [1]}}', 'ERROR'],
    ["{a: {with-items: 'x of y'}}", 'SUCCESS'],
    ["{a: {action: '(a) x=1'}}", 'ERROR'],
    ['{a: {publish: [1], on-success: {publish: {x: 1}, next: [1, {b: 5}]}}, b: 5}', 'SUCCESS'],
    ["{a: {action: std.echo, input: {output: '<% * %>'}}}", 'ERROR'],
    ['{a: {input: [1], concurrency: -1, pause-before: 3, keep-result: 7, safe-rerun: [], target: {}}}', 'ERROR'],
  ];
  for (const [tasks, state] of ends)
    t.is(
      Machine.start(`wf: {task-defaults: 5, vars: x, input: 5, tasks: ${tasks}}`, { unchecked: true }).view.record
        .state,
      state,
      tasks,
    );
});

test('every edge case of §31 and every decision of §30 has a test', async (t) => {
  // Some compilers escape what is not ASCII.
  const read = async (file: string) =>
    (await readFile(new URL(`${file}.test.js`, import.meta.url), 'utf8')).replaceAll(String.raw`\xA7`, '§');
  const texts = new Map<string, string>();
  const here = new Set((await read('edges')).match(/§3\d\.\d+b?(?=[,:])/g));
  for (const name of [...EDGES, ...DECISIONS]) {
    const elsewhere = ELSEWHERE[name] ?? [];
    t.true(here.has(name) || elsewhere.length > 0, `${name} has no test`);
    for (const [file, title] of elsewhere) {
      const text = texts.get(file) ?? (await read(file));
      texts.set(file, text);
      t.true(text.includes(title), `${name}: ${file}.test.ts has no test '${title}'`);
    }
  }
});

test('§31.3: an action that fails in a task before succeed does not change how the workflow ended', (t) => {
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

test('§31.4: the result of a task that just starts is an empty list, whatever is asked of it', (t) => {
  const m = Machine.start(`
wf:
  output: {r: <% task(a).result %>}
  tasks: {a: {action: std.echo, input: {output: <% task().result.content %>}}}
`);
  t.is(m.state, 'SUCCESS', m.record.stateInfo ?? '');
  t.deepEqual(m.output, { r: [] });
});

test('§31.6: a bad expression in the input of the next task leaves the first SUCCESS and the next in ERROR without an action', (t) => {
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

test('§31.7, §31.8: a bad condition or publish turns the finished task into ERROR, its action stays SUCCESS, no clause runs', (t) => {
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

test('§31.9: a bad output makes the child ERROR and its parent hear of it', (t) => {
  const m = Machine.start('wf: {output: {x: <% $.missing %>}, tasks: {a: {}}}', { isChild: true });
  t.deepEqual(m.states, ['a:SUCCESS']);
  t.is(m.state, 'ERROR');
  const [sent] = m.commandsOf('send');
  t.like(sent?.event, { type: 'child-completed', state: 'ERROR', stateInfo: m.record.stateInfo });
});

test('§31.11: texts of errors begin with their cause and do not show the data', (t) => {
  const m = Machine.start('wf: {input: [s], tasks: {a: {action: std.noop, publish: {x: <% $.missing %>}}}}', {
    input: { s: 'confidential' },
  });
  t.regex(m.task('a').stateInfo ?? '', /^Failed to handle action completion \[error=/);
  t.true((m.task('a').stateInfo ?? '').indexOf('error=') < (m.task('a').stateInfo ?? '').indexOf('wf='));
  t.false(JSON.stringify([m.task('a').stateInfo, m.record.stateInfo, m.output]).includes('confidential'));
});

test('§31.13: the data of std.fail stays structured as result and becomes text as state_info', (t) => {
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

test('§31.15: publish counts for a success only', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.fail, publish: {x: 1}, on-error: noop}}}');
  t.deepEqual(m.task('a').published, {});
  t.is(m.state, 'SUCCESS');
});

test('§31.17: a mapping as input replaces the default as a whole', (t) => {
  const m = Machine.start('wf: {input: [{m: {a: 1, b: 2}}], output: {m: <% $.m %>}, tasks: {a: {}}}', {
    input: { m: { b: 3 } },
  });
  t.deepEqual(m.output, { m: { b: 3 } });
});

test('§31.27: a join whose action cannot be called fails the workflow at once', (t) => {
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

test('§31.32: a concurrency that is text is an error at run time', (t) => {
  const m = Machine.start(
    `wf: {input: [c], tasks: {a: {with-items: "i in [1, 2]", concurrency: <% $.c %>, action: std.noop}}}`,
    { input: { c: '2' } },
  );
  t.true(m.task('a').stateInfo?.includes('Invalid data type in ConcurrencyPolicy'));
  t.is(m.state, 'ERROR');
});

test('§31.35: a retry count from a variable: 0 leaves no trace, a negative one is an error at once', (t) => {
  const text = 'wf: {input: [n], tasks: {a: {action: std.fail, retry: {count: <% $.n %>, delay: 0}, on-error: noop}}}';
  const none = Machine.start(text, { input: { n: 0 } });
  t.deepEqual(none.task('a').runtimeContext, {});
  t.is(none.state, 'SUCCESS');
  const negative = Machine.start(text, { input: { n: -1 } });
  t.is(negative.state, 'ERROR');
  t.deepEqual(negative.task('a').runtimeContext, {});
});

test('§31.40: a wait-before that is over does not wake a workflow that pause-before paused', (t) => {
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

test('§31.42: evaluate_env false keeps what looks like an expression', (t) => {
  const params = { env: { x: '<% env().y %>', y: 1 }, evaluate_env: false };
  const text = 'wf: {output: {x: <% env().x %>}, tasks: {a: {}}}';
  t.deepEqual(Machine.start(text, { params }).output, { x: '<% env().y %>' });
  t.deepEqual(Machine.start(text, { params: { env: params.env } }).output, { x: 1 });
});

test('§31.43: the environment is copied neither into contexts nor into the params of a child', (t) => {
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

test('§31.45: a string where a mapping is needed for a dynamic input is named in the message', (t) => {
  const m = Machine.start('wf: {input: [s], tasks: {a: {action: std.echo, input: <% $.s %>}}}', {
    input: { s: 'wrong one' },
  });
  t.true(m.task('a').stateInfo?.includes('wrong one'));
  t.is(m.state, 'ERROR');
});

test('§31.50: a workflow whose definition was deleted can still be cancelled', async (t) => {
  const e = await openTestEngine(t);
  await e.upload(`version: '2.0'\nwf: {tasks: {a: {action: std.async_noop}}}`);
  const { id } = await e.start('wf');
  await e.definitions.deleteWorkflow(CALLER, 'wf', '');
  await e.engine.updateExecution(CALLER, id, { state: 'CANCELLED', stateInfo: 'enough', description: null, env: null });
  t.is((await e.see(id)).execution.state, 'CANCELLED');
});

test('§31.51: a skip of the last task turns ERROR into SUCCESS, and its publish replaces that of the error', (t) => {
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

test('§31.53: a sub-workflow that cannot start fails its own branch; others run to their end first', (t) => {
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

test('§31.54: task() without a name is the current one within a cycle, in conditions and messages as well', (t) => {
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

test('§31.55: a task that is unknown is null, and asking something of it an error that names it', (t) => {
  t.deepEqual(Machine.start('wf: {output: {r: <% task(nobody) %>}, tasks: {a: {}}}').output, { r: null });
  const m = Machine.start('wf: {output: {r: <% task(nobody).name %>}, tasks: {a: {}}}');
  t.is(m.state, 'ERROR');
  t.true(m.record.stateInfo?.includes('task(nobody).name'));
});

test('§31.60: the end of a workflow leaves no timer that starts anything', (t) => {
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

test('§31.39: an asynchronous action is completed once; the retry makes a new one', (t) => {
  const m = Machine.start('wf: {tasks: {a: {action: std.async_noop, retry: {count: 1, delay: 1}}}}');
  m.fail('a');
  const [first] = m.actionsOf('a');
  const again = m.send({
    type: 'action-completed',
    action: first?.id as ActionExecutionId,
    attempt: null,
    result: { kind: 'success', output: 1 },
  });
  t.is(again.kind, 'refused');
  m.advance(1);
  t.is(m.actionsOf('a').length, 2);
  m.finish('a', 2);
  t.is(m.state, 'SUCCESS');
});

test("§31.44: the name of a sub-workflow that is worked out means the one of the parent's own workbook first", async (t) => {
  const e = await openTestEngine(t);
  const workflow = (says: string) => `{output: {r: '${says}'}, tasks: {x: {action: std.noop}}}`;
  await e.upload(`version: '2.0'\nsub: ${workflow('outside')}\nother: ${workflow('outside')}`);
  const book = `version: '2.0'
name: book
workflows:
  sub: ${workflow('inside')}
  main:
    input: [name]
    output: {r: <% task(a).result.r %>}
    tasks: {a: {workflow: <% $.name %>}}
`;
  await e.definitions.createWorkbook(CALLER, book, { namespace: '', scope: 'private' });
  for (const [name, expected] of [
    ['sub', 'inside'],
    ['other', 'outside'],
  ] as const) {
    const { id } = await e.start('book.main', { name });
    t.deepEqual((await e.see(id)).execution.output, { r: expected });
  }
});

test('§31.58: the reason of a failure with items lists the children that failed and no others', (t) => {
  const m = Machine.start('wf: {tasks: {a: {with-items: "i in [0, 1, 2]", action: std.async_noop}}}');
  m.finish('a', 'fine', 0);
  m.fail('a', 'bad', 1);
  m.finish('a', 'fine', 2);
  const listed = m.actionsOf('a').map(({ id }) => m.record.stateInfo?.includes(id));
  t.deepEqual(listed, [false, true, false]);
});

test('§31.59: silence is held against no asynchronous action that was started, and against none before its time', async (t) => {
  const e = await openTestEngine(t);
  const call = 'input: {url: "http://127.0.0.1:9/"}';
  await e.upload(
    `version: '2.0'\nwf: {tasks: {a: {action: std.async_noop}, b: {action: std.mistral_http, ${call}}, c: {action: std.http, ${call}}}}`,
  );
  const { id } = await e.start('wf');
  const made = e.clock.now();
  const byName = async (name: string) =>
    String((await e.see(id)).actions.find((action) => action.taskName === name)?.id);
  await e.engine.started(e.engine.nodeId, await byName('b'), 1);
  await e.store.writer('services').insert({
    id: e.engine.nodeId,
    name: 'n',
    host: 'h',
    roles: '[]',
    state: 'RUNNING',
    schema_version: 1,
    started_at: 0,
    seen_at: 0,
    lease_until: Number.MAX_SAFE_INTEGER,
  });
  const lost = async (silentSince: number) =>
    (await lostActions(e.store.reader, { silentSince, after: '', limit: 9 })).map((row) => row.id);
  t.deepEqual(await lost(made), []);
  t.deepEqual(await lost(made + 300_000), [await byName('c')]);
});

test('§30.7: wrong parameters and unknown actions fail the execution at once, or only their task where that is set', (t) => {
  for (const [body, message] of [
    ['action: "<% missing %>"', 'Failed to find action [action_name=missing, namespace=]'],
    ['action: "<% \'std.echo\' %>", input: {x: 1}', 'Invalid input [name=std.echo,'],
    ['with-items: "i in [1, 2]", action: "<% \'std.echo\' %>", input: {x: 1}', 'Invalid input [name=std.echo,'],
  ] as const) {
    const text = `wf: {tasks: {a: {${body}, retry: {count: 1, delay: 1}, on-error: b}, b: {action: std.noop}}}`;
    const forced = Machine.start(text);
    const graceful = Machine.start(text, { wrongCalls: 'graceful' });
    t.is(graceful.task('a').state, 'DELAYED', body);
    graceful.advance(1);
    t.is(graceful.task('a').state, 'ERROR', body);
    t.true(graceful.task('a').stateInfo?.startsWith(message), graceful.task('a').stateInfo ?? '');
    t.is(graceful.task('b').state, 'SUCCESS');
    t.is(graceful.state, 'SUCCESS');
    // An unknown action of items is handled in any case (spec/engine.md §9).
    t.is(forced.state, 'ERROR', body);
    t.is(forced.tasksOf('b').length, 0);
  }
});

test('§30.8: of several executions of a task, task() with its name is the last one', (t) => {
  const m = Machine.start(`
wf:
  output: {r: <% task(a).result %>}
  tasks:
    s: {action: std.noop, publish: {n: 0}, on-success: a}
    a: {action: std.echo output=<% $.n %>, publish: {n: <% $.n + 1 %>}, on-success: [a: <% $.n < 3 %>]}
`);
  t.deepEqual(m.output, { r: 2 });
});

test('§30.10: results are JSON in state_info, texts stand as they are', (t) => {
  for (const [data, text] of [
    ['{a: [1, true, null]}', '{"a": [1, true, null]}'],
    ['[1, x]', '[1, "x"]'],
    ['plain', 'plain'],
  ] as const) {
    const m = Machine.start(`wf: {tasks: {a: {action: std.fail, input: {error_data: ${data}}}}}`);
    t.deepEqual(JSON.stringify(m.task('a').stateInfo?.replaceAll(' ', '')), JSON.stringify(text.replaceAll(' ', '')));
  }
});

test('§30.12: counters of versions are not seen in $, and variables win over methods in Jinja', (t) => {
  const m = Machine.start(`
wf:
  output: {keys: <% $.keys().orderBy($) %>, items: "{{ _.items }}", whole: <% $ %>}
  tasks: {a: {action: std.noop, publish: {items: [1], x: 2}}}
`);
  t.is(m.state, 'SUCCESS', m.record.stateInfo ?? '');
  t.deepEqual(
    (m.output.keys as string[]).filter((key) => key === '__versions'),
    [],
  );
  t.deepEqual(m.output.items, [1]);
  t.false(Object.hasOwn(m.output.whole as object, '__versions'));
});

test('§30.16: for the output, too, the newer value of a variable wins, however late the older one came', (t) => {
  const m = Machine.start(`
wf:
  output: {a: <% $.a %>}
  tasks:
    l: {action: std.noop, publish: {a: first}, on-success: l2}
    l2: {action: std.noop, publish: {a: second}}
    r: {action: std.async_noop, publish: {a: only}}
`);
  m.finish('r');
  t.deepEqual(m.output, { a: 'second' });
});
