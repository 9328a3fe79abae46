import { createApp } from '../../api/app.ts';
import { createAccess } from '../../api/auth/index.ts';
import { startNode } from '../../api/node.ts';
import { createLive } from '../../api/live.ts';
import { createRouters, routesOf } from '../../api/routes.ts';
import type { Route } from '../../api/routes.ts';
import { listen } from '../../api/server.ts';
import { DEFAULT_CONFIG } from '../../engine/config.ts';
import type { Config } from '../../engine/config.ts';
import { silentLogger } from '../../engine/log.ts';
import type { Logger } from '../../engine/log.ts';
import type { Store } from '../../engine/store/connection.ts';
import { testDatabase } from './store.ts';

/**
 * A whole node with its API on a real socket, in this process; by default over a database in memory, in the suites of
 * PostgreSQL over a new one there.
 *
 * @param pollMilliseconds how often streams look for themselves, without being told of a commit.
 * @param heartbeatMilliseconds how often they ask whether they may go on.
 */
export async function startNodeServer(
  t: { teardown(run: () => Promise<void>): void },
  settings: Partial<Config> = {},
  log: Logger = silentLogger,
  pollMilliseconds?: number,
  heartbeatMilliseconds?: number,
): Promise<{ readonly url: string; readonly store: Store; readonly routes: readonly Route[] }> {
  const database = settings.database ?? (await testDatabase(t));
  const config = { ...DEFAULT_CONFIG, shutdownSeconds: 0, ...settings, database };
  const node = await startNode(config, log, {});
  const services = { ...node, infoFile: null, processes: () => [] };
  const live = createLive(node.store, log, pollMilliseconds, heartbeatMilliseconds);
  node.onCommit(() => live.feed.wake());
  const app = createApp(services, {
    log,
    access: createAccess(config, node.store),
    live,
    isLocal: config.authMode === 'none',
    corsOrigins: config.corsOrigins,
  });
  const server = await listen(app.callback(), { host: '127.0.0.1', port: 0, insecure: false });
  t.teardown(async () => {
    live.feed.close();
    await server.close();
    await node.close();
  });
  return { url: server.url, store: node.store, routes: routesOf(createRouters(services, live)) };
}
