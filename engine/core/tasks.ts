import { evaluateRecursively } from '../../dsl/expressions/index.ts';
import { deepMerge, isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import type { TaskSpec } from '../../dsl/spec/types.ts';
import { callOfTask, createAction, isForcedFailure } from './actions.ts';
import type { FiredTransitions } from './commands.ts';
import { dispatch, refreshJoins } from './dispatch.ts';
import type { Draft } from './draft.ts';
import { cutStateInfo, moveExecution, pauseExecution } from './execution.ts';
import { graceful, isUserFailure, WrongCall } from './failure.ts';
import { checkFieldSize } from './limits.ts';
import {
  type ActionRecord,
  type FinalState,
  hasManyItems,
  isFinal,
  type TaskExecutionId,
  type TaskRecord,
} from './model.ts';
import { actionTimeout, afterCompletion, beforeStart, dropTimers } from './policies.ts';
import { actionValue, resultText } from './results.ts';
import { scopeOf } from './scope.ts';
import { newChild } from './sub-workflows.ts';
import { evaluatedInput, evaluatedName } from './task-input.ts';
import { nextTransitions } from './transitions.ts';
import { scheduleItems } from './with-items.ts';

/** Starts a task that was created or that waited as a join: policies first, then its actions (spec/engine.md E-4.4). */
export function startTask(draft: Draft, id: TaskExecutionId): void {
  const task = draft.task(id);
  if (task.state !== 'IDLE') return;
  draft.updateTask(id, { state: 'RUNNING', stateInfo: null, startedAt: task.startedAt ?? draft.env.now });
  guarded(draft, id, runError, () => {
    beforeStart(draft, id, draft.taskSpec(task.name));
    const { state } = draft.task(id);
    if (state === 'IDLE')
      pauseExecution(draft, 'user', `Paused before task '${task.name}' by its pause-before; a resume starts it.`);
    if (state === 'RUNNING') schedule(draft, id);
  });
}

/** Runs what the task runs, again after a delay as well. @throws UserFailure, ExpressionError: a forced failure */
export function schedule(draft: Draft, id: TaskExecutionId): void {
  const task = draft.task(id);
  const spec = draft.taskSpec(task.name);
  if (spec.withItems.length > 0) {
    scheduleItems(draft, id);
    return;
  }
  const name = evaluatedName(draft, task, spec, {});
  const input = evaluatedInput(draft, task, spec, {});
  if (spec.run.type === 'workflow') {
    const child = newChild(draft, task, name, input, 0);
    if (typeof child === 'string') completeTask(draft, id, 'ERROR', child);
    else draft.createChild(child);
    return;
  }
  const call = graceful(draft, () => callOfTask(draft, task, name, input));
  if (call instanceof WrongCall) {
    completeTask(draft, id, 'ERROR', call.message);
    return;
  }
  const action = createAction(draft, task, spec, call, {
    index: 0,
    extra: {},
    timeoutSeconds: actionTimeout(draft, task, spec),
  });
  if (isFinal(action.state)) actionEnded(draft, id, action);
}

/** An action of a task without with-items ended: so does the task (spec/engine.md §8). */
export function actionEnded(draft: Draft, id: TaskExecutionId, action: ActionRecord): void {
  if (isForcedFailure(action)) {
    forceFail(draft, id, action.stateInfo ?? '');
    return;
  }
  const value = actionValue(action.output);
  switch (action.state) {
    case 'SUCCESS':
      completeTask(draft, id, 'SUCCESS', null);
      return;
    case 'ERROR':
      completeTask(draft, id, 'ERROR', resultText(value));
      return;
    default:
      completeTask(draft, id, 'CANCELLED', resultText(value));
  }
}

export interface CompletionOptions {
  /** A time-out is final (spec/engine.md §30 item 2). */
  readonly mayRetry?: boolean;
  /** Skipping bypasses the policies. */
  readonly policies?: boolean;
  /** The text of a forced failure; default: that of a completed action. */
  readonly describe?: FailureText;
}

/** spec/engine.md §8, steps 1 to 3; continues with the successors unless a policy delays the task. */
export function completeTask(
  draft: Draft,
  id: TaskExecutionId,
  state: FinalState,
  stateInfo: string | null,
  options: CompletionOptions = {},
): void {
  const before = draft.task(id);
  if (isFinal(before.state) && state !== 'SKIPPED') return;
  const end = { state, stateInfo: cutStateInfo(stateInfo), finishedAt: draft.env.now };
  draft.updateTask(id, end, undefined, WITHOUT_MESSAGE[state]);
  dropTimers(draft, id, ['wait-before', 'wait-after', 'retry']);
  guarded(draft, id, options.describe ?? completionError, () => {
    const spec = draft.taskSpec(before.name);
    publish(draft, id, spec);
    if (options.policies !== false) afterCompletion(draft, id, spec, options.mayRetry !== false);
    if (!isFinal(draft.task(id).state)) return;
    dropTimers(draft, id);
    if (!spec.keepResult) dropResults(draft, id);
    continueTask(draft, id);
  });
}

/** For the time line. */
const WITHOUT_MESSAGE: Readonly<Record<FinalState, string | undefined>> = {
  SUCCESS: undefined,
  SKIPPED: undefined,
  ERROR: 'Its action or sub-workflow failed without a message.',
  CANCELLED: 'Its action or sub-workflow was cancelled.',
};

function publish(draft: Draft, id: TaskExecutionId, spec: TaskSpec): void {
  const task = draft.task(id);
  if (task.state !== 'SUCCESS' && task.state !== 'ERROR' && task.state !== 'SKIPPED') return;
  const wanted = spec.publish[task.state];
  if (!wanted.written) {
    if (task.state === 'SKIPPED' || Object.keys(task.published ?? {}).length > 0)
      draft.updateTask(id, { published: {} });
    return;
  }
  const scope = scopeOf(draft, { task, context: draft.inboundOf(id) });
  const branch = wanted.branch === null ? null : mapping(evaluateRecursively(wanted.branch, scope));
  const global = wanted.global === null ? null : mapping(evaluateRecursively(wanted.global, scope));
  checkFieldSize('TaskExecution', 'published', branch, draft.env.limits.fieldCharacters);
  draft.updateTask(id, { published: branch, publishedGlobal: global });
  if (global !== null) draft.updateExecution({ context: deepMerge(draft.record.context, global) });
}

function mapping(value: Json): JsonObject {
  if (!isJsonObject(value)) throw new Error('a mapping evaluates to a mapping');
  return value;
}

function dropResults(draft: Draft, id: TaskExecutionId): void {
  if (hasManyItems(draft.task(id))) draft.updateChildren(id, 'all', 'emptied');
  for (const action of draft.actionsOf(id)) if (action.output !== null) draft.updateAction(action.id, { output: {} });
}

/**
 * spec/engine.md §8, steps 4 to 6: what follows a finished task. On resume, `pause` commands are left out (spec/engine.md §15).
 * @throws ExpressionError from a condition
 */
export function continueTask(draft: Draft, id: TaskExecutionId, options: { readonly onResume?: boolean } = {}): void {
  // While the execution is paused nothing follows; resume continues every finished task that was not processed.
  if (draft.record.state === 'PAUSED') return;
  const task = draft.task(id);
  const fired: FiredTransitions = draft.isCompleted ? NOTHING_FIRED : nextTransitions(draft, task);
  const { errorHandled } = fired;
  const commands = fired.commands.filter((command) => !(options.onResume === true && command.type === 'pause'));
  const nextTasks = commands.flatMap((command) =>
    command.type === 'task' && command.event !== null ? [[command.task, command.event] as const] : [],
  );
  const hasNextTasks = commands.some((command) => command.type === 'task');
  draft.endedInDecision.push(draft.updateTask(id, { nextTasks, hasNextTasks, errorHandled }));
  dispatch(draft, commands);
  draft.updateTask(id, { processed: true });
  refreshJoins(draft, task.name);
}

const NOTHING_FIRED: FiredTransitions = { commands: [], errorHandled: false };

/** The task and its workflow fail at once, without any clause (spec/engine.md §9, "forced"). */
export function forceFail(draft: Draft, id: TaskExecutionId, text: string): void {
  dropTimers(draft, id);
  draft.updateTask(id, { state: 'ERROR', stateInfo: cutStateInfo(text), finishedAt: draft.env.now, processed: true });
  if (draft.record.state !== 'PAUSED' && !draft.isCompleted) moveExecution(draft, 'ERROR', text);
}

type FailureText = (draft: Draft, task: TaskRecord, message: string) => string;

/** Runs a step; what the user's definition got wrong fails the task by force. */
export function guarded(draft: Draft, id: TaskExecutionId, describe: FailureText, step: () => void): void {
  try {
    step();
  } catch (error) {
    if (!isUserFailure(error)) throw error;
    forceFail(draft, id, describe(draft, draft.task(id), error.message));
  }
}

export function runError(draft: Draft, task: TaskRecord, message: string): string {
  return `Failed to run task [error=${message}, wf=${draft.record.workflowName}, task=${task.name}]`;
}

export function completionError(draft: Draft, task: TaskRecord, message: string): string {
  const action = draft.actionsOf(task.id).at(-1)?.name ?? draft.taskSpec(task.name).run.name;
  return `Failed to handle action completion [error=${message}, wf=${draft.record.workflowName}, task=${task.name}, action=${action}]`;
}

export function taskError(draft: Draft, task: TaskRecord, message: string): string {
  return `Failed to complete task [error=${message}, wf=${draft.record.workflowName}, task=${task.name}]`;
}
