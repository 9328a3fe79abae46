import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { mappingOf, startFake, type FakeAnswer, type FakeRequest, type FakeServer } from './http-fake.ts';

/**
 * A Cello service, API v2, as its code behaves rather than as its texts say (spec/cluster.md §1): two statuses for everything, strings from
 * queries that equal nothing, a "False" that is true, ids that change with each release.
 *
 * - `v0.6`: release recycles before it answers; a free cluster is found and taken in one step.
 * - `v0.9`: release is queued and always answers OK; lists know `state`; two applies may get one cluster, because it is read first and
 *   written later ({@link FakeCelloOptions.gapMs} makes the gap wide).
 */
export interface FakeCello extends FakeServer {
  /** Lives that go on, by id; a test may change them. */
  readonly clusters: Map<string, FakeCelloCluster>;
  readonly released: FakeCelloCluster[];
  readonly options: FakeCelloOptions;
  /** Every grant, in order: to whom and what. */
  readonly grants: { readonly userId: string; readonly id: string }[];
  /** v0.9: does what releases have queued; without `manual` it happens before the next request. */
  recycle(): void;
}

export interface FakeCelloOptions {
  dialect: 'v0.6' | 'v0.9';
  /** Values of consensus_plugin that are not refused. */
  plugins: readonly string[];
  modes: readonly string[];
  sizes: readonly number[];
  /** v0.9: milliseconds between reading the free cluster and writing who has it. */
  gapMs: number;
  /** v0.9: recycling waits for {@link FakeCello.recycle}. */
  manual: boolean;
}

/** What the store of Cello keeps of a cluster; unset texts are empty. */
export interface FakeCelloCluster {
  readonly id: string;
  readonly name: string;
  user_id: string;
  readonly host_id: string;
  readonly consensus_plugin: string;
  readonly consensus_mode: string;
  readonly size: number;
  readonly create_ts: string;
  apply_ts: string;
  release_ts: string;
  duration: string;
  status: 'running' | 'stopped' | 'creating' | 'deleting';
  health: '' | 'OK' | 'FAIL';
  readonly service_url: Readonly<Record<string, string>>;
}

export interface FakeCelloHost {
  readonly plugin?: string;
  readonly mode?: string;
  readonly size?: number;
  /** How many clusters of this kind it keeps. */
  readonly count?: number;
  readonly serviceUrl?: Readonly<Record<string, string>>;
}

export async function startFakeCello(
  hosts: readonly FakeCelloHost[] = [{ count: 2 }],
  options: Partial<FakeCelloOptions> & { readonly port?: number } = {},
): Promise<FakeCello> {
  const { port, ...rest } = options;
  const cello: Cello = {
    clusters: new Map(),
    released: [],
    grants: [],
    queued: [],
    options: {
      dialect: 'v0.9',
      plugins: ['noops', 'pbft', ...hosts.flatMap(({ plugin }) => plugin ?? [])],
      modes: ['batch', ...hosts.flatMap(({ mode }) => mode ?? [])],
      sizes: [4, 6, ...hosts.flatMap(({ size }) => size ?? [])],
      gapMs: 0,
      manual: false,
      ...rest,
    },
  };
  let number = 0;
  hosts.forEach(({ plugin = 'pbft', mode = 'batch', size = 4, count = 1, serviceUrl }, host) => {
    for (let one = 0; one < count; one++) {
      number++;
      add(cello, {
        name: `cluster-${number}`,
        host_id: `host-${host + 1}`,
        consensus_plugin: plugin,
        consensus_mode: mode,
        size,
        service_url: serviceUrl ?? { rest: `http://127.0.0.1:${7050 + number}`, grpc: `127.0.0.1:${8050 + number}` },
      });
    }
  });
  const server = await startFake({
    ...(port !== undefined && { port }),
    handle: (request) => route(cello, request),
    starts: (request) => startsSomething(request),
  });
  return {
    ...server,
    clusters: cello.clusters,
    released: cello.released,
    grants: cello.grants,
    options: cello.options,
    recycle: () => recycleQueued(cello),
  };
}

interface Cello {
  readonly clusters: Map<string, FakeCelloCluster>;
  readonly released: FakeCelloCluster[];
  readonly grants: { readonly userId: string; readonly id: string }[];
  /** Released and not yet made anew. */
  readonly queued: string[];
  readonly options: FakeCelloOptions;
}

type Kind = Pick<FakeCelloCluster, 'name' | 'host_id' | 'consensus_plugin' | 'consensus_mode' | 'size' | 'service_url'>;

function startsSomething({ parts, query, body }: FakeRequest): boolean {
  const [, what] = parts;
  return (
    what === 'cluster_apply' ||
    what === 'cluster_release' ||
    (what === 'cluster_op' && (query.get('action') ?? mappingOf(body)?.action) !== undefined)
  );
}

async function route(cello: Cello, request: FakeRequest): Promise<FakeAnswer> {
  const [version, what, id] = request.parts;
  if (!cello.options.manual) recycleQueued(cello);
  if (version !== 'v2' || what === undefined) return page(404, 'Not Found');
  if (what === 'cluster' && id !== undefined)
    return request.method === 'GET' ? one(cello, id) : page(405, 'Method Not Allowed');
  if (id !== undefined || !['cluster_op', 'clusters', 'cluster_apply', 'cluster_release'].includes(what))
    return page(404, 'Not Found');
  if (request.method !== 'GET' && request.method !== 'POST') return page(405, 'Method Not Allowed');
  switch (what) {
    case 'clusters':
      return list(cello, request);
    case 'cluster_apply':
      return apply(cello, request);
    case 'cluster_release':
      return olderRelease(cello, request);
    default:
      return operate(cello, request);
  }
}

function operate(cello: Cello, request: FakeRequest): FakeAnswer | Promise<FakeAnswer> {
  const action = valueOf(request, 'action');
  switch (action) {
    case 'apply':
      return apply(cello, request);
    case 'release': {
      const id = valueOf(request, 'cluster_id');
      // `user_id` is documented, and not read here.
      return !id ? fail(400, 'No cluster_id is given') : release(cello, String(id));
    }
    case 'start':
    case 'stop':
    case 'restart': {
      const id = valueOf(request, 'cluster_id');
      if (!id) return fail(400, 'No cluster_id is given');
      const cluster = cello.clusters.get(String(id));
      if (cluster === undefined || isSystem(cluster.user_id)) return fail(400, `cluster ${action} failed`);
      cluster.status = action === 'stop' ? 'stopped' : 'running';
      cluster.health = action === 'stop' ? '' : 'OK';
      return succeed({});
    }
    default:
      return fail(400, 'Unknown action type');
  }
}

async function apply(cello: Cello, request: FakeRequest): Promise<FakeAnswer> {
  const { plugins, modes, sizes, dialect, gapMs } = cello.options;
  const userId = valueOf(request, 'user_id');
  if (!userId) return fail(400, 'cluster_apply without user_id');
  const plugin = valueOf(request, 'consensus_plugin');
  const mode = valueOf(request, 'consensus_mode');
  const size = valueOf(request, 'size');
  const wanted: { consensus_plugin?: string; consensus_mode?: string; size?: number } = {};
  if (plugin) wanted.consensus_plugin = String(plugin);
  if (mode) wanted.consensus_mode = String(mode);
  if (plugin && !plugins.includes(String(plugin))) return fail(400, 'Invalid consensus_plugin');
  if (mode && !modes.includes(String(mode))) return fail(400, 'Invalid consensus_mode');
  if (size !== undefined && size !== '' && size !== 0) {
    const number = Number(size);
    if (!Number.isInteger(number)) return page(500, 'Internal Server Error');
    if (!sizes.includes(number)) return fail(400, 'Invalid cluster_size');
    wanted.size = number;
  }
  // From a query it is a text, and every text but the empty one is true.
  const allowMultiple = Boolean(valueOf(request, 'allow_multiple'));
  const user = String(userId);
  const fitting = (owner: string) =>
    [...cello.clusters.values()].find(
      (one) =>
        one.user_id === owner &&
        one.health === 'OK' &&
        one.release_ts === '' &&
        Object.entries(wanted).every(([key, value]) => one[key as keyof FakeCelloCluster] === value),
    );
  const held = allowMultiple ? undefined : fitting(user);
  if (held !== undefined) return succeed(shapeOf(held));
  const free = fitting('');
  if (dialect === 'v0.9' && gapMs > 0) await pause(gapMs);
  if (free === undefined || !cello.clusters.has(free.id)) return fail(400, `No available res for ${user}`);
  free.user_id = user;
  free.apply_ts = new Date().toISOString();
  cello.grants.push({ userId: user, id: free.id });
  return succeed(shapeOf(free));
}

/** Nobody is asked who he is, and a free cluster is "released" as well. */
function release(cello: Cello, id: string): FakeAnswer {
  const cluster = cello.clusters.get(id);
  if (cluster === undefined || isSystem(cluster.user_id)) return succeed({});
  cluster.release_ts = new Date().toISOString();
  cluster.duration = String(
    cluster.apply_ts === '' ? 0 : (Date.parse(cluster.release_ts) - Date.parse(cluster.apply_ts)) / 1000,
  );
  const record = { ...cluster };
  cluster.user_id = '__SYSTEM__DELETING';
  cello.released.push(record);
  cello.queued.push(id);
  if (cello.options.dialect === 'v0.6') recycleQueued(cello);
  else cluster.status = 'deleting';
  return succeed({});
}

function olderRelease(cello: Cello, request: FakeRequest): FakeAnswer {
  const id = valueOf(request, 'cluster_id');
  const userId = valueOf(request, 'user_id');
  if (!id && !userId) return fail(400, 'cluster_release without id');
  if (id) return release(cello, String(id));
  for (const cluster of [...cello.clusters.values()].filter((one) => one.user_id === String(userId)))
    release(cello, cluster.id);
  return succeed({});
}

/** The same cluster under a new id. */
function recycleQueued(cello: Cello): void {
  for (const id of cello.queued.splice(0)) {
    const old = cello.clusters.get(id);
    cello.clusters.delete(id);
    if (old !== undefined) add(cello, old);
  }
}

function add(cello: Cello, kind: Kind): void {
  const { name, host_id, consensus_plugin, consensus_mode, size, service_url } = kind;
  const id = randomBytes(12).toString('hex');
  cello.clusters.set(id, {
    id,
    name,
    user_id: '',
    host_id,
    consensus_plugin,
    consensus_mode,
    size,
    create_ts: new Date().toISOString(),
    apply_ts: '',
    release_ts: '',
    duration: '',
    status: 'running',
    health: 'OK',
    service_url,
  });
}

function list(cello: Cello, request: FakeRequest): FakeAnswer {
  const { method, query, body } = request;
  const filter: Record<string, unknown> = method === 'GET' ? Object.fromEntries(query) : (mappingOf(body) ?? {});
  let rows = [...cello.clusters.values()];
  if (cello.options.dialect === 'v0.9') {
    if (filter.state === 'released') rows = [...cello.released];
    delete filter.state;
  }
  // The stored type counts: "4" is not 4.
  const fits = (row: Readonly<Record<string, unknown>>) =>
    Object.entries(filter).every(([key, value]) => row[key] === value);
  return succeed(rows.map(shapeOf).filter(fits));
}

function one(cello: Cello, id: string): FakeAnswer {
  const cluster = cello.clusters.get(id);
  return cluster === undefined ? fail(404, `cluster not found with id=${id}`) : succeed(shapeOf(cluster));
}

function shapeOf(cluster: FakeCelloCluster): Record<string, unknown> {
  const names = Array.from({ length: cluster.size }, (_, at) => `${cluster.name}-vp${at}`);
  return {
    ...cluster,
    daemon_url: 'tcp://127.0.0.1:2375',
    containers: names,
    mapped_ports: { rest: 7050, grpc: 7051 },
  };
}

/** Query, then form, then JSON whatever the content type says; the first hit wins. */
function valueOf({ query, headers, body }: FakeRequest, name: string): unknown {
  if (query.has(name)) return query.get(name) ?? '';
  if ((headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded')) {
    const form = new URLSearchParams(body.toString('utf8'));
    if (form.has(name)) return form.get(name) ?? '';
  }
  return mappingOf(body)?.[name];
}

function isSystem(userId: string): boolean {
  return userId.startsWith('__SYSTEM__');
}

function succeed(data: unknown): FakeAnswer {
  return { status: 200, json: { status: 'OK', code: 200, error: '', data } };
}

/** The real code is in the body; the status of every failure is 400. */
function fail(code: number, error: string): FakeAnswer {
  return { status: 400, json: { status: 'FAIL', code, error, data: {} } };
}

function page(status: number, title: string): FakeAnswer {
  return { status, type: 'text/html', text: `<!DOCTYPE HTML><title>${status} ${title}</title><h1>${title}</h1>` };
}
