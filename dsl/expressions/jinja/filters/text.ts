import { type CallArguments, callArguments } from '../calls.ts';
import { attributeGetter } from '../attribute-path.ts';
import { callMethod } from '../access.ts';
import type { Filter } from '../environment.ts';
import { filterArgumentError, JinjaError } from '../errors.ts';
import { Markup, Undefined } from '../objects.ts';
import { binary, escaped } from '../operators.ts';
import { iterate, lengthOf, newDict, textOf, toIndex, toText, truth, typeName } from '../python.ts';
import type { Runtime } from '../runtime.ts';
import { characters, replaceText, splitLines, textLength, WHITE_SPACE } from '../text.ts';
import { PyTuple } from '../../../yaql/values.ts';
import { filter } from './filter.ts';
import { wordWrap } from './word-wrap.ts';

/** Filters over text. Values that are no text are taken by their `str`. */
export const textFilters: readonly [string, Filter][] = [
  ...['upper', 'lower', 'capitalize'].map((name) =>
    filter(name, [], (value, _args, runtime) => callMethod(softText(value), name, callArguments([]), runtime)),
  ),
  filter('string', [], (value) => softText(value)),
  filter('title', [], (value) => title(toText(value))),
  filter('center', [['width', 80]], (value, [width], runtime) =>
    callMethod(softText(value), 'center', callArguments([width]), runtime),
  ),
  filter('trim', [['chars', null]], (value, [chars], runtime) =>
    callMethod(softText(value), 'strip', callArguments([chars]), runtime),
  ),
  filter('replace', ['old', 'new', ['count', null]], replace),
  filter(
    'join',
    [
      ['d', ''],
      ['attribute', null],
    ],
    join,
  ),
  filter(
    'indent',
    [
      ['width', 4],
      ['first', false],
      ['blank', false],
    ],
    indent,
  ),
  filter(
    'truncate',
    [
      ['length', 255],
      ['killwords', false],
      ['end', '...'],
      ['leeway', null],
    ],
    truncate,
  ),
  filter(
    'wordwrap',
    [
      ['width', 79],
      ['break_long_words', true],
      ['wrapstring', null],
      ['break_on_hyphens', true],
    ],
    (value, [width, breakWords, wrapString, breakHyphens]) =>
      wordWrap(requireText(value), {
        width: toIndex(width),
        breakLongWords: truth(breakWords),
        breakOnHyphens: truth(breakHyphens),
        separator: wrapString === null ? '\n' : toText(wrapString),
      }),
  ),
  filter('wordcount', [], (value) => toText(value).match(/[\p{L}\p{N}_]+/gu)?.length ?? 0),
  ['format', (value, args, runtime) => format(value, args, runtime)],
];

/** Markup stays markup, everything else becomes text. */
function softText(value: unknown): string | Markup {
  return value instanceof Markup ? value : toText(value);
}

function requireText(value: unknown): string {
  if (value instanceof Undefined) value.fail();
  const text = textOf(value);
  if (text === null)
    throw new JinjaError('AttributeError', `'${typeName(value)}' object has no attribute 'splitlines'`);
  return text;
}

function title(text: string): string {
  return text
    .split(new RegExp(`([-${WHITE_SPACE}({\\[<]+)`))
    .map((word) => {
      const first = characters(word)[0] ?? '';
      return first.toUpperCase() + word.slice(first.length).toLowerCase();
    })
    .join('');
}

function replace(value: unknown, [old, replacement, count]: readonly unknown[], runtime: Runtime): unknown {
  const limit = count === null ? -1 : toIndex(count);
  const isMarkup = [value, old, replacement].some((part) => part instanceof Markup) && runtime.isEscaping;
  const write = isMarkup ? escaped : toText;
  const result = replaceText(write(value), toText(old), write(replacement), limit, (size) => runtime.checkSize(size));
  return isMarkup ? new Markup(result) : result;
}

function join(value: unknown, [separator, attribute]: readonly unknown[], runtime: Runtime): unknown {
  const get = attributeGetter(attribute);
  const items: unknown[] = [];
  for (const item of iterate(value)) {
    runtime.spend();
    items.push(get(item));
  }
  const isMarkup = runtime.isEscaping && [separator, ...items].some((part) => part instanceof Markup);
  const write = isMarkup ? escaped : toText;
  const between = write(separator);
  let size = 0;
  const texts = items.map((item) => {
    const text = write(item);
    size += text.length + between.length;
    runtime.checkSize(size);
    return text;
  });
  const result = texts.join(between);
  return isMarkup ? new Markup(result) : result;
}

function indent(value: unknown, [width, first, blank]: readonly unknown[], runtime: Runtime): unknown {
  const indention = textOf(width) ?? ' '.repeat(Math.max(0, toIndex(width)));
  if (value instanceof Undefined) value.fail();
  if (Array.isArray(value) && !(value instanceof PyTuple)) requireText(value);
  const text = textOf(value) ?? textOf(binary('+', value, '\n', runtime)) ?? '';
  const lines = splitLines(`${text}\n`);
  const rest = lines.slice(1).map((line) => (truth(blank) || line !== '' ? indention + line : line));
  const result = (truth(first) ? indention : '') + [lines[0] ?? '', ...rest].join('\n');
  runtime.checkSize(result.length);
  return value instanceof Markup ? new Markup(result) : result;
}

const TRUNCATE_LEEWAY = 5;

function truncate(value: unknown, [length, killWords, end, leeway]: readonly unknown[]): unknown {
  const limit = toIndex(length);
  const ending = toText(end);
  const slack = leeway === null ? TRUNCATE_LEEWAY : toIndex(leeway);
  const endLength = textLength(ending);
  if (limit < endLength) throw new JinjaError('AssertionError', `expected length >= ${endLength}, got ${limit}`);
  if (slack < 0) throw new JinjaError('AssertionError', `expected leeway >= 0, got ${slack}`);
  if (lengthOf(value) <= limit + slack) return value;
  const text = textOf(value);
  if (text === null) throw new JinjaError('AttributeError', `'${typeName(value)}' object has no attribute 'rsplit'`);
  const units = characters(text);
  const cut = units.slice(0, limit - endLength).join('');
  const blank = cut.lastIndexOf(' ');
  return (truth(killWords) || blank < 0 ? cut : cut.slice(0, blank)) + ending;
}

function format(value: unknown, args: CallArguments, runtime: Runtime): unknown {
  const text = softText(value);
  if (args.positional.length > 0 && args.keywords.size > 0) {
    throw filterArgumentError("can't handle positional and keyword arguments at the same time");
  }
  const values = args.keywords.size > 0 ? newDict(args.keywords) : PyTuple.wrap(args.positional);
  return binary('%', text, values, runtime);
}
