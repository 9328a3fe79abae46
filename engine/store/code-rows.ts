import type { Knex } from 'knex';
import { EngineError } from '../errors.ts';
import type { Caller } from '../facade.ts';
import { newId } from '../ids.ts';
import { isUniqueViolation } from './connection.ts';
import type { Scope } from './definitions.ts';
import { normalUuid } from './filters.ts';
import { restrictToVisible } from './lists.ts';

/** What code sources and dynamic actions have in common: a name in a namespace of a project (spec/rest-api.md §2.8). */

export interface CodeRow {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly project_id: string;
  readonly scope: Scope;
  /** A JSON array; nothing sets it, but lists can be filtered by it. */
  readonly tags: string;
  readonly created_at: number;
  readonly updated_at: number | null;
}

export type CodeTable = 'code_sources' | 'dynamic_actions';

export interface CodeKey {
  readonly name: string;
  readonly namespace: string;
}

export function newCodeRow(caller: Caller, { name, namespace }: CodeKey, scope: Scope, now: number): CodeRow {
  const projectId = caller.projectId;
  return {
    id: newId(),
    name,
    namespace,
    project_id: projectId,
    scope,
    tags: '[]',
    created_at: now,
    updated_at: null,
  };
}

/** @throws EngineError CONFLICT when the project has one of that name in that namespace. */
export async function insertCodeRow(trx: Knex, table: CodeTable, row: CodeRow): Promise<void> {
  try {
    await trx(table).insert(row);
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new EngineError(
      'CONFLICT',
      `Duplicate entry for ${ENTITIES[table]} ['name', 'namespace', 'project_id']: ${row.name}, ${row.namespace}, ${row.project_id}`,
    );
  }
}

/** By id whatever the namespace, or by name in exactly this one, among what the caller may see: his own first. */
export async function findCodeRow<Row extends CodeRow>(
  knex: Knex,
  table: CodeTable,
  caller: Caller,
  identifier: string,
  namespace: string,
): Promise<Row | undefined> {
  const id = normalUuid(identifier);
  const query = restrictToVisible(
    knex(table).where((any) => {
      any.where({ name: identifier, namespace });
      if (id !== null) any.orWhere('id', id);
    }),
    caller,
    true,
  );
  const first = 'case when id = ? then 0 when project_id = ? then 1 else 2 end, created_at, id';
  return query.orderByRaw(first, [id ?? '', caller.projectId]).first();
}

/** @throws EngineError NOT_FOUND when there is none, or it is another project's and the caller no administrator. */
export async function changeableCodeRow<Row extends CodeRow>(
  trx: Knex,
  table: CodeTable,
  caller: Caller,
  identifier: string,
  namespace: string,
): Promise<Row> {
  const row = await findCodeRow<Row>(trx, table, caller, identifier, namespace);
  if (row === undefined || !(caller.isAdmin || row.project_id === caller.projectId))
    throw codeRowNotFound(table, identifier, namespace);
  return row;
}

export function codeRowNotFound(table: CodeTable, identifier: string, namespace: string): EngineError {
  return new EngineError('NOT_FOUND', `${TITLES[table]} not found [identifier=${identifier}, namespace=${namespace}]`);
}

const ENTITIES: Readonly<Record<CodeTable, string>> = {
  code_sources: 'CodeSource',
  dynamic_actions: 'DynamicActionDefinition',
};
const TITLES: Readonly<Record<CodeTable, string>> = { code_sources: 'Code source', dynamic_actions: 'Dynamic action' };
