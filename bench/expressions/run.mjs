// npm run bench:expressions [-- --json] [--python PATH]: one evaluation of compiled expressions, and compiling by itself, beside jmespath,
// jsonata and the Python library that YAQL comes from. All in one run on one machine: only the ratios mean anything.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import jsonata from 'jsonata';
import { cases, datasets } from './cases.mjs';

const build = new URL(`../../${process.env.BUILD_DIR ?? 'dist'}/`, import.meta.url);
const { parse } = await import(new URL('dsl/yaql/index.js', build));
const { evaluate } = await import(new URL('dsl/expressions/index.js', build));
const { parseTemplate } = await import(new URL('dsl/expressions/jinja/parser.js', build));

const BUDGET = 400;
const BATCH = 20;

const jmespath = jmespathWithInterpreter();
const interpreter = jmespath.interpreter();

const args = process.argv.slice(2);
const python = await pythonFigures(option('--python'));
const results = [];
// Whatever comes first would be measured while the machine still compiles.
for (const { yaql, data } of cases) {
  const warm = parse(yaql);
  timed(() => warm.evaluate(datasets[data]));
}
for (const one of cases) results.push({ name: one.name, ...(await measure(one)) });
if (python !== null) {
  cases.forEach((one, i) => {
    const { seconds, compile, value } = python[i];
    Object.assign(results[i], { python: seconds * 1e9, compilePython: compile * 1e9 });
    const own = parse(one.yaql).evaluate(datasets[one.data]);
    if (!isDeepStrictEqual(JSON.parse(JSON.stringify(own)), value))
      throw new Error(`${one.name}: Python gives another value`);
  });
}
if (args.includes('--json')) console.log(JSON.stringify(results, null, 2));
else print(results);

function option(name) {
  const at = args.indexOf(name);
  return at < 0 ? null : args[at + 1];
}

/** Nanoseconds for each language. */
async function measure(one) {
  const data = datasets[one.data];
  const yaql = parse(one.yaql);
  const figures = { yaql: timed(() => yaql.evaluate(data)), compileYaql: timed(() => parse(one.yaql).compiled) };
  const expected = yaql.evaluate(data);
  const same = (what, value) => {
    if (one.sameValue !== false && !isDeepStrictEqual(JSON.parse(JSON.stringify(value)), expected)) {
      throw new Error(`${one.name}: ${what} gives another value`);
    }
  };
  if (one.jinja !== null) {
    const scope = { data, host: null };
    same('Jinja', evaluate(one.jinja, scope));
    figures.jinja = timed(() => evaluate(one.jinja, scope));
    figures.compileJinja = timed(() => parseTemplate(one.jinja));
  }
  if (one.jmespath !== null) {
    const tree = jmespath.compile(one.jmespath);
    const search = () => interpreter.search(tree, data);
    same('jmespath', search());
    figures.jmespath = timed(search);
    figures.compileJmespath = timed(() => jmespath.compile(one.jmespath));
  }
  if (one.jsonata !== null) {
    const compiled = jsonata(one.jsonata);
    same('jsonata', await compiled.evaluate(data));
    figures.jsonata = await timedAsync(() => compiled.evaluate(data));
    figures.compileJsonata = timed(() => jsonata(one.jsonata));
  }
  return figures;
}

/** `search` of the package parses each time. Its interpreter alone is the fair opponent, and is not exported. */
function jmespathWithInterpreter() {
  const source = readFileSync(createRequire(import.meta.url).resolve('jmespath'), 'utf8');
  const added = `exports.interpreter = () => {
    const runtime = new Runtime();
    return (runtime._interpreter = new TreeInterpreter(runtime));
  };
  exports.search = search;`;
  const exports = {};
  new Function('exports', source.replace('exports.search = search;', added))(exports);
  return exports;
}

/** Nanoseconds of the best of several batches, each long enough for the clock. */
function timed(work) {
  let rounds = 1;
  let best = Number.POSITIVE_INFINITY;
  for (const until = performance.now() + BUDGET; performance.now() < until; ) {
    const start = performance.now();
    for (let i = 0; i < rounds; i += 1) work();
    const taken = performance.now() - start;
    best = Math.min(best, taken / rounds);
    if (taken < BATCH) rounds *= 2;
  }
  return best * 1e6;
}

/** jsonata answers by promises only. */
async function timedAsync(work) {
  let rounds = 1;
  let best = Number.POSITIVE_INFINITY;
  for (const until = performance.now() + BUDGET; performance.now() < until; ) {
    const start = performance.now();
    for (let i = 0; i < rounds; i += 1) await work();
    const taken = performance.now() - start;
    best = Math.min(best, taken / rounds);
    if (taken < BATCH) rounds *= 2;
  }
  return best * 1e6;
}

/** The figures of the Python library; null, with a word about it, where it cannot be installed. */
async function pythonFigures(given) {
  const folder = given === null ? await mkdtemp(join(tmpdir(), 'yaql-')) : null;
  try {
    const executable = given ?? installYaql(folder);
    if (executable === null) {
      console.error('Without Python: python3 -m venv and pip install yaql did not work here');
      return null;
    }
    const input = JSON.stringify({ datasets, cases: cases.map(({ yaql, data }) => ({ text: yaql, data })) });
    const script = new URL('reference.py', import.meta.url).pathname;
    const { status, stdout, stderr } = spawnSync(executable, [script], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
    if (status !== 0) throw new Error(`the Python side failed: ${stderr}`);
    return JSON.parse(stdout);
  } finally {
    if (folder !== null) await rm(folder, { recursive: true, force: true });
  }
}

function installYaql(folder) {
  const executable = join(folder, 'bin', 'python');
  const steps = [
    ['python3', ['-m', 'venv', folder]],
    [executable, ['-m', 'pip', 'install', '--quiet', 'yaql']],
  ];
  return steps.every(([command, words]) => spawnSync(command, words, { stdio: 'ignore' }).status === 0)
    ? executable
    : null;
}

function print(rows) {
  console.log(
    'One evaluation, compiled before. Times in microseconds; x: how many times as long as ours (bigger is better for us).\n',
  );
  const columns = ['case', 'yaql', 'jinja', 'jmespath', 'x', 'jsonata', 'x', 'python', 'x', 'missed'];
  const table = rows.map((row, i) => [
    row.name,
    micros(row.yaql),
    micros(row.jinja),
    micros(row.jmespath),
    ratio(row.jmespath, row.yaql),
    micros(row.jsonata),
    ratio(row.jsonata, row.yaql),
    micros(row.python),
    ratio(row.python, row.yaql),
    Object.entries(cases[i].targets)
      .filter(([name, target]) => row[name] !== undefined && row[name] / row.yaql < target)
      .map(([name, target]) => `${name} >= ${target}`)
      .join(', '),
  ]);
  align([columns, ...table]);
  const [path] = rows.filter(({ name }) => name === 'path');
  const [deep] = rows.filter(({ name }) => name === 'path in 0.7 MB');
  console.log(`\n0.7 MB of data against little: ${(deep.yaql / path.yaql).toFixed(2)} times (target: 1)\n`);
  console.log('Compiling, in microseconds.\n');
  const compiled = rows.map((row) => [
    row.name,
    micros(row.compileYaql),
    micros(row.compileJinja),
    micros(row.compileJmespath),
    micros(row.compileJsonata),
    micros(row.compilePython),
  ]);
  align([['case', 'yaql', 'jinja', 'jmespath', 'jsonata', 'python'], ...compiled]);
}

function align(table) {
  const widths = table[0].map((_, i) => Math.max(...table.map((row) => row[i].length)));
  for (const row of table) {
    console.log(
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('  ')
        .trimEnd(),
    );
  }
}

function micros(nanoseconds) {
  return nanoseconds === undefined ? '-' : (nanoseconds / 1000).toFixed(nanoseconds < 10_000 ? 3 : 1);
}

function ratio(other, own) {
  return other === undefined ? '' : (other / own).toFixed(other / own < 10 ? 2 : 0);
}
