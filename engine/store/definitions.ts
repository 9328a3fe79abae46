import { createHash } from 'node:crypto';
import type { Knex } from 'knex';
import { actionSpecFrom, workflowSpecFrom } from '../../dsl/index.ts';
import type { ActionSpec, WorkflowSpec } from '../../dsl/index.ts';
import { stringifyJson } from '../../dsl/json.ts';
import type { JsonObject } from '../../dsl/json.ts';
import { EngineError } from '../errors.ts';
import type { Caller } from '../facade.ts';
import type { BulkRow } from './bulk.ts';
import { insertMany } from './bulk.ts';
import { decodeJson } from './columns.ts';
import { rowsOf } from './dialect.ts';
import { orSharedWith, restrictToVisible } from './lists.ts';

/** Rows of workbooks, workflows and ad-hoc actions, and the specs that they point to by content hash (design.md §3). */

export type DefinitionTable = 'workbooks' | 'workflows' | 'actions';
export type Scope = 'private' | 'public';

interface DefinitionRow {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly project_id: string;
  readonly scope: Scope;
  readonly definition: string;
  /** A JSON array. */
  readonly tags: string;
  readonly created_at: number;
  readonly updated_at: number | null;
}

export type WorkbookRow = DefinitionRow;

export interface WorkflowRow extends DefinitionRow {
  readonly spec_hash: string;
  readonly workbook_name: string | null;
  readonly checksum: string | null;
  readonly input: string;
  readonly interface: string;
}

export interface AdHocActionRow extends DefinitionRow {
  readonly spec_hash: string;
  readonly workbook_name: string | null;
  readonly description: string | null;
  readonly input: string;
}

export interface RowOf {
  readonly workbooks: WorkbookRow;
  readonly workflows: WorkflowRow;
  readonly actions: AdHocActionRow;
}

export interface DefinitionKey {
  readonly name: string;
  readonly namespace: string;
}

/** Stores what is not stored yet and returns the hash of each, in order. */
export async function storeSpecs(
  trx: Knex,
  kind: 'workflow' | 'action',
  raws: readonly JsonObject[],
  now: number,
): Promise<readonly string[]> {
  const rows = raws.map((raw) => {
    const body = stringifyJson(raw);
    const hash = createHash('sha256').update(kind).update('\0').update(body).digest('hex');
    return { hash, kind, body, created_at: now };
  });
  const distinct = [...new Map(rows.map((row) => [row.hash, row])).values()];
  await insertMany(trx, 'specs', distinct, { ignoreConflicts: true });
  return rows.map((row) => row.hash);
}

/** @throws EngineError INTERNAL when there is none: a row that points nowhere. */
export async function loadWorkflowSpec(knex: Knex, hash: string): Promise<WorkflowSpec> {
  return workflowSpecFrom(await specBody(knex, hash));
}

export async function loadActionSpec(knex: Knex, hash: string): Promise<ActionSpec> {
  return actionSpecFrom(await specBody(knex, hash));
}

/** Rows with exactly these keys in one project, to be compared or changed. */
export async function ownDefinitions<T extends DefinitionTable>(
  trx: Knex,
  table: T,
  projectId: string,
  namespace: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, RowOf[T]>> {
  const rows: RowOf[T][] = await trx(table)
    .where({ project_id: projectId, namespace })
    .whereIn('name', [...names]);
  return new Map(rows.map((row) => [row.name, row]));
}

/** By name in exactly this namespace, among what the caller may see: his own first, then others'. */
export async function findDefinition<T extends DefinitionTable>(
  knex: Knex,
  table: T,
  caller: Caller,
  { name, namespace }: DefinitionKey,
): Promise<RowOf[T] | undefined> {
  const query = restrictToVisible(knex(table).where({ name, namespace }), caller, true, table === 'workflows');
  return query.orderByRaw(OWN_FIRST, [caller.projectId]).first();
}

/** By id, whatever the namespace. */
export async function findDefinitionById<T extends DefinitionTable>(
  knex: Knex,
  table: T,
  caller: Caller,
  id: string,
): Promise<RowOf[T] | undefined> {
  return restrictToVisible(knex(table).where('id', id), caller, true, table === 'workflows').first();
}

/**
 * What the engine runs under a name: the namespace first, then the default one; the project's own first, then public and shared ones
 * (spec/dsl.md D-14.3, D-14.6; spec/rest-api.md §2.8).
 */
export async function resolveDefinition<T extends 'workflows' | 'actions'>(
  knex: Knex,
  table: T,
  name: string,
  namespace: string,
  projectId: string,
): Promise<RowOf[T] | undefined> {
  return knex(table)
    .where('name', name)
    .whereIn('namespace', namespace === '' ? [''] : [namespace, ''])
    .where((group) => {
      group.where('project_id', projectId).orWhere('scope', 'public');
      if (table === 'workflows') orSharedWith(group, projectId);
    })
    .orderByRaw(`case when namespace = ? then 0 else 1 end, ${OWN_FIRST}`, [namespace, projectId])
    .first();
}

/** @throws the driver's unique violation when one exists already; the caller names it. */
export async function insertDefinitions(trx: Knex, table: DefinitionTable, rows: readonly BulkRow[]): Promise<void> {
  await insertMany(trx, table, rows);
}

export async function updateDefinition(trx: Knex, table: DefinitionTable, id: string, columns: BulkRow): Promise<void> {
  await trx(table).where('id', id).update(columns);
}

export async function deleteDefinition(trx: Knex, table: DefinitionTable, id: string): Promise<void> {
  await trx(table).where('id', id).delete();
  if (table === 'workflows') await trx('resource_members').where('resource_id', id).delete();
}

/** Raised by every change of definitions: engines drop what they cached by name when it moves (design.md §2). */
export async function raiseDefinitionsEpoch(trx: Knex): Promise<void> {
  await trx('counters').where('name', EPOCH).increment('value', 1);
}

export async function definitionsEpoch(knex: Knex): Promise<number> {
  // Every batch asks: as text, which costs less than to have it built.
  const [row] = rowsOf<{ value: number }>(await knex.raw('select value from counters where name = ?', [EPOCH]));
  return row?.value ?? 0;
}

export function tagsOf(row: Pick<DefinitionRow, 'tags'>): readonly string[] {
  return decodeJson(row.tags);
}

const EPOCH = 'definitions_epoch';
// Binding: the project.
const OWN_FIRST = 'case when project_id = ? then 0 else 1 end, created_at, id';

async function specBody(knex: Knex, hash: string): Promise<JsonObject> {
  const row: { body: string } | undefined = await knex('specs').where('hash', hash).first('body');
  if (row === undefined) throw new EngineError('INTERNAL', `The spec ${hash} is missing from the database.`);
  return decodeJson(row.body);
}
