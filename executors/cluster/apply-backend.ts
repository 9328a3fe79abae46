import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import type {
  FindOutcome,
  GivingUp,
  Job,
  JobBackend,
  JobContext,
  JobRequest,
  JobStatus,
  JobUpdate,
  StageOutcome,
  SubmitOutcome,
} from '../jobs/backend.ts';
import { callFailed, clusterError, natureOf, ServiceRefusal } from './errors.ts';
import { isReady } from './ready.ts';
import { serviceOf, serviceText } from './services.ts';
import type { Applied, ClusterContext, ClusterService } from './service.ts';
import { type ApplyPlan, ownUserId, planFromData, planOf, planToData } from './wish.ts';

/**
 * cluster.apply as a job: it waits without a worker, is never obeyed twice, and is found again after a crash (spec/cluster.md §2).
 *
 * @param refusesDuplicates false for a shared user id that may hold several clusters: nothing tells one apply of it from another.
 */
export function createApplyBackend(name: string, refusesDuplicates: boolean, context: ClusterContext): JobBackend {
  const watched = new Set<string>();
  const watch = (job: Job, plan: ApplyPlan, service: ClusterService, jobs: JobContext) => {
    if (plan.ticket === null || watched.has(job.id)) return;
    watched.add(job.id);
    service.watch(plan.ticket, jobs.signal, () => {
      watched.delete(job.id);
      if (!jobs.signal.aborted) jobs.wake();
    });
  };
  return {
    name,
    refusesDuplicates,
    prepare(input, run) {
      const plan = planOf(input, run, context);
      if (typeof plan === 'string') return { kind: 'refused', result: clusterError('CLUSTER_BAD_REQUEST', plan) };
      return {
        kind: 'prepared',
        plan: {
          url: plan.service.kind === 'url' ? plan.service.url : null,
          server: `cluster ${serviceText(plan.service)}`,
          data: planToData(plan),
          timeoutSeconds: null,
          onTimeout: 'end',
          onCancel: 'end',
          pollMs: { first: Math.min(plan.pollMs, 500), longest: plan.pollMs },
          notFoundGraceMs: 60_000,
          slots: null,
        },
      };
    },
    stage: (job, request, jobs) => stage(job, request, jobs, context),
    submit: (job, _, jobs) => submit(job, jobs, context),
    find: (job, _, jobs, lookingMs) => find(job, jobs, lookingMs, context),
    state: (job, jobs) => state(job, jobs, context, watch),
    async cancel(job, jobs) {
      const plan = planFromData(job.data);
      await undo(plan, serviceOf(plan.service, context), jobs);
      return { update: { data: planToData({ ...plan, isUndone: true }) }, againMs: 0 };
    },
    giveUp: async (job, why, jobs) => giveUp(job, why, jobs, context),
  };
}

/** Who applies, and what a shared user holds already: written down before anything is asked for. */
async function stage(job: Job, { run }: JobRequest, jobs: JobContext, context: ClusterContext): Promise<StageOutcome> {
  const plan = planFromData(job.data);
  if (plan.isNamed) return { kind: 'ready' };
  const { wish } = plan;
  const root = wish.executionId === null ? null : await context.rootOf(wish.executionId);
  const userId = wish.isOwnUser ? ownUserId(run, root) : wish.userId;
  try {
    const held = wish.isOwnUser
      ? []
      : await serviceOf(plan.service, context).list(wish.project, { user_id: userId }, jobs.signal);
    const named = { ...wish, userId, rootExecutionId: root, held: held.map(({ id }) => String(id)) };
    return { kind: 'ready', update: { data: planToData({ ...plan, isNamed: true, wish: named }) } };
  } catch (error) {
    const result = callFailed(error);
    if (natureOf(error) === 'final') return { kind: 'refused', result };
    return { kind: 'later', reason: messageOf(error), giveUp: result };
  }
}

async function submit(job: Job, jobs: JobContext, context: ClusterContext): Promise<SubmitOutcome> {
  const plan = planFromData(job.data);
  try {
    const applied = await serviceOf(plan.service, context).apply(plan.wish, jobs.signal);
    if (applied.kind === 'none') return { kind: 'refused', result: noneAvailable(plan, applied.why) };
    return { kind: 'submitted', update: updateOf(plan, applied, jobs.nowMs) };
  } catch (error) {
    switch (natureOf(error)) {
      case 'final':
        return { kind: 'refused', result: callFailed(error) };
      case 'passing':
        return { kind: 'later', reason: messageOf(error), giveUp: callFailed(error) };
      case 'unclear':
        return { kind: 'unclear', reason: messageOf(error) };
    }
  }
}

/** For how long a call whose answer was lost may still be on its way. */
const ON_ITS_WAY_MS = 3000;

async function find(job: Job, jobs: JobContext, lookingMs: number, context: ClusterContext): Promise<FindOutcome> {
  const plan = planFromData(job.data);
  const { wish } = plan;
  const service = serviceOf(plan.service, context);
  // The pools answer a repeat with the same lease or ticket; what was ended meanwhile they refuse.
  if (plan.service.kind === 'builtin') {
    if (job.cancel === null) return { kind: 'absent' };
    return { kind: 'found' };
  }
  const granted = await service.granted(wish, jobs.signal);
  const taken = wish.allowMultiple ? await jobs.takenIds(granted.map(({ id }) => String(id))) : new Set<string>();
  const found = granted.filter(({ id }) => !taken.has(String(id)));
  const [first] = found;
  if (first !== undefined && (found.length === 1 || wish.isOwnUser || !wish.allowMultiple))
    return { kind: 'found', update: updateOf(plan, { kind: 'granted', cluster: first }, jobs.nowMs) };
  if (found.length > 1)
    return {
      kind: 'ended',
      result: clusterError(
        'CLUSTER_AMBIGUOUS',
        `The answer to an apply was lost, and ${wish.userId} holds ${found.length} clusters that it may have got: look at them, and release what nobody uses.`,
        { clusters: found.map(({ id }) => String(id)) },
      ),
    };
  if (lookingMs < ON_ITS_WAY_MS) return { kind: 'looking', reason: 'The apply may still be on its way.' };
  // Nothing to take back.
  return job.cancel === null ? { kind: 'absent' } : { kind: 'found' };
}

async function state(
  job: Job,
  jobs: JobContext,
  context: ClusterContext,
  watch: (job: Job, plan: ApplyPlan, service: ClusterService, jobs: JobContext) => void,
): Promise<JobStatus> {
  const plan = planFromData(job.data);
  if (plan.isUndone) return { kind: 'ended', state: 'undone', result: undone(job, plan) };
  if (job.cancel !== null) return { kind: 'live', state: 'ending', againMs: 0 };
  const service = serviceOf(plan.service, context);
  if (plan.cluster === null) return wait(job, plan, service, jobs, () => watch(job, plan, service, jobs));
  if (!plan.isKept) return keep(plan, plan.cluster, service, jobs);
  if (plan.ready && !(await isReady(endpointsOf(plan.cluster), plan.service, context.http, jobs.signal))) {
    if (jobs.nowMs - (plan.grantedAtMs ?? jobs.nowMs) < plan.readyMs)
      return { kind: 'live', state: 'getting-ready', againMs: Math.min(plan.pollMs, 1000) };
    return takeBack(plan, service, jobs, `Its endpoints did not answer within ${plan.readyMs / 1000} seconds.`);
  }
  const current = await service.get(plan.wish.project, String(plan.cluster.id), jobs.signal);
  return {
    kind: 'ended',
    state: 'granted',
    result: { kind: 'success', output: clusterOf(plan, current ?? plan.cluster) },
  };
}

async function wait(
  job: Job,
  plan: ApplyPlan,
  service: ClusterService,
  jobs: JobContext,
  watch: () => void,
): Promise<JobStatus> {
  try {
    const applied = await service.waiting(plan.wish, plan.ticket, jobs.signal);
    if (applied.kind === 'granted')
      return { kind: 'live', state: 'granted', update: updateOf(plan, applied, jobs.nowMs), againMs: 0 };
    const waitedMs = jobs.nowMs - (job.submitStartedAtMs ?? job.createdAtMs);
    const isOver = applied.kind === 'none' || (plan.ticket === null && waitedMs >= plan.wish.waitS * 1000);
    if (isOver)
      return {
        kind: 'ended',
        state: 'none',
        result: noneAvailable(plan, applied.kind === 'none' ? applied.why : 'none became free in time'),
      };
    watch();
    const leftMs = plan.wish.waitS * 1000 - waitedMs;
    // Those that wait for one service do not ask all at once.
    const pauseMs = plan.pollMs * (0.75 + Math.random() / 2);
    return { kind: 'live', state: 'waiting', againMs: Math.max(50, Math.min(pauseMs, leftMs > 0 ? leftMs : pauseMs)) };
  } catch (error) {
    if (!(error instanceof ServiceRefusal)) throw error;
    return { kind: 'ended', state: 'refused', result: callFailed(error) };
  }
}

/**
 * Looks whether a granted cluster is still ours: a service that reads first and writes later may have given it to two, and the last one
 * has it (spec/cluster.md §1.3). What a repeated apply got too much goes back.
 */
async function keep(
  plan: ApplyPlan,
  cluster: JsonObject,
  service: ClusterService,
  jobs: JobContext,
): Promise<JobStatus> {
  const { wish } = plan;
  if (plan.service.kind !== 'builtin') {
    const now = await service.get(wish.project, String(cluster.id), jobs.signal);
    if (now?.user_id !== wish.userId) {
      const waiting = { ...plan, cluster: null, grantedAtMs: null };
      return { kind: 'live', state: 'lost-race', update: { data: planToData(waiting) }, againMs: 0 };
    }
    if (wish.isOwnUser)
      for (const { id } of await service.granted(wish, jobs.signal))
        if (id !== cluster.id)
          await service.release({ ...NOBODY, project: wish.project, clusterId: String(id) }, jobs.signal);
  }
  await service.keep(wish, cluster);
  return { kind: 'live', state: 'granted', update: { data: planToData({ ...plan, isKept: true }) }, againMs: 0 };
}

const NOBODY = { userId: null, executionId: null, rootExecutionId: null } as const;

async function takeBack(
  plan: ApplyPlan,
  service: ClusterService,
  jobs: JobContext,
  failure: string,
): Promise<JobStatus> {
  await undo(plan, service, jobs);
  return {
    kind: 'live',
    state: 'ending',
    update: { data: planToData({ ...plan, isUndone: true, failure }) },
    againMs: 0,
  };
}

async function undo(plan: ApplyPlan, service: ClusterService, jobs: JobContext): Promise<void> {
  const id = plan.cluster === null ? null : String(plan.cluster.id);
  await service.undo(plan.wish, plan.ticket, id, jobs.signal);
}

async function giveUp(job: Job, why: GivingUp, jobs: JobContext, context: ClusterContext): Promise<ActionResult> {
  const plan = planFromData(job.data);
  switch (why.kind) {
    case 'cancelled':
      return cancelled();
    case 'timeout':
      return timedOut(why.seconds);
    case 'lost':
    case 'unreachable':
    case 'broken':
      // What may have been granted is ours by its user id: the end of the execution tries again.
      if (job.phase !== 'prepared')
        await undo(plan, serviceOf(plan.service, context), jobs).catch((error: unknown) =>
          jobs.log.warn('A cluster that may have been granted could not be given back', {
            actionExecutionId: job.id,
            userId: plan.wish.userId,
            error,
          }),
        );
      return clusterError('CLUSTER_UNREACHABLE', `${serviceText(plan.service)}: ${why.reason}`, {
        user_id: plan.wish.userId,
      });
  }
}

function undone(job: Job, plan: ApplyPlan): ActionResult {
  if (job.cancel?.reason === 'timeout') return timedOut(job.cancel.seconds);
  if (job.cancel !== null) return cancelled();
  return clusterError(
    'CLUSTER_NOT_READY',
    `Cluster ${String(plan.cluster?.id)}: ${plan.failure ?? 'it was given back'}`,
  );
}

function cancelled(): ActionResult {
  return {
    kind: 'cancelled',
    output: {
      code: 'CLUSTER_CANCELLED',
      message: 'cluster.apply was cancelled; what it had been granted was given back.',
    },
  };
}

function timedOut(seconds: number | null): ActionResult {
  return clusterError(
    'CLUSTER_TIMEOUT',
    `Timeout of cluster.apply after ${seconds} seconds; what it had been granted was given back.`,
  );
}

function noneAvailable(plan: ApplyPlan, why: string): ActionResult {
  const { waitS, userId } = plan.wish;
  const waited = waitS > 0 ? ` within ${waitS} seconds` : '';
  return clusterError('CLUSTER_NONE_AVAILABLE', `No cluster was available${waited}: ${why}`, { user_id: userId });
}

function updateOf(plan: ApplyPlan, applied: Exclude<Applied, { kind: 'none' }>, nowMs: number): JobUpdate {
  if (applied.kind === 'waiting') return { data: planToData({ ...plan, ticket: applied.ticket }) };
  const { cluster } = applied;
  return {
    externalId: String(cluster.id),
    data: planToData({ ...plan, cluster, grantedAtMs: nowMs, isKept: false }),
  };
}

/** What the action gives: Cello's keys and ours, and the lease (spec/cluster.md §2). */
export function clusterOf(plan: ApplyPlan, cluster: JsonObject): JsonObject {
  const { wish } = plan;
  const lease = { id: String(cluster.id), owner: wish.userId, expires_at: null, scope: wish.scope };
  return {
    ...cluster,
    lease: isJsonObject(cluster.lease) ? cluster.lease : lease,
    service: serviceText(plan.service),
  };
}

export function endpointsOf(cluster: JsonObject): Readonly<Record<string, string>> {
  const endpoints = isJsonObject(cluster.endpoints) ? cluster.endpoints : {};
  return Object.fromEntries(
    Object.entries(endpoints).flatMap(([name, address]) =>
      typeof address === 'string' && address !== '' ? [[name, address]] : [],
    ),
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
