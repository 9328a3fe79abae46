import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { buildFolder, projectRoot } from '../helpers/project.ts';
import { differences } from '../helpers/expectation.ts';
import { gatherTests } from './gather.ts';
import { readTap } from './tap.ts';

const OUTPUT = `TAP version 13
ok 1 - store › rows come back as they were written
not ok 2 - store › a claim is taken once
  ---
    message: Difference
  ...
ok 3 - flink › a job is cancelled # SKIP
# later # TODO
ok 4

1..4
# tests 3
`;

test('TAP of ava is read with passed, failed and skipped tests', (t) => {
  const { results, complete } = readTap(OUTPUT);
  t.true(complete);
  t.deepEqual(
    results.map(({ title, outcome }) => [title, outcome]),
    [
      ['store › rows come back as they were written', 'passed'],
      ['store › a claim is taken once', 'failed'],
      ['flink › a job is cancelled', 'skipped'],
      ['(no title)', 'passed'],
    ],
  );
  t.deepEqual(results[1]?.details, ['    message: Difference']);
});

test('TAP without a plan is not complete', (t) => {
  t.false(readTap('TAP version 13\nok 1 - a\n').complete);
});

test('expectations: patterns fit, everything else must be equal', (t) => {
  const actual = { id: 'local-17', words: 3, list: [1, { a: null }] };
  t.deepEqual(
    differences({ id: { $matches: '^local-\\d+$' }, words: { $any: true }, list: [1, { a: null }] }, actual),
    [],
  );
  t.deepEqual(differences({ id: { $matches: '^app-' }, words: 4, list: [1, { a: null }] }, actual), [
    'output.id: "local-17" does not match ^app-',
    'output.words: expected 4, got 3',
  ]);
  t.deepEqual(differences({ id: { $any: true }, words: 3 }, actual), ['output.list: unexpected [1,{"a":null}]']);
  t.deepEqual(differences([1, 2], [1]), ['output: expected [1,2], got [1]']);
});

test('plain test files of rooms are gathered in one file, those of other suites are not', (t) => {
  const build = mkdtempSync(join(tmpdir(), 'tramontane-gather-'));
  t.teardown(() => rmSync(build, { recursive: true }));
  for (const name of [
    'a/one.test.js',
    'a/deep/two.test.js',
    'a/slow.slow.test.js',
    'a/texts.js',
    'b/three.test.js',
    'c/four.test.js',
  ]) {
    mkdirSync(join(build, 'test', name, '..'), { recursive: true });
    writeFileSync(join(build, 'test', name), '');
  }
  const options = { rooms: [{ name: 'abc', places: ['a', 'b', 'c/four.test'] }], otherSuites: ['slow'] };
  gatherTests(build, { rooms: [{ name: 'b', places: ['b'] }], otherSuites: [] });
  gatherTests(build, options);
  t.deepEqual(readdirSync(join(build, 'test/gathered')), ['abc.test.js'], 'what was gathered before is gone');
  t.is(
    readFileSync(join(build, 'test/gathered/abc.test.js'), 'utf8'),
    ['../suites/limit.js', '../a/deep/two.test.js', '../a/one.test.js', '../b/three.test.js', '../c/four.test.js']
      .map((file) => `import '${file}';\n`)
      .join(''),
  );
});

test('every test file is of one suite', async (t) => {
  const { SUITES, suiteFiles } = (await import(join(projectRoot, 'scripts/suites.mjs'))) as {
    SUITES: readonly string[];
    suiteFiles(suite: string): readonly string[];
  };
  const all = readdirSync(join(buildFolder, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js') && !name.startsWith('gathered/'))
    .map((name) => `BUILD/test/${name}`);
  t.true(all.length > 100);
  for (const file of all) {
    const takers = SUITES.filter((suite) => takes(suiteFiles(suite), file));
    t.is(takers.length, 1, `${file}: ${takers.join(', ')}`);
  }
});

/** As ava does: what a pattern with `!` takes away is gone. */
function takes(patterns: readonly string[], file: string): boolean {
  const fits = (pattern: string) => matchesGlob(pattern, file);
  return (
    patterns.some((pattern) => !pattern.startsWith('!') && fits(pattern)) &&
    !patterns.some((pattern) => pattern.startsWith('!') && fits(pattern.slice(1)))
  );
}

function matchesGlob(pattern: string, file: string): boolean {
  const source = pattern
    .replace(/[.+]/g, '\\$&')
    .replaceAll('**/', '\0')
    .replaceAll('**', '\0')
    .replaceAll('*', '[^/]*')
    .replaceAll('\0', '(?:.*)');
  return new RegExp(`^${source}$`).test(file);
}
