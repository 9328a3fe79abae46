import { formatProblem, formatWarning, problemData, type ProblemData } from '../../dsl/errors.ts';
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
  readonly json?: boolean;
}

/**
 * Prints one line for each fault and each warning, or all of them as a list in JSON; files without any are not mentioned. The files may call each other's actions
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
  const found: ({ readonly file: string } & ProblemData)[] = [];
  for (const { file, text, kind } of documents) {
    for (const problem of validate(kind, text, host)) {
      const severity = options.strict === true ? 'error' : problem.severity;
      found.push({ file, ...problemData({ ...problem, severity }) });
    }
  }
  if (options.json === true) terminal.out(`${JSON.stringify(found, null, 2)}\n`);
  else for (const problem of found) terminal.out(`${line(problem)}\n`);
  return found.some(({ severity }) => severity === 'error') ? 2 : 0;
}

function line(problem: { readonly file: string } & ProblemData): string {
  return `${problem.file}:${problem.severity === 'error' ? formatProblem(problem) : formatWarning(problem)}`;
}
