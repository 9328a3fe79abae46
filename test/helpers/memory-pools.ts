import type {
  ApplyAnswer,
  ApplyRequest,
  Cluster,
  ClusterPools,
  LeaseRecord,
  RemoteLease,
} from '../../cluster-pool/contract.ts';

/** Pools without a database, for tests of those who use them: nothing expires, nothing is recycled by itself. */
export class MemoryPools {
  readonly clusters = new Map<string, Cluster>();
  readonly leases: (LeaseRecord & { released_at: number | null })[] = [];
  readonly tickets: { id: string; request: ApplyRequest; lease: string | null; isOver: boolean }[] = [];
  readonly remote: (RemoteLease & { isOver: boolean })[] = [];
  /** Executions whose end was told, with the outermost one. */
  readonly ended: [string, string | null][] = [];
  /** Called before an apply is answered: a test may fail here, after the grant. */
  lose: () => void = () => {};
  private number = 0;
  private readonly news = new Set<() => void>();

  add(kind: Partial<Pick<Cluster, 'type' | 'mode' | 'size' | 'endpoints' | 'labels'>> = {}): Cluster {
    const name = `c${this.clusters.size + 1}`;
    return this.born({ name, type: 'spark', mode: 'standalone', size: 1, endpoints: {}, labels: {}, ...kind });
  }

  /** Everything that a holder has now. */
  held(userId?: string): Cluster[] {
    return [...this.clusters.values()].filter((one) => one.user_id !== '' && (userId ?? one.user_id) === one.user_id);
  }

  /** As the contract says, for whom only has that. */
  get pools(): ClusterPools {
    const absent = () => Promise.reject(new Error('not part of these pools'));
    return {
      apply: async (request) => {
        const answer = this.apply(request);
        this.lose();
        return answer;
      },
      ticket: async (id) => this.ticket(id),
      waitFor: (id, milliseconds, signal) =>
        new Promise((resolve) => {
          const end = () => {
            clearTimeout(timer);
            this.news.delete(look);
            resolve(this.ticket(id));
          };
          const look = () => {
            if (this.ticket(id).kind !== 'waiting') end();
          };
          const timer = setTimeout(end, milliseconds);
          signal?.addEventListener('abort', end, { once: true });
          this.news.add(look);
          look();
        }),
      extendTicket: async () => {},
      cancelTicket: async (id) => {
        const ticket = this.tickets.find((one) => one.id === id);
        if (ticket === undefined) return;
        ticket.isOver = true;
        if (ticket.lease !== null) this.end(ticket.lease, 'cancelled');
      },
      release: async (request) => {
        const wanted = this.open().filter(
          (lease) =>
            (request.cluster_id === undefined || lease.cluster_id === request.cluster_id) &&
            (request.user_id === undefined || lease.user_id === request.user_id) &&
            (request.execution_id === undefined || lease.execution_id === request.execution_id),
        );
        const stranger = wanted.find((lease) => (request.by_user_id ?? lease.user_id) !== lease.user_id);
        if (stranger !== undefined) return { kind: 'refused', code: 403, why: `${stranger.user_id} holds it` };
        for (const lease of wanted) this.end(lease.id, request.reason ?? 'released');
        return { kind: 'released', released: wanted.map((lease) => lease.cluster_id) };
      },
      operate: async ({ cluster_id: id, op }) => {
        const cluster = this.clusters.get(id);
        if (cluster === undefined) return { kind: 'refused', code: 400, why: `cluster ${op} failed` };
        const changed: Cluster = { ...cluster, status: op === 'stop' ? 'stopped' : 'running' };
        this.clusters.set(id, changed);
        return changed;
      },
      get: async (_, id) => this.clusters.get(id) ?? null,
      list: async (_, filter) =>
        [...this.clusters.values()].filter(
          (one) =>
            (filter.type === undefined || one.type === filter.type) &&
            (filter.user_id === undefined || one.user_id === filter.user_id) &&
            (filter.free !== true || one.user_id === ''),
        ),
      renew: async ({ cluster_id: id, ttl_s: ttl }) => {
        const lease = this.clusters.get(id)?.lease;
        if (lease === undefined) return { kind: 'refused', code: 404, why: `cluster not found with id=${id}` };
        return { ...lease, expires_at: (ttl ?? 0) * 1000 };
      },
      leases: async (_, filter) =>
        this.open().filter((lease) => filter.user_id === undefined || lease.user_id === filter.user_id),
      releaseOfEndedExecution: async (execution, root, reason) => {
        this.ended.push([execution, root]);
        const over = this.open().filter(
          (lease) =>
            (lease.scope === 'execution' && lease.execution_id === execution) ||
            (lease.scope === 'root' && lease.root_execution_id === execution),
        );
        for (const lease of over) this.end(lease.id, reason);
        return over.map((lease) => lease.cluster_id);
      },
      recordRemoteLease: async (lease) => {
        const known = this.remote.some(
          (one) => one.connection === lease.connection && one.cluster_id === lease.cluster_id,
        );
        if (!known) this.remote.push({ ...lease, isOver: false });
      },
      remoteLeaseReleased: async (connection, id) => {
        for (const one of this.remote) if (one.connection === connection && one.cluster_id === id) one.isOver = true;
      },
      remoteLeasesOf: async (execution) =>
        this.remote.filter(
          (one) =>
            !one.isOver &&
            ((one.scope === 'execution' && one.execution_id === execution) ||
              (one.scope === 'root' && one.root_execution_id === execution)),
        ),
      remoteLeasesOfEnded: async () => [],
      log: absent,
      events: absent,
      pools: async () => [],
      offers: async () => [],
      create: absent,
      delete: absent,
      drain: absent,
      undrain: absent,
    };
  }

  private apply(request: ApplyRequest): ApplyAnswer {
    const known = this.leases.find((lease) => lease.lease_key === request.lease_key);
    if (known !== undefined) {
      const cluster = this.clusters.get(known.cluster_id);
      if (known.released_at === null && cluster !== undefined) return { kind: 'granted', cluster };
      return { kind: 'refused', code: 400, why: `The lease ${request.lease_key} is over` };
    }
    const waiting = this.tickets.find((one) => one.request.lease_key === request.lease_key && !one.isOver);
    if (waiting !== undefined) return this.ticket(waiting.id);
    if (request.filter.size === 99) return { kind: 'refused', code: 400, why: 'Invalid cluster_size' };
    const lease = this.grant(request);
    if (lease !== null) return { kind: 'granted', cluster: lease };
    if (request.wait_s === 0) return { kind: 'none', why: `No available res for ${request.user_id}` };
    const id = `ticket-${++this.number}`;
    this.tickets.push({ id, request, lease: null, isOver: false });
    return { kind: 'waiting', ticket: id };
  }

  private ticket(id: string): ApplyAnswer {
    const ticket = this.tickets.find((one) => one.id === id);
    if (ticket === undefined || ticket.isOver) return { kind: 'none', why: 'the ticket is over' };
    const lease = this.leases.find((one) => one.id === ticket.lease);
    const cluster = lease === undefined ? undefined : this.clusters.get(lease.cluster_id);
    return cluster === undefined ? { kind: 'waiting', ticket: id } : { kind: 'granted', cluster };
  }

  private grant(request: ApplyRequest): Cluster | null {
    const { filter } = request;
    const free = [...this.clusters.values()].find(
      (one) =>
        one.user_id === '' &&
        (filter.type ?? one.type) === one.type &&
        (filter.size ?? one.size) === one.size &&
        (filter.name ?? one.name) === one.name,
    );
    if (free === undefined) return null;
    const id = `lease-${++this.number}`;
    const at = Date.now();
    this.leases.push({
      id,
      lease_key: request.lease_key,
      cluster_id: free.id,
      project_id: request.project,
      user_id: request.user_id,
      execution_id: request.execution_id,
      root_execution_id: request.root_execution_id,
      scope: request.scope,
      granted_at: at,
      renewed_at: at,
      expires_at: null,
      released_at: null,
      release_reason: null,
      remote: null,
    });
    const held: Cluster = {
      ...free,
      user_id: request.user_id,
      lease: { id, owner: request.user_id, expires_at: null, scope: request.scope },
    };
    this.clusters.set(free.id, held);
    return held;
  }

  /** The life is over; the next one, under another id, goes to who has waited longest. */
  private end(lease: string, reason: string): void {
    const row = this.leases.find((one) => one.id === lease && one.released_at === null);
    if (row === undefined) return;
    Object.assign(row, { released_at: Date.now(), release_reason: reason });
    const old = this.clusters.get(row.cluster_id);
    this.clusters.delete(row.cluster_id);
    if (old !== undefined) this.born(old);
    for (const ticket of this.tickets.filter((one) => one.lease === null && !one.isOver)) {
      const cluster = this.grant(ticket.request);
      if (cluster !== null) ticket.lease = cluster.lease?.id ?? null;
    }
    for (const look of this.news) look();
  }

  private born({
    name,
    type,
    mode,
    size,
    endpoints,
    labels,
  }: Pick<Cluster, 'name' | 'type' | 'mode' | 'size' | 'endpoints' | 'labels'>): Cluster {
    const id = `life-${++this.number}`;
    const cluster: Cluster = {
      id,
      name,
      pool: 'memory',
      type,
      mode,
      size,
      labels,
      user_id: '',
      status: 'running',
      health: 'OK',
      endpoints,
      nodes: [],
      create_ts: '',
      apply_ts: '',
      release_ts: '',
      duration: '',
      consensus_plugin: type,
      consensus_mode: mode,
      host_id: 'memory',
      api_url: '',
      service_url: endpoints,
      daemon_url: '',
      worker_api: '',
      cores: 0,
      containers: [],
      mapped_ports: {},
    };
    this.clusters.set(id, cluster);
    return cluster;
  }

  private open(): LeaseRecord[] {
    return this.leases.filter((lease) => lease.released_at === null);
  }
}
