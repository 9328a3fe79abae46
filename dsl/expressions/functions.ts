import { randomUUID } from 'node:crypto';
import type { Json } from '../json.ts';
import { parseJson } from '../json.ts';
import { DateTime } from '../yaql/date-time.ts';
import { YaqlError, typeError } from '../yaql/errors.ts';
import { pyStr } from '../yaql/python-text.ts';
import { SetLike } from '../yaql/sets.ts';
import { isTruthy, kindOf } from '../yaql/values.ts';
import type { ExpressionHost } from './host.ts';
import { jsonText, NotSerializable } from './json-text.ts';
import { dumpYaml, parseYaml, YamlError } from './yaml-values.ts';

/** A function that Mistral adds to both languages (spec/expressions.md §11.9). */
export interface MistralFunction {
  readonly name: string;
  /** snake_case, as Jinja writes them; a pair has a default. */
  readonly parameters: readonly (string | readonly [name: string, fallback: unknown])[];
  /** @throws YaqlError; whatever the host throws passes through. */
  run(args: readonly unknown[], host: ExpressionHost): unknown;
}

export const mistralFunctions: readonly MistralFunction[] = [
  { name: 'env', parameters: [], run: (_args, host) => host.env() },
  { name: 'execution', parameters: [], run: (_args, host) => host.execution() },
  {
    name: 'executions',
    parameters: ['id', 'root_execution_id', 'state', 'from_time', 'to_time'].map((name) => [name, null] as const),
    run: ([id, rootExecutionId, state, fromTime, toTime], host) =>
      host.executions({
        id: text(id),
        rootExecutionId: text(rootExecutionId),
        state: text(state),
        fromTime: text(fromTime),
        toTime: text(toTime),
      }),
  },
  { name: 'task', parameters: [['task_name', null]], run: ([name], host) => host.task(text(name)) },
  {
    name: 'tasks',
    parameters: [
      ['workflow_execution_id', null],
      ['recursive', false],
      ['state', null],
      ['flat', false],
    ],
    run: ([workflowExecutionId, recursive, state, flat], host) =>
      host.tasks({
        workflowExecutionId: text(workflowExecutionId),
        recursive: isTruthy(recursive),
        state: text(state),
        flat: isTruthy(flat),
      }),
  },
  { name: 'global', parameters: ['var_name'], run: ([name], host) => host.global(text(name) ?? '') },
  { name: 'uuid', parameters: [], run: () => randomUUID() },
  { name: 'json_dump', parameters: ['data'], run: ([data]) => dumpJson(data) },
  { name: 'json_parse', parameters: ['data'], run: ([data]) => readJson(data) },
  { name: 'yaml_dump', parameters: ['data'], run: ([data]) => guarded(() => dumpYaml(data)) },
  { name: 'yaml_parse', parameters: ['data'], run: ([data]) => readYamlText(data) },
];

function text(value: unknown): string | null {
  return value === null || value === undefined ? null : pyStr(value);
}

function dumpJson(data: unknown): string {
  return guarded(() => jsonText(data, { indent: 4, sortKeys: false, convert: toJsonValue }));
}

function toJsonValue(value: unknown): unknown {
  if (value instanceof DateTime) return value.isoLocal('T', true);
  const isMany = value instanceof SetLike || ['iterator', 'ordered', 'view', 'set'].includes(kindOf(value));
  return isMany && isIterable(value) ? [...value] : undefined;
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

function readJson(data: unknown): Json {
  if (typeof data !== 'string') {
    throw typeError(`the JSON object must be str, bytes or bytearray, not ${pythonType(data)}`);
  }
  try {
    return parseJson(data);
  } catch (error) {
    if (error instanceof SyntaxError) throw new YaqlError('JSONDecodeError', error.message);
    throw error;
  }
}

function readYamlText(data: unknown): unknown {
  if (typeof data !== 'string') {
    throw new YaqlError('AttributeError', `'${pythonType(data)}' object has no attribute 'read'`);
  }
  return guarded(() => parseYaml(data));
}

function guarded<Result>(run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    if (error instanceof NotSerializable) throw typeError(error.message);
    if (error instanceof YamlError) throw new YaqlError(error.className, error.message);
    throw error;
  }
}

const PYTHON_TYPES: Readonly<Record<string, string>> = {
  null: 'NoneType',
  boolean: 'bool',
  integer: 'int',
  list: 'list',
  dict: 'dict',
};

function pythonType(value: unknown): string {
  const kind = kindOf(value);
  return PYTHON_TYPES[kind] ?? kind;
}
