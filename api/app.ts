import { Router } from '@koa/router';
import Koa from 'koa';
import type { Logger } from '../engine/log.ts';
import { ApiError } from './api-error.ts';
import { anonymousCaller } from './caller.ts';
import { patient } from './patience.ts';
import type { AnonymousAccess } from './caller.ts';
import { fault, faultOf } from './errors.ts';
import type { Fault } from './errors.ts';
import { serve } from './request.ts';
import type { ApiRouter, ApiState } from './request.ts';
import { rootRoutes } from './root.ts';
import type { Services } from './services.ts';
import { actionExecutionRoutes } from './v2/action-executions.ts';
import { actionRoutes } from './v2/actions.ts';
import { codeSourceRoutes } from './v2/code-sources.ts';
import { dynamicActionRoutes } from './v2/dynamic-actions.ts';
import { environmentRoutes } from './v2/environments.ts';
import { executionRoutes } from './v2/executions.ts';
import { taskRoutes } from './v2/tasks.ts';
import { workbookRoutes } from './v2/workbooks.ts';
import { workflowRoutes } from './v2/workflows.ts';

export interface AppOptions extends AnonymousAccess {
  readonly log: Logger;
  /** How long a request waits for the engine to decide; by default a minute, as the reference does. */
  readonly engineMilliseconds?: number;
}

/** The HTTP side of a node. Middleware from the outside in: errors, paths, caller, routes. */
export function createApp(given: Services, options: AppOptions): Koa<ApiState> {
  const services = { ...given, engine: patient(given.engine, options.engineMilliseconds ?? 60_000) };
  const root: ApiRouter = new Router<ApiState>();
  rootRoutes(root, services);
  const v2: ApiRouter = new Router<ApiState>({ prefix: '/v2' });
  workbookRoutes(v2, services);
  workflowRoutes(v2, services);
  actionRoutes(v2, services);
  codeSourceRoutes(v2, services);
  dynamicActionRoutes(v2, services);
  executionRoutes(v2, services);
  taskRoutes(v2, services);
  actionExecutionRoutes(v2, services);
  environmentRoutes(v2, services);
  v2.get(
    '/services',
    serve(async () => ({ status: 200, body: { services: [...services.processes()] } })),
  );

  const app = new Koa<ApiState>();
  app.use(answerErrors(options.log));
  app.use(tidyPath);
  app.use(async (ctx, next) => {
    ctx.state.caller = anonymousCaller(ctx.get('x-roles'), options);
    await next();
  });
  app.use(refuseHead(v2, root));
  for (const router of [v2, root]) {
    app.use(router.routes());
    app.use(router.allowedMethods());
  }
  // Broken connections and the like, after the answer has begun.
  app.on('error', (error: unknown) => options.log.warn('A reply could not be sent.', { error }));
  return app;
}

type AppContext = Koa.ParameterizedContext<ApiState>;

/** Every answer that is not a success is JSON with `faultstring`, also those of the router. */
function answerErrors(log: Logger) {
  return async (ctx: AppContext, next: Koa.Next): Promise<void> => {
    try {
      await next();
      if (ctx.status === 404 && ctx.body === undefined) sendFault(ctx, fault(404, `There is nothing at ${ctx.path}`));
      else if (ctx.status === 405 || ctx.status === 501)
        sendFault(ctx, fault(405, `The method ${ctx.method} is not allowed for ${ctx.path}`));
    } catch (error) {
      const found = faultOf(error);
      if (found.status >= 500) log.error('A request failed.', { method: ctx.method, path: ctx.path, error });
      sendFault(ctx, found);
    }
  };
}

function sendFault(ctx: AppContext, { status, headers, body }: Fault): void {
  ctx.status = status;
  ctx.set(headers);
  ctx.body = body;
}

/** Repeated slashes count as one: clients are configured with addresses that end in one. */
function tidyPath(ctx: AppContext, next: Koa.Next): Promise<void> {
  if (ctx.path.includes('//')) ctx.path = ctx.path.replaceAll(/\/{2,}/g, '/');
  return next();
}

/** The router would answer HEAD like GET; the API does not have it. */
function refuseHead(...routers: readonly ApiRouter[]) {
  return async (ctx: AppContext, next: Koa.Next): Promise<void> => {
    if (ctx.method !== 'HEAD') return next();
    const methods = routers.flatMap((router) => router.match(ctx.path, 'GET').path.flatMap((layer) => layer.methods));
    const allowed = [...new Set(methods)].filter((method) => method !== 'HEAD');
    if (allowed.length === 0) return next();
    throw new ApiError('METHOD_NOT_ALLOWED', `The method HEAD is not allowed for ${ctx.path}`, {
      Allow: allowed.join(', '),
    });
  };
}
