import type { Authenticator, Identity } from './identity.ts';

export const DEFAULT_PROJECT = '<default-project>';

/**
 * No authentication: everybody works in one project. The role `admin` in `X-Roles` makes an administrator, and without it
 * everybody is one where the server says so: the reference's command line cannot send roles and could otherwise never use
 * `--public` (spec/rest-api.md §2.10).
 */
export function anonymousAuthenticator({ anonymousIsAdmin }: { readonly anonymousIsAdmin: boolean }): Authenticator {
  const usual = identityWith(anonymousIsAdmin ? ['admin'] : []);
  return {
    identify: (header) => {
      const text = header('x-roles');
      if (text === '') return usual;
      const given = text
        .split(',')
        .map((role) => role.trim())
        .filter((role) => role !== '');
      return identityWith(anonymousIsAdmin && !given.includes('admin') ? [...given, 'admin'] : given);
    },
  };
}

function identityWith(roles: readonly string[]): Identity {
  return { projectId: DEFAULT_PROJECT, userId: null, roles, anonymous: true };
}
