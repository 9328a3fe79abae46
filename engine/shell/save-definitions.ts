import type { Knex } from 'knex';
import type { JsonObject } from '../../dsl/json.ts';
import { EngineError } from '../errors.ts';
import type { Caller } from '../facade.ts';
import { newId } from '../ids.ts';
import type { BulkRow } from '../store/bulk.ts';
import { isStorableText, storableText } from '../store/columns.ts';
import { isUniqueViolation } from '../store/connection.ts';
import {
  findDefinition,
  findDefinitionById,
  insertDefinitions,
  ownDefinitions,
  storeSpecs,
  updateDefinition,
} from '../store/definitions.ts';
import type { DefinitionTable, RowOf, Scope } from '../store/definitions.ts';
import { normalUuid } from '../store/filters.ts';
import { foreignTriggerProjects } from '../store/triggers.ts';
import { checkOwner, definitionNotFound } from './definition-rules.ts';

/** One definition as it is to be stored. */
export interface Entry {
  readonly name: string;
  /** The mapping of its spec; null for workbooks, which have none. */
  readonly raw: JsonObject | null;
  readonly columns: BulkRow;
}

export type SaveMode =
  | { readonly kind: 'create' }
  /** Every entry must exist. With an identifier there is one entry, and it may get a new name. */
  | { readonly kind: 'update'; readonly identifier?: string; readonly plural?: string }
  | { readonly kind: 'upsert' };

export interface Owner {
  readonly caller: Caller;
  readonly namespace: string;
  readonly scope: Scope;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Writes the entries and returns their rows in the same order. */
export async function saveDefinitions<T extends DefinitionTable>(
  trx: Knex,
  table: T,
  mode: SaveMode,
  owner: Owner,
  entries: readonly Entry[],
): Promise<readonly RowOf[T][]> {
  checkKey('namespace', owner.namespace);
  for (const { name } of entries) checkKey('name', name);
  const existing = await existingRows(trx, table, mode, owner, entries);
  const columns = await columnsOf(trx, table, owner, entries);
  const created: BulkRow[] = [];
  for (const [i, entry] of entries.entries()) {
    const row = existing.get(entry.name);
    const values = columns[i] ?? {};
    if (row === undefined) created.push(newRow(owner, values));
    else await updateChanged(trx, table, owner, row, values);
  }
  await insertNew(trx, table, owner, created);
  return readBack(trx, table, entries, created, existing);
}

/** What a definition is found by must fit its column, and come back as it was stored. */
function checkKey(what: 'name' | 'namespace', value: string): void {
  const length = [...value].length;
  if (length > MAX_KEY) {
    throw new EngineError(
      'INVALID_INPUT',
      `The ${what} '${value.slice(0, 40)}…' is too long: ${MAX_KEY} characters are allowed, it has ${length}.`,
    );
  }
  if (!isStorableText(value)) {
    throw new EngineError(
      'INVALID_INPUT',
      `The ${what} '${storableText(value)}' cannot be stored: it must be Unicode text without the character U+0000.`,
    );
  }
}

const MAX_KEY = 255;

/** Rows that the entries go into, by the entries' names. */
async function existingRows<T extends DefinitionTable>(
  trx: Knex,
  table: T,
  mode: SaveMode,
  owner: Owner,
  entries: readonly Entry[],
): Promise<ReadonlyMap<string, RowOf[T]>> {
  const { caller, namespace } = owner;
  const names = entries.map((entry) => entry.name);
  if (mode.kind === 'update') return rowsToUpdate(trx, table, mode, owner, names);
  const existing = await ownDefinitions(trx, table, caller.projectId, namespace, names);
  const taken = mode.kind === 'create' ? names.find((name) => existing.has(name)) : undefined;
  if (taken !== undefined) throw duplicate(table, taken, owner);
  return existing;
}

async function rowsToUpdate<T extends DefinitionTable>(
  trx: Knex,
  table: T,
  mode: Extract<SaveMode, { kind: 'update' }>,
  { caller, namespace }: Owner,
  names: readonly string[],
): Promise<ReadonlyMap<string, RowOf[T]>> {
  if (mode.identifier !== undefined && names.length > 1) {
    throw new EngineError(
      'INVALID_INPUT',
      `More than one ${mode.plural ?? table} are not supported for update with identifier. [identifier: ${mode.identifier}]`,
    );
  }
  const rows = new Map<string, RowOf[T]>();
  for (const name of names) {
    const identifier = mode.identifier ?? name;
    const id = mode.identifier === undefined ? null : normalUuid(mode.identifier);
    const row =
      id === null
        ? await findDefinition(trx, table, caller, { name: identifier, namespace })
        : await findDefinitionById(trx, table, caller, id);
    if (row === undefined) throw definitionNotFound(table, identifier, namespace);
    checkOwner(table, caller, row, identifier, namespace);
    rows.set(name, row);
  }
  return rows;
}

async function columnsOf(
  trx: Knex,
  table: DefinitionTable,
  owner: Owner,
  entries: readonly Entry[],
): Promise<readonly BulkRow[]> {
  const common = entries.map((entry) => ({ name: entry.name, scope: owner.scope, ...entry.columns }));
  if (table === 'workbooks') return common;
  const raws = entries.flatMap((entry) => (entry.raw === null ? [] : [entry.raw]));
  const hashes = await storeSpecs(trx, table === 'workflows' ? 'workflow' : 'action', raws, owner.now);
  return common.map((columns, i) => ({ ...columns, spec_hash: hashes[i] ?? '' }));
}

function newRow({ caller, namespace, now }: Owner, columns: BulkRow): BulkRow {
  return { id: newId(), namespace, project_id: caller.projectId, ...columns, created_at: now, updated_at: null };
}

/** `updated_at` moves only when something else does (spec/rest-api.md §2.12). */
async function updateChanged<T extends DefinitionTable>(
  trx: Knex,
  table: T,
  owner: Owner,
  row: RowOf[T],
  columns: BulkRow,
): Promise<void> {
  const before: Readonly<Record<string, unknown>> = { ...row };
  const changed = Object.entries(columns).filter(([column, value]) => before[column] !== value);
  if (changed.length === 0) return;
  if (table === 'workflows' && row.scope === 'public' && owner.scope === 'private') {
    const projects = await foreignTriggerProjects(trx, row);
    if (projects.length > 0) {
      throw new EngineError(
        'NOT_ALLOWED',
        `The scope of workflow ${row.name} can't be changed to private [id=${row.id}]: triggers of other projects start it.`,
      );
    }
  }
  try {
    await updateDefinition(trx, table, row.id, { ...Object.fromEntries(changed), updated_at: owner.now });
  } catch (error) {
    throw isUniqueViolation(error) ? duplicate(table, String(columns['name']), owner) : error;
  }
}

async function insertNew(trx: Knex, table: DefinitionTable, owner: Owner, rows: readonly BulkRow[]): Promise<void> {
  try {
    await insertDefinitions(trx, table, rows);
  } catch (error) {
    throw isUniqueViolation(error) ? duplicate(table, rows.map((row) => String(row['name'])).join(', '), owner) : error;
  }
}

async function readBack<T extends DefinitionTable>(
  trx: Knex,
  table: T,
  entries: readonly Entry[],
  created: readonly BulkRow[],
  existing: ReadonlyMap<string, RowOf[T]>,
): Promise<readonly RowOf[T][]> {
  const idOf = new Map(created.map((row) => [row['name'], row['id']]));
  const ids = entries.map(({ name }) => String(existing.get(name)?.id ?? idOf.get(name)));
  const rows: RowOf[T][] = await trx(table).whereIn('id', ids);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

function duplicate(table: DefinitionTable, name: string, { caller, namespace }: Owner): EngineError {
  return new EngineError(
    'CONFLICT',
    `Duplicate entry for ${ENTITIES[table]} ['name', 'namespace', 'project_id']: ${name}, ${namespace}, ${caller.projectId}`,
  );
}

const ENTITIES = {
  workbooks: 'WorkbookDefinition',
  workflows: 'WorkflowDefinition',
  actions: 'ActionDefinition',
} as const;
