import type { ClusterPools } from '../cluster-pool/contract.ts';
import type { Logger } from '../engine/log.ts';
import type { Clock } from '../engine/shell/clock.ts';
import { isFinal } from '../engine/core/model.ts';
import type { Store } from '../engine/store/connection.ts';
import { hasLiveExternalJobs } from '../engine/store/external-jobs.ts';
import type { ExecutionRow } from '../engine/store/tables.ts';
import { ClusterLeaseKeeper } from '../executors/cluster/keeper.ts';
import type { ClusterOptions } from '../executors/cluster/pack.ts';
import type { Connections } from '../executors/connections/connection.ts';
import type { HttpClient } from '../executors/http-client.ts';

interface LeasingOptions {
  readonly store: Store;
  readonly pools: ClusterPools;
  readonly connections: Connections;
  readonly http: { readonly forUsers: HttpClient; readonly forConnections: HttpClient };
  readonly clock: Clock;
  readonly log: Logger;
  readonly releaseGraceSeconds: number;
}

/** What the actions of clusters get, and who gives back what executions have leased. */
export function createLeasing(options: LeasingOptions): {
  readonly cluster: ClusterOptions;
  readonly keeper: ClusterLeaseKeeper;
} {
  const { store, pools, connections, http, clock, log } = options;
  const find = (id: string): Promise<Pick<ExecutionRow, 'root_execution_id' | 'state'> | undefined> =>
    store.reader('executions').where('id', id).first('root_execution_id', 'state');
  const cluster: ClusterOptions = {
    pools,
    connections,
    rootOf: async (id) => {
      const row = await find(id);
      return row === undefined ? null : (row.root_execution_id ?? id);
    },
  };
  const keeper = new ClusterLeaseKeeper({
    ...cluster,
    http,
    clock,
    log,
    releaseGraceMs: options.releaseGraceSeconds * 1000,
    hasLiveJobs: (id, wholeTree) => hasLiveExternalJobs(store.reader, id, wholeTree),
    isOver: async (id) => {
      const row = await find(id);
      return row === undefined || isFinal(row.state);
    },
  });
  return { cluster, keeper };
}
