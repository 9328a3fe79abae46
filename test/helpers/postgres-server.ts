import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chown, mkdir, readdir, readFile } from 'node:fs/promises';
import { createWriteStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from './free-port.ts';
import { waitForExit } from './processes.ts';

export interface PostgresServer {
  /** Of the database `postgres`. */
  readonly url: string;
  /** Every process of it ends at once. @returns false when it was not up. */
  kill(): Promise<boolean>;
  /** After {@link kill}: on the same port, with what was committed. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Where the server's programs are; null where it is not installed. */
export async function findPostgres(): Promise<string | null> {
  const debian = '/usr/lib/postgresql';
  const versions = (await readdir(debian).catch(() => [])).toSorted((a, b) => Number(b) - Number(a));
  const folders = [...versions.map((version) => join(debian, version, 'bin')), ...(process.env.PATH ?? '').split(':')];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres'))) ?? null;
}

/**
 * A new cluster in an empty folder. The server refuses to run as root: there it runs as the user that its package made.
 *
 * By default a {@link PostgresServer.kill} may lose what was committed last; with `survivesKills` only a power cut, with `durable` nothing.
 */
export async function startPostgres(
  programs: string,
  folder: string,
  options: { readonly durable?: boolean; readonly survivesKills?: boolean } = {},
): Promise<PostgresServer> {
  const user = process.getuid?.() === 0 ? await userNamed('postgres') : null;
  const data = join(folder, 'data');
  await mkdir(data, { recursive: true });
  if (user !== null) for (const path of [folder, data]) await chown(path, user.uid, user.gid);
  const port = await freePort();
  const log = createWriteStream(join(folder, 'server.log'), { flags: 'a' });
  const launch = (program: string, args: readonly string[]): ChildProcess => {
    const child = spawn(join(programs, program), args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
      ...user,
    });
    child.stdout?.pipe(log, { end: false });
    child.stderr?.pipe(log, { end: false });
    return child;
  };
  const setUp = launch('initdb', [
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--locale=C',
    '--no-sync',
  ]);
  await waitForExit(setUp);
  if (setUp.exitCode !== 0) throw new Error(`initdb failed:\n${await readFile(join(folder, 'server.log'), 'utf8')}`);
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: folder,
    max_connections: '200',
    // Machines of tests have little shared memory.
    dynamic_shared_memory_type: 'posix',
    ...(options.durable === true ? {} : { fsync: 'off', full_page_writes: 'off' }),
    ...(options.durable === true || options.survivesKills === true ? {} : { synchronous_commit: 'off' }),
  };
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  let server: ChildProcess | null = null;
  const start = async () => {
    server = launch('postgres', [
      '-D',
      data,
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
    ]);
    await untilItAnswers(url, server);
  };
  const end = async (signal: NodeJS.Signals, wholeGroup: boolean) => {
    const child = server;
    server = null;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false;
    // Its helpers are in sessions of their own; they end when they miss the first one.
    process.kill(wholeGroup ? -child.pid : child.pid, signal);
    await waitForExit(child);
    return true;
  };
  await start();
  return {
    url,
    start,
    kill: () => end('SIGKILL', true),
    stop: async () => {
      await end('SIGINT', false);
      log.end();
    },
  };
}

async function untilItAnswers(url: string, server: ChildProcess): Promise<void> {
  for (let tries = 0; ; tries++) {
    if (server.exitCode !== null) throw new Error(`the PostgreSQL server ended with code ${server.exitCode}`);
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (tries > 600) throw error;
      await sleep(100);
    }
  }
}

async function userNamed(name: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').find((one) => one.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) throw new Error(`there is no user '${name}' to run the server as`);
  return { uid: Number(uid), gid: Number(gid) };
}
