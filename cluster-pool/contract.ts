import { isJsonObject, stringifyJson } from '../dsl/json.ts';
import type { Json, JsonObject } from '../dsl/json.ts';

/** What the pool service says to actions and routes (spec/cluster.md). Records that go over the wire are in wire form, snake_case. */

/** `execution`: the lease ends with the execution that applied; `root`: with the outermost one; `none`: with nobody. */
export type LeaseScope = 'execution' | 'root' | 'none';

/** `''` is what nobody has checked; `UNKNOWN`: the host that owns the processes has not been heard of. */
export type ClusterHealth = '' | 'OK' | 'FAIL' | 'UNKNOWN';

/** spec/cluster.md §3.5; `released` is a life that is over. */
export type ClusterStatus =
  | 'creating'
  | 'running'
  | 'stopped'
  | 'resetting'
  | 'draining'
  | 'failed'
  | 'deleting'
  | 'released';

export interface ClusterNode {
  /** `master`, `jobmanager`, `w0`, `w1`, … */
  readonly name: string;
  readonly pid: number | null;
  readonly state: string;
}

export interface ClusterLease {
  readonly id: string;
  /** The user id that holds it. */
  readonly owner: string;
  /** Milliseconds since 1970; null: never. */
  readonly expires_at: number | null;
  readonly scope: LeaseScope;
}

/** One life of a cluster, with both spellings of spec/cluster.md §3.2. Unset texts are empty, as Cello sends them. */
export interface Cluster {
  readonly id: string;
  readonly name: string;
  readonly pool: string;
  readonly type: string;
  readonly mode: string;
  readonly size: number;
  /** Of its workers together; 0: not known. */
  readonly cores: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty: free. `__SYSTEM__…`: not to be had. */
  readonly user_id: string;
  readonly status: ClusterStatus;
  readonly health: ClusterHealth;
  readonly endpoints: Readonly<Record<string, string>>;
  readonly nodes: readonly ClusterNode[];
  /** ISO 8601, UTC. */
  readonly create_ts: string;
  readonly apply_ts: string;
  readonly release_ts: string;
  /** Seconds from apply to release, as text; empty while the life goes on. */
  readonly duration: string;
  readonly lease?: ClusterLease;
  // Cello's names for the same.
  readonly consensus_plugin: string;
  readonly consensus_mode: string;
  readonly host_id: string;
  readonly api_url: string;
  readonly service_url: Readonly<Record<string, string>>;
  readonly daemon_url: string;
  readonly worker_api: string;
  readonly containers: readonly string[];
  readonly mapped_ports: Readonly<Record<string, number>>;
}

/** Which clusters will do; an absent field does not matter. */
export interface ClusterFilter {
  readonly type?: string;
  readonly mode?: string;
  readonly size?: number;
  readonly size_min?: number;
  /** Each of these must be there with the same value. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly name?: string;
}

export interface ApplyRequest {
  readonly project: string;
  readonly user_id: string;
  readonly filter: ClusterFilter;
  /** False: a cluster that this user holds already and that fits is given again. */
  readonly allow_multiple: boolean;
  /** Seconds that a ticket lives; 0 leaves none. */
  readonly wait_s: number;
  /** Seconds after which the lease ends unless it is renewed; null: what the pool says. */
  readonly ttl_s: number | null;
  /** The same key gives the same lease, or the same ticket. */
  readonly lease_key: string | null;
  readonly execution_id: string | null;
  readonly root_execution_id: string | null;
  readonly scope: LeaseScope;
}

export interface Refusal {
  readonly kind: 'refused';
  readonly code: 400 | 403 | 404;
  readonly why: string;
}

export type ApplyAnswer =
  | { readonly kind: 'granted'; readonly cluster: Cluster }
  | { readonly kind: 'waiting'; readonly ticket: string }
  | { readonly kind: 'none'; readonly why: string }
  | Refusal;

/** By cluster, by user, or all that an execution holds (`scope: none` too). */
export interface ReleaseRequest {
  /** Null: of any project. */
  readonly project: string | null;
  readonly cluster_id?: string;
  readonly user_id?: string;
  readonly execution_id?: string;
  /** Who asks: with a cluster id another one than the holder is refused. */
  readonly by_user_id?: string;
  /** By default `released`. */
  readonly reason?: string;
}

/** Ids of the lives whose leases this call has ended; what was over before is not among them. */
export interface ReleaseAnswer {
  readonly kind: 'released';
  readonly released: readonly string[];
}

export interface OperateRequest {
  readonly project: string;
  readonly cluster_id: string;
  readonly op: 'start' | 'stop' | 'restart';
  /** One process instead of all: `w0`, `master`, `jobmanager`. */
  readonly node?: string;
  /** Who asks; checked where the configuration says `require_owner`. */
  readonly by_user_id?: string;
  /** An administrator may touch what others hold. */
  readonly is_admin?: boolean;
}

/** A filter of lists: every field must fit. `null` as project sees every project. */
export interface ClusterListFilter extends ClusterFilter {
  readonly id?: string;
  readonly user_id?: string;
  readonly pool?: string;
  readonly status?: string;
  readonly health?: string;
  /** By default lives that go on. */
  readonly state?: 'active' | 'released';
  /** Offered to whoever applies: running, healthy, held by nobody. */
  readonly free?: boolean;
}

export interface ClusterEvent {
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly cluster_id: string;
  readonly cluster_name: string;
  readonly pool: string;
  /** `created`, `granted`, `released`, `health`, `recycled`, `failed`, `adopted`, … */
  readonly event: string;
  readonly user_id: string;
  readonly lease_id: string | null;
  readonly data: JsonObject;
}

export interface LeaseRecord {
  readonly id: string;
  readonly lease_key: string | null;
  readonly cluster_id: string;
  readonly project_id: string;
  readonly user_id: string;
  readonly execution_id: string | null;
  readonly root_execution_id: string | null;
  readonly scope: LeaseScope;
  readonly granted_at: number;
  readonly renewed_at: number;
  readonly expires_at: number | null;
  readonly released_at: number | null;
  readonly release_reason: string | null;
  /** The connection of a remote service that granted it; null: this one. */
  readonly remote: string | null;
}

export interface PoolRecord {
  readonly name: string;
  readonly provider: string;
  readonly type: string;
  readonly mode: string;
  readonly sizes: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: number;
  readonly min_free: number;
  readonly max_lease_seconds: number | null;
  readonly schedulable: boolean;
  readonly recycle: string;
  readonly host: string;
  readonly total: number;
  readonly free: number;
  readonly leased: number;
  readonly waiting: number;
}

/** A lease that a remote service granted: kept here so that it ends with its execution (spec/cluster.md §2). */
export interface RemoteLease {
  readonly project: string;
  readonly user_id: string;
  /** Name or address of the connection. */
  readonly connection: string;
  readonly cluster_id: string;
  readonly lease_key: string | null;
  readonly execution_id: string | null;
  readonly root_execution_id: string | null;
  readonly scope: LeaseScope;
}

export interface RenewRequest {
  readonly project: string | null;
  readonly cluster_id: string;
  /** Null: as long as it was given for. */
  readonly ttl_s: number | null;
  readonly by_user_id?: string;
}

/** The pools of a database. Works on every node: what is to be done stands in the rows, and the node that keeps a host's clusters does it. */
export interface ClusterPools {
  /** Never blocks. With `wait_s` a ticket is left: wait for it with {@link waitFor}, or ask again with the same `lease_key`. */
  apply(request: ApplyRequest): Promise<ApplyAnswer>;
  /** How the ticket stands: `none` once its time is over, it was cancelled, or nobody knows it. */
  ticket(id: string): Promise<ApplyAnswer>;
  /** Resolves when the ticket is served or over, at the latest after so many milliseconds (`waiting`) or when aborted (`waiting`). */
  waitFor(ticket: string, milliseconds: number, signal?: AbortSignal): Promise<ApplyAnswer>;
  /** A ticket that waits lives for so many seconds from now on. */
  extendTicket(id: string, seconds: number): Promise<void>;
  /** Gives the ticket back; a grant that won the race is released. */
  cancelTicket(id: string): Promise<void>;
  release(request: ReleaseRequest): Promise<ReleaseAnswer | Refusal>;
  /** Resolves when it is done. */
  operate(request: OperateRequest): Promise<Cluster | Refusal>;
  /** Null for what does not exist or is another project's. */
  get(project: string | null, id: string): Promise<Cluster | null>;
  list(project: string | null, filter: ClusterListFilter): Promise<readonly Cluster[]>;
  renew(request: RenewRequest): Promise<ClusterLease | Refusal>;
  /** The last `tail` lines of a node's log; of the first node without a name. */
  log(
    project: string | null,
    id: string,
    node: string | null,
    tail: number,
  ): Promise<{ readonly text: string } | Refusal>;
  events(project: string | null, id: string): Promise<readonly ClusterEvent[] | Refusal>;
  pools(): Promise<readonly PoolRecord[]>;
  leases(project: string | null, filter: LeaseFilter): Promise<readonly LeaseRecord[]>;
  /** Types, modes and sizes that some pool could serve. */
  offers(): Promise<readonly Offer[]>;

  // For administrators.
  create(request: {
    readonly pool: string;
    readonly size?: number;
    readonly name?: string;
  }): Promise<Cluster | Refusal>;
  /** A leased one only with `force`. */
  delete(request: { readonly cluster_id: string; readonly force?: boolean }): Promise<Cluster | Refusal>;
  /** No new leases; what is free is deleted, the rest when it is released. */
  drain(target: DrainTarget): Promise<{ readonly drained: readonly string[] } | Refusal>;
  undrain(target: DrainTarget): Promise<{ readonly undrained: readonly string[] } | Refusal>;

  /** Ends what an ended execution holds and waits for; idempotent. Its remote leases are told by {@link remoteLeasesOf}. */
  releaseOfEndedExecution(executionId: string, rootId: string | null, reason: string): Promise<readonly string[]>;
  recordRemoteLease(lease: RemoteLease): Promise<void>;
  remoteLeaseReleased(connection: string, clusterId: string, reason: string): Promise<void>;
  /** Open remote leases that end with this execution; ask before they are released. */
  remoteLeasesOf(executionId: string, rootId: string | null): Promise<readonly RemoteLease[]>;
  /** Open remote leases whose execution has ended: what a crash left. */
  remoteLeasesOfEnded(): Promise<readonly RemoteLease[]>;
}

export interface LeaseFilter {
  readonly user_id?: string;
  readonly execution_id?: string;
  readonly cluster_id?: string;
  /** By default open ones only. */
  readonly state?: 'open' | 'all';
}

export interface Offer {
  readonly pool: string;
  readonly type: string;
  readonly mode: string;
  readonly sizes: readonly number[];
}

export type DrainTarget = { readonly cluster_id: string } | { readonly pool: string };

/** User ids that nobody has: a cluster with one of these is not to be had (spec/cluster.md §1.4). */
export const SYSTEM_USERS = {
  creating: '__SYSTEM__CREATING',
  resetting: '__SYSTEM__RESETTING',
  deleting: '__SYSTEM__DELETING',
} as const;

export function isSystemUser(userId: string): boolean {
  return userId.startsWith('__SYSTEM__');
}

export function isRefusal(answer: object): answer is Refusal {
  return 'kind' in answer && answer.kind === 'refused';
}

/** Labels as they came; numbers and truth values become the text that JSON has for them. Undefined: not a mapping of names to single values. */
export function labelsOf(value: Json): Readonly<Record<string, string>> | undefined {
  if (!isJsonObject(value)) return undefined;
  const labels: [string, string][] = [];
  for (const [name, label] of Object.entries(value)) {
    if (label === null || Array.isArray(label) || isJsonObject(label)) return undefined;
    labels.push([name, typeof label === 'string' ? label : stringifyJson(label)]);
  }
  return Object.fromEntries(labels);
}
