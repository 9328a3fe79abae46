import { evaluateRecursively } from '../../dsl/expressions/index.ts';
import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import { MappingView } from '../../dsl/yaql/mapping-view.ts';
import type { Env, FoundWorkflow } from './env.ts';
import { invalidInput, UserFailure } from './failure.ts';
import { checkFieldSize } from './limits.ts';
import { environmentByName } from './lookups.ts';
import type { ExecutionId, ExecutionRecord, TaskExecutionId } from './model.ts';
import { checkInput, withDefaults } from './parameters.ts';

export interface NewExecution {
  readonly id: ExecutionId;
  readonly workflow: FoundWorkflow;
  readonly input: JsonObject;
  readonly params: JsonObject;
  readonly description: string;
  readonly projectId: string;
  readonly parent: ParentLink | null;
}

export interface ParentLink {
  readonly executionId: ExecutionId;
  readonly taskExecutionId: TaskExecutionId;
  readonly rootExecutionId: ExecutionId;
  readonly index: number;
}

/**
 * The row of an execution that has not started: IDLE, its input checked and filled up with defaults (spec/engine.md §3, steps 3, 4).
 * @throws UserFailure for wrong input
 */
export function newExecution(env: Env, options: NewExecution): ExecutionRecord {
  const { workflow, parent } = options;
  const { spec } = workflow;
  const { missing, unexpected } = checkInput(spec.input, options.input);
  if (missing.length + unexpected.length > 0) {
    throw invalidInput(
      workflow.name,
      spec.type === 'reverse' ? 'ReverseWorkflowSpec' : 'DirectWorkflowSpec',
      missing,
      unexpected,
    );
  }
  const input = withDefaults(spec.input, options.input);
  const limit = env.limits.fieldCharacters;
  checkFieldSize('WorkflowExecution', 'input', input, limit);
  checkFieldSize('WorkflowExecution', 'params', options.params, limit);
  if (spec.type === 'reverse') checkTarget(workflow, options.params.task_name);
  return {
    id: options.id,
    workflowId: workflow.id,
    workflowName: workflow.name,
    workflowNamespace: workflow.namespace,
    workbookName: workflow.workbookName,
    specHash: workflow.specHash,
    projectId: options.projectId,
    description: options.description,
    tags: spec.tags,
    state: 'IDLE',
    stateInfo: null,
    input,
    output: {},
    params: options.params,
    context: {},
    runtimeContext: parent === null ? {} : { index: parent.index },
    taskExecutionId: parent?.taskExecutionId ?? null,
    parentExecutionId: parent?.executionId ?? null,
    rootExecutionId: parent?.rootExecutionId ?? null,
    accepted: false,
    createdAt: env.now,
    updatedAt: env.now,
  };
}

function checkTarget(workflow: FoundWorkflow, target: Json | undefined): void {
  if (typeof target === 'string' && workflow.spec.tasks.has(target)) return;
  throw new UserFailure(
    `Invalid task name [wf_spec=${workflow.name}, task_name=${typeof target === 'string' ? target : 'None'}]`,
  );
}

/**
 * The environment of a root execution (spec/engine.md §3 step 5): a mapping or the name of a stored one, its strings evaluated
 * once against itself unless `evaluate_env` is false.
 * @throws UserFailure, ExpressionError
 */
export function environmentOf(env: Env, params: JsonObject, projectId: string): JsonObject {
  const given = params.env;
  if (given === undefined || given === null || given === '') return {};
  const variables = typeof given === 'string' ? environmentByName(env, given, projectId) : given;
  if (variables === null) throw new UserFailure(`Environment is not found: ${String(given)}`);
  if (!isJsonObject(variables)) {
    throw new UserFailure(`Unexpected value type for environment [env=${JSON.stringify(given)}, type=${typeof given}]`);
  }
  if (params.evaluate_env === false || Object.keys(variables).length === 0) return variables;
  const evaluated = evaluateRecursively(variables, {
    data: new OnlyEnvironment(variables),
    variables: { env: variables },
    host: {
      env: () => variables,
      execution: () => null,
      executions: () => [],
      task: () => null,
      tasks: () => [],
      global: () => null,
    },
  });
  return isJsonObject(evaluated) ? evaluated : {};
}

class OnlyEnvironment extends MappingView {
  private readonly variables: JsonObject;

  constructor(variables: JsonObject) {
    super();
    this.variables = variables;
  }

  get(key: string): unknown {
    return key === '__env' ? this.variables : undefined;
  }

  has(key: string): boolean {
    return key === '__env';
  }

  keys(): Iterable<string> {
    return ['__env'];
  }
}
