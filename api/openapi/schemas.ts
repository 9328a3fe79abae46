import type { JsonObject } from '../../dsl/json.ts';

const TEXT: JsonObject = { type: 'string' };
const TEXT_OR_NULL: JsonObject = { type: ['string', 'null'] };
const COUNT: JsonObject = { type: 'integer' };

/** Replies that are no rows of a collection. */
export const SCHEMAS: JsonObject = {
  Fault: exactly({
    faultcode: { type: 'string', enum: ['Client', 'Server'] },
    faultstring: { type: 'string', minLength: 1 },
    debuginfo: { type: 'null' },
  }),
  Versions: exactly({
    versions: listOf(
      exactly({ id: TEXT, status: TEXT, links: listOf(exactly({ href: TEXT, target: TEXT, rel: TEXT })) }),
    ),
  }),
  Root: exactly({ uri: TEXT }),
  Info: { type: 'object' },
  Health: exactly({ status: { type: 'string', const: 'ok' } }),
  Document: { type: 'object', required: ['openapi', 'info', 'paths'] },
  Maintenance: exactly({ status: { type: 'string', enum: ['RUNNING', 'PAUSING', 'PAUSED'] } }),
  Validation: {
    type: 'object',
    properties: {
      valid: { type: 'boolean' },
      error: { type: 'string', minLength: 1 },
      problems: {
        ...listOf(
          exactly({
            severity: { type: 'string', enum: ['error', 'warning'] },
            line: COUNT,
            column: COUNT,
            path: { type: 'string', description: 'Such as wf.tasks.load.on-success[1].' },
            message: TEXT,
            hint: TEXT_OR_NULL,
          }),
        ),
        description: 'The first 1000 errors and warnings in the order of the text, where problems=true asks for them.',
      },
    },
    required: ['valid'],
    additionalProperties: false,
  },
  Graph: { type: 'object' },
  Services: exactly({ services: listOf(exactly({ name: TEXT, type: TEXT })) }),
  ClusterAnswer: exactly({
    status: { type: 'string', enum: ['OK', 'FAIL'] },
    code: COUNT,
    error: TEXT,
    data: { description: 'An empty text where there is nothing to say.' },
  }),
  Published: { type: 'object' },
  Timeline: {
    type: 'object',
    properties: {
      events: listOf(
        exactly({
          id: TEXT,
          created_at: TEXT,
          millisecond: COUNT,
          type: TEXT,
          object_id: TEXT,
          name: TEXT_OR_NULL,
          state: TEXT_OR_NULL,
          state_info: TEXT_OR_NULL,
        }),
      ),
      next: TEXT,
    },
    required: ['events'],
    additionalProperties: false,
  },
  Progress: exactly({
    backend: TEXT,
    phase: TEXT,
    state: TEXT_OR_NULL,
    external_id: TEXT_OR_NULL,
    app_id: TEXT_OR_NULL,
    url: TEXT_OR_NULL,
    progress: { type: ['object', 'null'] },
    submitted_at: TEXT_OR_NULL,
    updated_at: TEXT_OR_NULL,
  }),
  Report: {
    type: 'object',
    properties: {
      statistics: exactly({
        total_tasks_count: COUNT,
        running_tasks_count: COUNT,
        success_tasks_count: COUNT,
        error_tasks_count: COUNT,
        idle_tasks_count: COUNT,
        paused_tasks_count: COUNT,
        estimated_time: COUNT,
      }),
      root_workflow_execution: { $ref: '#/components/schemas/ReportedExecution' },
    },
    required: ['statistics'],
    additionalProperties: false,
  },
  ReportedExecution: reported({ task_executions: listOf({ $ref: '#/components/schemas/ReportedTask' }) }, []),
  ReportedTask: reported(
    {
      retry_count: COUNT,
      action_executions: listOf({ $ref: '#/components/schemas/ReportedAction' }),
      workflow_executions: listOf({ $ref: '#/components/schemas/ReportedExecution' }),
    },
    ['action_executions', 'workflow_executions'],
  ),
  ReportedAction: reported({ accepted: { type: 'boolean' }, last_heartbeat: TEXT_OR_NULL }, ['accepted']),
};

function reported(properties: JsonObject, required: readonly string[]): JsonObject {
  const common = {
    id: TEXT,
    name: TEXT,
    created_at: TEXT,
    updated_at: TEXT_OR_NULL,
    state: TEXT,
    state_info: TEXT_OR_NULL,
  };
  return {
    type: 'object',
    properties: { ...common, ...properties },
    required: [...Object.keys(common), ...required],
    additionalProperties: false,
  };
}

function exactly(properties: JsonObject): JsonObject {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
}

function listOf(items: JsonObject): JsonObject {
  return { type: 'array', items };
}
