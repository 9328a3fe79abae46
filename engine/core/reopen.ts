import type { Draft } from './draft.ts';
import { lookupKey, need } from './lookups.ts';
import { hasManyItems, type TaskExecutionId, type TaskRecord } from './model.ts';

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
  if (hasManyItems(draft.task(id))) draft.updateChildren(id, keepSuccess ? 'unsuccessful' : 'all', 'rejected');
  for (const child of draft.actionsOf(id)) {
    if (child.accepted && !(keepSuccess && child.state === 'SUCCESS'))
      draft.updateAction(child.id, { accepted: false });
  }
  for (const child of draft.childrenOf(id)) {
    if (child.accepted && !(keepSuccess && child.state === 'SUCCESS')) draft.rejectChild(child.id);
  }
}

/** The values of items that were stored beside the task: they are evaluated anew. */
export function dropSource(draft: Draft, task: TaskRecord): void {
  const source = task.items?.source;
  if (source?.kind !== 'payload') return;
  const count = task.runtimeContext.with_items?.count ?? 0;
  for (let slice = 0; slice * ITEMS_PER_SLICE < count; slice++) draft.dropPayload(sliceId(source.key, slice));
}

/** Items of one payload, and at most created in one decision (design.md §3). */
export const ITEMS_PER_SLICE = 1000;

export function sliceId(key: string, slice: number): string {
  return `${key}.${slice}`;
}
