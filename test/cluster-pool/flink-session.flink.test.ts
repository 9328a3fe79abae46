import { readFile } from 'node:fs/promises';
import test from 'ava';
import { waitFor } from '../helpers/waiting.ts';
import { liveThrough } from './real-pool.ts';

const { FLINK_HOME: flinkHome, FLINK_JOBS_JAR: jobsJar } = process.env;
const real = flinkHome === undefined || jobsJar === undefined ? test.skip : test;
if (flinkHome === undefined || jobsJar === undefined)
  test.skip('a pool of real Flink sessions: set FLINK_HOME and FLINK_JOBS_JAR', () => {});

real(
  'a Flink session of the pool is made, leased, worked on, kept over a killed server, recycled, and leaves nothing',
  async (t) => {
    await liveThrough(t, {
      name: 'flinks',
      yaml: `    provider: flink-session
    home: ${flinkHome ?? ''}
    size: 1
    slots: 2
    port_start: 18100
    ready_seconds: 500
    capacity: 1
    min_free: 1
`,
      environment: {},
      nodes: ['jobmanager', 'w0'],
      canReset: true,
      // The job is left running: the release ends it.
      work: async (cluster) => {
        const rest = cluster.endpoints['rest'] ?? '';
        const form = new FormData();
        form.append(
          'jarfile',
          new Blob([await readFile(jobsJar ?? '')], { type: 'application/x-java-archive' }),
          'jobs.jar',
        );
        const uploaded = (await json(`${rest}/jars/upload`, { method: 'POST', body: form })) as { filename: string };
        const jar = uploaded.filename.split('/').at(-1);
        const run = `${rest}/jars/${jar}/run?entry-class=tramontane.jobs.Endless`;
        const { jobid } = (await json(run, { method: 'POST' })) as { jobid: string };
        await waitFor(
          'the job to run',
          async () => ((await json(`${rest}/jobs/${jobid}`)) as { state: string }).state === 'RUNNING',
          300_000,
        );
      },
      // Of ended jobs a job manager that runs on keeps the names.
      leftovers: async (cluster, recycle) => {
        const rest = cluster.endpoints['rest'] ?? '';
        const all = ((await json(`${rest}/jobs`)) as { jobs: { status: string }[] }).jobs;
        const jobs = recycle === 'recreate' ? all : all.filter(({ status }) => status !== 'CANCELED');
        const { files } = (await json(`${rest}/jars`)) as { files: unknown[] };
        return [...jobs, ...files];
      },
      logged:
        /Received JobGraph submission|Submitting job|tramontane\.jobs\.Endless|switched from state CREATED to RUNNING/i,
    });
  },
);

async function json(url: string, init?: RequestInit): Promise<unknown> {
  return (await fetch(url, init)).json();
}
