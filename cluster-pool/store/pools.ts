import type { Knex } from 'knex';
import { stringifyJson } from '../../dsl/json.ts';
import { poolOfRow } from './rows.ts';
import type { PoolRow, RawPool } from './rows.ts';

/** Writes a pool as the configuration has it; whether it takes leases stays as it is. */
export async function savePool(trx: Knex, pool: PoolRow, now: number): Promise<void> {
  const columns = {
    provider: pool.provider,
    type: pool.type,
    mode: pool.mode,
    sizes: stringifyJson(pool.sizes),
    labels: stringifyJson(pool.labels),
    config: stringifyJson(pool.config),
    capacity: pool.capacity,
    min_free: pool.minFree,
    max_lease_seconds: pool.maxLeaseSeconds,
    default_ttl: pool.defaultTtl,
    recycle: pool.recycle,
    host: pool.host,
  };
  await trx('cluster_pools')
    .insert({ name: pool.name, ...columns, schedulable: pool.schedulable, created_at: now, version: 1 })
    .onConflict('name')
    .merge({ ...columns, version: trx.raw('cluster_pools.version + 1') });
}

export async function findPools(knex: Knex): Promise<readonly PoolRow[]> {
  const rows: RawPool[] = await knex<RawPool>('cluster_pools').orderBy('name');
  return rows.map(poolOfRow);
}

export async function findPool(knex: Knex, name: string): Promise<PoolRow | undefined> {
  const row: unknown = await knex('cluster_pools').where({ name }).first();
  return row === undefined ? undefined : poolOfRow(row as RawPool);
}

/** False: there is no such pool. */
export async function setSchedulable(trx: Knex, name: string, schedulable: boolean): Promise<boolean> {
  return (
    (await trx('cluster_pools')
      .where({ name })
      .update({ schedulable, version: trx.raw('version + 1') })) === 1
  );
}

export async function deletePool(trx: Knex, name: string): Promise<void> {
  await trx('cluster_pools').where({ name }).delete();
}
