import { configureExpressions } from '../dsl/expressions/index.ts';
import { DEFAULT_PROJECT } from './auth/anonymous.ts';
import { callCheck } from './call-check.ts';
import { readTextFile } from './commands/settings.ts';
import { hostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openClusterPools } from '../cluster-pool/index.ts';
import type { RunningClusterPools } from '../cluster-pool/index.ts';
import type { Config, Role } from '../engine/config.ts';
import { makeFolder } from '../processes/folders.ts';
import { createEngine } from '../engine/index.ts';
import { newId } from '../engine/ids.ts';
import type { RunningEngine } from '../engine/index.ts';
import type { Logger } from '../engine/log.ts';
import { EventStream } from '../engine/scheduler/event-stream.ts';
import { CommitSignal } from '../engine/shell/commit-signal.ts';
import type { BackgroundSettings } from '../engine/shell/background.ts';
import { createDefinitions } from '../engine/shell/definitions.ts';
import type { Definitions } from '../engine/shell/definitions.ts';
import { parseEventDefinitions } from '../engine/shell/event-definitions.ts';
import { isActionOpen } from '../engine/store/action-claims.ts';
import { isPostgresUrl, openStore } from '../engine/store/connection.ts';
import type { Store } from '../engine/store/connection.ts';
import type { JobFileLimits } from '../engine/store/job-files.ts';
import { createDefinitionFinder } from '../engine/store/definition-finder.ts';
import type { DefinitionFinder } from '../engine/store/definition-finder.ts';
import { readConnections } from '../executors/connections/read.ts';
import { DynamicActions } from '../executors/dynamic/dynamic-actions.ts';
import { createEgressPolicy } from '../executors/egress.ts';
import { createHttpClient } from '../executors/http-client.ts';
import { createCatalogue, jobBackends } from '../executors/index.ts';
import type { Catalogue } from '../executors/index.ts';
import { DEFAULT_SCRIPT_LIMITS } from '../executors/javascript/script-runner.ts';
import { JobWatcher } from '../executors/job-watcher.ts';
import { createPublishers } from '../executors/publishers.ts';
import { Worker } from '../executors/worker.ts';
import { createLeasing } from './leasing.ts';
import { joinCluster, migrateWhenFree } from './cluster.ts';
import { isLoopback } from './server.ts';

/** Engine, executor and database in one process: what `serve` puts an API in front of, and what `run` uses alone. */
export interface Node extends Pick<RunningEngine, 'cronTriggers' | 'eventTriggers' | 'maintenance'> {
  readonly store: Store;
  readonly definitions: Definitions;
  readonly finder: DefinitionFinder;
  readonly engine: RunningEngine;
  readonly catalogue: Catalogue;
  /** Clusters that can be leased. */
  readonly pools: RunningClusterPools;
  /** How much projects may keep of files for jobs. */
  readonly fileLimits: JobFileLimits;
  /** Reads uploaded modules; absent where dynamic actions are switched off. */
  readonly modules: DynamicActions | undefined;
  /** Calls back after each commit of this node, and soon after those of others. Call it once. */
  onCommit(listener: () => void): void;
  /** Resolves when this node must stop: a newer program has changed the schema of its database. */
  readonly outdated: Promise<void>;
  /** Lets running actions go on for the configured time; jobs outside run on and are found again at the next start. */
  close(): Promise<void>;
}

/**
 * Opens the database, brings its schema up to date, and goes on with what an earlier process left.
 *
 * @param environment variables of this process, for Spark's installation and runs.
 * @param serves whether triggers run and old executions are deleted.
 * @param stopped ends the wait for processes of an older version.
 */
export async function startNode(
  config: Config,
  log: Logger,
  environment: Readonly<Record<string, string | undefined>>,
  serves = true,
  stopped: Promise<unknown> = new Promise(() => {}),
): Promise<Node> {
  const store = await openStore(
    {
      connections: config.databaseConnections,
      transactionPatienceMs: config.databasePatienceSeconds * 1000,
      url: config.database,
      driver: config.databaseDriver ?? undefined,
      synchronous: config.databaseSynchronous,
      exclusive: true,
    },
    log,
  );
  try {
    configureExpressions({
      allowedLanguages: config.expressionLanguages,
      yaql: {
        limitIterators: config.yaqlLimitIterators,
        memoryQuota: config.yaqlMemoryQuota,
        convertOutputData: config.yaqlConvertOutputData,
        convertTuplesToLists: config.yaqlConvertTuplesToLists,
        convertSetsToLists: config.yaqlConvertSetsToLists,
        iterableDicts: config.yaqlIterableDicts,
      },
    });
    await migrateWhenFree(store, log, stopped);
    return await assemble(config, log, environment, store, serves);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function assemble(
  config: Config,
  log: Logger,
  environment: Readonly<Record<string, string | undefined>>,
  store: Store,
  serves: boolean,
): Promise<Node> {
  let tellOutdated = () => {};
  const outdated = new Promise<void>((resolve) => {
    tellOutdated = resolve;
  });
  const cluster = await joinCluster(config, store, log, tellOutdated);
  const { clock, queue } = cluster;
  const does = (role: Role) => config.roles.includes(role);
  const policy = createEgressPolicy({
    allowLoopback: isLoopback(config.host),
    allow: config.egressAllow,
    deny: config.egressDeny,
  });
  const http = { forUsers: createHttpClient(policy), forConnections: createHttpClient(null) };
  const folder = dataFolderOf(config);
  const filesFolder = join(folder, 'files');
  const connections = readConnections(config.connections, environment);
  const pools = openClusterPools({
    store,
    clock,
    log,
    nodeId: newId(),
    config: { pools: config.pools, clusters: config.clusters },
    folder: join(folder, 'clusters'),
    environment,
    temporary: !serves || config.database.endsWith(':memory:'),
  });
  const leasing = createLeasing({
    store,
    pools,
    connections,
    http,
    clock,
    log,
    releaseGraceSeconds: pools.settings.releaseGraceSeconds,
  });
  const catalogue = createCatalogue({
    http,
    cluster: leasing.cluster,
    std: {
      egress: policy,
      scripts: {
        ...DEFAULT_SCRIPT_LIMITS,
        timeoutMs: config.javascriptSeconds * 1000,
        memoryBytes: config.javascriptMemoryMegabytes * 1024 * 1024,
        processes: config.javascriptProcesses,
      },
      ...(config.sshKeyFolder === null ? {} : { sshKeyFolder: config.sshKeyFolder }),
      sshProxyCommand: config.sshProxyCommand,
    },
    spark: {
      runsFolder: join(folder, 'runs'),
      sparkHome: config.sparkHome ?? environment['SPARK_HOME'] ?? null,
      environment,
      allowedHomes: config.sparkAllowedHomes,
      applicationRoots: config.sparkApplicationRoots,
      allowedEnvironment: config.sparkAllowedEnvironment,
      historyUrl: config.sparkHistoryUrl,
      connections,
    },
    flink: {
      jarsFolder: join(folder, 'jars'),
      jarRoots: config.flinkJarRoots === null ? null : [...config.flinkJarRoots, filesFolder],
      connections,
    },
    files: { reader: store.reader, writer: store.writer, folder: filesFolder, url: config.filesUrl },
  });
  const dynamic = config.dynamicActions ? createDynamicActions(config, store, environment) : null;
  const publishers = await createPublishers(http.forUsers, config.publishers);
  const engine = createEngine({
    store,
    catalogue,
    queue,
    clock,
    log,
    embeddedExecutor: cluster.runsOwnActions && does('executor'),
    ...(cluster.shared === undefined ? {} : { shared: cluster.shared }),
    limits: {
      tasksPerName: config.tasksPerName,
      fieldCharacters: config.fieldSizeKilobytes < 0 ? -1 : config.fieldSizeKilobytes * 1024,
      wrongCalls: config.wrongCalls,
    },
    background: backgroundSettings(config),
    publishers,
    notify: config.notify,
    leases: leasing.keeper,
  });
  const port = cluster.port(engine);
  const watcher = new JobWatcher({
    db: store.writer,
    nodeId: engine.nodeId,
    engine: port,
    backends: jobBackends(catalogue),
    clock,
    log,
    // The lock on the database file says so.
    alone: !store.isShared,
    isOwnerDead: (owner) => cluster.isOwnerDead(owner),
    isOpen: (id) => isActionOpen(store.reader, id),
  });
  const worker = new Worker({
    catalogue,
    engine: port,
    heartbeatMs: config.actionHeartbeatSeconds * 1000,
    // Only others would take something for lost.
    ...(store.isShared && queue.held !== undefined ? { held: () => queue.held?.() ?? [] } : {}),
    executorId: engine.nodeId,
    host: hostname(),
    watcher,
    http: http.forUsers,
    dynamic,
    clock,
    log,
    concurrency: config.executorConcurrency,
    priorities: config.priorities,
  });
  await cluster.start(engine);
  if (serves || Object.keys(config.pools).length > 0) await pools.start();
  const stopDelivery = does('executor')
    ? queue.consume(engine.acknowledging((message) => worker.handle(message)))
    : () => Promise.resolve();
  if (does('executor')) await watcher.start();
  await engine.start(serves && (does('engine') || does('scheduler')));
  leasing.keeper.start();
  const signal = new CommitSignal(cluster.commits, clock);
  engine.onCommit(() => signal.tell());
  const events = serves && does('scheduler') ? followEvents(config, engine, log) : null;
  return {
    store,
    definitions: createDefinitions({
      store,
      catalogue,
      checkCall: callCheck(catalogue, 'upload'),
      validationMode: config.validationMode,
      strict: config.strictDefinitions,
      log,
    }),
    finder: createDefinitionFinder(store.reader),
    engine,
    cronTriggers: engine.cronTriggers,
    eventTriggers: engine.eventTriggers,
    maintenance: engine.maintenance,
    catalogue,
    pools,
    fileLimits: {
      quota: config.filesQuotaMegabytes * 1_000_000,
      largest: config.filesLargestMegabytes * 1_000_000,
    },
    modules: dynamic ?? undefined,
    onCommit: (listener) => {
      engine.onCommit(listener);
      cluster.commits.listen(listener);
    },
    outdated,
    close: async () => {
      await cluster.drain().catch(() => {});
      // Messages that come now go to others.
      const delivered = stopDelivery();
      await events?.close();
      await worker.drain(config.shutdownSeconds * 1000);
      catalogue.close();
      dynamic?.close();
      await delivered;
      await watcher.close();
      await leasing.keeper.stop();
      await pools.stop();
      await cluster.closeExecutor();
      await cluster.closeReceiver();
      await engine.close();
      await signal.close();
      await cluster.close();
      await store.close();
    },
  };
}

/** Events from Redis, where a stream is configured. */
function followEvents({ eventStream }: Config, engine: RunningEngine, log: Logger): EventStream | null {
  if (eventStream === null) return null;
  const events = new EventStream({
    settings: eventStream,
    consumer: hostname(),
    defaultProject: DEFAULT_PROJECT,
    log,
    publish: (event) => engine.eventTriggers.publish(event),
    isPaused: () => engine.maintenance.isActive(),
  });
  events.start();
  return events;
}

function backgroundSettings(config: Config): BackgroundSettings {
  const file = config.eventDefinitionsFile;
  return {
    cron: { missed: config.cronMissed, overlap: config.cronOverlap },
    retention: {
      days: config.retentionDays,
      maxFinished: config.retentionMaxFinished,
      ignoredStates: config.retentionIgnoredStates,
      eventDays: config.retentionEventDays,
      fileDays: config.filesUnusedDays,
      intervalMinutes: config.retentionIntervalMinutes,
    },
    eventDefinitions: file === null ? [] : parseEventDefinitions(readTextFile(file), file),
  };
}

function createDynamicActions(
  config: Config,
  store: Store,
  environment: Readonly<Record<string, string | undefined>>,
): DynamicActions {
  const seen = config.dynamicEnvironment.flatMap((name): [string, string][] => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value]];
  });
  return new DynamicActions({
    reader: store.reader,
    processes: config.dynamicProcesses,
    memoryMegabytes: config.dynamicMemoryMegabytes,
    environment: Object.fromEntries(seen),
  });
}

/** Beside the database, so that a restart finds the runs of jobs that go on. */
function dataFolderOf({ dataFolder, database }: Config): string {
  const path = isPostgresUrl(database) ? 'tramontane' : database.replace(/^sqlite:(?:\/\/)?/, '');
  const folder = dataFolder ?? (path === ':memory:' ? join(tmpdir(), `tramontane-${process.pid}`) : `${path}.files`);
  makeFolder(resolve(folder));
  return resolve(folder);
}
