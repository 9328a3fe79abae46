import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import type { JWTPayload, JWTVerifyGetKey, JWTVerifyOptions, JWTVerifyResult } from 'jose';
import { EngineError } from '../../engine/errors.ts';
import type { Authenticator, Identity } from './identity.ts';
import { authenticatorOf, KnownTokens } from './known-tokens.ts';
import type { Verdict } from './known-tokens.ts';

export interface OidcOptions {
  readonly issuer: string;
  /** null: any. */
  readonly audience: string | null;
  readonly jwksUrl: string | null;
  readonly projectClaim: string | null;
  readonly rolesClaim: string;
  readonly cacheSeconds: number;
}

/** Bearer tokens that are JWTs, checked against the issuer's public keys. */
export function oidcAuthenticator(options: OidcOptions): Authenticator {
  const challenge = `Bearer realm="tramontane", authorization_uri="${options.issuer}"`;
  const keys = keysOf(options);
  const known = new KnownTokens((token) => verify(token, keys, options), {
    goodMilliseconds: options.cacheSeconds * 1000,
    // Checking again costs no request.
    badMilliseconds: 0,
  });
  return authenticatorOf(known, challenge);
}

// Only signatures of a key pair: with a shared secret, whoever can check a token could make one.
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const CLOCKS_DIFFER_SECONDS = 30;
const ASK_MILLISECONDS = 15_000;

async function verify(token: string, keys: JWTVerifyGetKey, options: OidcOptions): Promise<Verdict> {
  try {
    const { payload } = await verifyWithAnyOf(token, keys, {
      issuer: options.issuer,
      ...(options.audience === null ? {} : { audience: options.audience }),
      algorithms: ALGORITHMS,
      clockTolerance: CLOCKS_DIFFER_SECONDS,
      requiredClaims: ['exp'],
    });
    const identity = identityOf(payload, options);
    return { identity, until: ((payload.exp ?? 0) + CLOCKS_DIFFER_SECONDS) * 1000 };
  } catch (error) {
    if (error instanceof errors.JOSEError && !ASKING_FAILED.has(error.code)) return { identity: null, until: 0 };
    if (error instanceof EngineError) throw error;
    throw unavailable(error);
  }
}

/** A token that does not say which key it was signed with may be of any that fits, as while keys are replaced. */
async function verifyWithAnyOf(
  token: string,
  keys: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(token, keys, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return await jwtVerify(token, key, options);
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

const ASKING_FAILED: ReadonlySet<string> = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID']);

/** The set is fetched when a key is missing, at most every 30 seconds, and kept for ten minutes. */
function keysOf({ issuer, jwksUrl }: OidcOptions): JWTVerifyGetKey {
  let found: Promise<JWTVerifyGetKey> | null = null;
  const find = async (): Promise<JWTVerifyGetKey> => {
    const url = jwksUrl ?? (await discover(issuer));
    return createRemoteJWKSet(new URL(url), { timeoutDuration: ASK_MILLISECONDS });
  };
  return async (header, token) => {
    found ??= find();
    found.catch(() => {
      found = null;
    });
    return (await found)(header, token);
  };
}

async function discover(issuer: string): Promise<string> {
  const url = `${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`;
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(ASK_MILLISECONDS) });
    if (!response.ok) throw new Error(`${url} answered with status ${response.status}`);
    const found = (await response.json()) as { readonly jwks_uri?: unknown; readonly issuer?: unknown };
    const { jwks_uri: jwksUri } = found;
    if (found.issuer !== issuer) throw new Error(`${url} is of another issuer: ${String(found.issuer)}`);
    if (typeof jwksUri !== 'string' || !URL.canParse(jwksUri)) throw new Error(`${url} names no jwks_uri`);
    // Whoever can change what comes without TLS could hand in keys of his own.
    if (isPlain(jwksUri) && !isPlain(issuer)) throw new Error(`${url} names keys that come without TLS: ${jwksUri}`);
    return jwksUri;
  } catch (error) {
    throw unavailable(error);
  }
}

function isPlain(url: string): boolean {
  return new URL(url).protocol === 'http:';
}

/** A token that names no project is no good here. */
function identityOf(payload: JWTPayload, { issuer, projectClaim, rolesClaim }: OidcOptions): Identity | null {
  const project = projectClaim === null ? realmOf(issuer) : claim(payload, projectClaim);
  if (typeof project !== 'string' || project === '') return null;
  const roles = claim(payload, rolesClaim);
  return {
    projectId: project,
    userId: payload.sub ?? null,
    roles: Array.isArray(roles) ? roles.filter((role): role is string => typeof role === 'string') : [],
    anonymous: false,
  };
}

/** Keycloak's: the realm is the project, as in the reference. */
function realmOf(issuer: string): string | undefined {
  const name = /\/realms\/([^/?#]+)/.exec(issuer)?.[1];
  return name === undefined ? undefined : decodeURIComponent(name);
}

function claim(payload: JWTPayload, path: string): unknown {
  // A claim whose name has dots in it, such as an address, comes before a path.
  if (Object.hasOwn(payload, path)) return payload[path];
  let value: unknown = payload;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[part];
  }
  return value;
}

function unavailable(cause: unknown): EngineError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new EngineError('UNAVAILABLE', `The keys of the identity provider cannot be read: ${why}`, { cause });
}
