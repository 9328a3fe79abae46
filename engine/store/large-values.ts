import type { Knex } from 'knex';
import { type BulkRow, insertMany } from './bulk.ts';

/**
 * Inputs, results and published variables that are large stand in `payloads` (design.md §3), so that rows which are listed, loaded and
 * looked at stay small. In their column stands `@` and the payload's id, which no JSON text begins with; {@link fillIn} puts the text
 * back for whoever wants to see it.
 */

/** Characters of JSON text from which on a value is large: 64 KB. */
export const LARGE_CHARACTERS = 64 * 1024;

const LARGE_COLUMNS = {
  executions: ['input', 'output', 'context'],
  task_executions: ['published', 'published_global'],
  action_executions: ['input', 'system_input', 'output'],
} as const;
export type LargeTable = keyof typeof LARGE_COLUMNS;

const MARK = '@';
const SHORT_TABLE: Readonly<Record<LargeTable, string>> = {
  executions: 'e',
  task_executions: 't',
  action_executions: 'a',
};

interface Payload {
  readonly id: string;
  readonly execution_id: string;
  readonly body: string;
}

/** Takes large values out of rows on their way to the database; {@link write} stores them, in the same transaction. */
export class LargeValues {
  private readonly trx: Knex;
  private readonly payloads: Payload[] = [];
  /** Values that take the place of others, which may have been large. */
  private readonly replaced: string[] = [];

  constructor(trx: Knex) {
    this.trx = trx;
  }

  /** A new row. `owner` is the execution that it goes with; for an action that stands alone, itself. */
  takeFrom(table: LargeTable, row: BulkRow, owner: string): BulkRow {
    return this.replace(table, String(row.id), row, owner, false);
  }

  /** New values for a row that is there. */
  takeFromPatch(table: LargeTable, id: string, columns: BulkRow, owner: string): BulkRow {
    return this.replace(table, id, columns, owner, true);
  }

  async write(): Promise<void> {
    await deletePayloads(this.trx, this.replaced);
    await insertMany(
      this.trx,
      'payloads',
      this.payloads.map(({ id, execution_id, body }) => ({ id, execution_id, body })),
    );
  }

  private replace(table: LargeTable, id: string, row: BulkRow, owner: string, isPatch: boolean): BulkRow {
    let changed: Record<string, BulkRow[string]> | null = null;
    for (const column of LARGE_COLUMNS[table]) {
      const text = row[column];
      if (typeof text !== 'string') continue;
      const isLarge = text.length > LARGE_CHARACTERS;
      // A result that is dropped frees its room; any other value that became smaller leaves it until the execution goes.
      const isDropped = table === 'action_executions' && text === '{}';
      if (isPatch && (isLarge || isDropped)) this.replaced.push(payloadId(table, id, column));
      if (!isLarge) continue;
      this.payloads.push({ id: payloadId(table, id, column), execution_id: owner, body: text });
      changed ??= { ...row };
      changed[column] = MARK + payloadId(table, id, column);
    }
    return changed ?? row;
  }
}

/** Puts large values into rows that were read. Columns that were not read cost nothing. */
export async function fillIn<R extends object>(knex: Knex, rows: readonly R[]): Promise<R[]> {
  const wanted = new Set<string>();
  for (const row of rows) for (const [, id] of marksIn(row)) wanted.add(id);
  if (wanted.size === 0) return [...rows];
  const bodies = new Map<string, string>();
  const ids = [...wanted];
  for (let at = 0; at < ids.length; at += SLICE) {
    const found: { id: string; body: string }[] = await knex('payloads')
      .whereIn('id', ids.slice(at, at + SLICE))
      .select('id', 'body');
    for (const { id, body } of found) bodies.set(id, body);
  }
  return rows.map((row) => {
    const values = marksIn(row).map(([column, id]): readonly [string, string] => {
      const body = bodies.get(id);
      // Emptied or deleted between the two reads.
      return [column, body ?? '{}'];
    });
    return values.length === 0 ? row : Object.assign({ ...row }, Object.fromEntries(values));
  });
}

/** As {@link fillIn}, for one row that may not be there. */
export async function fillInOne<R extends object>(knex: Knex, row: R | undefined): Promise<R | undefined> {
  return row === undefined ? undefined : (await fillIn(knex, [row]))[0];
}

/** Deletes the payloads that columns point to, when the columns are about to be emptied. */
export async function dropMarked(trx: Knex, texts: readonly (string | null)[]): Promise<void> {
  await deletePayloads(
    trx,
    texts.flatMap((text) => (text?.startsWith(MARK) === true ? [text.slice(MARK.length)] : [])),
  );
}

async function deletePayloads(trx: Knex, ids: readonly string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += SLICE)
    await trx('payloads')
      .whereIn('id', ids.slice(at, at + SLICE))
      .delete();
}

const SLICE = 400;

function payloadId(table: LargeTable, id: string, column: string): string {
  return `${SHORT_TABLE[table]}.${id}.${column}`;
}

/** Whether rows of this table may point to payloads. */
export function hasLargeValues(table: string): table is LargeTable {
  return Object.hasOwn(LARGE_COLUMNS, table);
}

/** Whether a column may point to a payload. */
export function isLargeColumn(table: string, column: string): boolean {
  const columns: readonly string[] = hasLargeValues(table) ? LARGE_COLUMNS[table] : [];
  return columns.includes(column);
}

const COLUMNS: readonly string[] = [...new Set(Object.values(LARGE_COLUMNS).flat())];

function marksIn(row: object): (readonly [column: string, id: string])[] {
  const marks: (readonly [string, string])[] = [];
  for (const column of COLUMNS) {
    const text: unknown = Reflect.get(row, column);
    if (typeof text === 'string' && text.startsWith(MARK)) marks.push([column, text.slice(MARK.length)]);
  }
  return marks;
}
