import type { Clock } from '../engine/shell/clock.ts';
import type { Logger } from '../engine/log.ts';
import type { Store } from '../engine/store/connection.ts';
import type { ServiceSettings } from './settings.ts';
import type { Signals } from './signals.ts';
import { changePools } from './store/changing.ts';
import type { Change } from './store/changing.ts';
import {
  executionStates,
  isFinalState,
  isLeftOver,
  lateLeases,
  ownedLeases,
  releaseLease,
  renewLease,
} from './store/leases.ts';
import { activeLives, findLife, patchLife, subjectOf } from './store/lives.ts';
import { findPool } from './store/pools.ts';
import type { LeaseRow } from './store/rows.ts';
import { endTicket } from './store/waiters.ts';

interface ReaperOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: ServiceSettings;
  readonly signals: Signals;
}

/**
 * Leases end by themselves (spec/cluster.md §4.4): those whose time is over, and those whose execution has ended and whose end
 * nobody has told. Leases of executions that go on are renewed in time, so that expiry means "the owner is gone".
 *
 * @param silentHosts whose clusters are not offered, since nobody can tell how they are.
 */
export async function reap(options: ReaperOptions, silentHosts: readonly string[]): Promise<void> {
  const { store, clock, settings } = options;
  const now = clock.now();
  const owned = (await ownedLeases(store.reader)).filter(({ lease }) => lease.remote === null);
  const graceMs = settings.releaseGraceSeconds * 1000;
  // Who was told of the end ends its jobs first, and then the lease (spec/cluster.md §4.4): this is for ends that nobody was told of.
  const ended = owned.filter((one) => isLeftOver(one, now, graceMs));
  const due = owned.filter(({ lease, state }) => !isFinalState(state) && isDue(lease, now) && renews(state, settings));
  const renewed = new Set(due.map(({ lease }) => lease.id));
  const late = (await lateLeases(store.reader, now)).filter((lease) => !renewed.has(lease.id));
  const orphans = await orphanTickets(store);
  if (ended.length + due.length + late.length + orphans.length + silentHosts.length === 0) return;
  const { told } = await changePools(store, clock, async (change) => {
    // Looked at again: an execution may have been run again meanwhile.
    const over =
      ended.length === 0 ? [] : (await ownedLeases(change.trx)).filter((one) => isLeftOver(one, now, graceMs));
    for (const { lease, state } of over)
      if (lease.remote === null) await releaseLease(change, lease, state === null ? 'deleted' : 'execution ended');
    for (const { lease } of due) await renewLease(change, lease, null, await poolOf(change, lease));
    for (const lease of late) await expire(change, lease);
    for (const ticket of orphans) await endTicket(change, ticket);
    for (const host of silentHosts) await hide(change, host);
  });
  if (told > 0) options.signals.changed();
}

/** A third of its time has gone. */
function isDue(lease: LeaseRow, now: number): boolean {
  return lease.ttlSeconds !== null && now - lease.renewedAt >= (lease.ttlSeconds * 1000) / 3;
}

function renews(state: string | null, settings: ServiceSettings): boolean {
  return state !== 'PAUSED' || settings.renewPaused;
}

/** Unless it was renewed since it was found. */
async function expire(change: Change, lease: LeaseRow): Promise<void> {
  const [still] = await lateLeases(change.trx, change.now).then((rows) => rows.filter((row) => row.id === lease.id));
  if (still !== undefined) await releaseLease(change, still, 'expired');
}

async function poolOf(change: Change, lease: LeaseRow) {
  const cluster = await findLife(change.trx, lease.clusterId);
  return cluster === undefined ? undefined : findPool(change.trx, cluster.pool);
}

/** Tickets whose execution has ended. */
async function orphanTickets(store: Store): Promise<readonly string[]> {
  const waiting: { ticket: string; execution_id: string }[] = await store
    .reader('cluster_waiters')
    .where({ state: 'waiting' })
    .whereNotNull('execution_id')
    .select('ticket', 'execution_id');
  const states = await executionStates(
    store.reader,
    waiting.map((row) => row.execution_id),
  );
  return waiting.filter((row) => isFinalState(states.get(row.execution_id)?.state ?? null)).map((row) => row.ticket);
}

async function hide(change: Change, host: string): Promise<void> {
  for (const row of await activeLives(change.trx, [host])) {
    if (row.health !== 'OK') continue;
    if (await patchLife(change.trx, row.id, { health: 'UNKNOWN' }, { status: row.status, userId: row.userId }))
      change.tell('health', subjectOf(row), { health: 'UNKNOWN', why: `nobody has heard of the host ${host}` });
  }
}
