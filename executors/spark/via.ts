import type { Json, JsonObject } from '../../dsl/json.ts';
import { isJsonObject } from '../../dsl/json.ts';
import type { Job, JobBackend, JobContext, JobRequest, StageOutcome } from '../jobs/backend.ts';
import { lighterRuns, toLighterInput } from './systems/lighter-runs.ts';
import { livyRuns, toLivyInput } from './systems/livy-runs.ts';
import { createRemoteBackend } from './systems/remote-backend.ts';
import { endpointsOf, type SparkServers } from './systems/servers.ts';
import { standaloneRuns } from './systems/standalone-runs.ts';

/** The ways of spark.submit besides the process on this host, and the choice between them (spec/spark.md §8.3). */
export function submitWays(
  servers: SparkServers,
  process: JobBackend,
): { readonly others: readonly JobBackend[]; choose(input: JsonObject): JobBackend } {
  const rest = createRemoteBackend({ ...standaloneRuns, backend: 'spark-submit-rest' }, servers, toStandaloneInput);
  const livy = createRemoteBackend({ ...livyRuns, backend: 'spark-submit-livy' }, servers, toLivyInput);
  const lighter = createRemoteBackend({ ...lighterRuns, backend: 'spark-submit-lighter' }, servers, toLighterInput);
  return {
    others: [rest, livy, lighter],
    choose: (input) => {
      switch (wayOf(input)) {
        case 'rest':
          return rest;
        case 'livy':
          return livy;
        case 'lighter':
          return lighter;
        default:
          return process;
      }
    },
  };
}

/** `auto` is `rest` for `deploy_mode: cluster` on a cluster that offers it, else a process. */
function wayOf(input: JsonObject): string {
  const via = input.via ?? 'auto';
  if (via !== 'auto') return String(via);
  const hasServer = (input.connection ?? input.url ?? null) !== null || typeof input.cluster === 'string';
  const hasRest = hasServer || endpointsOf(input.cluster ?? null).rest !== undefined;
  return input.deploy_mode === 'cluster' && hasRest ? 'rest' : 'process';
}

/** The object that `cluster.apply` gives names the master too (spec/cluster.md §3.2). An address of the input's own wins. */
function toStandaloneInput(input: JsonObject): JsonObject {
  const { cluster = null, ...rest } = input;
  const { master } = endpointsOf(cluster);
  const hasOwn = isJsonObject(cluster) && (input.connection ?? input.url ?? null) !== null;
  return {
    ...(master !== undefined && { master }),
    ...(!hasOwn && { cluster }),
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null)),
  };
}

/** A process learns the master from a leased cluster; an address of the input's own wins. */
export function withLeasedMaster(backend: JobBackend): JobBackend {
  const known = (input: JsonObject): JsonObject => {
    const { cluster = null, ...rest } = input;
    const { master } = endpointsOf(cluster);
    if (master === undefined) return input;
    const conf = isJsonObject(input.conf) ? input.conf : {};
    const leased = { ...driverAddress(master), ...coresOf(cluster, input) };
    return { ...rest, master: input.master ?? master, conf: { ...leased, ...conf } };
  };
  const request = (given: JobRequest): JobRequest => ({ ...given, input: known(given.input) });
  return {
    ...backend,
    prepare: (input, run) => backend.prepare(known(input), run),
    ...(backend.stage !== undefined && {
      stage: (job: Job, given: JobRequest, context: JobContext) =>
        backend.stage?.(job, request(given), context) ?? READY,
    }),
    submit: (job, given, context) => backend.submit(job, request(given), context),
    find: (job, given, context, lookingMs) => backend.find(job, request(given), context, lookingMs),
  };
}

/** Workers of a cluster on loopback reach a driver there, whatever this host calls itself (spec/cluster.md §4.2). */
function driverAddress(master: string): JsonObject {
  const host = /^spark:\/\/(127(?:\.\d+){3}|localhost|\[::1\]):/.exec(master)?.[1];
  return host === undefined ? {} : { 'spark.driver.host': host };
}

/** A leased cluster is its user's alone: all of its cores, whatever its master gives by default (spec/cluster.md §4.2). */
function coresOf(cluster: Json, input: JsonObject): JsonObject {
  const cores = isJsonObject(cluster) ? (cluster.cores ?? 0) : 0;
  const isAsked = (input.total_executor_cores ?? input.master ?? null) !== null;
  return typeof cores === 'number' && cores > 0 && !isAsked ? { 'spark.cores.max': cores } : {};
}

const READY = Promise.resolve<StageOutcome>({ kind: 'ready' });
