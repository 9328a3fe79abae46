import type { CallArguments } from './calls.ts';
import type { Runtime } from './runtime.ts';

/** A filter gets the piped value first; a test must give a boolean. */
export type Filter = (value: unknown, args: CallArguments, runtime: Runtime) => unknown;
export type Test = (value: unknown, args: CallArguments, runtime: Runtime) => boolean;

/** The names a template may use besides its variables. */
export interface Environment {
  readonly filters: ReadonlyMap<string, Filter>;
  readonly tests: ReadonlyMap<string, Test>;
  readonly globals: ReadonlyMap<string, unknown>;
}
