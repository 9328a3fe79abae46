import { hostname } from 'node:os';
import type { AuthMode, Config } from '../../engine/config.ts';
import { createApp } from '../app.ts';
import { createAccess } from '../auth/index.ts';
import type { CreateLogger } from '../cli.ts';
import { startNode } from '../node.ts';
import type { Node } from '../node.ts';
import { createLive } from '../live.ts';
import { isLoopback, listen } from '../server.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { portOf, readSettings } from './settings.ts';
import type { CommonOptions } from './settings.ts';

export interface ServeOptions extends CommonOptions {
  readonly host?: string;
  readonly port?: string;
  readonly insecure?: boolean;
  readonly auth?: AuthMode;
}

/** Runs until it is told to stop. */
export async function serveCommand(
  options: ServeOptions,
  terminal: Terminal,
  createLogger: CreateLogger,
): Promise<ExitCode> {
  const config = readSettings(options, fromCommandLine(options));
  const log = createLogger(config.logLevel);
  const node = await startNode(config, log, terminal.environment);
  let closed = false;
  try {
    const access = createAccess(config, node.store);
    const live = createLive(node.store, log);
    node.engine.onCommit(() => live.feed.wake());
    const app = createApp(
      {
        store: node.store,
        definitions: node.definitions,
        finder: node.finder,
        engine: node.engine,
        cronTriggers: node.cronTriggers,
        eventTriggers: node.eventTriggers,
        maintenance: node.maintenance,
        catalogue: node.catalogue,
        modules: node.modules,
        infoFile: config.infoFile,
        processes,
      },
      { log, access, live, openMetrics: isLoopback(config.host), corsOrigins: config.corsOrigins },
    );
    const server = await listen(app.callback(), { ...config, insecure: config.insecure || access.authenticates });
    terminal.out(`listening on ${server.url}\n`);
    const signal = await terminal.stopped;
    log.info('Stopping', { signal });
    live.feed.close();
    await server.close(config.shutdownSeconds * 1000);
  } finally {
    closed = await closesInTime(node, (config.shutdownSeconds + CLOSING_SECONDS) * 1000);
    if (!closed) log.warn('The database does not take what is left to write; the next start goes on from what it has.');
  }
  return closed ? 0 : 1;
}

// Beyond what running actions get: ample for the last batch, unless the disk is full or gone.
const CLOSING_SECONDS = 10;

/** Nothing is lost by leaving early: the database knows at every moment how to go on. */
async function closesInTime(node: Node, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, milliseconds, false);
  });
  const closed = await Promise.race([node.close().then(() => true), late]);
  clearTimeout(timer);
  return closed;
}

function fromCommandLine({ host, port, insecure, auth }: ServeOptions): Partial<Config> {
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port: portOf(port) }),
    ...(insecure === undefined ? {} : { insecure }),
    ...(auth === undefined ? {} : { authMode: auth }),
  };
}

/** One process that is everything (spec/rest-api.md §3.15). */
function processes(): readonly { name: string; type: string }[] {
  const name = `${hostname()}_${process.pid}`;
  return ['api_group', 'engine_group', 'executor_group'].map((type) => ({ name, type }));
}
