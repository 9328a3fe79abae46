/** Python strings are sequences of code points; these helpers bridge to UTF-16 with a fast path for text without surrogates. */

const SURROGATE = /[\ud800-\udfff]/;

export function textLength(text: string): number {
  if (!SURROGATE.test(text)) return text.length;
  let length = 0;
  for (const _ of text) length++;
  return length;
}

/** The code points as strings. */
export function characters(text: string): string[] {
  return SURROGATE.test(text) ? [...text] : text.split('');
}

export function characterAt(text: string, index: number): string | undefined {
  return SURROGATE.test(text) ? [...text][index] : text[index];
}

/** Code-point offset of a UTF-16 offset. */
export function codePointOffset(text: string, unitOffset: number): number {
  return textLength(text.slice(0, unitOffset));
}

/** Python's white space, as `str.isspace` and `split()` know it. */
export const WHITE_SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const BLANK = new RegExp(`[${WHITE_SPACE}]`);

/** Without white space at its ends. Not by a pattern: one for the right end looks at each inner run of blanks many times. */
export function stripBlanks(text: string, side: 'left' | 'right' | 'both' = 'both'): string {
  return stripWhere(text, (unit) => BLANK.test(unit), side);
}

/** Without the characters at its ends that the test accepts; none may be beyond U+FFFF. */
export function stripWhere(text: string, isOuter: (unit: string) => boolean, side: 'left' | 'right' | 'both'): string {
  let start = 0;
  let end = text.length;
  if (side !== 'right') while (start < end && isOuter(text.charAt(start))) start++;
  if (side !== 'left') while (end > start && isOuter(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;

/** `str.splitlines`: no empty line after a final line end. */
export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = [];
  let start = 0;
  for (const match of text.matchAll(LINE_END)) {
    const end = match.index + match[0].length;
    lines.push(text.slice(start, keepEnds ? end : match.index));
    start = end;
  }
  if (start < text.length) lines.push(text.slice(start));
  return lines;
}

/** First character in title case, the rest in lower case. */
export function capitalize(text: string): string {
  const first = String.fromCodePoint(text.codePointAt(0) ?? 0);
  return text === '' ? '' : titleCharacter(first) + text.slice(first.length).toLowerCase();
}

/** The title case of one character; where upper case has several letters, only the first stays large (`ß` is `Ss`). */
function titleCharacter(character: string): string {
  const [first = '', ...rest] = character.toUpperCase();
  return first + rest.join('').toLowerCase();
}

/** `str.title`: each run of letters capitalised. */
export function titleCase(text: string): string {
  return text.replace(/\p{Cased}+/gu, capitalize);
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>'"]/g, (character) => HTML_ESCAPES[character] ?? character);
}

const HTML_ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
};

/**
 * Replaces the first `count` occurrences (all when negative), as `str.replace`. `checkSize` is asked about the length of the
 * result before it is built.
 */
export function replaceText(
  text: string,
  old: string,
  replacement: string,
  count: number,
  checkSize: (size: number) => void,
): string {
  const parts = old === '' ? ['', ...characters(text), ''] : text.split(old);
  const replaced = count < 0 ? parts.length - 1 : Math.min(count, parts.length - 1);
  checkSize(text.length + replaced * (replacement.length - old.length));
  if (replaced === parts.length - 1) return parts.join(replacement);
  return [parts.slice(0, replaced + 1).join(replacement), ...parts.slice(replaced + 1)].join(old);
}
