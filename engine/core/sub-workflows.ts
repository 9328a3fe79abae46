import { copyObject, type Json, type JsonObject, setKey } from '../../dsl/json.ts';
import { rootNamespace } from './actions.ts';
import type { Draft } from './draft.ts';
import type { FoundWorkflow } from './env.ts';
import { isUserFailure } from './failure.ts';
import { workflowDefinition } from './lookups.ts';
import type { ExecutionId, ExecutionRecord, TaskRecord } from './model.ts';
import { newExecution } from './new-execution.ts';

// Inputs that a child does not declare and that mean something to the engine; others are errors (spec/engine.md §30 item 11).
const PARAMETERS_AS_INPUT = ['task_name', 'env', 'evaluate_env', 'notify'];

/**
 * The execution of a sub-workflow, to be created by {@link Draft.createChild} and started after the commit. Answers what is wrong
 * instead when there is no such workflow or its input does not fit: then only the task fails (spec/engine.md §9, §30 item 13).
 */
export function newChild(
  draft: Draft,
  task: TaskRecord,
  name: string,
  input: JsonObject,
  index: number,
): ExecutionRecord | string {
  const { env, record } = draft;
  const namespace = rootNamespace(draft);
  const workflow = findWorkflow(draft, name, namespace);
  if (workflow === null) return `Failed to find workflow [name=${name}] [namespace=${namespace}]`;
  const rootExecutionId = record.rootExecutionId ?? record.id;
  const { own, params } = splitInput(workflow, input);
  try {
    return newExecution(env, {
      id: env.newId() as ExecutionId,
      workflow,
      input: own,
      params: {
        root_execution_id: rootExecutionId,
        task_execution_id: task.id,
        index,
        namespace,
        env: {},
        ...(record.params.notify === undefined ? {} : { notify: record.params.notify }),
        ...params,
      },
      description: 'sub-workflow execution',
      projectId: record.projectId,
      parent: { executionId: record.id, taskExecutionId: task.id, rootExecutionId, index },
    });
  } catch (error) {
    if (isUserFailure(error)) return error.message;
    throw error;
  }
}

/** Inside a workbook its own workflows come first (spec/dsl.md D-14.3). */
function findWorkflow(draft: Draft, name: string, namespace: string): FoundWorkflow | null {
  const { workbookName, projectId } = draft.record;
  const sibling =
    workbookName === null ? null : workflowDefinition(draft.env, `${workbookName}.${name}`, namespace, projectId);
  return sibling ?? workflowDefinition(draft.env, name, namespace, projectId);
}

function splitInput(workflow: FoundWorkflow, input: JsonObject): { own: JsonObject; params: JsonObject } {
  const declared = new Set(workflow.spec.input.map((parameter) => parameter.name));
  const own = copyObject({});
  const params: Record<string, Json> = {};
  for (const key of Object.keys(input)) {
    const isParameter = !declared.has(key) && PARAMETERS_AS_INPUT.includes(key);
    setKey(isParameter ? params : own, key, input[key] as Json);
  }
  return { own, params };
}
