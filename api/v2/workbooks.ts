import { definitionNotFound } from '../../engine/shell/definition-rules.ts';
import { WORKBOOKS } from '../../engine/store/collections.ts';
import { findDefinition } from '../../engine/store/definitions.ts';
import { answerList, items } from '../listing.ts';
import type { ListShape } from '../listing.ts';
import { checkQuery, missingArgument, param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter } from '../request.ts';
import { chosenFields, show, WORKBOOK } from '../resources.ts';
import type { Services } from '../services.ts';
import { namespaceOf, readUpload, validateDefinition } from './definition-requests.ts';

export const LIST: ListShape = {
  resource: WORKBOOK,
  collection: WORKBOOKS,
  filters: ['name', 'namespace', 'definition', 'scope', 'tags', 'project_id', 'created_at', 'updated_at'],
  defaultSort: 'created_at',
};

/** spec/rest-api.md §3.3 */
export function workbookRoutes(router: ApiRouter, services: Services): void {
  const { store, definitions } = services;
  router.get(
    '/workbooks',
    serve((request) => answerList(store, request, LIST)),
  );
  router.post('/workbooks/validate', serve(validateDefinition(services, 'workbook')));
  router.post(
    '/workbooks',
    serve(async (request) => {
      const { text, place } = await readUpload(request);
      const row = await definitions.createWorkbook(request.caller, text, place);
      return { status: 201, body: show(WORKBOOK.fields, row) };
    }),
  );
  router.put(
    '/workbooks',
    serve(async (request) => {
      const { text, place } = await readUpload(request);
      const row = await definitions.updateWorkbook(request.caller, text, place);
      return { status: 200, body: show(WORKBOOK.fields, row) };
    }),
  );
  router.put(
    '/workbooks/:namespace',
    serve(async (request) => {
      const { text, place } = await readUpload(request);
      const namespace = request.query.get('namespace') ?? param(request, 'namespace');
      const row = await definitions.updateWorkbook(request.caller, text, { ...place, namespace });
      return { status: 200, body: show(WORKBOOK.fields, row) };
    }),
  );
  router.delete('/workbooks', serve(missingArgument('name')));
  for (const path of ['/workbooks/:name', '/workbooks/:name/:namespace']) {
    router.get(
      path,
      serve(async (request) => {
        checkQuery(request, ['namespace', 'fields']);
        const fields = chosenFields(WORKBOOK, items(request, 'fields')) ?? WORKBOOK.fields;
        const name = param(request, 'name');
        const namespace = placeOf(request);
        const row = await findDefinition(store.reader, 'workbooks', request.caller, { name, namespace });
        if (row === undefined) throw definitionNotFound('workbooks', name, namespace);
        return { status: 200, body: show(fields, row) };
      }),
    );
    router.delete(
      path,
      serve(async (request) => {
        checkQuery(request, ['namespace']);
        await definitions.deleteWorkbook(request.caller, param(request, 'name'), placeOf(request));
        return { status: 204 };
      }),
    );
  }
}

function placeOf(request: ApiRequest): string {
  return request.params['namespace'] ?? namespaceOf(request);
}
