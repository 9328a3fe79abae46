import { readFile, readdir } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process that can be told from a later one with the same number. Without /proc `start` and `bootId` are empty. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/<pid>/stat. */
  readonly start: string;
  readonly bootId: string;
}

/** Identifies this host over restarts (spec/spark.md §8.5): the machine id, else the host name. */
export function hostId(): string {
  try {
    const id = readFileSync('/etc/machine-id', 'utf8').trim();
    if (id !== '') return id;
  } catch {
    // Not every system has one.
  }
  return hostname();
}

export async function bootId(): Promise<string> {
  return (await readText('/proc/sys/kernel/random/boot_id')).trim();
}

/** Whether that very process lives. A zombie does not: nobody has fetched its exit code yet, that is all. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const boot = await bootId();
  if (identity.bootId !== '' && boot !== '' && identity.bootId !== boot) return false;
  const stat = parseStat(await readText(`/proc/${identity.pid}/stat`));
  if (stat !== null)
    return stat.state !== 'Z' && stat.state !== 'X' && (identity.start === '' || stat.start === identity.start);
  return boot === '' && canSignal(identity.pid);
}

/** Signals the whole group that the process leads. False when there is no such group any more. */
export function signalGroup(pid: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/**
 * Kills members of a group whose leader is gone. Its number may belong to somebody else by now, so each one must carry the mark (`NAME=value`) in
 * its environment.
 */
export async function killOrphans(pgid: number, mark: string): Promise<number> {
  let killed = 0;
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = parseStat(await readText(`/proc/${entry}/stat`));
    if (stat === null || stat.group !== pgid || stat.state === 'Z') continue;
    const environment = (await readText(`/proc/${entry}/environ`)).split('\0');
    if (!environment.includes(mark)) continue;
    try {
      process.kill(Number(entry), 'SIGKILL');
      killed++;
    } catch (error) {
      if (codeOf(error) !== 'ESRCH') throw error;
    }
  }
  return killed;
}

/**
 * Processes that carry the mark (`NAME=value`) in their environment, which children inherit: whatever group they are in. Zombies and
 * processes of other users are not among them.
 */
export async function markedProcesses(mark: string): Promise<readonly number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const environment = await readText(`/proc/${entry}/environ`);
    if (!environment.includes(mark) || !environment.split('\0').includes(mark)) continue;
    const stat = parseStat(await readText(`/proc/${entry}/stat`));
    if (stat !== null && stat.state !== 'Z' && stat.state !== 'X') found.push(Number(entry));
  }
  return found;
}

/** The process that has started it, or has taken it over; null when it is gone. */
export async function parentOf(pid: number): Promise<number | null> {
  const stat = parseStat(await readText(`/proc/${pid}/stat`));
  return stat === null || stat.state === 'Z' || stat.state === 'X' ? null : stat.parent;
}

/** Signals one process; false when it is gone. */
export function signalProcess(pid: number, signal: 'SIGTERM' | 'SIGKILL'): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
}

export interface ProcessStat {
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly start: string;
}

/** The program's name in parentheses may hold anything, so fields are counted from its last parenthesis. */
export function parseStat(text: string): ProcessStat | null {
  const end = text.lastIndexOf(')');
  if (end < 0) return null;
  const fields = text
    .slice(end + 2)
    .trim()
    .split(/\s+/);
  const [state, parent, group] = fields;
  const start = fields[19];
  return state === undefined || group === undefined || start === undefined
    ? null
    : { state, parent: Number(parent), group: Number(group), start };
}

function canSignal(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

/** Of an error of the system, such as `ENOENT`. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
