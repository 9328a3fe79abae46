import { join } from 'node:path';
import type { JsonObject } from '../dsl/json.ts';
import type { Clock } from '../engine/shell/clock.ts';
import type { Logger } from '../engine/log.ts';
import type { Store } from '../engine/store/connection.ts';
import { serveAll } from './applying.ts';
import { SYSTEM_USERS } from './contract.ts';
import { Hosts } from './hosts.ts';
import { Operations } from './operations.ts';
import type { Provider } from './provider.ts';
import type { Providers } from './providers/index.ts';
import { reap } from './reaper.ts';
import type { PoolSettings, ServiceSettings } from './settings.ts';
import type { Signals } from './signals.ts';
import { changePools } from './store/changing.ts';
import type { Change } from './store/changing.ts';
import { activeLives, beginNextLife, endLife, findLife, patchLife, subjectOf } from './store/lives.ts';
import { openLeases, releaseLease } from './store/leases.ts';
import { deletePool, findPools, savePool, setSchedulable } from './store/pools.ts';
import type { ClusterRow, PoolRow } from './store/rows.ts';
import { forgetOldLives } from './store/queries.ts';
import { endLateTickets, mayServe, openTickets } from './store/waiters.ts';
import { keepFilled } from './upkeep.ts';

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

/**
 * Does what the rows say (spec/cluster.md §3.5): makes, checks, recycles and ends clusters of this host and those of no host. One node
 * at a time keeps a host; what a node that died was about to do stands in the rows, and is done again.
 */
export class Keeper {
  private readonly options: KeeperOptions;
  private readonly hosts: Hosts;
  private readonly operations: Operations;
  private readonly stopping = new AbortController();
  private running: Promise<void> | null = null;
  /** Hosts whose clusters were looked at since this node keeps them. */
  private readonly adopted = new Set<string>();
  private readonly checkedAt = new Map<string, number>();
  private reapedAt = 0;
  private forgotAt = 0;

  constructor(options: KeeperOptions) {
    this.options = options;
    this.hosts = new Hosts(options.store, options.clock, options.nodeId, options.providers.host, options.settings);
    this.operations = new Operations(this.stopping.signal, options.log);
  }

  /** Resolves when what an earlier process left has been looked at. */
  async start(): Promise<void> {
    if (!(await this.hasWork())) return;
    await this.registerPools();
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

  /** What the configuration says becomes rows; pools that it names no more give up their clusters. */
  private async registerPools(): Promise<void> {
    const { pools, providers, log, store } = this.options;
    await this.change(async (change) => {
      const known = await findPools(change.trx);
      for (const settings of pools) {
        const host = providers.of(settings).isLocal ? providers.host : '';
        const before = known.find((pool) => pool.name === settings.name);
        if (before !== undefined && before.host !== host && (await hasLives(change, before.name))) {
          log.error('A pool of this name has clusters on another host; give this one another name.', {
            pool: settings.name,
            host: before.host,
          });
          continue;
        }
        await savePool(
          change.trx,
          { ...settings, host, schedulable: before === undefined || before.schedulable || isRemoved(before) },
          change.now,
        );
      }
      for (const pool of known) {
        // On a database with one process all are its own; else another node may know the pool.
        const isOurs = !store.isShared || (pool.host === providers.host && pools.length > 0);
        if (pools.some(({ name }) => name === pool.name) || !isOurs) continue;
        if (!(await hasLives(change, pool.name))) await deletePool(change.trx, pool.name);
        else if (!isRemoved(pool)) {
          const config = { ...pool.config, [REMOVED]: true };
          await savePool(change.trx, { ...pool, minFree: 0, config }, change.now);
          await setSchedulable(change.trx, pool.name, false);
        }
      }
    });
  }

  private async round(): Promise<void> {
    const { store, clock, settings } = this.options;
    const kept = await this.hosts.keep();
    for (const host of this.adopted) if (!kept.includes(host)) this.adopted.delete(host);
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
        return pool === undefined ? undefined : this.operations.run(row, (signal) => this.adopt(row, pool, signal));
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
    if (row.wish !== null) return begin((signal) => this.fulfil(row, provider, signal));
    switch (row.status) {
      case 'creating':
        if (row.nextTryAt <= now && this.operations.mayCreate(row.host)) {
          this.operations.creating(row);
          begin((signal) => this.create(row, provider, signal));
        }
        return;
      case 'resetting':
        if (row.nextTryAt <= now) begin((signal) => this.recycle(row, pool, provider, signal));
        return;
      case 'deleting':
        if (row.nextTryAt <= now) begin((signal) => this.destroy(row, provider, signal));
        return;
      case 'draining':
      case 'running': {
        if (row.userId === '' && (row.status === 'draining' || !pool.schedulable)) return begin(() => this.leave(row));
        const last = this.checkedAt.get(row.id) ?? 0;
        if (now - last < settings.healthSeconds * 1000) return;
        this.checkedAt.set(row.id, now);
        return begin((signal) => this.check(row, pool, provider, signal));
      }
      case 'stopped':
        if (row.userId === '' && !pool.schedulable) begin(() => this.leave(row));
        return;
      case 'failed':
      case 'released':
        this.checkedAt.delete(row.id);
    }
  }

  private async create(row: ClusterRow, provider: Provider, signal: AbortSignal): Promise<void> {
    const { store, settings } = this.options;
    // Before anything is made: whoever finds the row after a crash knows where to look for what was made.
    const handle: JsonObject = { ...row.handle, folder: row.handle['folder'] ?? this.folderOf(row) };
    const attempts = row.attempts + 1;
    const noted = await patchLife(store.writer, row.id, { handle, attempts }, { status: 'creating' });
    if (!noted) return;
    try {
      const takenPorts = await this.takenPorts(row);
      const made = await provider.create({ ...row, handle, takenPorts }, signal);
      await this.change(async (change) => {
        const patch = {
          ...made,
          status: 'running',
          userId: '',
          health: 'OK',
          attempts: 0,
          lastUsed: change.now,
        } as const;
        if (!(await patchLife(change.trx, row.id, patch, { status: 'creating' }))) return;
        change.tell('created', { ...subjectOf(row), userId: '' }, { endpoints: { ...made.endpoints }, attempts });
        await serveAll(change, settings);
      });
      this.checkedAt.set(row.id, this.options.clock.now());
    } catch (error) {
      if (signal.aborted) return;
      // Another node of this host has taken over, and what runs there now is its work.
      if ((await findLife(store.writer, row.id))?.attempts !== attempts) return;
      await provider.destroy({ ...row, handle }, signal).catch(() => {});
      // Other ports, if it was these.
      const { port_base: _, ...rest } = handle;
      await this.failed({ ...row, handle: rest, attempts }, 'creating', messageOf(error));
    }
  }

  /** Tries again later; after so many times a person must look. */
  private async failed(row: ClusterRow, status: 'creating' | 'resetting', why: string): Promise<void> {
    const { settings, log, clock } = this.options;
    const isLast = row.attempts >= settings.createTries;
    log.warn('A cluster could not be made ready.', { cluster: row.name, pool: row.pool, attempt: row.attempts, why });
    await this.change(async (change) => {
      const nextTryAt = clock.now() + settings.retrySeconds * 1000 * 2 ** (row.attempts - 1);
      const patch = {
        attempts: row.attempts,
        nextTryAt,
        handle: row.handle,
        ...(isLast && { status: 'failed' as const }),
      };
      if (!(await patchLife(change.trx, row.id, patch, { status }))) return;
      change.tell(isLast ? 'failed' : 'retry', subjectOf(row), { attempt: row.attempts, why });
    });
  }

  /** Between two users (spec/cluster.md §3.5): what the first left is gone before the second comes. */
  private async recycle(row: ClusterRow, pool: PoolRow, provider: Provider, signal: AbortSignal): Promise<void> {
    try {
      if (!pool.schedulable) return await this.destroy(row, provider, signal);
      if (pool.recycle === 'none') {
        const { ok } = await provider.health(row, signal);
        const { handle, nodes, endpoints } = row;
        return await this.nextLife(row, { handle, nodes, endpoints, health: ok ? 'OK' : 'FAIL' });
      }
      const made = pool.recycle === 'reset' ? await provider.reset(row, signal) : null;
      if (made !== null) return await this.nextLife(row, { ...made, health: 'OK' });
      await provider.destroy(row, signal);
      const { port_base: portBase = null } = row.handle;
      await this.change(async (change) => {
        if (!(await isStill(change, row))) return;
        // The ports are its own for good, as far as nobody else takes them.
        await beginNextLife(change, row, {
          status: 'creating',
          handle: (): JsonObject => (portBase === null ? {} : { port_base: portBase }),
        });
      });
    } catch (error) {
      if (!signal.aborted) await this.failed({ ...row, attempts: row.attempts + 1 }, 'resetting', messageOf(error));
    }
  }

  private async nextLife(
    row: ClusterRow,
    next: Pick<ClusterRow, 'handle' | 'nodes' | 'endpoints' | 'health'>,
  ): Promise<void> {
    await this.change(async (change) => {
      if (!(await isStill(change, row))) return;
      await beginNextLife(change, row, { ...next, status: 'running', handle: () => next.handle });
      await serveAll(change, this.options.settings);
    });
  }

  private async destroy(row: ClusterRow, provider: Provider, signal: AbortSignal): Promise<void> {
    try {
      await provider.destroy(row, signal);
      await this.change(async (change) => {
        if (await isStill(change, row)) await endLife(change, row);
      });
      this.checkedAt.delete(row.id);
    } catch (error) {
      if (signal.aborted) return;
      const { clock, store, settings, log } = this.options;
      const attempts = row.attempts + 1;
      log.warn('A cluster could not be ended yet.', { cluster: row.name, why: messageOf(error) });
      const nextTryAt = clock.now() + Math.min(60_000, settings.retrySeconds * 1000 * 2 ** Math.min(attempts, 10));
      await patchLife(store.writer, row.id, { attempts, nextTryAt }, { status: row.status });
    }
  }

  /** A free one that is not wanted any more. */
  private async leave(row: ClusterRow): Promise<void> {
    await this.change(async (change) => {
      const patch = { status: 'deleting', userId: SYSTEM_USERS.deleting, attempts: 0, nextTryAt: change.now } as const;
      if (await patchLife(change.trx, row.id, patch, { status: row.status, userId: row.userId }))
        change.tell('deleting', subjectOf(row));
    });
  }

  private async check(row: ClusterRow, pool: PoolRow, provider: Provider, signal: AbortSignal): Promise<void> {
    const report = await provider.health(row, signal);
    if (signal.aborted) return;
    await this.noteHealth(row, pool, report.ok, report.why, report.nodes ?? row.nodes);
  }

  /**
   * A free cluster that fails one check is not offered any more, and made anew when it fails several in a row; a leased one stays
   * with its user, who is told.
   */
  private async noteHealth(
    row: ClusterRow,
    pool: PoolRow,
    ok: boolean,
    why: string,
    nodes: ClusterRow['nodes'],
    tries = this.options.settings.healthTries,
  ): Promise<void> {
    const sameNodes = JSON.stringify(nodes) === JSON.stringify(row.nodes);
    if (ok && row.health === 'OK' && row.healthFails === 0 && sameNodes) return;
    await this.change(async (change) => {
      const expected = { status: row.status, userId: row.userId };
      if (ok) {
        const changed = await patchLife(change.trx, row.id, { health: 'OK', healthFails: 0, nodes }, expected);
        if (!changed || row.health === 'OK') return;
        change.tell('health', subjectOf(row), { health: 'OK' });
        await serveAll(change, this.options.settings);
        return;
      }
      const fails = Math.min(row.healthFails + 1, 1000);
      const isFree = row.userId === '';
      const isBad = fails >= tries;
      const recycles = isFree && isBad && pool.recycle !== 'none' && row.status === 'running';
      const patch = {
        healthFails: fails,
        nodes,
        ...((isFree || isBad) && { health: 'FAIL' as const }),
        ...(recycles && {
          ...resettingAt(change.now),
        }),
      };
      if (!(await patchLife(change.trx, row.id, patch, expected))) return;
      if (isBad && row.health !== 'FAIL') change.tell('health', subjectOf(row), { health: 'FAIL', why });
      if (recycles) change.tell('resetting', subjectOf(row), { reason: 'unhealthy', why });
    });
  }

  /** After a restart of the server (spec/cluster.md §3.5). */
  private async adopt(row: ClusterRow, pool: PoolRow, signal: AbortSignal): Promise<void> {
    const provider = this.options.providers.of(pool);
    const made = await provider.adopt(row, signal).catch(() => null);
    if (signal.aborted) return;
    if (made === null) {
      return this.noteHealth(row, pool, false, 'not found again after a restart of the server', row.nodes, 1);
    }
    await this.change(async (change) => {
      const patch = { ...made, health: 'OK', healthFails: 0 } as const;
      if (await patchLife(change.trx, row.id, patch, { status: row.status }))
        change.tell('adopted', subjectOf(row), { nodes: made.nodes.map((node) => ({ ...node })) });
    });
  }

  /** `start`, `stop` and `restart` that somebody asked for. */
  private async fulfil(row: ClusterRow, provider: Provider, signal: AbortSignal): Promise<void> {
    const { wish, wishId } = row;
    if (wish === null || wishId === null) return;
    const expected = { status: row.status, wishId };
    try {
      if (row.status === 'failed') return await this.revive(row, wish.op, expected);
      const made = await provider[wish.op](row, wish.node, signal);
      const isWhole = wish.node === null;
      const isDown = isWhole && wish.op === 'stop';
      await this.change(async (change) => {
        const patch = {
          ...made,
          wish: null,
          wishId: null,
          ...(isWhole && row.status !== 'draining' && { status: isDown ? ('stopped' as const) : ('running' as const) }),
          ...(isWhole && { health: isDown ? ('' as const) : ('OK' as const), healthFails: 0 }),
        };
        if (!(await patchLife(change.trx, row.id, patch, expected))) return;
        change.tell(wish.op, subjectOf(row), wish.node === null ? {} : { node: wish.node });
        await serveAll(change, this.options.settings);
      });
      this.checkedAt.set(row.id, this.options.clock.now());
    } catch (error) {
      if (signal.aborted) return;
      const patch = { wish: null, wishId: null, wishError: messageOf(error) };
      await this.change((change) => patchLife(change.trx, row.id, patch, expected));
    }
  }

  /** An operator tries one again that was given up. */
  private async revive(
    row: ClusterRow,
    op: string,
    expected: { readonly status: ClusterRow['status']; readonly wishId: string },
  ): Promise<void> {
    const isStop = op === 'stop';
    const patch = {
      wish: null,
      wishId: null,
      wishError: isStop ? 'it is failed; restart or delete it' : null,
      ...(!isStop && {
        ...resettingAt(this.options.clock.now()),
      }),
    };
    await this.change((change) => patchLife(change.trx, row.id, patch, expected));
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
        await this.change(async (change) => {
          for (const lease of await openLeases(change.trx, { cluster_id: row.id }))
            await releaseLease(change, lease, 'server stopped');
        });
        const now = (await findLife(store.writer, row.id)) ?? row;
        // A cluster that is taken back as it is may have begun its next life: nothing runs here for it.
        if (now.status === 'released') return;
        await this.leave(now);
        const provider = providers.of(pool);
        await this.destroy({ ...now, status: 'deleting' }, provider, new AbortController().signal);
      }),
    );
  }

  private async takenPorts(row: ClusterRow): Promise<ReadonlySet<number>> {
    const others = await activeLives(this.options.store.reader, [row.host]);
    return new Set(
      others.flatMap(({ id, handle }) => {
        const { port_base: base, port_count: count } = handle;
        if (id === row.id || typeof base !== 'number') return [];
        return Array.from({ length: typeof count === 'number' ? count : 10 }, (_, i) => base + i);
      }),
    );
  }

  private folderOf(row: ClusterRow): string {
    return join(this.options.folder, row.pool, row.id);
  }

  private async change<T>(work: (change: Change) => Promise<T>): Promise<T> {
    const { store, clock, signals } = this.options;
    const { result } = await changePools(store, clock, work);
    signals.changed();
    return result;
  }
}

/** Marks the row of a pool that the configuration names no more, to tell it from one that an operator drains. */
const REMOVED = 'removed';

function isRemoved(pool: PoolRow): boolean {
  return pool.config[REMOVED] === true;
}

/** Whether the row is still in the state in which it was read. */
async function isStill(change: Change, row: ClusterRow): Promise<boolean> {
  const found: unknown = await change.trx('clusters').where({ id: row.id, status: row.status }).first('id');
  return found !== undefined;
}

async function hasLives(change: Change, pool: string): Promise<boolean> {
  const found: unknown = await change.trx('clusters').where({ pool }).whereNot({ status: 'released' }).first('id');
  return found !== undefined;
}

/** What makes a cluster due for recycling. */
function resettingAt(now: number) {
  return { status: 'resetting', userId: SYSTEM_USERS.resetting, attempts: 0, nextTryAt: now } as const;
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 2000);
}
