import { isJsonObject, type Json, type JsonObject } from '../dsl/json.ts';
import { Float } from '../dsl/yaql/numbers.ts';
import { Spelling } from '../dsl/yaql/spelling.ts';
import type { ParameterSchema } from '../engine/contract.ts';

/** One thing that is wrong in the input of an action's call. */
export interface CallProblem {
  /** The parameter's name. */
  readonly parameter: string;
  readonly problem: 'unknown' | 'missing' | 'type';
  readonly message: string;
  /** What would be right; null when there is nothing useful to say. */
  readonly hint: string | null;
}

/**
 * Compares an input with the parameters: names, required ones, JSON types of literal values. A value that holds an
 * expression (`<%` or `{{`) can become anything and is not looked at; run-time input holds none, so the same check serves both.
 */
export function checkInput(parameters: ParameterSchema, input: JsonObject): readonly CallProblem[] {
  return [...unknownNames(parameters, input), ...missingNames(parameters, input), ...wrongTypes(parameters, input)];
}

/**
 * The same for people who wrote the call: one fault, one line. A required parameter that is there under a misspelt name is not
 * missing as well.
 */
export function checkWrittenInput(parameters: ParameterSchema, input: JsonObject): readonly CallProblem[] {
  const problems = checkInput(parameters, input);
  const known = Object.keys(parameters.properties);
  const misspelt = new Set(
    problems.filter(({ problem }) => problem === 'unknown').map(({ parameter }) => nearestName(parameter, known)),
  );
  return problems.filter(({ problem, parameter }) => problem !== 'missing' || !misspelt.has(parameter));
}

/** The candidate that was probably meant, or null when none is near. */
export function nearestName(name: string, candidates: Iterable<string>): string | null {
  return new Spelling().nearest(name, candidates);
}

function unknownNames(parameters: ParameterSchema, input: JsonObject): CallProblem[] {
  if (parameters.additionalProperties) return [];
  const known = Object.keys(parameters.properties);
  return Object.keys(input)
    .filter((name) => !Object.hasOwn(parameters.properties, name))
    .map((parameter) => {
      const near = nearestName(parameter, known);
      const all = known.length === 0 ? 'it takes no parameters' : `its parameters are ${known.join(', ')}`;
      const hint = near === null ? all : `did you mean '${near}'?`;
      return { parameter, problem: 'unknown', message: `Unknown parameter '${parameter}'`, hint } as const;
    });
}

function missingNames(parameters: ParameterSchema, input: JsonObject): CallProblem[] {
  return parameters.required
    .filter((name) => !Object.hasOwn(input, name))
    .map((parameter) => {
      const description = parameters.properties[parameter]?.description;
      const hint = typeof description === 'string' ? `${parameter}: ${description}` : null;
      return { parameter, problem: 'missing', message: `Missing parameter '${parameter}'`, hint } as const;
    });
}

function wrongTypes(parameters: ParameterSchema, input: JsonObject): CallProblem[] {
  const problems: CallProblem[] = [];
  for (const [parameter, value] of Object.entries(input)) {
    const schema = Object.hasOwn(parameters.properties, parameter) ? parameters.properties[parameter] : undefined;
    const fault = schema === undefined ? null : faultOf(value, schema, `'${parameter}'`);
    if (fault !== null) problems.push({ parameter, problem: 'type', ...fault });
  }
  return problems;
}

type Fault = { readonly message: string; readonly hint: string };

/** The part of JSON Schema that parameter schemas use: type, enum, minimum, items. */
function faultOf(value: Json, schema: JsonObject, where: string): Fault | null {
  if (typeof value === 'string' && holdsExpression(value)) return null;
  const types = typesOf(schema.type);
  if (types.length > 0 && !types.some((type) => hasType(value, type))) {
    return {
      message: `Parameter ${where} is ${nameOfType(value)}`,
      hint: `it should be ${types.map(withArticle).join(' or ')}`,
    };
  }
  if (Array.isArray(schema.enum) && typeof value === 'string' && !schema.enum.includes(value)) {
    const allowed = schema.enum.filter((one) => typeof one === 'string');
    const near = nearestName(value, allowed);
    const hint = near === null ? `allowed: ${allowed.join(', ')}` : `did you mean '${near}'?`;
    return { message: `Parameter ${where} is '${value}'`, hint };
  }
  const number = numberOf(value);
  const minimum = numberOf(schema.minimum ?? null);
  if (number !== null && minimum !== null && number < minimum) {
    return { message: `Parameter ${where} is ${number}`, hint: `it should be at least ${minimum}` };
  }
  return Array.isArray(value) && isJsonObject(schema.items) ? faultOfItems(value, schema.items, where) : null;
}

function faultOfItems(values: readonly Json[], schema: JsonObject, where: string): Fault | null {
  for (const [index, item] of values.entries()) {
    const fault = faultOf(item, schema, `${where}[${index}]`);
    if (fault !== null) return fault;
  }
  return null;
}

function holdsExpression(text: string): boolean {
  return text.includes('<%') || text.includes('{{') || text.includes('{%');
}

function typesOf(type: Json | undefined): readonly string[] {
  if (typeof type === 'string') return [type];
  return Array.isArray(type) ? type.filter((one) => typeof one === 'string') : [];
}

function hasType(value: Json, type: string): boolean {
  const number = numberOf(value);
  switch (type) {
    case 'null':
      return value === null;
    case 'boolean':
    case 'string':
      return typeof value === type;
    case 'number':
      return number !== null;
    case 'integer':
      return number !== null && Number.isInteger(number);
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isJsonObject(value);
    default:
      return true;
  }
}

function nameOfType(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'boolean') return `the boolean ${value}`;
  if (typeof value === 'string') return `the text '${value.length > 40 ? `${value.slice(0, 40)}…` : value}'`;
  const number = numberOf(value);
  return number === null ? 'a mapping' : `the number ${number}`;
}

function withArticle(type: string): string {
  const names: Record<string, string> = {
    object: 'a mapping',
    array: 'a list',
    string: 'text',
    integer: 'a whole number',
    null: 'null',
  };
  return names[type] ?? `a ${type}`;
}

function numberOf(value: Json): number | null {
  if (value instanceof Float) return value.value;
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : null;
}
