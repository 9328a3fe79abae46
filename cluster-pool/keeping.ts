import type { Logger } from '../engine/log.ts';
import type { Clock } from '../engine/shell/clock.ts';
import type { Store } from '../engine/store/connection.ts';
import { SYSTEM_USERS } from './contract.ts';
import type { Providers } from './providers/index.ts';
import type { PoolSettings, ServiceSettings } from './settings.ts';
import type { Signals } from './signals.ts';
import type { Change } from './store/changing.ts';
import type { ClusterRow } from './store/rows.ts';

export interface KeeperOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeId: string;
  readonly settings: ServiceSettings;
  readonly pools: readonly PoolSettings[];
  readonly providers: Providers;
  readonly signals: Signals;
  /** Clusters of this host write below it. */
  readonly folder: string;
  /** The database ends with this process, and so must all clusters that it knows. */
  readonly temporary: boolean;
}

/** What the parts of the keeper share. */
export interface Keeping extends KeeperOptions {
  /** When each cluster's health was looked at last. */
  readonly checkedAt: Map<string, number>;
  /** A change of rows; whoever waits for one hears of it. */
  change<T>(work: (change: Change) => Promise<T>): Promise<T>;
}

/** Whether the row is still in the state in which it was read. */
export async function isStill(change: Change, row: ClusterRow): Promise<boolean> {
  const found: unknown = await change.trx('clusters').where({ id: row.id, status: row.status }).first('id');
  return found !== undefined;
}

/** What makes a cluster due for recycling. */
export function resettingAt(now: number) {
  return { status: 'resetting', userId: SYSTEM_USERS.resetting, attempts: 0, nextTryAt: now } as const;
}

export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 2000);
}
