import { type ContextNode, EMPTY_CONTEXT } from './context.ts';
import type { Draft } from './draft.ts';
import { UserFailure } from './failure.ts';
import type { ContextDelta, State, TaskExecutionId, TaskRecord, TaskRuntimeContext } from './model.ts';

export interface NewTask {
  readonly name: string;
  readonly state: State;
  readonly stateInfo: string | null;
  readonly uniqueKey: string | null;
  readonly context: ContextDelta;
  readonly node: ContextNode;
  readonly runtimeContext: TaskRuntimeContext;
}

export const NO_CONTEXT = { delta: { base: null, own: {}, versions: {} }, node: EMPTY_CONTEXT };

/** @throws UserFailure when a task may not run once more (design.md §2, bounds) */
export function checkRuns(draft: Draft, name: string, runs: number): void {
  const { tasksPerName } = draft.env.limits;
  if (runs < tasksPerName) return;
  throw new UserFailure(
    `Task '${name}' ran ${tasksPerName} times in this execution, which is the limit: does the cycle ever end?`,
  );
}

/** Creates a task execution; the caller decides when it starts. @throws UserFailure when the cap on one name is reached */
export function createTask(draft: Draft, options: NewTask): TaskRecord {
  const spec = draft.taskSpec(options.name);
  const { now } = draft.env;
  checkRuns(draft, options.name, draft.createdOfName(options.name));
  const task: TaskRecord = {
    id: draft.env.newId() as TaskExecutionId,
    executionId: draft.record.id,
    name: options.name,
    type: spec.run.type === 'workflow' ? 'WORKFLOW' : 'ACTION',
    state: options.state,
    stateInfo: options.stateInfo,
    uniqueKey: options.uniqueKey,
    context: options.context,
    published: {},
    publishedGlobal: null,
    runtimeContext: options.runtimeContext,
    items: null,
    processed: false,
    hasNextTasks: false,
    nextTasks: null,
    errorHandled: false,
    tags: spec.tags,
    createdAt: now,
    updatedAt: now,
    startedAt: null,
    finishedAt: null,
  };
  draft.createTask(task, options.node);
  return task;
}
