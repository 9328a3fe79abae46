import test from 'ava';
import * as fc from 'fast-check';
import { graphOf, parseWorkflows, workflowSpecFrom } from '../../dsl/index.ts';
import { reachable, stronglyConnected } from '../../dsl/graph.ts';
import { brief, warningsOf, workflowOf, workflowText } from './texts.ts';
import { randomRuns } from '../helpers/random-runs.ts';

test('edges are transitions of all clauses, each pair of tasks once, commands left out', (t) => {
  const graph = graphOf(
    workflowOf(`tasks:
  a: {on-success: [b, {b: <% 1 %>}, fail], on-error: b, on-complete: c, on-skip: d}
  b: {on-success: c}
  c: {join: all}
  d: {tags: [x]}
  fail: {tags: [x]}`),
  );
  t.deepEqual(graph.startTasks, ['a', 'fail']);
  t.deepEqual(graph.targets('a'), ['b', 'c', 'd']);
  t.deepEqual(graph.inbound('c'), ['a', 'b']);
  t.deepEqual(graph.inbound('a'), []);
  t.deepEqual(graph.inbound('unknown'), []);
});

test('joins after a task are the first ones on every way, also around cycles', (t) => {
  const graph = graphOf(
    workflowOf(`tasks:
  s: {on-success: [a, b]}
  a: {on-success: a2, on-error: s2}
  a2: {on-success: [a, j1]}
  b: {on-success: j1}
  j1: {join: all, on-success: [c, j2]}
  c: {on-success: j2}
  j2: {join: 1, on-success: end}
  s2: {on-success: j2}
  end: {tags: [x]}`),
  );
  t.deepEqual([...graph.joinsAfter('a')].sort(), ['j1', 'j2']);
  t.deepEqual([...graph.joinsAfter('a2')].sort(), ['j1', 'j2']);
  t.deepEqual(graph.joinsAfter('b'), ['j1']);
  t.deepEqual(graph.joinsAfter('j1'), ['j2']);
  t.deepEqual(graph.joinsAfter('j2'), []);
  t.deepEqual([...graph.joinsAfter('s')].sort(), ['j1', 'j2']);
});

test('reverse workflows: edges lead from the required task', (t) => {
  const graph = graphOf(workflowOf('type: reverse\ntasks: {a: {tags: [x]}, b: {requires: a}, c: {requires: [a, b]}}'));
  t.deepEqual(graph.startTasks, ['a']);
  t.deepEqual(graph.targets('a'), ['b', 'c']);
  t.deepEqual(graph.inbound('c'), ['a', 'b']);
  t.deepEqual(graph.joinsAfter('a'), []);
});

test('a graph is made once per spec', (t) => {
  const spec = workflowOf('tasks: {a: {tags: [x]}}');
  t.is(graphOf(spec), graphOf(spec));
  t.not(graphOf(spec), graphOf(workflowSpecFrom(spec.raw)));
});

const edges = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })), { maxLength: 25 });
const nodes = Array.from({ length: 10 }, (_, i) => `t${i}`);

test('groups of tasks that reach each other agree with reachability', (t) => {
  fc.assert(
    fc.property(edges, (pairs) => {
      const targets = (node: string): string[] =>
        pairs.filter(([from]) => `t${from}` === node).map(([, to]) => `t${to}`);
      const groups = stronglyConnected(nodes, targets);
      t.deepEqual(groups.flat().sort(), nodes);
      const groupOf = new Map(groups.flatMap((group, i) => group.map((node) => [node, i] as const)));
      for (const a of nodes) {
        const fromA = reachable([a], targets);
        for (const b of nodes) {
          const together = fromA.has(b) && reachable([b], targets).has(a);
          if (together !== (groupOf.get(a) === groupOf.get(b))) return false;
          if (fromA.has(b) && (groupOf.get(b) ?? 0) > (groupOf.get(a) ?? 0)) return false;
        }
      }
      return true;
    }),
    { numRuns: randomRuns(40), seed: 7 },
  );
});

test('joins after a task agree with a plain search on random graphs', (t) => {
  fc.assert(
    fc.property(edges, fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }), (pairs, joined) => {
      const joins = new Set(
        joined.map((i) => `t${i}`).filter((name) => pairs.some(([from, to]) => `t${to}` === name && from !== to)),
      );
      const raw = {
        name: 'wf',
        tasks: Object.fromEntries(
          nodes.map((name) => {
            const next = [...new Set(pairs.filter(([from]) => `t${from}` === name).map(([, to]) => `t${to}`))];
            return [
              name,
              { name, ...(next.length > 0 ? { 'on-success': next } : {}), ...(joins.has(name) ? { join: 'all' } : {}) },
            ];
          }),
        ),
      };
      const graph = graphOf(workflowSpecFrom(raw));
      return nodes.every((name) => {
        const expected = new Set<string>();
        const seen = new Set<string>();
        const visit = (node: string): void => {
          for (const target of graph.targets(node)) {
            if (joins.has(target)) expected.add(target);
            else if (!seen.has(target)) {
              seen.add(target);
              visit(target);
            }
          }
        };
        visit(name);
        return JSON.stringify([...expected].sort()) === JSON.stringify([...graph.joinsAfter(name)].sort());
      });
    }),
    { numRuns: randomRuns(60), seed: 11 },
  );
  t.pass();
});

test('warnings: tasks that can never start', (t) => {
  t.deepEqual(brief(warningsOf(workflowText('tasks:\n  a: {tags: [x]}\n  b: {on-success: c}\n  c: {on-success: b}'))), [
    "5:5 Task 'b' can never start: nothing leads to it from a start task",
    "6:5 Task 'c' can never start: nothing leads to it from a start task",
  ]);
});

const JOINS: readonly (readonly [tasks: string, warning: RegExp | null])[] = [
  [
    '{a: {on-success: b, on-error: c}, b: {on-success: j}, c: {on-success: j}, j: {join: all}}',
    /^Join 'j' can never be met: 'b' and 'c' follow different outcomes of 'a'$/,
  ],
  ['{a: {on-success: b, on-error: c}, b: {on-success: j}, c: {on-success: j}, j: {join: one}}', null],
  ['{a: {on-success: b, on-complete: c}, b: {on-success: j}, c: {on-success: j}, j: {join: all}}', null],
  ['{a: {on-success: [b, j]}, b: {on-error: j}, j: {join: all}}', null],
  [
    '{a: {on-success: b, on-error: j}, b: {on-error: j}, j: {join: all}}',
    /^Join 'j' can never be met: 'a' and 'b' follow different outcomes of 'a'$/,
  ],
  [
    '{a: {on-success: b}, b: {on-success: c, on-error: d}, c: {on-success: [b, j]}, d: {on-success: j}, j: {join: all}}',
    null,
  ],
  [
    '{a: {on-success: j}, j: {join: all, on-success: b}, b: {on-error: j}}',
    /^Join 'j' can never be met: b can not complete before it$/,
  ],
  ['{a: {on-success: j}, j: {join: 1, on-success: b}, b: {on-error: j}}', null],
];

for (const [tasks, expected] of JOINS) {
  test(`the join in ${tasks} is ${expected === null ? 'fine' : 'warned of'}`, (t) => {
    const messages = warningsOf(workflowText(`tasks: ${tasks}`)).map(({ message }) => message);
    if (expected === null) t.deepEqual(messages, []);
    else t.regex(messages.join('\n'), expected);
  });
}

test('a thousand tasks with joins among them are read, and the joins behind each are known', (t) => {
  const lines = Array.from({ length: 1000 }, (_, i) => {
    const next = i < 999 ? `\n    on-success: [{t${i + 1}: <% $.v${i} > ${i} %>}]` : '';
    const join = i % 50 === 49 ? '\n    join: all' : '';
    return `  t${i}:\n    action: std.echo output="<% $.a + ${i} %>"\n    publish: {v${i}: <% task().result %>}${next}${join}`;
  });
  const [spec] = parseWorkflows(workflowText(`tasks:\n${lines.join('\n')}`)).specs;
  if (spec === undefined) throw new Error('no workflow');
  t.is(spec.tasks.size, 1000);
  const graph = graphOf(spec);
  t.deepEqual(graph.joinsAfter('t0'), ['t49']);
  t.deepEqual(graph.joinsAfter('t49'), ['t99']);
  t.deepEqual(graph.joinsAfter('t999'), []);
});
