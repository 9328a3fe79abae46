import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ProviderError } from '../provider.ts';
import { wrong } from '../settings.ts';
import { cleanFlink } from './cleaning.ts';
import { childEnvironment } from './environment.ts';
import { readObject } from './http.ts';
import type { ProviderFactory } from './index.ts';
import { createLocal } from './local.ts';
import type { LocalEngine } from './local.ts';
import { PoolReader } from './reading.ts';

/**
 * A Flink session as child processes (spec/cluster.md §4.3, spec/flink.md §5.2): one job manager and `size` task managers, by Java directly.
 * Ports of a block: REST, then the job manager's own; task managers take what the system gives them, on the loopback interface.
 */
export const createFlinkSession: ProviderFactory = (pool, options) => {
  const read = new PoolReader(pool.name, pool.config);
  const home = read.text('home') ?? options.environment['FLINK_HOME'] ?? null;
  const host = read.text('host') ?? '127.0.0.1';
  const slots = read.count('slots', 4, 1, 1000);
  const heap = read.count('task_heap_mb', 256, 64);
  const jobManagerHeap = read.count('jobmanager_heap_mb', 400, 128);
  const environment = { ...childEnvironment(options.environment), ...read.texts('environment') };
  const settings = read.texts('settings');
  if (home === null) throw wrong(pool.name, 'home should be the folder of a Flink installation, or FLINK_HOME set');
  const java = read.text('java') ?? javaOf(environment);
  const resetSeconds = read.count('reset_seconds', 30, 1, 3600);
  const engine: LocalEngine = {
    host,
    portStart: read.count('port_start', 8100, 1024, 32_000),
    readySeconds: read.count('ready_seconds', 120, 1, 3600),
    resetSeconds,
    logBytes: read.count('log_max_mb', 64, 1, 100_000) * 1_048_576,
    plan: (size) => ({ cores: size, memoryMb: jobManagerHeap + 200 + size * (heap + 600) }),
    portCount: () => 10,
    endpoints: (ports) => ({ rest: `http://${host}:${ports}` }),
    layOut: async ({ folder, size, ports }) => {
      for (const name of ['conf', 'tmp', 'upload', 'checkpoints', 'savepoints'])
        await mkdir(join(folder, 'session', name), { recursive: true });
      const guards = (await javaMajor(java, environment)) < 24;
      const config = { ...configOf({ host, ports, slots, heap, folder, guards }), ...settings };
      const text = Object.entries(config).map(([key, value]) => `${key}: ${value}\n`);
      const conf = join(folder, 'session', 'conf');
      await writeFile(join(conf, 'config.yaml'), text.join(''), { mode: 0o600 });
      await writeFile(join(conf, 'log4j.properties'), LOGGING);
      const classPath = await classPathOf(home);
      const node = (name: string, jvm: readonly string[], main: string) => {
        const log = join(folder, name, 'node.log');
        const flags = [
          `-Djava.io.tmpdir=${join(folder, 'session', 'tmp')}`,
          `-Dlog.file=${log}`,
          `-Dlog4j.configurationFile=file:${join(conf, 'log4j.properties')}`,
        ];
        const guard = guards ? ['-Djava.security.manager=allow'] : [];
        const common = [...OPENS, ...guard, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', ...flags];
        const argv = [java, ...common, ...jvm, '-cp', classPath, main, '--configDir', conf];
        return { name, argv, env: environment, log };
      };
      const manager = node(
        'jobmanager',
        ['-Xms128m', `-Xmx${jobManagerHeap}m`, '-XX:MaxMetaspaceSize=192m'],
        'org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint',
      );
      const total = heap + 96;
      const worker = (i: number) =>
        node(
          `w${i}`,
          [`-Xms${total}m`, `-Xmx${total}m`, '-XX:MaxDirectMemorySize=128m', '-XX:MaxMetaspaceSize=160m'],
          'org.apache.flink.runtime.taskexecutor.TaskManagerRunner',
        );
      return [manager, ...Array.from({ length: size }, (_, i) => worker(i))];
    },
    look: async ({ rest = '' }, size, signal) => {
      const overview = await readObject(`${rest}/overview`, signal);
      if (overview === null) return { ok: false, why: 'its job manager does not answer' };
      const { taskmanagers, 'slots-total': total } = overview;
      const ok = taskmanagers === size && typeof total === 'number' && total >= size * slots;
      return { ok, why: `${String(taskmanagers)} of ${size} task managers are there` };
    },
    clean: (endpoints, signal) => cleanFlink(endpoints, resetSeconds, signal),
    usersFolders: (run) =>
      ['checkpoints', 'savepoints'].map((name) => ({ path: join(run, 'session', name), keeps: 0 })),
  };
  return createLocal(engine);
};

interface SessionOptions {
  readonly host: string;
  readonly ports: number;
  readonly slots: number;
  readonly heap: number;
  readonly folder: string;
  readonly guards: boolean;
}

function configOf({ host, ports, slots, heap, folder, guards }: SessionOptions): Readonly<Record<string, string>> {
  const place = (name: string) => join(folder, 'session', name);
  return {
    'jobmanager.rpc.address': host,
    'jobmanager.rpc.port': String(ports + 1),
    'jobmanager.bind-host': host,
    'rest.address': host,
    'rest.bind-address': host,
    'rest.port': String(ports),
    'rest.bind-port': String(ports),
    'blob.server.port': String(ports + 2),
    'taskmanager.host': host,
    'taskmanager.bind-host': host,
    'taskmanager.numberOfTaskSlots': String(slots),
    // Without Flink's own scripts none of these has a default.
    'taskmanager.cpu.cores': '1.0',
    'taskmanager.memory.framework.heap.size': '96m',
    'taskmanager.memory.framework.off-heap.size': '64m',
    'taskmanager.memory.task.heap.size': `${heap}m`,
    'taskmanager.memory.task.off-heap.size': '0m',
    'taskmanager.memory.managed.size': '64m',
    'taskmanager.memory.network.min': '64m',
    'taskmanager.memory.network.max': '64m',
    'taskmanager.memory.jvm-metaspace.size': '160m',
    'taskmanager.memory.jvm-overhead.min': '128m',
    'taskmanager.memory.jvm-overhead.max': '128m',
    'io.tmp.dirs': place('tmp'),
    'web.upload.dir': place('upload'),
    'execution.checkpointing.dir': `file://${place('checkpoints')}`,
    'execution.checkpointing.savepoint-dir': `file://${place('savepoints')}`,
    'restart-strategy.type': 'none',
    // One job that calls System.exit in main() would take the job manager with it. The guard is a Java security manager: gone in 24.
    ...(guards && { 'cluster.intercept-user-system-exit': 'THROW' }),
  };
}

async function classPathOf(home: string): Promise<string> {
  const folders = [join(home, 'lib'), join(home, 'table')].filter((folder) => existsSync(folder));
  const jars = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(folder)).filter((name) => name.endsWith('.jar')).map((name) => join(folder, name)),
    ),
  );
  const found = jars.flat().toSorted();
  if (found.length === 0) throw new ProviderError(`there are no jars in ${join(home, 'lib')}`);
  const isLast = (jar: string) => /\/flink-dist[^/]*$/.test(jar);
  return [...found.filter((jar) => !isLast(jar)), ...found.filter(isLast)].join(':');
}

function javaOf(environment: Readonly<Record<string, string>>): string {
  const home = environment['JAVA_HOME'];
  return home === undefined ? 'java' : join(home, 'bin', 'java');
}

function javaMajor(java: string, env: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    execFile(java, ['-version'], { env, timeout: 60_000 }, (error, _out, text) => {
      const major = /version "(\d+)/.exec(text)?.[1];
      if (error !== null || major === undefined)
        reject(new ProviderError(`${java} -version: ${error?.message ?? 'it tells no version'}`));
      else resolve(Number(major));
    });
  });
}

const OPENS: readonly string[] = [
  '--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED',
  ...[
    'java.lang',
    'java.net',
    'java.io',
    'java.nio',
    'sun.nio.ch',
    'java.lang.reflect',
    'java.text',
    'java.time',
    'java.util',
    'java.util.concurrent',
    'java.util.concurrent.atomic',
    'java.util.concurrent.locks',
  ].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
];

/** A file of bounded size; REST shows it as the node's log. */
const LOGGING = `monitorInterval = 0
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = MainAppender
appender.main.name = MainAppender
appender.main.type = RollingFile
appender.main.fileName = \${sys:log.file}
appender.main.filePattern = \${sys:log.file}.%i
appender.main.layout.type = PatternLayout
appender.main.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n
appender.main.policies.type = Policies
appender.main.policies.size.type = SizeBasedTriggeringPolicy
appender.main.policies.size.size = 20MB
appender.main.strategy.type = DefaultRolloverStrategy
appender.main.strategy.max = 2
logger.netty.name = org.apache.flink.shaded.akka.org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
`;
