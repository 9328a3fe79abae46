import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { catalogueOf, type Catalogue } from './catalogue.ts';
import { withLeaseCheck } from './cluster/leased.ts';
import { clusterPack, type ClusterOptions } from './cluster/pack.ts';
import { createEgressPolicy } from './egress.ts';
import { JobFiles, type JobFilesOptions } from './files/job-files.ts';
import { withJobFiles } from './files/with-job-files.ts';
import { flinkPack, type FlinkOptions, type HttpClients } from './flink/pack.ts';
import { createHttpClient } from './http-client.ts';
import type { JobBackend } from './jobs/backend.ts';
import { sparkPack, type SparkOptions } from './spark/pack.ts';
import { DEFAULT_SCRIPT_LIMITS, ScriptRunner } from './javascript/script-runner.ts';
import { stdPack, type StdOptions } from './std/pack.ts';

export type { Catalogue } from './catalogue.ts';
export type { CallProblem } from './check-call.ts';

export interface CatalogueOptions {
  readonly std?: Partial<StdOptions>;
  readonly spark?: SparkOptions;
  readonly flink?: FlinkOptions;
  /** Without pools only clusters of other services can be leased. */
  readonly cluster?: ClusterOptions;
  /** Uploaded files; without them no action can use any. */
  readonly files?: JobFilesOptions;
  /** Clients of job backends; default: the strictest policy for users' addresses. */
  readonly http?: HttpClients;
}

/** The system actions: one line per pack. Without options it serves to validate and describe calls; to run them, give the options. */
export function createCatalogue(options: CatalogueOptions = {}): Catalogue {
  const scripts = new ScriptRunner(options.std?.scripts ?? DEFAULT_SCRIPT_LIMITS);
  const folder = join(tmpdir(), 'tramontane');
  const spark = options.spark ?? { runsFolder: join(folder, 'runs'), sparkHome: null, environment: {} };
  const flink = options.flink ?? { jarsFolder: join(folder, 'jars') };
  const http = options.http ?? defaultClients();
  const cluster = options.cluster ?? { pools: null, rootOf: () => Promise.resolve(null) };
  const files = options.files === undefined ? null : new JobFiles(options.files);
  // Operations of several calls fetch their jars themselves, when it is their turn.
  const uploadedFile = files === null ? {} : { uploadedFile: files.bring.bind(files) };
  const onServers = [...sparkPack(spark, http), ...flinkPack({ ...flink, ...uploadedFile }, http)];
  const supplied = files === null ? onServers : withJobFiles(onServers, files);
  const onClusters = withLeaseCheck(supplied, { ...cluster, http });
  const actions = [...stdPack(options.std, scripts), ...onClusters, ...clusterPack(cluster, http, onClusters)];
  return catalogueOf(actions, () => scripts.close());
}

/** The backends of the catalogue's job actions, for the job watcher. */
export function jobBackends(catalogue: Catalogue): readonly JobBackend[] {
  return catalogue
    .list()
    .flatMap((action) => (action.kind === 'job' ? [action.backend, ...(action.others ?? [])] : []));
}

function defaultClients(): HttpClients {
  return {
    forUsers: createHttpClient(createEgressPolicy({ allowLoopback: false })),
    forConnections: createHttpClient(null),
  };
}
