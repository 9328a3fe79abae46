import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './processes.ts';
import { projectRoot } from './project.ts';

const scripts = join(projectRoot, 'scripts/engines/spark');

/** A real standalone cluster with one worker of two cores on the loopback interface. */
export interface StandaloneSpark {
  /** Of the processes; for what the test leaves beside them. */
  readonly folder: string;
  /** `spark://…` */
  readonly master: string;
  /** Of the submission server, with its path. */
  readonly rest: string;
  /** The master's web page. */
  readonly ui: string;
  stop(): Promise<void>;
}

export async function startStandaloneSpark(): Promise<StandaloneSpark> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-standalone-'));
  const [master, rest, ui, worker, workerUi] = await freePorts(5);
  const env = {
    ...process.env,
    SPARK_STATE: folder,
    SPARK_MASTER_PORT: master,
    SPARK_MASTER_REST_PORT: rest,
    SPARK_MASTER_WEBUI_PORT: ui,
    SPARK_WORKER_PORT: worker,
    SPARK_WORKER_WEBUI_PORT: workerUi,
    // On a crowded machine two virtual machines take minutes to start.
    SPARK_START_SECONDS: '500',
  };
  const { code, stdout, stderr } = await run('bash', [join(scripts, 'start-standalone.sh')], { env });
  if (code !== 0) throw new Error(`The cluster did not start: ${stderr}`);
  const said = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(stdout)?.[1] ?? '';
  return {
    folder,
    master: said('MASTER_URL'),
    rest: said('REST_URL'),
    ui: said('MASTER_UI_URL'),
    stop: async () => {
      await run('bash', [join(scripts, 'stop-standalone.sh')], { env });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Below those that outgoing connections take, which may hold one just when Spark wants it. */
async function freePorts(count: number): Promise<string[]> {
  const found: string[] = [];
  for (let port = 20_000 + Math.floor(Math.random() * 10_000); found.length < count; port++) {
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise<void>((resolve) => server.close(() => resolve()));
    found.push(String(port));
  }
  return found;
}
