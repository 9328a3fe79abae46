import type { Knex } from 'knex';

/** Where the SQL of the two databases differs in small ways. */

export type Dialect = 'sqlite' | 'postgres';

export function dialectOf(knex: Knex | Knex.QueryBuilder): Dialect {
  const name: unknown = knex.client.dialect;
  if (name === 'sqlite3') return 'sqlite';
  if (name === 'postgresql') return 'postgres';
  throw new Error(`statements are not written for the dialect ${String(name)}`);
}

/** The rows that a `raw` statement answered. */
export function rowsOf<Row>(result: unknown): readonly Row[] {
  if (Array.isArray(result)) return result as Row[];
  if (typeof result === 'object' && result !== null && 'rows' in result && Array.isArray(result.rows)) {
    return result.rows as Row[];
  }
  return [];
}

/**
 * Milliseconds since 1970 on the database's clock, as an expression: what leases are compared with, since the clocks of nodes
 * differ (design.md §6). It moves on within a transaction.
 */
export function databaseNow(knex: Knex): string {
  return dialectOf(knex) === 'postgres'
    ? '(extract(epoch from clock_timestamp()) * 1000)::bigint'
    : "cast(round((julianday('now') - 2440587.5) * 86400000) as integer)";
}

export async function readDatabaseTime(knex: Knex): Promise<number> {
  const [row] = rowsOf<{ now: number }>(await knex.raw(`select ${databaseNow(knex)} as now`));
  if (row === undefined) throw new Error('the database does not tell the time');
  return Number(row.now);
}
