import type { JsonObject } from '../../dsl/json.ts';
import { EngineError } from '../../engine/errors.ts';
import { ACTION_EXECUTIONS, EXECUTIONS } from '../../engine/store/collections.ts';
import { normalUuid, notUuid } from '../../engine/store/filters.ts';
import { fillIn } from '../../engine/store/large-values.ts';
import { isWithItems, taskResult } from '../../engine/store/results.ts';
import type { TaskRow } from '../../engine/store/tables.ts';
import { descendants } from '../../engine/store/trees.ts';
import { badRequest } from '../api-error.ts';
import { flagAttribute, objectAttribute, readJson, textAttribute } from '../body.ts';
import type { BodyShape } from '../body.ts';
import type { Field } from '../fields.ts';
import { jsonString } from '../fields.ts';
import { answerList, flagParameter, items } from '../listing.ts';
import { checkQuery, missingArgument, param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter } from '../request.ts';
import { ACTION_EXECUTION, chosenFields, EXECUTION, listFields, show, TASK } from '../resources.ts';
import type { Services } from '../services.ts';
import { equals, findActionExecution, findExecution, findTask, treeOptions } from './rows.ts';
import { ACTION_EXECUTION_LIST, EXECUTION_LIST, TASK_LIST } from './shapes.ts';

export const BODY: BodyShape = {
  argument: 'task',
  attributes: [...TASK.fields.map(({ name }) => name), 'reset', 'env'],
  readOnly: ['project_id'],
};

/** spec/rest-api.md §3.8, §4.2 */
export function taskRoutes(router: ApiRouter, services: Services): void {
  const { store } = services;
  router.get(
    '/tasks',
    serve((request) => answerList(store, request, TASK_LIST)),
  );
  router.put('/tasks', serve(missingArgument('id')));
  router.get(
    '/tasks/:id',
    serve(async (request) => {
      checkQuery(request, ['fields']);
      const fields = chosenFields(TASK, items(request, 'fields'));
      return { status: 200, body: await showTask(services, await findTask(services, request), fields) };
    }),
  );
  router.put(
    '/tasks/:id',
    serve(async (request) => {
      const body = await readJson(request, BODY);
      const task = await findTask(services, request);
      await changeTask(services, request, task, body);
      return { status: 200, body: await showTask(services, await findTask(services, request), null) };
    }),
  );
  router.get(
    '/tasks/:id/action_executions',
    serve((request) =>
      answerList(store, request, ACTION_EXECUTION_LIST, [
        equals(ACTION_EXECUTIONS, 'task_execution_id', taskId(request)),
      ]),
    ),
  );
  router.get(
    '/tasks/:task/action_executions/:id',
    serve(async (request) => {
      checkQuery(request, ['fields']);
      const fields = chosenFields(ACTION_EXECUTION, items(request, 'fields')) ?? ACTION_EXECUTION.fields;
      const row = await findActionExecution(services, request);
      if (row.task_execution_id !== param(request, 'task')) {
        throw new EngineError(
          'NOT_FOUND',
          `ActionExecution not found [id=${row.id}, task_execution_id=${param(request, 'task')}]`,
        );
      }
      return { status: 200, body: show(fields, row) };
    }),
  );
  router.get(
    '/tasks/:id/workflow_executions',
    serve((request) =>
      answerList(store, request, EXECUTION_LIST, [equals(EXECUTIONS, 'task_execution_id', taskId(request))]),
    ),
  );
  router.get(
    '/tasks/:id/executions',
    serve(async (request) => {
      checkQuery(request, ['errors_only', 'max_depth', 'include_output']);
      const task = await findTask(services, request);
      const options = treeOptions(request);
      const parent = await findExecution(services, request, task.execution_id);
      const below = await descendants(store.reader, parent, options);
      const fields = listFields(EXECUTION, flagParameter(request, 'include_output'));
      const rows = await fillIn(store.reader, belowTask(below, task));
      return { status: 200, body: { executions: rows.map((row) => show(fields, row)) } };
    }),
  );
}

/** Single tasks also show what they gave and what they published for all branches. */
async function showTask(
  { store, finder }: Services,
  row: TaskRow,
  chosen: readonly Field[] | null,
): Promise<JsonObject> {
  const usual = TASK.fields.filter(({ name }) => name !== 'published_global' || row.published_global !== null);
  const fields = chosen ?? usual;
  if (!fields.some(({ name }) => name === 'result')) return show(fields, row);
  return show(fields, row, { result: jsonString(await taskResult(store.reader, finder, row)) });
}

async function changeTask(
  { engine, store, finder }: Services,
  request: ApiRequest,
  task: TaskRow,
  body: JsonObject,
): Promise<void> {
  const name = textAttribute(body, 'name');
  const workflowName = textAttribute(body, 'workflow_name');
  const state = textAttribute(body, 'state');
  const reset = flagAttribute(body, 'reset');
  const env = objectAttribute(body, 'env') ?? null;
  if (name !== null && name !== task.name) throw badRequest('Task name does not match.');
  if (workflowName !== null && workflowName !== task.workflow_name) throw badRequest('Workflow name does not match.');
  if (state !== 'RUNNING' && state !== 'SKIPPED') {
    throw badRequest('Invalid task state. Only updating task to RUNNING or SKIPPED is supported.');
  }
  if (task.state !== 'ERROR') {
    throw badRequest(
      'The current task execution must be in ERROR for rerun. Only updating task to rerun is supported.',
    );
  }
  if (state === 'SKIPPED') {
    await engine.skipTask(request.caller, task.id);
    return;
  }
  if (reset === undefined) throw badRequest('Reset field is mandatory to rerun task.');
  if (!reset && !(await isWithItems(store.reader, finder, task))) {
    throw badRequest('Only with-items task has the option to not reset.');
  }
  await engine.rerunTask(request.caller, task.id, reset, env);
}

/** An unknown task has an empty list, but what is no id at all is a mistake. */
function taskId(request: ApiRequest): string {
  const id = param(request, 'id');
  const normal = normalUuid(id);
  if (normal === null) throw notUuid('task_execution_id', id);
  return normal;
}

/** The task's own executions with everything below them, of all that is below its execution. */
function belowTask<Row extends { id: string; task_execution_id: string | null; parent_execution_id: string | null }>(
  below: readonly Row[],
  task: TaskRow,
): Row[] {
  const kept = new Set<string>();
  // Parents come before their children.
  return below.filter((row) => {
    const belongs = row.task_execution_id === task.id || kept.has(row.parent_execution_id ?? '');
    if (belongs) kept.add(row.id);
    return belongs;
  });
}
