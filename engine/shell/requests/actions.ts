import { isJsonObject, type Json } from '../../../dsl/json.ts';
import type { ActionResult } from '../../contract.ts';
import { type ActionRecord, type Event, isFinal } from '../../core/model.ts';
import { EngineError } from '../../errors.ts';
import type { Caller } from '../../facade.ts';
import { findOwnedAction } from '../../store/action-claims.ts';
import type { Store } from '../../store/connection.ts';
import type { Conductor } from '../conductor.ts';
import type { StandAloneActions } from '../stand-alone.ts';
import { accept, mayTouch, notFound } from './answers.ts';

/** What people ask of action executions: spec/rest-api.md §3.9, §4.3. */
export class ActionRequests {
  private readonly store: Store;
  private readonly conductor: Conductor;
  private readonly standAlone: StandAloneActions;

  constructor(store: Store, conductor: Conductor, standAlone: StandAloneActions) {
    this.store = store;
    this.conductor = conductor;
    this.standAlone = standAlone;
  }

  async update(
    caller: Caller,
    id: string,
    to: 'SUCCESS' | 'ERROR' | 'CANCELLED' | 'PAUSED' | 'RUNNING',
    output: Json,
  ): Promise<ActionRecord> {
    const action = await this.visibleAction(caller, id);
    if (action.executionId === null) return this.standAlone.update(action, to, output);
    const event: Event =
      to === 'PAUSED' || to === 'RUNNING'
        ? { type: 'action-updated', action: action.id, to }
        : { type: 'action-completed', action: action.id, attempt: null, result: resultFor(to, output) };
    const outcome = await this.conductor.submit(action.executionId, event, { lane: 'api' });
    accept(outcome, () => notFound('ActionExecution', id));
    return this.visibleAction(caller, id);
  }

  async delete(caller: Caller, id: string): Promise<void> {
    const action = await this.visibleAction(caller, id);
    if (action.taskExecutionId !== null) {
      throw new EngineError('NOT_ALLOWED', 'Only ad-hoc action execution can be deleted.');
    }
    if (!isFinal(action.state)) {
      throw new EngineError('NOT_ALLOWED', 'Only completed action execution can be deleted.');
    }
    await this.standAlone.delete(action);
  }

  private async visibleAction(caller: Caller, id: string): Promise<ActionRecord> {
    const found = await findOwnedAction(this.store.reader, id);
    if (found === undefined || !mayTouch(caller, found.projectId)) throw notFound('ActionExecution', id);
    return found.action;
  }
}

function resultFor(to: 'SUCCESS' | 'ERROR' | 'CANCELLED', output: Json): ActionResult {
  if (to === 'SUCCESS') return { kind: 'success', output };
  // What a person hands in with a cancel is ignored (spec/rest-api.md §4.3).
  if (to === 'CANCELLED') return { kind: 'cancelled', output: null };
  const isEmpty = output === null || output === '' || (isJsonObject(output) && Object.keys(output).length === 0);
  return { kind: 'error', output: isEmpty ? 'Unknown error' : output, retryable: false };
}
