import { deepMerge, isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { dispatchBacklog, refreshWaitingJoins } from './dispatch.ts';
import type { Draft } from './draft.ts';
import { moveExecution, pauseExecution, tellParent } from './execution.ts';
import { type Decision, isFinal } from './model.ts';
import { isValidTransition } from './states.ts';
import { completionError, continueTask, guarded, runError } from './tasks.ts';
import { continueItems } from './with-items.ts';

export type Refusal = Extract<Decision, { readonly kind: 'refused' }>;

/** spec/engine.md §16, the table of pause, resume and stop. */
export function requestPause(draft: Draft, by: 'user' | 'parent'): Refusal | null {
  const { state } = draft.record;
  if (state === 'PAUSED') return null;
  if (state !== 'RUNNING') return by === 'parent' ? null : illegal(draft, 'PAUSED');
  pauseExecution(draft, by, by === 'user' ? 'Paused on request.' : 'Paused together with the execution above it.');
  return null;
}

export function requestResume(draft: Draft, by: 'user' | 'parent', env: JsonObject | null): void {
  if (draft.record.state !== 'PAUSED') return;
  if (env !== null) mergeEnvironment(draft, env);
  resumeExecution(draft, by === 'user' ? 'Resumed on request.' : 'Resumed together with the execution above it.');
  if (by === 'user') tellParent(draft, 'RUNNING');
}

/** Children first, then tasks that waited, then what followed a `pause`, then tasks that ended meanwhile (spec/engine.md E-16.2). */
function resumeExecution(draft: Draft, why: string): void {
  draft.updateExecution({ state: 'RUNNING', stateInfo: null }, why);
  for (const child of draft.allChildren()) {
    if (!isFinal(child.state)) {
      draft.commands.push({ type: 'send', to: child.id, event: { type: 'resume-requested', by: 'parent', env: null } });
    }
  }
  for (const task of draft.allTasks()) {
    if (task.state === 'PAUSED') draft.updateTask(task.id, { state: 'RUNNING', stateInfo: null }, undefined, why);
    if (task.state === 'IDLE') draft.toStart.push(task.id);
  }
  // A task that may not be made fails the one that leads to it, as it would have without the pause.
  dispatchBacklog(draft, (from, step) => {
    if (from === null) step();
    else guarded(draft, from.id, completionError, step);
  });
  for (const task of draft.allTasks()) {
    if (!isFinal(task.state) || task.processed) continue;
    guarded(draft, task.id, completionError, () => continueTask(draft, task.id, { onResume: true }));
  }
  // Items whose turn came while the execution was paused.
  for (const task of draft.allTasks()) {
    if (task.state === 'RUNNING') guarded(draft, task.id, runError, () => continueItems(draft, task.id));
  }
  refreshWaitingJoins(draft);
}

export function requestStop(
  draft: Draft,
  to: 'SUCCESS' | 'ERROR' | 'CANCELLED',
  message: string | null,
): Refusal | null {
  const { state } = draft.record;
  if (to === 'SUCCESS') {
    if (state !== 'SUCCESS' && !isValidTransition(state, 'SUCCESS')) return illegal(draft, 'SUCCESS');
    moveExecution(draft, to, message, ON_REQUEST);
    layItemsAside(draft);
    return null;
  }
  // What has ended stays as it ended.
  if (isFinal(state)) return null;
  // While PAUSED an ERROR is taken when it says why (spec/engine.md §30 item 6); a bare one is ignored (spec/rest-api.md §4.1).
  if (to === 'ERROR' && state === 'PAUSED' && message === null) return null;
  moveExecution(draft, to, message, ON_REQUEST);
  stopOutside(draft, message);
  layItemsAside(draft);
  return null;
}

const ON_REQUEST = 'Stopped on request, without a message.';

/** Items that wait for a resume, while none runs, will hear of nothing more. */
function layItemsAside(draft: Draft): void {
  for (const task of draft.allTasks())
    if (task.state === 'RUNNING' || task.state === 'PAUSED')
      guarded(draft, task.id, completionError, () => continueItems(draft, task.id));
}

/** Unfinished children end with the same message, and running actions are told to stop (spec/engine.md E-16.3, §30 item 5). */
function stopOutside(draft: Draft, message: string | null): void {
  for (const child of draft.allChildren()) {
    if (isFinal(child.state)) continue;
    draft.commands.push({
      type: 'send',
      to: child.id,
      event: { type: 'stop-requested', to: 'CANCELLED', message },
    });
  }
  for (const action of draft.allActions()) {
    if (!isFinal(action.state) && action.kind !== 'async') {
      draft.commands.push({ type: 'stop-action', action: action.id, reason: 'cancelled' });
    }
  }
}

function illegal(draft: Draft, to: string): Refusal {
  const { state, workflowName, id } = draft.record;
  return {
    kind: 'refused',
    code: 'INVALID_STATE',
    message: `Can't change workflow execution state from ${state} to ${to}. [workflow=${workflowName}, execution_id=${id}]`,
  };
}

/** Environment changes are merged and not evaluated (spec/engine.md E-16.4). */
export function mergeEnvironment(draft: Draft, env: JsonObject): void {
  const old = isJsonObject(draft.record.params.env) ? draft.record.params.env : {};
  draft.updateExecution({ params: { ...draft.record.params, env: deepMerge(old, env) } });
}

/** A child was paused or resumed by somebody: the task and this execution follow (spec/engine.md E-16.1). */
export function childMoved(draft: Draft, taskId: Parameters<Draft['findTask']>[0], to: 'PAUSED' | 'RUNNING'): void {
  const task = draft.findTask(taskId);
  if (task === undefined || isFinal(task.state)) return;
  if (to === 'PAUSED') {
    if (task.state === 'RUNNING')
      draft.updateTask(task.id, { state: 'PAUSED' }, undefined, 'Its action or sub-workflow was paused.');
    pauseExecution(draft, 'user', `Paused since the action or sub-workflow of task '${task.name}' was paused.`);
    return;
  }
  if (task.state === 'PAUSED')
    draft.updateTask(
      task.id,
      { state: 'RUNNING', stateInfo: null },
      undefined,
      'Its action or sub-workflow was resumed.',
    );
  const isPaused = draft.allTasks().some((other) => other.state === 'PAUSED');
  if (!isPaused && draft.record.state === 'PAUSED') {
    resumeExecution(draft, `Resumed since task '${task.name}' was resumed and no other one is paused.`);
    tellParent(draft, 'RUNNING');
  }
}
