import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { silentLogger } from '../../engine/log.ts';
import { openStore } from '../../engine/store/connection.ts';
import type { Store } from '../../engine/store/connection.ts';
import { signalGroup, waitForExit } from '../helpers/processes.ts';
import { buildFolder } from '../helpers/project.ts';
import { RestClient } from '../helpers/rest-client.ts';
import { startServer } from '../helpers/server-process.ts';
import type { ServerProcess } from '../helpers/server-process.ts';
import { waitFor } from '../helpers/waiting.ts';
import { observe } from './observer.ts';

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
      publish:
        id: <% task(lease).result.id %>
        place: <% task(lease).result.name + '/' + task(lease).result.id + '/' + execution().id %>
      on-success: enter
    enter:
      action: std.http
      input: {url: '<% $.url %>/enter/<% $.place %>', timeout: 3600}
      safe-rerun: true
      on-success: leave
    leave:
      action: std.http
      input: {url: '<% $.url %>/leave/<% $.place %>'}
      safe-rerun: true
      on-success:
        - release: <% $.kind = 0 %>
        - fail: <% $.kind = 1 %>
    release:
      action: cluster.release cluster_id=<% $.id %>
`;
const END_OF_KIND = ['SUCCESS', 'ERROR', 'SUCCESS'];

/**
 * Executions compete for clusters while servers die (spec/cluster.md §5). An observer outside is told by each holder that it enters and leaves: it
 * never sees two in one cluster, whichever of its lives they hold. Everybody is served once, in the order in which the tickets were
 * taken, and ends as his workflow says; at the end nothing is held.
 */
export async function holdContest(t: ExecutionContext, contest: Contest): Promise<void> {
  // Half an hour on two cores that others use as well.
  t.timeout(3_600_000);
  const start = await startsServers(t, contest);
  const observer = await observe(t);
  const servers: ServerProcess[] = [];
  for (let node = 0; node < contest.nodes; node++) servers.push(await start());
  const kinds = await startExecutions(contest, servers, observer.url);
  const store = await openStore({ url: contest.database, exclusive: false }, silentLogger);
  t.teardown(() => store.close());
  const kills: Kill[] = [];
  while (kills.length < contest.kills) {
    // Spread over the contest, whatever the machine's speed.
    const due = Math.floor((contest.executions * (kills.length + 1)) / (contest.kills + 1));
    await waitFor(`${due} executions`, async () => (await countEnded(store)) >= due, 900_000);
    await sleep(Math.random() * 200);
    const victim = (kills.length + 1) % contest.nodes;
    const { child } = servers[victim] as ServerProcess;
    signalGroup(child, 'SIGKILL');
    await waitForExit(child);
    const goesOn = contest.executions - (await countEnded(store));
    servers[victim] = await start();
    kills.push({ signal: child.signalCode, isAnother: servers[victim].child.pid !== child.pid, goesOn: goesOn > 0 });
  }
  await waitFor('the end of all', async () => (await countEnded(store)) === contest.executions, 900_000);
  await waitFor('all clusters to be free', async () => (await freeClusters(store)) === contest.clusters, 300_000);

  t.deepEqual(observer.violations, []);
  t.deepEqual([...observer.inside.keys()], []);
  t.deepEqual([...observer.entered].toSorted(), [...kinds.keys()].toSorted(), 'somebody never got a cluster');
  t.deepEqual([...observer.left].toSorted(), [...kinds.keys()].toSorted());
  t.deepEqual(
    kills,
    Array.from({ length: contest.kills }, () => ({ signal: 'SIGKILL', isAnother: true, goesOn: true })),
  );
  await checkEnds(t, store, kinds);
  await checkLeases(t, store, kinds);
  await checkOrder(t, store, contest);
}

interface Kill {
  readonly signal: string | null;
  /** The server that came after it is another process. */
  readonly isAnother: boolean;
  /** There were executions that had not ended. */
  readonly goesOn: boolean;
}

/**
 * A contest on a server in which a bug is planted (`node --import`), for as long as the first holder of a cluster stays in it: until
 * somebody else comes. Answers what the observer says.
 */
export async function holdPlantedContest(
  t: ExecutionContext,
  contest: Contest,
  plant: string,
): Promise<readonly string[]> {
  t.timeout(600_000);
  const start = await startsServers(t, contest, {
    NODE_OPTIONS: `--import ${buildFolder}/test/cluster-pool/${plant}.js`,
  });
  const observer = await observe(t, { keeps: true });
  await startExecutions(contest, [await start()], observer.url);
  await waitFor('a violation', async () => observer.violations.length > 0, 300_000);
  return observer.violations;
}

async function startsServers(
  t: ExecutionContext,
  { database, clusters }: Contest,
  environment: NodeJS.ProcessEnv = {},
): Promise<() => Promise<ServerProcess>> {
  const folder = await mkdtemp(join(tmpdir(), 'contest-'));
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const config = join(folder, 'config.yaml');
  await writeFile(config, CONFIG(clusters));
  return async () => {
    const server = await startServer({
      database,
      args: ['--config', config],
      cwd: folder,
      env: { ...process.env, ...environment },
      logFile: join(folder, 'server.log'),
      startTimeoutMs: 300_000,
    });
    t.teardown(server.stop);
    return server;
  };
}

/** Executions with the way in which each will end. */
async function startExecutions(
  { executions }: Contest,
  servers: readonly ServerProcess[],
  url: string,
): Promise<ReadonlyMap<string, number>> {
  const client = (index: number) => new RestClient((servers[index % servers.length] as ServerProcess).url);
  await client(0).createWorkflows(WORKFLOW);
  const kinds = new Map<string, number>();
  for (let from = 0; from < executions; from += 20) {
    const batch = Array.from({ length: Math.min(20, executions - from) }, (_, i) => from + i);
    await Promise.all(
      batch.map(async (i) => {
        const { id } = await client(i).startExecution('contest', { url, kind: i % 3 });
        kinds.set(id, i % 3);
      }),
    );
  }
  return kinds;
}

async function countEnded(store: Store): Promise<number> {
  const final = ['SUCCESS', 'ERROR', 'CANCELLED'];
  const row = await store.reader('executions').whereIn('state', final).count({ count: '*' }).first();
  return Number(row?.count ?? 0);
}

async function freeClusters(store: Store): Promise<number> {
  return (await store.reader('clusters').where({ user_id: '', status: 'running', health: 'OK' })).length;
}

async function checkEnds(t: ExecutionContext, store: Store, kinds: ReadonlyMap<string, number>): Promise<void> {
  const rows: readonly { id: string; state: string }[] = await store.reader('executions').select('id', 'state');
  t.deepEqual(
    rows.map(({ id, state }) => `${id} ${state}`).toSorted(),
    [...kinds].map(([id, kind]) => `${id} ${END_OF_KIND[kind]}`).toSorted(),
  );
}

/** One lease each, all of them over, and nobody waits. */
async function checkLeases(t: ExecutionContext, store: Store, kinds: ReadonlyMap<string, number>): Promise<void> {
  t.deepEqual(await store.reader('cluster_leases').whereNull('released_at').select('id'), []);
  t.deepEqual(await store.reader('cluster_waiters').where({ state: 'waiting' }).select('ticket'), []);
  const owners: readonly string[] = await store.reader('cluster_leases').pluck('execution_id');
  t.deepEqual(owners.toSorted(), [...kinds.keys()].toSorted());
}

/**
 * What the service itself tells: no cluster was granted while it was held. First come, first served: who stood in line came with his
 * ticket, and who did not came when he was granted a cluster; grants follow in that order.
 */
async function checkOrder(t: ExecutionContext, store: Store, contest: Contest): Promise<void> {
  const events: readonly Told[] = await store
    .reader('cluster_events')
    .whereIn('event', ['granted', 'released'])
    .orderBy('seq')
    .select('seq', 'event', 'cluster_name', 'lease_id');
  const holders = new Map<string, string>();
  for (const { event, cluster_name: name, lease_id: lease } of events) {
    if (event === 'granted') t.is(holders.get(name), undefined, 'granted while it was held');
    else t.is(holders.get(name), lease, 'released by somebody else');
    if (event === 'granted') holders.set(name, lease);
    else holders.delete(name);
  }
  t.deepEqual([...holders.keys()], []);
  const served: readonly { seq: number | string; served_lease: string }[] = await store
    .reader('cluster_waiters')
    .where({ state: 'served' })
    .select('seq', 'served_lease');
  t.true(served.length > contest.executions / 2, `only ${served.length} had to wait`);
  const tickets = new Map(served.map(({ seq, served_lease: lease }) => [lease, Number(seq)]));
  const cameAt = events
    .filter(({ event }) => event === 'granted')
    .map(({ seq, lease_id: lease }) => tickets.get(lease) ?? Number(seq));
  t.is(cameAt.length, contest.executions);
  t.deepEqual(
    cameAt,
    cameAt.toSorted((a, b) => a - b),
  );
}

interface Told {
  readonly seq: number | string;
  readonly event: string;
  readonly cluster_name: string;
  readonly lease_id: string;
}
