import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { access, constants, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis, type RedisOptions as ClientOptions } from 'ioredis';
import { freePort } from './free-port.ts';
import { waitForExit } from './processes.ts';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
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

/** PEM files: with them the server speaks TLS alone. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface RedisOptions {
  readonly tls?: TlsFiles | null;
  /** What clients and replicas must say. */
  readonly password?: string;
  /** For what has to know it before. */
  readonly port?: number | null;
  /** Lines of the configuration of a sentinel; the server is one then. */
  readonly sentinel?: string | null;
}

/** Without files: a restart has lost everything. */
export async function startRedis(
  program: string,
  folder: string,
  args: readonly string[] = [],
  { tls = null, password, port: wanted = null, sentinel = null }: RedisOptions = {},
): Promise<RedisServer> {
  const port = wanted ?? (await freePort());
  const url = `${tls === null ? 'redis' : 'rediss'}://127.0.0.1:${port}`;
  let server: ChildProcess | null = null;
  const start = async () => {
    const settings = { bind: '127.0.0.1', ...(tls === null ? { port } : tlsSettings(port, tls)) } satisfies Settings;
    const given =
      sentinel === null
        ? asArguments({ ...settings, ...passwords(password), save: '', appendonly: 'no', dir: folder })
        : [await sentinelFile(folder, port, settings, sentinel), '--sentinel'];
    server = spawn(program, [...given, ...args], { stdio: 'ignore', detached: true });
    const trust = tls === null ? {} : { tls: { ca: await readFile(tls.ca) } };
    try {
      await untilItAnswers(url, server, { ...trust, ...(password !== undefined && { password }) });
    } catch (error) {
      await end('SIGKILL');
      throw error;
    }
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
    port,
    start,
    kill: () => end('SIGKILL'),
    stop: async () => {
      await end('SIGTERM');
    },
  };
}

type Settings = Readonly<Record<string, string | number>>;

function tlsSettings(port: number, { ca, cert, key }: TlsFiles): Settings {
  return {
    port: 0,
    'tls-port': port,
    'tls-ca-cert-file': ca,
    'tls-cert-file': cert,
    'tls-key-file': key,
    'tls-auth-clients': 'no',
    'tls-replication': 'yes',
  };
}

function passwords(password: string | undefined): Settings {
  return password === undefined ? {} : { requirepass: password, masterauth: password };
}

function asArguments(settings: Settings): string[] {
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

/** A sentinel writes what it learns into its configuration. */
async function sentinelFile(folder: string, port: number, settings: Settings, more: string): Promise<string> {
  const file = join(folder, `sentinel-${port}.conf`);
  const lines = Object.entries({ ...settings, dir: folder }).map(([name, value]) => `${name} ${value}\n`);
  await writeFile(file, lines.join('') + more);
  return file;
}

async function untilItAnswers(url: string, server: ChildProcess, options: ClientOptions): Promise<void> {
  for (let tries = 0; ; tries++) {
    if (server.exitCode !== null) throw new Error(`the Redis server ended with code ${server.exitCode}`);
    const client = new Redis(url, { ...options, lazyConnect: true, retryStrategy: () => null });
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
