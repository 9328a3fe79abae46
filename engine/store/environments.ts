import { stringifyJson } from '../../dsl/json.ts';
import type { JsonObject } from '../../dsl/json.ts';
import type { Knex } from 'knex';
import { EngineError } from '../errors.ts';
import type { Caller } from '../facade.ts';
import { newId } from '../ids.ts';
import { storableText } from './columns.ts';
import { isUniqueViolation } from './connection.ts';
import type { Store } from './connection.ts';
import { raiseDefinitionsEpoch } from './definitions.ts';
import type { Scope } from './definitions.ts';
import { restrictToVisible } from './lists.ts';

export interface EnvironmentRow {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly variables: string;
  readonly scope: Scope;
  readonly project_id: string;
  readonly created_at: number;
  readonly updated_at: number | null;
}

/** Fields that are undefined are left as they are. */
export interface EnvironmentPatch {
  readonly description?: string | null;
  readonly variables?: JsonObject;
  readonly scope?: Scope;
}

/** @throws EngineError CONFLICT when the project has one of that name. */
export async function createEnvironment(
  store: Store,
  caller: Caller,
  name: string,
  fields: EnvironmentPatch,
  now: number = Date.now(),
): Promise<EnvironmentRow> {
  const row: EnvironmentRow = {
    id: newId(),
    name,
    description: null,
    variables: '{}',
    scope: 'private',
    ...columnsOf(fields),
    project_id: caller.projectId,
    created_at: now,
    updated_at: null,
  };
  await store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    try {
      await trx('environments').insert(row);
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new EngineError(
        'CONFLICT',
        `Duplicate entry for Environment ['name', 'project_id']: ${name}, ${caller.projectId}`,
      );
    }
  });
  return row;
}

/** @throws EngineError NOT_FOUND when there is none of that name that the caller may change. */
export async function updateEnvironment(
  store: Store,
  caller: Caller,
  name: string,
  patch: EnvironmentPatch,
  now: number = Date.now(),
): Promise<EnvironmentRow> {
  return store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    const row = await changeable(trx, caller, name);
    const changes = Object.entries(columnsOf(patch)).filter(
      ([column, value]) => row[column as keyof EnvironmentRow] !== value,
    );
    if (changes.length === 0) return row;
    const columns = { ...Object.fromEntries(changes), updated_at: now };
    await trx('environments').where('id', row.id).update(columns);
    return { ...row, ...columns };
  });
}

export async function deleteEnvironment(store: Store, caller: Caller, name: string): Promise<void> {
  await store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    const row = await changeable(trx, caller, name);
    await trx('environments').where('id', row.id).delete();
  });
}

/** By name, among what the caller may see: his own first. */
export async function findEnvironment(knex: Knex, caller: Caller, name: string): Promise<EnvironmentRow | undefined> {
  return restrictToVisible(knex('environments').where('name', name), caller, true)
    .orderByRaw('case when project_id = ? then 0 else 1 end, created_at, id', [caller.projectId])
    .first();
}

export function environmentNotFound(name: string): EngineError {
  return new EngineError('NOT_FOUND', `Environment not found [name=${name}]`);
}

async function changeable(trx: Knex, caller: Caller, name: string): Promise<EnvironmentRow> {
  const row = await findEnvironment(trx, caller, name);
  if (row === undefined || !(caller.isAdmin || row.project_id === caller.projectId)) throw environmentNotFound(name);
  return row;
}

function columnsOf({ description, variables, scope }: EnvironmentPatch): Partial<EnvironmentRow> {
  return {
    ...(description === undefined ? {} : { description: description === null ? null : storableText(description) }),
    ...(variables === undefined ? {} : { variables: stringifyJson(variables) }),
    ...(scope === undefined ? {} : { scope }),
  };
}
