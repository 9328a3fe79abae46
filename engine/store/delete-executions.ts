import type { Knex } from 'knex';
import { newId } from '../ids.ts';
import { insertOutbox, leaseRow, type OutboxRow, tookLeases } from './batch.ts';
import { insertMany } from './bulk.ts';
import { deleteExternalJobs, liveExternalJobs, requestExternalJobCancel } from './external-jobs.ts';
import type { ExecutionRow } from './tables.ts';

const SLICE = 400;

/** What still runs outside for a deleted execution; the outbox row `receipt` goes when an executor has seen to it. */
export interface LeftRunning {
  readonly actionExecutionId: string;
  readonly receipt: string;
}

/** What a deletion leaves to be done outside. */
export interface DeletedTree {
  readonly ids: readonly string[];
  readonly running: readonly LeftRunning[];
  /** Rows of the outbox that tell the keeper of leases. */
  readonly leases: readonly OutboxRow[];
}

/**
 * Deletes an execution and everything below it: tasks, actions, timers, messages and events (spec/engine.md E-1.4). Jobs that are
 * not over keep their record until they have been cancelled.
 *
 * @returns the ids that are gone, none if it was gone before, and what has to be stopped and given back.
 */
export async function deleteExecutionTree(trx: Knex, id: string, now: number): Promise<DeletedTree> {
  const ids = await claimTree(trx, id);
  const running: LeftRunning[] = [];
  const leases: OutboxRow[] = [];
  for (let at = 0; at < ids.length; at += SLICE) {
    const slice = await deleteSlice(trx, ids.slice(at, at + SLICE), now);
    running.push(...slice.running);
    leases.push(...slice.leases);
  }
  return { ids, running, leases };
}

/**
 * The ids of an execution and of everything below it, from the top down; none when it is gone. All of them are locked and get another
 * version: whoever has just decided something about one either stored it before, so that its rows are seen, or stores it no more.
 */
export async function claimTree(trx: Knex, id: string): Promise<string[]> {
  const ids: string[] = [];
  for (let level = [id]; level.length > 0; ) {
    const below: string[] = [];
    for (let at = 0; at < level.length; at += SLICE) {
      const slice = level.slice(at, at + SLICE);
      const claimed = await trx('executions')
        .whereIn('id', slice)
        .update({ version: trx.raw('version + 1') });
      if (claimed === 0) continue;
      ids.push(...slice);
      // Asked only now: who held the parent may have made some.
      below.push(...(await trx('executions').whereIn('parent_execution_id', slice).pluck('id')));
    }
    level = below;
  }
  return ids;
}

async function deleteSlice(trx: Knex, ids: readonly string[], now: number): Promise<Omit<DeletedTree, 'ids'>> {
  const actions: DeletedAction[] = await trx('action_executions')
    .whereIn('execution_id', [...ids])
    .select('id', 'state', 'kind');
  const running = await letGoOfActions(trx, actions, now);
  for (const { table } of OWNED_ROWS) {
    await trx(table)
      .whereIn('execution_id', [...ids])
      .delete();
  }
  const gone: Pick<ExecutionRow, 'id' | 'root_execution_id' | 'runtime_context'>[] = await trx('executions')
    .whereIn('id', [...ids])
    .select('id', 'root_execution_id', 'runtime_context');
  await trx('executions')
    .whereIn('id', [...ids])
    .delete();
  const leases = gone
    .filter((row) => tookLeases(row.runtime_context))
    .map((row) => leaseRow({ executionId: row.id, rootExecutionId: row.root_execution_id, state: 'DELETED', at: now }));
  await insertOutbox(trx, leases, now);
  return { running, leases };
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
  const isOpen = ({ state, kind }: DeletedAction) => kind !== 'async' && (state === 'RUNNING' || state === 'PAUSED');
  const endedJobs = actions.filter((action) => action.kind === 'job' && !isOpen(action)).map(({ id }) => id);
  // A person may have said how the action ended, and its job goes on until that has reached it.
  const live = await liveExternalJobs(trx, endedJobs);
  await deleteExternalJobs(
    trx,
    endedJobs.filter((id) => !live.has(id)),
  );
  const open = actions.filter((action) => isOpen(action) || live.has(action.id));
  for (const action of open) await wishJobsEnd(trx, action, now);
  const running = open.map((action) => ({ actionExecutionId: action.id, receipt: newId() }));
  await insertMany(
    trx,
    'outbox',
    running.map((left) => stopRow(left, now)),
  );
  return running;
}

/** Has what an action runs outside stopped, whatever becomes of this process: until an executor has seen to it the outbox says so. */
export async function wishStop(
  trx: Knex,
  action: Pick<DeletedAction, 'id' | 'kind'>,
  receipt: string,
  now: number,
): Promise<void> {
  await wishJobsEnd(trx, action, now);
  await insertMany(trx, 'outbox', [stopRow({ actionExecutionId: action.id, receipt }, now)]);
}

async function wishJobsEnd(trx: Knex, { id, kind }: Pick<DeletedAction, 'id' | 'kind'>, now: number): Promise<void> {
  if (kind === 'job') await requestExternalJobCancel(trx, id, 'cancelled', now);
}

function stopRow({ actionExecutionId, receipt }: LeftRunning, now: number) {
  return {
    id: receipt,
    execution_id: null,
    kind: 'stop-action',
    body: JSON.stringify({ action: actionExecutionId, reason: 'cancelled' }),
    created_at: now,
  };
}
