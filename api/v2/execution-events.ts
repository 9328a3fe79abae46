import type { JsonObject } from '../../dsl/json.ts';
import { readTimeline } from '../../engine/store/timeline.ts';
import type { TimelineEntry } from '../../engine/store/timeline.ts';
import { badRequest, invalidValue } from '../api-error.ts';
import { formatTime } from '../fields.ts';
import { integerParameter, MAX_PAGE } from '../listing.ts';
import { checkQuery, serve } from '../request.ts';
import type { ApiRequest, ApiRouter } from '../request.ts';
import type { Services } from '../services.ts';
import { findExecution } from './rows.ts';

/** What happened to an execution, in order: an addition to the reference's API. */
export function executionEventRoutes(router: ApiRouter, services: Services): void {
  router.get(
    '/executions/:id/events',
    serve(async (request) => {
      checkQuery(request, ['limit', 'marker']);
      const limit = limitOf(request);
      const after = markerOf(request);
      const { id } = await findExecution(services, request);
      const entries = await readTimeline(services.store.reader, id, after, limit);
      const last = entries.at(-1);
      const next: JsonObject =
        last === undefined || entries.length < limit
          ? {}
          : { next: `${request.base}/v2/executions/${id}/events?limit=${limit}&marker=${idOf(last)}` };
      return { status: 200, body: { events: entries.map(show), ...next } };
    }),
  );
}

/** The same ids as in event streams. */
function idOf({ seq, index }: TimelineEntry): string {
  return `${seq}-${index}`;
}

function show(entry: TimelineEntry): JsonObject {
  return {
    id: idOf(entry),
    created_at: formatTime(entry.at),
    millisecond: entry.at % 1000,
    type: entry.kind,
    object_id: entry.id,
    name: entry.name,
    state: entry.state,
    state_info: entry.stateInfo,
  };
}

function limitOf(request: ApiRequest): number {
  const limit = integerParameter(request, 'limit') ?? MAX_PAGE;
  if (limit <= 0) throw badRequest('Limit must be positive.');
  return Math.min(limit, MAX_PAGE);
}

function markerOf(request: ApiRequest): Pick<TimelineEntry, 'seq' | 'index'> | null {
  const text = request.query.get('marker') ?? '';
  if (text === '') return null;
  const [, seq, index] = /^(\d{1,15})-(\d{1,9})$/.exec(text) ?? [];
  if (seq === undefined) throw invalidValue('marker', text, 'It must be the id of the last event of the page before.');
  return { seq: Number(seq), index: Number(index) };
}
