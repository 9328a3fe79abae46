import { evaluateRecursively } from '../../dsl/expressions/index.ts';
import { deepMerge, isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { flattenContext, mergeContexts } from './context.ts';
import type { Draft } from './draft.ts';
import { isUserFailure } from './failure.ts';
import { byCompletion } from './join.ts';
import { checkFieldSize } from './limits.ts';
import { isFinal, type TaskRecord } from './model.ts';
import { childResults } from './children.ts';
import { resultText } from './results.ts';
import { scopeOf } from './scope.ts';

// state_info is cut here by the reference (spec/engine.md E-2.3).
const STATE_INFO_LIMIT = 65_500;

/** Completes the execution when nothing is open any more (spec/engine.md E-14.1). */
export function checkCompletion(draft: Draft): void {
  const { record } = draft;
  if (record.state !== 'RUNNING' || draft.openTasks > 0) return;
  if ((record.runtimeContext.backlog ?? []).length > 0) return;
  const tasks = draft.allTasks();
  if (tasks.some((task) => !task.processed)) return;
  const cancelled = tasks.filter((task) => task.state === 'CANCELLED');
  if (cancelled.length > 0) {
    moveExecution(draft, 'CANCELLED', `Cancelled tasks: ${names(cancelled)}`);
    return;
  }
  const failed = tasks.filter((task) => task.state === 'ERROR' && !task.errorHandled);
  if (failed.length > 0) moveExecution(draft, 'ERROR', failureText(draft, failed));
  else moveExecution(draft, 'SUCCESS', null);
}

export function cutStateInfo(text: string | null): string | null {
  return text === null ? null : text.slice(0, STATE_INFO_LIMIT);
}

function names(tasks: readonly TaskRecord[]): string {
  return [...new Set(tasks.map((task) => task.name))].sort().join(', ');
}

/** spec/engine.md E-14.2 */
function failureText(draft: Draft, failed: readonly TaskRecord[]): string {
  const parts = [`Failure caused by error in tasks: ${names(failed)}\n`];
  for (const task of failed.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : byCompletion(a, b)))) {
    parts.push(`\n  ${task.name} [task_ex_id=${task.id}] -> ${task.stateInfo ?? 'None'}\n`);
    childResults(draft, task, 'failed').forEach((child, i) => {
      if (child.state !== 'ERROR') return;
      const key = child.kind === 'action' ? 'action_ex_id' : 'wf_ex_id';
      parts.push(`    [${key}=${child.id}, idx=${i}]: ${resultText(child.value) ?? 'None'}\n`);
    });
  }
  return parts.join('');
}

/**
 * Moves the execution to a final state, with its output (spec/engine.md §14), and tells its parent. An error in `output` turns
 * SUCCESS into ERROR. `why` is for the time line, should there be no message.
 */
export function moveExecution(
  draft: Draft,
  to: 'SUCCESS' | 'ERROR' | 'CANCELLED',
  message: string | null,
  why?: string,
): void {
  const stateInfo = cutStateInfo(message);
  if (to === 'SUCCESS') {
    const output = successOutput(draft);
    if (typeof output === 'string') {
      moveExecution(draft, 'ERROR', output);
      return;
    }
    finish(draft, to, stateInfo, output, why);
  } else if (to === 'ERROR') {
    finish(draft, to, stateInfo, errorOutput(draft, stateInfo), why);
  } else {
    finish(draft, to, stateInfo, { result: stateInfo }, why);
  }
}

function finish(
  draft: Draft,
  state: 'SUCCESS' | 'ERROR' | 'CANCELLED',
  stateInfo: string | null,
  output: JsonObject,
  why: string | undefined,
): void {
  const { runtimeContext } = draft.record;
  const { backlog, ...rest } = runtimeContext;
  draft.updateExecution(
    {
      state,
      stateInfo,
      output,
      accepted: true,
      ...(backlog === undefined ? {} : { runtimeContext: rest }),
    },
    why,
  );
  dropDelays(draft);
  const { parentExecutionId, taskExecutionId, id } = draft.record;
  if (parentExecutionId === null || taskExecutionId === null) return;
  draft.commands.push({
    type: 'send',
    to: parentExecutionId,
    event: {
      type: 'child-completed',
      task: taskExecutionId,
      child: id,
      state,
      stateInfo,
      output,
      ...(runtimeContext.leases === true && { leases: true }),
      ...(runtimeContext.reran === true && { reran: true }),
    },
  });
}

/** A delayed task must not wake up in an execution that has ended (spec/engine.md §30 item 1). */
function dropDelays(draft: Draft): void {
  for (const timer of draft.allTimers()) if (timer.kind !== 'timeout') draft.removeTimer(timer.id);
}

/** The output of a success, or the text of what went wrong in `output`. */
function successOutput(draft: Draft): JsonObject | string {
  try {
    const output = evaluatedOutput(draft, draft.spec.output);
    checkFieldSize('WorkflowExecution', 'output', output, draft.env.limits.fieldCharacters);
    return output;
  } catch (error) {
    if (!isUserFailure(error)) throw error;
    return `Failed to check and complete [wf_ex_id=${draft.record.id}, wf_name=${draft.record.workflowName}]: ${error.message}`;
  }
}

function errorOutput(draft: Draft, message: string | null): JsonObject {
  const { outputOnError } = draft.spec;
  try {
    const rest = evaluatedOutput(draft, outputOnError);
    const output = deepMerge({ result: message }, rest);
    checkFieldSize('WorkflowExecution', 'output', output, draft.env.limits.fieldCharacters);
    return output;
  } catch (error) {
    if (!isUserFailure(error)) throw error;
    return {
      result: `Failed to evaluate expression in output-on-error! (output-on-error: '${JSON.stringify(outputOnError)}', exception: '${error.message}' Cause: '${message ?? ''}'`,
    };
  }
}

/** The evaluated mapping over the final context; without one, or when it evaluates to nothing, that context itself (E-14.4). */
function evaluatedOutput(draft: Draft, wanted: JsonObject | null): JsonObject {
  const context = finalContext(draft);
  if (wanted !== null) {
    const output = evaluateRecursively(wanted, scopeOf(draft, { context }));
    if (isJsonObject(output) && Object.keys(output).length > 0) return output;
  }
  return flattenContext(context);
}

/** The contexts of all finished tasks that led nowhere, merged in order of completion (spec/engine.md E-14.3). */
function finalContext(draft: Draft) {
  const { spec } = draft;
  const target = draft.record.params.task_name;
  const leaves = draft
    .allTasks()
    .filter((task) => isFinal(task.state))
    .filter((task) => (spec.type === 'reverse' ? task.name === target : !task.hasNextTasks))
    .sort(byCompletion);
  return mergeContexts(leaves.map((task) => ({ id: task.id, outbound: draft.outboundOf(task) }))).node;
}

/**
 * PAUSED, with everything below; the parent hears of it unless it asked (spec/engine.md E-16.1). The state_info of the reference says nothing then, so
 * the time line says `why`.
 */
export function pauseExecution(draft: Draft, by: 'user' | 'parent', why: string): void {
  if (draft.record.state !== 'RUNNING') return;
  draft.updateExecution({ state: 'PAUSED' }, why);
  for (const child of draft.allChildren()) {
    if (isFinal(child.state)) continue;
    // A paused child pauses its task (spec/engine.md E-16.1).
    if (draft.findTask(child.taskExecutionId)?.state === 'RUNNING')
      draft.updateTask(child.taskExecutionId, { state: 'PAUSED' }, undefined, 'Its sub-workflow is paused as well.');
    draft.commands.push({ type: 'send', to: child.id, event: { type: 'pause-requested', by: 'parent' } });
  }
  if (by === 'user') tellParent(draft, 'PAUSED');
}

export function tellParent(draft: Draft, to: 'PAUSED' | 'RUNNING'): void {
  const { parentExecutionId, taskExecutionId, id } = draft.record;
  if (parentExecutionId === null || taskExecutionId === null) return;
  draft.commands.push({
    type: 'send',
    to: parentExecutionId,
    event: { type: 'child-updated', task: taskExecutionId, child: id, to },
  });
}
