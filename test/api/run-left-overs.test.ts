import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { fakeSparkHome } from '../executors/helpers/fake-spark.ts';
import { runCommandWith } from '../helpers/command-line.ts';
import { waitFor } from '../helpers/waiting.ts';

const WORKFLOW = `version: '2.0'
two_branches:
  input: [script, url]
  tasks:
    long_job:
      action: spark.submit
      input: {application: <% $.script %>, master: 'local[1]'}
    short_way:
      action: std.http url=<% $.url %>
      on-success: END
    below:
      workflow: inner
      input: {script: <% $.script %>}
inner:
  input: [script]
  tasks:
    inner_job:
      action: spark.submit
      input: {application: <% $.script %>, master: 'local[1]'}
`;

for (const end of ['fail', 'pause', 'succeed']) {
  test(`jobs of other branches have ended when tramontane run gives up its database after '${end}'`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'tramontane-left-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const { home, starts } = await fakeSparkHome(folder);
    const workflow = join(folder, 'workflow.yaml');
    const script = join(folder, 'job.sh');
    const pids = join(folder, 'pids');
    await writeFile(workflow, WORKFLOW.replace('END', end));
    // The sleep is a process of its own: the whole group has to go.
    await writeFile(script, `echo $$ >> '${pids}'\nsleep 600 & echo $! >> '${pids}'\nwait\n`);
    const running = async () => (await readFile(pids, 'utf8').catch(() => '')).split('\n').filter((pid) => pid !== '');
    t.teardown(async () => {
      for (const pid of (await running()).filter(isAlive)) process.kill(Number(pid), 'SIGKILL');
    });
    // Answers once both jobs run.
    const server = createServer((_request, response) => {
      waitFor('the jobs', async () => (await running()).length === 4).then(
        () => response.end('"ok"'),
        () => response.destroy(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => server.close());

    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const args = ['run', workflow, '--workflow', 'two_branches', `--input=script=${script}`, `--input=url=${url}`];
    const { code, err } = await runCommandWith({ ...process.env, SPARK_HOME: home }, args);

    t.is(code, end === 'succeed' ? 0 : 1, err);
    t.is((await starts()).length, 2, err);
    t.deepEqual((await running()).filter(isAlive), []);
  });
}

function isAlive(pid: string): boolean {
  try {
    process.kill(Number(pid), 0);
  } catch {
    return false;
  }
  return !isZombie(pid);
}

/** A process that has ended and that nobody has asked about yet. Only Linux shows it. */
function isZombie(pid: string): boolean {
  try {
    return /^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
