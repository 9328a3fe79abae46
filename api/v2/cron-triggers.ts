import type { Json, JsonObject } from '../../dsl/json.ts';
import { cronTriggerNotFound } from '../../engine/shell/cron-triggers.ts';
import type { NewCronTrigger } from '../../engine/shell/cron-triggers.ts';
import { CRON_TRIGGERS } from '../../engine/store/collections.ts';
import { findCronTrigger } from '../../engine/store/triggers.ts';
import { badRequest, invalidValue } from '../api-error.ts';
import { nameAttribute, objectAttribute, readJson, textAttribute } from '../body.ts';
import type { BodyShape } from '../body.ts';
import { answerList, items } from '../listing.ts';
import type { ListShape } from '../listing.ts';
import { checkQuery, missingArgument, param, serve } from '../request.ts';
import type { ApiRouter } from '../request.ts';
import { chosenFields, CRON_TRIGGER, show } from '../resources.ts';
import type { Services } from '../services.ts';
import { allProjects } from './workflows.ts';

export const LIST: ListShape = {
  resource: CRON_TRIGGER,
  collection: CRON_TRIGGERS,
  filters: CRON_TRIGGER.fields.map(({ name }) => name).filter((name) => name !== 'id'),
  defaultSort: 'created_at',
  extras: ['all_projects'],
};

export const BODY: BodyShape = {
  argument: 'cron_trigger',
  attributes: CRON_TRIGGER.fields.map(({ name }) => name),
  readOnly: ['project_id'],
};

const MAX_NAME = 200;
const MAX_PATTERN = 100;
const MAX_COUNT = 2 ** 31 - 1;

/** spec/rest-api.md §3.10; there is no PUT. */
export function cronTriggerRoutes(router: ApiRouter, { store, cronTriggers }: Services): void {
  router.get(
    '/cron_triggers',
    serve((request) => answerList(store, allProjects(request, 'cron_triggers:list:all_projects'), LIST)),
  );
  router.post(
    '/cron_triggers',
    serve(async (request) => {
      const wanted = triggerOf(await readJson(request, BODY));
      return { status: 201, body: show(CRON_TRIGGER.fields, await cronTriggers.create(request.caller, wanted)) };
    }),
  );
  router.delete('/cron_triggers', serve(missingArgument('identifier')));
  router.get(
    '/cron_triggers/:identifier',
    serve(async (request) => {
      checkQuery(request, ['fields']);
      const fields = chosenFields(CRON_TRIGGER, items(request, 'fields')) ?? CRON_TRIGGER.fields;
      const identifier = param(request, 'identifier');
      const row = await findCronTrigger(store.reader, request.caller, identifier);
      if (row === undefined) throw cronTriggerNotFound(identifier);
      return { status: 200, body: show(fields, row) };
    }),
  );
  router.delete(
    '/cron_triggers/:identifier',
    serve(async (request) => {
      await cronTriggers.delete(request.caller, param(request, 'identifier'));
      return { status: 204 };
    }),
  );
}

/** What the attributes say; how they go together is the engine's to check. */
function triggerOf(body: JsonObject): NewCronTrigger {
  return {
    count: countOf(body['remaining_executions'] ?? null),
    firstTime: firstTimeOf(body['first_execution_time'] ?? null),
    name: nameAttribute(body, 'name', MAX_NAME),
    workflowId: nameAttribute(body, 'workflow_id'),
    workflowName: nameAttribute(body, 'workflow_name'),
    workflowInput: objectAttribute(body, 'workflow_input') ?? {},
    workflowParams: objectAttribute(body, 'workflow_params') ?? {},
    scope: textAttribute(body, 'scope') ?? 'private',
    pattern: patternOf(body),
  };
}

/** At least 1, also as text: clients send what people typed. */
function countOf(value: Json): number | null {
  if (value === null) return null;
  const count = typeof value === 'string' && /^\s*[+-]?\d{1,15}\s*$/.test(value) ? Number(value) : value;
  if (typeof count !== 'number' || !Number.isInteger(count)) {
    throw invalidValue('remaining_executions', value, 'It must be an integer, or null for no limit.');
  }
  if (count < 1) throw invalidValue('remaining_executions', value, 'Value should be greater or equal to 1.');
  if (count > MAX_COUNT) throw invalidValue('remaining_executions', value, `It must not be above ${MAX_COUNT}.`);
  return count;
}

/** `YYYY-MM-DD HH:MM` in UTC, as milliseconds since 1970. Clients send null for none; an empty text is no time. */
function firstTimeOf(value: Json): number | null {
  if (value === null) return null;
  if (typeof value !== 'string') throw invalidValue('first_execution_time', value, 'It must be a text.');
  const [, ...parts] = FIRST_TIME.exec(value) ?? [];
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0] = parts.map(Number);
  const time = new Date(0);
  time.setUTCFullYear(year, month - 1, day);
  time.setUTCHours(hour, minute);
  const isReal = parts.length === 5 && time.getUTCMonth() === month - 1 && time.getUTCDate() === day && year > 0;
  if (isReal && hour < 24 && minute < 60) return time.getTime();
  throw badRequest(`time data '${value}' does not match format '%Y-%m-%d %H:%M' (first_execution_time, in UTC)`);
}

const FIRST_TIME = /^(\d{4})-(\d{1,2})-(\d{1,2})\s+(\d{1,2}):(\d{1,2})$/;

function patternOf(body: JsonObject): string | null {
  const pattern = nameAttribute(body, 'pattern', Number.POSITIVE_INFINITY);
  if (pattern !== null && pattern.length > MAX_PATTERN) {
    throw badRequest(`The specified pattern is not valid: it is longer than ${MAX_PATTERN} characters`);
  }
  return pattern;
}
