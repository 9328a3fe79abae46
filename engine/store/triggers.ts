import type { Knex } from 'knex';
import type { ExecutionRecord } from '../core/model.ts';
import { EngineError } from '../errors.ts';
import type { Caller } from '../facade.ts';
import { insertNewExecutions } from './batch.ts';
import type { Scope } from './definitions.ts';
import { restrictToVisible } from './lists.ts';

/** Rows of cron and event triggers: spec/rest-api.md §3.10, §3.11. */

interface TriggerRow {
  readonly id: string;
  readonly workflow_id: string;
  readonly workflow_name: string;
  /** JSON. */
  readonly workflow_input: string;
  readonly workflow_params: string;
  readonly project_id: string;
  readonly scope: Scope;
  /** Whether its executions start with an administrator's sight. */
  readonly by_admin: boolean | number;
  readonly created_at: number;
  readonly updated_at: number | null;
}

export interface CronTriggerRow extends TriggerRow {
  readonly name: string;
  readonly pattern: string;
  readonly remaining_executions: number | null;
  readonly first_execution_time: number | null;
  readonly next_execution_time: number;
  readonly content_key: string | null;
  readonly last_execution_id: string | null;
}

export interface EventTriggerRow extends TriggerRow {
  readonly name: string | null;
  readonly exchange: string;
  readonly topic: string;
  readonly event: string;
}

/** By id or name, among what the caller may see: his own first. */
export async function findCronTrigger(
  knex: Knex,
  caller: Caller,
  identifier: string,
): Promise<CronTriggerRow | undefined> {
  const query = knex('cron_triggers').where((any) => any.where('id', identifier).orWhere('name', identifier));
  return restrictToVisible(query, caller, true)
    .orderByRaw('case when id = ? then 0 when project_id = ? then 1 else 2 end, created_at, id', [
      identifier,
      caller.projectId,
    ])
    .first();
}

export async function findEventTrigger(knex: Knex, caller: Caller, id: string): Promise<EventTriggerRow | undefined> {
  return restrictToVisible(knex('event_triggers').where('id', id), caller, true).first();
}

/** Triggers whose time has come, the most overdue first. */
export async function dueCronTriggers(knex: Knex, now: number, limit: number): Promise<readonly CronTriggerRow[]> {
  return knex('cron_triggers')
    .where('next_execution_time', '<=', now)
    .orderBy(['next_execution_time', 'id'])
    .limit(limit);
}

/** The time of the next run of any trigger; null when there are none. */
export async function nextCronTime(knex: Knex): Promise<number | null> {
  const row: { next_execution_time: number } | undefined = await knex('cron_triggers')
    .orderBy(['next_execution_time', 'id'])
    .first('next_execution_time');
  return row?.next_execution_time ?? null;
}

/** What becomes of a trigger when its time has come; without `next` it is over. */
export interface CronStep {
  readonly trigger: Pick<CronTriggerRow, 'id' | 'next_execution_time'>;
  readonly next: number | null;
  readonly remaining: number | null;
  /** Left as it is where this is undefined. */
  readonly lastExecutionId: string | undefined;
}

/**
 * Moves a trigger on, if it still stands where it was seen.
 *
 * @returns false when somebody else was first.
 */
export async function advanceCronTrigger(
  trx: Knex,
  { trigger, next, remaining, lastExecutionId }: CronStep,
): Promise<boolean> {
  const where = { id: trigger.id, next_execution_time: trigger.next_execution_time };
  const done: number =
    next === null
      ? await trx('cron_triggers').where(where).delete()
      : await trx('cron_triggers')
          .where(where)
          .update({
            next_execution_time: next,
            remaining_executions: remaining,
            ...(lastExecutionId === undefined ? {} : { last_execution_id: lastExecutionId }),
          });
  return done > 0;
}

/** Triggers that hear of an event of a project: its own and public ones (spec/engine.md E-23.4). */
export async function listeningTriggers(
  knex: Knex,
  projectId: string,
  { exchange, topic, event }: { readonly exchange: string; readonly topic: string; readonly event: string },
): Promise<readonly EventTriggerRow[]> {
  return knex('event_triggers')
    .where({ exchange, topic, event })
    .where((any) => any.where('project_id', projectId).orWhere('scope', 'public'))
    .orderBy(['created_at', 'id']);
}

/**
 * Stores executions that have not started: in IDLE a row is its own message, which the next start finds if this process ends
 * here (design.md §2).
 *
 * @returns the ids that are new; those that were there already have been started by whoever stored them.
 */
export async function insertIdleExecutions(trx: Knex, records: readonly ExecutionRecord[]): Promise<readonly string[]> {
  return insertNewExecutions(trx, records);
}

/** @throws EngineError INVALID_STATE naming the triggers that would start it */
export async function refuseWithTriggers(trx: Knex, workflow: { readonly id: string; readonly name: string }) {
  for (const kind of ['cron', 'event'] as const) {
    const rows: { id: string }[] = await trx(`${kind}_triggers`)
      .where('workflow_id', workflow.id)
      .orderBy(['created_at', 'id'])
      .select('id');
    if (rows.length === 0) continue;
    throw new EngineError(
      'INVALID_STATE',
      `Can't delete workflow that has ${kind} triggers associated. [workflow=${workflow.name}], [${kind}_trigger_id(s)=${rows.map((row) => row.id).join(', ')}]`,
    );
  }
}

/** Projects other than the owner's whose triggers start a workflow. */
export async function foreignTriggerProjects(
  trx: Knex,
  workflow: { readonly id: string; readonly project_id: string },
): Promise<readonly string[]> {
  const projects = new Set<string>();
  for (const table of ['cron_triggers', 'event_triggers']) {
    const rows: { project_id: string }[] = await trx(table)
      .where('workflow_id', workflow.id)
      .whereNot('project_id', workflow.project_id)
      .distinct('project_id');
    for (const row of rows) projects.add(row.project_id);
  }
  return [...projects].sort();
}
