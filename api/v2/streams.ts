import { readEventLog, readEventsOf } from '../../engine/store/event-log.ts';
import type { EventLogRow, LoggedChange } from '../../engine/store/event-log.ts';
import type { Json } from '../../dsl/json.ts';
import { EngineError } from '../../engine/errors.ts';
import { badRequest } from '../api-error.ts';
import type { EventFeed } from '../events/feed.ts';
import { parseLastEvent, streamEvents } from '../events/stream.ts';
import type { LastEvent } from '../events/stream.ts';
import { formatTime } from '../fields.ts';
import { items } from '../listing.ts';
import { checkQuery, serve } from '../request.ts';
import type { ApiRequest, ApiRouter } from '../request.ts';
import type { Services } from '../services.ts';
import { EXECUTIONS } from '../../engine/store/collections.ts';
import { findVisibleRow } from '../../engine/store/lists.ts';
import type { ExecutionRow } from '../../engine/store/tables.ts';
import { findExecution } from './rows.ts';

const TYPES = ['execution', 'task', 'action', 'child', 'cluster'] as const;
const FINAL: ReadonlySet<string> = new Set(['SUCCESS', 'ERROR', 'CANCELLED']);
const MOST_AT_ONCE = 500;

// Each costs some ten kilobytes.
const MOST_STREAMS = 5000;

/** Changes of state as they happen, as server-sent events: an addition to the reference's API. */
export function streamRoutes(router: ApiRouter, services: Services, feed: EventFeed): void {
  const { store } = services;
  router.get(
    '/executions/:id/stream',
    serve(async (request) => {
      checkQuery(request, ['types', 'last_event_id']);
      checkRoom(feed);
      const types = typesOf(request);
      const last = lastEventOf(request);
      const { id, state, project_id: projectId, created_at: createdAt } = await findExecution(services, request);
      return {
        status: 200,
        stream: (response) =>
          streamEvents(feed, response, {
            last,
            // Another one may be given the same id once this one is deleted, by somebody else, too.
            mayGoOn: async () => {
              if (!(await request.isStillGood())) return false;
              const now = await findVisibleRow<ExecutionRow>(store.reader, request.caller, EXECUTIONS, id);
              return now !== undefined && now.created_at === createdAt;
            },
            show: (row, change) =>
              row.executionId === id && row.projectId === projectId && types.has(change.kind)
                ? shown(row, change)
                : null,
            isEnd: (row) => row.executionId === id && FINAL.has(stateAfter(row) ?? ''),
            history: async (send) => {
              let now: string = state;
              await inPages(
                last?.seq ?? 0,
                (from) => readEventsOf(store.reader, id, from, MOST_AT_ONCE),
                async (rows) => {
                  now = rows.map(stateAfter).findLast((after) => after !== null) ?? now;
                  await send(rows);
                },
              );
              return FINAL.has(now);
            },
          }),
      };
    }),
  );
  router.get(
    '/events',
    serve(async (request) => {
      checkQuery(request, ['types', 'workflow_name', 'last_event_id']);
      checkRoom(feed);
      const types = typesOf(request);
      const last = lastEventOf(request);
      const { caller } = request;
      const workflow = request.query.get('workflow_name') ?? null;
      return {
        status: 200,
        stream: (response) =>
          streamEvents(feed, response, {
            last,
            mayGoOn: () => request.isStillGood(),
            ...(last === null
              ? {}
              : {
                  history: async (send) => {
                    const read = (from: number) => readEventLog(store.reader, from - 1, MOST_AT_ONCE);
                    await inPages(last.seq, read, send);
                    return false;
                  },
                }),
            show: (row, change) =>
              row.projectId !== null &&
              (caller.isAdmin || row.projectId === caller.projectId) &&
              (workflow === null || row.workflowName === workflow) &&
              types.has(change.kind)
                ? shown(row, change)
                : null,
          }),
      };
    }),
  );
}

function checkRoom(feed: EventFeed): void {
  if (feed.size < MOST_STREAMS) return;
  throw new EngineError('UNAVAILABLE', `This process serves ${MOST_STREAMS} event streams already; try again later.`);
}

function shown(row: EventLogRow, change: LoggedChange): { event: string; data: Json } {
  return {
    event: change.kind,
    data: {
      id: change.id,
      state: change.state,
      ...(change.name === null ? {} : { name: change.name }),
      execution_id: row.executionId,
      workflow_name: row.workflowName,
      at: formatTime(row.at),
    },
  };
}

/** The state of the entry's own execution after it; null when it does not change. */
function stateAfter(row: EventLogRow): string | null {
  return row.changes.findLast(({ kind, id }) => kind === 'execution' && id === row.executionId)?.state ?? null;
}

async function inPages(
  from: number,
  read: (from: number) => Promise<readonly EventLogRow[]>,
  use: (rows: readonly EventLogRow[]) => Promise<void>,
): Promise<void> {
  for (let next = from; ; ) {
    const rows = await read(next);
    await use(rows);
    const end = rows.at(-1);
    if (rows.length < MOST_AT_ONCE || end === undefined) return;
    next = end.seq + 1;
  }
}

function typesOf(request: ApiRequest): ReadonlySet<string> {
  const given = items(request, 'types');
  const unknown = given.find((type) => !TYPES.some((known) => known === type));
  if (unknown !== undefined) throw badRequest(`Unknown type '${unknown}' of events; there are: ${TYPES.join(', ')}`);
  return new Set(given.length === 0 ? TYPES : given);
}

/** A browser sends a header when it comes back; others may use the query. */
function lastEventOf(request: ApiRequest): LastEvent | null {
  const text = request.header('last-event-id') || request.query.get('last_event_id') || '';
  if (text === '') return null;
  const last = parseLastEvent(text);
  if (last === null) throw badRequest(`'${text.slice(0, 50)}' is not the id of an event of this stream.`);
  return last;
}
