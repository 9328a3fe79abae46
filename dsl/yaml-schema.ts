import {
  defineMappingTag,
  defineScalarTag,
  mergeTag,
  NOT_RESOLVED,
  Schema,
  type ScalarTagDefinition,
  seqTag,
  strTag,
  type TagDefinition,
} from 'js-yaml';
import { toFloat, toInteger } from './yaql/numbers.ts';

/** What a timestamp such as `2026-01-02` becomes: its own text, or whatever the function makes of it. */
export type TimestampReading = 'text' | ((text: string) => unknown);

/**
 * The scalars and collections of YAML 1.1 as PyYAML's SafeLoader reads them (spec/dsl.md D-1.4): `yes no on off` are booleans
 * while `y` and `n` are text, `0755` is octal, `0o755` and `1e3` are text, `1_000` and `12:30:45` are numbers. Integers are
 * numbers or bigints, floats are told from integers (dsl/yaql/numbers.ts).
 *
 * Mappings become `Map`s, so that keys keep their type (`1: a`); `<<` merges. Duplicate keys follow the loader's option `json`.
 */
export function yaml11Schema(timestamps: TimestampReading): Schema {
  return new Schema([strTag, seqTag, mappingTag, ...scalarTags(timestamps), mergeTag]);
}

/**
 * The value of a plain scalar, or the text itself when it is none of the special forms.
 *
 * @throws Error when a number is written with no digits at all, such as `0x_`.
 */
export function resolvePlainScalar(text: string, timestamps: TimestampReading = 'text'): unknown {
  const form = FORMS_BY_FIRST.get(text.charAt(0))?.find((candidate) => candidate.pattern.test(text));
  if (form === undefined) return text;
  return form.tag === TIMESTAMP ? readTimestamp(text, timestamps) : form.read(text);
}

/** Whether PyYAML would read this text, written plainly, as something other than a string. */
export function isSpecialScalar(text: string): boolean {
  if (text === '=' || text === '<<') return true;
  return FORMS_BY_FIRST.get(text.charAt(0))?.some((form) => form.pattern.test(text)) ?? false;
}

interface Form {
  readonly tag: string;
  readonly pattern: RegExp;
  readonly first: string;
  readonly read: (text: string) => unknown;
}

const TIMESTAMP = 'tag:yaml.org,2002:timestamp';
const DIGITS = '0123456789';

const FORMS: readonly Form[] = [
  {
    tag: 'tag:yaml.org,2002:bool',
    pattern: /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/,
    first: 'yYnNtTfFoO',
    read: (text) => /^(?:yes|true|on)$/i.test(text),
  },
  {
    tag: 'tag:yaml.org,2002:float',
    pattern:
      /^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
    first: `-+${DIGITS}.`,
    read: readFloat,
  },
  {
    tag: 'tag:yaml.org,2002:int',
    pattern:
      /^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/,
    first: `-+${DIGITS}`,
    read: readInteger,
  },
  { tag: 'tag:yaml.org,2002:null', pattern: /^(?:~|null|Null|NULL|)$/, first: '~nN', read: () => null },
  {
    tag: TIMESTAMP,
    pattern:
      /^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9]{2})?))?)$/,
    first: DIGITS,
    read: (text) => text,
  },
];

const FORMS_BY_FIRST: ReadonlyMap<string, readonly Form[]> = formsByFirst();

function formsByFirst(): Map<string, Form[]> {
  const table = new Map<string, Form[]>();
  for (const form of FORMS) {
    const firsts = [...form.first, ...(form.pattern.test('') ? [''] : [])];
    for (const first of firsts) table.set(first, [...(table.get(first) ?? []), form]);
  }
  return table;
}

function scalarTags(timestamps: TimestampReading): ScalarTagDefinition[] {
  return FORMS.map((form) =>
    defineScalarTag<unknown>(form.tag, {
      implicit: true,
      implicitFirstChars: [...form.first, ...(form.pattern.test('') ? [''] : [])],
      resolve: (source, isExplicit) => {
        if (isExplicit && form.read === readFloat && /^[-+]?[0-9]+$/.test(source)) return readFloat(source);
        if (!form.pattern.test(source)) return NOT_RESOLVED;
        return form.tag === TIMESTAMP ? readTimestamp(source, timestamps) : form.read(source);
      },
      identify: () => false,
    }),
  );
}

const mappingTag: TagDefinition = defineMappingTag<Map<unknown, unknown>>('tag:yaml.org,2002:map', {
  create: () => new Map(),
  addPair: (map, key, value) => {
    if (typeof key === 'object' && key !== null && !isNumberObject(key)) return 'found unhashable key';
    map.set(key, value);
    return '';
  },
  has: (map, key) => map.has(key),
  keys: (map) => map.keys(),
  get: (map, key) => map.get(key),
  identify: () => false,
});

function isNumberObject(key: object): boolean {
  return typeof key.valueOf() === 'number';
}

function readTimestamp(text: string, timestamps: TimestampReading): unknown {
  return timestamps === 'text' ? text : timestamps(text);
}

function readInteger(text: string): number | bigint {
  const { negative, digits } = unsigned(text);
  const value = readUnsignedInteger(digits);
  return toInteger(negative ? -value : value);
}

function readUnsignedInteger(digits: string): bigint {
  if (digits.includes(':')) return digits.split(':').reduce((sum, part) => sum * 60n + BigInt(part), 0n);
  if (/^0[bx]/.test(digits)) {
    if (digits.length === 2) throw new Error(`'${digits}' is a number without digits`);
    return BigInt(digits);
  }
  return digits.startsWith('0') ? BigInt(`0o0${digits}`) : BigInt(digits);
}

function readFloat(text: string): unknown {
  const { negative, digits } = unsigned(text.toLowerCase());
  const value = readUnsignedFloat(digits);
  return toFloat(negative ? -value : value);
}

function readUnsignedFloat(digits: string): number {
  if (digits === '.inf') return Number.POSITIVE_INFINITY;
  if (digits === '.nan') return Number.NaN;
  return digits.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}

function unsigned(text: string): { negative: boolean; digits: string } {
  const bare = text.replaceAll('_', '');
  return { negative: bare.startsWith('-'), digits: bare.replace(/^[-+]/, '') };
}
