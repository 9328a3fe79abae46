import type { Event, MappingEvent, ScalarEvent, SequenceEvent } from 'js-yaml';
import {
  defineScalarTag,
  DUMP_SCHEMA,
  dump,
  EVENT_ID,
  getScalarValue,
  NOT_RESOLVED,
  parseEvents,
  SCALAR_STYLE,
  YAMLException,
} from 'js-yaml';
import { type Json, type JsonObject, setKey } from './json.ts';
import { type Damage, formatPath, type Place, type Position, type Problems } from './problems.ts';
import { PositionTree, scalarStart } from './yaml-positions.ts';
import { indentContinuations, moveEvents } from './yaml-indentation.ts';
import { readPlainEvents } from './yaml-plain.ts';
import { isSpecialScalar, resolvePlainScalar } from './yaml-schema.ts';
import { Float, toFloat } from './yaql/numbers.ts';

/** 16 MiB, counted in bytes of UTF-8. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;
/** Mappings and lists inside each other. */
export const MAX_NESTING = 100;

export interface YamlDocument {
  /** undefined when the text cannot be read; `problems` then says why. */
  readonly value: Json | undefined;
  /** What could be read in spite of faults, for checks to go on with; undefined when nothing could. */
  readonly readable: Json | undefined;
  readonly locate: (place: Place) => Position;
}

/**
 * Reads one YAML document as PyYAML reads it (spec/dsl.md §1, §17-A): YAML 1.1 scalars, dates stay text; anchors, aliases and
 * merge keys are refused; the last of two equal keys wins, with a warning. Nothing is thrown: faults go to `problems`.
 */
export function readYaml(text: string, problems: Problems): YamlDocument {
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const positionOf = positions(source);
  const events = readEvents(source, problems);
  if (typeof events === 'number') {
    return { value: undefined, readable: undefined, locate: (place) => positionOf(place.source ?? events) };
  }
  const tree = new PositionTree(source, events);
  const locate = (place: Place): Position => positionOf(tree.offsetOf(place));
  const before = problems.errorCount;
  const readable = new Reader(source, problems).read(events);
  return { value: problems.errorCount > before ? undefined : readable, readable, locate };
}

/** Writes block-style YAML that {@link readYaml} reads back to the same value; keys keep their order. */
export function writeYaml(value: JsonObject): string {
  return dump(value, { schema: DUMPED, noRefs: true, lineWidth: -1 });
}

/** The parser's events, or the offset of the fault that was reported. */
export function readEvents(source: string, problems: Problems): Event[] | number {
  if (source.length * 3 > MAX_DOCUMENT_BYTES && Buffer.byteLength(source) > MAX_DOCUMENT_BYTES) {
    problems.error(
      { path: [], source: 0 },
      `Definition could not be parsed: the text has ${Buffer.byteLength(source)} bytes, at most ${MAX_DOCUMENT_BYTES} (16 MiB) are allowed`,
      'split the definition into several texts',
    );
    return 0;
  }
  try {
    return readPlainEvents(source) ?? parseEvents(source, { maxDepth: MAX_NESTING });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const events = readAsPyYaml(source, error.reason);
    if (events !== null) return events;
    const offset = Math.min(error.mark?.position ?? 0, source.length);
    const message = error.reason.startsWith('nesting exceeded')
      ? `mappings and lists are nested more than ${MAX_NESTING} deep`
      : error.reason;
    problems.error(
      { path: [], source: offset },
      `Definition could not be parsed: ${message}`,
      syntaxHint(source, offset, error.reason),
    );
    return offset;
  }
}

/** What PyYAML reads and the parser refuses; null when that is not it. Events refer to the text by offsets only. */
function readAsPyYaml(source: string, reason: string): Event[] | null {
  // PyYAML lets a plain scalar start with `@`, YAML reserves it: a letter stands in its place.
  const text = source.replaceAll('@', 'a');
  const indented = reason === DEFICIENT ? indentContinuations(text) : null;
  if (indented === null && text === source) return null;
  try {
    const events = parseEvents(indented?.text ?? text, { maxDepth: MAX_NESTING });
    return indented === null ? events : moveEvents(events, indented.offsetIn);
  } catch (error) {
    const isNext = reason !== DEFICIENT && error instanceof YAMLException && error.reason === DEFICIENT;
    return isNext ? readAsPyYaml(source, DEFICIENT) : null;
  }
}

const DEFICIENT = 'deficient indentation';

/** What most likely went wrong near `offset`: the parser's own words seldom say so. */
function syntaxHint(source: string, offset: number, reason: string): string | null {
  if (reason === DEFICIENT || reason.includes('within a flow collection')) {
    return 'a {, a [ or a quote before this place is not closed';
  }
  if (reason.includes('quoted scalar')) return 'a quote is not closed';
  const lineStart = source.lastIndexOf('\n', offset - 1) + 1;
  const lineEnd = source.indexOf('\n', offset);
  const line = source.slice(
    Math.max(lineStart, offset - 1000),
    Math.min(lineEnd === -1 ? source.length : lineEnd, offset + 1000),
  );
  if (/[:-]\s+\{\{/.test(line)) return `a text that begins with {{ must stand in quotes: "{{ … }}"`;
  if (/[:-]\s+\{%/.test(line)) return `a text that begins with {% must stand in quotes: "{% … %}"`;
  if (/[:-]\s+<%.*(?:: | #)/.test(line))
    return "an expression that holds ': ' or ' #' must stand in quotes: \"<% … %>\"";
  if (/^[ ]*\t/.test(line)) return 'indent with blanks, not with tabs';
  if (reason === 'bad indentation of a mapping entry') {
    const slip = slipBefore(source, lineStart, line);
    if (slip !== null) return slip;
  }
  const reserved = /(?:[:,[{-]\s+|^\s*)([*&%`])/.exec(line);
  if (reserved !== null) return `a text that begins with ${reserved[1]} must stand in quotes`;
  if (reason.startsWith('missed comma') && /[\w%>)'"]\s*=?[[{]/.test(line))
    return 'inside of { } and [ ] a text that holds brackets, braces or commas must stand in quotes';
  if (/:\s+\S.*: /.test(line)) return "a text that holds ': ' must stand in quotes; else check the indentation";
  return null;
}

/** A slip in the line before, which made the next one a part of its text. */
function slipBefore(source: string, lineStart: number, line: string): string | null {
  const end = Math.max(0, lineStart - 1);
  const before = source.slice(Math.max(source.lastIndexOf('\n', end - 1) + 1, end - 1000), end);
  if (/:\s+\S.*: /.test(line)) return null;
  const [, word = ''] = /^\s*(?:- )?([\p{L}\p{N}_.-]+)\s*$/u.exec(before) ?? [];
  if (word !== '') return `a colon is missing behind '${word}' in the line before`;
  const [, key = '', value = ''] = /^\s*(?:- )?([\p{L}\p{N}_-]+):(\S.*)$/u.exec(before) ?? [];
  if (key !== '') return `a blank is missing behind the colon in the line before: '${key}: ${value.slice(0, 40)}'`;
  const indent = (text: string): number => text.length - text.trimStart().length;
  const [, above = ''] = /^\s*(?:- )?([\p{L}\p{N}_-]+):\s+\S/u.exec(before) ?? [];
  if (above !== '' && indent(line) > indent(before))
    return `this line is indented deeper than '${above}', which has its value already: align them`;
  return null;
}

interface Frame {
  readonly kind: 'document' | 'sequence' | 'mapping';
  readonly list: Json[];
  readonly mapping: Record<string, Json>;
  /** A mapping's key whose value comes next; null: a key comes next. */
  key: string | null;
}

/** Builds the value and reports what parses but is not part of the language, in one walk over the events. */
class Reader {
  private readonly source: string;
  private readonly problems: Problems;
  private readonly stack: Frame[] = [];
  private documents = 0;
  private readonly damages: Damage[] = [];

  constructor(source: string, problems: Problems) {
    this.source = source;
    this.problems = problems;
  }

  read(events: readonly Event[]): Json {
    const value = this.build(events);
    this.problems.damaged(this.damages);
    return value;
  }

  private build(events: readonly Event[]): Json {
    const document = newFrame('document');
    for (const event of events) {
      switch (event.type) {
        case EVENT_ID.DOCUMENT:
          if (++this.documents > 1) {
            this.refuse(
              secondDocument(this.source),
              'expected a single document',
              'put every document into a text of its own',
            );
            return document.list[0] ?? null;
          }
          this.stack.push(document);
          break;
        case EVENT_ID.POP:
          this.close();
          break;
        case EVENT_ID.ALIAS: {
          const name = this.source.slice(event.anchorStart, event.anchorEnd);
          this.refuse(
            event.anchorStart - 1,
            `the alias '*${name}' is not supported`,
            'write the value out, or put the text in quotes',
            'below',
          );
          this.add(`*${name}`);
          break;
        }
        case EVENT_ID.SCALAR:
          this.scalar(event);
          break;
        default:
          this.open(event);
      }
    }
    return document.list[0] ?? null;
  }

  private open(event: SequenceEvent | MappingEvent): void {
    const kind = event.type === EVENT_ID.MAPPING ? 'mapping' : 'sequence';
    this.checkProperties(event, COLLECTION_TAGS);
    if (this.expectsKey())
      this.refuse(event.start, `a ${kind} cannot be a key`, bracesHint(this.source, event.start), 'below');
    this.stack.push(newFrame(kind));
  }

  private close(): void {
    const frame = this.stack.pop();
    if (frame === undefined || frame.kind === 'document') return;
    this.add(frame.kind === 'mapping' ? frame.mapping : frame.list);
  }

  private scalar(event: ScalarEvent): void {
    this.checkProperties(event, SCALAR_TAGS);
    const text = getScalarValue(this.source, event);
    if (this.expectsKey()) this.key(event, text);
    else this.add(this.resolve(event, text));
  }

  private resolve(event: ScalarEvent, text: string): Json {
    const tag = event.tagStart === -1 ? null : this.source.slice(event.tagStart, event.tagEnd);
    if (tag === null ? event.style !== SCALAR_STYLE.PLAIN : tag === '!' || tag === '!!str') return text;
    try {
      const value = resolvePlainScalar(text) as Json;
      const kind = tag === null ? undefined : SCALAR_TAGS.get(tag);
      if (kind === undefined || kind(value)) return value;
      if (tag === '!!float' && typeof value === 'number') return toFloat(value) as Json;
    } catch (error) {
      this.refuse(
        event.valueStart,
        error instanceof Error ? error.message : String(error),
        'put the text in quotes',
        'below',
      );
      return null;
    }
    this.refuse(event.valueStart, `'${text}' does not fit the tag '${tag}'`, null, 'below');
    return null;
  }

  private key(event: ScalarEvent, text: string): void {
    const frame = this.stack.at(-1);
    if (frame === undefined) return;
    const isPlain = event.style === SCALAR_STYLE.PLAIN && event.tagStart === -1;
    let key = text;
    const before = this.damages.length;
    if (isPlain && text === '<<') {
      this.refuse(event.valueStart, "the merge key '<<' is not supported", 'write the keys out', 'itself');
      this.damages.push({ path: [...this.path(), text], extent: 'below' });
    } else if (isPlain && isSpecialScalar(text)) {
      key = this.specialKey(text, event.valueStart);
    }
    if (this.damages.length === before && Object.hasOwn(frame.mapping, key) && !this.isRefusedKey(key)) {
      this.problems.warning(
        { path: [...this.path(), key], source: scalarStart(this.source, event) },
        `Duplicate key '${key}': the last value is used`,
        'remove the other one, or rename it',
      );
    }
    frame.key = key;
  }

  /** Whether the key that is there already is one that had to be quoted: this one was. */
  private isRefusedKey(key: string): boolean {
    const path = formatPath([...this.path(), key]);
    return this.damages.some((damage) => damage.extent === 'key' && formatPath(damage.path) === path);
  }

  /** Numbers and nulls as keys are text inside of data, as in JSON; booleans are always an error (spec/dsl.md D-1.6, §17-O). */
  private specialKey(text: string, source: number): string {
    const value = resolvePlainScalar(text) as Json;
    if (typeof value === 'string') return value;
    const path = this.path();
    const isData = path.slice(0, -1).some((segment) => typeof segment === 'string' && DATA_KEYS.has(segment));
    if (isData && typeof value !== 'boolean') return value === null ? 'null' : String(value);
    const kind = value === null ? 'null' : typeof value === 'boolean' ? `the boolean ${value}` : 'a number';
    this.problems.error(
      source === -1 ? { path } : { path: [...path, text], source },
      `Invalid DSL: a key must be of type 'string', but ${text === '' ? 'the empty key' : `'${text}'`} is ${kind} in YAML`,
      text === '' ? 'write a name before the colon' : `put it in quotes: '${text}'`,
    );
    this.damages.push({ path: [...path, text], extent: 'key' });
    return text;
  }

  private checkProperties(event: SequenceEvent | MappingEvent | ScalarEvent, tags: ReadonlyMap<string, unknown>): void {
    if (event.anchorStart !== -1) {
      const name = this.source.slice(event.anchorStart, event.anchorEnd);
      this.refuse(
        event.anchorStart - 1,
        `the anchor '&${name}' is not supported`,
        'remove it, or put the text in quotes',
      );
    }
    if (event.tagStart === -1) return;
    const tag = this.source.slice(event.tagStart, event.tagEnd);
    if (tags.has(tag)) return;
    this.refuse(
      event.tagStart,
      `could not determine a constructor for the tag '${tag}'`,
      'remove the tag, or put the text in quotes',
      'below',
    );
  }

  /** Puts a finished value into the collection around it. */
  private add(value: Json): void {
    const frame = this.stack.at(-1);
    if (frame === undefined) return;
    if (frame.kind !== 'mapping') {
      frame.list.push(value);
    } else if (frame.key === null) {
      frame.key = ''; // a collection as a key: already reported
    } else {
      setKey(frame.mapping, frame.key, value);
      frame.key = null;
    }
  }

  private expectsKey(): boolean {
    const frame = this.stack.at(-1);
    return frame?.kind === 'mapping' && frame.key === null;
  }

  /** The way to the node that comes next. */
  private path(): (string | number)[] {
    return this.stack.flatMap((frame): (string | number)[] => {
      if (frame.kind === 'document') return [];
      if (frame.kind === 'sequence') return [frame.list.length];
      return frame.key === null ? [] : [frame.key];
    });
  }

  /** `extent`: how much of what was read in this place is not what the author wrote. */
  private refuse(source: number, message: string, hint: string | null, extent: Damage['extent'] | null = null): void {
    const path = this.path();
    this.problems.error({ path, source: Math.max(0, source) }, `Definition could not be parsed: ${message}`, hint);
    if (extent !== null) this.damages.push({ path, extent });
  }
}

/** The list of every mapping: nothing is ever put into it. */
const NO_ITEMS: Json[] = [];

function newFrame(kind: Frame['kind']): Frame {
  return { kind, list: kind === 'mapping' ? NO_ITEMS : [], mapping: {}, key: null };
}

function bracesHint(source: string, start: number): string | null {
  return /^\{\s*$/.test(source.slice(Math.max(0, start - 1), start))
    ? 'an expression that begins with {{ must stand in quotes: "{{ … }}"'
    : null;
}

function secondDocument(source: string): number {
  const marks = [...source.matchAll(/^---(?=\s|$)/gm)];
  const first = /^(?:\s|#.*\n|%.*\n)*---/.test(source) ? 1 : 0;
  return marks[first]?.index ?? 0;
}

/** Turns offsets into lines and columns; the table of lines is made when the first one is asked for. */
function positions(source: string): (offset: number) => Position {
  let starts: number[] | null = null;
  return (offset) => {
    starts ??= lineStarts(source);
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  };
}

function lineStarts(source: string): number[] {
  const starts = [0];
  for (let at = source.indexOf('\n'); at !== -1; at = source.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

// Below these keys stands the author's own data.
const DATA_KEYS = new Set([
  'input',
  'vars',
  'output',
  'output-on-error',
  'base-input',
  'publish',
  'publish-on-error',
  'publish-on-skip',
  'branch',
  'global',
  'atomic',
]);
const COLLECTION_TAGS = new Map([
  ['!', true],
  ['!!map', true],
  ['!!seq', true],
]);
/** What a value must be after the text was read as a plain scalar. */
const SCALAR_TAGS = new Map<string, (value: Json) => boolean>([
  ['!', () => true],
  ['!!str', () => true],
  ['!!int', (value) => typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))],
  ['!!float', (value) => value instanceof Float || (typeof value === 'number' && !Number.isInteger(value))],
  ['!!bool', (value) => typeof value === 'boolean'],
  ['!!null', (value) => value === null],
]);

const DUMPED = DUMP_SCHEMA.withTags(
  defineScalarTag('tag:yaml.org,2002:int', {
    implicit: true,
    resolve: (text) => (isWrittenInteger(text) ? text : NOT_RESOLVED),
    identify: (value) => typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value)),
  }),
  defineScalarTag('tag:yaml.org,2002:float', {
    implicit: true,
    resolve: (text) => (isSpecialScalar(text) || CORE_NUMBER.test(text) ? text : NOT_RESOLVED),
    identify: (value) => value instanceof Float || (typeof value === 'number' && !Number.isInteger(value)),
    represent: (value) => floatText(Number(value)),
  }),
);
// What YAML 1.2 takes for a number and YAML 1.1 for text: quoted, so that any parser reads it as we do.
const CORE_NUMBER = /^[-+]?(?:0o[0-7]+|(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?)$/;

function isWrittenInteger(text: string): boolean {
  return /\d/.test(text) && isSpecialScalar(text) && !/[.]/.test(text);
}

/** YAML 1.1 knows an exponent only after a point and with a sign. */
function floatText(value: number): string {
  if (Number.isNaN(value)) return '.nan';
  if (!Number.isFinite(value)) return value > 0 ? '.inf' : '-.inf';
  const text = Object.is(value, -0) ? '-0' : String(value);
  const [mantissa = '', exponent] = text.split('e');
  const point = mantissa.includes('.') ? mantissa : `${mantissa}.0`;
  return exponent === undefined ? point : `${point}e${/^[-+]/.test(exponent) ? '' : '+'}${exponent}`;
}
