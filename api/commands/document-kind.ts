import type { DocumentKind } from '../../dsl/index.ts';
import { isJsonObject } from '../../dsl/json.ts';
import type { Json } from '../../dsl/json.ts';
import { Problems } from '../../dsl/problems.ts';
import { readYaml } from '../../dsl/yaml.ts';

/**
 * What a text is: the API tells by the address that it is sent to, a file has to show it. A workbook has a name of its own; an
 * action has a base. Anything else, also what cannot be read, is taken for workflows.
 */
export function documentKind(text: string): DocumentKind {
  const { readable: value } = readYaml(text, new Problems());
  if (!isJsonObject(value)) return 'workflow';
  if (typeof value['name'] === 'string' || isSection(value['workflows']) || isSection(value['actions']))
    return 'workbook';
  const entries = Object.entries(value).filter(([name]) => name !== 'version');
  return entries.some(([, entry]) => isJsonObject(entry) && 'base' in entry && !('tasks' in entry))
    ? 'action'
    : 'workflow';
}

/** The names that actions and workflows of the text are called by from other texts. */
export function definedNames(
  kind: DocumentKind,
  text: string,
): { readonly actions: readonly string[]; readonly workflows: readonly string[] } {
  const { readable: value } = readYaml(text, new Problems());
  if (kind === 'action') return { actions: entryNames(value), workflows: [] };
  if (kind === 'workflow') return { actions: [], workflows: entryNames(value) };
  const book = isJsonObject(value) ? value : {};
  const inFull = (section: 'actions' | 'workflows'): readonly string[] =>
    entryNames(book[section]).map((name) => `${String(book['name'])}.${name}`);
  return { actions: inFull('actions'), workflows: inFull('workflows') };
}

function entryNames(entries: Json | undefined): readonly string[] {
  return isJsonObject(entries) ? Object.keys(entries).filter((name) => name !== 'version') : [];
}

/** Entries inside, rather than a workflow that happens to be called so. */
function isSection(value: Json | undefined): boolean {
  return isJsonObject(value) && !('tasks' in value) && !('base' in value);
}
