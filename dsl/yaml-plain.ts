import type { Event } from 'js-yaml';
import { CHOMPING_MODE, COLLECTION_STYLE, EVENT_ID, parseEvents, SCALAR_STYLE, YAMLException } from 'js-yaml';

/**
 * The events of a text in the plain style that definitions are written in: block mappings and lists indented by blanks, keys and values on
 * one line, block texts behind `|` and `>`. They equal those of `parseEvents`, in a quarter of the time. null for every other text and
 * for every text with a fault: nothing is refused here.
 */
export function readPlainEvents(source: string): Event[] | null {
  // White space at the end of the text may belong to a value.
  if (UNUSUAL.test(source) || source.endsWith(' ')) return null;
  const reader = new PlainReader(source);
  return reader.document() ? reader.events : null;
}

// Tabs, other ends of lines, what can not be printed, and what takes two units.
const UNUSUAL = /[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]/;
/** Far below the limit of nesting, which the general parser has to watch. */
const MAX_DEPTH = 40;
const NONE = -1;

const LINE_FEED = 0x0a;
const BLANK = 0x20;
const DOUBLE_QUOTE = 0x22;
const HASH = 0x23;
const SINGLE_QUOTE = 0x27;
const PLUS = 0x2b;
const DASH = 0x2d;
const DOT = 0x2e;
const COLON = 0x3a;
const GREATER = 0x3e;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const OPENING_BRACE = 0x7b;
const BAR = 0x7c;

/** Marks of the language that begin no plain text; some may, but seldom do. */
const NO_PLAIN_START = new Set(Array.from('#&*!|>\'"%@`,[]{}?:-', (mark) => mark.charCodeAt(0)));
/** One-letter escapes in double quotes. */
const ESCAPES = new Set(Array.from('0abtnvfre "/\\N_LP', (mark) => mark.charCodeAt(0)));

/** Every method that answers a boolean tells by false that the general parser has to be asked. */
class PlainReader {
  readonly events: Event[] = [];
  private readonly text: string;
  /** The first character of the content that is read next, and how far it is from the start of its line. */
  private at = 0;
  private column = 0;
  private lineStart = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  document(): boolean {
    this.toContent(0);
    const explicitStart = this.isMark(this.at);
    if (explicitStart) {
      if (this.code(this.at) === DOT || !this.endsLine(this.at + 3)) return false;
      this.toContent(this.nextLine(this.at));
    }
    this.events.push({ type: EVENT_ID.DOCUMENT, explicitStart, explicitEnd: false, directives: [] });
    if (this.at >= this.text.length || !this.block()) return false;
    this.pop();
    return this.at >= this.text.length;
  }

  /** A list or a mapping that begins here. */
  private block(): boolean {
    this.depth += 1;
    const isRead = this.depth <= MAX_DEPTH && (this.isDash(this.at) ? this.sequence() : this.mapping());
    this.depth -= 1;
    return isRead;
  }

  private sequence(): boolean {
    const { column } = this;
    this.collection(EVENT_ID.SEQUENCE);
    while (this.column === column && this.at < this.text.length && this.isDash(this.at)) {
      const start = this.skipBlanks(this.at + 1);
      if (this.isLineEnd(start)) {
        this.toContent(this.nextLine(start));
        if (this.column <= column) this.empty();
        else if (!this.block()) return false;
      } else {
        this.moveTo(start);
        if (this.isDash(start) || this.beginsKey(start)) {
          if (!this.block()) return false;
        } else if (!this.value(column)) return false;
      }
      if (this.column > column) return false;
    }
    this.pop();
    return true;
  }

  private mapping(): boolean {
    const { column } = this;
    this.collection(EVENT_ID.MAPPING);
    while (this.column === column && this.at < this.text.length) {
      if (!this.key()) return false;
      const start = this.skipBlanks(this.at);
      if (this.isLineEnd(start)) {
        this.toContent(this.nextLine(start));
        // A list may stand as far to the left as its key.
        if (this.column > column || (this.column === column && this.isDash(this.at))) {
          if (!this.block()) return false;
        } else this.empty();
      } else {
        this.moveTo(start);
        if (!this.value(column)) return false;
      }
      if (this.column > column) return false;
    }
    this.pop();
    return true;
  }

  /** Reads a key and its colon. */
  private key(): boolean {
    const end = this.keyEnd(this.at);
    if (end < 0 || this.isMark(this.at)) return false;
    const colon = this.skipBlanks(end);
    const first = this.code(this.at);
    if (first === DOUBLE_QUOTE || first === SINGLE_QUOTE) this.quoted(this.at, end);
    else this.scalar(this.at, end, SCALAR_STYLE.PLAIN, true);
    this.moveTo(colon + 1);
    return true;
  }

  private beginsKey(at: number): boolean {
    return this.keyEnd(at) >= 0;
  }

  /** Where a key on this line ends, before blanks and the colon; -1 when there is none. */
  private keyEnd(start: number): number {
    const first = this.code(start);
    if (first === DOUBLE_QUOTE || first === SINGLE_QUOTE) {
      const end = this.quoteEnd(start);
      const colon = end < 0 ? end : this.skipBlanks(end);
      return end >= 0 && this.code(colon) === COLON && this.isSpace(colon + 1) ? end : -1;
    }
    const end = NO_PLAIN_START.has(first) ? -1 : this.plainEnd(start);
    return end >= 0 && this.code(this.skipBlanks(end)) === COLON ? end : -1;
  }

  /** A value that begins here; what is indented more than `column` would go on with it. */
  private value(column: number): boolean {
    const start = this.at;
    const first = this.code(start);
    if (first === BAR || first === GREATER) return this.blockText(column);
    if (first === OPENING_BRACKET || first === OPENING_BRACE) return this.flow();
    if (first === DOUBLE_QUOTE || first === SINGLE_QUOTE) {
      const end = this.quoteEnd(start);
      if (end < 0 || !this.endsLine(end)) return false;
      this.quoted(start, end);
      this.toContent(this.nextLine(end));
      return true;
    }
    if (NO_PLAIN_START.has(first) && (first !== DASH || this.isSpace(start + 1))) return false;
    const end = this.plainEnd(start);
    if (!this.endsLine(end)) return false;
    this.scalar(start, end, SCALAR_STYLE.PLAIN, true);
    const next = this.nextLine(end);
    if (this.textColumn(next) > column) return false;
    this.toContent(next);
    return true;
  }

  /** The end of a text without quotes: before ` #`, before a colon with a blank behind it, or with the line. */
  private plainEnd(start: number): number {
    const { text } = this;
    let end = start;
    for (let at = start; at < text.length; at += 1) {
      const unit = text.charCodeAt(at);
      if (unit === LINE_FEED) break;
      if (unit === BLANK) continue;
      if (unit === COLON && this.isSpace(at + 1)) break;
      if (unit === HASH && at > start && text.charCodeAt(at - 1) === BLANK) break;
      end = at + 1;
    }
    return end;
  }

  /** Behind the closing quote on this line; -1 when it is not there. */
  private quoteEnd(start: number): number {
    const quote = this.code(start);
    for (let at = start + 1; at < this.text.length; at += 1) {
      const unit = this.code(at);
      if (unit === LINE_FEED) return -1;
      if (unit === BACKSLASH && quote === DOUBLE_QUOTE) {
        at += 1;
        if (!ESCAPES.has(this.code(at))) return -1;
      } else if (unit === quote) {
        if (quote === DOUBLE_QUOTE || this.code(at + 1) !== SINGLE_QUOTE) return at + 1;
        at += 1;
      }
    }
    return -1;
  }

  private quoted(start: number, end: number): void {
    const isDouble = this.code(start) === DOUBLE_QUOTE;
    const inside = this.text.slice(start + 1, end - 1);
    const style = isDouble ? SCALAR_STYLE.DOUBLE_QUOTED : SCALAR_STYLE.SINGLE_QUOTED;
    this.scalar(start + 1, end - 1, style, !inside.includes(isDouble ? '\\' : "'"));
  }

  /** Lists and mappings in brackets are read by the general parser, when they end on this line. */
  private flow(): boolean {
    const lineEnd = this.lineEnd(this.at);
    try {
      const [, ...inner] = parseEvents(this.text.slice(this.at, lineEnd), { maxDepth: MAX_DEPTH });
      const [first] = inner;
      const isFlow = first !== undefined && 'style' in first && first.style === COLLECTION_STYLE.FLOW;
      if (!isFlow || first.type === EVENT_ID.SCALAR) return false;
      inner.pop();
      for (const event of inner) this.events.push(shifted(event, this.at));
    } catch (error) {
      if (error instanceof YAMLException) return false;
      throw error;
    }
    this.toContent(this.nextLine(this.at));
    return true;
  }

  /** A text behind `|` or `>`, whose lines are indented more than `column`. */
  private blockText(column: number): boolean {
    const style = this.code(this.at) === BAR ? SCALAR_STYLE.LITERAL_BLOCK : SCALAR_STYLE.FOLDED_BLOCK;
    const mark = this.code(this.at + 1);
    const chomping = mark === PLUS ? CHOMPING_MODE.KEEP : mark === DASH ? CHOMPING_MODE.STRIP : CHOMPING_MODE.CLIP;
    const headerEnd = this.at + (chomping === CHOMPING_MODE.CLIP ? 1 : 2);
    if (this.skipBlanks(headerEnd) !== this.lineEnd(headerEnd)) return false;
    const start = this.nextLine(headerEnd);
    let indent = NONE;
    let end = start;
    for (let line = start; line < this.text.length; line = end) {
      const first = this.skipBlanks(line);
      const isBlank = first === this.lineEnd(first);
      if (isBlank && indent === NONE && first > line) return false; // its blanks may be part of the text
      if (!isBlank) {
        if (this.isMark(first) && first === line) return false;
        if (first - line < (indent === NONE ? column + 1 : indent)) break;
        if (indent === NONE) indent = first - line;
      }
      end = this.nextLine(line);
    }
    this.scalar(start, end, style, false, chomping, indent);
    this.toContent(end);
    return true;
  }

  private collection(type: typeof EVENT_ID.SEQUENCE | typeof EVENT_ID.MAPPING): void {
    const start = this.at;
    this.events.push({
      type,
      start,
      anchorStart: NONE,
      anchorEnd: NONE,
      tagStart: NONE,
      tagEnd: NONE,
      style: COLLECTION_STYLE.BLOCK,
    });
  }

  private scalar(
    valueStart: number,
    valueEnd: number,
    style: (typeof SCALAR_STYLE)[keyof typeof SCALAR_STYLE],
    fast: boolean,
    chomping: (typeof CHOMPING_MODE)[keyof typeof CHOMPING_MODE] = CHOMPING_MODE.CLIP,
    indent = NONE,
  ): void {
    this.events.push({
      type: EVENT_ID.SCALAR,
      valueStart,
      valueEnd,
      anchorStart: NONE,
      anchorEnd: NONE,
      tagStart: NONE,
      tagEnd: NONE,
      style,
      chomping,
      indent,
      fast,
    });
  }

  private empty(): void {
    this.scalar(NONE, NONE, SCALAR_STYLE.PLAIN, false);
  }

  private pop(): void {
    this.events.push({ type: EVENT_ID.POP });
  }

  /** Goes to the first content from this start of a line on, past empty lines and comments. */
  private toContent(line: number): void {
    let start = line;
    let at = this.skipBlanks(start);
    while (at < this.text.length && this.isLineEnd(at)) {
      start = this.nextLine(at);
      at = this.skipBlanks(start);
    }
    this.lineStart = start;
    this.at = at;
    this.column = at < this.text.length ? at - start : NONE;
  }

  /** How far the first text from this start of a line on is indented, be it a comment. */
  private textColumn(line: number): number {
    let start = line;
    let at = this.skipBlanks(start);
    while (this.code(at) === LINE_FEED) {
      start = at + 1;
      at = this.skipBlanks(start);
    }
    return at < this.text.length ? at - start : NONE;
  }

  private moveTo(at: number): void {
    this.at = at;
    this.column = at - this.lineStart;
  }

  /** NaN behind the end. */
  private code(at: number): number {
    return this.text.charCodeAt(at);
  }

  private isSpace(at: number): boolean {
    const unit = this.code(at);
    return unit === BLANK || unit === LINE_FEED || at >= this.text.length;
  }

  private isDash(at: number): boolean {
    return this.code(at) === DASH && this.isSpace(at + 1);
  }

  /** The line ends here, or a comment begins. */
  private isLineEnd(at: number): boolean {
    const unit = this.code(at);
    return unit === LINE_FEED || at >= this.text.length || (unit === HASH && (at === 0 || this.isSpace(at - 1)));
  }

  /** Nothing but blanks and a comment follows. */
  private endsLine(at: number): boolean {
    return this.isLineEnd(this.skipBlanks(at));
  }

  /** `---` and `...` at the start of a line. */
  private isMark(at: number): boolean {
    if (at !== 0 && this.code(at - 1) !== LINE_FEED) return false;
    return (this.text.startsWith('---', at) || this.text.startsWith('...', at)) && this.isSpace(at + 3);
  }

  private skipBlanks(at: number): number {
    let end = at;
    while (this.code(end) === BLANK) end += 1;
    return end;
  }

  private lineEnd(at: number): number {
    const end = this.text.indexOf('\n', at);
    return end < 0 ? this.text.length : end;
  }

  private nextLine(at: number): number {
    return Math.min(this.lineEnd(at) + 1, this.text.length);
  }
}

function shifted(event: Event, by: number): Event {
  const moved = (offset: number): number => (offset === NONE ? NONE : offset + by);
  switch (event.type) {
    case EVENT_ID.SCALAR:
      return {
        ...event,
        valueStart: moved(event.valueStart),
        valueEnd: moved(event.valueEnd),
        ...movedProperties(event, moved),
      };
    case EVENT_ID.SEQUENCE:
    case EVENT_ID.MAPPING:
      return { ...event, start: moved(event.start), ...movedProperties(event, moved) };
    case EVENT_ID.ALIAS:
      return { ...event, anchorStart: moved(event.anchorStart), anchorEnd: moved(event.anchorEnd) };
    default:
      return event;
  }
}

interface Properties {
  readonly anchorStart: number;
  readonly anchorEnd: number;
  readonly tagStart: number;
  readonly tagEnd: number;
}

function movedProperties(event: Properties, moved: (offset: number) => number): Properties {
  return {
    anchorStart: moved(event.anchorStart),
    anchorEnd: moved(event.anchorEnd),
    tagStart: moved(event.tagStart),
    tagEnd: moved(event.tagEnd),
  };
}
