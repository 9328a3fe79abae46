import { define, param, rest, type FunctionDefinition } from '../definitions.ts';
import { END, PyIterator } from '../iterators.ts';
import { types } from '../types.ts';
import { isTruthy } from '../values.ts';

export const branchingFunctions: readonly FunctionDefinition[] = [
  define(
    'switch',
    'function',
    [rest(types.lazyPair)],
    (_, pairs) => {
      for (const pair of pairs) if (isTruthy(pair.key())) return pair.value();
      return null;
    },
    { noKeywords: true },
  ),
  define('selectCase', 'function', [rest(types.lambda)], (_, predicates) => {
    const index = predicates.findIndex((predicate) => isTruthy(predicate.call()));
    return index < 0 ? predicates.length : index;
  }),
  define('switchCase', 'method', [param('case', types.int), rest(types.lambda)], (_, index, args) => {
    const chosen = args[index >= 0 && index < args.length ? Number(index) : args.length - 1];
    return chosen ? chosen.call() : null;
  }),
  define('selectAllCases', 'function', [rest(types.lambda)], (context, predicates) => {
    let index = -1;
    return new PyIterator(context.run, () => {
      for (index += 1; index < predicates.length; index += 1) if (isTruthy(predicates[index]?.call())) return index;
      return END;
    });
  }),
  define('examine', 'function', [rest(types.lambda)], (context, predicates) => {
    let index = -1;
    return new PyIterator(context.run, () => {
      index += 1;
      return index < predicates.length ? isTruthy(predicates[index]?.call()) : END;
    });
  }),
  define('coalesce', 'function', [rest(types.lambda)], (_, args) => {
    for (const arg of args) {
      const value = arg.call();
      if (value !== null) return value;
    }
    return null;
  }),
];
