import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import type { ActionResult, RunContext } from '../../engine/contract.ts';
import type { Action, SyncAction } from '../action.ts';
import { checkInput } from '../check-call.ts';
import { fromRequest } from '../jobs/request.ts';
import type { Job, JobBackend, JobContext, JobStatus, JobUpdate, PrepareOutcome } from '../jobs/backend.ts';
import { clusterOf } from './apply-backend.ts';
import { clusterError } from './errors.ts';
import { innerFromData, type InnerRecord, jobOf, newInner, stepInner } from './inner-job.ts';
import { serviceOf } from './services.ts';
import type { ClusterContext } from './service.ts';
import { planFromData } from './wish.ts';

export interface RunOptions {
  readonly context: ClusterContext;
  /** The backend of cluster.apply. */
  readonly apply: JobBackend;
  /** Actions that can be run on the cluster. */
  readonly find: (name: string) => Action | undefined;
}

/**
 * cluster.run: an apply, one action with `cluster` filled in, and a release whatever became of it (spec/cluster.md §2). Each of the
 * three goes on after a crash where it was.
 */
export function createRunBackend({ context, apply, find }: RunOptions): JobBackend {
  const fresh = new Set<string>();
  const running = new Map<string, Running>();
  const withApply = (job: Job): Job => ({ ...job, data: objectIn(job.data, 'apply') });
  const applied = (job: Job, update: JobUpdate | undefined): { readonly update?: JobUpdate } =>
    update === undefined
      ? {}
      : { update: { ...update, ...(update.data !== undefined && { data: { ...job.data, apply: update.data } }) } };
  const next = (job: Job, state: string, patch: JsonObject, againMs = 0): JobStatus => ({
    kind: 'live',
    state,
    update: { data: { ...job.data, ...patch } },
    againMs,
  });

  const runAction = async (job: Job, jobs: JobContext): Promise<JobStatus> => {
    const { input, run } = requestOf(job);
    const action = find(String(job.data.action));
    if (action === undefined) return toRelease(job, wrongAction(String(job.data.action)));
    const full = { ...input, cluster: clusterIn(job) };
    if (action.kind === 'sync') return runSync(job, action, full, run, jobs);
    if (action.kind !== 'job') return toRelease(job, wrongAction(action.name));
    const backend = action.choose?.(full) ?? action.backend;
    if (!isJsonObject(job.data.inner)) {
      if (job.cancel !== null) return toRelease(job, cancelled(job));
      const prepared = backend.prepare(full, run);
      if (prepared.kind === 'refused') return toRelease(job, prepared.result);
      return next(job, 'prepared', { inner: toData(newInner(job.id, prepared.plan)) });
    }
    const record = innerFromData(job.data.inner);
    const news = await stepInner(job, record, backend, { input: full, run }, jobs, fresh);
    if (news.kind === 'over') return toRelease(job, news.result);
    return {
      kind: 'live',
      state: news.state,
      update: { data: { ...job.data, inner: toData(news.record) } },
      ...(news.againMs !== undefined && { againMs: news.againMs }),
    };
  };

  /** In this process, beside the polls: the record says that it has begun, so that what may not run twice does not. */
  const runSync = (job: Job, action: SyncAction, input: JsonObject, run: RunContext, jobs: JobContext): JobStatus => {
    const now = running.get(job.id);
    if (now !== undefined) {
      if (job.cancel !== null) now.abort.abort(new Error('cancelled'));
      if (now.result === null) return { kind: 'live', state: 'running', againMs: 1000 };
      running.delete(job.id);
      return toRelease(job, job.cancel === null ? now.result : cancelled(job));
    }
    if (job.cancel !== null) return toRelease(job, cancelled(job));
    if (job.data.began !== true) {
      fresh.add(job.id);
      return next(job, 'running', { began: true });
    }
    if (!fresh.delete(job.id) && !action.repeatSafe)
      return toRelease(
        job,
        clusterError(
          'CLUSTER_AMBIGUOUS',
          `The server stopped while ${action.name} ran, which may not be run twice; look at what it has done.`,
        ),
      );
    const abort = new AbortController();
    const started: Running = { abort, result: null };
    running.set(job.id, started);
    const signal = AbortSignal.any([abort.signal, jobs.signal]);
    void action
      .run(input, { signal, log: jobs.log, http: context.http.forUsers, run })
      .catch((error: unknown): ActionResult => failed(action.name, error))
      .then((result) => {
        started.result = result;
        if (!jobs.signal.aborted) jobs.wake();
      });
    return { kind: 'live', state: 'running', againMs: 1000 };
  };

  const toRelease = (job: Job, result: ActionResult): JobStatus =>
    next(job, 'releasing', { phase: 'release', result: { ...result } });

  const release = async (job: Job, jobs: JobContext): Promise<JobStatus> => {
    await giveBack(job, context, jobs);
    return { kind: 'ended', state: 'over', result: resultIn(job) };
  };

  return {
    name: 'cluster-run',
    refusesDuplicates: true,
    prepare: (input, run) => prepare(input, run, apply, find),
    stage: async (job, { run }, jobs) => {
      const staged = await apply.stage?.(withApply(job), { input: {}, run }, jobs);
      if (staged === undefined) return { kind: 'ready' };
      return staged.kind === 'refused' ? staged : { ...staged, ...applied(job, staged.update) };
    },
    submit: async (job, request, jobs) => {
      const outcome = await apply.submit(withApply(job), request, jobs);
      return outcome.kind === 'submitted' ? { ...outcome, ...applied(job, outcome.update) } : outcome;
    },
    find: async (job, request, jobs, lookingMs) => {
      const found = await apply.find(withApply(job), request, jobs, lookingMs);
      return found.kind === 'found' ? { ...found, ...applied(job, found.update) } : found;
    },
    async state(job, jobs) {
      switch (job.data.phase) {
        case 'action':
          return runAction(job, jobs);
        case 'release':
          return release(job, jobs);
        default: {
          const status = await apply.state(withApply(job), jobs);
          if (status.kind === 'ended' && status.result.kind === 'success')
            return next(job, 'granted', { phase: 'action', cluster: status.result.output });
          return status.kind === 'live' ? { ...status, ...applied(job, status.update) } : status;
        }
      }
    },
    async cancel(job, jobs) {
      if (job.data.phase === 'apply') {
        const outcome = await apply.cancel(withApply(job), jobs);
        return { ...outcome, ...applied(job, outcome.update) };
      }
      // The next look passes it on to the action, then releases.
      return { againMs: 500 };
    },
    async giveUp(job, why, jobs) {
      if (job.data.phase === 'apply') return apply.giveUp(withApply(job), why, jobs);
      const result = job.data.phase === 'release' ? resultIn(job) : await giveUpInner(job, why, jobs);
      await giveBack(job, context, jobs).catch((error: unknown) =>
        jobs.log.warn('The cluster of cluster.run goes back with its execution', { actionExecutionId: job.id, error }),
      );
      return result;
    },
    log: async (job, jobs) => {
      const inner = innerOf(job);
      return inner === null ? [] : ((await inner.backend.log?.(inner.job, jobs)) ?? []);
    },
    progress: async (job, jobs) => {
      const inner = innerOf(job);
      return inner === null ? null : ((await inner.backend.progress?.(inner.job, jobs)) ?? null);
    },
  };

  function innerOf(job: Job): { readonly backend: JobBackend; readonly job: Job } | null {
    const action = find(String(job.data.action));
    if (action?.kind !== 'job' || job.data.phase !== 'action' || !isJsonObject(job.data.inner)) return null;
    const record = innerFromData(job.data.inner);
    if (record.phase !== 'submitted') return null;
    const input = { ...requestOf(job).input, cluster: clusterIn(job) };
    return { backend: action.choose?.(input) ?? action.backend, job: jobOf(job, record) };
  }

  async function giveUpInner(
    job: Job,
    why: Parameters<JobBackend['giveUp']>[1],
    jobs: JobContext,
  ): Promise<ActionResult> {
    const inner = innerOf(job);
    if (inner !== null) return inner.backend.giveUp(inner.job, why, jobs);
    return 'reason' in why ? clusterError('CLUSTER_UNREACHABLE', why.reason) : cancelled(job);
  }
}

interface Running {
  readonly abort: AbortController;
  result: ActionResult | null;
}

function prepare(
  input: JsonObject,
  run: RunContext,
  apply: JobBackend,
  find: (name: string) => Action | undefined,
): PrepareOutcome {
  const refuse = (result: ActionResult): PrepareOutcome => ({ kind: 'refused', result });
  const name = String(input.action);
  const action = find(name);
  const refusal = action === undefined ? wrongAction(name) : refusalOf(action, objectIn(input, 'input'));
  if (refusal !== null) return refuse(refusal);
  const wanted = objectIn(input, 'apply');
  if (wanted.user_id !== undefined && wanted.user_id !== null)
    return refuse(clusterError('CLUSTER_BAD_REQUEST', 'apply.user_id: cluster.run leases for itself alone.'));
  const prepared = apply.prepare(wanted, run);
  if (prepared.kind === 'refused') return prepared;
  const { plan } = prepared;
  const data: JsonObject = {
    phase: 'apply',
    apply: plan.data,
    action: name,
    input: objectIn(input, 'input'),
    run: { ...run },
  };
  return { kind: 'prepared', plan: { ...plan, data } };
}

function refusalOf(action: Action, input: JsonObject): ActionResult | null {
  if ((action.kind !== 'job' && action.kind !== 'sync') || !Object.hasOwn(action.parameters.properties, 'cluster'))
    return wrongAction(action.name);
  if ((input.cluster ?? null) !== null)
    return clusterError('CLUSTER_BAD_REQUEST', 'input.cluster is filled in by cluster.run; leave it out.');
  const [problem] = checkInput(action.parameters, { ...input, cluster: {} });
  return problem === undefined
    ? null
    : clusterError('CLUSTER_BAD_REQUEST', `input of ${action.name}: ${problem.message}; ${problem.hint}`);
}

function wrongAction(name: string): ActionResult {
  return clusterError(
    'CLUSTER_BAD_REQUEST',
    `cluster.run cannot run '${name}': it takes actions of this server that have an input cluster, such as spark.submit or flink.run_jar.`,
  );
}

async function giveBack(job: Job, context: ClusterContext, jobs: JobContext): Promise<void> {
  const plan = planFromData(objectIn(job.data, 'apply'));
  const id = plan.cluster === null ? null : String(plan.cluster.id);
  await serviceOf(plan.service, context).undo(plan.wish, plan.ticket, id, jobs.signal);
}

function requestOf(job: Job) {
  return fromRequest(job.id, { input: job.data.input ?? {}, run: job.data.run ?? {} });
}

/** With the addresses that it had when it was granted. */
function clusterIn(job: Job): JsonObject {
  const { cluster } = job.data;
  return isJsonObject(cluster) ? cluster : clusterOf(planFromData(objectIn(job.data, 'apply')), {});
}

function resultIn(job: Job): ActionResult {
  const { kind, output = null, retryable } = objectIn(job.data, 'result');
  if (kind === 'success') return { kind, output };
  return kind === 'cancelled' ? { kind, output } : { kind: 'error', output, retryable: retryable === true };
}

function cancelled(job: Job): ActionResult {
  if (job.cancel?.reason === 'timeout')
    return clusterError(
      'CLUSTER_TIMEOUT',
      `Timeout of cluster.run after ${job.cancel.seconds} seconds; the cluster was given back.`,
    );
  const output = { code: 'CLUSTER_CANCELLED', message: 'cluster.run was cancelled; the cluster was given back.' };
  return { kind: 'cancelled', output };
}

function failed(name: string, error: unknown): ActionResult {
  const text = error instanceof Error ? error.message : String(error);
  const output = `The action raised an exception [action=${name}, msg='${text}']`;
  return { kind: 'error', output, retryable: false };
}

function toData(record: InnerRecord): JsonObject {
  return { ...record };
}

function objectIn(values: JsonObject, name: string): JsonObject {
  const value = values[name];
  return isJsonObject(value) ? value : {};
}
