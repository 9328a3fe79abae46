import { copyObject, deepMerge, type JsonObject } from '../json.ts';
import { parseInlineCall } from './inline-params.ts';
import { own } from './policies.ts';
import { textOf, textsOf } from './task.ts';
import type { ActionSpec } from './types.ts';
import { inputOf, mappingOf } from './workflow.ts';

/** The mapping that is stored: `name` and `version` put in, inline parameters merged over a written `base-input`. */
export function rawAction(name: string, written: JsonObject): JsonObject {
  const raw = copyObject(written);
  const baseInput = mappingOf(own(written, 'base-input'));
  const params = parseInlineCall(textOf(own(written, 'base')) ?? '')?.params ?? {};
  if (baseInput !== null && Object.keys(params).length > 0) raw['base-input'] = deepMerge(baseInput, params);
  raw['name'] = name;
  raw['version'] = '2.0';
  return raw;
}

/** Builds an ad-hoc action from its stored mapping without checking it (spec/dsl.md §12). */
export function actionSpecFrom(raw: JsonObject): ActionSpec {
  const base = textOf(own(raw, 'base')) ?? '';
  const call = parseInlineCall(base) ?? { name: base, params: {} };
  return {
    kind: 'action',
    name: textOf(own(raw, 'name')) ?? '',
    description: textOf(own(raw, 'description')),
    tags: textsOf(own(raw, 'tags')),
    input: inputOf(own(raw, 'input')),
    base: call.name,
    baseInput: deepMerge(mappingOf(own(raw, 'base-input')) ?? {}, call.params),
    output: own(raw, 'output'),
    raw,
  };
}
