import { ApiError } from '../api-error.ts';

/** Who sends a request, as the mode of authentication found out: spec/rest-api.md §2.10. */
export interface Identity {
  readonly projectId: string;
  readonly userId: string | null;
  readonly roles: readonly string[];
  /** No authentication took place. */
  readonly anonymous: boolean;
}

/** Finds out who sends a request. */
export interface Authenticator {
  /**
   * @param header reads a header of the request; absent ones are empty.
   * @throws ApiError UNAUTHENTICATED without a good token; EngineError UNAVAILABLE when whoever knows cannot be asked.
   */
  identify(header: (name: string) => string): Identity | Promise<Identity>;
}

/** The token of a request: `X-Auth-Token`, as clients of the reference send it, or `Authorization: Bearer`. */
export function tokenOf(header: (name: string) => string): string | null {
  const own = header('x-auth-token').trim();
  if (own !== '') return own;
  return /^bearer\s+(\S+)\s*$/i.exec(header('authorization'))?.[1] ?? null;
}

/** A request without a token. @param challenge the value of `WWW-Authenticate`. */
export function tokenMissing(challenge: string): ApiError {
  return refusal('Authentication required', challenge);
}

export function tokenInvalid(challenge: string): ApiError {
  return refusal('Auth token is invalid', challenge);
}

function refusal(why: string, challenge: string): ApiError {
  return new ApiError('UNAUTHENTICATED', `Failed to validate access token: ${why}`, { 'WWW-Authenticate': challenge });
}
