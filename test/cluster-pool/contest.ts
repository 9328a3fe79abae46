import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { silentLogger } from '../../engine/log.ts';
import { openStore } from '../../engine/store/connection.ts';
import { signalGroup, waitForExit } from '../helpers/processes.ts';
import { RestClient } from '../helpers/rest-client.ts';
import { startServer } from '../helpers/server-process.ts';
import type { ServerProcess } from '../helpers/server-process.ts';
import { waitFor } from '../helpers/waiting.ts';

export interface Contest {
  readonly database: string;
  /** Servers that share the database. */
  readonly nodes: number;
  readonly executions: number;
  readonly clusters: number;
  /** How often one of the servers dies of SIGKILL and starts again. */
  readonly kills: number;
}

const CONFIG = (clusters: number) => `
pools: {p: {provider: fake, capacity: ${clusters}, min_free: ${clusters}}}
clusters: {tick_seconds: 0.1, reaper_seconds: 1, release_grace: 1}
cluster: {heartbeat_seconds: 1, lease_seconds: 6, janitor_seconds: 1, action_heartbeat_seconds: 1, action_silence_seconds: 6}
executor: {shutdown_seconds: 0}
`;

/** Every third gives its cluster back itself; the end of the execution does it for the others, and for the third that ends in error. */
const WORKFLOW = `
version: '2.0'
contest:
  input: [url, kind]
  tasks:
    lease:
      action: cluster.apply type=spark wait=7200 ready=false poll_interval=30
      publish: {id: <% task(lease).result.id %>}
      on-success: enter
    enter:
      action: std.http
      input: {url: '<% $.url %>/enter/<% $.id %>/<% execution().id %>'}
      safe-rerun: true
      on-success: leave
    leave:
      action: std.http
      input: {url: '<% $.url %>/leave/<% $.id %>/<% execution().id %>'}
      safe-rerun: true
      on-success:
        - release: <% $.kind = 0 %>
        - fail: <% $.kind = 1 %>
    release:
      action: cluster.release cluster_id=<% $.id %>
`;

/**
 * Executions compete for clusters while servers die (spec/cluster.md §5). An observer outside is told by each holder that it enters and leaves: it
 * never sees two in one cluster. Everybody who lives long enough is served, in the order in which the tickets were taken; at the end
 * nothing is held.
 */
export async function holdContest(t: ExecutionContext, contest: Contest): Promise<void> {
  // Half an hour on two cores that others use as well.
  t.timeout(3_600_000);
  const folder = await mkdtemp(join(tmpdir(), 'contest-'));
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const config = join(folder, 'config.yaml');
  await writeFile(config, CONFIG(contest.clusters));
  const observer = await observe(t);
  const start = async (): Promise<ServerProcess> => {
    const server = await startServer({
      database: contest.database,
      args: ['--config', config],
      cwd: folder,
      logFile: join(folder, 'server.log'),
      startTimeoutMs: 300_000,
    });
    t.teardown(server.stop);
    return server;
  };
  const servers: ServerProcess[] = [];
  for (let node = 0; node < contest.nodes; node++) servers.push(await start());
  const client = (index: number) => new RestClient((servers[index % contest.nodes] as ServerProcess).url);
  await client(0).createWorkflows(WORKFLOW);
  for (let from = 0; from < contest.executions; from += 20) {
    const batch = Array.from({ length: Math.min(20, contest.executions - from) }, (_, i) => from + i);
    await Promise.all(batch.map((i) => client(i).startExecution('contest', { url: observer.url, kind: i % 3 })));
  }
  const store = await openStore({ url: contest.database, exclusive: false }, silentLogger);
  t.teardown(() => store.close());
  const done = async () => {
    const final = ['SUCCESS', 'ERROR', 'CANCELLED'];
    const row = await store.reader('executions').whereIn('state', final).count({ count: '*' }).first();
    return Number(row?.count ?? 0);
  };
  for (let kill = 1; kill <= contest.kills; kill++) {
    // Spread over the contest, whatever the machine's speed.
    const due = Math.floor((contest.executions * kill) / (contest.kills + 1));
    await waitFor(`${due} executions`, async () => (await done()) >= due, 900_000);
    await sleep(Math.random() * 200);
    const victim = kill % contest.nodes;
    const { child } = servers[victim] as ServerProcess;
    signalGroup(child, 'SIGKILL');
    await waitForExit(child);
    servers[victim] = await start();
  }
  await waitFor('the end of all', async () => (await done()) === contest.executions, 900_000);
  await waitFor(
    'all clusters to be free',
    async () =>
      (await store.reader('clusters').where({ user_id: '', status: 'running', health: 'OK' })).length ===
      contest.clusters,
    300_000,
  );

  t.deepEqual(observer.violations, []);
  t.is(observer.visitors.size, contest.executions, 'somebody never got a cluster');
  t.deepEqual(await store.reader('cluster_leases').whereNull('released_at').select('id'), []);
  t.deepEqual(await store.reader('cluster_waiters').where({ state: 'waiting' }).select('ticket'), []);
  const events: readonly Told[] = await store
    .reader('cluster_events')
    .whereIn('event', ['granted', 'released'])
    .orderBy('seq')
    .select('event', 'cluster_id', 'lease_id');
  const holders = new Map<string, string>();
  for (const { event, cluster_id: cluster, lease_id: lease } of events) {
    if (event === 'granted') t.is(holders.get(cluster), undefined, 'granted while it was held');
    else t.is(holders.get(cluster), lease, 'released by somebody else');
    if (event === 'granted') holders.set(cluster, lease);
    else holders.delete(cluster);
  }
  t.deepEqual([...holders.keys()], []);
  // First come, first served: the order of the grants is that of the tickets.
  const served: readonly { served_lease: string }[] = await store
    .reader('cluster_waiters')
    .where({ state: 'served' })
    .orderBy('seq')
    .select('served_lease');
  const granted = events.filter(({ event }) => event === 'granted').map(({ lease_id: lease }) => lease);
  const order = new Map(granted.map((lease, index) => [lease, index]));
  const places = served.map(({ served_lease: lease }) => order.get(lease) ?? -1);
  t.true(served.length > contest.executions / 2, `only ${served.length} had to wait`);
  t.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  );
}

interface Told {
  readonly event: string;
  readonly cluster_id: string;
  readonly lease_id: string;
}

interface Observer {
  readonly url: string;
  readonly violations: readonly string[];
  readonly visitors: ReadonlySet<string>;
}

/** Who is in which cluster, as the holders tell it themselves. */
async function observe(t: ExecutionContext): Promise<Observer> {
  const inside = new Map<string, string>();
  const violations: string[] = [];
  const visitors = new Set<string>();
  const server = createServer((request, response) => {
    const [, verb, cluster = '', execution = ''] = (request.url ?? '').split('/');
    const holder = inside.get(cluster);
    if (holder !== undefined && holder !== execution) violations.push(`${execution} and ${holder} in ${cluster}`);
    if (verb === 'enter') {
      inside.set(cluster, execution);
      visitors.add(execution);
    } else inside.delete(cluster);
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, violations, visitors };
}
