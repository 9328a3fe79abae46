import type { Knex } from 'knex';
import { parseJson } from '../../dsl/json.ts';
import type { ExecutorMessage } from '../contract.ts';
import type { ActionRecord, Event, ExecutionId, TimerRecord } from '../core/model.ts';
import type { Logger } from '../log.ts';
import { executionsWithIdleTasks, idleExecutions, reopenActions, runningActions } from '../store/action-claims.ts';
import type { Store } from '../store/connection.ts';
import { actionFromRow, type ActionRow, timerFromRow, type TimerRow } from '../store/tables.ts';
import { runMessage } from './messages.ts';

export interface RecoveryTarget {
  readonly store: Store;
  readonly log: Logger;
  /** Set where this process runs the actions itself. */
  readonly executorId: string | null;
  submit(executionId: ExecutionId, event: Event, outboxId: string | null): void;
  addTimer(timer: TimerRecord): void;
  send(messages: readonly ExecutorMessage[]): void;
  /** A stand-alone action that was lost with its executor. */
  failStandAlone(action: ActionRecord, message: string): Promise<void>;
}

const PAGE = 500;

/**
 * Picks up what a stopped process left: rows are messages (design.md §2), so whatever is pending is found by its state. Called
 * once before anything new is taken in; nobody else runs actions of this database then.
 */
export async function recover(target: RecoveryTarget): Promise<void> {
  const { store, log } = target;
  const timers: TimerRow[] = await store.reader('timers').select('*');
  for (const row of timers) target.addTimer(timerFromRow(row));
  const outbox = await readOutbox(target);
  const idle = await idleExecutions(store.reader);
  for (const id of idle) target.submit(id as ExecutionId, { type: 'workflow-started' }, null);
  const started = await executionsWithIdleTasks(store.reader);
  for (const id of started) target.submit(id as ExecutionId, { type: 'continue' }, null);
  const actions = await recoverActions(target);
  const found = { timers: timers.length, outbox, executions: idle.length + started.length, actions };
  if (Object.values(found).some((count) => count > 0)) log.info('Picked up what an earlier process left', found);
}

interface OutboxEntry {
  readonly id: string;
  readonly execution_id: string | null;
  readonly kind: 'event' | 'stop-action';
  readonly body: string;
}

async function readOutbox(target: RecoveryTarget): Promise<number> {
  const rows: OutboxEntry[] = await target.store.reader('outbox').orderBy(['created_at', 'id']);
  for (const row of rows) deliver(target, row);
  return rows.length;
}

function deliver(target: RecoveryTarget, row: OutboxEntry): void {
  // Both bodies were written by engine/shell/conductor.ts.
  if (row.kind === 'event' && row.execution_id !== null) {
    target.submit(row.execution_id as ExecutionId, parseJson(row.body) as unknown as Event, row.id);
    return;
  }
  const { action, reason } = parseJson(row.body) as { action: string; reason: 'cancelled' | 'timeout' };
  target.send([{ type: 'stop-action', actionExecutionId: action, reason, receipt: row.id }]);
}

async function recoverActions(target: RecoveryTarget): Promise<number> {
  let count = 0;
  for (let after = ''; ; ) {
    const rows = await runningActions(target.store.reader, after, PAGE);
    const last = rows.at(-1);
    if (last === undefined) return count;
    after = last.id;
    count += rows.length;
    await recoverPage(target, rows);
  }
}

async function recoverPage(target: RecoveryTarget, rows: readonly ActionRow[]): Promise<void> {
  const lost = rows.filter((row) => row.executor_id !== null && row.kind === 'sync');
  const again = lost.filter((row) => Boolean(row.safe_rerun));
  await target.store.writer.transaction((trx: Knex) =>
    reopenActions(
      trx,
      again.map((row) => row.id),
      target.executorId,
    ),
  );
  for (const row of rows) {
    const action = actionFromRow(row);
    const owner = { workflowName: null, projectId: row.project_id };
    const names = row.workflow_name === null ? owner : { workflowName: row.workflow_name, projectId: row.project_id };
    if (again.includes(row)) {
      target.send([runMessage({ ...action, attempt: action.attempt + 1, executorId: target.executorId }, names)]);
    } else if (lost.includes(row)) {
      await fail(target, action);
    } else if (row.executor_id === null || row.kind === 'job' || row.kind === 'pure') {
      target.send([runMessage(action, names)]);
    }
    // What is left is asynchronous and was claimed: it was started, and waits for its completion through the API.
  }
}

async function fail(target: RecoveryTarget, action: ActionRecord): Promise<void> {
  const message = `Request to run an action was redelivered, but it cannot be re-run safely. The only safe thing to do is fail it [action=${action.name}].`;
  if (action.executionId === null) {
    await target.failStandAlone(action, message);
    return;
  }
  target.submit(
    action.executionId,
    {
      type: 'action-completed',
      action: action.id,
      attempt: action.attempt,
      result: { kind: 'error', output: message, retryable: true },
    },
    null,
  );
}
