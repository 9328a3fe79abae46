import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { startFakeFlink } from '../../executors/fakes/flink.ts';
import { buildFolder } from '../helpers/project.ts';

const MIB = 1024 * 1024;

/** The process that uploads: its peak of resident memory is the kernel's own figure, so nothing between two looks is missed. */
const UPLOADER = (client: string, jars: string, http: string) => `
  const { FlinkClient } = await import(${JSON.stringify(client)});
  const { JarStore } = await import(${JSON.stringify(jars)});
  const { createHttpClient } = await import(${JSON.stringify(http)});
  const http = createHttpClient(null);
  const [url, small, large] = process.argv.slice(-3);
  const client = new FlinkClient({ url }, http);
  const store = new JarStore({ jarsFolder: '/nowhere' }, http);
  const signal = new AbortController().signal;
  // Everything is loaded and warm before it counts.
  await store.stage(client, { jar: small }, signal);
  const before = process.resourceUsage().maxRSS;
  const first = await store.stage(client, { jar: large }, signal);
  const again = await new JarStore({ jarsFolder: '/nowhere' }, http).stage(client, { jar: large }, signal);
  const grown = process.resourceUsage().maxRSS - before;
  await http.close();
  process.send({ grownKib: grown, first, again });
`;

test('the upload of a jar of 500 MiB costs less than 50 MiB of memory, and the second run uploads nothing', async (t) => {
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
  const at = (file: string) => new URL(`file://${join(buildFolder, file)}`).href;
  const program = UPLOADER(
    at('executors/flink/client/client.js'),
    at('executors/flink/jars.js'),
    at('executors/http-client.js'),
  );
  const module = `data:text/javascript,${encodeURIComponent(program)}`;
  const child = fork(join(folder, 'none.js'), [fake.url, small, large], {
    execArgv: ['--input-type=module', '--import', module],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [message] = (await once(child, 'message')) as [
    {
      readonly grownKib: number;
      readonly first: { readonly jarId: string };
      readonly again: { readonly jarId: string; readonly uploaded: boolean };
    },
  ];
  child.kill();
  t.log(`grown by ${Math.round(message.grownKib / 1024)} MiB`);
  t.true(message.grownKib < 50 * 1024, `grown by ${message.grownKib} KiB`);
  t.is(message.again.jarId, message.first.jarId);
  t.false(message.again.uploaded);
  t.is(fake.jars.get(message.first.jarId)?.bytes, 500 * MIB);
  t.is(fake.requests.filter((line) => line === 'POST /v1/jars/upload').length, 2);
});
