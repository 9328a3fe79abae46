import type { Knex } from 'knex';
import { EngineError } from '../errors.ts';
import type { Caller } from '../facade.ts';
import { columnOf } from './collections.ts';
import type { Collection } from './collections.ts';
import { dialectOf } from './dialect.ts';
import { fillIn, fillInOne, hasLargeValues, isLargeColumn } from './large-values.ts';
import { applyFilter, matchesJson } from './filters.ts';
import type { Column, Filter } from './filters.ts';
import { selectJson } from './json-rows.ts';
import { rowById } from './rows-by-id.ts';

/** Pages of a table: spec/rest-api.md §2.6. */

export interface SortKey {
  readonly column: Column;
  readonly direction: 'asc' | 'desc';
}

export interface ListQuery {
  readonly filters: readonly Filter[];
  /** Columns that must be null. */
  readonly nulls: readonly Column[];
  /** Ends with a key that is unique, so that the order is total. */
  readonly sort: readonly SortKey[];
  /** At least 1. */
  readonly limit: number;
  /** Id of the last row of the page before. */
  readonly marker: string | null;
}

export type ListRow = Readonly<Record<string, string | number | boolean | null>> & { readonly id: string };

/**
 * One page, in order. Nulls come first when ascending and last when descending, in every database.
 *
 * @param select names of columns in the table.
 * @throws EngineError NOT_FOUND for a marker that names no row which the caller may see.
 */
export async function listRows(
  reader: Knex,
  caller: Caller,
  collection: Collection,
  query: ListQuery,
  select: readonly string[],
): Promise<ListRow[]> {
  const jsonFilters = query.filters.filter((filter) => filter.kind === 'json');
  const columns = [
    ...new Set([
      'id',
      ...select,
      ...jsonFilters.map((f) => f.column.column),
      ...query.sort.map((s) => s.column.column),
    ]),
  ];
  const mayPoint = columns.some((column) => isLargeColumn(collection.table, column));
  let after = query.marker === null ? null : await markerRow(reader, caller, collection, query, query.marker);
  const found: ListRow[] = [];
  for (;;) {
    const page = await readPage(reader, caller, collection, query, columns, after);
    const rows = mayPoint ? await fillIn(reader, page) : page;
    found.push(...rows.filter((row) => jsonFilters.every((f) => matchesJson(f, textOf(row[f.column.column])))));
    const last = page.at(-1);
    // Only filters on JSON, which SQL does not answer, leave a page short while there is more to read.
    if (found.length >= query.limit || page.length < pageSize(query) || last === undefined)
      return found.slice(0, query.limit);
    after = last;
  }
}

/**
 * Rows that the caller may see: his project's, public ones; an administrator sees all (spec/rest-api.md §2.9).
 *
 * @param scoped whether rows can be public.
 * @param shared whether they can be shared with single projects: workflows.
 */
export function restrictToVisible(
  query: Knex.QueryBuilder,
  caller: Caller,
  scoped: boolean,
  shared = false,
): Knex.QueryBuilder {
  if (caller.isAdmin) return query;
  if (!scoped) return query.where('project_id', caller.projectId);
  return query.where((group) => {
    group.where('project_id', caller.projectId).orWhere('scope', 'public');
    if (shared) orSharedWith(group, caller.projectId);
  });
}

/** Adds workflows whose owner shares them with a project that has accepted. */
export function orSharedWith(group: Knex.QueryBuilder, projectId: string): void {
  group.orWhereIn('id', (members) => {
    members
      .from('resource_members')
      .where({ member_id: projectId, status: 'accepted', resource_type: 'workflow' })
      .select('resource_id');
  });
}

/** One row by its id, if the caller may see it. */
export async function findVisibleRow<Row extends object>(
  reader: Knex,
  caller: Caller,
  collection: Collection,
  id: string,
): Promise<Row | undefined> {
  if (hasLargeValues(collection.table)) {
    return fillInOne(reader, await visibleRowById<Row & Owned>(reader, caller, collection.table, id));
  }
  return restrictToVisible(
    reader(collection.table).where('id', id),
    caller,
    collection.scoped,
    collection.shared,
  ).first();
}

interface Owned {
  readonly project_id: string;
}

/** Of a table whose rows are never public. Large values stay where they are. */
async function visibleRowById<Row extends Owned>(
  reader: Knex,
  caller: Caller,
  table: string,
  id: string,
): Promise<Row | undefined> {
  const found = (await rowById(reader, table, id)) as Row | undefined;
  return found !== undefined && (caller.isAdmin || found.project_id === caller.projectId) ? found : undefined;
}

async function readPage(
  reader: Knex,
  caller: Caller,
  collection: Collection,
  query: ListQuery,
  columns: readonly string[],
  after: ListRow | null,
): Promise<ListRow[]> {
  const rows = reader(collection.table)
    .select([...columns])
    .limit(pageSize(query));
  restrictToVisible(rows, caller, collection.scoped, collection.shared);
  for (const filter of query.filters) applyFilter(rows, filter);
  for (const column of query.nulls) rows.whereNull(column.column);
  if (after !== null) startAfter(rows, query.sort, after);
  for (const { column, direction } of query.sort) {
    rows.orderBy([{ column: column.column, order: direction, ...placeOfNulls(reader, column, direction) }]);
  }
  if (dialectOf(reader) !== 'sqlite') return (await rows) as ListRow[];
  return selectJson<ListRow>(reader, columns, rows.toSQL().toNative());
}

/** SQLite has this order anyway, and could not use an index if it were spelled out. */
function placeOfNulls(reader: Knex, column: Column, direction: 'asc' | 'desc'): { nulls?: 'first' | 'last' } {
  if (!column.nullable || dialectOf(reader) === 'sqlite') return {};
  return { nulls: direction === 'asc' ? 'first' : 'last' };
}

// Rows that a filter on JSON throws away cost a read each, not a round trip each.
function pageSize(query: ListQuery): number {
  return query.filters.some((filter) => filter.kind === 'json') ? Math.max(query.limit, 200) : query.limit;
}

async function markerRow(
  reader: Knex,
  caller: Caller,
  collection: Collection,
  query: ListQuery,
  marker: string,
): Promise<ListRow> {
  const columns = ['id', ...query.sort.map(({ column }) => column.column)];
  const row: ListRow | undefined = hasLargeValues(collection.table)
    ? await visibleRowById<ListRow & Owned>(reader, caller, collection.table, marker)
    : await restrictToVisible(
        reader(collection.table).where('id', marker),
        caller,
        collection.scoped,
        collection.shared,
      )
        .select([...new Set(columns)])
        .first();
  if (row !== undefined) return row;
  throw new EngineError(
    'NOT_FOUND',
    `${collection.title} not found [id=${marker}]: the marker is the id of the last item of the page before`,
  );
}

/** Keyset: later in the first key, or equal there and later in the second, and so on. */
function startAfter(query: Knex.QueryBuilder, sort: readonly SortKey[], row: ListRow): void {
  const [first] = sort;
  if (first !== undefined && !first.column.nullable) {
    // Implied by the rest, but this is what lets the database start within the index.
    query.where(first.column.column, first.direction === 'asc' ? '>=' : '<=', row[first.column.column] ?? null);
  }
  query.where((any) => {
    for (const [i, key] of sort.entries()) {
      any.orWhere((all) => {
        for (const { column } of sort.slice(0, i)) whereEqual(all, column.column, row[column.column] ?? null);
        whereLater(all, key, row[key.column.column] ?? null);
      });
    }
  });
}

function whereEqual(query: Knex.QueryBuilder, column: string, value: ListRow[string]): void {
  if (value === null || value === undefined) query.whereNull(column);
  else query.where(column, value);
}

function whereLater(query: Knex.QueryBuilder, { column, direction }: SortKey, value: ListRow[string] | null): void {
  if (direction === 'asc') {
    if (value === null || value === undefined) query.whereNotNull(column.column);
    else query.where(column.column, '>', value);
    return;
  }
  if (value === null || value === undefined) query.whereRaw('1 = 0');
  else if (column.nullable) query.where((group) => group.where(column.column, '<', value).orWhereNull(column.column));
  else query.where(column.column, '<', value);
}

function textOf(value: ListRow[string] | undefined): string | null {
  return typeof value === 'string' ? value : null;
}

/** Turns names into sort keys and adds the id, which makes the order total. */
export function sortKeys(
  collection: Collection,
  names: readonly string[],
  directions: readonly ('asc' | 'desc')[],
): readonly SortKey[] {
  const keys = names.map((name, i): SortKey => {
    const column = columnOf(collection, name);
    if (column === undefined) {
      const known = collection.columns.map((c) => c.name).join(', ');
      throw new EngineError('INVALID_INPUT', `Unknown sort key '${name}'; it must be one of: ${known}`);
    }
    return { column, direction: directions[i] ?? 'asc' };
  });
  const id = columnOf(collection, 'id');
  if (id === undefined || names.includes('id')) return keys;
  return [...keys, { column: id, direction: 'asc' }];
}
