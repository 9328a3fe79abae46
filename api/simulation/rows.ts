import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ContextNode } from '../../engine/core/context.ts';
import {
  actionResult,
  actionValue,
  answerChildren,
  updatedAction,
  updatedChild,
  workflowResult,
} from '../../engine/core/children.ts';
import type {
  ActionExecutionId,
  ActionRecord,
  Change,
  ChildValues,
  ExecutionId,
  ExecutionRecord,
  TaskExecutionId,
  TaskRecord,
  TimerRecord,
} from '../../engine/core/model.ts';
import { formatTime } from '../../engine/core/scope.ts';
import { addTask, childOf, evolve, type ExecutionView, membersOf } from '../../engine/core/view.ts';

/** Everything that ever happened in one execution, as the store would have it, beside the view that the core decides on. */
export class Rows {
  readonly view: ExecutionView;
  readonly tasks = new Map<TaskExecutionId, TaskRecord>();
  readonly actions = new Map<ActionExecutionId, ActionRecord>();
  readonly children = new Map<ExecutionId, ExecutionRecord>();
  readonly timers = new Map<string, TimerRecord>();
  readonly payloads = new Map<string, JsonObject>();
  private readonly contexts = new Map<TaskExecutionId, ContextNode>();

  constructor(view: ExecutionView) {
    this.view = view;
  }

  fold(change: Change): void {
    evolve(this.view, change);
    switch (change.type) {
      case 'task-created':
        this.tasks.set(change.task.id, change.task);
        this.keepContext(change.task.id);
        return;
      case 'task-updated':
        update(this.tasks, change.id, this.view.tasks.get(change.id), change.patch);
        if (change.patch.context !== undefined) this.keepContext(change.id);
        return;
      case 'action-created':
        this.actions.set(change.action.id, change.action);
        return;
      case 'action-updated':
        update(this.actions, change.id, this.view.actions.get(change.id), change.patch);
        return;
      case 'child-created':
        this.children.set(change.child.id, change.child);
        return;
      case 'child-updated':
        update(this.children, change.id, undefined, change.patch);
        return;
      case 'children-updated':
        for (const action of this.actions.values())
          if (action.taskExecutionId === change.task) this.actions.set(action.id, updatedAction(action, change));
        for (const child of this.children.values())
          if (child.taskExecutionId === change.task) this.children.set(child.id, updatedChild(child, change));
        return;
      case 'payload-stored':
        this.payloads.set(change.id, change.value);
        return;
      case 'payload-dropped':
        this.payloads.delete(change.id);
        return;
      case 'timer-set':
        this.timers.set(change.timer.id, change.timer);
        return;
      case 'timer-done':
        this.timers.delete(change.id);
        return;
      default:
        return;
    }
  }

  /** Puts a task that the view let go of back into it, as the shell does for a lookup (engine/store/views.ts). */
  restore(id: TaskExecutionId): void {
    const { view } = this;
    const task = this.tasks.get(id);
    const context = this.contexts.get(id);
    if (task === undefined || context === undefined || view.tasks.has(id)) return;
    const count = view.createdOfName.get(task.name) ?? 0;
    const latest = view.latestByName.get(task.name);
    addTask(view, task, context);
    view.createdOfName.set(task.name, count);
    if (latest !== undefined) view.latestByName.set(task.name, latest);
    for (const action of this.actions.values()) {
      if (action.taskExecutionId !== id) continue;
      view.actions.set(action.id, action);
      membersOf(view, id).actions.add(action.id);
    }
    for (const child of this.children.values()) {
      if (child.taskExecutionId !== id) continue;
      view.children.set(child.id, childOf(child));
      membersOf(view, id).children.add(child.id);
    }
  }

  latestTask(name: string): TaskRecord | undefined {
    return [...this.tasks.values()].findLast((task) => task.name === name);
  }

  /** Answers a lookup `children`. */
  childrenOf(task: TaskExecutionId, values: ChildValues): JsonObject[] {
    const actions = [...this.actions.values()].filter((action) => action.taskExecutionId === task);
    const children = [...this.children.values()].filter((child) => child.taskExecutionId === task);
    return answerChildren(
      [...actions.map(actionResult), ...children.map((child) => workflowResult(childOf(child)))],
      values,
    );
  }

  /** As `task()` and `tasks()` show a task (spec/engine.md §6). */
  taskFields(task: TaskRecord): JsonObject {
    const spec = this.view.spec.tasks.get(task.name);
    return {
      id: task.id,
      name: task.name,
      spec: spec?.raw ?? null,
      state: task.state,
      state_info: task.stateInfo,
      result: this.taskResult(task),
      published: task.published,
      type: task.type,
      workflow_execution_id: task.executionId,
      created_at: formatTime(task.createdAt),
      updated_at: formatTime(task.updatedAt),
    };
  }

  /** spec/engine.md E-6.1 */
  taskResult(task: TaskRecord): Json {
    const actions = [...this.actions.values()].filter(
      ({ taskExecutionId, accepted }) => taskExecutionId === task.id && accepted,
    );
    const children = [...this.children.values()].filter(
      ({ taskExecutionId, accepted }) => taskExecutionId === task.id && accepted,
    );
    const values = [
      ...actions.map(({ index, output }) => ({ index, value: actionValue(output) })),
      ...children.map(({ runtimeContext, output }) => ({ index: runtimeContext.index ?? 0, value: output })),
    ]
      .sort((a, b) => a.index - b.index)
      .map(({ value }) => value);
    const isList = (this.view.spec.tasks.get(task.name)?.withItems.length ?? 0) > 0;
    return isList || values.length !== 1 ? values : (values[0] ?? null);
  }

  private keepContext(id: TaskExecutionId): void {
    const context = this.view.inbound.get(id);
    if (context !== undefined) this.contexts.set(id, context);
  }
}

/** The view has made the new row already, unless it let go of it. */
function update<K, V extends object>(rows: Map<K, V>, id: K, made: V | undefined, patch: Partial<V>): void {
  const row = made ?? rows.get(id);
  if (row !== undefined) rows.set(id, made ?? { ...row, ...patch });
}
