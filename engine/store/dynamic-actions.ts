import type { Knex } from 'knex';
import { stringifyJson } from '../../dsl/json.ts';
import type { Json } from '../../dsl/json.ts';
import type { ActionDefinition, ParameterSchema } from '../contract.ts';
import type { FoundDynamicAction } from '../core/env.ts';
import type { Caller } from '../facade.ts';
import { changeableCodeRow, findCodeRow, insertCodeRow, newCodeRow } from './code-rows.ts';
import type { CodeKey, CodeRow } from './code-rows.ts';
import { decodeOptionalJson, storableText } from './columns.ts';
import type { Store } from './connection.ts';
import { raiseDefinitionsEpoch } from './definitions.ts';
import type { Scope } from './definitions.ts';
import { restrictToVisible } from './lists.ts';

/** Actions whose code is an export of a code source (spec/engine.md E-28.3, spec/rest-api.md §3.14). */
export interface DynamicActionRow extends CodeRow {
  readonly code_source_id: string;
  readonly code_source_name: string;
  /** The export's name. */
  readonly class_name: string;
  /** These three are what the module says of itself; parameters are null while nobody has read it. */
  readonly description: string | null;
  readonly parameters: string | null;
  readonly is_async: boolean | number;
}

/** What a module says of its exports, by name. */
export type ModuleDescription = ReadonlyMap<string, ExportDescription>;

export interface ExportDescription {
  readonly description: string | null;
  readonly parameters: ParameterSchema;
  readonly isAsync: boolean;
}

/** Where an action's code is. */
export interface CodeReference {
  readonly sourceId: string;
  readonly sourceName: string;
  readonly className: string;
}

/** @throws EngineError CONFLICT */
export async function createDynamicAction(
  store: Store,
  caller: Caller,
  key: CodeKey,
  scope: Scope,
  code: CodeReference,
  description: ModuleDescription | null,
  now: number = Date.now(),
): Promise<DynamicActionRow> {
  const row: DynamicActionRow = {
    ...newCodeRow(caller, key, scope, now),
    ...columnsOfCode(code),
    ...columnsOfDescription(description?.get(code.className)),
  };
  await store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    await insertCodeRow(trx, 'dynamic_actions', row);
  });
  return row;
}

/** What is undefined stays. @throws EngineError NOT_FOUND */
export async function updateDynamicAction(
  store: Store,
  caller: Caller,
  identifier: string,
  namespace: string,
  patch: { readonly scope?: Scope; readonly code?: CodeReference },
  description: ModuleDescription | null,
  now: number = Date.now(),
): Promise<DynamicActionRow> {
  return store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    const row = await changeableCodeRow<DynamicActionRow>(trx, 'dynamic_actions', caller, identifier, namespace);
    const code =
      patch.code === undefined
        ? {}
        : { ...columnsOfCode(patch.code), ...columnsOfDescription(description?.get(patch.code.className)) };
    const columns = { ...(patch.scope === undefined ? {} : { scope: patch.scope }), ...code, updated_at: now };
    await trx('dynamic_actions').where('id', row.id).update(columns);
    return { ...row, ...columns };
  });
}

/** @throws EngineError NOT_FOUND */
export async function deleteDynamicAction(
  store: Store,
  caller: Caller,
  identifier: string,
  namespace: string,
): Promise<void> {
  await store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    const { id } = await changeableCodeRow(trx, 'dynamic_actions', caller, identifier, namespace);
    await trx('dynamic_actions').where('id', id).delete();
  });
}

export function findDynamicAction(
  knex: Knex,
  caller: Caller,
  identifier: string,
  namespace: string,
): Promise<DynamicActionRow | undefined> {
  return findCodeRow<DynamicActionRow>(knex, 'dynamic_actions', caller, identifier, namespace);
}

/** All that the caller may see, for the list of all actions. */
export async function listDynamicActions(
  knex: Knex,
  caller: Caller,
  limit: number,
): Promise<readonly DynamicActionRow[]> {
  return restrictToVisible(knex('dynamic_actions'), caller, true).orderBy(['created_at', 'id']).limit(limit);
}

/** What the engine runs under a name: the namespace first, then the default one; the project's own first, then public ones. */
export async function resolveDynamicAction(
  knex: Knex,
  name: string,
  namespace: string,
  projectId: string,
): Promise<FoundDynamicAction | null> {
  const row: DynamicActionRow | undefined = await knex('dynamic_actions')
    .where('name', name)
    .whereIn('namespace', namespace === '' ? [''] : [namespace, ''])
    .where((group) => group.where('project_id', projectId).orWhere('scope', 'public'))
    .orderByRaw(
      'case when namespace = ? then 0 else 1 end, case when project_id = ? then 0 else 1 end, created_at, id',
      [namespace, projectId],
    )
    .first();
  if (row === undefined) return null;
  return { kind: 'dynamic', name: row.name, className: row.class_name, definition: definitionOf(row) };
}

/** The row of an action that is to be run, and its module's present version; undefined when it was deleted. */
export async function findRunnable(knex: Knex, id: string): Promise<(DynamicActionRow & Version) | undefined> {
  return knex('dynamic_actions')
    .join('code_sources', 'code_sources.id', 'dynamic_actions.code_source_id')
    .where('dynamic_actions.id', id)
    .first('dynamic_actions.*', 'code_sources.version');
}

interface Version {
  readonly version: number;
}

export async function loadContent(
  knex: Knex,
  sourceId: string,
): Promise<{ readonly content: string; readonly version: number } | undefined> {
  return knex('code_sources').where('id', sourceId).first('content', 'version');
}

/** After a change of the module; null: nobody has read it. */
export async function describeActionsOf(
  trx: Knex,
  sourceId: string,
  description: ModuleDescription | null,
): Promise<void> {
  const rows: Pick<DynamicActionRow, 'id' | 'class_name'>[] = await trx('dynamic_actions')
    .where('code_source_id', sourceId)
    .select('id', 'class_name');
  for (const row of rows) {
    await trx('dynamic_actions')
      .where('id', row.id)
      .update(columnsOfDescription(description?.get(row.class_name)));
  }
}

export async function deleteActionsOf(trx: Knex, sourceId: string): Promise<void> {
  await trx('dynamic_actions').where('code_source_id', sourceId).delete();
}

/** What executors run is named by the id: names repeat in other projects and namespaces. */
const RUN_PREFIX = 'dynamic:';

/** The id of the dynamic action that a message to an executor names; null for any other action. */
export function dynamicActionId(systemName: string): string | null {
  return systemName.startsWith(RUN_PREFIX) ? systemName.slice(RUN_PREFIX.length) : null;
}

export function parametersOf(row: Pick<DynamicActionRow, 'parameters'>): ParameterSchema {
  return decodeOptionalJson<ParameterSchema>(row.parameters) ?? ANY_PARAMETERS;
}

const ANY_PARAMETERS: ParameterSchema = { type: 'object', properties: {}, required: [], additionalProperties: true };

function definitionOf(row: DynamicActionRow): ActionDefinition {
  return {
    name: `${RUN_PREFIX}${row.id}`,
    description: row.description ?? '',
    kind: row.is_async ? 'async' : 'sync',
    repeatSafe: false,
    parameters: parametersOf(row),
    result: { description: 'What its code returns.' },
    examples: [],
  };
}

function columnsOfCode(code: CodeReference) {
  return { code_source_id: code.sourceId, code_source_name: code.sourceName, class_name: code.className };
}

function columnsOfDescription(described: ExportDescription | undefined) {
  if (described === undefined) return { description: null, parameters: null, is_async: false };
  const { description, parameters, isAsync } = described;
  return {
    description: description === null ? null : storableText(description),
    // A schema holds nothing but JSON.
    parameters: stringifyJson(parameters as unknown as Json),
    is_async: isAsync,
  };
}
