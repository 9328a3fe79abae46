import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../engine/config.ts';
import type { ActionReport, EnginePort, RunAction } from '../engine/contract.ts';
import { newId, makeIdsBy } from '../engine/ids.ts';
import type { RunningEngine, SharedOptions } from '../engine/index.ts';
import type { Logger } from '../engine/log.ts';
import { BullmqQueue, DEFAULT_BULLMQ } from '../engine/queue/bullmq.ts';
import { redisCommitChannel } from '../engine/queue/commit-channel.ts';
import { EmbeddedQueue } from '../engine/queue/embedded.ts';
import { EpochWatch } from '../engine/queue/epoch.ts';
import type { Queue } from '../engine/queue/queue.ts';
import { checkRedis, connectRedis } from '../engine/queue/redis.ts';
import type { RedisClient } from '../engine/queue/redis.ts';
import { RemotePort } from '../engine/queue/remote-port.ts';
import { ResultReceiver, ResultSender } from '../engine/queue/results.ts';
import type { ResultStore } from '../engine/queue/results.ts';
import { systemClock } from '../engine/shell/clock.ts';
import type { Clock } from '../engine/shell/clock.ts';
import { NO_COMMIT_CHANNEL } from '../engine/shell/commit-signal.ts';
import type { CommitChannel } from '../engine/shell/commit-signal.ts';
import { Membership, SharedClock } from '../engine/shell/membership.ts';
import { runMessage } from '../engine/shell/messages.ts';
import { postgresCommitChannel } from '../engine/store/commit-channel.ts';
import type { Store } from '../engine/store/connection.ts';
import { migrate, schemaVersions } from '../engine/store/migrate.ts';
import {
  deleteQueuedTexts,
  loadActionRow,
  loadQueuedText,
  openActions,
  storeQueuedText,
} from '../engine/store/pending.ts';
import { findService, liveServices } from '../engine/store/services.ts';
import { actionFromRow } from '../engine/store/tables.ts';

/** What a node is to others that share its database, and how it talks with them. */
export interface Cluster {
  readonly clock: Clock;
  readonly queue: Queue;
  /** How nodes tell each other that something was committed. */
  readonly commits: CommitChannel;
  /** For the engine; undefined for a node that is alone on its database. */
  readonly shared: SharedOptions | undefined;
  /** Whether actions run in the process that sends them. */
  readonly runsOwnActions: boolean;
  /** What workers and watchers talk to. */
  port(engine: RunningEngine): EnginePort;
  /** Begins to take results; call it before the engine starts. */
  start(engine: RunningEngine): Promise<void>;
  isOwnerDead(nodeId: string): Promise<boolean>;
  /** Others see that this one stops. */
  drain(): Promise<void>;
  /** When the worker has ended: results are on their way no more. */
  closeExecutor(): Promise<void>;
  closeReceiver(): Promise<void>;
  /** When nothing is decided any more. */
  close(): Promise<void>;
}

/** @param onOutdated called when a newer program has changed the schema: this node must stop. */
export async function joinCluster(config: Config, store: Store, log: Logger, onOutdated: () => void): Promise<Cluster> {
  if (!store.isShared) return alone(config, log);
  const clock = new SharedClock(systemClock);
  makeIdsBy(() => clock.now());
  const nodeId = newId();
  const membership = new Membership({
    store,
    clock,
    log,
    service: {
      id: nodeId,
      name: `${hostname()}_${process.pid}`,
      host: hostname(),
      roles: config.roles,
      schemaVersion: (await schemaVersions(store.reader)).known,
    },
    times: { beatMs: config.heartbeatSeconds * 1000, leaseMs: config.leaseSeconds * 1000 },
    onOutdated,
    schemaVersion: async () => (await schemaVersions(store.reader)).stored,
  });
  const talk =
    config.redis === null
      ? embedded(config, clock, log, postgresCommitChannel(config.database, store.writer, nodeId, clock, log))
      : await overRedis({ config, store, log, clock, nodeId, membership });
  try {
    await membership.start();
  } catch (error) {
    await talk.close();
    throw error;
  }
  return {
    clock,
    queue: talk.queue,
    commits: talk.commits,
    shared: {
      nodeId,
      leaseMs: config.leaseSeconds * 1000,
      times: {
        everyMs: config.janitorSeconds * 1000,
        patienceMs: config.patienceSeconds * 1000,
        resendMs: config.resendSeconds * 1000,
        silenceMs: config.actionSilenceSeconds * 1000,
      },
      takeOver: talk.takeOver,
    },
    runsOwnActions: config.redis === null,
    port: talk.port,
    start: talk.start,
    isOwnerDead: (owner) => isProvenDead(store, owner),
    drain: () => membership.drain(),
    closeExecutor: talk.closeExecutor,
    closeReceiver: talk.closeReceiver,
    close: async () => {
      await talk.close();
      await membership.close();
    },
  };
}

/**
 * Brings the schema up to date. Where older programs still run on it, this waits until they have stopped: they would not know what
 * they read.
 */
export async function migrateWhenFree(store: Store, log: Logger, stopped: Promise<unknown>): Promise<void> {
  let hasStopped = false;
  void stopped.then(() => {
    hasStopped = true;
  });
  for (let isTold = false; ; ) {
    const { stored, known } = await schemaVersions(store.reader);
    const older =
      !store.isShared || stored === 0 || stored >= known
        ? []
        : (await liveServices(store.reader)).filter(({ schemaVersion }) => schemaVersion < known);
    if (older.length === 0 || hasStopped) break;
    if (!isTold)
      log.info('Waiting for processes of an older version to stop', { processes: older.map(({ name }) => name) });
    isTold = true;
    await sleep(WAIT_MILLISECONDS);
  }
  await migrate(store);
}

const WAIT_MILLISECONDS = 1_000;

interface Talk extends Pick<Cluster, 'queue' | 'commits' | 'port' | 'start' | 'closeExecutor' | 'closeReceiver'> {
  takeOver(nodeId: string, roles: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

async function alone(config: Config, log: Logger): Promise<Cluster> {
  const talk = embedded(config, systemClock, log, NO_COMMIT_CHANNEL);
  return {
    ...talk,
    clock: systemClock,
    shared: undefined,
    runsOwnActions: true,
    // The lock on the database file says so.
    isOwnerDead: () => Promise.resolve(true),
    drain: () => Promise.resolve(),
  };
}

function embedded({ rateLimits }: Config, clock: Clock, log: Logger, commits: CommitChannel): Talk {
  const queue = new EmbeddedQueue(clock, log, rateLimits);
  const nothing = () => Promise.resolve();
  return {
    queue,
    commits,
    port: (engine) => engine,
    start: nothing,
    closeExecutor: nothing,
    closeReceiver: nothing,
    takeOver: nothing,
    close: () => queue.close(),
  };
}

interface Parts {
  readonly config: Config;
  readonly store: Store;
  readonly log: Logger;
  readonly clock: Clock;
  readonly nodeId: string;
  readonly membership: Membership;
}

async function overRedis({ config, store, log, clock, nodeId, membership }: Parts): Promise<Talk> {
  const { redis, roles } = config;
  if (redis === null) throw new Error('there is no Redis to talk over');
  const settings = {
    ...DEFAULT_BULLMQ,
    prefix: config.redisPrefix,
    rateLimits: config.rateLimits,
    priorities: config.priorities,
    lockMs: config.queueLockSeconds * 1000,
  };
  const sender = connectRedis(redis, log, 'fails');
  const receiver = connectRedis(redis, log, 'waits');
  const listener = connectRedis(redis, log, 'waits');
  const clients: RedisClient[] = [sender, receiver, listener];
  try {
    await checkRedis(sender, log);
  } catch (error) {
    for (const client of clients) client.disconnect();
    throw error;
  }
  const isEngine = roles.includes('engine');
  const queue = new BullmqQueue({
    settings,
    sender,
    receiver,
    nodeId,
    host: hostname(),
    takesResults: isEngine,
    concurrency: config.executorConcurrency,
    clock,
    log,
    executors: () => membership.executors(),
    loadAction: (id) => loadMessage(store, id),
  });
  const common = { queue, sender, nodeId, prefix: settings.prefix, store: resultStore(store, clock), clock, log };
  const results = new ResultSender({ ...common, listener });
  let receiverOfResults: ResultReceiver | null = null;
  let epoch: EpochWatch | null = null;
  let closed = false;
  return {
    queue,
    commits: redisCommitChannel(sender, listener, settings.prefix, nodeId),
    port: () => new RemotePort(store, clock, queue, results),
    start: async (engine) => {
      if (roles.includes('executor')) await results.start();
      if (roles.some((role) => role !== 'executor')) {
        receiverOfResults = new ResultReceiver(common, (report: ActionReport) => engine.report(report));
        receiverOfResults.start(isEngine);
      }
      epoch = new EpochWatch(sender, settings.prefix, clock, log, () => {
        engine.messagesWereLost();
        results.sendAllAgain();
      });
      await epoch.start();
    },
    takeOver: async (gone, itsRoles) => {
      if (itsRoles.includes('executor')) await queue.dropExecutor(gone);
      await receiverOfResults?.takeOver(gone, () => closed);
    },
    closeExecutor: async () => results.close(),
    closeReceiver: async () => {
      closed = true;
      await receiverOfResults?.close();
    },
    close: async () => {
      epoch?.close();
      if (roles.includes('executor')) await queue.dropExecutor(nodeId).catch(() => {});
      await queue.close();
      for (const client of clients) client.disconnect();
    },
  };
}

function resultStore(store: Store, clock: Clock): ResultStore {
  return {
    open: (actions) => openActions(store.reader, actions),
    keepText: (key, body) => storeQueuedText(store.writer, key, body, clock.now()),
    loadText: (key) => loadQueuedText(store.reader, key),
    dropTexts: (keys) => deleteQueuedTexts(store.writer, keys),
  };
}

async function loadMessage(store: Store, id: string): Promise<RunAction | null> {
  const row = await loadActionRow(store.reader, id);
  if (row === undefined || row.state !== 'RUNNING') return null;
  return runMessage(actionFromRow(row), { workflowName: row.workflow_name, projectId: row.project_id });
}

/**
 * Whether a process can do nothing any more. One that has only been silent may wake up: what proves it is its number on this very
 * machine that nobody has.
 */
async function isProvenDead(store: Store, nodeId: string): Promise<boolean> {
  const service = await findService(store.reader, nodeId);
  if (service === undefined || service.host !== hostname()) return false;
  const pid = Number(service.name.slice(service.name.lastIndexOf('_') + 1));
  return Number.isInteger(pid) && pid !== process.pid && !isRunning(pid);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that has ended and that nobody has asked about still has its number.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EPERM' || (code === 'ENOENT' && process.platform !== 'linux');
  }
}
