import { serveAll } from './applying.ts';
import { adopt, check } from './health.ts';
import { Hosts } from './hosts.ts';
import type { Keeping, KeeperOptions } from './keeping.ts';
import { create, destroy, leave, recycle } from './making.ts';
import { Operations } from './operations.ts';
import { reap } from './reaper.ts';
import { registerPools } from './registering.ts';
import { changePools } from './store/changing.ts';
import type { Change } from './store/changing.ts';
import { openLeases, releaseLease } from './store/leases.ts';
import { activeLives, findLife } from './store/lives.ts';
import { findPools } from './store/pools.ts';
import { forgetOldLives } from './store/queries.ts';
import type { ClusterRow, PoolRow } from './store/rows.ts';
import { endLateTickets, mayServe, openTickets } from './store/waiters.ts';
import { keepFilled } from './upkeep.ts';
import { fulfil } from './wishes.ts';

/**
 * Does what the rows say (spec/cluster.md §3.5): makes, checks, recycles and ends clusters of this host and those of no host. One node
 * at a time keeps a host; what a node that died was about to do stands in the rows, and is done again.
 */
export class Keeper {
  private readonly options: KeeperOptions;
  private readonly keeping: Keeping;
  private readonly hosts: Hosts;
  private readonly operations: Operations;
  private readonly stopping = new AbortController();
  private running: Promise<void> | null = null;
  /** Hosts whose clusters were looked at since this node keeps them. */
  private readonly adopted = new Set<string>();
  private reapedAt = 0;
  private forgotAt = 0;

  constructor(options: KeeperOptions) {
    this.options = options;
    this.keeping = { ...options, checkedAt: new Map(), change: (work) => this.change(work) };
    this.hosts = new Hosts(options.store, options.clock, options.nodeId, options.providers.host, options.settings);
    this.operations = new Operations(this.stopping.signal, options.log);
  }

  /** Resolves when what an earlier process left has been looked at. */
  async start(): Promise<void> {
    if (!(await this.hasWork())) return;
    await registerPools(this.keeping);
    await this.round();
    this.running = this.loop();
  }

  async stop(): Promise<void> {
    if (this.running === null) return;
    this.stopping.abort();
    this.options.signals.changed();
    await this.running;
    await this.operations.settled();
    if (this.options.temporary) await this.endClusters(() => true);
    else if (this.options.settings.stopFreeOnShutdown) await this.endClusters((row) => row.leaseId === null);
    await this.hosts.leave();
  }

  private async loop(): Promise<void> {
    const { log, settings, signals } = this.options;
    for (;;) {
      // Before the rows are read: what changes meanwhile wakes it.
      const woken = signals.next(settings.tickSeconds * 1000, this.stopping.signal);
      try {
        await this.round();
      } catch (error) {
        log.error('Clusters could not be looked after.', { error });
      }
      await woken;
      if (this.stopping.signal.aborted) return;
    }
  }

  /** Without pools, and without anything that earlier ones left, there is nothing to keep. */
  private async hasWork(): Promise<boolean> {
    if (this.options.pools.length > 0) return true;
    return (await this.options.store.reader('cluster_pools').first('name')) !== undefined;
  }

  private async round(): Promise<void> {
    const { store, clock, settings } = this.options;
    const kept = await this.hosts.keep();
    for (const host of this.adopted) if (!kept.includes(host)) this.adopted.delete(host);
    this.operations.keepOnly(kept);
    if (kept.length === 0) return;
    const rows = await activeLives(store.reader, kept);
    const pools = new Map((await findPools(store.reader)).map((pool) => [pool.name, pool]));
    this.operations.abandon(rows);
    await this.adoptNew(kept, rows, pools);
    for (const row of rows) {
      const pool = pools.get(row.pool);
      if (pool !== undefined) await this.sparing(pool, () => this.consider(row, pool));
    }
    for (const pool of pools.values())
      if (kept.includes(pool.host)) await this.sparing(pool, () => this.fill(pool, rows));
    if (!kept.includes('')) return;
    await this.serve();
    const now = clock.now();
    if (now - this.reapedAt >= settings.reaperSeconds * 1000) {
      this.reapedAt = now;
      await reap(this.options, await this.hosts.silent());
    }
    if (settings.retentionDays > 0 && now - this.forgotAt >= 3_600_000) {
      this.forgotAt = now;
      await forgetOldLives(store.writer, now - settings.retentionDays * 86_400_000);
    }
  }

  /** What is wrong with one pool, such as an installation that is gone, is no reason to leave the others alone. */
  private async sparing(pool: PoolRow, work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.options.log.error('A pool could not be looked after.', { pool: pool.name, error });
    }
  }

  private async adoptNew(
    kept: readonly string[],
    rows: readonly ClusterRow[],
    pools: ReadonlyMap<string, PoolRow>,
  ): Promise<void> {
    const hosts = kept.filter((host) => !this.adopted.has(host));
    const found = rows.filter(
      (row) => hosts.includes(row.host) && (row.status === 'running' || row.status === 'draining'),
    );
    await Promise.all(
      found.map((row) => {
        const pool = pools.get(row.pool);
        return pool === undefined
          ? undefined
          : this.operations.run(row, (signal) => adopt(this.keeping, row, pool, signal));
      }),
    );
    for (const host of hosts) this.adopted.add(host);
  }

  /** Begins what the row is due for, unless something is under way for it. */
  private consider(row: ClusterRow, pool: PoolRow): void {
    const { clock, settings, providers } = this.options;
    if (this.operations.isBusy(row.id)) return;
    const now = clock.now();
    const provider = providers.of(pool);
    const begin = (work: (signal: AbortSignal) => Promise<void>) => void this.operations.run(row, work);
    if (row.wish !== null) return begin((signal) => fulfil(this.keeping, row, provider, signal));
    switch (row.status) {
      case 'creating':
        if (row.nextTryAt <= now && this.operations.mayCreate(row.host)) {
          this.operations.creating(row);
          begin((signal) => create(this.keeping, row, provider, signal));
        }
        return;
      case 'resetting':
        if (row.nextTryAt <= now) begin((signal) => recycle(this.keeping, row, pool, provider, signal));
        return;
      case 'deleting':
        if (row.nextTryAt <= now) begin((signal) => destroy(this.keeping, row, provider, signal));
        return;
      case 'draining':
      case 'running': {
        if (row.userId === '' && (row.status === 'draining' || !pool.schedulable))
          return begin(() => leave(this.keeping, row));
        const last = this.keeping.checkedAt.get(row.id) ?? 0;
        if (now - last < settings.healthSeconds * 1000) return;
        this.keeping.checkedAt.set(row.id, now);
        return begin((signal) => check(this.keeping, row, pool, provider, signal));
      }
      case 'stopped':
        if (row.userId === '' && !pool.schedulable) begin(() => leave(this.keeping, row));
        return;
      case 'failed':
      case 'released':
        this.keeping.checkedAt.delete(row.id);
    }
  }

  private async fill(pool: PoolRow, rows: readonly ClusterRow[]): Promise<void> {
    if (!pool.schedulable) return;
    const { store, clock, providers } = this.options;
    const own = rows.filter((row) => row.pool === pool.name);
    const free = own.filter((row) => row.userId === '');
    // Whoever waits, a full pool whose clusters are all in use has nothing to make and nothing to give up.
    if (own.length >= pool.capacity && !free.some((row) => row.status === 'running')) return;
    const isShort = own.length < pool.capacity && free.length < pool.minFree;
    if (!isShort && (await openTickets(store.reader, clock.now())).length === 0) return;
    const { result } = await changePools(store, clock, (change) => keepFilled(change, pool, providers));
    if (result) this.options.signals.changed();
  }

  /** Ends tickets whose time is over, and serves what can be. Looks first, so that an idle service writes nothing. */
  private async serve(): Promise<void> {
    const { store, clock, settings, signals } = this.options;
    if (!(await mayServe(store.reader, clock.now()))) return;
    const { result } = await changePools(
      store,
      clock,
      async (change) => (await endLateTickets(change)) + (await serveAll(change, settings)),
    );
    if (result > 0) signals.changed();
  }

  /** Of this host, also what is half made; when nothing else is under way any more. */
  private async endClusters(isMeant: (row: ClusterRow) => boolean): Promise<void> {
    const { store, providers } = this.options;
    const pools = new Map((await findPools(store.reader)).map((pool) => [pool.name, pool]));
    const rows = await activeLives(store.reader, [providers.host]);
    await Promise.all(
      rows.map(async (row) => {
        const pool = pools.get(row.pool);
        if (pool === undefined || !isMeant(row)) return;
        if (this.options.temporary)
          await this.change(async (change) => {
            for (const lease of await openLeases(change.trx, { cluster_id: row.id }))
              await releaseLease(change, lease, 'server stopped');
          });
        const now = (await findLife(store.writer, row.id)) ?? row;
        // A cluster that is taken back as it is may have begun its next life: nothing runs here for it.
        // And one that was free may have been granted by another node: it is that user's.
        if (now.status === 'released' || !isMeant(now)) return;
        await leave(this.keeping, now);
        if ((await findLife(store.writer, row.id))?.status !== 'deleting') return;
        const provider = providers.of(pool);
        await destroy(this.keeping, { ...now, status: 'deleting' }, provider, new AbortController().signal);
      }),
    );
  }

  private async change<T>(work: (change: Change) => Promise<T>): Promise<T> {
    const { store, clock, signals } = this.options;
    const { result } = await changePools(store, clock, work);
    signals.changed();
    return result;
  }
}
