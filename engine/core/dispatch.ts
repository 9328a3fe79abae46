import type { ControlCommand } from './commands.ts';
import { inheritContext, mergeContexts } from './context.ts';
import { checkRuns, createTask, NO_CONTEXT } from './create-task.ts';
import { detachDependents } from './detach.ts';
import type { Draft } from './draft.ts';
import { moveExecution, pauseExecution } from './execution.ts';
import { byCompletion, isLateArrival, joinContext, judgeJoin } from './join.ts';
import {
  isFinal,
  type StoredCommand,
  type TaskExecutionId,
  type TaskRecord,
  type TaskRuntimeContext,
} from './model.ts';
import { dropChildren, dropSource, needMembers, REOPENED } from './reopen.ts';

/**
 * Carries out what a controller wants (spec/engine.md E-4.2): tasks before the first state-changing command are created, then
 * that command is executed; what follows a `pause` waits for resume, what follows any other is dropped.
 *
 * @throws UserFailure when a task may not be made once more. With `guard`, which runs each step that makes one, the caller answers for that.
 */
export function dispatch(draft: Draft, commands: readonly ControlCommand[], guard: StepGuard = unguarded): void {
  const wanted = commands.filter((command) => command.type !== 'noop');
  if (wanted.length === 0) return;
  if (draft.record.state === 'PAUSED') {
    addToBacklog(draft, wanted);
    return;
  }
  const stop = wanted.findIndex((command) => command.type !== 'task');
  const tasks = stop === -1 ? wanted : wanted.slice(0, stop);
  const wasCompleted = draft.isCompleted;
  for (const command of inLockOrder(draft, tasks)) {
    if (command.type === 'task') guard(command.from, () => createFor(draft, command));
    // A step has failed: nothing of the rest is done (E-4.2 d).
    if (draft.isCompleted && !wasCompleted) return;
  }
  const command = wanted[stop];
  if (command === undefined || command.type === 'task') return;
  if (draft.isCompleted) return;
  if (command.type === 'pause') {
    pauseExecution(
      draft,
      'user',
      command.message ?? "Paused by the command 'pause'; a resume goes on with what follows it.",
    );
    if (command.message !== null) draft.updateExecution({ stateInfo: command.message });
    addToBacklog(draft, wanted.slice(stop + 1));
  } else {
    const why = `Ended by the command '${command.type}', which has no message.`;
    moveExecution(draft, command.type === 'fail' ? 'ERROR' : 'SUCCESS', command.message, why);
  }
}

type StepGuard = (from: TaskRecord | null, step: () => void) => void;

function unguarded(_from: TaskRecord | null, step: () => void): void {
  step();
}

/** Ordinary tasks in list order, then joins by name: the reference's order of creation. */
function inLockOrder(draft: Draft, commands: readonly ControlCommand[]): ControlCommand[] {
  const isJoin = (command: ControlCommand) => command.type === 'task' && isJoinTask(draft, command.task);
  const joins = commands.filter(isJoin);
  if (joins.length === 0) return [...commands];
  const nameOf = (command: ControlCommand) => (command.type === 'task' ? command.task : '');
  return [
    ...commands.filter((command) => !isJoin(command)),
    ...joins.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)),
  ];
}

function isJoinTask(draft: Draft, name: string): boolean {
  return draft.spec.type === 'direct' && draft.taskSpec(name).join !== null;
}

type TaskCommand = Extract<ControlCommand, { readonly type: 'task' }>;

function createFor(draft: Draft, command: TaskCommand): void {
  if (isJoinTask(draft, command.task)) {
    arriveAtJoin(draft, command);
    return;
  }
  const { delta, node } = contextFor(draft, command);
  const task = createTask(draft, {
    name: command.task,
    state: 'IDLE',
    stateInfo: null,
    uniqueKey: draft.spec.type === 'reverse' ? command.task : null,
    context: delta,
    node,
    runtimeContext: command.from === null ? {} : { triggered_by: triggeredBy(command) },
  });
  draft.toStart.push(task.id);
}

function contextFor(draft: Draft, command: TaskCommand): ReturnType<typeof mergeContexts> {
  if (command.from !== null) return inheritContext(command.from.id, draft.outboundOf(draft.task(command.from.id)));
  if (draft.spec.type !== 'reverse') return NO_CONTEXT;
  const required = draft.taskSpec(command.task).requires.flatMap((name) => draft.latestTask(name) ?? []);
  const done = required.filter((task) => task.state === 'SUCCESS').sort(byCompletion);
  return mergeContexts(done.map((task) => ({ id: task.id, outbound: draft.outboundOf(task) })));
}

function triggeredBy(command: TaskCommand): { task_id: string; event: string }[] {
  return command.from === null || command.event === null ? [] : [{ task_id: command.from.id, event: command.event }];
}

/** One task execution per join; the first arrival creates it, a later one may arm it again (spec/engine.md E-12.1, E-12.7). */
function arriveAtJoin(draft: Draft, command: TaskCommand): void {
  const spec = draft.taskSpec(command.task);
  const existing = draft.latestTask(command.task);
  if (existing === undefined) {
    createTask(draft, {
      name: command.task,
      state: 'WAITING',
      stateInfo: 'Task is waiting.',
      uniqueKey: command.task,
      context: NO_CONTEXT.delta,
      node: NO_CONTEXT.node,
      runtimeContext: {},
    });
    return;
  }
  if (!isFinal(existing.state)) return;
  if (spec.join !== 'all' && isLateArrival(existing, command.from?.id ?? null)) return;
  armAgain(draft, existing);
}

/** A join that ran waits once more. Its results so far stay, except those of items, which all run again (spec/engine.md E-12.7). */
function armAgain(draft: Draft, join: TaskRecord): void {
  const rounds = (join.runtimeContext.join_rounds ?? 1) + 1;
  checkRuns(draft, join.name, rounds - 1);
  needMembers(draft, join);
  detachDependents(draft, join);
  draft.forgetJoinWatch(join.name);
  const { with_items, ...runtimeContext } = join.runtimeContext;
  if (with_items !== undefined) dropChildren(draft, join.id);
  dropSource(draft, join);
  draft.updateTask(join.id, {
    ...REOPENED,
    items: null,
    state: 'WAITING',
    stateInfo: 'Task is waiting.',
    startedAt: null,
    runtimeContext: { ...runtimeContext, join_rounds: rounds },
  });
}

/** Looks again at every waiting join that can be reached from a task that ended (spec/engine.md §8 step 6). */
export function refreshJoins(draft: Draft, taskName: string): void {
  if (draft.spec.type === 'reverse') return;
  const { graph } = draft.analysis;
  const joins = new Set(graph.joinsAfter(taskName));
  for (const name of joins) {
    refreshJoin(draft, name);
    // Nothing has reached this one, and perhaps nothing will any more: those behind it may depend on that.
    if (draft.latestTask(name) === undefined) for (const next of graph.joinsAfter(name)) joins.add(next);
  }
}

export function refreshJoin(draft: Draft, name: string): void {
  const join = draft.latestTask(name);
  if (join === undefined || join.state !== 'WAITING' || draft.isCompleted) return;
  if (draft.timersOf(join.id).some((timer) => timer.kind === 'retry')) return;
  const verdict = judgeJoin(draft, draft.taskSpec(name));
  if (verdict.kind === 'ready') startJoin(draft, join, verdict.triggeredBy);
  if (verdict.kind === 'failed') {
    // A join that fails may lead back to itself without ever starting anything: that takes steps as well.
    if (!draft.env.takeStep()) {
      draft.commands.push({ type: 'continue' });
      return;
    }
    const { delta, node } = joinContext(draft, name);
    const runtimeContext = { ...join.runtimeContext, triggered_by: verdict.triggeredBy };
    draft.updateTask(join.id, { context: delta, runtimeContext }, node);
    draft.planCompletion({ task: join.id, state: 'ERROR', stateInfo: verdict.stateInfo });
  }
}

/** For when the execution was not RUNNING, or too much was to be done at once, so that nobody looked. */
export function refreshWaitingJoins(draft: Draft): void {
  if (draft.record.state !== 'RUNNING') return;
  for (const task of draft.allTasks()) {
    if (task.state !== 'WAITING') continue;
    draft.forgetJoinWatch(task.name);
    refreshJoin(draft, task.name);
  }
}

/** A join whose condition holds becomes an ordinary task to start, with the merged context of its branches. */
function startJoin(draft: Draft, join: TaskRecord, triggers: NonNullable<TaskRuntimeContext['triggered_by']>): void {
  const { delta, node } = joinContext(draft, join.name);
  const runtimeContext = { ...join.runtimeContext, triggered_by: triggers, join_fired: draft.env.newId() };
  draft.updateTask(join.id, { state: 'IDLE', stateInfo: null, context: delta, runtimeContext }, node);
  draft.toStart.push(join.id);
}

function addToBacklog(draft: Draft, commands: readonly ControlCommand[]): void {
  if (commands.length === 0) return;
  const backlog = draft.record.runtimeContext.backlog ?? [];
  draft.updateExecution({
    runtimeContext: { ...draft.record.runtimeContext, backlog: [...backlog, ...commands.flatMap(toStored)] },
  });
}

function toStored(command: ControlCommand): StoredCommand[] {
  if (command.type === 'noop') return [];
  if (command.type === 'task') {
    return [
      { command: 'task', task: command.task, from: command.from?.id ?? null, event: command.event, message: null },
    ];
  }
  return [{ command: command.type, task: null, from: null, event: null, message: command.message }];
}

/** Carries out what followed a `pause`, in its order. */
export function dispatchBacklog(draft: Draft, guard: StepGuard): void {
  const { backlog = [] } = draft.record.runtimeContext;
  if (backlog.length === 0) return;
  dispatch(
    draft,
    backlog.map((stored) => fromStored(draft, stored)),
    guard,
  );
  // Removed only now: as long as a command stands there, the view keeps the task that it came from. Another `pause` may have added some.
  const { backlog: now = [], ...rest } = draft.record.runtimeContext;
  if (now.length === 0) return;
  const left = now.slice(backlog.length);
  draft.updateExecution({ runtimeContext: left.length === 0 ? rest : { ...rest, backlog: left } });
}

function fromStored(draft: Draft, stored: StoredCommand): ControlCommand {
  if (stored.command !== 'task') return { type: stored.command, message: stored.message };
  const from = stored.from === null ? null : (draft.findTask(stored.from as TaskExecutionId) ?? null);
  return { type: 'task', task: stored.task ?? '', from, event: stored.event };
}
