import type { Knex } from 'knex';
import { decodeJson } from '../../engine/store/columns.ts';
import type { JsonObject } from '../../dsl/json.ts';
import type { ClusterEvent, ClusterListFilter, PoolRecord } from '../contract.ts';
import { fits } from './grants.ts';
import { findPools } from './pools.ts';
import { clusterOfRow, leaseOfRow } from './rows.ts';
import type { ClusterRow, LeaseRow, RawCluster, RawLease } from './rows.ts';

/**
 * Lives that fit the filter, the oldest first. A project sees what is free, what the service is at work on, and what it holds itself;
 * null sees everything.
 */
export async function listClusters(
  knex: Knex,
  project: string | null,
  filter: ClusterListFilter,
): Promise<readonly ClusterRow[]> {
  const query = knex<RawCluster>('clusters')
    .orderBy([{ column: 'name' }, { column: 'id' }])
    .limit(10_000);
  if (filter.state === 'released') query.where({ status: 'released' });
  else query.whereNot({ status: 'released' });
  if (project !== null) {
    query.where((where) => {
      where.where({ project_id: project });
      if (filter.state !== 'released') where.orWhere({ project_id: '' });
    });
  }
  for (const field of ['id', 'name', 'user_id', 'pool', 'status', 'health', 'type', 'mode', 'size'] as const) {
    const value = filter[field];
    if (value !== undefined) query.where({ [field]: value });
  }
  if (filter.free === true) query.where({ user_id: '', status: 'running', health: 'OK' });
  const rows: RawCluster[] = await query;
  return rows.map(clusterOfRow).filter((row) => fits(row, filter));
}

/** The open leases of these clusters, by the cluster's id. */
export async function leasesByCluster(knex: Knex, rows: readonly ClusterRow[]): Promise<ReadonlyMap<string, LeaseRow>> {
  const ids = rows.filter((row) => row.leaseId !== null).map((row) => row.id);
  const found = new Map<string, LeaseRow>();
  for (let from = 0; from < ids.length; from += 500) {
    const leases: RawLease[] = await knex<RawLease>('cluster_leases')
      .whereIn('cluster_id', ids.slice(from, from + 500))
      .whereNull('released_at');
    for (const lease of leases) found.set(lease.cluster_id, leaseOfRow(lease));
  }
  return found;
}

/** What happened to a life, the first first. */
export async function listEvents(knex: Knex, clusterId: string, limit = 1000): Promise<readonly ClusterEvent[]> {
  const rows: RawEvent[] = await knex<RawEvent>('cluster_events')
    .where({ cluster_id: clusterId })
    .orderBy('seq')
    .limit(limit);
  return rows.map((row) => ({
    seq: Number(row.seq),
    at: Number(row.at),
    cluster_id: row.cluster_id,
    cluster_name: row.cluster_name,
    pool: row.pool,
    event: row.event,
    user_id: row.user_id,
    lease_id: row.lease_id,
    data: decodeJson<JsonObject>(row.data),
  }));
}

/** Pools with what is in them. */
export async function describePools(knex: Knex): Promise<readonly PoolRecord[]> {
  const pools = await findPools(knex);
  const rows: { pool: string; user_id: string; status: string; health: string }[] = await knex('clusters')
    .whereNot({ status: 'released' })
    .select('pool', 'user_id', 'status', 'health');
  const waiting: { filter: string }[] = await knex('cluster_waiters').where({ state: 'waiting' }).select('filter');
  return pools.map((pool) => {
    const own = rows.filter((row) => row.pool === pool.name);
    return {
      name: pool.name,
      provider: pool.provider,
      type: pool.type,
      mode: pool.mode,
      sizes: pool.sizes,
      labels: pool.labels,
      capacity: pool.capacity,
      min_free: pool.minFree,
      max_lease_seconds: pool.maxLeaseSeconds,
      schedulable: pool.schedulable,
      recycle: pool.recycle,
      host: pool.host,
      total: own.length,
      free: own.filter((row) => row.user_id === '' && row.status === 'running' && row.health === 'OK').length,
      leased: own.filter((row) => row.user_id !== '' && !row.user_id.startsWith('__SYSTEM__')).length,
      waiting: waiting.filter(({ filter }) =>
        pool.sizes.some((size) => fits({ ...pool, size, name: '' }, { ...decodeJson<JsonObject>(filter), name: '' })),
      ).length,
    };
  });
}

/** Forgets what ended long ago; leases stay as long as the lives that they were of. */
export async function forgetOldLives(knex: Knex, before: number): Promise<number> {
  const ended = await knex('clusters').where({ status: 'released' }).where('release_ts', '<', before).delete();
  const leases = await knex('cluster_leases').where('released_at', '<', before).delete();
  const tickets = await knex('cluster_waiters').whereNot({ state: 'waiting' }).where('deadline', '<', before).delete();
  const events = await knex('cluster_events').where('at', '<', before).delete();
  return ended + leases + tickets + events;
}

interface RawEvent extends Omit<ClusterEvent, 'seq' | 'at' | 'data'> {
  readonly seq: number | string;
  readonly at: number | string;
  readonly data: string;
}
