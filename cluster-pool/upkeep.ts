import { refused } from './applying.ts';
import type { ClusterFilter, Refusal } from './contract.ts';
import type { Providers } from './providers/index.ts';
import type { Resources } from './provider.ts';
import { staticClusters } from './settings.ts';
import type { Change } from './store/changing.ts';
import { fits } from './store/grants.ts';
import { activeLives, insertLife, patchLife, subjectOf } from './store/lives.ts';
import { findPool } from './store/pools.ts';
import type { ClusterRow, PoolRow } from './store/rows.ts';
import { openTickets } from './store/waiters.ts';

/** How many clusters a pool has, and of which size: within its capacity and its budget of cores and memory. */

/** Adds one that an administrator asks for. */
export async function addCluster(
  change: Change,
  providers: Providers,
  request: { readonly pool: string; readonly size?: number; readonly name?: string },
): Promise<ClusterRow | Refusal> {
  const pool = await findPool(change.trx, request.pool);
  if (pool === undefined) return refused(404, `no pool ${request.pool}`);
  const size = request.size ?? pool.sizes[0] ?? 1;
  if (!pool.sizes.includes(size)) return refused(400, 'Invalid cluster_size');
  const rows = (await activeLives(change.trx)).filter((row) => row.pool === pool.name);
  const name = request.name ?? nextName(pool, rows);
  if (name === null) return refused(400, `all clusters of ${pool.name} are there`);
  if (!/^[\w.-]{1,200}$/.test(name)) return refused(400, 'Invalid name');
  if (rows.some((row) => row.name === name)) return refused(400, `there is a cluster ${name}`);
  const resources = providers.of(pool).plan(size);
  if (!hasRoom(pool, rows, resources)) return refused(400, `the pool ${pool.name} is full`);
  return insertLife(change, { pool, name, size, ...resources, handle: () => ({}) });
}

/**
 * Makes what a pool lacks: up to `min_free`, and what those who wait need and is not on its way. In a full pool something that nobody waits
 * for makes room. Answers whether anything changed.
 */
export async function keepFilled(change: Change, pool: PoolRow, providers: Providers): Promise<boolean> {
  if (!pool.schedulable) return false;
  const lives = await activeLives(change.trx);
  const rows = lives.filter((row) => row.pool === pool.name);
  const waiting = (await openTickets(change.trx, change.now)).map(({ request }) => request.filter);
  const wanted = [...unserved(lives, waiting), ...missingFree(pool, rows)];
  let changed = false;
  for (const want of wanted) {
    const size = sizeFor(pool, want);
    const name = nextName(pool, rows);
    if (size === null || name === null) continue;
    const resources = providers.of(pool).plan(size);
    if (!fitsBudget(pool, [], resources)) continue;
    if (!hasRoom(pool, rows, resources)) {
      if (want === ANY) break;
      const victim = rows.find(
        (row) => row.userId === '' && row.status === 'running' && !waiting.some((filter) => fits(row, filter)),
      );
      if (victim === undefined) continue;
      await patchLife(change.trx, victim.id, { status: 'draining' }, { status: 'running', userId: '' });
      change.tell('draining', subjectOf(victim), { reason: 'makes room for another size' });
      rows.splice(rows.indexOf(victim), 1, { ...victim, status: 'draining' });
      changed = true;
      continue;
    }
    rows.push(await insertLife(change, { pool, name, size, ...resources, handle: () => ({}) }));
    changed = true;
  }
  return changed;
}

const ANY: ClusterFilter = {};

/** Filters that nothing free, or on its way to be free, will serve. */
function unserved(lives: readonly ClusterRow[], waiting: readonly ClusterFilter[]): readonly ClusterFilter[] {
  const coming = lives.filter((row) => isComing(row));
  return waiting.filter((filter) => {
    const index = coming.findIndex((row) => fits(row, filter));
    if (index >= 0) coming.splice(index, 1);
    return index < 0;
  });
}

function isComing(row: ClusterRow): boolean {
  return row.status === 'creating' || row.status === 'resetting' || (row.status === 'running' && row.userId === '');
}

function missingFree(pool: PoolRow, rows: readonly ClusterRow[]): readonly ClusterFilter[] {
  const missing = pool.minFree - rows.filter((row) => isComing(row)).length;
  return Array.from({ length: Math.max(0, missing) }, () => ANY);
}

/** The smallest size of the pool that will do; null when the pool has nothing like it. */
function sizeFor(pool: PoolRow, filter: ClusterFilter): number | null {
  const { type, mode, labels } = pool;
  // Names are given by the pool: whoever wants one by name waits for it.
  if (filter.name !== undefined) return null;
  return pool.sizes.find((size) => fits({ type, mode, labels, size, name: '' }, filter)) ?? null;
}

function hasRoom(pool: PoolRow, rows: readonly ClusterRow[], more: Resources): boolean {
  return rows.length < pool.capacity && fitsBudget(pool, rows, more);
}

function fitsBudget(pool: PoolRow, rows: readonly ClusterRow[], more: Resources): boolean {
  const { cores = null, memory_mb: memory = null } = budgetOf(pool);
  const used = { cores: sum(rows, (row) => row.cores), memory: sum(rows, (row) => row.memoryMb) };
  return (
    (cores === null || used.cores + more.cores <= cores) && (memory === null || used.memory + more.memoryMb <= memory)
  );
}

function budgetOf({ config }: PoolRow): { readonly cores?: number; readonly memory_mb?: number } {
  const { cores, memory_mb: memory } = config;
  return {
    ...(typeof cores === 'number' && { cores }),
    ...(typeof memory === 'number' && { memory_mb: memory }),
  };
}

function sum(rows: readonly ClusterRow[], of: (row: ClusterRow) => number): number {
  return rows.reduce((total, row) => total + of(row), 0);
}

/** The first name that no cluster of the pool has; of registered clusters the first that is not there. */
function nextName(pool: PoolRow, rows: readonly ClusterRow[]): string | null {
  const taken = new Set(rows.map((row) => row.name));
  if (pool.provider === 'static')
    return staticClusters(pool.name, pool.config).find(({ name }) => !taken.has(name))?.name ?? null;
  for (let number = 1; ; number++) if (!taken.has(`${pool.name}-${number}`)) return `${pool.name}-${number}`;
}
