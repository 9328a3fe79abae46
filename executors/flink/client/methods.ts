import type { Answer } from './answer.ts';
import type { Param, Params } from './endpoint.ts';
import type { ENDPOINTS, EndpointName } from './endpoints.ts';

/** The types of the client's methods, worked out from the table of endpoints. */

type Table = typeof ENDPOINTS;

/** One argument for each `:name` of the path; subtasks and attempts are numbers. */
type IdsOf<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? [IdOf<Name>, ...IdsOf<`/${Rest}`>]
  : Path extends `${string}:${infer Name}`
    ? [IdOf<Name>]
    : [];
type IdOf<Name extends string> = Name extends 'subtaskIndex' | 'attempt' | 'token' | 'checkpointId'
  ? number | string
  : string;

type ParamsOf<Row, Where extends 'query' | 'body'> = Row extends { readonly [K in Where]: infer P extends Params }
  ? { readonly [K in RequiredKeys<P>]: ValueOf<P[K]> } & {
      readonly [K in Exclude<keyof P, RequiredKeys<P>>]?: ValueOf<P[K]>;
    }
  : unknown;
type RequiredKeys<P extends Params> = { [K in keyof P]: P[K] extends { readonly required: true } ? K : never }[keyof P];
type ValueOf<P> = P extends Param<infer T> ? T : never;

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds; null for no limit. */
  readonly timeoutMs?: number | null;
}

export type OptionsOf<N extends EndpointName> = ParamsOf<Table[N], 'query'> & ParamsOf<Table[N], 'body'> & CallOptions;

export type AnswerOf<N extends EndpointName> = Table[N]['answer'] extends Answer<infer T> ? T : never;

export type Method<N extends EndpointName> =
  CallOptions extends OptionsOf<N>
    ? (...args: [...ids: IdsOf<Table[N]['path']>, options?: OptionsOf<N>]) => Promise<AnswerOf<N>>
    : (...args: [...ids: IdsOf<Table[N]['path']>, options: OptionsOf<N>]) => Promise<AnswerOf<N>>;

export type GroupName = EndpointName extends infer N ? (N extends `${infer G}.${string}` ? G : never) : never;

/** `client.jobs` and so on: a method for each row of the table whose name begins so. */
export type Group<G extends GroupName> = {
  readonly [N in Extract<EndpointName, `${G}.${string}`> as N extends `${G}.${infer M}` ? M : never]: Method<N>;
};

export type JobDetails = AnswerOf<'jobs.get'>;
