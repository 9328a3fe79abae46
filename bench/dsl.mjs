// node bench/dsl.mjs [--python PATH | --no-python]: parses and validates workflows of 30 and 1,000 tasks with this build, and runs simulated tests.
// The reference's own parser and validation (the package `mistral`) read the text of 30 tasks for comparison.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { withPython } from './python.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const build = (path) => import(pathToFileURL(join(root, process.env.BUILD_DIR ?? 'dist', path)).href);
const { parseWorkflows } = await build('dsl/index.js');

const figures = [];
const folder = mkdtempSync(join(tmpdir(), 'tramontane-bench-'));
try {
  const few = median(30, () => parseWorkflows(workflowOf(30)));
  print('parse and validate 30 tasks, each with an expression', few, 'ms', null);
  print(
    'the same with 1,000 tasks',
    median(30, () => parseWorkflows(workflowOf(1000))),
    'ms',
    null,
  );
  let round = 0;
  const fresh = median(30, () => parseWorkflows(workflowOf(1000, (round += 1))));
  print('1,000 tasks, every expression new', fresh, 'ms', '<= 100');
  // The reference takes minutes for a thousand.
  const file = join(folder, '30.yaml');
  writeFileSync(file, workflowOf(30));
  const theirs = withPython('mistral', process.argv, (python) => (python === null ? null : reference(python, file)));
  if (theirs !== null) {
    print("the reference's parser and validation, 30 tasks", theirs, 'ms', null);
    print('times faster', theirs / few, '', '>= 20');
  }
  await simulated();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (figures.length > 0) console.log(JSON.stringify(figures));

async function simulated() {
  const { createCatalogue } = await build('executors/index.js');
  const { readLibrary } = await build('api/simulation/library.js');
  const { readTestFile } = await build('api/simulation/test-file.js');
  const { simulate } = await build('api/simulation/simulation.js');
  const { complaintsAbout } = await build('api/simulation/compare.js');
  const path = join(root, 'examples/retry-and-recover');
  const read = (name) => readFileSync(join(path, name), 'utf8');
  const library = readLibrary([{ path, text: read('workflow.yaml') }], createCatalogue());
  const [workflow] = library.workflows.values();
  const { tests } = readTestFile(path, read('test.yaml'));
  const run = (times) => {
    for (let i = 0; i < times; i += 1) {
      const { input, mocks, expect } = tests[i % tests.length];
      const complaints = complaintsAbout(simulate(library, { workflow, input, params: {}, mocks }), expect);
      if (complaints.length > 0) throw new Error(complaints.join('\n'));
    }
  };
  run(500);
  const cases = 3000;
  const before = process.cpuUsage();
  const start = performance.now();
  run(cases);
  const { user, system } = process.cpuUsage(before);
  print('tests of a workflow with retries', cases / ((performance.now() - start) / 1000), '/s', '>= 1000');
  print('the same per second of processor time', cases / ((user + system) / 1e6), '/s', null);
}

/** A chain with an expression in each task, a condition on each tenth transition, and a join at the end. */
function workflowOf(count, round = 0) {
  const tasks = Array.from({ length: count }, (_, i) => {
    const next =
      i + 1 === count ? '' : `\n      on-success:\n        - t${i + 1}${i % 10 === 0 ? `: <% $.v${i} > 0 %>` : ''}`;
    const join = i === count - 1 ? '\n      join: all' : '';
    return `    t${i}:\n      action: std.echo output=<% $.x + ${i + round * count} %>${join}\n      publish:\n        v${i}: <% task().result %>${next}`;
  });
  return `version: '2.0'\nwide:\n  input:\n    - x: 1\n  tasks:\n${tasks.join('\n')}\n`;
}

function median(times, run) {
  for (let i = 0; i < 3; i += 1) run();
  const took = Array.from({ length: times }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return took.sort((a, b) => a - b)[times >> 1];
}

/** Milliseconds by the reference's own parser, the best of several; null when it cannot be run. */
function reference(python, file) {
  const program = `
import sys, time
from mistral.lang import parser
text = open(sys.argv[1]).read()
taken = []
for _ in range(4):
    start = time.perf_counter()
    parser.get_workflow_list_spec_from_yaml(text, validate=True).get_workflows()
    taken.append(time.perf_counter() - start)
print(min(taken) * 1000)
`;
  const { stdout, stderr, status } = spawnSync(python, ['-c', program, file], { encoding: 'utf8' });
  if (status === 0) return Number(stdout.trim().split('\n').at(-1));
  console.error(`the reference's parser did not run: ${stderr.trim().split('\n').at(-1)}`);
  return null;
}

/** Figures as `npm run bench` reads them (--figures), or a line for each. */
function print(what, value, unit, target) {
  if (process.argv.includes('--figures')) {
    figures.push({ what, value, unit, ...(target === null ? {} : { target }) });
    return;
  }
  console.log(
    `${what.padEnd(60)} ${value.toFixed(1).padStart(9)} ${unit}${target === null ? '' : `   target ${target}`}`,
  );
}
