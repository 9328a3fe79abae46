import type { Knex } from 'knex';
import type { JsonObject } from '../../dsl/json.ts';
import { stringifyJson } from '../../dsl/json.ts';
import type { Clock } from '../../engine/shell/clock.ts';
import { storableText } from '../../engine/store/columns.ts';
import { isCollision } from '../../engine/store/connection.ts';
import type { Store } from '../../engine/store/connection.ts';
import { rowsOf } from '../../engine/store/dialect.ts';
import { logClusterNews } from '../../engine/store/event-log.ts';
import { newsForOwners } from './news.ts';
import type { Told } from './news.ts';

/** Which cluster an event tells of. */
export interface EventSubject {
  readonly id: string;
  readonly name: string;
  readonly pool: string;
  readonly userId: string;
  readonly leaseId: string | null;
}

/** A transaction that changes clusters: with its own numbers, and what it tells when it has committed. */
export interface Change {
  readonly trx: Knex;
  readonly now: number;
  /** Numbers in the order in which changes commit: of tickets and events. */
  next(): number;
  /** Written before the commit. */
  tell(event: string, subject: EventSubject, data?: JsonObject): void;
}

/**
 * One transaction over the pools. It begins by writing the counter, and so changes come one after the other, on PostgreSQL too: what
 * is first served is what was first asked, and nobody decides on rows that another one is about to change. The two guards of a
 * grant (spec/cluster.md §3.3) do not rest on that.
 */
export async function changePools<T>(
  store: Pick<Store, 'writer'>,
  clock: Clock,
  work: (change: Change) => Promise<T>,
): Promise<{ readonly result: T; readonly told: number }> {
  for (let tries = 1; ; tries++) {
    try {
      return await store.writer.transaction((trx) => inTransaction(trx, clock, work));
    } catch (error) {
      if (tries >= 3 || !isCollision(error)) throw error;
    }
  }
}

async function inTransaction<T>(
  trx: Knex,
  clock: Clock,
  work: (change: Change) => Promise<T>,
): Promise<{ readonly result: T; readonly told: number }> {
  const [counter] = rowsOf<{ value: number | string }>(
    await trx.raw('update counters set value = value + ? where name = ? returning value', [
      NUMBERS,
      'cluster_sequence',
    ]),
  );
  if (counter === undefined) throw new Error('the counter cluster_sequence is missing');
  const end = Number(counter.value);
  let number = end - NUMBERS;
  const next = () => {
    if (number >= end) throw new Error('a change of clusters is too large');
    return ++number;
  };
  const now = clock.now();
  const told: (Told & { readonly seq: number })[] = [];
  const tell: Change['tell'] = (event, subject, data = {}) => told.push({ seq: next(), event, subject, data });
  const result = await work({ trx, now, next, tell });
  const rows = told.map(({ seq, event, subject, data }) => ({
    seq,
    at: now,
    cluster_id: subject.id,
    cluster_name: subject.name,
    pool: subject.pool,
    event,
    user_id: subject.userId,
    lease_id: subject.leaseId,
    data: storableText(stringifyJson(data)),
  }));
  for (let from = 0; from < rows.length; from += 50) await trx('cluster_events').insert(rows.slice(from, from + 50));
  await logClusterNews(trx, await newsForOwners(trx, told), now);
  return { result, told: told.length };
}

/** How many numbers one change may use. */
const NUMBERS = 10_000;
