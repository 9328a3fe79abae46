import type { ControlCommand } from './commands.ts';
import type { Draft } from './draft.ts';

/**
 * Tasks of a reverse workflow that may start now: the target and all it depends on, without an execution yet, whose required
 * tasks all succeeded (spec/engine.md E-18.1).
 */
export function readyTasks(draft: Draft): ControlCommand[] {
  const target = draft.record.params.task_name;
  if (typeof target !== 'string') return [];
  return neededFor(draft, target)
    .filter((name) => draft.latestTask(name) === undefined)
    .filter((name) => draft.taskSpec(name).requires.every((other) => draft.latestTask(other)?.state === 'SUCCESS'))
    .map((task) => ({ type: 'task', task, from: null, event: null }));
}

/** The target and everything that it requires, in the order of the definition. */
function neededFor(draft: Draft, target: string): string[] {
  const needed = new Set<string>();
  const pending = [target];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    pending.push(...draft.taskSpec(name).requires);
  }
  return [...draft.spec.tasks.keys()].filter((name) => needed.has(name));
}
