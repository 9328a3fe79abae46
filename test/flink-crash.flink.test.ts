import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { FlinkClient } from '../executors/flink/client/client.ts';
import { jobIdOf } from '../executors/flink/plan.ts';
import { surviveKills } from './helpers/flink-crash.ts';
import { RestClient } from './helpers/rest-client.ts';
import { startServer } from './helpers/server-process.ts';
import { waitFor, waitForEnd } from './helpers/waiting.ts';

const { FLINK_REST_URL: url, FLINK_JOBS_JAR: jar } = process.env;

// The other phases: on a stand-in flink-crash.test.ts, for real flink-crash.flink-long.test.ts.
test.serial(
  'a server killed while its Flink job runs, and before it has heard of one that was submitted, goes on with both',
  async (t) => {
    t.timeout(1_200_000);
    if (url === undefined || jar === undefined) return t.fail('FLINK_REST_URL or FLINK_JOBS_JAR is not set');
    await surviveKills(t, { url, jar }, ['running', 'unseen']);
  },
);

const ENDLESS = `version: '2.0'
endless:
  input: [url, jar, on_cancel]
  tasks:
    stream:
      action: flink.run_jar
      input:
        url: <% $.url %>
        jar: <% $.jar %>
        entry_class: tramontane.jobs.Endless
        args: {sleep-ms: 20}
        wait_for: finished
        poll_interval: 0.5
        on_cancel: <% $.on_cancel %>
`;

test.serial(
  'an endless job ends with the workflow that is cancelled: cancelled, or stopped with a savepoint, or left alone',
  async (t) => {
    t.timeout(1_200_000);
    if (url === undefined || jar === undefined) return t.fail('FLINK_REST_URL or FLINK_JOBS_JAR is not set');
    const folder = await mkdtemp(join(tmpdir(), 'tramontane-flink-endless-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const server = await startServer({ database: `sqlite:${join(folder, 'endless.sqlite')}`, cwd: folder });
    t.teardown(server.stop);
    const client = new RestClient(server.url);
    await client.createWorkflows(ENDLESS);
    const flink = new FlinkClient({ url });
    const ends = { cancel: 'CANCELED', stop: 'FINISHED', detach: 'RUNNING' } as const;
    for (const [policy, state] of Object.entries(ends)) {
      const { id } = await client.startExecution('endless', { url, jar, on_cancel: policy });
      const task = await waitFor('the task', async () => (await client.tasks(id))[0]);
      const action = await waitFor('the action', async () => (await client.actions(task.id))[0]);
      const job = jobIdOf(action.id);
      t.teardown(() => flink.jobs.terminate(job).catch(() => {}));
      const runs = async () => (await flink.jobs.getStatus(job).catch(() => null)) === 'RUNNING';
      await waitFor(`the running job of '${policy}'`, runs, 400_000);
      await client.cancel(id, 'not wanted any more');
      t.is((await waitForEnd(client, id)).state, 'CANCELLED', policy);
      const told = async () => (await client.actions(task.id))[0]?.state === 'CANCELLED';
      await waitFor(`the end of the action of '${policy}'`, told, 400_000);
      const ended = async () => (await flink.jobs.getStatus(job)) === state;
      await waitFor(`the end of the job of '${policy}'`, ended, 400_000);
      if (policy !== 'stop') continue;
      const path = async () => (await flink.jobs.getCheckpoints(job)).latest.savepoint?.external_path;
      t.regex(await waitFor('the savepoint', path), /savepoint-/);
    }
  },
);
