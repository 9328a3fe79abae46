import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { sender } from '../helpers/api.ts';
import { runCommandLine } from '../helpers/command-line.ts';
import { tramontaneBin } from '../helpers/project.ts';
import { startServer } from '../helpers/server-process.ts';

/** `tramontane serve` as a process: how it starts and how it ends. */

test('what keeps it from starting is one line and exit code 1', async (t) => {
  const folder = await temporary(t);
  await mkdir(join(folder, 'folder.sqlite'));
  await writeFile(join(folder, 'text.sqlite'), 'This is no database. '.repeat(100));
  const running = await startServer({ database: `sqlite:${join(folder, 'first.sqlite')}` });
  t.teardown(() => running.stop());
  const { port } = new URL(running.url);
  for (const [args, message] of [
    [
      ['--port', port, '--database', `sqlite:${join(folder, 'x.sqlite')}`],
      /^Cannot listen on .*: the port is in use; .*\n$/,
    ],
    [['--database', `sqlite:${join(folder, 'folder.sqlite')}`], /^The database .* cannot be opened: .*\n$/],
    [['--database', `sqlite:${join(folder, 'text.sqlite')}`], /^The database .* cannot be opened: .*not a database\n$/],
    [['--database', `sqlite:${join(folder, 'text.sqlite', 'y')}`], /^The database .* cannot be opened: .*\n$/],
    // Nobody makes folders there, and Node 20 would try for ever.
    [['--database', 'sqlite:/proc/none/x.sqlite'], /^The database .* cannot be opened: ENOENT.*\n$/],
  ] as const) {
    const { code, out, err } = await runCommandLine('serve', '--port', '0', ...args);
    t.is(code, 1, err);
    t.is(out, '');
    t.regex(err, message);
  }
});

test('told to stop, it answers what is under way, ends slow connections and leaves with 0', async (t) => {
  const folder = await temporary(t);
  const config = join(folder, 'config.yaml');
  await writeFile(config, 'executor:\n  shutdown_seconds: 2\n');
  const server = await startServer({ database: `sqlite:${join(folder, 's.sqlite')}`, args: ['--config', config] });
  t.teardown(() => server.stop());
  const { hostname, port } = new URL(server.url);
  const slow = connect(Number(port), hostname);
  slow.on('error', () => {});
  await once(slow, 'connect');
  slow.write('POST /v2/workflows HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nabc');
  const underWay = sender(server.url)('POST', '/v2/action_executions', {
    name: 'std.sleep',
    input: { seconds: 0.5 },
    params: { run_sync: true },
  });
  // Both were received before this one was answered.
  t.is((await sender(server.url)('GET', '/healthz')).status, 200);
  server.child.kill('SIGTERM');
  const [code] = (await once(server.child, 'exit')) as [number | null];
  t.is((await underWay).body.state, 'SUCCESS');
  t.is(code, 0);
  t.true(slow.destroyed || slow.readableEnded || (await once(slow, 'close').then(() => true)));
});

test('it goes on when nobody reads its output any more', async (t) => {
  const folder = await temporary(t);
  const args = [tramontaneBin, 'serve', '--port', '0', '--database', `sqlite:${join(folder, 's.sqlite')}`];
  const child = spawn(process.execPath, [...args, '--log-level', 'debug'], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => void child.kill('SIGKILL'));
  const [text] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  child.stdout.destroy();
  child.stderr.destroy();
  const send = sender(/http:\S+/.exec(text)?.[0] ?? '');
  t.is((await send('POST', '/v2/workflows', "version: '2.0'\nwf:\n  tasks:\n    t: {action: std.noop}\n")).status, 201);
  t.is((await send('POST', '/v2/executions', { workflow_name: 'wf' })).status, 201);
  child.kill('SIGTERM');
  t.deepEqual(await once(child, 'exit'), [0, null]);
});

async function temporary(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tramontane-serve-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}
