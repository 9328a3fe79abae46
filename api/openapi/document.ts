import type { Json, JsonObject } from '../../dsl/json.ts';
import { columnOf } from '../../engine/store/collections.ts';
import type { Field } from '../fields.ts';
import { LIST_PARAMETERS } from '../listing.ts';
import type { ListShape } from '../listing.ts';
import type { Resource } from '../resources.ts';
import type { Route } from '../routes.ts';
import { OPERATIONS } from './operations.ts';
import type { Operation } from './operations.ts';
import { SCHEMAS } from './schemas.ts';

/**
 * The API as OpenAPI 3.1, made of what the handlers check requests against and make replies of. Paths that only answer
 * that something is missing (`DELETE /v2/workflows`) are left out.
 */
export function openApiDocument(routes: readonly Route[], version: string): JsonObject {
  const paths: Record<string, Record<string, Json>> = {};
  for (const { method, path } of routes) {
    const operation = OPERATIONS[`${method} ${path}`];
    if (operation === undefined) continue;
    const name = path.replaceAll(/:(\w+)/g, '{$1}');
    paths[name] = { ...paths[name], [method.toLowerCase()]: describe(method, path, operation) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tramontane',
      version,
      description:
        'Workflow engine with the REST API v2 of OpenStack Mistral. Operations with "x-extension" are additions to it. Times are UTC, `YYYY-MM-DD HH:MM:SS`.',
    },
    tags: [...new Set(Object.keys(paths).map(tagOf))].map((name) => ({ name })),
    security: [{}, { token: [] }, { bearer: [] }],
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        token: { type: 'apiKey', in: 'header', name: 'X-Auth-Token' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
    },
  };
}

/** Routes that say what they take and give, with what they say. */
export function describedRoutes(routes: readonly Route[]): readonly (Route & { readonly operation: Operation })[] {
  return routes.flatMap((route) => {
    const operation = OPERATIONS[`${route.method} ${route.path}`];
    return operation === undefined ? [] : [{ ...route, operation }];
  });
}

export function statusOf(method: string, operation: Operation): number {
  return operation.status ?? (method === 'POST' ? 201 : method === 'DELETE' ? 204 : 200);
}

function describe(method: string, path: string, operation: Operation): JsonObject {
  const parameters = [...pathParameters(path), ...queryParameters(operation)];
  const body = bodyOf(operation);
  const security: JsonObject =
    path.startsWith('/v2/') || path === '/maintenance' || path === '/metrics' ? {} : { security: [] };
  return {
    operationId: `${method} ${path}`
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, ''),
    summary: operation.summary,
    tags: [tagOf(path)],
    ...(operation.ours === true ? { 'x-extension': true } : {}),
    ...security,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === null ? {} : { requestBody: body }),
    responses: {
      [String(statusOf(method, operation))]: { description: 'Done.', ...contentOf(operation) },
      default: { description: 'Refused or failed.', content: json(refusalSchema(operation)) },
    },
  };
}

function refusalSchema({ refusal }: Operation): JsonObject {
  const fault = { $ref: '#/components/schemas/Fault' };
  return refusal === undefined ? fault : { anyOf: [{ $ref: `#/components/schemas/${refusal}` }, fault] };
}

function tagOf(path: string): string {
  return path.startsWith('/v2/') ? (path.split('/')[2] ?? 'server') : 'server';
}

function pathParameters(path: string): readonly JsonObject[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', minLength: 1 },
  }));
}

function queryParameters({ list, query = [] }: Operation): readonly JsonObject[] {
  const names =
    list === undefined
      ? query
      : [
          ...LIST_PARAMETERS,
          ...list.filters,
          ...(list.extras ?? []),
          ...(list.nullable === undefined ? [] : ['nulls']),
          ...query,
        ];
  return [...new Set(names)].map((name) => ({
    name,
    in: 'query',
    schema: querySchema(name, list),
    ...(list !== undefined && list.filters.includes(name) ? { description: filterHelp(name, list) } : {}),
  }));
}

const QUERY_SCHEMAS: Readonly<Record<string, JsonObject>> = {
  limit: { type: 'integer', minimum: 1 },
  max_depth: { type: 'integer' },
  sort_keys: { type: 'string', description: 'Names of fields, separated by commas.' },
  sort_dirs: { type: 'string', description: 'asc or desc for each key, separated by commas.' },
  fields: { type: 'string', description: 'Names of fields to show, separated by commas; the id is always shown.' },
  marker: { type: 'string', description: 'The id of the last item of the page before.' },
  scope: { type: 'string', enum: ['private', 'public'] },
  problems: { type: 'boolean', description: 'Whether errors and warnings are wanted as data.' },
};

function querySchema(name: string, list: ListShape | undefined): JsonObject {
  if (list !== undefined && list.filters.includes(name)) return { type: 'string' };
  return QUERY_SCHEMAS[name] ?? { type: 'string' };
}

function filterHelp(name: string, list: ListShape): string {
  const type = columnOf(list.collection, name)?.type ?? 'text';
  if (type === 'json') return 'Keeps items with exactly this JSON object.';
  const operators = {
    text: 'eq neq gt gte lt lte in nin has',
    uuid: 'eq neq in nin',
    time: 'eq neq gt gte lt lte in nin',
    flag: 'eq neq',
    integer: 'eq neq gt gte lt lte in nin',
    tags: 'eq neq in nin has',
  }[type];
  return `Keeps items with this value, or <operator>:<value> with one of ${operators}.`;
}

function bodyOf({ body, required = [], text, reply }: Operation): JsonObject | null {
  if (text === 'bytes') {
    return {
      required: true,
      content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
    };
  }
  if (text !== undefined) {
    const schema = { type: 'string', minLength: 1, description: text === 'definition' ? 'YAML' : 'Source text' };
    return { required: true, content: { 'text/plain': { schema } } };
  }
  if (body === undefined) return null;
  const kinds = new Map(
    (reply !== undefined && 'fields' in reply ? reply.fields : []).map((field) => [field.name, field]),
  );
  const settable = body.attributes.filter((name) => !body.readOnly.includes(name));
  const properties = Object.fromEntries(settable.map((name) => [name, attributeSchema(name, kinds.get(name))]));
  return {
    required: true,
    content: json({
      type: 'object',
      properties,
      additionalProperties: false,
      ...(required.length === 0 ? {} : { required: [...required] }),
    }),
  };
}

/** JSON may come as such or as text; what has no meaning in a request is taken as anything. */
function attributeSchema(name: string, field: Field | undefined): JsonObject {
  if (OBJECTS.has(name))
    return { type: ['object', 'string', 'null'], description: 'An object, or text that holds one.' };
  if (ATTRIBUTES[name] !== undefined) return ATTRIBUTES[name];
  return field?.kind === 'plain' ? { type: ['string', 'null'] } : {};
}

const OBJECTS: ReadonlySet<string> = new Set([
  'input',
  'params',
  'variables',
  'workflow_input',
  'workflow_params',
  'env',
  'output',
]);

const ATTRIBUTES: Readonly<Record<string, JsonObject>> = {
  scope: { type: ['string', 'null'], enum: ['private', 'public', null] },
  remaining_executions: { type: ['integer', 'string', 'null'] },
  reset: { type: ['boolean', 'string', 'null'] },
  status: { type: 'string' },
};

function contentOf({ list, reply }: Operation): JsonObject {
  if (list !== undefined) return { content: json(pageSchema(list.resource)) };
  if (reply === undefined) return {};
  if ('media' in reply) return { content: { [reply.media]: { schema: { type: 'string' } } } };
  if ('schema' in reply) return { content: json({ $ref: `#/components/schemas/${reply.schema}` }) };
  if ('all' in reply) {
    return { content: json(object({ [reply.all.collection]: { type: 'array', items: itemSchema(reply.all) } })) };
  }
  return { content: json(itemSchema(reply)) };
}

/** `fields` may leave out any of them. */
function itemSchema(resource: Resource): JsonObject {
  const properties = Object.fromEntries(resource.fields.map((field) => [field.name, fieldSchema(field)]));
  return { type: 'object', properties, required: ['id'], additionalProperties: false };
}

function pageSchema(resource: Resource): JsonObject {
  return {
    type: 'object',
    properties: {
      [resource.collection]: { type: 'array', items: itemSchema(resource) },
      next: { type: 'string', description: 'The address of the next page; absent on the last one.' },
    },
    required: [resource.collection],
    additionalProperties: false,
  };
}

function fieldSchema({ kind }: Field): JsonObject {
  switch (kind) {
    case 'plain':
      return { type: ['string', 'null'] };
    case 'integer':
      return { type: ['integer', 'null'] };
    case 'time':
      // System actions have no times and show an empty text.
      return { type: ['string', 'null'], pattern: String.raw`^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)?$` };
    case 'json':
      return { type: ['string', 'null'], contentMediaType: 'application/json' };
    case 'data':
      return { type: 'object' };
    case 'list':
      return { type: ['array', 'null'], items: { type: 'string' } };
    case 'flag':
      return { type: ['boolean', 'null'] };
  }
}

function object(properties: JsonObject): JsonObject {
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
}

function json(schema: JsonObject): JsonObject {
  return { 'application/json': { schema } };
}
