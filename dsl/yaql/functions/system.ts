import type { Context, Lambda } from '../context.ts';
import { camelCase, define, keywords, optional, param, rest, type FunctionDefinition } from '../definitions.ts';
import { dictEntries } from '../dicts.ts';
import { YaqlError, typeError, valueError } from '../errors.ts';
import { END, MemoIterator, PyIterator, pullerOf } from '../iterators.ts';
import { callByName } from '../overloads.ts';
import { types, type AnyIterable } from '../types.ts';
import { isTruthy } from '../values.ts';

export const systemFunctions: readonly FunctionDefinition[] = [
  define('#operator_->', 'function', [param('left', types.context), param('right', types.lambda)], (_, left, right) =>
    right.callIn(left),
  ),
  define('let', 'function', [rest(types.any), keywords()], (context, args, named) => {
    const scope = withPositional(context, args);
    for (const [name, value] of named) scope.set(name, value);
    return scope;
  }),
  define('with', 'function', [rest(types.any)], withPositional),
  define('unpack', 'method', [param('sequence', types.iterable), rest(types.string)], unpack),
  define('def', 'function', [param('name', types.string), param('func', types.lambda)], defineInScope),
  define(
    'assert',
    'method',
    [param('obj', types.any), param('condition', types.lambda), optional('message', types.string, 'Assertion failed')],
    (_, object, condition, message) => {
      const value = object instanceof PyIterator ? new MemoIterator(object) : object;
      if (!isTruthy(condition.call1(value))) throw new YaqlError('AssertionError', message);
      return value;
    },
  ),
  define(
    'call',
    'function',
    [param('name', types.string), param('args', types.sequence), param('kwargs', types.dict)],
    (context, name, args, kwargs) => {
      const named = new Map<string, unknown>();
      for (const [key, value] of dictEntries(kwargs)) {
        if (typeof key !== 'string') throw typeError('expected string or bytes-like object');
        named.set(key, value);
      }
      return callByName(context, name, args, named);
    },
  ),
];

function withPositional(context: Context, args: readonly unknown[]): Context {
  const scope = context.child();
  args.forEach((arg, i) => scope.setPositional(i + 1, arg));
  return scope;
}

function unpack(context: Context, sequence: AnyIterable, names: readonly string[]): Context {
  const scope = context.child();
  const pull = pullerOf(sequence);
  const items: unknown[] = [];
  for (let i = 0; i <= names.length; i += 1) {
    const item = pull();
    if (item === END) break;
    items.push(item);
  }
  if (names.length > 0) {
    if (items.length !== names.length) throw valueError(`Cannot unpack ${items.length} elements into ${names.length}`);
    names.forEach((name, i) => scope.set(name, items[i]));
    return scope;
  }
  // Reads the sequence once more: an iterator has lost its first item by then, as in the reference.
  let position = 1;
  for (const item of sequence) {
    scope.setPositional(position, item);
    position += 1;
  }
  return scope;
}

function defineInScope(context: Context, name: string, func: Lambda): Context {
  const scope = context.child();
  // The body sees the scope that knows the function: that is how it can call itself.
  const body = func.in(scope);
  scope.registerFunction(
    define(
      definedName(name),
      'function',
      [rest(types.any), keywords()],
      (caller, args, named) => {
        caller.run.enter();
        try {
          return body.callAll(args, named);
        } finally {
          caller.run.leave();
        }
      },
      { standard: false },
    ),
  );
  return scope;
}

/** camelCase without trailing underscores; a name in special characters (`#x#my_name`) keeps that part. */
function definedName(name: string): string {
  const bare = name.replace(/_+$/, '');
  if (bare === '' || /^\p{L}/u.test(bare)) return camelCase(bare);
  const finish = bare.indexOf(bare[0] ?? '', 1);
  return finish <= 1 ? bare : bare.slice(0, finish + 1) + camelCase(bare.slice(finish + 1));
}
