import type { Knex } from 'knex';
import type { Json, JsonObject } from '../../dsl/json.ts';
import type { State } from '../../engine/core/model.ts';
import { decodeJson } from '../../engine/store/columns.ts';
import type { ExecutionRow } from '../../engine/store/tables.ts';
import { actionsOf, averageSeconds, descendants, tasksOf } from '../../engine/store/trees.ts';
import type { TreeAction, TreeOptions, TreeTask } from '../../engine/store/trees.ts';
import { formatTime } from '../fields.ts';

export interface ReportOptions extends TreeOptions {
  readonly statisticsOnly: boolean;
}

/** An execution with its tasks, their actions and sub-workflows, and so on: spec/rest-api.md §3.7. */
export async function executionReport(reader: Knex, top: ExecutionRow, options: ReportOptions): Promise<JsonObject> {
  const { errorsOnly, maxDepth } = options;
  // Sub-workflows just below the limit are named, without their tasks.
  const below = await descendants(reader, top, { errorsOnly, maxDepth: maxDepth < 0 ? -1 : maxDepth + 1 });
  const depths = depthsOf(top, below);
  const opened = [top, ...below].filter(({ id }) => maxDepth < 0 || (depths.get(id) ?? 0) <= maxDepth);
  const tasks = await tasksOf(
    reader,
    opened.map(({ id }) => id),
    errorsOnly,
  );
  const statistics = { ...countTasks(tasks), estimated_time: await estimateSeconds(reader, top) };
  if (options.statisticsOnly) return { statistics };
  const actions = await actionsOf(
    reader,
    tasks.map(({ id }) => id),
  );
  const tree: Tree = {
    tasks: groupBy(tasks, (task) => task.execution_id),
    actions: groupBy(actions, (action) => action.task_execution_id),
    children: groupBy(below, (execution) => execution.task_execution_id ?? ''),
    opened: new Set(opened.map(({ id }) => id)),
  };
  return { statistics, root_workflow_execution: showExecution(tree, top) };
}

interface Tree {
  readonly tasks: ReadonlyMap<string, readonly TreeTask[]>;
  readonly actions: ReadonlyMap<string, readonly TreeAction[]>;
  readonly children: ReadonlyMap<string, readonly ExecutionRow[]>;
  readonly opened: ReadonlySet<string>;
}

function depthsOf(top: ExecutionRow, below: readonly ExecutionRow[]): ReadonlyMap<string, number> {
  const depths = new Map([[top.id, 0]]);
  // Parents come before their children.
  for (const { id, parent_execution_id: parent } of below) depths.set(id, (depths.get(parent ?? '') ?? 0) + 1);
  return depths;
}

function countTasks(tasks: readonly TreeTask[]): Record<string, number> {
  const count = (state: State): number => tasks.filter((task) => task.state === state).length;
  const counts = {
    running_tasks_count: count('RUNNING'),
    success_tasks_count: count('SUCCESS'),
    error_tasks_count: count('ERROR'),
    idle_tasks_count: count('IDLE'),
    paused_tasks_count: count('PAUSED'),
  };
  // Tasks in other states are not even in the total.
  return { total_tasks_count: Object.values(counts).reduce((sum, value) => sum + value, 0), ...counts };
}

/** 0 unless it runs; -1 when no earlier run says how long it takes. */
async function estimateSeconds(reader: Knex, execution: ExecutionRow): Promise<number> {
  if (execution.state !== 'RUNNING') return 0;
  const average = await averageSeconds(reader, execution);
  if (average === null) return -1;
  const elapsed = (Date.now() - execution.created_at) / 1000;
  return Math.max(1, Math.round(average - elapsed));
}

function showExecution(tree: Tree, execution: ExecutionRow): JsonObject {
  const shown = { ...showCommon(execution), name: execution.workflow_name };
  if (!tree.opened.has(execution.id)) return shown;
  return { ...shown, task_executions: (tree.tasks.get(execution.id) ?? []).map((task) => showTask(tree, task)) };
}

function showTask(tree: Tree, task: TreeTask): JsonObject {
  const { retry_task_policy: retry } = decodeJson<{ retry_task_policy?: { retry_no?: number } }>(task.runtime_context);
  const retries: Record<string, Json> = (retry?.retry_no ?? 0) > 0 ? { retry_count: retry?.retry_no ?? 0 } : {};
  return {
    ...showCommon(task),
    name: task.name,
    ...retries,
    action_executions: (tree.actions.get(task.id) ?? []).map((action) => ({
      ...showCommon(action),
      name: action.name,
      accepted: Boolean(action.accepted),
      last_heartbeat: formatTime(action.heartbeat_at),
    })),
    workflow_executions: (tree.children.get(task.id) ?? []).map((child) => showExecution(tree, child)),
  };
}

function showCommon(row: Pick<TreeTask, 'id' | 'created_at' | 'updated_at' | 'state' | 'state_info'>): JsonObject {
  return {
    id: row.id,
    created_at: formatTime(row.created_at),
    updated_at: formatTime(row.updated_at),
    state: row.state,
    state_info: row.state_info,
  };
}

function groupBy<T>(rows: readonly T[], keyOf: (row: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    if (group === undefined) groups.set(keyOf(row), [row]);
    else group.push(row);
  }
  return groups;
}
