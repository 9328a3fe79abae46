import {
  CHOMPING_MODE,
  constructFromEvents,
  EVENT_ID,
  type Event,
  parseEvents,
  SCALAR_STYLE,
  YAMLException,
} from 'js-yaml';
import { isSpecialScalar, type TimestampReading, yaml11Schema } from '../yaml-schema.ts';
import { DateTime } from '../yaql/date-time.ts';
import { dictEntries, isDict } from '../yaql/dicts.ts';
import { Float, isNumber } from '../yaql/numbers.ts';
import { formatFloat, pyRepr } from '../yaql/python-text.ts';
import { TimeSpan } from '../yaql/time-span.ts';
import { compareStrings, YaqlValue } from '../yaql/values.ts';
import { type YamlNode, YamlWriter } from './yaml-writer.ts';

/** A failure of `yaml_parse` or `yaml_dump`; `className` is PyYAML's class. */
export class YamlError extends Error {
  override readonly name = 'YamlError';
  readonly className: string;

  constructor(className: string, message: string) {
    super(message);
    this.className = className;
  }
}

/**
 * The value of a YAML 1.1 text: arrays, `Map`s, numbers, texts. As in Mistral there are no anchors and aliases: `&`, `*` and `@`
 * begin plain text. A time stamp with a time of day is a {@link DateTime}, a bare date stays text.
 *
 * @throws YamlError
 */
export function parseYaml(text: string): unknown {
  const disguise = disguiseFor(text);
  try {
    const source = disguise.hide(text);
    const documents = constructFromEvents(readEvents(source), { source, schema: SCHEMA, json: true });
    if (documents.length > 1) {
      throw new YamlError('ComposerError', 'expected a single document in the stream, but found another document');
    }
    return disguise.reveal(documents[0] ?? null);
  } catch (error) {
    if (error instanceof YAMLException) {
      throw new YamlError(classOf(error, text), String(disguise.reveal(error.reason)));
    }
    throw error;
  }
}

/** Block-style YAML as PyYAML's `safe_dump` writes it: sorted keys, ASCII only. @throws YamlError for other values than data. */
export function dumpYaml(value: unknown): string {
  const writer = new YamlWriter(isSpecialScalar);
  writer.document(toYamlNode(value, 0));
  return writer.text;
}

const MAX_DEPTH = 500;

function toYamlNode(value: unknown, depth: number): YamlNode {
  if (depth > MAX_DEPTH) throw new YamlError('RepresenterError', 'the value is nested too deeply');
  if (typeof value === 'string') return { kind: 'scalar', text: value, isString: true, tagLength: 5 };
  if (value === null || value === undefined) return plain('null', 6);
  if (typeof value === 'boolean') return plain(String(value), 6);
  if (isNumber(value)) return numberNode(value);
  if (value instanceof DateTime) return plain(value.toString(), 11);
  if (Array.isArray(value)) return { kind: 'sequence', items: value.map((item) => toYamlNode(item, depth + 1)) };
  if (isDict(value)) {
    const entries = sorted([...dictEntries(value)]);
    return {
      kind: 'mapping',
      pairs: entries.map(([key, item]) => [toYamlNode(key, depth + 1), toYamlNode(item, depth + 1)]),
    };
  }
  const kind = value instanceof TimeSpan ? 'timedelta' : value instanceof YaqlValue ? value.yaqlKind : typeof value;
  throw new YamlError('RepresenterError', `('cannot represent an object', <${kind}>)`);
}

function plain(text: string, tagLength: number): YamlNode {
  return { kind: 'scalar', text, isString: false, tagLength };
}

function numberNode(value: number | bigint | Float): YamlNode {
  const float =
    value instanceof Float ? value.value : typeof value === 'number' && !Number.isInteger(value) ? value : null;
  if (float === null) return plain(pyRepr(value), 5);
  if (Number.isNaN(float)) return plain('.nan', 7);
  if (!Number.isFinite(float)) return plain(float > 0 ? '.inf' : '-.inf', 7);
  const text = formatFloat(float);
  // YAML 1.1 knows a float by its point.
  return plain(text.includes('.') ? text : text.replace('e', '.0e'), 7);
}

/** By key, unless the keys are of kinds that have no common order. */
function sorted(entries: (readonly [unknown, unknown])[]): readonly (readonly [unknown, unknown])[] {
  if (entries.every(([key]) => typeof key === 'string')) {
    return entries.sort(([a], [b]) => compareStrings(String(a), String(b)));
  }
  const rank = (key: unknown): number | null =>
    isNumber(key) || typeof key === 'boolean' ? Number(key.valueOf()) : null;
  if (entries.some(([key]) => rank(key) === null)) return entries;
  return entries.sort(([a], [b]) => (rank(a) ?? 0) - (rank(b) ?? 0));
}

const readTimestamp: TimestampReading = (text) => {
  const match =
    /^(\d{4})-(\d\d?)-(\d\d?)(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(?:\.(\d*))?(?:[ \t]*(Z|([-+])(\d\d?)(?::(\d\d))?))?$/.exec(
      text,
    );
  if (match === null) return text;
  const [, year, month, day, hour, minute, second, fraction = '', , sign, hours, minutes] = match;
  const zone = BigInt(Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000_000n;
  return DateTime.of(
    {
      year: Number(year),
      month: Number(month),
      day: Number(day),
      hour: Number(hour),
      minute: Number(minute),
      second: Number(second),
      microsecond: Number(fraction.slice(0, 6).padEnd(6, '0')),
    },
    new TimeSpan(sign === '-' ? -zone : zone),
  );
};

const SCHEMA = yaml11Schema(readTimestamp);

/**
 * Takes the special meaning from `&`, `*` and `@`: the parser gets letters from the private area in their place, which mean
 * nothing anywhere, and values get them back.
 */
interface Disguise {
  hide(text: string): string;
  reveal(value: unknown): unknown;
}

const DISGUISED = ['&', '*', '@'];

function disguiseFor(text: string): Disguise {
  if (!/[&*@]/.test(text)) return { hide: (plainText) => plainText, reveal: (value) => value };
  const masks: string[] = [];
  for (let code = 0xe000; masks.length < DISGUISED.length; code++) {
    if (!text.includes(String.fromCharCode(code))) masks.push(String.fromCharCode(code));
  }
  const hide = (given: string): string => given.replace(/[&*@]/g, (c) => masks[DISGUISED.indexOf(c)] ?? c);
  const pattern = new RegExp(`[${masks.join('')}]`, 'g');
  const show = (given: string): string => given.replace(pattern, (c) => DISGUISED[masks.indexOf(c)] ?? c);
  const reveal = (value: unknown): unknown => {
    if (typeof value === 'string') return show(value);
    if (Array.isArray(value)) return value.map(reveal);
    if (!(value instanceof Map)) return value;
    return new Map([...value].map(([key, item]) => [reveal(key), reveal(item)] as const));
  };
  return { hide, reveal };
}

/** PyYAML gives a block scalar no final line break when the text ends without one. */
function readEvents(source: string): Event[] {
  const events = parseEvents(source, { maxDepth: MAX_DEPTH });
  if (source.endsWith('\n')) return events;
  return events.map((event) => {
    const isBlock =
      event.type === EVENT_ID.SCALAR &&
      (event.style === SCALAR_STYLE.LITERAL_BLOCK || event.style === SCALAR_STYLE.FOLDED_BLOCK);
    return isBlock && event.valueEnd === source.length ? { ...event, chomping: CHOMPING_MODE.STRIP } : event;
  });
}

/** PyYAML's class for a fault: the scanner knows characters, the parser structure, the constructor tags and keys. */
function classOf({ reason, mark }: YAMLException, source: string): string {
  if (/tag|hashable|complex key/.test(reason)) return 'ConstructorError';
  if (reason.includes('non-printable')) return 'ReaderError';
  if (/quoted scalar|tab characters/.test(reason)) return 'ScannerError';
  const found = source.charAt(mark?.position ?? source.length);
  if (reason.includes('flow collection')) return /[%`]/.test(found) ? 'ScannerError' : 'ParserError';
  if (!/indentation|separator is expected/.test(reason)) return 'ParserError';
  return /[,[\]{}"']/.test(found) ? 'ParserError' : 'ScannerError';
}
