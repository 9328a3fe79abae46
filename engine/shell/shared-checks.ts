import { existingMessages } from '../store/batch.ts';
import type { Store } from '../store/connection.ts';
import type { Plan } from './plan.ts';

export interface Checked {
  /** Plans that may be written: the claim decides. */
  readonly fresh: readonly Plan[];
  /** Plans that were made for messages that somebody else has used: to be decided again without them. */
  readonly stale: readonly Plan[];
}

/**
 * Where many processes share a database, a message of the outbox may be delivered twice: by who wrote it and by who believes him
 * dead. It counts once, since its row is deleted by the transaction that uses it: whoever finds the row gone drops the message.
 * Nobody can use it between this look and the claim without raising the version, unless he changed nothing, which is then right here too.
 */
export async function checkShared(store: Store, plans: readonly Plan[]): Promise<Checked> {
  const messages = plans.flatMap(({ done }) => done.flatMap(({ item }) => item.outboxId ?? []));
  if (messages.length === 0) return { fresh: plans, stale: [] };
  const there = await existingMessages(store.reader, messages);
  const stale = new Set<Plan>();
  for (const plan of plans) {
    for (const { item } of plan.done) {
      if (item.outboxId === null || there.has(item.outboxId)) continue;
      item.isUsedUp = true;
      stale.add(plan);
    }
  }
  return { fresh: plans.filter((plan) => !stale.has(plan)), stale: [...stale] };
}
