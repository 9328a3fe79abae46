import type { Context, Lambda } from '../context.ts';
import { define, optional, param, type FunctionDefinition } from '../definitions.ts';
import { PyDict } from '../dicts.ts';
import { indexError, typeError, valueError } from '../errors.ts';
import { END, type PyIterator, pullerOf } from '../iterators.ts';
import type { PyInteger } from '../numbers.ts';
import { Regex, type RegexFlags, type RegexMatch } from '../regex.ts';
import { nullable, types } from '../types.ts';
import { lazily } from './iteration.ts';
import { toPosition } from './text.ts';

const { string, int, lambda, boolean } = types;
const regexp = param('regexp', types.regex);
const text = param('string', string);
const flag = (name: string) => optional(name, nullable(boolean), false);

export const regexFunctions: readonly FunctionDefinition[] = [
  define(
    'regex',
    'function',
    [param('pattern', string), flag('ignoreCase'), flag('multiLine'), flag('dotAll')],
    (_, pattern, ignoreCase, multiLine, dotAll) =>
      unicodeOnly({ ignoreCase: ignoreCase ?? false, multiLine: multiLine ?? false, dotAll: dotAll ?? false }, pattern),
  ),
  define('matches', 'method', [regexp, text], (_, pattern, value) => pattern.test(value)),
  define('matches', 'method', [text, param('regexp', string)], (_, value, pattern) => compiled(pattern).test(value)),
  define('#operator_=~', 'function', [text, regexp], (_, value, pattern) => pattern.test(value)),
  define('#operator_=~', 'function', [text, param('pattern', string)], (_, value, pattern) =>
    compiled(pattern).test(value),
  ),
  define('#operator_!~', 'function', [text, regexp], (_, value, pattern) => !pattern.test(value)),
  define(
    '#operator_!~',
    'function',
    [text, param('pattern', string)],
    (_, value, pattern) => !compiled(pattern).test(value),
  ),
  define('search', 'method', [regexp, text, optional('selector', lambda, null)], (_, pattern, value, selector) => {
    const match = pattern.search(value);
    if (!match || !selector) return match && match.groups[0].value;
    return selector.callIn(publish(selector.scope(), pattern, match));
  }),
  define('searchAll', 'method', [regexp, text, optional('selector', lambda, null)], searchAll),
  define('split', 'method', [regexp, text, optional('maxSplit', int, 0)], (_, pattern, value, most) =>
    pattern.split(value, toPosition(most)),
  ),
  define('split', 'method', [text, regexp, optional('maxSplit', int, 0)], (_, value, pattern, most) =>
    pattern.split(value, toPosition(most)),
  ),
  define(
    'replace',
    'method',
    [regexp, text, param('repl', string), optional('count', int, 0)],
    (context, pattern, value, repl, count) => replace(context, pattern, value, pattern.template(repl), count),
  ),
  define(
    'replace',
    'method',
    [text, regexp, param('repl', string), optional('count', int, 0)],
    (context, value, pattern, repl, count) => replace(context, pattern, value, pattern.template(repl), count),
  ),
  define(
    'replaceBy',
    'method',
    [regexp, text, param('repl', lambda), optional('count', int, 0)],
    (context, pattern, value, repl, count) => replace(context, pattern, value, replacer(pattern, repl), count),
  ),
  define(
    'replaceBy',
    'method',
    [text, regexp, param('repl', lambda), optional('count', int, 0)],
    (context, value, pattern, repl, count) => replace(context, pattern, value, replacer(pattern, repl), count),
  ),
  define('escapeRegex', 'function', [text], (_, value) => value.replace(/[()[\]{}?*+\-|^$\\.&~# \t\n\r\v\f]/g, '\\$&')),
  define('isRegex', 'function', [param('value', types.any)], (_, value) => value instanceof Regex),
];

/** `regex()` asks for Unicode classes, which a pattern with `(?a)` contradicts; patterns given as strings may have it. */
function unicodeOnly(flags: RegexFlags, pattern: string): Regex {
  const regex = compiled(pattern, flags);
  if (regex.isAscii) throw valueError('ASCII and UNICODE flags are incompatible');
  return regex;
}

/** Patterns repeat from item to item: the latest are kept. */
const cache = new Map<string, Regex>();
const CACHE_SIZE = 200;

function compiled(pattern: string, flags: RegexFlags = {}): Regex {
  const key = `${flags.ignoreCase ? 1 : 0}${flags.multiLine ? 1 : 0}${flags.dotAll ? 1 : 0}${pattern}`;
  let regex = cache.get(key);
  if (!regex) {
    regex = new Regex(pattern, flags);
    if (cache.size >= CACHE_SIZE) cache.clear();
    cache.set(key, regex);
  }
  return regex;
}

function searchAll(context: Context, pattern: Regex, value: string, selector: Lambda | null): PyIterator {
  const pull = pullerOf(pattern.matches(value));
  return lazily(context, () => {
    const match = pull() as RegexMatch | typeof END;
    if (match === END) return END;
    return selector ? selector.callIn(publish(selector.scope(), pattern, match)) : match.groups[0].value;
  });
}

/** `$1` is the whole match, `$2` the first group and so on; named groups are there by name too. */
function publish(scope: Context, pattern: Regex, match: RegexMatch): Context {
  const records = match.groups.map(({ value, start, end }) => new PyDict(Object.entries({ value, start, end }), true));
  records.forEach((record, i) => scope.setPositional(i + 1, record));
  const provide = scope.run.options.namedGroups ?? false;
  for (const [name, index] of pattern.groupNames) {
    if (provide) scope.set(name, records[index]);
    else misreadGroup(scope, pattern, match, match.groups[index]?.value ?? null);
  }
  return scope;
}

/**
 * Kept for compatibility: the reference takes the text of a named group for a pair of name and text (spec/expressions.md §15), which
 * nearly always fails.
 */
function misreadGroup(scope: Context, pattern: Regex, match: RegexMatch, value: string | null): void {
  if (value === null) throw typeError('cannot unpack non-iterable NoneType object');
  const characters = Array.from(value);
  if (characters.length !== 2)
    throw valueError(`wrong number of values to unpack (expected 2, got ${characters.length})`);
  const [name = '', text = ''] = characters;
  const group = match.groups[pattern.groupNames.get(text) ?? -1];
  if (!group) throw indexError('no such group');
  scope.set(name, new PyDict(Object.entries({ value: text, start: group.start, end: group.end }), true));
}

function replacer(pattern: Regex, repl: Lambda): (match: RegexMatch) => string {
  return (match) => {
    const result = repl.callIn(publish(repl.scope(), pattern, match));
    if (typeof result !== 'string') throw typeError('expected str instance');
    return result;
  };
}

function replace(
  context: Context,
  pattern: Regex,
  value: string,
  replacement: (match: RegexMatch) => string,
  count: PyInteger,
): string {
  let length = value.length;
  context.run.charge(length);
  return pattern.replace(
    value,
    (match) => {
      context.run.step();
      const result = replacement(match);
      length += result.length;
      context.run.charge(result.length);
      context.run.checkSize(length);
      return result;
    },
    toPosition(count),
  );
}
