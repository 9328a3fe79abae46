import { bind, type CallArguments, type Parameter } from '../calls.ts';
import type { Filter } from '../environment.ts';
import type { Runtime } from '../runtime.ts';

/** A filter whose arguments, after the piped value, are bound to parameters. */
export function filter(
  name: string,
  parameters: readonly Parameter[],
  body: (value: unknown, args: readonly unknown[], runtime: Runtime) => unknown,
): [string, Filter] {
  const run = (value: unknown, args: CallArguments, runtime: Runtime): unknown =>
    body(value, bind(name, parameters, args), runtime);
  return [name, Object.assign(run, { parameters })];
}
