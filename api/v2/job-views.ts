import { loadExternalJob } from '../../engine/store/external-jobs.ts';
import type { ExternalJobView } from '../../engine/store/external-jobs.ts';
import { EngineError } from '../../engine/errors.ts';
import { formatTime } from '../fields.ts';
import { checkQuery, serve } from '../request.ts';
import type { ApiRequest, ApiRouter } from '../request.ts';
import type { Services } from '../services.ts';
import { findActionExecution } from './rows.ts';

/** What can be seen of a job outside while it runs, such as one of Spark or Flink: an addition to the reference's API. */
export function jobViewRoutes(router: ApiRouter, services: Services): void {
  router.get(
    '/action_executions/:id/log',
    serve(async (request) => {
      checkQuery(request, []);
      const { logTail } = await jobOf(services, request);
      return { status: 200, text: { type: 'text/plain', text: logTail.map((line) => `${line}\n`).join('') } };
    }),
  );
  router.get(
    '/action_executions/:id/progress',
    serve(async (request) => {
      checkQuery(request, []);
      const job = await jobOf(services, request);
      return {
        status: 200,
        body: {
          backend: job.backend,
          phase: job.phase,
          state: job.lastState,
          external_id: job.externalId,
          app_id: job.appId,
          url: job.url,
          progress: job.progress,
          submitted_at: formatTime(job.submittedAt),
          updated_at: formatTime(job.updatedAt),
        },
      };
    }),
  );
}

/** @throws EngineError NOT_FOUND also for an action that is no job. */
async function jobOf(services: Services, request: ApiRequest): Promise<ExternalJobView> {
  const { id, name } = await findActionExecution(services, request);
  const job = await loadExternalJob(services.store.reader, id);
  if (job !== undefined) return job;
  throw new EngineError(
    'NOT_FOUND',
    `The action execution ${id} of ${name} is no job outside: it has no log of its own.`,
  );
}
