import type { Knex } from 'knex';
import type { JsonObject } from '../../dsl/json.ts';
import { stringifyJson } from '../../dsl/json.ts';
import { newId } from '../../engine/ids.ts';
import { storableText } from '../../engine/store/columns.ts';
import { SYSTEM_USERS } from '../contract.ts';
import type { ClusterHealth, ClusterNode, ClusterStatus } from '../contract.ts';
import type { Change, EventSubject } from './changing.ts';
import { clusterOfRow } from './rows.ts';
import type { ClusterRow, PoolRow, RawCluster, Wish } from './rows.ts';

/** Lives of clusters: each row is one, from `creating` to `released`. */

export interface NewLife {
  readonly pool: PoolRow;
  readonly name: string;
  readonly size: number;
  readonly cores: number;
  readonly memoryMb: number;
  /** Given the id of the new life. */
  readonly handle: (id: string) => JsonObject;
}

/** The first life of a cluster. */
export async function insertLife(change: Change, life: NewLife): Promise<ClusterRow> {
  const { pool } = life;
  const id = newId();
  return insertRow(change, {
    id,
    name: life.name,
    pool: pool.name,
    type: pool.type,
    mode: pool.mode,
    size: life.size,
    labels: stringifyJson(pool.labels),
    host: pool.host,
    cores: life.cores,
    memory_mb: life.memoryMb,
    generation: 1,
    handle: stringifyJson(life.handle(id)),
    ...UNBORN,
  });
}

/** Ends a life, and begins the next one of the same cluster under another id: whoever still knows the old id reaches nobody's cluster. */
export async function beginNextLife(
  change: Change,
  old: ClusterRow,
  next: {
    readonly status: 'creating' | 'running';
    readonly handle: (id: string) => JsonObject;
    readonly nodes?: readonly ClusterNode[];
    readonly endpoints?: Readonly<Record<string, string>>;
    readonly health?: ClusterHealth;
  },
): Promise<ClusterRow> {
  const id = newId();
  await endLife(change, old);
  const running = next.status === 'running';
  return insertRow(change, {
    ...UNBORN,
    id,
    name: old.name,
    pool: old.pool,
    type: old.type,
    mode: old.mode,
    size: old.size,
    labels: stringifyJson(old.labels),
    host: old.host,
    cores: old.cores,
    memory_mb: old.memoryMb,
    generation: old.generation + 1,
    handle: stringifyJson(next.handle(id)),
    status: next.status,
    user_id: running ? '' : SYSTEM_USERS.creating,
    health: running ? (next.health ?? 'OK') : '',
    nodes: stringifyJson((next.nodes ?? []).map((node) => ({ ...node }))),
    endpoints: stringifyJson(next.endpoints ?? {}),
  });
}

/** The life is over; its row stays until retention, with the user who had it last. */
export async function endLife(change: Change, old: ClusterRow): Promise<void> {
  const [holder]: { user_id: string; project_id: string }[] = await change
    .trx('cluster_leases')
    .where({ cluster_id: old.id })
    .orderBy('granted_at', 'desc')
    .limit(1)
    .select('user_id', 'project_id');
  await change
    .trx('clusters')
    .where({ id: old.id })
    .update({
      status: 'released',
      user_id: holder?.user_id ?? '',
      project_id: holder?.project_id ?? '',
      release_ts: old.releaseTs ?? change.now,
      health: '',
      lease_id: null,
      wish: null,
      wish_id: null,
      version: change.trx.raw('version + 1'),
    });
  change.tell('ended', subjectOf(old));
}

export interface LifePatch {
  readonly status?: ClusterStatus;
  readonly userId?: string;
  readonly health?: ClusterHealth;
  readonly healthFails?: number;
  readonly endpoints?: Readonly<Record<string, string>>;
  readonly nodes?: readonly ClusterNode[];
  readonly handle?: JsonObject;
  readonly attempts?: number;
  readonly nextTryAt?: number;
  readonly lastUsed?: number;
  readonly wish?: Wish | null;
  readonly wishId?: string | null;
  readonly wishError?: string | null;
}

/**
 * Changes a life that is still as it was thought to be; false, and nothing is written, when it is not.
 *
 * @param expected a free cluster may be granted, and a leased one released, while a health check or a start is under way.
 */
export async function patchLife(
  trx: Knex,
  id: string,
  patch: LifePatch,
  expected: {
    readonly status: ClusterStatus;
    readonly userId?: string;
    readonly wishId?: string;
    readonly attempts?: number;
  },
): Promise<boolean> {
  const columns = {
    ...(patch.status !== undefined && { status: patch.status }),
    ...(patch.userId !== undefined && { user_id: patch.userId }),
    ...(patch.health !== undefined && { health: patch.health }),
    ...(patch.healthFails !== undefined && { health_fails: patch.healthFails }),
    ...(patch.endpoints !== undefined && { endpoints: stringifyJson(patch.endpoints) }),
    ...(patch.nodes !== undefined && { nodes: stringifyJson(patch.nodes.map((node) => ({ ...node }))) }),
    ...(patch.handle !== undefined && { handle: storableText(stringifyJson(patch.handle)) }),
    ...(patch.attempts !== undefined && { attempts: patch.attempts }),
    ...(patch.nextTryAt !== undefined && { next_try_at: patch.nextTryAt }),
    ...(patch.lastUsed !== undefined && { last_used: patch.lastUsed }),
    ...(patch.wish !== undefined && { wish: patch.wish === null ? null : stringifyJson({ ...patch.wish }) }),
    ...(patch.wishId !== undefined && { wish_id: patch.wishId }),
    ...(patch.wishError !== undefined && {
      wish_error: patch.wishError === null ? null : storableText(patch.wishError),
    }),
  };
  const changed = await trx('clusters')
    .where({
      id,
      status: expected.status,
      ...(expected.userId !== undefined && { user_id: expected.userId }),
      ...(expected.wishId !== undefined && { wish_id: expected.wishId }),
      ...(expected.attempts !== undefined && { attempts: expected.attempts }),
    })
    .update({ ...columns, version: trx.raw('version + 1') });
  return changed === 1;
}

/** Lives that go on, those of one host or all. */
export async function activeLives(knex: Knex, hosts?: readonly string[]): Promise<readonly ClusterRow[]> {
  const query = knex<RawCluster>('clusters').whereNot({ status: 'released' }).orderBy('id');
  const rows: RawCluster[] = await (hosts === undefined ? query : query.whereIn('host', hosts));
  return rows.map(clusterOfRow);
}

export async function findLife(knex: Knex, id: string): Promise<ClusterRow | undefined> {
  const row = await knex<RawCluster>('clusters').where({ id }).first();
  return row === undefined ? undefined : clusterOfRow(row as RawCluster);
}

export function subjectOf(row: ClusterRow): EventSubject {
  return { id: row.id, name: row.name, pool: row.pool, userId: row.userId, leaseId: row.leaseId };
}

const UNBORN = {
  user_id: SYSTEM_USERS.creating as string,
  status: 'creating' as ClusterStatus,
  health: '' as ClusterHealth,
  nodes: '[]',
  endpoints: '{}',
};

type InsertedLife = typeof UNBORN &
  Pick<
    RawCluster,
    'id' | 'name' | 'pool' | 'type' | 'mode' | 'size' | 'labels' | 'host' | 'cores' | 'generation' | 'handle'
  > & { readonly memory_mb: number };

async function insertRow(change: Change, life: InsertedLife): Promise<ClusterRow> {
  const row: RawCluster = {
    ...life,
    project_id: '',
    lease_id: null,
    health_fails: 0,
    create_ts: change.now,
    apply_ts: null,
    release_ts: null,
    last_used: change.now,
    attempts: 0,
    next_try_at: change.now,
    wish: null,
    wish_id: null,
    wish_error: null,
  };
  await change.trx('clusters').insert({ ...row, version: 1 });
  const inserted = clusterOfRow(row);
  change.tell(life.status === 'running' ? 'recycled' : 'creating', subjectOf(inserted));
  return inserted;
}
