import { isStorableText } from '../engine/store/columns.ts';
import { isSystemUser } from './contract.ts';
import type { ApplyRequest, Refusal } from './contract.ts';
import type { ServiceSettings } from './settings.ts';
import type { Change } from './store/changing.ts';
import { fits, grantOne, loadSupply, serveTickets } from './store/grants.ts';
import { countOpenLeases, executionStates, findLease, isFinalState, openLeases, releaseLease } from './store/leases.ts';
import { findLife } from './store/lives.ts';
import { keyOf } from './store/rows.ts';
import type { LeaseRow } from './store/rows.ts';
import { countTickets, dropTicket, endTicket, findTicket, insertTicket } from './store/waiters.ts';

/** What became of an apply, within its transaction. */
export type Applied =
  | { readonly kind: 'granted'; readonly clusterId: string }
  | { readonly kind: 'waiting'; readonly ticket: string }
  | { readonly kind: 'none'; readonly why: string }
  | Refusal;

type Limits = Pick<ServiceSettings, 'maxLeases' | 'maxTickets'>;

/** Refuses what no row can hold, before a transaction begins. */
export function checkApply(request: ApplyRequest): Refusal | null {
  const { user_id: user, lease_key: key, project } = request;
  if (user === '') return refused(400, 'cluster_apply without user_id');
  if (user.length > 255 || !isStorableText(user) || isSystemUser(user)) return refused(400, 'Invalid user_id');
  if (key !== null && (key === '' || key.length > 300 || !isStorableText(key)))
    return refused(400, 'Invalid lease_key');
  if (project.length > 80) return refused(400, 'Invalid project');
  if (!Number.isFinite(request.wait_s) || request.wait_s < 0 || request.wait_s > MOST_SECONDS)
    return refused(400, 'Invalid wait');
  const { ttl_s: ttl } = request;
  if (ttl !== null && !(ttl > 0 && ttl <= MOST_SECONDS)) return refused(400, 'Invalid ttl');
  return null;
}

/**
 * One apply (spec/cluster.md §3.3, §3.4). In this order: what the key had before; what the user holds already; those who came earlier; this
 * one; a ticket.
 */
export async function applyWithin(change: Change, request: ApplyRequest, limits: Limits): Promise<Applied> {
  const known = await byKey(change, request);
  if (known !== null) return known;
  const over = await refuseEnded(change, request);
  if (over !== null) return over;
  const held = request.allow_multiple ? null : await heldAlready(change, request);
  if (held !== null) return { kind: 'granted', clusterId: held };
  const supply = await loadSupply(change);
  await serveTickets(change, supply, mayHaveMore(change, limits));
  const mayHave = (await countOpenLeases(change.trx, request.project)) < limits.maxLeases;
  const granted = mayHave ? await grantOne(change, supply, request) : null;
  if (granted !== null) return { kind: 'granted', clusterId: granted.cluster.id };
  if (request.wait_s > 0) {
    if ((await countTickets(change.trx, request.project)) >= limits.maxTickets)
      return refused(403, `The project has ${limits.maxTickets} tickets waiting, as many as it may have`);
    return { kind: 'waiting', ticket: await insertTicket(change, request) };
  }
  return mayHave
    ? { kind: 'none', why: `No available res for ${request.user_id}` }
    : refused(403, `The project holds ${limits.maxLeases} clusters, as many as it may have`);
}

/** Serves everybody who can be; answers how many that were. */
export async function serveAll(change: Change, limits: Limits): Promise<number> {
  return (await serveTickets(change, await loadSupply(change), mayHaveMore(change, limits))).length;
}

/** Ends a ticket; a grant that it has got already is given back. */
export async function cancelWithin(change: Change, ticketId: string): Promise<void> {
  if (await endTicket(change, ticketId)) return;
  const ticket = await findTicket(change.trx, { ticket: ticketId });
  if (ticket?.servedLease === null || ticket?.servedLease === undefined) return;
  const lease = await findLease(change.trx, { id: ticket.servedLease });
  if (lease !== undefined) await releaseLease(change, lease, 'cancelled');
}

export function refused(code: Refusal['code'], why: string): Refusal {
  return { kind: 'refused', code, why };
}

/** A year. */
const MOST_SECONDS = 31_536_000;

async function byKey(change: Change, request: ApplyRequest): Promise<Applied | null> {
  const key = keyOf(request.project, request.lease_key);
  if (key === null) return null;
  const lease = await findLease(change.trx, { lease_key: key });
  if (lease !== undefined) return lease.releasedAt === null ? grantedBefore(lease, request) : leaseIsOver(request);
  const ticket = await findTicket(change.trx, { lease_key: key });
  if (ticket === undefined) return null;
  if (ticket.state === 'waiting' && ticket.deadline > change.now) return { kind: 'waiting', ticket: ticket.ticket };
  // Its time was over: this is a new wish.
  await dropTicket(change, ticket.ticket);
  return null;
}

function grantedBefore(lease: LeaseRow, request: ApplyRequest): Applied {
  if (lease.userId !== request.user_id) return refused(400, 'lease_key belongs to another user');
  return { kind: 'granted', clusterId: lease.clusterId };
}

function leaseIsOver(request: ApplyRequest): Refusal {
  return refused(400, `The lease of lease_key ${request.lease_key} is over; use another key for another lease`);
}

/** A late apply of an execution that has ended would hold its cluster for ever. */
async function refuseEnded(change: Change, request: ApplyRequest): Promise<Refusal | null> {
  const ids = [request.execution_id, request.root_execution_id].filter((id) => id !== null);
  if (ids.length === 0 || request.scope === 'none') return null;
  const states = await executionStates(change.trx, ids);
  const ended = ids.find((id) => isFinalState(states.get(id)?.state ?? null));
  return ended === undefined ? null : refused(400, `The execution ${ended} has ended or does not exist`);
}

/** Cello's first step: the same user gets the same cluster again. */
async function heldAlready(change: Change, request: ApplyRequest): Promise<string | null> {
  for (const lease of await openLeases(change.trx, { project_id: request.project, user_id: request.user_id })) {
    if (lease.remote !== null) continue;
    const cluster = await findLife(change.trx, lease.clusterId);
    if (cluster?.leaseId === lease.id && cluster.health === 'OK' && fits(cluster, request.filter)) return cluster.id;
  }
  return null;
}

function mayHaveMore(change: Change, limits: Limits): (project: string) => Promise<boolean> {
  return async (project) => (await countOpenLeases(change.trx, project)) < limits.maxLeases;
}
