import type { JobBackend, JobStatus } from '../../executors/jobs/backend.ts';
import { failure } from '../../executors/action.ts';
import type { ActionResult, RunContext } from '../../engine/contract.ts';

interface OutsideJob {
  starts: number;
  readonly endsAt: number;
  isCancelled: boolean;
}

export interface JobHost {
  gate(what: string): Promise<void>;
  now(): number;
  /** Whether this submit's answer gets lost: after the start, before it, or not. */
  submitFault(): 'none' | 'lost-answer' | 'lost-request';
  resultFor(run: Pick<RunContext, 'actionExecutionId'>): { readonly result: ActionResult; readonly lastsMs: number };
}

/** The other side of job actions: one for the whole world, whatever becomes of nodes. */
export class OutsideJobs {
  private readonly jobs = new Map<string, OutsideJob>();

  get started(): ReadonlyMap<string, number> {
    return new Map([...this.jobs].map(([key, job]) => [key, job.starts]));
  }

  /** The backend as one node uses it. It cannot refuse duplicates: each submit starts a job. */
  backend(host: JobHost): JobBackend {
    const { jobs } = this;
    return {
      name: 'sim',
      refusesDuplicates: false,
      prepare: () => ({
        kind: 'prepared',
        plan: {
          url: null,
          server: 'sim',
          data: {},
          timeoutSeconds: null,
          onTimeout: 'end',
          onCancel: 'end',
          pollMs: { first: 200, longest: 2000 },
          notFoundGraceMs: 5000,
          slots: null,
        },
      }),
      submit: async (job) => {
        const fault = host.submitFault();
        await host.gate(`submit ${job.key.slice(0, 6)}`);
        if (fault === 'lost-request') throw new Error('the request was lost');
        const { lastsMs } = host.resultFor({ actionExecutionId: job.id });
        const known = jobs.get(job.key);
        if (known === undefined) jobs.set(job.key, { starts: 1, endsAt: host.now() + lastsMs, isCancelled: false });
        else known.starts++;
        await host.gate(`submitted ${job.key.slice(0, 6)}`);
        if (fault === 'lost-answer') throw new Error('the answer was lost');
        return { kind: 'submitted', update: { externalId: job.key } };
      },
      find: async (job) => {
        await host.gate('find');
        return jobs.has(job.key) ? { kind: 'found', update: { externalId: job.key } } : { kind: 'absent' };
      },
      state: async (job): Promise<JobStatus> => {
        await host.gate('state');
        const outside = jobs.get(job.key);
        if (outside === undefined) return { kind: 'unknown', reason: 'no such job' };
        if (outside.isCancelled)
          return { kind: 'ended', state: 'CANCELLED', result: { kind: 'cancelled', output: null } };
        if (host.now() < outside.endsAt) return { kind: 'live', state: 'RUNNING' };
        return { kind: 'ended', state: 'DONE', result: host.resultFor({ actionExecutionId: job.id }).result };
      },
      cancel: async (job) => {
        await host.gate('cancel');
        const outside = jobs.get(job.key);
        if (outside !== undefined) outside.isCancelled = true;
        return {};
      },
      giveUp: async (_job, why) =>
        why.kind === 'cancelled' ? { kind: 'cancelled', output: null } : failure(`given up: ${why.kind}`),
    };
  }
}
