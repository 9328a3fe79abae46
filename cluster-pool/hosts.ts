import { createHash } from 'node:crypto';
import type { Clock } from '../engine/shell/clock.ts';
import type { Store } from '../engine/store/connection.ts';
import { dropLease, takeLease } from '../engine/store/services.ts';
import type { ServiceSettings } from './settings.ts';

/** Which hosts' clusters this node looks after: its own host's, and those of no host. One node at a time has each of them. */
export class Hosts {
  private readonly store: Store;
  private readonly clock: Clock;
  private readonly nodeId: string;
  private readonly own: string;
  private readonly settings: ServiceSettings;

  constructor(store: Store, clock: Clock, nodeId: string, own: string, settings: ServiceSettings) {
    this.store = store;
    this.clock = clock;
    this.nodeId = nodeId;
    this.own = own;
    this.settings = settings;
  }

  /** Takes or keeps them, and answers which they are: of no host, `''`. */
  async keep(): Promise<readonly string[]> {
    const candidates = ['', this.own];
    // Nobody else can have the file open.
    if (!this.store.isShared) return candidates;
    const kept: string[] = [];
    const leaseMs = Math.max(LEASE_MS, this.settings.tickSeconds * 5000);
    for (const host of candidates)
      if ((await takeLease(this.store.writer, leaseName(host), this.nodeId, leaseMs)) !== null) kept.push(host);
    return kept;
  }

  /** Hosts that nobody has kept for too long. */
  async silent(): Promise<readonly string[]> {
    if (!this.store.isShared) return [];
    const before = this.clock.now() - this.settings.hostSilenceSeconds * 1000;
    const hosts: { host: string }[] = await this.store
      .reader('clusters')
      .distinct('host')
      .whereNot({ status: 'released' })
      .whereNot({ host: '' });
    const alive: { name: string }[] = await this.store
      .reader('leases')
      .whereIn(
        'name',
        hosts.map(({ host }) => leaseName(host)),
      )
      .where('expires_at', '>', before)
      .select('name');
    return hosts.map(({ host }) => host).filter((host) => !alive.some(({ name }) => name === leaseName(host)));
  }

  /** Lets another node of the host go on at once. */
  async leave(): Promise<void> {
    if (!this.store.isShared) return;
    for (const host of ['', this.own]) await dropLease(this.store.writer, leaseName(host), this.nodeId);
  }
}

const LEASE_MS = 15_000;

/** Of a long name what tells it from others: the column takes 64 characters. */
function leaseName(host: string): string {
  const name = `pools:${host}`;
  return name.length <= 64 ? name : `pools:${createHash('sha256').update(host).digest('hex').slice(0, 40)}`;
}
