import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { signalGroup, waitForExit } from './helpers/processes.ts';
import { projectRoot } from './helpers/project.ts';
import { RestClient } from './helpers/rest-client.ts';
import { startServer } from './helpers/server-process.ts';
import { waitFor, waitForEnd } from './helpers/waiting.ts';

const WORKFLOW = `version: '2.0'
count:
  input: [script, text, output, events]
  output:
    words: <% $.words %>
  tasks:
    count:
      action: spark.submit
      input:
        application: <% $.script %>
        args: [<% $.text %>, <% $.output %>, '--sleep', '5']
        master: local[1]
        conf:
          spark.ui.enabled: false
          spark.driver.host: 127.0.0.1
          spark.eventLog.enabled: true
          spark.eventLog.dir: <% $.events %>
      publish:
        words: <% task().result.result.words %>
`;

test('a server killed while its Spark job runs finds the job again after the start and uses its result; Spark runs once', async (t) => {
  t.timeout(600_000);
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-restart-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const events = join(folder, 'events');
  await mkdir(events);
  const jobs = join(projectRoot, 'scripts/engines/spark/jobs');
  const options = {
    database: `sqlite:${join(folder, 'restart.sqlite')}`,
    cwd: folder,
    logFile: join(folder, 'server.log'),
  };

  const first = await startServer(options);
  t.teardown(first.stop);
  const before = new RestClient(first.url);
  await before.createWorkflows(WORKFLOW);
  const input = {
    script: join(jobs, 'wordcount.py'),
    text: join(jobs, 'input.txt'),
    output: join(folder, 'counts'),
    events: `file://${events}`,
  };
  const { id } = await before.startExecution('count', input);
  await waitFor(
    'the Spark application',
    // Of Spark 4 it stands in a folder of the application.
    async () => (await readdir(events, { recursive: true })).some((name) => name.endsWith('.inprogress')),
    300_000,
  );
  signalGroup(first.child, 'SIGKILL');
  await waitForExit(first.child);

  const second = await startServer(options);
  t.teardown(second.stop);
  const after = new RestClient(second.url);
  const execution = await waitForEnd(after, id, 300_000);
  t.is(execution.state, 'SUCCESS', execution.state_info ?? '');
  t.deepEqual(JSON.parse(execution.output ?? 'null'), { words: 25 });
  const [task] = await after.tasks(id);
  t.is((await after.actions(task?.id ?? '')).length, 1, 'one action execution');
  t.is((await readdir(events)).length, 1, 'one application in the event log');
});
