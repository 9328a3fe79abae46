import { join } from 'node:path';
import type { JsonObject } from '../dsl/json.ts';
import { serveAll } from './applying.ts';
import { SYSTEM_USERS } from './contract.ts';
import { isStill, messageOf, type Keeping } from './keeping.ts';
import type { Provider } from './provider.ts';
import { activeLives, beginNextLife, endLife, findLife, patchLife, subjectOf } from './store/lives.ts';
import type { ClusterRow, PoolRow } from './store/rows.ts';

// Clusters come, are made ready for the next user, and go (spec/cluster.md §3.5).

export async function create(
  keeping: Keeping,
  row: ClusterRow,
  provider: Provider,
  signal: AbortSignal,
): Promise<void> {
  const { store, settings } = keeping;
  // Before anything is made: whoever finds the row after a crash knows where to look for what was made.
  const handle: JsonObject = { ...row.handle, folder: row.handle['folder'] ?? folderOf(keeping, row) };
  const attempts = row.attempts + 1;
  const noted = await patchLife(store.writer, row.id, { handle, attempts }, { status: 'creating' });
  if (!noted) return;
  try {
    const taken = await takenPorts(keeping, row);
    const made = await provider.create({ ...row, handle, takenPorts: taken }, signal);
    await keeping.change(async (change) => {
      const patch = {
        ...made,
        status: 'running',
        userId: '',
        health: 'OK',
        attempts: 0,
        lastUsed: change.now,
      } as const;
      // Another node of this host that has begun anew has ended what this one made.
      if (!(await patchLife(change.trx, row.id, patch, { status: 'creating', attempts }))) return;
      change.tell('created', { ...subjectOf(row), userId: '' }, { endpoints: { ...made.endpoints }, attempts });
      await serveAll(change, settings);
    });
    keeping.checkedAt.set(row.id, keeping.clock.now());
  } catch (error) {
    if (signal.aborted) return;
    // Another node of this host has taken over, and what runs there now is its work.
    if ((await findLife(store.writer, row.id))?.attempts !== attempts) return;
    await provider.destroy({ ...row, handle }, signal).catch(() => {});
    // Other ports, if it was these.
    const { port_base: _, ...rest } = handle;
    await failed(keeping, { ...row, handle: rest, attempts }, 'creating', messageOf(error));
  }
}

/** Between two users (spec/cluster.md §3.5): what the first left is gone before the second comes. */
export async function recycle(
  keeping: Keeping,
  row: ClusterRow,
  pool: PoolRow,
  provider: Provider,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (!pool.schedulable) return await destroy(keeping, row, provider, signal);
    if (pool.recycle === 'none') {
      const { ok } = await provider.health(row, signal);
      const { handle, nodes, endpoints } = row;
      // One that its last user has stopped or broken is of use to nobody as it is; what runs elsewhere comes back by itself.
      if (ok || pool.provider === 'static')
        return await nextLife(keeping, row, { handle, nodes, endpoints, health: ok ? 'OK' : 'FAIL' });
    }
    const made = pool.recycle === 'reset' ? await provider.reset(row, signal) : null;
    if (made !== null) return await nextLife(keeping, row, { ...made, health: 'OK' });
    await provider.destroy(row, signal);
    const { port_base: portBase = null } = row.handle;
    await keeping.change(async (change) => {
      if (!(await isStill(change, row))) return;
      // The ports are its own for good, as far as nobody else takes them; how large its workers are is what the configuration says now.
      const next = { ...row, ...provider.plan(row.size) };
      await beginNextLife(change, next, {
        status: 'creating',
        handle: (): JsonObject => (portBase === null ? {} : { port_base: portBase }),
      });
    });
  } catch (error) {
    if (!signal.aborted) await failed(keeping, { ...row, attempts: row.attempts + 1 }, 'resetting', messageOf(error));
  }
}

export async function destroy(
  keeping: Keeping,
  row: ClusterRow,
  provider: Provider,
  signal: AbortSignal,
): Promise<void> {
  try {
    await provider.destroy(row, signal);
    await keeping.change(async (change) => {
      if (await isStill(change, row)) await endLife(change, row);
    });
    keeping.checkedAt.delete(row.id);
  } catch (error) {
    if (signal.aborted) return;
    const { clock, store, settings, log } = keeping;
    const attempts = row.attempts + 1;
    log.warn('A cluster could not be ended yet.', { cluster: row.name, why: messageOf(error) });
    const nextTryAt = clock.now() + Math.min(60_000, settings.retrySeconds * 1000 * 2 ** Math.min(attempts, 10));
    await patchLife(store.writer, row.id, { attempts, nextTryAt }, { status: row.status });
  }
}

/** A free one that is not wanted any more. */
export async function leave(keeping: Keeping, row: ClusterRow): Promise<void> {
  await keeping.change(async (change) => {
    const patch = { status: 'deleting', userId: SYSTEM_USERS.deleting, attempts: 0, nextTryAt: change.now } as const;
    if (await patchLife(change.trx, row.id, patch, { status: row.status, userId: row.userId }))
      change.tell('deleting', subjectOf(row));
  });
}

async function nextLife(
  keeping: Keeping,
  row: ClusterRow,
  next: Pick<ClusterRow, 'handle' | 'nodes' | 'endpoints' | 'health'>,
): Promise<void> {
  await keeping.change(async (change) => {
    if (!(await isStill(change, row))) return;
    await beginNextLife(change, row, { ...next, status: 'running', handle: () => next.handle });
    await serveAll(change, keeping.settings);
  });
}

/** Tries again later; after so many times a person must look. */
async function failed(keeping: Keeping, row: ClusterRow, status: 'creating' | 'resetting', why: string): Promise<void> {
  const { settings, log, clock } = keeping;
  const isLast = row.attempts >= settings.createTries;
  log.warn('A cluster could not be made ready.', { cluster: row.name, pool: row.pool, attempt: row.attempts, why });
  await keeping.change(async (change) => {
    const nextTryAt = clock.now() + settings.retrySeconds * 1000 * 2 ** (row.attempts - 1);
    const patch = {
      attempts: row.attempts,
      nextTryAt,
      handle: row.handle,
      ...(isLast && { status: 'failed' as const }),
    };
    if (!(await patchLife(change.trx, row.id, patch, { status }))) return;
    change.tell(isLast ? 'failed' : 'retry', subjectOf(row), { attempt: row.attempts, why });
  });
}

async function takenPorts(keeping: Keeping, row: ClusterRow): Promise<ReadonlySet<number>> {
  const others = await activeLives(keeping.store.reader, [row.host]);
  return new Set(
    others.flatMap(({ id, handle }) => {
      const { port_base: base, port_count: count } = handle;
      if (id === row.id || typeof base !== 'number') return [];
      return Array.from({ length: typeof count === 'number' ? count : 10 }, (_, i) => base + i);
    }),
  );
}

function folderOf(keeping: Keeping, row: ClusterRow): string {
  return join(keeping.folder, row.pool, row.id);
}
