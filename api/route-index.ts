import { Router } from '@koa/router';
import type { ApiRouter, ApiState } from './request.ts';

/**
 * Makes a router look at those of its routes only whose first part below the prefix is the request's. By itself it tries one
 * expression after the other, over a hundred of them, which takes as long as everything else that koa does for a small request.
 * Call it when all routes are there.
 */
export function indexRoutes(router: ApiRouter): void {
  // Routes do not tell capital letters from small ones.
  const start = (router.opts.prefix?.length ?? 0) + 1;
  const firstPart = (path: string): string => {
    const end = path.indexOf('/', start);
    return (end === -1 ? path.slice(start) : path.slice(start, end)).toLowerCase();
  };
  const parts = new Map<string, ApiRouter>();
  for (const layer of router.stack) {
    const first = firstPart(String(layer.path));
    if (first.startsWith(':')) throw new Error(`The route ${String(layer.path)} begins with a parameter`);
    const part = parts.get(first) ?? new Router<ApiState>();
    part.stack.push(layer);
    parts.set(first, part);
  }
  const none = new Router<ApiState>();
  router.match = (path, method) => (parts.get(firstPart(path)) ?? none).match(path, method);
}
