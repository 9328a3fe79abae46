import type { Knex } from 'knex';
import type { Caller } from '../facade.ts';
import { changeableCodeRow, findCodeRow, insertCodeRow, newCodeRow } from './code-rows.ts';
import type { CodeKey, CodeRow } from './code-rows.ts';
import { storableText } from './columns.ts';
import type { Store } from './connection.ts';
import { raiseDefinitionsEpoch } from './definitions.ts';
import type { Scope } from './definitions.ts';
import { deleteActionsOf, describeActionsOf } from './dynamic-actions.ts';
import type { ModuleDescription } from './dynamic-actions.ts';

/** Modules that dynamic actions are made of (spec/engine.md E-28.3, spec/rest-api.md §3.13). */
export interface CodeSourceRow extends CodeRow {
  readonly content: string;
  /** 1 at first; raised by every update, so that executors know when to load it again. */
  readonly version: number;
}

/** @throws EngineError CONFLICT */
export async function createCodeSource(
  store: Store,
  caller: Caller,
  key: CodeKey,
  fields: { readonly content: string; readonly scope: Scope },
  now: number = Date.now(),
): Promise<CodeSourceRow> {
  const row: CodeSourceRow = {
    ...newCodeRow(caller, key, fields.scope, now),
    content: storableText(fields.content),
    version: 1,
  };
  await store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    await insertCodeRow(trx, 'code_sources', row);
  });
  return row;
}

/**
 * Replaces content and scope.
 *
 * @param description what the new content says of its actions; null when nobody has read it.
 * @throws EngineError NOT_FOUND
 */
export async function updateCodeSource(
  store: Store,
  caller: Caller,
  identifier: string,
  namespace: string,
  fields: { readonly content: string; readonly scope: Scope },
  description: ModuleDescription | null,
  now: number = Date.now(),
): Promise<CodeSourceRow> {
  return store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    const row = await changeableCodeRow<CodeSourceRow>(trx, 'code_sources', caller, identifier, namespace);
    const columns = { content: storableText(fields.content), scope: fields.scope, updated_at: now };
    await trx('code_sources').where('id', row.id).update(columns).increment('version', 1);
    await describeActionsOf(trx, row.id, description);
    return { ...row, ...columns, version: row.version + 1 };
  });
}

/** Its dynamic actions go with it. @throws EngineError NOT_FOUND */
export async function deleteCodeSource(
  store: Store,
  caller: Caller,
  identifier: string,
  namespace: string,
): Promise<void> {
  await store.writer.transaction(async (trx) => {
    await raiseDefinitionsEpoch(trx);
    const { id } = await changeableCodeRow(trx, 'code_sources', caller, identifier, namespace);
    await deleteActionsOf(trx, id);
    await trx('code_sources').where('id', id).delete();
  });
}

export function findCodeSource(
  knex: Knex,
  caller: Caller,
  identifier: string,
  namespace: string,
): Promise<CodeSourceRow | undefined> {
  return findCodeRow<CodeSourceRow>(knex, 'code_sources', caller, identifier, namespace);
}
