import type { Answer } from './answer.ts';
import type { Shape } from './shapes.ts';

/**
 * One row of the table of endpoints: all that client, action, documentation and fake need to know of a route. Bodies and queries
 * name their keys, because a misspelt one is refused by old servers and silently ignored by new ones (spec/flink.md §1.1).
 */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT';
  /** `:name` parts are filled in, percent-encoded. */
  readonly path: string;
  /** Default: the JobManager. */
  readonly server?: 'sql-gateway';
  /** First version that has it; 1.12, also when absent, stands for "1.12 or older". */
  readonly since?: string;
  /** One sentence: what it answers or does. */
  readonly about: string;
  readonly answer: Answer<unknown>;
  readonly query?: Params;
  readonly body?: Params;
  /** The whole body is the value of this parameter. */
  readonly bodyIs?: string;
  /** `user-code`: the program's main() runs inside the call, which may take minutes. */
  readonly duration?: 'user-code' | 'upload';
  /** Whether sending it twice does what sending it once does; GET always. */
  readonly repeatable?: true;
  /** Name in the Python package flink-rest-client, where it has one. */
  readonly python?: string;
  /** Why there is no action for it. */
  readonly noAction?: string;
}

export type Params = Readonly<Record<string, Param<unknown>>>;

export interface Param<T> {
  readonly shape: Shape<T>;
  readonly about: string;
  /** Its name on the wire, where that differs. */
  readonly wire?: string;
  readonly since?: string;
  readonly required?: true;
  /** Lists travel as one parameter with commas. */
  readonly list?: true;
}

interface ParamOptions {
  readonly wire?: string;
  readonly since?: string;
}

export function param<T>(shape: Shape<T>, about: string, options: ParamOptions = {}): Param<T> {
  return { shape, about, ...options };
}

export function needed<T>(
  shape: Shape<T>,
  about: string,
  options: ParamOptions = {},
): Param<T> & { readonly required: true } {
  return { shape, about, ...options, required: true };
}

/** A route that is served and that no method calls. */
export interface OtherRoute {
  readonly method: Endpoint['method'];
  readonly path: string;
  readonly since: string;
  readonly until?: string;
  readonly why: string;
}

/** The names in the path, in order. */
export function pathNames(path: string): readonly string[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => name ?? '');
}
