import type { Column } from './filters.ts';

/** What lists can filter and sort by, per table (spec/rest-api.md §3). Names are those of the API. */
export interface Collection {
  readonly table: string;
  readonly columns: readonly Column[];
  /** Whether rows can be public. */
  readonly scoped: boolean;
  /** Whether rows can be shared with single projects. */
  readonly shared?: boolean;
  /** How a row of it is called in messages. */
  readonly title: string;
  /**
   * Columns that together are never the same again once anything has changed that lists show: what was made of a row stays right for
   * as long as they do. Absent where there are none.
   */
  readonly stamp?: readonly string[];
}

export const WORKBOOKS: Collection = {
  table: 'workbooks',
  title: 'Workbook',
  scoped: true,
  columns: [...definitionColumns(), text('definition')],
};

export const WORKFLOWS: Collection = {
  table: 'workflows',
  title: 'Workflow',
  scoped: true,
  shared: true,
  columns: [...definitionColumns(), text('definition'), text('input'), text('checksum', { nullable: true })],
};

export const ACTIONS: Collection = {
  table: 'actions',
  title: 'Action',
  scoped: true,
  columns: [...definitionColumns(), text('definition'), text('input'), text('description', { nullable: true })],
};

export const CODE_SOURCES: Collection = {
  table: 'code_sources',
  title: 'Code source',
  scoped: true,
  columns: [...definitionColumns(), text('content'), text('version')],
};

export const DYNAMIC_ACTIONS: Collection = {
  table: 'dynamic_actions',
  title: 'Dynamic action',
  scoped: true,
  columns: [...definitionColumns(), uuid('code_source_id'), text('code_source_name'), text('class_name')],
};

export const JOB_FILES: Collection = {
  table: 'job_files',
  title: 'File',
  scoped: false,
  columns: [
    text('id'),
    text('name'),
    text('sha256'),
    integer('size'),
    uuid('project_id', { verbatim: true }),
    time('created_at'),
    time('used_at'),
  ],
};

export const ENVIRONMENTS: Collection = {
  table: 'environments',
  title: 'Environment',
  scoped: true,
  columns: [
    text('id'),
    text('name'),
    text('description', { nullable: true }),
    json('variables'),
    text('scope'),
    uuid('project_id', { verbatim: true }),
    time('created_at'),
    time('updated_at', { nullable: true }),
  ],
};

export const CRON_TRIGGERS: Collection = {
  table: 'cron_triggers',
  title: 'Cron trigger',
  scoped: true,
  columns: [
    ...triggerColumns(),
    text('name'),
    text('workflow_name'),
    text('pattern'),
    integer('remaining_executions', { nullable: true }),
    time('first_execution_time', { nullable: true }),
    time('next_execution_time'),
  ],
};

export const EVENT_TRIGGERS: Collection = {
  table: 'event_triggers',
  title: 'Event trigger',
  scoped: true,
  columns: [...triggerColumns(), text('name', { nullable: true }), text('exchange'), text('topic'), text('event')],
};

export const EXECUTIONS: Collection = {
  table: 'executions',
  title: 'WorkflowExecution',
  scoped: false,
  // The version alone would do for one row; the times tell it from another one of the same id, and from one of a restored database.
  stamp: ['version', 'created_at', 'updated_at'],
  columns: [
    text('id'),
    text('workflow_name'),
    uuid('workflow_id', { nullable: true }),
    text('workflow_namespace'),
    text('description'),
    tags('tags'),
    json('params'),
    json('input'),
    json('output'),
    uuid('task_execution_id', { nullable: true }),
    uuid('root_execution_id', { nullable: true, clientChosen: true }),
    text('state'),
    text('state_info', { nullable: true }),
    uuid('project_id', { verbatim: true }),
    time('created_at'),
    time('updated_at'),
  ],
};

export const TASKS: Collection = {
  table: 'task_executions',
  title: 'Task execution',
  scoped: false,
  columns: [
    text('id'),
    text('name'),
    text('type'),
    text('workflow_name'),
    uuid('workflow_id', { nullable: true }),
    text('workflow_namespace'),
    uuid('workflow_execution_id', { column: 'execution_id', clientChosen: true }),
    tags('tags'),
    text('state'),
    text('state_info', { nullable: true }),
    json('published', { nullable: true }),
    json('runtime_context'),
    flag('processed'),
    uuid('project_id', { verbatim: true }),
    time('created_at'),
    time('updated_at'),
    time('started_at', { nullable: true }),
    time('finished_at', { nullable: true }),
  ],
};

export const ACTION_EXECUTIONS: Collection = {
  table: 'action_executions',
  title: 'ActionExecution',
  scoped: false,
  columns: [
    text('id'),
    text('name'),
    text('workflow_name', { nullable: true }),
    text('workflow_namespace'),
    text('task_name', { nullable: true }),
    uuid('task_execution_id', { nullable: true }),
    text('state'),
    text('state_info', { nullable: true }),
    tags('tags', { nullable: true }),
    text('description'),
    uuid('project_id', { verbatim: true }),
    flag('accepted'),
    json('input'),
    json('output', { nullable: true }),
    time('created_at'),
    time('updated_at'),
  ],
};

export function columnOf(collection: Collection, name: string): Column | undefined {
  return collection.columns.find((column) => column.name === name);
}

interface Options {
  readonly nullable?: boolean;
  readonly column?: string;
  readonly clientChosen?: boolean;
  readonly verbatim?: boolean;
}

function definitionColumns(): Column[] {
  return [
    text('id'),
    text('name'),
    text('namespace'),
    tags('tags'),
    text('scope'),
    uuid('project_id', { verbatim: true }),
    time('created_at'),
    time('updated_at', { nullable: true }),
  ];
}

function triggerColumns(): Column[] {
  return [
    uuid('id'),
    uuid('workflow_id'),
    json('workflow_input'),
    json('workflow_params'),
    text('scope'),
    uuid('project_id'),
    time('created_at'),
    time('updated_at', { nullable: true }),
  ];
}

function text(name: string, options: Options = {}): Column {
  return column('text', name, options);
}

function uuid(name: string, options: Options = {}): Column {
  return column('uuid', name, options);
}

function time(name: string, options: Options = {}): Column {
  return column('time', name, options);
}

function integer(name: string, options: Options = {}): Column {
  return column('integer', name, options);
}

function flag(name: string, options: Options = {}): Column {
  return column('flag', name, options);
}

function json(name: string, options: Options = {}): Column {
  return column('json', name, options);
}

function tags(name: string, options: Options = {}): Column {
  return column('tags', name, options);
}

function column(type: Column['type'], name: string, options: Options): Column {
  const { column = name, nullable = false, clientChosen = false, verbatim = false } = options;
  return { name, type, column, nullable, clientChosen, verbatim };
}
