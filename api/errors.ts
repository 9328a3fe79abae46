import { TramontaneError } from '../dsl/errors.ts';
import { connectionTrouble } from '../engine/store/connection.ts';
import { ApiError } from './api-error.ts';

/** Every code that may reach a client, and its HTTP status: spec/rest-api.md §2.4. */
const STATUSES: Readonly<Record<string, number>> = {
  DSL_INVALID: 400,
  EXPRESSION_GRAMMAR: 400,
  EXPRESSION_EVALUATION: 400,
  INVALID_INPUT: 400,
  INVALID_STATE: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_ALLOWED: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  MAINTENANCE: 423,
  INTERNAL: 500,
  UNAVAILABLE: 503,
};

export interface Fault {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly faultcode: 'Client' | 'Server'; readonly faultstring: string; readonly debuginfo: null };
}

/** What a client is told. Unforeseen errors say nothing of their inside: that goes to the log. */
export function faultOf(error: unknown): Fault {
  const trouble = connectionTrouble(error);
  if (trouble !== null) return fault(503, `The database ${trouble}; nothing was changed. Try again later.`);
  if (!(error instanceof TramontaneError))
    return fault(500, 'The server failed to handle the request; its log says why.');
  const status = STATUSES[error.code] ?? 500;
  return fault(status, error.message, error instanceof ApiError ? error.headers : {});
}

export function fault(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Fault {
  const inHeader: Record<string, string> = NAMED_IN_HEADER.has(status)
    ? { 'Server-Error-Message': headerText(text) }
    : {};
  return {
    status,
    headers: { ...inHeader, ...headers },
    body: { faultcode: status >= 500 ? 'Server' : 'Client', faultstring: text, debuginfo: null },
  };
}

/** Statuses that older servers answered without a JSON body, so that clients look at the header. */
const NAMED_IN_HEADER: ReadonlySet<number> = new Set([401, 415, 423]);

function headerText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ');
}
