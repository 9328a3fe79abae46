import type { JsonObject } from '../../../dsl/json.ts';
import type { Event, TaskRecord } from '../../core/model.ts';
import { EngineError } from '../../errors.ts';
import type { Caller } from '../../facade.ts';
import type { Store } from '../../store/connection.ts';
import { findOwnedTask } from '../../store/views.ts';
import type { Conductor } from '../conductor.ts';
import { accept, mayTouch } from './answers.ts';

/** What people ask of task executions: rerun and skip (spec/engine.md §19). */
export class TaskRequests {
  private readonly store: Store;
  private readonly conductor: Conductor;

  constructor(store: Store, conductor: Conductor) {
    this.store = store;
    this.conductor = conductor;
  }

  async rerun(caller: Caller, id: string, reset: boolean, env: JsonObject | null): Promise<TaskRecord> {
    const task = await this.visibleTask(caller, id);
    return this.change(task, { type: 'rerun-requested', task: task.id, reset, env });
  }

  async skip(caller: Caller, id: string): Promise<TaskRecord> {
    const task = await this.visibleTask(caller, id);
    return this.change(task, { type: 'skip-requested', task: task.id });
  }

  private async visibleTask(caller: Caller, id: string): Promise<TaskRecord> {
    const found = await findOwnedTask(this.store.reader, id);
    if (found === undefined || !mayTouch(caller, found.projectId)) throw taskNotFound(id);
    return found.task;
  }

  private async change(task: TaskRecord, event: Event): Promise<TaskRecord> {
    let answer: TaskRecord | null = null;
    const outcome = await this.conductor.submit(task.executionId, event, {
      lane: 'api',
      onDecided: (view) => {
        answer = view.tasks.get(task.id) ?? null;
      },
    });
    accept(outcome, () => taskNotFound(task.id));
    return answer ?? task;
  }
}

function taskNotFound(id: string): EngineError {
  return new EngineError('NOT_FOUND', `Task execution not found [id=${id}]`);
}
