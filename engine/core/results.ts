import { stringifyJson, type Json } from '../../dsl/json.ts';
import { childResults } from './children.ts';
import type { Draft } from './draft.ts';
import type { TaskRecord } from './model.ts';

export { actionValue } from './children.ts';

/** spec/engine.md E-6.1: a list for with-items, else the single accepted result, or a list if there is not exactly one. */
export function taskResult(draft: Draft, task: TaskRecord): Json {
  const values = childResults(draft, task, 'accepted')
    .filter((child) => child.accepted)
    .map((child) => child.value);
  const isList = draft.taskSpec(task.name).withItems.length > 0;
  return isList || values.length !== 1 ? values : (values[0] ?? null);
}

/**
 * A result as the text of `state_info`: JSON for mappings and lists, plain text otherwise (spec/engine.md §30 item 10);
 * null when there is nothing to say.
 */
export function resultText(value: Json): string | null {
  if (value === null || value === '') return null;
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'object' && Object.keys(value).length === 0) return null;
  return stringifyJson(value);
}
