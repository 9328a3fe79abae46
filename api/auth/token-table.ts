import type { Store } from '../../engine/store/connection.ts';
import { findToken } from '../../engine/store/tokens.ts';
import type { Authenticator } from './identity.ts';
import { authenticatorOf, KnownTokens } from './known-tokens.ts';

/** Tokens of our own table, kept with `tramontane token add`. What is added or revoked counts within two seconds. */
export function tokenTableAuthenticator(store: Store): Authenticator {
  const known = new KnownTokens(
    async (token) => {
      const found = await findToken(store.reader, token);
      if (found === undefined) return { identity: null, until: 0 };
      const { projectId, userId, roles } = found;
      return {
        identity: { projectId, userId, roles, anonymous: false },
        until: found.expiresAt ?? Number.POSITIVE_INFINITY,
      };
    },
    { goodMilliseconds: 2000, badMilliseconds: 0 },
  );
  return authenticatorOf(known, CHALLENGE);
}

const CHALLENGE = 'Bearer realm="tramontane"';
