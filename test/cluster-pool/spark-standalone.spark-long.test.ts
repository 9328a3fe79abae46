import { join } from 'node:path';
import test from 'ava';
import { run } from '../helpers/processes.ts';
import { projectRoot } from '../helpers/project.ts';
import { liveThrough } from './real-pool.ts';

const sparkHome = process.env['SPARK_HOME'];
const real = sparkHome === undefined ? test.skip : test;
if (sparkHome === undefined)
  test.skip('a pool of real Spark clusters: set SPARK_HOME to a Spark installation', () => {});

real(
  'a Spark cluster of the pool is made, leased, worked on, kept over a killed server, recycled, and leaves nothing',
  async (t) => {
    const home = sparkHome ?? '';
    const jobs = join(projectRoot, 'scripts/engines/spark/jobs');
    await liveThrough(t, {
      name: 'sparks',
      yaml: `    provider: spark-standalone
    home: ${home}
    size: 2
    worker_cores: 1
    port_start: 17100
    ready_seconds: 500
    capacity: 1
    min_free: 1
`,
      environment: {},
      nodes: ['master', 'w0', 'w1'],
      // 3.5 cannot forget what has ended.
      canReset: false,
      work: async (cluster, folder) => {
        const conf = ['spark.driver.host=127.0.0.1', 'spark.ui.enabled=false', 'spark.executor.memory=512m'];
        const { code, stdout, stderr } = await run(
          join(home, 'bin/spark-submit'),
          [
            '--master',
            cluster.endpoints['master'] ?? '',
            ...conf.flatMap((one) => ['--conf', one]),
            join(jobs, 'wordcount.py'),
            join(jobs, 'input.txt'),
            join(folder, 'out'),
          ],
          { env: { ...process.env, SPARK_LOCAL_IP: '127.0.0.1' } },
        );
        t.is(code, 0, stderr.slice(-4000));
        t.regex(stdout, /"words": \d+/);
        const { aliveworkers, completedapps } = await master(cluster.endpoints['ui'] ?? '');
        t.deepEqual([aliveworkers, completedapps.length], [2, 1]);
      },
      leftovers: async (cluster) => {
        const { activeapps, completedapps, completeddrivers } = await master(cluster.endpoints['ui'] ?? '');
        return [...activeapps, ...completedapps, ...completeddrivers];
      },
      logged: /Registered app|Registering app/,
    });
  },
);

interface Master {
  readonly aliveworkers: number;
  readonly activeapps: readonly unknown[];
  readonly completedapps: readonly unknown[];
  readonly completeddrivers: readonly unknown[];
}

async function master(ui: string): Promise<Master> {
  return (await (await fetch(`${ui}/json/`)).json()) as Master;
}
