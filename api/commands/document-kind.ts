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
  const { value } = readYaml(text, new Problems());
  if (!isJsonObject(value)) return 'workflow';
  if (typeof value['name'] === 'string' || isSection(value['workflows']) || isSection(value['actions']))
    return 'workbook';
  const entries = Object.entries(value).filter(([name]) => name !== 'version');
  return entries.some(([, entry]) => isJsonObject(entry) && 'base' in entry && !('tasks' in entry))
    ? 'action'
    : 'workflow';
}

/** Entries inside, rather than a workflow that happens to be called so. */
function isSection(value: Json | undefined): boolean {
  return isJsonObject(value) && !('tasks' in value) && !('base' in value);
}
