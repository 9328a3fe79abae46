import type { Knex } from 'knex';
import { insertMany } from './bulk.ts';
import { claimTree, letGoOfActions, OWNED_ROWS } from './delete-executions.ts';
import type { DeletedAction, LeftRunning } from './delete-executions.ts';

/** Old executions go: spec/engine.md §26. */

export const FINISHED = ['SUCCESS', 'ERROR', 'CANCELLED'] as const;
export type FinishedState = (typeof FINISHED)[number];

/** Where a walk over finished executions stands. */
export interface Place {
  readonly created_at: number;
  readonly id: string;
}

/** Root executions in one state that ended before `before`, oldest first. A page may be empty before the end: go on at `next`. */
export async function expiredRoots(
  knex: Knex,
  state: FinishedState,
  before: number,
  after: Place | null,
  limit: number,
): Promise<{ readonly ids: readonly string[]; readonly next: Place | null }> {
  const query = knex('executions')
    .where('state', state)
    .where('created_at', '<', before)
    .orderBy(['created_at', 'id'])
    .limit(limit)
    .select('id', 'created_at', 'updated_at', 'parent_execution_id');
  if (after !== null) startAfter(query, after);
  const rows: (Place & { updated_at: number; parent_execution_id: string | null })[] = await query;
  const last = rows.at(-1);
  return {
    ids: rows.filter((row) => row.parent_execution_id === null && row.updated_at < before).map((row) => row.id),
    next: last === undefined || rows.length < limit ? null : { created_at: last.created_at, id: last.id },
  };
}

/** Finished root executions beyond the newest `kept`, newest first. */
export async function superfluousRoots(
  knex: Knex,
  states: readonly FinishedState[],
  kept: number,
  limit: number,
): Promise<readonly string[]> {
  const rows: { id: string }[] = await knex('executions')
    .whereIn('state', [...states])
    .whereNull('parent_execution_id')
    .orderBy([
      { column: 'created_at', order: 'desc' },
      { column: 'id', order: 'desc' },
    ])
    .offset(kept)
    .limit(limit)
    .select('id');
  return rows.map((row) => row.id);
}

/**
 * Deletes the executions of a tree at once, however large it is: their tasks, actions and events follow slice by slice
 * ({@link purgeSlice}). A tree that somebody woke up meanwhile, or in which something goes on, stays.
 *
 * @returns the ids that are gone.
 */
export async function buryTree(trx: Knex, root: string): Promise<readonly string[]> {
  // Writing first takes the lock; whoever would rerun it finds another version.
  const claimed = await trx('executions')
    .where('id', root)
    .whereIn('state', [...FINISHED])
    .update({ version: trx.raw('version + 1') });
  if (claimed === 0) return [];
  const ids = await claimTree(trx, root);
  for (const slice of slices(ids)) {
    const open = await trx('executions')
      .whereIn('id', slice)
      .whereNotIn('state', [...FINISHED])
      .first('id');
    if (open !== undefined) return [];
  }
  for (const slice of slices(ids)) await trx('executions').whereIn('id', slice).delete();
  await insertMany(
    trx,
    'purges',
    ids.map((id) => ({ execution_id: id })),
    { ignoreConflicts: true },
  );
  return ids;
}

/** Whether rows of an execution that is gone are still there; they go by its id, whatever is made under it meanwhile. */
export async function isBeingPurged(knex: Knex, id: string): Promise<boolean> {
  return (await knex('purges').where('execution_id', id).first('execution_id')) !== undefined;
}

/**
 * Deletes up to `limit` rows of one execution that is gone.
 *
 * @returns null when nothing is left of any; else what still runs outside and has to be stopped.
 */
export async function purgeSlice(trx: Knex, limit: number, now: number): Promise<readonly LeftRunning[] | null> {
  const purge: { execution_id: string } | undefined = await trx('purges').orderBy('execution_id').first('execution_id');
  if (purge === undefined) return null;
  const id = purge.execution_id;
  const actions: DeletedAction[] = await trx('action_executions')
    .where('execution_id', id)
    .limit(limit)
    .select('id', 'state', 'kind');
  const running = await letGoOfActions(trx, actions, now);
  const ids = actions.map((action) => action.id);
  for (const slice of slices(ids)) await trx('action_executions').whereIn('id', slice).delete();
  let left = limit - actions.length;
  for (const { table, key } of OWNED_ROWS) {
    if (left <= 0) return running;
    const keys: Record<string, string | number>[] = await trx(table).where('execution_id', id).limit(left).select(key);
    for (const slice of slices(keys)) {
      await trx(table)
        .whereIn(
          key,
          slice.map((row) => row[key] ?? ''),
        )
        .delete();
    }
    left -= keys.length;
  }
  if (left <= 0) return running;
  await trx('purges').where('execution_id', id).delete();
  return running;
}

/**
 * Deletes entries of the event log that are older than `before` and whose execution has ended.
 *
 * @returns where to go on; null at the end.
 */
export async function purgeEvents(trx: Knex, before: number, after: number, limit: number): Promise<number | null> {
  const rows: { seq: number; at: number; state: string | null }[] = await trx('execution_events as v')
    .leftJoin('executions as e', 'e.id', 'v.execution_id')
    .where('v.seq', '>', after)
    .orderBy('v.seq')
    .limit(limit)
    .select('v.seq', 'v.at', 'e.state');
  const old = rows.filter((row) => row.at < before);
  const ended = old.filter(({ state }) => state === null || FINISHED.some((final) => final === state));
  for (const slice of slices(ended.map((row) => row.seq))) await trx('execution_events').whereIn('seq', slice).delete();
  const last = rows.at(-1);
  return last === undefined || old.length === 0 || rows.length < limit ? null : last.seq;
}

// Far below the number of values that a statement may have.
const SLICE = 400;

function slices<T>(items: readonly T[]): T[][] {
  const found: T[][] = [];
  for (let at = 0; at < items.length; at += SLICE) found.push(items.slice(at, at + SLICE));
  return found;
}

function startAfter(query: Knex.QueryBuilder, { created_at, id }: Place): void {
  query
    .where('created_at', '>=', created_at)
    .where((any) => any.where('created_at', '>', created_at).orWhere('id', '>', id));
}
