import type { CallArguments, Parameter } from './calls.ts';
import type { Runtime } from './runtime.ts';

/** A filter gets the piped value first; a test must give a boolean. */
export interface Filter extends Described {
  (value: unknown, args: CallArguments, runtime: Runtime): unknown;
}
export interface Test extends Described {
  (value: unknown, args: CallArguments, runtime: Runtime): boolean;
}

/** For explanations: the parameters after the piped value; undefined where they are not declared. */
interface Described {
  readonly parameters?: readonly Parameter[];
}

/** The names a template may use besides its variables. */
export interface Environment {
  readonly filters: ReadonlyMap<string, Filter>;
  readonly tests: ReadonlyMap<string, Test>;
  readonly globals: ReadonlyMap<string, unknown>;
}
