import type { Caller } from '../engine/facade.ts';

export interface AnonymousAccess {
  /**
   * Whether a caller without credentials is an administrator. Without authentication this is what makes `--public` of the
   * command line usable, since it cannot send roles (spec/rest-api.md §2.10).
   */
  readonly anonymousIsAdmin: boolean;
}

export const DEFAULT_PROJECT = '<default-project>';

/** The caller where authentication is off: everybody works in one project. */
export function anonymousCaller(roles: string, { anonymousIsAdmin }: AnonymousAccess): Caller {
  const isAdmin = anonymousIsAdmin || roles.split(',').some((role) => role.trim().toLowerCase() === 'admin');
  return { projectId: DEFAULT_PROJECT, isAdmin };
}
