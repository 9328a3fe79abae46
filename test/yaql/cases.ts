import { readFileSync, readdirSync } from 'node:fs';
import { parseJson, type Json, type JsonObject } from '../../dsl/json.ts';
import {
  DateTime,
  Float,
  PyDict,
  PyList,
  PySet,
  TimeSpan,
  YaqlValue,
  compareNumbers,
  createContext,
  defineFunction,
  dictEntries,
  formatFloat,
  isDict,
  isFloat,
  isInteger,
  isNumber,
  parse,
  type Options,
} from '../../dsl/yaql/index.ts';

/** A recorded case (test/conformance/README.md, if present, says more): what the reference made of an expression. */
export interface Case {
  readonly id: string;
  readonly topic: string;
  readonly expression: string;
  readonly data: Json;
  readonly options?: Options;
  readonly result?: Json;
  readonly error?: string;
  readonly message?: string;
  readonly resultType?: 'int' | 'float';
}

/** Groups by name. */
export function loadGroups(folder: string): Map<string, readonly Case[]> {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return new Map(
    files.map((name) => {
      const { cases } = parseJson(readFileSync(`${folder}/${name}`, 'utf8')) as unknown as { cases: readonly Case[] };
      return [name.replace('.json', ''), cases];
    }),
  );
}

/** The value of the case's expression, evaluated by the bare library. */
export function evaluateCase(one: Case): unknown {
  const context = bare.child();
  for (const name of ['__env', '__execution', '__task_execution']) {
    if (isDict(one.data) && Object.hasOwn(one.data, name)) context.set(name, (one.data as JsonObject)[name]);
  }
  return parse(one.expression).evaluate(one.data, context, { timeLimit: 10_000, ...one.options });
}

/** An unambiguous text: equal values, by the rules of the recordings, have equal texts. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'boolean') return String(value);
  if (isNumber(value)) return describeNumber(value);
  if (Array.isArray(value)) return `[${value.map(describe).join(',')}]`;
  if (value instanceof PySet) return `set{${Array.from(value, describe).sort().join(',')}}`;
  if (value instanceof DateTime) return `datetime ${value.isoLocal()}${value.offsetText()}`;
  if (value instanceof TimeSpan) return `timespan ${value.microseconds}`;
  if (isDict(value))
    return `{${Array.from(dictEntries(value), ([k, v]) => `${describe(k)}:${describe(v)}`)
      .sort()
      .join(',')}}`;
  return value instanceof YaqlValue ? value.yaqlKind : typeof value;
}

/** The same text for a recorded value. */
export function describeRecorded(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(describeRecorded).join(',')}]`;
  if (typeof value !== 'object' || value === null || value instanceof Float) return describe(value);
  const entries = Object.entries(value as JsonObject);
  const [[key, inner] = ['', null]] = entries;
  if (entries.length === 1 && key.startsWith('$')) return describeTagged(key, inner);
  return `{${entries
    .map(([name, item]) => `${JSON.stringify(name)}:${describeRecorded(item)}`)
    .sort()
    .join(',')}}`;
}

export function typeOfNumber(value: unknown): 'int' | 'float' | undefined {
  if (isInteger(value)) return 'int';
  return isFloat(value) ? 'float' : undefined;
}

function describeTagged(tag: string, value: Json): string {
  const list = value as readonly Json[];
  switch (tag) {
    case '$set':
      return `set{${list.map(describeRecorded).sort().join(',')}}`;
    case '$map':
      return `{${list
        .map((pair) => (pair as readonly Json[]).map(describeRecorded).join(':'))
        .sort()
        .join(',')}}`;
    case '$datetime':
      return `datetime ${String(value)}`;
    case '$timespan':
      return `timespan ${String(value)}`;
    case '$int':
      return describe(BigInt(String(value)));
    case '$float':
      return `float ${String(value)}`;
    default:
      throw new Error(`unknown tag ${tag}`);
  }
}

/** Numbers are equal by value across integer and float. */
function describeNumber(value: number | bigint | Float): string {
  if (isFloat(value)) {
    const double = value instanceof Float ? value.value : value;
    if (!Number.isFinite(double)) return `float ${formatFloat(double)}`;
    if (!Number.isInteger(double)) return String(double);
    return compareNumbers(value, 0) === 0 ? '0' : BigInt(double).toString();
  }
  return value.toString();
}

/** The recordings know `json_parse`, whose lists and dicts are Python's mutable ones. */
const bare = createContext().registerFunction(
  defineFunction({
    name: 'json_parse',
    parameters: [{ name: 'data', type: 'string' }],
    body: (_context, text) => mutable(parseJson(String(text))),
  }),
);

function mutable(value: Json): unknown {
  if (Array.isArray(value)) return PyList.wrap(value.map(mutable));
  if (typeof value !== 'object' || value === null || value instanceof Float) return value;
  return new PyDict(
    Object.entries(value).map(([key, item]) => [key, mutable(item)] as const),
    true,
  );
}
