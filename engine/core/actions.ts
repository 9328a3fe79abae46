import { evaluate, evaluateRecursively, hasExpression } from '../../dsl/expressions/index.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import type { TaskSpec } from '../../dsl/spec/types.ts';
import type { ActionResult } from '../contract.ts';
import { type ActionCall, type CallSite, resolveCall, withActionDefaults } from './action-calls.ts';
import type { Draft } from './draft.ts';
import { isUserFailure, UserFailure } from './failure.ts';
import { checkFieldSize } from './limits.ts';
import type { ActionExecutionId, ActionRecord, State, TaskRecord } from './model.ts';
import { resultText } from './results.ts';
import { scopeOf } from './scope.ts';

/** Resolves the call of a task's action. @throws UserFailure, ExpressionError */
export function callOfTask(draft: Draft, task: TaskRecord, name: string, input: JsonObject): ActionCall {
  return resolveCall(callSite(draft, task), name, withActionDefaults(draft.record.params.env, name, input));
}

function callSite(draft: Draft, task: TaskRecord): CallSite {
  const { record } = draft;
  return {
    env: draft.env,
    namespace: rootNamespace(draft),
    projectId: record.projectId,
    workbookName: record.workbookName,
    scope: (parameters) => scopeOf(draft, { task, extra: parameters, context: draft.inboundOf(task.id) }),
  };
}

/** The namespace of the root call, which sub-workflows and actions inherit (spec/dsl.md D-14.3). */
export function rootNamespace(draft: Draft): string {
  const { namespace } = draft.record.params;
  return typeof namespace === 'string' ? namespace : draft.record.workflowNamespace;
}

/**
 * Creates the action execution of a task. A pure action is evaluated at once and its row is created finished; anything else is
 * RUNNING and is handed to an executor after the commit.
 */
export function createAction(
  draft: Draft,
  task: TaskRecord,
  spec: TaskSpec,
  call: ActionCall,
  options: {
    readonly index: number;
    readonly extra: JsonObject;
    readonly timeoutSeconds: number | null;
  },
): ActionRecord {
  const { definition } = call;
  const { env, record } = draft;
  const systemInput = call.systemInput ?? call.input;
  const claimed = env.executorId !== null && !definition.repeatSafe;
  const action: ActionRecord = {
    id: env.newId() as ActionExecutionId,
    taskExecutionId: task.id,
    executionId: record.id,
    taskName: task.name,
    name: call.name,
    systemName: definition.name,
    systemInput: call.systemInput,
    wrappers: call.wrappers,
    state: 'RUNNING',
    stateInfo: null,
    input: call.input,
    output: null,
    accepted: false,
    kind: definition.kind,
    index: options.index,
    attempt: 1,
    executorId: claimed ? env.executorId : null,
    timeoutSeconds: options.timeoutSeconds,
    target: targetOf(draft, task, spec, call, options.extra),
    safeRerun: spec.safeRerun,
    description: '',
    createdAt: env.now,
    updatedAt: env.now,
  };
  if (definition.kind === 'pure' && !env.catalogue.needsWorker(definition.name, systemInput)) {
    const finished = { ...action, ...outcomeOf(draft, action, env.catalogue.runPure(definition.name, systemInput)) };
    draft.createAction(finished);
    return finished;
  }
  draft.createAction(action);
  if (definition.takesLeases === true) draft.noteLeases();
  draft.commands.push({ type: 'run-action', action: action.id });
  return action;
}

function targetOf(draft: Draft, task: TaskRecord, spec: TaskSpec, call: ActionCall, extra: JsonObject): string | null {
  if (spec.target === null) return null;
  const scope = () => scopeOf(draft, { task, extra: { ...extra, ...call.input }, context: draft.inboundOf(task.id) });
  const value = hasExpression(spec.target) ? evaluate(spec.target, scope()) : spec.target;
  const target = value === null ? null : resultText(value);
  // No host has such a name, and the column of one store has no room for it.
  if (target !== null && target.length > MOST_TARGET) {
    const found = `it has ${target.length}: '${target.slice(0, 40)}…'`;
    throw new UserFailure(`The target of a task is the name of a host, at most ${MOST_TARGET} characters; ${found}`);
  }
  return target;
}

const MOST_TARGET = 255;

interface Outcome {
  readonly state: State;
  readonly stateInfo: string | null;
  readonly output: JsonObject;
  readonly accepted: true;
}

/** The final fields of an action execution with this result, ad-hoc outputs applied (spec/engine.md E-28.4). */
export function outcomeOf(draft: Draft, action: ActionRecord, result: ActionResult): Outcome {
  if (result.kind === 'cancelled')
    return { state: 'CANCELLED', stateInfo: null, output: { result: result.output }, accepted: true };
  try {
    const isError = result.kind === 'error';
    const output = { result: isError ? result.output : applyWrappers(draft, action, result.output) };
    checkFieldSize('ActionExecution', 'output', output, draft.env.limits.fieldCharacters);
    return { state: isError ? 'ERROR' : 'SUCCESS', stateInfo: null, output, accepted: true };
  } catch (error) {
    if (!isUserFailure(error)) throw error;
    const text = `Failed to complete action [error=${error.message}, action=${action.name}, task=${action.taskName ?? ''}]`;
    return { state: 'ERROR', stateInfo: text, output: { result: text }, accepted: true };
  }
}

/** Whether the result itself could not be taken, which fails task and workflow by force. */
export function isForcedFailure(action: ActionRecord): boolean {
  return action.state === 'ERROR' && action.stateInfo !== null;
}

function applyWrappers(draft: Draft, action: ActionRecord, data: Json): Json {
  let value = data;
  for (const wrapper of action.wrappers) {
    value = evaluateRecursively(wrapper.output, { ...scopeOf(draft, {}), data: value });
  }
  return value;
}
