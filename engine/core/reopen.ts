import type { Draft } from './draft.ts';
import { lookupKey, need } from './lookups.ts';
import type { TaskExecutionId, TaskRecord } from './model.ts';

/** What a task that runs once more forgets of its end. */
export const REOPENED = {
  stateInfo: null,
  finishedAt: null,
  processed: false,
  nextTasks: null,
  hasNextTasks: false,
  errorHandled: false,
} as const;

/** Has the shell load the children of a task that was let go of: they count for its results when it runs again. */
export function needMembers(draft: Draft, task: TaskRecord): void {
  const lookup = { type: 'task-row', id: task.id } as const;
  if (!draft.hasMembers(task.id) && draft.env.findRows(lookupKey(lookup)) === undefined) need(lookup);
}

/** The results of a task so far count no more; with `keepSuccess` those of items that succeeded stay. */
export function dropChildren(draft: Draft, id: TaskExecutionId, keepSuccess = false): void {
  for (const child of draft.actionsOf(id)) {
    if (child.accepted && !(keepSuccess && child.state === 'SUCCESS'))
      draft.updateAction(child.id, { accepted: false });
  }
  for (const child of draft.childrenOf(id)) {
    if (child.accepted && !(keepSuccess && child.state === 'SUCCESS')) draft.rejectChild(child.id);
  }
}
