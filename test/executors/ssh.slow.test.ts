import { spawn } from 'node:child_process';
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { silentLogger } from '../../engine/log.ts';
import type { SyncAction } from '../../executors/action.ts';
import { connectTcp } from '../../executors/connect.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import { createSshActions } from '../../executors/std/ssh.ts';
import { freePort } from '../helpers/free-port.ts';
import { newKeys } from '../helpers/ssh-server.ts';
import { waitFor } from '../helpers/waiting.ts';
import { runContext } from './helpers/remote.ts';

/** OpenSSH's server, where this machine has it (Debian: openssh-server). */
const SSHD = '/usr/sbin/sshd';
const hasServer = await access(SSHD).then(
  () => true,
  () => false,
);
const withServer = hasServer ? test.serial : test.serial.skip;

const KEYS = newKeys();

interface World {
  readonly folder: string;
  readonly host: string;
  run(name: string, input: JsonObject, signal?: AbortSignal): Promise<ActionResult>;
}

/** A server on loopback that lets this user in by key. */
async function world(t: ExecutionContext): Promise<World> {
  t.timeout(120_000);
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-sshd-'));
  const port = await freePort();
  await writeFile(join(folder, 'host_key'), newKeys().private, { mode: 0o600 });
  await writeFile(join(folder, 'authorized_keys'), `${KEYS.public}\n`, { mode: 0o600 });
  await writeFile(
    join(folder, 'sshd_config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${join(folder, 'host_key')}`,
      `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
      `PidFile ${join(folder, 'pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      '',
    ].join('\n'),
  );
  // The server wants it when root starts it; the system's own service makes it as well.
  if (userInfo().uid === 0) await mkdir('/run/sshd', { recursive: true });
  const server = spawn(SSHD, ['-D', '-e', '-f', join(folder, 'sshd_config')], { stdio: 'ignore' });
  t.teardown(async () => {
    server.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });
  const signal = new AbortController().signal;
  await waitFor('the SSH server', async () =>
    connectTcp(null, { host: '127.0.0.1', port }, { signal, timeoutMs: 1000 }).then(
      (socket) => socket.destroy(),
      () => null,
    ),
  );
  const host = `127.0.0.1:${port}`;
  return {
    folder,
    host,
    run: (name, input, stop = signal) => {
      const actions = createSshActions({ egress: null, keyFolder: folder, allowProxyCommand: false });
      const action = actions.find((one): one is SyncAction => one.name === name);
      if (action === undefined) throw new Error(`there is no ${name}`);
      return action.run(
        { host, username: userInfo().username, private_key: KEYS.private, ...input },
        { signal: stop, log: silentLogger, http: createHttpClient(null), run: runContext('a1') },
      );
    },
  };
}

withServer('std.ssh runs commands on OpenSSH: output, exit codes, signals, and no input', async (t) => {
  const { run, host } = await world(t);
  const all = { return_result_on_error: true };
  t.deepEqual(await run('std.ssh', { cmd: 'echo "a b" | tr a-z A-Z' }), { kind: 'success', output: 'A B\n' });
  t.deepEqual(await run('std.ssh', { cmd: 'echo out; echo err >&2; exit 7', ...all }), {
    kind: 'success',
    output: { stdout: 'out\n', stderr: 'err\n', exit_code: 7 },
  });
  t.like(await run('std.ssh', { cmd: 'exit 7' }), { output: `Failed to execute ssh cmd 'exit 7' on ${host}` });
  t.deepEqual(await run('std.ssh', { cmd: 'kill -9 $$', ...all }), {
    kind: 'success',
    output: { stdout: '', stderr: '', exit_code: -1 },
  });
  t.deepEqual(await run('std.ssh', { cmd: 'cat' }), { kind: 'success', output: '' }, 'what waits for input gets none');
  const long = await run('std.ssh', { cmd: 'head -c 3000000 /dev/zero | tr "\\0" x' });
  t.is(String(long.output).length, 3_000_000);
  t.is((await run('std.ssh', { cmd: 'true', username: 'nobody-of-this-name' })).kind, 'error');
});

withServer('std.ssh_proxied goes through OpenSSH as the gateway', async (t) => {
  const { run, host } = await world(t);
  const input = { cmd: 'echo there', gateway_host: host, private_key_filename: null };
  t.deepEqual(await run('std.ssh_proxied', input), { kind: 'success', output: 'there\n' });
});

withServer('a command on OpenSSH that is stopped is left at once', async (t) => {
  const { run, folder } = await world(t);
  const stop = new AbortController();
  const begun = join(folder, 'begun');
  const running = run('std.ssh', { cmd: `touch ${begun}; sleep 5` }, stop.signal);
  await waitFor('the command', () =>
    access(begun).then(
      () => true,
      () => null,
    ),
  );
  stop.abort(new Error('stopped'));
  await t.throwsAsync(running, { message: 'stopped' });
});
