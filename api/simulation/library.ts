import { parseActions, parseWorkbook, parseWorkflows, type WorkflowSpec } from '../../dsl/index.ts';
import type { FoundAction, FoundWorkflow } from '../../engine/core/env.ts';
import type { Catalogue } from '../../executors/index.ts';
import { checkFiles, refuseFaults, type SourceFile } from '../commands/check-files.ts';
import { documentKind } from '../commands/document-kind.ts';
import type { Terminal } from '../terminal.ts';
import type { Library } from './simulation.ts';

/** All definitions of the files, as an upload would store them; prints warnings. @throws UsageError with a line for each fault. */
export function readLibrary(
  files: readonly SourceFile[],
  catalogue: Catalogue,
  terminal: Pick<Terminal, 'err'>,
): Library {
  // Actions that are not there are stood in for.
  refuseFaults(checkFiles(files, { names: false, catalogue }), terminal);
  const workflows = new Map<string, FoundWorkflow>();
  const actions = new Map<string, FoundAction>();
  const addWorkflow = (name: string, workbookName: string | null, spec: WorkflowSpec): void => {
    workflows.set(name, { id: name, name, namespace: '', workbookName, specHash: name, spec });
  };
  for (const { text } of files) {
    const kind = documentKind(text);
    if (kind === 'workflow') {
      for (const spec of parseWorkflows(text).specs) addWorkflow(spec.name, null, spec);
    } else if (kind === 'action') {
      for (const spec of parseActions(text).specs) actions.set(spec.name, { kind: 'ad-hoc', spec, workbookName: null });
    } else {
      const { spec: book } = parseWorkbook(text);
      for (const spec of book.workflows) addWorkflow(`${book.name}.${spec.name}`, book.name, spec);
      for (const spec of book.actions)
        actions.set(`${book.name}.${spec.name}`, { kind: 'ad-hoc', spec, workbookName: book.name });
    }
  }
  return { workflows, actions, catalogue };
}
