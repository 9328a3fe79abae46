import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import { toText } from '../inputs.ts';
import { EXECUTION_CONF } from './event-log.ts';

/** spark-submit's arguments (spec/spark.md §6), one list element each: no shell ever sees them. */
export function submitArguments(input: JsonObject, application: string, actionExecutionId: string): string[] {
  const args: string[] = [];
  for (const [name, flag] of VALUE_FLAGS) {
    const value = input[name] ?? null;
    if (value !== null) args.push(flag, toText(value));
  }
  for (const [name, flag] of LIST_FLAGS) {
    const values = input[name];
    if (Array.isArray(values) && values.length > 0) args.push(flag, values.map((value) => toText(value)).join(','));
  }
  for (const [name, flag] of SWITCHES) if (input[name] === true) args.push(flag);
  for (const [key, value] of Object.entries(confOf(input))) args.push('--conf', `${key}=${value}`);
  args.push('--conf', `${EXECUTION_CONF}=${actionExecutionId}`);
  return [...args, application, ...programArguments(input.args ?? null)];
}

export function confOf(input: JsonObject): Record<string, string> {
  if (!isJsonObject(input.conf)) return {};
  return Object.fromEntries(Object.entries(input.conf).map(([key, value]) => [key, toText(value)]));
}

/** A list as it is; a mapping as `--key value` pairs, without the keys whose value is null. */
export function programArguments(args: Json): string[] {
  if (Array.isArray(args)) return args.map((value) => toText(value));
  if (!isJsonObject(args)) return [];
  return Object.entries(args).flatMap(([key, value]) => (value === null ? [] : [`--${key}`, toText(value)]));
}

export const VALUE_FLAGS: readonly (readonly [input: string, flag: string])[] = [
  ['master', '--master'],
  ['remote', '--remote'],
  ['deploy_mode', '--deploy-mode'],
  ['class', '--class'],
  ['name', '--name'],
  ['properties_file', '--properties-file'],
  ['driver_memory', '--driver-memory'],
  ['driver_java_options', '--driver-java-options'],
  ['driver_library_path', '--driver-library-path'],
  ['driver_class_path', '--driver-class-path'],
  ['executor_memory', '--executor-memory'],
  ['executor_cores', '--executor-cores'],
  ['total_executor_cores', '--total-executor-cores'],
  ['num_executors', '--num-executors'],
  ['queue', '--queue'],
  ['principal', '--principal'],
  ['keytab', '--keytab'],
  ['proxy_user', '--proxy-user'],
];

export const LIST_FLAGS: readonly (readonly [input: string, flag: string])[] = [
  ['jars', '--jars'],
  ['packages', '--packages'],
  ['exclude_packages', '--exclude-packages'],
  ['repositories', '--repositories'],
  ['py_files', '--py-files'],
  ['files', '--files'],
  ['archives', '--archives'],
];

export const SWITCHES: readonly (readonly [input: string, flag: string])[] = [
  ['verbose', '--verbose'],
  ['load_spark_defaults', '--load-spark-defaults'],
];
