import { createApp } from '../../api/app.ts';
import { startNode } from '../../api/node.ts';
import { listen } from '../../api/server.ts';
import { DEFAULT_CONFIG } from '../../engine/config.ts';
import type { Config } from '../../engine/config.ts';
import { silentLogger } from '../../engine/log.ts';
import type { Logger } from '../../engine/log.ts';
import type { Store } from '../../engine/store/connection.ts';

/** A whole node with its API on a real socket, in this process; by default over a database in memory. */
export async function startNodeServer(
  t: { teardown(run: () => Promise<void>): void },
  settings: Partial<Config> = {},
  log: Logger = silentLogger,
): Promise<{ readonly url: string; readonly store: Store }> {
  const node = await startNode(
    { ...DEFAULT_CONFIG, database: 'sqlite::memory:', shutdownSeconds: 0, ...settings },
    log,
    {},
  );
  const app = createApp({ ...node, infoFile: null, processes: () => [] }, { log, anonymousIsAdmin: true });
  const server = await listen(app.callback(), { host: '127.0.0.1', port: 0, insecure: false });
  t.teardown(async () => {
    await server.close();
    await node.close();
  });
  return { url: server.url, store: node.store };
}
