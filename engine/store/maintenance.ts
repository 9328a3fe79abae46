import type { Knex } from 'knex';
import { insertMany } from './bulk.ts';
import { raiseDefinitionsEpoch } from './definitions.ts';

/** Whether the cluster takes new work: spec/rest-api.md §3.2. The order is that of the stored numbers. */
export const MAINTENANCE_STATES = ['RUNNING', 'PAUSING', 'PAUSED'] as const;
export type MaintenanceState = (typeof MAINTENANCE_STATES)[number];

export async function readMaintenance(knex: Knex): Promise<MaintenanceState> {
  const row: { value: number } | undefined = await knex('counters').where('name', NAME).first('value');
  return MAINTENANCE_STATES[Number(row?.value ?? 0)] ?? 'RUNNING';
}

/** @returns false when the state is not one of `from` (any more). */
export async function changeMaintenance(
  knex: Knex,
  from: readonly MaintenanceState[],
  to: MaintenanceState,
): Promise<boolean> {
  return knex.transaction(async (trx) => {
    const changed = await trx('counters')
      .where('name', NAME)
      .whereIn(
        'value',
        from.map((state) => MAINTENANCE_STATES.indexOf(state)),
      )
      .update({ value: MAINTENANCE_STATES.indexOf(to) });
    if (changed > 0) await raiseDefinitionsEpoch(trx);
    return changed > 0;
  });
}

/** Executions that run now and are not told to pause by another one that does: what is paused from above follows by itself. */
export async function executionsToPause(knex: Knex, limit: number): Promise<readonly string[]> {
  const rows: { id: string }[] = await knex('executions as e')
    .where('e.state', 'RUNNING')
    .whereNotExists(
      knex('executions as p')
        .select(knex.raw('1'))
        .whereRaw('p.id = e.parent_execution_id')
        .where('p.state', 'RUNNING'),
    )
    .orderBy(['e.created_at', 'e.id'])
    .limit(limit)
    .select('e.id');
  return rows.map((row) => row.id);
}

/** Whether anything still moves: executions that run or are about to, and actions that would be lost with their worker. */
export async function isAnythingRunning(knex: Knex): Promise<boolean> {
  const execution = await knex('executions').whereIn('state', ['RUNNING', 'IDLE']).first('id');
  if (execution !== undefined) return true;
  return (await knex('action_executions').where({ state: 'RUNNING', kind: 'sync' }).first('id')) !== undefined;
}

export async function rememberPauses(knex: Knex, ids: readonly string[]): Promise<void> {
  await insertMany(
    knex,
    'maintenance_pauses',
    ids.map((id) => ({ execution_id: id })),
    { ignoreConflicts: true },
  );
}

export async function rememberedPauses(knex: Knex, limit: number): Promise<readonly string[]> {
  const rows: { execution_id: string }[] = await knex('maintenance_pauses').orderBy('execution_id').limit(limit);
  return rows.map((row) => row.execution_id);
}

export async function forgetPauses(knex: Knex, ids: readonly string[]): Promise<void> {
  await knex('maintenance_pauses')
    .whereIn('execution_id', [...ids])
    .delete();
}

const NAME = 'maintenance';
