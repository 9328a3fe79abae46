import type { Clock } from '../engine/shell/clock.ts';
import { newId } from '../engine/ids.ts';
import type { Store } from '../engine/store/connection.ts';
import { applyWithin, cancelWithin, checkApply, refused } from './applying.ts';
import type { Applied } from './applying.ts';
import { SYSTEM_USERS } from './contract.ts';
import type {
  ApplyAnswer,
  ApplyRequest,
  Cluster,
  ClusterEvent,
  ClusterLease,
  ClusterListFilter,
  ClusterPools,
  DrainTarget,
  LeaseFilter,
  LeaseRecord,
  Offer,
  OperateRequest,
  PoolRecord,
  Refusal,
  ReleaseAnswer,
  ReleaseRequest,
  RemoteLease,
  RenewRequest,
} from './contract.ts';
import type { Providers } from './providers/index.ts';
import type { ServiceSettings } from './settings.ts';
import type { Signals } from './signals.ts';
import { changePools } from './store/changing.ts';
import type { Change } from './store/changing.ts';
import {
  insertRemoteLease,
  leasesEndingWith,
  listLeases,
  openLeases,
  ownedLeases,
  releaseLease,
  remoteId,
  remoteLeaseOf,
  renewLease,
  isLeftOver,
} from './store/leases.ts';
import { findLife, patchLife, subjectOf } from './store/lives.ts';
import { findPool, findPools, setSchedulable } from './store/pools.ts';
import { describePools, leasesByCluster, listClusters, listEvents } from './store/queries.ts';
import type { ClusterRow, LeaseRow } from './store/rows.ts';
import { endTicketsOf, extendTicket, findTicket } from './store/waiters.ts';
import { TicketNews } from './ticket-news.ts';
import { addCluster } from './upkeep.ts';
import { clusterLeaseOf, clusterOf, leaseRecordOf } from './wire.ts';

export interface PoolServiceOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly settings: ServiceSettings;
  readonly signals: Signals;
  readonly providers: Providers;
}

/** What callers ask of the pools. All of it is rows; processes are the keeper's. */
export class PoolService implements ClusterPools {
  private readonly options: PoolServiceOptions;
  private readonly news: TicketNews;

  constructor(options: PoolServiceOptions) {
    this.options = options;
    this.news = new TicketNews(options.store, options.signals);
  }

  async apply(request: ApplyRequest): Promise<ApplyAnswer> {
    const wrong = checkApply(request);
    if (wrong !== null) return wrong;
    return this.answer(await this.change((change) => applyWithin(change, request, this.options.settings)));
  }

  async ticket(id: string): Promise<ApplyAnswer> {
    const ticket = await findTicket(this.options.store.reader, { ticket: id });
    if (ticket === undefined) return { kind: 'none', why: `There is no ticket ${id}` };
    if (ticket.servedLease !== null) {
      const [lease] = await listLeases(this.options.store.reader, null, {
        cluster_id: await this.clusterOfLease(ticket.servedLease),
      });
      if (lease !== undefined && lease.id === ticket.servedLease)
        return this.answer({ kind: 'granted', clusterId: lease.clusterId });
      return { kind: 'none', why: 'The lease that the ticket was served with is over' };
    }
    if (ticket.state === 'waiting' && ticket.deadline > this.options.clock.now())
      return { kind: 'waiting', ticket: id };
    return { kind: 'none', why: `No available res for ${ticket.request.user_id}` };
  }

  async waitFor(ticket: string, milliseconds: number, signal?: AbortSignal): Promise<ApplyAnswer> {
    const { clock } = this.options;
    const end = clock.now() + milliseconds;
    for (;;) {
      // Before the row is read: what changes meanwhile is told.
      const read = new AbortController();
      const ended = signal === undefined ? read.signal : AbortSignal.any([read.signal, signal]);
      const told = this.news.next(ticket, Math.min(end - clock.now(), LOOK_ANYWAY_MS), ended);
      const answer = await this.ticket(ticket);
      if (answer.kind !== 'waiting' || signal?.aborted === true || clock.now() >= end) {
        read.abort();
        return answer;
      }
      await told;
    }
  }

  async extendTicket(id: string, seconds: number): Promise<void> {
    const { store, clock } = this.options;
    await extendTicket(store.writer, id, clock.now() + Math.round(seconds * 1000));
  }

  async cancelTicket(id: string): Promise<void> {
    await this.change((change) => cancelWithin(change, id));
  }

  async release(request: ReleaseRequest): Promise<ReleaseAnswer | Refusal> {
    return this.change(async (change) => {
      const leases = await leasesToRelease(change, request);
      if ('kind' in leases) return leases;
      return { kind: 'released', released: await releaseAll(change, leases, request.reason ?? 'released') };
    });
  }

  async operate(request: OperateRequest): Promise<Cluster | Refusal> {
    const { op } = request;
    const failed = (why: string): Refusal => refused(400, `cluster ${op} failed${why === '' ? '' : `: ${why}`}`);
    const wishId = newId();
    const wished = await this.change(async (change) => {
      const row = await this.visible(change, request.is_admin === true ? null : request.project, request.cluster_id);
      if (row === null) return failed('');
      const isHolder = row.projectId === request.project && row.userId === (request.by_user_id ?? row.userId);
      if (this.options.settings.requireOwner && request.is_admin !== true && (row.userId === '' || !isHolder))
        return refused(403, `cluster ${op} failed: only who holds a cluster may ${op} it`);
      if (row.status !== 'running' && row.status !== 'stopped' && row.status !== 'failed' && row.status !== 'draining')
        return failed(`it is ${row.status}`);
      if (row.wishId !== null) return failed(`it is about to ${row.wish?.op ?? 'change'}`);
      const wish = { op, node: request.node ?? null };
      await patchLife(change.trx, row.id, { wish, wishId, wishError: null }, { status: row.status });
      return row;
    });
    if ('kind' in wished) return wished;
    return (await this.whenDone(wished.id, wishId, failed)) ?? failed('it is gone');
  }

  async get(project: string | null, id: string): Promise<Cluster | null> {
    const row = await this.visibleLife(project, id);
    return row === null ? null : ((await this.wire([row]))[0] ?? null);
  }

  async list(project: string | null, filter: ClusterListFilter): Promise<readonly Cluster[]> {
    return this.wire(await listClusters(this.options.store.reader, project, filter));
  }

  async renew(request: RenewRequest): Promise<ClusterLease | Refusal> {
    if (request.ttl_s !== null && !(request.ttl_s > 0 && request.ttl_s <= 31_536_000))
      return refused(400, 'Invalid ttl');
    return this.change(async (change) => {
      const row = await findLife(change.trx, request.cluster_id);
      const [lease] = row === undefined ? [] : await openLeases(change.trx, { cluster_id: row.id });
      if (row === undefined || lease === undefined || (request.project !== null && lease.projectId !== request.project))
        return refused(404, `no open lease of cluster id=${request.cluster_id}`);
      if (request.by_user_id !== undefined && request.by_user_id !== lease.userId)
        return refused(403, `cluster ${row.id} is not held by ${request.by_user_id}`);
      const renewed = await renewLease(change, lease, request.ttl_s, await findPool(change.trx, row.pool));
      return renewed === null ? refused(404, 'the lease is over') : clusterLeaseOf(renewed);
    });
  }

  async log(
    project: string | null,
    id: string,
    node: string | null,
    tail: number,
  ): Promise<{ readonly text: string } | Refusal> {
    const row = await this.visibleLife(project, id);
    // What a user's jobs write is for himself.
    if (row === null || (project !== null && row.userId !== '' && row.projectId !== project)) return notFound(id);
    const { providers } = this.options;
    if (row.status === 'released') return refused(404, 'the life is over, its logs are gone');
    if (row.host !== '' && row.host !== providers.host) return refused(400, `the logs are on the host ${row.host}`);
    const pool = await findPool(this.options.store.reader, row.pool);
    if (pool === undefined) return notFound(id);
    const text = await providers.of(pool).log(row, node, tail);
    return text === null ? refused(404, `the cluster has no node ${node ?? ''}`) : { text };
  }

  async events(project: string | null, id: string): Promise<readonly ClusterEvent[] | Refusal> {
    const row = await this.visibleLife(project, id);
    return row === null ? notFound(id) : listEvents(this.options.store.reader, id);
  }

  pools(): Promise<readonly PoolRecord[]> {
    return describePools(this.options.store.reader);
  }

  async leases(project: string | null, filter: LeaseFilter): Promise<readonly LeaseRecord[]> {
    return (await listLeases(this.options.store.reader, project, filter)).map(leaseRecordOf);
  }

  async offers(): Promise<readonly Offer[]> {
    const pools = await findPools(this.options.store.reader);
    return pools.map(({ name, type, mode, sizes }) => ({ pool: name, type, mode, sizes }));
  }

  async create(request: {
    readonly pool: string;
    readonly size?: number;
    readonly name?: string;
  }): Promise<Cluster | Refusal> {
    return this.withRow(await this.change((change) => addCluster(change, this.options.providers, request)));
  }

  async delete(request: { readonly cluster_id: string; readonly force?: boolean }): Promise<Cluster | Refusal> {
    const row = await this.change(async (change) => {
      const found = await findLife(change.trx, request.cluster_id);
      if (found === undefined || found.status === 'released') return notFound(request.cluster_id);
      if (found.leaseId !== null) {
        if (request.force !== true) return refused(400, `cluster ${found.id} is held by ${found.userId}`);
        await releaseAll(change, await openLeases(change.trx, { cluster_id: found.id }), 'deleted');
      }
      await doom(change, found.id);
      return (await findLife(change.trx, found.id)) ?? found;
    });
    return this.withRow(row);
  }

  async drain(target: DrainTarget): Promise<{ readonly drained: readonly string[] } | Refusal> {
    return this.change(async (change) => {
      const rows = await drainTargets(change, target, false);
      if ('kind' in rows) return rows;
      const drained = rows.filter((row) => row.status === 'running' || row.status === 'stopped');
      for (const row of drained) {
        await patchLife(change.trx, row.id, { status: 'draining' }, { status: row.status });
        change.tell('draining', subjectOf(row));
      }
      return { drained: drained.map((row) => row.id) };
    });
  }

  async undrain(target: DrainTarget): Promise<{ readonly undrained: readonly string[] } | Refusal> {
    return this.change(async (change) => {
      const rows = await drainTargets(change, target, true);
      if ('kind' in rows) return rows;
      const undrained = rows.filter((row) => row.status === 'draining');
      for (const row of undrained) {
        await patchLife(change.trx, row.id, { status: 'running' }, { status: 'draining' });
        change.tell('undrained', subjectOf(row));
      }
      return { undrained: undrained.map((row) => row.id) };
    });
  }

  async releaseOfEndedExecution(
    executionId: string,
    rootId: string | null,
    reason: string,
  ): Promise<readonly string[]> {
    return this.change(async (change) => {
      await endTicketsOf(change, executionId);
      const leases = await leasesEndingWith(change.trx, executionId, rootId);
      return releaseAll(
        change,
        leases.filter((lease) => lease.remote === null),
        reason,
      );
    });
  }

  async recordRemoteLease(lease: RemoteLease): Promise<void> {
    await this.change((change) => insertRemoteLease(change, lease));
  }

  async remoteLeaseReleased(connection: string, clusterId: string, reason: string): Promise<void> {
    await this.change(async (change) => {
      const leases = await openLeases(change.trx, { cluster_id: remoteId(connection, clusterId) });
      await releaseAll(change, leases, reason);
    });
  }

  async remoteLeasesOf(executionId: string, rootId: string | null): Promise<readonly RemoteLease[]> {
    const leases = await leasesEndingWith(this.options.store.reader, executionId, rootId);
    return leases.filter((lease) => lease.remote !== null).map(remoteLeaseOf);
  }

  async remoteLeasesOfEnded(): Promise<readonly RemoteLease[]> {
    const { store, clock, settings } = this.options;
    const owned = await ownedLeases(store.reader);
    return owned
      .filter((one) => one.lease.remote !== null && isLeftOver(one, clock.now(), settings.releaseGraceSeconds * 1000))
      .map(({ lease }) => remoteLeaseOf(lease));
  }

  private async change<T>(work: (change: Change) => Promise<T>): Promise<T> {
    const { store, clock, signals } = this.options;
    const { result } = await changePools(store, clock, work);
    signals.changed();
    return result;
  }

  private async answer(applied: Applied): Promise<ApplyAnswer> {
    if (applied.kind !== 'granted') return applied;
    const row = await findLife(this.options.store.reader, applied.clusterId);
    const [cluster] = row === undefined ? [] : await this.wire([row]);
    // The lease was released between the grant and this.
    if (cluster === undefined) return { kind: 'none', why: 'The lease is over' };
    return { kind: 'granted', cluster };
  }

  private async withRow(row: ClusterRow | Refusal): Promise<Cluster | Refusal> {
    if ('kind' in row) return row;
    return (await this.wire([row]))[0] ?? notFound(row.id);
  }

  private async wire(rows: readonly ClusterRow[]): Promise<readonly Cluster[]> {
    const leases = await leasesByCluster(this.options.store.reader, rows);
    return rows.map((row) => clusterOf(row, leases.get(row.id)));
  }

  private async clusterOfLease(leaseId: string): Promise<string> {
    const row: { cluster_id: string } | undefined = await this.options.store
      .reader('cluster_leases')
      .where({ id: leaseId })
      .first('cluster_id');
    return row?.cluster_id ?? '';
  }

  private async visibleLife(project: string | null, id: string): Promise<ClusterRow | null> {
    const row = await findLife(this.options.store.reader, id);
    return row === undefined || isHidden(row, project) ? null : row;
  }

  private async visible(change: Change, project: string | null, id: string): Promise<ClusterRow | null> {
    const row = await findLife(change.trx, id);
    return row === undefined || row.status === 'released' || isHidden(row, project) ? null : row;
  }

  /** Resolves once the keeper has seen to the wish. */
  private async whenDone(
    id: string,
    wishId: string,
    failed: (why: string) => Refusal,
  ): Promise<Cluster | Refusal | null> {
    const { signals, store, clock } = this.options;
    const end = clock.now() + OPERATE_MS;
    for (;;) {
      const woken = signals.next(POLL_MS);
      const row = await findLife(store.reader, id);
      if (row === undefined) return null;
      if (row.wishId !== wishId) return row.wishError === null ? this.withRow(row) : failed(row.wishError);
      if (clock.now() > end) {
        // Nobody has begun: the host's server does not run. What has begun goes on.
        await this.change((change) =>
          patchLife(change.trx, id, { wish: null, wishId: null }, { status: row.status, wishId }),
        );
        return failed(`nobody has done it within ${OPERATE_MS / 1000} s`);
      }
      await woken;
    }
  }
}

const POLL_MS = 500;
/** A ticket whose row is gone, and one whose time is over while nobody keeps the pools, are seen no later. */
const LOOK_ANYWAY_MS = 10_000;
const OPERATE_MS = 300_000;

/** What another project holds is not there for this one. */
function isHidden(row: ClusterRow, project: string | null): boolean {
  return project !== null && row.projectId !== '' && row.projectId !== project && row.userId !== '';
}

function notFound(id: string): Refusal {
  return refused(404, `cluster not found with id=${id}`);
}

async function leasesToRelease(change: Change, request: ReleaseRequest): Promise<readonly LeaseRow[] | Refusal> {
  const { project, cluster_id: id, user_id: user, execution_id: execution } = request;
  const open = async (by: Parameters<typeof openLeases>[1]) =>
    (await openLeases(change.trx, { ...(project !== null && { project_id: project }), ...by })).filter(
      (lease) => lease.remote === null,
    );
  if (id === undefined) {
    if (user !== undefined) return open({ user_id: user });
    return execution === undefined ? [] : open({ execution_id: execution });
  }
  const leases = await open({ cluster_id: id });
  const other = leases.find((lease) => request.by_user_id !== undefined && lease.userId !== request.by_user_id);
  return other === undefined ? leases : refused(403, `cluster ${id} is not held by ${request.by_user_id ?? ''}`);
}

async function releaseAll(change: Change, leases: readonly LeaseRow[], reason: string): Promise<readonly string[]> {
  const released: string[] = [];
  for (const lease of leases) if (await releaseLease(change, lease, reason)) released.push(lease.clusterId);
  return released;
}

/** From now on it is on its way out, whatever it did. */
async function doom(change: Change, id: string): Promise<void> {
  const row = await findLife(change.trx, id);
  if (row === undefined || row.status === 'released' || row.status === 'deleting') return;
  await patchLife(
    change.trx,
    id,
    { status: 'deleting', userId: SYSTEM_USERS.deleting, attempts: 0, nextTryAt: change.now, wish: null, wishId: null },
    { status: row.status },
  );
  change.tell('deleting', subjectOf(row));
}

async function drainTargets(
  change: Change,
  target: DrainTarget,
  schedulable: boolean,
): Promise<readonly ClusterRow[] | Refusal> {
  if ('cluster_id' in target) {
    const row = await findLife(change.trx, target.cluster_id);
    return row === undefined || row.status === 'released' ? notFound(target.cluster_id) : [row];
  }
  if (!(await setSchedulable(change.trx, target.pool, schedulable))) return refused(404, `no pool ${target.pool}`);
  return listClusters(change.trx, null, { pool: target.pool });
}
