import { isJsonObject, type Json } from '../json.ts';
import type { Path } from '../problems.ts';

/** What people who come from other languages write, and what it is called here. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  parameters: 'input',
  params: 'input',
  args: 'input',
  arguments: 'input',
  with: 'input',
  'on-failure': 'on-error',
  'on-fail': 'on-error',
  catch: 'on-error',
  'on-finish': 'on-complete',
  'on-end': 'on-complete',
  finally: 'on-complete',
  always: 'on-complete',
  then: 'on-success',
  next: 'on-success',
  register: 'publish',
  loop: 'with-items',
  foreach: 'with-items',
  'for-each': 'with-items',
  retries: 'retry',
  attempts: 'retry',
  delay: 'wait-before',
  sleep: 'wait-before',
  run: 'action',
  uses: 'action',
};
const PREREQUISITES = new Set(['depends-on', 'depends', 'needs', 'after', 'dependencies']);
const CONDITIONS = new Set(['when', 'if', 'condition', 'unless']);

/** Says what is meant, or where it belongs, for a key that is not known in a mapping with these keywords; null: no idea. */
export function hintForKey(key: string, value: Json, keywords: readonly string[], path: Path): string | null {
  if (key === 'requires') return "'requires' is for tasks of workflows with 'type: reverse'";
  if (key === 'join' || /^on-(?:success|error|complete|skip)$/.test(key))
    return keywords.includes('tasks')
      ? `'${key}' belongs to a task${key === 'join' ? '' : ", or into 'task-defaults' for all tasks"}`
      : `'${key}' is for tasks of direct workflows`;
  if (keywords.includes('workflows')) return inWorkbook(value);
  if (keywords.includes('tasks')) return inWorkflow(key, value);
  if (keywords.includes('base') && key === 'action') return "an ad-hoc action names what it runs in 'base'";
  if (!keywords.includes('action')) return null;
  const word = key.toLowerCase().replaceAll('_', '-');
  if (PREREQUISITES.has(word))
    return "the task before names this one in its 'on-success'; in workflows with 'type: reverse' it is 'requires'";
  if (CONDITIONS.has(word))
    return `a condition stands where the task is named: on-success: [{${taskOf(path)}: <% … %>}]`;
  if (word === 'output' || word === 'outputs' || word === 'result')
    return "parameters of the action stand below 'input', what is made of its result below 'publish'";
  const known = Object.hasOwn(OTHER_WORDS, word) ? OTHER_WORDS[word] : undefined;
  return known === undefined ? null : `it is called '${known}'`;
}

function inWorkbook(value: Json): string | null {
  if (!isJsonObject(value)) return null;
  if (Object.hasOwn(value, 'tasks')) return "a workflow of a workbook stands below 'workflows'";
  return Object.hasOwn(value, 'base') ? "an action of a workbook stands below 'actions'" : null;
}

const POLICIES = new Set([
  'retry',
  'timeout',
  'wait-before',
  'wait-after',
  'pause-before',
  'concurrency',
  'fail-on',
  'safe-rerun',
]);
const TASK_SIGNS = ['action', 'workflow', 'on-success', 'on-error', 'on-complete', 'join', 'with-items'];

function inWorkflow(key: string, value: Json): string | null {
  if (POLICIES.has(key)) return `'${key}' belongs to a task, or into 'task-defaults' for all tasks`;
  if (key === 'publish' || key === 'with-items') return `'${key}' belongs to a task`;
  const isTask = isJsonObject(value) && TASK_SIGNS.some((sign) => Object.hasOwn(value, sign));
  return isTask ? `a task stands below 'tasks': indent '${key}' deeper than 'tasks'` : null;
}

function taskOf(path: Path): string {
  const name = path.at(-2);
  return typeof name === 'string' ? name : 'task';
}

/** What is probably wrong with a value of the wrong kind, to go before what would be right; null: no idea. */
export function hintForValue(
  value: Json,
  expects: { readonly mapping: boolean; readonly list: boolean; readonly condition: boolean; readonly word: boolean },
  path: Path,
): string | null {
  const key = path.at(-1);
  if (expects.condition) {
    if (typeof value === 'string' && (key === 'fail' || key === 'succeed' || key === 'pause'))
      return `a message is written ${key}(msg="…"), a condition <% … %>`;
    if (value === null && typeof key === 'string')
      return `write a condition behind '${key}:', or '${key}' without the colon`;
    return null;
  }
  if (value === null && (expects.mapping || expects.list) && typeof key === 'string')
    return `nothing stands below '${key}': what belongs to it must be indented deeper`;
  if (Array.isArray(value) && value.length > 0 && value.every(isJsonObject) && expects.mapping && !expects.list)
    return 'remove the dashes';
  if (typeof value === 'boolean' && expects.word)
    return 'words such as yes, no, on and off are booleans in YAML unless they stand in quotes';
  return null;
}
