import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../keeping.ts';
import type { HealthReport } from '../provider.ts';
import { wrong } from '../settings.ts';
import { cleanSpark } from './cleaning.ts';
import { childEnvironment } from './environment.ts';
import { readObject, send } from './http.ts';
import type { ProviderFactory } from './index.ts';
import { createLocal } from './local.ts';
import type { LocalEngine } from './local.ts';
import { PoolReader } from './reading.ts';

/**
 * Spark's own cluster manager as child processes (spec/cluster.md §4.2): a master with its REST submission server, and `size` workers. Ports
 * of a block: master, its web page, REST, then two for each worker.
 */
export const createSparkStandalone: ProviderFactory = (pool, options) => {
  const read = new PoolReader(pool.name, pool.config);
  const home = read.text('home') ?? options.environment['SPARK_HOME'] ?? null;
  const host = read.text('host') ?? '127.0.0.1';
  const cores = read.count('worker_cores', 2, 1, 1024);
  const memory = read.count('worker_memory_mb', 1024, 256);
  const daemon = read.count('daemon_memory_mb', 512, 128);
  const environment = { ...childEnvironment(options.environment), ...read.texts('environment') };
  if (home === null) throw wrong(pool.name, 'home should be the folder of a Spark installation, or SPARK_HOME set');
  const program = join(home, 'bin', 'spark-class');
  const resetSeconds = read.count('reset_seconds', 30, 1, 3600);
  const engine: LocalEngine = {
    host,
    portStart: read.count('port_start', 7100, 1024, 32_000),
    readySeconds: read.count('ready_seconds', 120, 1, 3600),
    resetSeconds,
    logBytes: read.count('log_max_mb', 64, 1, 100_000) * 1_048_576,
    plan: (size) => ({ cores: cores * size, memoryMb: memory * size + daemon * (size + 1) }),
    portCount: (size) => Math.ceil((3 + 2 * size) / 10) * 10,
    endpoints: (ports) => ({
      master: `spark://${host}:${ports}`,
      rest: `http://${host}:${ports + 2}`,
      ui: `http://${host}:${ports + 1}`,
    }),
    layOut: async ({ folder, size, ports }) => {
      const env = {
        PYSPARK_PYTHON: pythonOf(home, read.text('python') ?? options.environment['PYSPARK_PYTHON'] ?? null),
        ...environment,
        SPARK_HOME: home,
        SPARK_LOCAL_IP: host,
        SPARK_LOCAL_DIRS: join(folder, 'local'),
        SPARK_LOG_DIR: join(folder, 'log'),
        SPARK_DAEMON_MEMORY: `${daemon}m`,
        // Spark shall fail when a port is taken, not move to the next one.
        SPARK_MASTER_OPTS: `-Dspark.master.rest.enabled=true -Dspark.master.rest.port=${ports + 2} -Dspark.master.rest.host=${host} -Dspark.port.maxRetries=0`,
        SPARK_WORKER_OPTS: '-Dspark.port.maxRetries=0',
      };
      const at = (port: number, page: number) => ['--host', host, '--port', String(port), '--webui-port', String(page)];
      const master = [program, 'org.apache.spark.deploy.master.Master', ...at(ports, ports + 1)];
      const worker = (i: number) => [
        program,
        'org.apache.spark.deploy.worker.Worker',
        ...at(ports + 3 + 2 * i, ports + 4 + 2 * i),
        '--cores',
        String(cores),
        '--memory',
        `${memory}m`,
        '--work-dir',
        join(folder, `w${i}`, 'work'),
        `spark://${host}:${ports}`,
      ];
      const workers = Array.from({ length: size }, (_, i) => ({ name: `w${i}`, argv: worker(i), env }));
      return [{ name: 'master', argv: master, env }, ...workers];
    },
    look: async ({ ui = '' }, size, signal) => {
      const state = await readObject(`${ui}/json/`, signal);
      if (state === null) return { ok: false, why: 'its master does not answer' };
      const { status, aliveworkers: alive } = state;
      if (status !== 'ALIVE') return { ok: false, why: `its master is ${String(status)}` };
      return { ok: alive === size, why: `${String(alive)} of ${size} workers are there` };
    },
    isOpen: ({ rest = '' }, signal) => takesSubmissions(rest, signal),
    // 3.5 cannot forget what has ended: where there was anything, only a new cluster shows the next user nothing of the last one.
    clean: (endpoints, signal) => cleanSpark(endpoints, resetSeconds, signal),
    usersFolders: (run, nodes) => [
      { path: join(run, 'local'), keeps: 1 },
      ...nodes.map((name) => ({ path: join(run, name, 'work'), keeps: 0 })),
    ],
  };
  return createLocal(engine);
};

/** Whether a submission server is ready (spec/spark.md §5). That of 3.5 does not know the question: it answers 400 once it is there. */
export async function takesSubmissions(rest: string, signal: AbortSignal): Promise<HealthReport> {
  try {
    const { status } = await send('GET', `${rest}/v1/submissions/readyz`, signal);
    return { ok: status < 500, why: `its submission server answers ${status}` };
  } catch (error) {
    return { ok: false, why: messageOf(error) };
  }
}

/** A Spark from PyPI lives in a virtual environment, whose Python is the one to use. */
function pythonOf(home: string, configured: string | null): string {
  if (configured !== null) return configured;
  const own = join(home, '../../../../bin/python');
  return existsSync(own) ? own : 'python3';
}
