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

async function executionTree(knex: Knex, id: string): Promise<string[]> {
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
  const actions: { id: string; state: string; kind: string }[] = await trx('action_executions')
    .whereIn('execution_id', [...ids])
    .select('id', 'state', 'kind');
  const open = actions.filter(({ state, kind }) => kind !== 'async' && (state === 'RUNNING' || state === 'PAUSED'));
  const openIds = new Set(open.map((action) => action.id));
  await deleteExternalJobs(
    trx,
    actions.flatMap((action) => (openIds.has(action.id) ? [] : [action.id])),
  );
  for (const action of open) {
    if (action.kind === 'job') await requestExternalJobCancel(trx, action.id, 'cancelled', now);
  }
  for (const table of ['action_executions', 'task_executions', 'timers', 'outbox', 'execution_events', 'quarantine', 'payloads']) {
    await trx(table)
      .whereIn('execution_id', [...ids])
      .delete();
  }
  await trx('executions')
    .whereIn('id', [...ids])
    .delete();
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
