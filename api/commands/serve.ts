import { hostname } from 'node:os';
import type { Config } from '../../engine/config.ts';
import { createApp } from '../app.ts';
import type { CreateLogger } from '../cli.ts';
import { startNode } from '../node.ts';
import { listen } from '../server.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { portOf, readSettings } from './settings.ts';
import type { CommonOptions } from './settings.ts';

export interface ServeOptions extends CommonOptions {
  readonly host?: string;
  readonly port?: string;
  readonly insecure?: boolean;
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
  try {
    const app = createApp(
      {
        store: node.store,
        definitions: node.definitions,
        finder: node.finder,
        engine: node.engine,
        catalogue: node.catalogue,
        infoFile: config.infoFile,
        processes,
      },
      { log, anonymousIsAdmin: config.anonymousIsAdmin },
    );
    const server = await listen(app.callback(), config);
    terminal.out(`listening on ${server.url}\n`);
    const signal = await terminal.stopped;
    log.info('Stopping', { signal });
    await server.close(config.shutdownSeconds * 1000);
  } finally {
    await node.close();
  }
  return 0;
}

function fromCommandLine({ host, port, insecure }: ServeOptions): Partial<Config> {
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port: portOf(port) }),
    ...(insecure === undefined ? {} : { insecure }),
  };
}

/** One process that is everything (spec/rest-api.md §3.15). */
function processes(): readonly { name: string; type: string }[] {
  const name = `${hostname()}_${process.pid}`;
  return ['api_group', 'engine_group', 'executor_group'].map((type) => ({ name, type }));
}
