import test from 'ava';
import {
  contextFromDelta,
  type ContextNode,
  EMPTY_CONTEXT,
  flattenContext,
  inheritContext,
  mergeContexts,
  outboundContext,
} from '../../engine/core/context.ts';
import type { ContextDelta, TaskExecutionId } from '../../engine/core/model.ts';
import type { JsonObject } from '../../dsl/json.ts';
import { stringifyJson } from '../../dsl/json.ts';
import { Machine } from './machine.ts';

const id = (name: string) => name as TaskExecutionId;

function publish(node: ContextNode, ...values: JsonObject[]): ContextNode {
  return values.reduce<ContextNode>((at, value) => outboundContext(at, value), node);
}

function merged(...nodes: ContextNode[]): JsonObject {
  return flattenContext(mergeContexts(nodes.map((outbound, i) => ({ id: id(`t${i}`), outbound }))).node);
}

test('a publish replaces a variable as a whole', (t) => {
  t.deepEqual(flattenContext(publish(EMPTY_CONTEXT, { a: { b: 1 } }, { a: {} })), { a: {} });
  t.deepEqual(flattenContext(publish(EMPTY_CONTEXT, { a: { b: 1 } }, { a: { c: 2 } })), { a: { c: 2 } });
});

const base = publish(EMPTY_CONTEXT, { a: 0, b: 0, c: { x: 0, y: 0 } });
const merges: readonly (readonly [string, readonly ContextNode[], JsonObject])[] = [
  [
    'each branch published another variable',
    [publish(base, { a: 1 }), publish(base, { b: 2 })],
    { a: 1, b: 2, c: { x: 0, y: 0 } },
  ],
  [
    'the greater counter wins, left',
    [publish(base, { a: 1 }, { a: 2 }), publish(base, { a: 3 })],
    { a: 2, b: 0, c: { x: 0, y: 0 } },
  ],
  [
    'the greater counter wins, right',
    [publish(base, { a: 3 }), publish(base, { a: 1 }, { a: 2 })],
    { a: 2, b: 0, c: { x: 0, y: 0 } },
  ],
  [
    'of equal counters the later completion wins',
    [publish(base, { a: 1 }), publish(base, { a: 2 })],
    { a: 2, b: 0, c: { x: 0, y: 0 } },
  ],
  [
    'three branches',
    [publish(base, { a: 1 }), publish(base, { a: 2 }, { a: 3 }), publish(base, { a: 4 })],
    { a: 3, b: 0, c: { x: 0, y: 0 } },
  ],
  [
    'mappings merge by leaf',
    [publish(base, { c: { x: 1, y: 0 } }), publish(base, { c: { x: 0, y: 2 } }, { c: { x: 0, y: 3 } })],
    { a: 0, b: 0, c: { x: 0, y: 3 } },
  ],
  [
    'keys that one side lacks are taken',
    [publish(base, { c: { x: 1 } }), publish(base, { d: 1 })],
    { a: 0, b: 0, c: { x: 1, y: 0 }, d: 1 },
  ],
  ['a list is one leaf', [publish(EMPTY_CONTEXT, { l: [1] }), publish(EMPTY_CONTEXT, { l: [2] })], { l: [2] }],
  ['an untouched branch does not win', [publish(base, { a: 5 }), base], { a: 5, b: 0, c: { x: 0, y: 0 } }],
];
for (const [title, nodes, expected] of merges) {
  test(`merge: ${title}`, (t) => t.deepEqual(merged(...nodes), expected));
}

test('variables may be called like members of objects', (t) => {
  const names = ['constructor', 'toString', 'hasOwnProperty', 'valueOf'];
  for (const name of names) {
    const one = publish(EMPTY_CONTEXT, { [name]: 1 });
    const two = publish(one, { [name]: 2 });
    t.deepEqual(two.versions, { [name]: 2 });
    t.deepEqual(merged(two, one), { [name]: 2 });
    t.deepEqual(merged(one, two), { [name]: 2 });
  }
});

test('a context built from stored differences equals the one in memory, counters included', (t) => {
  const stored = new Map<string, { delta: ContextDelta; published: JsonObject }>();
  const load = (name: string): ContextNode => {
    const row = stored.get(name);
    if (row === undefined) return EMPTY_CONTEXT;
    const below = row.delta.base === null ? EMPTY_CONTEXT : outbound(row.delta.base);
    return contextFromDelta(row.delta, below);
  };
  const outbound = (name: string): ContextNode => outboundContext(load(name), stored.get(name)?.published ?? null);
  let node: ContextNode = EMPTY_CONTEXT;
  let before: string | null = null;
  for (let i = 0; i < 200; i++) {
    const upstream = before === null ? [] : [{ id: id(before), outbound: node }];
    if (before !== null && i % 7 === 0) {
      // A second branch beside the last task, published before it, so that the merge has equal values with other counters.
      const side = `side${i}`;
      const sideContext = inheritContext(id(before), node);
      stored.set(side, { delta: sideContext.delta, published: { same: 1 } });
      upstream.push({ id: id(side), outbound: outboundContext(sideContext.node, { same: 1 }) });
    }
    const { delta, node: inbound } = mergeContexts(upstream);
    const published: JsonObject = i % 3 === 0 ? { [`v${i % 10}`]: i, same: 1 } : {};
    stored.set(`t${i}`, { delta, published });
    node = outboundContext(inbound, published);
    before = `t${i}`;
    t.deepEqual(flattenContext(outbound(before)), flattenContext(node));
    t.deepEqual(versions(outbound(before)), versions(node));
  }
  const bytes = [...stored.values()].reduce((sum, row) => sum + JSON.stringify(row).length, 0);
  t.true(bytes < 60_000, `${bytes} bytes`);
});

function versions(node: ContextNode): Record<string, number> {
  const all: Record<string, number> = {};
  for (let at: ContextNode | null = node; at !== null; at = at.base) {
    for (const [key, value] of Object.entries(at.versions)) if (!Object.hasOwn(all, key)) all[key] = value;
  }
  return all;
}

test('a chain of 2,000 tasks that each publish stores a number of bytes in proportion to its length', (t) => {
  const bytes = (n: number, name: (i: number) => string) => {
    const tasks = Array.from({ length: n }, (_, i) => {
      const next = i + 1 < n ? `, on-success: t${i + 1}` : '';
      return `    t${i}: {action: std.noop, publish: {${name(i)}: ${i}}${next}}`;
    });
    const m = Machine.start(`wf:\n  tasks:\n${tasks.join('\n')}`, { steps: 64 });
    t.is(m.state, 'SUCCESS');
    const contexts = [...m.tasks.values()].map((task) => stringifyJson(task.context as unknown as JsonObject).length);
    t.true(m.view.tasks.size <= 1, `${m.view.tasks.size} tasks are kept in memory`);
    t.is(m.view.actions.size, 0);
    t.true(m.view.inbound.size <= 1);
    return contexts.reduce((sum, length) => sum + length, 0);
  };
  const all = bytes(2_000, (i) => `v${i}`);
  t.true(all < 2_000 * 100, `${all} bytes for as many variables`);
  const few = bytes(2_000, (i) => `v${i % 5}`);
  t.true(few < 2_000 * 100, `${few} bytes for five variables`);
});

test('contexts of parallel branches do not leak into one another', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, publish: {x: a}, on-success: a2}
    b: {action: std.noop, publish: {y: b}, on-success: b2}
    a2: {action: std.echo, input: {output: "<% $.get(y, none) %>"}}
    b2: {action: std.echo, input: {output: "<% $.get(x, none) %>"}}
`);
  t.deepEqual(m.actionsOf('a2')[0]?.output, { result: 'none' });
  t.deepEqual(m.actionsOf('b2')[0]?.output, { result: 'none' });
});

test('a branch variable shadows a global one, vars and input; global() sees the global one', (t) => {
  const m = Machine.start(
    `
wf:
  input: [x, i]
  vars: {x: var, v: <% $.i %>}
  output: {a: <% $.x %>, b: <% global(x) %>, v: <% $.v %>}
  tasks:
    a:
      action: std.noop
      on-success:
        publish:
          branch: {x: branch}
          global: {x: <% $.x %>-global}
        next: b
    b:
      action: std.noop
`,
    { input: { x: 'input', i: 1 } },
  );
  t.deepEqual(m.output, { a: 'branch', b: 'var-global', v: 1 });
  t.deepEqual(m.record.context, { x: 'var-global', v: 1 });
  t.deepEqual(m.task('a').publishedGlobal, { x: 'var-global' });
});

test('values published by one evaluation do not see each other; conditions see them', (t) => {
  const m = Machine.start(`
wf:
  vars: {x: 1}
  tasks:
    a:
      action: std.noop
      publish: {x: <% $.x + 1 %>, y: <% $.x %>}
      on-success:
        - b: <% $.x = 2 %>
    b: {action: std.noop}
`);
  t.deepEqual(m.task('a').published, { x: 2, y: 1 });
  t.is(m.task('b').state, 'SUCCESS');
});

test('published is {} without a clause for the state, null when the clause has no branch', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.fail, publish: {x: 1}, on-error: noop}
    b: {action: std.noop, on-success: {publish: {global: {g: 1}}, next: c}}
    c: {action: std.noop}
`);
  t.deepEqual(m.task('a').published, {});
  t.is(m.task('b').published, null);
  t.is(m.record.context.g, 1);
});

test('a global publish merges deeply and at once', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.async_noop, on-success: {publish: {global: {g: {a: 1}}}}}
    b: {action: std.async_noop, on-success: {publish: {global: {g: {b: 2}}}}}
`);
  m.finish('a');
  t.deepEqual(m.record.context, { g: { a: 1 } });
  m.finish('b');
  t.deepEqual(m.record.context, { g: { a: 1, b: 2 } });
});

test('a join sees the newer value of each variable, whichever branch republished it', (t) => {
  const m = Machine.start(`
wf:
  output: {a: <% $.a %>, b: <% $.b %>}
  tasks:
    s: {action: std.noop, publish: {a: 0, b: 0}, on-success: [l, r]}
    l: {action: std.async_noop, publish: {a: 1}, on-success: j}
    r: {action: std.async_noop, publish: {b: 1}, on-success: j}
    j: {join: all}
`);
  m.finish('r');
  m.finish('l');
  t.deepEqual(m.output, { a: 1, b: 1 });
});

test('of two branches that published the same variable equally often the one that completed later wins', (t) => {
  for (const order of [
    ['l', 'r'],
    ['r', 'l'],
  ]) {
    const m = Machine.start(`
wf:
  output: {a: <% $.a %>}
  tasks:
    l: {action: std.async_noop, publish: {a: l}, on-success: j}
    r: {action: std.async_noop, publish: {a: r}, on-success: j}
    j: {join: all}
`);
    for (const name of order) m.finish(name);
    t.is(m.output.a, order[1] ?? '');
  }
});

test('succeed leaves out what a task with unfinished successors published', (t) => {
  const m = Machine.start(`
wf:
  tasks:
    a: {action: std.noop, publish: {x: 1}, on-success: [b, succeed]}
    b: {action: std.async_noop}
`);
  t.deepEqual(m.output, {});
});
