import type { Knex } from 'knex';
import { storableText } from './columns.ts';
import { dialectOf, rowsOf } from './dialect.ts';

type SqlValue = string | number | boolean | null;

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
): { readonly sql: string; readonly bindings: readonly SqlValue[] } {
  if (dialectOf(trx) === 'postgres') {
    const objects = rows.map((row) =>
      Object.fromEntries(columns.map((column) => [column, storableValue(row[column] ?? null)])),
    );
    return {
      sql: `(select ${columns.join(', ')} from json_populate_recordset(null::${table}, ?::json))`,
      bindings: [JSON.stringify(objects)],
    };
  }
  const shared = rows.length < WORTH_SHARING ? new Set<string>() : sharedColumns(columns, rows);
  const own = columns.filter((column) => !shared.has(column));
  const fields = columns.map((column) =>
    shared.has(column) ? `? as ${column}` : `json_extract(value, '$[${own.indexOf(column)}]') as ${column}`,
  );
  const values = rows.map((row) => own.map((column) => row[column] ?? null));
  return {
    sql: `(select ${fields.join(', ')} from json_each(?))`,
    bindings: [
      ...columns.filter((column) => shared.has(column)).map((column) => rows[0]?.[column] ?? null),
      JSON.stringify(values),
    ],
  };
}

// Reading a value out of the JSON text costs more than all else of a row. Many rows of a batch are alike in most columns; few rows keep
// one text for the statement.
const WORTH_SHARING = 16;

/** Columns that have the same value in all rows. */
function sharedColumns(columns: readonly string[], rows: readonly BulkRow[]): ReadonlySet<string> {
  const [first] = rows;
  return new Set(columns.filter((column) => rows.every((row) => (row[column] ?? null) === (first?.[column] ?? null))));
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
  bindings: readonly SqlValue[],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return rowsOf(await trx.raw(sql, [...bindings]));
}
