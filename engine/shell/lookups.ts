import type { Knex } from 'knex';
import type { ExecutionsFilter, TasksFilter } from '../../dsl/expressions/host.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { lookupKey } from '../core/lookups.ts';
import type { Change, Lookup } from '../core/model.ts';
import { actionValue } from '../core/results.ts';
import { formatTime } from '../core/scope.ts';
import { type ExecutionView, rememberPayload } from '../core/view.ts';
import { loadChildren, loadPayload } from '../store/children.ts';
import { decodeJson } from '../store/columns.ts';
import { fillIn } from '../store/large-values.ts';
import type { DefinitionFinder } from '../store/definition-finder.ts';
import {
  actionFromRow,
  type ActionRow,
  executionFromRow,
  type ExecutionRow,
  taskFromRow,
  type TaskRow,
} from '../store/tables.ts';
import { addTaskRow } from '../store/views.ts';
import type { DefinitionCache } from './definition-cache.ts';

/** Rows by the key of the lookup that asked for them; they live for one decision of one execution. */
export class LookupRows extends Map<string, readonly JsonObject[]> {}

export interface LookupContext {
  readonly knex: Knex;
  readonly finder: DefinitionFinder;
  readonly definitions: DefinitionCache;
  readonly view: ExecutionView;
  readonly rows: LookupRows;
}

/** Meanings of names may be loaded at any time, rows only while the execution has no changes that are not stored. */
export function isLoadedAnyTime(lookup: Lookup, notStored: readonly Change[]): boolean {
  switch (lookup.type) {
    case 'action-definition':
    case 'workflow-definition':
    case 'environment':
      return true;
    case 'payload':
      // It never changes once it is there.
      return !notStored.some((change) => change.type === 'payload-stored' && change.id === lookup.id);
    default:
      return false;
  }
}

export async function answerLookups(context: LookupContext, lookups: readonly Lookup[]): Promise<void> {
  for (const lookup of lookups) await answerLookup(context, lookup);
}

async function answerLookup(context: LookupContext, lookup: Lookup): Promise<void> {
  const { knex, finder, definitions, view, rows } = context;
  switch (lookup.type) {
    case 'action-definition': {
      const { name, namespace, projectId } = lookup;
      definitions.setAction(name, namespace, projectId, await finder.findAction(name, namespace, projectId));
      return;
    }
    case 'workflow-definition': {
      const { name, namespace, projectId } = lookup;
      definitions.setWorkflow(name, namespace, projectId, await finder.findWorkflow(name, namespace, projectId));
      return;
    }
    case 'environment':
      definitions.setEnvironment(
        lookup.name,
        lookup.projectId,
        await findEnvironment(knex, lookup.name, lookup.projectId),
      );
      return;
    case 'task-row':
      await addTaskRow(knex, view, lookup.id);
      rows.set(lookupKey(lookup), []);
      return;
    case 'children':
      rows.set(lookupKey(lookup), await loadChildren(knex, lookup.task, lookup.values));
      return;
    case 'payload': {
      const payload = await loadPayload(knex, lookup.id);
      if (payload === null) throw new Error(`payload ${lookup.id} of execution ${view.record.id} is missing`);
      rememberPayload(view, lookup.id, payload);
      rows.set(lookupKey(lookup), [payload]);
      return;
    }
    case 'task': {
      const row: TaskRow | undefined = await knex('task_executions')
        .where({ execution_id: view.record.id, name: lookup.name })
        .orderBy('id', 'desc')
        .first();
      rows.set(lookupKey(lookup), row === undefined ? [] : await taskRows(context, [row]));
      return;
    }
    case 'tasks':
      rows.set(lookupKey(lookup), await findTasks(context, lookup.filter));
      return;
    case 'executions':
      rows.set(lookupKey(lookup), await findExecutions(context, lookup.filter));
      return;
  }
}

export async function findEnvironment(knex: Knex, name: string, projectId: string): Promise<JsonObject | null> {
  const row: { variables: string } | undefined = await knex('environments')
    .where('name', name)
    .where((any) => any.where('project_id', projectId).orWhere('scope', 'public'))
    .orderByRaw('case when project_id = ? then 0 else 1 end', [projectId])
    .first('variables');
  return row === undefined ? null : decodeJson(row.variables);
}

// A result set beyond this would not fit into an expression's memory anyway.
const MOST_ROWS = 10_000;

/** `executions(...)`: spec/engine.md §6; plain mappings with the API's fields. */
async function findExecutions({ knex, view }: LookupContext, filter: ExecutionsFilter): Promise<readonly JsonObject[]> {
  const query = knex('executions')
    .where('project_id', view.record.projectId)
    .orderBy(['created_at', 'id'])
    .limit(MOST_ROWS);
  if (filter.id !== null) query.where('id', filter.id);
  if (filter.rootExecutionId !== null) query.where('root_execution_id', filter.rootExecutionId);
  if (filter.state !== null) query.where('state', filter.state);
  if (filter.fromTime !== null) query.where('created_at', '>=', milliseconds(filter.fromTime));
  if (filter.toTime !== null) query.where('created_at', '<', milliseconds(filter.toTime));
  const rows: ExecutionRow[] = await query;
  return (await fillIn(knex, rows)).map(executionFields);
}

function executionFields(row: ExecutionRow): JsonObject {
  const record = executionFromRow(row);
  return {
    id: record.id,
    workflow_id: record.workflowId,
    workflow_name: record.workflowName,
    workflow_namespace: record.workflowNamespace,
    name: record.workflowName,
    description: record.description,
    tags: record.tags,
    state: record.state,
    state_info: record.stateInfo,
    input: record.input,
    output: record.output,
    params: record.params,
    project_id: record.projectId,
    task_execution_id: record.taskExecutionId,
    root_execution_id: record.rootExecutionId,
    created_at: formatTime(record.createdAt),
    updated_at: formatTime(record.updatedAt),
  };
}

function milliseconds(time: string): number {
  const parsed = Date.parse(`${time.trim().replace(' ', 'T')}${/Z|[+-]\d\d:?\d\d$/.test(time) ? '' : 'Z'}`);
  return Number.isNaN(parsed) ? 0 : parsed;
}

/** `tasks(...)`: spec/engine.md §6. */
async function findTasks(context: LookupContext, filter: TasksFilter): Promise<readonly JsonObject[]> {
  const { knex, view } = context;
  const query = knex('task_executions')
    .where('project_id', view.record.projectId)
    .orderBy(['created_at', 'id'])
    .limit(MOST_ROWS);
  if (filter.workflowExecutionId !== null) {
    const ids = filter.recursive
      ? await withDescendants(knex, filter.workflowExecutionId)
      : [filter.workflowExecutionId];
    query.whereIn('execution_id', ids);
  }
  const rows: TaskRow[] = await query;
  const kept = filter.flat ? await withoutMirrors(knex, rows) : rows;
  return taskRows(context, kept);
}

async function withDescendants(knex: Knex, root: string): Promise<string[]> {
  const ids = [root];
  for (let level = [root]; level.length > 0; ) {
    const children: { id: string }[] = await knex('executions').whereIn('parent_execution_id', level).select('id');
    level = children.map((child) => child.id);
    ids.push(...level);
  }
  return ids;
}

/** `flat`: workflow tasks stay only where their state differs from that of each of their executions. */
async function withoutMirrors(knex: Knex, rows: readonly TaskRow[]): Promise<TaskRow[]> {
  const workflowTasks = rows.filter((row) => row.type === 'WORKFLOW').map((row) => row.id);
  const children: { task_execution_id: string; state: string }[] = await knex('executions')
    .whereIn('task_execution_id', workflowTasks)
    .select('task_execution_id', 'state');
  const mirrored = new Set(children.map((child) => `${child.task_execution_id} ${child.state}`));
  return rows.filter((row) => row.type !== 'WORKFLOW' || !mirrored.has(`${row.id} ${row.state}`));
}

/** Task executions as `task()` shows them, with the results of their accepted children (spec/engine.md E-6.1). */
async function taskRows({ knex, finder }: LookupContext, rows: readonly TaskRow[]): Promise<JsonObject[]> {
  const ids = rows.map((row) => row.id);
  const actions: ActionRow[] = await knex('action_executions')
    .whereIn('task_execution_id', ids)
    .where('accepted', true);
  const children: ExecutionRow[] = await knex('executions').whereIn('task_execution_id', ids).where('accepted', true);
  const results = new Map<string, { index: number; value: Json }[]>();
  for (const action of (await fillIn(knex, actions)).map(actionFromRow)) {
    push(results, action.taskExecutionId, { index: action.index, value: actionValue(action.output) });
  }
  for (const child of (await fillIn(knex, children)).map(executionFromRow)) {
    push(results, child.taskExecutionId, { index: child.runtimeContext.index ?? 0, value: child.output });
  }
  const executionIds = [...new Set(rows.map((row) => row.execution_id))];
  const hashes: { id: string; spec_hash: string }[] = await knex('executions')
    .whereIn('id', executionIds)
    .select('id', 'spec_hash');
  const specs = new Map(
    await Promise.all(hashes.map(async (row) => [row.id, await finder.loadSpec(row.spec_hash)] as const)),
  );
  return (await fillIn(knex, rows)).map((row) => {
    const task = taskFromRow(row);
    const spec = specs.get(row.execution_id)?.tasks.get(task.name);
    const values = (results.get(row.id) ?? []).toSorted((a, b) => a.index - b.index).map((entry) => entry.value);
    return {
      id: task.id,
      name: task.name,
      spec: spec?.raw ?? null,
      state: task.state,
      state_info: task.stateInfo,
      result: (spec?.withItems.length ?? 0) > 0 || values.length !== 1 ? values : (values[0] ?? null),
      published: task.published,
      type: task.type,
      workflow_execution_id: task.executionId,
      created_at: formatTime(task.createdAt),
      updated_at: formatTime(task.updatedAt),
    };
  });
}

function push<V>(lists: Map<string, V[]>, key: string | null, value: V): void {
  if (key === null) return;
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
