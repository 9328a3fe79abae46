import { Router } from '@koa/router';
import { indexRoutes } from './route-index.ts';
import { maintenanceRoutes } from './maintenance.ts';
import type { Live } from './live.ts';
import { openApiRoutes } from './openapi/routes.ts';
import { serve } from './request.ts';
import type { ApiRouter, ApiState } from './request.ts';
import { rootRoutes } from './root.ts';
import type { Services } from './services.ts';
import { actionExecutionRoutes } from './v2/action-executions.ts';
import { actionRoutes } from './v2/actions.ts';
import { clusterRoutes } from './v2/clusters.ts';
import { codeSourceRoutes } from './v2/code-sources.ts';
import { cronTriggerRoutes } from './v2/cron-triggers.ts';
import { dynamicActionRoutes } from './v2/dynamic-actions.ts';
import { environmentRoutes } from './v2/environments.ts';
import { eventTriggerRoutes } from './v2/event-triggers.ts';
import { executionEventRoutes } from './v2/execution-events.ts';
import { executionRoutes } from './v2/executions.ts';
import { fileLinkRoutes, fileRoutes } from './v2/files.ts';
import { jobViewRoutes } from './v2/job-views.ts';
import { streamRoutes } from './v2/streams.ts';
import { taskRoutes } from './v2/tasks.ts';
import { workbookRoutes } from './v2/workbooks.ts';
import { workflowRoutes } from './v2/workflows.ts';

export interface Routers {
  /** What lies above the collections. */
  readonly root: ApiRouter;
  readonly v2: ApiRouter;
}

/** Every route of the API. */
export function createRouters(services: Services, { feed, metrics }: Live): Routers {
  const root: ApiRouter = new Router<ApiState>();
  rootRoutes(root, services, metrics);
  maintenanceRoutes(root, services);
  fileLinkRoutes(root, services);
  const v2: ApiRouter = new Router<ApiState>({ prefix: '/v2' });
  workbookRoutes(v2, services);
  workflowRoutes(v2, services);
  actionRoutes(v2, services);
  codeSourceRoutes(v2, services);
  dynamicActionRoutes(v2, services);
  executionRoutes(v2, services);
  executionEventRoutes(v2, services);
  taskRoutes(v2, services);
  actionExecutionRoutes(v2, services);
  environmentRoutes(v2, services);
  cronTriggerRoutes(v2, services);
  eventTriggerRoutes(v2, services);
  fileRoutes(v2, services);
  jobViewRoutes(v2, services);
  clusterRoutes(v2, services);
  streamRoutes(v2, services, feed);
  v2.get(
    '/services',
    serve(async () => ({
      status: 200,
      body: { services: (await services.processes()).map((service) => ({ ...service })) },
    })),
  );
  indexRoutes(v2);
  const routers = { root, v2 };
  openApiRoutes(root, () => routesOf(routers));
  return routers;
}

export interface Route {
  readonly method: string;
  /** As it was registered: parameters begin with a colon. */
  readonly path: string;
}

/** What the routers hold, so that tests and documents can forget none. */
export function routesOf({ root, v2 }: Routers): readonly Route[] {
  return [root, v2].flatMap((router) =>
    router.stack.flatMap((layer) =>
      layer.methods
        .filter((method) => method !== 'HEAD')
        .map((method) => ({ method, path: String(layer.path).replace(/(.)\/$/, '$1') })),
    ),
  );
}
