import type { JsonObject } from '../../dsl/json.ts';

/** The common result of every run (spec/spark.md §8.1). */
export const COMMON_RESULT: JsonObject = {
  type: 'object',
  properties: {
    backend: { type: 'string' },
    id: {
      type: ['string', 'null'],
      description: "The job's id: of its system, or `<host id>:<process id>` of a process.",
    },
    app_id: { type: ['string', 'null'] },
    name: { type: ['string', 'null'] },
    state: { type: 'string' },
    result: { description: "The job's own value." },
    submitted_at: { type: ['string', 'null'] },
    started_at: { type: ['string', 'null'] },
    finished_at: { type: ['string', 'null'] },
    duration_ms: { type: ['integer', 'null'] },
    ui_url: { type: ['string', 'null'] },
    history_url: { type: ['string', 'null'] },
    log_tail: { type: 'array', items: { type: 'string' } },
    progress: { type: ['object', 'null'] },
  },
};
