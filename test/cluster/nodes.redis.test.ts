import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { createApp } from '../../api/app.ts';
import { createAccess } from '../../api/auth/index.ts';
import { createLive } from '../../api/live.ts';
import { startNode } from '../../api/node.ts';
import type { Node } from '../../api/node.ts';
import { listen } from '../../api/server.ts';
import { serviceGroups } from '../../api/service-groups.ts';
import { DEFAULT_CONFIG } from '../../engine/config.ts';
import type { Config, Role } from '../../engine/config.ts';
import { newId } from '../../engine/ids.ts';
import { silentLogger } from '../../engine/log.ts';
import { connectRedis } from '../../engine/queue/redis.ts';
import type { ExecutionRow } from '../../engine/store/tables.ts';
import { fakeSparkHome } from '../executors/helpers/fake-spark.ts';
import { openLedger } from '../helpers/ledger.ts';
import type { Ledger } from '../helpers/ledger.ts';
import { RestClient } from '../helpers/rest-client.ts';
import { testDatabase } from '../helpers/store.ts';
import { waitFor } from '../helpers/waiting.ts';

const REDIS = { url: process.env.REDIS_URL ?? '', clusterNodes: null, sentinels: null, tls: null };

test.serial('api, engine and executor in processes of their own run a workflow, each action once', async (t) => {
  t.timeout(600_000);
  const { client, ledger, nodes } = await open(t, [['api'], ['engine', 'scheduler'], ['executor']]);
  await client.createWorkflows(fan('fan', 20));
  const { id } = await client.startExecution('fan', { url: ledger.url });
  const execution = await ended(nodes, id);
  t.is(execution.state, 'SUCCESS', execution.state_info ?? '');
  t.deepEqual(JSON.parse(execution.output), { sum: 20 });
  t.deepEqual([...new Set(ledger.calls.values())], [1]);
  t.is(ledger.calls.size, 20);
  // A busy machine may let a process miss a beat: then it is listed again after the next one.
  const wanted = ['api_group', 'engine_group', 'event-engine_group', 'executor_group'];
  await waitFor('all groups', async () => {
    const groups = await serviceGroups((nodes[0] as Node).store, ['api']);
    return (
      groups
        .map(({ type }) => type)
        .toSorted()
        .join() === wanted.join()
    );
  });
});

test.serial('a Redis that is emptied in the middle delays a workflow, and no action runs twice', async (t) => {
  t.timeout(600_000);
  const { client, ledger, nodes } = await open(t, [['api', 'engine'], ['engine'], ['executor'], ['executor']]);
  ledger.delay = 200;
  const redis = connectRedis(REDIS, silentLogger, 'fails');
  t.teardown(async () => redis.disconnect());
  await client.createWorkflows(stages('stages', 4, 6));
  const started = await Promise.all(
    [1, 2, 3].map((n) => client.startExecution('stages', { url: `${ledger.url}/${n}` })),
  );
  for (let flushes = 0; flushes < 3; flushes++) {
    await waitForCalls(ledger, (flushes + 1) * 10);
    await redis.flushall();
  }
  for (const { id } of started) {
    const execution = await ended(nodes, id);
    t.is(execution.state, 'SUCCESS', execution.state_info ?? '');
  }
  t.is(ledger.calls.size, 3 * 4 * 6);
  t.deepEqual(
    [...ledger.calls].filter(([, count]) => count !== 1),
    [],
  );
});

test.serial(
  'a file that one node was sent is the application of a job on another one, which runs a copy of its own',
  async (t) => {
    t.timeout(600_000);
    const folder = await mkdtemp(join(tmpdir(), 'tramontane-nodes-files-'));
    const spark = await fakeSparkHome(folder);
    const data = (name: string) => join(folder, name);
    const { client, url, nodes } = await open(t, [['api', 'engine', 'scheduler'], ['executor']], (at) => ({
      dataFolder: data(`node-${at}`),
      sparkHome: spark.home,
    }));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const script = 'echo "::result [\\"$application\\"]"\n';
    const upload = async (name: string, body: string): Promise<string> =>
      ((await (await fetch(`${url}/v2/files?name=${name}`, { method: 'POST', body })).json()) as { uri: string }).uri;
    const [job, table] = [await upload('job.sh', script), await upload('table.csv', 'a,b')];
    await client.createWorkflows(`version: '2.0'
file:
  output: {said: <% $.said %>}
  tasks:
    run:
      action: spark.submit
      input: {application: '${job}', files: ['${table}'], poll_interval: 0.1}
      publish: {said: <% task().result.result %>}
`);
    const { id } = await client.startExecution('file', {});
    const execution = await ended(nodes, id);
    t.is(execution.state, 'SUCCESS', execution.state_info ?? '');
    const { said } = JSON.parse(execution.output) as { said: [string] };
    const [application] = said;
    t.true(application.startsWith(join(data('node-1'), 'files/')) && application.endsWith('/job.sh'), application);
    const [start] = await spark.starts();
    t.regex(start ?? '', new RegExp(`--files ${data('node-1')}/files/[0-9a-f]{64}/table\\.csv`));
    t.false(existsSync(join(data('node-0'), 'files')), 'the node that took the upload keeps it in the database alone');
  },
);

async function open(
  t: ExecutionContext,
  roles: readonly (readonly Role[])[],
  more: (at: number) => Partial<Config> = () => ({}),
): Promise<{
  readonly client: RestClient;
  readonly url: string;
  readonly ledger: Ledger;
  readonly nodes: readonly Node[];
}> {
  const ledger = await openLedger();
  t.teardown(ledger.close);
  const shared: Partial<Config> = {
    database: await testDatabase(t),
    redis: REDIS,
    redisPrefix: `{test-${newId()}}`,
    logLevel: 'silent',
    shutdownSeconds: 1,
    queueLockSeconds: 5,
    heartbeatSeconds: 1,
    leaseSeconds: 5,
    janitorSeconds: 1,
    databaseConnections: 6,
  };
  const nodes: Node[] = [];
  for (const [at, own] of roles.entries()) {
    const config = { ...DEFAULT_CONFIG, ...shared, ...more(at), roles: own };
    const node = await startNode(config, silentLogger, {});
    nodes.push(node);
    t.teardown(node.close);
  }
  const [first] = nodes;
  if (first === undefined) throw new Error('no node was asked for');
  const live = createLive(first.store, silentLogger);
  const app = createApp(
    { ...first, infoFile: null, processes: () => serviceGroups(first.store, ['api']) },
    { log: silentLogger, access: createAccess(DEFAULT_CONFIG, first.store), live, corsOrigins: [] },
  );
  const server = await listen(app.callback(), { host: '127.0.0.1', port: 0, insecure: false });
  t.teardown(async () => {
    live.feed.close();
    await server.close();
  });
  return { client: new RestClient(server.url), url: server.url, ledger, nodes };
}

/** As the database has it: these nodes share one busy process, whose sockets may be closed for idleness meanwhile. */
async function ended(
  nodes: readonly Node[],
  id: string,
): Promise<Pick<ExecutionRow, 'state' | 'state_info' | 'output'>> {
  const final = ['SUCCESS', 'ERROR', 'CANCELLED'];
  return waitFor(
    `the end of execution ${id}`,
    () => (nodes[0] as Node).store.reader('executions').where('id', id).whereIn('state', final).first(),
    300_000,
  );
}

async function waitForCalls(ledger: Ledger, count: number): Promise<void> {
  await waitFor(`${count} calls`, () => Promise.resolve(ledger.calls.size >= count), 300_000);
}

function fan(name: string, width: number): string {
  return stages(name, 1, width);
}

/** Stages of calls side by side, each stage after the one before; the output counts the answers. */
function stages(name: string, depth: number, width: number): string {
  const call = (stage: number, branch: number) => `    call_${stage}_${branch}:
      action: std.http
      input: {url: "<% $.url %>/${stage}/${branch}"}
      publish: {v_${stage}_${branch}: <% task().result.content.value %>}
      on-success: join_${stage}`;
  const numbers = Array.from({ length: width }, (_, i) => i);
  const levels = Array.from({ length: depth }, (_, stage) => {
    const next =
      stage + 1 < depth ? `\n      on-success: [${numbers.map((i) => `call_${stage + 1}_${i}`).join(', ')}]` : '';
    return `${numbers.map((i) => call(stage, i)).join('\n')}
    join_${stage}:
      join: all
      action: std.noop
      publish: {sum: <% $.sum + ${numbers.map((i) => `$.v_${stage}_${i}`).join(' + ')} %>}${next}`;
  });
  return `version: '2.0'
${name}:
  input: [url]
  vars: {sum: 0}
  output: {sum: <% $.sum %>}
  tasks:
${levels.join('\n')}
`;
}
