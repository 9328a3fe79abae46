import { stringifyJson } from '../../dsl/json.ts';
import type { Change, Command, ExecutionId, Lookup } from '../core/model.ts';
import { newId } from '../ids.ts';
import type { ExecutionChanges, OutboxRow } from '../store/batch.ts';
import { approximateBytes } from './approximate-bytes.ts';
import type { NotificationRow } from '../store/notifications.ts';
import type { Outcome, WorkItem } from './intake.ts';
import { leaseRowsOf } from './lease-endings.ts';
import { LookupRows } from './lookups.ts';
import type { CachedView } from './view-cache.ts';

/** One execution's part of a batch, while it is decided. */
export interface Plan {
  readonly executionId: ExecutionId;
  items: WorkItem[];
  readonly steps: Steps;
  /** Of the definitions that it is decided with. */
  readonly epoch: number;
  /** An event that could not be decided time and again. */
  culprit: { readonly item: WorkItem; readonly error: unknown } | null;
  cached: CachedView | null;
  lookups: readonly Lookup[];
  readonly rows: LookupRows;
  changes: Change[];
  commands: Command[];
  /** What publishers will be told. */
  notices: NotificationRow[];
  done: { readonly item: WorkItem; readonly outcome: Outcome }[];
  continues: boolean;
}

export interface Steps {
  /** Whether there is room for one more. */
  take(): boolean;
  /** After a wait for the database: its time is not counted. Else a database slower than the bound would let nothing go on. */
  resume(): void;
}

export function newPlan(
  executionId: ExecutionId,
  items: WorkItem[],
  steps: Steps,
  cached: CachedView | null,
  epoch: number,
): Plan {
  return {
    executionId,
    items,
    steps,
    epoch,
    culprit: null,
    cached,
    lookups: [],
    rows: new LookupRows(),
    changes: [],
    commands: [],
    notices: [],
    done: [],
    continues: false,
  };
}

export function originals(items: readonly WorkItem[]): WorkItem[] {
  return items.filter((item) => item.origin === null);
}

/** The rest of an execution's work, which re-enters as an event of its own. */
export function selfEvent(executionId: ExecutionId, origin: WorkItem | null = null): WorkItem {
  return {
    executionId,
    event: { type: 'continue' },
    create: null,
    outboxId: null,
    lane: 'engine',
    onDecided: () => {},
    onDone: () => {},
    onFailed: () => {},
    origin,
    failures: 0,
    mustLoad: false,
    isUsedUp: false,
  };
}

/** What a plan comes to in the store. */
export interface Write {
  readonly changes: ExecutionChanges | null;
  readonly notices: readonly NotificationRow[];
  readonly outbox: readonly OutboxRow[];
}

export function toWrite(plan: Plan): Write {
  const { cached, changes, commands } = plan;
  if (cached === null || changes.length === 0) return { changes: null, outbox: [], notices: [] };
  const written = { record: cached.view.record, version: cached.version, changes };
  return {
    changes: written,
    notices: plan.notices,
    outbox: [...rowsOf(commands), ...leaseRowsOf(written)],
  };
}

function rowsOf(commands: readonly Command[]): readonly OutboxRow[] {
  return commands.flatMap((command): OutboxRow[] => {
    if (command.type === 'send') {
      return [{ id: newId(), executionId: command.to, kind: 'event', body: stringifyJson(command.event) }];
    }
    if (command.type === 'stop-action') {
      const body = stringifyJson({ action: command.action, reason: command.reason });
      return [{ id: newId(), executionId: null, kind: 'stop-action', body }];
    }
    return [];
  });
}

// Columns of a row without the values that users give.
const ROW_BYTES = 500;

/** About how many bytes a plan writes. */
export function weightOf(plan: Plan): number {
  return plan.changes.reduce((sum, change) => sum + weightOfChange(change), 0);
}

function weightOfChange(change: Change): number {
  switch (change.type) {
    case 'execution-updated':
      return ROW_BYTES + approximateBytes(change.patch.output) + approximateBytes(change.patch.context);
    case 'task-created':
      return ROW_BYTES + approximateBytes(change.task.context.own);
    case 'task-updated':
      return ROW_BYTES + approximateBytes(change.patch.published) + approximateBytes(change.patch.context?.own);
    case 'action-created':
      return ROW_BYTES + approximateBytes(change.action.input) + approximateBytes(change.action.output);
    case 'action-updated':
      return ROW_BYTES + approximateBytes(change.patch.output);
    case 'child-created':
      return ROW_BYTES + approximateBytes(change.child.input) + approximateBytes(change.child.params);
    case 'payload-stored':
      return approximateBytes(change.value);
    default:
      return ROW_BYTES;
  }
}
