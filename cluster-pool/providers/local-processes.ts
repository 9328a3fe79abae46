import { copyFile, mkdir, open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessIdentity } from '../../processes/process.ts';
import { isAlive, markedProcesses, parentOf, signalGroup, signalProcess } from '../../processes/process.ts';
import { readProcess, startDetached } from '../../processes/run-directory.ts';
import { ProviderError } from '../provider.ts';

/**
 * Processes of a cluster (spec/cluster.md §4.1): each leads a group of its own, outlives the server, and has a run directory that tells any
 * later server who it is. All that they start carries the cluster's mark in its environment, also what leaves their group as
 * Python's workers do.
 */

export interface NodeCommand {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The log that people want to see; by default what it writes to standard error. */
  readonly log?: string;
}

export interface StartedNode extends ProcessIdentity {
  readonly name: string;
  /** Its run directory. */
  readonly directory: string;
  readonly log: string;
}

/** Starts one process and waits until it has said who it is. */
export async function startNode(
  clusterFolder: string,
  runFolder: string,
  command: NodeCommand,
  signal: AbortSignal,
): Promise<StartedNode> {
  const directory = join(runFolder, command.name);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await startDetached(
    directory,
    { argv: command.argv, env: { ...command.env, [MARK]: clusterFolder }, cwd: directory },
    () => {},
  );
  for (let waited = 0; waited < STARTING_MS; waited += 50) {
    const found = await readProcess(directory);
    if (typeof found === 'object')
      return { ...found, name: command.name, directory, log: command.log ?? join(directory, 'stderr') };
    await sleep(50, undefined, { signal });
  }
  throw new ProviderError(`${command.name} has not begun within ${STARTING_MS / 1000} s`);
}

/** SIGTERM to the group, after the grace SIGKILL. Only to that very process: its number may be somebody else's by now. */
export async function stopNode(node: ProcessIdentity, graceMs = GRACE_MS): Promise<void> {
  if (!(await isAlive(node))) return;
  signalGroup(node.pid, 'SIGTERM');
  for (let waited = 0; waited < graceMs; waited += 100) {
    await sleep(100);
    if (!(await isAlive(node))) return;
  }
  if (await isAlive(node)) signalGroup(node.pid, 'SIGKILL');
}

/** Ends every process of this name that was ever started below a cluster's folder. */
export async function endNode(clusterFolder: string, name: string): Promise<void> {
  const directories = await nodeDirectories(clusterFolder);
  await endIn(directories.filter((directory) => basename(directory) === name));
}

/**
 * Ends everything that was ever started below a cluster's folder, and removes it.
 *
 * @throws ProviderError when something does not die.
 */
export async function endAll(clusterFolder: string): Promise<void> {
  const mark = `${MARK}=${clusterFolder}`;
  await endIn(await nodeDirectories(clusterFolder));
  for (let tries = 0; ; tries++) {
    const left = await markedProcesses(mark);
    if (left.length === 0) break;
    if (tries > 100) throw new ProviderError(`processes ${left.join(', ')} do not end`);
    for (const pid of left) signalProcess(pid, 'SIGKILL');
    await sleep(100);
  }
  await rm(clusterFolder, { recursive: true, force: true, maxRetries: 3 });
}

/**
 * Whether all that runs with the cluster's mark are its nodes: each the wrapper of its run directory and the program that this one runs.
 * What a user's job has started may take a while to end after the job: so many seconds.
 */
export async function areAlone(
  clusterFolder: string,
  nodes: readonly ProcessIdentity[],
  seconds: number,
  signal: AbortSignal,
): Promise<boolean> {
  const wrappers = nodes.map(({ pid }) => pid);
  for (let waited = 0; ; waited += ALONE_MS) {
    const found = await markedProcesses(`${MARK}=${clusterFolder}`);
    const others = found.filter((pid) => !wrappers.includes(pid));
    const parents = await Promise.all(others.map((pid) => parentOf(pid)));
    // What has no parent has just ended.
    if (parents.every((parent) => parent === null || wrappers.includes(parent))) return true;
    if (waited >= seconds * 1000) return false;
    await sleep(ALONE_MS, undefined, { signal });
  }
}

/** Removes what is in a folder, below so many levels of folders that stay. */
export async function emptyFolder(folder: string, keeps: number): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (keeps > 0 && entry.isDirectory()) await emptyFolder(path, keeps - 1);
    else await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Empties what a node has written, and removes what was set aside of it: its log tells of its users. It appends, and goes on at the beginning. */
export async function emptyLogs({ directory, log }: Pick<StartedNode, 'directory' | 'log'>): Promise<void> {
  for (const file of new Set([join(directory, 'stdout'), join(directory, 'stderr'), log])) {
    await truncate(file, 0).catch(() => {});
    const beside = await readdir(dirname(file)).catch(() => []);
    for (const name of beside)
      if (name.startsWith(`${basename(file)}.`)) await rm(join(dirname(file), name), { force: true });
  }
}

/**
 * Copies a log that has become too large to `<file>.1`, over the last one there, and empties it. Whoever writes it appends, and goes on at its beginning; what is
 * written between the two may be lost. A log that cannot be copied grows on: a full disk is no reason to lose it.
 */
export async function setLogAside(file: string, most: number): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found === null || found.size <= most) return;
  await copyFile(file, `${file}.1`)
    .then(() => truncate(file, 0))
    .catch(() => {});
}

/** The last lines of a file; of a huge one the last of its last megabyte. */
export async function readTail(file: string, lines: number): Promise<string> {
  const handle = await open(file).catch(() => null);
  if (handle === null) return '';
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, TAIL_BYTES);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    const all = buffer.toString('utf8').split('\n');
    const ends = all.at(-1) === '' ? all.slice(0, -1) : all;
    return ends.length === 0 ? '' : `${ends.slice(-lines).join('\n')}\n`;
  } finally {
    await handle.close();
  }
}

const MARK = 'TRAMONTANE_CLUSTER';
const GRACE_MS = 10_000;
const STARTING_MS = 60_000;
const ALONE_MS = 250;
const TAIL_BYTES = 1_048_576;

async function endIn(directories: readonly string[]): Promise<void> {
  // A wrapper that was started and has not begun yet finds its place taken, and runs nothing.
  await Promise.all(directories.map((directory) => mkdir(join(directory, 'started')).catch(() => {})));
  const found = await Promise.all(directories.map((directory) => readProcess(directory)));
  await Promise.all(found.map(async (process) => (typeof process === 'object' ? stopNode(process) : undefined)));
}

/** `<cluster>/<run>/<node>` */
async function nodeDirectories(clusterFolder: string): Promise<readonly string[]> {
  const runs = await readdir(clusterFolder).catch(() => []);
  const nodes = await Promise.all(
    runs.map(async (run) => {
      const entries = await readdir(join(clusterFolder, run), { withFileTypes: true }).catch(() => []);
      return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(clusterFolder, run, name));
    }),
  );
  return nodes.flat();
}
