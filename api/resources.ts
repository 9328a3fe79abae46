import { parseJson } from '../dsl/json.ts';
import type { Json, JsonObject } from '../dsl/json.ts';
import { badRequest } from './api-error.ts';
import { computed, flag, integer, jsonText, list, maskedJsonText, plain, time } from './fields.ts';
import type { Field, WireRow } from './fields.ts';

/** The fields of every collection: spec/rest-api.md §3. Every field is always sent, null where there is nothing. */
export interface Resource {
  /** The key of a list's items, and the last part of the collection's path. */
  readonly collection: string;
  readonly fields: readonly Field[];
}

export const WORKBOOK: Resource = {
  collection: 'workbooks',
  fields: [
    plain('id'),
    plain('name'),
    plain('namespace'),
    plain('definition'),
    list('tags'),
    plain('scope'),
    plain('project_id'),
    time('created_at'),
    time('updated_at'),
  ],
};

export const WORKFLOW: Resource = {
  collection: 'workflows',
  fields: [
    plain('id'),
    plain('name'),
    plain('namespace'),
    plain('input'),
    jsonText('interface'),
    plain('definition'),
    plain('checksum'),
    list('tags'),
    plain('scope'),
    plain('project_id'),
    time('created_at'),
    time('updated_at'),
  ],
};

/** Replies to changes show `interface` as an object, all others as text (spec/rest-api.md §2.3). */
export const CHANGED_WORKFLOW: Resource = {
  collection: 'workflows',
  fields: WORKFLOW.fields.map((field) =>
    field.name === 'interface' ? { ...field, kind: 'data', show: (row) => parseJson(String(row['interface'])) } : field,
  ),
};

export const ACTION: Resource = {
  collection: 'actions',
  fields: [
    plain('id'),
    plain('name'),
    { name: 'is_system', kind: 'flag', columns: [], show: () => false, inLists: 'always' },
    plain('input'),
    plain('description'),
    list('tags'),
    plain('definition'),
    plain('scope'),
    plain('project_id'),
    time('created_at'),
    time('updated_at'),
    plain('namespace'),
  ],
};

/** Without the field `actions`, which the reference declares and never fills. */
export const CODE_SOURCE: Resource = {
  collection: 'code_sources',
  fields: [
    plain('id'),
    plain('name'),
    plain('namespace'),
    plain('content'),
    integer('version'),
    plain('project_id'),
    plain('scope'),
    time('created_at'),
    time('updated_at'),
  ],
};

export const JOB_FILE: Resource = {
  collection: 'files',
  fields: [
    plain('id'),
    // What actions are given.
    {
      ...plain('uri', { column: 'sha256' }),
      columns: ['sha256', 'name'],
      show: (row) => `sha256:${String(row['sha256'])}/${String(row['name'])}`,
    },
    plain('name'),
    plain('sha256'),
    integer('size'),
    // Of an upload that goes on: the bytes that are there, and no size.
    { ...integer('received', { column: 'size' }), show: (row) => row['received'] ?? row['size'] ?? null },
    plain('project_id'),
    time('created_at'),
    time('used_at'),
  ],
};

export const DYNAMIC_ACTION: Resource = {
  collection: 'dynamic_actions',
  fields: [
    plain('id'),
    plain('name'),
    plain('namespace'),
    plain('code_source_id'),
    plain('code_source_name'),
    plain('class_name'),
    plain('project_id'),
    plain('scope'),
    time('created_at'),
    time('updated_at'),
  ],
};

export const ENVIRONMENT: Resource = {
  collection: 'environments',
  fields: [
    plain('id'),
    plain('name'),
    plain('description'),
    jsonText('variables'),
    plain('scope'),
    plain('project_id'),
    time('created_at'),
    time('updated_at'),
  ],
};

export const CRON_TRIGGER: Resource = {
  collection: 'cron_triggers',
  fields: [
    plain('id'),
    plain('name'),
    plain('workflow_name'),
    plain('workflow_id'),
    jsonText('workflow_input'),
    jsonText('workflow_params'),
    plain('project_id'),
    plain('scope'),
    plain('pattern'),
    integer('remaining_executions'),
    time('first_execution_time'),
    time('next_execution_time'),
    time('created_at'),
    time('updated_at'),
  ],
};

export const EVENT_TRIGGER: Resource = {
  collection: 'event_triggers',
  fields: [
    plain('id'),
    plain('name'),
    plain('workflow_id'),
    jsonText('workflow_input'),
    jsonText('workflow_params'),
    plain('exchange'),
    plain('topic'),
    plain('event'),
    plain('scope'),
    plain('project_id'),
    time('created_at'),
    time('updated_at'),
  ],
};

export const EXECUTION: Resource = {
  collection: 'executions',
  fields: [
    plain('id'),
    plain('workflow_id'),
    plain('workflow_name'),
    plain('workflow_namespace'),
    plain('description'),
    list('tags'),
    jsonText('params'),
    plain('task_execution_id'),
    plain('root_execution_id'),
    plain('state'),
    plain('state_info'),
    jsonText('input'),
    jsonText('output', { inLists: 'asked' }),
    time('created_at'),
    time('updated_at'),
    plain('project_id'),
    computed('published_global'),
  ],
};

export const TASK: Resource = {
  collection: 'tasks',
  fields: [
    plain('id'),
    plain('name'),
    plain('type'),
    plain('workflow_name'),
    plain('workflow_namespace'),
    plain('workflow_id'),
    plain('workflow_execution_id', { column: 'execution_id' }),
    list('tags'),
    plain('state'),
    plain('state_info'),
    plain('project_id'),
    jsonText('runtime_context'),
    computed('result'),
    jsonText('published'),
    jsonText('published_global', { inLists: 'asked' }),
    flag('processed'),
    time('created_at'),
    time('updated_at'),
    time('started_at'),
    time('finished_at'),
  ],
};

export const ACTION_EXECUTION: Resource = {
  collection: 'action_executions',
  fields: [
    plain('id'),
    plain('name'),
    plain('workflow_name'),
    plain('workflow_namespace'),
    plain('task_name'),
    plain('task_execution_id'),
    plain('state'),
    plain('state_info'),
    list('tags'),
    plain('description'),
    plain('project_id'),
    flag('accepted'),
    maskedJsonText('input'),
    jsonText('output', { inLists: 'asked' }),
    time('created_at'),
    time('updated_at'),
  ],
};

export const MEMBER: Resource = {
  collection: 'members',
  fields: [
    plain('id'),
    plain('resource_id'),
    plain('resource_type'),
    plain('project_id'),
    plain('member_id'),
    plain('status'),
    time('created_at'),
    time('updated_at'),
  ],
};

/**
 * The fields of a `fields` parameter, with the id first; null when it asks for nothing in particular.
 *
 * @throws EngineError INVALID_INPUT naming those that do not exist.
 */
export function chosenFields(resource: Resource, names: readonly string[]): readonly Field[] | null {
  if (names.length === 0) return null;
  const known = resource.fields.map((field) => field.name);
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw badRequest(`Some fields do not exist  [${unknown.join(', ')}], please choose from [${known.join(', ')}]`);
  }
  return resource.fields.filter(({ name }) => name === 'id' || names.includes(name));
}

/** What a list shows when nobody chooses. */
export function listFields(resource: Resource, includeOutput: boolean): readonly Field[] {
  return resource.fields.filter(({ name, inLists }) => inLists === 'always' || (includeOutput && name === 'output'));
}

export function columnsOf(fields: readonly Field[]): readonly string[] {
  return [...new Set(fields.flatMap((field) => field.columns))];
}

/** Rows of the store are wire rows already: their columns hold text, numbers, booleans and null. */
export function show(fields: readonly Field[], row: object, extra: JsonObject = {}): JsonObject {
  const shown: Record<string, Json> = {};
  for (const field of fields)
    shown[field.name] = Object.hasOwn(extra, field.name) ? (extra[field.name] ?? null) : field.show(row as WireRow);
  return shown;
}
