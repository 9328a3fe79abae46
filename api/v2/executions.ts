import { isJsonObject } from '../../dsl/json.ts';
import type { JsonObject } from '../../dsl/json.ts';
import type { ExecutionRecord } from '../../engine/core/model.ts';
import type { StartExecution, UpdateExecution } from '../../engine/facade.ts';
import { EXECUTIONS, TASKS } from '../../engine/store/collections.ts';
import { normalUuid, notUuid } from '../../engine/store/filters.ts';
import { fillIn } from '../../engine/store/large-values.ts';
import { findVisibleRow } from '../../engine/store/lists.ts';
import { publishedGlobally } from '../../engine/store/results.ts';
import { executionToRow } from '../../engine/store/tables.ts';
import type { ExecutionRow } from '../../engine/store/tables.ts';
import { descendants } from '../../engine/store/trees.ts';
import { badRequest, invalidValue } from '../api-error.ts';
import { nameAttribute, objectAttribute, readJson, textAttribute } from '../body.ts';
import type { BodyShape } from '../body.ts';
import { jsonString } from '../fields.ts';
import { checkCancel } from '../maintenance.ts';
import { answerList, flagParameter, items } from '../listing.ts';
import { checkQuery, missingArgument, param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter } from '../request.ts';
import { chosenFields, EXECUTION, listFields, show } from '../resources.ts';
import type { Services } from '../services.ts';
import { executionReport } from './report.ts';
import { equals, findExecution, treeOptions } from './rows.ts';
import { EXECUTION_LIST, TASK_LIST } from './shapes.ts';
import { allProjects } from './workflows.ts';

export const BODY: BodyShape = {
  argument: 'wf_ex',
  attributes: [...EXECUTION.fields.map(({ name }) => name), 'source_execution_id'],
  readOnly: ['project_id'],
};

const MAX_ID = 36;

/** spec/rest-api.md §3.6, §3.7, §4.1 */
export function executionRoutes(router: ApiRouter, services: Services): void {
  const { store, engine, maintenance } = services;
  router.get(
    '/executions',
    serve(async (request) => {
      if (request.query.has('project_id')) request.authorize('executions:list:all_projects');
      return answerList(store, allProjects(request, 'executions:list:all_projects'), EXECUTION_LIST);
    }),
  );
  router.post(
    '/executions',
    serve(async (request) => {
      const body = await readJson(request, BODY);
      const record = await engine.startExecution(request.caller, startOf(body));
      return { status: 201, body: showRecord(record) };
    }),
  );
  router.put('/executions', serve(missingArgument('id')));
  router.delete('/executions', serve(missingArgument('id')));
  router.get(
    '/executions/:id',
    serve(async (request) => {
      checkQuery(request, ['fields']);
      const fields = chosenFields(EXECUTION, items(request, 'fields')) ?? EXECUTION.fields;
      const row = await findExecution(services, request);
      const wantsGlobals = fields.some(({ name }) => name === 'published_global');
      const extra: JsonObject = wantsGlobals
        ? { published_global: jsonString(await publishedGlobally(services.finder, row)) }
        : {};
      return { status: 200, body: show(fields, row, extra) };
    }),
  );
  router.put(
    '/executions/:id',
    serve(async (request) => {
      const body = await readJson(request, BODY);
      await checkCancel(maintenance, body);
      // An unknown execution is told before anything else that is wrong.
      const row = await findExecution(services, request);
      const record = await engine.updateExecution(request.caller, row.id, updateOf(body));
      return { status: 200, body: showRecord(record) };
    }),
  );
  router.delete(
    '/executions/:id',
    serve(async (request) => {
      checkQuery(request, ['force']);
      const row = await findExecution(services, request);
      await engine.deleteExecution(request.caller, row.id, flagParameter(request, 'force'));
      return { status: 204 };
    }),
  );
  router.get(
    '/executions/:id/tasks',
    serve(async (request) => {
      const { id } = await findParent(services, request);
      return answerList(store, request, TASK_LIST, [equals(TASKS, 'workflow_execution_id', id)]);
    }),
  );
  router.get(
    '/executions/:id/executions',
    serve(async (request) => {
      checkQuery(request, ['errors_only', 'max_depth', 'include_output']);
      const top = await findExecution(services, request);
      const below = await fillIn(store.reader, await descendants(store.reader, top, treeOptions(request)));
      const fields = listFields(EXECUTION, flagParameter(request, 'include_output'));
      return { status: 200, body: { executions: [top, ...below].map((row) => show(fields, row)) } };
    }),
  );
  router.get(
    '/executions/:id/report',
    serve(async (request) => {
      checkQuery(request, ['errors_only', 'max_depth', 'statistics_only']);
      const top = await findExecution(services, request);
      const options = { ...treeOptions(request), statisticsOnly: flagParameter(request, 'statistics_only') };
      return { status: 200, body: await executionReport(store.reader, top, options) };
    }),
  );
}

/** Ids that the engine made are UUIDs; what has another form and is not there cannot be an id. */
async function findParent(services: Services, request: ApiRequest): Promise<ExecutionRow> {
  const id = param(request, 'id');
  const row = await findVisibleRow<ExecutionRow>(services.store.reader, request.caller, EXECUTIONS, id);
  if (row === undefined && normalUuid(id) === null) throw notUuid('workflow_execution_id', id);
  return row ?? findExecution(services, request);
}

function showRecord(record: ExecutionRecord): JsonObject {
  return show(
    EXECUTION.fields.filter(({ inLists }) => inLists !== 'single'),
    executionToRow(record, 0),
  );
}

function startOf(body: JsonObject): StartExecution {
  const workflowId = nameAttribute(body, 'workflow_id');
  const workflowName = nameAttribute(body, 'workflow_name');
  const sourceExecutionId = nameAttribute(body, 'source_execution_id');
  if (workflowId === null && workflowName === null && sourceExecutionId === null) {
    throw badRequest('Workflow ID or workflow name must be provided. Workflow ID is recommended.');
  }
  return {
    id: nameAttribute(body, 'id', MAX_ID),
    workflowId,
    workflowName,
    workflowNamespace: nameAttribute(body, 'workflow_namespace') ?? '',
    input: objectAttribute(body, 'input') ?? {},
    params: objectAttribute(body, 'params') ?? {},
    description: textAttribute(body, 'description'),
    sourceExecutionId,
  };
}

/** Which of them go together is the engine's to say. */
function updateOf(body: JsonObject): UpdateExecution {
  return {
    state: textAttribute(body, 'state'),
    stateInfo: textAttribute(body, 'state_info'),
    description: textAttribute(body, 'description'),
    env: environmentOf(body),
  };
}

function environmentOf(body: JsonObject): JsonObject | null {
  const params = objectAttribute(body, 'params');
  const env = params?.['env'] ?? null;
  if (env === null) return null;
  if (!isJsonObject(env)) throw invalidValue('params.env', env, 'It must be a JSON object.');
  return env;
}
