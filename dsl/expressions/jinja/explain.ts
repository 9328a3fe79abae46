import type { Explanation } from '../../yaql/errors.ts';
import { dictGet, isDict } from '../../yaql/dicts.ts';
import { Spelling } from '../../yaql/spelling.ts';
import type { Parameter } from './calls.ts';
import type { Environment } from './environment.ts';
import { repr } from './python.ts';

/** A filter or test that does not exist: the nearest one, and how it is called. */
export function explainUnknown(what: 'filter' | 'test', name: string, environment: Environment): Explanation {
  const known = what === 'filter' ? environment.filters : environment.tests;
  const nearest = new Spelling().nearest(name, known.keys());
  if (nearest === null) return { hint: `there is no ${what} of this or a similar name`, signatures: [] };
  const { parameters } = known.get(nearest) ?? {};
  return {
    hint: `did you mean '${nearest}'?`,
    signatures: parameters === undefined ? [] : [signature(nearest, parameters, what)],
  };
}

/** A name that nothing defines: a variable written without `_.`, or a function with a near name. */
export function explainUndefined(name: string, data: unknown, environment: Environment): Explanation | null {
  if (isDict(data) && dictGet(data, name) !== undefined) {
    return { hint: `variables of the workflow are read as _.${name}`, signatures: [] };
  }
  const other = environment.filters.has(name) ? `'${name}' is a filter: write value|${name}` : null;
  const hint = new Spelling().didYouMean(name, [...environment.globals.keys(), '_']) ?? other;
  return hint === null ? null : { hint, signatures: [] };
}

/** `range(start, stop=None)`, `value|join(d='')`, `value is divisibleby(num)`. */
export function signature(
  name: string,
  parameters: readonly Parameter[],
  what: 'filter' | 'test' | null = null,
): string {
  const texts = parameters.map((parameter) =>
    typeof parameter === 'string' ? parameter : `${parameter[0]}=${repr(parameter[1])}`,
  );
  const call = texts.length === 0 && what !== null ? name : `${name}(${texts.join(', ')})`;
  if (what === null) return call;
  return what === 'filter' ? `value|${call}` : `value is ${call}`;
}
