import { copyObject, isJsonObject, type Json, type JsonObject, setKey } from '../json.ts';
import { own } from './policies.ts';
import { rawTask, taskSpecFrom, textOf, textsOf } from './task.ts';
import type { InputParameter, TaskSpec, WorkflowSpec, WorkflowType } from './types.ts';

/** The mapping that is stored: `name` and `version` put in, the tasks completed likewise (spec/dsl.md §15). */
export function rawWorkflow(name: string, written: JsonObject): JsonObject {
  const raw = copyObject(written);
  const tasks = own(written, 'tasks');
  if (isJsonObject(tasks)) raw['tasks'] = rawTasks(tasks, typeOf(written));
  raw['name'] = name;
  raw['version'] = '2.0';
  return raw;
}

/** Builds a workflow from its stored mapping without checking it: what is stored has been checked before. */
export function workflowSpecFrom(raw: JsonObject): WorkflowSpec {
  return {
    kind: 'workflow',
    name: textOf(own(raw, 'name')) ?? '',
    type: typeOf(raw),
    description: own(raw, 'description') ?? null,
    tags: textsOf(own(raw, 'tags')),
    input: inputOf(own(raw, 'input')),
    vars: mappingOf(own(raw, 'vars')),
    output: mappingOf(own(raw, 'output')),
    outputOnError: mappingOf(own(raw, 'output-on-error')),
    tasks: tasksOf(raw),
    raw,
  };
}

/** Parameters in the order of the text; of two with the same name the last one counts (spec/dsl.md D-4.6). */
export function inputOf(value: Json | undefined): readonly InputParameter[] {
  const parameters = new Map<string, InputParameter>();
  for (const item of Array.isArray(value) ? (value as readonly Json[]) : []) {
    if (typeof item === 'string') {
      parameters.set(item, { name: item, default: undefined });
    } else if (isJsonObject(item)) {
      for (const name of Object.keys(item)) parameters.set(name, { name, default: item[name] ?? null });
    }
  }
  return [...parameters.values()];
}

export function typeOf(workflow: JsonObject): WorkflowType {
  return own(workflow, 'type') === 'reverse' ? 'reverse' : 'direct';
}

export function mappingOf(value: Json | undefined): JsonObject | null {
  return isJsonObject(value) ? value : null;
}

function rawTasks(tasks: JsonObject, type: WorkflowType): JsonObject {
  const raw: Record<string, Json> = {};
  for (const name of Object.keys(tasks)) {
    const task = tasks[name] ?? null;
    setKey(raw, name, isJsonObject(task) ? rawTask(name, task, type) : task);
  }
  return raw;
}

function tasksOf(raw: JsonObject): ReadonlyMap<string, TaskSpec> {
  const defaults = mappingOf(own(raw, 'task-defaults')) ?? {};
  const written = mappingOf(own(raw, 'tasks')) ?? {};
  const tasks = new Map<string, TaskSpec>();
  for (const name of Object.keys(written)) {
    const task = written[name];
    if (isJsonObject(task)) tasks.set(name, taskSpecFrom(task, defaults));
  }
  return tasks;
}
