import { redisSettings, rolesOf, ROLES } from '../../engine/config.ts';
import type { AuthMode, Config } from '../../engine/config.ts';
import { isPostgresUrl } from '../../engine/store/connection.ts';
import { createApp } from '../app.ts';
import { createAccess } from '../auth/index.ts';
import type { CreateLogger } from '../cli.ts';
import { startNode } from '../node.ts';
import type { Node } from '../node.ts';
import { createLive } from '../live.ts';
import { isLoopback, listen } from '../server.ts';
import { createProbes } from '../probes.ts';
import { serviceGroups } from '../service-groups.ts';
import type { ExitCode, Terminal } from '../terminal.ts';
import { UsageError } from '../usage-error.ts';
import { portOf, readSettings } from './settings.ts';
import type { CommonOptions } from './settings.ts';

export interface ServeOptions extends CommonOptions {
  readonly host?: string;
  readonly port?: string;
  readonly insecure?: boolean;
  readonly auth?: AuthMode;
  readonly role?: string;
  readonly redis?: string;
}

/** Runs until it is told to stop. */
export async function serveCommand(
  options: ServeOptions,
  terminal: Terminal,
  createLogger: CreateLogger,
): Promise<ExitCode> {
  const config = readSettings(options, fromCommandLine(options));
  checkRoles(config);
  const log = createLogger(config.logLevel);
  const node = await startNode(config, log, terminal.environment, true, terminal.stopped);
  let closed = false;
  try {
    const access = createAccess(config, node.store);
    const live = createLive(node.store, log);
    if (config.roles.includes('api')) node.onCommit(() => live.feed.wake());
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
        pools: node.pools,
        modules: node.modules,
        fileLimits: node.fileLimits,
        infoFile: config.infoFile,
        processes: () => serviceGroups(node.store, config.roles),
      },
      { log, access, live, isLocal: isLoopback(config.host), corsOrigins: config.corsOrigins },
    );
    const handler = config.roles.includes('api') ? app.callback() : createProbes(node.store);
    const server = await listen(handler, { ...config, insecure: config.insecure || access.authenticates });
    terminal.out(`listening on ${server.url}\n`);
    const signal = await Promise.race([terminal.stopped, node.outdated.then(() => 'a newer version of the database')]);
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

/** @throws UsageError for a mix of roles, database and queue that could not work. */
function checkRoles({ roles, redis, database }: Config): void {
  if (redis !== null && !isPostgresUrl(database))
    throw new UsageError(
      'Redis joins many processes, and these need PostgreSQL: --database postgres://USER@HOST/DATABASE',
    );
  if (redis !== null || (roles.includes('executor') && roles.includes('engine'))) return;
  throw new UsageError(
    `Without --redis, actions run in the process that sends them: a process with the roles ${roles.join(',')} needs engine and executor too, or --redis redis://HOST`,
  );
}

function fromCommandLine({ host, port, insecure, auth, role, redis }: ServeOptions): Partial<Config> {
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port: portOf(port) }),
    ...(insecure === undefined ? {} : { insecure }),
    ...(auth === undefined ? {} : { authMode: auth }),
    ...(role === undefined
      ? {}
      : { roles: required(rolesOf(role), `--role ${role}: write one or more of ${ROLES.join(',')}`) }),
    ...(redis === undefined
      ? {}
      : {
          redis: required(
            redisSettings(redis),
            'the value of --redis is no address; write redis://HOST:PORT or rediss://HOST:PORT',
          ),
        }),
  };
}

function required<T>(value: T | undefined, otherwise: string): T {
  if (value === undefined) throw new UsageError(otherwise);
  return value;
}
