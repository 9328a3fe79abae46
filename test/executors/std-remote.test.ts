import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { silentLogger } from '../../engine/log.ts';
import type { ActionContext, SyncAction } from '../../executors/action.ts';
import { parseAddress } from '../../executors/connect.ts';
import { createEgressPolicy } from '../../executors/egress.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import { createEmail } from '../../executors/std/email.ts';
import { createSshActions } from '../../executors/std/ssh.ts';
import { startSmtpServer, type SmtpOptions } from '../helpers/smtp-server.ts';
import { newKeys, startSshServer, type SshOptions } from '../helpers/ssh-server.ts';
import { waitFor } from '../helpers/waiting.ts';
import { runContext } from './helpers/remote.ts';

const http = createHttpClient(null);
const strict = createEgressPolicy({ allowLoopback: false });
const lax = createEgressPolicy({ allowLoopback: true });

function context(signal: AbortSignal = new AbortController().signal): ActionContext {
  return { signal, log: silentLogger, http, run: runContext('a1') };
}

const ok = (output: JsonObject['any']): ActionResult => ({ kind: 'success', output: output ?? null });
const failed = (output: string): ActionResult => ({ kind: 'error', output, retryable: true });

// ---- e-mail

async function mailServer(t: ExecutionContext, options: SmtpOptions = {}) {
  const server = await startSmtpServer(options);
  t.teardown(() => server.close());
  const base = { from_addr: 'jobs@test', to_addrs: ['a@test', 'b@test'], smtp_server: `127.0.0.1:${server.port}` };
  const send = (input: JsonObject = {}, signal?: AbortSignal, policy = lax) =>
    createEmail(policy).run({ ...base, ...input }, context(signal));
  return { server, send };
}

test('std.email sends plain text, unencrypted and without a login, with the texts of the reference where there is none', async (t) => {
  const { server, send } = await mailServer(t, { offersTls: true });
  t.deepEqual(await send(), ok(null));
  const [mail] = server.mails;
  t.like(mail, { from: 'jobs@test', to: ['a@test', 'b@test'], isEncrypted: false, login: null });
  t.regex(mail?.text ?? '', /^Subject: <No subject>\r$/m);
  t.regex(mail?.text ?? '', /^To: a@test, b@test\r$/m);
  t.regex(mail?.text ?? '', /^Content-Type: text\/plain; charset=utf-8\r$/m);
  t.true(mail?.text.includes('<No body>'));
});

test('std.email shows cc and reply-to, hides bcc, and sends HTML as the alternative', async (t) => {
  const { server, send } = await mailServer(t);
  const result = await send({
    cc_addrs: ['c@test'],
    bcc_addrs: ['hidden@test'],
    reply_to: ['r@test'],
    subject: 'Zeilen fehlen: é\nBcc: evil@test',
    body: 'plain',
    html_body: '<b>rich</b>',
  });
  t.deepEqual(result, ok(null));
  const [mail] = server.mails;
  t.deepEqual([...(mail?.to ?? [])].sort(), ['a@test', 'b@test', 'c@test', 'hidden@test']);
  const text = mail?.text ?? '';
  t.regex(text, /^Cc: c@test\r$/m);
  t.regex(text, /^Reply-To: r@test\r$/m);
  t.false(text.includes('hidden@test'));
  t.notRegex(text, /^Bcc:/m, 'a line break in the subject makes no header');
  t.regex(text, /multipart\/alternative/);
  t.true(text.indexOf('text/plain') < text.indexOf('text/html'));
  t.true(text.includes('<b>rich</b>'));
});

test('std.email with a password encrypts and logs in as the sender, and does neither in part', async (t) => {
  const open = await mailServer(t, { offersTls: true, login: 'jobs@test:pass' });
  t.deepEqual(await open.send({ smtp_password: 'pass' }), ok(null));
  t.like(open.server.mails[0], { isEncrypted: true, login: 'jobs@test:pass' });
  const refused = await open.send({ smtp_password: 'wrong' });
  t.is(refused.kind, 'error');
  t.regex(String(refused.output), /^Failed to send an email message: .*535/);
  const plain = await mailServer(t, { login: 'jobs@test:pass' });
  t.regex(String((await plain.send({ smtp_password: 'pass' })).output), /^Failed to send an email message: /);
  t.is(plain.server.mails.length, 0, 'a password is never sent over an open line');
});

test('std.email fails when no recipient is taken, and succeeds when some are', async (t) => {
  const { server, send } = await mailServer(t, { refuses: ['a@test'] });
  t.deepEqual(await send(), ok(null));
  t.deepEqual(server.mails[0]?.to, ['b@test']);
  t.regex(String((await send({ to_addrs: ['a@test'] })).output), /^Failed to send an email message: .*550/);
  t.deepEqual(await send({ to_addrs: [] }), failed('Failed to send an email message: There are no recipients.'));
});

test('std.email tells why a server cannot be used, and obeys the egress policy', async (t) => {
  const { send, server } = await mailServer(t);
  t.deepEqual(
    await send({ smtp_server: 'a b' }),
    failed("Failed to send an email message: 'a b' is no server; it should look like host or host:port."),
  );
  t.regex(
    String((await send({ smtp_server: '127.0.0.1:1' })).output),
    /^Failed to send an email message: .*ECONNREFUSED/,
  );
  for (const host of ['127.0.0.1', 'localhost']) {
    const blocked = await send({ smtp_server: `${host}:${server.port}` }, undefined, strict);
    t.regex(String(blocked.output), /resolves to a blocked address/);
  }
  t.is(server.mails.length, 0);
});

test('a stopped std.email ends at once, whatever the server does not say', async (t) => {
  const { send } = await mailServer(t, { isSilent: true });
  const stop = new AbortController();
  const sending = send({}, stop.signal);
  setImmediate(() => stop.abort(new Error('stopped')));
  await t.throwsAsync(sending, { message: 'stopped' });
  await t.throwsAsync(send({}, stop.signal), { message: 'stopped' });
});

// ---- SSH

const KEYS = newKeys();
const LOCKED = newKeys('open');

interface SshWorld {
  readonly server: Awaited<ReturnType<typeof startSshServer>>;
  readonly host: string;
  run(name: string, input: JsonObject, signal?: AbortSignal, policy?: typeof lax): Promise<ActionResult>;
}

async function sshWorld(t: ExecutionContext, options: SshOptions, proxyCommand = false): Promise<SshWorld> {
  const server = await startSshServer(options);
  const keyFolder = await mkdtemp(join(tmpdir(), 'tramontane-keys-'));
  t.teardown(async () => {
    server.close();
    await rm(keyFolder, { recursive: true, force: true });
  });
  await writeFile(join(keyFolder, 'id_test'), KEYS.private);
  const host = `127.0.0.1:${server.port}`;
  return {
    server,
    host,
    run: (name, input, signal, policy = lax) => {
      const actions = createSshActions({ egress: policy, keyFolder, allowProxyCommand: proxyCommand });
      const action = actions.find((one): one is SyncAction => one.name === name);
      if (action === undefined) throw new Error(`there is no ${name}`);
      return action.run({ host, username: 'ann', ...input }, context(signal));
    },
  };
}

test('std.ssh gives standard output, and a list for several hosts', async (t) => {
  const { run, host, server } = await sshWorld(t, { passwords: { ann: 'pw' } });
  t.deepEqual(await run('std.ssh', { cmd: 'ok', password: 'pw' }), ok('out é\n'));
  t.deepEqual(await run('std.ssh', { cmd: 'ok', password: 'pw', host: [host] }), ok('out é\n'));
  t.deepEqual(await run('std.ssh', { cmd: 'ok', password: 'pw', host: [host, host] }), ok(['out é\n', 'out é\n']));
  t.deepEqual(await run('std.wait_ssh', { password: 'pw' }), ok('out é\n'));
  t.deepEqual(server.commands, ['ann: ok', 'ann: ok', 'ann: ok', 'ann: ok', 'ann: ls -l']);
});

test('std.ssh fails for an exit code, hides the cause, and tells all of it on demand', async (t) => {
  const { run, host, server } = await sshWorld(t, { passwords: { ann: 'pw' } });
  const failure = (cmd: string, at = host) => failed(`Failed to execute ssh cmd '${cmd}' on ${at}`);
  t.deepEqual(await run('std.ssh', { cmd: 'fail', password: 'pw' }), failure('fail'));
  t.deepEqual(await run('std.ssh', { cmd: 'killed', password: 'pw' }), failure('killed'));
  t.deepEqual(await run('std.ssh', { cmd: 'ok', password: 'wrong' }), failure('ok'));
  t.deepEqual(await run('std.ssh', { cmd: 'ok', password: 'pw', host: '127.0.0.1:1' }), failure('ok', '127.0.0.1:1'));
  t.deepEqual(await run('std.ssh', { cmd: 'ok', password: 'pw', host: [] }), failure('ok', 'no host'));
  t.deepEqual(await run('std.ssh', { cmd: 'ok', password: 'pw' }, undefined, strict), failure('ok'));
  const all = { password: 'pw', return_result_on_error: true };
  t.deepEqual(
    await run('std.ssh', { cmd: 'fail', ...all }),
    ok({ stdout: 'half\n', stderr: 'went wrong\n', exit_code: 3 }),
  );
  t.deepEqual(await run('std.ssh', { cmd: 'killed', ...all }), ok({ stdout: '', stderr: '', exit_code: -1 }));
  t.deepEqual(await run('std.ssh', { cmd: 'ok', ...all, password: 'wrong' }), failure('ok'), 'nothing ran');
  const calls = server.commands.length;
  t.deepEqual(await run('std.ssh', { cmd: 'fail', password: 'pw', host: [host, host] }), failure('fail'));
  t.is(server.commands.length, calls + 1, 'further hosts are left alone');
});

test('std.ssh takes keys as text or file, with a password of their own, and answers a server that asks', async (t) => {
  const keys = await sshWorld(t, { publicKey: KEYS.public });
  t.deepEqual(await keys.run('std.ssh', { cmd: 'ok', private_key: KEYS.private }), ok('out é\n'));
  t.deepEqual(await keys.run('std.ssh', { cmd: 'ok', private_key_filename: 'id_test' }), ok('out é\n'));
  for (const private_key_filename of ['../id_test', 'missing']) {
    t.is((await keys.run('std.ssh', { cmd: 'ok', private_key_filename })).kind, 'error', private_key_filename);
  }
  t.is((await keys.run('std.ssh', { cmd: 'ok', private_key: LOCKED.private, password: 'open' })).kind, 'error');
  const locked = await sshWorld(t, { publicKey: LOCKED.public });
  t.deepEqual(await locked.run('std.ssh', { cmd: 'ok', private_key: LOCKED.private, password: 'open' }), ok('out é\n'));
  t.is((await locked.run('std.ssh', { cmd: 'ok', private_key: LOCKED.private, password: 'shut' })).kind, 'error');
  const asking = await sshWorld(t, { passwords: { ann: 'pw' }, asksQuestions: true });
  t.deepEqual(await asking.run('std.ssh', { cmd: 'ok', password: 'pw' }), ok('out é\n'));
});

test('std.ssh bounds what a command may write', async (t) => {
  const { run, host } = await sshWorld(t, { passwords: { ann: 'pw' } });
  t.deepEqual(
    await run('std.ssh', { cmd: 'flood', password: 'pw' }),
    failed(`Failed to execute ssh cmd 'flood' on ${host}: The output is larger than 10485760 bytes.`),
  );
});

test('a stopped std.ssh ends at once: while a command runs, and while a server keeps silent', async (t) => {
  const { run, server } = await sshWorld(t, { passwords: { ann: 'pw' } });
  const stop = new AbortController();
  const running = run('std.ssh', { cmd: 'hang', password: 'pw' }, stop.signal);
  await waitFor('the command', async () => server.commands.length > 0);
  stop.abort(new Error('stopped'));
  await t.throwsAsync(running, { message: 'stopped' });
  const silent = await silentServer(t);
  const again = new AbortController();
  const knocking = run('std.ssh', { cmd: 'ok', host: `127.0.0.1:${silent.port}` }, again.signal);
  await silent.knocked;
  again.abort(new Error('stopped, too'));
  await t.throwsAsync(knocking, { message: 'stopped, too' });
});

test('std.ssh_proxied goes through the gateway: by a tunnel, or by nc where tunnels are forbidden', async (t) => {
  const target = await sshWorld(t, { publicKey: KEYS.public });
  for (const forbidsTunnels of [false, true]) {
    const gate = await sshWorld(t, { publicKey: KEYS.public, forbidsTunnels });
    const input = { cmd: 'ok', host: target.host, gateway_host: gate.host, private_key_filename: 'id_test' };
    t.deepEqual(await gate.run('std.ssh_proxied', { ...input, gateway_username: 'gate' }), ok('out é\n'));
    if (forbidsTunnels) t.deepEqual(gate.server.commands, [`gate: nc ${target.host.replace(':', ' ')}`]);
    else t.deepEqual(gate.server.tunnels, [target.host]);
    const both = { ...input, host: [target.host, target.host] };
    t.deepEqual(await gate.run('std.ssh_proxied', both), ok(['out é\n', 'out é\n']));
    t.deepEqual(
      await gate.run('std.ssh_proxied', { ...input, cmd: 'fail' }),
      failed(`Failed to execute ssh cmd 'fail' on ${target.host}`),
    );
  }
  t.is(target.server.commands.length, 8);
});

test('std.ssh_proxied starts a program for the way to the gateway only where the executor allows it', async (t) => {
  const target = await sshWorld(t, { publicKey: KEYS.public });
  const gate = await sshWorld(t, { publicKey: KEYS.public });
  const script = `const s=require("net").connect(${gate.server.port},"127.0.0.1");process.stdin.pipe(s).pipe(process.stdout)`;
  const input = {
    cmd: 'ok',
    host: target.host,
    gateway_host: 'unused',
    private_key: KEYS.private,
    private_key_filename: null,
    proxy_command: `${process.execPath} -e '${script}'`,
  };
  t.regex(String((await gate.run('std.ssh_proxied', input)).output), /^The parameter 'proxy_command' is switched off/);
  const open = await sshWorld(t, {}, true);
  t.deepEqual(await open.run('std.ssh_proxied', input), ok('out é\n'));
  t.is((await open.run('std.ssh_proxied', { ...input, proxy_command: '/no/such/program' })).kind, 'error');
});

test('hosts are written with or without a port, IPv6 addresses in brackets', (t) => {
  t.deepEqual(
    ['h', 'h:2222', '::1', '[::1]:2222', ' h ', 'h:0', 'h:99999', 'a b', '', 'h:x', '[h'].map((text) => {
      const found = parseAddress(text, 22);
      return found === null ? null : `${found.host} ${found.port}`;
    }),
    ['h 22', 'h 2222', '::1 22', '::1 2222', 'h 22', null, null, null, null, null, null],
  );
});

async function silentServer(t: ExecutionContext): Promise<{ port: number; knocked: Promise<void> }> {
  const server: Server = createServer();
  const knocked = new Promise<void>((resolve) => {
    server.on('connection', (socket) => {
      t.teardown(() => {
        socket.destroy();
      });
      resolve();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => {
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, knocked };
}
