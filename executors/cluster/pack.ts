import type { Action, JobAction } from '../action.ts';
import type { HttpClients } from '../flink/servers.ts';
import { createApplyBackend } from './apply-backend.ts';
import { APPLY_INPUTS, CLUSTER_RESULT, parameters } from './parameters.ts';
import { plainActions } from './plain-actions.ts';
import type { ClusterOptions } from './service.ts';

export type { ClusterOptions } from './service.ts';

/** Clusters that are lent, by the pools of this server or by a Cello-compatible service (spec/cluster.md §2). */
export function clusterPack(options: ClusterOptions, http: HttpClients): readonly Action[] {
  const context = { ...options, http };
  const own = createApplyBackend('cluster-apply', true, context);
  const shared = createApplyBackend('cluster-apply-shared', false, context);
  const apply: JobAction = {
    name: 'cluster.apply',
    description:
      'Leases a cluster that nobody else has meanwhile; it is given back at the end of the execution, whatever that is.',
    kind: 'job',
    repeatSafe: true,
    takesLeases: true,
    parameters: parameters(APPLY_INPUTS),
    result: {
      description: 'The cluster, for the input cluster of spark.* and flink.* actions.',
      schema: CLUSTER_RESULT,
    },
    examples: [
      {
        title: 'A Spark cluster for this workflow, waited for up to ten minutes',
        yaml: 'lease:\n  action: cluster.apply\n  input:\n    type: spark\n    size: 2\n    wait: 600\n  publish:\n    cluster: <% task().result %>\n',
      },
    ],
    backend: own,
    others: [shared],
    choose: (input) => (input.allow_multiple === true && typeof input.user_id === 'string' ? shared : own),
  };
  return [apply, ...plainActions(context)];
}
