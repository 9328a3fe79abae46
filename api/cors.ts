import type Koa from 'koa';
import type { ApiState } from './request.ts';

type AppContext = Koa.ParameterizedContext<ApiState>;

/** Lets pages of other origins call the API: spec/rest-api.md §2.11. Without origins nothing is added. */
export function cors(origins: readonly string[]) {
  const anyOrigin = origins.includes('*');
  return async (ctx: AppContext, next: Koa.Next): Promise<void> => {
    if (origins.length === 0) return next();
    ctx.vary('Origin');
    const origin = ctx.get('origin');
    if (origin === '' || !(anyOrigin || origins.includes(origin))) return next();
    ctx.set('Access-Control-Allow-Origin', origin);
    const method = ctx.get('access-control-request-method').toUpperCase();
    if (ctx.method !== 'OPTIONS' || method === '') {
      ctx.set('Access-Control-Expose-Headers', EXPOSED);
      return next();
    }
    if (METHODS.has(method)) ctx.set('Access-Control-Allow-Methods', method);
    const wanted = ctx.get('access-control-request-headers').split(',');
    const allowed = wanted.map((name) => name.trim()).filter((name) => HEADERS.has(name.toLowerCase()));
    if (allowed.length > 0) ctx.set('Access-Control-Allow-Headers', allowed.join(','));
    ctx.set('Access-Control-Max-Age', '3600');
    ctx.status = 200;
    ctx.body = '';
  };
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'PUT', 'POST', 'DELETE', 'PATCH']);

const HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'accept-language',
  'authorization',
  'cache-control',
  'content-language',
  'content-type',
  'expires',
  'last-event-id',
  'last-modified',
  'pragma',
  'x-auth-token',
  'x-identity-status',
  'x-project-id',
  'x-project-name',
  'x-roles',
  'x-service-catalog',
  'x-tenant-id',
  'x-user-id',
  'x-user-name',
]);

const EXPOSED = 'X-Auth-Token,X-Subject-Token,X-Service-Token,X-Project-Id,X-User-Name,X-Project-Name';
