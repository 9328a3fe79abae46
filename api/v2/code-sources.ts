import { checkScope } from '../../engine/shell/definition-rules.ts';
import { codeRowNotFound } from '../../engine/store/code-rows.ts';
import { CODE_SOURCES } from '../../engine/store/collections.ts';
import {
  createCodeSource,
  deleteCodeSource,
  findCodeSource,
  updateCodeSource,
} from '../../engine/store/code-sources.ts';
import { isStorableText } from '../../engine/store/columns.ts';
import type { Scope } from '../../engine/store/definitions.ts';
import { badRequest, invalidValue } from '../api-error.ts';
import { answerList, items } from '../listing.ts';
import type { ListShape } from '../listing.ts';
import { checkQuery, missingArgument, param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter, Reply } from '../request.ts';
import { chosenFields, CODE_SOURCE, show } from '../resources.ts';
import type { Services } from '../services.ts';
import { namespaceOf } from './definition-requests.ts';

export const LIST: ListShape = {
  resource: CODE_SOURCE,
  collection: CODE_SOURCES,
  filters: ['name', 'namespace', 'tags', 'scope', 'project_id', 'created_at', 'updated_at'],
  defaultSort: 'created_at',
  extras: ['all_projects'],
};
const MAX_NAME = 255;

/** spec/rest-api.md §3.13: by default for administrators only (api/auth/policy-rules.ts), because the code runs in executors. */
export function codeSourceRoutes(router: ApiRouter, { store, modules }: Services): void {
  router.get(
    '/code_sources',
    serve((request) => answerList(store, request, LIST)),
  );
  router.post(
    '/code_sources',
    serve(async (request) => {
      const name = nameParameter(request);
      const fields = await readSource(request);
      await modules?.describe(name, fields.content);
      const key = { name, namespace: namespaceOf(request) };
      const row = await createCodeSource(store, request.caller, key, fields);
      return { status: 201, body: show(CODE_SOURCE.fields, row) };
    }),
  );
  const update = async (request: ApiRequest, identifier: string): Promise<Reply> => {
    const fields = await readSource(request);
    const namespace = namespaceOf(request);
    const found = await findCodeSource(store.reader, request.caller, identifier, namespace);
    if (found === undefined) throw codeRowNotFound('code_sources', identifier, namespace);
    const description = (await modules?.describe(found.name, fields.content)) ?? null;
    const row = await updateCodeSource(store, request.caller, found.id, namespace, fields, description);
    return { status: 200, body: show(CODE_SOURCE.fields, row) };
  };
  router.put(
    '/code_sources',
    serve((request) => {
      const identifier = request.query.get('identifier') ?? '';
      return identifier === '' ? missingArgument('identifier')(request) : update(request, identifier);
    }),
  );
  router.put(
    '/code_sources/:identifier',
    serve((request) => update(request, param(request, 'identifier'))),
  );
  router.delete('/code_sources', serve(missingArgument('identifier')));
  router.get(
    '/code_sources/:identifier',
    serve(async (request) => {
      checkQuery(request, ['namespace', 'fields']);
      const fields = chosenFields(CODE_SOURCE, items(request, 'fields')) ?? CODE_SOURCE.fields;
      const [identifier, namespace] = [param(request, 'identifier'), namespaceOf(request)];
      const row = await findCodeSource(store.reader, request.caller, identifier, namespace);
      if (row === undefined) throw codeRowNotFound('code_sources', identifier, namespace);
      return { status: 200, body: show(fields, row) };
    }),
  );
  router.delete(
    '/code_sources/:identifier',
    serve(async (request) => {
      checkQuery(request, ['namespace']);
      await deleteCodeSource(store, request.caller, param(request, 'identifier'), namespaceOf(request));
      return { status: 204 };
    }),
  );
}

function nameParameter(request: ApiRequest): string {
  const name = request.query.get('name') ?? '';
  if (name === '') throw badRequest('Missing argument: "name"');
  if (name.length > MAX_NAME) throw invalidValue('name', name, `It must not be longer than ${MAX_NAME} characters.`);
  if (!isStorableText(name)) throw invalidValue('name', name, 'It must be Unicode text without the character U+0000.');
  return name;
}

async function readSource(request: ApiRequest): Promise<{ readonly content: string; readonly scope: Scope }> {
  const scope = request.query.get('scope') || 'private';
  checkScope(request.caller, scope);
  return { content: await request.text(), scope };
}
