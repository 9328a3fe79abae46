import type { JsonObject } from '../dsl/json.ts';
import type { ClusterNode } from './contract.ts';

/** What makes, watches and ends the clusters of one kind (spec/cluster.md §4.1). Every call may be repeated, and ends when the signal says so. */
export interface Provider {
  /** Its processes are this host's: only a node of this host may act on them. */
  readonly isLocal: boolean;
  /** What a cluster of this size takes of the pool's budget. */
  plan(size: number): Resources;
  /** Makes it and waits until it is ready. What an earlier try under the same handle left is ended first. */
  create(spec: ClusterSpec, signal: AbortSignal): Promise<Made>;
  health(cluster: LiveCluster, signal: AbortSignal): Promise<HealthReport>;
  start(cluster: LiveCluster, node: string | null, signal: AbortSignal): Promise<Made>;
  stop(cluster: LiveCluster, node: string | null, signal: AbortSignal): Promise<Made>;
  restart(cluster: LiveCluster, node: string | null, signal: AbortSignal): Promise<Made>;
  /** Starts what is missing of a free cluster; null: that does not make it whole. Without it such a cluster is made anew. */
  mend?(cluster: LiveCluster, signal: AbortSignal): Promise<Made | null>;
  /** Cleans what a user left without making it anew; null: that cannot be done, make it anew. */
  reset(cluster: LiveCluster, signal: AbortSignal): Promise<Made | null>;
  /** Ends all of it. Nothing is left afterwards, whatever the handle says. */
  destroy(cluster: Pick<LiveCluster, 'id' | 'name' | 'handle'>, signal: AbortSignal): Promise<void>;
  /** After a restart of the server: whether it is still the one that was made. Null: it is not, or not whole. */
  adopt(cluster: LiveCluster, signal: AbortSignal): Promise<Made | null>;
  /** The last lines of a node's log, of the first node without a name. Null: there is no such node. */
  log(cluster: LiveCluster, node: string | null, tail: number): Promise<string | null>;
}

export interface Resources {
  readonly cores: number;
  readonly memoryMb: number;
}

export interface ClusterSpec {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Known before anything is made: with `folder` for what is written and, once there is one, what an earlier life used. */
  readonly handle: JsonObject;
  /** Ports that other clusters of this host hold. */
  readonly takenPorts: ReadonlySet<number>;
}

export interface LiveCluster {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly handle: JsonObject;
  readonly endpoints: Readonly<Record<string, string>>;
  readonly nodes: readonly ClusterNode[];
}

/** A cluster as a provider left it. */
export interface Made {
  readonly endpoints: Readonly<Record<string, string>>;
  readonly handle: JsonObject;
  readonly nodes: readonly ClusterNode[];
}

export interface HealthReport {
  readonly ok: boolean;
  /** What is wrong. */
  readonly why: string;
  readonly nodes?: readonly ClusterNode[];
}

/** The provider cannot do this, or it failed in a way that people should read. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError';
}
