import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Cleanup } from '../helpers/cleanup.ts';
import { buildFlinkJob, findEngines, sparkEnvironment, startFlink, startSqlGateway } from '../helpers/engines.ts';
import { run } from '../helpers/processes.ts';
import { findPostgres, startPostgres } from '../helpers/postgres-server.ts';
import { projectRoot } from '../helpers/project.ts';
import { findRedis, startRedis } from '../helpers/redis-server.ts';

/** The environment that lets a suite run, or a sentence that says what is missing. */
export type Readiness = { readonly env: NodeJS.ProcessEnv } | { readonly missing: string };

/** What this machine can offer a suite. Flink is started once, for the suites that need it. */
export class Machine {
  readonly #cleanup: Cleanup;
  readonly #signal: AbortSignal;
  #flink: Promise<Readiness> | null = null;
  #postgres: Promise<Readiness> | null = null;
  #redis: Promise<Readiness> | null = null;

  constructor(cleanup: Cleanup, signal: AbortSignal) {
    this.#cleanup = cleanup;
    this.#signal = signal;
  }

  async prepare(suite: string): Promise<Readiness> {
    const parts: Readiness[] = [];
    if (['spark', 'chain', 'spark-long'].includes(suite)) parts.push(await this.#spark());
    if (['flink', 'chain', 'flink-long'].includes(suite)) parts.push(await (this.#flink ??= this.#startFlink()));
    if (suite === 'postgres' || suite === 'redis') parts.push(await (this.#postgres ??= this.#startPostgres()));
    if (suite === 'redis') parts.push(await (this.#redis ??= this.#startRedis()));
    const missing = parts.flatMap((part) => ('missing' in part ? [part.missing] : []));
    if (missing.length > 0) return { missing: missing.join(' ') };
    return { env: Object.assign({}, ...parts.map((part) => ('env' in part ? part.env : {}))) as NodeJS.ProcessEnv };
  }

  async #spark(): Promise<Readiness> {
    const { sparkHome } = await findEngines(process.env);
    if (sparkHome !== null) return { env: sparkEnvironment(sparkHome, process.env) };
    return { missing: 'needs Spark: set SPARK_HOME or run scripts/engines/spark/install.sh.' };
  }

  async #startPostgres(): Promise<Readiness> {
    const { POSTGRES_URL } = process.env;
    if (POSTGRES_URL !== undefined) return { env: { POSTGRES_URL } };
    const programs = await findPostgres();
    if (programs === null)
      return { missing: 'needs PostgreSQL: set POSTGRES_URL or install its server (Debian: postgresql).' };
    const folder = await mkdtemp(join(tmpdir(), 'tramontane-postgres-'));
    this.#cleanup.add('the folder of PostgreSQL', () => rm(folder, { recursive: true, force: true }));
    const server = await startPostgres(programs, folder);
    this.#cleanup.add('PostgreSQL', server.stop);
    return { env: { POSTGRES_URL: server.url } };
  }

  async #startRedis(): Promise<Readiness> {
    const program = await findRedis();
    if (program === null) return { missing: 'needs the redis-server program (Debian: redis-server).' };
    // Tests stop and flush it: always one of our own.
    const folder = await mkdtemp(join(tmpdir(), 'tramontane-redis-'));
    this.#cleanup.add('the folder of Redis', () => rm(folder, { recursive: true, force: true }));
    const server = await startRedis(program, folder);
    this.#cleanup.add('Redis', server.stop);
    return { env: { REDIS_URL: server.url } };
  }

  async #startFlink(): Promise<Readiness> {
    const { flinkHome } = await findEngines(process.env);
    if (flinkHome === null) return { missing: 'needs Flink: set FLINK_HOME or run scripts/engines/flink/install.sh.' };
    const folder = await mkdtemp(join(tmpdir(), 'tramontane-flink-'));
    this.#cleanup.add('the folder of Flink', () => rm(folder, { recursive: true, force: true }));
    // Several test files run jobs on it at once: those that find no slot wait, also when the cluster is older than five minutes.
    const flink = await startFlink(flinkHome, folder, this.#signal, { options: ['slot.request.timeout=60min'] });
    this.#cleanup.add('Flink', flink.stop);
    const jobsJar = await buildEngineJobs(flinkHome, folder);
    const exampleJar = await buildFlinkJob(flinkHome, this.#signal);
    const gateway = await startSqlGateway(flinkHome, flink, this.#signal);
    return {
      env: {
        FLINK_HOME: flinkHome,
        FLINK_REST_URL: flink.url,
        FLINK_JOBS_JAR: jobsJar,
        FLINK_EXAMPLE_JAR: exampleJar,
        ...(gateway !== null && { FLINK_SQL_URL: gateway }),
      },
    };
  }
}

async function buildEngineJobs(flinkHome: string, folder: string): Promise<string> {
  const script = join(projectRoot, 'scripts/engines/flink/build-jobs.sh');
  const { code, stdout, stderr } = await run(script, ['--home', flinkHome, '--out', join(folder, 'jobs')]);
  if (code !== 0) throw new Error(`build-jobs.sh failed: ${stderr}`);
  return stdout.trim();
}
