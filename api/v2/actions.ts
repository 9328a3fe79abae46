import type { Json, JsonObject } from '../../dsl/json.ts';
import { stringifyJson } from '../../dsl/json.ts';
import type { ActionDefinition, ParameterSchema } from '../../engine/contract.ts';
import { EngineError } from '../../engine/errors.ts';
import { ACTIONS, columnOf } from '../../engine/store/collections.ts';
import { findDefinition, findDefinitionById } from '../../engine/store/definitions.ts';
import type { AdHocActionRow } from '../../engine/store/definitions.ts';
import { findDynamicAction, listDynamicActions, parametersOf } from '../../engine/store/dynamic-actions.ts';
import type { DynamicActionRow } from '../../engine/store/dynamic-actions.ts';
import { matches, normalUuid, parseFilter } from '../../engine/store/filters.ts';
import type { Column, Filter } from '../../engine/store/filters.ts';
import { listRows } from '../../engine/store/lists.ts';
import type { SortKey } from '../../engine/store/lists.ts';
import { listReply, items, readListRequest } from '../listing.ts';
import type { ListRequest, ListShape } from '../listing.ts';
import { checkQuery, missingArgument, param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter, Reply } from '../request.ts';
import { ACTION, chosenFields, columnsOf, show } from '../resources.ts';
import type { Services } from '../services.ts';
import { namespaceOf, readUpload, validateDefinition } from './definition-requests.ts';

export const LIST: ListShape = {
  resource: ACTION,
  collection: ACTIONS,
  filters: [
    'name',
    'namespace',
    'input',
    'description',
    'definition',
    'tags',
    'scope',
    'project_id',
    'created_at',
    'updated_at',
  ],
  defaultSort: 'name',
  extras: ['is_system'],
};

/** spec/rest-api.md §3.5 */
export function actionRoutes(router: ApiRouter, services: Services): void {
  const { definitions } = services;
  router.get(
    '/actions',
    serve((request) => listActions(services, request)),
  );
  router.post('/actions/validate', serve(validateDefinition(services, 'action')));
  router.post(
    '/actions',
    serve(async (request) => {
      const { text, place } = await readUpload(request);
      return { status: 201, body: shown(await definitions.createActions(request.caller, text, place)) };
    }),
  );
  router.put(
    '/actions',
    serve(async (request) => {
      const { text, place } = await readUpload(request);
      return { status: 200, body: shown(await definitions.updateActions(request.caller, text, place)) };
    }),
  );
  router.put(
    '/actions/:identifier',
    serve(async (request) => {
      const { text, place } = await readUpload(request);
      return {
        status: 200,
        body: shown(await definitions.updateActions(request.caller, text, place, param(request, 'identifier'))),
      };
    }),
  );
  router.delete('/actions', serve(missingArgument('identifier')));
  for (const path of ['/actions/:identifier', '/actions/:identifier/:namespace']) {
    router.get(
      path,
      serve(async (request) => {
        checkQuery(request, ['namespace', 'fields']);
        const fields = chosenFields(ACTION, items(request, 'fields')) ?? ACTION.fields;
        const found = await findAction(services, request);
        return {
          status: 200,
          body: pick(
            found,
            fields.map(({ name }) => name),
          ),
        };
      }),
    );
    router.delete(
      path,
      serve(async (request) => {
        checkQuery(request, ['namespace']);
        await definitions.deleteAction(request.caller, param(request, 'identifier'), placeOf(request));
        return { status: 204 };
      }),
    );
  }
}

/** An action as it is shown, whether built in or not. */
type ShownAction = JsonObject & { readonly id: string };

/**
 * Built-in actions are not rows: the page is made in memory from them and from the rows that pass the filters. Neither is
 * numerous, and without `definition` among the fields the texts are not read.
 */
async function listActions({ store, catalogue }: Services, request: ApiRequest): Promise<Reply> {
  const namespace = columnOf(ACTIONS, 'namespace');
  const fixed = namespace === undefined || request.query.has('namespace') ? [] : [parseFilter(namespace, 'eq:')];
  const read = wholeForOldClients(readListRequest(request, LIST, fixed, Number.POSITIVE_INFINITY));
  const wantsSystem = systemFilter(request);
  const rows = await listRows(store.reader, request.caller, ACTIONS, { ...read.query, marker: null, limit: ALL }, [
    ...columnsOf(read.fields),
    'name',
  ]);
  const names = read.fields.map(({ name }) => name);
  const dynamic = await listDynamicActions(store.reader, request.caller, ALL);
  const all = [
    ...rows.map((row) => ({ values: row, shown: withId(row.id, show(read.fields, row)), isSystem: false })),
    ...[
      ...dynamic.map((row) => ({
        values: { ...dynamicActionValues(row), tags: [] },
        whole: showDynamicAction(row),
        isSystem: false,
      })),
      ...catalogue.list().map((action) => {
        const whole = showSystemAction(action);
        return { values: whole, whole, isSystem: true };
      }),
    ].flatMap(({ values, whole, isSystem }) =>
      passes(values, read.query.filters)
        ? [{ values, shown: withId(String(whole['id']), pick(whole, names)), isSystem }]
        : [],
    ),
  ].filter(({ isSystem }) => wantsSystem === null || wantsSystem === isSystem);
  all.sort((a, b) => compareRows(a.values, b.values, read.query.sort));
  const start = read.query.marker === null ? 0 : positionAfter(all, read.query.marker);
  const page = all.slice(start, start + read.query.limit);
  return listReply(
    request,
    LIST,
    read,
    page.map((item) => item.shown),
    page.map((item) => item.shown),
  );
}

const ALL = 1_000_000;

/**
 * The reference ignores `fields` here, and its command line, which always names the fields of the first release, gets whole
 * actions. Whoever names exactly those still does; any other choice is honoured (spec/rest-api.md §3.5).
 */
function wholeForOldClients(read: ListRequest): ListRequest {
  const isOld = read.fields.length === OLD_FIELDS.length && read.fields.every(({ name }) => OLD_FIELDS.includes(name));
  return read.chosen && isOld ? { ...read, fields: ACTION.fields } : read;
}

const OLD_FIELDS = ['id', 'name', 'is_system', 'input', 'description', 'tags', 'created_at', 'updated_at'];

function systemFilter(request: ApiRequest): boolean | null {
  const text = request.query.get('is_system');
  if (text === undefined) return null;
  const column: Column = { name: 'is_system', column: 'is_system', type: 'flag', nullable: false };
  return matches(parseFilter(column, text), true);
}

function positionAfter(
  all: readonly { readonly values: JsonObject | object; readonly shown: ShownAction }[],
  marker: string,
): number {
  const found = all.findIndex(
    ({ shown, values }) => shown.id === marker || ('name' in values && values.name === marker),
  );
  if (found === -1)
    throw new EngineError(
      'NOT_FOUND',
      `Action not found [id=${marker}]: the marker is the id or name of the last item of the page before`,
    );
  return found + 1;
}

function passes(values: object, filters: readonly Filter[]): boolean {
  return filters.every((filter) =>
    matches(
      filter,
      valueOf(values, filter.column.column) === '' && filter.column.type === 'time'
        ? null
        : valueOf(values, filter.column.column),
    ),
  );
}

/** Built-in actions have no times: they come first, as nulls do. */
function compareRows(a: object, b: object, sort: readonly SortKey[]): number {
  for (const { column, direction } of sort) {
    const order = compareValues(valueOf(a, column.column), valueOf(b, column.column));
    if (order !== 0) return direction === 'asc' ? order : -order;
  }
  return 0;
}

function compareValues(a: unknown, b: unknown): number {
  const rank = (value: unknown): number =>
    value === null || value === undefined || value === '' ? 0 : typeof value === 'number' ? 1 : 2;
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [left, right] = [String(a), String(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function valueOf(values: object, name: string): unknown {
  return (values as Readonly<Record<string, unknown>>)[name];
}

/** By name or id; the default namespace is looked at when the given one has none. */
async function findAction({ store, catalogue }: Services, request: ApiRequest): Promise<JsonObject> {
  const identifier = param(request, 'identifier');
  const namespace = placeOf(request);
  const system = catalogue.find(identifier);
  if (system !== undefined) return showSystemAction(system);
  const id = normalUuid(identifier);
  const row =
    id === null
      ? ((await findDefinition(store.reader, 'actions', request.caller, { name: identifier, namespace })) ??
        (await findDefinition(store.reader, 'actions', request.caller, { name: identifier, namespace: '' })))
      : await findDefinitionById(store.reader, 'actions', request.caller, id);
  if (row !== undefined) return show(ACTION.fields, row);
  const dynamic =
    (await findDynamicAction(store.reader, request.caller, identifier, namespace)) ??
    (await findDynamicAction(store.reader, request.caller, identifier, ''));
  if (dynamic === undefined)
    throw new EngineError('NOT_FOUND', `Action not found [name=${identifier}, namespace=${namespace}]`);
  return showDynamicAction(dynamic);
}

/** A dynamic action among the others (spec/rest-api.md §3.14): what its module says of it, no definition in the language. */
function showDynamicAction(row: DynamicActionRow): JsonObject {
  return show(ACTION.fields, dynamicActionValues(row));
}

/** The columns of an ad-hoc action, for filters and order. */
function dynamicActionValues(row: DynamicActionRow): DynamicActionRow & { input: string; definition: string } {
  return { ...row, input: showParameters(parametersOf(row)), definition: '' };
}

function placeOf(request: ApiRequest): string {
  return request.params['namespace'] ?? namespaceOf(request);
}

function showSystemAction(action: ActionDefinition): JsonObject {
  return {
    id: action.name,
    name: action.name,
    is_system: true,
    input: showParameters(action.parameters),
    description: action.description,
    tags: null,
    definition: '',
    scope: null,
    project_id: null,
    created_at: '',
    updated_at: '',
    namespace: '',
  };
}

function showParameters({ properties, required }: ParameterSchema): string {
  return Object.entries(properties)
    .map(([name, schema]) => showParameter(name, schema, required.includes(name)))
    .join(', ');
}

function showParameter(name: string, schema: JsonObject, required: boolean): string {
  if (required) return name;
  const value: Json = Object.hasOwn(schema, 'default') ? (schema['default'] ?? null) : null;
  return `${name}=${stringifyJson(value)}`;
}

function pick(whole: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, whole[name] ?? null]));
}

function withId(id: string, values: JsonObject): ShownAction {
  return { ...values, id };
}

function shown(rows: readonly AdHocActionRow[]): { actions: JsonObject[] } {
  return { actions: rows.map((row) => show(ACTION.fields, row)) };
}
