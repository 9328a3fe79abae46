import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { run, signalGroup, waitForExit, type Finished } from './processes.ts';
import { projectRoot } from './project.ts';
import { waitFor } from './waiting.ts';

const scripts = join(projectRoot, 'scripts/engines');

type EngineName = 'spark' | 'flink';

export interface Engines {
  readonly sparkHome: string;
  readonly flinkHome: string;
  /** What `spark-submit` needs in its environment. */
  readonly sparkEnv: NodeJS.ProcessEnv;
}

export interface FlinkSession {
  readonly url: string;
  readonly state: string;
  stop(): Promise<void>;
}

type Say = (text: string) => void;

/** Finds Spark and Flink, or fetches them into the cache folder: some 440 MB and a minute, the first time only. */
export async function prepareEngines(env: NodeJS.ProcessEnv, say: Say, signal: AbortSignal): Promise<Engines> {
  const [sparkHome, flinkHome] = await Promise.all([
    env.SPARK_HOME ?? installed('spark', '3.5', say, signal),
    env.FLINK_HOME ?? installed('flink', '1.20', say, signal),
  ]);
  return { sparkHome, flinkHome, sparkEnv: sparkEnvironment(sparkHome, env) };
}

/** As {@link prepareEngines}, but installs nothing: null for an engine that is not there. */
export async function findEngines(
  env: NodeJS.ProcessEnv,
): Promise<{ readonly sparkHome: string | null; readonly flinkHome: string | null }> {
  const [sparkHome, flinkHome] = await Promise.all([
    env.SPARK_HOME ?? present('spark', '3.5'),
    env.FLINK_HOME ?? (await present('flink', '2')) ?? present('flink', '1.20'),
  ]);
  return { sparkHome, flinkHome };
}

/** What `spark-submit` needs in its environment. */
export function sparkEnvironment(sparkHome: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // A Spark from PyPI lives in a virtual environment: its Python is the one to use for driver and workers.
  const python = join(sparkHome, '../../../../bin/python');
  return {
    SPARK_HOME: sparkHome,
    SPARK_LOCAL_IP: '127.0.0.1',
    PYSPARK_PYTHON: env.PYSPARK_PYTHON ?? (existsSync(python) ? python : 'python3'),
  };
}

/** Compiles the example's Flink job and returns the path of its jar. */
export async function buildFlinkJob(flinkHome: string, signal: AbortSignal): Promise<string> {
  const script = join(projectRoot, 'examples/spark-then-flink/build.sh');
  const built = await run(script, [], { env: { ...process.env, FLINK_HOME: flinkHome }, signal });
  return lastLine(succeeded(built, 'Building the Flink job', signal));
}

/** Starts a session cluster, on a free port unless told which; `options` are Flink's own, key=value. Its logs are in `folder`. */
export async function startFlink(
  flinkHome: string,
  folder: string,
  signal: AbortSignal,
  more: { readonly port?: number; readonly slots?: number; readonly options?: readonly string[] } = {},
): Promise<FlinkSession> {
  await mkdir(folder, { recursive: true });
  const options = (more.options ?? []).flatMap((option) => ['-D', option]);
  const slots = more.slots === undefined ? [] : ['--slots', String(more.slots)];
  const start = ['--home', flinkHome, '--port', String(more.port ?? 0), '--state', folder, ...slots, ...options];
  const stop = async () => {
    await run(join(scripts, 'flink/stop-session.sh'), ['--state', folder]);
  };
  // A free port may be taken between looking and binding: try another one. And Flink's actors give up when they do not start within ten seconds.
  const passes = /BindException|already answers|Futures timed out/;
  let started = await run(join(scripts, 'flink/start-session.sh'), start, { signal });
  for (let tries = 1; tries < 4 && started.code !== 0 && !signal.aborted && passes.test(started.stderr); tries++) {
    started = await run(join(scripts, 'flink/start-session.sh'), start, { signal });
  }
  if (started.code !== 0) await stop();
  const url = /FLINK_REST_URL=(\S+)/.exec(succeeded(started, 'Starting Flink', signal))?.[1];
  if (url === undefined) throw new Error(`start-session.sh printed no address: ${started.stdout}`);
  return { url, state: folder, stop };
}

/** Starts the SQL gateway beside a session cluster, and ends with it; null where it is not installed (`install.sh --sql`). */
export async function startSqlGateway(
  flinkHome: string,
  session: FlinkSession,
  signal: AbortSignal,
): Promise<string | null> {
  if (!existsSync(join(flinkHome, 'gateway'))) return null;
  const clusterPort = new URL(session.url).port;
  // Below the ports that the system hands out, and away from those of clusters.
  const port = String(10_000 + Math.floor(Math.random() * 9000));
  const options = ['--home', flinkHome, '--port', port, '--cluster-port', clusterPort, '--state', session.state];
  const started = await run(join(scripts, 'flink/start-sql-gateway.sh'), options, { signal });
  return /FLINK_SQL_URL=(\S+)/.exec(succeeded(started, 'Starting the SQL gateway', signal))?.[1] ?? null;
}

/** Starts the ZooKeeper that comes with Flink, for clusters with high availability; answers its address, `host:port`. */
export async function startZooKeeper(
  flinkHome: string,
  folder: string,
): Promise<{ readonly address: string; stop(): Promise<void> }> {
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const config = join(folder, 'zoo.cfg');
  const settings = [`dataDir=${folder}/data`, `clientPort=${port}`, 'clientPortAddress=127.0.0.1', 'tickTime=1000'];
  await writeFile(config, [...settings, 'admin.enableServer=false', ''].join('\n'));
  const main = 'org.apache.flink.runtime.zookeeper.FlinkZooKeeperQuorumPeer';
  const args = [
    '-Xmx64m',
    '-XX:TieredStopAtLevel=1',
    '-cp',
    `${flinkHome}/lib/*`,
    main,
    '--zkConfigFile',
    config,
    '--peerId',
    '1',
  ];
  const child = spawn('java', args, { cwd: folder, stdio: 'ignore', detached: true });
  const stop = async () => {
    signalGroup(child, 'SIGKILL');
    await waitForExit(child);
  };
  const answers = () =>
    new Promise<boolean>((resolve, reject) => {
      if (child.exitCode !== null) return reject(new Error(`ZooKeeper ended with ${child.exitCode}`));
      const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  try {
    await waitFor('ZooKeeper', answers, 120_000);
  } catch (error) {
    await stop();
    throw error;
  }
  return { address: `127.0.0.1:${port}`, stop };
}

async function installed(engine: EngineName, version: string, say: Say, signal: AbortSignal): Promise<string> {
  const found = await present(engine, version);
  if (found !== null) return found;
  say(
    `Fetching ${engine === 'spark' ? 'Spark (370 MB)' : 'Flink (70 MB)'} into the cache folder, the first time only ...`,
  );
  const done = await run(join(scripts, engine, 'install.sh'), [version], { signal });
  return lastLine(succeeded(done, `Installing ${engine}`, signal));
}

async function present(engine: EngineName, version: string): Promise<string | null> {
  const { code, stdout } = await run(join(scripts, engine, 'install.sh'), ['--where', version]);
  return code === 0 ? lastLine(stdout) : null;
}

function succeeded(finished: Finished, what: string, signal: AbortSignal): string {
  signal.throwIfAborted();
  if (finished.code !== 0)
    throw new Error(`${what} failed (exit code ${finished.code}):\n${finished.stderr.trim().slice(-3000)}`);
  return finished.stdout;
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
