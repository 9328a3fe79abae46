import { serveAll } from './applying.ts';
import { resettingAt, type Keeping } from './keeping.ts';
import type { Provider } from './provider.ts';
import { findLife, patchLife, subjectOf } from './store/lives.ts';
import type { ClusterRow, PoolRow } from './store/rows.ts';

export async function check(
  keeping: Keeping,
  row: ClusterRow,
  pool: PoolRow,
  provider: Provider,
  signal: AbortSignal,
): Promise<void> {
  const report = await provider.health(row, signal);
  if (signal.aborted) return;
  await noteHealth(keeping, row, pool, report.ok, report.why, report.nodes ?? row.nodes);
  if (!report.ok && row.userId === '') await mend(keeping, row.id, provider, signal);
}

/** A free cluster of which something has ended is made whole again, where that is enough (spec/cluster.md §4.2). Meanwhile it is not offered. */
async function mend(keeping: Keeping, id: string, provider: Provider, signal: AbortSignal): Promise<void> {
  const row = await findLife(keeping.store.writer, id);
  if (provider.mend === undefined || row?.status !== 'running' || row.userId !== '' || row.health === 'OK') return;
  // Else it is made anew, after some more checks.
  const made = await provider.mend(row, signal).catch(() => null);
  if (made === null || signal.aborted) return;
  await keeping.change(async (change) => {
    const patch = { ...made, health: 'OK', healthFails: 0 } as const;
    if (!(await patchLife(change.trx, id, patch, { status: 'running', userId: '' }))) return;
    change.tell('mended', subjectOf(row), { nodes: made.nodes.map((node) => ({ ...node })) });
    await serveAll(change, keeping.settings);
  });
}

/** After a restart of the server (spec/cluster.md §3.5). */
export async function adopt(keeping: Keeping, row: ClusterRow, pool: PoolRow, signal: AbortSignal): Promise<void> {
  const provider = keeping.providers.of(pool);
  const made = await provider.adopt(row, signal).catch(() => null);
  if (signal.aborted) return;
  if (made === null) {
    return noteHealth(keeping, row, pool, false, 'not found again after a restart of the server', row.nodes, 1);
  }
  await keeping.change(async (change) => {
    const patch = { ...made, health: 'OK', healthFails: 0 } as const;
    if (await patchLife(change.trx, row.id, patch, { status: row.status }))
      change.tell('adopted', subjectOf(row), { nodes: made.nodes.map((node) => ({ ...node })) });
  });
}

/**
 * A free cluster that fails one check is not offered any more, and made anew when it fails several in a row; a leased one stays
 * with its user, who is told.
 */
async function noteHealth(
  keeping: Keeping,
  row: ClusterRow,
  pool: PoolRow,
  ok: boolean,
  why: string,
  nodes: ClusterRow['nodes'],
  tries = keeping.settings.healthTries,
): Promise<void> {
  const sameNodes = JSON.stringify(nodes) === JSON.stringify(row.nodes);
  if (ok && row.health === 'OK' && row.healthFails === 0 && sameNodes) return;
  await keeping.change(async (change) => {
    const expected = { status: row.status, userId: row.userId };
    if (ok) {
      const changed = await patchLife(change.trx, row.id, { health: 'OK', healthFails: 0, nodes }, expected);
      if (!changed || row.health === 'OK') return;
      change.tell('health', subjectOf(row), { health: 'OK' });
      await serveAll(change, keeping.settings);
      return;
    }
    const fails = Math.min(row.healthFails + 1, 1000);
    const isFree = row.userId === '';
    const isBad = fails >= tries;
    // What runs elsewhere cannot be made anew: it comes back, or does not.
    const canRecycle = pool.recycle !== 'none' && pool.provider !== 'static';
    const recycles = isFree && isBad && canRecycle && row.status === 'running';
    const patch = {
      healthFails: fails,
      nodes,
      ...((isFree || isBad) && { health: 'FAIL' as const }),
      ...(recycles && {
        ...resettingAt(change.now),
      }),
    };
    if (!(await patchLife(change.trx, row.id, patch, expected))) return;
    // A free one has shown FAIL since the first check.
    if (isBad && (row.health !== 'FAIL' || fails === tries))
      change.tell('health', subjectOf(row), { health: 'FAIL', why });
    if (recycles) change.tell('resetting', subjectOf(row), { reason: 'unhealthy', why });
  });
}
