import { openStore } from '../../engine/store/connection.ts';
import type { Store } from '../../engine/store/connection.ts';
import { silentLogger } from '../../engine/log.ts';
import { migrate } from '../../engine/store/migrate.ts';

/** A migrated database in memory that is closed after the test. */
export async function memoryStore(t: { teardown(run: () => Promise<void>): void }): Promise<Store> {
  const store = await openStore({ url: 'sqlite::memory:' }, silentLogger);
  t.teardown(() => store.close());
  await migrate(store);
  return store;
}
