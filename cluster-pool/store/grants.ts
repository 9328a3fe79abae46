import { newId } from '../../engine/ids.ts';
import type { ApplyRequest, ClusterFilter } from '../contract.ts';
import type { Change } from './changing.ts';
import { subjectOf } from './lives.ts';
import { findPools } from './pools.ts';
import { clusterOfRow, keyOf } from './rows.ts';
import type { ClusterRow, PoolRow, RawCluster } from './rows.ts';
import { openTickets, serveTicket } from './waiters.ts';

export interface Granted {
  readonly cluster: ClusterRow;
  readonly leaseId: string;
}

/** What is free, as seen within one transaction. What is granted leaves the list. */
export interface Supply {
  readonly pools: ReadonlyMap<string, PoolRow>;
  readonly free: ClusterRow[];
}

/** The longest unused first, so that all are used in turn. */
export async function loadSupply(change: Change): Promise<Supply> {
  const rows: RawCluster[] = await change
    .trx<RawCluster>('clusters')
    .where({ user_id: '', status: 'running', health: 'OK' })
    .whereNull('wish_id')
    .orderBy([{ column: 'last_used' }, { column: 'id' }]);
  if (rows.length === 0) return { pools: new Map(), free: [] };
  const pools = new Map((await findPools(change.trx)).map((pool) => [pool.name, pool]));
  return { pools, free: rows.map(clusterOfRow).filter((row) => pools.get(row.pool)?.schedulable === true) };
}

/**
 * Gives what is free to those who wait, the first come first. Whoever cannot be served does not hold up others who want
 * something else; afterwards nothing that is left fits any ticket.
 *
 * @param mayHave whether a project may have one more lease.
 */
export async function serveTickets(
  change: Change,
  supply: Supply,
  mayHave: (project: string) => Promise<boolean>,
): Promise<readonly string[]> {
  if (supply.free.length === 0) return [];
  const served: string[] = [];
  for (const { ticket, request } of await openTickets(change.trx, change.now)) {
    if (supply.free.length === 0) break;
    if (!supply.free.some((cluster) => fits(cluster, request.filter))) continue;
    if (!(await mayHave(request.project))) continue;
    const granted = await grantOne(change, supply, request);
    if (granted === null) continue;
    await serveTicket(change, ticket, granted.leaseId);
    served.push(ticket);
  }
  return served;
}

/** The first free cluster that fits; null when there is none. */
export async function grantOne(change: Change, supply: Supply, request: ApplyRequest): Promise<Granted | null> {
  for (;;) {
    const index = supply.free.findIndex((cluster) => fits(cluster, request.filter));
    const [cluster] = index < 0 ? [] : supply.free.splice(index, 1);
    if (cluster === undefined) return null;
    const granted = await grant(change, cluster, supply.pools.get(cluster.pool), request);
    if (granted !== null) return granted;
  }
}

/**
 * The two guards (spec/cluster.md §3.3): the row is taken only while nobody holds it, and the index `one_open_lease` takes no second
 * open lease of it. Null when somebody else was there first.
 */
async function grant(
  change: Change,
  cluster: ClusterRow,
  pool: PoolRow | undefined,
  request: ApplyRequest,
): Promise<Granted | null> {
  const { trx, now } = change;
  const leaseId = newId();
  const taken = await trx('clusters')
    .where({ id: cluster.id, user_id: '', status: 'running', health: 'OK' })
    .update({
      user_id: request.user_id,
      project_id: request.project,
      lease_id: leaseId,
      apply_ts: now,
      last_used: now,
      version: trx.raw('version + 1'),
    });
  if (taken !== 1) return null;
  const ttl = ttlOf(request.ttl_s, pool);
  await trx('cluster_leases').insert({
    id: leaseId,
    lease_key: keyOf(request.project, request.lease_key),
    cluster_id: cluster.id,
    project_id: request.project,
    user_id: request.user_id,
    execution_id: request.execution_id,
    root_execution_id: request.root_execution_id,
    scope: request.scope,
    granted_at: now,
    renewed_at: now,
    ttl_seconds: ttl,
    expires_at: ttl === null ? null : now + ttl * 1000,
    released_at: null,
    release_reason: null,
    remote: null,
  });
  const held: ClusterRow = {
    ...cluster,
    userId: request.user_id,
    projectId: request.project,
    leaseId,
    applyTs: now,
    lastUsed: now,
  };
  change.tell('granted', subjectOf(held), {
    generation: cluster.generation,
    ...(request.execution_id !== null && { execution_id: request.execution_id }),
  });
  return { cluster: held, leaseId };
}

export function fits(
  cluster: Pick<ClusterRow, 'type' | 'mode' | 'size' | 'name' | 'labels'>,
  filter: ClusterFilter,
): boolean {
  return (
    (filter.type === undefined || filter.type === cluster.type) &&
    (filter.mode === undefined || filter.mode === cluster.mode) &&
    (filter.size === undefined || filter.size === cluster.size) &&
    (filter.size_min === undefined || filter.size_min <= cluster.size) &&
    (filter.name === undefined || filter.name === cluster.name) &&
    Object.entries(filter.labels ?? {}).every(
      ([name, value]) => Object.hasOwn(cluster.labels, name) && cluster.labels[name] === value,
    )
  );
}

/** Seconds: what was asked for, else what the pool says, and never more than the pool lets. Null: for ever. */
export function ttlOf(asked: number | null, pool: PoolRow | undefined): number | null {
  const wanted = asked ?? pool?.defaultTtl ?? null;
  const most = pool?.maxLeaseSeconds ?? null;
  return most === null ? wanted : Math.min(wanted ?? most, most);
}
