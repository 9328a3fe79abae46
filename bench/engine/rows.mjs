import { build } from '../build.mjs';

/** Counts rows in a database whose server has stopped. */
export async function openStoreAt(path, work) {
  const { openStore } = await build('engine/store/connection.js');
  const { silentLogger } = await build('engine/log.js');
  const store = await openStore({ url: `sqlite:${path}` }, silentLogger);
  try {
    return await work(async (table) => {
      const [{ n }] = await store.reader(table).count({ n: '*' });
      return Number(n);
    });
  } finally {
    await store.close();
  }
}
