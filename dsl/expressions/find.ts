import { stripBlanks, stripWhere } from './jinja/text.ts';

/** Where expressions stand in a text (spec/expressions.md §11.1). None spans lines: `.` is anything but a line feed. */

export interface Found {
  /** The text with its delimiters. */
  readonly whole: string;
  /** Offset of `whole` in UTF-16 units. */
  readonly offset: number;
}

const YAQL = ['<%', '%>'] as const;
const JINJA_PRINT = ['{{', '}}'] as const;
const JINJA_BLOCK = ['{%', '%}'] as const;

/** The language a text is evaluated in: Jinja wherever one of its patterns occurs, else YAQL. */
export function languageOf(text: string): 'yaql' | 'jinja' | null {
  if (hasJinja(text)) return 'jinja';
  return hasYaql(text) ? 'yaql' : null;
}

/** False tells at a glance that the text is its own value; true, that it has to be looked at. */
export function mayHoldExpression(text: string): boolean {
  return text.includes('<%') || text.includes('{{') || text.includes('{%');
}

export function hasJinja(text: string): boolean {
  return (text.includes('{{') || text.includes('{%')) && (holds(text, JINJA_PRINT) || holds(text, JINJA_BLOCK));
}

export function hasYaql(text: string): boolean {
  return text.includes('<%') && holds(text, YAQL);
}

export function findYaql(text: string): readonly Found[] {
  return isWhole(text) ? [{ whole: text, offset: 0 }] : [...spans(text, YAQL)];
}

/** The commonest text by far: one expression and nothing else. */
function isWhole(text: string): boolean {
  return (
    text.startsWith('<%') && text.endsWith('%>') && text.indexOf('%>', 2) === text.length - 2 && !text.includes('\n')
  );
}

/** The first `{{ … }}`; null when the text has only `{% … %}`. */
export function firstJinjaPrint(text: string): { readonly whole: string; readonly inside: string } | null {
  for (const { whole } of spans(text, JINJA_PRINT)) return { whole, inside: whole.slice(2, -2) };
  return null;
}

function holds(text: string, delimiters: readonly [open: string, close: string]): boolean {
  return spans(text, delimiters).next().done !== true;
}

/**
 * From each opening delimiter to the nearest closing one on its line. Looks at each character a few times at most, however many
 * delimiters stand open, which a regular expression would not.
 */
function* spans(text: string, [open, close]: readonly [open: string, close: string]): Generator<Found, void> {
  let end = -1;
  let lineEnd = -1;
  for (let at = text.indexOf(open); at >= 0; at = text.indexOf(open, at)) {
    const inside = at + open.length;
    if (end < inside) end = text.indexOf(close, inside);
    if (end < 0) return;
    if (lineEnd < inside) lineEnd = indexOrEnd(text, '\n', inside);
    if (lineEnd < end) {
      at = lineEnd;
      continue;
    }
    yield { whole: text.slice(at, end + close.length), offset: at };
    at = end + close.length;
  }
}

function indexOrEnd(text: string, part: string, from: number): number {
  const index = text.indexOf(part, from);
  return index < 0 ? text.length : index;
}

/** Takes all `<`, `%` and `>` from both ends: a set of characters, not the delimiters. */
export function withoutDelimiters(whole: string): string {
  return stripWhere(whole, (unit) => unit === '<' || unit === '%' || unit === '>', 'both');
}

/** Without white space around it, as Python's `strip()`. */
export function stripped(text: string): string {
  return stripBlanks(text);
}

/** The type EXPRESSION of spec/dsl.md §2: the text is one expression, with nothing but blanks behind it. */
export function isExpression(text: string): boolean {
  return /^<%[^\n]*?%>\s*$/.test(text) || /^\{\{[^\n]*?\}\}\s*$/.test(text);
}
