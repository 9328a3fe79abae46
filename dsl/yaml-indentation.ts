import { type Event, EVENT_ID } from 'js-yaml';

/**
 * PyYAML does not mind how far the lines of a `{…}`, a `[…]` or a quoted text are indented; YAML wants them deeper than their key.
 * The parser refers to a text by offsets only, so such a text is parsed with these lines moved to the right, and the events are moved back.
 * null: there is nothing to move.
 */
export function indentContinuations(source: string): IndentedText | null {
  const starts = continuationLines(source);
  if (starts.length === 0) return null;
  let text = '';
  let from = 0;
  for (const start of starts) {
    text += source.slice(from, start) + PAD;
    from = start;
  }
  text += source.slice(from);
  return { text, offsetIn: (offset) => originalOffset(offset, starts) };
}

export interface IndentedText {
  readonly text: string;
  /** The offset in the source of one in the text. */
  readonly offsetIn: (offset: number) => number;
}

/** Deeper than any key that people write. */
const PAD = ' '.repeat(200);

export function moveEvents(events: readonly Event[], offsetIn: (offset: number) => number): Event[] {
  return events.map((event): Event => {
    switch (event.type) {
      case EVENT_ID.SCALAR:
        return {
          ...event,
          ...movedProperties(event, offsetIn),
          valueStart: offsetIn(event.valueStart),
          valueEnd: offsetIn(event.valueEnd),
        };
      case EVENT_ID.SEQUENCE:
      case EVENT_ID.MAPPING:
        return { ...event, ...movedProperties(event, offsetIn), start: offsetIn(event.start) };
      case EVENT_ID.ALIAS:
        return { ...event, anchorStart: offsetIn(event.anchorStart), anchorEnd: offsetIn(event.anchorEnd) };
      default:
        return event;
    }
  });
}

interface Properties {
  readonly anchorStart: number;
  readonly anchorEnd: number;
  readonly tagStart: number;
  readonly tagEnd: number;
}

function movedProperties(event: Properties, offsetIn: (offset: number) => number): Properties {
  return {
    anchorStart: offsetIn(event.anchorStart),
    anchorEnd: offsetIn(event.anchorEnd),
    tagStart: offsetIn(event.tagStart),
    tagEnd: offsetIn(event.tagEnd),
  };
}

/** -1 stands for nothing and stays. What points into a pad points to the start of its line. */
function originalOffset(offset: number, starts: readonly number[]): number {
  if (offset < 0) return offset;
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0) + middle * PAD.length <= offset) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? offset : Math.max(starts[low - 1] ?? 0, offset - low * PAD.length);
}

/** Where lines start that stand inside of brackets, braces or quotes. */
function continuationLines(source: string): number[] {
  const starts: number[] = [];
  let blockIndent: number | null = null; // the content of a block text is indented deeper than this
  let at = 0;
  while (at < source.length) {
    const end = lineEnd(source, at);
    const first = skipBlanks(source, at);
    if (first >= end) at = end + 1;
    else if (blockIndent !== null && first - at > blockIndent) at = end + 1;
    else [at, blockIndent] = scanLine(source, at, first, starts);
  }
  return starts;
}

/** Reads the keys and the value that start on a line. Returns where the next line starts, and whether it is in a block text. */
function scanLine(
  source: string,
  lineStart: number,
  first: number,
  starts: number[],
): [next: number, block: number | null] {
  let at = first;
  let column = first - lineStart;
  for (;;) {
    at = skipBlanks(source, at);
    const sign = source[at];
    if (at >= source.length || sign === '\n' || sign === '#') break;
    if ((sign === '-' || sign === '?') && isBlank(source[at + 1])) {
      column = at - lineStart;
      at++;
    } else if (sign === '&' || sign === '!') {
      while (at < source.length && !isBlank(source[at])) at++;
    } else if (sign === '|' || sign === '>') {
      if (/^[|>][-+\d]*[ \t\r]*(?:#.*)?$/.test(source.slice(at, lineEnd(source, at))))
        return [lineEnd(source, at) + 1, column];
      break;
    } else {
      const start = at;
      at = skipNode(source, at, starts);
      const colon = skipBlanks(source, at);
      if (source[colon] !== ':' || !isBlank(source[colon + 1])) break;
      // The key of a pair whose value comes next.
      if (start >= lineStart) column = Math.max(0, start - lineStart);
      at = colon + 1;
    }
  }
  return [lineEnd(source, at) + 1, null];
}

/** The end of a quoted text, a flow collection, or a plain text as far as it may be a key. */
function skipNode(source: string, at: number, starts: number[]): number {
  const sign = source[at];
  if (sign === '"' || sign === "'") return skipQuoted(source, at, starts);
  if (sign === '{' || sign === '[') return skipFlow(source, at, starts);
  let end = at;
  while (end < source.length && source[end] !== '\n') {
    if (source[end] === ':' && isBlank(source[end + 1])) return end;
    if (source[end] === '#' && isBlank(source[end - 1])) return lineEnd(source, end);
    end++;
  }
  return end;
}

function skipQuoted(source: string, start: number, starts: number[]): number {
  const quote = source[start];
  for (let at = start + 1; at < source.length; at++) {
    const sign = source[at];
    if (sign === '\n') noteLine(source, at + 1, starts);
    else if (sign === '\\' && quote === '"') at += source[at + 1] === '\n' ? 0 : 1;
    else if (sign === quote) {
      if (quote === '"' || source[at + 1] !== "'") return at + 1;
      at++;
    }
  }
  return source.length;
}

function skipFlow(source: string, start: number, starts: number[]): number {
  let depth = 0;
  let isTokenStart = true;
  let at = start;
  while (at < source.length) {
    const sign = source[at] ?? '';
    if (sign === '\n') noteLine(source, at + 1, starts);
    if ((sign === '"' || sign === "'") && isTokenStart) {
      at = skipQuoted(source, at, starts);
      isTokenStart = source[at] === ':';
      continue;
    }
    if (sign === '#' && isBlank(source[at - 1])) {
      at = lineEnd(source, at);
      continue;
    }
    if (sign === '{' || sign === '[') depth++;
    if ((sign === '}' || sign === ']') && --depth === 0) return at + 1;
    if (!isBlank(sign)) isTokenStart = '{[,'.includes(sign) || (sign === ':' && isBlank(source[at + 1]));
    at++;
  }
  return at;
}

/** Marks of documents end what stands open, in PyYAML as well. */
function noteLine(source: string, start: number, starts: number[]): void {
  if (/^(?:---|\.\.\.)(?:\s|$)/.test(source.slice(start, start + 4))) return;
  const end = lineEnd(source, start);
  if (skipBlanks(source, start) < end) starts.push(start);
}

function skipBlanks(source: string, from: number): number {
  let at = from;
  while (source[at] === ' ' || source[at] === '\t') at++;
  return at;
}

function lineEnd(source: string, from: number): number {
  const end = source.indexOf('\n', from);
  return end === -1 ? source.length : end;
}

function isBlank(sign: string | undefined): boolean {
  return sign === undefined || sign === ' ' || sign === '\n' || sign === '\t' || sign === '\r';
}
