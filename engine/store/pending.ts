import type { Knex } from 'knex';
import { raiseVersions } from './action-claims.ts';
import type { BulkRow } from './bulk.ts';
import { rowSource } from './bulk.ts';
import { databaseNow, rowsOf } from './dialect.ts';
import { fillIn, fillInOne } from './large-values.ts';
import type { ActionRow, TimerRow } from './tables.ts';

/** What waits for somebody to see to it, where many processes share a database: each list is a page, the oldest first. */

export interface OutboxEntry {
  readonly id: string;
  readonly execution_id: string | null;
  readonly kind: 'event' | 'stop-action' | 'release-leases';
  readonly body: string;
}

export async function outboxBefore(knex: Knex, before: number, limit: number): Promise<readonly OutboxEntry[]> {
  return knex('outbox').where('created_at', '<', before).orderBy(['created_at', 'id']).limit(limit);
}

/** Executions whose row was made and that have not started. */
export async function idleExecutionsBefore(knex: Knex, before: number, limit: number): Promise<readonly string[]> {
  return knex('executions')
    .where('state', 'IDLE')
    .where('created_at', '<', before)
    .orderBy('created_at')
    .limit(limit)
    .pluck('id');
}

/**
 * Executions with tasks that were made and not started, or with items of which only some were. With `joins` also those in which
 * something waits to be joined: it may not have been looked at.
 */
export async function executionsToContinue(
  knex: Knex,
  { before, joins, after, limit }: { before: number; joins: boolean; after: string; limit: number },
): Promise<readonly string[]> {
  return knex('task_executions')
    .where('updated_at', '<', before)
    .where('execution_id', '>', after)
    .where((any) => {
      any.whereIn('state', joins ? ['IDLE', 'WAITING'] : ['IDLE']);
      any.orWhere((running) => running.where('state', 'RUNNING').whereNotNull('items'));
    })
    .distinct('execution_id')
    .orderBy('execution_id')
    .limit(limit)
    .pluck('execution_id');
}

export async function timersBefore(knex: Knex, before: number, limit: number): Promise<readonly TimerRow[]> {
  return knex('timers').where('due_at', '<', before).orderBy('due_at').limit(limit);
}

/** Timers whose node is not among the living. */
export async function orphanedTimers(knex: Knex): Promise<readonly TimerRow[]> {
  return knex('timers').whereNotIn('node_id', knex('services').select('id'));
}

/** Running actions that no executor has taken, and that are no job with a record of its own. */
export async function unclaimedActions(
  knex: Knex,
  { before, after, limit }: { before: number; after: string; limit: number },
): Promise<readonly ActionRow[]> {
  const rows: ActionRow[] = await knex('action_executions')
    .where('state', 'RUNNING')
    .where('updated_at', '<', before)
    .where('id', '>', after)
    .whereNull('executor_id')
    .whereNotExists((jobs) => {
      jobs
        .select(knex.raw('1'))
        .from('external_jobs')
        .whereRaw('external_jobs.action_execution_id = action_executions.id');
    })
    .orderBy('id')
    .limit(limit);
  return fillIn(knex, rows);
}

/** When the last of the running actions that no executor has taken was changed; 0 when none was after `since`. */
export async function latestUnclaimed(knex: Knex, since: number): Promise<number> {
  const row: { latest?: number | string | null } | undefined = await knex('action_executions')
    .where('state', 'RUNNING')
    .whereNull('executor_id')
    .where('updated_at', '>', since)
    .max({ latest: 'updated_at' })
    .first();
  return Number(row?.latest ?? 0);
}

/**
 * Actions that an executor has claimed that is not heard of any more, or which it has not spoken of for too long. Both tables are
 * read at one moment, and executors announce themselves before they claim.
 */
export async function lostActions(
  knex: Knex,
  { silentSince, after, limit }: { silentSince: number; after: string; limit: number },
): Promise<readonly ActionRow[]> {
  const rows: ActionRow[] = await knex('action_executions')
    .where('state', 'RUNNING')
    .where('id', '>', after)
    .whereNotNull('executor_id')
    .where((any) => any.where('kind', 'sync').orWhere((half) => half.where('kind', 'async').whereNull('started_at')))
    .where((any) =>
      any.where('heartbeat_at', '<', silentSince).orWhereNotExists((living) => {
        living
          .select(knex.raw('1'))
          .from('services')
          .whereRaw(`services.id = action_executions.executor_id and services.lease_until > ${databaseNow(knex)}`);
      }),
    )
    .orderBy('id')
    .limit(limit);
  return fillIn(knex, rows);
}

/**
 * Opens a new attempt of lost actions: for those that are still as they were found. An executor named here has them in hand from `now` on.
 *
 * @returns their ids
 */
export async function reopenLost(
  trx: Knex,
  actions: readonly Pick<ActionRow, 'id' | 'attempt' | 'executor_id'>[],
  executorId: string | null,
  now: number,
): Promise<ReadonlySet<string>> {
  if (actions.length === 0) return new Set();
  await raiseVersions(
    trx,
    actions.map(({ id }) => id),
  );
  const rows = actions.map(({ id, attempt, executor_id }): BulkRow => ({ id, attempt, executor_id }));
  const source = rowSource(trx, 'action_executions', ['id', 'attempt', 'executor_id'], rows);
  const result = await trx.raw(
    `update action_executions set attempt = action_executions.attempt + 1, executor_id = ?, heartbeat_at = ?, started_at = null
     from ${source.sql} as source
     where action_executions.id = source.id and action_executions.attempt = source.attempt
       and action_executions.executor_id = source.executor_id and action_executions.state = 'RUNNING'
     returning action_executions.id`,
    [executorId, executorId === null ? null : now, ...source.bindings],
  );
  return new Set(rowsOf<{ id: string }>(result).map((row) => row.id));
}

/** Of these actions, at these attempts: those that have no result yet. */
export async function openActions(
  knex: Knex,
  actions: readonly { readonly id: string; readonly attempt: number }[],
): Promise<ReadonlySet<string>> {
  const rows: { id: string; attempt: number }[] = await knex('action_executions')
    .whereIn(
      'id',
      actions.map(({ id }) => id),
    )
    .whereIn('state', ['RUNNING', 'PAUSED', 'IDLE'])
    .select('id', 'attempt');
  const attempts = new Map(rows.map((row) => [row.id, row.attempt]));
  return new Set(actions.filter(({ id, attempt }) => attempts.get(id) === attempt).map(({ id }) => id));
}

export async function loadActionRow(knex: Knex, id: string): Promise<ActionRow | undefined> {
  const row: ActionRow | undefined = await knex('action_executions').where('id', id).first();
  return fillInOne(knex, row);
}

/** Texts too large for a message: kept here while the message is on its way. */
export async function storeQueuedText(knex: Knex, id: string, body: string, now: number): Promise<void> {
  await knex('queued_texts').insert({ id, body, created_at: now }).onConflict('id').merge(['body']);
}

export async function loadQueuedText(knex: Knex, id: string): Promise<string | undefined> {
  const row: { body: string } | undefined = await knex('queued_texts').where('id', id).first('body');
  return row?.body;
}

export async function deleteQueuedTexts(knex: Knex, ids: readonly string[]): Promise<void> {
  if (ids.length > 0)
    await knex('queued_texts')
      .whereIn('id', [...ids])
      .delete();
}

/** Left by executors that died after they had stored and before they had sent. */
export async function deleteQueuedTextsBefore(knex: Knex, before: number): Promise<void> {
  await knex('queued_texts').where('created_at', '<', before).delete();
}
