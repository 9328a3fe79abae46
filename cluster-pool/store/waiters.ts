import type { Knex } from 'knex';
import { stringifyJson } from '../../dsl/json.ts';
import { newId } from '../../engine/ids.ts';
import { decodeJson } from '../../engine/store/columns.ts';
import type { ApplyRequest } from '../contract.ts';
import type { Change } from './changing.ts';
import { keyOf } from './rows.ts';

/** Tickets of those who wait for a cluster, in the order in which they came. */

export interface Ticket {
  readonly ticket: string;
  readonly request: ApplyRequest;
  readonly state: 'waiting' | 'served' | 'over';
  readonly deadline: number;
  readonly servedLease: string | null;
}

export async function insertTicket(change: Change, request: ApplyRequest): Promise<string> {
  const ticket = newId();
  await change.trx('cluster_waiters').insert({
    ticket,
    seq: change.next(),
    project_id: request.project,
    user_id: request.user_id,
    filter: stringifyJson(stripped(request.filter)),
    lease_key: keyOf(request.project, request.lease_key),
    request: stringifyJson({ ...request, filter: stripped(request.filter) }),
    execution_id: request.execution_id,
    root_execution_id: request.root_execution_id,
    created_at: change.now,
    deadline: change.now + Math.round(request.wait_s * 1000),
    state: 'waiting',
    served_lease: null,
  });
  return ticket;
}

/** Those that wait and whose time is not over, the oldest first. */
export async function openTickets(knex: Knex, now: number): Promise<readonly Ticket[]> {
  const rows: RawTicket[] = await knex<RawTicket>('cluster_waiters')
    .where({ state: 'waiting' })
    .where('deadline', '>', now)
    .orderBy('seq');
  return rows.map(ticketOfRow);
}

/** Which of these tickets wait no more. */
export async function endedTickets(knex: Knex, tickets: readonly string[]): Promise<readonly string[]> {
  const ended: string[] = [];
  for (let from = 0; from < tickets.length; from += 500) {
    const some = tickets.slice(from, from + 500);
    const rows: string[] = await knex('cluster_waiters')
      .whereIn('ticket', some)
      .whereNot({ state: 'waiting' })
      .pluck('ticket');
    ended.push(...rows);
  }
  return ended;
}

/** Whether there is anything to do for those who wait: somebody whose time is over, or anybody at all and a cluster that is free. */
export async function mayServe(knex: Knex, now: number): Promise<boolean> {
  const waiting = () => knex('cluster_waiters').where({ state: 'waiting' });
  const late: unknown = await waiting().where('deadline', '<=', now).first('ticket');
  if (late !== undefined) return true;
  const free: unknown = await knex('clusters').where({ user_id: '', status: 'running', health: 'OK' }).first('id');
  return free !== undefined && (await waiting().first('ticket')) !== undefined;
}

export async function findTicket(
  knex: Knex,
  by: { readonly ticket: string } | { readonly lease_key: string },
): Promise<Ticket | undefined> {
  const row: unknown = await knex('cluster_waiters').where(by).first();
  return row === undefined ? undefined : ticketOfRow(row as RawTicket);
}

/** How many of a project's wait. */
export async function countTickets(knex: Knex, project: string): Promise<number> {
  const row = await knex('cluster_waiters')
    .where({ project_id: project, state: 'waiting' })
    .count({ count: '*' })
    .first();
  return Number(row?.count ?? 0);
}

export async function serveTicket(change: Change, ticket: string, leaseId: string): Promise<void> {
  await change.trx('cluster_waiters').where({ ticket }).update({ state: 'served', served_lease: leaseId });
}

export async function extendTicket(knex: Knex, ticket: string, deadline: number): Promise<void> {
  await knex('cluster_waiters').where({ ticket, state: 'waiting' }).update({ deadline });
}

/** Ends a ticket that waits; false when it does not (any more). */
export async function endTicket(change: Change, ticket: string): Promise<boolean> {
  return (await change.trx('cluster_waiters').where({ ticket, state: 'waiting' }).update({ state: 'over' })) === 1;
}

export async function dropTicket(change: Change, ticket: string): Promise<void> {
  await change.trx('cluster_waiters').where({ ticket }).delete();
}

/** Ends tickets whose time is over. */
export async function endLateTickets(change: Change): Promise<number> {
  return change
    .trx('cluster_waiters')
    .where({ state: 'waiting' })
    .where('deadline', '<=', change.now)
    .update({ state: 'over' });
}

/** Ends what an execution waits for, and answers how many that were. */
export async function endTicketsOf(change: Change, executionId: string): Promise<number> {
  return change.trx('cluster_waiters').where({ execution_id: executionId, state: 'waiting' }).update({ state: 'over' });
}

function stripped(filter: ApplyRequest['filter']) {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}

interface RawTicket {
  readonly ticket: string;
  readonly request: string;
  readonly state: Ticket['state'];
  readonly deadline: number | string;
  readonly served_lease: string | null;
}

function ticketOfRow(row: RawTicket): Ticket {
  return {
    ticket: row.ticket,
    request: decodeJson<ApplyRequest>(row.request),
    state: row.state,
    deadline: Number(row.deadline),
    servedLease: row.served_lease,
  };
}
