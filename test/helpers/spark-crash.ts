import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { openGate, type Gate, type Hold } from './gate.ts';
import { signalGroup, waitForExit } from './processes.ts';
import { RestClient } from './rest-client.ts';
import { startServer, type ServerProcess } from './server-process.ts';
import type { StandaloneSpark } from './standalone-spark.ts';
import { waitFor, waitForEnd } from './waiting.ts';

/** How far a run has come when the server is killed: known to the database alone, started but not yet heard of, running, over and not yet seen. */
export const SPARK_CRASH_PHASES = ['recorded', 'submitted', 'running', 'finished'] as const;
export type SparkCrashPhase = (typeof SPARK_CRASH_PHASES)[number];

const WAIT_MS = 500_000;

// Each run notes itself; a second one would be seen.
const APPLICATION = `import json, os, sys, time
from pyspark.sql import SparkSession

name, folder = sys.argv[1:3]
with open(os.path.join(folder, name + '.runs'), 'a') as runs:
    runs.write(str(os.getpid()) + '\\n')
spark = SparkSession.builder.appName(name).getOrCreate()
rows = spark.range(25).count()
open(os.path.join(folder, name + '.running'), 'w').close()
while not os.path.exists(os.path.join(folder, name + '.go')):
    time.sleep(0.2)
spark.stop()
print('::result ' + json.dumps({'rows': rows}), flush=True)
`;

const WORKFLOW = `version: '2.0'
crash:
  input: [call]
  output: {rows: <% $.rows %>, id: <% $.id %>}
  tasks:
    run:
      action: spark.submit
      input: <% $.call %>
      publish:
        rows: <% task().result.result.rows %>
        id: <% task().result.id %>
idle:
  input: [home, application]
  tasks:
    run:
      action: spark.submit spark_home=<% $.home %> application=<% $.application %> poll_interval=0.2
`;

/**
 * spark-submit on the server's own host with `local[2]`: a real server is killed with SIGKILL while the run is in that phase, and started again on the
 * same database. The workflow must end with the result of the one run.
 */
export async function surviveKillOfProcess(t: ExecutionContext, phase: SparkCrashPhase): Promise<void> {
  const world = await open(t, phase);
  const { folder, file } = world;
  // The wrapper's `mv` tells the server who it is: held here, the run is under way and nobody has heard of it.
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'mv'), HELD_MV.replaceAll('@FOLDER@', folder));
  await chmod(join(bin, 'mv'), 0o755);
  if (phase === 'submitted') await writeFile(file('hold-mv'), '');
  const options = { ...world.options, env: { ...process.env, PATH: `${bin}:${process.env['PATH']}` } };

  const first = await start(t, options);
  const client = new RestClient(first.url);
  await client.createWorkflows(WORKFLOW);
  // All places of this host are taken, so the run is recorded and waits.
  if (phase === 'recorded') await occupyPlaces(client, world);
  const { id } = await client.startExecution('crash', {
    call: {
      application: world.application,
      args: [phase, folder],
      master: 'local[2]',
      conf: { 'spark.ui.enabled': false, 'spark.driver.host': '127.0.0.1' },
      poll_interval: 0.5,
    },
  });
  const [task] = await taskOf(client, id);
  const action = await actionOf(client, task?.id ?? '');
  const runFolder = join(`${folder}/crash.sqlite.files`, 'runs', action);
  switch (phase) {
    case 'recorded':
      await waitFor('the record', async () => (await progressOf(first.url, action)) === 'prepared', WAIT_MS);
      t.false(existsSync(runFolder), 'nothing is laid out yet');
      break;
    case 'submitted':
      await waitFor('the held wrapper', async () => existsSync(file('held-mv')), WAIT_MS);
      break;
    case 'running':
    case 'finished':
      await waitFor('the running job', async () => existsSync(file(`${phase}.running`)), WAIT_MS);
      await waitFor('that it is recorded', async () => (await progressOf(first.url, action)) === 'submitted', WAIT_MS);
  }
  await kill(first);
  await rm(file('hold-mv'), { force: true });
  await writeFile(file('places.go'), '');
  if (phase === 'finished') {
    await writeFile(file(`${phase}.go`), '');
    await waitFor('the end of the run', async () => existsSync(join(runFolder, 'exit')), WAIT_MS);
  }

  const second = await start(t, options);
  await writeFile(file(`${phase}.go`), '');
  await oneGoodRun(t, phase, second, id, world);
}

/** The same with a driver on a real standalone cluster, through its submission server. */
export async function surviveKillOfDriver(
  t: ExecutionContext,
  phase: SparkCrashPhase,
  cluster: StandaloneSpark,
): Promise<void> {
  const world = await open(t, phase);
  const { folder, file } = world;
  const gate = await openGate(new URL(cluster.rest).origin);
  t.teardown(gate.close);
  gate.hold(phase, HOLDS[phase]);
  const config = file('tramontane.yaml');
  await writeFile(
    config,
    `connections:\n  cluster:\n    type: spark-standalone\n    url: ${gate.url(phase)}/v1/submissions\n    master_ui: ${cluster.ui}\n`,
  );
  const options = { ...world.options, args: ['--config', config] };

  const first = await start(t, options);
  const client = new RestClient(first.url);
  await client.createWorkflows(WORKFLOW);
  const { id } = await client.startExecution('crash', {
    call: {
      via: 'rest',
      connection: 'cluster',
      master: cluster.master,
      application: world.application,
      args: [phase, folder],
      driver_memory: '512m',
      executor_memory: '512m',
      total_executor_cores: 1,
      poll_interval: 0.5,
    },
  });
  if (phase === 'finished') await writeFile(file(`${phase}.go`), '');
  if (phase === 'running')
    await waitFor('two looks at the running driver', async () => looksOf(gate, phase, 'RUNNING') > 1, WAIT_MS);
  else await gate.held(phase);
  await kill(first);
  gate.open();

  const second = await start(t, options);
  await writeFile(file(`${phase}.go`), '');
  const driver = await oneGoodRun(t, phase, second, id, world);
  const created = gate.passed(phase).filter(({ line }) => isCreate(line));
  t.is(created.length, 1, 'one driver was asked for');
  t.regex(created[0]?.text ?? '', new RegExp(`"${driver}"`), 'and it is the one that the result names');
}

const HOLDS: Readonly<Record<SparkCrashPhase, Hold>> = {
  recorded: { request: isCreate },
  submitted: { answer: isCreate },
  running: {},
  finished: { answer: (line, text) => isStatus(line) && text.includes('FINISHED') },
};

function isCreate(line: string): boolean {
  return line === 'POST /v1/submissions/create';
}

function isStatus(line: string): boolean {
  return line.startsWith('GET /v1/submissions/status/');
}

function looksOf(gate: Gate, lane: string, state: string): number {
  return gate.passed(lane).filter(({ line, text }) => isStatus(line) && text.includes(state)).length;
}

interface World {
  readonly folder: string;
  readonly application: string;
  readonly options: { readonly database: string; readonly cwd: string; readonly logFile: string };
  file(name: string): string;
}

async function open(t: ExecutionContext, phase: string): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), `tramontane-spark-crash-${phase}-`));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = (name: string) => join(folder, name);
  await writeFile(file('job.py'), APPLICATION);
  return {
    folder,
    application: file('job.py'),
    options: {
      database: `sqlite:${file('crash.sqlite')}`,
      cwd: folder,
      logFile: file('server.log'),
    },
    file,
  };
}

async function start(t: ExecutionContext, options: Parameters<typeof startServer>[0]): Promise<ServerProcess> {
  const server = await startServer(options);
  t.teardown(server.stop);
  return server;
}

async function kill(server: ServerProcess): Promise<void> {
  signalGroup(server.child, 'SIGKILL');
  await waitForExit(server.child);
}

/** Runs of a Spark that only waits, as many as this host takes at once. */
async function occupyPlaces(client: RestClient, { folder, file }: World): Promise<void> {
  const home = join(folder, 'waiting-spark');
  await mkdir(join(home, 'bin'), { recursive: true });
  const program = join(home, 'bin', 'spark-submit');
  await writeFile(
    program,
    `#!/bin/sh\necho x >> '${file('places')}'\nwhile [ ! -e '${file('places.go')}' ]; do sleep 0.5; done\n`,
  );
  await chmod(program, 0o755);
  for (let place = 0; place < PLACES; place++) await client.startExecution('idle', { home, application: '/none.py' });
  await waitFor(
    'that all places are taken',
    async () => {
      const text = await readFile(file('places'), 'utf8').catch(() => '');
      return text.split('\n').length > PLACES;
    },
    WAIT_MS,
  );
}

/** Of one host: executors/spark/plan.ts. */
const PLACES = 8;

const HELD_MV = `#!/bin/sh
case "$1" in
  */process.new)
    while [ -e '@FOLDER@/hold-mv' ]; do : > '@FOLDER@/held-mv'; sleep 0.1; done ;;
esac
exec /bin/mv "$@"
`;

/** Answers what the result names as the run's id. */
async function oneGoodRun(
  t: ExecutionContext,
  phase: string,
  server: ServerProcess,
  execution: string,
  { file }: World,
): Promise<string> {
  const client = new RestClient(server.url);
  const ended = await waitForEnd(client, execution, WAIT_MS);
  t.is(ended.state, 'SUCCESS', `${phase}: ${ended.state_info ?? ''}`);
  const output: unknown = JSON.parse(ended.output ?? 'null');
  t.like(output, { rows: 25 }, phase);
  const [task] = await client.tasks(execution);
  t.is((await client.actions(task?.id ?? '')).length, 1, 'one action execution');
  const runs = (await readFile(file(`${phase}.runs`), 'utf8')).trim().split('\n');
  t.is(runs.length, 1, 'Spark ran it once');
  return (output as { id: string }).id;
}

async function taskOf(client: RestClient, execution: string): Promise<Awaited<ReturnType<RestClient['tasks']>>> {
  await waitFor('the task', async () => (await client.tasks(execution)).length > 0, WAIT_MS);
  return client.tasks(execution);
}

async function actionOf(client: RestClient, task: string): Promise<string> {
  await waitFor('the action', async () => (await client.actions(task)).length > 0, WAIT_MS);
  return (await client.actions(task))[0]?.id ?? '';
}

/** Of the job's record; null while there is none. */
async function progressOf(url: string, action: string): Promise<string | null> {
  const response = await fetch(`${url}/v2/action_executions/${action}/progress`);
  return response.ok ? ((await response.json()) as { phase: string }).phase : null;
}
