import type { Knex } from 'knex';
import type { State } from '../core/model.ts';
import type { ExecutionRow } from './tables.ts';

/** Executions with everything below them: spec/rest-api.md §3.7. */

export interface TreeOptions {
  /** Goes on below tasks in ERROR only. */
  readonly errorsOnly: boolean;
  /** Levels of sub-workflows; 0 is the execution alone, negative all. */
  readonly maxDepth: number;
}

export interface TreeTask {
  readonly id: string;
  readonly execution_id: string;
  readonly name: string;
  readonly state: State;
  readonly state_info: string | null;
  readonly runtime_context: string;
  readonly created_at: number;
  readonly updated_at: number;
}

export interface TreeAction {
  readonly id: string;
  readonly task_execution_id: string;
  readonly name: string;
  readonly state: State;
  readonly state_info: string | null;
  readonly accepted: boolean | number;
  readonly heartbeat_at: number | null;
  readonly created_at: number;
  readonly updated_at: number;
}

/** The executions below one, parents before children, in the order of their creation among brothers. */
export async function descendants(
  reader: Knex,
  top: Pick<ExecutionRow, 'id'>,
  { errorsOnly, maxDepth }: TreeOptions,
): Promise<readonly ExecutionRow[]> {
  const childrenOf = new Map<string, ExecutionRow[]>();
  let level: readonly string[] = [top.id];
  for (let depth = 0; level.length > 0 && (maxDepth < 0 || depth < maxDepth); depth++) {
    const children = await childrenOfAll(reader, level, errorsOnly);
    for (const child of children) {
      const parent = child.parent_execution_id ?? '';
      childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), child]);
    }
    level = children.map((child) => child.id);
  }
  return depthFirst(childrenOf, top.id);
}

export async function tasksOf(
  reader: Knex,
  executionIds: readonly string[],
  errorsOnly: boolean,
): Promise<readonly TreeTask[]> {
  return inSlices(executionIds, (ids) => {
    const query = reader('task_executions').whereIn('execution_id', ids);
    if (errorsOnly) query.where('state', 'ERROR');
    return query
      .select('id', 'execution_id', 'name', 'state', 'state_info', 'runtime_context', 'created_at', 'updated_at')
      .orderBy(['created_at', 'id']);
  });
}

export async function actionsOf(reader: Knex, taskIds: readonly string[]): Promise<readonly TreeAction[]> {
  return inSlices(taskIds, (ids) =>
    reader('action_executions')
      .whereIn('task_execution_id', ids)
      .select(
        'id',
        'task_execution_id',
        'name',
        'state',
        'state_info',
        'accepted',
        'heartbeat_at',
        'created_at',
        'updated_at',
      )
      .orderBy(['created_at', 'id']),
  );
}

/** Average seconds of the latest successful runs of the same workflow; null when there was none. */
export async function averageSeconds(reader: Knex, execution: ExecutionRow): Promise<number | null> {
  const rows: { created_at: number; updated_at: number }[] = await reader('executions')
    .where({ workflow_name: execution.workflow_name, project_id: execution.project_id, state: 'SUCCESS' })
    .orderBy('created_at', 'desc')
    .limit(20)
    .select('created_at', 'updated_at');
  if (rows.length === 0) return null;
  return rows.reduce((sum, row) => sum + (row.updated_at - row.created_at), 0) / rows.length / 1000;
}

// Far below the number of values that a statement may have.
const SLICE = 500;

async function inSlices<Row>(ids: readonly string[], read: (ids: string[]) => PromiseLike<Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for (let start = 0; start < ids.length; start += SLICE) rows.push(...(await read(ids.slice(start, start + SLICE))));
  return rows;
}

async function childrenOfAll(reader: Knex, parents: readonly string[], errorsOnly: boolean): Promise<ExecutionRow[]> {
  const rows = await inSlices<ExecutionRow>(parents, (ids) => {
    const query = reader('executions').whereIn('parent_execution_id', ids);
    if (errorsOnly) {
      query.whereIn(
        'task_execution_id',
        reader('task_executions').whereIn('execution_id', ids).where('state', 'ERROR').select('id'),
      );
    }
    return query.select('*').orderBy(['created_at', 'id']);
  });
  return rows;
}

function depthFirst(childrenOf: ReadonlyMap<string, readonly ExecutionRow[]>, top: string): ExecutionRow[] {
  const found: ExecutionRow[] = [];
  const open = [...(childrenOf.get(top) ?? [])].reverse();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    found.push(next);
    open.push(...[...(childrenOf.get(next.id) ?? [])].reverse());
  }
  return found;
}
