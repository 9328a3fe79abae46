import type { Knex } from 'knex';
import type { Change, Command } from '../core/model.ts';
import type { ExecutionView } from '../core/view.ts';
import { claimExecutions, type OutboxRow, storedAllTheSame, writeBatch } from '../store/batch.ts';
import { isConnectionError } from '../store/connection.ts';
import type { NotificationRow } from '../store/notifications.ts';
import { definitionsEpoch } from '../store/definitions.ts';
import { loadVersions } from '../store/views.ts';
import type { ConductorOptions } from './conductor.ts';
import type { DefinitionCache } from './definition-cache.ts';
import { type Plan, toWrite, type Write } from './plan.ts';

/** What a committed batch asks of the outside for one execution. */
export interface Effects {
  readonly view: ExecutionView;
  readonly changes: readonly Change[];
  readonly commands: readonly Command[];
  /** The outbox rows of `send` and `stop-action` commands, in the order of the commands. */
  readonly outbox: readonly OutboxRow[];
  readonly notices: readonly NotificationRow[];
}

/** Definitions changed since they were cached: the whole batch is to be decided again. */
export class EpochMoved extends Error {}

export interface Committed {
  /** Plans whose changes are stored, with what they ask for; those without changes have nothing to ask. */
  readonly stored: readonly { readonly plan: Plan; readonly effects: Effects | null }[];
  /** Executions that somebody else wrote: they are loaded and decided again. */
  readonly lost: readonly Plan[];
}

/**
 * Writes a batch in one transaction: claims its executions, checks that definitions are those that were decided with, writes all
 * changes, and deletes the messages that were used up.
 *
 * @throws EpochMoved, and what the database says
 */
export async function commitPlans(
  options: ConductorOptions,
  definitions: DefinitionCache,
  decided: readonly Plan[],
): Promise<Committed> {
  const stale = await outOfDate(options, decided);
  const plans = decided.filter((plan) => !stale.has(plan));
  const writes = plans.map(toWrite);
  const claimed = isEmpty(plans, writes) ? NOTHING : await writeOnce(options, definitions, plans, writes);
  const stored: { plan: Plan; effects: Effects | null }[] = [];
  const lost: Plan[] = [];
  plans.forEach((plan, i) => {
    const { changes = null, outbox = [], notices = [] } = writes[i] ?? {};
    if (changes === null) {
      stored.push({ plan, effects: null });
    } else if (claimed.has(plan.executionId) && plan.cached !== null) {
      plan.cached.version = (plan.cached.version ?? 0) + 1;
      const { changes: done, commands } = plan;
      stored.push({ plan, effects: { view: plan.cached.view, changes: done, commands, outbox, notices } });
    } else {
      lost.push(plan);
    }
  });
  return { stored, lost: [...lost, ...stale] };
}

/**
 * "Nothing happens" may be what a view out of date says: a late result, a refusal. No claim would tell, so the versions of such executions
 * are looked at. A process that is alone needs it too: what it finds at its start is opened anew past the views, while results
 * of jobs come in already.
 */
async function outOfDate({ store }: ConductorOptions, plans: readonly Plan[]): Promise<ReadonlySet<Plan>> {
  const silent = plans.filter(
    ({ cached, changes }) => changes.length === 0 && cached !== null && cached.version !== null,
  );
  if (silent.length === 0) return new Set();
  const versions = await loadVersions(
    store.reader,
    silent.map((plan) => plan.executionId),
  );
  return new Set(silent.filter(({ executionId, cached }) => versions.get(executionId) !== cached?.version));
}

const NOTHING: ReadonlySet<string> = new Set();

/** A transaction that reports an error may have been committed all the same: then it is, and what it asks for must be done. */
async function writeOnce(
  options: ConductorOptions,
  definitions: DefinitionCache,
  plans: readonly Plan[],
  writes: readonly Write[],
): Promise<ReadonlySet<string>> {
  try {
    return await write(options, definitions, plans, writes);
  } catch (error) {
    if (error instanceof EpochMoved) throw error;
    const claimed = await lookAgain(options, writes);
    if (claimed === null) throw error;
    options.log.warn('A batch was stored although the database reported an error', { error });
    return claimed;
  }
}

const LOOKS = 20;
const LOOK_MILLISECONDS = 500;

/** Null when the batch was not stored, or when nothing can be read for a while: then it is decided again on what is stored. */
async function lookAgain(options: ConductorOptions, writes: readonly Write[]): Promise<ReadonlySet<string> | null> {
  const batch = writes.flatMap(({ changes, outbox }) => (changes === null ? [] : [{ changes, outbox }]));
  for (let look = 1; ; look++) {
    try {
      return await storedAllTheSame(options.store.reader, batch);
    } catch (error) {
      if (look === LOOKS || !isConnectionError(error)) return null;
      await new Promise<void>((resolve) => options.clock.after(LOOK_MILLISECONDS, resolve));
    }
  }
}

function isEmpty(plans: readonly Plan[], writes: readonly Write[]): boolean {
  return writes.every(({ changes }) => changes === null) && consumedBy(plans).length === 0;
}

function consumedBy(plans: readonly Plan[]): string[] {
  return plans.flatMap((plan) => plan.done.flatMap(({ item }) => item.outboxId ?? []));
}

async function write(
  { store, nodeId, clock }: ConductorOptions,
  definitions: DefinitionCache,
  plans: readonly Plan[],
  writes: readonly Write[],
): Promise<ReadonlySet<string>> {
  const now = clock.now();
  return store.writer.transaction(async (trx: Knex) => {
    const changed = writes.flatMap((item) => item.changes ?? []);
    const claimed = changed.length === 0 ? NOTHING : await claimExecutions(trx, changed);
    await checkEpoch(trx, definitions, plans);
    const isLost = ({ executionId }: Plan, i: number) => writes[i]?.changes !== null && !claimed.has(executionId);
    await writeBatch(trx, {
      executions: changed.filter((item) => claimed.has(item.record.id)),
      outbox: writes.filter((_, i) => !isLost(plans[i] as Plan, i)).flatMap((item) => item.outbox),
      notices: writes.filter((_, i) => !isLost(plans[i] as Plan, i)).flatMap((item) => item.notices),
      consumed: consumedBy(plans.filter((plan, i) => !isLost(plan, i))),
      nodeId,
      now,
    });
    return claimed;
  });
}

async function checkEpoch(trx: Knex, definitions: DefinitionCache, plans: readonly Plan[]): Promise<void> {
  const epoch = await definitionsEpoch(trx);
  definitions.moveTo(epoch);
  if (plans.some((plan) => plan.epoch !== epoch)) throw new EpochMoved();
}
