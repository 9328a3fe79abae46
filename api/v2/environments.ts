import type { JsonObject } from '../../dsl/json.ts';
import { checkScope } from '../../engine/shell/definition-rules.ts';
import { ENVIRONMENTS } from '../../engine/store/collections.ts';
import {
  createEnvironment,
  deleteEnvironment,
  environmentNotFound,
  findEnvironment,
  updateEnvironment,
} from '../../engine/store/environments.ts';
import type { EnvironmentPatch } from '../../engine/store/environments.ts';
import { badRequest } from '../api-error.ts';
import { nameAttribute, objectAttribute, readJson, textAttribute } from '../body.ts';
import type { BodyShape } from '../body.ts';
import { answerList, items } from '../listing.ts';
import type { ListShape } from '../listing.ts';
import { checkQuery, missingArgument, param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter, Reply } from '../request.ts';
import { chosenFields, ENVIRONMENT, show } from '../resources.ts';
import type { Services } from '../services.ts';

export const LIST: ListShape = {
  resource: ENVIRONMENT,
  collection: ENVIRONMENTS,
  filters: ['name', 'description', 'variables', 'scope', 'project_id', 'created_at', 'updated_at'],
  defaultSort: 'created_at',
};

export const BODY: BodyShape = {
  argument: 'env',
  attributes: ['name', 'description', 'variables', 'scope'],
  readOnly: ['project_id'],
};
const MAX_NAME = 200;

/** spec/rest-api.md §3.12: environments are known by name only. */
export function environmentRoutes(router: ApiRouter, { store }: Services): void {
  router.get(
    '/environments',
    serve((request) => answerList(store, request, LIST)),
  );
  router.post(
    '/environments',
    serve(async (request) => {
      const body = await readJson(request, BODY);
      const row = await createEnvironment(store, request.caller, requiredName(body), patchOf(request, body));
      return { status: 201, body: show(ENVIRONMENT.fields, row) };
    }),
  );
  const update = async (request: ApiRequest, inPath: string | null): Promise<Reply> => {
    const body = await readJson(request, BODY);
    const patch = patchOf(request, body);
    const row = await updateEnvironment(store, request.caller, inPath ?? requiredName(body), patch);
    return { status: 200, body: show(ENVIRONMENT.fields, row) };
  };
  router.put(
    '/environments',
    serve((request) => update(request, null)),
  );
  router.put(
    '/environments/:name',
    serve((request) => update(request, param(request, 'name'))),
  );
  router.delete('/environments', serve(missingArgument('name')));
  router.get(
    '/environments/:name',
    serve(async (request) => {
      checkQuery(request, ['fields']);
      const fields = chosenFields(ENVIRONMENT, items(request, 'fields')) ?? ENVIRONMENT.fields;
      const row = await findEnvironment(store.reader, request.caller, param(request, 'name'));
      if (row === undefined) throw environmentNotFound(param(request, 'name'));
      return { status: 200, body: show(fields, row) };
    }),
  );
  router.delete(
    '/environments/:name',
    serve(async (request) => {
      await deleteEnvironment(store, request.caller, param(request, 'name'));
      return { status: 204 };
    }),
  );
}

function requiredName(body: JsonObject): string {
  const name = nameAttribute(body, 'name', MAX_NAME);
  if (name === null) throw badRequest('Name of the environment is not provided.');
  return name;
}

function patchOf(request: ApiRequest, body: JsonObject): EnvironmentPatch {
  const variables = objectAttribute(body, 'variables');
  const scope = textAttribute(body, 'scope');
  if (scope !== null) checkScope(request.caller, scope);
  return {
    ...(Object.hasOwn(body, 'description') ? { description: textAttribute(body, 'description') } : {}),
    ...(variables === undefined ? {} : { variables }),
    ...(scope === null ? {} : { scope }),
  };
}
