import type { RemoteLease } from '../../cluster-pool/contract.ts';
import type { EndedExecution, LeaseKeeper } from '../../engine/contract.ts';
import type { Logger } from '../../engine/log.ts';
import type { Clock } from '../../engine/shell/clock.ts';
import { connectionFor, NO_CONNECTIONS } from '../connections/connection.ts';
import { sleep } from '../sleep.ts';
import { serviceByConnection } from './services.ts';
import type { ClusterContext } from './service.ts';

export interface LeaseKeeperOptions extends ClusterContext {
  readonly clock: Clock;
  readonly log: Logger;
  /** How long jobs of an ended execution may take to end before their clusters are taken from them (spec/cluster.md §4.4). */
  readonly releaseGraceMs: number;
  /** Whether jobs of this execution are not over; `wholeTree`: of those below it as well. */
  readonly hasLiveJobs: (executionId: string, wholeTree: boolean) => Promise<boolean>;
  /** Whether the execution has ended or is gone. */
  readonly isOver: (executionId: string) => Promise<boolean>;
}

/** Gives back what executions have leased, from the pools of this server and from others. */
export class ClusterLeaseKeeper implements LeaseKeeper {
  private readonly options: LeaseKeeperOptions;
  private readonly stopped = new AbortController();
  private cancelNext = () => {};
  private sweeping: Promise<void> = Promise.resolve();

  constructor(options: LeaseKeeperOptions) {
    this.options = options;
  }

  async release(ended: EndedExecution, signal: AbortSignal): Promise<void> {
    const { executionId, rootExecutionId, state } = ended;
    await this.jobsToEnd(ended, signal);
    const reason = `execution ${state === 'DELETED' ? 'deleted' : state}`;
    await this.giveBack(executionId, rootExecutionId, reason, signal);
    // One that ends after the outermost one is the last to need what that one holds.
    if (rootExecutionId !== null && rootExecutionId !== executionId && (await this.options.isOver(rootExecutionId)))
      await this.giveBack(rootExecutionId, null, reason, signal);
  }

  /** Looks from time to time for leases of other services whose execution has ended while they were being granted. */
  start(): void {
    if (this.options.pools === null || this.stopped.signal.aborted) return;
    this.cancelNext = this.options.clock.after(SWEEP_EVERY_MS, () => {
      this.sweeping = this.sweep()
        .catch((error: unknown) => {
          if (!this.stopped.signal.aborted)
            this.options.log.warn('Leases of ended executions were not looked at', { error });
        })
        .finally(() => this.start());
    });
  }

  async stop(): Promise<void> {
    this.stopped.abort(new Error('The server is shutting down.'));
    this.cancelNext();
    await this.sweeping;
  }

  private async sweep(): Promise<void> {
    for (const lease of (await this.options.pools?.remoteLeasesOfEnded()) ?? [])
      await this.giveBackRemote(lease, 'execution over', this.stopped.signal);
  }

  /** Jobs are told to stop by the same end; a cluster is not to be pulled away from under one that is about to obey. */
  private async jobsToEnd({ executionId, rootExecutionId, at }: EndedExecution, signal: AbortSignal): Promise<void> {
    const { hasLiveJobs, clock, releaseGraceMs } = this.options;
    const isRoot = rootExecutionId === null || rootExecutionId === executionId;
    for (let pause = 50; clock.now() - at < releaseGraceMs; pause = Math.min(1000, pause * 2)) {
      if (!(await hasLiveJobs(executionId, isRoot))) return;
      await sleep(pause, signal);
    }
  }

  private async giveBack(
    executionId: string,
    rootId: string | null,
    reason: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { pools } = this.options;
    if (pools === null) return;
    // Asked before anything is released: the pools forget whose they were.
    const remote = await pools.remoteLeasesOf(executionId, rootId);
    await pools.releaseOfEndedExecution(executionId, rootId, reason);
    for (const lease of remote) await this.giveBackRemote(lease, reason, signal);
  }

  private async giveBackRemote(lease: RemoteLease, reason: string, signal: AbortSignal): Promise<void> {
    const { connections = NO_CONNECTIONS, pools, log } = this.options;
    const { connection, cluster_id: clusterId } = lease;
    const isKnown =
      /^https?:\/\//.test(connection) || typeof connectionFor(connections, connection, ['cluster']) !== 'string';
    if (!isKnown) {
      log.error('A cluster of a connection that is not configured any more cannot be given back', { ...lease });
      await pools?.remoteLeaseReleased(connection, clusterId, `${reason}; the connection is gone`);
      return;
    }
    const service = serviceByConnection(connection, this.options);
    await service.release({ ...NOBODY, project: lease.project, clusterId }, signal);
  }
}

const NOBODY = { userId: null, executionId: null, rootExecutionId: null } as const;
const SWEEP_EVERY_MS = 15_000;
