import type { Json, JsonObject } from '../../dsl/json.ts';
import { isRefusal } from '../../cluster-pool/contract.ts';
import type {
  ApplyAnswer,
  Cluster,
  ClusterFilter,
  ClusterListFilter,
  LeaseFilter,
  LeaseScope,
  Offer,
  Refusal,
} from '../../cluster-pool/contract.ts';
import { EngineError } from '../../engine/errors.ts';
import { isStorableText } from '../../engine/store/columns.ts';
import { param, serve } from '../request.ts';
import type { ApiRequest, ApiRouter, Handler, Reply } from '../request.ts';
import type { Services } from '../services.ts';
import { BadParameter, ClusterParameters } from './cluster-parameters.ts';

export const APPLY_PARAMETERS = [
  'user_id',
  'consensus_plugin',
  'type',
  'consensus_mode',
  'mode',
  'size',
  'size_min',
  'labels',
  'name',
  'allow_multiple',
  'wait',
  'ttl',
  'lease_key',
  'execution_id',
  'scope',
] as const;

export const LIST_KEYS = [
  'id',
  'name',
  'user_id',
  'user',
  'consensus_plugin',
  'type',
  'consensus_mode',
  'mode',
  'size',
  'size_min',
  'host_id',
  'pool',
  'status',
  'health',
  'state',
  'free',
  'labels',
  'ids_only',
] as const;

/** Cello's API v2 over the pools of this server (spec/cluster.md §1 and §3.1). */
export function clusterRoutes(router: ApiRouter, services: Services): void {
  const both = (path: string, call: Call): void => {
    const handler = serve(answering(services, call));
    router.get(path, handler);
    router.post(path, handler);
  };
  const get = (path: string, call: Call): void => {
    router.get(path, serve(answering(services, call)));
  };
  both('/cluster_op', operation);
  both('/cluster_apply', apply);
  both('/cluster_release', release);
  both('/clusters', list);
  get('/cluster/:id', one);
  get('/cluster/:id/log', log);
  get('/cluster/:id/events', events);
  get('/cluster_pools', async ({ pools }) => ok((await pools.pools()).map((pool) => plain(pool))));
  get('/cluster_leases', leases);
}

/** What a call answers: its data, or why not. */
type Outcome =
  | { readonly kind: 'ok'; readonly data: Json }
  | { readonly kind: 'fail'; readonly code: number; readonly error: string };

interface Asked {
  readonly pools: Services['pools'];
  readonly store: Services['store'];
  readonly request: ApiRequest;
  readonly parameters: ClusterParameters;
}

type Call = (asked: Asked) => Promise<Outcome>;

/** The envelope (spec/cluster.md §1.2): the HTTP status is 200 or 400 and the code is in the body, unless the configuration says `strict`. */
function answering({ pools, store }: Services, call: Call): Handler {
  return async (request): Promise<Reply> => {
    const outcome = await attempt(async () =>
      call({ pools, store, request, parameters: await ClusterParameters.read(request) }),
    );
    const body =
      outcome.kind === 'ok'
        ? { status: 'OK', code: 200, error: '', data: outcome.data }
        : { status: 'FAIL', code: outcome.code, error: outcome.error, data: '' };
    if (outcome.kind === 'ok') return { status: 200, body };
    const isStrict = pools.settings.envelope === 'strict';
    return { status: isStrict && (outcome.code === 403 || outcome.code === 404) ? outcome.code : 400, body };
  };
}

async function attempt(call: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof BadParameter) return fail(400, error.message);
    if (error instanceof EngineError && error.code === 'FORBIDDEN') return fail(403, error.message);
    throw error;
  }
}

async function operation(asked: Asked): Promise<Outcome> {
  const action = textOrNull(asked.parameters, 'action') ?? '';
  switch (action) {
    case 'apply':
      return apply(asked);
    case 'release':
      return release(asked);
    case 'start':
    case 'stop':
    case 'restart':
      return operate(asked, action);
    case 'renew':
      return renew(asked);
    case 'create':
    case 'delete':
    case 'drain':
    case 'undrain':
      asked.request.authorize('clusters:administrate');
      return administrate(asked, action);
    default:
      return fail(400, 'Unknown action type');
  }
}

/** An unreadable word is an unknown one. */
function textOrNull(parameters: ClusterParameters, name: string): string | null {
  try {
    return parameters.text(name);
  } catch {
    return null;
  }
}

async function apply({ pools, store, request, parameters }: Asked): Promise<Outcome> {
  const user = parameters.text('user_id');
  if (user === null) return fail(400, 'cluster_apply without user_id');
  const filter = await filterOf(parameters, () => pools.offers());
  const wait = parameters.number('wait') ?? (parameters.text('wait') === null ? 0 : undefined);
  const ttl = parameters.number('ttl');
  if (wait === undefined || wait < 0 || wait > LONGEST_WAIT) return fail(400, 'Invalid wait');
  if (ttl === undefined) return fail(400, 'Invalid ttl');
  const execution = parameters.text('execution_id');
  const root = execution === null ? null : await rootOf(store, request.caller.projectId, execution);
  if (execution !== null && root === null) return fail(400, `The execution ${execution} does not exist`);
  const key = parameters.text('lease_key');
  // Without a key nobody finds the lease but who waits here now: his place in line is kept for as long as this process has him.
  const attended = key === null && execution === null ? pools.settings.attendedSeconds : wait;
  const answer = await pools.apply({
    project: request.caller.projectId,
    user_id: user,
    filter,
    allow_multiple: parameters.flag('allow_multiple'),
    wait_s: Math.min(wait, attended),
    ttl_s: ttl,
    lease_key: key,
    execution_id: execution,
    root_execution_id: root,
    scope: scopeOf(parameters.text('scope')),
  });
  if (answer.kind !== 'waiting') return applied(answer, user);
  const { gone } = request;
  const waited = await attend(pools, answer.ticket, { wait, attended }, gone);
  // Whoever named a key asks again; nobody else will ever hear of this lease.
  if (waited.kind === 'waiting' || (gone.aborted && key === null)) {
    await pools.cancelTicket(answer.ticket);
    return none(user);
  }
  return applied(waited, user);
}

/** Waits for a ticket, which lives no longer than `attended` seconds without this. */
async function attend(
  pools: Services['pools'],
  ticket: string,
  { wait, attended }: { readonly wait: number; readonly attended: number },
  gone: AbortSignal,
): Promise<ApplyAnswer> {
  const end = Date.now() + wait * 1000;
  for (;;) {
    const left = Math.max(0, end - Date.now());
    const isLast = left <= attended * 250;
    const waited = await pools.waitFor(ticket, isLast ? left + 1000 : attended * 250, gone);
    if (waited.kind !== 'waiting' || gone.aborted || Date.now() >= end) return waited;
    await pools.extendTicket(ticket, Math.min(attended, (end - Date.now()) / 1000));
  }
}

/** An hour: longer waits ask again with the same `lease_key`. */
const LONGEST_WAIT = 3600;

function applied(answer: ApplyAnswer, user: string): Outcome {
  switch (answer.kind) {
    case 'granted':
      return ok(plain(answer.cluster));
    case 'refused':
      return fail(answer.code, answer.why);
    case 'none':
    case 'waiting':
      return none(user);
  }
}

function none(user: string): Outcome {
  return fail(400, `No available res for ${user}`);
}

/** Unknown types, modes and sizes have their texts (spec/cluster.md §1.2); what some pool could serve is known. */
async function filterOf(
  parameters: ClusterParameters,
  loadOffers: () => Promise<readonly Offer[]>,
): Promise<ClusterFilter> {
  const type = parameters.text('consensus_plugin') ?? parameters.text('type');
  const mode = parameters.text('consensus_mode') ?? parameters.text('mode');
  const [size, least] = [parameters.number('size'), parameters.number('size_min')];
  const offers = await loadOffers();
  const ofType = offers.filter((offer) => type === null || offer.type === type);
  if (type !== null && ofType.length === 0) throw new BadParameter('Invalid consensus_plugin');
  const ofMode = ofType.filter((offer) => mode === null || offer.mode === mode);
  if (mode !== null && ofMode.length === 0) throw new BadParameter('Invalid consensus_mode');
  const fits = ofMode.some((offer) =>
    offer.sizes.some((one) => (size === null || one === size) && one >= (least ?? 0)),
  );
  if (size === undefined || least === undefined || ((size !== null || least !== null) && !fits))
    throw new BadParameter('Invalid cluster_size');
  const name = parameters.text('name');
  return {
    ...(type !== null && { type }),
    ...(mode !== null && { mode }),
    ...(size !== null && { size }),
    ...(least !== null && { size_min: least }),
    ...(name !== null && { name }),
    labels: parameters.labels(),
  };
}

function scopeOf(text: string | null): LeaseScope {
  if (text === null) return 'execution';
  if (text === 'execution' || text === 'root' || text === 'none') return text;
  throw new BadParameter('Invalid scope');
}

/** The outermost execution of the caller's execution; null when he has none of this id. */
async function rootOf(store: Services['store'], project: string, id: string): Promise<string | null> {
  const row: { root_execution_id: string | null } | undefined = await store
    .reader('executions')
    .where({ id, project_id: project })
    .first('root_execution_id');
  return row === undefined ? null : (row.root_execution_id ?? id);
}

async function release({ pools, request, parameters }: Asked): Promise<Outcome> {
  const [id, user] = [parameters.text('cluster_id'), parameters.text('user_id')];
  if (id === null && user === null) return fail(400, 'No cluster_id is given');
  const { caller } = request;
  if (id === null) {
    await pools.release({ project: caller.projectId, user_id: user ?? '' });
    return ok('');
  }
  if (user === null && pools.settings.requireOwner && !caller.isAdmin)
    return fail(403, 'cluster release failed: name the user_id that holds it');
  const answer = await pools.release({
    project: caller.isAdmin ? null : caller.projectId,
    cluster_id: id,
    ...(user !== null && { by_user_id: user }),
  });
  return answer.kind === 'refused' ? fail(answer.code, answer.why) : ok('');
}

async function operate({ pools, request, parameters }: Asked, op: 'start' | 'stop' | 'restart'): Promise<Outcome> {
  const [id, node, user] = [parameters.text('cluster_id'), parameters.text('node_id'), parameters.text('user_id')];
  if (id === null) return fail(400, 'No cluster_id is given');
  const answer = await pools.operate({
    project: request.caller.projectId,
    is_admin: request.caller.isAdmin,
    cluster_id: id,
    op,
    ...(node !== null && { node }),
    ...(user !== null && { by_user_id: user }),
  });
  return isRefusal(answer) ? fail(answer.code, answer.why) : ok('');
}

async function renew({ pools, request, parameters }: Asked): Promise<Outcome> {
  const [id, user, ttl] = [parameters.text('cluster_id'), parameters.text('user_id'), parameters.number('ttl')];
  if (id === null) return fail(400, 'No cluster_id is given');
  if (ttl === undefined) return fail(400, 'Invalid ttl');
  const answer = await pools.renew({
    project: request.caller.isAdmin ? null : request.caller.projectId,
    cluster_id: id,
    ttl_s: ttl,
    ...(user !== null && { by_user_id: user }),
  });
  return isRefusal(answer) ? fail(answer.code, answer.why) : ok(plain(answer));
}

async function administrate(
  { pools, parameters }: Asked,
  action: 'create' | 'delete' | 'drain' | 'undrain',
): Promise<Outcome> {
  const [id, pool] = [parameters.text('cluster_id'), parameters.text('pool')];
  switch (action) {
    case 'create': {
      if (pool === null) return fail(400, 'No pool is given');
      const [size, name] = [parameters.number('size'), parameters.text('name')];
      if (size === undefined) return fail(400, 'Invalid cluster_size');
      return clusterOrFail(
        await pools.create({ pool, ...(size !== null && { size }), ...(name !== null && { name }) }),
      );
    }
    case 'delete':
      if (id === null) return fail(400, 'No cluster_id is given');
      return clusterOrFail(await pools.delete({ cluster_id: id, force: parameters.flag('force') }));
    case 'drain':
    case 'undrain': {
      if (id === null && pool === null) return fail(400, 'No cluster_id is given');
      const answer = await pools[action](id === null ? { pool: pool ?? '' } : { cluster_id: id });
      return isRefusal(answer) ? fail(answer.code, answer.why) : ok(plain(answer));
    }
  }
}

function clusterOrFail(answer: Cluster | Refusal): Outcome {
  return isRefusal(answer) ? fail(answer.code, answer.why) : ok(plain(answer));
}

/** Exact equality on the fields of the object; what is no field is a label (spec/cluster.md §3.1). */
async function list({ pools, request, parameters }: Asked): Promise<Outcome> {
  const state = parameters.text('state');
  if (state !== null && state !== 'active' && state !== 'released') return ok([]);
  const [size, least] = [parameters.number('size'), parameters.number('size_min')];
  const word = (...names: readonly string[]): string | undefined => {
    const name = names.find((one) => parameters.has(one));
    return name === undefined ? undefined : (parameters.text(name) ?? '');
  };
  const words = {
    id: word('id'),
    name: word('name'),
    user_id: word('user_id', 'user'),
    type: word('consensus_plugin', 'type'),
    mode: word('consensus_mode', 'mode'),
    pool: word('host_id', 'pool'),
    status: word('status'),
    health: word('health'),
  };
  if (!isInteger(size) || !isInteger(least)) return ok([]);
  const others = parameters.names().filter((name) => !isKnownKey(name));
  const fields = others.filter((name) => COMPARED.includes(name));
  const labels = others.filter((name) => !COMPARED.includes(name));
  const filter: ClusterListFilter = {
    ...Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined)),
    ...(size !== null && { size }),
    ...(least !== null && { size_min: least }),
    ...(state !== null && { state }),
    ...(parameters.flag('free') && { free: true }),
    labels: {
      ...parameters.labels(),
      ...Object.fromEntries(labels.map((name) => [name, parameters.text(name) ?? ''])),
    },
  };
  const found = await pools.list(request.caller.isAdmin ? null : request.caller.projectId, filter);
  const clusters = found
    .map((cluster) => plain(cluster))
    .filter((cluster) => fields.every((name) => String(cluster[name]) === (parameters.text(name) ?? '')));
  return ok(parameters.flag('ids_only') ? clusters.map((cluster) => cluster['id'] ?? '') : clusters);
}

/** Further fields of the object that hold a single value. */
const COMPARED: readonly string[] = [
  'cores',
  'api_url',
  'daemon_url',
  'worker_api',
  'create_ts',
  'apply_ts',
  'release_ts',
  'duration',
];

function isKnownKey(name: string): boolean {
  return name.startsWith('labels.') || LIST_KEYS.some((key) => key === name);
}

/** Whether it is absent, or a number that a column can hold. */
function isInteger(value: number | null | undefined): value is number | null {
  return value === null || (Number.isInteger(value) && Math.abs(value ?? 0) < 2 ** 31);
}

async function one({ pools, request }: Asked): Promise<Outcome> {
  const id = param(request, 'id');
  const cluster = await pools.get(request.caller.isAdmin ? null : request.caller.projectId, storable(id));
  // The id names one life of a cluster: once that is over, only lists with state=released have it, as Cello's do.
  return cluster === null || cluster.status === 'released'
    ? fail(404, `cluster not found with id=${id}`)
    : ok(plain(cluster));
}

async function log({ pools, request, parameters }: Asked): Promise<Outcome> {
  const tail = parameters.number('tail');
  if (tail === undefined || (tail !== null && (!Number.isInteger(tail) || tail < 1 || tail > 10_000)))
    return fail(400, 'Invalid tail');
  const project = request.caller.isAdmin ? null : request.caller.projectId;
  const answer = await pools.log(project, storable(param(request, 'id')), parameters.text('node'), tail ?? 200);
  return isRefusal(answer) ? fail(answer.code, answer.why) : ok(answer.text);
}

async function events({ pools, request }: Asked): Promise<Outcome> {
  const project = request.caller.isAdmin ? null : request.caller.projectId;
  const answer = await pools.events(project, storable(param(request, 'id')));
  return isRefusal(answer) ? fail(answer.code, answer.why) : ok(answer.map((event) => plain(event)));
}

async function leases({ pools, request, parameters }: Asked): Promise<Outcome> {
  const filter: Record<string, string> = {};
  for (const name of ['user_id', 'execution_id', 'cluster_id', 'state']) {
    const value = parameters.text(name);
    if (value !== null) filter[name] = value;
  }
  const state: LeaseFilter['state'] = filter['state'] === 'all' ? 'all' : 'open';
  const found = await pools.leases(request.caller.isAdmin ? null : request.caller.projectId, { ...filter, state });
  return ok(found.map((lease) => plain(lease)));
}

/** An id that no database can hold is nobody's. */
function storable(id: string): string {
  return isStorableText(id) ? id : '';
}

function ok(data: Json): Outcome {
  return { kind: 'ok', data };
}

function fail(code: number, error: string): Outcome {
  return { kind: 'fail', code, error };
}

/** Records of the pools hold nothing but JSON. */
function plain(record: object): JsonObject {
  return record as JsonObject;
}
