import { type ControlCommand, type FiredTransitions, firedTransitions } from './commands.ts';
import type { Draft } from './draft.ts';
import type { TaskRecord } from './model.ts';
import { readyTasks } from './reverse.ts';

/** What an execution starts with. */
export function startTransitions(draft: Draft): ControlCommand[] {
  if (draft.spec.type === 'reverse') return readyTasks(draft);
  return draft.analysis.graph.startTasks.map((task) => ({ type: 'task', task, from: null, event: null }));
}

/** What follows a finished task. @throws ExpressionError */
export function nextTransitions(draft: Draft, task: TaskRecord): FiredTransitions {
  if (draft.spec.type === 'direct') return firedTransitions(draft, task);
  // Errors of reverse workflows are never handled, and other tasks may become ready whatever this one's successors are.
  return {
    commands: task.state === 'SUCCESS' || task.state === 'SKIPPED' ? readyTasks(draft) : [],
    errorHandled: false,
  };
}
