import { evaluate, evaluateRecursively, hasExpression } from '../../dsl/expressions/index.ts';
import { isJsonObject, type Json, type JsonObject, stringifyJson } from '../../dsl/json.ts';
import type { TaskSpec } from '../../dsl/spec/types.ts';
import type { Draft } from './draft.ts';
import { UserFailure } from './failure.ts';
import type { TaskRecord } from './model.ts';
import { scopeOf } from './scope.ts';

/** The name of the action or workflow, which may be an expression. */
export function evaluatedName(draft: Draft, task: TaskRecord, spec: TaskSpec, item: JsonObject): string {
  if (!hasExpression(spec.run.name)) return spec.run.name;
  const name = evaluate(spec.run.name, scopeOf(draft, { task, extra: item, context: draft.inboundOf(task.id) }));
  if (typeof name !== 'string' || name === '') {
    throw new UserFailure(
      `The name of the ${spec.run.type} must be a string that is not empty, but '${spec.run.name}' gives ${stringifyJson(name)}`,
    );
  }
  return name;
}

export function evaluatedInput(draft: Draft, task: TaskRecord, spec: TaskSpec, item: JsonObject): JsonObject {
  const scope = scopeOf(draft, { task, extra: item, context: draft.inboundOf(task.id) });
  const value = typeof spec.input === 'string' ? evaluate(spec.input, scope) : evaluateRecursively(spec.input, scope);
  if (!isJsonObject(value)) {
    throw new UserFailure(
      `Wrong dynamic input for task: ${task.name}. Dict type is expected. Actual type: ${typeName(value)}. Value: ${shortText(value)}`,
    );
  }
  return value;
}

function typeName(value: Json): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'list' : typeof value;
}

function shortText(value: Json): string {
  const text = typeof value === 'string' ? value : stringifyJson(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
