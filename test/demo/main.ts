import { mkdir, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { endMarkedProcesses } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/project.ts';
import { RestClient } from '../helpers/rest-client.ts';
import { startServer } from '../helpers/server-process.ts';
import { engineChain, localChain, type Chain } from './chains.ts';
import { abortOnSignals, Cleanup } from '../helpers/cleanup.ts';
import { buildFlinkJob, prepareEngines, startFlink } from '../helpers/engines.ts';
import { missingPrerequisites } from './prerequisites.ts';
import { followExecution } from './progress.ts';

const HELP = `Runs a chain of real jobs from a YAML file to its result, and ends everything it started.

  npm run demo                 a Spark job, then a Flink job (fetches both the first time)
  npm run demo -- --local      a chain that needs neither
  npm run demo -- --refuse Liberty    lets the Flink job fail, to see how a failure looks
`;

/** Begins with SPARK_ so that the executor hands it on to spark-submit. */
const MARK = 'SPARK_TRAMONTANE_DEMO';
const startedAt = Date.now();

interface Prepared {
  readonly chain: Chain;
  readonly env: NodeJS.ProcessEnv;
}

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      local: { type: 'boolean', default: false },
      refuse: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const cleanup = new Cleanup();
  const signal = abortOnSignals((name) => console.log(`\n${name}: ending everything that was started ...`));
  try {
    const folder = await mkdtemp(join(tmpdir(), 'tramontane-demo-'));
    // A net below the other steps: whatever still runs with this mark in its environment is ours.
    process.env[MARK] = folder;
    cleanup.add('left-over processes', () => endMarkedProcesses(MARK, folder));
    const prepared = (await useEngines(values.local))
      ? await prepareWithEngines(folder, values.refuse, cleanup, signal)
      : await prepareLocal();
    const state = await runChain(prepared, folder, cleanup, signal);
    return state === 'SUCCESS' ? 0 : 1;
  } catch (error) {
    if (signal.aborted) return 130;
    console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    await cleanup.run();
  }
}

async function useEngines(local: boolean): Promise<boolean> {
  if (local) return false;
  const missing = await missingPrerequisites(process.env);
  if (missing.length === 0) return true;
  console.log('This machine cannot run Spark and Flink yet:');
  for (const sentence of missing) console.log(`  - ${sentence}`);
  if (process.env.TRAMONTANE_REQUIRE_ALL === '1') throw new Error('TRAMONTANE_REQUIRE_ALL=1: nothing may be left out');
  console.log('Running the chain that needs neither (npm run demo -- --local) instead.\n');
  return false;
}

async function prepareLocal(): Promise<Prepared> {
  return { chain: await localChain(), env: process.env };
}

async function prepareWithEngines(
  folder: string,
  refuse: string | undefined,
  cleanup: Cleanup,
  signal: AbortSignal,
): Promise<Prepared> {
  step('Looking for Spark and Flink');
  const engines = await prepareEngines(process.env, step, signal);
  step(`Spark in ${engines.sparkHome}`);
  step(`Flink in ${engines.flinkHome}`);
  const flinkJar = await buildFlinkJob(engines.flinkHome, signal);
  step('Starting a local Flink');
  const flink = await startFlink(engines.flinkHome, join(folder, 'flink'), signal);
  cleanup.add('Flink', flink.stop);
  step(`Flink answers on ${flink.url}`);
  const outputFolder = join(folder, 'output');
  await mkdir(outputFolder);
  return {
    chain: engineChain({ flinkUrl: flink.url, flinkJar, outputFolder, ...(refuse !== undefined && { refuse }) }),
    env: { ...process.env, ...engines.sparkEnv },
  };
}

async function runChain(
  { chain, env }: Prepared,
  folder: string,
  cleanup: Cleanup,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const database = join(folder, 'tramontane.sqlite');
  const logFile = join(folder, 'server.log');
  step('Starting tramontane serve on a fresh SQLite file');
  const server = await startServer({ database: `sqlite:${database}`, env, cwd: folder, logFile });
  cleanup.add('the server', server.stop);
  signal.throwIfAborted();
  step(`The server answers on ${server.url}`);

  const client = new RestClient(server.url);
  await client.createWorkbook(await readFile(join(projectRoot, chain.workbook), 'utf8'));
  step(`Uploaded ${chain.workbook}`);
  const started = await client.startExecution(chain.workflow, chain.input);
  // Cancelling is what ends a Spark job: it belongs to no process of ours and would outlive the server, as it should.
  cleanup.add('the execution', () => cancelIfRunning(client, started.id));
  step(`Started ${chain.workflow}: ${chain.title}`);
  const execution = await followExecution(client, started.id, step, signal);
  step(`The execution is ${execution.state}`);

  if (execution.state === 'SUCCESS') await printResult(chain, JSON.parse(execution.output ?? '{}'));
  else await printFailure(client, execution.id, execution.state_info);
  printWhereToLook({ folder, database, logFile, executionId: execution.id });
  return execution.state;
}

async function cancelIfRunning(client: RestClient, id: string): Promise<void> {
  const { state } = await client.execution(id);
  if (state !== 'RUNNING' && state !== 'PAUSED') return;
  await client.cancel(id, 'The demo was interrupted');
  // The server stops the outside job a moment after it has answered.
  const runs = Date.now() + 15_000;
  while (Date.now() < runs && (await hasRunningAction(client, id))) await sleep(300);
}

async function hasRunningAction(client: RestClient, executionId: string): Promise<boolean> {
  for (const task of await client.tasks(executionId)) {
    if ((await client.actions(task.id)).some((action) => action.state === 'RUNNING')) return true;
  }
  return false;
}

async function printResult(chain: Chain, output: unknown): Promise<void> {
  console.log(`\nResult:\n${JSON.stringify(output, null, 2)}\n`);
  for (const sentence of await chain.explain(output)) console.log(sentence);
}

async function printFailure(client: RestClient, executionId: string, info: string | null): Promise<void> {
  console.log(`\n${info?.split('\n', 1)[0] ?? 'No reason was given.'}`);
  for (const task of await client.tasks(executionId)) {
    for (const action of await client.actions(task.id)) {
      if (action.state === 'ERROR') console.log(`\n${task.name} (${action.name}):\n${withoutStack(action.output)}`);
    }
  }
}

/** A stack trace of a hundred lines hides what one wants to see; the server keeps it. */
function withoutStack(jsonText: string | null): string {
  if (jsonText === null) return '(no output)';
  const hide = (key: string, value: unknown): unknown =>
    key === 'stack' ? '(see the action execution on the server)' : value;
  return JSON.stringify(JSON.parse(jsonText), hide, 2);
}

function printWhereToLook(places: { folder: string; database: string; logFile: string; executionId: string }): void {
  console.log(`
Where to look next:
  ${places.folder}   everything this run wrote (server log: ${places.logFile})
  npx tramontane serve --database sqlite:${places.database}      the server again, with this execution in it:
  curl http://127.0.0.1:8989/v2/executions/${places.executionId}
  examples/README.md    more workflows, each with input and expected result
`);
}

function step(text: string): void {
  console.log(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${text}`);
}
