import { formatProblem, formatWarning, type Problem } from '../../dsl/errors.ts';
import { type DocumentKind, type DocumentOptions, validate } from '../../dsl/index.ts';
import { type Catalogue, createCatalogue } from '../../executors/index.ts';
import { callCheck } from '../call-check.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { definedNames, documentKind } from './document-kind.ts';

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** What the text shows if left out. */
  readonly kind?: DocumentKind;
}

export interface FileProblem extends Problem {
  readonly file: string;
}

/**
 * What is wrong or doubtful in files that may call each other. `names`: also which actions and workflows neither they nor the
 * system have; a server may know them, and a test may stand in for them.
 */
export function checkFiles(
  files: readonly SourceFile[],
  { names, catalogue = createCatalogue() }: { readonly names: boolean; readonly catalogue?: Catalogue },
): readonly FileProblem[] {
  const documents = files.map((file) => ({ ...file, kind: file.kind ?? documentKind(file.text) }));
  const host: DocumentOptions = {
    ...(names ? namesOf(documents, catalogue) : {}),
    checkCall: callCheck(catalogue, 'strict'),
  };
  return documents.flatMap(({ path, text, kind }) =>
    validate(kind, text, host).map((problem) => ({ ...problem, file: path })),
  );
}

/** Prints warnings, for commands that go on in spite of them. @throws UsageError with a line for each error */
export function refuseFaults(problems: readonly FileProblem[], terminal: Pick<Terminal, 'err'>): void {
  const errors = problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new UsageError(errors.map((fault) => lineOf(fault)).join('\n'));
  for (const warning of problems) terminal.err(`${lineOf(warning)}\n`);
}

/** `file:line:column: …` */
export function lineOf(
  problem: Pick<FileProblem, 'file' | 'severity' | 'line' | 'column' | 'message' | 'hint'>,
): string {
  return `${problem.file}:${problem.severity === 'error' ? formatProblem(problem) : formatWarning(problem)}`;
}

function namesOf(
  documents: readonly { readonly kind: DocumentKind; readonly text: string }[],
  catalogue: Catalogue,
): Pick<DocumentOptions, 'actions' | 'workflows'> {
  const defined = documents.map(({ kind, text }) => definedNames(kind, text));
  return {
    actions: [...catalogue.list().map(({ name }) => name), ...defined.flatMap(({ actions }) => actions)],
    workflows: defined.flatMap(({ workflows }) => workflows),
  };
}
