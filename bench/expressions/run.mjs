// node bench/expressions/run.mjs [CASE...] [--json] [--python PATH | --no-python]: one evaluation of compiled expressions, and compiling by itself,
// beside jmespath, jsonata and the Python library that YAQL comes from. All in one run on one machine: only the ratios mean anything.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { createRequire } from 'node:module';
import jsonata from 'jsonata';
import { withPython } from '../python.mjs';
import { cases as allCases, datasets } from './cases.mjs';

const build = new URL(`../../${process.env.BUILD_DIR ?? 'dist'}/`, import.meta.url);
const { parse } = await import(new URL('dsl/yaql/index.js', build));
const { evaluate } = await import(new URL('dsl/expressions/index.js', build));
const { parseTemplate } = await import(new URL('dsl/expressions/jinja/parser.js', build));

/** Milliseconds: for each contender of a question, and for one batch of evaluations, which should fit between two interruptions. */
const BUDGET = 400;
const BATCH = 2;

const jmespath = jmespathWithInterpreter();
const interpreter = jmespath.interpreter();

const args = process.argv.slice(2);
const wanted = args.filter((arg, i) => !arg.startsWith('--') && args[i - 1] !== '--python');
const cases = wanted.length === 0 ? allCases : allCases.filter(({ name }) => wanted.includes(name));
if (cases.length === 0) throw new Error(`no such case: there are ${allCases.map(({ name }) => name).join('; ')}`);
const python = withPython('yaql', args, pythonFigures);
const results = [];
// Whatever comes first would be measured while the machine still compiles.
for (const { yaql, data } of cases) {
  const warm = parse(yaql);
  await inTurns({ warm: () => warm.evaluate(datasets[data]) });
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
if (args.includes('--figures')) console.log(JSON.stringify(asFigures(results)));
else if (args.includes('--json')) console.log(JSON.stringify(results, null, 2));
else print(results);

/** Nanoseconds for each language, and for compiling. */
async function measure(one) {
  const data = datasets[one.data];
  const yaql = parse(one.yaql);
  const expected = yaql.evaluate(data);
  const same = (what, value) => {
    if (one.sameValue !== false && !isDeepStrictEqual(JSON.parse(JSON.stringify(value)), expected)) {
      throw new Error(`${one.name}: ${what} gives another value`);
    }
  };
  const works = { yaql: () => yaql.evaluate(data), compileYaql: () => parse(one.yaql).compiled };
  const scope = { data, host: null };
  // As a workflow asks: by the text, with everything around it.
  const text = `<% ${one.yaql} %>`;
  same('the text', evaluate(text, scope));
  works.text = () => evaluate(text, scope);
  if (one.jinja !== null) {
    same('Jinja', evaluate(one.jinja, scope));
    works.jinja = () => evaluate(one.jinja, scope);
    works.compileJinja = () => parseTemplate(one.jinja);
  }
  if (one.jmespath !== null) {
    const tree = jmespath.compile(one.jmespath);
    works.jmespath = () => interpreter.search(tree, data);
    same('jmespath', works.jmespath());
    works.compileJmespath = () => jmespath.compile(one.jmespath);
  }
  if (one.jsonata === null) return inTurns(works);
  const compiled = jsonata(one.jsonata);
  const jsonataWork = () => compiled.evaluate(data);
  same('jsonata', await jsonataWork());
  works.compileJsonata = () => jsonata(one.jsonata);
  return inTurns(works, { jsonata: jsonataWork });
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

/**
 * Nanoseconds of the best batch of each work. The works take turns, so that a busy machine, a warm cache or a collection of garbage
 * meets all of them. What answers by promises is waited for.
 */
async function inTurns(works, asyncWorks = {}) {
  const entries = [
    ...Object.entries(works).map(([name, work]) => ({ name, batch: (rounds) => batchOf(work, rounds) })),
    ...Object.entries(asyncWorks).map(([name, work]) => ({ name, batch: (rounds) => asyncBatchOf(work, rounds) })),
  ].map((entry) => ({ ...entry, rounds: 1, best: Number.POSITIVE_INFINITY, left: BUDGET }));
  while (entries.some(({ left }) => left > 0)) {
    for (const entry of entries) {
      if (entry.left <= 0) continue;
      const taken = await entry.batch(entry.rounds);
      entry.best = Math.min(entry.best, taken / entry.rounds);
      entry.left -= taken;
      if (taken < BATCH) entry.rounds *= 2;
    }
  }
  return Object.fromEntries(entries.map(({ name, best }) => [name, best * 1e6]));
}

function batchOf(work, rounds) {
  const start = performance.now();
  for (let i = 0; i < rounds; i += 1) work();
  return performance.now() - start;
}

async function asyncBatchOf(work, rounds) {
  const start = performance.now();
  for (let i = 0; i < rounds; i += 1) await work();
  return performance.now() - start;
}

/** The figures of the Python library; null where it is not there. */
function pythonFigures(python) {
  if (python === null) return null;
  const input = JSON.stringify({ datasets, cases: cases.map(({ yaql, data }) => ({ text: yaql, data })) });
  const script = new URL('reference.py', import.meta.url).pathname;
  const { status, stdout, stderr } = spawnSync(python, [script], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`the Python side failed: ${stderr}`);
  return JSON.parse(stdout);
}

/** As `npm run bench` reads them: how many times as long each contender takes. */
function asFigures(rows) {
  const ratios = rows.flatMap((row, i) => [
    { what: `${row.name}: one evaluation of YAQL`, value: row.yaql / 1000, unit: 'us' },
    ...['python', 'jsonata', 'jmespath'].flatMap((name) => {
      const target = cases[i].targets[name];
      if (row[name] === undefined) return [];
      const goal = target === undefined ? {} : { target: `>= ${target}` };
      return [{ what: `${row.name}: ${name} takes as long`, value: row[name] / row.yaql, unit: 'x', ...goal }];
    }),
  ]);
  const [path, deep] = ['path', 'path in 0.7 MB'].map((wantedName) => rows.find(({ name }) => name === wantedName));
  if (path === undefined || deep === undefined) return ratios;
  return [
    ...ratios,
    { what: 'a path in 0.7 MB of data by one in little', value: deep.yaql / path.yaql, unit: 'x', target: '<= 1.2' },
  ];
}

function print(rows) {
  console.log(
    'One evaluation, compiled before. Times in microseconds; x: how many times as long as ours (bigger is better for us).\n',
  );
  const columns = ['case', 'yaql', 'as text', 'jinja', 'jmespath', 'x', 'jsonata', 'x', 'python', 'x', 'missed'];
  const table = rows.map((row, i) => [
    row.name,
    micros(row.yaql),
    micros(row.text),
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
  if (path !== undefined && deep !== undefined) {
    console.log(`\n0.7 MB of data against little: ${(deep.yaql / path.yaql).toFixed(2)} times (target: 1)`);
  }
  console.log('\nCompiling, in microseconds.\n');
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
