import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { abortOnSignals, Cleanup } from '../helpers/cleanup.ts';
import { runChaos } from './run.ts';
import type { ChaosResult } from './run.ts';

const HELP = `Runs real nodes on PostgreSQL and Redis under a load of workflows, kills, stops and cuts off whatever there is at random moments,
and then looks whether each execution came to its right end and no action ran twice that may not.

  npm run chaos -- [--minutes N] [--kills N] [--seed S] [--pause MS] [--width N] [--nodes ROLES|ROLES|…] [--keep] [--verbose]

  --minutes  how long damage is done, default 2
  --kills    ends after so many kill -9, if that is earlier
  --seed     what is done, to whom, and when; default: by the clock. The same seed gives the same plan; processes do not play along exactly
  --pause    milliseconds from one fault to the next, on average, default 1200
  --width    executions under way at once, default 40
  --nodes    roles of each process, default 'api,engine,scheduler|api,engine|engine,executor,scheduler|executor|executor'
  --keep     the folder with the logs stays; it does so anyway when something is wrong
  --verbose  prints each fault when it happens

The last line is: N passed, N failed. N passed are executions.`;

const DEFAULT_NODES = 'api,engine,scheduler|api,engine|engine,executor,scheduler|executor|executor';

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      kills: { type: 'string' },
      seed: { type: 'string' },
      pause: { type: 'string', default: '1200' },
      width: { type: 'string', default: '40' },
      nodes: { type: 'string', default: DEFAULT_NODES },
      keep: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : numberOf('seed', values.seed);
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-chaos-'));
  const cleanup = new Cleanup();
  const signal = abortOnSignals((name) => console.log(`\n${name}: ending everything that was started ...`));
  const startedAt = Date.now();
  const log = (line: string) => {
    if (values.verbose) console.log(`[${((Date.now() - startedAt) / 1000).toFixed(1)} s] ${line}`);
  };
  console.log(`seed ${seed}, logs in ${folder}`);
  let isGood = false;
  try {
    const result = await runChaos(
      {
        folder,
        seed,
        milliseconds: numberOf('minutes', values.minutes) * 60_000,
        kills: values.kills === undefined ? Number.POSITIVE_INFINITY : numberOf('kills', values.kills),
        nodes: values.nodes.split('|'),
        pauseMs: numberOf('pause', values.pause),
        width: numberOf('width', values.width),
        log,
        signal,
      },
      cleanup,
    );
    isGood = result.problems.length === 0;
    show(result, (Date.now() - startedAt) / 1000);
    return isGood ? 0 : 1;
  } catch (error) {
    if (signal.aborted) return 130;
    console.error(
      `The chaos run broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    console.log('0 passed, 1 failed');
    return 1;
  } finally {
    await cleanup.run();
    if (isGood && !values.keep) await rm(folder, { recursive: true, force: true });
    else console.error(`The logs of all processes are in ${folder}`);
  }
}

function show(result: ChaosResult, seconds: number): void {
  console.log('\nfaults');
  for (const [name, count] of result.faults) console.log(`${String(count).padStart(7)}  ${name}`);
  console.log(`${String(result.kills).padStart(7)}  kills in all\n\nends`);
  for (const [end, count] of [...result.ends].toSorted()) console.log(`${String(count).padStart(7)}  ${end}`);
  console.log('\nnodes');
  for (const { name, starts, peakMegabytes } of result.nodes)
    console.log(`${String(starts).padStart(7)}  starts of ${name}, at most ${peakMegabytes} MiB`);
  for (const [refusal, count] of result.refusals) console.log(`${String(count).padStart(7)}  refused: ${refusal}`);
  const rows = Object.entries(result.rows).map(([table, count]) => `${count} ${table}`);
  console.log(`\n${rows.join(', ')}; ${result.calls} calls of actions, ${result.repeatedRequests} requests repeated`);
  console.log(
    `everything had ended ${result.settleSeconds.toFixed(1)} s after the last fault; ${seconds.toFixed(0)} s in all`,
  );
  for (const problem of result.problems.slice(0, MOST_PROBLEMS)) console.log(`PROBLEM ${problem}`);
  if (result.problems.length > MOST_PROBLEMS) console.log(`and ${result.problems.length - MOST_PROBLEMS} more`);
  const executions = [...result.ends.values()].reduce((sum, count) => sum + count, 0);
  console.log(`${executions} passed, ${result.problems.length} failed`);
}

const MOST_PROBLEMS = 30;

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  console.error(`--${name} needs a number, not '${text}'.\n\n${HELP}`);
  process.exit(2);
}

process.exitCode = await main();
