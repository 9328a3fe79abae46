import { dictEntries, isDict } from '../../yaql/dicts.ts';
import type { CallArguments } from './calls.ts';
import { typeError, valueError } from './errors.ts';
import { iterate } from './python.ts';

/** The entries that `dict(…)`, `d.update(…)` and `namespace(…)` take: from a dict or from pairs, then from keywords. */
export function entriesOf(functionName: string, args: CallArguments): (readonly [unknown, unknown])[] {
  if (args.positional.length > 1) {
    throw typeError(`${functionName} expected at most 1 argument, got ${args.positional.length}`);
  }
  const [source] = args.positional;
  const entries: (readonly [unknown, unknown])[] = [];
  if (isDict(source)) entries.push(...dictEntries(source));
  else if (source !== undefined) entries.push(...pairs(source));
  return [...entries, ...args.keywords];
}

function pairs(source: unknown): (readonly [unknown, unknown])[] {
  return [...iterate(source)].map((item, index) => {
    const pair = [...iterate(item)];
    if (pair.length !== 2) {
      throw valueError(`dictionary update sequence element #${index} has length ${pair.length}; 2 is required`);
    }
    return [pair[0], pair[1]];
  });
}
