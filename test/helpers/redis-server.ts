import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { waitForExit } from './processes.ts';

export interface RedisServer {
  readonly url: string;
  /** It keeps nothing: what it held is gone. @returns false when it was not up. */
  kill(): Promise<boolean>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function findRedis(): Promise<string | null> {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const path = join(folder, 'redis-server');
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return null;
}

/** Without files: a restart has lost everything. */
export async function startRedis(program: string, folder: string, args: readonly string[] = []): Promise<RedisServer> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let server: ChildProcess | null = null;
  const start = async () => {
    const settings = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      folder,
    ];
    server = spawn(program, [...settings, ...args], { stdio: 'ignore', detached: true });
    await untilItAnswers(url, server);
  };
  const end = async (signal: NodeJS.Signals) => {
    const child = server;
    server = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return false;
    child.kill(signal);
    await waitForExit(child);
    return true;
  };
  await start();
  return {
    url,
    start,
    kill: () => end('SIGKILL'),
    stop: async () => {
      await end('SIGTERM');
    },
  };
}

async function untilItAnswers(url: string, server: ChildProcess): Promise<void> {
  for (let tries = 0; ; tries++) {
    if (server.exitCode !== null) throw new Error(`the Redis server ended with code ${server.exitCode}`);
    const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.ping();
      return;
    } catch (error) {
      if (tries > 300) throw error;
      await sleep(100);
    } finally {
      client.disconnect();
    }
  }
}
