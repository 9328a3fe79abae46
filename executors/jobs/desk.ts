import type { ActionReport } from '../../engine/contract.ts';
import type { Logger } from '../../engine/log.ts';
import type { ExternalJobPatch } from '../../engine/store/external-jobs.ts';
import type { JobBackend, JobContext, JobRequest } from './backend.ts';
import type { Watched } from './watched.ts';

/** What a step needs from the watcher. */
export interface Desk {
  readonly limits: WatchLimits;
  readonly log: Logger;
  now(): number;
  random(): number;
  contextOf(watched: Watched): JobContext;
  backendOf(watched: Watched): JobBackend;
  loadRequest(id: string): Promise<JobRequest>;
  /** Resolves after the commit; false when the lease is lost. */
  write(id: string, patch: ExternalJobPatch): Promise<boolean>;
  claimSubmit(id: string, nowMs: number): Promise<boolean>;
  requestCancel(id: string, reason: 'cancelled' | 'timeout', nowMs: number): Promise<void>;
  report(report: ActionReport): Promise<void>;
  /** Whether the job may run beside the others of its server; a held slot stays until it is released. */
  takeSlot(watched: Watched): boolean;
  releaseSlot(watched: Watched): void;
  /** Since when this server does not answer; null when it does, or has not been asked. */
  silence(server: string): { readonly sinceMs: number; readonly reason: string } | null;
  /** How many jobs of this server are watched. */
  jobsOf(server: string): number;
  /** Named places where tests let a node die. */
  fault(point: FaultPoint, id: string): Promise<void> | undefined;
}

export interface WatchLimits {
  /** For how long a submit that certainly started nothing is tried again. */
  readonly retryForMs: number;
  /** For how long a job's server may be silent before the job is given up. */
  readonly unreachableForMs: number;
  /** At least this long between two readings of progress and log. */
  readonly looksEveryMs: number;
  /** The polls of one server are stretched so that there are no more a second. */
  readonly pollsPerSecond: number;
}

export type FaultPoint =
  | 'recorded'
  | 'staged'
  | 'submitting'
  | 'answered'
  | 'submitted'
  | 'polled'
  | 'cancelling'
  | 'ended'
  | 'reported';

export type Next =
  | {
      readonly kind: 'again';
      readonly afterMs: number;
      readonly work: 'submit' | 'poll' | 'report';
      readonly server?: ServerNews;
    }
  /** Reported and closed. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'lease-lost' };

/** What a step has learned about the job's server. */
export type ServerNews = { readonly kind: 'up' } | { readonly kind: 'down'; readonly reason: string };

export const UP: ServerNews = { kind: 'up' };
