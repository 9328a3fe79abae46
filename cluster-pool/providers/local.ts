import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isJsonObject } from '../../dsl/json.ts';
import type { JsonObject } from '../../dsl/json.ts';
import { newId } from '../../engine/ids.ts';
import { isAlive } from '../../processes/process.ts';
import { ProviderError } from '../provider.ts';
import type { HealthReport, LiveCluster, Made, Provider, Resources } from '../provider.ts';
import type { Cleaned } from './cleaning.ts';
import {
  areAlone,
  emptyFolder,
  emptyLogs,
  endAll,
  endNode,
  readTail,
  setLogAside,
  startNode,
  stopNode,
} from './local-processes.ts';
import type { NodeCommand, StartedNode } from './local-processes.ts';
import { findPorts } from './ports.ts';

/** What one kind of cluster that runs as processes of this host is made of. */
export interface LocalEngine {
  readonly host: string;
  readonly portStart: number;
  /** How long all nodes may take to find each other. */
  readonly readySeconds: number;
  /** How long what users left running may take to end, before the cluster is made anew instead. */
  readonly resetSeconds: number;
  /** How large a node's standard output and error may become before they are set aside. */
  readonly logBytes: number;
  plan(size: number): Resources;
  portCount(size: number): number;
  endpoints(ports: number): Readonly<Record<string, string>>;
  /** Writes what the nodes read, and answers how they are started; the first is the one that the others look for. */
  layOut(place: Place): Promise<readonly NodeCommand[]>;
  /** Whether all nodes have found each other. */
  look(endpoints: Readonly<Record<string, string>>, size: number, signal: AbortSignal): Promise<HealthReport>;
  /** Once all have found each other: whether users may come, too. */
  isOpen?(endpoints: Readonly<Record<string, string>>, signal: AbortSignal): Promise<HealthReport>;
  /** Ends what users left running. */
  clean(endpoints: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Cleaned>;
  /** Where users' files lie in a run with these nodes. `keeps`: how many levels of folders belong to the engine. */
  usersFolders(run: string, nodes: readonly string[]): readonly { readonly path: string; readonly keeps: number }[];
}

export interface Place {
  /** Of this run of the cluster alone. */
  readonly folder: string;
  readonly size: number;
  readonly ports: number;
}

/** Clusters of child processes that outlive the server (spec/cluster.md §4.1). */
export function createLocal(engine: LocalEngine): Provider {
  return {
    isLocal: true,
    plan: (size) => engine.plan(size),
    create: async (spec, signal) => {
      const folder = folderOf(spec.handle);
      await endAll(folder);
      const count = engine.portCount(spec.size);
      const preferred = typeof spec.handle['port_base'] === 'number' ? spec.handle['port_base'] : null;
      const ports = await findPorts(engine.host, engine.portStart, count, spec.takenPorts, preferred);
      const run = join(folder, newId());
      await mkdir(run, { recursive: true, mode: 0o700 });
      const commands = await engine.layOut({ folder: run, size: spec.size, ports });
      const nodes = await startAll(folder, run, commands, signal);
      const endpoints = engine.endpoints(ports);
      await ready(engine, endpoints, spec.size, nodes, signal);
      return made({ folder, run, port_base: ports, port_count: count }, nodes, endpoints);
    },
    health: (cluster, signal) => health(engine, cluster, signal),
    start: (cluster, node, signal) => start(engine, cluster, node, signal),
    stop: async (cluster, node) => {
      const chosen = chosenNodes(cluster, node);
      await Promise.all(chosen.map((one) => stopNode(one)));
      return made(cluster.handle, nodesOf(cluster.handle), cluster.endpoints);
    },
    restart: async (cluster, node, signal) => {
      await Promise.all(chosenNodes(cluster, node).map((one) => stopNode(one)));
      return start(engine, cluster, node, signal);
    },
    mend: (cluster, signal) => mend(engine, cluster, signal),
    reset: (cluster, signal) => reset(engine, cluster, signal),
    destroy: async (cluster) => {
      const { folder } = cluster.handle;
      if (typeof folder === 'string' && folder !== '') await endAll(folder);
    },
    adopt: async (cluster, signal) => {
      const { ok } = await health(engine, cluster, signal);
      return ok ? made(cluster.handle, nodesOf(cluster.handle), cluster.endpoints) : null;
    },
    log: async (cluster, node, tail) => {
      const nodes = nodesOf(cluster.handle);
      const found = node === null ? nodes[0] : nodes.find(({ name }) => name === node);
      return found === undefined ? null : readTail(found.log, tail);
    },
  };
}

async function startAll(
  folder: string,
  run: string,
  commands: readonly NodeCommand[],
  signal: AbortSignal,
): Promise<readonly StartedNode[]> {
  const nodes: StartedNode[] = [];
  for (const command of commands) nodes.push(await startNode(folder, run, command, signal));
  return nodes;
}

/** Without the node that the others look for, or where all run and do not find each other, there is nothing to mend. */
async function mend(engine: LocalEngine, cluster: LiveCluster, signal: AbortSignal): Promise<Made | null> {
  const [head, ...others] = await states(nodesOf(cluster.handle));
  const isMissing = others.some(({ state }) => state !== 'running');
  return head?.state === 'running' && isMissing ? start(engine, cluster, null, signal) : null;
}

/**
 * Starts those that do not run. A run directory is used once: the new one stands beside the old. What an earlier try has started, and a crash
 * has kept from being written down, is ended first: it holds the ports.
 */
async function start(
  engine: LocalEngine,
  cluster: LiveCluster,
  node: string | null,
  signal: AbortSignal,
): Promise<Made> {
  const { port_base: ports } = cluster.handle;
  if (typeof ports !== 'number') throw new ProviderError('it was never made');
  const chosen = chosenNodes(cluster, node).map(({ name }) => name);
  const folder = folderOf(cluster.handle);
  const run = join(folder, newId());
  await mkdir(run, { recursive: true, mode: 0o700 });
  const commands = await engine.layOut({ folder: run, size: cluster.size, ports });
  const nodes: StartedNode[] = [];
  for (const old of nodesOf(cluster.handle)) {
    const command = commands.find(({ name }) => name === old.name);
    const needs = command !== undefined && chosen.includes(old.name) && !(await isAlive(old));
    if (needs) await endNode(folder, old.name);
    nodes.push(needs ? await startNode(folder, run, command, signal) : old);
  }
  const alive = await Promise.all(nodes.map((one) => isAlive(one)));
  if (alive.every(Boolean)) await ready(engine, cluster.endpoints, cluster.size, nodes, signal);
  return made({ ...cluster.handle, run }, nodes, cluster.endpoints);
}

async function ready(
  engine: LocalEngine,
  endpoints: Readonly<Record<string, string>>,
  size: number,
  nodes: readonly StartedNode[],
  signal: AbortSignal,
): Promise<void> {
  const end = Date.now() + engine.readySeconds * 1000;
  for (;;) {
    for (const node of nodes) {
      if (await isAlive(node)) continue;
      throw new ProviderError(`${node.name} has ended: ${(await readTail(node.log, 15)).trim() || 'it wrote nothing'}`);
    }
    const found = await engine.look(endpoints, size, signal);
    const { ok, why } = found.ok && engine.isOpen !== undefined ? await engine.isOpen(endpoints, signal) : found;
    if (ok) return;
    if (Date.now() > end) throw new ProviderError(`it is not ready after ${engine.readySeconds} s: ${why}`);
    await sleep(300, undefined, { signal });
  }
}

/** Null unless nothing is left of the last user: neither what he ran, by the engine's word and by the processes, nor his files and logs. */
async function reset(engine: LocalEngine, cluster: LiveCluster, signal: AbortSignal): Promise<Made | null> {
  const { ok } = await health(engine, cluster, signal);
  if (!ok || (await engine.clean(cluster.endpoints, signal)).kind !== 'clean') return null;
  const folder = folderOf(cluster.handle);
  const nodes = nodesOf(cluster.handle);
  if (!(await areAlone(folder, nodes, engine.resetSeconds, signal))) return null;
  const runs = (await readdir(folder)).map((name) => join(folder, name));
  for (const run of runs) await cleanRun(engine, run, nodes);
  return (await health(engine, cluster, signal)).ok ? made(cluster.handle, nodes, cluster.endpoints) : null;
}

/** Of nodes that were started anew during the lease an earlier run has files and logs, too. */
async function cleanRun(engine: LocalEngine, run: string, nodes: readonly StartedNode[]): Promise<void> {
  const own = nodes.filter(({ directory }) => dirname(directory) === run);
  const names = nodes.map(({ name }) => name);
  if (own.length === 0) return rm(run, { recursive: true, force: true, maxRetries: 3 });
  for (const { path, keeps } of engine.usersFolders(run, names)) await emptyFolder(path, keeps);
  for (const name of names)
    if (!own.some((node) => node.name === name))
      await rm(join(run, name), { recursive: true, force: true, maxRetries: 3 });
  for (const node of own) await emptyLogs(node);
}

async function health(engine: LocalEngine, cluster: LiveCluster, signal: AbortSignal): Promise<HealthReport> {
  const started = nodesOf(cluster.handle);
  const nodes = await states(started);
  const dead = nodes.filter(({ state }) => state !== 'running').map(({ name }) => name);
  if (started.length === 0) return { ok: false, why: 'it has no processes' };
  await Promise.all(started.map((node) => setLogsAside(node, engine.logBytes)));
  if (dead.length > 0) return { ok: false, why: `${dead.join(', ')} ended`, nodes };
  return { ...(await engine.look(cluster.endpoints, cluster.size, signal)), nodes };
}

/** A cluster may live for months, and so may what it writes. A log of a node's own, such as Flink's, is rolled by the node. */
async function setLogsAside({ directory }: StartedNode, most: number): Promise<void> {
  await Promise.all(['stdout', 'stderr'].map((name) => setLogAside(join(directory, name), most)));
}

async function made(
  handle: JsonObject,
  nodes: readonly StartedNode[],
  endpoints: Readonly<Record<string, string>>,
): Promise<Made> {
  return {
    endpoints,
    nodes: await states(nodes),
    handle: {
      ...handle,
      nodes: nodes.map(({ name, pid, start: begun, bootId, directory, log }) => ({
        name,
        pid,
        start: begun,
        boot_id: bootId,
        directory,
        log,
      })),
    },
  };
}

function states(nodes: readonly StartedNode[]): Promise<{ name: string; pid: number; state: string }[]> {
  return Promise.all(
    nodes.map(async (node) => ({
      name: node.name,
      pid: node.pid,
      state: (await isAlive(node)) ? 'running' : 'stopped',
    })),
  );
}

function chosenNodes(cluster: LiveCluster, node: string | null): readonly StartedNode[] {
  const nodes = nodesOf(cluster.handle);
  const chosen = node === null ? nodes : nodes.filter(({ name }) => name === node);
  if (chosen.length === 0) throw new ProviderError(node === null ? 'it has no nodes' : `there is no node ${node}`);
  return chosen;
}

function folderOf(handle: JsonObject): string {
  const { folder } = handle;
  if (typeof folder !== 'string' || folder === '') throw new ProviderError('it has no folder');
  return folder;
}

function nodesOf(handle: JsonObject): readonly StartedNode[] {
  const { nodes } = handle;
  if (!Array.isArray(nodes)) return [];
  return nodes.flatMap((node): StartedNode[] => {
    if (!isJsonObject(node) || typeof node['pid'] !== 'number') return [];
    const { pid } = node;
    const text = (key: string): string => (typeof node[key] === 'string' ? node[key] : '');
    return [
      {
        name: text('name'),
        pid,
        start: text('start'),
        bootId: text('boot_id'),
        directory: text('directory'),
        log: text('log'),
      },
    ];
  });
}
