import { copyObject, isJsonObject, type Json, type JsonObject, setKey } from '../json.ts';
import { actionSpecFrom, rawAction } from './action.ts';
import { own } from './policies.ts';
import { textOf, textsOf } from './task.ts';
import type { WorkbookSpec } from './types.ts';
import { mappingOf, rawWorkflow, workflowSpecFrom } from './workflow.ts';

/** The mapping that is stored: every entry completed as if it had been uploaded by itself, under its short name. */
export function rawWorkbook(written: JsonObject): JsonObject {
  const raw = copyObject(written);
  completeSection(raw, 'actions', rawAction);
  completeSection(raw, 'workflows', rawWorkflow);
  return raw;
}

/** Builds a workbook from its stored mapping without checking it. */
export function workbookSpecFrom(raw: JsonObject): WorkbookSpec {
  return {
    kind: 'workbook',
    name: textOf(own(raw, 'name')) ?? '',
    description: textOf(own(raw, 'description')),
    tags: textsOf(own(raw, 'tags')),
    workflows: entriesOf(raw, 'workflows').map(([, entry]) => workflowSpecFrom(entry)),
    actions: entriesOf(raw, 'actions').map(([, entry]) => actionSpecFrom(entry)),
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
  complete: (name: string, written: JsonObject) => JsonObject,
): void {
  const entries = mappingOf(own(raw, section));
  if (entries === null) return;
  const completed = copyObject(entries);
  for (const [name, entry] of entriesOf(raw, section)) setKey(completed, name, complete(name, entry));
  raw[section] = completed;
}
