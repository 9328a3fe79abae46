import { formatProblem } from '../../dsl/errors.ts';
import { parseActions, parseWorkbook, parseWorkflows, validate, type WorkflowSpec } from '../../dsl/index.ts';
import type { FoundAction, FoundWorkflow } from '../../engine/core/env.ts';
import type { Catalogue } from '../../executors/index.ts';
import { callCheck } from '../call-check.ts';
import { documentKind } from '../commands/document-kind.ts';
import { UsageError } from '../usage-error.ts';
import type { Library } from './simulation.ts';

export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** All definitions of the files, as an upload would store them. @throws UsageError with a line for each fault. */
export function readLibrary(files: readonly SourceFile[], catalogue: Catalogue): Library {
  const workflows = new Map<string, FoundWorkflow>();
  const actions = new Map<string, FoundAction>();
  const faults: string[] = [];
  const addWorkflow = (name: string, workbookName: string | null, spec: WorkflowSpec): void => {
    workflows.set(name, { id: name, name, namespace: '', workbookName, specHash: name, spec });
  };
  for (const { path, text } of files) {
    const kind = documentKind(text);
    const errors = validate(kind, text, { checkCall: callCheck(catalogue, 'strict') }).filter(
      ({ severity }) => severity === 'error',
    );
    faults.push(...errors.map((fault) => `${path}:${formatProblem(fault)}`));
    if (errors.length > 0) continue;
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
  if (faults.length > 0) throw new UsageError(faults.join('\n'));
  return { workflows, actions, catalogue };
}
