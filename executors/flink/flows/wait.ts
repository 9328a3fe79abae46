import type { JsonObject } from '../../../dsl/json.ts';
import type { RunContext } from '../../../engine/contract.ts';
import type { JobBackend, JobContext, JobStatus, PrepareOutcome } from '../../jobs/backend.ts';
import { giveUp, progress, state } from '../jar-watch.ts';
import { refused } from '../outcome.ts';
import { fromJarPlan, toJarPlan } from '../plan.ts';
import type { FlinkServers } from '../servers.ts';
import { numberOf } from './flow.ts';

/** flink.wait (spec/flink.md §3.2): watches a job that somebody else has started as flink.run_jar watches its own. */
export function createWaitBackend(servers: FlinkServers): JobBackend {
  const look = async (data: JsonObject, look: () => Promise<JobStatus>): Promise<JobStatus> => {
    const status = await look();
    const failOn = Array.isArray(data.fail_on) ? data.fail_on : ['FAILED', 'CANCELED'];
    if (status.kind !== 'ended' || status.result.kind !== 'error' || failOn.includes(status.state)) return status;
    return { ...status, result: { kind: 'success', output: status.result.output } };
  };
  return {
    name: 'flink-wait',
    refusesDuplicates: true,
    prepare: (input, run) => prepare(input, run, servers),
    stage: async () => ({ kind: 'found' }),
    submit: async () => ({ kind: 'submitted' }),
    find: async () => ({ kind: 'found' }),
    state: async (job, context: JobContext) => {
      const plan = toJarPlan(job.data);
      const client = servers.client(plan);
      const version = plan.version ?? (await client.version(context.signal)).raw;
      return look(job.data, async () =>
        keepOwn(job.data, await state(job, { ...plan, version }, context, client, null)),
      );
    },
    cancel: async () => ({}),
    giveUp: (job, why, context) => giveUp(job, toJarPlan(job.data), why, context, servers, null),
    progress: async (job, context) => {
      const plan = toJarPlan(job.data);
      return progress(plan, context, servers.client(plan));
    },
  };
}

function prepare(input: JsonObject, _run: RunContext, servers: FlinkServers): PrepareOutcome {
  const target = servers.target(input);
  const bad = (message: string): PrepareOutcome => ({ kind: 'refused', result: refused('FLINK_BAD_REQUEST', message) });
  if (typeof target === 'string') return bad(target);
  const jobId = typeof input.job_id === 'string' ? input.job_id.toLowerCase() : '';
  if (!/^[0-9a-f]{32}$/.test(jobId)) return bad(`job_id '${jobId}' is not made of 32 hex digits.`);
  const plan = toJarPlan({
    ...target,
    job_id: jobId,
    wait_for: input.until ?? 'finished',
    all_tasks_running: input.all_tasks_running ?? false,
    history_url: input.history_url ?? null,
    has_timeout: numberOf(input, 'timeout') !== null,
    on_timeout: input.on_timeout ?? 'fail',
  });
  const pollMs = Math.max(0.1, numberOf(input, 'poll_interval') ?? 2) * 1000;
  return {
    kind: 'prepared',
    plan: {
      url: null,
      server: `flink ${target.url}`,
      data: { ...fromJarPlan(plan), fail_on: input.fail_on ?? null },
      timeoutSeconds: numberOf(input, 'timeout'),
      onTimeout: 'leave',
      onCancel: 'leave',
      pollMs: { first: pollMs, longest: Math.max(pollMs, 10_000) },
      notFoundGraceMs: (numberOf(input, 'not_found_grace') ?? 60) * 1000,
      slots: null,
    },
  };
}

/** The record of a jar's job knows no `fail_on`. */
function keepOwn(data: JsonObject, status: JobStatus): JobStatus {
  if (status.kind !== 'live' || status.update?.data === undefined) return status;
  return { ...status, update: { ...status.update, data: { ...status.update.data, fail_on: data.fail_on ?? null } } };
}
