import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { redisSettings } from '../../engine/config.ts';
import { newId } from '../../engine/ids.ts';
import { silentLogger } from '../../engine/log.ts';
import { BullmqQueue, DEFAULT_BULLMQ } from '../../engine/queue/bullmq.ts';
import { EpochWatch } from '../../engine/queue/epoch.ts';
import { checkRedis, connectRedis, type RedisSettings } from '../../engine/queue/redis.ts';
import { systemClock } from '../../engine/shell/clock.ts';
import type { Json } from '../../dsl/json.ts';
import { freePort } from '../helpers/free-port.ts';
import { findRedis, startRedis, type RedisOptions, type RedisServer, type TlsFiles } from '../helpers/redis-server.ts';
import { waitFor } from '../helpers/waiting.ts';
import { queueContract, runMessage } from './contract.ts';

// Redis as operators run it: with TLS, behind sentinels, as a cluster. Servers of our own, each with nothing on disk.

const program = (await findRedis()) ?? '';
const folder = mkdtempSync(join(tmpdir(), 'tramontane-redis-kinds-'));
const servers: RedisServer[] = [];
const certificates = makeCertificates('own');
const ca = readFileSync(certificates.ca, 'utf8');
const { secure, sentinels, cluster } = await startAll();
test.after.always(endAll);

const KINDS = { tls: secure.settings, sentinels: sentinels.settings, cluster: cluster.settings };
for (const [name, given] of Object.entries(KINDS)) {
  queueContract(test, `bullmq, ${name}`, (t) =>
    Promise.resolve({
      queue: open(t, settingsOf(given)),
      passTime: () => new Promise((resolve) => setTimeout(resolve, 1_500)),
    }),
  );
}

test('a certificate of somebody else is refused, and the reason is told', async (t) => {
  const [client] = connect(
    t,
    settingsOf({ url: secure.url, tls: { ca: readFileSync(makeCertificates('other').ca, 'utf8') } }),
  );
  const told = new Promise<string>((resolve) => client.once('error', ({ message }: Error) => resolve(message)));
  await t.throwsAsync(checkRedis(client, silentLogger), { message: /^Redis cannot be reached: / });
  t.regex(await told, /certificate/);
  const [trusting] = connect(t, settingsOf(secure.settings));
  await t.notThrowsAsync(checkRedis(trusting, silentLogger));
});

test('servers that sentinels name are spoken to by TLS where the address says so', async (t) => {
  const [client] = connect(t, settingsOf(sentinels.settings));
  // Which of the two: one of the tests kills the first primary.
  const [, port = ''] = /tcp_port:(\d+)/.exec(String(await client.info('server'))) ?? [];
  t.true(sentinels.ports.includes(Number(port)), port);
  // Without TLS the same sentinels lead to a server that does not understand.
  const { tls: _tls, ...rest } = sentinels.settings;
  const [plain] = connect(t, settingsOf({ ...rest, url: 'redis://:sesame@main' }));
  await t.throwsAsync(checkRedis(plain, silentLogger), { message: /^Redis cannot be reached: / });
});

test.serial('when the primary dies, messages go to the replica, and that some may be lost is told', async (t) => {
  await outlive(t, settingsOf(sentinels.settings), () => sentinels.primary.kill());
});

test.serial(
  'when a primary of a cluster dies, messages go to its replica, and that some may be lost is told',
  async (t) => {
    await outlive(t, settingsOf(cluster.settings), () => cluster.owner.kill(), DEFAULT_BULLMQ.prefix);
  },
);

async function startAll() {
  const starts = [startSecure(), startSentinels(), startCluster()] as const;
  try {
    const [secure, sentinels, cluster] = await Promise.all(starts);
    return { secure, sentinels, cluster };
  } catch (error) {
    await Promise.allSettled(starts);
    await endAll();
    throw error;
  }
}

async function endAll(): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
  rmSync(folder, { recursive: true, force: true });
}

/** Starts a server that ends with the tests. */
async function start(place: string, args: readonly string[], options: RedisOptions = {}): Promise<RedisServer> {
  const server = await startRedis(program, place, args, options);
  servers.push(server);
  return server;
}

/** A queue, its workers and the watch live through the death of the server. */
async function outlive(
  t: ExecutionContext,
  settings: RedisSettings,
  kill: () => Promise<boolean>,
  prefix = `{test-${newId()}}`,
): Promise<void> {
  t.timeout(180_000);
  const queue = open(t, settings, prefix);
  const [client] = connect(t, settings);
  let losses = 0;
  const watch = new EpochWatch(client, prefix, systemClock, silentLogger, () => void losses++);
  t.teardown(async () => watch.close());
  await watch.start();
  const seen: string[] = [];
  const stop = queue.consume((message) => {
    if (message.type === 'run-action') seen.push(message.context.actionExecutionId);
    return Promise.resolve();
  });
  await queue.send([runMessage('before')]);
  await waitFor('the first message', async () => (seen.includes('before') ? true : undefined), 60_000);
  t.true(await kill());
  await queue.send([runMessage('after')]);
  await waitFor('the message sent after its death', async () => (seen.includes('after') ? true : undefined), 120_000);
  await waitFor('the loss', async () => (losses > 0 ? true : undefined), 60_000);
  await stop();
  t.deepEqual([...new Set(seen)], ['before', 'after']);
}

/** What a user writes under `redis:`. */
function settingsOf(given: Json): RedisSettings {
  const settings = redisSettings(given);
  if (settings === undefined) throw new Error(`this is no setting: ${JSON.stringify(given)}`);
  return settings;
}

function connect(t: ExecutionContext, settings: RedisSettings) {
  const clients = [
    connectRedis(settings, silentLogger, 'fails'),
    connectRedis(settings, silentLogger, 'waits'),
  ] as const;
  t.teardown(() => clients.forEach((client) => client.disconnect()));
  return clients;
}

function open(t: ExecutionContext, settings: RedisSettings, prefix = `{test-${newId()}}`): BullmqQueue {
  const [sender, receiver] = connect(t, settings);
  const nodeId = newId();
  const queue = new BullmqQueue({
    settings: { ...DEFAULT_BULLMQ, prefix, lockMs: 5_000 },
    sender,
    receiver,
    nodeId,
    host: 'here',
    takesResults: true,
    concurrency: 10,
    clock: systemClock,
    log: silentLogger,
    executors: () => Promise.resolve([nodeId]),
    loadAction: () => Promise.resolve(null),
  });
  t.teardown(() => queue.close());
  return queue;
}

async function startSecure() {
  const server = await start(folder, [], { tls: certificates });
  return { url: server.url, settings: { url: server.url, tls: { ca } } };
}

/** A primary and a replica with TLS and a password, known to three sentinels with TLS. */
async function startSentinels() {
  const tls = certificates;
  const ports = [await freePort(), await freePort(), await freePort()];
  const primary = await start(folder, [], { tls, password: 'sesame' });
  const replica = await start(folder, ['--replicaof', '127.0.0.1', String(primary.port)], { tls, password: 'sesame' });
  const sentinel = `sentinel monitor main 127.0.0.1 ${primary.port} 2
sentinel auth-pass main sesame
sentinel down-after-milliseconds main 1500
sentinel failover-timeout main 5000
`;
  await Promise.all(ports.map((port) => start(folder, [], { tls, port, sentinel })));
  const watcher = new Redis({ host: '127.0.0.1', port: ports[0] ?? 0, tls: { ca } });
  await waitFor(
    'the sentinels to know the replica and each other',
    async () => {
      const [info = {}] = parsePairs(await watcher.call('SENTINEL', 'masters'));
      return info['num-slaves'] === '1' && info['num-other-sentinels'] === '2' ? true : undefined;
    },
    60_000,
  );
  watcher.disconnect();
  return {
    primary,
    ports: [primary.port, replica.port],
    settings: {
      url: 'rediss://:sesame@main',
      tls: { ca },
      sentinel: { name: 'main', nodes: ports.map((port) => `127.0.0.1:${port}`), tls: { ca } },
    },
  };
}

/** Three primaries, each with a replica. */
async function startCluster() {
  const nodes = await Promise.all(
    Array.from({ length: 6 }, async () => {
      // The second port of each is 10,000 above the first.
      const port = 10_000 + ((await freePort()) % 40_000);
      const place = join(folder, `node-${port}`);
      mkdirSync(place);
      return start(place, ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1500'], { port });
    }),
  );
  const clients = nodes.map(({ port }) => new Redis({ port, host: '127.0.0.1' }));
  const ids = await Promise.all(clients.map((client) => client.call('CLUSTER', 'MYID').then(String)));
  const bounds = [0, 5461, 10_923, 16_384];
  await Promise.all(
    clients
      .slice(0, 3)
      .map((client, i) => client.call('CLUSTER', 'ADDSLOTSRANGE', bounds[i] ?? 0, (bounds[i + 1] ?? 0) - 1)),
  );
  for (const { port } of nodes.slice(1)) await clients[0]?.call('CLUSTER', 'MEET', '127.0.0.1', port);
  const know = (count: number) => async () => {
    const infos = await Promise.all(clients.map((client) => client.call('CLUSTER', 'INFO').then(String)));
    return infos.every((info) => info.includes(`cluster_known_nodes:${count}`)) ? infos : undefined;
  };
  await waitFor('the nodes to know each other', know(6), 60_000);
  for (const [i, client] of clients.slice(3).entries()) {
    const replicate = () =>
      client.call('CLUSTER', 'REPLICATE', ids[i] ?? '').then(
        () => true,
        () => undefined,
      );
    await waitFor('a replica', replicate, 60_000);
  }
  await waitFor(
    'the cluster',
    async () => {
      const infos = await know(6)();
      const roles = await Promise.all(clients.slice(3).map((client) => client.info('replication')));
      const isUp = infos?.every((info) => info.includes('cluster_state:ok')) === true;
      return isUp && roles.every((role) => role.includes('master_link_status:up')) ? true : undefined;
    },
    60_000,
  );
  const slot = Number(await clients[0]?.call('CLUSTER', 'KEYSLOT', DEFAULT_BULLMQ.prefix));
  const owner = nodes[bounds.findIndex((bound) => slot < bound) - 1];
  if (owner === undefined) throw new Error(`nobody has the slot ${slot}`);
  for (const client of clients) client.disconnect();
  return {
    /** Of the keys with the usual prefix. */
    owner,
    settings: { url: nodes[0]?.url ?? '', cluster_nodes: nodes.slice(1).map(({ port }) => `127.0.0.1:${port}`) },
  };
}

/** A certificate for 127.0.0.1 and the authority that signed it. */
function makeCertificates(name: string): TlsFiles {
  const place = join(folder, name);
  mkdirSync(place);
  const files = { ca: join(place, 'ca.crt'), cert: join(place, 'server.crt'), key: join(place, 'server.key') };
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: place, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', files.ca, '-subj', `/CN=${name}`, '-days', '2');
  openssl('req', ...key, '-keyout', files.key, '-out', 'server.csr', '-subj', '/CN=127.0.0.1');
  writeFileSync(join(place, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  const sign = ['-CA', files.ca, '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
  openssl('x509', '-req', '-in', 'server.csr', '-out', files.cert, ...sign);
  return files;
}

function parsePairs(answer: unknown): Record<string, string>[] {
  const lists = answer as readonly (readonly string[])[];
  return lists.map((list) =>
    Object.fromEntries(list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1] ?? '']] : []))),
  );
}
