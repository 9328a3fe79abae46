import type { JsonObject } from '../../../dsl/json.ts';
import { aggregates, metrics } from './answers/cluster.ts';
import { float, list, map, object, openWord, optional, text, type Shape, type TypeOf } from './shapes.ts';

/** How a method reads the answer of its endpoint: the shape on the wire, and what the caller gets. */
export interface Answer<T> {
  readonly kind: 'json' | 'text';
  readonly wire: Shape<unknown>;
  /** JSON Schema of what the caller gets. */
  readonly schema: JsonObject;
  /** `value` has the wire's shape. */
  read(value: unknown): T;
}

/** As Flink sends it. */
export function whole<T>(shape: Shape<T>): Answer<T> {
  return { kind: 'json', wire: shape, schema: shape.schema, read: (value) => value as T };
}

/** What stands under the one key that everything is in. */
export function under<K extends string, F extends Readonly<Record<K, Shape<unknown>>>>(
  key: K,
  shape: Shape<unknown> & { readonly fields: F },
): Answer<TypeOf<F[K]>> {
  return {
    kind: 'json',
    wire: shape,
    schema: shape.fields[key].schema,
    read: (value) => (isRecord(value) ? (value[key] ?? null) : null) as TypeOf<F[K]>,
  };
}

/** Log files and profiles. */
export const plainText: Answer<string> = {
  kind: 'text',
  wire: text,
  schema: text.schema,
  read: (value) => (typeof value === 'string' ? value : ''),
};

/** Flink answers `{}`. */
export const nothing: Answer<null> = {
  kind: 'json',
  wire: object({}),
  schema: { type: 'null' },
  read: () => null,
};

/** `[{key, value}]` as a mapping. */
export const settings: Answer<Readonly<Record<string, string>>> = {
  kind: 'json',
  wire: list(object({ key: text, value: text })),
  schema: map(text).schema,
  read: (value) => Object.fromEntries(rowsOf(value).map((row) => [String(row.key), String(row.value)])),
};

/** Thread dumps: text by name. */
export const threads: Answer<Readonly<Record<string, string>>> = {
  kind: 'json',
  wire: object({ threadInfos: list(object({ threadName: text, stringifiedThreadInfo: text })) }),
  schema: map(text).schema,
  read: (value) =>
    Object.fromEntries(
      rowsOf(isRecord(value) ? value.threadInfos : []).map((row) => [
        String(row.threadName),
        String(row.stringifiedThreadInfo),
      ]),
    ),
};

/** Values of metrics by name: texts, which may be "NaN". */
export const values: Answer<Readonly<Record<string, string>>> = {
  kind: 'json',
  wire: metrics,
  schema: map(text).schema,
  read: (value) => Object.fromEntries(rowsOf(value).map((row) => [String(row.id), String(row.value ?? '')])),
};

/** Figures over all members of a group, by the metric's name. */
export interface Figures {
  readonly min?: number;
  readonly max?: number;
  readonly avg?: number;
  readonly sum?: number;
  /** 1.20 or later. */
  readonly skew?: number;
}

const FIGURES = ['min', 'max', 'avg', 'sum', 'skew'] as const;

export const figures: Answer<Readonly<Record<string, Figures>>> = {
  kind: 'json',
  wire: aggregates,
  schema: map(object(Object.fromEntries(FIGURES.map((name) => [name, optional(float)])))).schema,
  read: (value) =>
    Object.fromEntries(
      rowsOf(value).map((row) => [
        String(row.id),
        Object.fromEntries(FIGURES.filter((name) => typeof row[name] === 'number').map((name) => [name, row[name]])),
      ]),
    ),
};

/** The id of an uploaded jar: the last part of its path, on whatever system the server runs. */
export const uploadedJar: Answer<string> = {
  kind: 'json',
  wire: object({ filename: text, status: openWord('success') }),
  schema: text.schema,
  read: (value) => (isRecord(value) ? String(value.filename ?? '') : '').split(/[/\\]/).at(-1) ?? '',
};

/** The id under which an asynchronous operation is asked for. */
export const trigger = under('request-id', object({ 'request-id': text }));

/** COMPLETED on the wire does not mean success (spec/flink.md §1.2). */
export type AsyncResult<T> =
  | { readonly status: 'IN_PROGRESS' }
  | { readonly status: 'COMPLETED'; readonly value: T }
  | { readonly status: 'FAILED'; readonly cause: FlinkCause };

export interface FlinkCause {
  readonly class: string;
  readonly stack: string;
}

const cause = object({ class: text, 'stack-trace': text, 'serialized-throwable': optional(text) });

/** Reads the state of a trigger: `field` of its operation is the value; a cause there means failure, whatever its spelling. */
export function asyncResult<T>(field: string | null, shape: Shape<T>): Answer<AsyncResult<T>> {
  return {
    kind: 'json',
    wire: object({
      status: object({ id: openWord('IN_PROGRESS', 'COMPLETED') }),
      operation: optional({
        schema: { type: ['object', 'null'] },
        check: (value, path, problems) => {
          if (!isRecord(value)) return;
          const found = value['failure-cause'] ?? value.failureCause;
          if (found !== undefined && found !== null) cause.check(found, `${path}.failure-cause`, problems);
          else if (field !== null) shape.check(value[field], `${path}.${field}`, problems);
        },
      }),
    }),
    schema: {
      type: 'object',
      properties: {
        status: { type: 'string', enum: ['IN_PROGRESS', 'COMPLETED', 'FAILED'] },
        value: field === null ? { type: 'null' } : shape.schema,
        cause: { type: 'object', properties: { class: text.schema, stack: text.schema } },
      },
      required: ['status'],
    },
    read: (value) => readAsync(value, field),
  };
}

function readAsync<T>(value: unknown, field: string | null): AsyncResult<T> {
  const { status, operation } = isRecord(value) ? value : {};
  if (!isRecord(status) || status.id !== 'COMPLETED') return { status: 'IN_PROGRESS' };
  const done = isRecord(operation) ? operation : {};
  const failed = done['failure-cause'] ?? done.failureCause;
  if (isRecord(failed)) {
    const { class: name, 'stack-trace': stack } = failed;
    return { status: 'FAILED', cause: { class: String(name ?? ''), stack: String(stack ?? '') } };
  }
  return { status: 'COMPLETED', value: (field === null ? null : (done[field] ?? null)) as T };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function rowsOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}
