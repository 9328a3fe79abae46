import type { Event, ScalarEvent } from 'js-yaml';
import { COLLECTION_STYLE, EVENT_ID, SCALAR_STYLE } from 'js-yaml';
import { DslError } from './errors.ts';
import { type Json, jsonEquals } from './json.ts';
import { Problems } from './problems.ts';
import { readEvents, readYaml } from './yaml.ts';
import { scalarStart } from './yaml-positions.ts';

/**
 * Lays a YAML text out afresh: two blanks for each level, lists below their key, one blank around a colon and behind a dash, at
 * most one empty line, no blanks at the end of a line. Comments, quotes, and everything inside of texts and of `{ }` and `[ ]` stay.
 * Formatting twice is the same as once, and what the text means never changes.
 *
 * @throws DslError when the text is no YAML of ours.
 */
export function formatYaml(text: string): string {
  const source = text.replaceAll('\r\n', '\n').replace(/^\uFEFF/, '');
  const before = meaningOf(source);
  const problems = new Problems();
  const events = readEvents(source, problems);
  if (typeof events === 'number') return source;
  const formatted = layOut(source, marksOf(source, events));
  return jsonEquals(meaningOf(formatted, before) ?? null, before ?? null) ? formatted : source;
}

/** `otherwise`: for a text that must be readable, as it is of our own making. */
function meaningOf(source: string, otherwise?: Json): Json | undefined {
  const problems = new Problems();
  const { value, locate } = readYaml(source, problems);
  const errors = problems.sorted(locate).filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return value;
  if (otherwise !== undefined) return undefined;
  throw new DslError(errors);
}

/** What lines alone do not show. */
interface Marks {
  /** Ends of the keys of block mappings by where they start. */
  readonly keys: ReadonlyMap<number, number>;
  /** Numbers of the lines on which a text goes on that began above. */
  readonly inText: ReadonlySet<number>;
  /** Numbers of the lines at whose end a text goes on. */
  readonly openEnd: ReadonlySet<number>;
}

function marksOf(source: string, events: readonly Event[]): Marks {
  const keys = new Map<number, number>();
  const inText = new Set<number>();
  const openEnd = new Set<number>();
  const lineOf = lineCounter(source);
  const stack: { readonly isBlockMapping: boolean; expectsKey: boolean }[] = [];
  const count = (): void => {
    const frame = stack.at(-1);
    if (frame !== undefined) frame.expectsKey = !frame.expectsKey;
  };
  for (const event of events) {
    if (event.type === EVENT_ID.POP) {
      stack.pop();
      count();
    } else if (event.type === EVENT_ID.SCALAR) {
      const frame = stack.at(-1);
      if (frame?.isBlockMapping === true && frame.expectsKey) keys.set(startOf(source, event), endOf(event));
      if (event.valueStart !== -1) {
        const first = lineOf(scalarStart(source, event));
        const last = lineOf(Math.max(event.valueStart, event.valueEnd - (isBlock(event) ? 1 : 0)));
        for (let line = first + 1; line <= last; line++) inText.add(line);
        for (let line = first; line < last; line++) if (!isBlock(event) || line > first) openEnd.add(line);
        if (isBlock(event)) openEnd.add(last);
      }
      count();
    } else if (event.type === EVENT_ID.ALIAS) {
      count();
    } else {
      const isBlockMapping = event.type === EVENT_ID.MAPPING && event.style === COLLECTION_STYLE.BLOCK;
      stack.push({ isBlockMapping, expectsKey: true });
    }
  }
  return { keys, inText, openEnd };
}

function startOf(source: string, event: ScalarEvent): number {
  return event.tagStart === -1 ? scalarStart(source, event) : event.tagStart;
}

function endOf(event: ScalarEvent): number {
  const isQuoted = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
  return event.valueEnd + (isQuoted ? 1 : 0);
}

function isBlock({ style }: ScalarEvent): boolean {
  return style === SCALAR_STYLE.LITERAL_BLOCK || style === SCALAR_STYLE.FOLDED_BLOCK;
}

/** A list or mapping that is open at a line: at which column its entries stood and where they go. */
interface Level {
  readonly kind: 'list' | 'mapping';
  readonly old: number;
  readonly now: number;
}

interface Line {
  readonly text: string;
  readonly kind: 'content' | 'empty' | 'comment';
  /** For comments: the column at which they stood, and the levels around them. */
  readonly column: number;
  readonly levels: readonly Level[];
}

function layOut(source: string, marks: Marks): string {
  const lines: Line[] = [];
  let levels: readonly Level[] = [];
  let offset = 0;
  for (const [number, line] of source.split('\n').entries()) {
    if (marks.inText.has(number)) {
      const moved = shift(line, levels.at(-1));
      lines.push({ text: marks.openEnd.has(number) ? moved : moved.trimEnd(), kind: 'content', column: 0, levels });
    } else {
      const column = line.length - line.trimStart().length;
      const kind = line.trim() === '' ? 'empty' : line.trimStart().startsWith('#') ? 'comment' : 'content';
      let text = kind === 'empty' ? '' : line.trim();
      if (kind === 'content') {
        const laid = layOutEntry(line, offset, levels, marks);
        levels = laid.levels;
        text = marks.openEnd.has(number) ? laid.text : laid.text.trimEnd();
      }
      lines.push({ text, kind, column, levels });
    }
    offset += line.length + 1;
  }
  return `${withoutGaps(placeComments(lines)).join('\n')}\n`;
}

function layOutEntry(
  line: string,
  offset: number,
  before: readonly Level[],
  marks: Marks,
): { readonly text: string; readonly levels: readonly Level[] } {
  let levels = before;
  let column = line.length - line.trimStart().length;
  let text = '';
  const isMark = /^(?:---|\.\.\.)(?:\s|$)/.test(line);
  if (isMark) return { text: line, levels: [] };
  for (;;) {
    const isDash = /^-(?:\s|$)/.test(line.slice(column));
    const keyEnd = isDash ? undefined : marks.keys.get(offset + column);
    if (!isDash && keyEnd === undefined) break;
    levels = enter(levels, isDash ? 'list' : 'mapping', column);
    if (text === '') text = ' '.repeat(levels.at(-1)?.now ?? 0);
    if (keyEnd !== undefined) return { text: text + layOutKey(line, column, keyEnd - offset), levels };
    const rest = line.slice(column + 1);
    text += rest.trim() === '' ? '-' : '- ';
    if (rest.trim() === '') return { text, levels };
    column += 1 + rest.length - rest.trimStart().length;
  }
  // Below no entry of its own: a list or mapping in brackets goes on.
  return { text: text === '' ? shift(line, levels.at(-1)) : text + line.slice(column), levels };
}

/** The key and what follows it, one blank between. */
function layOutKey(line: string, start: number, end: number): string {
  const colon = /^[ \t]*:[ \t]*/.exec(line.slice(end));
  if (colon === null) return line.slice(start);
  const rest = line.slice(end + colon[0].length);
  return `${line.slice(start, end)}:${rest === '' ? '' : ' '}${rest}`;
}

/** The levels around an entry of that kind at that column. */
function enter(levels: readonly Level[], kind: Level['kind'], column: number): readonly Level[] {
  let depth = levels.length;
  for (; depth > 0; depth--) {
    const level = levels[depth - 1];
    if (level === undefined || level.old < column) break;
    if (level.old > column) continue;
    if (level.kind === kind) return levels.slice(0, depth);
    // A list may stand at the column of its key.
    if (kind === 'list') break;
  }
  const around = levels.slice(0, depth);
  return [...around, { kind, old: column, now: depth === 0 ? 0 : (around.at(-1)?.now ?? 0) + 2 }];
}

/** A line that belongs to an entry above moves as far as that. */
function shift(line: string, level: Level | undefined): string {
  const by = level === undefined ? 0 : level.now - level.old;
  if (by > 0) return line === '' ? '' : ' '.repeat(by) + line;
  const blanks = /^ */.exec(line)?.[0].length ?? 0;
  return line.slice(Math.min(-by, blanks));
}

/** A comment stays with what it stood with: the entry that comes next, or the level at whose column it stands. */
function placeComments(lines: readonly Line[]): readonly Line[] {
  let next: { readonly column: number; readonly now: number } | null = null;
  const placed: Line[] = [];
  for (const line of lines.toReversed()) {
    if (line.kind === 'comment') {
      const level = line.levels.findLast(({ old }) => old === line.column);
      const now: number = next?.column === line.column ? next.now : (level?.now ?? next?.now ?? 0);
      placed.push({ ...line, text: ' '.repeat(now) + line.text });
      continue;
    }
    if (line.kind === 'content') next = { column: line.column, now: line.text.length - line.text.trimStart().length };
    placed.push(line);
  }
  return placed.reverse();
}

function withoutGaps(lines: readonly Line[]): string[] {
  const kept = lines.filter((line, i) => line.kind !== 'empty' || (i > 0 && lines[i - 1]?.kind !== 'empty'));
  while (kept[0]?.kind === 'empty') kept.shift();
  while (kept.at(-1)?.kind === 'empty') kept.pop();
  return kept.map(({ text }) => text);
}

function lineCounter(source: string): (offset: number) => number {
  const starts = [0];
  for (let at = source.indexOf('\n'); at !== -1; at = source.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  };
}
