import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import type { RunAction, RunContext } from '../../engine/contract.ts';
import type { JobRequest } from './backend.ts';

/** The column `request`: what the engine asked for. */
export function toRequest(message: RunAction): JsonObject {
  return { name: message.name, input: message.input, run: { ...message.context } };
}

/** @throws Error when the row is gone or holds something else. */
export function fromRequest(id: string, request: JsonObject | undefined): JobRequest {
  const { input, run } = request ?? {};
  if (!isJsonObject(input) || !isJsonObject(run))
    throw new Error(`The request of job ${id} is not in its table any more.`);
  const text = (name: string): string | null => {
    const value = run[name];
    return typeof value === 'string' ? value : null;
  };
  const context: RunContext = {
    actionExecutionId: id,
    attempt: typeof run.attempt === 'number' ? run.attempt : 1,
    taskExecutionId: text('taskExecutionId'),
    taskName: text('taskName'),
    workflowExecutionId: text('workflowExecutionId'),
    workflowName: text('workflowName'),
    callbackUrl: text('callbackUrl') ?? '',
    projectId: text('projectId') ?? '',
  };
  return { input, run: context };
}
