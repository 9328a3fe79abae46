import type { Knex } from 'knex';
import { parseJson } from '../../dsl/json.ts';
import type { ExecutorMessage, RunAction } from '../contract.ts';
import type { ActionRecord, Event, ExecutionId, TimerRecord } from '../core/model.ts';
import type { Logger } from '../log.ts';
import { executionsWithIdleTasks, idleExecutions, runningActions } from '../store/action-claims.ts';
import type { Store } from '../store/connection.ts';
import { reopenLost } from '../store/pending.ts';
import { actionFromRow, type ActionRow, timerFromRow, type TimerRow } from '../store/tables.ts';
import { runMessage } from './messages.ts';

export interface RecoveryTarget {
  readonly store: Store;
  readonly log: Logger;
  /** Set where this process runs the actions itself. */
  readonly executorId: string | null;
  now(): number;
  submit(executionId: ExecutionId, event: Event, outboxId: string | null): void;
  addTimer(timer: TimerRecord): void;
  send(messages: readonly ExecutorMessage[]): void;
  endLeases(row: { readonly id: string; readonly body: string }): void;
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
  // Everything is read before anything is handed on: what this process then makes itself must not be taken for a leftover.
  const timers: TimerRow[] = await store.reader('timers').select('*');
  const outbox: OutboxEntry[] = await store.reader('outbox').orderBy(['created_at', 'id']);
  const idle = await idleExecutions(store.reader);
  const started = await executionsWithIdleTasks(store.reader);
  const actions = await recoverActions(target);
  // Children start before they hear anything.
  for (const id of idle) target.submit(id as ExecutionId, { type: 'workflow-started', isStored: true }, null);
  for (const row of outbox) deliver(target, row);
  for (const id of started) target.submit(id as ExecutionId, { type: 'continue' }, null);
  for (const action of actions.lost) await fail(target, action);
  target.send(actions.messages);
  for (const row of timers) target.addTimer(timerFromRow(row));
  const found = {
    timers: timers.length,
    outbox: outbox.length,
    executions: idle.length + started.length,
    actions: actions.count,
  };
  if (Object.values(found).some((count) => count > 0)) log.info('Picked up what an earlier process left', found);
}

interface OutboxEntry {
  readonly id: string;
  readonly execution_id: string | null;
  readonly kind: 'event' | 'stop-action' | 'release-leases';
  readonly body: string;
}

function deliver(target: RecoveryTarget, row: OutboxEntry): void {
  // Both bodies were written by engine/shell/conductor.ts.
  if (row.kind === 'event' && row.execution_id !== null) {
    target.submit(row.execution_id as ExecutionId, parseJson(row.body) as unknown as Event, row.id);
    return;
  }
  if (row.kind === 'release-leases') return target.endLeases(row);
  const { action, reason } = parseJson(row.body) as { action: string; reason: 'cancelled' | 'timeout' };
  target.send([{ type: 'stop-action', actionExecutionId: action, reason, receipt: row.id }]);
}

interface FoundActions {
  count: number;
  /** To be run, again or for the first time. */
  readonly messages: RunAction[];
  /** Claimed by a process that is gone, and not to be repeated. */
  readonly lost: ActionRecord[];
}

async function recoverActions(target: RecoveryTarget): Promise<FoundActions> {
  const found: FoundActions = { count: 0, messages: [], lost: [] };
  for (let after = ''; ; ) {
    const rows = await runningActions(target.store.reader, after, PAGE);
    const last = rows.at(-1);
    if (last === undefined) return found;
    after = last.id;
    found.count += rows.length;
    await recoverPage(target, rows, found);
  }
}

async function recoverPage(target: RecoveryTarget, rows: readonly ActionRow[], found: FoundActions): Promise<void> {
  const lost = rows.filter((row) => row.executor_id !== null && (row.kind === 'sync' || isHalfStarted(row)));
  const again = lost.filter((row) => Boolean(row.safe_rerun));
  const reopened = await target.store.writer.transaction((trx: Knex) =>
    reopenLost(trx, again, target.executorId, target.now()),
  );
  for (const row of rows) {
    const action = actionFromRow(row);
    const owner = { workflowName: null, projectId: row.project_id };
    const names = row.workflow_name === null ? owner : { workflowName: row.workflow_name, projectId: row.project_id };
    if (reopened.has(row.id)) {
      found.messages.push(runMessage({ ...action, attempt: action.attempt + 1, executorId: target.executorId }, names));
    } else if (lost.includes(row)) {
      // What may run again and was not opened anew has changed since it was read: somebody else sees to it.
      if (!again.includes(row)) found.lost.push(action);
    } else if (row.executor_id === null || row.kind === 'job' || row.kind === 'pure') {
      found.messages.push(runMessage(action, names));
    }
    // What is left is asynchronous and was claimed: it was started, and waits for its completion through the API.
  }
}

/** An asynchronous action whose process died on the way: nobody knows whether what it starts was started. */
function isHalfStarted(row: ActionRow): boolean {
  return row.kind === 'async' && row.started_at === null;
}

async function fail(target: RecoveryTarget, action: ActionRecord): Promise<void> {
  const message = `Request to run an action was redelivered, but it cannot be re-run safely. The only safe thing to do is fail it [action=${action.name}].`;
  await endLost(target, action, message);
}

/** Ends an action whose run is lost in ERROR: in its execution, or by itself. */
export async function endLost(
  target: Pick<RecoveryTarget, 'submit' | 'failStandAlone'>,
  action: ActionRecord,
  message: string,
): Promise<void> {
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
