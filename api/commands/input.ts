import { formatProblem } from '../../dsl/errors.ts';
import { isJsonObject, parseJson, setKey } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { Problems } from '../../dsl/problems.ts';
import { readYaml } from '../../dsl/yaml.ts';
import { UsageError } from '../usage-error.ts';
import { readTextFile } from './settings.ts';

/**
 * Input from the command line: files with a mapping in JSON or YAML, and single values `key=value`; later ones win.
 *
 * @param option how the user wrote it, for messages.
 */
export function readInput(sources: readonly string[], option: string): JsonObject {
  const input: Record<string, Json> = {};
  for (const source of sources) {
    const value = VALUE.exec(source);
    const given = value === null ? readFile(source, option) : { [value[1] ?? '']: readValue(value[2] ?? '') };
    for (const [name, item] of Object.entries(given)) setKey(input, name, item);
  }
  return input;
}

// A file's path that holds an equals sign can be written with ./ in front.
const VALUE = /^([\p{L}_][\p{L}\p{N}_.-]*)=(.*)$/su;

function readValue(text: string): Json {
  try {
    return parseJson(text);
  } catch {
    return text;
  }
}

function readFile(path: string, option: string): JsonObject {
  const problems = new Problems();
  const { value, locate } = readYaml(readTextFile(path), problems);
  const faults = problems.sorted(locate).filter(({ severity }) => severity === 'error');
  if (faults.length > 0) throw new UsageError(faults.map((fault) => `${path}:${formatProblem(fault)}`).join('\n'));
  if (isJsonObject(value)) return value;
  throw new UsageError(`${path} must hold a mapping of names to values, as ${option} gives names to what it holds.`);
}
