import type { JsonObject } from '../../../dsl/json.ts';

/**
 * Shapes of what goes over the wire: each says in one place what TypeScript knows of a value, what a test checks, and what the
 * schema of an action tells. Unknown fields are kept, because every Flink version adds some.
 */
export interface Shape<T> {
  readonly schema: JsonObject;
  /** Adds a line for each thing that does not fit. */
  check(value: unknown, path: string, problems: string[]): void;
  /** Never there: it carries the type. */
  readonly type?: T;
  readonly optional?: boolean;
}

export type TypeOf<S> = S extends Shape<infer T> ? T : never;

export const text: Shape<string> = primitive('string', (value) => typeof value === 'string');
export const flag: Shape<boolean> = primitive('boolean', (value) => typeof value === 'boolean');
export const float: Shape<number> = primitive('number', (value) => typeof value === 'number');
export const integer: Shape<number> = primitive('integer', (value) => Number.isInteger(value));
/** Java's longs: the largest of them, which stands for "none", is beyond what a number holds. */
export const long: Shape<number | bigint> = primitive(
  'integer',
  (value) => typeof value === 'bigint' || Number.isInteger(value),
);
/** A figure that is the text "NaN" where there is none. */
export const figure: Shape<number | string> = {
  schema: { type: ['number', 'string'] },
  check: (value, path, problems) => {
    if (typeof value !== 'number' && value !== 'NaN')
      problems.push(`${path} is ${nameOf(value)}, no number and no NaN`);
  },
};
export const anything: Shape<unknown> = { schema: {}, check: () => {} };

export function word<const T extends string>(...words: readonly T[]): Shape<T> {
  return {
    schema: { type: 'string', enum: words },
    check: (value, path, problems) => {
      if (!words.some((one) => one === value))
        problems.push(`${path} is ${nameOf(value)}, not one of ${words.join(', ')}`);
    },
  };
}

/** Known words for readers and editors, but any text will do: later versions may have more. */
export function openWord<const T extends string>(...words: readonly T[]): Shape<T | (string & {})> {
  return { ...text, schema: { type: 'string', examples: words } };
}

export function list<T>(item: Shape<T>): Shape<readonly T[]> {
  return {
    schema: { type: 'array', items: item.schema },
    check: (value, path, problems) => {
      if (!Array.isArray(value)) problems.push(`${path} is ${nameOf(value)}, no list`);
      else for (const [index, one] of value.entries()) item.check(one, `${path}[${index}]`, problems);
    },
  };
}

/** A mapping whose keys are data. */
export function map<T>(item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return {
    schema: { type: 'object', additionalProperties: item.schema },
    check: (value, path, problems) => {
      if (!isObject(value)) problems.push(`${path} is ${nameOf(value)}, no mapping`);
      else for (const [key, one] of Object.entries(value)) item.check(one, `${path}.${key}`, problems);
    },
  };
}

type Fields = Readonly<Record<string, Shape<unknown>>>;
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends { readonly optional: true } ? K : never }[keyof F];
export type ObjectOf<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: TypeOf<F[K]>;
} & { readonly [K in OptionalKeys<F>]?: TypeOf<F[K]> };

export interface ObjectShape<F extends Fields> extends Shape<ObjectOf<F>> {
  readonly fields: F;
}

export function object<F extends Fields>(fields: F): ObjectShape<F> {
  const required = Object.keys(fields).filter((key) => fields[key]?.optional !== true);
  return {
    fields,
    schema: {
      type: 'object',
      properties: Object.fromEntries(Object.entries(fields).map(([key, shape]) => [key, shape.schema])),
      ...(required.length > 0 && { required }),
    },
    check: (value, path, problems) => {
      if (!isObject(value)) {
        problems.push(`${path} is ${nameOf(value)}, no mapping`);
        return;
      }
      for (const [key, shape] of Object.entries(fields)) {
        if (Object.hasOwn(value, key)) shape.check(value[key], `${path}.${key}`, problems);
        else if (shape.optional !== true) problems.push(`${path} lacks '${key}'`);
      }
    },
  };
}

/** Not in every version, or not in every state. */
export function optional<T>(shape: Shape<T>): Shape<T> & { readonly optional: true } {
  return { ...shape, optional: true };
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  const { type } = shape.schema;
  return {
    schema: { ...shape.schema, ...(typeof type === 'string' && { type: [type, 'null'] }) },
    check: (value, path, problems) => {
      if (value !== null) shape.check(value, path, problems);
    },
  };
}

/** A shape that holds itself, such as the nodes of a tree. */
export function lazy<T>(of: () => Shape<T>): Shape<T> {
  return { schema: { type: 'object' }, check: (value, path, problems) => of().check(value, path, problems) };
}

/** What is wrong with the value, one line each; empty when it fits. */
export function problemsOf(shape: Shape<unknown>, value: unknown): readonly string[] {
  const problems: string[] = [];
  shape.check(value, '$', problems);
  return problems;
}

function primitive<T>(type: string, fits: (value: unknown) => boolean): Shape<T> {
  return {
    schema: { type },
    check: (value, path, problems) => {
      if (!fits(value)) problems.push(`${path} is ${nameOf(value)}, no ${type}`);
    },
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function nameOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : `the ${typeof value} ${String(value).slice(0, 60)}`;
}
