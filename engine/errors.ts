import { TramontaneError } from '../dsl/errors.ts';

/** Codes of what the engine refuses; `api/errors.ts` holds the HTTP status of each. */
export type EngineErrorCode =
  | 'INVALID_INPUT'
  | 'INVALID_STATE'
  | 'NOT_ALLOWED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'UNAVAILABLE'
  | 'INTERNAL';

export class EngineError extends TramontaneError {
  override readonly name = 'EngineError';

  constructor(
    code: EngineErrorCode,
    message: string,
    options: { details?: Readonly<Record<string, unknown>>; cause?: unknown } = {},
  ) {
    super(code, message, options);
  }
}
