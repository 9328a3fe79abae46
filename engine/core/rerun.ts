import type { JsonObject } from '../../dsl/json.ts';
import { mergeEnvironment, type Refusal } from './control.ts';
import type { Draft } from './draft.ts';
import { lookupKey, need } from './lookups.ts';
import type { ExecutionId, TaskExecutionId, TaskRecord } from './model.ts';
import { isValidTransition } from './states.ts';
import { completeTask } from './tasks.ts';

/** spec/engine.md §19. With-items without `reset` repeats exactly what failed, was cancelled or never started. */
export function requestRerun(
  draft: Draft,
  id: TaskExecutionId,
  reset: boolean,
  env: JsonObject | null,
): Refusal | null {
  if (draft.record.state === 'PAUSED') return null;
  const task = taskOf(draft, id);
  if (task.state !== 'ERROR' && task.state !== 'CANCELLED') return refused(task);
  const problem = wake(draft);
  if (problem !== null) return problem;
  if (env !== null) mergeEnvironment(draft, env);
  for (const action of draft.actionsOf(id)) {
    if (action.accepted && (reset || action.state !== 'SUCCESS')) draft.updateAction(action.id, { accepted: false });
  }
  for (const child of draft.childrenOf(id)) {
    if (child.accepted && (reset || child.state !== 'SUCCESS')) draft.updateChild(child.id, { accepted: false });
  }
  const { with_items } = task.runtimeContext;
  draft.updateTask(id, {
    ...REOPENED,
    state: 'IDLE',
    startedAt: null,
    runtimeContext: reset || with_items === undefined ? {} : { with_items },
  });
  draft.toStart.push(id);
  return null;
}

/** The task, put back into the view when it was let go of. */
function taskOf(draft: Draft, id: TaskExecutionId): TaskRecord {
  const task = draft.findTask(id);
  if (task !== undefined) return task;
  const lookup = { type: 'task-row', id } as const;
  if (draft.env.findRows(lookupKey(lookup)) !== undefined) throw new Error(`task execution ${id} does not exist`);
  return need(lookup);
}

const REOPENED = {
  stateInfo: null,
  finishedAt: null,
  processed: false,
  nextTasks: null,
  hasNextTasks: false,
  errorHandled: false,
} as const;

/** The execution and all above it run again. */
function wake(draft: Draft): Refusal | null {
  const { state, parentExecutionId, taskExecutionId, id, workflowName } = draft.record;
  if (state === 'RUNNING') return null;
  if (!isValidTransition(state, 'RUNNING')) {
    return {
      kind: 'refused',
      code: 'INVALID_STATE',
      message: `Can't change workflow execution state from ${state} to RUNNING. [workflow=${workflowName}, execution_id=${id}]`,
    };
  }
  draft.updateExecution({ state: 'RUNNING', stateInfo: null, output: {}, accepted: false });
  if (parentExecutionId !== null && taskExecutionId !== null) {
    draft.commands.push({
      type: 'send',
      to: parentExecutionId,
      event: { type: 'child-rerun', task: taskExecutionId, child: id },
    });
  }
  return null;
}

export function childRerun(draft: Draft, taskId: TaskExecutionId, childId: ExecutionId): void {
  taskOf(draft, taskId);
  if (wake(draft) !== null) return;
  draft.updateChild(childId, { state: 'RUNNING', accepted: false, stateInfo: null, output: {} });
  draft.updateTask(taskId, { ...REOPENED, state: 'RUNNING' });
}

/** spec/engine.md E-19.6 */
export function requestSkip(draft: Draft, id: TaskExecutionId): Refusal | null {
  if (draft.record.state === 'PAUSED') return null;
  const task = taskOf(draft, id);
  if (task.state !== 'ERROR') return refused(task);
  const problem = wake(draft);
  if (problem !== null) return problem;
  draft.updateTask(id, { processed: false });
  completeTask(draft, id, 'SKIPPED', 'Task was skipped.', { policies: false });
  return null;
}

function refused(task: TaskRecord): Refusal {
  return {
    kind: 'refused',
    code: 'INVALID_STATE',
    message:
      task.state === 'SUCCESS'
        ? 'Rerunning succeeded tasks is not supported.'
        : 'The current task execution must be in ERROR for rerun. Only updating task to rerun is supported.',
  };
}
