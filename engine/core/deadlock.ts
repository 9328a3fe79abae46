import { refreshWaitingJoins } from './dispatch.ts';
import type { Draft } from './draft.ts';
import { nameList } from './failure.ts';
import { joinContext } from './join.ts';
import { isFinal, type TaskRecord } from './model.ts';

/**
 * Ends joins that wait for each other. When nothing but joins is open, and none of them can start or fail, then nothing will ever
 * happen to them: the reference leaves such an execution RUNNING for ever (spec/engine.md E-12.2). Of those that wait, the ones that wait
 * for nothing but each other end in ERROR; what that means for the others is judged as ever.
 *
 * @returns whether there is something to do now
 */
export function endDeadlock(draft: Draft): boolean {
  if (draft.record.state !== 'RUNNING' || draft.openTasks === 0 || draft.openTasks > draft.waitingTasks) return false;
  const waiting = draft.allTasks().filter((task) => task.state === 'WAITING');
  // One that is tried again waits for its timer.
  if (waiting.some((task) => draft.timersOf(task.id).length > 0)) return false;
  refreshWaitingJoins(draft);
  if (draft.hasWork) return true;
  if (draft.commands.some((command) => command.type === 'continue')) return false;
  if (!draft.env.takeStep()) {
    draft.commands.push({ type: 'continue' });
    return false;
  }
  const ended = innermost(draft, waiting);
  for (const join of ended) fail(draft, join, ended);
  return true;
}

function fail(draft: Draft, join: TaskRecord, ended: readonly TaskRecord[]): void {
  const { delta, node } = joinContext(draft, join.name);
  draft.updateTask(join.id, { context: delta }, node);
  draft.planCompletion({ task: join.id, state: 'ERROR', stateInfo: reason(draft, join, ended) });
}

function reason(draft: Draft, join: TaskRecord, ended: readonly TaskRecord[]): string {
  if (ended.length > 1) {
    const names = nameList(ended.map((task) => task.name).sort());
    return `The joins ${names} wait for each other and for nothing else, so none of them can ever start. Let a task outside of this circle lead to one of them, or give one a 'join' of fewer.`;
  }
  const missing = draft.analysis.graph.inbound(join.name).filter((name) => draft.latestTask(name) === undefined);
  return `Waits for tasks that will not start any more: ${nameList(missing.toSorted())}`;
}

/** Joins of which each waits for all the others, and none for one outside. */
function innermost(draft: Draft, waiting: readonly TaskRecord[]): readonly TaskRecord[] {
  const byName = new Map(waiting.map((task) => [task.name, task]));
  const needs = new Map(waiting.map(({ name }) => [name, joinsBefore(draft, name)]));
  const neededBy = reversed(needs);
  for (let name = waiting[0]?.name ?? ''; ; ) {
    const below = reach(name, needs);
    const above = reach(name, neededBy);
    const outside = [...below].find((other) => !above.has(other));
    if (outside === undefined) return [...below].flatMap((other) => byName.get(other) ?? []);
    // Nothing that this one waits for waits for it: a step down, which cannot lead back.
    name = outside;
  }
}

type Edges = ReadonlyMap<string, ReadonlySet<string>>;

/** Waiting joins among the inbound tasks, or before those that have not been reached. */
function joinsBefore(draft: Draft, join: string): ReadonlySet<string> {
  const found = new Set<string>();
  const seen = new Set([join]);
  const pending = [...draft.analysis.graph.inbound(join)];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const task = draft.latestTask(name);
    if (task === undefined) pending.push(...draft.analysis.graph.inbound(name));
    else if (!isFinal(task.state)) found.add(name);
  }
  return found;
}

function reversed(edges: Edges): Edges {
  const result = new Map<string, Set<string>>([...edges.keys()].map((name) => [name, new Set()]));
  for (const [from, targets] of edges) for (const to of targets) result.get(to)?.add(from);
  return result;
}

/** Everything that the edges lead to, with the start itself. */
function reach(start: string, edges: Edges): ReadonlySet<string> {
  const found = new Set([start]);
  for (const name of found) for (const next of edges.get(name) ?? []) found.add(next);
  return found;
}
