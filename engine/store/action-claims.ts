import type { Knex } from 'knex';
import type { ActionRecord, ExecutionId } from '../core/model.ts';
import { rowSource } from './bulk.ts';
import { dialectOf, rowsOf } from './dialect.ts';
import { fillIn, fillInOne } from './large-values.ts';
import { actionFromRow, type ActionRow, type ExecutionRow } from './tables.ts';

/** Claims running actions that nobody has claimed at that attempt (design.md §5): the ids that were got. */
export async function claimActions(
  trx: Knex,
  executorId: string,
  actions: readonly { readonly id: string; readonly attempt: number }[],
  now: number,
): Promise<ReadonlySet<string>> {
  if (actions.length === 0) return new Set();
  const source = rowSource(
    trx,
    'action_executions',
    ['id', 'attempt'],
    actions.map(({ id, attempt }) => ({ id, attempt })),
  );
  const result = await trx.raw(CLAIMS[dialectOf(trx)](source.sql), [executorId, now, ...source.bindings, executorId]);
  return new Set(rowsOf<{ id: string }>(result).map((row) => row.id));
}

/** Free, or this executor's own since an answer was lost. */
const CLAIMABLE = `(action_executions.executor_id is null
         or (action_executions.executor_id = ? and action_executions.started_at is null))`;

// Bindings: executor, now, the source, executor.
const CLAIMS = {
  sqlite: (source: string) =>
    `update action_executions set executor_id = ?, heartbeat_at = ? from ${source} as source
     where action_executions.id = source.id and action_executions.attempt = source.attempt
       and ${CLAIMABLE} and action_executions.state = 'RUNNING'
     returning action_executions.id`,
  // Locked in the order of ids, so that two claims never wait for each other.
  postgres: (source: string) =>
    `with claim(executor_id, at) as (values (?, ?::bigint)), free as (
       select action_executions.id from action_executions join ${source} as source
         on action_executions.id = source.id and action_executions.attempt = source.attempt
       where ${CLAIMABLE} and action_executions.state = 'RUNNING'
       order by action_executions.id for update of action_executions
     )
     update action_executions set executor_id = claim.executor_id, heartbeat_at = claim.at from free, claim
     where action_executions.id = free.id returning action_executions.id`,
};

/** Notes that the start of an asynchronous action ended well; nothing when it is no longer this executor's, or has ended. */
export async function markStarted(
  trx: Knex,
  executorId: string,
  { id, attempt }: { readonly id: string; readonly attempt: number },
  now: number,
): Promise<void> {
  await trx('action_executions')
    .where({ id, attempt, executor_id: executorId })
    .whereIn('state', ['RUNNING', 'PAUSED'])
    .update({ started_at: now });
}

/** Notes that an executor has these actions of his in hand. A row that somebody just writes is left alone: it is about to end, or to change hands. */
export async function heartbeatActions(
  trx: Knex,
  executorId: string,
  ids: readonly string[],
  now: number,
): Promise<void> {
  for (let at = 0; at < ids.length; at += 500) {
    const own = trx('action_executions')
      .whereIn('id', ids.slice(at, at + 500))
      .where({ executor_id: executorId, state: 'RUNNING' });
    const rows =
      dialectOf(trx) === 'postgres'
        ? trx('action_executions').whereIn('id', own.select('id').orderBy('id').forUpdate().skipLocked())
        : own;
    await rows.update({ heartbeat_at: now });
  }
}

/**
 * Whoever holds a view with these actions is to load it again: to him a report on their new attempt would be one on an attempt that was
 * given up. First in the transaction, since who writes an execution locks it before its actions.
 */
export async function raiseVersions(trx: Knex, actionIds: readonly string[]): Promise<void> {
  for (let at = 0; at < actionIds.length; at += 500) {
    const owners: string[] = await trx('action_executions')
      .whereIn('id', actionIds.slice(at, at + 500))
      .whereNotNull('execution_id')
      .pluck('execution_id');
    await trx('executions')
      .whereIn('id', owners)
      .update({ version: trx.raw('version + 1') });
  }
}

/** A page of running actions that are not waiting for a person, in order of id. */
export async function runningActions(knex: Knex, after: string, limit: number): Promise<readonly ActionRow[]> {
  const rows: ActionRow[] = await knex('action_executions')
    .where('state', 'RUNNING')
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit);
  return fillIn(knex, rows);
}

/** The execution that an action belongs to; null for a stand-alone one, and when there is no such action. */
export async function executionOfAction(knex: Knex, id: string): Promise<ExecutionId | null> {
  const row: Pick<ActionRow, 'execution_id'> | undefined = await knex('action_executions')
    .where('id', id)
    .first('execution_id');
  return (row?.execution_id as ExecutionId | null | undefined) ?? null;
}

/** Whether the action is there and has not ended. */
export async function isActionOpen(knex: Knex, id: string): Promise<boolean> {
  const row: unknown = await knex('action_executions')
    .where('id', id)
    .whereNotIn('state', ['SUCCESS', 'ERROR', 'CANCELLED'])
    .first('id');
  return row !== undefined;
}

export interface OwnedAction {
  readonly action: ActionRecord;
  readonly projectId: string;
}

export async function findOwnedAction(knex: Knex, id: string): Promise<OwnedAction | undefined> {
  const found: ActionRow | undefined = await knex('action_executions').where('id', id).first();
  const row = await fillInOne(knex, found);
  return row === undefined ? undefined : { action: actionFromRow(row), projectId: row.project_id };
}

/** Ids of executions whose row was made by a parent and that have not started. */
export async function idleExecutions(knex: Knex): Promise<readonly string[]> {
  const rows: Pick<ExecutionRow, 'id'>[] = await knex('executions').where('state', 'IDLE').select('id').orderBy('id');
  return rows.map((row) => row.id);
}

/**
 * Ids of executions with tasks that were created and not started, with joins that may not have been looked at, or with items of
 * which only some were started.
 */
export async function executionsWithIdleTasks(knex: Knex): Promise<readonly string[]> {
  const rows: { execution_id: string }[] = await knex('task_executions')
    .where((any) =>
      any
        .whereIn('state', ['IDLE', 'WAITING'])
        .orWhere((running) => running.where('state', 'RUNNING').whereNotNull('items')),
    )
    .distinct('execution_id');
  return rows.map((row) => row.execution_id);
}
