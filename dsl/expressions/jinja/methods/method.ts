import { bindPositional, bind, type CallArguments, type Parameter } from '../calls.ts';
import type { Runtime } from '../runtime.ts';

/** A method of a built-in type, not yet bound to its object. */
export type Method = (object: unknown, args: CallArguments, runtime: Runtime) => unknown;

type Body<Self> = (self: Self, args: readonly unknown[], runtime: Runtime) => unknown;

/** A built-in method that takes its arguments by position. */
export function method<Self>(name: string, parameters: readonly Parameter[], body: Body<Self>): [string, Method] {
  return [name, (self, args, runtime) => body(self as Self, bindPositional(name, parameters, args), runtime)];
}

/** A built-in method whose arguments may be named. */
export function namedMethod<Self>(name: string, parameters: readonly Parameter[], body: Body<Self>): [string, Method] {
  return [name, (self, args, runtime) => body(self as Self, bind(name, parameters, args), runtime)];
}

/** A built-in method that looks at its arguments itself. */
export function freeMethod<Self>(
  name: string,
  body: (self: Self, args: CallArguments, runtime: Runtime) => unknown,
): [string, Method] {
  return [name, (self, args, runtime) => body(self as Self, args, runtime)];
}
