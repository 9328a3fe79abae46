import type { Knex } from 'knex';
import type { ActionSpec, WorkflowSpec } from '../../dsl/index.ts';
import type { FoundAction, FoundWorkflow } from '../core/env.ts';
import { loadActionSpec, loadWorkflowSpec, resolveDefinition } from './definitions.ts';
import type { WorkflowRow } from './definitions.ts';
import { resolveDynamicAction } from './dynamic-actions.ts';

/** What the engine reads of definitions. Specs are kept by hash, which never goes stale; names are read each time. */
export interface DefinitionFinder {
  findWorkflow(name: string, namespace: string, projectId: string): Promise<FoundWorkflow | null>;
  findAction(name: string, namespace: string, projectId: string): Promise<FoundAction | null>;
  loadSpec(hash: string): Promise<WorkflowSpec>;
  /** A row that was found otherwise, such as by id, with its spec. */
  toFound(row: WorkflowRow): Promise<FoundWorkflow>;
}

export function createDefinitionFinder(reader: Knex): DefinitionFinder {
  const workflows = new SpecCache((hash) => loadWorkflowSpec(reader, hash));
  const actions = new SpecCache<ActionSpec>((hash) => loadActionSpec(reader, hash));
  const toFound = async (row: WorkflowRow): Promise<FoundWorkflow> => ({
    id: row.id,
    name: row.name,
    namespace: row.namespace,
    workbookName: row.workbook_name,
    specHash: row.spec_hash,
    spec: await workflows.get(row.spec_hash),
  });
  return {
    findWorkflow: async (name, namespace, projectId) => {
      const row = await resolveDefinition(reader, 'workflows', name, namespace, projectId);
      return row === undefined ? null : toFound(row);
    },
    findAction: async (name, namespace, projectId) => {
      const row = await resolveDefinition(reader, 'actions', name, namespace, projectId);
      if (row === undefined) return resolveDynamicAction(reader, name, namespace, projectId);
      return { kind: 'ad-hoc', spec: await actions.get(row.spec_hash), workbookName: row.workbook_name };
    },
    loadSpec: (hash) => workflows.get(hash),
    toFound,
  };
}

/** Those of the names that ad-hoc or dynamic actions go by, as {@link DefinitionFinder.findAction} would find them. */
export async function storedActionNames(
  reader: Knex,
  names: readonly string[],
  namespace: string,
  projectId: string,
): Promise<ReadonlySet<string>> {
  const stored = new Set<string>();
  for (let start = 0; start < names.length; start += NAMES_AT_ONCE) {
    for (const table of ['actions', 'dynamic_actions']) {
      const rows: readonly { readonly name: string }[] = await reader(table)
        .distinct('name')
        .whereIn('name', names.slice(start, start + NAMES_AT_ONCE))
        .whereIn('namespace', namespace === '' ? [''] : [namespace, ''])
        .where((group) => group.where('project_id', projectId).orWhere('scope', 'public'));
      for (const { name } of rows) stored.add(name);
    }
  }
  return stored;
}

const NAMES_AT_ONCE = 200;

const KEPT_SPECS = 500;

/** The specs used last; a spec that is asked for by many at once is read once. */
class SpecCache<Spec> {
  private readonly specs = new Map<string, Promise<Spec>>();
  private readonly load: (hash: string) => Promise<Spec>;

  constructor(load: (hash: string) => Promise<Spec>) {
    this.load = load;
  }

  get(hash: string): Promise<Spec> {
    const known = this.specs.get(hash);
    if (known !== undefined) {
      this.specs.delete(hash);
      this.specs.set(hash, known);
      return known;
    }
    const loading = this.load(hash);
    this.specs.set(hash, loading);
    loading.catch(() => this.specs.delete(hash));
    const oldest = this.specs.keys().next().value;
    if (this.specs.size > KEPT_SPECS && oldest !== undefined) this.specs.delete(oldest);
    return loading;
  }
}
