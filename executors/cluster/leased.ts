import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import type { Action, JobAction, SyncAction } from '../action.ts';
import type { JobBackend } from '../jobs/backend.ts';
import { clusterError } from './errors.ts';
import { lenderOf, serviceOf, serviceText } from './services.ts';
import type { ClusterContext } from './service.ts';

/**
 * Actions whose input `cluster` may be what cluster.apply gave: before anything is started there, the lease is looked at. A context
 * that is older than its lease, as in a rerun, so gets a sentence instead of a refused connection (spec/cluster.md §4.4).
 */
export function withLeaseCheck(actions: readonly Action[], context: ClusterContext): readonly Action[] {
  const backends = new Map<JobBackend, JobBackend>();
  const checked = (backend: JobBackend): JobBackend => {
    let found = backends.get(backend);
    if (found === undefined) backends.set(backend, (found = checkedBackend(backend, context)));
    return found;
  };
  return actions.map((action) => {
    if (!Object.hasOwn(action.parameters.properties, 'cluster')) return action;
    if (action.kind === 'job') return checkedJob(action, checked);
    return action.kind === 'sync' ? checkedSync(action, context) : action;
  });
}

function checkedJob(action: JobAction, checked: (backend: JobBackend) => JobBackend): JobAction {
  const { choose, others } = action;
  return {
    ...action,
    backend: checked(action.backend),
    ...(others !== undefined && { others: others.map(checked) }),
    ...(choose !== undefined && { choose: (input: JsonObject) => checked(choose(input)) }),
  };
}

function checkedBackend(backend: JobBackend, context: ClusterContext): JobBackend {
  return {
    ...backend,
    async stage(job, request, jobs) {
      const { cluster } = request.input;
      if (isJsonObject(cluster)) {
        const over = await problemOf(cluster, request.run.projectId, context, jobs.signal);
        if (over !== null) return { kind: 'refused', result: over };
      }
      return backend.stage === undefined ? { kind: 'ready' } : backend.stage(job, request, jobs);
    },
  };
}

function checkedSync(action: SyncAction, context: ClusterContext): SyncAction {
  return {
    ...action,
    async run(input, running) {
      const { cluster } = input;
      const over = isJsonObject(cluster)
        ? await problemOf(cluster, running.run.projectId, context, running.signal)
        : null;
      return over ?? action.run(input, running);
    },
  };
}

/** Null when the lease holds, or when the object names none: then it is an address like any other. */
async function problemOf(
  cluster: JsonObject,
  project: string,
  context: ClusterContext,
  signal: AbortSignal,
): Promise<ActionResult | null> {
  const lender = lenderOf(cluster);
  const lease = isJsonObject(cluster.lease) ? cluster.lease : null;
  if (lender === null || lease === null) return null;
  const id = String(cluster.id);
  const now = await serviceOf(lender, context).get(project, id, signal);
  const isHeld = now !== null && now.user_id === lease.owner;
  const isSame = lender.kind !== 'builtin' || (isJsonObject(now?.lease) && now.lease.id === lease.id);
  if (isHeld && isSame) return null;
  return clusterError(
    'CLUSTER_LEASE_OVER',
    `Cluster ${String(cluster.name ?? '')} (${id}) of ${serviceText(lender)} is not leased to ${String(lease.owner)} any more: it was given back, or its lease expired. Rerun the task that applied for it (cluster.apply), then this one.`,
    { cluster_id: id },
  );
}
