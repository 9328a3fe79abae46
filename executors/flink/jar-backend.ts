import type { Job, JobBackend, JobContext, SubmitOutcome } from '../jobs/backend.ts';
import { cancelJob } from './cancel.ts';
import { parseVersion } from './client/version.ts';
import { find, stage, submit } from './jar-submit.ts';
import { giveUp, progress, resubmit, state } from './jar-watch.ts';
import type { JarStore } from './jars.ts';
import { refused } from './outcome.ts';
import { jobIdOf, planJar, toJarPlan, type JarPlan } from './plan.ts';
import type { FlinkServers } from './servers.ts';

/**
 * Runs a jar on a session cluster (spec/flink.md §3.1, §3.6). The job's id is ours, derived from the action execution: whatever becomes
 * of a call, the cluster can be asked for exactly this job, and it refuses the id a second time.
 */
export function createJarBackend(servers: FlinkServers, jars: JarStore): JobBackend {
  const submits = new Map<string, Promise<unknown>>();
  return {
    name: 'flink-jar',
    refusesDuplicates: true,
    prepare: (input, run) => planJar(input, run, servers),
    stage: async (job, request, context) => {
      const plan = toJarPlan(job.data);
      return stage(job, plan, request, context, servers.client(plan), jars);
    },
    submit: async (job, request, context) => {
      const plan = toJarPlan(job.data);
      // Two action executions may name one job; on this node they take turns.
      const key = `${plan.url} ${plan.jobId}`;
      const other = submits.get(key);
      if (other !== undefined) {
        await other.catch(() => {});
        const reason = `Another task was submitting job ${plan.jobId}.`;
        return { kind: 'later', reason, giveUp: refused('FLINK_DUPLICATE_JOB', reason, { job_id: plan.jobId }) };
      }
      const submitting = inTurn(job, plan, context, () => submit(plan, request, context, servers.client(plan), jars));
      submits.set(key, submitting);
      try {
        return await submitting;
      } finally {
        submits.delete(key);
      }
    },
    find: async (job, _request, context, lookingMs) => {
      const plan = toJarPlan(job.data);
      return find(plan, context, servers.client(plan), lookingMs);
    },
    state: async (job, context) => {
      const plan = toJarPlan(job.data);
      return state(job, plan, context, servers.client(plan), jars);
    },
    cancel: async (job, context) => {
      const plan = toJarPlan(job.data);
      return cancelJob(plan, context, servers.client(plan));
    },
    resubmit: (job, context) => resubmit(job, toJarPlan(job.data), context, servers),
    giveUp: (job, why, context) => giveUp(job, toJarPlan(job.data), why, context, servers, jars),
    progress: async (job, context) => {
      const plan = toJarPlan(job.data);
      return progress(plan, context, servers.client(plan));
    },
  };
}

/**
 * Two action executions may name one job, and clusters before 1.18 do not refuse two calls at the same moment (spec/flink.md §3.6). Each has
 * recorded that it submits before it looks for the other, so that at least one of them sees it, and steps back.
 */
async function inTurn(
  job: Job,
  plan: JarPlan,
  context: JobContext,
  submitIt: () => Promise<SubmitOutcome>,
): Promise<SubmitOutcome> {
  const isAlone =
    plan.jobId === jobIdOf(job.id) || parseVersion(plan.version ?? '1.12').atLeast(REFUSES_PARALLEL_SUBMITS);
  if (isAlone || !(await context.isKeyBeingSubmitted())) return submitIt();
  const reason = `Another node is submitting job ${plan.jobId}, or it is not known whether it has.`;
  return { kind: 'later', reason, giveUp: refused('FLINK_DUPLICATE_JOB', reason, { job_id: plan.jobId }) };
}

const REFUSES_PARALLEL_SUBMITS = '1.18';
