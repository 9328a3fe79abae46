import type { Knex } from 'knex';
import { stringifyJson, type JsonObject } from '../../dsl/json.ts';
import { type BulkRow, insertMany } from './bulk.ts';
import { decodeJson } from './columns.ts';

/** One event for one publisher, on its way. Ids are in the order in which things happened. */
export interface NotificationRow {
  readonly id: string;
  readonly executionId: string;
  /** The entry of `params.notify`: its type and options. */
  readonly publisher: JsonObject;
  readonly payload: JsonObject;
}

export async function insertNotifications(trx: Knex, rows: readonly NotificationRow[], now: number): Promise<void> {
  await insertMany(
    trx,
    'notifications',
    rows.map(
      (row): BulkRow => ({
        id: row.id,
        execution_id: row.executionId,
        publisher: stringifyJson(row.publisher),
        payload: stringifyJson(row.payload),
        created_at: now,
      }),
    ),
  );
}

/** The oldest ones, of those that were stored until `until`. */
export async function pendingNotifications(
  knex: Knex,
  until: number,
  limit: number,
): Promise<readonly NotificationRow[]> {
  const rows: { id: string; execution_id: string; publisher: string; payload: string }[] = await knex('notifications')
    .where('created_at', '<=', until)
    .orderBy('id')
    .limit(limit);
  return rows.map((row) => ({
    id: row.id,
    executionId: row.execution_id,
    publisher: decodeJson(row.publisher),
    payload: decodeJson(row.payload),
  }));
}

export async function deleteNotifications(knex: Knex, ids: readonly string[]): Promise<void> {
  await knex('notifications')
    .whereIn('id', [...ids])
    .delete();
}
