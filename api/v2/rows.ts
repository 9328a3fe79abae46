import { EngineError } from '../../engine/errors.ts';
import { ACTION_EXECUTIONS, columnOf, EXECUTIONS, TASKS } from '../../engine/store/collections.ts';
import type { Collection } from '../../engine/store/collections.ts';
import type { Filter } from '../../engine/store/filters.ts';
import { findVisibleRow } from '../../engine/store/lists.ts';
import type { ActionRow, ExecutionRow, TaskRow } from '../../engine/store/tables.ts';
import { flagParameter, integerParameter } from '../listing.ts';
import { param } from '../request.ts';
import type { ApiRequest } from '../request.ts';
import type { Services } from '../services.ts';

/** The row that a path names, if the caller may see it. */

export async function findExecution(
  { store }: Services,
  request: ApiRequest,
  id = param(request, 'id'),
): Promise<ExecutionRow> {
  const row = await findVisibleRow<ExecutionRow>(store.reader, request.caller, EXECUTIONS, id);
  if (row === undefined) throw new EngineError('NOT_FOUND', `WorkflowExecution not found [id=${id}]`);
  return row;
}

export async function findTask({ store }: Services, request: ApiRequest, id = param(request, 'id')): Promise<TaskRow> {
  const row = await findVisibleRow<TaskRow>(store.reader, request.caller, TASKS, id);
  if (row === undefined) throw new EngineError('NOT_FOUND', `Task execution not found [id=${id}]`);
  return row;
}

export async function findActionExecution(
  { store }: Services,
  request: ApiRequest,
  id = param(request, 'id'),
): Promise<ActionRow> {
  const row = await findVisibleRow<ActionRow>(store.reader, request.caller, ACTION_EXECUTIONS, id);
  if (row === undefined) throw new EngineError('NOT_FOUND', `ActionExecution not found [id=${id}]`);
  return row;
}

/** A condition that the path sets. */
export function equals(collection: Collection, name: string, value: string): Filter {
  const column = columnOf(collection, name);
  if (column === undefined) throw new Error(`${collection.table} has no column ${name}`);
  return { column, operator: 'eq', kind: 'text', values: [value] };
}

export function treeOptions(request: ApiRequest): { errorsOnly: boolean; maxDepth: number } {
  return { errorsOnly: flagParameter(request, 'errors_only'), maxDepth: integerParameter(request, 'max_depth') ?? -1 };
}
