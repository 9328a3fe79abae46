import type { JsonObject } from '../../dsl/json.ts';
import { mergeEnvironment, type Refusal } from './control.ts';
import { isOvertaken } from './children.ts';
import { detachDependents } from './detach.ts';
import { refreshWaitingJoins } from './dispatch.ts';
import type { Draft } from './draft.ts';
import { lookupKey, need } from './lookups.ts';
import { type Event, type ExecutionId, isFinal, type TaskExecutionId, type TaskRecord } from './model.ts';
import { resumeDelay } from './policies.ts';
import { dropChildren, dropSource, needMembers, REOPENED } from './reopen.ts';
import { isValidTransition } from './states.ts';
import { completeTask, completionError, continueTask, guarded } from './tasks.ts';
import { remainingItems, reopenItem } from './with-items.ts';

type ChildEnd = Extract<Event, { readonly type: 'child-completed' }>;

/** spec/engine.md §19. With-items without `reset` repeats exactly what failed, was cancelled or never started. */
export function requestRerun(
  draft: Draft,
  id: TaskExecutionId,
  reset: boolean,
  env: JsonObject | null,
): Refusal | null {
  if (draft.record.state === 'PAUSED') return null;
  const task = taskOf(draft, id);
  if (task === undefined) return gone(id);
  if (task.state !== 'ERROR' && task.state !== 'CANCELLED') return refused(task);
  if (!reset && draft.taskSpec(task.name).withItems.length === 0) {
    return { kind: 'refused', code: 'INVALID_INPUT', message: 'Only with-items task has the option to not reset.' };
  }
  const problem = wake(draft, `Task '${task.name}' runs again on request.`);
  if (problem !== null) return problem;
  if (env !== null) mergeEnvironment(draft, env);
  detachDependents(draft, task);
  const items = reset ? null : remainingItems(draft, task);
  dropChildren(draft, id, !reset);
  if (reset) dropSource(draft, task);
  const { with_items, join_fired } = task.runtimeContext;
  const fresh = {
    ...REOPENED,
    state: 'IDLE' as const,
    startedAt: null,
    items,
    runtimeContext: {
      ...(reset || with_items === undefined ? {} : { with_items }),
      ...(join_fired === undefined ? {} : { join_fired }),
    },
  };
  draft.updateTask(id, fresh, undefined, 'Run again on request.');
  draft.toStart.push(id);
  goOn(draft);
  return null;
}

/** The end of a child that ran again, and that the task has replaced meanwhile: it is kept, and counts for nothing. */
export function endsOvertaken(draft: Draft, { task: id, child, reran, ...end }: ChildEnd): boolean {
  const task = reran === true ? taskOf(draft, id) : undefined;
  if (task === undefined || !(isOvertaken(draft, task, child) || isAboutToRunAgain(draft, task))) return false;
  draft.updateChild(child, { state: end.state, stateInfo: end.stateInfo, output: end.output });
  draft.rejectChild(child);
  return true;
}

/** A task that waits for its next try: the child of that one is not made yet. */
function isAboutToRunAgain(draft: Draft, { id, state, items }: TaskRecord): boolean {
  if (items !== null) return false;
  if (state === 'DELAYED') return !draft.timersOf(id).some(({ kind }) => kind === 'wait-after');
  return state === 'IDLE' || state === 'WAITING';
}

/** The task with its children, put back into the view when it was let go of; undefined when its execution was deleted meanwhile. */
function taskOf(draft: Draft, id: TaskExecutionId): TaskRecord | undefined {
  const task = draft.findTask(id);
  if (task !== undefined) {
    needMembers(draft, task);
    return task;
  }
  const lookup = { type: 'task-row', id } as const;
  return draft.env.findRows(lookupKey(lookup)) === undefined ? need(lookup) : undefined;
}

/** The execution and all above it run again, and in it what its end had stopped. */
function wake(draft: Draft, why: string): Refusal | null {
  const { state, parentExecutionId, taskExecutionId, id, workflowName } = draft.record;
  if (state === 'RUNNING') return null;
  if (!isValidTransition(state, 'RUNNING')) {
    return {
      kind: 'refused',
      code: 'INVALID_STATE',
      message: `Can't change workflow execution state from ${state} to RUNNING. [workflow=${workflowName}, execution_id=${id}]`,
    };
  }
  const runtimeContext = { ...draft.record.runtimeContext, reran: true as const };
  draft.updateExecution(
    {
      state: 'RUNNING',
      stateInfo: null,
      output: {},
      accepted: false,
      ...(parentExecutionId === null ? {} : { runtimeContext }),
    },
    why,
  );
  for (const task of draft.allTasks()) {
    if (task.state === 'IDLE') draft.toStart.push(task.id);
    if (task.state === 'DELAYED') resumeDelay(draft, task);
  }
  if (parentExecutionId !== null && taskExecutionId !== null) {
    draft.commands.push({
      type: 'send',
      to: parentExecutionId,
      event: { type: 'child-rerun', task: taskExecutionId, child: id },
    });
  }
  return null;
}

/**
 * What ended while the execution was paused, before that was stopped, is carried on with: after the task that was asked for has moved,
 * so that one which leads to it finds it as it is now (a skipped join is armed again, spec/engine.md E-12.7, and none that waits is skipped).
 */
function goOn(draft: Draft): void {
  if (draft.record.state !== 'RUNNING') return;
  for (const task of draft.allTasks()) {
    if (isFinal(task.state) && !task.processed)
      guarded(draft, task.id, completionError, () => continueTask(draft, task.id, { onResume: true }));
  }
  refreshWaitingJoins(draft);
}

/**
 * A child runs again: so does the task, in an execution that is woken up as well, unless somebody paused it. One that a retry or a rerun
 * of the task has replaced runs for itself: its result counts for nothing.
 */
export function childRerun(draft: Draft, taskId: TaskExecutionId, childId: ExecutionId): void {
  const task = taskOf(draft, taskId);
  if (task === undefined || isOvertaken(draft, task, childId)) return;
  const again = `A sub-workflow of task '${task.name}' runs again.`;
  if (draft.record.state !== 'PAUSED' && wake(draft, again) !== null) return;
  if (task.items === null)
    draft.updateChild(childId, { state: 'RUNNING', accepted: false, stateInfo: null, output: {} });
  else reopenItem(draft, task, childId);
  if (isFinal(task.state)) {
    detachDependents(draft, task);
    draft.updateTask(taskId, { ...REOPENED, state: 'RUNNING' }, undefined, again);
  }
  goOn(draft);
}

/** spec/engine.md E-19.6 */
export function requestSkip(draft: Draft, id: TaskExecutionId): Refusal | null {
  if (draft.record.state === 'PAUSED') return null;
  const task = taskOf(draft, id);
  if (task === undefined) return gone(id);
  if (task.state !== 'ERROR') return refused(task);
  const problem = wake(draft, `Task '${task.name}' is skipped on request.`);
  if (problem !== null) return problem;
  detachDependents(draft, task);
  draft.updateTask(id, { processed: false });
  completeTask(draft, id, 'SKIPPED', 'Task was skipped.', { policies: false });
  goOn(draft);
  return null;
}

function gone(id: TaskExecutionId): Refusal {
  return { kind: 'refused', code: 'INVALID_STATE', message: `Task execution ${id} was deleted.` };
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
