import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { startFakeFlink } from '../../executors/fakes/flink.ts';
import { RestClient } from '../helpers/rest-client.ts';
import { startServer } from '../helpers/server-process.ts';
import { waitForEnd } from '../helpers/waiting.ts';

const MIB = 1024 * 1024;

const WORKFLOW = `version: '2.0'
upload:
  input: [url, jar]
  output:
    jar_id: <% $.jar_id %>
  tasks:
    upload:
      action: flink.upload_and_run
      input:
        url: <% $.url %>
        jar: <% $.jar %>
        poll_interval: 0.1
      publish:
        jar_id: <% task().result.jar_id %>
`;

test('the upload of a jar of 500 MiB costs the server less than 50 MiB of memory, and the second run uploads nothing', async (t) => {
  t.timeout(600_000);
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-upload-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const [small, large] = [join(folder, 'small.jar'), join(folder, 'large.jar')];
  for (const [file, size] of [
    [small, 8 * MIB],
    [large, 500 * MIB],
  ] as const) {
    // A hole: no disk is used.
    const handle = await open(file, 'w');
    await handle.truncate(size);
    await handle.close();
  }
  const fake = await startFakeFlink();
  t.teardown(() => fake.close());
  const uploads = () => fake.requests.filter((line) => line === 'POST /v1/jars/upload').length;
  const options = { database: `sqlite:${join(folder, 'upload.sqlite')}`, cwd: folder };
  const run = async (client: RestClient, jar: string): Promise<string> => {
    const { id } = await client.startExecution('upload', { url: fake.url, jar });
    const execution = await waitForEnd(client, id, 300_000);
    t.is(execution.state, 'SUCCESS', execution.state_info ?? '');
    return (JSON.parse(execution.output ?? '{}') as { readonly jar_id: string }).jar_id;
  };

  const first = await startServer(options);
  t.teardown(first.stop);
  const client = new RestClient(first.url);
  await client.createWorkflows(WORKFLOW);
  // Everything is loaded and warm before it counts.
  await run(client, small);
  // From now on the peak counts anew: that of the start would hide what an upload costs.
  await writeFile(`/proc/${first.child.pid}/clear_refs`, '5');
  const before = await peakKib(first.child.pid);
  const jarId = await run(client, large);
  t.is(await run(client, large), jarId);
  const grown = (await peakKib(first.child.pid)) - before;
  t.log(`grown by ${Math.round(grown / 1024)} MiB`);
  t.true(grown < 50 * 1024, `grown by ${grown} KiB`);
  t.is(fake.jars.get(jarId)?.bytes, 500 * MIB);
  t.is(uploads(), 2);

  // One that remembers nothing finds it on the cluster.
  await first.stop();
  const second = await startServer(options);
  t.teardown(second.stop);
  t.is(await run(new RestClient(second.url), large), jarId);
  t.is(uploads(), 2);
});

/** The most that the process has had in memory since its peak was last cleared, by the kernel's own figure: nothing between two looks is missed. */
async function peakKib(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const [, peak] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  if (peak === undefined) throw new Error(`/proc/${pid}/status tells no VmHWM`);
  return Number(peak);
}
