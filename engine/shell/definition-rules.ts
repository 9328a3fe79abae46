import { EngineError } from '../errors.ts';
import type { Caller } from '../facade.ts';
import type { DefinitionTable, Scope } from '../store/definitions.ts';

/** @throws EngineError INVALID_INPUT, or FORBIDDEN when the scope is not for this caller. */
export function checkScope(caller: Caller, scope: string): asserts scope is Scope {
  if (scope !== 'private' && scope !== 'public') {
    throw new EngineError(
      'INVALID_INPUT',
      `Scope must be one of the following: {'public', 'private'}; actual: ${scope}`,
    );
  }
  if (scope === 'public' && !(caller.mayPublish ?? caller.isAdmin))
    throw new EngineError('FORBIDDEN', 'Operation forbidden (insufficient permissions)');
}

/** The words that clients look for: spec/rest-api.md §2.4. */
export function definitionNotFound(table: DefinitionTable, identifier: string, namespace: string): EngineError {
  const text = {
    workbooks: `Workbook not found [name=${identifier}, namespace=${namespace}]`,
    workflows: `Workflow not found [workflow_identifier=${identifier}, namespace=${namespace}]`,
    actions: `Action definition not found [action_name=${identifier}, namespace=${namespace}]`,
  };
  return new EngineError('NOT_FOUND', text[table]);
}

/** A public definition of another project can be read and run, not changed (spec/rest-api.md §2.9). */
export function checkOwner(
  table: DefinitionTable,
  caller: Caller,
  row: { readonly id: string; readonly project_id: string },
  identifier: string,
  namespace: string,
): void {
  if (caller.isAdmin || row.project_id === caller.projectId) return;
  if (table !== 'workflows') throw definitionNotFound(table, identifier, namespace);
  throw new EngineError('FORBIDDEN', `Can not access WorkflowDefinition resource of other projects, ID: ${row.id}`);
}
