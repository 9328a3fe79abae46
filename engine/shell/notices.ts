import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import type { Change, ExecutionRecord, State, TaskRecord } from '../core/model.ts';
import type { ExecutionView } from '../core/view.ts';
import { newId } from '../ids.ts';
import type { NotificationRow } from '../store/notifications.ts';

/**
 * What publishers are told of a change (spec/engine.md §22): one notice for each publisher of the execution that wants to hear of it.
 *
 * @param view as it is before the change.
 */
export function noticesOf(view: ExecutionView, change: Change, now: number): readonly NotificationRow[] {
  const { notify } = view.record.params;
  if (notify === undefined || !Array.isArray(notify) || notify.length === 0) return [];
  const payload = payloadOf(view, change, now);
  if (payload === null) return [];
  return notify.flatMap((publisher): NotificationRow[] =>
    isJsonObject(publisher) && wants(publisher, payload.event)
      ? [{ id: newId(), executionId: view.record.id, publisher, payload }]
      : [],
  );
}

function wants({ event_types: types }: JsonObject, event: string): boolean {
  return !Array.isArray(types) || types.length === 0 || types.includes(event);
}

type Payload = JsonObject & { readonly event: string };

/** null for what is no event: only changes of state are, and of those DELAYED, WAITING and IDLE are not (E-22.3). */
function payloadOf(view: ExecutionView, change: Change, now: number): Payload | null {
  if (change.type === 'execution-updated') {
    const to = change.patch.state;
    const event = to === undefined || to === view.record.state ? null : workflowEvent(view.record.state, to);
    return event === null ? null : workflowPayload({ ...view.record, ...change.patch }, event, now);
  }
  if (change.type === 'task-created') return taskEventOf(view, null, change.task, now);
  if (change.type !== 'task-updated' || change.patch.state === undefined) return null;
  return taskEventOf(view, view.tasks.get(change.id) ?? null, change.task, now);
}

function workflowEvent(from: State, to: State): string | null {
  if (to !== 'RUNNING') return ended('WORKFLOW', to);
  if (from === 'PAUSED') return 'WORKFLOW_RESUMED';
  return from === 'IDLE' ? 'WORKFLOW_LAUNCHED' : 'WORKFLOW_RERUN';
}

function taskEventOf(view: ExecutionView, before: TaskRecord | null, task: TaskRecord, now: number): Payload | null {
  if (before?.state === task.state) return null;
  const event = task.state === 'RUNNING' ? launched(view, before, task) : ended('TASK', task.state);
  return event === null ? null : taskPayload(view.record, task, event, now);
}

function launched(view: ExecutionView, before: TaskRecord | null, task: TaskRecord): string {
  const from = before?.state ?? 'IDLE';
  if (from === 'PAUSED' || from === 'WAITING') return 'TASK_RESUMED';
  if (from === 'IDLE') {
    const isJoin = view.spec.type === 'direct' && (view.spec.tasks.get(task.name)?.join ?? null) !== null;
    // What was put to sleep before it ran has started once already.
    return isJoin || (before?.startedAt ?? null) !== null ? 'TASK_RESUMED' : 'TASK_LAUNCHED';
  }
  // After a delay it is started as for the first time.
  return from === 'DELAYED' ? 'TASK_LAUNCHED' : 'TASK_RERUN';
}

function ended(prefix: 'WORKFLOW' | 'TASK', state: State): string | null {
  const word = ENDINGS[state];
  return word === undefined ? null : `${prefix}_${word}`;
}

const ENDINGS: { readonly [S in State]?: string } = {
  SUCCESS: 'SUCCEEDED',
  ERROR: 'FAILED',
  CANCELLED: 'CANCELLED',
  PAUSED: 'PAUSED',
  SKIPPED: 'SKIPPED',
};

function workflowPayload(record: ExecutionRecord, event: string, now: number): Payload {
  return {
    id: record.id,
    name: record.workflowName,
    workflow_name: record.workflowName,
    workflow_namespace: record.workflowNamespace,
    workflow_id: record.workflowId,
    state: record.state,
    state_info: record.stateInfo,
    project_id: record.projectId,
    task_execution_id: record.taskExecutionId,
    root_execution_id: record.rootExecutionId,
    created_at: time(record.createdAt),
    updated_at: time(now),
    event,
  };
}

function taskPayload(record: ExecutionRecord, task: TaskRecord, event: string, now: number): Payload {
  return {
    id: task.id,
    name: task.name,
    workflow_execution_id: record.id,
    workflow_name: record.workflowName,
    workflow_namespace: record.workflowNamespace,
    workflow_id: record.workflowId,
    state: task.state,
    state_info: task.stateInfo,
    type: task.type,
    project_id: record.projectId,
    created_at: time(task.createdAt),
    updated_at: time(now),
    started_at: time(task.startedAt),
    finished_at: time(task.finishedAt),
    event,
  };
}

function time(milliseconds: number | null): Json {
  return milliseconds === null ? null : new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ');
}
