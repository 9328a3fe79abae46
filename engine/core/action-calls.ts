import { evaluateRecursively, type ExpressionScope } from '../../dsl/expressions/index.ts';
import { copyObject, isJsonObject, type Json, type JsonObject, setKey } from '../../dsl/json.ts';
import type { ActionDefinition, ParameterSchema } from '../contract.ts';
import type { Env, FoundAction } from './env.ts';
import { invalidInput, UserFailure } from './failure.ts';
import { actionDefinition } from './lookups.ts';
import type { ActionWrapper } from './model.ts';
import { checkInput, withDefaults } from './parameters.ts';

/** A call of an action, resolved down to the system action underneath (spec/engine.md §7, §28). */
export interface ActionCall {
  readonly name: string;
  readonly definition: ActionDefinition;
  readonly input: JsonObject;
  /** What the system action gets; null when it is `input` itself. */
  readonly systemInput: JsonObject | null;
  /** Ad-hoc outputs to apply to the result, innermost first. */
  readonly wrappers: readonly ActionWrapper[];
}

/** Where names resolve, and how an ad-hoc action's `base-input` is evaluated over its parameters. */
export interface CallSite {
  readonly env: Env;
  readonly namespace: string;
  readonly projectId: string;
  readonly workbookName: string | null;
  scope(parameters: JsonObject): ExpressionScope;
}

/** @throws UserFailure for an unknown action or wrong parameters; ExpressionError from `base-input`. */
export function resolveCall(site: CallSite, name: string, input: JsonObject): ActionCall {
  const found = findAction(site, name);
  if (found.kind === 'system') {
    checkParameters(found.definition.name, found.definition.parameters, input);
    return { name: found.definition.name, definition: found.definition, input, systemInput: null, wrappers: [] };
  }
  return unwrap(site, found.action, input);
}

type Found =
  | { readonly kind: 'system'; readonly definition: ActionDefinition }
  | { readonly kind: 'ad-hoc'; readonly action: FoundAction };

/** Inside a workbook its own actions come first (spec/dsl.md D-14.4). */
function findAction(site: CallSite, name: string): Found {
  const names = site.workbookName === null ? [name] : [`${site.workbookName}.${name}`, name];
  for (const candidate of names) {
    const definition = site.env.catalogue.find(candidate);
    if (definition !== undefined) return { kind: 'system', definition };
    const action = actionDefinition(site.env, candidate, site.namespace, site.projectId);
    if (action !== null) return { kind: 'ad-hoc', action };
  }
  throw new UserFailure(`Failed to find action [action_name=${name}, namespace=${site.namespace}]`);
}

function unwrap(site: CallSite, outermost: FoundAction, input: JsonObject): ActionCall {
  const wrappers: ActionWrapper[] = [];
  const seen = new Set<string>();
  let action = outermost;
  let given = input;
  for (;;) {
    const { spec } = action;
    if (seen.has(spec.name)) {
      throw new UserFailure(
        `Found a cycle in an ad-hoc action chain [action_name=${outermost.spec.name}, duplicate_action_name=${spec.name}]`,
      );
    }
    seen.add(spec.name);
    const { missing, unexpected } = checkInput(spec.input, given);
    if (missing.length + unexpected.length > 0) throw invalidInput(spec.name, 'AdHocAction', missing, unexpected);
    const parameters = withDefaults(spec.input, given);
    if (spec.output !== undefined) wrappers.unshift({ name: spec.name, output: spec.output });
    given = evaluateMapping(spec.baseInput, site.scope(parameters));
    const definition = site.env.catalogue.find(spec.base);
    if (definition !== undefined) {
      checkParameters(definition.name, definition.parameters, given);
      return { name: outermost.spec.name, definition, input, systemInput: given, wrappers };
    }
    const next = actionDefinition(site.env, spec.base, site.namespace, site.projectId);
    if (next === null)
      throw new UserFailure(`Failed to find action [action_name=${spec.base}, namespace=${site.namespace}]`);
    action = next;
  }
}

function checkParameters(name: string, schema: ParameterSchema, input: JsonObject): void {
  const missing = schema.required.filter((parameter) => !Object.hasOwn(input, parameter));
  const unexpected = schema.additionalProperties
    ? []
    : Object.keys(input).filter((parameter) => !Object.hasOwn(schema.properties, parameter));
  if (missing.length + unexpected.length > 0) throw invalidInput(name, name, missing, unexpected);
}

function evaluateMapping(value: JsonObject, scope: ExpressionScope): JsonObject {
  const result = evaluateRecursively(value, scope);
  if (!isJsonObject(result)) throw new Error('a mapping evaluates to a mapping');
  return result;
}

/** Defaults of an environment's `__actions` lie under the task's input (spec/engine.md E-7.1). */
export function withActionDefaults(environment: Json | undefined, action: string, input: JsonObject): JsonObject {
  if (!isJsonObject(environment) || !isJsonObject(environment.__actions)) return input;
  const defaults = environment.__actions[action];
  if (!isJsonObject(defaults)) return input;
  const merged = copyObject(defaults);
  for (const key of Object.keys(input)) setKey(merged, key, input[key] as Json);
  return merged;
}
