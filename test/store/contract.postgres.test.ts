import test from 'ava';
import { isConnectionError, openStore } from '../../engine/store/connection.ts';
import { silentLogger } from '../../engine/log.ts';
import { startProxy } from '../helpers/proxy.ts';
import { testDatabase } from '../helpers/store.ts';
import { storeContract } from './contract.ts';

storeContract(test, 'pg', testDatabase);

test('pg: whatever a lost connection breaks off is told from other errors, and the next statement works', async (t) => {
  const address = new URL(await testDatabase(t));
  const proxy = await startProxy(Number(address.port || 5432));
  t.teardown(proxy.close);
  address.hostname = '127.0.0.1';
  address.port = String(proxy.port);
  const store = await openStore({ url: address.toString() }, silentLogger);
  t.teardown(store.close);
  const losses: Record<string, () => Promise<unknown>> = {
    'while a statement runs': () => {
      const sleeping = store.reader.raw('select pg_sleep(60)').then((answer) => answer);
      setTimeout(proxy.cut, 200);
      return sleeping;
    },
    'inside a transaction': () =>
      store.writer.transaction(async (trx) => {
        await trx.raw('create table if not exists written (n integer)');
        proxy.cut();
        await trx.raw('insert into written values (1)');
      }),
    'by the server': () =>
      store.writer.transaction(async (trx) => trx.raw('select pg_terminate_backend(pg_backend_pid())')),
  };
  for (const [when, lose] of Object.entries(losses)) {
    const error = await t.throwsAsync(lose, undefined, when);
    t.true(isConnectionError(error), `${when}: ${error?.message}`);
    t.deepEqual((await store.reader.raw('select 1 as one')).rows, [{ one: 1 }], when);
  }
  const wrong = await t.throwsAsync(async () => store.reader.raw("select ' - Connection terminated' where nothing"));
  t.false(isConnectionError(wrong), wrong?.message);
});
