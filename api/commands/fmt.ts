import { writeFileSync } from 'node:fs';
import { DslError, formatProblem } from '../../dsl/errors.ts';
import { formatYaml } from '../../dsl/format.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { readTextFile } from './settings.ts';

export interface FmtOptions {
  readonly check?: boolean;
}

/** Formats the files in place, or with `check` only names those that are not formatted. */
export function fmtCommand(files: readonly string[], { check }: FmtOptions, terminal: Terminal): ExitCode {
  let code: ExitCode = 0;
  for (const file of files) {
    const text = readTextFile(file);
    try {
      const formatted = formatYaml(text);
      if (formatted === text) continue;
      terminal.out(`${file}\n`);
      if (check === true) code = code === 2 ? 2 : 1;
      else writeFileSync(file, formatted);
    } catch (error) {
      if (!(error instanceof DslError)) throw error;
      code = 2;
      terminal.err(`${error.problems.map((problem) => `${file}:${formatProblem(problem)}`).join('\n')}\n`);
    }
  }
  return code;
}
