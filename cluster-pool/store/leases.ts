import type { Knex } from 'knex';
import { newId } from '../../engine/ids.ts';
import { SYSTEM_USERS } from '../contract.ts';
import type { LeaseFilter, RemoteLease } from '../contract.ts';
import type { Change } from './changing.ts';
import { beginNextLife, findLife, subjectOf } from './lives.ts';
import { findPool } from './pools.ts';
import { keyOf, leaseOfRow } from './rows.ts';
import type { LeaseRow, PoolRow, RawLease } from './rows.ts';
import { ttlOf } from './grants.ts';

/**
 * Ends a lease and hands its cluster to whoever recycles it (spec/cluster.md §3.3). False: it was over before, nothing is written.
 * A cluster that is taken back as it is begins its next life in the same transaction.
 */
export async function releaseLease(change: Change, lease: LeaseRow, reason: string): Promise<boolean> {
  const { trx, now } = change;
  const ended = await trx('cluster_leases')
    .where({ id: lease.id })
    .whereNull('released_at')
    .update({ released_at: now, release_reason: reason.slice(0, 80) });
  if (ended !== 1) return false;
  const cluster = lease.remote === null ? await findLife(trx, lease.clusterId) : undefined;
  if (cluster === undefined || cluster.leaseId !== lease.id) return true;
  const pool = await findPool(trx, cluster.pool);
  const goes = cluster.status === 'draining' || cluster.status === 'deleting' || pool?.schedulable !== true;
  change.tell('released', subjectOf(cluster), { reason, generation: cluster.generation });
  await trx('clusters')
    .where({ id: cluster.id, lease_id: lease.id })
    .update({
      user_id: goes ? SYSTEM_USERS.deleting : SYSTEM_USERS.resetting,
      status: goes ? 'deleting' : 'resetting',
      project_id: '',
      lease_id: null,
      release_ts: now,
      last_used: now,
      attempts: 0,
      next_try_at: now,
      wish: null,
      wish_id: null,
      version: trx.raw('version + 1'),
    });
  if (!goes && keepsAsItIs(pool) && cluster.status === 'running' && cluster.health === 'OK') {
    const { handle, nodes, endpoints } = cluster;
    await beginNextLife(
      change,
      { ...cluster, releaseTs: now },
      { status: 'running', handle: () => handle, nodes, endpoints },
    );
  }
  return true;
}

function keepsAsItIs(pool: PoolRow | undefined): boolean {
  return pool?.recycle === 'none';
}

export async function findLease(
  knex: Knex,
  by: { readonly id: string } | { readonly lease_key: string },
): Promise<LeaseRow | undefined> {
  const row: unknown = await knex('cluster_leases').where(by).first();
  return row === undefined ? undefined : leaseOfRow(row as RawLease);
}

/** Open leases with these values. */
export async function openLeases(
  knex: Knex,
  by: Partial<Pick<RawLease, 'cluster_id' | 'project_id' | 'user_id' | 'execution_id' | 'root_execution_id' | 'scope'>>,
): Promise<readonly LeaseRow[]> {
  const rows: RawLease[] = await knex<RawLease>('cluster_leases').where(by).whereNull('released_at').orderBy('id');
  return rows.map(leaseOfRow);
}

/** Those that end with this execution: its own, and as the outermost one those of the whole tree that wait for it. */
export async function leasesEndingWith(
  knex: Knex,
  executionId: string,
  rootId: string | null,
): Promise<readonly LeaseRow[]> {
  const own = await openLeases(knex, { execution_id: executionId, scope: 'execution' });
  const isRoot = rootId === null || rootId === executionId;
  const roots = isRoot ? await rootLeases(knex, executionId) : [];
  return [...own, ...roots];
}

async function rootLeases(knex: Knex, rootId: string): Promise<readonly LeaseRow[]> {
  const rows: RawLease[] = await knex<RawLease>('cluster_leases')
    .where({ scope: 'root' })
    .whereNull('released_at')
    .where((where) =>
      where
        .where({ root_execution_id: rootId })
        .orWhere((own) => own.whereNull('root_execution_id').where({ execution_id: rootId })),
    )
    .orderBy('id');
  return rows.map(leaseOfRow);
}

export async function countOpenLeases(knex: Knex, project: string): Promise<number> {
  const row = await knex('cluster_leases')
    .where({ project_id: project })
    .whereNull('released_at')
    .whereNull('remote')
    .count({ count: '*' })
    .first();
  return Number(row?.count ?? 0);
}

export async function listLeases(
  knex: Knex,
  project: string | null,
  filter: LeaseFilter,
): Promise<readonly LeaseRow[]> {
  const query = knex<RawLease>('cluster_leases').orderBy('id').limit(10_000);
  if (project !== null) query.where({ project_id: project });
  if (filter.user_id !== undefined) query.where({ user_id: filter.user_id });
  if (filter.execution_id !== undefined) query.where({ execution_id: filter.execution_id });
  if (filter.cluster_id !== undefined) query.where({ cluster_id: filter.cluster_id });
  if (filter.state !== 'all') query.whereNull('released_at');
  const rows: RawLease[] = await query;
  return rows.map(leaseOfRow);
}

/** Counts the time from now on; null: the lease is over. */
export async function renewLease(
  change: Change,
  lease: LeaseRow,
  ttl: number | null,
  pool: PoolRow | undefined,
): Promise<LeaseRow | null> {
  const seconds = ttlOf(ttl ?? lease.ttlSeconds, pool);
  const expiresAt = seconds === null ? null : change.now + seconds * 1000;
  const renewed = await change
    .trx('cluster_leases')
    .where({ id: lease.id })
    .whereNull('released_at')
    .update({ renewed_at: change.now, ttl_seconds: seconds, expires_at: expiresAt });
  return renewed === 1 ? { ...lease, renewedAt: change.now, ttlSeconds: seconds, expiresAt } : null;
}

/** An open lease with the state of the execution whose end ends it, and since when; null: it is deleted. */
export interface OwnedLease {
  readonly lease: LeaseRow;
  readonly state: string | null;
  readonly changedAt: number | null;
}

/** Whether nobody has given it back although its execution has ended: those who were told of the end have `graceMs` for it. */
export function isLeftOver({ lease, state, changedAt }: OwnedLease, now: number, graceMs: number): boolean {
  return lease.scope !== 'none' && isFinalState(state) && (changedAt === null || now - changedAt >= graceMs);
}

export async function ownedLeases(knex: Knex): Promise<readonly OwnedLease[]> {
  const rows: RawLease[] = await knex<RawLease>('cluster_leases').whereNull('released_at').whereNotNull('execution_id');
  const leases = rows.map(leaseOfRow);
  const owners = leases.map((lease) => ownerOf(lease) ?? '');
  const states = await executionStates(knex, owners);
  return leases.map((lease) => {
    const owner = states.get(ownerOf(lease) ?? '');
    return { lease, state: owner?.state ?? null, changedAt: owner?.changedAt ?? null };
  });
}

/** The executions whose ends end these leases, by lease; without those that belong to nobody's. */
export async function ownersOf(knex: Knex, leaseIds: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const owners = new Map<string, string>();
  const different = [...new Set(leaseIds)];
  for (let from = 0; from < different.length; from += 500) {
    const rows: RawLease[] = await knex<RawLease>('cluster_leases').whereIn('id', different.slice(from, from + 500));
    for (const lease of rows.map(leaseOfRow)) {
      const owner = ownerOf(lease);
      if (owner !== null) owners.set(lease.id, owner);
    }
  }
  return owners;
}

/** The execution whose end ends the lease. */
function ownerOf(lease: LeaseRow): string | null {
  return lease.scope === 'root' ? (lease.rootExecutionId ?? lease.executionId) : lease.executionId;
}

export async function executionStates(
  knex: Knex,
  ids: readonly string[],
): Promise<ReadonlyMap<string, { readonly state: string; readonly changedAt: number }>> {
  const states = new Map<string, { readonly state: string; readonly changedAt: number }>();
  const different = [...new Set(ids)];
  for (let from = 0; from < different.length; from += 500) {
    const rows: { id: string; state: string; updated_at: number }[] = await knex('executions')
      .whereIn('id', different.slice(from, from + 500))
      .select('id', 'state', 'updated_at');
    for (const { id, state, updated_at: at } of rows) states.set(id, { state, changedAt: Number(at) });
  }
  return states;
}

export function isFinalState(state: string | null): boolean {
  return state === null || state === 'SUCCESS' || state === 'ERROR' || state === 'CANCELLED';
}

/** Open leases of this service whose time is over. */
export async function lateLeases(knex: Knex, now: number): Promise<readonly LeaseRow[]> {
  const rows: RawLease[] = await knex<RawLease>('cluster_leases')
    .whereNull('released_at')
    .whereNull('remote')
    .where('expires_at', '<=', now);
  return rows.map(leaseOfRow);
}

/** A lease of a remote service. Recording it again changes nothing. */
export async function insertRemoteLease(change: Change, lease: RemoteLease): Promise<void> {
  const clusterId = remoteId(lease.connection, lease.cluster_id);
  if ((await openLeases(change.trx, { cluster_id: clusterId })).length > 0) return;
  await change
    .trx('cluster_leases')
    .insert({
      id: newId(),
      lease_key: keyOf(lease.project, lease.lease_key),
      cluster_id: clusterId,
      project_id: lease.project,
      user_id: lease.user_id,
      execution_id: lease.execution_id,
      root_execution_id: lease.root_execution_id,
      scope: lease.scope,
      granted_at: change.now,
      renewed_at: change.now,
      ttl_seconds: null,
      expires_at: null,
      released_at: null,
      release_reason: null,
      remote: lease.connection,
    })
    .onConflict('lease_key')
    .ignore();
}

/** Ids of services that know nothing of each other may be the same. */
export function remoteId(connection: string, clusterId: string): string {
  return `${connection}#${clusterId}`.slice(0, 255);
}

export function remoteLeaseOf(lease: LeaseRow): RemoteLease {
  const connection = lease.remote ?? '';
  const prefix = `${lease.projectId}/`;
  return {
    project: lease.projectId,
    user_id: lease.userId,
    connection,
    cluster_id: lease.clusterId.slice(connection.length + 1),
    lease_key: lease.leaseKey?.startsWith(prefix) === true ? lease.leaseKey.slice(prefix.length) : lease.leaseKey,
    execution_id: lease.executionId,
    root_execution_id: lease.rootExecutionId,
    scope: lease.scope,
  };
}
