import { copyObject, type Json, type JsonObject, setKey } from '../../dsl/json.ts';
import type { InputParameter } from '../../dsl/spec/types.ts';

export interface InputCheck {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

/** Compares what is given with what is declared; the lists are in the order of declaration and of giving. */
export function checkInput(declared: readonly InputParameter[], given: JsonObject): InputCheck {
  const names = new Set(declared.map((parameter) => parameter.name));
  return {
    missing: declared.filter((p) => p.default === undefined && !Object.hasOwn(given, p.name)).map((p) => p.name),
    unexpected: Object.keys(given).filter((name) => !names.has(name)),
  };
}

/** Fills in defaults for absent names; an explicit null counts as present (spec/engine.md §3 step 4). */
export function withDefaults(declared: readonly InputParameter[], given: JsonObject): JsonObject {
  const result: Record<string, Json> = copyObject(given);
  for (const parameter of declared) {
    if (parameter.default !== undefined && !Object.hasOwn(given, parameter.name))
      setKey(result, parameter.name, parameter.default);
  }
  return result;
}
