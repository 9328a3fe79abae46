import type { JsonObject } from '../../dsl/json.ts';
import type { Caller } from '../../engine/facade.ts';
import { checkScope } from '../../engine/shell/definition-rules.ts';
import { codeRowNotFound } from '../../engine/store/code-rows.ts';
import type { CodeSourceRow } from '../../engine/store/code-sources.ts';
import { findCodeSource } from '../../engine/store/code-sources.ts';
import { DYNAMIC_ACTIONS } from '../../engine/store/collections.ts';
import type { Scope } from '../../engine/store/definitions.ts';
import {
  createDynamicAction,
  deleteDynamicAction,
  findDynamicAction,
  updateDynamicAction,
} from '../../engine/store/dynamic-actions.ts';
import type { CodeReference, DynamicActionRow, ModuleDescription } from '../../engine/store/dynamic-actions.ts';
import { normalUuid } from '../../engine/store/filters.ts';
import { badRequest, invalidValue } from '../api-error.ts';
import { nameAttribute, readJson, textAttribute } from '../body.ts';
import type { BodyShape } from '../body.ts';
import { answerList, items } from '../listing.ts';
import type { ListShape } from '../listing.ts';
import { checkQuery, missingArgument, param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter } from '../request.ts';
import { chosenFields, DYNAMIC_ACTION, show } from '../resources.ts';
import type { Services } from '../services.ts';
import { namespaceOf } from './definition-requests.ts';

export const LIST: ListShape = {
  resource: DYNAMIC_ACTION,
  collection: DYNAMIC_ACTIONS,
  filters: [
    'name',
    'namespace',
    'tags',
    'scope',
    'project_id',
    'code_source_id',
    'code_source_name',
    'class_name',
    'created_at',
    'updated_at',
  ],
  defaultSort: 'created_at',
  extras: ['all_projects'],
};

export const BODY: BodyShape = {
  argument: 'dyn_action',
  attributes: DYNAMIC_ACTION.fields.map(({ name }) => name),
  readOnly: ['project_id'],
};

/** spec/rest-api.md §3.14: by default for administrators only (api/auth/policy-rules.ts). */
export function dynamicActionRoutes(router: ApiRouter, services: Services): void {
  const { store } = services;
  router.get(
    '/dynamic_actions',
    serve((request) => answerList(store, request, LIST)),
  );
  router.post(
    '/dynamic_actions',
    serve(async (request) => {
      const body = await readJson(request, BODY);
      const scope = scopeOf(request, body) ?? 'private';
      const [name, className] = [nameAttribute(body, 'name'), nameAttribute(body, 'class_name')];
      if (name === null) throw badRequest('Name of the dynamic action is not provided.');
      if (className === null)
        throw badRequest("'class_name' must be provided: the name of an export of the code source.");
      const namespace = nameAttribute(body, 'namespace') ?? '';
      const source = await sourceOf(services, request.caller, body, namespace);
      if (source === null) throw badRequest("Either 'code_source_id' or 'code_source_name' must be provided.");
      const { code, description } = await codeOf(services, source, className);
      const row = await createDynamicAction(store, request.caller, { name, namespace }, scope, code, description);
      return { status: 201, body: show(DYNAMIC_ACTION.fields, row) };
    }),
  );
  router.put(
    '/dynamic_actions',
    serve(async (request) => {
      const body = await readJson(request, BODY);
      const scope = scopeOf(request, body);
      const identifier = nameAttribute(body, 'id') ?? nameAttribute(body, 'name');
      if (identifier === null) throw badRequest("Either 'name' or 'id' must be provided.");
      const namespace = nameAttribute(body, 'namespace') ?? '';
      const row = await findRow(services, request, identifier, namespace);
      const patch = await patchOf(services, request, body, row);
      const changed = await updateDynamicAction(
        store,
        request.caller,
        row.id,
        namespace,
        { ...(scope === null ? {} : { scope }), ...(patch === null ? {} : { code: patch.code }) },
        patch?.description ?? null,
      );
      return { status: 200, body: show(DYNAMIC_ACTION.fields, changed) };
    }),
  );
  router.delete('/dynamic_actions', serve(missingArgument('identifier')));
  router.get(
    '/dynamic_actions/:identifier',
    serve(async (request) => {
      checkQuery(request, ['namespace', 'fields']);
      const fields = chosenFields(DYNAMIC_ACTION, items(request, 'fields')) ?? DYNAMIC_ACTION.fields;
      const row = await findRow(services, request, param(request, 'identifier'), namespaceOf(request));
      return { status: 200, body: show(fields, row) };
    }),
  );
  router.delete(
    '/dynamic_actions/:identifier',
    serve(async (request) => {
      checkQuery(request, ['namespace']);
      await deleteDynamicAction(store, request.caller, param(request, 'identifier'), namespaceOf(request));
      return { status: 204 };
    }),
  );
}

async function findRow(
  { store }: Services,
  request: ApiRequest,
  identifier: string,
  namespace: string,
): Promise<DynamicActionRow> {
  const row = await findDynamicAction(store.reader, request.caller, identifier, namespace);
  if (row === undefined) throw codeRowNotFound('dynamic_actions', identifier, namespace);
  return row;
}

function scopeOf(request: ApiRequest, body: JsonObject): Scope | null {
  const scope = textAttribute(body, 'scope');
  if (scope !== null) checkScope(request.caller, scope);
  return scope;
}

/** By id, else by name in the action's namespace; null when the body names none. */
async function sourceOf(
  { store }: Services,
  caller: Caller,
  body: JsonObject,
  namespace: string,
): Promise<CodeSourceRow | null> {
  const id = nameAttribute(body, 'code_source_id');
  if (id !== null && normalUuid(id) === null)
    throw invalidValue('code_source_id', id, `unable to convert to uuid. Error: Expected a uuid but received ${id}.`);
  const identifier = id ?? nameAttribute(body, 'code_source_name');
  if (identifier === null) return null;
  const source = await findCodeSource(store.reader, caller, identifier, namespace);
  if (source === undefined) throw codeRowNotFound('code_sources', identifier, namespace);
  return source;
}

interface FoundCode {
  readonly code: CodeReference;
  readonly description: ModuleDescription | null;
}

/** Another class, another source, or both; null when the body names neither. */
async function patchOf(
  services: Services,
  request: ApiRequest,
  body: JsonObject,
  row: DynamicActionRow,
): Promise<FoundCode | null> {
  const className = nameAttribute(body, 'class_name');
  const given = await sourceOf(services, request.caller, body, nameAttribute(body, 'namespace') ?? '');
  if (className === null && given === null) return null;
  const source =
    given ?? (await findCodeSource(services.store.reader, request.caller, row.code_source_id, row.namespace));
  if (source === undefined) throw codeRowNotFound('code_sources', row.code_source_id, row.namespace);
  return codeOf(services, source, className ?? row.class_name);
}

/** Where dynamic actions are switched on, the module must have the export; otherwise nobody looks into it. */
async function codeOf({ modules }: Services, source: CodeSourceRow, className: string): Promise<FoundCode> {
  const description = (await modules?.describe(source.name, source.content)) ?? null;
  if (description !== null && !description.has(className)) {
    throw badRequest(
      `The code source '${source.name}' has no action '${className}'; its exports that can be actions: ${[...description.keys()].join(', ') || 'none'}`,
    );
  }
  return { code: { sourceId: source.id, sourceName: source.name, className }, description };
}
