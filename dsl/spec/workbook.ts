import { copyObject, isJsonObject, type Json, type JsonObject, setKey } from '../json.ts';
import { actionSpecFrom, rawAction } from './action.ts';
import { own } from './policies.ts';
import { textOf, textsOf } from './task.ts';
import type { ActionSpec, WorkbookSpec, WorkflowSpec } from './types.ts';
import { mappingOf, workflowSpecFrom } from './workflow.ts';

/**
 * The workbook that an author wrote, its workflows already built. What is stored holds every entry completed as if it had been
 * uploaded by itself, under its short name.
 */
export function workbookSpecOf(written: JsonObject, workflows: readonly WorkflowSpec[]): WorkbookSpec {
  const actions = entriesOf(written, 'actions').map(([name, entry]) => actionSpecFrom(rawAction(name, entry)));
  const raw = copyObject(written);
  completeSection(raw, 'actions', actions);
  completeSection(raw, 'workflows', workflows);
  return specOf(raw, workflows, actions);
}

/** Builds a workbook from its stored mapping without checking it. */
export function workbookSpecFrom(raw: JsonObject): WorkbookSpec {
  return specOf(
    raw,
    entriesOf(raw, 'workflows').map(([, entry]) => workflowSpecFrom(entry)),
    entriesOf(raw, 'actions').map(([, entry]) => actionSpecFrom(entry)),
  );
}

function specOf(raw: JsonObject, workflows: readonly WorkflowSpec[], actions: readonly ActionSpec[]): WorkbookSpec {
  return {
    kind: 'workbook',
    name: textOf(own(raw, 'name')) ?? '',
    description: textOf(own(raw, 'description')),
    tags: textsOf(own(raw, 'tags')),
    workflows,
    actions,
    raw,
  };
}

/** The entries of a section; its `version` is none (spec/dsl.md D-1.10). */
export function entriesOf(
  workbook: JsonObject,
  section: 'actions' | 'workflows',
): readonly (readonly [string, JsonObject])[] {
  const entries = mappingOf(own(workbook, section)) ?? {};
  return Object.keys(entries).flatMap((name) => {
    const entry = entries[name];
    return name !== 'version' && isJsonObject(entry) ? [[name, entry] as const] : [];
  });
}

function completeSection(
  raw: Record<string, Json>,
  section: 'actions' | 'workflows',
  specs: readonly (WorkflowSpec | ActionSpec)[],
): void {
  const entries = mappingOf(own(raw, section));
  if (entries === null) return;
  const completed = copyObject(entries);
  for (const spec of specs) setKey(completed, spec.name, spec.raw);
  raw[section] = completed;
}
