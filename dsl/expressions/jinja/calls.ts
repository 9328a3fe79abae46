import { type JinjaError, typeError } from './errors.ts';
import { signature } from './explain.ts';

/** The arguments of one call, evaluated. */
export interface CallArguments {
  readonly positional: readonly unknown[];
  readonly keywords: ReadonlyMap<string, unknown>;
}

const NO_KEYWORDS: ReadonlyMap<string, unknown> = new Map();

export const NO_CALL_ARGUMENTS: CallArguments = { positional: [], keywords: NO_KEYWORDS };

export function callArguments(positional: readonly unknown[], keywords = NO_KEYWORDS): CallArguments {
  return { positional, keywords };
}

/** A parameter: a bare name is required, a pair has a default. */
export type Parameter = string | readonly [name: string, fallback: unknown];

/**
 * The values for a function's parameters, by position and by name, as Python binds them.
 *
 * @throws TypeError (JinjaError) with Python's wording.
 */
export function bind(functionName: string, parameters: readonly Parameter[], args: CallArguments): unknown[] {
  const { positional, keywords } = args;
  const wrong = (message: string): JinjaError =>
    typeError(message).explain(() => ({ hint: '', signatures: [signature(functionName, parameters)] }));
  if (positional.length > parameters.length) throw wrong(tooMany(functionName, parameters, positional.length));
  const values: unknown[] = [...positional];
  let used = 0;
  for (let i = 0; i < parameters.length; i++) {
    const parameter = parameters[i] ?? '';
    const name = typeof parameter === 'string' ? parameter : parameter[0];
    const isNamed = keywords.has(name);
    if (isNamed) used++;
    if (i < positional.length) {
      if (isNamed) throw wrong(`${functionName}() got multiple values for argument '${name}'`);
    } else if (isNamed) {
      values.push(keywords.get(name));
    } else if (typeof parameter === 'string') {
      throw wrong(`${functionName}() missing 1 required positional argument: '${name}'`);
    } else {
      values.push(parameter[1]);
    }
  }
  if (used < keywords.size) throw wrong(unexpectedKeyword(functionName, parameters, keywords));
  return values;
}

/** For Python's built-in methods, which take no names. */
export function bindPositional(functionName: string, parameters: readonly Parameter[], args: CallArguments): unknown[] {
  if (args.keywords.size > 0) throw typeError(`${functionName}() takes no keyword arguments`);
  return bind(functionName, parameters, args);
}

function tooMany(functionName: string, parameters: readonly Parameter[], given: number): string {
  const required = parameters.filter((parameter) => typeof parameter === 'string').length;
  const most = parameters.length;
  const wanted = required === most ? String(most) : `from ${required} to ${most}`;
  const noun = most === 1 ? 'argument' : 'arguments';
  return `${functionName}() takes ${wanted} positional ${noun} but ${given} ${given === 1 ? 'was' : 'were'} given`;
}

function unexpectedKeyword(
  functionName: string,
  parameters: readonly Parameter[],
  keywords: ReadonlyMap<string, unknown>,
): string {
  const known = new Set(parameters.map((parameter) => (typeof parameter === 'string' ? parameter : parameter[0])));
  const unknown = [...keywords.keys()].find((name) => !known.has(name)) ?? '';
  return `${functionName}() got an unexpected keyword argument '${unknown}'`;
}
