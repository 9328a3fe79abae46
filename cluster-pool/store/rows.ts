import type { JsonObject } from '../../dsl/json.ts';
import { decodeJson } from '../../engine/store/columns.ts';
import type { ClusterHealth, ClusterNode, ClusterStatus, LeaseScope } from '../contract.ts';

/** Rows of the pool service's tables as its code has them. PostgreSQL gives `bigint` as text where a driver was not told otherwise. */

export type Labels = Readonly<Record<string, string>>;

/** What somebody asked for and the keeper of the cluster's host does. */
export interface Wish {
  readonly op: 'start' | 'stop' | 'restart';
  readonly node: string | null;
}

export interface ClusterRow {
  readonly id: string;
  readonly name: string;
  readonly pool: string;
  readonly type: string;
  readonly mode: string;
  readonly size: number;
  readonly labels: Labels;
  readonly userId: string;
  readonly projectId: string;
  readonly leaseId: string | null;
  readonly status: ClusterStatus;
  readonly health: ClusterHealth;
  readonly healthFails: number;
  readonly endpoints: Readonly<Record<string, string>>;
  readonly nodes: readonly ClusterNode[];
  readonly handle: JsonObject;
  readonly host: string;
  readonly cores: number;
  readonly memoryMb: number;
  readonly createTs: number;
  readonly applyTs: number | null;
  readonly releaseTs: number | null;
  readonly lastUsed: number;
  readonly generation: number;
  readonly attempts: number;
  readonly nextTryAt: number;
  readonly wish: Wish | null;
  readonly wishId: string | null;
  readonly wishError: string | null;
}

export interface PoolRow {
  readonly name: string;
  readonly provider: string;
  readonly type: string;
  readonly mode: string;
  readonly sizes: readonly number[];
  readonly labels: Labels;
  readonly config: JsonObject;
  readonly capacity: number;
  readonly minFree: number;
  readonly maxLeaseSeconds: number | null;
  readonly defaultTtl: number | null;
  readonly schedulable: boolean;
  readonly recycle: Recycle;
  readonly host: string;
}

export type Recycle = 'recreate' | 'reset' | 'none';

export interface LeaseRow {
  readonly id: string;
  readonly leaseKey: string | null;
  readonly clusterId: string;
  readonly projectId: string;
  readonly userId: string;
  readonly executionId: string | null;
  readonly rootExecutionId: string | null;
  readonly scope: LeaseScope;
  readonly grantedAt: number;
  readonly renewedAt: number;
  readonly ttlSeconds: number | null;
  readonly expiresAt: number | null;
  readonly releasedAt: number | null;
  readonly releaseReason: string | null;
  readonly remote: string | null;
}

export function clusterOfRow(row: RawCluster): ClusterRow {
  return {
    id: row.id,
    name: row.name,
    pool: row.pool,
    type: row.type,
    mode: row.mode,
    size: row.size,
    labels: decodeJson(row.labels),
    userId: row.user_id,
    projectId: row.project_id,
    leaseId: row.lease_id,
    status: row.status,
    health: row.health,
    healthFails: row.health_fails,
    endpoints: decodeJson(row.endpoints),
    nodes: decodeJson(row.nodes),
    handle: decodeJson(row.handle),
    host: row.host,
    cores: row.cores,
    memoryMb: Number(row.memory_mb),
    createTs: Number(row.create_ts),
    applyTs: numberOrNull(row.apply_ts),
    releaseTs: numberOrNull(row.release_ts),
    lastUsed: Number(row.last_used),
    generation: row.generation,
    attempts: row.attempts,
    nextTryAt: Number(row.next_try_at),
    wish: row.wish === null ? null : decodeJson<Wish>(row.wish),
    wishId: row.wish_id,
    wishError: row.wish_error,
  };
}

export function poolOfRow(row: RawPool): PoolRow {
  return {
    name: row.name,
    provider: row.provider,
    type: row.type,
    mode: row.mode,
    sizes: decodeJson(row.sizes),
    labels: decodeJson(row.labels),
    config: decodeJson(row.config),
    capacity: row.capacity,
    minFree: row.min_free,
    maxLeaseSeconds: numberOrNull(row.max_lease_seconds),
    defaultTtl: numberOrNull(row.default_ttl),
    schedulable: Boolean(row.schedulable),
    recycle: row.recycle,
    host: row.host,
  };
}

export function leaseOfRow(row: RawLease): LeaseRow {
  return {
    id: row.id,
    leaseKey: row.lease_key,
    clusterId: row.cluster_id,
    projectId: row.project_id,
    userId: row.user_id,
    executionId: row.execution_id,
    rootExecutionId: row.root_execution_id,
    scope: row.scope,
    grantedAt: Number(row.granted_at),
    renewedAt: Number(row.renewed_at),
    ttlSeconds: numberOrNull(row.ttl_seconds),
    expiresAt: numberOrNull(row.expires_at),
    releasedAt: numberOrNull(row.released_at),
    releaseReason: row.release_reason,
    remote: row.remote,
  };
}

/** Keys of leases and tickets as they are stored: those of one project never meet those of another. */
export function keyOf(project: string, key: string | null): string | null {
  return key === null ? null : `${project}/${key}`;
}

export function numberOrNull(value: number | string | null): number | null {
  return value === null ? null : Number(value);
}

type Big = number | string;

export interface RawCluster {
  readonly id: string;
  readonly name: string;
  readonly pool: string;
  readonly type: string;
  readonly mode: string;
  readonly size: number;
  readonly labels: string;
  readonly user_id: string;
  readonly project_id: string;
  readonly lease_id: string | null;
  readonly status: ClusterStatus;
  readonly health: ClusterHealth;
  readonly health_fails: number;
  readonly endpoints: string;
  readonly nodes: string;
  readonly handle: string;
  readonly host: string;
  readonly cores: number;
  readonly memory_mb: Big;
  readonly create_ts: Big;
  readonly apply_ts: Big | null;
  readonly release_ts: Big | null;
  readonly last_used: Big;
  readonly generation: number;
  readonly attempts: number;
  readonly next_try_at: Big;
  readonly wish: string | null;
  readonly wish_id: string | null;
  readonly wish_error: string | null;
}

export interface RawPool {
  readonly name: string;
  readonly provider: string;
  readonly type: string;
  readonly mode: string;
  readonly sizes: string;
  readonly labels: string;
  readonly config: string;
  readonly capacity: number;
  readonly min_free: number;
  readonly max_lease_seconds: Big | null;
  readonly default_ttl: Big | null;
  readonly schedulable: boolean | number;
  readonly recycle: Recycle;
  readonly host: string;
}

export interface RawLease {
  readonly id: string;
  readonly lease_key: string | null;
  readonly cluster_id: string;
  readonly project_id: string;
  readonly user_id: string;
  readonly execution_id: string | null;
  readonly root_execution_id: string | null;
  readonly scope: LeaseScope;
  readonly granted_at: Big;
  readonly renewed_at: Big;
  readonly ttl_seconds: Big | null;
  readonly expires_at: Big | null;
  readonly released_at: Big | null;
  readonly release_reason: string | null;
  readonly remote: string | null;
}
