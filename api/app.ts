import type { IncomingMessage } from 'node:http';
import Koa from 'koa';
import type { Logger } from '../engine/log.ts';
import type { Maintenance } from '../engine/shell/maintenance.ts';
import { ApiError, badRequest } from './api-error.ts';
import type { Access } from './auth/index.ts';
import { cors } from './cors.ts';
import { READS, refuseDuring } from './maintenance.ts';
import { patient } from './patience.ts';
import { fault, faultOf } from './errors.ts';
import { refuseForeignPages } from './foreign-pages.ts';
import type { Fault } from './errors.ts';
import type { ApiRouter, ApiState } from './request.ts';
import { linger } from './linger.ts';
import { createLive } from './live.ts';
import type { Live } from './live.ts';
import type { Metrics } from './metrics.ts';
import { createRouters } from './routes.ts';
import type { Services } from './services.ts';

export interface AppOptions {
  readonly log: Logger;
  /** Who calls, and what he may do. */
  readonly access: Access;
  /** How long a request waits for the engine to decide; by default a minute, as the reference does. */
  readonly engineMilliseconds?: number;
  /** What followers of the event log and of the figures are told; by default of this app alone. */
  readonly live?: Live;
  /** Whether only this machine can reach the server: then it shows its figures to everybody. */
  readonly isLocal?: boolean;
  /** Origins of pages that may call the API. */
  readonly corsOrigins?: readonly string[];
}

/** The HTTP side of a node. Middleware from the outside in: errors, paths, caller, routes. */
export function createApp(given: Services, options: AppOptions): Koa<ApiState> {
  const engine = patient(given.engine, options.engineMilliseconds ?? 60_000);
  const live = options.live ?? createLive(given.store, options.log);
  const { root, v2 } = createRouters({ ...given, engine }, live);

  const app = new Koa<ApiState>();
  app.use(measure(live.metrics));
  app.use(linger);
  app.use(answerErrors(options.log));
  const origins = options.corsOrigins ?? [];
  if (origins.length > 0) app.use(cors(origins));
  if (!options.access.authenticates) app.use(refuseForeignPages(origins, options.isLocal ?? false));
  app.use(admit(options.access, options.isLocal ?? false, given.maintenance));
  app.use(refuseHead(v2, root));
  for (const router of [v2, root]) {
    app.use(router.routes());
    app.use(router.allowedMethods());
  }
  // Broken connections and the like, after the answer has begun.
  app.on('error', (error: unknown) => {
    if (isBrokenConnection(error)) options.log.debug('A client left before its answer.', { error });
    else options.log.warn('A reply could not be sent.', { error });
  });
  return app;
}

/** What a client's leaving looks like from here: nothing of the server has failed. */
function isBrokenConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'AbortError' || ('code' in error && BROKEN.has(String(error.code)));
}

const BROKEN: ReadonlySet<string> = new Set([
  'ECONNABORTED',
  'ECONNRESET',
  'EPIPE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_WRITE_AFTER_END',
]);

type AppContext = Koa.ParameterizedContext<ApiState>;

/** Streams count from their beginning to their end. */
function measure(metrics: Metrics) {
  return async (ctx: AppContext, next: Koa.Next): Promise<void> => {
    const start = performance.now();
    ctx.res.once('close', () => {
      const { _matchedRoute: route } = ctx as { readonly _matchedRoute?: unknown };
      const name = typeof route === 'string' ? route : 'none';
      metrics.observe(ctx.method, name, ctx.res.statusCode, (performance.now() - start) / 1000);
    });
    await next();
  };
}

/** Every answer that is not a success is JSON with `faultstring`, also those of the router. */
function answerErrors(log: Logger) {
  return async (ctx: AppContext, next: Koa.Next): Promise<void> => {
    try {
      toOriginForm(ctx.req);
      await next();
      if (ctx.status === 404 && ctx.body === undefined) sendFault(ctx, fault(404, `There is nothing at ${ctx.path}`));
      else if (ctx.status === 405 || ctx.status === 501)
        sendFault(ctx, fault(405, `The method ${ctx.method} is not allowed for ${ctx.path}`));
    } catch (error) {
      const found = faultOf(error);
      if (found.status >= 500) {
        const about = { method: ctx.method, path: ctx.path, error };
        if (ctx.res.destroyed && isBrokenConnection(error)) log.debug('A client left before its answer.', about);
        else log.error('A request failed.', about);
      }
      sendFault(ctx, found);
    }
  };
}

function sendFault(ctx: AppContext, { status, headers, body }: Fault): void {
  // A stream that broke off has told its status long ago.
  if (ctx.headerSent) return;
  ctx.status = status;
  ctx.set(headers);
  ctx.body = body;
}

/**
 * Proxies name the whole address, which servers have to take (RFC 9112 §3.2.2). Only the path and the query count here; what has
 * none would make every reader of the path fail.
 */
function toOriginForm(request: IncomingMessage): void {
  const target = request.url ?? '';
  if (target.startsWith('/')) return;
  request.url = '/';
  if (target === '*' && request.method === 'OPTIONS') return;
  const address = URL.canParse(target) ? new URL(target) : null;
  if (address === null || !/^https?:$/.test(address.protocol))
    throw badRequest('The address of the request is neither a path nor http://HOST/PATH.');
  request.url = `${address.pathname}${address.search}`;
}

/** What anybody may read, with or without a token (spec/rest-api.md §2.10). */
const OPEN_PATHS: ReadonlySet<string> = new Set([
  '',
  '/v2',
  '/info',
  '/healthz',
  '/readyz',
  '/healthcheck',
  '/openapi.json',
  '/docs',
]);

/**
 * Who calls, before anything else is looked at, so that nobody learns by a 404 or 405 what there is; then what maintenance refuses.
 * One layer for both, since each costs every request a little.
 */
function admit(access: Access, openMetrics: boolean, maintenance: Maintenance) {
  return async (ctx: AppContext, next: Koa.Next): Promise<void> => {
    // Repeated slashes count as one: clients are configured with addresses that end in one.
    if (ctx.path.includes('//')) ctx.path = ctx.path.replaceAll(/\/{2,}/g, '/');
    const { method, path } = ctx;
    ctx.state.access = access;
    if (method !== 'OPTIONS' && !isOpen(path, openMetrics)) {
      const found = access.authenticator.identify((name) => ctx.get(name));
      ctx.state.identity = found instanceof Promise ? await found : found;
    }
    if (!READS.has(method)) await refuseDuring(maintenance, method, path);
    return next();
  };
}

function isOpen(path: string, openMetrics: boolean): boolean {
  const plain = path.endsWith('/') ? path.slice(0, -1) : path;
  return OPEN_PATHS.has(plain) || plain.startsWith('/file_links/') || (openMetrics && plain === '/metrics');
}

/** The router would answer HEAD like GET; the API has it only for files, whose uploads are asked for how far they are. */
function refuseHead(...routers: readonly ApiRouter[]) {
  return async (ctx: AppContext, next: Koa.Next): Promise<void> => {
    if (ctx.method !== 'HEAD' || /^\/v2\/files\/[^/]+\/?$/.test(ctx.path)) return next();
    const methods = routers.flatMap((router) => router.match(ctx.path, 'GET').path.flatMap((layer) => layer.methods));
    const allowed = [...new Set(methods)].filter((method) => method !== 'HEAD');
    if (allowed.length === 0) return next();
    throw new ApiError('METHOD_NOT_ALLOWED', `The method HEAD is not allowed for ${ctx.path}`, {
      Allow: allowed.join(', '),
    });
  };
}
