import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'undici';
import { silentLogger } from '../../engine/log.ts';
import { openStore } from '../../engine/store/connection.ts';
import { migrate } from '../../engine/store/migrate.ts';
import { addToken } from '../../engine/store/tokens.ts';
import { startServer } from '../helpers/server-process.ts';
import { waitFor } from '../helpers/waiting.ts';

export interface WatchedServer {
  readonly url: string;
  readonly port: number;
  /** Null while it runs; else what it ended with. */
  exit(): string | null;
  /** Bytes of living objects: asks the process to collect its garbage first. */
  heap(): Promise<number>;
  /** Writes all living objects into a file that Chrome's developer tools open. */
  snapshot(file: string): Promise<void>;
  /** Bytes that the process holds. */
  resident(): Promise<number>;
  log(): Promise<string>;
}

interface Test {
  teardown(run: () => Promise<void>): void;
}

/** `tramontane serve` in a process of its own, with authentication and these tokens; its memory can be looked at. */
export async function startWatchedServer(
  t: Test,
  tokens: readonly { readonly token: string; readonly projectId: string; readonly roles: readonly string[] }[],
): Promise<WatchedServer> {
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-hostile-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const database = `sqlite:${join(folder, 'hostile.sqlite')}`;
  const store = await openStore({ url: database }, silentLogger);
  await migrate(store);
  for (const { token, projectId, roles } of tokens)
    await addToken(store.writer, { token, projectId, userId: projectId, roles, expiresAt: null });
  await store.close();
  const logFile = join(folder, 'server.log');
  const server = await startServer({
    database,
    args: ['--auth', 'token'],
    cwd: folder,
    logFile,
    env: { ...process.env, NODE_OPTIONS: '--inspect=127.0.0.1:0' },
  });
  t.teardown(server.stop);
  const log = () => readFile(logFile, 'utf8');
  const address = await waitFor(
    'the address of the inspector',
    async () => /Debugger listening on (ws:\S+)/.exec(await log())?.[1],
  );
  const ask = await inspector(t, address);
  return {
    url: server.url,
    port: Number(new URL(server.url).port),
    exit: () => (server.child.exitCode ?? server.child.signalCode)?.toString() ?? null,
    heap: async () => {
      await ask('HeapProfiler.collectGarbage');
      return Number((await ask('Runtime.getHeapUsage'))['usedSize']);
    },
    snapshot: async (file) => {
      const out = createWriteStream(file);
      ask.chunks = (chunk) => out.write(chunk);
      await ask('HeapProfiler.takeHeapSnapshot');
      ask.chunks = null;
      await new Promise<void>((resolve) => out.end(resolve));
    },
    resident: async () => {
      const status = await readFile(`/proc/${server.child.pid}/status`, 'utf8').catch(() => '');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
    },
    log,
  };
}

interface Ask {
  (method: string): Promise<Readonly<Record<string, unknown>>>;
  /** Takes the pieces of a heap snapshot. */
  chunks: ((chunk: string) => void) | null;
}

/** Node's inspector, by its protocol. */
async function inspector(t: Test, address: string): Promise<Ask> {
  const socket = new WebSocket(address);
  const waiting = new Map<number, (result: Readonly<Record<string, unknown>>) => void>();
  let last = 0;
  const ask: Ask = Object.assign(
    (method: string) =>
      new Promise<Readonly<Record<string, unknown>>>((resolve) => {
        last += 1;
        waiting.set(last, resolve);
        socket.send(JSON.stringify({ id: last, method }));
      }),
    { chunks: null },
  );
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', () => reject(new Error(`the inspector at ${address} cannot be reached`)));
  });
  t.teardown(async () => socket.close());
  socket.addEventListener('message', ({ data }) => {
    const { id, result, params } = JSON.parse(String(data)) as {
      id?: number;
      result?: Record<string, unknown>;
      params?: { chunk?: string };
    };
    if (params?.chunk !== undefined) ask.chunks?.(params.chunk);
    if (id === undefined) return;
    waiting.get(id)?.(result ?? {});
    waiting.delete(id);
  });
  return ask;
}
