import { stripBlanks, stripWhere } from './jinja/text.ts';

/** Where expressions stand in a text (spec/expressions.md §11.1). None spans lines: `.` is anything but a line feed. */

export interface Found {
  /** The text with its delimiters. */
  readonly whole: string;
  /** Offset of `whole` in UTF-16 units. */
  readonly offset: number;
}

const YAQL = /<%[^\n]*?%>/g;
const JINJA_PRINT = /\{\{([^\n]*?)\}\}/;
const JINJA_BLOCK = /\{%[^\n]*?%\}/;

/** The language a text is evaluated in: Jinja wherever one of its patterns occurs, else YAQL. */
export function languageOf(text: string): 'yaql' | 'jinja' | null {
  if (hasJinja(text)) return 'jinja';
  return hasYaql(text) ? 'yaql' : null;
}

export function hasJinja(text: string): boolean {
  return text.includes('{') && (JINJA_PRINT.test(text) || JINJA_BLOCK.test(text));
}

export function hasYaql(text: string): boolean {
  return text.includes('<%') && text.search(YAQL) >= 0;
}

export function findYaql(text: string): readonly Found[] {
  return [...text.matchAll(YAQL)].map((match) => ({ whole: match[0], offset: match.index }));
}

/** The first `{{ … }}`; null when the text has only `{% … %}`. */
export function firstJinjaPrint(text: string): { readonly whole: string; readonly inside: string } | null {
  const match = JINJA_PRINT.exec(text);
  return match === null ? null : { whole: match[0], inside: match[1] ?? '' };
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
