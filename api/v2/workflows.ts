import { definitionNotFound } from '../../engine/shell/definition-rules.ts';
import { WORKFLOWS } from '../../engine/store/collections.ts';
import { findDefinition, findDefinitionById } from '../../engine/store/definitions.ts';
import type { WorkflowRow } from '../../engine/store/definitions.ts';
import { normalUuid } from '../../engine/store/filters.ts';
import { answerList, flagParameter, items } from '../listing.ts';
import type { ListShape } from '../listing.ts';
import { checkQuery, missingArgument, param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter } from '../request.ts';
import { CHANGED_WORKFLOW, chosenFields, show, WORKFLOW } from '../resources.ts';
import type { Services } from '../services.ts';
import { namespaceOf, readUpload, validateDefinition } from './definition-requests.ts';
import { memberRoutes } from './members.ts';
import { workflowGraph } from './workflow-graph.ts';

export const LIST: ListShape = {
  resource: WORKFLOW,
  collection: WORKFLOWS,
  filters: ['name', 'namespace', 'input', 'definition', 'tags', 'scope', 'project_id', 'created_at', 'updated_at'],
  defaultSort: 'created_at',
  extras: ['all_projects'],
};

/** spec/rest-api.md §3.4 */
export function workflowRoutes(router: ApiRouter, services: Services): void {
  const { store, definitions } = services;
  router.get(
    '/workflows',
    serve(async (request) => answerList(store, allProjects(request, 'workflows:list:all_projects'), LIST)),
  );
  router.post('/workflows/validate', serve(validateDefinition(services, 'workflow')));
  router.post(
    '/workflows',
    serve(async (request) => {
      const { text, place } = await readUpload(request);
      return { status: 201, body: changed(await definitions.createWorkflows(request.caller, text, place)) };
    }),
  );
  router.put(
    '/workflows',
    serve(async (request) => {
      const { text, place } = await readUpload(request);
      return { status: 200, body: changed(await definitions.updateWorkflows(request.caller, text, place)) };
    }),
  );
  router.delete('/workflows', serve(missingArgument('identifier')));
  memberRoutes(router, services);
  router.get(
    '/workflows/:identifier',
    serve(async (request) => {
      checkQuery(request, ['namespace', 'fields']);
      const fields = chosenFields(WORKFLOW, items(request, 'fields')) ?? WORKFLOW.fields;
      return { status: 200, body: show(fields, await findWorkflow(services, request)) };
    }),
  );
  router.get(
    '/workflows/:identifier/graph',
    serve(async (request) => workflowGraph(services, await findWorkflow(services, request), request)),
  );
  // One workflow, and so the answer is no list.
  router.put(
    '/workflows/:identifier',
    serve(async (request) => {
      const { text, place } = await readUpload(request);
      const [row] = await definitions.updateWorkflows(request.caller, text, place, param(request, 'identifier'));
      return { status: 200, body: show(CHANGED_WORKFLOW.fields, row ?? {}) };
    }),
  );
  router.delete(
    '/workflows/:identifier',
    serve(async (request) => {
      checkQuery(request, ['namespace']);
      await definitions.deleteWorkflow(request.caller, param(request, 'identifier'), namespaceOf(request));
      return { status: 204 };
    }),
  );
}

/** Rows of all projects are for administrators; they see them anyway. Whom a policy lets sees them when he asks for them. */
export function allProjects(request: ApiRequest, rule: string): ApiRequest {
  if (!flagParameter(request, 'all_projects')) return request;
  request.authorize(rule);
  return request.withCaller({ isAdmin: true });
}

async function findWorkflow({ store }: Services, request: ApiRequest): Promise<WorkflowRow> {
  const identifier = param(request, 'identifier');
  const namespace = namespaceOf(request);
  const id = normalUuid(identifier);
  const row =
    id === null
      ? await findDefinition(store.reader, 'workflows', request.caller, { name: identifier, namespace })
      : await findDefinitionById(store.reader, 'workflows', request.caller, id);
  if (row === undefined) throw definitionNotFound('workflows', identifier, namespace);
  return row;
}

function changed(rows: readonly WorkflowRow[]): { workflows: ReturnType<typeof show>[] } {
  return { workflows: rows.map((row) => show(CHANGED_WORKFLOW.fields, row)) };
}
