import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as fc from 'fast-check';
import { drawGraph, GRAPH_FORMATS, MOST_DRAWN } from '../../api/graph/index.ts';
import { graphData } from '../../dsl/graph-data.ts';
import { parseWorkflows } from '../../dsl/index.ts';
import { startApi } from '../helpers/api.ts';
import { runCommandLine } from '../helpers/command-line.ts';
import { randomRuns } from '../helpers/random-runs.ts';

const TEXT = `version: '2.0'
nightly:
  tasks:
    extract:
      action: std.noop
      on-success: [load, {audit: <% $.size > 1 %>}]
      on-error: fail(msg="no <data>")
    audit: {workflow: audit_all, on-complete: load}
    load: {join: all, with-items: 'i in [1]', on-skip: pause}
`;

const graphOfText = (text: string) => {
  const [spec] = parseWorkflows(text).specs;
  if (spec === undefined) throw new Error('no workflow');
  return graphData(spec);
};

test('the data tells tasks from commands, clauses, conditions and joins', (t) => {
  const { nodes, edges } = graphOfText(TEXT);
  t.deepEqual(
    nodes.map((node) =>
      node.kind === 'task' ? `${node.name} join=${node.join ?? '-'}` : `${node.id} ${node.command}`,
    ),
    ['extract join=-', 'audit join=-', 'load join=all', 'command:1 fail', 'command:2 pause'],
  );
  t.deepEqual(
    edges.map(({ from, to, on, condition }) => `${from} ${on} ${to} ${condition ?? ''}`.trim()),
    [
      'task:extract on-success task:load',
      'task:extract on-success task:audit <% $.size > 1 %>',
      'task:extract on-error command:1',
      'task:audit on-complete task:load',
      'task:load on-skip command:2',
    ],
  );
  t.like(nodes[2], { withItems: true, isStart: false, isReachable: true });
  t.like(nodes[1], { run: { type: 'workflow', name: 'audit_all' } });
});

test('edges of reverse workflows lead from what is required; tasks in a closed circle never run', (t) => {
  const reverse = graphOfText(`version: '2.0'\nr: {type: reverse, tasks: {a: {requires: b}, b: {action: std.noop}}}`);
  t.deepEqual(reverse.edges, [{ from: 'task:b', to: 'task:a', on: 'requires', condition: null }]);
  const circle = graphOfText(`version: '2.0'\nw: {tasks: {s: {action: x}, a: {on-success: b}, b: {on-success: a}}}`);
  t.deepEqual(
    circle.nodes.map((node) => node.kind === 'task' && node.isReachable),
    [true, false, false],
  );
});

test('every format shows joins, conditions, commands and errors in a way of its own', (t) => {
  const graph = graphOfText(TEXT);
  const dot = drawGraph(graph, 'dot').text;
  t.regex(dot, /"task:load" \[label="load\\nstd\.noop\\njoin: all\\nwith-items", shape="house"/);
  t.regex(dot, /"task:extract" -> "task:audit" \[label="\$\.size > 1", color="#2e7d32", style="dashed"\]/);
  t.regex(dot, /"task:extract" -> "command:1" \[label="on-error", color="#c62828"\]/);
  t.regex(dot, /"command:1" \[label="fail\\nno <data>", shape="ellipse"/);

  const mermaid = drawGraph(graph, 'mermaid').text;
  t.regex(mermaid, /n2\[\/"load<br\/>std\.noop<br\/>join: all<br\/>with-items"\\\]/);
  t.regex(mermaid, /n0 -\.->\|"#36;\.size #62; 1"\| n1/);
  t.regex(mermaid, /n3\(\["fail<br\/>no #60;data#62;"\]\)/);
  t.regex(mermaid, /linkStyle 2 stroke:#c62828/);

  const svg = drawGraph(graph, 'svg').text;
  t.is(svg.match(/height="6" fill="#3c4043"/g)?.length, 1, 'the bar of the join');
  t.is(svg.match(/stroke-dasharray="6 4"/g)?.length, 1, 'the conditional edge');
  t.is(svg.match(/marker-end="url\(#on-error\)"/g)?.length, 1);
  t.regex(svg, /fail: no &lt;data&gt;/);
  t.deepEqual((JSON.parse(drawGraph(graph, 'json').text) as { nodes: unknown[] }).nodes.length, 5);
});

test('no text of a definition breaks a drawing', (t) => {
  const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((text) => text !== 'version');
  t.notThrows(() =>
    fc.assert(
      fc.property(word, word, word, (name, action, message) => {
        const task = { action: 'x', 'on-error': [`fail(msg=${JSON.stringify(message)})`, name] };
        const raw = { type: 'direct', tasks: { [name]: task, other: { action, 'on-success': name, join: 1 } } };
        const { specs } = parseWorkflows(JSON.stringify({ version: '2.0', w: raw }), { validate: false });
        for (const spec of specs) {
          const graph = graphData(spec);
          for (const format of GRAPH_FORMATS) if (drawGraph(graph, format).text === '') return false;
          const svg = drawGraph(graph, 'svg').text;
          // What is not a tag holds no raw sign of XML.
          if (/[<>]|&(?!amp;|lt;|gt;)/.test(svg.replaceAll(/<\/?[a-z][^<>]*>/gi, ''))) return false;
          if (
            drawGraph(graph, 'dot')
              .text.split('\n')
              .some((line) => (line.match(/(?<!\\)(?:\\\\)*"/g)?.length ?? 0) % 2 !== 0)
          )
            return false;
        }
        return true;
      }),
      { numRuns: randomRuns(40), seed: 5 },
    ),
  );
});

test('GET /v2/workflows/{id}/graph answers JSON, or text in the format that is asked for', async (t) => {
  const { send, url } = await startApi(t);
  await send('POST', '/v2/workflows', TEXT, { 'Content-Type': 'text/plain' });
  const answer = await send('GET', '/v2/workflows/nightly/graph');
  t.is(answer.status, 200);
  t.like(answer.body, { workflow: 'nightly', type: 'direct' });
  t.like(answer.body.nodes[2], { id: 'task:load', join: 'all', with_items: true, is_start: false });
  t.is(answer.body.edges.length, 5);
  for (const [format, type, start] of [
    ['dot', 'text/vnd.graphviz', 'digraph'],
    ['mermaid', 'text/vnd.mermaid', 'flowchart'],
    ['svg', 'image/svg+xml', '<svg'],
  ]) {
    const response = await fetch(`${url}/v2/workflows/nightly/graph?format=${format}`);
    t.is(response.status, 200);
    t.true(response.headers.get('content-type')?.startsWith(type ?? ''));
    t.true((await response.text()).startsWith(start ?? ''), format);
  }
  t.regex((await send('GET', '/v2/workflows/nightly/graph?format=png')).body.faultstring, /dot, mermaid, svg, json/);
  t.is((await send('GET', '/v2/workflows/nobody/graph')).status, 404);
});

test('a graph too large to draw in a server is refused as SVG only', async (t) => {
  const { send } = await startApi(t);
  const tasks = Array.from({ length: MOST_DRAWN.server + 1 }, (_, i) => `    t${i}: {action: std.noop}`).join('\n');
  await send('POST', '/v2/workflows', `version: '2.0'\nbig:\n  tasks:\n${tasks}\n`, { 'Content-Type': 'text/plain' });
  const refused = await send('GET', '/v2/workflows/big/graph?format=svg');
  t.is(refused.status, 400);
  t.regex(refused.body.faultstring, /301 nodes and edges, at most 300/);
  t.is((await send('GET', '/v2/workflows/big/graph')).status, 200);
});

test('tramontane graph prints the workflow that is asked for, and names them if there are several', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-graph-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'book.yaml');
  await writeFile(
    file,
    `version: '2.0'\nname: b\nworkflows:\n  one: {tasks: {x: {action: std.noop}}}\n  two: {input: [unused], tasks: {y: {action: no.such}}}\n`,
  );
  const two = await runCommandLine('graph', file, '--workflow', 'two', '--format', 'json');
  t.is(two.code, 0);
  t.like(JSON.parse(two.out), { workflow: 'b.two' });
  t.regex(two.err, /^[^\n]*book\.yaml:5:17: warning: Input 'unused' is never used; [^\n]*\n$/);
  t.like(await runCommandLine('graph', file), { code: 2 });
  t.regex((await runCommandLine('graph', file)).err, /one, two/);
  t.like(await runCommandLine('graph', file, '--workflow', 'two', '--format', 'png'), { code: 2 });
});
