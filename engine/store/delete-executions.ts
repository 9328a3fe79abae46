import type { Knex } from 'knex';
import { newId } from '../ids.ts';
import { insertMany } from './bulk.ts';
import { deleteExternalJobs, requestExternalJobCancel } from './external-jobs.ts';

const SLICE = 400;

/** What still runs outside for a deleted execution; the outbox row `receipt` goes when an executor has seen to it. */
export interface LeftRunning {
  readonly actionExecutionId: string;
  readonly receipt: string;
}

/**
 * Deletes an execution and everything below it: tasks, actions, timers, messages and events (spec/engine.md E-1.4). Jobs that are
 * not over keep their record until they have been cancelled.
 *
 * @returns the ids that are gone, none if it was gone before, and what has to be stopped.
 */
export async function deleteExecutionTree(
  trx: Knex,
  id: string,
  now: number,
): Promise<{ readonly ids: readonly string[]; readonly running: readonly LeftRunning[] }> {
  const top = await trx('executions').where('id', id).first('id');
  const ids = top === undefined ? [] : await executionTree(trx, id);
  const running: LeftRunning[] = [];
  for (let at = 0; at < ids.length; at += SLICE)
    running.push(...(await deleteSlice(trx, ids.slice(at, at + SLICE), now)));
  return { ids, running };
}

/** The ids of an execution and of everything below it, from the top down. */
export async function executionTree(knex: Knex, id: string): Promise<string[]> {
  const ids = [id];
  for (let level = [id]; level.length > 0; ) {
    const children: { id: string }[] = [];
    for (let at = 0; at < level.length; at += SLICE) {
      children.push(
        ...(await knex('executions')
          .whereIn('parent_execution_id', level.slice(at, at + SLICE))
          .select('id')),
      );
    }
    level = children.map((child) => child.id);
    ids.push(...level);
  }
  return ids;
}

async function deleteSlice(trx: Knex, ids: readonly string[], now: number): Promise<LeftRunning[]> {
  const actions: DeletedAction[] = await trx('action_executions')
    .whereIn('execution_id', [...ids])
    .select('id', 'state', 'kind');
  const running = await letGoOfActions(trx, actions, now);
  for (const { table } of OWNED_ROWS) {
    await trx(table)
      .whereIn('execution_id', [...ids])
      .delete();
  }
  await trx('executions')
    .whereIn('id', [...ids])
    .delete();
  return running;
}

/** What belongs to an execution, and the key of each table. */
export const OWNED_ROWS: readonly { readonly table: string; readonly key: string }[] = [
  { table: 'action_executions', key: 'id' },
  { table: 'task_executions', key: 'id' },
  { table: 'timers', key: 'id' },
  { table: 'outbox', key: 'id' },
  { table: 'execution_events', key: 'seq' },
  { table: 'quarantine', key: 'id' },
  { table: 'payloads', key: 'id' },
];

export interface DeletedAction {
  readonly id: string;
  readonly state: string;
  readonly kind: string;
}

/**
 * What must happen outside before actions are deleted: those that still run are told to stop. Jobs that are not over keep their
 * record until they have been cancelled.
 */
export async function letGoOfActions(
  trx: Knex,
  actions: readonly DeletedAction[],
  now: number,
): Promise<LeftRunning[]> {
  const open = actions.filter(({ state, kind }) => kind !== 'async' && (state === 'RUNNING' || state === 'PAUSED'));
  const openIds = new Set(open.map((action) => action.id));
  await deleteExternalJobs(
    trx,
    actions.flatMap((action) => (openIds.has(action.id) ? [] : [action.id])),
  );
  for (const action of open) {
    if (action.kind === 'job') await requestExternalJobCancel(trx, action.id, 'cancelled', now);
  }
  const running = open.map((action) => ({ actionExecutionId: action.id, receipt: newId() }));
  await insertMany(
    trx,
    'outbox',
    running.map(({ actionExecutionId, receipt }) => ({
      id: receipt,
      execution_id: null,
      kind: 'stop-action',
      body: JSON.stringify({ action: actionExecutionId, reason: 'cancelled' }),
      created_at: now,
    })),
  );
  return running;
}
