import { join, relative } from 'node:path';
import { abortOnSignals, Cleanup } from '../helpers/cleanup.ts';
import { run } from '../helpers/processes.ts';
import { buildFolder, projectRoot } from '../helpers/project.ts';
import { gatherTests } from './gather.ts';
import type { Room } from './gather.ts';
import { Machine } from './machine.ts';
import { readTap } from './tap.ts';

/**
 * Runs the test suites one after the other and counts: `node dist/test/suites/main.js [SUITE...]`, without names the usual ones.
 * The last line is `N passed, N failed, N skipped`. A suite whose engine is not on this machine is skipped by name;
 * with TRAMONTANE_REQUIRE_ALL=1 whatever is skipped is a failure.
 */
const requireAll = process.env.TRAMONTANE_REQUIRE_ALL === '1';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

async function main(wanted: readonly string[]): Promise<number> {
  const { SUITES, USUAL_SUITES, GATHERED } = await suiteList();
  const unknown = wanted.filter((name) => !SUITES.includes(name));
  if (unknown.length > 0) {
    console.error(`Unknown suite ${unknown.join(', ')}: the suites are ${SUITES.join(', ')}`);
    return 2;
  }
  const cleanup = new Cleanup();
  gatherTests(buildFolder, { rooms: GATHERED, otherSuites: SUITES.filter((name) => name !== 'fast') });
  const signal = abortOnSignals((name) => console.log(`\n${name}: ending ...`));
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    const machine = new Machine(cleanup, signal);
    for (const suite of wanted.length > 0 ? wanted : USUAL_SUITES) await runSuite(suite, machine, counts, signal);
  } catch (error) {
    if (!signal.aborted) console.error(String(error));
    counts.failed += 1;
  } finally {
    await cleanup.run();
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts.failed > 0 ? 1 : 0;
}

interface SuiteList {
  readonly SUITES: readonly string[];
  readonly USUAL_SUITES: readonly string[];
  readonly GATHERED: readonly Room[];
}

async function suiteList(): Promise<SuiteList> {
  return (await import(join(projectRoot, 'scripts/suites.mjs'))) as SuiteList;
}

async function runSuite(suite: string, machine: Machine, counts: Counts, signal: AbortSignal): Promise<void> {
  const ready = await machine.prepare(suite);
  signal.throwIfAborted();
  if ('missing' in ready) {
    skipSuite(suite, ready.missing, counts);
    return;
  }
  const startedAt = Date.now();
  const env = {
    ...process.env,
    ...ready.env,
    TEST_SUITE: suite,
    TEST_GATHERED: '1',
    BUILD_DIR: relative(projectRoot, buildFolder),
  };
  const ava = join(projectRoot, 'node_modules/ava/entrypoints/cli.mjs');
  const { code, stdout, stderr } = await run(process.execPath, [ava, '--tap'], { cwd: projectRoot, env, signal });
  signal.throwIfAborted();
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  if (/^1\.\.0$/m.test(stdout) && readTap(stdout).results.length === 0) {
    skipSuite(suite, 'has no test files.', counts);
    return;
  }
  const found = countSuite(suite, stdout, counts);
  if (code !== 0 && found.failed === 0) {
    console.log(
      `FAILED ${suite}: the test runner ended with code ${code}\n${stdout.slice(-2000)}\n${stderr.slice(-4000)}`,
    );
    found.failed += 1;
    counts.failed += 1;
  }
  console.log(
    `suite ${suite}: ${found.passed} passed, ${found.failed} failed, ${found.skipped} skipped in ${seconds} s`,
  );
}

function skipSuite(suite: string, why: string, counts: Counts): void {
  console.log(`${requireAll ? 'FAILED' : 'SKIPPED'} suite ${suite}: ${why}`);
  counts[requireAll ? 'failed' : 'skipped'] += 1;
}

function countSuite(suite: string, output: string, counts: Counts): Counts {
  const own: Counts = { passed: 0, failed: 0, skipped: 0 };
  const { results, complete } = readTap(output);
  for (const result of results) {
    const outcome = result.outcome === 'skipped' && requireAll ? 'failed' : result.outcome;
    own[outcome] += 1;
    if (result.outcome === 'skipped')
      console.log(`${requireAll ? 'FAILED (skipped)' : 'SKIPPED'} ${suite}: ${result.title}`);
    if (result.outcome === 'failed') console.log([`FAILED ${suite}: ${result.title}`, ...result.details].join('\n'));
  }
  if (!complete && results.length > 0) {
    console.log(`FAILED ${suite}: the test runner broke off`);
    own.failed += 1;
  }
  counts.passed += own.passed;
  counts.failed += own.failed;
  counts.skipped += own.skipped;
  return own;
}

process.exitCode = await main(process.argv.slice(2));
