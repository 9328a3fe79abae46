import type { Knex } from 'knex';
import { deleteExternalJobs } from './external-jobs.ts';

const SLICE = 400;

/** An execution and everything below it, parents first. */
export async function executionTree(knex: Knex, id: string): Promise<string[]> {
  const ids = [id];
  for (let level = [id]; level.length > 0; ) {
    const children: { id: string }[] = await knex('executions').whereIn('parent_execution_id', level).select('id');
    level = children.map((child) => child.id);
    ids.push(...level);
  }
  return ids;
}

/** Deletes executions with their tasks, actions, timers, messages and events (spec/engine.md E-1.4). */
export async function deleteExecutions(trx: Knex, ids: readonly string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += SLICE) {
    const slice = ids.slice(at, at + SLICE);
    const actions: { id: string }[] = await trx('action_executions').whereIn('execution_id', slice).select('id');
    for (let a = 0; a < actions.length; a += SLICE) {
      await deleteExternalJobs(
        trx,
        actions.slice(a, a + SLICE).map((row) => row.id),
      );
    }
    for (const table of [
      'action_executions',
      'task_executions',
      'timers',
      'outbox',
      'execution_events',
      'quarantine',
    ]) {
      await trx(table).whereIn('execution_id', slice).delete();
    }
    await trx('executions').whereIn('id', slice).delete();
  }
}
