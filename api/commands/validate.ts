import { problemData } from '../../dsl/errors.ts';
import type { DocumentKind } from '../../dsl/index.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { checkFiles, lineOf } from './check-files.ts';
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
  const sources = files.map((path) => ({
    path,
    text: readTextFile(path),
    ...(options.kind === undefined ? {} : { kind: options.kind }),
  }));
  const found = checkFiles(sources, { names: true }).map(({ file, ...problem }) => ({
    file,
    ...problemData({ ...problem, severity: options.strict === true ? 'error' : problem.severity }),
  }));
  if (options.json === true) terminal.out(`${JSON.stringify(found, null, 2)}\n`);
  else for (const problem of found) terminal.out(`${lineOf(problem)}\n`);
  return found.some(({ severity }) => severity === 'error') ? 2 : 0;
}
