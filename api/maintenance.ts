import type { JsonObject } from '../dsl/json.ts';
import type { Maintenance, MaintenanceState } from '../engine/shell/maintenance.ts';
import { ApiError, invalidValue } from './api-error.ts';
import { readJson, textAttribute } from './body.ts';
import type { BodyShape } from './body.ts';
import { serve } from './request.ts';
import type { ApiRouter } from './request.ts';
import type { Services } from './services.ts';

export const BODY: BodyShape = { argument: 'maintenance', attributes: ['status'], readOnly: [] };

/** spec/rest-api.md §3.2 */
export function maintenanceRoutes(router: ApiRouter, { maintenance }: Services): void {
  router.get(
    '/maintenance',
    serve(async () => ({ status: 200, body: { status: await maintenance.status() } })),
  );
  router.put(
    '/maintenance',
    serve(async (request) => {
      const body = await readJson(request, BODY);
      const status = textAttribute(body, 'status');
      if (status !== 'PAUSED' && status !== 'RUNNING') {
        throw invalidValue('status', body['status'], 'It must be PAUSED, to pause everything, or RUNNING.');
      }
      return { status: 200, body: { status: await maintenance.change(status) } };
    }),
  );
}

/**
 * What changes something waits for the end of maintenance; see {@link checkCancel} for the one exception that needs the body.
 *
 * @param method none of {@link READS}, which need not wait for the answer.
 * @throws ApiError MAINTENANCE
 */
export async function refuseDuring(maintenance: Maintenance, method: string, path: string): Promise<void> {
  if (/^\/maintenance\/?$/.test(path)) return;
  const state = await maintenance.status();
  if (state !== 'RUNNING' && !isLetThrough(method, path, state)) throw inMaintenance(state);
}

/** Executions may be cancelled while everything is paused, and nothing else may be done to them. */
export async function checkCancel(maintenance: Maintenance, body: JsonObject): Promise<void> {
  const state = await maintenance.status();
  if (state !== 'RUNNING' && body['state'] !== 'CANCELLED') throw inMaintenance(state);
}

/** Methods that change nothing. */
export const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

function isLetThrough(method: string, path: string, state: MaintenanceState): boolean {
  if (method !== 'PUT') return false;
  return (
    /^\/v2\/executions\/[^/]+\/?$/.test(path) || (state === 'PAUSING' && path.startsWith('/v2/action_executions/'))
  );
}

function inMaintenance(state: MaintenanceState): ApiError {
  return new ApiError(
    'MAINTENANCE',
    `The server is in maintenance (${state}) and takes no changes; try again once GET /maintenance says RUNNING.`,
  );
}
