import type { Context } from './context.ts';
import { types, type ParamType } from './types.ts';

/** How a function is called: `f(x)`, `x.f()`, or either way. */
export type Form = 'function' | 'method' | 'both';

/** One overload of a function. */
export interface FunctionDefinition {
  readonly name: string;
  readonly form: Form;
  /** `a => b` arguments are pairs for a positional parameter, not keywords. */
  readonly noKeywords: boolean;
  readonly params: readonly Param[];
  /** Belongs to the library, whose operators have shortcuts. */
  readonly standard: boolean;
  /** Gets one argument per parameter: an array for a `rest` parameter, a Map for `keywords`. */
  body(context: Context, ...args: unknown[]): unknown;
}

export interface Param<T = unknown> {
  /** The name as callers write it: camelCase. */
  readonly name: string;
  readonly type: ParamType;
  /** `rest` takes the remaining positional arguments, `keywords` the remaining named ones. */
  readonly role: 'single' | 'rest' | 'keywords';
  readonly optional: boolean;
  readonly fallback: T | undefined;
}

type Params<A extends readonly unknown[]> = readonly [...{ [K in keyof A]: Param<A[K]> }];

/** Defines a library function; the parameters give the types of the body's arguments. */
export function define<A extends readonly unknown[]>(
  name: string,
  form: Form,
  params: Params<A>,
  body: (context: Context, ...args: [...A]) => unknown,
  more: { readonly noKeywords?: boolean; readonly standard?: boolean } = {},
): FunctionDefinition {
  return {
    name,
    form,
    params: params as readonly Param[],
    body,
    noKeywords: more.noKeywords ?? false,
    standard: more.standard ?? true,
  };
}

/** A required parameter. */
export function param<T>(name: string, type: ParamType<T>): Param<T> {
  return { name, type, role: 'single', optional: false, fallback: undefined };
}

/** A parameter that may be left out. Its default need not be of its type (null often is not). */
export function optional<T, D>(name: string, type: ParamType<T>, fallback: D): Param<T | D> {
  return { name, type, role: 'single', optional: true, fallback };
}

/** Any number of positional arguments. */
export function rest<T>(type: ParamType<T>): Param<T[]> {
  return { name: '*', type, role: 'rest', optional: true, fallback: undefined };
}

/** Any number of named arguments. */
export function keywords(): Param<ReadonlyMap<string, unknown>> {
  return { name: '**', type: types.any, role: 'keywords', optional: true, fallback: undefined };
}

/** A parameter of a host's function. */
export interface HostParameter {
  /** snake_case is turned into camelCase, as the reference does. */
  readonly name: string;
  /** By default `any`. */
  readonly type?: keyof typeof types;
  readonly nullable?: boolean;
  readonly default?: unknown;
  readonly role?: 'rest' | 'keywords';
}

/** Describes a host's function for `context.registerFunction`. The name is kept as it is. */
export function defineFunction(description: {
  readonly name: string;
  readonly form?: Form;
  readonly noKeywords?: boolean;
  readonly parameters?: readonly HostParameter[];
  readonly body: (context: Context, ...args: unknown[]) => unknown;
}): FunctionDefinition {
  const params = (description.parameters ?? []).map(hostParam);
  return {
    name: description.name,
    form: description.form ?? 'function',
    noKeywords: description.noKeywords ?? false,
    params,
    standard: false,
    body: description.body,
  };
}

/** `max_splits` as `maxSplits`: every underscore but a leading one, and none at the end. */
export function camelCase(name: string): string {
  return name.replace(/_+$/, '').replace(/(?!^)_([\p{L}\p{N}_])/gu, (_, letter: string) => letter.toUpperCase());
}

function hostParam(parameter: HostParameter): Param {
  const type: ParamType = types[parameter.type ?? 'any'];
  const isOptional = Object.hasOwn(parameter, 'default') || parameter.role !== undefined;
  return {
    name: camelCase(parameter.name),
    type: parameter.nullable ? { ...type, mask: type.mask | types.onlyNull.mask } : type,
    role: parameter.role ?? 'single',
    optional: isOptional,
    fallback: parameter.default,
  };
}
