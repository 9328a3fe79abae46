import type { Json, JsonObject } from '../../dsl/json.ts';
import { isJsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../../engine/contract.ts';
import { success, type ActionContext, type SyncAction } from '../action.ts';
import { toNumber, toText } from '../inputs.ts';
import { flag, seconds, text } from '../flink/parameters.ts';
import { sleep } from '../sleep.ts';
import { callFailed, clusterError } from './errors.ts';
import { CLUSTER_ID, CLUSTER_RESULT, parameters } from './parameters.ts';
import { SERVICE_INPUTS, serviceByConnection, serviceNameOf, serviceOf, serviceText } from './services.ts';
import type { ClusterContext, ClusterService } from './service.ts';

/** The actions that a worker runs from start to end (spec/cluster.md §2). */
export function plainActions(context: ClusterContext): readonly SyncAction[] {
  return [
    release(context),
    ...OPERATIONS.map((op) => operation(op, context)),
    list(context),
    get(context),
    renew(context),
  ];
}

interface Call {
  readonly service: ClusterService;
  readonly input: JsonObject;
  readonly run: ActionContext['run'];
  readonly signal: AbortSignal;
}

/** Runs a call against the service that the input names; what it throws becomes the action's error. */
function withService(
  context: ClusterContext,
  body: (call: Call) => Promise<ActionResult>,
): (input: JsonObject, action: ActionContext) => Promise<ActionResult> {
  return async (input, { signal, run }) => {
    const name = serviceNameOf(input, context);
    if (typeof name === 'string') return clusterError('CLUSTER_BAD_REQUEST', name);
    try {
      return await body({ service: serviceOf(name, context), input, run, signal });
    } catch (error) {
      signal.throwIfAborted();
      return callFailed(error);
    }
  };
}

function release(context: ClusterContext): SyncAction {
  return {
    name: 'cluster.release',
    description:
      'Gives clusters back: one, all of a user, or all that this execution holds. What was given back before is a success.',
    kind: 'sync',
    repeatSafe: true,
    parameters: parameters({
      ...SERVICE_INPUTS,
      cluster_id: text('One cluster.'),
      user_id: text('All that this user holds; with cluster_id: who holds it, where that is another execution.'),
      wait: flag('Wait until the cluster is no more there under this id.', false),
    }),
    result: {
      description: 'The ids of what this call has given back.',
      schema: { type: 'object', properties: { released: { type: 'array', items: { type: 'string' } } } },
    },
    examples: [
      {
        title: 'Give back before the workflow ends',
        yaml: 'give_back:\n  action: cluster.release\n  input:\n    cluster_id: <% $.cluster.id %>\n',
      },
    ],
    run: withService(context, async ({ service, input, run, signal }) => {
      const clusterId = textIn(input, 'cluster_id');
      const userId = textIn(input, 'user_id');
      const executionId = run.workflowExecutionId;
      const root = executionId === null ? null : await context.rootOf(executionId);
      const { projectId: project } = run;
      const stranger =
        clusterId === null ? null : await strangerOf(service, { project, clusterId, userId, root, signal });
      if (stranger !== null)
        return clusterError(
          'CLUSTER_NOT_OWNER',
          `Cluster ${clusterId} is held by ${stranger}, not by this execution; give user_id to release it all the same.`,
        );
      if (clusterId === null && userId === null && executionId === null)
        return clusterError('CLUSTER_BAD_REQUEST', 'Outside of a workflow say what to release: cluster_id or user_id.');
      const wish = { project, clusterId, userId, executionId, rootExecutionId: root };
      const released = [...(await service.release(wish, signal))];
      if (clusterId === null && userId === null)
        released.push(...(await releaseElsewhere(service, wish, context, signal)));
      if (input.wait === true) for (const id of released) await untilGone(service, project, id, signal);
      return success({ released });
    }),
  };
}

/** Without any input all services count, not only the one that is meant by default. */
async function releaseElsewhere(
  service: ClusterService,
  wish: Parameters<ClusterService['release']>[0],
  context: ClusterContext,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (service.name.kind !== 'builtin' || wish.executionId === null) return [];
  const released: string[] = [];
  for (const lease of (await context.pools?.remoteLeasesOf(wish.executionId, wish.rootExecutionId)) ?? []) {
    const other = serviceByConnection(lease.connection, context);
    released.push(...(await other.release({ ...wish, clusterId: lease.cluster_id }, signal)));
  }
  return released;
}

/** Who holds the cluster, where that is neither this execution's tree nor the user that was given; only our own pools tell. */
async function strangerOf(
  service: ClusterService,
  {
    project,
    clusterId,
    userId,
    root,
    signal,
  }: {
    readonly project: string;
    readonly clusterId: string;
    readonly userId: string | null;
    readonly root: string | null;
    readonly signal: AbortSignal;
  },
): Promise<string | null> {
  if (service.name.kind !== 'builtin' || userId !== null || root === null) return null;
  const holder = (await service.get(project, clusterId, signal))?.user_id;
  if (typeof holder !== 'string' || !/^wf-[^/]+\//.test(holder)) return null;
  return holder.startsWith(`wf-${root}/`) ? null : holder;
}

const LONGEST_WAIT_MS = 600_000;

async function untilGone(service: ClusterService, project: string, id: string, signal: AbortSignal): Promise<void> {
  await untilSeen(service, project, id, signal, (cluster) => cluster === null);
}

async function untilSeen(
  service: ClusterService,
  project: string,
  id: string,
  signal: AbortSignal,
  isWanted: (cluster: JsonObject | null) => boolean,
): Promise<JsonObject | null> {
  const end = Date.now() + LONGEST_WAIT_MS;
  for (let pause = 100; ; pause = Math.min(5000, pause * 1.5)) {
    const cluster = await service.get(project, id, signal);
    if (isWanted(cluster) || Date.now() > end) return cluster;
    await sleep(pause, signal);
  }
}

const OPERATIONS = ['start', 'stop', 'restart'] as const;
const OPERATION_TEXTS = {
  start: 'Starts the processes of a stopped cluster.',
  stop: 'Stops the processes of a cluster; who holds it holds it still.',
  restart: 'Restarts the processes of a cluster.',
} as const;

function operation(op: (typeof OPERATIONS)[number], context: ClusterContext): SyncAction {
  const wanted = op === 'stop' ? 'stopped' : 'running';
  return {
    name: `cluster.${op}`,
    description: OPERATION_TEXTS[op],
    kind: 'sync',
    repeatSafe: op !== 'restart',
    parameters: parameters(
      {
        ...SERVICE_INPUTS,
        cluster_id: CLUSTER_ID,
        node: text('One process instead of all: w0, master, jobmanager; built-in pools only.'),
        wait: flag(`Wait until it is ${wanted}.`, true),
      },
      ['cluster_id'],
    ),
    result: { description: 'The cluster.', schema: CLUSTER_RESULT },
    examples: [{ title: op, yaml: `${op}:\n  action: cluster.${op}\n  input:\n    cluster_id: <% $.cluster.id %>\n` }],
    run: withService(context, async ({ service, input, run, signal }) => {
      const clusterId = toText(input.cluster_id ?? '');
      const node = textIn(input, 'node');
      const { projectId: project } = run;
      await service.operate({ project, clusterId, op, node }, signal);
      // Our own pools answer when it is done; one node leaves the cluster in the state in which it was.
      const isDone = input.wait === false || service.name.kind === 'builtin' || node !== null;
      const cluster = isDone
        ? await service.get(project, clusterId, signal)
        : await untilSeen(service, project, clusterId, signal, (one) => one === null || one.status === wanted);
      return cluster === null ? notFound(clusterId) : success({ ...cluster, service: serviceText(service.name) });
    }),
  };
}

function list(context: ClusterContext): SyncAction {
  return {
    name: 'cluster.list',
    description: 'Lists clusters: those of this project and free ones.',
    kind: 'sync',
    repeatSafe: true,
    parameters: parameters({
      ...SERVICE_INPUTS,
      type: text('Kind of cluster.'),
      mode: text('Its mode.'),
      size: { type: ['integer', 'null'], minimum: 1, description: 'Number of workers or task managers.' },
      labels: { type: ['object', 'null'], description: 'Labels that must be there with the same value.' },
      name: text('Its name.'),
      user_id: text('Who holds it.'),
      status: text('running, stopped, …'),
      health: text('OK, FAIL, …'),
      free: flag('Only what nobody holds.', false),
      state: {
        type: ['string', 'null'],
        enum: ['active', 'released', null],
        description: 'Lives that go on (default), or those that are over.',
      },
    }),
    result: { description: 'The clusters.', schema: { type: 'array', items: { type: 'object' } } },
    examples: [
      {
        title: 'How many are free',
        yaml: 'count:\n  action: cluster.list\n  input:\n    type: spark\n    free: true\n  publish:\n    free: <% task().result.len() %>\n',
      },
    ],
    run: withService(context, async ({ service, input, run, signal }) => {
      const { pool: _, url: __, free, ...given } = input;
      const filter: JsonObject = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
      const { labels, ...plain } = filter;
      const wanted =
        service.name.kind === 'builtin'
          ? { ...filter, ...(free === true && { free: true }) }
          : { ...inCellosWords(plain), ...(free === true && { user_id: '' }) };
      const found = await service.list(run.projectId, wanted, signal);
      return success(service.name.kind === 'builtin' ? found : found.filter((one) => hasLabels(one, labels ?? null)));
    }),
  };
}

function inCellosWords({ type, mode, ...rest }: JsonObject): JsonObject {
  return {
    ...rest,
    ...(type !== undefined && { consensus_plugin: type }),
    ...(mode !== undefined && { consensus_mode: mode }),
  };
}

function hasLabels(cluster: JsonObject, labels: Json): boolean {
  const own = isJsonObject(cluster.labels) ? cluster.labels : {};
  return !isJsonObject(labels) || Object.entries(labels).every(([name, value]) => own[name] === value);
}

function get(context: ClusterContext): SyncAction {
  return {
    name: 'cluster.get',
    description: 'Shows one cluster.',
    kind: 'sync',
    repeatSafe: true,
    parameters: parameters({ ...SERVICE_INPUTS, cluster_id: CLUSTER_ID }, ['cluster_id']),
    result: { description: 'The cluster.', schema: CLUSTER_RESULT },
    examples: [
      { title: 'Look at it', yaml: 'look:\n  action: cluster.get\n  input:\n    cluster_id: <% $.cluster.id %>\n' },
    ],
    run: withService(context, async ({ service, input, run, signal }) => {
      const id = toText(input.cluster_id ?? '');
      const cluster = await service.get(run.projectId, id, signal);
      return cluster === null ? notFound(id) : success({ ...cluster, service: serviceText(service.name) });
    }),
  };
}

function renew(context: ClusterContext): SyncAction {
  return {
    name: 'cluster.renew',
    description: 'Makes a lease of the built-in pools last longer.',
    kind: 'sync',
    repeatSafe: true,
    parameters: parameters(
      { ...SERVICE_INPUTS, cluster_id: CLUSTER_ID, ttl: seconds('Seconds from now; default: as it was given for.') },
      ['cluster_id'],
    ),
    result: {
      description: 'The lease: {id, owner, expires_at, scope}.',
      schema: {
        type: 'object',
        properties: { id: { type: 'string' }, expires_at: { type: ['integer', 'null'] } },
      },
    },
    examples: [
      {
        title: 'Another hour',
        yaml: 'longer:\n  action: cluster.renew\n  input:\n    cluster_id: <% $.cluster.id %>\n    ttl: 3600\n',
      },
    ],
    run: withService(context, async ({ service, input, run }) => {
      const ttlS = toNumber(input.ttl ?? null);
      return success(await service.renew({ project: run.projectId, clusterId: toText(input.cluster_id ?? ''), ttlS }));
    }),
  };
}

function notFound(id: string): ActionResult {
  return clusterError(
    'CLUSTER_NOT_FOUND',
    `There is no cluster ${id}; each release ends an id, and apply gives another.`,
  );
}

function textIn(input: JsonObject, name: string): string | null {
  const value = input[name] ?? null;
  return value === null || value === '' ? null : toText(value);
}
