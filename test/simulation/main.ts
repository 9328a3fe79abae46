import { parseArgs } from 'node:util';
import { Coverage } from './coverage.ts';
import { generate, generateForPeople } from './generate.ts';
import { show } from './report.ts';
import { shrink } from './shrink.ts';
import { simulate } from './simulate.ts';

const USAGE = 'npm run simulate -- [--seeds N] [--seed FIRST] [--trace] [--no-shrink] [--stop-at FAILURES] [--people]';

/** A line about how far it is, in runs that last. */
const PROGRESS_MS = 60_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    'no-shrink': { type: 'boolean', default: false },
    people: { type: 'boolean', default: false },
    'stop-at': { type: 'string', default: '3' },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
} else {
  process.exitCode = await main(
    whole('seeds', values.seeds),
    whole('seed', values.seed),
    whole('stop-at', values['stop-at']),
  );
}

async function main(count: number, first: number, most: number): Promise<number> {
  const coverage = new Coverage();
  const failed: number[] = [];
  const started = Date.now();
  let told = started;
  for (let seed = first; seed < first + count && failed.length < most; seed++) {
    const scenario = values.people ? generateForPeople(seed) : generate(seed);
    const { ran, problems } = await simulate(scenario, { trace: values.trace });
    coverage.add(scenario, ran);
    if (Date.now() - told > PROGRESS_MS) {
      told = Date.now();
      console.log(`… up to seed ${seed}: ${failed.length} failed, ${cpuPerSeed(coverage.seeds)} ms of CPU each`);
    }
    if (values.trace) console.log(show(scenario, ran, problems));
    if (problems.length === 0) continue;
    failed.push(seed);
    console.log(`seed ${seed} failed: ${problems[0] ?? ''}`);
    if (values['no-shrink']) continue;
    const small = await shrink(scenario, problems);
    console.log(show(small.scenario, small.ran, small.problems));
  }
  console.log(coverage.table());
  const missing = coverage.missing(values.people);
  if (missing.length > 0) console.log(`occurred in less than 1 % of the seeds: ${missing.join(', ')}`);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const each = `${seconds} s, ${cpuPerSeed(coverage.seeds)} ms of CPU each`;
  console.log(`${coverage.seeds} seeds from ${first} in ${each}; failed: ${failed.join(', ') || 'none'}`);
  console.log(`${coverage.seeds - failed.length} passed, ${failed.length + (missing.length > 0 ? 1 : 0)} failed`);
  return failed.length === 0 && missing.length === 0 ? 0 : 1;
}

function cpuPerSeed(seeds: number): number {
  const { user, system } = process.cpuUsage();
  return Math.round((user + system) / 1000 / Math.max(1, seeds));
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    console.error(`--${name} needs a whole number, not '${text}'.\n${USAGE}`);
    process.exit(2);
  }
  return value;
}
