import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { runCli } from '../../api/cli.ts';
import { silentLogger } from '../../engine/log.ts';
import { addToken } from '../../engine/store/tokens.ts';
import { insertExternalJob, updateExternalJobs } from '../../engine/store/external-jobs.ts';
import { startNodeServer } from '../helpers/node-server.ts';

const WORKFLOWS = `version: '2.0'
greet:
  tags: [t1]
  input: [who, {times: 1}]
  output: {said: <% $.said %>}
  tasks:
    say:
      action: std.echo output=<% $.who %>
      publish: {said: <% task().result %>}
waits:
  tasks:
    hold:
      action: std.async_noop
fails:
  tasks:
    boom:
      action: std.fail
`;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

type Cli = (...args: string[]) => Promise<Ran>;

function cliFor(environment: Record<string, string>, stopped: Promise<NodeJS.Signals> = new Promise(() => {})): Cli {
  return async (...args) => {
    let out = '';
    let err = '';
    const terminal = {
      environment,
      isInteractive: false,
      columns: 120,
      stopped,
      out: (text: string) => void (out += text),
      err: (text: string) => void (err += text),
    };
    const code = await runCli(args, terminal, () => silentLogger);
    return { code, out, err };
  };
}

function files(t: ExecutionContext, contents: Record<string, string>): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'tramontane-client-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(folder, name), text);
  return (name) => join(folder, name);
}

async function ok(t: ExecutionContext, cli: Cli, ...args: string[]): Promise<string> {
  const { code, out, err } = await cli(...args);
  t.is(code, 0, `${args.join(' ')}: ${err}${out}`);
  return out;
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests read what a user reads
async function json(t: ExecutionContext, cli: Cli, ...args: string[]): Promise<any> {
  return JSON.parse(await ok(t, cli, ...args, '--format', 'json'));
}

test('definitions are created, listed, shown, updated and deleted', async (t) => {
  const { url } = await startNodeServer(t);
  const cli = cliFor({ TRAMONTANE_URL: `${url}/v2/` });
  const file = files(t, {
    'w.yaml': WORKFLOWS,
    'one.yaml': "version: '2.0'\ngreet2:\n  tasks: {a: {action: std.noop}}\n",
    'book.yaml': "version: '2.0'\nname: book\nworkflows:\n  w:\n    tasks: {a: {action: std.noop}}\n",
    'action.yaml': "version: '2.0'\nact:\n  base: std.echo\n  base-input: {output: 1}\n",
    'doubtful.yaml': "version: '2.0'\nw:\n  tasks: {a: {action: std.ehco}}\n",
    'bad.yaml': "version: '2.0'\nw:\n  tasks: {a: {actoin: std.noop}}\n",
  });
  const made = await ok(t, cli, 'workflow', 'create', file('w.yaml'));
  t.regex(made, /^ID +NAME +NAMESPACE +TAGS +INPUT +SCOPE +CREATED AT\n/);
  t.is(made.split('\n').length, 5);
  t.deepEqual(
    (await json(t, cli, 'workflow', 'list', '--sort', 'name:desc', '--fields', 'name', '--limit', '2')).map(
      (w: { name: string }) => w.name,
    ),
    ['waits', 'greet'],
  );
  t.deepEqual((await json(t, cli, 'workflow', 'list', '--filter', 'name=has:fail')).length, 1);
  t.regex(await ok(t, cli, 'workflow', 'get', 'greet'), /^name +greet$/m);
  t.is(await ok(t, cli, 'action', 'definition', 'std.echo'), '\n');
  t.regex(await ok(t, cli, 'workflow', 'definition', 'greet'), /said/);
  t.regex(await ok(t, cli, 'workflow', 'update', file('one.yaml'), '--id', 'fails'), /greet2/);
  t.is(await ok(t, cli, 'workflow', 'validate', file('w.yaml')), 'valid\n');
  const doubtful = await cli('workflow', 'validate', file('doubtful.yaml'));
  t.deepEqual(doubtful, {
    code: 0,
    out: 'valid\n',
    err: "3:23: warning: Unknown action 'std.ehco'; did you mean 'std.echo'?\n",
  });
  const bad = await cli('workflow', 'validate', file('bad.yaml'));
  t.is(bad.code, 1);
  t.regex(bad.err, /actoin/);
  t.is((await cli('workflow', 'create', file('w.yaml'))).code, 1);
  await ok(t, cli, 'workbook', 'create', file('book.yaml'), '--namespace', 'n');
  t.regex(await ok(t, cli, 'workbook', 'list', '--namespace', 'n'), /book +n/);
  await ok(t, cli, 'action', 'create', file('action.yaml'));
  t.like(await json(t, cli, 'action', 'get', 'act'), { name: 'act', is_system: false });
  const gone = await cli('workflow', 'delete', 'greet', 'nothing', 'greet2');
  t.is(gone.code, 1, 'one of them was not there');
  t.regex(gone.err, /deleted workflow greet\nnothing: Workflow not found.*\ndeleted workflow greet2/);
  t.is((await cli('workflow', 'list', '--filter', 'nonsense')).code, 2);
  t.is((await cli('workflow', 'list', '--limit', 'x')).code, 2);
  const unknown = await cli('workflow', 'get', 'nothing');
  t.is(unknown.code, 1);
  t.is(unknown.err, 'Workflow not found [workflow_identifier=nothing, namespace=]\n');
});

test('executions are started, watched, changed and run again', async (t) => {
  const { url, store } = await startNodeServer(t);
  const cli = cliFor({ TRAMONTANE_URL: url });
  const file = files(t, { 'w.yaml': WORKFLOWS, 'input.yaml': 'who: you\n' });
  await ok(t, cli, 'workflow', 'create', file('w.yaml'));
  const watched = await cli(
    'execution',
    'create',
    'greet',
    '--input',
    file('input.yaml'),
    '--input',
    'times=3',
    '--watch',
  );
  t.is(watched.code, 0, watched.err);
  t.regex(watched.out, /execution +SUCCESS/);
  t.regex(watched.out, /task +RUNNING +say/);
  t.is(watched.err, 'SUCCESS\n');
  const [greeted] = await json(t, cli, 'execution', 'list', '--filter', 'workflow_name=greet');
  t.deepEqual(await json(t, cli, 'execution', 'output', greeted.id), { said: 'you' });
  t.deepEqual(await json(t, cli, 'execution', 'input', greeted.id), { who: 'you', times: 3 });
  t.is(await ok(t, cli, 'execution', 'output', greeted.id, '--format', 'yaml'), 'said: you\n');
  t.is((await json(t, cli, 'execution', 'report', greeted.id, '--statistics-only')).statistics.total_tasks_count, 1);
  t.is((await cli('execution', 'watch', greeted.id)).code, 0);
  const [task] = await json(t, cli, 'task', 'list', '--execution', greeted.id);
  t.is(await json(t, cli, 'task', 'result', task.id), 'you');
  t.deepEqual(await json(t, cli, 'task', 'published', task.id), { said: 'you' });

  const held = await json(t, cli, 'execution', 'create', 'waits', '--id', 'mine', '--env', 'a=1', '--description', 'x');
  t.deepEqual([held.id, held.state, held.params.env], ['mine', 'RUNNING', { a: 1 }]);
  // For scripts, as with `-f value -c id`.
  const values = async (...words: string[]) => ok(t, cli, ...words, '--format', 'value');
  t.is(await values('execution', 'get', 'mine', '--fields', 'state,description,id'), 'RUNNING\nx\nmine\n');
  t.is(await values('execution', 'list', '--fields', 'id,state', '--filter', 'workflow_name=waits'), 'mine\tRUNNING\n');
  t.is(
    await values('execution', 'list', '--roots-only', '--fields', 'id', '--filter', 'workflow_name=waits'),
    'mine\n',
  );
  const other = await values(
    'execution',
    'create',
    'waits',
    '--params',
    'evaluate_env=false',
    '--env',
    'a=1',
    '--fields',
    'params',
  );
  t.like(JSON.parse(other), { evaluate_env: false, env: { a: 1 } });
  t.is(await values('task', 'result', task.id), 'you\n');
  const wrong = await cli('execution', 'get', 'mine', '--fields', 'nope');
  t.is(wrong.code, 2);
  t.regex(wrong.err, /no field 'nope'; there are: id, /);
  t.is((await json(t, cli, 'execution', 'pause', 'mine')).state, 'PAUSED');
  t.is((await json(t, cli, 'execution', 'resume', 'mine')).state, 'RUNNING');
  t.is((await json(t, cli, 'execution', 'update', 'mine', '--description', 'other')).description, 'other');
  let actions: { id: string; state: string }[] = [];
  while (actions.length === 0) actions = await json(t, cli, 'action-execution', 'list', '--filter', 'task_name=hold');
  const [action] = actions;
  const job = {
    actionExecutionId: action?.id ?? '',
    backend: 'fake',
    key: 'k',
    url: null,
    data: {},
    request: {},
    leaseOwner: 'n',
    leaseUntil: 1,
    now: 1,
  };
  await insertExternalJob(store.writer, job);
  await updateExternalJobs(
    store.writer,
    'n',
    [{ actionExecutionId: job.actionExecutionId, patch: { logTail: ['a line of it'] } }],
    2,
  );
  t.regex(await ok(t, cli, 'execution', 'logs', 'mine'), /== hold \(std\.async_noop, RUNNING\)\na line of it\n/);
  t.is(await ok(t, cli, 'action-execution', 'log', action?.id ?? ''), 'a line of it\n');
  t.like(await json(t, cli, 'action-execution', 'update', action?.id ?? '', '--state', 'SUCCESS', '--output', 'x=1'), {
    state: 'SUCCESS',
  });
  t.is((await cli('execution', 'watch', 'mine')).code, 0);

  const failed = await cli('execution', 'create', 'fails', '--watch', '--format', 'json');
  t.is(failed.code, 1);
  const events = failed.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { execution_id: id } = events[0];
  t.regex((await cli('execution', 'rerun', id)).err, /runs again: boom/);
  t.is((await cli('execution', 'rerun', id, '--task', 'nothing')).code, 1);
  t.is((await cli('execution', 'watch', id)).code, 1);
  t.regex((await cli('execution', 'watch', 'no-such')).err, /WorkflowExecution not found/);
  t.is((await cli('execution', 'delete', 'mine', id, '--force')).code, 0);
  t.deepEqual(
    await json(t, cli, 'action-execution', 'create', 'std.echo', '--input', 'output=[1, 2]').then(
      ({ output }) => output,
    ),
    { result: [1, 2] },
  );
});

test('triggers, environments, members, services and maintenance have commands too', async (t) => {
  const { url, store } = await startNodeServer(t, { authMode: 'token' });
  const other = 'c'.repeat(32);
  await addToken(store.writer, {
    token: 'tok-a',
    projectId: 'a'.repeat(32),
    userId: 'u',
    roles: ['admin'],
    expiresAt: null,
  });
  await addToken(store.writer, { token: 'tok-c', projectId: other, userId: 'u', roles: [], expiresAt: null });
  const nobody = await cliFor({ TRAMONTANE_URL: url })('workflow', 'list');
  t.is(nobody.code, 1);
  t.regex(nobody.err, /Authentication required/);
  const cli = cliFor({ TRAMONTANE_URL: url, TRAMONTANE_TOKEN: 'tok-a' });
  const member = cliFor({ TRAMONTANE_URL: url, TRAMONTANE_TOKEN: 'tok-c' });
  await ok(t, cli, 'workflow', 'create', files(t, { 'w.yaml': WORKFLOWS })('w.yaml'));
  const { id } = await json(t, cli, 'workflow', 'get', 'waits');
  t.like(
    await json(
      t,
      cli,
      'cron-trigger',
      'create',
      'c',
      'greet',
      '--pattern',
      '0 0 1 1 *',
      '--count',
      '3',
      '--input',
      'who=x',
    ),
    { remaining_executions: 3, workflow_input: { who: 'x' } },
  );
  t.is((await cli('cron-trigger', 'delete', 'c')).code, 0);
  const event = await json(
    t,
    cli,
    'event-trigger',
    'create',
    'e',
    id,
    '--exchange',
    'x',
    '--topic',
    't',
    '--event',
    'v',
  );
  t.is((await json(t, cli, 'event-trigger', 'update', event.id, '--name', 'renamed')).name, 'renamed');
  await ok(t, cli, 'event', 'publish', '--exchange', 'x', '--topic', 't', '--event', 'v', '--payload', 'a=1');
  t.deepEqual(
    (await json(t, cli, 'environment', 'create', 'env', '--variables', 'a=1', '--description', 'd')).variables,
    { a: 1 },
  );
  t.deepEqual((await json(t, cli, 'environment', 'update', 'env', '--variables', 'b=2')).variables, { b: 2 });
  await ok(t, cli, 'member', 'create', id, other);
  t.is((await json(t, member, 'member', 'update', id, other)).status, 'accepted');
  t.regex(await ok(t, cli, 'member', 'list', id), /accepted/);
  await ok(t, cli, 'member', 'delete', id, other);
  t.deepEqual(await json(t, cli, 'service', 'list'), []);
  t.is((await json(t, cli, 'maintenance', 'get')).status, 'RUNNING');
});

test('what is no server is told apart from one that refuses', async (t) => {
  const strange = createServer((_request, response) => response.end('<html>hello</html>'));
  await new Promise<void>((resolve) => strange.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void strange.close());
  const cli = cliFor({});
  const page = await cli('workflow', 'list', '--url', `http://127.0.0.1:${(strange.address() as AddressInfo).port}`);
  t.is(page.code, 1);
  t.regex(page.err, /no JSON/);
  const gone = await cli('workflow', 'list', '--url', 'http://127.0.0.1:1');
  t.is(gone.code, 1);
  t.regex(gone.err, /No server answers at http:\/\/127\.0\.0\.1:1: .*(ECONNREFUSED|bad port).*--url/);
  t.is((await cli('workflow', 'list', '--url', 'nonsense')).code, 2);
});

test('completion knows every command and option', async (t) => {
  const cli = cliFor({});
  const bash = await ok(t, cli, 'completion', 'bash');
  const complete = (...words: string[]) => {
    const script = `${bash}\nCOMP_WORDS=(tramontane ${words.map((word) => `'${word}'`).join(' ')})\nCOMP_CWORD=${words.length}\n_tramontane\necho "\${COMPREPLY[@]}"`;
    return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split(' ');
  };
  t.deepEqual(complete('exec'), ['execution']);
  t.true(complete('execution', '').includes('watch'));
  t.deepEqual(complete('execution', 'create', '--wat'), ['--watch']);
  t.regex(await ok(t, cli, 'completion', 'fish'), /complete -c tramontane .*-a cron-trigger/);
  t.regex(await ok(t, cli, 'completion', 'zsh'), /^#compdef tramontane/);
  t.is((await cli('completion', 'powershell')).code, 2);
});

test('clusters are leased, looked at, operated and given back; pools are listed and drained', async (t) => {
  const { url } = await startNodeServer(t, {
    pools: { lab: { provider: 'fake', type: 'spark', mode: 'standalone', capacity: 1, min_free: 1 } },
    clusters: { tick_seconds: 0.05, health_seconds: 0.1 },
  });
  const cli = cliFor({ TRAMONTANE_URL: url });
  const leased = await json(t, cli, 'cluster', 'apply', '--user', 'ann', '--type', 'spark', '--wait', '60');
  t.like(leased, { user_id: 'ann', pool: 'lab', lease: { scope: 'none' } });
  const { id } = leased;
  t.regex(await ok(t, cli, 'cluster', 'list', '--user', 'ann'), /^ID +NAME +POOL.*\n\S+ +\S+ +lab +spark/);
  t.deepEqual(await json(t, cli, 'cluster', 'list', '--free'), []);
  t.deepEqual(await json(t, cli, 'cluster', 'list', '--label', 'zone=b'), []);
  t.regex(await ok(t, cli, 'cluster', 'get', id), /^user_id +ann$/m);
  t.regex(await ok(t, cli, 'cluster', 'log', id, '--node', 'master'), /says nothing\n$/);
  t.regex(await ok(t, cli, 'cluster', 'events', id), /granted/);
  t.regex(await ok(t, cli, 'cluster', 'renew', id, '--ttl', '60'), /^expires_at +\d+$/m);
  t.like(await json(t, cli, 'cluster', 'stop', id), { status: 'stopped' });
  t.like(await json(t, cli, 'cluster', 'start', id, '--node', 'w0'), { id });
  t.like(await json(t, cli, 'cluster', 'restart', id), { status: 'running' });
  t.regex(await ok(t, cli, 'pool', 'list'), /^NAME +PROVIDER.*\nlab +fake +spark/);
  t.regex(await ok(t, cli, 'pool', 'leases'), /ann/);
  const full = await cli('cluster', 'apply', '--user', 'bob', '--type', 'spark');
  t.is(full.code, 1);
  t.is(full.err, 'No available res for bob\n');
  const foreign = await cli('cluster', 'release', id, '--user', 'bob');
  t.is(foreign.code, 1);
  t.is((await cli('cluster', 'release', id)).err, `released ${id}\n`);
  t.regex((await cli('cluster', 'get', 'nothing')).err, /cluster not found with id=nothing/);
  const again = await json(t, cli, 'cluster', 'apply', '--user', 'bob', '--wait', '60');
  t.not(again.id, id);
  t.regex(await ok(t, cli, 'pool', 'drain', 'lab'), /drained/);
  t.is((await cli('cluster', 'release', '--user', 'bob')).err, 'released all of bob\n');
  t.regex(await ok(t, cli, 'pool', 'undrain', 'lab'), /undrained/);
  for (const wrong of [['apply'], ['release'], ['apply', '--user', 'u', '--wait', 'x'], ['list', '--label', 'zone']])
    t.is((await cli('cluster', ...wrong)).code, 2, wrong.join(' '));
});
