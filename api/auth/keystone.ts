import { isJsonObject } from '../../dsl/json.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { EngineError } from '../../engine/errors.ts';
import type { Authenticator, Identity } from './identity.ts';
import { authenticatorOf, KnownTokens } from './known-tokens.ts';
import type { Verdict } from './known-tokens.ts';

export interface KeystoneOptions {
  /** The identity service, with or without `/v3`. */
  readonly url: string;
  readonly cacheSeconds: number;
}

/**
 * Tokens of OpenStack's identity service, validated by asking it (`GET /v3/auth/tokens`). A token may ask about itself, so
 * that no service user is needed.
 */
export function keystoneAuthenticator({ url, cacheSeconds }: KeystoneOptions): Authenticator {
  const api = `${url.replace(/\/+$/, '').replace(/\/v3$/, '')}/v3`;
  const challenge = `Keystone uri="${api}"`;
  const known = new KnownTokens((token) => validate(api, token), {
    goodMilliseconds: cacheSeconds * 1000,
    badMilliseconds: Math.min(cacheSeconds, REFUSED_SECONDS) * 1000,
  });
  return authenticatorOf(known, challenge);
}

// A token that is refused may be one that the identity service does not know yet.
const REFUSED_SECONDS = 10;
const ASK_MILLISECONDS = 15_000;
const MOST_ANSWER_BYTES = 4 * 1024 * 1024;

async function validate(api: string, token: string): Promise<Verdict> {
  // What no header can hold was never given out by anybody.
  if (!/^[\x21-\x7e]+$/.test(token)) return REFUSED;
  const { status, body } = await ask(`${api}/auth/tokens`, token);
  if (status === 401 || status === 403 || status === 404) return REFUSED;
  if (status !== 200) throw unavailable(`it answered with status ${status}`);
  const found = isJsonObject(body) ? body['token'] : null;
  if (!isJsonObject(found)) throw unavailable('its answer holds no token');
  return verdictOf(found);
}

async function ask(url: string, token: string): Promise<{ readonly status: number; readonly body: Json }> {
  try {
    const response = await fetch(url, {
      headers: { 'X-Auth-Token': token, 'X-Subject-Token': token, Accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(ASK_MILLISECONDS),
    });
    const text = await response.text();
    if (text.length > MOST_ANSWER_BYTES) throw new Error('its answer is too long');
    return { status: response.status, body: response.status === 200 ? (JSON.parse(text) as Json) : null };
  } catch (error) {
    throw unavailable(error instanceof Error ? error.message : String(error), error);
  }
}

/** A token without a project gives no access to anything that belongs to a project. */
function verdictOf(token: JsonObject): Verdict {
  const projectId = idOf(token['project']);
  const expires = typeof token['expires_at'] === 'string' ? Date.parse(token['expires_at']) : Number.NaN;
  const until = Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires;
  if (projectId === null || until <= Date.now()) return { identity: null, until };
  const roles = Array.isArray(token['roles']) ? token['roles'] : [];
  const identity: Identity = {
    projectId,
    userId: idOf(token['user']),
    roles: roles.flatMap((role) => (isJsonObject(role) && typeof role['name'] === 'string' ? [role['name']] : [])),
    anonymous: false,
  };
  return { identity, until };
}

const REFUSED: Verdict = { identity: null, until: Number.POSITIVE_INFINITY };

function idOf(value: Json | undefined): string | null {
  const id = isJsonObject(value) ? value['id'] : null;
  return typeof id === 'string' && id !== '' ? id : null;
}

function unavailable(why: string, cause?: unknown): EngineError {
  return new EngineError('UNAVAILABLE', `The identity service cannot tell whether the token is good: ${why}`, {
    cause,
  });
}
