import { reachable } from '../../dsl/graph.ts';
import { wholeContext } from './context.ts';
import type { Draft } from './draft.ts';
import type { TaskRecord } from './model.ts';

/**
 * A task execution that runs once more (a join that is armed again, a rerun, a skip) will hand on something else than before.
 * Contexts are stored as differences to the task that they came from, so whatever lies behind it takes a copy of its own first.
 */
export function detachDependents(draft: Draft, task: TaskRecord): void {
  const behind = reachable(draft.analysis.graph.targets(task.name), draft.analysis.graph.targets);
  for (const other of draft.allTasks()) {
    if (other.id === task.id || other.context.base === null || !behind.has(other.name)) continue;
    const { delta, node } = wholeContext(draft.inboundOf(other.id));
    draft.replaceContext(other.id, delta, node);
  }
}
