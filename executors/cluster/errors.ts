import type { JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { EgressError } from '../egress.ts';
import { RemoteError } from '../http-client.ts';

export type ClusterCode =
  | 'CLUSTER_NONE_AVAILABLE'
  | 'CLUSTER_BAD_REQUEST'
  | 'CLUSTER_UNREACHABLE'
  | 'CLUSTER_NOT_FOUND'
  | 'CLUSTER_NOT_OWNER'
  | 'CLUSTER_NOT_READY'
  | 'CLUSTER_LEASE_OVER'
  | 'CLUSTER_AMBIGUOUS'
  | 'CLUSTER_CANCELLED'
  | 'CLUSTER_TIMEOUT';

const RETRYABLE: readonly ClusterCode[] = ['CLUSTER_NONE_AVAILABLE', 'CLUSTER_UNREACHABLE', 'CLUSTER_NOT_READY'];

export function clusterError(code: ClusterCode, message: string, more: JsonObject = {}): ActionResult {
  return { kind: 'error', output: { code, message, ...more }, retryable: RETRYABLE.includes(code) };
}

/** An answer of the service that says no: `code` is the one in its body, not the status (spec/cluster.md §1.2). */
export class ServiceRefusal extends Error {
  override readonly name = 'ServiceRefusal';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a failed call says about the action. */
export function callFailed(error: unknown): ActionResult {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ServiceRefusal) {
    if (error.code === 404) return clusterError('CLUSTER_NOT_FOUND', message);
    return clusterError(error.code === 403 ? 'CLUSTER_NOT_OWNER' : 'CLUSTER_BAD_REQUEST', message);
  }
  if (error instanceof EgressError) return clusterError('CLUSTER_BAD_REQUEST', message);
  if (error instanceof RemoteError && error.fault === 'bad-url') return clusterError('CLUSTER_BAD_REQUEST', message);
  return clusterError('CLUSTER_UNREACHABLE', message);
}

/** `passing`: not now, and nothing was started. `unclear`: it may have been. `final`: the answer stands. */
export function natureOf(error: unknown): 'passing' | 'unclear' | 'final' {
  if (error instanceof ServiceRefusal || error instanceof EgressError) return 'final';
  if (!(error instanceof RemoteError)) return 'unclear';
  if (error.fault === 'bad-url' || error.fault === 'blocked' || error.fault === 'tls') return 'final';
  return error.notSent ? 'passing' : 'unclear';
}
