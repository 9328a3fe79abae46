import { copyObject, deepMerge, isJsonObject, type Json, type JsonObject } from '../json.ts';
import { parseInlineCall } from './inline-params.ts';
import { clausePublish, transitionsOf } from './on-clause.ts';
import { own, policiesOf, wholeNumberOf } from './policies.ts';
import type { PublishSpec, TaskSpec, Transition, WorkflowType } from './types.ts';
import { withItemsOf } from './with-items.ts';

/** The clauses of direct workflows and the fields that they fill. */
export const CLAUSE_KEYS = ['on-success', 'on-error', 'on-complete', 'on-skip'] as const;
export type ClauseKey = (typeof CLAUSE_KEYS)[number];

/**
 * The mapping that is stored: `type`, `name` and `version` put in, inline parameters merged over a written `input`
 * (spec/dsl.md §15, D-5.1).
 */
export function rawTask(name: string, written: JsonObject, type: WorkflowType): JsonObject {
  const raw = copyObject(written);
  const input = own(written, 'input');
  const params = parseInlineCall(callOf(written))?.params ?? {};
  if (isJsonObject(input) && Object.keys(params).length > 0) raw['input'] = deepMerge(input, params);
  raw['type'] = type;
  raw['name'] = name;
  raw['version'] = '2.0';
  return raw;
}

/** Builds a task from its stored mapping without checking it; values that make no sense count as absent. */
export function taskSpecFrom(raw: JsonObject, defaults: JsonObject = {}): TaskSpec {
  const name = textOf(own(raw, 'name')) ?? '';
  const call = parseInlineCall(callOf(raw)) ?? { name: callOf(raw), params: {} };
  const isWorkflow = textOf(own(raw, 'action')) === null && textOf(own(raw, 'workflow')) !== null;
  const input = own(raw, 'input');
  const safeRerun = own(raw, 'safe-rerun') ?? own(defaults, 'safe-rerun');
  const isDirect = own(raw, 'type') !== 'reverse';
  return {
    name,
    tags: textsOf(own(raw, 'tags')),
    run: { type: isWorkflow ? 'workflow' : 'action', name: call.name },
    input: typeof input === 'string' ? input : deepMerge(isJsonObject(input) ? input : {}, call.params),
    withItems: withItemsOf(own(raw, 'with-items')),
    publish: {
      SUCCESS: publishOf(raw, 'publish', 'on-success'),
      ERROR: publishOf(raw, 'publish-on-error', 'on-error'),
      SKIPPED: publishOf(raw, 'publish-on-skip', 'on-skip'),
    },
    onSuccess: isDirect ? effectiveTransitions(raw, defaults, 'on-success') : [],
    onError: isDirect ? effectiveTransitions(raw, defaults, 'on-error') : [],
    onComplete: isDirect ? effectiveTransitions(raw, defaults, 'on-complete') : [],
    onSkip: isDirect ? effectiveTransitions(raw, defaults, 'on-skip') : [],
    join: isDirect ? joinOf(own(raw, 'join')) : null,
    requires: isDirect ? [] : requiresOf(name, raw, defaults),
    policies: policiesOf(raw, defaults),
    target: textOf(own(raw, 'target')),
    // Only the literal false has an effect: an expression is never evaluated here (spec/dsl.md §5).
    keepResult: own(raw, 'keep-result') !== false,
    safeRerun: safeRerun === true || typeof safeRerun === 'string',
    raw,
  };
}

export function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

/** The texts of a list, or the one text in its place. */
export function textsOf(value: Json | undefined): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function callOf(task: JsonObject): string {
  return textOf(own(task, 'action')) ?? textOf(own(task, 'workflow')) ?? 'std.noop';
}

/** A default transition to the task itself is dropped, so that a default handler does not loop (spec/dsl.md D-6.2). */
function effectiveTransitions(raw: JsonObject, defaults: JsonObject, key: ClauseKey): readonly Transition[] {
  const written = transitionsOf(own(raw, key));
  if (written.length > 0) return written.map((entry) => entry.transition);
  const name = own(raw, 'name');
  return transitionsOf(own(defaults, key))
    .map((entry) => entry.transition)
    .filter((transition) => transition.to !== name);
}

/** The specific clause over on-complete over the simple form, each scope for itself (spec/dsl.md §17-J). */
function publishOf(raw: JsonObject, simple: string, clause: ClauseKey): PublishSpec {
  const plain = own(raw, simple);
  const places = [
    isJsonObject(plain) ? { branch: plain } : null,
    clausePublish(own(raw, 'on-complete')),
    clausePublish(own(raw, clause)),
  ].filter((place) => place !== null);
  return { written: places.length > 0, branch: mergedScope(places, 'branch'), global: mergedScope(places, 'global') };
}

function mergedScope(places: readonly JsonObject[], scope: 'branch' | 'global'): JsonObject | null {
  const values = places.map((place) => own(place, scope)).filter(isJsonObject);
  return values.length === 0 ? null : values.reduce(deepMerge);
}

function joinOf(value: Json | undefined): 'all' | number | null {
  if (value === 'all') return 'all';
  if (value === 'one') return 1;
  return wholeNumberOf(value) || null;
}

function requiresOf(name: string, raw: JsonObject, defaults: JsonObject): readonly string[] {
  const inherited = textsOf(own(defaults, 'requires')).filter((required) => required !== name);
  return [...new Set([...textsOf(own(raw, 'requires')), ...inherited])];
}
