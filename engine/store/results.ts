import type { Knex } from 'knex';
import { setKey } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { actionValue } from '../core/results.ts';
import { decodeJson, decodeOptionalJson } from './columns.ts';
import { fillIn } from './large-values.ts';
import type { DefinitionFinder } from './definition-finder.ts';
import type { ExecutionRow, TaskRow } from './tables.ts';

/** What a reader sees of results that no column holds. */

/** spec/engine.md E-6.1: a list for with-items, else the single accepted result, or a list if there is not exactly one. */
export async function taskResult(reader: Knex, finder: DefinitionFinder, task: TaskRow): Promise<Json> {
  const values = [...(await actionValues(reader, task.id)), ...(await childValues(reader, task.id))]
    .sort((a, b) => a.index - b.index)
    .map(({ value }) => value);
  if (values.length !== 1) return values;
  return (await isWithItems(reader, finder, task)) ? values : (values[0] ?? null);
}

/** The context without the workflow's own variables (spec/engine.md E-5.9). */
export async function publishedGlobally(finder: DefinitionFinder, execution: ExecutionRow): Promise<JsonObject> {
  const { vars } = await finder.loadSpec(execution.spec_hash);
  const context = decodeJson<JsonObject>(execution.context);
  const published: Record<string, Json> = {};
  for (const [name, value] of Object.entries(context)) {
    if (vars === null || !Object.hasOwn(vars, name)) setKey(published, name, value);
  }
  return published;
}

interface IndexedValue {
  readonly index: number;
  readonly value: Json;
}

async function actionValues(reader: Knex, taskId: string): Promise<IndexedValue[]> {
  const rows: { runtime_context: string; output: string | null }[] = await reader('action_executions')
    .where({ task_execution_id: taskId, accepted: true })
    .orderBy(['created_at', 'id'])
    .select('runtime_context', 'output');
  return (await fillIn(reader, rows)).map((row) => ({
    index: indexOf(row.runtime_context),
    value: actionValue(decodeOptionalJson<JsonObject>(row.output)),
  }));
}

async function childValues(reader: Knex, taskId: string): Promise<IndexedValue[]> {
  const rows: { runtime_context: string; output: string }[] = await reader('executions')
    .where({ task_execution_id: taskId, accepted: true })
    .orderBy(['created_at', 'id'])
    .select('runtime_context', 'output');
  return (await fillIn(reader, rows)).map((row) => ({
    index: indexOf(row.runtime_context),
    value: decodeJson<JsonObject>(row.output),
  }));
}

function indexOf(runtimeContext: string): number {
  return decodeJson<{ readonly index?: number }>(runtimeContext).index ?? 0;
}

/** Whether the task runs once per item, as its workflow says. */
export async function isWithItems(reader: Knex, finder: DefinitionFinder, task: TaskRow): Promise<boolean> {
  const row: { spec_hash: string } | undefined = await reader('executions')
    .where('id', task.execution_id)
    .first('spec_hash');
  if (row === undefined) return false;
  const spec = await finder.loadSpec(row.spec_hash);
  return (spec.tasks.get(task.name)?.withItems.length ?? 0) > 0;
}
