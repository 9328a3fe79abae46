import { BODY as MAINTENANCE } from '../maintenance.ts';
import type { BodyShape } from '../body.ts';
import type { ListShape } from '../listing.ts';
import {
  ACTION,
  ACTION_EXECUTION,
  CHANGED_WORKFLOW,
  CODE_SOURCE,
  CRON_TRIGGER,
  DYNAMIC_ACTION,
  ENVIRONMENT,
  EVENT_TRIGGER,
  EXECUTION,
  JOB_FILE,
  MEMBER,
  TASK,
  WORKBOOK,
  WORKFLOW,
} from '../resources.ts';
import type { Resource } from '../resources.ts';
import { BODY as ACTION_EXECUTION_BODY } from '../v2/action-executions.ts';
import { LIST as ACTION_LIST } from '../v2/actions.ts';
import { LIST as CODE_SOURCE_LIST } from '../v2/code-sources.ts';
import { APPLY_PARAMETERS, LIST_KEYS } from '../v2/clusters.ts';
import { BODY as CRON_BODY, LIST as CRON_LIST } from '../v2/cron-triggers.ts';
import { BODY as DYNAMIC_BODY, LIST as DYNAMIC_LIST } from '../v2/dynamic-actions.ts';
import { BODY as ENVIRONMENT_BODY, LIST as ENVIRONMENT_LIST } from '../v2/environments.ts';
import { BODY as EVENT_TRIGGER_BODY, EVENT, LIST as EVENT_TRIGGER_LIST } from '../v2/event-triggers.ts';
import { BODY as EXECUTION_BODY } from '../v2/executions.ts';
import { LIST as FILE_LIST, UPLOAD_PARAMETERS } from '../v2/files.ts';
import { BODY as MEMBER_BODY } from '../v2/members.ts';
import { ACTION_EXECUTION_LIST, EXECUTION_LIST, TASK_LIST } from '../v2/shapes.ts';
import { BODY as TASK_BODY } from '../v2/tasks.ts';
import { LIST as WORKBOOK_LIST } from '../v2/workbooks.ts';
import { LIST as WORKFLOW_LIST } from '../v2/workflows.ts';

/** What a route takes and gives, in terms of what the handlers check against. */
export interface Operation {
  readonly summary: string;
  /** A page of these, with the parameters of every list. */
  readonly list?: ListShape;
  /** Further parameters of the query. */
  readonly query?: readonly string[];
  /** A JSON body with these attributes, of which these must be there. */
  readonly body?: BodyShape;
  readonly required?: readonly string[];
  /** The body is a definition in YAML, or another text. */
  readonly text?: 'definition' | 'source' | 'bytes';
  /** What comes back: one item, the list under its collection's name, or a schema by name. */
  readonly reply?: Resource | { readonly all: Resource } | { readonly schema: string } | { readonly media: string };
  /** 200 where nothing is said: POST of a resource answers 201, DELETE 204. */
  readonly status?: 200 | 201 | 204;
  /** Not of the reference. */
  readonly ours?: boolean;
  /** The schema of refusals where these are no faults. */
  readonly refusal?: string;
}

const UPLOAD = ['namespace', 'scope', 'skip_validation'];
const TREE = ['errors_only', 'max_depth', 'include_output'];

/** By method and path, as the routers have them. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /': { summary: 'Versions of the API', reply: { schema: 'Versions' } },
  'GET /v2': { summary: 'Address of the API', reply: { schema: 'Root' } },
  'GET /info': { summary: 'What the operator says of this server', reply: { schema: 'Info' } },
  'GET /healthz': { summary: 'Whether the process runs', reply: { schema: 'Health' }, ours: true },
  'GET /readyz': { summary: 'Whether requests can be answered', reply: { schema: 'Health' }, ours: true },
  'GET /healthcheck': { summary: 'Whether the server is healthy', reply: { media: 'text/plain' } },
  'GET /metrics': { summary: 'Figures for Prometheus', reply: { media: 'text/plain' }, ours: true },
  'GET /openapi.json': { summary: 'This document', reply: { schema: 'Document' }, ours: true },
  'GET /docs': { summary: 'This document as a page', reply: { media: 'text/html' }, ours: true },
  'GET /maintenance': { summary: 'State of the maintenance mode', reply: { schema: 'Maintenance' } },
  'PUT /maintenance': {
    summary: 'Pause everything, or go on',
    body: MAINTENANCE,
    required: ['status'],
    reply: { schema: 'Maintenance' },
  },
  ...definitions('workbooks', 'workbook', WORKBOOK_LIST),
  'GET /v2/workbooks/:name': { summary: 'A workbook', query: ['namespace', 'fields'], reply: WORKBOOK },
  'GET /v2/workbooks/:name/:namespace': {
    summary: 'A workbook of a namespace',
    query: ['namespace', 'fields'],
    reply: WORKBOOK,
  },
  'POST /v2/workbooks': { summary: 'Create a workbook', query: UPLOAD, text: 'definition', reply: WORKBOOK },
  'PUT /v2/workbooks': { summary: 'Update a workbook', query: UPLOAD, text: 'definition', reply: WORKBOOK },
  'PUT /v2/workbooks/:namespace': {
    summary: 'Update a workbook of a namespace',
    query: UPLOAD,
    text: 'definition',
    reply: WORKBOOK,
  },
  'DELETE /v2/workbooks/:name': { summary: 'Delete a workbook; its workflows stay', query: ['namespace'] },
  'DELETE /v2/workbooks/:name/:namespace': { summary: 'Delete a workbook of a namespace', query: ['namespace'] },
  ...definitions('workflows', 'workflow', WORKFLOW_LIST),
  'GET /v2/workflows/:identifier': {
    summary: 'A workflow, by id or name',
    query: ['namespace', 'fields'],
    reply: WORKFLOW,
  },
  'POST /v2/workflows': {
    summary: 'Create one or more workflows',
    query: UPLOAD,
    text: 'definition',
    reply: { all: CHANGED_WORKFLOW },
  },
  'PUT /v2/workflows': {
    summary: 'Update one or more workflows, found by name',
    query: UPLOAD,
    text: 'definition',
    reply: { all: CHANGED_WORKFLOW },
  },
  'PUT /v2/workflows/:identifier': {
    summary: 'Update one workflow, which may get another name',
    query: UPLOAD,
    text: 'definition',
    reply: CHANGED_WORKFLOW,
  },
  'DELETE /v2/workflows/:identifier': { summary: 'Delete a workflow', query: ['namespace'] },
  'GET /v2/workflows/:identifier/graph': {
    summary: 'The task graph of a workflow',
    query: ['namespace', 'format'],
    reply: { schema: 'Graph' },
    ours: true,
  },
  'GET /v2/workflows/:identifier/members': { summary: 'With whom a workflow is shared', reply: { all: MEMBER } },
  'POST /v2/workflows/:identifier/members': {
    summary: 'Offer a workflow to a project',
    body: MEMBER_BODY,
    required: ['member_id'],
    reply: MEMBER,
  },
  'GET /v2/workflows/:identifier/members/:member': { summary: 'One share of a workflow', reply: MEMBER },
  'PUT /v2/workflows/:identifier/members/:member': {
    summary: 'Accept or reject what is offered',
    body: MEMBER_BODY,
    required: ['status'],
    reply: MEMBER,
  },
  'DELETE /v2/workflows/:identifier/members/:member': { summary: 'Take a share back' },
  ...definitions('actions', 'action', ACTION_LIST),
  'GET /v2/actions/:identifier': {
    summary: 'An action, by name or id',
    query: ['namespace', 'fields'],
    reply: ACTION,
  },
  'GET /v2/actions/:identifier/:namespace': {
    summary: 'An action of a namespace',
    query: ['namespace', 'fields'],
    reply: ACTION,
  },
  'POST /v2/actions': {
    summary: 'Create one or more ad-hoc actions',
    query: UPLOAD,
    text: 'definition',
    reply: { all: ACTION },
  },
  'PUT /v2/actions': {
    summary: 'Update one or more ad-hoc actions',
    query: UPLOAD,
    text: 'definition',
    reply: { all: ACTION },
  },
  'PUT /v2/actions/:identifier': {
    summary: 'Update one ad-hoc action',
    query: UPLOAD,
    text: 'definition',
    reply: { all: ACTION },
  },
  'DELETE /v2/actions/:identifier': { summary: 'Delete an ad-hoc action', query: ['namespace'] },
  'DELETE /v2/actions/:identifier/:namespace': {
    summary: 'Delete an ad-hoc action of a namespace',
    query: ['namespace'],
  },
  'GET /v2/code_sources': { summary: 'Code sources', list: CODE_SOURCE_LIST },
  'POST /v2/code_sources': {
    summary: 'Create a code source',
    query: ['name', 'namespace', 'scope'],
    text: 'source',
    reply: CODE_SOURCE,
  },
  'PUT /v2/code_sources': {
    summary: 'Update a code source',
    query: ['identifier', 'namespace', 'scope'],
    text: 'source',
    reply: CODE_SOURCE,
  },
  'GET /v2/code_sources/:identifier': {
    summary: 'A code source',
    query: ['namespace', 'fields'],
    reply: CODE_SOURCE,
  },
  'PUT /v2/code_sources/:identifier': {
    summary: 'Update a code source',
    query: ['namespace', 'scope'],
    text: 'source',
    reply: CODE_SOURCE,
  },
  'DELETE /v2/code_sources/:identifier': { summary: 'Delete a code source and its actions', query: ['namespace'] },
  'GET /v2/dynamic_actions': { summary: 'Dynamic actions', list: DYNAMIC_LIST },
  'POST /v2/dynamic_actions': {
    summary: 'Create a dynamic action',
    body: DYNAMIC_BODY,
    required: ['name', 'class_name'],
    reply: DYNAMIC_ACTION,
  },
  'PUT /v2/dynamic_actions': { summary: 'Update a dynamic action', body: DYNAMIC_BODY, reply: DYNAMIC_ACTION },
  'GET /v2/dynamic_actions/:identifier': {
    summary: 'A dynamic action',
    query: ['namespace', 'fields'],
    reply: DYNAMIC_ACTION,
  },
  'DELETE /v2/dynamic_actions/:identifier': { summary: 'Delete a dynamic action', query: ['namespace'] },
  'GET /v2/executions': { summary: 'Executions of workflows', list: EXECUTION_LIST },
  'POST /v2/executions': { summary: 'Start a workflow', body: EXECUTION_BODY, reply: EXECUTION },
  'GET /v2/executions/:id': { summary: 'An execution', query: ['fields'], reply: EXECUTION },
  'PUT /v2/executions/:id': {
    summary: 'Pause, resume or stop an execution, or describe it',
    body: EXECUTION_BODY,
    reply: EXECUTION,
  },
  'DELETE /v2/executions/:id': { summary: 'Delete an execution with everything below it', query: ['force'] },
  'GET /v2/executions/:id/tasks': { summary: 'Tasks of an execution', list: TASK_LIST },
  'GET /v2/executions/:id/executions': {
    summary: 'An execution and all below it',
    query: TREE,
    reply: { all: EXECUTION },
  },
  'GET /v2/executions/:id/report': {
    summary: 'Figures and tree of an execution',
    query: ['errors_only', 'max_depth', 'statistics_only'],
    reply: { schema: 'Report' },
  },
  'GET /v2/executions/:id/events': {
    summary: 'What happened to an execution, in order',
    query: ['limit', 'marker'],
    reply: { schema: 'Timeline' },
    ours: true,
  },
  'GET /v2/executions/:id/stream': {
    summary: 'Changes of state of an execution, as server-sent events',
    query: ['types', 'last_event_id'],
    reply: { media: 'text/event-stream' },
    ours: true,
  },
  'GET /v2/events': {
    summary: 'Changes of state of all executions, as server-sent events',
    query: ['types', 'workflow_name', 'last_event_id'],
    reply: { media: 'text/event-stream' },
    ours: true,
  },
  'POST /v2/events': {
    summary: 'Publish an event for event triggers',
    body: EVENT,
    required: ['exchange', 'topic', 'event'],
    reply: { schema: 'Published' },
    ours: true,
  },
  'GET /v2/tasks': { summary: 'Task executions', list: TASK_LIST },
  'GET /v2/tasks/:id': { summary: 'A task execution', query: ['fields'], reply: TASK },
  'PUT /v2/tasks/:id': {
    summary: 'Run a failed task again, or skip it',
    body: TASK_BODY,
    required: ['state'],
    reply: TASK,
  },
  'GET /v2/tasks/:id/action_executions': { summary: 'Action executions of a task', list: ACTION_EXECUTION_LIST },
  'GET /v2/tasks/:task/action_executions/:id': {
    summary: 'An action execution of a task',
    query: ['fields'],
    reply: ACTION_EXECUTION,
  },
  'GET /v2/tasks/:id/workflow_executions': { summary: 'Executions that a task started', list: EXECUTION_LIST },
  'GET /v2/tasks/:id/executions': { summary: 'All executions below a task', query: TREE, reply: { all: EXECUTION } },
  'GET /v2/action_executions': { summary: 'Action executions', list: ACTION_EXECUTION_LIST },
  'POST /v2/action_executions': {
    summary: 'Run an action without a workflow',
    body: ACTION_EXECUTION_BODY,
    required: ['name'],
    reply: ACTION_EXECUTION,
  },
  'GET /v2/action_executions/:id': { summary: 'An action execution', query: ['fields'], reply: ACTION_EXECUTION },
  'PUT /v2/action_executions/:id': {
    summary: 'Complete, pause or resume an action execution',
    body: ACTION_EXECUTION_BODY,
    required: ['state'],
    reply: ACTION_EXECUTION,
  },
  'DELETE /v2/action_executions/:id': { summary: 'Delete an action execution that has no task' },
  'GET /v2/action_executions/:id/log': {
    summary: 'The last lines of the log of a job outside',
    reply: { media: 'text/plain' },
    ours: true,
  },
  'GET /v2/action_executions/:id/progress': {
    summary: 'How far a job outside is',
    reply: { schema: 'Progress' },
    ours: true,
  },
  'GET /v2/files': { summary: 'Files for jobs', list: FILE_LIST, ours: true },
  'POST /v2/files': {
    summary: 'Upload a file for jobs, or go on with an upload',
    query: UPLOAD_PARAMETERS,
    text: 'bytes',
    reply: JOB_FILE,
    ours: true,
  },
  'GET /v2/files/:identifier': {
    summary: 'A file, by sha256:… or id',
    query: ['fields'],
    reply: JOB_FILE,
    ours: true,
  },
  'GET /v2/files/:identifier/content': {
    summary: 'The content of a file',
    reply: { media: 'application/octet-stream' },
    ours: true,
  },
  'DELETE /v2/files/:identifier': { summary: 'Delete a file, or a begun upload', ours: true },
  'GET /file_links/:key/:name': {
    summary: 'The content of a file, for servers of jobs',
    reply: { media: 'application/octet-stream' },
    ours: true,
  },
  'GET /v2/environments': { summary: 'Environments', list: ENVIRONMENT_LIST },
  'POST /v2/environments': {
    summary: 'Create an environment',
    body: ENVIRONMENT_BODY,
    required: ['name'],
    reply: ENVIRONMENT,
  },
  'PUT /v2/environments': {
    summary: 'Update an environment, found by the name in the body',
    body: ENVIRONMENT_BODY,
    required: ['name'],
    reply: ENVIRONMENT,
  },
  'GET /v2/environments/:name': { summary: 'An environment', query: ['fields'], reply: ENVIRONMENT },
  'PUT /v2/environments/:name': { summary: 'Update an environment', body: ENVIRONMENT_BODY, reply: ENVIRONMENT },
  'DELETE /v2/environments/:name': { summary: 'Delete an environment' },
  'GET /v2/cron_triggers': { summary: 'Cron triggers', list: CRON_LIST },
  'POST /v2/cron_triggers': {
    summary: 'Start a workflow by time',
    body: CRON_BODY,
    required: ['name'],
    reply: CRON_TRIGGER,
  },
  'GET /v2/cron_triggers/:identifier': {
    summary: 'A cron trigger, by id or name',
    query: ['fields'],
    reply: CRON_TRIGGER,
  },
  'DELETE /v2/cron_triggers/:identifier': { summary: 'Delete a cron trigger' },
  'GET /v2/event_triggers': { summary: 'Event triggers', list: EVENT_TRIGGER_LIST },
  'POST /v2/event_triggers': {
    summary: 'Start a workflow by events',
    body: EVENT_TRIGGER_BODY,
    required: ['exchange', 'topic', 'event', 'workflow_id'],
    reply: EVENT_TRIGGER,
  },
  'GET /v2/event_triggers/:id': { summary: 'An event trigger', query: ['fields'], reply: EVENT_TRIGGER },
  'PUT /v2/event_triggers/:id': {
    summary: 'Update an event trigger',
    body: EVENT_TRIGGER_BODY,
    reply: EVENT_TRIGGER,
  },
  'DELETE /v2/event_triggers/:id': { summary: 'Delete an event trigger' },
  ...clusterOperations(),
  'GET /v2/services': { summary: 'Processes of the cluster', reply: { schema: 'Services' } },
};

/** The same for both verbs; parameters may stand in the query, in a form or in a JSON object (spec/cluster.md §1.1). */
function clusterOperations(): Readonly<Record<string, Operation>> {
  const answer = { reply: { schema: 'ClusterAnswer' }, refusal: 'ClusterAnswer', ours: true } as const;
  const both = (path: string, summary: string, query: readonly string[]): Readonly<Record<string, Operation>> => ({
    [`GET ${path}`]: { summary, query, ...answer },
    [`POST ${path}`]: { summary, query, status: 200, ...answer },
  });
  return {
    ...both('/v2/cluster_op', 'Apply for, release, start, stop or restart a cluster', [
      'action',
      ...APPLY_PARAMETERS,
      'cluster_id',
      'node_id',
      'pool',
      'force',
    ]),
    ...both('/v2/cluster_apply', 'Apply for a cluster', APPLY_PARAMETERS),
    ...both('/v2/cluster_release', 'Release a cluster, or all of a user', ['cluster_id', 'user_id']),
    ...both('/v2/clusters', 'Clusters', LIST_KEYS),
    'GET /v2/cluster/:id': { summary: 'A cluster', ...answer },
    'GET /v2/cluster/:id/log': { summary: "The last lines of a node's log", query: ['node', 'tail'], ...answer },
    'GET /v2/cluster/:id/events': { summary: 'What happened to a cluster', ...answer },
    'GET /v2/cluster_pools': { summary: 'Pools of clusters', ...answer },
    'GET /v2/cluster_leases': {
      summary: 'Leases of clusters',
      query: ['user_id', 'execution_id', 'cluster_id', 'state'],
      ...answer,
    },
  };
}

function definitions(collection: string, one: string, list: ListShape): Readonly<Record<string, Operation>> {
  return {
    [`GET /v2/${collection}`]: { summary: `All ${collection} that can be seen`, list },
    [`POST /v2/${collection}/validate`]: {
      summary: `Check a definition without storing it: ${one}`,
      query: ['namespace', 'problems'],
      text: 'definition',
      reply: { schema: 'Validation' },
      status: 200,
    },
  };
}
