import { isJsonObject } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ActionRecord } from '../../engine/core/model.ts';
import type { RunActionRequest, UnsavedAction } from '../../engine/facade.ts';
import { actionToRow } from '../../engine/store/tables.ts';
import { badRequest, invalidValue } from '../api-error.ts';
import { flagAttribute, nameAttribute, objectAttribute, readJson, textAttribute } from '../body.ts';
import type { BodyShape } from '../body.ts';
import { jsonString } from '../fields.ts';
import { answerList, items } from '../listing.ts';
import { checkQuery, missingArgument, serve } from '../request.ts';
import type { ApiRouter } from '../request.ts';
import { ACTION_EXECUTION, chosenFields, show } from '../resources.ts';
import type { Services } from '../services.ts';
import { findActionExecution } from './rows.ts';
import { ACTION_EXECUTION_LIST } from './shapes.ts';

export const BODY: BodyShape = {
  argument: 'action_ex',
  attributes: [...ACTION_EXECUTION.fields.map(({ name }) => name), 'params'],
  readOnly: ['project_id'],
};

const STATES = ['SUCCESS', 'ERROR', 'CANCELLED', 'PAUSED', 'RUNNING'] as const;

/** spec/rest-api.md §3.9, §4.3 */
export function actionExecutionRoutes(router: ApiRouter, services: Services): void {
  const { store, engine } = services;
  router.get(
    '/action_executions',
    serve((request) => answerList(store, request, ACTION_EXECUTION_LIST)),
  );
  router.post(
    '/action_executions',
    serve(async (request) => {
      const wanted = runOf(await readJson(request, BODY));
      const action = await engine.runAction(request.caller, wanted);
      const owner = { workflowName: null, workflowNamespace: wanted.namespace, projectId: request.caller.projectId };
      const body = isSaved(action)
        ? show(ACTION_EXECUTION.fields, actionToRow(action, owner))
        : showUnsaved(action, wanted);
      return { status: 201, body };
    }),
  );
  router.put('/action_executions', serve(missingArgument('id')));
  router.delete('/action_executions', serve(missingArgument('id')));
  router.get(
    '/action_executions/:id',
    serve(async (request) => {
      checkQuery(request, ['fields']);
      const fields = chosenFields(ACTION_EXECUTION, items(request, 'fields')) ?? ACTION_EXECUTION.fields;
      return { status: 200, body: show(fields, await findActionExecution(services, request)) };
    }),
  );
  router.put(
    '/action_executions/:id',
    serve(async (request) => {
      const body = await readJson(request, BODY);
      const row = await findActionExecution(services, request);
      const to = stateOf(body);
      const action = await engine.updateAction(request.caller, row.id, to, outputOf(body, to));
      const owner = {
        workflowName: row.workflow_name,
        workflowNamespace: row.workflow_namespace,
        projectId: row.project_id,
      };
      return { status: 200, body: show(ACTION_EXECUTION.fields, actionToRow(action, owner)) };
    }),
  );
  router.delete(
    '/action_executions/:id',
    serve(async (request) => {
      await engine.deleteAction(request.caller, (await findActionExecution(services, request)).id);
      return { status: 204 };
    }),
  );
}

function runOf(body: JsonObject): RunActionRequest {
  const name = nameAttribute(body, 'name');
  if (name === null) throw badRequest('Please provide at least action name to run action.');
  const params = objectAttribute(body, 'params') ?? {};
  return {
    name,
    input: objectAttribute(body, 'input') ?? {},
    namespace: nameAttribute(body, 'workflow_namespace') ?? '',
    description: textAttribute(body, 'description') ?? '',
    runSync: flagAttribute(params, 'run_sync') ?? false,
    saveResult: flagAttribute(params, 'save_result') ?? false,
    target: nameAttribute(params, 'target'),
    timeoutSeconds: secondsOf(params['timeout'] ?? null),
  };
}

function secondsOf(value: Json): number | null {
  if (value === null) return null;
  const seconds = Number(isJsonObject(value) || Array.isArray(value) || value === '' ? Number.NaN : value);
  if (Number.isNaN(seconds) || seconds < 0)
    throw invalidValue('params.timeout', value, 'It must be a number of seconds.');
  return seconds === 0 ? null : seconds;
}

function isSaved(action: ActionRecord | UnsavedAction): action is ActionRecord {
  return action.id !== null;
}

/** It left no row behind: everything that only a row has is null. */
function showUnsaved(action: UnsavedAction, wanted: RunActionRequest): JsonObject {
  return show(ACTION_EXECUTION.fields, {
    name: action.name,
    state: action.state,
    workflow_namespace: wanted.namespace,
    input: jsonString(action.input),
    output: jsonString(action.output),
  });
}

function stateOf(body: JsonObject): (typeof STATES)[number] {
  const given = textAttribute(body, 'state');
  const state = STATES.find((known) => known === given);
  if (state !== undefined) return state;
  const expected = STATES.map((known) => `'${known}'`).join(', ');
  throw badRequest(`Error. Expected one of [${expected}], actual: ${given ?? 'None'}`);
}

function outputOf(body: JsonObject, to: (typeof STATES)[number]): Json {
  const output = objectAttribute(body, 'output');
  return output ?? (to === 'ERROR' ? 'Unknown error' : {});
}
