import { TramontaneError } from '../dsl/errors.ts';
import { stringifyJson } from '../dsl/json.ts';
import type { Json } from '../dsl/json.ts';
import { EngineError } from '../engine/errors.ts';

export type ApiErrorCode =
  | 'UNAUTHENTICATED'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'METHOD_NOT_ALLOWED'
  | 'TOO_LARGE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'MAINTENANCE';

/** What only HTTP knows. */
export class ApiError extends TramontaneError {
  override readonly name = 'ApiError';
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ApiErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(code, message);
    this.headers = headers;
  }
}

export function badRequest(message: string): EngineError {
  return new EngineError('INVALID_INPUT', message);
}

/** The reference's words for a value that does not fit: clients and tests look for the field's name. */
export function invalidValue(name: string, value: Json | undefined, problem: string): EngineError {
  const shown = typeof value === 'string' ? value : stringifyJson(value ?? null);
  const short = shown.length > 100 ? `${shown.slice(0, 100)}…` : shown;
  return badRequest(`Invalid input for field/attribute ${name}. Value: '${short}'. ${problem}`);
}
