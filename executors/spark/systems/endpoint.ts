import type { JsonObject } from '../../../dsl/json.ts';

/** The servers that take Spark jobs over HTTP (spec/spark.md §1). */
export type SparkSystem = 'mist' | 'lighter' | 'livy' | 'standalone';

/**
 * One endpoint of one system. The tables of this folder are the only place that knows paths and parameters: the client, the plain
 * actions, their documentation and the coverage test are made of them.
 */
export interface Endpoint {
  /** Name of the action, and of the client's call. */
  readonly name: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the system's prefix; `:id` is an input, `:F` is the word of Mist's dialect. */
  readonly path: string;
  readonly description: string;
  /** Inputs that go into the query, by input name; the wire name is its camelCase unless `wire` says otherwise. */
  readonly query?: readonly Parameter[];
  /** Inputs that go into the JSON body, each under its wire name; none of them: no body. */
  readonly body?: readonly Parameter[];
  /** The one input that is the whole body. */
  readonly wholeBody?: Parameter;
  /** Always in the body. */
  readonly constantBody?: JsonObject;
  /** A file goes up as a form (`file`), or the answer is written to a file (`save_to`). */
  readonly transfer?: 'upload' | 'download';
  readonly answer: 'json' | 'text' | 'none';
  /** First release that has it, where that matters. */
  readonly since?: string;
  /** Repeating it changes nothing more. GET always is. */
  readonly repeatSafe?: boolean;
}

export interface Parameter {
  readonly name: string;
  readonly wire: string;
  readonly schema: JsonObject;
  readonly required: boolean;
}

export function required(name: string, type: TypeName, description: string, wire?: string): Parameter {
  return { ...optional(name, type, description, wire), required: true };
}

export function optional(name: string, type: TypeName, description: string, wire = toCamelCase(name)): Parameter {
  return { name, wire, schema: { ...TYPES[type], description }, required: false };
}

/** `driver_memory` is `driverMemory` on the wire. */
export function toCamelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The inputs that stand in a path, in its order: `/batches/:id/log` has `id`. */
export function pathInputs(endpoint: Pick<Endpoint, 'path'>): readonly string[] {
  return [...endpoint.path.matchAll(/:([a-z_]+)/g)].map((match) => match[1] ?? '');
}

export type TypeName = 'text' | 'texts' | 'integer' | 'number' | 'boolean' | 'object' | 'id';

const TYPES: Record<TypeName, JsonObject> = {
  text: { type: ['string', 'null'] },
  texts: { type: ['array', 'null'], items: { type: ['string', 'number', 'boolean'] } },
  integer: { type: ['integer', 'null'] },
  number: { type: ['number', 'null'] },
  boolean: { type: ['boolean', 'null'] },
  object: { type: ['object', 'null'] },
  id: { type: ['string', 'integer'] },
};
