import type { JsonObject } from '../dsl/json.ts';
import { EngineError } from '../engine/errors.ts';
import { columnOf } from '../engine/store/collections.ts';
import type { Collection } from '../engine/store/collections.ts';
import type { Store } from '../engine/store/connection.ts';
import { listItems, normalUuid, notUuid, parseFilter, toFlag } from '../engine/store/filters.ts';
import type { Filter } from '../engine/store/filters.ts';
import { listRows, sortKeys } from '../engine/store/lists.ts';
import type { ListQuery, ListRow, SortKey } from '../engine/store/lists.ts';
import { badRequest, invalidValue } from './api-error.ts';
import type { Field } from './fields.ts';
import { checkQuery } from './request.ts';
import type { ApiRequest, Reply } from './request.ts';
import { perStore } from './per-store.ts';
import { chosenFields, columnsOf, listFields, show } from './resources.ts';
import type { Resource } from './resources.ts';
import { rowTextsOf } from './row-texts.ts';
import { SharedAnswers } from './shared-answers.ts';

/** Lists: paging, sorting, choice of fields, filters (spec/rest-api.md §2.5–2.7). */

export interface ListShape {
  readonly resource: Resource;
  readonly collection: Collection;
  /** Names of the columns that can be filtered by. */
  readonly filters: readonly string[];
  readonly defaultSort: string;
  /** Further parameters that the handler itself reads. */
  readonly extras?: readonly string[];
  /** Columns of the `nulls` parameter, where there is one. */
  readonly nullable?: readonly string[];
}

/** A list request, read. */
export interface ListRequest {
  readonly query: ListQuery;
  readonly fields: readonly Field[];
  /** Whether the client chose the fields himself. */
  readonly chosen: boolean;
}

/** The highest number of items in a page; clients do not follow `next`, so it is also the highest number that they ever see. */
export const MAX_PAGE = 1000;

/** Parameters of every list. */
export const LIST_PARAMETERS = ['marker', 'limit', 'sort_keys', 'sort_dirs', 'fields'];

/**
 * Answers a list.
 *
 * @param fixed conditions that the path sets, such as the execution of its tasks. They win over the query's.
 */
export function answerList(
  store: Store,
  request: ApiRequest,
  shape: ListShape,
  fixed: readonly Filter[] = [],
): Promise<Reply> {
  const { projectId, isAdmin } = request.caller;
  const { collection } = shape.resource;
  const conditions = fixed.map(({ column, ...condition }) => [column.name, condition]);
  const key = JSON.stringify([collection, request.querystring, request.base, projectId, isAdmin, conditions]);
  return answersOf(store).get(key, () => listOf(store, request, shape, fixed));
}

const answersOf = perStore(() => new SharedAnswers<Reply>());

async function listOf(store: Store, request: ApiRequest, shape: ListShape, fixed: readonly Filter[]): Promise<Reply> {
  const read = readListRequest(request, shape, fixed);
  const { stamp } = shape.collection;
  // Filters on JSON look at the columns themselves.
  if (stamp !== undefined && !read.query.filters.some(({ kind }) => kind === 'json')) {
    const stamps = await pageOf(store, request, shape, read.query, stamp);
    const texts = await rowTextsOf(store).read(shape, read.fields, stamps);
    return { status: 200, text: { type: 'application/json', text: listText(request, shape, read, stamps, texts) } };
  }
  const rows = await pageOf(store, request, shape, read.query, columnsOf(read.fields));
  return listReply(
    request,
    shape,
    read,
    rows,
    rows.map((row) => show(read.fields, row)),
  );
}

export function readListRequest(
  request: ApiRequest,
  shape: ListShape,
  fixed: readonly Filter[] = [],
  maxPage: number = MAX_PAGE,
): ListRequest {
  const nulls = shape.nullable === undefined ? [] : ['nulls'];
  checkQuery(request, [...LIST_PARAMETERS, ...shape.filters, ...(shape.extras ?? []), ...nulls]);
  const chosen = chosenFields(shape.resource, unique(items(request, 'fields')));
  return {
    chosen: chosen !== null,
    fields:
      chosen?.filter((field) => field.inLists !== 'single') ??
      listFields(shape.resource, flagParameter(request, 'include_output')),
    query: {
      filters: [...filtersOf(request, shape, fixed), ...fixed],
      nulls: nullsOf(request, shape),
      sort: sortOf(request, shape),
      limit: Math.min(positiveLimit(request), maxPage),
      marker: request.query.get('marker') || null,
    },
  };
}

export function listReply(
  request: ApiRequest,
  shape: ListShape,
  read: ListRequest,
  rows: readonly { readonly id: string }[],
  shown: readonly JsonObject[],
): Reply {
  const next = nextOf(request, shape, read, rows);
  return { status: 200, body: { [shape.resource.collection]: shown, ...(next !== null && { next }) } };
}

/** As {@link listReply}, of rows that are texts already. */
function listText(
  request: ApiRequest,
  shape: ListShape,
  read: ListRequest,
  rows: readonly { readonly id: string }[],
  texts: readonly string[],
): string {
  const next = nextOf(request, shape, read, rows);
  return `{"${shape.resource.collection}":[${texts.join(',')}]${next === null ? '' : `,"next":${JSON.stringify(next)}`}}`;
}

function nextOf(
  request: ApiRequest,
  shape: ListShape,
  { query, fields, chosen }: ListRequest,
  rows: readonly { readonly id: string }[],
): string | null {
  const last = rows.at(-1);
  if (last === undefined || rows.length < query.limit) return null;
  return nextLink(request, shape, query, chosen ? fields : null, last.id);
}

/** A flag among the parameters; absent is false. */
export function flagParameter(request: ApiRequest, name: string): boolean {
  return toFlag(request.query.get(name) ?? '');
}

export function integerParameter(request: ApiRequest, name: string): number | null {
  const text = request.query.get(name);
  if (text === undefined || text === '') return null;
  if (!/^[+-]?\d{1,15}$/.test(text.trim())) throw invalidValue(name, text, 'unable to convert to int');
  return Number(text);
}

/** Comma-separated, trimmed, in lower case, without empty items. */
export function items(request: ApiRequest, name: string): string[] {
  return listItems((request.query.get(name) ?? '').toLowerCase());
}

async function pageOf(
  store: Store,
  request: ApiRequest,
  shape: ListShape,
  query: ListQuery,
  columns: readonly string[],
): Promise<ListRow[]> {
  try {
    return await listRows(store.reader, request.caller, shape.collection, query, columns);
  } catch (error) {
    // A marker that is not there and cannot be an id is a mistake in the request, not a row that has gone.
    const malformed = query.marker !== null && normalUuid(query.marker) === null;
    throw error instanceof EngineError && error.code === 'NOT_FOUND' && malformed
      ? notUuid('marker', query.marker ?? '')
      : error;
  }
}

function filtersOf(request: ApiRequest, shape: ListShape, fixed: readonly Filter[]): Filter[] {
  return shape.filters.flatMap((name) => {
    const text = request.query.get(name);
    const column = columnOf(shape.collection, name);
    if (text === undefined || column === undefined || fixed.some((filter) => filter.column.name === name)) return [];
    return [parseFilter(column, text)];
  });
}

function nullsOf(request: ApiRequest, shape: ListShape): ListQuery['nulls'] {
  return items(request, 'nulls').flatMap((name) => {
    const column = shape.nullable?.includes(name) === true ? columnOf(shape.collection, name) : undefined;
    if (column === undefined) {
      throw invalidValue('nulls', name, `It must be one of: ${(shape.nullable ?? []).join(', ')}`);
    }
    // A filter on the same column says more than this.
    return request.query.has(name) ? [] : [column];
  });
}

function sortOf(request: ApiRequest, shape: ListShape): readonly SortKey[] {
  const keys = unique(items(request, 'sort_keys'));
  const directions = items(request, 'sort_dirs');
  const names = keys.length === 0 ? [shape.defaultSort] : keys;
  if (directions.length > names.length)
    throw badRequest('Length of sort_keys must be equal or greater than sort_dirs.');
  return sortKeys(shape.collection, names, directions.map(directionOf));
}

function directionOf(word: string): 'asc' | 'desc' {
  if (word === 'asc' || word === 'desc') return word;
  throw badRequest("Unknown sort direction, must be 'desc' or 'asc'.");
}

function positiveLimit(request: ApiRequest): number {
  const limit = integerParameter(request, 'limit') ?? Number.POSITIVE_INFINITY;
  if (limit <= 0) throw badRequest('Limit must be positive.');
  return limit;
}

function nextLink(
  request: ApiRequest,
  shape: ListShape,
  query: ListQuery,
  chosen: readonly Field[] | null,
  marker: string,
): string {
  const parameters: [string, string][] = [
    ['sort_keys', query.sort.map(({ column }) => column.name).join(',')],
    ['sort_dirs', query.sort.map(({ direction }) => direction).join(',')],
    ...query.filters.map((filter): [string, string] => [filter.column.name, filterText(request, filter)]),
    ...['include_output', 'all_projects', 'nulls'].flatMap((name): [string, string][] => {
      const value = request.query.get(name);
      return value === undefined ? [] : [[name, value]];
    }),
    ['limit', String(query.limit)],
    ['marker', marker],
  ];
  if (chosen !== null) parameters.push(['fields', chosen.map(({ name }) => name).join(',')]);
  const text = parameters.map(([name, value]) => `${name}=${encode(value)}`).join('&');
  return `${request.base}/v2/${shape.resource.collection}?${text}`;
}

function filterText(request: ApiRequest, filter: Filter): string {
  const given = request.query.get(filter.column.name);
  if (filter.kind === 'json') return given ?? '';
  if (filter.kind === 'text' && filter.operator === 'eq') return `eq:${filter.values[0] ?? ''}`;
  // Other filters come from the query itself, never from the path.
  return given === undefined || given.startsWith(`${filter.operator}:`) ? (given ?? '') : `${filter.operator}:${given}`;
}

/** Commas and colons stay readable: clients compare `sort_keys` as text. */
function encode(value: string): string {
  return encodeURIComponent(value).replaceAll('%2C', ',').replaceAll('%3A', ':');
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}
