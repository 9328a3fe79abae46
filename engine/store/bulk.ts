import type { Knex } from 'knex';
import { storableText } from './columns.ts';
import { dialectOf, rowsOf } from './dialect.ts';

/** A row for the bulk helpers: JSON columns are already text. */
export type BulkRow = Readonly<Record<string, string | number | boolean | null>>;

/**
 * Inserts many rows in one statement. The values travel as one JSON text: the statement's text stays the same for any number
 * of rows, so the database prepares it once, and there is no limit on the number of values. All rows have the same columns.
 */
export async function insertMany(
  trx: Knex,
  table: string,
  rows: readonly BulkRow[],
  options: {
    /** Rows whose key exists already are left out. */ readonly ignoreConflicts?: boolean;
    readonly returning?: readonly string[];
  } = {},
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const [first] = rows;
  if (first === undefined) return [];
  const columns = Object.keys(first);
  const source = rowSource(trx, table, columns, rows);
  // SQLite takes `on conflict` after a select for a join without this `where`.
  const conflicts = options.ignoreConflicts === true ? ' where true on conflict do nothing' : '';
  const names = columns.join(', ');
  const sql = `insert into ${table} (${names}) select ${names} from ${source.sql} as source${conflicts}`;
  return run(trx, `${sql}${returningClause(options.returning)}`, source.bindings);
}

/**
 * Updates many rows, each with values of its own, in one statement: rows are found by `keyColumns`, and `columns` are set.
 *
 * @returns the columns of `returning`, for the rows that were found, in any order.
 */
export async function updateMany(
  trx: Knex,
  table: string,
  keyColumns: readonly string[],
  columns: readonly string[],
  rows: readonly BulkRow[],
  options: { readonly returning?: readonly string[] } = {},
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  if (rows.length === 0) return [];
  const source = rowSource(trx, table, [...keyColumns, ...columns], rows);
  const assignments = columns.map((column) => `${column} = source.${column}`).join(', ');
  const matches = keyColumns.map((column) => `${table}.${column} = source.${column}`).join(' and ');
  const sql = `update ${table} set ${assignments} from ${source.sql} as source where ${matches}`;
  const returning = options.returning?.map((column) => `${table}.${column}`);
  return run(trx, `${sql}${returningClause(returning)}`, source.bindings);
}

/**
 * `(select … from the values)`, to be named and read as a table. `table` is where the values belong: PostgreSQL takes the types
 * of the columns from it.
 */
export function rowSource(
  trx: Knex,
  table: string,
  columns: readonly string[],
  rows: readonly BulkRow[],
): { readonly sql: string; readonly bindings: readonly string[] } {
  if (dialectOf(trx) === 'postgres') {
    const objects = rows.map((row) =>
      Object.fromEntries(columns.map((column) => [column, storableValue(row[column] ?? null)])),
    );
    return {
      sql: `(select ${columns.join(', ')} from json_populate_recordset(null::${table}, ?::json))`,
      bindings: [JSON.stringify(objects)],
    };
  }
  const fields = columns.map((column, i) => `json_extract(value, '$[${i}]') as ${column}`).join(', ');
  const values = rows.map((row) => columns.map((column) => row[column] ?? null));
  return { sql: `(select ${fields} from json_each(?))`, bindings: [JSON.stringify(values)] };
}

function storableValue(value: BulkRow[string]): BulkRow[string] {
  return typeof value === 'string' ? storableText(value) : value;
}

function returningClause(columns: readonly string[] | undefined): string {
  return columns === undefined ? '' : ` returning ${columns.join(', ')}`;
}

async function run(
  trx: Knex,
  sql: string,
  bindings: readonly string[],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return rowsOf(await trx.raw(sql, [...bindings]));
}
