import pc from 'picocolors';
import { isJsonObject, stringifyJson } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ActionRecord } from '../../engine/core/model.ts';
import { formatTime } from '../fields.ts';
import type { Terminal } from '../terminal.ts';
import type { FollowedTask, Outcome } from './follow.ts';

/** For people: how it ended and why on standard error, the output alone on standard output. */
export function printOutcome({ execution, tasks }: Outcome, terminal: Terminal): void {
  const colors = pc.createColors(terminal.isInteractive);
  const { state, stateInfo } = execution;
  const seconds = ((execution.updatedAt - execution.createdAt) / 1000).toFixed(1);
  const paint = state === 'SUCCESS' ? colors.green : colors.red;
  terminal.err(`${paint(state)} ${colors.dim(`${execution.workflowName}, ${seconds} s`)}\n`);
  if (state === 'PAUSED') terminal.err('It is paused, and nothing here can resume it.\n');
  if (state !== 'SUCCESS') {
    const reasons = causes(tasks);
    for (const line of reasons) terminal.err(`${line}\n`);
    // Its other lines hold the tasks' results in full, and the reasons say it shorter.
    const info = reasons.length > 0 ? stateInfo?.split('\n', 1)[0] : stateInfo;
    if (info) terminal.err(`${colors.dim(info)}\n`);
  }
  terminal.out(`${indented(execution.output)}\n`);
}

/** For programs: one object, values as they are rather than text in text. */
export function printOutcomeAsJson({ execution, tasks }: Outcome, terminal: Terminal): void {
  const shown = {
    id: execution.id,
    workflow_name: execution.workflowName,
    state: execution.state,
    state_info: execution.stateInfo,
    input: execution.input,
    output: execution.output,
    created_at: formatTime(execution.createdAt),
    updated_at: formatTime(execution.updatedAt),
    tasks: tasks.map(showTask),
  };
  terminal.out(`${stringifyJson(shown)}\n`);
}

function showTask({ task, workflow, failures }: FollowedTask): JsonObject {
  return {
    id: task.id,
    workflow_name: workflow,
    name: task.name,
    type: task.type,
    state: task.state,
    state_info: task.stateInfo,
    published: task.published ?? {},
    started_at: formatTime(task.startedAt),
    finished_at: formatTime(task.finishedAt),
    errors: failures.map((action) => ({ action: action.name, result: resultOf(action) })),
  };
}

/** The innermost reason of each failure that nothing in the workflow handled. */
function causes(tasks: readonly FollowedTask[]): string[] {
  return tasks
    .filter(({ task }) => task.state === 'ERROR' && !task.errorHandled)
    .flatMap(({ task, failures }) => {
      // What failed below a sub-workflow's task is in the list itself.
      if (failures.length === 0 && task.type !== 'WORKFLOW' && task.stateInfo !== null)
        return [`${task.name}: ${task.stateInfo}`];
      return failures.map((action) => `${task.name} (${action.name}): ${reasonOf(resultOf(action))}`);
    });
}

function resultOf({ output }: ActionRecord): Json {
  return output?.['result'] ?? null;
}

/** Jobs give a message that begins with the root cause, and say where to look. */
function reasonOf(result: Json): string {
  if (!isJsonObject(result)) return typeof result === 'string' ? result : stringifyJson(result);
  const message = typeof result['message'] === 'string' ? result['message'] : null;
  if (message === null) return indented(result);
  const places = PLACES.flatMap((name) => (typeof result[name] === 'string' ? [`    ${name}: ${result[name]}`] : []));
  return [message, ...places].join('\n');
}

const PLACES = ['code', 'job_id', 'app_id', 'id', 'task', 'web_url', 'ui_url', 'history_url'];

function indented(value: Json): string {
  const text = stringifyJson(value);
  try {
    // Numbers that JavaScript would change are left as they are written.
    return stringifyJson(JSON.parse(text) as Json) === text ? JSON.stringify(JSON.parse(text), null, 2) : text;
  } catch {
    return text;
  }
}
