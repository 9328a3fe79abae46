import type { JsonObject } from '../../dsl/json.ts';
import type { ActionKind } from '../contract.ts';
import type {
  ActionExecutionId,
  ActionRecord,
  ExecutionId,
  ExecutionRecord,
  State,
  TaskExecutionId,
  TaskRecord,
  TimerKind,
  TimerRecord,
} from '../core/model.ts';
import { decodeJson, decodeOptionalJson, encodeFields, json, plain, text } from './columns.ts';
import type { ColumnValue, Encoders } from './columns.ts';

/** Rows as the database has them and records as the engine has them. Booleans come as 0 and 1 from SQLite. */

export type Row = Record<string, ColumnValue>;
type Flag = boolean | number;

export interface ExecutionRow {
  readonly id: string;
  readonly version: number;
  readonly workflow_id: string | null;
  readonly workflow_name: string;
  readonly workflow_namespace: string;
  readonly workbook_name: string | null;
  readonly spec_hash: string;
  readonly project_id: string;
  readonly description: string;
  readonly tags: string;
  readonly state: State;
  readonly state_info: string | null;
  readonly input: string;
  readonly output: string;
  readonly params: string;
  readonly context: string;
  readonly runtime_context: string;
  readonly task_execution_id: string | null;
  readonly parent_execution_id: string | null;
  readonly root_execution_id: string | null;
  readonly accepted: Flag;
  readonly created_at: number;
  readonly updated_at: number;
}

export interface TaskRow {
  readonly id: string;
  readonly execution_id: string;
  readonly name: string;
  readonly type: 'ACTION' | 'WORKFLOW';
  readonly workflow_id: string | null;
  readonly workflow_name: string;
  readonly workflow_namespace: string;
  readonly project_id: string;
  readonly tags: string;
  readonly state: State;
  readonly state_info: string | null;
  readonly unique_key: string | null;
  readonly in_context: string;
  readonly published: string | null;
  readonly published_global: string | null;
  readonly runtime_context: string;
  readonly items: string | null;
  readonly processed: Flag;
  readonly has_next_tasks: Flag;
  readonly next_tasks: string | null;
  readonly error_handled: Flag;
  readonly created_at: number;
  readonly updated_at: number;
  readonly started_at: number | null;
  readonly finished_at: number | null;
}

export interface ActionRow {
  readonly id: string;
  readonly task_execution_id: string | null;
  readonly execution_id: string | null;
  readonly task_name: string | null;
  readonly name: string;
  readonly system_name: string;
  readonly system_input: string | null;
  readonly wrappers: string | null;
  readonly workflow_name: string | null;
  readonly workflow_namespace: string;
  readonly project_id: string;
  readonly description: string;
  readonly tags: string | null;
  readonly state: State;
  readonly state_info: string | null;
  readonly input: string;
  readonly output: string | null;
  readonly accepted: Flag;
  readonly kind: ActionKind;
  readonly runtime_context: string;
  readonly attempt: number;
  readonly executor_id: string | null;
  readonly heartbeat_at: number | null;
  readonly started_at: number | null;
  readonly timeout_seconds: number | null;
  readonly target: string | null;
  readonly safe_rerun: Flag;
  readonly created_at: number;
  readonly updated_at: number;
}

export interface TimerRow {
  readonly id: string;
  readonly execution_id: string;
  readonly task_execution_id: string;
  readonly kind: TimerKind;
  readonly due_at: number;
  readonly delay_seconds: number;
  readonly node_id: string;
}

export function executionFromRow(row: ExecutionRow): ExecutionRecord {
  return {
    id: row.id as ExecutionId,
    workflowId: row.workflow_id,
    workflowName: row.workflow_name,
    workflowNamespace: row.workflow_namespace,
    workbookName: row.workbook_name,
    specHash: row.spec_hash,
    projectId: row.project_id,
    description: row.description,
    tags: decodeJson(row.tags),
    state: row.state,
    stateInfo: row.state_info,
    input: decodeJson(row.input),
    output: decodeJson(row.output),
    params: decodeJson(row.params),
    context: decodeJson(row.context),
    runtimeContext: decodeJson(row.runtime_context),
    taskExecutionId: row.task_execution_id as TaskExecutionId | null,
    parentExecutionId: row.parent_execution_id as ExecutionId | null,
    rootExecutionId: row.root_execution_id as ExecutionId | null,
    accepted: Boolean(row.accepted),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export function executionToRow(record: ExecutionRecord, version: number): Row {
  const row = encodeFields(EXECUTION, record);
  row['version'] = version;
  return row;
}

/** The columns of the fields in a patch. */
export function executionPatchToRow(patch: Partial<ExecutionRecord>): Row {
  return encodeFields(EXECUTION, patch);
}

export function taskFromRow(row: TaskRow): TaskRecord {
  return {
    id: row.id as TaskExecutionId,
    executionId: row.execution_id as ExecutionId,
    name: row.name,
    type: row.type,
    state: row.state,
    stateInfo: row.state_info,
    uniqueKey: row.unique_key,
    context: decodeJson(row.in_context),
    published: decodeOptionalJson(row.published),
    publishedGlobal: decodeOptionalJson(row.published_global),
    runtimeContext: decodeJson(row.runtime_context),
    items: decodeOptionalJson(row.items),
    processed: Boolean(row.processed),
    hasNextTasks: Boolean(row.has_next_tasks),
    nextTasks: decodeOptionalJson(row.next_tasks),
    errorHandled: Boolean(row.error_handled),
    tags: decodeJson(row.tags),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

/** Some columns repeat what the execution says, because lists filter by them. */
export function taskToRow(
  record: TaskRecord,
  execution: Pick<ExecutionRecord, 'workflowId' | 'workflowName' | 'workflowNamespace' | 'projectId'>,
): Row {
  const row = encodeFields(TASK, record);
  row['workflow_id'] = execution.workflowId;
  row['workflow_name'] = execution.workflowName;
  row['workflow_namespace'] = execution.workflowNamespace;
  row['project_id'] = execution.projectId;
  return row;
}

export function taskPatchToRow(patch: Partial<TaskRecord>): Row {
  return encodeFields(TASK, patch);
}

export function actionFromRow(row: ActionRow): ActionRecord {
  return {
    id: row.id as ActionExecutionId,
    taskExecutionId: row.task_execution_id as TaskExecutionId | null,
    executionId: row.execution_id as ExecutionId | null,
    taskName: row.task_name,
    name: row.name,
    systemName: row.system_name,
    systemInput: decodeOptionalJson(row.system_input),
    wrappers: decodeOptionalJson<ActionRecord['wrappers']>(row.wrappers) ?? [],
    state: row.state,
    stateInfo: row.state_info,
    input: decodeJson(row.input),
    output: decodeOptionalJson<JsonObject>(row.output),
    accepted: Boolean(row.accepted),
    kind: row.kind,
    index: decodeJson<{ index?: number }>(row.runtime_context).index ?? 0,
    attempt: row.attempt,
    executorId: row.executor_id,
    timeoutSeconds: row.timeout_seconds,
    target: row.target,
    safeRerun: Boolean(row.safe_rerun),
    description: row.description,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** `owner` is the execution, or for a stand-alone action its project and namespace. */
export function actionToRow(
  record: ActionRecord,
  owner: { readonly workflowName: string | null; readonly workflowNamespace: string; readonly projectId: string },
): Row {
  const row = encodeFields(ACTION, record);
  row['workflow_name'] = owner.workflowName;
  row['workflow_namespace'] = owner.workflowNamespace;
  row['project_id'] = owner.projectId;
  row['tags'] = null;
  // Who inserts an action as his own has spoken of it: from then on his silence counts.
  row['heartbeat_at'] = record.executorId === null ? null : record.createdAt;
  row['started_at'] = null;
  return row;
}

export function actionPatchToRow(patch: Partial<ActionRecord>): Row {
  return encodeFields(ACTION, patch);
}

export function timerFromRow(row: TimerRow): TimerRecord {
  return {
    id: row.id,
    executionId: row.execution_id as ExecutionId,
    taskExecutionId: row.task_execution_id as TaskExecutionId,
    kind: row.kind,
    dueAt: row.due_at,
    delaySeconds: row.delay_seconds,
  };
}

/** `nodeId` is the node whose heap fires it (design.md §6). */
export function timerToRow(record: TimerRecord, nodeId: string): Row {
  const row = encodeFields(TIMER, record);
  row['node_id'] = nodeId;
  return row;
}

const EXECUTION: Encoders<ExecutionRecord> = {
  id: plain('id'),
  workflowId: plain('workflow_id'),
  workflowName: plain('workflow_name'),
  workflowNamespace: plain('workflow_namespace'),
  workbookName: plain('workbook_name'),
  specHash: plain('spec_hash'),
  projectId: plain('project_id'),
  description: text('description'),
  tags: json('tags'),
  state: plain('state'),
  stateInfo: text('state_info'),
  input: json('input'),
  output: json('output'),
  params: json('params'),
  context: json('context'),
  runtimeContext: json('runtime_context'),
  taskExecutionId: plain('task_execution_id'),
  parentExecutionId: plain('parent_execution_id'),
  rootExecutionId: plain('root_execution_id'),
  accepted: plain('accepted'),
  createdAt: plain('created_at'),
  updatedAt: plain('updated_at'),
};

const TASK: Encoders<TaskRecord> = {
  id: plain('id'),
  executionId: plain('execution_id'),
  name: plain('name'),
  type: plain('type'),
  state: plain('state'),
  stateInfo: text('state_info'),
  uniqueKey: plain('unique_key'),
  context: json('in_context'),
  published: json('published'),
  publishedGlobal: json('published_global'),
  runtimeContext: json('runtime_context'),
  items: json('items'),
  processed: plain('processed'),
  hasNextTasks: plain('has_next_tasks'),
  nextTasks: json('next_tasks'),
  errorHandled: plain('error_handled'),
  tags: json('tags'),
  createdAt: plain('created_at'),
  updatedAt: plain('updated_at'),
  startedAt: plain('started_at'),
  finishedAt: plain('finished_at'),
};

const ACTION: Encoders<ActionRecord> = {
  id: plain('id'),
  taskExecutionId: plain('task_execution_id'),
  executionId: plain('execution_id'),
  taskName: plain('task_name'),
  name: plain('name'),
  systemName: plain('system_name'),
  systemInput: json('system_input'),
  wrappers: json('wrappers'),
  state: plain('state'),
  stateInfo: text('state_info'),
  input: json('input'),
  output: json('output'),
  accepted: plain('accepted'),
  kind: plain('kind'),
  index: { column: 'runtime_context', encode: (index) => JSON.stringify({ index }) },
  attempt: plain('attempt'),
  executorId: plain('executor_id'),
  timeoutSeconds: plain('timeout_seconds'),
  target: plain('target'),
  safeRerun: plain('safe_rerun'),
  description: text('description'),
  createdAt: plain('created_at'),
  updatedAt: plain('updated_at'),
};

const TIMER: Encoders<TimerRecord> = {
  id: plain('id'),
  executionId: plain('execution_id'),
  taskExecutionId: plain('task_execution_id'),
  kind: plain('kind'),
  dueAt: plain('due_at'),
  delaySeconds: plain('delay_seconds'),
};
