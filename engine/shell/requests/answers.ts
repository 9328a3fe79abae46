import { isUserFailure } from '../../core/failure.ts';
import type { ExecutionRecord } from '../../core/model.ts';
import { EngineError } from '../../errors.ts';
import type { Caller } from '../../facade.ts';
import type { Outcome } from '../intake.ts';

/** Whether the caller may see and change a row of this project (spec/rest-api.md §2.9). */
export function mayTouch(caller: Caller, projectId: string): boolean {
  return caller.isAdmin || projectId === caller.projectId;
}

/** @throws EngineError NOT_FOUND also for what belongs to others */
export function visible(caller: Caller, record: ExecutionRecord | undefined, id: string): ExecutionRecord {
  if (record === undefined || !mayTouch(caller, record.projectId)) throw notFound('WorkflowExecution', id);
  return record;
}

/** Turns an outcome that the caller did not want into an error. */
export function accept(
  outcome: Outcome,
  missing: () => EngineError = () => new EngineError('INTERNAL', 'the execution vanished'),
): void {
  if (outcome.kind === 'missing') throw missing();
  if (outcome.kind === 'refused') throw new EngineError(outcome.code, outcome.message);
}

export function notFound(entity: string, id: string): EngineError {
  return new EngineError('NOT_FOUND', `${entity} not found [id=${id}]`);
}

export function invalid(message: string): EngineError {
  return new EngineError('INVALID_INPUT', message);
}

/** What the user's definition or data got wrong becomes INVALID_INPUT. */
export function userErrors<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    if (isUserFailure(error)) throw new EngineError('INVALID_INPUT', error.message, { cause: error });
    throw error;
  }
}
