import { evaluateRecursively } from '../../dsl/expressions/index.ts';
import { LookupNeeded } from '../../dsl/expressions/host.ts';
import { isJsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../contract.ts';
import { isForcedFailure, outcomeOf } from './actions.ts';
import { childMoved, mergeEnvironment, type Refusal, requestPause, requestResume, requestStop } from './control.ts';
import { endDeadlock } from './deadlock.ts';
import { dispatch, refreshJoin, refreshWaitingJoins } from './dispatch.ts';
import { Draft } from './draft.ts';
import type { Env } from './env.ts';
import { checkCompletion, moveExecution } from './execution.ts';
import { isUserFailure } from './failure.ts';
import {
  type ActionExecutionId,
  assertNever,
  type Decision,
  type Event,
  isFinal,
  type Lookup,
  type TaskRecord,
} from './model.ts';
import { resultText } from './results.ts';
import { childRerun, endsOvertaken, requestRerun, requestSkip } from './rerun.ts';
import { scopeOf } from './scope.ts';
import { isValidTransition } from './states.ts';
import {
  actionEnded,
  completeTask,
  completionError,
  guarded,
  runError,
  schedule,
  startTask,
  taskError,
} from './tasks.ts';
import { startTransitions } from './transitions.ts';
import type { ExecutionView } from './view.ts';
import { continueItems, countItem, isCurrentItem, itemEnded } from './with-items.ts';

/**
 * What an event means for an execution: the whole of the engine's logic. Pure and synchronous: the view stays as it is, every
 * surprise comes in through `env`. Throws only for faults of ours.
 */
export function decide(view: ExecutionView, event: Event, env: Env): Decision {
  const draft = new Draft(view, env);
  try {
    const answer = handle(draft, event);
    if (answer !== null) return answer;
    if (event.type !== 'workflow-started') settle(draft);
  } catch (error) {
    // The host of expressions and the core throw it with a Lookup of theirs.
    if (error instanceof LookupNeeded) return { kind: 'needs', lookups: [error.lookup as Lookup] };
    throw error;
  }
  return { kind: 'decided', changes: draft.changes, commands: draft.commands };
}

type Ignored = Extract<Decision, { readonly kind: 'ignored' }>;

function handle(draft: Draft, event: Event): Refusal | Ignored | null {
  switch (event.type) {
    case 'workflow-started':
      return startWorkflow(draft, event.isStored === true);
    case 'continue':
      for (const task of draft.allTasks()) {
        if (isReadyToStart(draft, task)) draft.toStart.push(task.id);
        if (task.state === 'RUNNING') guarded(draft, task.id, runError, () => continueItems(draft, task.id));
      }
      refreshWaitingJoins(draft);
      return null;
    case 'action-completed':
      return actionCompleted(draft, event.action, event.attempt, event.result);
    case 'action-updated':
      return actionUpdated(draft, event.action, event.to);
    case 'child-completed':
      return childCompleted(draft, event);
    case 'child-updated':
      childMoved(draft, event.task, event.to);
      draft.updateChild(event.child, { state: event.to });
      return null;
    case 'child-rerun':
      childRerun(draft, event.task, event.child);
      return null;
    case 'timer-fired':
      return timerFired(draft, event.timer);
    case 'pause-requested':
      return requestPause(draft, event.by);
    case 'resume-requested':
      // What has not started yet need only start (spec/engine.md §16).
      if (draft.record.state === 'IDLE') return startWorkflow(draft, true);
      requestResume(draft, event.by, event.env);
      return null;
    case 'stop-requested':
      return requestStop(draft, event.to, event.message);
    case 'rerun-requested':
      return requestRerun(draft, event.task, event.reset, event.env);
    case 'skip-requested':
      return requestSkip(draft, event.task);
    case 'description-changed':
      draft.updateExecution({ description: event.description });
      return null;
    case 'env-changed':
      return changeEnvironment(draft, event.env);
    default:
      return assertNever(event);
  }
}

/** Carries on until nothing is left to do now, or the bounds are reached: the rest then waits for a `continue`. */
function settle(draft: Draft): void {
  do {
    if (!carryOn(draft)) return;
  } while (endDeadlock(draft));
  checkCompletion(draft);
}

/** False when the bounds are reached. */
function carryOn(draft: Draft): boolean {
  for (;;) {
    const completion = draft.nextCompletion();
    if (completion !== undefined) {
      completeTask(draft, completion.task, completion.state, completion.stateInfo);
      continue;
    }
    const next = draft.toStart[0];
    if (next === undefined) return true;
    if (!draft.env.takeStep()) {
      draft.commands.push({ type: 'continue' });
      return false;
    }
    draft.toStart.shift();
    startTask(draft, next);
  }
}

/** spec/engine.md §3, steps 6 and 7. Tasks are only created: whoever started the execution is answered RUNNING. */
function startWorkflow(draft: Draft, isStored: boolean): Refusal | Ignored | null {
  if (draft.record.state !== 'IDLE') return { kind: 'ignored', why: 'the execution has started already' };
  try {
    const { vars } = draft.spec;
    if (vars !== null) {
      const context = evaluateRecursively(vars, scopeOf(draft, {}));
      if (isJsonObject(context)) draft.updateExecution({ context });
    }
  } catch (error) {
    if (!isUserFailure(error)) throw error;
    if (!isStored && draft.record.parentExecutionId === null)
      return { kind: 'refused', code: 'INVALID_INPUT', message: error.message };
    moveExecution(draft, 'ERROR', error.message);
    return null;
  }
  draft.updateExecution({ state: 'RUNNING' });
  dispatch(draft, startTransitions(draft));
  draft.commands.push({ type: 'continue' });
  return null;
}

/** A task that was created starts whatever became of its execution, but for a cancel; one that was put to sleep waits for a resume. */
function isReadyToStart(draft: Draft, task: TaskRecord): boolean {
  if (task.state !== 'IDLE' || draft.record.state === 'CANCELLED') return false;
  return task.startedAt === null || draft.record.state === 'RUNNING';
}

function actionCompleted(
  draft: Draft,
  id: ActionExecutionId,
  attempt: number | null,
  result: ActionResult,
): Refusal | Ignored | null {
  const action = draft.findAction(id);
  if (action === undefined || isFinal(action.state)) {
    return { kind: 'refused', code: 'INVALID_STATE', message: `Action ${id} is already completed` };
  }
  if (attempt !== null && attempt !== action.attempt)
    return { kind: 'ignored', why: `attempt ${attempt} was given up` };
  const task = action.taskExecutionId === null ? undefined : draft.findTask(action.taskExecutionId);
  // A late result of a run that a rerun has replaced is kept, and counts for nothing.
  const isReplaced = task !== undefined && isReplacedIn(draft, task, action, () => draft.actionsOf(task.id));
  const ended = draft.updateAction(id, { ...outcomeOf(draft, action, result), accepted: !isReplaced });
  // A person cancelled it: what runs outside is told. A report of the executor itself names its attempt.
  if (result.kind === 'cancelled' && attempt === null && action.kind !== 'async') {
    draft.commands.push({ type: 'stop-action', action: id, reason: 'cancelled' });
  }
  if (task === undefined || isReplaced) return null;
  countItem(draft, task, ended.index, ended.state);
  if (isFinal(task.state) || task.state === 'DELAYED' || task.state === 'WAITING') return null;
  if (isForcedFailure(ended) || draft.taskSpec(task.name).withItems.length === 0) actionEnded(draft, task.id, ended);
  else guarded(draft, task.id, completionError, () => itemEnded(draft, task.id));
  return null;
}

/** spec/rest-api.md §4.3: PAUSED and RUNNING propagate to the task and the execution. */
function actionUpdated(draft: Draft, id: ActionExecutionId, to: 'PAUSED' | 'RUNNING'): Refusal | null {
  const action = draft.findAction(id);
  if (action === undefined || isFinal(action.state)) {
    return { kind: 'refused', code: 'INVALID_STATE', message: `Action ${id} is already completed` };
  }
  if (to === 'PAUSED' && action.kind !== 'async') {
    return {
      kind: 'refused',
      code: 'INVALID_STATE',
      message: 'Transition to the PAUSED state is only supported for asynchronous action execution.',
    };
  }
  if (!isValidTransition(action.state, to)) {
    return {
      kind: 'refused',
      code: 'INVALID_STATE',
      message: `Invalid state transition from ${action.state} to ${to}.`,
    };
  }
  draft.updateAction(id, { state: to });
  if (action.taskExecutionId !== null) childMoved(draft, action.taskExecutionId, to);
  return null;
}

function childCompleted(draft: Draft, event: Extract<Event, { readonly type: 'child-completed' }>): Ignored | null {
  if (event.leases === true) draft.noteLeases();
  if (endsOvertaken(draft, event)) return null;
  const child = draft.findChild(event.child);
  // A view that was loaded since knows the child's end already: what counts is whether the task has taken it in.
  if (child === undefined) return { kind: 'ignored', why: 'the task has let go of the child' };
  const { state, stateInfo, output } = event;
  const task = draft.findTask(event.task);
  // Items are counted: what is known to have ended was taken in.
  if (task !== undefined && task.items !== null && isFinal(child.state))
    return { kind: 'ignored', why: 'the end of the child was taken in before' };
  const isReplaced = task !== undefined && isReplacedIn(draft, task, child, () => draft.childrenOf(task.id));
  draft.updateChild(event.child, { state, stateInfo, output, accepted: true });
  if (isReplaced) draft.rejectChild(event.child);
  if (task === undefined || isReplaced) return null;
  countItem(draft, task, child.index, state);
  if (task.state !== 'RUNNING' && task.state !== 'PAUSED') return null;
  if (draft.taskSpec(task.name).withItems.length > 0) {
    guarded(draft, task.id, completionError, () => itemEnded(draft, task.id));
  } else {
    completeTask(draft, task.id, state, state === 'SUCCESS' ? null : resultText(output.result ?? null));
  }
  return null;
}

type Child = { readonly id: string; readonly index: number };

function isReplacedIn(draft: Draft, task: TaskRecord, child: Child, siblings: () => readonly Child[]): boolean {
  if (draft.taskSpec(task.name).withItems.length > 0) return !isCurrentItem(task, child.index);
  return hasSuccessor(siblings(), child);
}

/** Ids are in the order of creation. */
function hasSuccessor(children: readonly Child[], child: Child): boolean {
  return children.some((other) => other.index === child.index && other.id > child.id);
}

function timerFired(draft: Draft, id: string): Ignored | null {
  const timer = draft.allTimers().find((known) => known.id === id);
  if (timer === undefined) return { kind: 'ignored', why: 'the timer was taken back' };
  draft.removeTimer(id);
  const task = draft.findTask(timer.taskExecutionId);
  if (task === undefined || isFinal(task.state)) return null;
  if (timer.kind === 'timeout') {
    stopActionsOf(draft, task);
    completeTask(draft, task.id, 'ERROR', `Task timed out [timeout(s)=${timer.delaySeconds}].`, { mayRetry: false });
    return null;
  }
  // Only a delayed task of a living execution wakes up (spec/engine.md §30 item 1).
  const isDelayed = task.state === 'DELAYED' || (task.state === 'WAITING' && timer.kind === 'retry');
  if (!isDelayed || draft.isCompleted) return null;
  if (timer.kind === 'wait-after') {
    const { state, state_info, is_final } = task.runtimeContext.wait_after_policy ?? {};
    completeTask(draft, task.id, state === 'ERROR' || state === 'CANCELLED' ? state : 'SUCCESS', state_info ?? null, {
      mayRetry: is_final !== true,
      describe: taskError,
    });
    return null;
  }
  wakeDelayed(draft, task);
  return null;
}

/** After wait-before or between two tries. In a paused execution the task waits for the resume. */
function wakeDelayed(draft: Draft, task: TaskRecord): void {
  if (task.state === 'WAITING') {
    // A join that is tried again must find its condition met again (spec/engine.md E-10.3).
    draft.updateTask(task.id, { stateInfo: 'Task is waiting.' });
    if (draft.record.state !== 'PAUSED') refreshJoin(draft, task.name);
  } else if (draft.record.state === 'PAUSED') {
    const why = 'Its delay is over; it waits for the execution to be resumed.';
    draft.updateTask(task.id, { state: 'IDLE', stateInfo: null }, undefined, why);
  } else {
    draft.updateTask(task.id, { state: 'RUNNING', stateInfo: null });
    guarded(draft, task.id, runError, () => schedule(draft, task.id));
  }
}

function stopActionsOf(draft: Draft, task: TaskRecord): void {
  for (const action of draft.actionsOf(task.id)) {
    if (!isFinal(action.state) && action.kind !== 'async') {
      draft.commands.push({ type: 'stop-action', action: action.id, reason: 'timeout' });
    }
  }
}

function changeEnvironment(draft: Draft, env: Parameters<typeof mergeEnvironment>[1]): Refusal | null {
  const { state } = draft.record;
  if (state !== 'IDLE' && state !== 'PAUSED' && state !== 'ERROR') {
    return {
      kind: 'refused',
      code: 'NOT_ALLOWED',
      message: 'Updating env to workflow execution is only permitted if it is in IDLE, PAUSED, or ERROR state.',
    };
  }
  mergeEnvironment(draft, env);
  return null;
}
