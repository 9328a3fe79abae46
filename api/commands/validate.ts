import { formatProblem, formatWarning } from '../../dsl/errors.ts';
import { validate } from '../../dsl/index.ts';
import type { DocumentKind, DocumentOptions } from '../../dsl/index.ts';
import { createCatalogue } from '../../executors/index.ts';
import { callCheck } from '../call-check.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { definedNames, documentKind } from './document-kind.ts';
import { readTextFile } from './settings.ts';

export interface ValidateOptions {
  readonly kind?: DocumentKind;
  readonly strict?: boolean;
}

/**
 * Prints one line for each fault and each warning; files without any are not mentioned. The files may call each other's actions
 * and workflows. A name that neither they nor the system have is only warned of: the server may have it.
 */
export async function validateCommand(
  files: readonly string[],
  options: ValidateOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const catalogue = createCatalogue();
  const documents = files.map((file) => {
    const text = readTextFile(file);
    const kind = options.kind ?? documentKind(text);
    return { file, text, kind, names: definedNames(kind, text) };
  });
  const host: DocumentOptions = {
    actions: [...catalogue.list().map(({ name }) => name), ...documents.flatMap(({ names }) => names.actions)],
    workflows: documents.flatMap(({ names }) => names.workflows),
    checkCall: callCheck(catalogue, 'strict'),
  };
  let faults = 0;
  for (const { file, text, kind } of documents) {
    const problems = validate(kind, text, host);
    for (const problem of problems) {
      const isError = problem.severity === 'error' || options.strict === true;
      if (isError) faults++;
      terminal.out(`${file}:${isError ? formatProblem(problem) : formatWarning(problem)}\n`);
    }
  }
  return faults === 0 ? 0 : 2;
}
