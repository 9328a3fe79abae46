import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import { Float } from '../yaql/numbers.ts';
import { parseInlineParams } from './inline-params.ts';
import type { PoliciesSpec, RetrySpec } from './types.ts';

/** The policies of a task; where its own one is absent or off, that of `task-defaults` holds (spec/dsl.md §6, §10). */
export function policiesOf(task: JsonObject, defaults: JsonObject): PoliciesSpec {
  const either = <T>(key: string, read: (value: Json | undefined) => T | null): T | null =>
    read(own(task, key)) ?? read(own(defaults, key));
  return {
    pauseBefore: either('pause-before', switchOf),
    waitBefore: either('wait-before', numberOf),
    waitAfter: either('wait-after', numberOf),
    failOn: either('fail-on', switchOf),
    retry: either('retry', retryOf),
    timeout: either('timeout', numberOf),
    concurrency: either('concurrency', numberOf),
  };
}

/** The mapping that a one-line `retry` stands for. It needs a blank, as every inline form (spec/dsl.md D-10.1). */
export function retryMapping(line: string): JsonObject {
  return line.includes(' ') ? parseInlineParams(line).params : {};
}

/** A whole number, also one that was written `2.0`. */
export function wholeNumberOf(value: Json | undefined): number | null {
  const number = value instanceof Float ? value.value : typeof value === 'bigint' ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) ? number : null;
}

function retryOf(value: Json | undefined): RetrySpec | null {
  const mapping = typeof value === 'string' ? retryMapping(value) : value;
  if (!isJsonObject(mapping)) return null;
  return {
    count: countOf(own(mapping, 'count')),
    delay: countOf(own(mapping, 'delay')),
    breakOn: textOf(own(mapping, 'break-on')),
    continueOn: textOf(own(mapping, 'continue-on')),
  };
}

function numberOf(value: Json | undefined): number | string | null {
  return textOf(value) ?? (wholeNumberOf(value) || null);
}

function countOf(value: Json | undefined): number | string {
  return textOf(value) ?? wholeNumberOf(value) ?? 0;
}

function switchOf(value: Json | undefined): boolean | string | null {
  return value === true ? true : textOf(value);
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** A key of the mapping itself, never one of its prototype. */
export function own(mapping: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(mapping, key) ? mapping[key] : undefined;
}
