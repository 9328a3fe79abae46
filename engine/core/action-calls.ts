import { evaluateRecursively, type ExpressionScope } from '../../dsl/expressions/index.ts';
import { copyObject, isJsonObject, type Json, type JsonObject, setKey } from '../../dsl/json.ts';
import type { ActionDefinition, ParameterSchema } from '../contract.ts';
import type { Env, FoundAction, FoundAdHocAction } from './env.ts';
import { invalidInput, UserFailure, WrongCall } from './failure.ts';
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

/** @throws WrongCall for an unknown action or wrong parameters; UserFailure for a circle of ad-hoc actions; ExpressionError from `base-input`. */
export function resolveCall(site: CallSite, name: string, input: JsonObject): ActionCall {
  const found = findAction(site, name);
  if (found.kind === 'ad-hoc') return unwrap(site, found, input);
  checkParameters(found.name, found.className, found.definition.parameters, input);
  return { name: found.name, definition: found.definition, input, systemInput: null, wrappers: [] };
}

/** A system action, or what the database has under the name. */
type Found =
  | FoundAction
  | {
      readonly kind: 'system';
      readonly name: string;
      readonly className: string;
      readonly definition: ActionDefinition;
    };

/** Inside a workbook its own actions come first (spec/dsl.md D-14.4). */
function findAction(site: CallSite, name: string): Found {
  const names = site.workbookName === null ? [name] : [`${site.workbookName}.${name}`, name];
  for (const candidate of names) {
    const found = findByName(site, candidate);
    if (found !== null) return found;
  }
  throw new WrongCall(`Failed to find action [action_name=${name}, namespace=${site.namespace}]`);
}

function findByName(site: CallSite, name: string): Found | null {
  const definition = site.env.catalogue.find(name);
  return definition === undefined
    ? actionDefinition(site.env, name, site.namespace, site.projectId)
    : { kind: 'system', name: definition.name, className: definition.name, definition };
}

function unwrap(site: CallSite, outermost: FoundAdHocAction, input: JsonObject): ActionCall {
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
    const next = findByName(site, spec.base);
    if (next === null)
      throw new WrongCall(`Failed to find action [action_name=${spec.base}, namespace=${site.namespace}]`);
    if (next.kind !== 'ad-hoc') {
      checkParameters(next.name, next.className, next.definition.parameters, given);
      return { name: outermost.spec.name, definition: next.definition, input, systemInput: given, wrappers };
    }
    action = next;
  }
}

function checkParameters(name: string, className: string, schema: ParameterSchema, input: JsonObject): void {
  const missing = schema.required.filter((parameter) => !Object.hasOwn(input, parameter));
  const unexpected = schema.additionalProperties
    ? []
    : Object.keys(input).filter((parameter) => !Object.hasOwn(schema.properties, parameter));
  if (missing.length + unexpected.length > 0) throw invalidInput(name, className, missing, unexpected);
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
