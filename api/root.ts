import { readFile } from 'node:fs/promises';
import { isJsonObject, parseJson } from '../dsl/json.ts';
import type { JsonObject } from '../dsl/json.ts';
import { badRequest } from './api-error.ts';
import { serve } from './request.ts';
import type { ApiRouter } from './request.ts';
import type { Metrics } from './metrics.ts';
import type { Services } from './services.ts';

/** What lies above the collections: spec/rest-api.md §3.1, §3.2. */
export function rootRoutes(router: ApiRouter, { infoFile, store }: Services, metrics: Metrics): void {
  router.get(
    '/',
    serve(async ({ base }) => ({
      status: 200,
      body: {
        versions: [{ id: 'v2.0', status: 'CURRENT', links: [{ href: `${base}/v2`, target: 'v2', rel: 'self' }] }],
      },
    })),
  );
  router.get(
    '/v2',
    serve(async ({ base }) => ({ status: 200, body: { uri: `${base}/v2` } })),
  );
  router.get(
    '/info',
    serve(async () => ({ status: 200, body: await readInfo(infoFile) })),
  );
  router.get(
    '/healthz',
    serve(async () => ({ status: 200, body: { status: 'ok' } })),
  );
  router.get(
    '/readyz',
    serve(async () => {
      await store.reader.raw('select 1');
      return { status: 200, body: { status: 'ok' } };
    }),
  );
  router.get(
    '/healthcheck',
    serve(async (request) => {
      const reasons = await store.reader.raw('select 1').then(
        () => [],
        (error: unknown) => [String(error instanceof Error ? error.message : error)],
      );
      const status = reasons.length === 0 ? 200 : 503;
      if (request.header('accept').includes('application/json')) {
        return { status, body: { detailed: false, reasons } };
      }
      return { status, text: { type: 'text/plain', text: '' } };
    }),
  );
  router.get(
    '/metrics',
    serve(async () => {
      const text = await metrics.text();
      return { status: 200, text: { type: metrics.contentType.split(';')[0] ?? 'text/plain', text } };
    }),
  );
}

async function readInfo(path: string | null): Promise<JsonObject> {
  if (path === null) throw badRequest('Info endpoint disabled.');
  const text = await readFile(path, 'utf8').catch(() => {
    throw badRequest('Incorrect path to info json file.');
  });
  const value = parseJson(text);
  if (!isJsonObject(value)) throw badRequest('The info file holds no JSON object.');
  return value;
}
