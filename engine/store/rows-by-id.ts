import type { Knex } from 'knex';
import { dialectOf, rowsOf } from './dialect.ts';
import { GatheredReads } from './gathered-reads.ts';
import { selectJson } from './json-rows.ts';
import { fillIn } from './large-values.ts';
import type { ListRow } from './lists.ts';

/**
 * One row by its id, read together with those that others ask for at the same moment.
 *
 * @returns all columns; undefined where there is no such row.
 */
export function rowById(reader: Knex, table: string, id: string): Promise<object | undefined> {
  let tables = gathered.get(reader);
  if (tables === undefined) {
    tables = new Map();
    gathered.set(reader, tables);
  }
  let reads = tables.get(table);
  if (reads === undefined) {
    const readRows = dialectOf(reader) === 'postgres' ? postgresReads(reader, table) : sqliteReads(reader, table);
    reads = new GatheredReads<object>(async (ids) => new Map((await readRows(ids)).map((row) => [row.id, row])));
    tables.set(table, reads);
  }
  return reads.read(id);
}

/**
 * Some columns of rows, large values put back, in no order; rows that have gone are missing.
 *
 * @param columns names of the schema, the id among them.
 */
export async function rowsByIds(
  reader: Knex,
  table: string,
  ids: readonly string[],
  columns: readonly string[],
): Promise<readonly ListRow[]> {
  if (ids.length === 0) return [];
  const select = `select ${columns.join(', ')} from ${table}`;
  const rows =
    dialectOf(reader) === 'postgres'
      ? rowsOf<ListRow>(await reader.raw(`${select} where id = any(?)`, [[...ids]]))
      : await selectJson<ListRow>(reader, columns, {
          sql: `${select} where id in (select value from json_each(?))`,
          bindings: [JSON.stringify(ids)],
        });
  return fillIn(reader, rows);
}

const gathered = new WeakMap<Knex, Map<string, GatheredReads<object>>>();

interface Identified {
  readonly id: string;
}

type ReadRows = (ids: readonly string[]) => Promise<readonly Identified[]>;

function postgresReads(reader: Knex, table: string): ReadRows {
  return async (ids) => rowsOf(await reader.raw(`select * from ${table} where id = any(?)`, [[...ids]]));
}

function sqliteReads(reader: Knex, table: string): ReadRows {
  // The schema stays as it is while a process has the file.
  let columns: readonly string[] | null = null;
  return async (ids) => {
    columns ??= rowsOf<{ name: string }>(await reader.raw('select name from pragma_table_info(?)', [table])).map(
      ({ name }) => name,
    );
    return selectJson(reader, columns, {
      sql: `select * from ${table} where id in (select value from json_each(?))`,
      bindings: [JSON.stringify(ids)],
    });
  };
}
