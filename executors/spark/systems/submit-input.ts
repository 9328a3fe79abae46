import { isJsonObject, type JsonObject } from '../../../dsl/json.ts';
import { programArguments } from '../command.ts';
import type { Parameter } from './endpoint.ts';
import { RUN_INPUTS } from './run-plan.ts';

/** The inputs of spark.submit as those of a batch: what the server has no field for becomes configuration, or is left out. */
export function toServerInput(input: JsonObject, classField: string, fields: readonly Parameter[]): JsonObject {
  const known = new Set([
    'connection',
    'url',
    'cluster',
    ...fields.map(({ name }) => name),
    ...Object.keys(RUN_INPUTS),
  ]);
  const conf: Record<string, JsonObject[string]> = {};
  for (const [name, key] of CONF) if ((input[name] ?? null) !== null) conf[key] = joined(input[name] ?? null);
  return {
    ...Object.fromEntries(Object.entries(input).filter(([name, value]) => known.has(name) && value !== null)),
    ...((input.connection ?? null) === null && typeof input.cluster === 'string' && { connection: input.cluster }),
    file: typeof input.application === 'string' ? input.application : null,
    [classField]: input.class ?? null,
    args: programArguments(input.args ?? null),
    conf: { ...conf, ...(isJsonObject(input.conf) ? input.conf : {}) },
  };
}

const CONF: readonly (readonly [input: string, key: string])[] = [
  ['packages', 'spark.jars.packages'],
  ['exclude_packages', 'spark.jars.excludes'],
  ['repositories', 'spark.jars.repositories'],
  ['driver_java_options', 'spark.driver.extraJavaOptions'],
  ['driver_class_path', 'spark.driver.extraClassPath'],
  ['driver_library_path', 'spark.driver.extraLibraryPath'],
  ['total_executor_cores', 'spark.cores.max'],
];

function joined(value: JsonObject[string]): JsonObject[string] {
  return Array.isArray(value) ? value.join(',') : value;
}
