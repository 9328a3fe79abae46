import { formatProblem } from '../../dsl/errors.ts';
import { validate } from '../../dsl/index.ts';
import type { DocumentKind } from '../../dsl/index.ts';
import { createCatalogue } from '../../executors/index.ts';
import { callCheck } from '../call-check.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { documentKind } from './document-kind.ts';
import { readTextFile } from './settings.ts';

export interface ValidateOptions {
  readonly kind?: DocumentKind;
  readonly strict?: boolean;
}

/** Prints one line for each fault and each warning; files without any are not mentioned. */
export async function validateCommand(
  files: readonly string[],
  options: ValidateOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const catalogue = createCatalogue();
  let faults = 0;
  for (const file of files) {
    const text = readTextFile(file);
    const problems = validate(options.kind ?? documentKind(text), text, {
      checkCall: callCheck(catalogue, 'strict'),
    });
    for (const problem of problems) {
      const isError = problem.severity === 'error' || options.strict === true;
      if (isError) faults++;
      terminal.out(`${file}:${isError ? formatProblem(problem) : warning(formatProblem(problem))}\n`);
    }
  }
  return faults === 0 ? 0 : 2;
}

/** The place stays in front. */
function warning(line: string): string {
  return line.replace(/^(\d+:\d+: )/, '$1warning: ');
}
