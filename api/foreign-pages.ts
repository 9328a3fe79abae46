import type Koa from 'koa';
import { EngineError } from '../engine/errors.ts';
import { READS } from './maintenance.ts';
import type { ApiState } from './request.ts';

type AppContext = Koa.ParameterizedContext<ApiState>;

/**
 * Without authentication the address of a server is all that protects it, and a browser beside it reaches it for every page that its
 * user looks at. Pages cannot read what CORS does not let them, but they may send: uploads need no question beforehand. And a page
 * whose own name is made to stand for this machine (DNS rebinding) may even read. So nothing is changed for pages of other sites,
 * and a server for this machine alone answers to names of this machine only. Programs say nothing of the kind and notice nothing.
 *
 * @param origins of pages that may call the API; their hosts are names of this server as well, as behind a proxy.
 * @param isLocal whether the server listens on this machine only.
 */
export function refuseForeignPages(origins: readonly string[], isLocal: boolean) {
  const anyOrigin = origins.includes('*');
  const hosts = new Set(origins.flatMap((origin) => (URL.canParse(origin) ? [new URL(origin).hostname] : [])));
  return async (ctx: AppContext, next: Koa.Next): Promise<void> => {
    if (anyOrigin) return next();
    const name = hostNameOf(ctx.get('host'));
    if (isLocal && !isOfThisMachine(name) && !hosts.has(name)) {
      throw new EngineError(
        'FORBIDDEN',
        `Without authentication this server answers to names of this machine only, not to '${name.slice(0, 100)}'. Behind a proxy add https://${name.slice(0, 100)} to cors.origins, or tell callers apart with --auth.`,
      );
    }
    if (FOREIGN.has(ctx.get('sec-fetch-site')) && !READS.has(ctx.method) && !origins.includes(ctx.get('origin'))) {
      throw new EngineError(
        'FORBIDDEN',
        'Without authentication pages of other sites may not change anything here; add their origin to cors.origins if they should.',
      );
    }
    return next();
  };
}

/** What browsers call a request that a page of another site, or of another name below the same one, has made. */
const FOREIGN: ReadonlySet<string> = new Set(['cross-site', 'same-site']);

/** Addresses cannot be made to stand for something else. */
function isOfThisMachine(name: string): boolean {
  return name === '' || /^(?:.+\.)?localhost$/.test(name) || /^[\d.]+$/.test(name) || /^\[[\da-f:.]+\]$/.test(name);
}

function hostNameOf(host: string): string {
  return host.trim().toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');
}
