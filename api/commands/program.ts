import { parseWorkbook, parseWorkflows } from '../../dsl/index.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { checkFiles, refuseFaults } from './check-files.ts';
import { documentKind } from './document-kind.ts';

/** A file's text and the workflow of it that is to run, under the name that it is stored by. */
export interface Program {
  readonly kind: 'workbook' | 'workflow';
  readonly text: string;
  readonly workflow: string;
}

/**
 * Prints the warnings of the text; `withNames`: also of unknown actions and workflows.
 * @throws UsageError with a line for each fault of the text, or naming the workflows to choose from.
 */
export function readProgram(
  file: string,
  text: string,
  wanted: string | null,
  withNames: boolean,
  terminal: Pick<Terminal, 'err'>,
): Program {
  const kind = documentKind(text);
  if (kind === 'action') throw new UsageError(`${file} holds actions only: there is no workflow to run.`);
  refuseFaults(checkFiles([{ path: file, text, kind }], { names: withNames }), terminal);
  if (kind === 'workflow') {
    const names = parseWorkflows(text).specs.map(({ name }) => name);
    return { kind, text, workflow: choose(file, names, wanted) };
  }
  const { spec } = parseWorkbook(text);
  const prefix = `${spec.name}.`;
  const short = wanted?.startsWith(prefix) === true ? wanted.slice(prefix.length) : wanted;
  const names = spec.workflows.map(({ name }) => name);
  return { kind, text, workflow: `${prefix}${choose(file, names, short)}` };
}

/** The workflow that is wanted, or the only one there is. @throws UsageError */
export function choose(file: string, names: readonly string[], wanted: string | null): string {
  const [only] = names;
  if (only === undefined) throw new UsageError(`${file} holds no workflow.`);
  if (wanted === null && names.length === 1) return only;
  if (wanted === null)
    throw new UsageError(`${file} holds several workflows; choose one with --workflow: ${names.join(', ')}`);
  if (names.includes(wanted)) return wanted;
  throw new UsageError(`${file} holds no workflow '${wanted}'; it holds: ${names.join(', ')}`);
}
