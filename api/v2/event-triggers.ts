import type { JsonObject } from '../../dsl/json.ts';
import { EngineError } from '../../engine/errors.ts';
import { eventTriggerNotFound } from '../../engine/shell/event-triggers.ts';
import type { EventTriggerPatch, NewEventTrigger } from '../../engine/shell/event-triggers.ts';
import { EVENT_TRIGGERS } from '../../engine/store/collections.ts';
import { normalUuid, notUuid } from '../../engine/store/filters.ts';
import { findEventTrigger } from '../../engine/store/triggers.ts';
import { badRequest } from '../api-error.ts';
import { nameAttribute, objectAttribute, readJson, textAttribute } from '../body.ts';
import type { BodyShape } from '../body.ts';
import { answerList, items } from '../listing.ts';
import type { ListShape } from '../listing.ts';
import { checkQuery, missingArgument, param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter } from '../request.ts';
import { chosenFields, EVENT_TRIGGER, show } from '../resources.ts';
import type { Services } from '../services.ts';
import { allProjects } from './workflows.ts';

export const LIST: ListShape = {
  resource: EVENT_TRIGGER,
  collection: EVENT_TRIGGERS,
  filters: EVENT_TRIGGER.fields.map(({ name }) => name),
  defaultSort: 'created_at',
  extras: ['all_projects'],
};

export const BODY: BodyShape = {
  argument: 'event_trigger',
  attributes: EVENT_TRIGGER.fields.map(({ name }) => name),
  readOnly: ['id', 'project_id', 'created_at', 'updated_at'],
};

const FIXED = ['exchange', 'topic', 'event'] as const;
const MAX_NAME = 200;
const MAX_WORD = 80;

/** spec/rest-api.md §3.11: event triggers are known by id only. */
export function eventTriggerRoutes(router: ApiRouter, services: Services): void {
  const { store, eventTriggers } = services;
  router.get(
    '/event_triggers',
    serve((request) => answerList(store, allProjects(request, 'event_triggers:list:all_projects'), LIST)),
  );
  router.post(
    '/event_triggers',
    serve(async (request) => {
      const wanted = triggerOf(await readJson(request, BODY));
      return { status: 201, body: show(EVENT_TRIGGER.fields, await eventTriggers.create(request.caller, wanted)) };
    }),
  );
  router.put('/event_triggers', serve(missingArgument('id')));
  router.delete('/event_triggers', serve(missingArgument('id')));
  router.get(
    '/event_triggers/:id',
    serve(async (request) => {
      checkQuery(request, ['fields']);
      const fields = chosenFields(EVENT_TRIGGER, items(request, 'fields')) ?? EVENT_TRIGGER.fields;
      const id = idOf(request);
      const row = await findEventTrigger(store.reader, request.caller, id);
      if (row === undefined) throw eventTriggerNotFound(id);
      return { status: 200, body: show(fields, row) };
    }),
  );
  router.put(
    '/event_triggers/:id',
    serve(async (request) => {
      const id = idOf(request);
      const patch = patchOf(await readJson(request, BODY));
      const row = await eventTriggers.update(request.caller, id, patch);
      return { status: 200, body: show(EVENT_TRIGGER.fields, row) };
    }),
  );
  router.delete(
    '/event_triggers/:id',
    serve(async (request) => {
      await eventTriggers.delete(request.caller, idOf(request));
      return { status: 204 };
    }),
  );
  publishRoute(router, services);
}

export const EVENT: BodyShape = {
  argument: 'event',
  attributes: ['id', 'exchange', 'topic', 'event', 'payload', 'publisher', 'timestamp', 'project_id'],
  readOnly: [],
};

/** Ours: the reference hears of events on a message bus only. */
function publishRoute(router: ApiRouter, { eventTriggers }: Services): void {
  router.post(
    '/events',
    serve(async (request) => {
      const body = await readJson(request, EVENT);
      const { caller } = request;
      const projectId = nameAttribute(body, 'project_id', MAX_WORD) ?? caller.projectId;
      if (projectId !== caller.projectId && !caller.isAdmin) {
        throw new EngineError(
          'FORBIDDEN',
          'Operation forbidden (insufficient permissions): only an administrator hands in events of other projects',
        );
      }
      const { exchange, topic, event } = wordsOf(body, 'publishing an event');
      const started = await eventTriggers.publish({
        id: nameAttribute(body, 'id'),
        exchange,
        topic,
        event,
        payload: body['payload'] ?? {},
        projectId,
        publisher: textAttribute(body, 'publisher', MAX_NAME),
        timestamp: textAttribute(body, 'timestamp', MAX_WORD),
        userId: null,
      });
      return {
        status: 201,
        body: {
          exchange,
          topic,
          event,
          executions: started.map((one) => ({ event_trigger_id: one.triggerId, execution_id: one.executionId })),
        },
      };
    }),
  );
}

function idOf(request: ApiRequest): string {
  const text = param(request, 'id');
  const id = normalUuid(text);
  if (id === null) throw notUuid('id', text);
  return id;
}

function triggerOf(body: JsonObject): NewEventTrigger {
  const workflowId = workflowIdOf(body);
  const words = wordsOf(body, 'creating event trigger', workflowId);
  return {
    ...words,
    name: nameAttribute(body, 'name', MAX_NAME),
    workflowId: workflowId ?? '',
    workflowInput: objectAttribute(body, 'workflow_input') ?? {},
    workflowParams: objectAttribute(body, 'workflow_params') ?? {},
    scope: textAttribute(body, 'scope') ?? 'private',
  };
}

function patchOf(body: JsonObject): EventTriggerPatch {
  if (FIXED.some((name) => (body[name] ?? '') !== '')) {
    throw badRequest("Can not update fields ['exchange', 'topic', 'event'] of event trigger.");
  }
  const name = nameAttribute(body, 'name', MAX_NAME);
  const workflowId = workflowIdOf(body);
  const workflowInput = objectAttribute(body, 'workflow_input');
  const workflowParams = objectAttribute(body, 'workflow_params');
  const scope = textAttribute(body, 'scope');
  return {
    ...(name === null ? {} : { name }),
    ...(workflowId === null ? {} : { workflowId }),
    ...(workflowInput === undefined ? {} : { workflowInput }),
    ...(workflowParams === undefined ? {} : { workflowParams }),
    ...(scope === null ? {} : { scope }),
  };
}

function workflowIdOf(body: JsonObject): string | null {
  const text = textAttribute(body, 'workflow_id');
  const id = text === null ? null : normalUuid(text);
  if (text !== null && id === null) throw notUuid('workflow_id', text);
  return id;
}

/** @param workflowId null is missing as well, undefined is not asked for. */
function wordsOf(
  body: JsonObject,
  what: string,
  workflowId?: string | null,
): { readonly exchange: string; readonly topic: string; readonly event: string } {
  const [exchange, topic, event] = FIXED.map((name) => nameAttribute(body, name, MAX_WORD));
  if (exchange && topic && event && workflowId !== null) return { exchange, topic, event };
  const wanted = [...FIXED, ...(workflowId === undefined ? [] : ['workflow_id'])].map((name) => `'${name}'`);
  throw badRequest(`Params {${wanted.join(', ')}} must be provided for ${what}.`);
}
