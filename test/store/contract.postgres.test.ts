import test from 'ava';
import { isConnectionError, openStore } from '../../engine/store/connection.ts';
import { silentLogger } from '../../engine/log.ts';
import { systemClock } from '../../engine/shell/clock.ts';
import { Leadership, LeaseLost } from '../../engine/shell/leadership.ts';
import { Membership, SharedClock } from '../../engine/shell/membership.ts';
import { migrate, schemaVersions } from '../../engine/store/migrate.ts';
import { liveServices } from '../../engine/store/services.ts';
import { startProxy } from '../helpers/proxy.ts';
import { testDatabase } from '../helpers/store.ts';
import { waitFor } from '../helpers/waiting.ts';
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

test('pg: one leads at a time, and who was overtaken while asleep writes nothing on the strength of it', async (t) => {
  const store = await openStore({ url: await testDatabase(t) }, silentLogger);
  t.teardown(store.close);
  await migrate(store);
  const leader = (holder: string, leaseMs: number) => new Leadership(store, 'janitor', holder, leaseMs, silentLogger);
  const [asleep, awake] = [leader('asleep', 300), leader('awake', 60_000)];
  t.deepEqual(await asleep.campaign(), { leads: true, isNew: true });
  await waitFor('the end of the lease', async () => (await awake.campaign()).leads);
  const write = (who: Leadership) => store.writer.transaction((trx) => who.fence(trx));
  await t.throwsAsync(write(asleep), { instanceOf: LeaseLost });
  await t.notThrowsAsync(write(awake));
  t.deepEqual(await asleep.campaign(), { leads: false, isNew: false });
  await awake.resign();
  t.deepEqual(await asleep.campaign(), { leads: true, isNew: true });
  await t.throwsAsync(write(awake), { instanceOf: LeaseLost });
});

test('pg: a node that drains says so, and one whose schema was changed by a newer program is told to stop', async (t) => {
  const store = await openStore({ url: await testDatabase(t) }, silentLogger);
  t.teardown(store.close);
  await migrate(store);
  const { known } = await schemaVersions(store.reader);
  let tell = () => {};
  const outdated = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const member = new Membership({
    store,
    clock: new SharedClock(systemClock),
    log: silentLogger,
    service: { id: 'me', name: 'here_1', host: 'here', roles: ['executor'], schemaVersion: known },
    times: { beatMs: 50, leaseMs: 60_000 },
    onOutdated: () => tell(),
    schemaVersion: async () => (await schemaVersions(store.reader)).stored,
  });
  await member.start();
  t.deepEqual(await member.executors(), ['me']);
  await member.drain();
  t.deepEqual(
    (await liveServices(store.reader)).map(({ state }) => state),
    ['draining'],
  );
  await store.writer('schema_versions').insert({ version: known + 1, name: 'of tomorrow', applied_at: 0 });
  await outdated;
  await member.close();
  t.deepEqual(await liveServices(store.reader), []);
});
