import {
  addMember,
  answerMember,
  findMember,
  listMembers,
  MEMBER_STATUSES,
  removeMember,
} from '../../engine/store/members.ts';
import { normalUuid, notUuid } from '../../engine/store/filters.ts';
import { badRequest, invalidValue } from '../api-error.ts';
import { nameAttribute, readJson, textAttribute } from '../body.ts';
import type { BodyShape } from '../body.ts';
import { checkQuery, missingArgument, param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter, Handler } from '../request.ts';
import { MEMBER, show } from '../resources.ts';
import type { Services } from '../services.ts';

export const BODY: BodyShape = {
  argument: 'member_info',
  attributes: MEMBER.fields.map(({ name }) => name),
  readOnly: [],
};
// The width of the column.
const MAX_PROJECT = 80;

/** Sharing of workflows: spec/rest-api.md §3.4. It needs to know who is who, and so authentication. */
export function memberRoutes(router: ApiRouter, { store }: Services): void {
  const collection = '/workflows/:identifier/members';
  const item = `${collection}/:member`;
  router.get(
    collection,
    shared(async (request) => {
      checkQuery(request, []);
      const rows = await listMembers(store.reader, request.caller, workflowId(request));
      return { status: 200, body: { members: rows.map((row) => show(MEMBER.fields, row)) } };
    }),
  );
  router.post(
    collection,
    shared(async (request) => {
      const body = await readJson(request, BODY);
      const memberId = nameAttribute(body, 'member_id', MAX_PROJECT);
      if (memberId === null) throw badRequest('Member id must be provided.');
      const row = await addMember(store, request.caller, workflowId(request), memberId);
      return { status: 201, body: show(MEMBER.fields, row) };
    }),
  );
  router.put(collection, shared(missingArgument('member_id')));
  router.delete(collection, shared(missingArgument('member_id')));
  router.get(
    item,
    shared(async (request) => {
      checkQuery(request, []);
      const row = await findMember(store.reader, request.caller, workflowId(request), param(request, 'member'));
      return { status: 200, body: show(MEMBER.fields, row) };
    }),
  );
  router.put(
    item,
    shared(async (request) => {
      const given = textAttribute(await readJson(request, BODY), 'status');
      if (given === null) throw badRequest('Status must be provided.');
      const status = MEMBER_STATUSES.find((known) => known === given);
      if (status === undefined) throw invalidValue('status', given, `It must be one of: ${MEMBER_STATUSES.join(', ')}`);
      const row = await answerMember(store, request.caller, workflowId(request), param(request, 'member'), status);
      return { status: 200, body: show(MEMBER.fields, row) };
    }),
  );
  router.delete(
    item,
    shared(async (request) => {
      await removeMember(store, request.caller, workflowId(request), param(request, 'member'));
      return { status: 204 };
    }),
  );
}

function shared(handler: Handler): ReturnType<typeof serve> {
  return serve(async (request) => {
    if (request.authenticates) return handler(request);
    throw badRequest('Resource sharing feature can only be supported with authentication enabled.');
  });
}

function workflowId(request: ApiRequest): string {
  const given = param(request, 'identifier');
  const id = normalUuid(given);
  if (id === null) throw notUuid('resource_id', given);
  return id;
}
