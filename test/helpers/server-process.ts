import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { signalGroup, waitForExit } from './processes.ts';
import { tramontaneBin } from './project.ts';

export interface ServerOptions {
  /** `sqlite:PATH`, as for `tramontane serve --database`. */
  readonly database: string;
  /** Further arguments of `serve`. */
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Where standard output and error are kept. */
  readonly logFile?: string;
  /** Longest time until it prints its address. */
  readonly startTimeoutMs?: number;
}

export interface ServerProcess {
  /** `http://host:port`, without a path. */
  readonly url: string;
  readonly child: ChildProcess;
  /** Ends it with SIGTERM, after ten seconds with SIGKILL. Safe to repeat. */
  stop(): Promise<void>;
}

/** Starts `tramontane serve` on a free port of the loopback interface, in a process of its own, and waits until it answers. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { child, ready, stop } = launchServer(options);
  try {
    return { url: await ready, child, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As {@link startServer}, but returns at once: `ready` is the address, and rejects when the server ends before it has printed it. */
export function launchServer(options: ServerOptions): {
  readonly child: ChildProcess;
  readonly ready: Promise<string>;
  stop(): Promise<void>;
} {
  const args = [
    tramontaneBin,
    'serve',
    '--host',
    '127.0.0.1',
    '--port',
    '0',
    '--database',
    options.database,
    ...(options.args ?? []),
  ];
  const child = spawn(process.execPath, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  return { child, ready: printedAddress(child, options), stop: () => endServer(child) };
}

function printedAddress(child: ChildProcess, options: ServerOptions): Promise<string> {
  const log = options.logFile === undefined ? null : createWriteStream(options.logFile, { flags: 'a' });
  return new Promise((resolve, reject) => {
    let output = '';
    const giveUp = (why: string) => reject(new Error(`tramontane serve ${why}\n${output.slice(-4000)}`));
    const timeoutMs = options.startTimeoutMs ?? 60_000;
    const timer = setTimeout(giveUp, timeoutMs, `did not print its address within ${timeoutMs / 1000} s`);
    const listen = (text: string) => {
      log?.write(text);
      if (output.length < 100_000) output += text;
      const address = /https?:\/\/(?:\[[\da-f:]+\]|[\w.-]+):\d+/.exec(output);
      if (address === null) return;
      clearTimeout(timer);
      resolve(address[0]);
    };
    child.stdout?.setEncoding('utf8').on('data', listen);
    child.stderr?.setEncoding('utf8').on('data', listen);
    child.once('error', (error) => giveUp(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      giveUp(`ended with ${signal ?? code}`);
    });
  });
}

async function endServer(child: ChildProcess): Promise<void> {
  const gone = waitForExit(child);
  signalGroup(child, 'SIGTERM');
  const late = new AbortController();
  const first = await Promise.race([
    gone.then(() => 'gone'),
    sleep(10_000, 'late', { signal: late.signal }).catch(() => 'gone'),
  ]);
  late.abort();
  if (first === 'late') signalGroup(child, 'SIGKILL');
  await gone;
}
