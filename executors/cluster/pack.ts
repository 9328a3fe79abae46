import type { Action, JobAction } from '../action.ts';
import type { HttpClients } from '../flink/servers.ts';
import { createRunBackend } from './run-backend.ts';
import { createApplyBackend } from './apply-backend.ts';
import { APPLY_INPUTS, CLUSTER_RESULT, parameters } from './parameters.ts';
import { plainActions } from './plain-actions.ts';
import type { ClusterOptions } from './service.ts';

export type { ClusterOptions } from './service.ts';

/**
 * Clusters that are lent, by the pools of this server or by a Cello-compatible service (spec/cluster.md §2).
 *
 * @param onClusters what cluster.run can run.
 */
export function clusterPack(
  options: ClusterOptions,
  http: HttpClients,
  onClusters: readonly Action[] = [],
): readonly Action[] {
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
  const runnable = new Map(onClusters.map((action) => [action.name, action]));
  const run: JobAction = {
    name: 'cluster.run',
    description:
      'Leases a cluster, runs one action with the input cluster filled in, and gives the cluster back whatever became of it.',
    kind: 'job',
    repeatSafe: true,
    takesLeases: true,
    parameters: parameters(
      {
        apply: {
          type: ['object', 'null'],
          description: 'Inputs of cluster.apply, but user_id: which cluster, wait, …',
        },
        action: { type: 'string', description: 'An action with an input cluster: spark.submit, flink.run_jar, …' },
        input: { type: ['object', 'null'], description: 'Its inputs; cluster is filled in.' },
      },
      ['action'],
    ),
    result: { description: 'What the action gives.' },
    examples: [
      {
        title: 'A Spark job on a cluster of its own',
        yaml: 'count:\n  action: cluster.run\n  input:\n    apply: {type: spark, size: 2, wait: 600}\n    action: spark.submit\n    input:\n      application: /srv/jobs/count.py\n      args: [<% $.text %>]\n',
      },
    ],
    backend: createRunBackend({ context, apply: own, find: (name) => runnable.get(name) }),
  };
  return [apply, run, ...plainActions(context)];
}
