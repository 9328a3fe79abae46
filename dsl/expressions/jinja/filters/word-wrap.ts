import { splitLines, textLength, characters } from '../text.ts';

export interface WrapOptions {
  readonly width: number;
  readonly breakLongWords: boolean;
  readonly breakOnHyphens: boolean;
  readonly separator: string;
}

/** Python's `textwrap.wrap` over each line, with tabs and blanks left as they are. */
export function wordWrap(text: string, options: WrapOptions): string {
  return splitLines(text)
    .map((line) => wrapLine(line, options).join(options.separator))
    .join(options.separator);
}

const BLANKS = /([\t\n\v\f\r ]+)/;
// Words with the hyphens they may break after, and dashes of two or more on their own.
const HYPHENATED =
  /[\t\n\v\f\r ]+|[\p{L}\p{N}_!"'&.,?]+(?:-{2,}(?=[\p{L}\p{N}_])|[\p{L}]-(?=[\p{L}][\p{L}-]))|-{2,}(?=[\p{L}\p{N}_])|[^\t\n\v\f\r -]*?[^\d\P{L}]-(?=\p{L}-?\p{L})|[^\t\n\v\f\r ]+?(?=-{2,}[\p{L}\p{N}_]|[\t\n\v\f\r ]|$)/gu;

function wrapLine(line: string, options: WrapOptions): string[] {
  const chunks = splitChunks(line, options.breakOnHyphens).reverse();
  const lines: string[] = [];
  while (chunks.length > 0) {
    const current: string[] = [];
    let length = 0;
    if (lines.length > 0 && isBlank(chunks.at(-1))) chunks.pop();
    while (chunks.length > 0) {
      const next = textLength(chunks.at(-1) ?? '');
      if (length + next > options.width) break;
      current.push(chunks.pop() ?? '');
      length += next;
    }
    if (chunks.length > 0 && textLength(chunks.at(-1) ?? '') > options.width) {
      takeLongWord(chunks, current, options.width - length, options);
    }
    if (isBlank(current.at(-1))) current.pop();
    if (current.length > 0) lines.push(current.join(''));
  }
  return lines;
}

function splitChunks(line: string, breakOnHyphens: boolean): string[] {
  if (!breakOnHyphens) return line.split(BLANKS).filter((chunk) => chunk !== '');
  return line.match(HYPHENATED) ?? [];
}

function takeLongWord(chunks: string[], current: string[], room: number, options: WrapOptions): void {
  if (options.breakLongWords) {
    const units = characters(chunks.pop() ?? '');
    const taken = Math.max(1, room);
    current.push(units.slice(0, taken).join(''));
    if (units.length > taken) chunks.push(units.slice(taken).join(''));
  } else if (current.length === 0) {
    current.push(chunks.pop() ?? '');
  }
}

function isBlank(chunk: string | undefined): boolean {
  return chunk !== undefined && chunk.trim() === '';
}
