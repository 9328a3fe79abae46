import type { RunAction } from '../contract.ts';
import type { ActionRecord } from '../core/model.ts';

/** What an executor gets to run an action execution. */
export function runMessage(
  action: ActionRecord,
  owner: { readonly workflowName: string | null; readonly projectId: string },
): RunAction {
  return {
    type: 'run-action',
    name: action.systemName,
    input: action.systemInput ?? action.input,
    context: {
      actionExecutionId: action.id,
      attempt: action.attempt,
      taskExecutionId: action.taskExecutionId,
      taskName: action.taskName,
      workflowExecutionId: action.executionId,
      workflowName: owner.workflowName,
      callbackUrl: `/v2/action_executions/${action.id}`,
      projectId: owner.projectId,
    },
    timeoutSeconds: action.timeoutSeconds,
    target: action.target,
    safeRerun: action.safeRerun,
    // Jobs are guarded by their own record, pure actions do no harm twice.
    claim: action.executorId === null && (action.kind === 'sync' || action.kind === 'async'),
  };
}
