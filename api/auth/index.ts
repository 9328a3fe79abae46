import { readFileSync } from 'node:fs';
import type { Config } from '../../engine/config.ts';
import { EngineError } from '../../engine/errors.ts';
import type { Store } from '../../engine/store/connection.ts';
import { anonymousAuthenticator } from './anonymous.ts';
import type { Authenticator } from './identity.ts';
import { keystoneAuthenticator } from './keystone.ts';
import { oidcAuthenticator } from './oidc.ts';
import { createPolicy, parsePolicy } from './policy.ts';
import type { Policy } from './policy.ts';
import { tokenTableAuthenticator } from './token-table.ts';

/** How a server tells who calls, and what he may do. */
export interface Access {
  readonly authenticator: Authenticator;
  readonly policy: Policy;
  /** Whether anybody is authenticated at all. */
  readonly authenticates: boolean;
}

type AuthConfig = Pick<
  Config,
  | 'authMode'
  | 'anonymousIsAdmin'
  | 'authPolicyFile'
  | 'authCacheSeconds'
  | 'keystoneUrl'
  | 'oidcIssuer'
  | 'oidcAudience'
  | 'oidcJwksUrl'
  | 'oidcProjectClaim'
  | 'oidcRolesClaim'
>;

/** @throws EngineError INVALID_INPUT naming the setting that is missing, or the faults of the policy file. */
export function createAccess(config: AuthConfig, store: Store): Access {
  return {
    authenticator: authenticatorFor(config, store),
    policy: config.authPolicyFile === null ? createPolicy() : readPolicy(config.authPolicyFile),
    authenticates: config.authMode !== 'none',
  };
}

function authenticatorFor(config: AuthConfig, store: Store): Authenticator {
  switch (config.authMode) {
    case 'none':
      return anonymousAuthenticator(config);
    case 'token':
      return tokenTableAuthenticator(store);
    case 'keystone':
      return keystoneAuthenticator({
        url: needed(config.keystoneUrl, 'auth.keystone.url', 'keystone'),
        cacheSeconds: config.authCacheSeconds,
      });
    case 'oidc':
      return oidcAuthenticator({
        issuer: needed(config.oidcIssuer, 'auth.oidc.issuer', 'oidc'),
        audience: config.oidcAudience,
        jwksUrl: config.oidcJwksUrl,
        projectClaim: config.oidcProjectClaim,
        rolesClaim: config.oidcRolesClaim,
        cacheSeconds: config.authCacheSeconds,
      });
  }
}

function needed(value: string | null, setting: string, mode: string): string {
  if (value !== null) return value;
  throw new EngineError('INVALID_INPUT', `Authentication by ${mode} needs the setting ${setting}`);
}

function readPolicy(path: string): Policy {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('INVALID_INPUT', `The policy file cannot be read: ${why}`, { cause: error });
  }
  return parsePolicy(text, path);
}
