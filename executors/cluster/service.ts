import type { Json, JsonObject } from '../../dsl/json.ts';
import type { ClusterPools, LeaseScope } from '../../cluster-pool/contract.ts';
import type { Connections } from '../connections/connection.ts';
import type { HttpClients } from '../flink/servers.ts';

export interface ClusterOptions {
  /** The built-in pool service; null where this process has none. */
  readonly pools: ClusterPools | null;
  readonly connections?: Connections;
  /** The outermost execution of one, itself where it is the outermost; null when it is gone. */
  rootOf(executionId: string): Promise<string | null>;
}

export interface ClusterContext extends ClusterOptions {
  readonly http: HttpClients;
}

/** Where a call goes, as a job's record keeps it: addresses and secrets of a connection are read anew each time. */
export type ServiceName =
  | { readonly kind: 'builtin' }
  | { readonly kind: 'connection'; readonly name: string }
  | { readonly kind: 'url'; readonly url: string };

/** For whom a cluster is wanted, and which will do. Recorded before the first call, and the same at every repeat. */
export interface Wish {
  readonly project: string;
  readonly userId: string;
  /** The user id belongs to this apply alone: whatever it holds came from here. */
  readonly isOwnUser: boolean;
  readonly type: string | null;
  readonly mode: string | null;
  readonly size: number | null;
  readonly sizeMin: number | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly name: string | null;
  readonly allowMultiple: boolean;
  readonly waitS: number;
  readonly ttlS: number | null;
  readonly scope: LeaseScope;
  readonly leaseKey: string;
  readonly executionId: string | null;
  readonly rootExecutionId: string | null;
  /** Of a shared user id: what it held before this apply. */
  readonly held: readonly string[];
}

export type Applied =
  | { readonly kind: 'granted'; readonly cluster: JsonObject }
  /** `ticket` names the place in the queue; null: there is none, ask again. */
  | { readonly kind: 'waiting'; readonly ticket: string | null }
  | { readonly kind: 'none'; readonly why: string };

/**
 * A service that lends clusters, built-in or remote. Every method throws ServiceRefusal when the service says no, RemoteError or
 * EgressError when it does not answer.
 */
export interface ClusterService {
  readonly name: ServiceName;
  apply(wish: Wish, signal: AbortSignal): Promise<Applied>;
  /** After a `waiting`: how it stands. */
  waiting(wish: Wish, ticket: string | null, signal: AbortSignal): Promise<Applied>;
  /** Calls back when a ticket may have been served. */
  watch(ticket: string, signal: AbortSignal, news: () => void): void;
  /** What this wish has been granted, as far as the service can tell; the first one is to be kept, the others are too many. */
  granted(wish: Wish, signal: AbortSignal): Promise<readonly JsonObject[]>;
  /** Writes down that the lease ends with its execution. */
  keep(wish: Wish, cluster: JsonObject): Promise<void>;
  /** Takes a wish back: the place in the queue, and what it has been granted. Repeats are harmless. */
  undo(wish: Wish, ticket: string | null, clusterId: string | null, signal: AbortSignal): Promise<void>;
  get(project: string, clusterId: string, signal: AbortSignal): Promise<JsonObject | null>;
  list(project: string, filter: JsonObject, signal: AbortSignal): Promise<readonly JsonObject[]>;
  release(request: ReleaseWish, signal: AbortSignal): Promise<readonly string[]>;
  operate(request: OperateWish, signal: AbortSignal): Promise<void>;
  renew(request: { readonly project: string; readonly clusterId: string; readonly ttlS: number | null }): Promise<Json>;
}

export interface ReleaseWish {
  readonly project: string;
  /** One of them is set, or neither: all that the execution holds. */
  readonly clusterId: string | null;
  readonly userId: string | null;
  readonly executionId: string | null;
  readonly rootExecutionId: string | null;
}

export interface OperateWish {
  readonly project: string;
  readonly clusterId: string;
  readonly op: 'start' | 'stop' | 'restart';
  readonly node: string | null;
}
