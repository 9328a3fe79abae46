import { spawn, type ChildProcess } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Called with every piece of standard error, for progress. */
  readonly onStderr?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** Runs a program to its end. A program that cannot be started ends with code 127 and the reason in `stderr`. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // In a group of its own: Ctrl-C reaches only us, and we end the group as a whole.
      detached: true,
    });
    const stop = () => signalGroup(child, 'SIGTERM');
    options.signal?.addEventListener('abort', stop);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      options.onStderr?.(text);
    });
    const finish = (code: number | null) => {
      options.signal?.removeEventListener('abort', stop);
      resolve({ code, stdout, stderr });
    };
    child.on('error', (error) => {
      stderr += error.message;
      finish(127);
    });
    child.on('close', finish);
  });
}

/** Sends a signal to the whole group of a detached child; quiet when it has ended. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // ended meanwhile
  }
}

export function waitForExit(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/**
 * Ends the processes that have `NAME=value` in their environment, which children inherit: SIGTERM, after `graceMs` SIGKILL.
 * Returns how many there were. Only Linux tells the environment of a process; elsewhere it finds none.
 */
export async function endMarkedProcesses(name: string, value: string, graceMs = 10_000): Promise<number> {
  const found = await markedProcesses(name, value);
  for (const pid of found) kill(pid, 'SIGTERM');
  const end = Date.now() + graceMs;
  while (found.some(isAlive) && Date.now() < end) await sleep(100);
  for (const pid of found.filter(isAlive)) kill(pid, 'SIGKILL');
  return found.length;
}

export async function markedProcesses(name: string, value: string): Promise<number[]> {
  const entries = await readdir('/proc').catch(() => []);
  const pids = entries.filter((entry) => /^\d+$/.test(entry)).map(Number);
  const marked = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
      return environment.split('\0').includes(`${name}=${value}`);
    }),
  );
  return pids.filter((pid, index) => marked[index] === true && pid !== process.pid);
}

function isAlive(pid: number): boolean {
  return kill(pid, 0);
}

function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
