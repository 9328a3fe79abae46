/** Collections of the API as nouns of the command line: `tramontane NOUN list|get|create|update|delete`. */
export interface Noun {
  readonly noun: string;
  readonly title: string;
  readonly collection: string;
  /** What a list shows. */
  readonly columns: readonly string[];
  readonly identifier: 'id' | 'name' | 'id or name';
  readonly verbs: readonly ('list' | 'get' | 'delete')[];
  /** Names live in namespaces. */
  readonly namespaces: boolean;
  /** Created and updated from a file with a definition. */
  readonly definitions: boolean;
}

const DEFINED = {
  identifier: 'id or name',
  verbs: ['list', 'get', 'delete'],
  namespaces: true,
  definitions: true,
} as const;
const PLAIN = { verbs: ['list', 'get', 'delete'], namespaces: false, definitions: false } as const;

export const NOUNS: readonly Noun[] = [
  {
    ...DEFINED,
    noun: 'workbook',
    title: 'workbooks',
    collection: 'workbooks',
    columns: ['name', 'namespace', 'tags', 'scope', 'created_at', 'updated_at'],
    identifier: 'name',
  },
  {
    ...DEFINED,
    noun: 'workflow',
    title: 'workflows',
    collection: 'workflows',
    columns: ['id', 'name', 'namespace', 'tags', 'input', 'scope', 'created_at'],
  },
  {
    ...DEFINED,
    noun: 'action',
    title: 'actions',
    collection: 'actions',
    columns: ['name', 'namespace', 'is_system', 'input', 'description'],
  },
  {
    ...PLAIN,
    noun: 'execution',
    title: 'executions of workflows',
    collection: 'executions',
    columns: ['id', 'workflow_name', 'description', 'state', 'state_info', 'created_at', 'updated_at'],
    identifier: 'id',
  },
  {
    ...PLAIN,
    noun: 'task',
    title: 'task executions',
    collection: 'tasks',
    columns: [
      'id',
      'name',
      'workflow_name',
      'workflow_execution_id',
      'state',
      'state_info',
      'started_at',
      'finished_at',
    ],
    identifier: 'id',
    verbs: ['list', 'get'],
  },
  {
    ...PLAIN,
    noun: 'action-execution',
    title: 'action executions',
    collection: 'action_executions',
    columns: ['id', 'name', 'workflow_name', 'task_name', 'state', 'accepted', 'created_at', 'updated_at'],
    identifier: 'id',
  },
  {
    ...PLAIN,
    noun: 'cron-trigger',
    title: 'cron triggers',
    collection: 'cron_triggers',
    columns: ['id', 'name', 'workflow_name', 'pattern', 'next_execution_time', 'remaining_executions'],
    identifier: 'id or name',
  },
  {
    ...PLAIN,
    noun: 'event-trigger',
    title: 'event triggers',
    collection: 'event_triggers',
    columns: ['id', 'name', 'workflow_id', 'exchange', 'topic', 'event', 'created_at'],
    identifier: 'id',
  },
  {
    ...PLAIN,
    noun: 'environment',
    title: 'environments',
    collection: 'environments',
    columns: ['name', 'description', 'variables', 'scope', 'created_at', 'updated_at'],
    identifier: 'name',
  },
  {
    ...PLAIN,
    noun: 'file',
    title: 'files for jobs',
    collection: 'files',
    columns: ['name', 'size', 'sha256', 'created_at', 'used_at'],
    identifier: 'id',
  },
  {
    ...PLAIN,
    noun: 'code-source',
    title: 'code sources',
    collection: 'code_sources',
    columns: ['id', 'name', 'namespace', 'version', 'scope', 'created_at', 'updated_at'],
    identifier: 'id or name',
    namespaces: true,
  },
  {
    ...PLAIN,
    noun: 'dynamic-action',
    title: 'dynamic actions',
    collection: 'dynamic_actions',
    columns: ['id', 'name', 'namespace', 'class_name', 'code_source_name', 'scope', 'created_at'],
    identifier: 'id or name',
    namespaces: true,
  },
];
