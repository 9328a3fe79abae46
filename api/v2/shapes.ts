import { ACTION_EXECUTIONS, EXECUTIONS, TASKS } from '../../engine/store/collections.ts';
import type { ListShape } from '../listing.ts';
import { ACTION_EXECUTION, EXECUTION, TASK } from '../resources.ts';

/** Lists that are reached by more than one path. */

export const EXECUTION_LIST: ListShape = {
  resource: EXECUTION,
  collection: EXECUTIONS,
  filters: [
    'workflow_name',
    'workflow_id',
    'description',
    'tags',
    'params',
    'task_execution_id',
    'root_execution_id',
    'state',
    'state_info',
    'input',
    'output',
    'created_at',
    'updated_at',
    'project_id',
  ],
  defaultSort: 'created_at',
  extras: ['include_output', 'all_projects'],
  nullable: EXECUTIONS.columns.map(({ name }) => name).filter((name) => name !== 'id'),
};

export const TASK_LIST: ListShape = {
  resource: TASK,
  collection: TASKS,
  filters: [
    'name',
    'type',
    'workflow_name',
    'workflow_id',
    'workflow_execution_id',
    'tags',
    'state',
    'state_info',
    'published',
    'processed',
    'created_at',
    'updated_at',
    'started_at',
    'finished_at',
    'project_id',
  ],
  defaultSort: 'created_at',
};

export const ACTION_EXECUTION_LIST: ListShape = {
  resource: ACTION_EXECUTION,
  collection: ACTION_EXECUTIONS,
  filters: [
    'name',
    'workflow_name',
    'task_name',
    'task_execution_id',
    'state',
    'state_info',
    'tags',
    'description',
    'accepted',
    'input',
    'output',
    'created_at',
    'updated_at',
    'project_id',
  ],
  defaultSort: 'created_at',
  extras: ['include_output'],
};
