import { bind, type Parameter } from '../calls.ts';
import type { Filter } from '../environment.ts';
import type { Runtime } from '../runtime.ts';

/** A filter whose arguments, after the piped value, are bound to parameters. */
export function filter(
  name: string,
  parameters: readonly Parameter[],
  body: (value: unknown, args: readonly unknown[], runtime: Runtime) => unknown,
): [string, Filter] {
  return [name, (value, args, runtime) => body(value, bind(name, parameters, args), runtime)];
}
