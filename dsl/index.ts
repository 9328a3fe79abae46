import { DslError, type Problem } from './errors.ts';
import { isJsonObject, type Json, type JsonObject } from './json.ts';
import { Problems } from './problems.ts';
import { actionSpecFrom, rawAction } from './spec/action.ts';
import { DocumentCheck, type DocumentOptions } from './spec/document-check.ts';
import type { ActionSpec, WorkbookSpec, WorkflowSpec } from './spec/types.ts';
import { entriesOf, workbookSpecOf } from './spec/workbook.ts';
import { readYaml, writeYaml } from './yaml.ts';

export { graphOf, type WorkflowGraph } from './graph.ts';
export { actionSpecFrom } from './spec/action.ts';
export type { CallCheck, DocumentOptions } from './spec/document-check.ts';
export { taskSpecFrom } from './spec/task.ts';
export type * from './spec/types.ts';
export { ENGINE_COMMANDS } from './spec/types.ts';
export { workbookSpecFrom } from './spec/workbook.ts';
export { workflowSpecFrom } from './spec/workflow.ts';

export type DocumentKind = 'workbook' | 'workflow' | 'action';

export interface ParsedWorkbook {
  readonly spec: WorkbookSpec;
  readonly warnings: readonly Problem[];
  /** What to store as the text of each entry, by its short name. */
  readonly definitions: { readonly workflows: Definitions; readonly actions: Definitions };
}

export interface ParsedWorkflows {
  /** In the order of the text. */
  readonly specs: readonly WorkflowSpec[];
  readonly warnings: readonly Problem[];
  /** What to store as the text of each workflow: the whole text if it holds one only. */
  readonly definitions: Definitions;
}

export interface ParsedActions {
  readonly specs: readonly ActionSpec[];
  readonly warnings: readonly Problem[];
  readonly definitions: Definitions;
}

export type Definitions = ReadonlyMap<string, string>;

/**
 * Reads a workbook.
 *
 * @throws DslError with every error of the text.
 */
export function parseWorkbook(text: string, options: DocumentOptions = {}): ParsedWorkbook {
  const { value, warnings, workflows } = readDocument('workbook', text, options);
  return {
    spec: workbookSpecOf(value, workflows),
    warnings,
    definitions: {
      workflows: new Map(entriesOf(value, 'workflows').map(([name, entry]) => [name, definitionText(name, entry)])),
      actions: new Map(entriesOf(value, 'actions').map(([name, entry]) => [name, definitionText(name, entry)])),
    },
  };
}

/**
 * Reads a list of workflows.
 *
 * @throws DslError with every error of the text.
 */
export function parseWorkflows(text: string, options: DocumentOptions = {}): ParsedWorkflows {
  const { value, warnings, workflows } = readDocument('workflow', text, options);
  return { specs: workflows, warnings, definitions: definitionsOf(text, listEntries(value)) };
}

/**
 * Reads a list of ad-hoc actions.
 *
 * @throws DslError with every error of the text.
 */
export function parseActions(text: string, options: DocumentOptions = {}): ParsedActions {
  const { value, warnings } = readDocument('action', text, options);
  const entries = listEntries(value);
  return {
    specs: entries.map(([name, entry]) => actionSpecFrom(rawAction(name, entry))),
    warnings,
    definitions: definitionsOf(text, entries),
  };
}

/** Everything that is wrong or doubtful in a text, in its order; without errors it would be accepted. */
export function validate(kind: DocumentKind, text: string, options: DocumentOptions = {}): readonly Problem[] {
  return checkDocument(kind, text, options).problems;
}

/** The text of one entry as a document of its own; keys keep their order (spec/dsl.md §15, D-3.4). */
export function definitionText(name: string, entry: JsonObject): string {
  return writeYaml({ version: '2.0', [name]: entry });
}

interface CheckedDocument {
  readonly value: Json | undefined;
  readonly problems: readonly Problem[];
  readonly workflows: readonly WorkflowSpec[];
}

function readDocument(
  kind: DocumentKind,
  text: string,
  options: DocumentOptions,
): { value: JsonObject; warnings: readonly Problem[]; workflows: readonly WorkflowSpec[] } {
  const { value, problems, workflows } = checkDocument(kind, text, options);
  const errors = problems.filter((problem) => problem.severity === 'error');
  if (errors.length > 0 || !isJsonObject(value)) throw new DslError(errors);
  return { value, warnings: problems, workflows };
}

function checkDocument(kind: DocumentKind, text: string, options: DocumentOptions): CheckedDocument {
  const found = new Problems(options);
  const document = readYaml(text, found);
  // Empty text stands for an empty mapping (spec/dsl.md D-1.2).
  const value = document.readable === null ? {} : document.readable;
  const check = new DocumentCheck(found, options);
  if (value !== undefined) CHECKS[kind](check, value);
  return { value, problems: found.sorted(document.locate), workflows: check.workflows };
}

const CHECKS: Readonly<Record<DocumentKind, (check: DocumentCheck, value: Json) => void>> = {
  workbook: (check, value) => check.workbook(value),
  workflow: (check, value) => check.workflowList(value),
  action: (check, value) => check.actionList(value),
};

function listEntries(document: JsonObject): readonly (readonly [string, JsonObject])[] {
  return Object.keys(document).flatMap((name) => {
    const entry = document[name];
    return name !== 'version' && isJsonObject(entry) ? [[name, entry] as const] : [];
  });
}

function definitionsOf(text: string, entries: readonly (readonly [string, JsonObject])[]): Definitions {
  if (entries.length === 1) return new Map(entries.map(([name]) => [name, text]));
  return new Map(entries.map(([name, entry]) => [name, definitionText(name, entry)]));
}
