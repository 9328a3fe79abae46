import type { Knex } from 'knex';
import type { JsonObject } from '../../dsl/json.ts';
import { actionValue, answerChildren, type ChildResult } from '../core/children.ts';
import type { Change, ChildValues, TaskExecutionId } from '../core/model.ts';
import { decodeJson, decodeOptionalJson } from './columns.ts';
import { dropMarked, fillIn } from './large-values.ts';
import type { ActionRow, ExecutionRow } from './tables.ts';

/** Children of with-items tasks and large values: read and written in one go, whatever their number (design.md §3). */

/** The rows of a lookup `children`. Values are read only where they are wanted. */
export async function loadChildren(
  knex: Knex,
  task: TaskExecutionId,
  values: ChildValues,
): Promise<readonly JsonObject[]> {
  const [actions, executions] = await Promise.all([
    selectChildren(knex, 'action_executions', task, values),
    selectChildren(knex, 'executions', task, values),
  ]);
  return answerChildren([...actions.map(actionOfRow), ...executions.map(executionOfRow)], values);
}

type ChildRow = Pick<ActionRow | ExecutionRow, 'id' | 'state' | 'accepted' | 'runtime_context' | 'output'>;

async function selectChildren(knex: Knex, table: string, task: string, values: ChildValues): Promise<ChildRow[]> {
  const output = values === 'failed' ? "case when state = 'ERROR' then output end as output" : 'output';
  const query = knex(table)
    .where('task_execution_id', task)
    .select('id', 'state', 'accepted', 'runtime_context')
    .select(knex.raw(values === 'none' ? 'null as output' : output));
  if (values === 'accepted') query.where('accepted', true);
  const rows: ChildRow[] = await query;
  return fillIn(knex, rows);
}

function actionOfRow(row: ChildRow): ChildResult {
  const { id, state } = row;
  const value = actionValue(decodeOptionalJson<JsonObject>(row.output));
  return { kind: 'action', id, index: indexOf(row), state, accepted: Boolean(row.accepted), value };
}

function executionOfRow(row: ChildRow): ChildResult {
  const { id, state } = row;
  const value = decodeOptionalJson<JsonObject>(row.output) ?? {};
  return { kind: 'workflow', id, index: indexOf(row), state, accepted: Boolean(row.accepted), value };
}

function indexOf(row: ChildRow): number {
  return decodeJson<{ readonly index?: number }>(row.runtime_context).index ?? 0;
}

/** Carries out changes `children-updated` on what is stored. */
export async function updateChildren(
  trx: Knex,
  changes: readonly Extract<Change, { readonly type: 'children-updated' }>[],
): Promise<void> {
  for (const { task, which, to } of changes) {
    const accepted = (table: string) => {
      const rows = trx(table).where({ task_execution_id: task, accepted: true });
      return which === 'all' ? rows : rows.whereNot('state', 'SUCCESS');
    };
    if (to === 'emptied') {
      await dropMarked(trx, await accepted('action_executions').where('output', 'like', '@%').pluck('output'));
      await accepted('action_executions').update({ output: '{}' });
    } else {
      await accepted('action_executions').update({ accepted: false });
      await accepted('executions').update({ accepted: false });
    }
  }
}

export async function loadPayload(knex: Knex, id: string): Promise<JsonObject | null> {
  const row: { body: string } | undefined = await knex('payloads').where('id', id).first('body');
  return row === undefined ? null : decodeJson(row.body);
}
