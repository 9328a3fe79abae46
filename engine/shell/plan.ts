import { stringifyJson } from '../../dsl/json.ts';
import type { Change, Command, ExecutionId, Lookup } from '../core/model.ts';
import { newId } from '../ids.ts';
import type { ExecutionChanges, OutboxRow } from '../store/batch.ts';
import type { Outcome, WorkItem } from './intake.ts';
import { LookupRows } from './lookups.ts';
import type { CachedView } from './view-cache.ts';

/** One execution's part of a batch, while it is decided. */
export interface Plan {
  readonly executionId: ExecutionId;
  items: WorkItem[];
  readonly steps: Steps;
  /** An event that could not be decided time and again. */
  culprit: { readonly item: WorkItem; readonly error: unknown } | null;
  cached: CachedView | null;
  lookups: readonly Lookup[];
  readonly rows: LookupRows;
  changes: Change[];
  commands: Command[];
  done: { readonly item: WorkItem; readonly outcome: Outcome }[];
  continues: boolean;
}

export interface Steps {
  take(): boolean;
}

export function newPlan(executionId: ExecutionId, items: WorkItem[], steps: Steps, cached: CachedView | null): Plan {
  return {
    executionId,
    items,
    steps,
    culprit: null,
    cached,
    lookups: [],
    rows: new LookupRows(),
    changes: [],
    commands: [],
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
  };
}

/** What a plan comes to in the store. */
export interface Write {
  readonly changes: ExecutionChanges | null;
  readonly outbox: readonly OutboxRow[];
}

export function toWrite(plan: Plan): Write {
  const { cached, changes, commands } = plan;
  if (cached === null || changes.length === 0) return { changes: null, outbox: [] };
  return {
    changes: { record: cached.view.record, version: cached.version, changes },
    outbox: commands.flatMap((command): OutboxRow[] => {
      if (command.type === 'send') {
        return [{ id: newId(), executionId: command.to, kind: 'event', body: stringifyJson(command.event) }];
      }
      if (command.type === 'stop-action') {
        const body = stringifyJson({ action: command.action, reason: command.reason });
        return [{ id: newId(), executionId: null, kind: 'stop-action', body }];
      }
      return [];
    }),
  };
}
