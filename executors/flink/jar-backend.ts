import type { JobBackend, JobContext } from '../jobs/backend.ts';
import { cancelJob } from './cancel.ts';
import { FlinkClient } from './client/client.ts';
import type { FlinkVersion } from './client/version.ts';
import { find, stage, submit } from './jar-submit.ts';
import { giveUp, progress, state } from './jar-watch.ts';
import { JarStore } from './jars.ts';
import { planJar, toJarPlan, type FlinkOptions, type HttpClients, type JarPlan } from './plan.ts';

/**
 * Runs a jar on a session cluster (spec/flink.md §3.1, §3.6). The job's id is ours, derived from the action execution: whatever becomes
 * of a call, the cluster can be asked for exactly this job, and it refuses the id a second time.
 */
export function createJarBackend(options: FlinkOptions, http: HttpClients): JobBackend {
  const jars = new JarStore(options, http.forUsers);
  const versions = new Map<string, { readonly version: FlinkVersion; readonly untilMs: number }>();
  const clientOf = (plan: JarPlan): FlinkClient => {
    const server = plan.cluster === null ? undefined : options.clusters?.[plan.cluster];
    if (server !== undefined) return new FlinkClient(server, http.forConnections);
    return new FlinkClient({ url: plan.url, headers: plan.headers }, http.forUsers);
  };
  const versionOf = async (client: FlinkClient, context: JobContext): Promise<FlinkVersion> => {
    const cached = versions.get(client.url);
    if (cached !== undefined && cached.untilMs > context.nowMs) return cached.version;
    const version = await client.version(context.signal);
    versions.set(client.url, { version, untilMs: context.nowMs + 300_000 });
    return version;
  };
  return {
    name: 'flink-jar',
    refusesDuplicates: true,
    prepare: (input, run) => planJar(input, run, options),
    stage: async (job, request, context) => {
      const plan = toJarPlan(job.data);
      const client = clientOf(plan);
      return stage(job, plan, request, context, client, jars, () => versionOf(client, context));
    },
    submit: async (job, request, context) => {
      const plan = toJarPlan(job.data);
      return submit(plan, request, context, clientOf(plan), jars);
    },
    find: async (job, _request, context, lookingMs) =>
      find(toJarPlan(job.data), context, clientOf(toJarPlan(job.data)), lookingMs),
    state: async (job, context) => state(job, toJarPlan(job.data), context, clientOf(toJarPlan(job.data))),
    cancel: async (job, context) => cancelJob(toJarPlan(job.data), context, clientOf(toJarPlan(job.data))),
    giveUp: (job, why, context) => giveUp(job, toJarPlan(job.data), why, context, clientOf(toJarPlan(job.data)), http),
    progress: async (job, context) => progress(toJarPlan(job.data), context, clientOf(toJarPlan(job.data))),
  };
}
