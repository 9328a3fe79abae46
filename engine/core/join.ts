import type { TaskSpec } from '../../dsl/spec/types.ts';
import { mergeContexts } from './context.ts';
import type { Draft } from './draft.ts';
import { nameList } from './failure.ts';
import { isFinal, type TaskExecutionId, type TaskRecord } from './model.ts';

/** What an inbound task means for a join: spec/engine.md E-12.2. */
type Induced = 'RUNNING' | 'ERROR' | 'WAITING';

export type JoinVerdict =
  | { readonly kind: 'waiting' }
  | { readonly kind: 'ready'; readonly triggeredBy: readonly { readonly task_id: string; readonly event: string }[] }
  | {
      readonly kind: 'failed';
      readonly stateInfo: string;
      readonly triggeredBy: readonly { readonly task_id: string; readonly event: string }[];
    };

/** Whether a waiting join can start, can never start, or has to wait (spec/engine.md §12). */
export function judgeJoin(draft: Draft, spec: TaskSpec): JoinVerdict {
  const inbound = draft.analysis.graph.inbound(spec.name);
  if (spec.join === 'all' && stillWaiting(draft, spec.name, inbound)) return { kind: 'waiting' };
  const induced = inbound.map((name) => ({ name, state: inducedState(draft, name, spec.name) }));
  const running = induced.filter((item) => item.state === 'RUNNING');
  const failed = induced.filter((item) => item.state === 'ERROR');
  const isReady = spec.join === 'all' ? running.length === induced.length : running.length >= (spec.join ?? 0);
  if (isReady) return { kind: 'ready', triggeredBy: running.flatMap((item) => trigger(draft, item.name, spec.name)) };
  const isLost = spec.join === 'all' ? failed.length > 0 : failed.length > induced.length - (spec.join ?? 0);
  if (!isLost) return { kind: 'waiting' };
  return {
    kind: 'failed',
    stateInfo: `Failed by tasks: ${nameList(failed.map((item) => item.name).sort())}`,
    triggeredBy: spec.join === 'all' ? failed.flatMap((item) => notTriggered(draft, item.name)) : [],
  };
}

/**
 * The common case of a join with many branches in constant time. While a join waits, no inbound task has failed it: so as long as
 * nothing that ended in this decision missed the join, it is enough to find one inbound task that is still open, and the search
 * goes on where it found the last one.
 */
function stillWaiting(draft: Draft, join: string, inbound: readonly string[]): boolean {
  const start = draft.joinWatch(join);
  if (start === undefined || lastEndedFails(draft, join)) {
    draft.rememberJoinWatch(join, 0);
    return false;
  }
  for (let i = 0; i < inbound.length; i++) {
    const index = (start + i) % inbound.length;
    if (inducedState(draft, inbound[index] as string, join) === 'WAITING') {
      draft.rememberJoinWatch(join, index);
      return true;
    }
  }
  return false;
}

/** Whether something in this decision can have made an inbound task fail: then every inbound task is looked at. */
function lastEndedFails(draft: Draft, join: string): boolean {
  return draft.endedInDecision.some((task) => !(task.nextTasks ?? []).some(([name]) => name === join));
}

function inducedState(draft: Draft, name: string, join: string): Induced {
  // What only the join itself could bring about will not come while it waits.
  if (name === join) return 'ERROR';
  const task = draft.latestTask(name);
  if (task === undefined) return isReachable(draft, name, new Set([join])) ? 'WAITING' : 'ERROR';
  if (!isFinal(task.state) || task.nextTasks === null)
    return isFinal(task.state) && task.processed ? 'ERROR' : 'WAITING';
  return task.nextTasks.some(([next]) => next === join) ? 'RUNNING' : 'ERROR';
}

/**
 * Whether a task that has no execution can still get one: some chain of inbound tasks leads to one that is not finished, or that
 * triggered the chain. A cycle that nothing reached is no route (spec/engine.md §30 item 3b), nor is one through the join that asks.
 */
function isReachable(draft: Draft, name: string, visited: Set<string>): boolean {
  visited.add(name);
  for (const up of draft.analysis.graph.inbound(name)) {
    if (visited.has(up)) continue;
    const task = draft.latestTask(up);
    if (task === undefined) {
      if (isReachable(draft, up, visited)) return true;
    } else if (!isFinal(task.state) || !task.processed) {
      return true;
    } else if ((task.nextTasks ?? []).some(([next]) => next === name)) {
      return true;
    }
  }
  return false;
}

function trigger(draft: Draft, name: string, join: string): { task_id: string; event: string }[] {
  const task = draft.latestTask(name);
  if (task === undefined) return [];
  return (task.nextTasks ?? []).filter(([next]) => next === join).map(([, event]) => ({ task_id: task.id, event }));
}

function notTriggered(draft: Draft, name: string): { task_id: string; event: string }[] {
  const task = draft.latestTask(name);
  return task === undefined ? [] : [{ task_id: task.id, event: 'not triggered' }];
}

/** The merged context of everything that led to the join so far, in order of completion (spec/engine.md E-12.4). */
export function joinContext(draft: Draft, join: string): ReturnType<typeof mergeContexts> {
  const upstream = draft.analysis.graph
    .inbound(join)
    .flatMap((name) => draft.latestTask(name) ?? [])
    .filter((task) => isFinal(task.state) && task.state !== 'SKIPPED')
    .filter((task) => (task.nextTasks ?? []).some(([next]) => next === join))
    .sort(byCompletion);
  return mergeContexts(upstream.map((task) => ({ id: task.id, outbound: draft.outboundOf(task) })));
}

export function byCompletion(a: TaskRecord, b: TaskRecord): number {
  return (a.finishedAt ?? 0) - (b.finishedAt ?? 0) || (a.id < b.id ? -1 : 1);
}

/**
 * Whether an arrival at a partial join that already fired belongs to the round that it fired in: the arriving task was created
 * before the join fired. Only a loop brings a task that was created later (spec/engine.md §30 item 4).
 */
export function isLateArrival(join: TaskRecord, from: TaskExecutionId | null): boolean {
  const fired = join.runtimeContext.join_fired;
  return fired !== undefined && from !== null && from < fired;
}
